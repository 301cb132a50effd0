use std::time::Duration;

use super::super::super::contract::Op;
use super::super::model::World;
use super::Stage;
use crate::config::{Bundle, Config, load};
use crate::state::Guarding;

/// A `listen` with these lines, and two servers.
fn config(lines: &str) -> Config {
    let text = format!(
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n option tcplog\n log 127.0.0.1 local0\n\
         listen l\n bind :1\n {lines}\n server s0 10.0.0.1:1\n server s1 10.0.0.2:1\n"
    );
    let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
    let loaded = load(&bundle);
    loaded.config.unwrap_or_else(|| panic!("{lines}: {:?}", loaded.diagnostics))
}

const PING: &str = "tcp-request inspect-delay 100ms\n tcp-request content accept if { req.payload(0,4) -m bin 50494e47 }\n \
                    tcp-request content reject";

#[test]
fn rules_wait_for_bytes_and_look_less_and_less_often() {
    let mut world = World::new(config(PING), Guarding::None);
    let id = world.open().unwrap();
    assert_eq!(world.connection(id).ops, [Op::Peek]);
    world.say(id, b"PI", false);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        let Stage::Inspecting { look, .. } = world.connection(id).session().stage else {
            panic!("not waiting")
        };
        pauses.push(look.since(world.now).as_millis());
        world.now = look;
        world.say(id, b"PI", false);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16]);
    world.say(id, b"PING\r\n", false);
    assert!(matches!(world.connection(id).ops.last(), Some(Op::Connect(_))));
}

#[test]
fn a_client_that_says_too_little_is_refused_when_its_time_or_its_bytes_are_over() {
    for ended in [true, false] {
        let mut world = World::new(config(PING), Guarding::None);
        let id = world.open().unwrap();
        world.say(id, b"PI", false);
        if !ended {
            world.now = world.now + Duration::from_millis(99);
            world.say(id, b"PI", false);
            assert!(!world.connection(id).is_over());
            world.now = world.now + Duration::from_millis(1);
        }
        world.say(id, b"PI", ended);
        assert_eq!(world.connection(id).code(), "PR", "{ended}");
        assert_eq!(world.snapshot.frontends[0].traffic.denied.sum(), 1);
    }
}

#[test]
fn what_the_guard_holds_is_not_named_by_a_rule() {
    for lines in ["use-server s1 if TRUE", "stick-table type ip size 1 nopurge\n stick on src"] {
        let mut world = World::new(config(lines), Guarding::Master);
        for server in &world.snapshot.backends[0].servers {
            server.set_proven(true);
        }
        let keys = [0, 1].map(|at| world.server(at).key);
        world.snapshot.backends[0].live.master.store(Some(keys[0]));
        let id = world.open().unwrap();
        assert_eq!(world.connection(id).server, Some(keys[0]), "{lines}");
        world.feed(id, crate::proxy::contract::Event::Connected);
        world.snapshot.backends[0].live.master.store(Some(keys[1]));
        let id = world.open().unwrap();
        assert_eq!(world.connection(id).server, Some(keys[1]), "{lines}");
    }
}

#[test]
fn a_frontend_without_rules_keeps_nothing_for_them() {
    let mut world = World::of(1, |_| {});
    let id = world.open().unwrap();
    assert!(world.connection(id).session().ruling.is_none());
}
