//! Which server a session gets, and who is called when a place becomes free.

use crate::config::model::BackendId;
use crate::state::{ServerKey, Snapshot, Workers};

/// Serves those who wait in a backend, in order, as long as there are places: after a server came up, was
/// proven, was named master, or got room.
pub fn wake(snapshot: &Snapshot, backend: BackendId, workers: &Workers) {
    let _ = (snapshot, backend, workers);
}

/// Serves those who wait in any backend. For [`crate::state::Command::Reconsider`]: once a message, before
/// the waiting sessions are told.
pub fn wake_all(snapshot: &Snapshot, workers: &Workers) {
    let _ = (snapshot, workers);
}

/// A place that was granted to a session that is gone: passes it on. For a
/// [`crate::state::Command::Granted`] whose token finds nobody.
pub fn pass_on(snapshot: &Snapshot, server: ServerKey, workers: &Workers) {
    let _ = (snapshot, server, workers);
}
