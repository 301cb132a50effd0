//! Checks: one task a checked server asks, judges, and tells.
//!
//! ```text
//! Snapshot --jobs--> Job --+                        +--> ServerLive (counter, state, what Redis says)
//!                          v                        |
//!           task: probe -> engine -> CheckOutcome --+--> events to the log, commands to the workers
//!            ^                                      |
//!            +---- interval, lost connection -------+--> Report to the guard
//! ```
//!
//! Decisions are pure: [`tcp_check`] runs the script, [`rise_fall`] counts, [`timing`] says when and how long.
//! [`replica`] says who of a read backend may be read from. [`probe`] and [`kept`] move bytes to a `target`; `verdict` carries out what an end means. Health decides whether a server is
//! up, never who is master: that is the guard's, which sees every check of a role-checked server.
//!
//! An [`agent`] of a server is asked by a task of its own; what it says of health and what checks say meet in `turn`.
//!
//! A task's loop: one check, then the interval that its counter asks for (plus `spread-checks`), or less if
//! a kept connection ends meanwhile, real connections fail ([`observe`]), somebody asks with
//! [`Checks::ask_now`], or the guard is in haste ([`crate::state::ServerLive::hasten`]): then a few milliseconds.

mod agent;
mod announce;
mod follow;
pub mod job;
pub mod kept;
pub mod observe;
pub mod probe;
pub mod replica;
pub mod rise_fall;
mod schedule;
pub mod sentinel;
mod target;
pub mod tcp_check;
pub mod timing;
mod turn;
mod verdict;
mod warm_up;

pub use agent::{AgentOrder, AgentState};
pub use follow::drain_goes_on;
pub use schedule::Checks;
pub use verdict::{Emitted, Report, Sinks};
pub use warm_up::warm_up;
