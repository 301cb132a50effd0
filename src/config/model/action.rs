//! What rules do with a session besides letting it in, refusing it and counting (manual sections 4.2
//! `tcp-request` and `tcp-response`), resolved.

use std::sync::Arc;

use super::{Sample, Template};

/// An end of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Source,
    Destination,
}

/// Of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    Ip,
    Port,
}

/// Who takes a changed address for the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everybody: `fc_src` and `fc_dst`, too.
    Connection,
    /// `src`, `dst`, the log, servers; the connection keeps its own.
    Session,
}

/// `set-src`, `set-src-port`, `set-dst`, `set-dst-port`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrite {
    pub end: End,
    pub half: Half,
    pub reach: Reach,
}

/// What packets to the client bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// `set-mark`: for this machine's own filters.
    Mark(u32),
    /// `set-tos`: for whoever forwards them.
    Tos(u8),
}

/// `set-log-level`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// No line.
    Silent,
    /// 0 (emerg) to 7 (debug).
    Level(u8),
}

/// When a variable is set; all that are written have to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It was set before.
    Exists,
    NotExists,
    /// The new value is an empty text.
    Empty,
    NotEmpty,
    /// Its value is the greater one, if both are integers.
    Greater,
    Less,
}

/// A text with samples in it (`set-var-fmt`).
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    pub template: Arc<Template>,
    /// What it asks for by an expression.
    pub samples: Vec<Sample>,
}
