//! What operators look at: rows of figures out of the live objects, and the renderers that show them.
//!
//! Enters: the published snapshot, the process's own facts, and what the reader wants to see. Leaves: text.
//! Everything but [`http`] is pure.
//!
//! * [`request`], [`Selection`] and [`rows()`]: which proxies and servers are shown, with what each row needs at hand.
//! * [`field`]: the one table of columns; [`csv`] and [`json`] derive from it.
//! * [`status`]: the words and the colours of a server's state.
//! * [`html`]: the page, with a Redis panel for every backend that asks for roles.
//! * [`prometheus`]: the exporter.
//! * [`answer`] and [`reply`]: what a request is answered with, by the rules of its proxy.
//! * [`login`]: logins against userlists; [`ledger`]: what rules for requests keep and count.
//! * [`action`]: what its form asks for (`stats admin`).
//! * [`http`]: the shell; serves connections that workers hand over.

use crate::time::Tick;

pub mod action;
pub mod answer;
pub mod auth;
mod body;
pub mod csv;
#[cfg(test)]
pub mod demo;
mod failed;
pub mod field;
pub mod html;
pub mod http;
pub mod json;
pub mod ledger;
pub mod login;
mod metered;
pub mod prometheus;
pub mod reply;
pub mod request;
pub mod rows;
pub mod status;

pub use field::{FIELDS, Field, Tags, Value};
pub use rows::{Details, Hide, Row, Selection, rows};

/// What the process knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Of rolecall, for the page's head.
    pub version: String,
    pub pid: u32,
    pub threads: usize,
    /// This machine's name, for `stats show-node` without one.
    pub hostname: String,
    pub started: Tick,
}
