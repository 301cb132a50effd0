//! How long clients wait for a server that has still to prove itself, or for a master: the one place that
//! says it, for the sessions that wait and for the page that tells of them.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::backend::{BackendView, Guarding};
use crate::config::model::Backend;
use crate::time::Tick;

/// When `option redis-hold` is over for a backend without a master since then; `None` while it has one. A
/// hold that is off is over at once.
pub fn hold_ends(masterless_since: Option<Tick>, hold: Option<Duration>) -> Option<Tick> {
    masterless_since.map(|since| since + hold.unwrap_or_default())
}

impl BackendView {
    /// Until when a client that began to wait `since` may wait for a server at all: `None` if that is not
    /// waited for. A time that is over says that it would have been.
    ///
    /// Before the first verdict: what a check may take, and the connect after it. Without a master: until the
    /// hold's clock, which runs since the backend has lost its master, has run out. While the master is frozen:
    /// until the freeze ends, hold or not. The latest of these.
    pub fn held_until(&self, backend: &Backend, since: Tick) -> Option<Tick> {
        let guarding = self.in_force();
        let frozen = self.frozen_until();
        if !guarding.needs_proof() {
            return frozen;
        }
        let verdict = if self.live.judged.load(Relaxed) { since } else { since + first_verdict(backend) };
        let hold = backend.redis.hold.filter(|_| guarding == Guarding::Master);
        let masterless = self.live.masterless_since().unwrap_or(since);
        let held = hold.and_then(|hold| hold_ends(Some(masterless), Some(hold))).unwrap_or(since);
        Some(verdict.max(held).max(frozen.unwrap_or(since)))
    }

    /// The end of a freeze here, or of a server that one of ours tracks.
    fn frozen_until(&self) -> Option<Tick> {
        let led = self.servers.iter().filter_map(|server| server.leader()?.frozen_until());
        led.chain(self.live.frozen_until()).max()
    }
}

/// How long the first verdict of a backend may take.
fn first_verdict(backend: &Backend) -> Duration {
    let intervals =
        backend.servers.iter().filter_map(|server| server.check.as_ref()).map(|check| check.inter);
    let check = backend.timeout_check.or(intervals.max()).unwrap_or_default();
    check + backend.timeout_connect.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::model::{CheckMethod, RedisOptions};
    use crate::state::{BackendKey, BackendLive};

    #[test]
    fn a_client_waits_only_for_what_is_left_of_the_hold() {
        let hold = Some(Duration::from_millis(100));
        let window = Duration::from_millis(30);
        for (guarding, judged, since, hold, now, expected) in [
            (Guarding::Master, true, Some(450), hold, 500, Some(550)),
            (Guarding::Master, true, Some(400), hold, 500, Some(500)),
            (Guarding::Master, true, Some(450), None, 500, Some(500)),
            (Guarding::Master, false, Some(499), None, 500, Some(530)),
            (Guarding::Masters, true, Some(450), hold, 500, Some(500)),
            (Guarding::Observe, false, Some(450), hold, 500, None),
            (Guarding::None, false, Some(450), hold, 500, None),
        ] {
            let live = BackendLive::new(BackendKey(0), "b", Tick(0));
            live.judged.store(judged, Relaxed);
            live.set_masterless_since(since.map(Tick));
            let view = BackendView { live: Arc::new(live), servers: Vec::new(), guarding };
            let redis = RedisOptions { hold, ..RedisOptions::default() };
            let backend = Backend {
                redis,
                check: CheckMethod::RedisCheck,
                timeout_check: Some(window),
                ..Backend::default()
            };
            let until = view.held_until(&backend, Tick(now));
            assert_eq!(until, expected.map(Tick), "{guarding:?} {judged} {since:?} {hold:?}");
        }
    }
}
