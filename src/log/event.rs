//! What happened to servers and proxies, in words. HAProxy's sentences to the character, because syslog
//! rules match on them; ours, for what HAProxy does not know, in the same style. Pure.
//!
//! HAProxy also prints state changes on its standard error while in the foreground, with a severity of its
//! own: [`shown`].

use std::fmt::Write as _;

use super::Level;
use crate::state::event::{Asked, CheckSummary, Followed, Left, Maintained, ServerChange, ServerEvent};
use crate::state::{CheckStatus, Operation};
use crate::sys::accept::Shortage;

/// A line without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    pub level: Level,
    pub text: String,
}

/// The two halves of a proxy's name in HAProxy's mouth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// `listen`: both halves.
    Proxy,
    Frontend,
    Backend,
}

impl ProxyKind {
    fn word(self) -> &'static str {
        match self {
            ProxyKind::Proxy => "proxy",
            ProxyKind::Frontend => "frontend",
            ProxyKind::Backend => "backend",
        }
    }
}

/// The log line of an event.
pub fn server(event: &ServerEvent) -> Sentence {
    let name = Name(event);
    let (level, text) = match &event.what {
        ServerChange::Checked { which, check, shown, up, draining } => {
            let state = health_word(*up, *draining);
            (Level::Notice, checked(name, (*which, check), *shown, state))
        }
        ServerChange::Down { reason, left } => {
            (alarm(*left), format!("{name} is DOWN{}. {}", because(reason.as_ref()), fewer(*left)))
        }
        ServerChange::Up { reason, left } => {
            (Level::Notice, format!("{name} is UP{}. {}", because(reason.as_ref()), more(*left)))
        }
        ServerChange::Stopping { reason, left } => {
            (Level::Notice, format!("{name} is stopping{}. {}", because(reason.as_ref()), more(*left)))
        }
        by_operator @ (ServerChange::Forced { .. }
        | ServerChange::Maintenance { .. }
        | ServerChange::Remains
        | ServerChange::Returned { .. }
        | ServerChange::Draining { .. }
        | ServerChange::RemainsDraining { .. }
        | ServerChange::Undrained { .. }
        | ServerChange::Moved { .. }) => operated(name, by_operator),
        ServerChange::Followed { to: Followed::Down, via, left } => {
            (alarm(*left), format!("{name} is DOWN via {via}. {}", fewer(*left)))
        }
        ServerChange::Followed { to: Followed::Up, via, left } => {
            (Level::Notice, format!("{name} is UP via {via}. {}", more(*left)))
        }
        ServerChange::Followed { to: Followed::Stopping, via, left } => {
            (Level::Notice, format!("{name} is stopping via {via}. {}", more(*left)))
        }
        by_dns @ (ServerChange::Renamed { .. }
        | ServerChange::Unresolved { .. }
        | ServerChange::Resolves { .. }
        | ServerChange::ReadyByDns) => resolved(name, by_dns),
        ServerChange::NoServerLeft { is_listen } => {
            let kind = if *is_listen { ProxyKind::Proxy } else { ProxyKind::Backend };
            (Level::Emergency, format!("{} {} has no server available!", kind.word(), event.backend))
        }
        ours => our_own(name, ours),
    };
    Sentence { level, text }
}

/// The same for standard error, where HAProxy has severities of its own: it warns of all changes, and alerts
/// when no server is left. What only we say keeps its own.
pub fn shown(event: &ServerEvent) -> Sentence {
    let text = server(event).text;
    match &event.what {
        ServerChange::NoServerLeft { is_listen } => {
            let kind = if *is_listen { ProxyKind::Proxy } else { ProxyKind::Backend };
            let text = format!("{} '{}' has no server available!", kind.word(), event.backend);
            Sentence { level: Level::Alert, text }
        }
        ServerChange::IsReplica
        | ServerChange::Master { .. }
        | ServerChange::TookOver { .. }
        | ServerChange::Observed { .. }
        | ServerChange::Sentinel { .. }
        | ServerChange::ManyMasters { .. } => Sentence { level: Level::Notice, text },
        ServerChange::Rivals { .. } => Sentence { level: Level::Alert, text },
        _ => Sentence { level: Level::Warning, text },
    }
}

/// A message as HAProxy prefixes it on standard error.
pub fn stderr_line(level: Level, pid: u32, text: &str) -> String {
    let prefix = match level {
        Level::Emergency | Level::Alert | Level::Critical | Level::Error => "[ALERT]   ",
        Level::Warning => "[WARNING] ",
        Level::Notice | Level::Info | Level::Debug => "[NOTICE]  ",
    };
    format!("{prefix} ({pid}) : {text}\n")
}

/// At a soft stop, with the connections and sessions that the two halves have had.
pub fn proxy_stopped(name: &str, frontend: u64, backend: u64) -> Sentence {
    let text = format!("Proxy {name} stopped (cumulated conns: FE: {frontend}, BE: {backend}).");
    Sentence { level: Level::Warning, text }
}

/// A listener could take nobody, for want of that; `limit`: descriptors that the process may have.
pub fn exhausted(proxy: &str, shortage: Shortage, limit: u64) -> Sentence {
    let (what, remedy) = match shortage {
        Shortage::ProcessDescriptors => ("process FD limit", "'ulimit-n' and restart"),
        Shortage::SystemDescriptors => ("system FD limit", "system tunables"),
        Shortage::Memory => ("system memory limit", "system tunables"),
    };
    let text = format!("Proxy {proxy} reached {what} (maxsock={limit}). Please check {remedy}.");
    Sentence { level: Level::Emergency, text }
}

/// SIGTTOU.
pub fn paused(kind: ProxyKind, name: &str) -> Sentence {
    Sentence { level: Level::Warning, text: format!("Paused {} {name}.", kind.word()) }
}

/// SIGTTIN.
pub fn resumed(kind: ProxyKind, name: &str) -> Sentence {
    Sentence { level: Level::Warning, text: format!("Resumed {} {name}.", kind.word()) }
}

/// Heads the dump of one proxy; without a name, the whole dump on standard error.
pub fn dump_begins(proxy: Option<&str>) -> Sentence {
    let of = proxy.map(|name| format!(" for proxy {name}")).unwrap_or_default();
    Sentence { level: Level::Notice, text: format!("SIGHUP received, dumping servers states{of}.") }
}

/// Ours: what carries the sessions.
pub fn dump_engine(name: &str) -> Sentence {
    Sentence { level: Level::Notice, text: format!("SIGHUP: sessions are carried by {name}.") }
}

/// A server's line of the dump that HAProxy makes at SIGHUP, and we at SIGQUIT.
pub fn dump_server(backend: &str, server: &str, status: &str, counts: (u32, u32, u64)) -> Sentence {
    let (active, pending, total) = counts;
    let conn = format!("Conn: {active} act, {pending} pend, {total} tot.");
    Sentence { level: Level::Notice, text: format!("SIGHUP: Server {backend}/{server} is {status}. {conn}") }
}

/// What the dump says of a proxy's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProxyCounts {
    pub frontend_now: u32,
    pub backend_now: u32,
    pub queued: u32,
    /// Of `queued`, those that wait for no particular server.
    pub unassigned: u32,
    pub frontend_total: u64,
    pub backend_total: u64,
}

/// A proxy's line of the dump; `servers` are usable active and backup ones, `None` without any server line.
pub fn dump_proxy(name: &str, servers: Option<(usize, usize)>, counts: ProxyCounts) -> Sentence {
    let ProxyCounts { frontend_now, backend_now, queued, unassigned, frontend_total, backend_total } = counts;
    let conn = format!(
        "Conn: act(FE+BE): {frontend_now}+{backend_now}, {queued} pend ({unassigned} unass), \
         tot(FE+BE): {frontend_total}+{backend_total}."
    );
    let state = match servers {
        None => "has no servers.".to_owned(),
        Some((0, 0)) => "has no server available !".to_owned(),
        Some((0, _)) => "is running on backup servers !".to_owned(),
        Some((active, backup)) => {
            format!("has {active} active servers and {backup} backup servers available.")
        }
    };
    Sentence { level: Level::Notice, text: format!("SIGHUP: Proxy {name} {state} {conn}") }
}

/// What the operator did on the runtime socket.
fn operated(name: Name<'_>, what: &ServerChange) -> (Level, String) {
    let word = |up: bool| if up { "UP" } else { "DOWN" };
    match what {
        ServerChange::Forced { operation: Operation::Stopped, left } => {
            (alarm(*left), format!("{name} is DOWN, changed from CLI. {}", fewer(*left)))
        }
        ServerChange::Forced { operation: Operation::Stopping, left } => {
            (Level::Notice, format!("{name} is stopping, changed from CLI. {}", more(*left)))
        }
        ServerChange::Forced { left, .. } => {
            (Level::Notice, format!("{name} is UP, changed from CLI. {}", more(*left)))
        }
        ServerChange::Maintenance { via, was_down, left } => {
            let via = through(via.as_deref());
            match was_down {
                true => (Level::Notice, format!("{name} was DOWN and now enters maintenance{via}.")),
                false => {
                    (alarm(*left), format!("{name} is going DOWN for maintenance{via}. {}", fewer(*left)))
                }
            }
        }
        ServerChange::Remains => (Level::Notice, format!("{name} remains in forced maintenance.")),
        ServerChange::Returned { out_of, up, draining } => {
            let ready = if *draining { "DRAIN" } else { "READY" };
            let forced = if *out_of == Maintained::Itself { "forced " } else { "" };
            (Level::Notice, format!("{name} is {}/{ready} (leaving {forced}maintenance).", word(*up)))
        }
        ServerChange::Draining { via, is_down, left } => {
            let left = if *is_down { fewer(*left) } else { more(*left) };
            (Level::Notice, format!("{name} enters drain state{}. {left}", through(via.as_deref())))
        }
        ServerChange::RemainsDraining { via: None } => {
            (Level::Notice, format!("{name} remains in forced drain mode."))
        }
        ServerChange::RemainsDraining { via: Some(via) } => {
            (Level::Notice, format!("{name} is leaving forced drain but remains in drain mode via {via}."))
        }
        ServerChange::Undrained { up } => {
            (Level::Notice, format!("{name} is {} (leaving forced drain).", word(*up)))
        }
        ServerChange::Moved { to } => (Level::Notice, format!("{name} is at {to} now, changed from CLI.")),
        other => (Level::Notice, format!("{name} changed: {other:?}.")),
    }
}

/// What its host name has become.
fn resolved(name: Name<'_>, what: &ServerChange) -> (Level, String) {
    let Name(event) = name;
    match what {
        ServerChange::Renamed { text } => {
            (Level::Notice, format!("{}/{} {text}", event.backend, event.server))
        }
        ServerChange::Unresolved { why, was_down: true, .. } => {
            (Level::Notice, format!("{name} was DOWN and now enters maintenance ({why})."))
        }
        ServerChange::Unresolved { why, left, .. } => {
            (alarm(*left), format!("{name} is going DOWN for maintenance ({why}). {}", fewer(*left)))
        }
        ServerChange::Resolves { fqdn, up, draining } => {
            let (state, ready) = (if *up { "UP" } else { "DOWN" }, if *draining { "DRAIN" } else { "READY" });
            (Level::Notice, format!("{name} ('{fqdn}') is {state}/{ready} (resolves again)."))
        }
        _ => (Level::Notice, format!("{name} administratively READY thanks to valid DNS answer.")),
    }
}

fn our_own(name: Name<'_>, what: &ServerChange) -> (Level, String) {
    match what {
        ServerChange::IsReplica => (Level::Notice, format!("{name} is a replica.")),
        ServerChange::Unfit { text } => (Level::Warning, format!("{name} is not read from: {text}.")),
        ServerChange::Held { reason } => (Level::Warning, format!("{name} is held: {reason}.")),
        ServerChange::Master { reason, previous, epoch } => {
            let after = previous.as_ref().map(|previous| format!(", after {previous}")).unwrap_or_default();
            (Level::Notice, format!("{name} is master{after}, reason: {reason}, change {epoch}."))
        }
        ServerChange::Cut { sessions, reason } => {
            let noun = if *sessions == 1 { "session" } else { "sessions" };
            (Level::Warning, format!("{name} lost its clients, reason: {reason}. {sessions} {noun} cut."))
        }
        ServerChange::Frozen { text } => (Level::Warning, format!("{name} is frozen: {text}.")),
        ServerChange::Thawed { text } => (Level::Warning, format!("{name} is not frozen: {text}.")),
        ServerChange::TookOver { text } => (Level::Notice, format!("{name} {text}.")),
        ServerChange::Observed { text } => (Level::Notice, format!("{name} would be {text}.")),
        ServerChange::Rivals { text } => (Level::Alert, format!("{name} is held: {text}.")),
        ServerChange::ManyMasters { text } => (Level::Notice, format!("{name} {text}.")),
        ServerChange::Trouble { text } => {
            // Redis ends some of its errors with a full stop.
            (Level::Warning, format!("{name} refuses its check: {}.", text.trim_end_matches('.')))
        }
        ServerChange::Sentinel { text } => (Level::Notice, of_backend(name, text)),
        ServerChange::SentinelTrouble { text } => (Level::Warning, of_backend(name, text)),
        // Worded by the caller; a new change that nobody words must still leave a trace.
        other => (Level::Notice, format!("{name} changed: {other:?}.")),
    }
}

/// What is said of the backend as a whole.
fn of_backend(Name(event): Name<'_>, text: &str) -> String {
    format!("Backend {}: {}.", event.backend, text.trim_end_matches('.'))
}

fn checked(
    name: Name<'_>,
    (asked, check): (Asked, &CheckSummary),
    (at, of): (u32, u32),
    state: &str,
) -> String {
    let Name(event) = name;
    let kind = match asked {
        Asked::Server => "Health",
        Asked::Agent => "Agent",
    };
    let which = if event.backup { "backup server" } else { "server" };
    let conditionally = if check.status == CheckStatus::L7OkConditional { "conditionally " } else { "" };
    let outcome = if check.status.passed() { "succeeded" } else { "failed" };
    let because = because(Some(check));
    format!(
        "{kind} check for {which} {}/{} {conditionally}{outcome}{because}, status: {at}/{of} {state}.",
        event.backend, event.server
    )
}

fn health_word(up: bool, draining: bool) -> &'static str {
    match (up, draining) {
        (true, true) => "DRAIN",
        (true, false) => "UP",
        (false, _) => "DOWN",
    }
}

/// `, reason: Layer7 check passed, code: 0, info: "PONG", check duration: 1ms`
fn because(check: Option<&CheckSummary>) -> String {
    let Some(check) = check else { return String::new() };
    let mut text = format!(", reason: {}", check.status.description());
    if check.status.reports_code() {
        let _ = write!(text, ", code: {}", check.code.unwrap_or(0));
    }
    if !check.info.is_empty() {
        let _ = write!(text, ", info: \"{}\"", quotable(&check.info));
    }
    if let Some(duration) = check.duration_ms {
        let _ = write!(text, ", check duration: {duration}ms");
    }
    text
}

/// Who gets no new sessions any more is not missed.
fn alarm(left: Left) -> Level {
    if left.was_leaving { Level::Notice } else { Level::Alert }
}

/// ` via BACKEND/SERVER`
fn through(leader: Option<&str>) -> String {
    leader.map(|leader| format!(" via {leader}")).unwrap_or_default()
}

/// What servers say, so that it can stand in quotes: HAProxy shows all that is no printable ASCII, and quotes, in hex.
fn quotable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'"' {
            shown.push(char::from(byte));
        } else {
            let _ = write!(shown, "<{byte:02X}>");
        }
    }
    shown
}

fn fewer(left: Left) -> String {
    format!(
        "{} active and {} backup servers left.{} {} sessions active, {} requeued, {} remaining in queue.",
        left.active,
        left.backup,
        on_backup(left),
        left.sessions_active,
        left.requeued,
        left.queued
    )
}

fn more(left: Left) -> String {
    format!(
        "{} active and {} backup servers online.{} {} sessions requeued, {} total in queue.",
        left.active,
        left.backup,
        on_backup(left),
        left.requeued,
        left.queued
    )
}

fn on_backup(left: Left) -> &'static str {
    if left.active == 0 && left.backup > 0 { " Running on backup." } else { "" }
}

/// `Server b/s`, `Backup Server b/s`
#[derive(Clone, Copy)]
struct Name<'a>(&'a ServerEvent);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Name(event) = self;
        let backup = if event.backup { "Backup " } else { "" };
        write!(f, "{backup}Server {}/{}", event.backend, event.server)
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
