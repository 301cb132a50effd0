//! rolecall's own commands: `show redis`, `show failovers`, `set redis master`.
//!
//! `show redis` is a table a backend that asks for roles: who is master since when and why, and of every server what
//! it says of itself, whether it has proved itself, and why it gets no clients.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::request::{ServerName, Shape};
use super::show::Reply;
use crate::config::model::BackendId;
use crate::log::Clock;
use crate::redis::Role;
use crate::state::{Guarding, MasterChange, Snapshot, Unselectable, hold_ends};
use crate::stats::Details;
use crate::stats::rows::{ServerRow, servers};
use crate::time::Tick;

#[derive(Debug, Serialize)]
struct BackendReport {
    backend: String,
    guard: &'static str,
    /// `None` where there is no rule of one master, or no master.
    master: Option<String>,
    change: u32,
    since: Option<String>,
    seconds: Option<u64>,
    reason: Option<String>,
    /// Clients that wait for a place or for a master.
    waiting: u32,
    /// What becomes of clients without a master, in words.
    hold: Option<String>,
    servers: Vec<ServerReport>,
}

#[derive(Debug, Serialize)]
struct ServerReport {
    server: String,
    state: String,
    role: Option<&'static str>,
    sessions: u32,
    offset: Option<u64>,
    /// Bytes behind the master, where both belong to one history.
    behind: Option<u64>,
    link_up: Option<bool>,
    replicas: Option<u32>,
    follows: Option<String>,
    replid: Option<String>,
    version: Option<String>,
    proven: bool,
    heard_ms: Option<u64>,
    note: Option<String>,
}

/// `show redis [BACKEND] [json]`, a backend at a time.
pub fn show(snapshot: Arc<Snapshot>, name: Option<&str>, shape: Shape, (clock, now): (Clock, Tick)) -> Reply {
    if name.is_some_and(|name| snapshot.backend(name).is_none()) {
        return Reply::say("No such backend.\n");
    }
    let wanted = |at: &usize| {
        let (config, view) = (&snapshot.config.backends[*at], &snapshot.backends[*at]);
        name.map_or(view.guarding != Guarding::None, |name| config.name == name)
    };
    let chosen: Vec<usize> = (0..snapshot.backends.len()).filter(wanted).collect();
    if chosen.is_empty() && shape != Shape::Json {
        return Reply::say("No backend asks for roles.\n");
    }
    let count = chosen.len();
    let part = move |(nth, at): (usize, usize)| {
        let report = report(&snapshot, at, &clock, now);
        match shape {
            // Plain structs with text keys always serialise.
            Shape::Json => {
                let comma = if nth == 0 { "" } else { "," };
                format!("{comma}{}", serde_json::to_string(&report).unwrap_or_default())
            }
            Shape::Plain | Shape::Typed => {
                let gap = if nth == 0 { "" } else { "\n" };
                format!("{gap}{}", table(&report))
            }
        }
    };
    let (head, tail) = if shape == Shape::Json { ("[", "]\n") } else { ("", "") };
    debug_assert!(count > 0 || shape == Shape::Json);
    let parts = chosen.into_iter().enumerate().map(part);
    Reply::Parts(Box::new(
        std::iter::once(head.to_owned()).chain(parts).chain(std::iter::once(tail.to_owned())),
    ))
}

fn report(snapshot: &Snapshot, at: usize, clock: &Clock, now: Tick) -> BackendReport {
    let (config, view) = (&snapshot.config.backends[at], &snapshot.backends[at]);
    let rows: Vec<ServerRow<'_>> = servers(snapshot, BackendId(at), Details::Plain, now).collect();
    let word = view.live.master.load();
    let has_word = matches!(view.in_force(), Guarding::Master);
    let master = rows.iter().find(|row| has_word && Some(row.live.key) == word.server);
    let last = view
        .live
        .history
        .changes()
        .into_iter()
        .next_back()
        .filter(|change| has_word && change.epoch == word.epoch);
    let masterless = has_word.then(|| view.live.masterless_since()).flatten();
    BackendReport {
        backend: config.name.clone(),
        guard: guard_name(view.in_force()),
        master: master.map(|row| row.config.name.clone()),
        change: word.epoch,
        since: last.as_ref().map(|change| clock.rfc5424(change.at)),
        seconds: last.as_ref().map(|change| now.since(change.since).as_secs()),
        reason: last.map(|change| change.reason),
        waiting: view.live.queue.length.now(),
        hold: hold_ends(masterless, config.redis.hold).map(|end| fate(end, now)),
        servers: rows.iter().map(|row| server_report(row, master, now)).collect(),
    }
}

fn fate(end: Tick, now: Tick) -> String {
    match now < end {
        true => format!("clients are held for {} more", span(end.since(now))),
        false => "clients are refused".to_owned(),
    }
}

fn guard_name(guarding: Guarding) -> &'static str {
    match guarding {
        Guarding::None => "off",
        Guarding::Replicas => "replicas",
        Guarding::Masters => "masters",
        Guarding::Master => "master",
        Guarding::Observe => "observe",
    }
}

fn server_report(row: &ServerRow<'_>, master: Option<&ServerRow<'_>>, now: Tick) -> ServerReport {
    let report = row.redis.report.as_ref();
    let leading = master.and_then(|master| master.redis.report.as_ref());
    let behind = report.zip(leading).and_then(|(own, leading)| {
        let one_history = own.replid.is_some() && own.replid == leading.replid;
        one_history.then(|| Some(leading.offset?.saturating_sub(own.offset?))).flatten()
    });
    ServerReport {
        server: row.config.name.clone(),
        state: row.standing.word(&row.health),
        role: report.map(|report| role_name(report.role)),
        sessions: row.live.traffic.sessions.now(),
        offset: report.and_then(|report| report.offset),
        behind,
        link_up: report.and_then(|report| report.link_up),
        replicas: report.and_then(|report| report.connected_replicas),
        follows: report
            .and_then(|report| report.follows.as_ref())
            .map(|(host, port)| format!("{host}:{port}")),
        replid: report.and_then(|report| report.replid.clone()),
        version: report.and_then(|report| report.version.clone()),
        proven: row.live.proven(),
        heard_ms: row.redis.reported_at.map(|at| now.since(at).as_millis() as u64),
        note: note(row, master),
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Replica => "replica",
        Role::ActiveReplica => "active-replica",
    }
}

/// Why it gets no clients, or that it is the one that gets them.
fn note(row: &ServerRow<'_>, master: Option<&ServerRow<'_>>) -> Option<String> {
    let is_master = master.is_some_and(|master| master.live.key == row.live.key);
    if let Some(trouble) = &row.redis.trouble {
        return Some(format!("refuses its check: {trouble}"));
    }
    match row.excluded {
        Some(Unselectable::Held) => {
            Some(row.redis.held.as_ref().map_or("not chosen".to_owned(), |why| format!("held: {why}")))
        }
        Some(Unselectable::Maintenance) => Some("in maintenance".to_owned()),
        Some(Unselectable::Draining) => Some("draining".to_owned()),
        Some(Unselectable::Frozen) => Some("frozen: its failover has been decided".to_owned()),
        Some(Unselectable::Unproven) => Some("not proven yet".to_owned()),
        Some(Unselectable::Down) if row.health.other_role => None,
        Some(Unselectable::Down) if row.health.info.is_empty() => None,
        Some(Unselectable::Down) => Some(row.health.info.clone()),
        None if is_master => Some("gets the clients".to_owned()),
        None => None,
    }
}

fn table(report: &BackendReport) -> String {
    let mut text = headline(report);
    let head = [
        "server", "state", "role", "sessions", "offset", "behind", "link", "replicas", "history", "proven",
        "heard",
    ];
    let mut lines: Vec<[String; 11]> = vec![head.map(str::to_owned)];
    lines.extend(report.servers.iter().map(cells));
    let widths: Vec<usize> = (0..head.len())
        .map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    let notes = std::iter::once(None).chain(report.servers.iter().map(|server| server.note.as_deref()));
    for (line, note) in lines.iter().zip(notes) {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = format!("  {}  {}", padded.collect::<Vec<_>>().join("  "), note.unwrap_or_default());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn headline(report: &BackendReport) -> String {
    let mut text = format!("backend {}: guard {}", report.backend, report.guard);
    match (&report.master, report.guard) {
        (Some(master), _) => {
            let _ = write!(text, ", master {master}");
            if let Some(seconds) = report.seconds {
                let _ =
                    write!(text, " since {} (change {})", span(Duration::from_secs(seconds)), report.change);
            }
        }
        (None, "master") => text.push_str(", no master"),
        _ => {}
    }
    if let Some(hold) = &report.hold {
        let _ = write!(text, ", {hold}");
    }
    if report.waiting > 0 {
        let _ = write!(text, ", {} clients wait", report.waiting);
    }
    text.push('\n');
    if let Some(reason) = &report.reason {
        let _ = writeln!(text, "  reason: {reason}");
    }
    text
}

fn cells(server: &ServerReport) -> [String; 11] {
    fn or_dash(value: Option<impl ToString>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    }
    [
        server.server.clone(),
        server.state.clone(),
        or_dash(server.role),
        server.sessions.to_string(),
        or_dash(server.offset),
        or_dash(server.behind),
        or_dash(server.link_up.map(|up| if up { "up" } else { "down" })),
        or_dash(server.replicas),
        or_dash(server.replid.as_ref().map(|id| id.chars().take(8).collect::<String>())),
        if server.proven { "yes" } else { "no" }.to_owned(),
        or_dash(server.heard_ms.map(|ms| span(Duration::from_millis(ms)))),
    ]
}

/// `230ms`, `12s`, `2m50s`, `3h04m`, `5d03h`
fn span(time: Duration) -> String {
    let all = time.as_secs();
    let (days, hours, minutes, seconds) = (all / 86400, all / 3600 % 24, all / 60 % 60, all % 60);
    match () {
        () if days > 0 => format!("{days}d{hours:02}h"),
        () if hours > 0 => format!("{hours}h{minutes:02}m"),
        () if minutes > 0 => format!("{minutes}m{seconds:02}s"),
        () if seconds > 0 => format!("{seconds}s"),
        () => format!("{}ms", time.as_millis()),
    }
}

/// `show failovers`: the last changes of the master word, the newest last.
pub fn failovers(snapshot: &Snapshot, shape: Shape, clock: &Clock) -> String {
    let changes = snapshot.backends.iter().flat_map(|view| {
        let name = view.live.name.clone();
        view.live.history.changes().into_iter().map(move |change| (name.clone(), change))
    });
    if shape == Shape::Json {
        let all: Vec<_> = changes.map(|(backend, change)| change_json(&backend, &change, clock)).collect();
        return serde_json::Value::from(all).to_string() + "\n";
    }
    let mut text = "# when backend change master previous reason\n".to_owned();
    for (backend, change) in changes {
        let _ = writeln!(
            text,
            "{} {backend} {} {} {} {}",
            clock.rfc5424(change.at),
            change.epoch,
            change.server.as_deref().unwrap_or("-"),
            change.previous.as_deref().unwrap_or("-"),
            change.reason
        );
    }
    text
}

fn change_json(backend: &str, change: &MasterChange, clock: &Clock) -> serde_json::Value {
    serde_json::json!({
        "at": clock.rfc5424(change.at),
        "backend": backend,
        "change": change.epoch,
        "master": change.server,
        "previous": change.previous,
        "reason": change.reason,
    })
}

/// `set redis master B/S [epoch N]`
pub fn set_master(_: &ServerName, _: Option<u64>) -> String {
    "'set redis master' is not available in this version: the guard chooses by the servers' own words.\n"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::demo;

    fn shown(name: Option<&str>, shape: Shape) -> String {
        let demo = demo::demo();
        show(Arc::new(demo.snapshot), name, shape, (Clock::utc(), demo.now)).into_text()
    }

    #[test]
    fn roles_are_a_table_to_read() {
        insta::assert_snapshot!(shown(None, Shape::Plain));
    }

    #[test]
    fn the_same_as_json() {
        let value: serde_json::Value = serde_json::from_str(&shown(None, Shape::Json)).unwrap();
        assert_eq!(value[0]["master"], "redis1");
        assert_eq!(value[0]["servers"][1]["behind"], 1024);
        assert_eq!(value[0]["servers"][1]["follows"], "10.0.0.1:6379");
    }

    #[test]
    fn only_backends_with_a_guard_are_shown_unless_named() {
        assert!(!shown(None, Shape::Plain).contains("backend stats"));
        assert!(shown(Some("stats"), Shape::Plain).starts_with("backend stats: guard off\n"));
        assert_eq!(shown(Some("nobody"), Shape::Plain), "No such backend.\n");
    }

    #[test]
    fn changes_of_the_master_are_listed() {
        let demo = demo::demo();
        insta::assert_snapshot!(failovers(&demo.snapshot, Shape::Plain, &Clock::utc()));
        let json: serde_json::Value =
            serde_json::from_str(&failovers(&demo.snapshot, Shape::Json, &Clock::utc())).unwrap();
        assert_eq!(json[0]["previous"], "redis3");
    }
}
