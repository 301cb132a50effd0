//! `show servers state`, also the form of HAProxy's state file, and `show servers conn`.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Reply;
use crate::api::request::ServerList;
use crate::config::model::{BackendId, Server, ServerAddress, ServerPort};
use crate::state::{CheckStatus, Snapshot, admin};
use crate::stats::Details;
use crate::stats::rows::{ServerRow, servers};
use crate::time::Tick;

const STATE_HEAD: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight \
     srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
     srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port \
     srv_check_addr srv_agent_addr srv_agent_port\n";

/// The answer, a backend at a time.
pub fn answer(snapshot: Arc<Snapshot>, list: ServerList, name: Option<&str>, now: Tick) -> Reply {
    let chosen = match name.map(|name| snapshot.backend(name)) {
        Some(None) => return Reply::say("Can't find backend.\n"),
        Some(Some(BackendId(at))) => at..at + 1,
        None => 0..snapshot.config.backends.len(),
    };
    let head = match list {
        ServerList::State => STATE_HEAD.to_owned(),
        ServerList::Connections => connections_head(snapshot.process.load.len()),
    };
    let part = move |at: usize| {
        let mut text = String::new();
        for row in servers(&snapshot, BackendId(at), Details::Legends, now) {
            match list {
                ServerList::State => push_state(&mut text, &row),
                ServerList::Connections => push_connections(&mut text, &row, snapshot.process.load.len()),
            }
        }
        text
    };
    Reply::Parts(Box::new(std::iter::once(head).chain(chosen.map(part))))
}

fn push_state(text: &mut String, row: &ServerRow<'_>) {
    let (server, live, health) = (row.config, row.live, &row.health);
    let (ip, port) = place(server);
    let (check, agent) = (server.check.as_ref(), server.agent.as_ref());
    let admin = live.admin();
    let status = if check.is_some() { health.status } else { CheckStatus::Initializing };
    let _ = writeln!(
        text,
        "{} {} {} {} {ip} {} {admin} {} {} {} {} {} {} {} {} 0 {} {} {port} {} {} {} {} {} {}",
        row.backend.proxy_id,
        row.backend.name,
        server.id,
        server.name,
        live.operation() as u8,
        live.weight(),
        server.weight,
        row.unchanged_ms() / 1000,
        status as u8,
        result(status),
        health.counter,
        check_state(row),
        agent_state(row),
        u8::from(server.has_own_id),
        server.fqdn.as_deref().unwrap_or("-"),
        server.lookup.as_ref().and_then(|lookup| lookup.service.as_deref()).unwrap_or("-"),
        use_ssl(server),
        check.and_then(|check| check.port).unwrap_or(0),
        check.and_then(|check| check.addr).map_or_else(|| "-".to_owned(), |addr| addr.to_string()),
        agent.and_then(|agent| agent.addr).map_or_else(|| "-".to_owned(), |addr| addr.to_string()),
        agent.map_or(0, |agent| agent.port),
    );
}

/// HAProxy's word for `no-ssl` is -1, until it has been switched.
fn use_ssl(server: &Server) -> i8 {
    match server.tls {
        Some(_) => 1,
        None if server.tls_declined => -1,
        None => 0,
    }
}

/// HAProxy's `CHK_RES_*`.
fn result(status: CheckStatus) -> u8 {
    match status {
        CheckStatus::Unknown | CheckStatus::Initializing | CheckStatus::Checked => 0,
        CheckStatus::L7OkConditional => 4,
        status if status.passed() => 3,
        _ => 2,
    }
}

/// HAProxy's bits: running 1, configured 2, enabled 4, paused by maintenance 8.
fn check_state(row: &ServerRow<'_>) -> u8 {
    if row.config.check.is_none() {
        // Paused by its line, or not at all.
        let is_disabled = row.live.admin() & admin::CONFIG_MAINT != 0 && row.standing.is_maintenance();
        return if is_disabled { 8 } else { 0 };
    }
    let paused = if row.is_checked() { 0 } else { 8 };
    let enabled = if row.live.checks_off() { 0 } else { 4 };
    u8::from(row.health.in_progress) | 2 | enabled | paused
}

/// Likewise, with 16 for an agent; maintenance does not pause it.
fn agent_state(row: &ServerRow<'_>) -> u8 {
    if !row.agent.configured {
        return 0;
    }
    u8::from(row.agent.in_progress) | 2 | if row.agent.enabled() { 4 } else { 0 } | 16
}

fn place(server: &Server) -> (String, u16) {
    match &server.address {
        Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(port) }) => (ip.to_string(), *port),
        Some(ServerAddress::Ip { ip, port: ServerPort::Mapped(_) }) => (ip.to_string(), 0),
        Some(ServerAddress::Unix(_) | ServerAddress::Abstract(_)) => ("unix".to_owned(), 0),
        None => ("-".to_owned(), known_port(server)),
    }
}

/// The port of a host name is known before its address.
fn known_port(server: &Server) -> u16 {
    match server.lookup.as_ref().map(|lookup| lookup.port) {
        Some(ServerPort::Fixed(port)) => port,
        _ => 0,
    }
}

fn connections_head(threads: usize) -> String {
    format!(
        "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim \
         idle_cur idle_per_thr[{threads}]\n"
    )
}

/// Nothing is pooled, so that only what is used is ever there.
fn push_connections(text: &mut String, row: &ServerRow<'_>, threads: usize) {
    let (ip, port) = place(row.config);
    let sessions = &row.live.traffic.sessions;
    let _ = writeln!(
        text,
        "{}/{} {}/{} {ip} {port} - 5000 {} {} {} 0 0 -1 0{}",
        row.backend.name,
        row.config.name,
        row.backend.proxy_id,
        row.config.id,
        sessions.now(),
        sessions.max(),
        sessions.now(),
        " 0".repeat(threads)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Made, ServerTls, Versions};
    use crate::stats::demo;

    #[test]
    fn states_are_shown_as_a_state_file_has_them() {
        let demo = demo::demo();
        let snapshot = Arc::new(demo.snapshot);
        let text = answer(Arc::clone(&snapshot), ServerList::State, None, demo.now).into_text();
        insta::assert_snapshot!(text.lines().skip(2).collect::<Vec<_>>().join("\n"));
        assert!(text.lines().skip(2).all(|line| line.split(' ').count() == 25));
        let none = answer(snapshot, ServerList::State, Some("nobody"), demo.now).into_text();
        assert_eq!(none, "Can't find backend.\n");
    }

    #[test]
    fn a_state_says_who_speaks_tls() {
        let mut demo = demo::demo();
        let settings = ServerTls {
            authorities: None,
            identity: None,
            sni: None,
            verifyhost: None,
            alpn: Vec::new(),
            versions: Versions::Both,
            made: Made::default(),
        };
        let config = Arc::make_mut(&mut demo.snapshot.config);
        config.backends[0].servers[0].tls = Some(Arc::new(settings));
        let text = answer(Arc::new(demo.snapshot), ServerList::State, Some("redis"), demo.now).into_text();
        let column = |line: &str| line.split(' ').nth(20).map(str::to_owned);
        assert_eq!(text.lines().nth(1).and_then(|head| column(&head[2..])), Some("srv_use_ssl".to_owned()));
        let shown: Vec<_> = text.lines().skip(2).map(|line| column(line).unwrap()).collect();
        assert_eq!(shown[..2], ["1", "0"]);
    }

    #[test]
    fn connections_are_shown_by_server() {
        let demo = demo::demo();
        let text =
            answer(Arc::new(demo.snapshot), ServerList::Connections, Some("redis"), demo.now).into_text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("idle_cur idle_per_thr[2]"));
        assert_eq!(lines[1], "redis/redis1 2/1 10.0.0.1 6379 - 5000 42 42 42 0 0 -1 0 0 0");
    }
}
