//! What is counted in one entry of a stick table: sums, and events in a period as HAProxy estimates them: those of
//! the current period, and of the one before as much as its end is still less than a period ago.

use std::time::Duration;

use crate::config::model::Counter;
use crate::time::Tick;

/// One thing that is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Sum(u64),
    Rate(Rate),
}

/// Events of the current period, and the fading rest of the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    period: u64,
    began: Tick,
    current: u64,
    previous: u64,
}

impl Rate {
    fn turn(&mut self, now: Tick) {
        let passed = now.0.saturating_sub(self.began.0);
        if passed < self.period {
            return;
        }
        self.previous = if passed < 2 * self.period { self.current } else { 0 };
        self.current = 0;
        self.began = Tick(now.0 - passed % self.period);
    }

    fn now(mut self, now: Tick) -> u64 {
        self.turn(now);
        let left = self.period - now.0.saturating_sub(self.began.0).min(self.period);
        self.current + self.previous * left / self.period
    }
}

impl Count {
    /// Nothing counted yet; a rate if there is a period.
    pub(super) fn new(period: Option<Duration>, now: Tick) -> Count {
        let Some(period) = period else { return Count::Sum(0) };
        let period = (period.as_millis() as u64).max(1);
        Count::Rate(Rate { period, began: now, current: 0, previous: 0 })
    }

    pub(super) fn add(&mut self, more: u64, now: Tick) {
        match self {
            Count::Sum(sum) => *sum = sum.saturating_add(more),
            Count::Rate(rate) => {
                rate.turn(now);
                rate.current = rate.current.saturating_add(more);
            }
        }
    }

    pub(super) fn set(&mut self, value: u64, now: Tick) {
        match self {
            Count::Sum(sum) => *sum = value,
            Count::Rate(rate) => (rate.current, rate.previous, rate.began) = (value, 0, now),
        }
    }

    pub(super) fn value(self, now: Tick) -> u64 {
        match self {
            Count::Sum(sum) => sum,
            Count::Rate(rate) => rate.now(now),
        }
    }
}

/// What a counter takes of a number that an operator or a rule sets: bytes are counted in 64 bits, servers have
/// signed numbers, and all else is kept in 32 bits, as by HAProxy.
pub(super) fn cast(counter: Counter, value: i64) -> u64 {
    match counter {
        Counter::BytesIn | Counter::BytesOut => value as u64,
        _ => u64::from(value as u32),
    }
}
