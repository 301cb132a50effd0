use std::net::SocketAddr;

use super::super::super::contract::{Event, Op};
use super::super::model::World;
use crate::config::model::{LogLevel, Marking, Value};
use crate::config::{Bundle, Config, load};
use crate::state::{Guarding, SessionRecord};

fn config(lines: &str, server: &str) -> Config {
    let text = format!(
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n option tcplog\n log 127.0.0.1 local0\n\
         listen l\n bind :1\n {lines}\n server s0 {server}\n"
    );
    let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
    let loaded = load(&bundle);
    loaded.config.unwrap_or_else(|| panic!("{lines}: {:?}", loaded.diagnostics))
}

/// What the log is told of a client of a `listen` with these lines, and what was asked of the driver at once.
fn told(lines: &str) -> (SessionRecord, Vec<Op>) {
    let mut world = World::new(config(lines, "10.0.0.1:1"), Guarding::None);
    let id = world.open().unwrap();
    let record = world.connections[&id].session().record(&world.context());
    (record, world.connection(id).ops.clone())
}

/// The format's items: source, destination, and what the connection has for them.
const ENDS: &str = "log-format \"%[src] %[src_port] %[dst] %[dst_port] %[fc_src] %[fc_src_port] %[fc_dst] %[fc_dst_port]\"\n";

fn shown(record: &SessionRecord) -> Vec<String> {
    let samples = record.details.samples.iter();
    let text = |value: &Value| String::from_utf8(crate::rules::text(value)).unwrap();
    samples.map(|value| value.as_ref().map_or_else(|| "-".to_owned(), text)).collect()
}

#[test]
fn rules_for_connections_change_the_connection_and_the_others_do_not() {
    for list in ["connection", "session", "content"] {
        let lines = format!(
            "{ENDS} tcp-request {list} set-src ipv4(1.2.3.4)\n tcp-request {list} set-src-port int(70000)\n \
             tcp-request {list} set-dst ipv4(5.6.7.8)\n tcp-request {list} set-dst-port str(80)\n"
        );
        let (record, _) = told(&lines);
        let source: SocketAddr = "1.2.3.4:4464".parse().unwrap();
        assert_eq!(record.client, Some(source), "{list}");
        assert_eq!(record.details.destination, Some("5.6.7.8:80".parse().unwrap()), "{list}");
        let (session, connection) = (&shown(&record)[..4], &shown(&record)[4..]);
        assert_eq!(session, ["1.2.3.4", "4464", "5.6.7.8", "80"], "{list}");
        assert_eq!(session == connection, list == "connection", "{list}: {connection:?}");
    }
}

#[test]
fn what_is_no_address_changes_nothing_and_what_is_no_port_is_none() {
    let plain = told(ENDS).0;
    let (record, _) = told(&format!("{ENDS} tcp-request content set-src str(abc)\n"));
    assert_eq!(record.client, plain.client);
    let (record, _) = told(&format!("{ENDS} tcp-request content set-src-port str(abc)\n"));
    assert_eq!(record.client.unwrap().port(), 0);
    assert_eq!(shown(&record)[1], "-");
}

#[test]
fn a_server_without_an_address_is_where_the_client_came_to() {
    let lines = "tcp-request content set-dst ipv4(10.7.7.7)\n tcp-request content set-dst-port int(6380)\n";
    for (server, expected) in [("0.0.0.0", "10.7.7.7:6380"), ("0.0.0.0:7000", "10.7.7.7:7000")] {
        let mut world = World::new(config(lines, server), Guarding::None);
        let id = world.open().unwrap();
        world.feed(id, Event::Connected);
        let record = world.connections[&id].session().record(&world.context());
        assert_eq!(record.details.server_target, Some(expected.parse().unwrap()), "{server}");
    }
}

#[test]
fn texts_are_set_under_conditions() {
    let lines = "log-format \"%[var(txn.a)] %[var(txn.b)] %[var(txn.c)] %[var(txn.d)]\"\n \
        tcp-request content set-var-fmt(txn.a) \"<%f/%b/%s%[var(txn.none)]>\"\n \
        tcp-request content set-var-fmt(txn.a,ifnotexists) other\n \
        tcp-request content set-var(txn.a) var(txn.none)\n \
        tcp-request content set-var(txn.b,ifexists) str(b)\n \
        tcp-request content set-var(txn.c) int(5)\n tcp-request content set-var(txn.c,ifgt) int(3)\n \
        tcp-request content set-var(txn.d) int(5)\n tcp-request content set-var(txn.d,iflt) int(3)\n";
    assert_eq!(shown(&told(lines).0), ["<l/l/<NOSRV>>", "-", "3", "5"]);
}

#[test]
fn what_is_captured_has_its_slot_and_its_length() {
    let lines = "log-format \"%hr %[capture.req.hdr(0)] %[capture.req.hdr(1)]\"\n \
        tcp-request content capture str(abcdef) len 3\n \
        tcp-request content capture str(x) len 3 if FALSE\n tcp-request content capture str(yz) len 3\n";
    let (record, _) = told(lines);
    assert_eq!(record.details.captures, [Some(b"abc".to_vec()), None, Some(b"yz".to_vec())]);
    assert_eq!(shown(&record), ["abc", "-"]);
}

#[test]
fn the_log_is_told_how_severe_a_session_is_and_the_driver_what_packets_bear() {
    let lines = "tcp-request connection set-mark 0x14\n tcp-request content set-tos 300\n \
        tcp-request content set-log-level err\n tcp-request content set-log-level silent if { always_false }\n";
    let (record, ops) = told(lines);
    assert_eq!(record.details.level, Some(LogLevel::Level(3)));
    let marks = ops.iter().filter(|op| matches!(op, Op::Mark(_))).collect::<Vec<_>>();
    assert_eq!(marks, [&Op::Mark(Marking::Mark(20)), &Op::Mark(Marking::Tos(44))]);
}
