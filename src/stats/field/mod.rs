//! What a column is. The columns themselves stand in [`table`]; `csv` and `json` derive from them, and tests
//! hold them to a recorded header of HAProxy 2.6.

mod table;

pub use table::{FIELDS, MODULE_FIELDS};

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::rows::{BackendRow, Details, FrontendRow, Row, ServerRow};
use crate::config::model::{Balance, Mode, ServerAddress, ServerPort};
use crate::state::counters::Traffic;
use crate::state::{AgentRecord, CheckStatus};
use crate::time::Tick;

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The object does not fill the column.
    Empty,
    Text(String),
    U32(u32),
    U64(u64),
    S32(i32),
}

/// What a figure is: HAProxy's three letters (management guide 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    pub origin: &'static str,
    pub nature: &'static str,
    pub scope: &'static str,
}

/// One column.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    tags: &'static str,
    backend_tags: &'static str,
    frontend: fn(&FrontendRow<'_>) -> Value,
    backend: fn(&BackendRow<'_>) -> Value,
    server: fn(&ServerRow<'_>) -> Value,
}

impl Field {
    /// The cell of a row.
    pub fn value(&self, row: &Row<'_>) -> Value {
        match row {
            Row::Frontend(row) => (self.frontend)(row),
            Row::Backend(row) => (self.backend)(row),
            Row::Server(row) => (self.server)(row),
        }
    }

    /// What its figure is in such a row.
    pub fn tags(&self, row: &Row<'_>) -> Tags {
        Tags::from_letters(self.letters(row))
    }

    /// The same as three letters, for typed output.
    pub fn letters(&self, row: &Row<'_>) -> &'static str {
        match row {
            Row::Backend(_) => self.backend_tags,
            Row::Frontend(_) | Row::Server(_) => self.tags,
        }
    }

    const fn frontend(self, frontend: fn(&FrontendRow<'_>) -> Value) -> Field {
        Field { frontend, ..self }
    }

    const fn backend(self, backend: fn(&BackendRow<'_>) -> Value) -> Field {
        Field { backend, ..self }
    }

    const fn server(self, server: fn(&ServerRow<'_>) -> Value) -> Field {
        Field { server, ..self }
    }

    /// Backends tell some figures in another sense.
    const fn backend_tags(self, backend_tags: &'static str) -> Field {
        Field { backend_tags, ..self }
    }
}

impl Tags {
    /// What the letters of typed output stand for.
    pub fn from_letters(letters: &'static str) -> Tags {
        let mut letters = letters.chars();
        let origin = match letters.next() {
            Some('K') => "Key",
            Some('M') => "Metric",
            Some('S') => "Status",
            Some('P') => "Product",
            _ => "Config",
        };
        let nature = match letters.next() {
            Some('N') => "Name",
            Some('L') => "Limit",
            Some('M') => "Max",
            Some('C') => "Counter",
            Some('R') => "Rate",
            Some('a') => "Avg",
            Some('A') => "Age",
            Some('O') => "Output",
            Some('D') => "Duration",
            _ => "Gauge",
        };
        let scope = if letters.next() == Some('S') { "Service" } else { "Process" };
        Tags { origin, nature, scope }
    }
}

const fn column(name: &'static str, tags: &'static str) -> Field {
    Field {
        name,
        tags,
        backend_tags: tags,
        frontend: |_| Value::Empty,
        backend: |_| Value::Empty,
        server: |_| Value::Empty,
    }
}

// What the table's cells are made with.

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A limit of 0 is none, and shown as nothing.
fn limit(limit: u32) -> Value {
    if limit == 0 { Value::Empty } else { Value::U32(limit) }
}

fn rate(rate: u64) -> Value {
    Value::U32(u32::try_from(rate).unwrap_or(u32::MAX))
}

fn seconds(milliseconds: u64) -> Value {
    Value::U32(u32::try_from(milliseconds / 1000).unwrap_or(u32::MAX))
}

/// Only proxies that speak HTTP count answers.
fn http(mode: Mode, count: u64) -> Value {
    match mode {
        Mode::Http => Value::U64(count),
        Mode::Tcp => Value::Empty,
    }
}

fn mode(mode: Mode) -> Value {
    text(match mode {
        Mode::Tcp => "tcp",
        Mode::Http => "http",
    })
}

/// What checks have counted stands where checks are configured, in maintenance too.
fn counted(server: &ServerRow<'_>, value: Value) -> Value {
    if server.config.check.is_some() { value } else { Value::Empty }
}

/// What checks have found stands only while they run.
fn checked(server: &ServerRow<'_>, value: Value) -> Value {
    if server.is_checked() { value } else { Value::Empty }
}

/// What an agent has said stands only while it is asked.
fn asked(server: &ServerRow<'_>, value: impl FnOnce(&AgentRecord) -> Value) -> Value {
    if server.agent.enabled() { value(&server.agent) } else { Value::Empty }
}

fn agent_status(agent: &AgentRecord) -> Value {
    let running = if agent.in_progress { "* " } else { "" };
    Value::Text(format!("{running}{}", agent.status.name()))
}

/// What it said last is gone once it is asked again.
fn last_answer(agent: &AgentRecord) -> Value {
    if agent.in_progress { Value::Text(String::new()) } else { text(&agent.info) }
}

/// Agents have no codes.
fn agent_code(agent: &AgentRecord) -> Value {
    if agent.status.reports_code() { Value::U32(0) } else { Value::Empty }
}

fn check_status(server: &ServerRow<'_>) -> Value {
    let running = if server.health.in_progress { "* " } else { "" };
    checked(server, Value::Text(format!("{running}{}", server.health.status.name())))
}

fn check_code(server: &ServerRow<'_>) -> Value {
    if !server.is_checked() || !server.health.status.reports_code() {
        return Value::Empty;
    }
    Value::U32(server.health.code.and_then(|code| u32::try_from(code).ok()).unwrap_or(0))
}

fn check_duration(server: &ServerRow<'_>) -> Value {
    let ended = !matches!(server.health.status, CheckStatus::Unknown | CheckStatus::Initializing);
    match server.health.duration_ms {
        Some(duration) if ended && server.is_checked() => Value::U64(duration),
        _ => Value::Empty,
    }
}

fn last_check(server: &ServerRow<'_>) -> Value {
    if !server.is_checked() || server.health.in_progress || server.health.info.is_empty() {
        return Value::Empty;
    }
    text(&server.health.info)
}

/// Seconds since the last session; -1 if there was none.
fn last_session(traffic: &Traffic, now: Tick) -> Value {
    let Some(at) = traffic.last_session.load(Relaxed).checked_sub(1) else { return Value::S32(-1) };
    Value::S32(i32::try_from(now.0.saturating_sub(at) / 1000).unwrap_or(i32::MAX))
}

fn address(server: &ServerRow<'_>) -> Value {
    if server.details == Details::Plain {
        return Value::Empty;
    }
    Value::Text(written_address(server))
}

/// `127.0.0.1:6379`, `[::1]:6379`, or what the line says.
pub fn written_address(server: &ServerRow<'_>) -> String {
    match &server.config.address {
        Some(ServerAddress::Ip { ip, port }) => {
            let port = match port {
                ServerPort::Fixed(port) => i32::from(*port),
                ServerPort::Mapped(offset) => *offset,
            };
            match ip {
                IpAddr::V4(ip) => format!("{ip}:{port}"),
                IpAddr::V6(ip) => format!("[{ip}]:{port}"),
            }
        }
        Some(ServerAddress::Unix(_) | ServerAddress::Abstract(_)) => "unix".to_owned(),
        None => server.config.written_address.clone(),
    }
}

fn cookie(server: &ServerRow<'_>) -> Value {
    match (&server.config.cookie, server.details) {
        (Some(cookie), Details::Legends) => text(cookie),
        _ => Value::Empty,
    }
}

fn algorithm(backend: &BackendRow<'_>) -> Value {
    if backend.details == Details::Plain {
        return Value::Empty;
    }
    text(algorithm_name(backend.config.balance))
}

/// The word after `balance`.
pub fn algorithm_name(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "roundrobin",
        Balance::StaticRr => "static-rr",
        Balance::LeastConn => "leastconn",
        Balance::First => "first",
        Balance::Source(_) => "source",
        Balance::Hash(_) => "hash",
        Balance::Random(_) => "random",
    }
}

/// HAProxy's estimate starts at one with the first use of a server, by a client or a check.
fn connections_needed(server: &ServerRow<'_>) -> u32 {
    let used = server.live.traffic.total.sum() > 0 || server.config.check.is_some();
    server.live.traffic.sessions.now().max(used.into())
}

#[cfg(test)]
mod tests;
