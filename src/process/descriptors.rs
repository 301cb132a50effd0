//! Room for connections: what `maxconn` needs of the limit on open descriptors, and who may raise that limit.
//!
//! At the start a limit that cannot be raised refuses the config, as HAProxy does. In a reload there is traffic
//! to keep: the limit is raised as far as it goes (a privileged parent raises its worker's), and if that is not
//! enough fewer connections are taken, which is said.

use crate::config::Config;
use crate::sys::limits::{self, Descriptors};

/// Descriptors beside those of connections: logs, pages, probes, eventfds.
const SPARE: u64 = 128;

/// What a connection takes: the client's socket and the server's.
const PLAIN: u64 = 2;
/// What each side that speaks TLS takes more: a socket pair.
const SECURED: u64 = 2;

/// What HAProxy derives from the limit on descriptors: two a connection.
pub fn default_maxconn(limit: Option<Descriptors>) -> u32 {
    let room = limit.map_or(1024, |limit| limit.soft.max(limit.hard));
    connections_in(room, SPARE, PLAIN).clamp(16, 1_000_000)
}

/// That, with less for what TLS takes more.
pub fn derived_maxconn(config: &Config, plain: u32) -> u32 {
    let fitting = u64::from(plain) * PLAIN / each(config);
    u32::try_from(fitting).unwrap_or(plain).max(plain.min(16))
}

/// Makes room at the start, while there may be the right to.
pub fn raise_at_start(config: &Config, program: &str) -> Result<(), String> {
    let Ok(limit) = limits::descriptors() else { return Ok(()) };
    let wanted = wanted(config, limit.hard);
    if wanted <= limit.soft {
        return Ok(());
    }
    limits::set_descriptors(wanted).map_err(|_| {
        format!(
            "[{program}.main()] Cannot raise FD limit to {wanted}, limit is {}.\n   \
             | lower 'maxconn' or 'ulimit-n', or raise the limit (LimitNOFILE, ulimit -n)",
            limit.hard
        )
    })
}

/// What to say of a `maxconn` for which there is room, but not if all of its connections spoke TLS.
pub fn shortage(config: &Config) -> Option<String> {
    short_of(config, limits::descriptors().ok()?.hard)
}

fn short_of(config: &Config, hard: u64) -> Option<String> {
    let asked = config.global.maxconn.filter(|_| config.global.ulimit_n.is_none())?;
    let connections = u64::from(asked);
    // One that was derived from the limit leaves that room.
    if connections * PLAIN > hard || connections * each(config) + SPARE <= hard {
        return None;
    }
    let fitting = connections_in(hard, fixed(config), each(config));
    Some(format!(
        "'maxconn {asked}' has room for {fitting} connections if all of them speak TLS, which takes {} descriptors each: \
         the limit is {hard}. Raise it (LimitNOFILE, ulimit -n), or lower 'maxconn'.",
        each(config)
    ))
}

/// The parent's part of a reload: a worker without privileges cannot pass its hard limit. One that stays as it
/// is adapts itself.
pub fn raise_for_worker(config: &Config, worker: u32) {
    let Ok(limit) = limits::descriptors_of(worker) else { return };
    let wanted = wanted(config, limit.hard);
    if wanted > limit.hard {
        // Only root may; the worker says what it could not get.
        let _ = limits::raise_descriptors_of(worker, wanted);
    }
}

/// Makes room in a reload, or lowers the config's `maxconn` to what fits and says so.
pub fn fit_at_reload(config: &mut Config) -> Option<String> {
    let limit = limits::descriptors().ok()?;
    let wanted = wanted(config, limit.hard);
    if wanted <= limit.soft || limits::set_descriptors(wanted).is_ok() {
        return None;
    }
    // To the hard limit everybody may go; if not even that is granted, the soft one counts.
    let room = limits::set_descriptors(limit.hard).map_or(limit.soft, |()| limit.hard);
    let asked = config.global.maxconn?;
    let fitting = connections_in(room, fixed(config), each(config));
    if fitting >= asked {
        return None;
    }
    config.global.maxconn = Some(fitting);
    Some(format!(
        "'maxconn {asked}' needs {wanted} descriptors and the limit is {room}: {fitting} connections are taken; \
         raise the limit (LimitNOFILE, ulimit -n) and restart"
    ))
}

fn wanted(config: &Config, hard: u64) -> u64 {
    let connections = u64::from(config.global.maxconn.unwrap_or_default());
    match config.global.ulimit_n {
        Some(configured) => configured,
        // A maxconn that was derived from the limit fits but for what is fixed. One that HAProxy has room for is
        // no reason to refuse a config, though all of its connections could not speak TLS at once.
        None if connections * PLAIN <= hard => (connections * each(config) + fixed(config)).min(hard),
        None => connections * each(config) + fixed(config),
    }
}

/// What a connection takes at most: as if it came to a line that speaks TLS, and went to one.
fn each(config: &Config) -> u64 {
    let mut binds = config.frontends.iter().flat_map(|frontend| &frontend.binds);
    let mut servers = config.backends.iter().flat_map(|backend| &backend.servers);
    let sides = [binds.any(|bind| bind.tls.is_some()), servers.any(|server| server.tls.is_some())];
    PLAIN + SECURED * sides.into_iter().filter(|secured| *secured).count() as u64
}

fn fixed(config: &Config) -> u64 {
    let binds: usize = config.frontends.iter().map(|frontend| frontend.binds.len()).sum();
    let servers: usize = config.backends.iter().map(|backend| backend.servers.len()).sum();
    (binds + 2 * servers) as u64 + 2 * u64::from(config.pipes()) + SPARE
}

fn connections_in(room: u64, fixed: u64, each: u64) -> u32 {
    u32::try_from(room.saturating_sub(fixed) / each).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_maxconn_leaves_room_for_two_descriptors_each() {
        let of = |soft, hard| default_maxconn(Some(Descriptors { soft, hard }));
        assert_eq!(of(1024, 4096), (4096 - 128) / 2);
        assert_eq!(of(20, 20), 16);
        assert_eq!(of(1024, u64::MAX), 1_000_000);
    }

    #[test]
    fn a_derived_maxconn_never_asks_for_more_than_the_limit() {
        let mut config = Config::default();
        config.global.maxconn = Some(default_maxconn(Some(Descriptors { soft: 4096, hard: 4096 })));
        assert_eq!(wanted(&config, 4096), 4096);
        config.global.maxconn = Some(3000);
        assert_eq!(wanted(&config, 4096), 6128);
        config.global.ulimit_n = Some(7000);
        assert_eq!(wanted(&config, 4096), 7000);
    }

    #[test]
    fn a_side_that_speaks_tls_takes_two_more() {
        let of = |text: &str| {
            let files = vec![("test.cfg".to_owned(), text.as_bytes().to_vec())];
            let loaded = crate::config::load(&crate::config::Bundle { files, ..Default::default() });
            loaded.config.unwrap_or_else(|| unreachable!("{:?}", loaded.diagnostics))
        };
        let plain = of("listen l\n bind :1\n server s 127.0.0.1:1\n");
        let mut secured = of("listen l\n bind :1\n server s 127.0.0.1:1 ssl verify none\n");
        assert_eq!(derived_maxconn(&plain, 1000), 1000);
        assert_eq!(derived_maxconn(&secured, 1000), 500);
        assert_eq!(derived_maxconn(&secured, 16), 16);
        secured.global.maxconn = Some(1000);
        assert_eq!(wanted(&secured, 100_000), 4000 + fixed(&secured));
        assert_eq!(wanted(&secured, 3000), 3000);
        let said = short_of(&secured, 3000).unwrap_or_default();
        assert!(said.starts_with("'maxconn 1000' has room for 71"), "{said}");
        assert_eq!((short_of(&secured, 4128), short_of(&plain, 3000)), (None, None));
    }
}
