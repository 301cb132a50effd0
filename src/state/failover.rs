//! The failovers of a backend, each with its course: what `show failovers` and the page tell. Written by the
//! guard, but for the first client, which the worker that serves it notes.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use super::lock;
use crate::time::Tick;

/// Failovers that are remembered.
const REMEMBERED: usize = 32;

/// How a failover ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// It runs.
    #[default]
    Open,
    /// Another server is master.
    Switched,
    /// Sentinel gave up; the old master stays.
    Aborted,
    /// Nothing came of it within `timeout freeze`, or whoever led it was lost.
    Expired,
}

/// One failover. Times are absent where that step did not happen, or was not seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Failover {
    /// Counts up from 1 in each backend.
    pub number: u64,
    /// On the wall clock.
    pub at: Option<SystemTime>,
    /// Names of servers; `None`: unknown.
    pub from: Option<String>,
    pub to: Option<String>,
    /// In words, without a full stop: `Sentinel 10.0.0.4:26379 was elected to fail redis1 over`.
    pub cause: String,
    /// When it was decided, or first seen.
    pub began: Tick,
    pub frozen: Option<Tick>,
    pub selected: Option<Tick>,
    /// When the new master said so itself, and the master word moved.
    pub promoted: Option<Tick>,
    /// When the old master's sessions were cut, and how many there were.
    pub cut: Option<Tick>,
    pub sessions_cut: u32,
    /// When the first client after the switch reached the new master.
    pub first_client: Option<Tick>,
    /// Bytes of replication history that the old master had and the new one has not; `None`: unknown.
    pub bytes_lost: Option<u64>,
    pub ended: Option<Tick>,
    pub ending: Ending,
}

/// What may be seen of a failover, in the order in which it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Decided, or first seen.
    Began,
    /// Nothing of clients reaches the old master any more.
    Frozen,
    /// It is known who will be master.
    Selected,
    /// The new one said so, and gets the clients.
    Promoted,
    /// The old one's sessions were ended.
    Cut,
    /// A client reached the new one.
    FirstClient,
    /// It came to nothing.
    GivenUp,
}

impl Failover {
    /// The moments that were seen, each with the time since the first one; in the order of time.
    pub fn timeline(&self) -> Vec<(Moment, Duration)> {
        let given_up = matches!(self.ending, Ending::Aborted | Ending::Expired);
        let moments = [
            (Moment::Began, Some(self.began)),
            (Moment::Frozen, self.frozen),
            (Moment::Selected, self.selected),
            (Moment::Promoted, self.promoted),
            (Moment::Cut, self.cut),
            (Moment::FirstClient, self.first_client),
            (Moment::GivenUp, self.ended.filter(|_| given_up)),
        ];
        let seen = moments.into_iter().filter_map(|(moment, at)| Some((moment, at?.since(self.began))));
        let mut seen: Vec<_> = seen.collect();
        // A client may come before the last session is cut. What happened at once stays in the order of the table.
        seen.sort_by_key(|(_, after)| *after);
        seen
    }

    /// How long clients could not write: from the freeze, or the failover's beginning, to the new master.
    pub fn pause(&self) -> Option<Duration> {
        Some(self.promoted?.since(self.frozen.unwrap_or(self.began)))
    }
}

/// The last failovers of one backend.
#[derive(Debug, Default)]
pub struct FailoverHistory {
    records: Mutex<VecDeque<Failover>>,
    /// Tick of the first client after the last switch; [`AWAITED`] until it comes, [`NOBODY`] when none is awaited.
    first_client: AtomicU64,
}

const NOBODY: u64 = 0;
const AWAITED: u64 = u64::MAX;

impl FailoverHistory {
    /// Begins a record; returns its number.
    pub fn begin(&self, mut record: Failover) -> u64 {
        let mut records = lock(&self.records);
        record.number = records.back().map_or(1, |last| last.number + 1);
        if records.len() == REMEMBERED {
            records.pop_front();
        }
        let number = record.number;
        records.push_back(record);
        number
    }

    /// Changes a record that is still remembered.
    pub fn update(&self, number: u64, change: impl FnOnce(&mut Failover)) {
        if let Some(record) = lock(&self.records).iter_mut().find(|record| record.number == number) {
            change(record);
        }
    }

    /// The failovers, the oldest first.
    pub fn records(&self) -> Vec<Failover> {
        let mut records: Vec<Failover> = lock(&self.records).iter().cloned().collect();
        let first = self.first_client.load(Relaxed);
        if let Some(last) = records.iter_mut().rev().find(|record| record.ending == Ending::Switched) {
            last.first_client = (first != NOBODY && first != AWAITED).then_some(Tick(first));
        }
        records
    }

    /// From now on the first client that reaches the new master is noted.
    pub fn await_first_client(&self) {
        let settled = self.first_client.swap(AWAITED, Relaxed);
        if settled != NOBODY && settled != AWAITED {
            let mut records = lock(&self.records);
            let switched = records.iter_mut().rev().filter(|record| record.ending == Ending::Switched);
            // The record of this switch is the last one; the time belongs to the one before.
            if let Some(before) = switched.into_iter().find(|record| record.first_client.is_none()) {
                before.first_client = Some(Tick(settled));
            }
        }
    }

    /// A client reached the master. One load while none is awaited.
    pub fn note_client(&self, now: Tick) {
        if self.first_client.load(Relaxed) == AWAITED {
            // Another worker's client may have been first.
            let _ = self.first_client.compare_exchange(AWAITED, now.0.max(1), Relaxed, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failover_is_told_step_by_step() {
        let history = FailoverHistory::default();
        let number = history.begin(Failover { began: Tick(10), ..Failover::default() });
        history.update(number, |record| record.promoted = Some(Tick(30)));
        history.await_first_client();
        history.update(number, |record| record.ending = Ending::Switched);
        history.note_client(Tick(33));
        history.note_client(Tick(34));
        let [record] = &history.records()[..] else { panic!("one record") };
        assert_eq!(
            (record.number, record.promoted, record.first_client),
            (1, Some(Tick(30)), Some(Tick(33)))
        );
    }

    #[test]
    fn a_timeline_holds_what_was_seen_in_the_order_of_time() {
        let record = Failover {
            began: Tick(100),
            promoted: Some(Tick(180)),
            cut: Some(Tick(190)),
            first_client: Some(Tick(185)),
            ended: Some(Tick(180)),
            ending: Ending::Switched,
            ..Failover::default()
        };
        let course: Vec<_> = record.timeline().iter().map(|(moment, at)| (*moment, at.as_millis())).collect();
        let want = [(Moment::Began, 0), (Moment::Promoted, 80), (Moment::FirstClient, 85), (Moment::Cut, 90)];
        assert_eq!(course, want);
        let aborted =
            Failover { began: Tick(100), ended: Some(Tick(400)), ending: Ending::Aborted, ..record };
        assert_eq!(aborted.timeline().last(), Some(&(Moment::GivenUp, Duration::from_millis(300))));
    }

    #[test]
    fn the_first_client_of_each_switch_stays_with_it() {
        let history = FailoverHistory::default();
        for began in [100, 200] {
            let number = history.begin(Failover { began: Tick(began), ..Failover::default() });
            history.await_first_client();
            history.update(number, |record| record.ending = Ending::Switched);
            history.note_client(Tick(began + 5));
        }
        let firsts: Vec<_> = history.records().iter().map(|record| record.first_client).collect();
        assert_eq!(firsts, [Some(Tick(105)), Some(Tick(205))]);
    }

    #[test]
    fn only_the_last_failovers_are_kept() {
        let history = FailoverHistory::default();
        for _ in 0..100 {
            history.begin(Failover::default());
        }
        let numbers: Vec<_> = history.records().iter().map(|record| record.number).collect();
        assert_eq!(numbers, (69..=100).collect::<Vec<_>>());
    }
}
