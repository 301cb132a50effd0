//! A stick table: what is remembered of clients, by a key (manual section 4.2, `stick-table`). Pure: values and
//! `now` in, values out; whoever shares one locks it.
//!
//! Entries stand in the order in which they were last used. The oldest go first: when their time is over, and
//! when a new one needs their place, unless the table says `nopurge` or a session still tracks them. Both are
//! done a few at a time, so that no client pays for many others.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::matching::{address, bytes, integer, text};
use crate::config::model::{Counter, KeyKind, StickTable, Value};
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
}

/// What is remembered under one key.
#[derive(Debug, Default)]
struct Entry {
    used: u64,
    touched: Tick,
    trackers: u32,
    /// By name, so that it is the same one after a reload.
    server: Option<String>,
    counters: Vec<(Counter, Count)>,
}

#[derive(Debug, Clone, Copy)]
enum Count {
    Sum(u64),
    Rate(Rate),
}

/// Events of the current period, and the fading rest of the one before.
#[derive(Debug, Clone, Copy)]
struct Rate {
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

impl Table {
    pub fn new(config: &StickTable) -> Table {
        Table { config: config.clone(), entries: HashMap::new(), order: BTreeMap::new(), uses: 0 }
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
            KeyKind::Integer => (integer(value)? as u32).to_be_bytes().to_vec(),
            KeyKind::Text(length) => cut(text(value), length.saturating_sub(1)),
            KeyKind::Binary(length) => {
                let mut key = cut(bytes(value), length);
                key.resize(length, 0);
                key
            }
        })
    }

    /// The server that was remembered; using an entry keeps it.
    pub fn server(&mut self, key: &[u8], now: Tick) -> Option<String> {
        self.clear(now);
        let server = self.entries.get(key)?.server.clone();
        self.touch(key, now);
        server
    }

    /// Remembers a server; `false` if there is no room.
    pub fn remember(&mut self, key: &[u8], server: &str, now: Tick) -> bool {
        self.clear(now);
        let Some(entry) = self.entry(key, now) else { return false };
        if entry.server.as_deref() != Some(server) {
            entry.server = Some(server.to_owned());
        }
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

    /// Sets a tag.
    pub fn set(&mut self, key: &[u8], counter: Counter, value: u64) {
        if let Some(Count::Sum(sum)) = self.entries.get_mut(key).and_then(|entry| entry.count_mut(counter)) {
            *sum = value;
        }
    }

    /// What is counted under the key; `None` without an entry, 0 for what the table does not store.
    pub fn get(&self, key: &[u8], counter: Counter, now: Tick) -> Option<i64> {
        let entry = self.entries.get(key).filter(|entry| !self.is_over(entry, now))?;
        let count = match counter {
            Counter::Tracked => 1,
            Counter::Trackers => entry.trackers.into(),
            Counter::BytesIn | Counter::BytesOut => entry.value(counter, now) / 1024,
            _ => entry.value(counter, now),
        };
        Some(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn is_over(&self, entry: &Entry, now: Tick) -> bool {
        entry.trackers == 0 && self.config.expire.is_some_and(|expire| entry.touched + expire <= now)
    }

    /// The entry, made if there is room for it, and used now.
    fn entry(&mut self, key: &[u8], now: Tick) -> Option<&mut Entry> {
        if !self.entries.contains_key(key) {
            if self.entries.len() >= self.config.size && !self.make_room() {
                return None;
            }
            let counters = self.config.store.iter().map(|stored| (stored.counter, fresh(stored.period, now)));
            let entry = Entry { counters: counters.collect(), ..Entry::default() };
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
        match self.count_mut(counter) {
            Some(Count::Sum(sum)) => *sum = sum.saturating_add(more),
            Some(Count::Rate(rate)) => {
                rate.turn(now);
                rate.current = rate.current.saturating_add(more);
            }
            None => {}
        }
    }

    fn value(&self, counter: Counter, now: Tick) -> u64 {
        let count = self.counters.iter().find(|(known, _)| *known == counter);
        match count.map(|(_, count)| *count) {
            Some(Count::Sum(sum)) => sum,
            Some(Count::Rate(rate)) => rate.now(now),
            None => 0,
        }
    }
}

fn fresh(period: Option<Duration>, now: Tick) -> Count {
    match period {
        None => Count::Sum(0),
        Some(period) => {
            let period = (period.as_millis() as u64).max(1);
            Count::Rate(Rate { period, began: now, current: 0, previous: 0 })
        }
    }
}

fn cut(mut key: Vec<u8>, length: usize) -> Vec<u8> {
    key.truncate(length);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Stored;

    fn table(size: usize, change: impl FnOnce(&mut StickTable)) -> Table {
        let store =
            |counter, period: Option<u64>| Stored { counter, period: period.map(Duration::from_millis) };
        let mut config = StickTable {
            name: "t".into(),
            key: KeyKind::V4,
            size,
            expire: Some(Duration::from_secs(10)),
            nopurge: false,
            store: vec![
                store(Counter::ConnectionsNow, None),
                store(Counter::ConnectionRate, Some(1000)),
                store(Counter::General0, None),
            ],
        };
        change(&mut config);
        Table::new(&config)
    }

    #[test]
    fn an_entry_lives_as_long_as_it_is_used() {
        let mut table = table(10, |_| {});
        assert!(table.remember(b"aaaa", "s1", Tick(0)));
        assert_eq!(table.server(b"aaaa", Tick(9_000)).as_deref(), Some("s1"));
        assert_eq!(table.server(b"aaaa", Tick(18_000)).as_deref(), Some("s1"));
        assert_eq!(table.server(b"aaaa", Tick(28_000)), None);
        assert!(table.is_empty());
    }

    #[test]
    fn a_full_table_forgets_the_oldest_unless_it_may_not() {
        let mut full = table(2, |_| {});
        for key in [b"aaaa", b"bbbb"] {
            assert!(full.remember(key, "s", Tick(0)));
        }
        assert!(full.server(b"aaaa", Tick(1)).is_some() && full.remember(b"cccc", "s", Tick(2)));
        assert_eq!((full.len(), full.server(b"bbbb", Tick(3))), (2, None));
        let mut fixed = table(1, |config| (config.nopurge, config.expire) = (true, None));
        assert!(fixed.remember(b"aaaa", "s1", Tick(0)) && !fixed.remember(b"bbbb", "s1", Tick(1 << 40)));
        assert!(fixed.remember(b"aaaa", "s2", Tick(2)));
        assert_eq!(fixed.server(b"aaaa", Tick(3)).as_deref(), Some("s2"));
    }

    #[test]
    fn what_is_tracked_is_counted_and_stays() {
        let mut table = table(1, |_| {});
        assert!(table.track(b"aaaa", Tick(0)) && table.track(b"aaaa", Tick(1)));
        assert!(!table.track(b"bbbb", Tick(99_000)), "a tracked entry gives no room");
        let get = |table: &Table, counter, now| table.get(b"aaaa", counter, Tick(now));
        assert_eq!(get(&table, Counter::ConnectionsNow, 2), Some(2));
        assert_eq!(get(&table, Counter::ConnectionRate, 500), Some(2));
        assert_eq!(get(&table, Counter::ConnectionRate, 1500), Some(1));
        assert_eq!(get(&table, Counter::ConnectionRate, 2500), Some(0));
        table.add(b"aaaa", Counter::General0, 5, Tick(3));
        assert_eq!(get(&table, Counter::General0, 3), Some(5));
        assert_eq!(
            (get(&table, Counter::Trackers, 3), get(&table, Counter::Sessions, 3)),
            (Some(2), Some(0))
        );
        table.untrack(b"aaaa", Tick(4));
        table.untrack(b"aaaa", Tick(4));
        assert_eq!(get(&table, Counter::ConnectionsNow, 4), Some(0));
        assert_eq!(get(&table, Counter::Tracked, 20_000), None);
    }

    #[test]
    fn keys_are_of_the_tables_type() {
        let key = |kind, value: Value| table(1, |config| config.key = kind).key(&value);
        let v6 = Value::Address("::ffff:1.2.3.4".parse().unwrap());
        assert_eq!(key(KeyKind::V4, v6), Some(vec![1, 2, 3, 4]));
        assert_eq!(key(KeyKind::V4, Value::Address("::1".parse().unwrap())), None);
        assert_eq!(key(KeyKind::V6, Value::Address([1, 2, 3, 4].into())).map(|key| key.len()), Some(16));
        assert_eq!(key(KeyKind::Text(4), Value::Text(b"abcdef".to_vec())), Some(b"abc".to_vec()));
        assert_eq!(key(KeyKind::Binary(2), Value::Text(b"a".to_vec())), Some(vec![b'a', 0]));
        assert_eq!(key(KeyKind::Integer, Value::Integer(258)), Some(vec![0, 0, 1, 2]));
    }
}
