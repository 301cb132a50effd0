//! Answers of `show`: values of the running process in, text out. Pure.
//!
//! An answer that grows with the config or the traffic is a [`Reply::Parts`]: whoever writes it takes the next part
//! only when the client has taken the last, so that an answer of any length costs the memory of one part, and a
//! client that does not read holds up nobody.

pub mod resolvers;
pub mod servers;
pub mod sessions;
pub mod stat;

use std::time::SystemTime;

use crate::log::Clock;
use crate::state::Snapshot;

/// What is written to the client.
pub enum Reply {
    Text(String),
    Parts(Box<dyn Iterator<Item = String> + Send>),
}

impl Reply {
    /// Nothing but the empty line that ends every answer.
    pub fn done() -> Reply {
        Reply::Text(String::new())
    }

    /// A short answer.
    pub fn say(text: impl Into<String>) -> Reply {
        Reply::Text(text.into())
    }

    /// All of it, for tests.
    pub fn into_text(self) -> String {
        match self {
            Reply::Text(text) => text,
            Reply::Parts(parts) => parts.collect(),
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Reply::Parts(_) => f.debug_tuple("Parts").finish_non_exhaustive(),
        }
    }
}

/// `show backend`
pub fn backends(snapshot: &Snapshot) -> String {
    let mut text = "# name\n".to_owned();
    let shown = snapshot.config.backends.iter().filter(|backend| !backend.disabled);
    shown.for_each(|backend| {
        text.push_str(&backend.name);
        text.push('\n');
    });
    text
}

/// `show env`
pub fn environment(variables: &[(String, String)], name: Option<&str>) -> String {
    let wanted = variables.iter().filter(|(known, _)| name.is_none_or(|name| name == known));
    let text: String = wanted.map(|(known, value)| format!("{known}={value}\n")).collect();
    match text.is_empty() && name.is_some() {
        true => "Variable not found\n".to_owned(),
        false => text,
    }
}

/// `show errors`: a layer 4 proxy finds no protocol errors.
pub fn errors(snapshot: &Snapshot, name: Option<&str>, clock: &Clock) -> String {
    if name.is_some_and(|name| snapshot.frontend(name).is_none() && snapshot.backend(name).is_none()) {
        return "No such proxy.\n".to_owned();
    }
    format!("Total events captured on [{}] : 0\n", clock.tcplog(SystemTime::now()))
}

/// `show activity`: what each thread has.
pub fn activity(snapshot: &Snapshot) -> String {
    let load: Vec<String> = snapshot.process.load.iter().map(|gauge| gauge.now().to_string()).collect();
    let sum: u64 = snapshot.process.load.iter().map(|gauge| u64::from(gauge.now())).sum();
    let count = load.len();
    let per_thread = load.join(" ");
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!(
        "thread_id: 1 (1..{count})\ndate_now: {}.{:06}\nsessions: {sum} [ {per_thread} ]\naccepted: {}\naccept_failed: {}\nheld: {}\n",
        since.as_secs(),
        since.subsec_micros(),
        snapshot.process.total.sum(),
        snapshot.process.accept_failures.sum(),
        snapshot.process.held.now()
    )
}

/// `show threads`
pub fn threads(snapshot: &Snapshot) -> String {
    let line = |(at, gauge): (usize, &crate::state::counters::Gauge)| {
        format!("  Thread {:<2}: id=worker-{at} sessions={} max={}\n", at + 1, gauge.now(), gauge.max())
    };
    snapshot.process.load.iter().enumerate().map(line).collect()
}

/// `show pools`: there are none, only the process's memory.
pub fn pools(memory: u64) -> String {
    format!("Total: 0 pools, {memory} bytes allocated, {memory} used (~0 by thread caches).\n")
}

/// `show schema json`: the shape of `show info json` and `show stat json`.
pub const SCHEMA: &str = include_str!("schema.json");
