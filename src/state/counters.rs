//! Counters that workers write and pages read. Plain relaxed atomics: each is a sum of its own, nobody
//! derives one from another, so no order between them is needed. Sessions add their bytes when they end and
//! at long intervals, not per message, so that two cores do not pass a cache line back and forth.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::time::Tick;

/// How many there are now, and the most there ever were.
#[derive(Debug, Default)]
pub struct Gauge {
    now: AtomicU32,
    max: AtomicU32,
}

impl Gauge {
    /// One more; returns how many there are with it.
    pub fn enter(&self) -> u32 {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.max.fetch_max(now, Relaxed);
        now
    }

    /// One more unless that would exceed `limit` (0: none). `false` leaves the count as it was.
    pub fn try_enter(&self, limit: u32) -> bool {
        if limit == 0 {
            self.enter();
            return true;
        }
        let entered = self.now.fetch_update(Relaxed, Relaxed, |now| (now < limit).then_some(now + 1));
        if let Ok(before) = entered {
            self.max.fetch_max(before + 1, Relaxed);
        }
        entered.is_ok()
    }

    /// As [`Gauge::try_enter`], but the maximum is not touched before [`Gauge::note_max`]: for a place that
    /// may be given back unused.
    pub fn try_reserve(&self, limit: u32) -> bool {
        let within = |now: u32| (limit == 0 || now < limit).then_some(now + 1);
        self.now.fetch_update(Relaxed, Relaxed, within).is_ok()
    }

    /// Lets the present count into the maximum.
    pub fn note_max(&self) {
        self.max.fetch_max(self.now(), Relaxed);
    }

    /// One less.
    pub fn leave(&self) {
        let before = self.now.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "a gauge went below zero");
    }

    /// How many there are.
    pub fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    /// The most there were.
    pub fn max(&self) -> u32 {
        self.max.load(Relaxed)
    }

    /// `clear counters`: the maximum begins anew.
    pub fn forget_max(&self) {
        self.max.store(self.now(), Relaxed);
    }
}

/// Events per second, as HAProxy's `freq_ctr`: the current second plus the fading rest of the last one.
#[derive(Debug, Default)]
pub struct Rate {
    /// Second (32 bits), events in it (16) and in the one before (16) would not fit busy hours: three words,
    /// of which a reader may see a mix once a second, which a gauge on a page may show.
    second: AtomicU64,
    current: AtomicU64,
    previous: AtomicU64,
    max: AtomicU64,
}

impl Rate {
    /// Counts one event.
    pub fn hit(&self, now: Tick) {
        self.turn(now);
        let current = self.current.fetch_add(1, Relaxed) + 1;
        self.max.fetch_max(current, Relaxed);
    }

    /// Events in the last second.
    pub fn now(&self, now: Tick) -> u64 {
        self.turn(now);
        let rest = 1000 - now.0 % 1000;
        self.current.load(Relaxed) + self.previous.load(Relaxed) * rest / 1000
    }

    /// The most events in one second.
    pub fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// `clear counters`: the maximum begins anew.
    pub fn forget_max(&self) {
        self.max.store(0, Relaxed);
    }

    fn turn(&self, now: Tick) {
        let second = now.0 / 1000;
        let seen = self.second.load(Relaxed);
        if seen >= second || self.second.compare_exchange(seen, second, Relaxed, Relaxed).is_err() {
            return;
        }
        let last = self.current.swap(0, Relaxed);
        self.previous.store(if seen + 1 == second { last } else { 0 }, Relaxed);
    }
}

/// A sum.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The sum so far.
    pub fn sum(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// `clear counters all`.
    pub fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}

/// The mean over the last [`Average::SAMPLES`] values, without keeping them, and the most there was: each
/// new value takes the place of one of average size. As HAProxy's, it starts from zero, and whoever reads it says
/// how many values there have been.
#[derive(Debug, Default)]
pub struct Average {
    sum: AtomicU64,
    max: AtomicU32,
}

impl Average {
    /// HAProxy's window for times.
    pub const SAMPLES: u64 = 512;

    /// Takes one value in.
    pub fn add(&self, value: u32) {
        let slide = |sum: u64| Some(sum - sum.div_ceil(Self::SAMPLES) + u64::from(value));
        // `slide` never refuses.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, slide);
        self.max.fetch_max(value, Relaxed);
    }

    /// The mean, rounded up, of so many values; beyond the window the number no longer matters.
    pub fn mean(&self, values: u64) -> u32 {
        let values = values.clamp(1, Self::SAMPLES);
        u32::try_from(self.sum.load(Relaxed).div_ceil(values)).unwrap_or(u32::MAX)
    }

    /// The most there was.
    pub fn max(&self) -> u32 {
        self.max.load(Relaxed)
    }

    /// `clear counters`: the maximum begins anew.
    pub fn forget_max(&self) {
        self.max.store(0, Relaxed);
    }
}

/// What is counted at a frontend, a backend and a server alike. Names are the CSV's.
#[derive(Debug, Default)]
pub struct Traffic {
    /// `scur`, `smax`
    pub sessions: Gauge,
    /// `stot`
    pub total: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    /// `rate`, `rate_max`: sessions per second.
    pub rate: Rate,
    /// `econ`: connects that failed.
    pub connect_errors: Counter,
    /// `eresp`
    pub response_errors: Counter,
    /// `wretr`
    pub retries: Counter,
    /// `wredis`
    pub redispatches: Counter,
    /// `lbtot`: times chosen by the algorithm.
    pub chosen: Counter,
    /// `cli_abrt`
    pub client_aborts: Counter,
    /// `srv_abrt`
    pub server_aborts: Counter,
    /// `dreq`: refused by `tcp-request content`.
    pub denied: Counter,
    /// `dresp`: refused by `tcp-response content`.
    pub denied_responses: Counter,
    /// `connect`: connections attempted towards servers.
    pub connects: Counter,
    /// Tick of the last session plus one; 0 is none yet (`lastsess`).
    pub last_session: AtomicU64,
    /// `qtime`, `ctime`, `ttime` and their `_max`, in milliseconds, of sessions that reached a server.
    pub queue_time: Average,
    pub connect_time: Average,
    pub total_time: Average,
}

impl Traffic {
    /// One of the three averages, over the sessions that a server was chosen for: HAProxy's divisor.
    pub fn mean(&self, time: impl Fn(&Traffic) -> &Average) -> u32 {
        time(self).mean(self.chosen.sum())
    }

    /// `clear counters`: maxima begin anew.
    pub fn forget_maxima(&self) {
        self.sessions.forget_max();
        self.rate.forget_max();
        [&self.queue_time, &self.connect_time, &self.total_time].into_iter().for_each(Average::forget_max);
    }

    /// `clear counters all`: everything but what is there now begins anew.
    pub fn clear(&self) {
        self.forget_maxima();
        self.counters().into_iter().for_each(Counter::clear);
    }

    /// Goes on where `before` stands: a server that gets another address keeps its sums.
    pub fn go_on_from(&self, before: &Traffic) {
        self.counters().into_iter().zip(before.counters()).for_each(|(new, old)| new.add(old.sum()));
        self.last_session.store(before.last_session.load(Relaxed), Relaxed);
    }

    fn counters(&self) -> [&Counter; 13] {
        [
            &self.total,
            &self.bytes_in,
            &self.bytes_out,
            &self.connect_errors,
            &self.response_errors,
            &self.retries,
            &self.redispatches,
            &self.chosen,
            &self.client_aborts,
            &self.server_aborts,
            &self.denied,
            &self.denied_responses,
            &self.connects,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_keeps_its_limit_and_its_maximum() {
        let gauge = Gauge::default();
        assert!(gauge.try_enter(2) && gauge.try_enter(2) && !gauge.try_enter(2));
        gauge.leave();
        assert_eq!((gauge.now(), gauge.max()), (1, 2));
        assert!(gauge.try_enter(0));
    }

    #[test]
    fn an_average_follows_its_values() {
        let average = Average::default();
        average.add(777);
        assert_eq!((average.mean(1), average.max()), (777, 777));
        (0..5000).for_each(|_| average.add(10));
        assert_eq!((average.mean(5001), average.max()), (10, 777));
    }

    #[test]
    fn cleared_traffic_keeps_what_is_there_now() {
        let (old, new) = (Traffic::default(), Traffic::default());
        old.sessions.enter();
        old.sessions.enter();
        old.sessions.leave();
        old.bytes_out.add(7);
        new.go_on_from(&old);
        assert_eq!((new.bytes_out.sum(), new.sessions.now()), (7, 0));
        old.forget_maxima();
        assert_eq!((old.sessions.now(), old.sessions.max(), old.bytes_out.sum()), (1, 1, 7));
        old.clear();
        assert_eq!((old.sessions.now(), old.bytes_out.sum()), (1, 0));
    }

    #[test]
    fn a_rate_fades_over_one_second() {
        let rate = Rate::default();
        for _ in 0..10 {
            rate.hit(Tick(500));
        }
        assert_eq!(rate.now(Tick(999)), 10);
        assert_eq!(rate.now(Tick(1500)), 5);
        assert_eq!(rate.now(Tick(3000)), 0);
        assert_eq!(rate.max(), 10);
    }
}
