//! rolecall's own answers: `show redis` here, `show failovers` in [`failovers`].
//!
//! `show redis` is a table a backend that asks for roles: who is master since when and why, whether it is frozen and
//! how long clients are held; of every server what it says of itself, whether it has proved itself, and why it gets no
//! clients; and below them its Sentinels.

pub mod failovers;
mod sentinels;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::sentinels::SentinelReport;
use super::request::Shape;
use super::show::Reply;
use crate::config::model::{Backend, BackendId};
use crate::log::Clock;
use crate::redis::Role;
use crate::state::{BackendView, Guarding, Snapshot, Unselectable};
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
    /// How much longer the master may be frozen.
    frozen_ms: Option<u64>,
    /// What becomes of new clients while no server takes them, in words.
    hold: Option<String>,
    servers: Vec<ServerReport>,
    sentinels: Vec<SentinelReport>,
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
    let named = name.map(|name| snapshot.backend(name));
    if named == Some(None) {
        return Reply::say("No such backend.\n");
    }
    let wanted = |at: &usize| {
        let view = &snapshot.backends[*at];
        named.flatten().map_or(view.guarding != Guarding::None, |BackendId(named)| named == *at)
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
    let frozen = view.live.frozen_until().filter(|end| *end > now).map(|end| end.since(now));
    let masterless = has_word.then(|| view.live.masterless_since()).flatten();
    let statuses = view.live.sentinels.statuses();
    BackendReport {
        backend: config.name.clone(),
        guard: guard_name(view.in_force()),
        master: master.map(|row| row.config.name.clone()),
        change: word.epoch,
        since: last.as_ref().map(|change| clock.rfc5424(change.at)),
        seconds: last.as_ref().map(|change| now.since(change.since).as_secs()),
        reason: last.map(|change| change.reason),
        waiting: view.live.queue.length.now(),
        frozen_ms: frozen.map(|left| left.as_millis() as u64),
        hold: (masterless.is_some() || frozen.is_some()).then(|| fate(view, config, now)),
        servers: rows.iter().map(|row| server_report(row, master, now)).collect(),
        sentinels: statuses.into_iter().map(|status| SentinelReport::of(status, now)).collect(),
    }
}

/// What becomes of a client that comes now.
fn fate(view: &BackendView, config: &Backend, now: Tick) -> String {
    match view.held_until(config, now).filter(|end| *end > now) {
        Some(end) => format!("clients are held for {} at most", span(end.since(now))),
        None => "clients are refused".to_owned(),
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
        state: state(row),
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

/// HAProxy's word; but a replica that answers well is not DOWN here.
fn state(row: &ServerRow<'_>) -> String {
    if row.stands_by() { role_name(Role::Replica).to_owned() } else { row.standing.word(&row.health) }
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
    const HEAD: [&str; 11] = [
        "server", "state", "role", "sessions", "offset", "behind", "link", "replicas", "history", "proven",
        "heard",
    ];
    let mut text = headline(report);
    let servers = report.servers.iter().map(|server| (cells(server), server.note.clone()));
    push_rows(&mut text, HEAD, servers);
    if !report.sentinels.is_empty() {
        let sentinels = report.sentinels.iter().map(|sentinel| (sentinel.cells(), sentinel.note()));
        push_rows(&mut text, SentinelReport::HEAD, sentinels);
    }
    text
}

/// Columns as wide as they have to be, and a note behind each row.
fn push_rows<const N: usize>(
    text: &mut String,
    head: [&str; N],
    rows: impl Iterator<Item = ([String; N], Option<String>)>,
) {
    let head = (head.map(str::to_owned), None);
    let lines: Vec<([String; N], Option<String>)> = std::iter::once(head).chain(rows).collect();
    let width = |at: usize| lines.iter().map(|(line, _)| line[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for (line, note) in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let note = note.as_deref().unwrap_or_default();
        let line = format!("  {}  {note}", padded.collect::<Vec<_>>().join("  "));
        text.push_str(line.trim_end());
        text.push('\n');
    }
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
    if let Some(left) = report.frozen_ms {
        let _ = write!(text, ", frozen for {} more at most", span(Duration::from_millis(left)));
    }
    if let Some(hold) = &report.hold {
        let _ = write!(text, ", {hold}");
    }
    match report.waiting {
        0 => {}
        1 => text.push_str(", 1 client waits"),
        more => {
            let _ = write!(text, ", {more} clients wait");
        }
    }
    text.push('\n');
    if let Some(reason) = &report.reason {
        let _ = writeln!(text, "  reason: {reason}");
    }
    text
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// How long ago.
fn heard(milliseconds: Option<u64>) -> String {
    or_dash(milliseconds.map(|ms| span(Duration::from_millis(ms))))
}

fn cells(server: &ServerReport) -> [String; 11] {
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
        heard(server.heard_ms),
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
        assert_eq!(value[0]["sentinels"][0]["names"], "redis1");
        assert_eq!(value[0]["sentinels"][1]["trouble"], "NOAUTH Authentication required.");
    }

    #[test]
    fn only_backends_with_a_guard_are_shown_unless_named() {
        assert!(!shown(None, Shape::Plain).contains("backend stats"));
        assert!(shown(Some("stats"), Shape::Plain).starts_with("backend stats: guard off\n"));
        assert_eq!(shown(Some("nobody"), Shape::Plain), "No such backend.\n");
    }

    #[test]
    fn a_frozen_master_and_those_who_wait_are_told() {
        let demo = demo::demo();
        let view = &demo.snapshot.backends[0];
        view.live.set_frozen_until(Some(demo.now + Duration::from_millis(9_500)));
        view.live.queue.length.enter();
        let text = show(Arc::new(demo.snapshot), None, Shape::Plain, (Clock::utc(), demo.now)).into_text();
        let want = ", frozen for 9s more at most, clients are held for 9s at most, 1 client waits\n";
        assert!(text.lines().next().is_some_and(|line| want.trim_end().len() < line.len()), "{text}");
        assert!(text.contains(want), "{text}");
    }
}
