//! What is true now. One [`Snapshot`] is published through one `ArcSwap`; everything that changes while it
//! stands is an atomic or a short lock inside the live objects it points to. Live objects are carried over
//! a reload by identity: frontend name, backend name, backend and server name; those of role-checked backends also
//! under another name, by the servers' addresses ([`succession`]).
//!
//! Sessions hold ids and counters, never the snapshot; they look up again when its generation changes.

pub mod admission;
pub mod agent;
pub mod backend;
pub mod chain;
pub mod check;
pub mod counters;
pub mod event;
pub mod failover;
pub mod frontend;
pub mod history;
mod hold;
pub mod left;
pub mod list;
pub mod mailbox;
pub mod master;
mod name;
pub mod queue;
pub mod record;
pub mod secured;
pub mod sentinel;
pub mod server;
mod situation;
pub mod slots;
mod snapshot;
pub mod succession;
pub mod survey;
pub mod track;

pub use admission::{Admission, Full};
pub use agent::AgentRecord;
pub use backend::{BackendKey, BackendLive, BackendView, Guarding};
pub use check::CheckStatus;
pub use failover::{Failover, FailoverHistory};
pub use frontend::{FrontendLive, Reception};
pub use history::{MasterChange, MasterHistory};
pub use hold::hold_ends;
pub use list::ListLive;
pub use mailbox::{
    Accepted, Arrival, Command, CutReason, Dialed, Listener, Mailbox, NamedServer, SessionToken, Workers,
};
pub use master::{Master, MasterWord};
pub use queue::{Queue, Turn, Waiter};
pub use record::{Cause, Concurrency, Details, Phase, SessionRecord, Termination};
pub use sentinel::{SentinelBoard, SentinelId, SentinelReport, SentinelWord};
pub use server::{Health, Operation, RedisView, ServerKey, ServerLive, Unselectable, admin};
pub use situation::{Notes, Situation, TrackedEntry};
pub use snapshot::{ProcessLive, Published, Snapshot, is_meant};
pub use survey::{SessionView, Survey};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a holder that panicked leaves values that are each valid on their own.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
