//! Hints that turned out wrong, for a while: bounded in number and time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::time::Tick;

const MOST: usize = 64;
const KEPT: Duration = Duration::from_secs(60);

/// An announcement that was no good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) address: SocketAddr,
    pub(super) run_id: String,
    pub(super) master_name: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DroppedList(VecDeque<(Tick, Dropped)>);

impl DroppedList {
    /// Adds one; the oldest makes room.
    pub(super) fn add(&mut self, dropped: Dropped, now: Tick) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((now, dropped));
    }

    /// Whether it was dropped a short while ago.
    pub(super) fn has(&mut self, dropped: &Dropped, now: Tick) -> bool {
        while self.0.front().is_some_and(|(at, _)| now.since(*at) > KEPT) {
            self.0.pop_front();
        }
        self.0.iter().any(|(_, other)| other == dropped)
    }
}
