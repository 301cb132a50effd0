//! `agent-check`: a program beside the server says how it is to be used (manual section 5.2).
//!
//! ```text
//! ask (connect, send, one line) -> line::read -> Told --+--> AgentOrder: state, weight, maxconn, by whoever
//!                                                       |    does what the operator may do; its warning comes back
//!                                                       +--> settle: up or down, words, the log
//! ```
//!
//! The order is HAProxy's: what the agent says of administration is done first, and then what it says of health. It
//! only ever takes a server out that checks have up, or takes that back: a server is up only if neither its checks
//! nor its agent have it down, and who gets clients of a role-checked backend stays the guard's matter. An agent
//! that cannot be reached changes nothing.

mod ask;
mod line;
mod settle;
mod task;

pub(super) use task::{AgentJob, ask_again_and_again, jobs};

use tokio::sync::oneshot;

use crate::state::{BackendKey, ServerKey};

/// What an agent wants that an operator could want as well.
#[derive(Debug)]
pub struct AgentOrder {
    pub backend: BackendKey,
    pub server: ServerKey,
    pub state: Option<AgentState>,
    /// `75%`, or a number: as written.
    pub weight: Option<String>,
    /// As written.
    pub maxconn: Option<String>,
    /// The first thing that was wrong with it, once it is carried out.
    pub warning: oneshot::Sender<Option<String>>,
}

/// The administrative words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    Ready,
    Drain,
    Maintenance,
}
