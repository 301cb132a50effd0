use super::super::super::contract::{Close, Event, Op, Side};
use super::super::model::World;
use crate::config::{Bundle, load};
use crate::state::{CutReason, Guarding};
use crate::time::Tick;

/// A `listen` with these lines, and a server.
fn world(lines: &str) -> World {
    let text = format!(
        "defaults\n timeout connect 1s\n timeout client 9s\n timeout server 9s\n option tcplog\n log 127.0.0.1 local0\n\
         listen l\n bind :1\n {lines}\n server s0 10.0.0.1:1\n"
    );
    let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
    let loaded = load(&bundle);
    let config = loaded.config.unwrap_or_else(|| panic!("{lines}: {:?}", loaded.diagnostics));
    World::new(config, Guarding::None)
}

impl World {
    /// What a driver does for `Op::Overhear`.
    fn overhear(&mut self, id: u32, bytes: &[u8], ended: bool) {
        let mut connection = self.connections.remove(&id).unwrap();
        let mut ops = Vec::new();
        connection.session_mut().heard(bytes, ended, &self.context(), &mut ops);
        self.connections.insert(id, connection);
        self.execute(id, ops);
    }

    /// Looks when the session wants to, and says when it wants to look again.
    fn look(&mut self, id: u32, bytes: &[u8]) -> Option<Tick> {
        self.now = self.connection(id).session().deadline().unwrap();
        assert_eq!(self.feed(id, Event::Timer), [Op::Overhear]);
        self.overhear(id, bytes, false);
        let connection = self.connection(id);
        if connection.is_over() { None } else { connection.session().deadline() }
    }
}

const PONG: &str = "tcp-response inspect-delay 100ms\n tcp-response content accept if { res.payload(0,5) -m str +PONG }\n \
                    tcp-response content reject";

#[test]
fn without_rules_nothing_is_paused() {
    let mut world = world("");
    let id = world.open_relaying();
    assert!(world.connection(id).session().ruling.is_none());
    assert_eq!(world.connection(id).ops.last(), Some(&Op::Relay));
}

#[test]
fn a_server_is_paused_until_it_has_said_enough() {
    let mut world = world(PONG);
    let id = world.open_relaying();
    let ops = &world.connection(id).ops;
    assert_eq!(ops[ops.len() - 2..], [Op::Pause(Side::Server), Op::Relay]);
    let pauses: Vec<u64> = (0..4).map(|_| world.look(id, b"+P").unwrap().0 - world.now.0).collect();
    assert_eq!(pauses, [2, 4, 8, 16]);
    world.feed(id, Event::Received(Side::Client, 6));
    let next = world.look(id, b"+P").unwrap();
    assert_eq!(next.0 - world.now.0, 1, "it was asked something: the answer comes soon");
    world.look(id, b"+PONG\r\n");
    assert_eq!(world.connection(id).ops.last(), Some(&Op::Resume(Side::Server)));
    assert!(world.connection(id).session().deadline().unwrap().0 >= world.now.0 + 9000);
}

#[test]
fn what_is_refused_is_counted_and_told_to_nobody() {
    let mut world = world(PONG);
    let id = world.open_relaying();
    world.look(id, b"-ERR\r\n");
    assert_eq!(world.connection(id).code(), "PD");
    assert!(!world.connection(id).ops.contains(&Op::Resume(Side::Server)));
    let record = world.connection(id).record.clone().unwrap();
    assert_eq!(record.bytes_out, 6);
    let denied = |world: &World| {
        let backend = &world.snapshot.backends[0].live.traffic;
        [&world.snapshot.frontends[0].traffic, backend, &world.server(0).traffic]
            .map(|t| t.denied_responses.sum())
    };
    assert_eq!(denied(&world), [1, 1, 1]);
}

#[test]
fn who_says_nothing_is_judged_when_the_time_is_over() {
    let mut world = world(PONG);
    let id = world.open_relaying();
    let begin = world.now;
    while world.look(id, b"").is_some() {}
    assert_eq!((world.now.0 - begin.0, world.connection(id).code()), (100, "PD".to_owned()));
}

#[test]
fn a_closed_response_is_delivered_first() {
    let mut world = world("tcp-response inspect-delay 1s\n tcp-response content close if { res.len gt 0 }");
    let id = world.open_relaying();
    world.look(id, b"+OK\r\n");
    let ops = &world.connection(id).ops;
    assert!(
        ops.windows(2).any(|ops| ops == [Op::Resume(Side::Server), Op::Discard(Side::Client)]),
        "{ops:?}"
    );
    assert!(world.feed(id, Event::Quiet).contains(&Op::Shutdown(Side::Client)));
    world.feed(id, Event::Eof(Side::Client));
    assert_eq!(world.connection(id).code(), "--");
}

#[test]
fn without_a_delay_rules_are_judged_at_the_connect() {
    for (rule, code) in [("reject", "PD"), ("close", "--"), ("silent-drop", "PR")] {
        let mut world = world(&format!("tcp-response content {rule}"));
        let id = world.open().unwrap();
        let ops = world.feed(id, Event::Connected);
        assert_eq!(world.connection(id).code(), code, "{rule}");
        let hushed = ops.starts_with(&[Op::Hush, Op::Close(Side::Client, Close::Reset)]);
        assert_eq!(hushed, rule == "silent-drop", "{ops:?}");
    }
    let mut world = world("tcp-response content reject if { res.len gt 0 }");
    world.open_relaying();
}

#[test]
fn what_was_not_judged_reaches_nobody_when_a_session_is_cut() {
    let mut world = world(PONG);
    let id = world.open_relaying();
    let ops = world.feed(id, Event::Cut(CutReason::RoleChanged));
    assert!(!ops.contains(&Op::Resume(Side::Server)) && world.connection(id).is_over(), "{ops:?}");
    assert_eq!(world.connection(id).code(), "D-");
}

#[test]
fn a_server_is_remembered_once_its_response_has_passed() {
    let mut world = world(
        "stick-table type string len 8 size 9\n stick store-request src\n stick store-response res.payload(0,3)\n \
         tcp-response inspect-delay 1s\n tcp-response content reject if { res.payload(0,1) -m bin 2d }",
    );
    let used = |world: &World| world.snapshot.tables[0].lock().unwrap().len();
    for (said, entries) in [(&b"-ERR"[..], 0), (b"+OK\r\n", 2)] {
        let id = world.open_relaying();
        assert_eq!(used(&world), 0);
        world.look(id, said);
        assert_eq!(used(&world), entries);
    }
    let entry = world.snapshot.tables[0].lock().unwrap().server(b"+OK", world.now).unwrap();
    assert_eq!((entry.name.as_deref(), entry.id), (Some("s0"), 1));
}

#[test]
fn who_is_dropped_silently_hears_of_nothing() {
    for list in ["connection", "session", "content"] {
        let mut world = world(&format!("tcp-request {list} silent-drop"));
        let id = world.open().unwrap();
        let ops = &world.connection(id).ops;
        assert!(ops.starts_with(&[Op::Hush, Op::Close(Side::Client, Close::Reset)]), "{list}: {ops:?}");
        assert!(world.connection(id).is_over(), "{list}");
    }
}
