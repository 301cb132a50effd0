//! What an operator, or a script of Sentinel's, asks of a guard: `set redis master`. The runtime socket sends
//! [`Request`]s; the guard's task answers each of them once, in a line without a full stop.
//!
//! A new master is only hinted at. The guard asks that server in haste, freezes the present master meanwhile, and
//! moves its word when the server says `role:master`; the answer comes then, or when `timeout freeze` has passed.
//! Sentinel runs its `client-reconfig-script` after the switch, so that its hint is usually true at once. Every Sentinel
//! does: whoever hints at the same server meanwhile waits for the same outcome. Another hint takes the place of the one
//! before, which is refused.

use tokio::sync::oneshot;

use crate::state::{BackendKey, ServerKey};

/// One hint, and where its answer goes: what has been done, or why not. A receiver that is gone means that nobody
/// waits any more; the hint stands.
#[derive(Debug)]
pub struct Request {
    pub backend: BackendKey,
    pub server: ServerKey,
    /// The config epoch that the hint belongs to: if a majority of the Sentinels names another server since then, it
    /// is refused.
    pub epoch: Option<u64>,
    pub answer: oneshot::Sender<Result<String, String>>,
}
