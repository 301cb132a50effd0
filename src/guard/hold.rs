//! The clock of `option redis-hold`: how long clients have been waiting for a master.
//!
//! One clock a backend, not one a connection: it starts when the backend loses its usable master and stops
//! when it has one again. A client that comes four seconds into a hold of five therefore waits one second,
//! and an outage refuses everybody from the same moment on, as HAProxy would, until a master appears.

use std::time::Duration;

use crate::state::hold_ends;
use crate::time::Tick;

/// Since when there is no usable master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldClock {
    since: Option<Tick>,
}

impl HoldClock {
    /// A backend starts without a master.
    pub fn started(now: Tick) -> HoldClock {
        HoldClock { since: Some(now) }
    }

    /// Says whether there is a usable master now; returns the new reading if that changed.
    pub fn observe(&mut self, usable_master: bool, now: Tick) -> Option<Option<Tick>> {
        let since = match (usable_master, self.since) {
            (true, Some(_)) => None,
            (false, None) => Some(now),
            _ => return None,
        };
        self.since = since;
        Some(since)
    }

    /// Since when there is none.
    pub fn since(self) -> Option<Tick> {
        self.since
    }

    /// When the hold is over; `None` while there is a master. A hold that is off is over at once.
    pub fn ends(self, hold: Option<Duration>) -> Option<Tick> {
        hold_ends(self.since, hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_for_the_backend_and_not_for_a_connection() {
        let mut clock = HoldClock::started(Tick(10));
        assert_eq!(clock.observe(false, Tick(20)), None);
        assert_eq!(clock.observe(true, Tick(30)), Some(None));
        assert_eq!(clock.observe(false, Tick(40)), Some(Some(Tick(40))));
        assert_eq!(clock.observe(false, Tick(50)), None);
        assert_eq!(clock.ends(Some(Duration::from_millis(5))), Some(Tick(45)));
    }
}
