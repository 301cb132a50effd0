//! No text, however broken, panics, hangs, or costs memory out of proportion.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::sample::select;

use super::{bundle, loaded, told};
use crate::config::keyword;
use crate::config::{Bundle, Loaded, Severity, load};

/// Words that make lines reach deep into the readers.
const VALUES: &[&str] = &[
    "",
    "1",
    "-1",
    "99999999999999999999",
    "5s",
    "5sec",
    "x",
    ":6379",
    "*:1-65535",
    "10.0.0.1:6379",
    "[::1]:1",
    "/run/x",
    "abns@x",
    "localhost:1",
    "global",
    "local0",
    "notice",
    "string",
    "!string",
    "rstring",
    "(",
    "binary",
    "0a",
    "send",
    "connect",
    "port",
    "comment",
    "if",
    "unless",
    "or",
    "!",
    "{",
    "}",
    "src",
    "src,ipmask(24)",
    "nbsrv(l)",
    "srv_is_up(s)",
    "req.payload(0,4)",
    "-m",
    "-f",
    "reg",
    "sub",
    "table",
    "store",
    "prometheus-exporter",
    "conn_rate(10s)",
    "set-var(sess.x)",
    "TRUE",
    "roundrobin",
    "random(2)",
    "random(",
    "http",
    "tcp",
    "\"",
    "'",
    "\\",
    "\"$PW\"",
    "${HOST}",
    "#",
    "from",
    "check",
    "inter",
    "on",
    "off",
    "observe",
    "none",
];

fn words() -> Vec<&'static str> {
    keyword::all().map(|row| row.name).chain(VALUES.iter().copied()).chain(["no", "default"]).collect()
}

proptest! {
    #[test]
    fn random_bytes_load(bytes in vec(any::<u8>(), 0..2000)) {
        let files = vec![("random".to_owned(), bytes)];
        let _ = told(&load(&Bundle { files, ..Bundle::default() }));
    }

    #[test]
    fn keyword_soup_loads(lines in vec(vec(select(words()), 1..6), 1..40), newline in any::<bool>()) {
        let text: Vec<String> = lines.iter().map(|line| line.join(" ")).collect();
        let mut text = text.join("\n");
        if newline {
            text.push('\n');
        }
        assert_consistent(&loaded(&text));
    }
}

/// What has no config says why; what has one has no error.
fn assert_consistent(loaded: &Loaded) {
    let errors = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let wanted = !loaded.wanted.is_empty();
    assert_eq!(loaded.config.is_none(), errors || wanted, "{}", told(loaded));
}

fn within(limit: Duration, text: &str) -> String {
    let start = Instant::now();
    let told = told(&load(&bundle(text)));
    assert!(start.elapsed() < limit, "took {:?}", start.elapsed());
    told
}

#[test]
fn ten_thousand_lines_load_fast() {
    let mut text = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n".to_owned();
    for index in 0..2_500 {
        text +=
            &format!("listen l{index}\n bind :{}\n server a 10.0.0.1:1 check\n server b :2\n", 1024 + index);
    }
    assert_eq!(within(Duration::from_secs(10), &text), "");
}

#[test]
fn what_would_grow_is_refused() {
    let many = |line: &str, count: usize| line.repeat(count);
    let cases = [
        ("a line of 10 MB", format!("global\n{}\n", many("a ", 5_000_000)), "line too long: 10000000 bytes"),
        ("junk", many("x\n", 200_000), "too many errors"),
        ("ranges", format!("listen l\n{}", many(" bind :1-65535\n", 1_000)), "addresses to listen on"),
        (
            "rules handed down",
            format!(
                "defaults\n option tcp-check\n{}{}",
                many(" tcp-check send abcdefgh\n", 10_000),
                many("backend b\n", 5_000)
            ),
            "files of patterns) exceeds",
        ),
        (
            "options handed down",
            format!(
                "backend b\n default-server cookie {}\n{}",
                many("c", 60_000),
                many(" server s :1\n", 5_000)
            ),
            "files of patterns) exceeds",
        ),
        (
            "expressions",
            format!("backend b\n option tcp-check\n{}", many(" tcp-check expect rstring a{3}b\n", 2_100)),
            "more than 2000 regular expressions",
        ),
    ];
    for (name, text, expected) in cases {
        let told = within(Duration::from_secs(30), &text);
        assert!(told.contains(expected), "{name}: {}", &told[..told.len().min(400)]);
    }
}

#[test]
fn warnings_are_counted_once_they_are_too_many() {
    let told =
        within(Duration::from_secs(30), &format!("listen l\n bind :1\n{}", " cookie x\n".repeat(21_000)));
    assert!(told.ends_with("more warnings are not shown\n"));
}

/// A file of patterns that is named again and again is read once; read in other ways it costs memory each time, which
/// has an end.
#[test]
fn a_large_file_of_patterns_is_not_copied_without_end() {
    let mut bundle = Bundle::default();
    bundle.patterns.insert("big".into(), Some([&[b'x'; 999][..], b"\n"].concat().repeat(9_000)));
    let mut said = |lines: &str| {
        bundle.files = vec![("a.cfg".into(), format!("listen l\n bind :1\n {lines}").into_bytes())];
        let loaded = load(&bundle);
        loaded.diagnostics.iter().filter(|found| found.message.contains("files of patterns")).count()
    };
    assert_eq!(said(&"acl a env(A) -f big\n".repeat(50)), 0);
    let ways: String = ["str", "beg", "end", "sub", "dir", "dom", "str -i", "beg -i", "end -i"]
        .map(|way| format!("acl a env(A) -m {way} -f big\n"))
        .concat();
    assert_eq!(said(&ways), 1);
}
