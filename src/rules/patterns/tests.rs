use super::*;
use crate::config::model::{Columns, Entry, Reader, TextMatch};

fn list(reader: Reader, lines: &[(&str, &str)]) -> Patterns {
    let entry = |(key, value): &(&str, &str)| Entry {
        key: key.as_bytes().to_vec(),
        value: Some(value.as_bytes().to_vec()),
    };
    Patterns::new(&Arc::new(PatternList {
        number: 0,
        file: Some("a.map".into()),
        description: String::new(),
        columns: Columns::PatternAndValue,
        in_acls: false,
        in_maps: true,
        readers: vec![reader],
        entries: lines.iter().map(entry).collect(),
    }))
}

fn reader(method: Method) -> Reader {
    Reader { method, ignore_case: false, output: Some(Output::Text) }
}

fn gives(patterns: &Patterns, value: Value) -> String {
    patterns.map(0, &value).map_or("-".into(), |found| String::from_utf8(text(&found)).unwrap())
}

fn says(patterns: &Patterns, value: &str) -> String {
    gives(patterns, Value::Text(value.into()))
}

#[test]
fn the_longest_prefix_counts_and_the_first_of_equals() {
    let lines = [("al", "short"), ("alpha", "one"), ("alpha", "again"), ("alphabet", "four")];
    let beg = list(reader(Method::Text(TextMatch::Begin)), &lines);
    for (value, found) in
        [("alphabetic", "four"), ("alphab", "one"), ("alps", "short"), ("beta", "-"), ("a", "-")]
    {
        assert_eq!(says(&beg, value), found, "{value}");
    }
    let whole = list(reader(Method::Text(TextMatch::Whole)), &lines);
    assert_eq!((says(&whole, "alpha").as_str(), says(&whole, "alphab").as_str()), ("one", "-"));
}

#[test]
fn networks_are_found_by_their_longest_prefix_in_both_families() {
    let lines = [
        ("10.0.0.0/8", "a"),
        ("10.1.0.0/16", "b"),
        ("10.1.0.0/16", "again"),
        ("0.0.0.0/0", "all"),
        ("::1", "local"),
        ("fe80::/10", "link"),
        ("9.0.0.9/255.0.0.255", "odd"),
    ];
    let mut ip = list(reader(Method::Address), &lines);
    let at = |ip: &Patterns, text: &str| gives(ip, Value::Address(text.parse().unwrap()));
    for (address, found) in [
        ("10.1.2.3", "b"),
        ("10.2.2.3", "a"),
        ("11.0.0.1", "all"),
        ("::1", "local"),
        ("fe81::5", "link"),
        ("2001::1", "-"),
        ("::ffff:10.1.0.1", "b"),
    ] {
        assert_eq!(at(&ip, address), found, "{address}");
    }
    assert!(ip.delete(&Which::Key(b"0.0.0.0/0".to_vec())));
    assert_eq!((at(&ip, "11.0.0.1").as_str(), at(&ip, "9.3.3.9").as_str()), ("-", "odd"));
    assert!(ip.delete(&Which::Key(b"9.0.0.9/255.0.0.255".to_vec())));
    assert_eq!(at(&ip, "9.3.3.9"), "-");
}

#[test]
fn what_is_compared_one_by_one_is_compared_in_order() {
    let sub = list(reader(Method::Text(TextMatch::Inside)), &[("x/", "first"), ("x", "second")]);
    assert_eq!((says(&sub, "ax/b").as_str(), says(&sub, "ax").as_str()), ("first", "second"));
    let int = list(reader(Method::Integer), &[("1:5", "low"), ("5:9", "high"), ("7", "never")]);
    assert_eq!(gives(&int, Value::Integer(5)), "low");
    assert_eq!(
        (gives(&int, Value::Integer(7)).as_str(), gives(&int, Value::Integer(10)).as_str()),
        ("high", "-")
    );
}

/// As HAProxy 2.6.12 has it.
#[test]
fn an_expression_puts_in_what_it_found() {
    let output = Some(Output::Expanded);
    let expand = Reader { output, ..reader(Method::Regex) };
    let lines = [(r"^/(a+)(b+)", r"$ \2-\1-\0-\\-\9"), ("^/(x)", r"got-\1!")];
    assert_eq!(says(&list(expand, &lines), "/aabc"), r"$ b-aa-/aab-\-");
    assert_eq!(says(&list(expand, &lines), "/x"), "got-x!");
    assert_eq!(says(&list(reader(Method::Regex), &lines), "/x"), r"got-\1!");
}

#[test]
fn entries_are_added_changed_and_removed() {
    let mut map = list(reader(Method::Text(TextMatch::Whole)), &[("a", "1"), ("b", "2"), ("a", "3")]);
    map.add(None, b"c", Some(b"4")).unwrap();
    assert_eq!(says(&map, "c"), "4");
    assert_eq!(map.set(&Which::Key(b"a".to_vec()), b"9"), Ok(true));
    assert_eq!(says(&map, "a"), "9");
    assert_eq!(map.set(&Which::Key(b"z".to_vec()), b"9"), Ok(false));
    let number = map.page(0, 0, 1)[0].0;
    assert!(map.delete(&Which::Number(number)) && !map.delete(&Which::Number(number)));
    assert_eq!(says(&map, "a"), "9", "the second one is still there");
    assert!(map.delete(&Which::Key(b"a".to_vec())));
    assert_eq!(says(&map, "a"), "-");
    let refused = list(reader(Method::Address), &[]).add(None, b"bogus", Some(b"x"));
    assert_eq!(refused.unwrap_err(), "'bogus' is not a valid IPv4 or IPv6 address.");
    let numbers = Reader { output: Some(Output::Integer), ..reader(Method::Text(TextMatch::Whole)) };
    assert_eq!(list(numbers, &[]).add(None, b"a", Some(b"x")).unwrap_err(), "unable to parse 'x'.");
}

#[test]
fn a_prepared_version_counts_once_it_is_committed() {
    let mut map = list(reader(Method::Text(TextMatch::Whole)), &[("a", "old"), ("b", "old")]);
    assert!(!map.is_prepared(1) && !map.commit(1));
    assert_eq!((map.prepare(), map.prepare()), (1, 2));
    map.add(Some(1), b"a", Some(b"new")).unwrap();
    map.add(Some(2), b"a", Some(b"newest")).unwrap();
    assert_eq!((says(&map, "a").as_str(), map.len()), ("old", 4));
    assert!(map.commit(1) && !map.commit(1) && !map.commit(3));
    assert_eq!((says(&map, "a").as_str(), says(&map, "b").as_str(), map.versions()), ("new", "-", (1, 2)));
    map.clear(Some(2));
    assert!(map.commit(2) && map.is_empty());
}

proptest::proptest! {
    /// Whatever is done, an index has what the entries say.
    #[test]
    fn indexes_follow_their_entries(
        steps in proptest::collection::vec((0..6u8, 0..4u8, 0..3u32), 0..60),
    ) {
        for method in [
            Method::Address,
            Method::Text(TextMatch::Whole),
            Method::Text(TextMatch::Begin),
            Method::Text(TextMatch::End),
        ] {
            let mut map = list(reader(method), &[]);
            for (step, at, version) in &steps {
                let key = format!("10.0.0.0/{}", 8 + at);
                match step {
                    0 | 1 => { let _ = map.add(Some(*version), key.as_bytes(), Some(key.as_bytes())); }
                    2 => { map.delete(&Which::Key(key.into())); }
                    3 => { map.prepare(); }
                    4 => { map.commit(*version); }
                    _ => map.clear(Some(*version)),
                }
            }
            let (current, _) = map.versions();
            for at in 0..4 {
                let key = format!("10.0.0.0/{}", 8 + at);
                let there = map.page(current, 0, 99).iter().any(|(_, element)| element.key == key.as_bytes());
                match method {
                    Method::Address => {}
                    _ => proptest::prop_assert_eq!(says(&map, &key) == key, there),
                }
            }
            let any = !map.page(current, 0, 1).is_empty();
            if method == Method::Address {
                proptest::prop_assert_eq!(gives(&map, Value::Address([10, 0, 0, 1].into())) != "-", any);
            }
        }
    }
}
