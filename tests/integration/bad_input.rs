//! Broken configs: an error that names place and remedy, exit code 1, never a crash.

use std::net::TcpListener;
use std::time::Duration;

use crate::harness::rolecall::{check, redis_config, run};
use crate::harness::{Rolecall, free_port};

/// (name, config, what the error must say, the line it must name)
const CASES: &[(&str, &str, &str, u32)] = &[
    ("unmatched quote", "global\n    log-tag \"abc\n", "unmatched quote", 2),
    ("unknown keyword", "global\n    maxcon 10\n", "unknown keyword 'maxcon' in 'global' section", 2),
    (
        "duplicate server",
        "listen a\n    bind 127.0.0.1:7001\n    server s 127.0.0.1:1\n    server s 127.0.0.1:2\n",
        "'s'",
        4,
    ),
    ("port out of range", "listen a\n    bind 127.0.0.1:70000\n    server s 127.0.0.1:1\n", "70000", 2),
    ("missing backend", "frontend a\n    bind 127.0.0.1:7001\n    default_backend nowhere\n", "nowhere", 3),
    ("weight", "listen a\n    bind 127.0.0.1:7001\n    server s 127.0.0.1:1 weight 1000\n", "1000", 3),
    ("unknown section", "globall\n    daemon\n", "globall", 1),
];

#[test]
fn every_error_names_its_line() {
    for (name, config, says, line) in CASES {
        let (code, text) = check(config);
        assert_eq!(code, Some(1), "{name}: {text}");
        assert!(text.contains(says), "{name} does not say {says:?}: {text}");
        let named = [format!("haproxy.cfg:{line}]"), format!("haproxy.cfg:{line}:")];
        assert!(named.iter().any(|place| text.contains(place)), "{name} does not name line {line}: {text}");
        assert!(text.contains("[ALERT]"), "{name}: {text}");
    }
}

#[test]
fn all_errors_are_reported_in_one_run() {
    let (code, text) = check("global\n    maxcon 10\n    daemonn\nlisten a\n    bind 127.0.0.1:70000\n");
    assert_eq!(code, Some(1));
    for place in ["haproxy.cfg:2]", "haproxy.cfg:3]", "haproxy.cfg:5]"] {
        assert!(text.contains(place), "{place} is missing: {text}");
    }
}

#[test]
fn an_unknown_word_suggests_the_nearest() {
    let (_, text) = check("global\n    maxcon 10\n");
    assert!(text.contains("maxconn"), "{text}");
}

#[test]
fn binary_and_huge_lines_are_errors_not_crashes() {
    let binary: Vec<u8> = (0..200_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut long = b"global\n    log-tag ".to_vec();
    long.extend(std::iter::repeat_n(b'x', 1 << 20));
    long.extend(b"\n    maxcon 10\n");
    for config in [binary, long] {
        let (code, text) = check(&config);
        assert_eq!(code, Some(1));
        assert!(text.contains("[ALERT]"));
        assert!(text.len() < 200_000, "an error of {} bytes", text.len());
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let output = run(&["-c", "-f", "/nonexistent/haproxy.cfg"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/nonexistent/haproxy.cfg") && text.contains("No such file"), "{text}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let mut rolecall = Rolecall::spawn(&redis_config(port, &[1], ""), &["-db"]);
    assert_eq!(rolecall.process.wait(Duration::from_secs(30)).code(), Some(1));
    let text = rolecall.output();
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("in use"), "{text}");
}

#[test]
fn a_bad_file_changes_nothing_on_reload() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken_port = taken.local_addr().expect("an address").port();
    let port = free_port();
    let good = redis_config(port, &[1], "");
    let rolecall = Rolecall::start(&good, port);
    let in_use =
        good.replace("default_backend", &format!("bind 127.0.0.1:{taken_port}\n    default_backend"));
    for (bad, says) in [("global\n    maxcon 1\n".to_owned(), "maxcon"), (in_use, "in use")] {
        rolecall.reload(&bad);
        rolecall.wait_for_output(says);
        rolecall.wait_for(port);
    }
}

#[test]
fn a_server_that_can_never_prove_itself_is_warned_of() {
    let config = redis_config(7001, &[1, 2], "").replacen(" check inter", " weight 1 #", 1);
    let (code, text) = check(config);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("server 'redis_backend/redis1' has no 'check' and will get no clients"), "{text}");
    assert!(!text.contains("redis_backend/redis2"), "{text}");
}
