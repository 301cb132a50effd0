//! Stick tables (manual section 4.2), resolved: what they hold, and the rules that remember servers in them.

use std::time::Duration;

use super::{Condition, Sample, TableId};

/// Whose entry of a table is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracked {
    /// The client's address, `src_*`.
    Source,
    /// The entry that `track-sc0` and its like keep, `sc0_*`.
    Slot(u8),
}

/// What a table counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter {
    ConnectionsNow,
    Connections,
    ConnectionRate,
    Sessions,
    SessionRate,
    BytesIn,
    BytesInRate,
    BytesOut,
    BytesOutRate,
    /// `http_req_cnt` and its like: kept, and never counted, for a layer 4 proxy sees no request.
    Requests,
    RequestRate,
    RequestErrors,
    RequestErrorRate,
    RequestFailures,
    RequestFailureRate,
    /// `gpc0`, `gpc1`, and those of `gpc(N)`.
    General(u8),
    GeneralRate(u8),
    /// `gpt0`, and those of `gpt(N)`.
    Tag(u8),
    /// The server that was remembered, by its number and by its name.
    ServerId,
    ServerKey,
    /// Whether there is an entry at all.
    Tracked,
    /// How many sessions track it.
    Trackers,
    /// Milliseconds since it was used, and those it has left; 0 where entries stay for good.
    Idle,
    Expire,
}

impl Counter {
    /// What counts the same events in a period.
    pub fn rate(self) -> Option<Counter> {
        match self {
            Counter::General(at) => Some(Counter::GeneralRate(at)),
            _ => None,
        }
    }
}

/// What a fetch does to a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Increment,
    Clear,
}

/// What is known of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFact {
    Used,
    Available,
}

/// `stick on`, `match`, `store-request`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stick {
    pub key: Sample,
    pub table: TableId,
    pub matches: bool,
    pub stores: bool,
    pub condition: Option<Condition>,
}

/// `stick-table`.
#[derive(Debug, Clone, PartialEq)]
pub struct StickTable {
    /// Its proxy's.
    pub name: String,
    pub key: KeyKind,
    pub size: usize,
    pub expire: Option<Duration>,
    pub nopurge: bool,
    pub store: Vec<Stored>,
}

/// What entries are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    V4,
    V6,
    Integer,
    Text(usize),
    Binary(usize),
}

impl KeyKind {
    /// HAProxy's word.
    pub fn word(self) -> &'static str {
        match self {
            KeyKind::V4 => "ip",
            KeyKind::V6 => "ipv6",
            KeyKind::Integer => "integer",
            KeyKind::Text(_) => "string",
            KeyKind::Binary(_) => "binary",
        }
    }
}

/// One thing that entries hold, and for rates their period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub counter: Counter,
    pub period: Option<Duration>,
    /// Where it stands among all that an entry may hold, which is the order in which it is shown.
    pub place: usize,
}
