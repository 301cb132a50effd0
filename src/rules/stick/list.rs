//! A stick table as an operator sees it: entries listed a page at a time, so that whoever shares the table waits
//! for no more than a page; entries set and removed.

use std::ops::Bound;

use super::count::cast;
use super::{Entry, Table};
use crate::config::model::{Counter, Stored};
use crate::time::Tick;

/// How many entries are copied out at once.
const PAGE: usize = 256;

/// One entry, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: Vec<u8>,
    /// Never another entry's, as long as the table lives.
    pub id: u64,
    pub trackers: u32,
    /// Milliseconds until it is forgotten; 0 if it never is.
    pub left: u64,
    /// In the order of what the table stores.
    pub cells: Vec<Cell>,
}

/// One value of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Number(i64),
    Name(Option<String>),
}

/// What became of an entry that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Removed,
    Missing,
    /// A session tracks it.
    InUse,
}

impl Table {
    /// How many entries are not over.
    pub fn used(&mut self, now: Tick) -> usize {
        let over: Vec<u64> = match self.config.expire {
            None => Vec::new(),
            Some(expire) => {
                let old = |key: &Vec<u8>| self.entries.get(key).is_some_and(|e| e.touched + expire <= now);
                let oldest = self.order.iter().take_while(|(_, key)| old(key));
                let idle = oldest.filter(|(_, key)| self.entries.get(*key).is_some_and(|e| e.trackers == 0));
                idle.map(|(used, _)| *used).collect()
            }
        };
        over.into_iter().for_each(|used| self.drop_entry(used));
        self.entries.len()
    }

    /// The next entries in the order of their last use, and where to go on; `None`: that was all. What is used
    /// while a list is made may come twice.
    pub fn page(&self, after: u64, now: Tick) -> (Vec<Listed>, Option<u64>) {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        let keys: Vec<(&u64, &Vec<u8>)> = self.order.range(range).take(PAGE).collect();
        let listed = keys.iter().filter_map(|(_, key)| self.listed(key, now)).collect();
        let next = keys.last().filter(|_| keys.len() == PAGE).map(|(used, _)| **used);
        (listed, next)
    }

    /// The entry of that key.
    pub fn listed(&self, key: &[u8], now: Tick) -> Option<Listed> {
        let entry = self.entries.get(key).filter(|entry| !self.is_over(entry, now))?;
        let left = self.config.expire.map_or(0, |expire| (entry.touched + expire).since(now).as_millis());
        let cells = self.config.store.iter().map(|stored| entry.cell(stored, now)).collect();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        Some(Listed { key: key.to_vec(), id: entry.id, trackers: entry.trackers, left, cells })
    }

    /// Sets a value of the entry, which is made if there is room: `false` if there is none.
    pub fn put(&mut self, key: &[u8], value: Option<(Counter, i64)>, now: Tick) -> bool {
        let Some(entry) = self.entry(key, now) else { return false };
        match value {
            None => {}
            Some((Counter::ServerId, id)) => entry.server_id = id as i32,
            Some((counter, value)) => {
                if let Some(count) = entry.count_mut(counter) {
                    count.set(cast(counter, value), now);
                }
            }
        }
        true
    }

    /// Removes an entry that nobody tracks.
    pub fn remove(&mut self, key: &[u8]) -> Removal {
        let Some(entry) = self.entries.get(key) else { return Removal::Missing };
        if entry.trackers > 0 {
            return Removal::InUse;
        }
        self.drop_entry(entry.used);
        Removal::Removed
    }
}

impl Entry {
    fn cell(&self, stored: &Stored, now: Tick) -> Cell {
        match stored.counter {
            Counter::ServerId => Cell::Number(self.server_id.into()),
            Counter::ServerKey => Cell::Name(self.server.clone()),
            counter => Cell::Number(i64::try_from(self.value(counter, now)).unwrap_or(i64::MAX)),
        }
    }
}
