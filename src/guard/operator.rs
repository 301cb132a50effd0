//! What an operator, or a script of Sentinel's, asks of a guard: `set redis master`, `set redis guard`. The runtime
//! socket sends [`Request`]s; the guard's task answers each of them once, in a line without a full stop.
//!
//! A new master is only hinted at. The guard asks that server in haste, freezes the present master meanwhile, and
//! moves its word when the server says `role:master`; the answer comes then, or when `timeout freeze` has passed.
//! Sentinel runs its `client-reconfig-script` after the switch, so that its hint is usually true at once.

use tokio::sync::oneshot;

use crate::config::model::GuardMode;
use crate::state::{BackendKey, ServerKey};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// `set redis master B/S [epoch N]`: an epoch that is older than what a majority of the Sentinels has agreed on
    /// is refused.
    Master { server: ServerKey, epoch: Option<u64> },
    /// `set redis guard B on|off|observe`, until the next reload.
    Guard(GuardMode),
}

/// One demand, and where its answer goes: what has been done, or why not. A receiver that is gone means that nobody
/// waits any more; the demand stands.
#[derive(Debug)]
pub struct Request {
    pub backend: BackendKey,
    pub demand: Demand,
    pub answer: oneshot::Sender<Result<String, String>>,
}
