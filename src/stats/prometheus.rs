//! `http-request use-service prometheus-exporter`: HAProxy's metrics, each read off the column of [`FIELDS`] that
//! has the figure, and rolecall's own.
//!
//! A metric is told for the kinds of rows that HAProxy 2.6 tells it for; a figure that a row does not have is
//! NaN, as there. What rolecall has no counterpart of (TLS, compression, memory pools) is left out of the
//! process's metrics.

use std::fmt::Write;

use super::field::{FIELDS, Field, Value};
use super::rows::{BackendRow, Row, ServerRow, process_limit};
use super::{Hide, ProcessFacts, Selection, rows};
use crate::config::model::Mode;
use crate::redis::Role;
use crate::state::{Snapshot, lock};
use crate::time::Tick;

/// What is asked for: `?scope=` (repeatable) and `no-maint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    scopes: Vec<Scope>,
    hide: Hide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Global,
    Frontend,
    Backend,
    Server,
    StickTable,
    Redis,
}

const ALL: [Scope; 6] =
    [Scope::Global, Scope::Frontend, Scope::Backend, Scope::Server, Scope::StickTable, Scope::Redis];

impl Wanted {
    /// Reads a query; `None` is HAProxy's 400.
    pub fn parse(query: &str) -> Option<Wanted> {
        let mut wanted = Wanted { scopes: ALL.to_vec(), hide: Hide::Nothing };
        let mut limited = false;
        for part in query.split('&') {
            if part == "no-maint" {
                wanted.hide = Hide::Maintenance;
                continue;
            }
            let Some(scope) = part.strip_prefix("scope") else { continue };
            if !std::mem::replace(&mut limited, true) {
                wanted.scopes.clear();
            }
            wanted.scopes.extend(match scope.strip_prefix('=')? {
                "*" => ALL.to_vec(),
                "global" => vec![Scope::Global],
                "frontend" => vec![Scope::Frontend],
                "backend" => vec![Scope::Backend],
                "server" => vec![Scope::Server, Scope::Redis],
                "sticktable" => vec![Scope::StickTable],
                // Nothing is told by listener here, and an empty word asks for nothing.
                "listener" | "" => Vec::new(),
                _ => return None,
            });
        }
        Some(wanted)
    }
}

/// One metric by its column: the name after `haproxy_frontend_` and so on, and for whom it is told.
struct Metric {
    column: &'static str,
    name: &'static str,
    /// `f`, `b`, `s`
    of: &'static str,
    shape: Shape,
    help: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Gauge,
    Counter,
    /// Milliseconds, told in seconds.
    Seconds,
    /// A word, told as a 1 among 0s.
    State,
    CheckState,
}

const fn metric(
    column: &'static str,
    name: &'static str,
    of: &'static str,
    shape: Shape,
    help: &'static str,
) -> Metric {
    Metric { column, name, of, shape, help }
}

use Shape::{CheckState, Counter, Gauge, Seconds, State};

static METRICS: &[Metric] = &[
    metric("qcur", "current_queue", "bs", Gauge, "Sessions that wait now"),
    metric("qmax", "max_queue", "bs", Gauge, "Most sessions that waited"),
    metric("scur", "current_sessions", "fbs", Gauge, "Sessions now"),
    metric("smax", "max_sessions", "fbs", Gauge, "Most sessions there were"),
    metric("slim", "limit_sessions", "fbs", Gauge, "Most sessions that are taken"),
    metric("stot", "sessions_total", "fbs", Counter, "Sessions so far"),
    metric("bin", "bytes_in_total", "fbs", Counter, "Bytes from clients"),
    metric("bout", "bytes_out_total", "fbs", Counter, "Bytes to clients"),
    metric("dreq", "requests_denied_total", "fb", Counter, "Requests refused by rules"),
    metric("dresp", "responses_denied_total", "fbs", Counter, "Responses refused by rules"),
    metric("ereq", "request_errors_total", "f", Counter, "Requests that were wrong"),
    metric("econ", "connection_errors_total", "bs", Counter, "Connects that failed"),
    metric("eresp", "response_errors_total", "bs", Counter, "Responses that broke off"),
    metric("wretr", "retry_warnings_total", "bs", Counter, "Connects tried again"),
    metric("wredis", "redispatch_warnings_total", "bs", Counter, "Sessions sent to another server"),
    metric("status", "status", "fbs", State, "The state: 1 for the one it is in"),
    metric("rate_lim", "limit_session_rate", "f", Gauge, "Most new sessions a second that are taken"),
    metric("rate_max", "max_session_rate", "fbs", Gauge, "Most new sessions in a second"),
    metric("weight", "weight", "bs", Gauge, "The weight in force"),
    metric("act", "active_servers", "b", Gauge, "Active servers that are usable"),
    metric("bck", "backup_servers", "b", Gauge, "Backup servers that are usable"),
    metric("chkfail", "check_failures_total", "s", Counter, "Checks that failed while up"),
    metric("chkdown", "check_up_down_total", "bs", Counter, "Times it went down"),
    metric("lastchg", "check_last_change_seconds", "bs", Gauge, "Seconds since it went up or down"),
    metric("downtime", "downtime_seconds_total", "bs", Counter, "Seconds spent down"),
    metric("qlimit", "queue_limit", "s", Gauge, "Most sessions that may wait"),
    metric("throttle", "current_throttle", "s", Gauge, "Percent of its share while it starts"),
    metric("lbtot", "loadbalanced_total", "bs", Counter, "Times it was chosen"),
    metric("check_status", "check_status", "s", CheckState, "How the last check ended: 1 for that"),
    metric("check_code", "check_code", "s", Gauge, "The code of the last check"),
    metric("check_duration", "check_duration_seconds", "s", Seconds, "How long the last check took"),
    metric("req_rate_max", "http_requests_rate_max", "f", Gauge, "Most requests in a second"),
    metric("req_tot", "http_requests_total", "fb", Counter, "Requests so far"),
    metric("cli_abrt", "client_aborts_total", "bs", Counter, "Sessions that clients broke off"),
    metric("srv_abrt", "server_aborts_total", "bs", Counter, "Sessions that servers broke off"),
    metric("lastsess", "last_session_seconds", "bs", Gauge, "Seconds since the last session"),
    metric("qtime", "queue_time_average_seconds", "bs", Seconds, "Mean time in the queue"),
    metric("ctime", "connect_time_average_seconds", "bs", Seconds, "Mean time to connect"),
    metric("rtime", "response_time_average_seconds", "bs", Seconds, "Mean time to answer"),
    metric("ttime", "total_time_average_seconds", "bs", Seconds, "Mean length of a session"),
    metric("qtime_max", "max_queue_time_seconds", "bs", Seconds, "Longest time in the queue"),
    metric("ctime_max", "max_connect_time_seconds", "bs", Seconds, "Longest time to connect"),
    metric("rtime_max", "max_response_time_seconds", "bs", Seconds, "Longest time to answer"),
    metric("ttime_max", "max_total_time_seconds", "bs", Seconds, "Longest session"),
    metric("conn_rate_max", "connections_rate_max", "f", Gauge, "Most connections in a second"),
    metric("conn_tot", "connections_total", "f", Counter, "Connections so far"),
    metric(
        "intercepted",
        "intercepted_requests_total",
        "f",
        Counter,
        "Requests answered by the proxy itself",
    ),
    metric("dcon", "denied_connections_total", "f", Counter, "Connections refused by rules"),
    metric("dses", "denied_sessions_total", "f", Counter, "Sessions refused by rules"),
    metric("wrew", "failed_header_rewriting_total", "fbs", Counter, "Headers that could not be changed"),
    metric("eint", "internal_errors_total", "fbs", Counter, "Errors of the proxy itself"),
    metric("connect", "connection_attempts_total", "bs", Counter, "Connects so far"),
    metric("reuse", "connection_reuses_total", "bs", Counter, "Server connections used again"),
    metric("srv_icur", "idle_connections_current", "s", Gauge, "Idle server connections"),
    metric("src_ilim", "idle_connections_limit", "s", Gauge, "Most idle server connections"),
    metric(
        "idle_conn_cur",
        "unsafe_idle_connections_current",
        "s",
        Gauge,
        "Idle ones that are not safe to use",
    ),
    metric("safe_conn_cur", "safe_idle_connections_current", "s", Gauge, "Idle ones that are"),
    metric("used_conn_cur", "used_connections_current", "s", Gauge, "Connections in use"),
    metric("need_conn_est", "need_connections_current", "s", Gauge, "Connections that will be needed"),
    metric("comp_in", "http_comp_bytes_in_total", "fb", Counter, "Bytes given to compression"),
    metric("comp_out", "http_comp_bytes_out_total", "fb", Counter, "Bytes that came out of it"),
    metric("comp_byp", "http_comp_bytes_bypassed_total", "fb", Counter, "Bytes that went past it"),
    metric("comp_rsp", "http_comp_responses_total", "fb", Counter, "Responses that were compressed"),
    metric("cache_lookups", "http_cache_lookups_total", "fb", Counter, "Looks into a cache"),
    metric("cache_hits", "http_cache_hits_total", "fb", Counter, "Answers out of a cache"),
    metric("uweight", "uweight", "bs", Gauge, "The weight as set"),
];

const STATES: [&str; 5] = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];
const CHECK_STATES: [&str; 16] = [
    "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP", "L7OK",
    "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
];
const CODES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// The whole answer.
pub fn render(snapshot: &Snapshot, facts: &ProcessFacts, wanted: &Wanted, now: Tick) -> String {
    let mut text = String::new();
    let selection = Selection { hide: wanted.hide, ..Selection::default() };
    let rows = rows(snapshot, &selection, now);
    for scope in ALL.into_iter().filter(|scope| wanted.scopes.contains(scope)) {
        match scope {
            Scope::Global => process(&mut text, snapshot, facts, now),
            Scope::Frontend => columns(&mut text, &rows, ('f', "frontend")),
            Scope::Backend => columns(&mut text, &rows, ('b', "backend")),
            Scope::Server => columns(&mut text, &rows, ('s', "server")),
            Scope::StickTable => tables(&mut text, snapshot),
            Scope::Redis => redis(&mut text, snapshot, &rows),
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One line; the labels are names, whose letters need no escape, but a server's may come from anywhere.
fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    text.push_str(name);
    for (at, (label, value)) in labels.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{}{label}=\"{value}\"", if at == 0 { '{' } else { ',' });
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

fn columns(text: &mut String, rows: &[Row<'_>], (letter, object): (char, &str)) {
    for metric in METRICS.iter().filter(|metric| metric.of.contains(letter)) {
        let Some(field) = FIELDS.iter().find(|field| field.name == metric.column) else { continue };
        let name = format!("haproxy_{object}_{}", metric.name);
        let kind = if metric.shape == Counter { "counter" } else { "gauge" };
        head(text, &name, kind, metric.help);
        let told = |row: &&Row<'_>| !metric.name.starts_with("http_") || speaks_http(row);
        for row in rows.iter().filter(|row| letter_of(row) == letter).filter(told) {
            cell(text, &name, metric, (field, row));
        }
    }
    if letter == 'b' {
        sums(text, rows);
    }
    if letter != 's' {
        let name = format!("haproxy_{object}_http_responses_total");
        head(text, &name, "counter", "Answers by their status");
        for row in rows.iter().filter(|row| letter_of(row) == letter) {
            for code in CODES {
                let column = format!("hrsp_{code}");
                let value = FIELDS.iter().find(|field| field.name == column).map(|field| field.value(row));
                if let Some(value) = value.and_then(figure) {
                    line(text, &name, &[("proxy", proxy(row)), ("code", code)], &value);
                }
            }
        }
    }
}

fn cell(text: &mut String, name: &str, metric: &Metric, (field, row): (&Field, &Row<'_>)) {
    let value = field.value(row);
    let mut labels = vec![("proxy", proxy(row))];
    if let Row::Server(server) = row {
        labels.push(("server", &server.config.name));
    }
    let states: &[&str] = match metric.shape {
        State => {
            if letter_of(row) == 's' {
                &STATES
            } else {
                &STATES[..2]
            }
        }
        CheckState => &CHECK_STATES,
        _ => {
            let number = match metric.shape {
                Seconds => seconds(&value),
                _ => figure(value),
            };
            // What has no sense for such a proxy at all is left out; what a server has not, is not a number.
            match number {
                Some(number) => line(text, name, &labels, &number),
                None if letter_of(row) == 's' => line(text, name, &labels, "NaN"),
                None => {}
            }
            return;
        }
    };
    let Some(word) = word(value) else { return };
    for state in states {
        labels.push(("state", state));
        line(text, name, &labels, if *state == word { "1" } else { "0" });
        labels.pop();
    }
}

/// How many of a backend's servers are in each state.
fn sums(text: &mut String, rows: &[Row<'_>]) {
    let columns: [(&str, &str, &[&str]); 3] = [
        ("agg_server_status", "status", &STATES),
        ("agg_server_check_status", "status", &STATES),
        ("agg_check_status", "check_status", &CHECK_STATES),
    ];
    for (name, column, states) in columns {
        let Some(field) = FIELDS.iter().find(|field| field.name == column) else { continue };
        let name = format!("haproxy_backend_{name}");
        head(text, &name, "gauge", "How many of its servers are in that state");
        for backend in rows.iter().filter(|row| letter_of(row) == 'b') {
            let own = |row: &&Row<'_>| letter_of(row) == 's' && proxy(row) == proxy(backend);
            let words: Vec<String> =
                rows.iter().filter(own).filter_map(|row| word(field.value(row))).collect();
            if words.is_empty() {
                continue;
            }
            for state in states {
                let count = words.iter().filter(|word| word == state).count().to_string();
                line(text, &name, &[("proxy", proxy(backend)), ("state", state)], &count);
            }
        }
    }
}

/// The state that a column's words begin with.
fn word(value: Value) -> Option<String> {
    let Value::Text(words) = value else { return None };
    let words = words.strip_prefix("* ").unwrap_or(&words);
    Some(match words.split(' ').next().unwrap_or_default() {
        "OPEN" | "no" => "UP".to_owned(),
        "STOP" => "DOWN".to_owned(),
        other => other.to_owned(),
    })
}

fn speaks_http(row: &Row<'_>) -> bool {
    match row {
        Row::Frontend(row) => row.config.mode == Mode::Http,
        Row::Backend(row) => row.config.mode == Mode::Http,
        Row::Server(_) => false,
    }
}

fn letter_of(row: &Row<'_>) -> char {
    match row {
        Row::Frontend(_) => 'f',
        Row::Backend(_) => 'b',
        Row::Server(_) => 's',
    }
}

fn proxy<'a>(row: &'a Row<'_>) -> &'a str {
    match row {
        Row::Frontend(row) => &row.config.name,
        Row::Backend(row) => &row.config.name,
        Row::Server(row) => &row.backend.name,
    }
}

fn figure(value: Value) -> Option<String> {
    match value {
        Value::U32(number) => Some(number.to_string()),
        Value::U64(number) => Some(number.to_string()),
        Value::S32(number) => Some(number.to_string()),
        Value::Empty | Value::Text(_) => None,
    }
}

fn seconds(value: &Value) -> Option<String> {
    let milliseconds = match value {
        Value::U32(number) => u64::from(*number),
        Value::U64(number) => *number,
        _ => return None,
    };
    Some(format!("{}.{:03}000", milliseconds / 1000, milliseconds % 1000))
}

fn process(text: &mut String, snapshot: &Snapshot, facts: &ProcessFacts, now: Tick) {
    let live = &snapshot.process;
    let listeners = snapshot.listeners.iter().flatten().flatten().count();
    let figures: [(&str, &str, u64, &str); 13] = [
        ("nbthread", "gauge", facts.threads as u64, "Threads that serve"),
        ("nbproc", "gauge", 1, "Processes that serve"),
        ("relative_process_id", "gauge", 1, "Number of this process"),
        ("uptime_seconds", "gauge", now.since(facts.started).as_secs(), "Seconds since the start"),
        ("max_connections", "gauge", process_limit(snapshot).into(), "Most connections that are taken"),
        ("hard_max_connections", "gauge", process_limit(snapshot).into(), "The same as started with"),
        ("current_connections", "gauge", live.connections.now().into(), "Connections now"),
        ("connections_total", "counter", live.total.sum(), "Connections so far"),
        ("current_connection_rate", "gauge", live.rate.now(now), "Connections in the last second"),
        ("max_connection_rate", "gauge", live.rate.max(), "Most connections in a second"),
        ("current_session_rate", "gauge", live.rate.now(now), "Sessions in the last second"),
        ("max_session_rate", "gauge", live.rate.max(), "Most sessions in a second"),
        ("listeners", "gauge", listeners as u64, "Sockets that listen"),
    ];
    for (name, kind, value, help) in figures {
        let name = format!("haproxy_process_{name}");
        head(text, &name, kind, help);
        line(text, &name, &[], &value.to_string());
    }
    let name = "haproxy_process_build_info";
    head(text, name, "gauge", "The version");
    line(text, name, &[("version", &facts.version)], "1");
}

fn tables(text: &mut String, snapshot: &Snapshot) {
    for (name, help) in [("size", "Most entries of a table"), ("used", "Entries of a table")] {
        let metric = format!("haproxy_sticktable_{name}");
        head(text, &metric, "gauge", help);
        for table in &snapshot.tables {
            let table = lock(table);
            let count = if name == "size" { table.config().size } else { table.len() };
            let labels = [("name", table.config().name.as_str()), ("type", table.config().key.word())];
            line(text, &metric, &labels, &count.to_string());
        }
    }
}

/// What HAProxy has no words for.
fn redis(text: &mut String, snapshot: &Snapshot, rows: &[Row<'_>]) {
    let guarded = |row: &&BackendRow<'_>| row.view.in_force().is_guarded();
    let backends =
        || rows.iter().filter_map(|row| if let Row::Backend(row) = row { Some(row) } else { None });
    let servers =
        || rows.iter().filter_map(|row| if let Row::Server(row) = row { Some(&**row) } else { None });
    head(text, "rolecall_backend_has_master", "gauge", "Whether a server is known to be the master");
    for row in backends().filter(guarded) {
        let known = row.view.live.master.load().server.is_some();
        line(text, "rolecall_backend_has_master", &[("proxy", &row.config.name)], flag(known));
    }
    let asked = |row: &&ServerRow<'_>| row.redis.report.is_some();
    head(text, "rolecall_server_role", "gauge", "What a server says of itself: 1 for that");
    for row in servers().filter(asked) {
        let says_master = row.redis.report.as_ref().is_some_and(|report| report.role == Role::Master);
        for (role, is) in [("master", says_master), ("replica", !says_master)] {
            let labels = [("proxy", row.backend.name.as_str()), ("server", &row.config.name), ("role", role)];
            line(text, "rolecall_server_role", &labels, flag(is));
        }
    }
    head(text, "rolecall_server_held", "gauge", "Whether a server says it is master and gets no clients");
    for row in servers().filter(asked) {
        let labels = [("proxy", row.backend.name.as_str()), ("server", &row.config.name)];
        line(text, "rolecall_server_held", &labels, flag(row.redis.held.is_some()));
    }
    head(text, "rolecall_frontend_held_sessions", "gauge", "Sessions that wait for a master");
    for live in &snapshot.frontends {
        let held = live.held.now().to_string();
        line(text, "rolecall_frontend_held_sessions", &[("proxy", &live.name)], &held);
    }
}

fn flag(is: bool) -> &'static str {
    if is { "1" } else { "0" }
}

#[cfg(test)]
mod tests {
    use super::super::demo;
    use super::*;

    #[test]
    fn scopes_are_read_as_haproxy_reads_them() {
        let scopes = |query: &str| Wanted::parse(query).map(|wanted| wanted.scopes);
        assert_eq!(scopes(""), Some(ALL.to_vec()));
        assert_eq!(scopes("scope=global&scope=frontend"), Some(vec![Scope::Global, Scope::Frontend]));
        assert_eq!(scopes("scope=&no-maint"), Some(Vec::new()));
        assert_eq!((scopes("scope"), scopes("scope=nope")), (None, None));
    }

    #[test]
    fn every_metric_has_a_column_and_every_line_a_type() {
        for metric in METRICS {
            assert!(FIELDS.iter().any(|field| field.name == metric.column), "{}", metric.column);
        }
        let demo = demo::demo();
        let wanted = Wanted::parse("").unwrap();
        let text = render(&demo.snapshot, &demo.facts, &wanted, demo.now);
        let mut known = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("# TYPE ") {
                known = name.split(' ').next().unwrap_or_default().to_owned();
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&known), "{line} after {known}");
                let value = line.rsplit(' ').next().unwrap_or_default();
                assert!(value == "NaN" || value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.contains("rolecall_server_role{"), "{text}");
    }
}
