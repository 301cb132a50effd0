//! A session in its backend: the gauge is left once, by `leave` or by dropping, and the name stays for the log.

use std::sync::Arc;

use crate::state::BackendLive;
use crate::time::Tick;

/// Being counted in a backend, until left or dropped.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) live: Arc<BackendLive>,
    inside: bool,
}

impl Membership {
    /// `stot`, `rate` and `scur` of the backend.
    pub(super) fn enter(live: &Arc<BackendLive>, now: Tick) -> Membership {
        live.traffic.total.add(1);
        live.traffic.rate.hit(now);
        live.traffic.sessions.enter();
        Membership { live: Arc::clone(live), inside: true }
    }

    /// Counts no more, but still has its name.
    pub(super) fn leave(&mut self) {
        if std::mem::take(&mut self.inside) {
            self.live.traffic.sessions.leave();
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
    }
}
