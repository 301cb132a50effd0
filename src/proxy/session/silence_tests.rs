use std::time::Duration;

use super::super::super::contract::{ConnectError, Event, Failure, Op, Side};
use super::super::model::World;
use crate::config::{Bundle, Config, load};
use crate::state::Guarding;

/// A frontend whose clients have 400 ms, and what it leads to.
fn config(front: &str, back: &str) -> Config {
    let text = format!(
        "defaults\n timeout connect 1s\n timeout client 400ms\n timeout server 1m\n timeout queue 3s\n option tcplog\n \
         log 127.0.0.1 local0\nfrontend f\n bind :1\n {front}\n default_backend b\nbackend b\n {back}\n \
         server s0 10.0.0.1:1 maxconn 1\n"
    );
    let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
    let loaded = load(&bundle);
    loaded.config.unwrap_or_else(|| panic!("{front} {back}: {:?}", loaded.diagnostics))
}

fn world(front: &str, back: &str) -> World {
    World::new(config(front, back), Guarding::None)
}

/// Whose client has the only place, and speaks.
fn occupied() -> World {
    let mut world = world("", "");
    let id = world.open_relaying();
    world.send(id, 1);
    world
}

#[test]
fn who_says_nothing_in_a_queue_is_sent_away() {
    let mut world = occupied();
    let id = world.open().unwrap();
    world.pass(300);
    world.send(0, 1);
    world.pass(99);
    assert!(!world.connection(id).is_over());
    world.pass(1);
    let connection = &world.connections[&id];
    let record = connection.record.as_ref().unwrap();
    assert_eq!((connection.code().as_str(), record.wait, record.backend_queue), ("cQ", None, 1));
    assert_eq!(world.snapshot.backends[0].live.traffic.client_aborts.sum(), 1);
    assert_eq!(world.snapshot.backends[0].live.traffic.connect_errors.sum(), 0);
}

#[test]
fn who_has_spoken_waits_as_long_as_the_queue_lets_it() {
    let mut world = occupied();
    let first = 0;
    let id = world.open().unwrap();
    world.send(id, 4);
    for _ in 0..29 {
        world.send(first, 1);
        world.pass(100);
    }
    assert!(!world.connection(id).is_over());
    world.pass(100);
    assert_eq!(world.connections[&id].code(), "sQ");
}

#[test]
fn who_says_nothing_is_not_retried_after_a_pause() {
    let mut world = world("", "");
    let id = world.open().unwrap();
    world.refuse(id);
    world.pass(400);
    let record = world.connections[&id].record.as_ref().unwrap();
    assert_eq!((world.connections[&id].code().as_str(), record.retries), ("cC", 1));
    assert_eq!(world.server(0).traffic.client_aborts.sum(), 1);
    world.check_empty();
}

#[test]
fn an_attempt_is_awaited_whatever_its_client_says() {
    for (said, code) in [(0, "cC"), (4, "sC")] {
        let mut world = world("", "");
        let id = world.open().unwrap();
        world.send(id, said);
        world.pass(3999);
        assert!(!world.connection(id).is_over(), "{code}");
        world.pass(1);
        assert_eq!(world.connections[&id].code(), code);
    }
    let mut world = world("", "");
    let id = world.open().unwrap();
    world.pass(900);
    world.feed(id, Event::Connected);
    assert!(world.connections[&id].relaying, "it was silent, and the server is there all the same");
    world.pass(399);
    assert!(!world.connection(id).is_over());
}

/// One that was refused after its client had been silent for too long is not tried again.
#[test]
fn a_late_refusal_is_the_clients_fault() {
    let mut world = world("", "");
    let id = world.open().unwrap();
    world.pass(900);
    world.feed(id, Event::ConnectFailed(ConnectError::Refused));
    world.pass(0);
    assert_eq!(world.connections[&id].code(), "cC");
}

#[test]
fn a_held_client_may_be_as_silent_as_it_likes() {
    let mut config = config("", "");
    config.backends[0].redis.hold = Some(Duration::from_secs(5));
    let mut world = World::new(config, Guarding::Master);
    world.snapshot.backends[0].live.judged.store(true, std::sync::atomic::Ordering::Relaxed);
    let now = world.now;
    world.snapshot.backends[0].live.set_masterless_since(Some(now));
    let id = world.open().unwrap();
    world.pass(4_999);
    assert!(!world.connection(id).is_over(), "{:?}", world.connections[&id].ops);
    // Its time begins when it is held no more.
    let key = world.server(0).key;
    world.server(0).set_proven(true);
    world.snapshot.backends[0].live.set_masterless_since(None);
    world.snapshot.backends[0].live.master.store(Some(key));
    world.wake();
    assert_eq!(world.connections[&id].server, Some(key));
    world.refuse(id);
    world.pass(500);
    assert!(!world.connection(id).is_over(), "the pause is for the master");
}

const DELAY: &str = "tcp-request inspect-delay 3s\n tcp-request content accept if { req.len gt 5 }";

#[test]
fn rules_do_not_wait_longer_than_the_client_may_be_silent() {
    for (back, rules, code) in [
        ("", DELAY.to_owned(), "cR"),
        ("", format!("{DELAY}\n tcp-request content reject"), "PR"),
        (DELAY, String::new(), "cR"),
    ] {
        let mut world = world(&rules, back);
        let id = world.open().unwrap();
        world.say(id, b"", false);
        world.now = world.now + Duration::from_millis(300);
        world.say(id, b"a", false);
        world.now = world.now + Duration::from_millis(399);
        world.say(id, b"a", false);
        assert!(!world.connection(id).is_over(), "{code}: a byte has come meanwhile");
        world.now = world.now + Duration::from_millis(1);
        world.say(id, b"a", false);
        let connection = &world.connections[&id];
        assert_eq!(connection.code(), code, "{rules} {back}: {:?}", connection.ops);
        let chosen = connection.record.as_ref().unwrap().backend.is_some();
        assert_eq!(chosen, code == "cR", "the line names where it would have gone");
        assert_eq!(world.snapshot.frontends[0].request_errors.sum(), u64::from(code == "cR"));
        assert_eq!(world.snapshot.frontends[0].traffic.denied.sum(), u64::from(code == "PR"));
    }
}

#[test]
fn who_leaves_while_rules_wait_is_judged_by_what_it_said() {
    for (rules, code) in [(DELAY.to_owned(), "CR"), (format!("{DELAY}\n tcp-request content reject"), "PR")] {
        let mut world = world(&rules, "");
        let id = world.open().unwrap();
        world.say(id, b"a", false);
        let ops = world.feed(id, Event::Failed(Side::Client, Failure::Reset));
        assert_eq!(ops, [Op::Log, Op::End], "{code}");
        let connection = &world.connections[&id];
        assert_eq!(connection.code(), code);
        assert_eq!(connection.record.as_ref().unwrap().backend.is_some(), code == "CR");
        world.check_empty();
    }
}

/// The frontend has no rules of its own, or is done with them.
#[test]
fn a_backend_has_a_delay_of_its_own() {
    for front in ["", "tcp-request inspect-delay 1ms\n tcp-request content accept if { req.len gt 5 }"] {
        let mut world = world(front, DELAY);
        let id = world.open().unwrap();
        world.say(id, b"a", false);
        world.now = world.now + Duration::from_millis(1);
        world.say(id, b"a", false);
        world.say(id, b"a", false);
        assert_eq!(world.connections[&id].server, None, "{front}");
        world.say(id, b"abcdef", false);
        assert_eq!(world.connections[&id].server, Some(world.server(0).key), "{front}");
    }
}
