use std::sync::Arc;

use super::*;
use crate::config::Config;
use crate::config::model::{Backend, BackendId, Frontend, Mode, Server, ServerCheck};
use crate::state::{Guarding, Operation, Snapshot};
use crate::stats::demo::{self, Demo};
use crate::stats::{Selection, rows};

/// Recorded from HAProxy 2.6.12.
const HEADER: &str = include_str!("header-2.6.csv");
/// The same rows without and with `stats show-legends`.
const PLAIN: &str = include_str!("plain-2.6.csv");
const LEGENDS: &str = include_str!("legends-2.6.csv");

fn columns() -> Vec<&'static str> {
    HEADER.trim_end().trim_start_matches("# ").trim_end_matches(',').split(',').collect()
}

#[test]
fn the_columns_are_haproxys() {
    let names = |fields: &'static [Field]| fields.iter().map(|field| field.name);
    let ours: Vec<&str> = names(FIELDS).chain(["-"]).chain(names(MODULE_FIELDS)).collect();
    assert_eq!(ours, columns());
}

/// The config that was recorded: a frontend, a backend with a server in every plight, a stats proxy.
fn recorded() -> Demo {
    let mut demo = demo::demo();
    let server = |id: u32, name: &str, check: bool| Server {
        check: check.then(ServerCheck::default),
        ..demo::server(name, id)
    };
    let mut servers = vec![
        server(1, "r1", true),
        server(2, "r2", true),
        server(3, "r3", false),
        server(4, "r4", true),
        server(5, "bh", true),
    ];
    servers[0].maxqueue = 5;
    servers[0].cookie = Some("abc".into());
    servers[2].backup = true;
    servers[3].disabled = true;
    let front = Frontend { is_listen: false, ..demo::frontend("fe", 2, BackendId(0)) };
    let stats =
        Frontend { mode: Mode::Http, default_backend: None, ..demo::frontend("stats", 5, BackendId(1)) };
    let back = Backend { is_listen: false, ..demo::backend("be", 3, servers) };
    let config = Config {
        frontends: vec![front, stats],
        backends: vec![back, demo::backend("stats", 5, Vec::new())],
        ..Config::default()
    };
    let empty = Snapshot::empty(1);
    let guarding = [Guarding::None, Guarding::None];
    demo.snapshot = Snapshot::build(Arc::new(config), Vec::new(), &guarding, &empty, Tick(0));
    let [r1, r2, _, _, bh] = &demo.snapshot.backends[0].servers[..] else { panic!("five servers") };
    r1.update_health(|health| {
        (health.status, health.code, health.duration_ms) = (CheckStatus::L7Ok, Some(0), Some(0));
        (health.counter, health.info) = (4, "(tcp-check)".into());
    });
    r2.set_operation(Operation::Stopped);
    r2.update_health(|health| {
        (health.status, health.duration_ms, health.counter) = (CheckStatus::L4Connection, Some(0), 0);
        health.info = "Connection refused".into();
    });
    bh.update_health(|health| health.in_progress = true);
    demo
}

/// Object and the columns that it fills.
fn filled(line: &str) -> (String, Vec<&'static str>) {
    let cells: Vec<&str> = line.trim_end_matches('\n').split(',').collect();
    let names = columns();
    let filled = names.into_iter().zip(&cells).filter(|(_, cell)| !cell.is_empty()).map(|(name, _)| name);
    (format!("{}/{}", cells[0], cells[1]), filled.collect())
}

#[test]
fn every_object_fills_the_columns_that_haproxy_fills() {
    let demo = recorded();
    for (recorded, details) in [(PLAIN, Details::Plain), (LEGENDS, Details::Legends)] {
        let selection = Selection { details, ..Selection::default() };
        let ours = crate::stats::csv::render(&rows(&demo.snapshot, &selection, demo.now));
        let ours: Vec<_> = ours.lines().skip(1).map(filled).collect();
        let theirs: Vec<_> = recorded.lines().map(filled).collect();
        assert_eq!(ours, theirs, "{details:?}");
    }
}

/// Columns whose value follows from the config and the plight alone.
const DETERMINED: &[&str] = &[
    "pxname",
    "svname",
    "status",
    "act",
    "bck",
    "pid",
    "type",
    "check_status",
    "check_code",
    "check_desc",
    "check_rise",
    "check_fall",
    "check_health",
    "qlimit",
    "cookie",
    "mode",
    "algo",
    "rate_lim",
    "sid",
];

#[test]
fn what_the_config_determines_has_haproxys_value() {
    let demo = recorded();
    let selection = Selection { details: Details::Legends, ..Selection::default() };
    let ours = crate::stats::csv::render(&rows(&demo.snapshot, &selection, demo.now));
    for (ours, theirs) in ours.lines().skip(1).zip(LEGENDS.lines()) {
        let cells = ours.split(',').zip(theirs.split(','));
        for (name, (ours, theirs)) in columns().into_iter().zip(cells) {
            if DETERMINED.contains(&name) {
                assert_eq!(ours, theirs, "{name} of {theirs}");
            }
        }
    }
}
