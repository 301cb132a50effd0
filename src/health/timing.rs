//! When a check is due and how long it may take: HAProxy's rules as pure functions. Randomness comes in as
//! a number, so that tests can choose it.
//!
//! The next check is due one interval after the end of the last one, not after its start.

use std::time::Duration;

use super::rise_fall::Counter;
use crate::config::model::ServerCheck;
use crate::state::Operation;

/// Only intervals from here on set the pace of the start.
const SLOW: Duration = Duration::from_secs(1);
/// The least time a kept probe waits for an answer without `timeout check`.
const KEPT_PATIENCE: Duration = Duration::from_secs(1);

/// The time a check may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the connection to come up; and for everything, if there is no other.
    pub connect: Duration,
    /// Starts over once the connection is up.
    pub answer: Option<Duration>,
}

/// The settings that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub check: Option<Duration>,
    pub connect: Option<Duration>,
}

impl Patience {
    /// Of a check with a connection of its own.
    pub fn once(inter: Duration, timeouts: Timeouts) -> Patience {
        match (timeouts.check, timeouts.connect) {
            (None, _) => Patience { connect: inter, answer: None },
            (Some(check), connect) => {
                Patience { connect: connect.map_or(inter, |connect| connect.min(inter)), answer: Some(check) }
            }
        }
    }

    /// Of a kept probe, which may ask every few milliseconds and still has to give a busy server time.
    pub fn kept(inter: Duration, timeouts: Timeouts) -> Patience {
        let answer = timeouts.check.unwrap_or_else(|| inter.max(KEPT_PATIENCE));
        Patience {
            connect: timeouts.connect.map_or(answer, |connect| connect.min(answer)),
            answer: Some(answer),
        }
    }
}

/// Time from the end of a check to the next one.
pub fn interval(check: &ServerCheck, counter: Counter, operation: Operation) -> Duration {
    if counter.value == counter.top() {
        return check.inter;
    }
    if operation == Operation::Stopped && counter.value == 0 {
        return check.downinter.unwrap_or(check.inter);
    }
    check.fastinter.unwrap_or(check.inter)
}

/// `spread-checks`: the interval plus or minus so many percent of it; `roll` is a random number.
pub fn spread(interval: Duration, percent: u8, roll: u32) -> Duration {
    let reach = interval * u32::from(percent) / 100;
    (interval + reach).saturating_sub(reach.mul_f64(2.0 * f64::from(roll) / f64::from(u32::MAX)))
}

/// The pace of the start: the smallest of the slow intervals, if there is one.
pub fn pace(intervals: impl Iterator<Item = Duration>) -> Duration {
    intervals.filter(|interval| *interval >= SLOW).min().unwrap_or_default()
}

/// Delay of the first run of check `position` of `count`.
pub fn first_delay(
    pace: Duration,
    inter: Duration,
    cap: Option<Duration>,
    position: u32,
    count: u32,
) -> Duration {
    let span = pace.max(inter);
    let span = cap.map_or(span, |cap| span.min(cap));
    span * position / count.max(1)
}

/// A small generator for spreading (xorshift); not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed rolls the same numbers.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn intervals_follow_the_counter() {
        let check = ServerCheck {
            inter: ms(100),
            fastinter: Some(ms(10)),
            downinter: Some(ms(1000)),
            ..ServerCheck::default()
        };
        let at = |value, operation| interval(&check, Counter { value, rise: 2, fall: 3 }, operation);
        assert_eq!(at(4, Operation::Running), ms(100));
        assert_eq!(at(3, Operation::Running), ms(10));
        assert_eq!(at(1, Operation::Stopped), ms(10));
        assert_eq!(at(0, Operation::Stopped), ms(1000));
        let plain = ServerCheck { inter: ms(7), ..ServerCheck::default() };
        assert_eq!(interval(&plain, Counter { value: 0, rise: 2, fall: 3 }, Operation::Stopped), ms(7));
    }

    #[test]
    fn patience_is_inter_unless_timeout_check_is_set() {
        let timeouts = |check, connect| Timeouts { check, connect };
        let once = |check, connect| Patience::once(ms(400), timeouts(check, connect));
        assert_eq!(once(None, Some(ms(100))), Patience { connect: ms(400), answer: None });
        assert_eq!(once(Some(ms(50)), Some(ms(100))), Patience { connect: ms(100), answer: Some(ms(50)) });
        assert_eq!(once(Some(ms(50)), Some(ms(4000))), Patience { connect: ms(400), answer: Some(ms(50)) });
        let kept = |check| Patience::kept(ms(10), timeouts(check, None)).answer;
        assert_eq!((kept(None), kept(Some(ms(300)))), (Some(ms(1000)), Some(ms(300))));
    }

    #[test]
    fn spreading_stays_within_its_percentage() {
        assert_eq!(spread(ms(1000), 20, 0), ms(1200));
        assert_eq!(spread(ms(1000), 20, u32::MAX), ms(800));
        assert_eq!(spread(ms(1000), 0, 12345), ms(1000));
        let mut dice = Dice::new(7);
        let first: Vec<u32> = (0..4).map(|_| dice.roll()).collect();
        let mut again = Dice::new(7);
        assert_eq!(first, (0..4).map(|_| again.roll()).collect::<Vec<_>>());
    }

    #[test]
    fn the_start_is_spread() {
        // Forty checks of 400 ms start 10 ms apart.
        let fast = pace(std::iter::repeat_n(ms(400), 40));
        assert_eq!(
            (0..3).map(|at| first_delay(fast, ms(400), None, at, 40)).collect::<Vec<_>>(),
            [ms(0), ms(10), ms(20)]
        );
        let mixed = pace([ms(400), ms(3000), ms(2000)].into_iter());
        assert_eq!(mixed, ms(2000));
        assert_eq!(first_delay(mixed, ms(400), None, 1, 2), ms(1000));
        assert_eq!(first_delay(mixed, ms(5000), None, 1, 2), ms(2500));
        assert_eq!(first_delay(mixed, ms(5000), Some(ms(100)), 1, 2), ms(50));
    }
}
