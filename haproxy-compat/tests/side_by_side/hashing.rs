//! `balance source` with every `hash-type`: the same client gets the same server as from HAProxy.

use std::io::Read;
use std::net::Ipv4Addr;

use super::program::{BOTH, Running};
use super::traffic::{DEFAULTS, named};

/// Expressions, and how they are hashed.
const KEYS: &[(&str, &str, [&str; 4])] = &[
    ("src", "", ["", "", "", ""]),
    ("src", "hash-type map-based sdbm avalanche", ["weight 3", "", "weight 2", ""]),
    ("src", "hash-type map-based djb2", ["", "", "", ""]),
    ("src", "hash-type map-based djb2 avalanche", ["weight 3", "", "weight 2", ""]),
    ("src", "hash-type map-based crc32", ["", "", "", ""]),
    ("src", "hash-type map-based crc32 avalanche", ["", "", "", ""]),
    ("src", "hash-type consistent", ["", "", "", ""]),
    ("src", "hash-type consistent djb2", ["weight 3", "", "weight 2", ""]),
    ("src", "hash-type consistent djb2 avalanche", ["", "", "", ""]),
    ("src", "hash-type consistent crc32", ["", "disabled", "", ""]),
    ("src", "hash-type consistent crc32 avalanche", ["", "", "", ""]),
    ("src,ipmask(24)", "hash-type consistent", ["", "", "", ""]),
    ("src,hex", "hash-type consistent", ["", "", "", ""]),
    ("src,lower", "hash-type map-based crc32", ["", "", "", ""]),
    ("src,ipmask(8),lower,length", "hash-type consistent", ["", "", "", ""]),
    ("src_port,mod(1)", "", ["", "", "", ""]),
    ("dst", "hash-type map-based", ["", "", "", ""]),
    ("dst_port,mod(1),add(7)", "hash-type consistent djb2", ["", "", "", ""]),
    // No value: the servers take turns.
    ("env(HASHING_TEST_UNSET)", "", ["", "", "", ""]),
];

/// Lines of a `listen` and the servers' options.
const TYPES: &[(&str, [&str; 4])] = &[
    ("", ["", "", "", ""]),
    ("hash-type map-based", ["weight 3", "", "weight 2", ""]),
    ("hash-type map-based sdbm avalanche", ["", "", "", ""]),
    ("hash-type map-based djb2", ["weight 3", "weight 1", "weight 2", ""]),
    ("hash-type map-based wt6 avalanche", ["weight 3", "weight 1", "weight 2", ""]),
    ("hash-type map-based wt6", ["", "", "", ""]),
    ("hash-type map-based wt6 avalanche", ["", "", "", ""]),
    ("hash-type map-based djb2 avalanche", ["", "", "", ""]),
    ("hash-type map-based crc32 avalanche", ["", "", "", ""]),
    ("hash-type map-based sdbm avalanche", ["weight 3", "weight 1", "weight 2", ""]),
    ("hash-type map-based crc32", ["", "", "", ""]),
    ("hash-type consistent", ["", "", "", ""]),
    ("hash-type consistent", ["weight 30", "weight 10", "weight 20", "weight 1"]),
    ("hash-type consistent", ["", "disabled", "", ""]),
    ("hash-type consistent crc32", ["", "", "", ""]),
    ("hash-type consistent sdbm avalanche", ["weight 2", "", "", "backup"]),
];

#[test]
fn a_client_gets_the_server_that_haproxy_gives_it() {
    let ports = ['A', 'B', 'C', 'D'].map(named);
    let mut differences = Vec::new();
    for (lines, servers) in TYPES {
        let mut config = format!("{DEFAULTS}listen l\n bind @BIND@\n balance source\n {lines}\n");
        for (at, (port, options)) in ports.iter().zip(servers).enumerate() {
            config.push_str(&format!(" server s{at} 127.0.0.1:{port} {options}\n"));
        }
        let [theirs, ours] = BOTH.map(|which| names(&Running::start(which, &config)));
        if theirs != ours {
            differences.push(format!("{lines} {servers:?}\n  haproxy {theirs}\n rolecall {ours}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join(""));
}

#[test]
fn a_key_gets_the_server_that_haproxy_gives_it() {
    let ports = ['A', 'B', 'C', 'D'].map(named);
    let mut differences = Vec::new();
    for (key, lines, servers) in KEYS {
        let mut config = format!("{DEFAULTS}listen l\n bind @BIND@\n balance hash {key}\n {lines}\n");
        for (at, (port, options)) in ports.iter().zip(servers).enumerate() {
            config.push_str(&format!(" server s{at} 127.0.0.1:{port} {options}\n"));
        }
        let [theirs, ours] = BOTH.map(|which| names(&Running::start(which, &config)));
        if theirs != ours {
            differences.push(format!("{key} {lines} {servers:?}\n  haproxy {theirs}\n rolecall {ours}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join(""));
}

/// How HAProxy rounds a server's share differs; the bound is the same: 110 % of a quarter of 60, rounded up.
#[test]
fn no_server_has_more_than_its_factor() {
    let ports = ['A', 'B', 'C', 'D'].map(named);
    let lines = "balance source\n hash-type consistent\n hash-balance-factor 110";
    let mut config = format!("{DEFAULTS}listen l\n bind @BIND@\n {lines}\n");
    for (at, port) in ports.iter().enumerate() {
        config.push_str(&format!(" server s{at} 127.0.0.1:{port}\n"));
    }
    for which in BOTH {
        let names = names(&Running::start(which, &config));
        let most = ['A', 'B', 'C', 'D'].map(|name| names.matches(name).count()).into_iter().max();
        assert!(most.is_some_and(|most| most <= 17), "{which:?} {names}");
    }
}

/// Which server each of many addresses gets, one connection at a time, and all of them kept open.
fn names(program: &Running) -> String {
    let mut kept = Vec::new();
    let mut names = String::new();
    for number in 1..=60u8 {
        let mut client =
            program.connect_from(Ipv4Addr::new(127, number % 7, number.wrapping_mul(37), number));
        let mut name = [0];
        client.read_exact(&mut name).expect("a server's name");
        names.push(char::from(name[0]));
        kept.push(client);
    }
    names
}
