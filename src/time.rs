//! The two clocks. Decisions take a [`Tick`] as an argument and never ask for the time themselves, so that
//! tests and simulations can replay them; the wall clock is for log lines and pages only.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Milliseconds since the process started, monotonic. Eight bytes, `Copy`, and cheap to store in atomics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The present moment. Called once per wake-up of a loop, not once per decision.
    pub fn now() -> Tick {
        Tick(origin().elapsed().as_millis() as u64)
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Tick {
    type Output = Tick;

    fn add(self, rhs: Duration) -> Tick {
        Tick(self.0.saturating_add(rhs.as_millis() as u64))
    }
}

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_lies_ahead_is_zero_ago() {
        assert_eq!(Tick(5).since(Tick(9)), Duration::ZERO);
        assert_eq!(Tick(9).since(Tick(5)), Duration::from_millis(4));
        assert_eq!(Tick(1) + Duration::from_secs(1), Tick(1001));
    }
}
