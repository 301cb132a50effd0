use std::time::Duration;

use super::*;
use crate::config::model::Stored;

fn table(size: usize, change: impl FnOnce(&mut StickTable)) -> Table {
    let store = |counter, period: Option<u64>| Stored {
        counter,
        period: period.map(Duration::from_millis),
        place: 0,
    };
    let mut config = StickTable {
        name: "t".into(),
        key: KeyKind::V4,
        size,
        expire: Some(Duration::from_secs(10)),
        nopurge: false,
        store: vec![
            store(Counter::ConnectionsNow, None),
            store(Counter::ConnectionRate, Some(1000)),
            store(Counter::General(0), None),
        ],
    };
    change(&mut config);
    Table::new(&config)
}

#[test]
fn an_entry_lives_as_long_as_it_is_used() {
    let mut table = table(10, |_| {});
    assert!(table.remember(b"aaaa", ("s1", 1), Tick(0)));
    assert_eq!(table.server(b"aaaa", Tick(9_000)).and_then(|server| server.name).as_deref(), Some("s1"));
    assert_eq!(table.server(b"aaaa", Tick(18_000)).and_then(|server| server.name).as_deref(), Some("s1"));
    assert_eq!(table.server(b"aaaa", Tick(28_000)), None);
    assert!(table.is_empty());
}

#[test]
fn a_full_table_forgets_the_oldest_unless_it_may_not() {
    let mut full = table(2, |_| {});
    for key in [b"aaaa", b"bbbb"] {
        assert!(full.remember(key, ("s", 1), Tick(0)));
    }
    assert!(full.server(b"aaaa", Tick(1)).is_some() && full.remember(b"cccc", ("s", 1), Tick(2)));
    assert_eq!((full.len(), full.server(b"bbbb", Tick(3))), (2, None));
    let mut fixed = table(1, |config| (config.nopurge, config.expire) = (true, None));
    assert!(
        fixed.remember(b"aaaa", ("s1", 1), Tick(0)) && !fixed.remember(b"bbbb", ("s1", 1), Tick(1 << 40))
    );
    assert!(fixed.remember(b"aaaa", ("s2", 1), Tick(2)));
    assert_eq!(fixed.server(b"aaaa", Tick(3)).and_then(|server| server.name).as_deref(), Some("s2"));
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
    table.add(b"aaaa", Counter::General(0), 5, Tick(3));
    assert_eq!(get(&table, Counter::General(0), 3), Some(5));
    assert_eq!((get(&table, Counter::Trackers, 3), get(&table, Counter::Sessions, 3)), (Some(2), Some(0)));
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
    assert_eq!(key(KeyKind::Integer, Value::Integer(258)), Some(vec![2, 1, 0, 0]));
}

#[test]
fn lists_go_by_pages_and_miss_nobody() {
    let mut table = table(1000, |config| config.expire = Some(Duration::from_secs(10)));
    for number in 0..600_u32 {
        assert!(table.put(&number.to_be_bytes(), Some((Counter::General(0), number.into())), Tick(1)));
    }
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let (page, next) = table.page(after, Tick(1));
        assert!(page.len() <= 256);
        found.extend(page.into_iter().map(|entry| (entry.key, entry.cells[2].clone(), entry.left)));
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    let expected = |number: u32| (number.to_be_bytes().to_vec(), Cell::Number(number.into()), 10_000);
    assert_eq!(found, (0..600).map(expected).collect::<Vec<_>>());
    assert!(table.track(&7_u32.to_be_bytes(), Tick(1)));
    assert_eq!(table.used(Tick(20_000)), 1, "who is tracked stays");
    assert_eq!(table.remove(&7_u32.to_be_bytes()), Removal::InUse);
    table.untrack(&7_u32.to_be_bytes(), Tick(20_000));
    assert_eq!(table.remove(&7_u32.to_be_bytes()), Removal::Removed);
    assert_eq!(table.remove(&7_u32.to_be_bytes()), Removal::Missing);
}

#[test]
fn numbers_are_kept_as_wide_as_by_haproxy() {
    let mut table = table(9, |config| {
        config.store.push(Stored { counter: Counter::BytesIn, period: None, place: 9 });
        config.store.push(Stored { counter: Counter::ServerId, period: None, place: 0 });
    });
    let values = [(Counter::General(0), -1), (Counter::ConnectionRate, 7), (Counter::BytesIn, 5 << 32)];
    for value in values.into_iter().chain([(Counter::ServerId, -1)]) {
        assert!(table.put(b"aaaa", Some(value), Tick(1)));
    }
    let cells = table.listed(b"aaaa", Tick(1)).unwrap().cells;
    assert_eq!(cells, [0, 7, u32::MAX.into(), 5 << 32, -1].map(Cell::Number));
    assert_eq!(table.server(b"aaaa", Tick(1)), Some(Remembered { name: None, id: -1 }));
}

#[test]
fn an_entry_whose_time_is_over_begins_anew_however_many_others_are_over() {
    let mut table = table(100, |_| {});
    for number in 0..50_u32 {
        assert!(table.put(&number.to_be_bytes(), Some((Counter::General(0), 9)), Tick(0)));
    }
    let last = 49_u32.to_be_bytes();
    assert!(table.track(&last, Tick(60_000)));
    assert_eq!(table.get(&last, Counter::General(0), Tick(60_000)), Some(0));
    let change = |table: &mut Table, change| table.change(&last, Counter::General(0), change, Tick(60_000));
    assert_eq!(change(&mut table, Change::Increment), Some(1));
    assert_eq!(change(&mut table, Change::Increment), Some(2));
    assert_eq!(change(&mut table, Change::Clear), Some(2));
    assert_eq!(table.get(&last, Counter::General(0), Tick(60_000)), Some(0));
}
