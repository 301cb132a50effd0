//! A stick table: what is remembered of clients, by a key (manual section 4.2, `stick-table`). Pure: values and
//! `now` in, values out; whoever shares one locks it.
//!
//! Entries stand in the order in which they were last used. The oldest go first: when their time is over, and
//! when a new one needs their place, unless the table says `nopurge` or a session still tracks them. Both are
//! done a few at a time, so that no client pays for many others.

mod count;
mod list;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use self::count::{Count, cast};
pub use self::list::{Cell, Listed, Removal};
use super::matching::{address, bytes, integer, text};
use crate::config::model::{Change, Counter, KeyKind, StickTable, Value};
use crate::time::Tick;

/// How many expired entries one use clears away.
const CLEARED: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct Table {
    config: StickTable,
    entries: HashMap<Vec<u8>, Entry>,
    /// By last use.
    order: BTreeMap<u64, Vec<u8>>,
    uses: u64,
    /// Entries there ever were.
    made: u64,
}

/// A server as tables remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What HAProxy looks for first: it is the same one after a reload.
    pub name: Option<String>,
    /// `id` of its line; 0: none.
    pub id: i32,
}

/// What is remembered under one key.
#[derive(Debug, Default)]
struct Entry {
    id: u64,
    used: u64,
    touched: Tick,
    trackers: u32,
    server: Option<String>,
    server_id: i32,
    counters: Vec<(Counter, Count)>,
}

impl Table {
    pub fn new(config: &StickTable) -> Table {
        Table { config: config.clone(), entries: HashMap::new(), order: BTreeMap::new(), uses: 0, made: 0 }
    }

    /// What it was made for; a reload that changes it begins with an empty one.
    pub fn config(&self) -> &StickTable {
        &self.config
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value as a key of this table, if it can be one.
    pub fn key(&self, value: &Value) -> Option<Vec<u8>> {
        Some(match self.config.key {
            KeyKind::V4 => match address(value)? {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.to_ipv4_mapped()?.octets().to_vec(),
            },
            KeyKind::V6 => match address(value)? {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            },
            // As HAProxy on most machines, for its lists are in the order of these bytes.
            KeyKind::Integer => (integer(value)? as u32).to_le_bytes().to_vec(),
            KeyKind::Text(length) => cut(text(value), length.saturating_sub(1)),
            KeyKind::Binary(length) => {
                let mut key = cut(bytes(value), length);
                key.resize(length, 0);
                key
            }
        })
    }

    /// The server that was remembered; using an entry keeps it.
    pub fn server(&mut self, key: &[u8], now: Tick) -> Option<Remembered> {
        self.clear(now);
        self.drop_if_over(key, now);
        let entry = self.entries.get(key)?;
        let server = Remembered { name: entry.server.clone(), id: entry.server_id };
        self.touch(key, now);
        Some(server).filter(|server| server.name.is_some() || server.id != 0)
    }

    /// Remembers a server by its name and its number; `false` if there is no room.
    pub fn remember(&mut self, key: &[u8], (server, id): (&str, i32), now: Tick) -> bool {
        self.clear(now);
        let Some(entry) = self.entry(key, now) else { return false };
        if entry.server.as_deref() != Some(server) {
            entry.server = Some(server.to_owned());
        }
        entry.server_id = id;
        true
    }

    /// A session tracks the entry from now on: one more connection. `false` if there is no room.
    pub fn track(&mut self, key: &[u8], now: Tick) -> bool {
        self.clear(now);
        let Some(entry) = self.entry(key, now) else { return false };
        entry.trackers += 1;
        for counter in [Counter::ConnectionsNow, Counter::Connections, Counter::ConnectionRate] {
            entry.add(counter, 1, now);
        }
        true
    }

    /// It tracks it no more.
    pub fn untrack(&mut self, key: &[u8], now: Tick) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.trackers = entry.trackers.saturating_sub(1);
        if let Some(Count::Sum(now)) = entry.count_mut(Counter::ConnectionsNow) {
            *now = now.saturating_sub(1);
        }
        self.touch(key, now);
    }

    /// Adds to what is counted under the key, if it is.
    pub fn add(&mut self, key: &[u8], counter: Counter, more: u64, now: Tick) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.add(counter, more, now);
        }
    }

    /// Sets a tag, or lets a counter begin anew.
    pub fn set(&mut self, key: &[u8], counter: Counter, value: i64, now: Tick) {
        if let Some(count) = self.entries.get_mut(key).and_then(|entry| entry.count_mut(counter)) {
            count.set(cast(counter, value), now);
        }
    }

    /// One more, or begun anew; says what it is now, or what it was before it was cleared.
    pub fn change(&mut self, key: &[u8], counter: Counter, change: Change, now: Tick) -> Option<i64> {
        let entry = self.entries.get_mut(key)?;
        let value = match change {
            Change::Increment => {
                entry.add(counter, 1, now);
                counter.rate().into_iter().for_each(|rate| entry.add(rate, 1, now));
                entry.value(counter, now)
            }
            Change::Clear => {
                let before = entry.value(counter, now);
                entry.count_mut(counter).into_iter().for_each(|count| count.set(0, now));
                before
            }
        };
        self.touch(key, now);
        Some(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Whether entries have such a value.
    pub fn keeps(&self, counter: Counter) -> bool {
        matches!(counter, Counter::Tracked | Counter::Trackers)
            || self.config.store.iter().any(|stored| stored.counter == counter)
    }

    /// What is counted under the key; `None` without an entry, 0 for what the table does not store.
    pub fn get(&self, key: &[u8], counter: Counter, now: Tick) -> Option<i64> {
        let entry = self.entries.get(key).filter(|entry| !self.is_over(entry, now))?;
        let count = match counter {
            Counter::Tracked => 1,
            Counter::Trackers => entry.trackers.into(),
            Counter::Idle => self.idle(entry, now),
            Counter::Expire => self
                .config
                .expire
                .map_or(0, |expire| (expire.as_millis() as u64).saturating_sub(self.idle(entry, now))),
            Counter::BytesIn | Counter::BytesOut => entry.value(counter, now) / 1024,
            Counter::ServerId => u64::from(entry.server_id as u32),
            _ => entry.value(counter, now),
        };
        Some(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn idle(&self, entry: &Entry, now: Tick) -> u64 {
        if self.config.expire.is_some() { now.0.saturating_sub(entry.touched.0) } else { 0 }
    }

    fn is_over(&self, entry: &Entry, now: Tick) -> bool {
        entry.trackers == 0 && self.config.expire.is_some_and(|expire| entry.touched + expire <= now)
    }

    /// The entry, made if there is room for it, and used now.
    fn entry(&mut self, key: &[u8], now: Tick) -> Option<&mut Entry> {
        self.drop_if_over(key, now);
        if !self.entries.contains_key(key) {
            if self.entries.len() >= self.config.size && !self.make_room() {
                return None;
            }
            let counted = self.config.store.iter().filter(|stored| is_counted(stored.counter));
            let counters = counted.map(|stored| (stored.counter, Count::new(stored.period, now)));
            self.made += 1;
            let entry = Entry { id: self.made, counters: counters.collect(), ..Entry::default() };
            self.entries.insert(key.to_vec(), entry);
        }
        self.touch(key, now);
        self.entries.get_mut(key)
    }

    fn touch(&mut self, key: &[u8], now: Tick) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let name = self.order.remove(&entry.used).unwrap_or_else(|| key.to_vec());
        self.uses += 1;
        (entry.used, entry.touched) = (self.uses, now);
        self.order.insert(self.uses, name);
    }

    /// Drops the entry that was not used for the longest time, if one may go.
    fn make_room(&mut self) -> bool {
        if self.config.nopurge {
            return false;
        }
        let idle = |key: &Vec<u8>| self.entries.get(key).is_some_and(|entry| entry.trackers == 0);
        let oldest = self.order.iter().take(CLEARED * 8).find(|(_, key)| idle(key));
        match oldest.map(|(used, _)| *used) {
            Some(used) => self.drop_entry(used),
            None => return false,
        }
        true
    }

    fn clear(&mut self, now: Tick) {
        let over = |key: &Vec<u8>| self.entries.get(key).is_some_and(|entry| self.is_over(entry, now));
        let oldest = self.order.iter().take(CLEARED).take_while(|(_, key)| over(key));
        let gone: Vec<u64> = oldest.map(|(used, _)| *used).collect();
        gone.into_iter().for_each(|used| self.drop_entry(used));
    }

    /// One whose time is over may still be there: only a few are cleared away at a time.
    fn drop_if_over(&mut self, key: &[u8], now: Tick) {
        let over = self.entries.get(key).filter(|entry| self.is_over(entry, now));
        if let Some(used) = over.map(|entry| entry.used) {
            self.drop_entry(used);
        }
    }

    fn drop_entry(&mut self, used: u64) {
        if let Some(key) = self.order.remove(&used) {
            self.entries.remove(&key);
        }
    }
}

impl Entry {
    fn count_mut(&mut self, counter: Counter) -> Option<&mut Count> {
        self.counters.iter_mut().find(|(known, _)| *known == counter).map(|(_, count)| count)
    }

    fn add(&mut self, counter: Counter, more: u64, now: Tick) {
        if let Some(count) = self.count_mut(counter) {
            count.add(more, now);
        }
    }

    fn value(&self, counter: Counter, now: Tick) -> u64 {
        let count = self.counters.iter().find(|(known, _)| *known == counter);
        count.map_or(0, |(_, count)| count.value(now))
    }
}

fn is_counted(counter: Counter) -> bool {
    !matches!(counter, Counter::ServerId | Counter::ServerKey)
}

fn cut(mut key: Vec<u8>, length: usize) -> Vec<u8> {
    key.truncate(length);
    key
}

#[cfg(test)]
#[path = "stick_tests.rs"]
mod tests;
