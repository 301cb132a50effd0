use proptest::prelude::*;

use super::*;
use crate::api::command::{self, Action, Level, Target};

/// What becomes of a line: `Debug` of the request, or the complaint.
fn read(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let row = command::find(&words, Target::Worker).expect("a known command");
    match (row.read)(&words[row.words.len()..]) {
        Ok(Action::Ask(Request::Server(name, order))) => {
            format!(
                "{}/{} {}",
                name.backend,
                name.server,
                order.map_or_else(|fault| fault, |order| format!("{order:?}"))
            )
        }
        Ok(action) => format!("{action:?}"),
        Err(fault) => fault,
    }
}

/// Answers of HAProxy 2.6.12, recorded.
#[test]
fn complaints_are_haproxys() {
    let table = [
        ("set server", "Require 'backend/server'.\n"),
        ("set server be", "Require 'backend/server'.\n"),
        ("set server be/r1 state", "be/r1 'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"),
        (
            "set server be/r1 state up",
            "be/r1 'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n",
        ),
        (
            "set server be/r1 health x",
            "be/r1 'set server <srv> health' expects 'up', 'stopping', or 'down'.\n",
        ),
        ("set server be/r1 weight", "be/r1 Require <weight> or <weight%>.\n"),
        ("set server be/r1 weight abc", "be/r1 Empty weight string empty or preceded by garbage"),
        ("set server be/r1 weight 300", "be/r1 Absolute weight can only be between 0 and 256 inclusive.\n"),
        ("set server be/r1 weight -1", "be/r1 Absolute weight can only be between 0 and 256 inclusive.\n"),
        ("set server be/r1 weight 10x", "be/r1 Trailing garbage in weight string"),
        ("set server be/r1 weight 10%x", "be/r1 Trailing garbage in weight string"),
        (
            "set server be/r1 addr",
            "be/r1 set server <b>/<s> addr requires an address and optionally a port.\n",
        ),
        ("set server be/r1 fqdn", "be/r1 set server <b>/<s> fqdn requires a FQDN.\n"),
        ("set server be/r1 fqdn a.b", "be/r1 Fqdn(\"a.b\")"),
        ("set server be/r1 check-port x", "be/r1 provided port is not an integer"),
        ("disable frontend", "A frontend name is expected.\n"),
        ("shutdown session", "Session pointer expected (use 'show sess').\n"),
        ("shutdown session xyz", NO_SESSION),
        ("set timeout", "'set timeout' only supports 'cli'.\n"),
        ("set timeout cli", "Expects an integer value.\n"),
        ("set timeout cli 0", "Invalid timeout value.\n"),
        ("set timeout cli abc", "Invalid timeout value.\n"),
    ];
    for (line, expected) in table {
        assert_eq!(read(line), expected, "{line}");
    }
    insta::assert_snapshot!(read("set server be/r1 foo"), @"be/r1 usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | check-addr | check-port | fqdn | health | ssl | state | weight");
}

#[test]
fn commands_become_values() {
    let table = [
        ("set server be/r1 state maint", "be/r1 State(Maintenance)"),
        ("disable server be/r1", "be/r1 State(Maintenance)"),
        ("enable server be/r1", "be/r1 State(Ready)"),
        ("set server be/r1 weight 50%", "be/r1 Weight(Percent(50))"),
        ("set weight be/r1 7", "be/r1 Weight(Absolute(7))"),
        (
            "set server be/r1 addr 1.2.3.4 port 5",
            "be/r1 Address(Address { ip: \"1.2.3.4\", port: Some(\"5\") })",
        ),
        ("set server be/r1 addr ::1", "be/r1 Address(Address { ip: \"::1\", port: None })"),
        ("set server be/r1 health down", "be/r1 Health(Down)"),
        ("set maxconn global 5", "Ask(Limit(Global, Ok(5)))"),
        ("set maxconn global -5", "Ask(Limit(Global, Err(\"Value out of range.\\n\")))"),
        ("clear counters", "Ask(ClearCounters(Maxima))"),
        ("clear counters all", "Ask(ClearCounters(All))"),
        ("show sess 0x10", "Ask(ShowSessions(One(16)))"),
        ("show sess all", "Ask(ShowSessions(Details))"),
        ("show info json", "Ask(ShowInfo(Json, No))"),
        ("show info typed desc", "Ask(ShowInfo(Typed, Yes))"),
        ("set timeout cli 10", "Timeout(10s)"),
        ("set timeout cli 250ms", "Timeout(250ms)"),
        ("set redis guard be observe", "Ask(SetGuard(\"be\", Ok(Observe)))"),
    ];
    for (line, expected) in table {
        assert_eq!(read(line), expected, "{line}");
    }
    let Request::ShowStat(stat) = stat(&["be", "4", "-1", "json", "no-maint"]) else { panic!("a stat") };
    assert_eq!(stat.bounds, Some(("be".into(), 4, -1)));
    assert_eq!((stat.shape, stat.hidden), (Shape::Json, Hidden::Maintenance));
}

/// As HAProxy 2.6.12 answers to a user and to an operator.
#[test]
fn levels_are_haproxys() {
    let level = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        command::find(&words, Target::Worker).expect("a known command").level
    };
    for line in [
        "show info",
        "show stat",
        "show servers state",
        "get weight",
        "show table",
        "set timeout cli",
        "user",
    ] {
        assert_eq!(level(line), Level::User, "{line}");
    }
    for line in ["show sess", "show env", "show errors", "clear counters", "show startup-logs", "operator"] {
        assert_eq!(level(line), Level::Operator, "{line}");
    }
    for line in [
        "set server",
        "set weight",
        "disable server",
        "enable frontend",
        "shutdown session",
        "clear counters all",
        "set maxconn global",
        "set rate-limit",
        "expert-mode",
        "set redis guard",
    ] {
        assert_eq!(level(line), Level::Admin, "{line}");
    }
}

#[test]
fn every_row_is_found_by_its_words() {
    for row in command::TABLE.iter().filter(|row| !row.words.is_empty()) {
        let found = command::find(row.words, row.targets[0]).expect("its own words");
        assert!(std::ptr::eq(found, row), "{:?}", row.words);
    }
}

proptest! {
    #[test]
    fn any_words_are_read(line in "[a-z0-9/%@ -]{0,60}", row in 0..command::TABLE.len()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let _ = (command::TABLE[row].read)(&words);
    }
}
