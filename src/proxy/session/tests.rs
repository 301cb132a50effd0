use std::time::Duration;

use super::model::World;
use super::*;
use crate::config::Config;
use crate::config::model::{Balance, Redispatch};
use crate::proxy::contract::{Close, ConnectError, Failure};
use crate::state::{Command, CutReason, Guarding, Operation};

fn seconds(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

#[test]
fn an_idle_session_is_small() {
    let size = size_of::<Session>();
    assert!(size < 300, "{size} bytes");
}

/// What happens to one session.
type Story = fn(&mut World, u32);
/// What a config has beyond the common one.
type Change = fn(&mut Config);

/// Every termination code of TCP mode, and how it comes about, once a session is relayed.
#[test]
fn codes_of_a_relayed_session() {
    let stories: &[(&str, Story)] = &[
        ("--", |world, id| {
            assert_eq!(world.feed(id, Event::Eof(Side::Client)), [Op::Shutdown(Side::Server)]);
            assert_eq!(world.feed(id, Event::Eof(Side::Server)), [Op::Log, Op::End]);
        }),
        ("CD", |world, id| {
            let ops = world.feed(id, Event::Failed(Side::Client, Failure::Reset));
            assert_eq!(ops, [Op::Close(Side::Server, Close::Reset), Op::Log, Op::End]);
        }),
        ("SD", |world, id| {
            let ops = world.feed(id, Event::Failed(Side::Server, Failure::Reset));
            let quiet = Op::ReportQuiet(Duration::ZERO);
            assert_eq!(ops, [Op::DropServer, Op::Discard(Side::Client), quiet]);
            let ops = world.feed(id, Event::Quiet);
            assert_eq!(ops, [Op::Close(Side::Client, Close::Reset), Op::Log, Op::End]);
        }),
        // A client that takes nothing of its last bytes is reset when its timeout is over, and no other.
        ("SD", |world, id| {
            world.feed(id, Event::Failed(Side::Server, Failure::Reset));
            for _ in 0..5 {
                world.pass(9_999);
                world.feed(id, Event::Taken);
            }
            world.pass(9_999);
            assert!(!world.connections[&id].is_over());
            world.pass(1);
        }),
        // Ties go to the client's side.
        ("cD", |world, _| world.pass(10_000)),
        ("cD", |world, id| {
            world.feed(id, Event::Blocked(Side::Client));
            world.pass(10_000);
        }),
        ("sD", |world, id| {
            world.feed(id, Event::Blocked(Side::Server));
            world.pass(10_000);
        }),
        ("sD", |world, id| {
            world.feed(id, Event::Eof(Side::Client));
            world.pass(10_000);
        }),
        ("cD", |world, id| {
            world.feed(id, Event::Eof(Side::Server));
            world.pass(10_000);
        }),
        ("D-", |world, id| assert_eq!(cut(world, id, CutReason::MarkedDown), [Op::Log, Op::End])),
        ("U-", |world, id| assert_eq!(cut(world, id, CutReason::BackupRelieved), [Op::Log, Op::End])),
        ("K-", |world, id| assert_eq!(cut(world, id, CutReason::Admin), [Op::Log, Op::End])),
        ("D-", |world, id| {
            drop(cut(world, id, CutReason::RoleChanged));
            world.feed(id, Event::Quiet);
            world.feed(id, Event::Eof(Side::Client));
        }),
    ];
    for (at, (code, story)) in stories.iter().enumerate() {
        let mut world = World::of(1, |_| {});
        let id = world.open_relaying();
        world.feed(id, Event::Received(Side::Client, 14));
        world.feed(id, Event::Received(Side::Server, 7));
        story(&mut world, id);
        let connection = &world.connections[&id];
        assert_eq!(connection.code(), *code, "story {at}: {:?}", connection.ops);
        let record = connection.record.as_ref().unwrap();
        assert_eq!((record.bytes_in, record.bytes_out), (14, 7), "story {at}");
        assert_eq!(&*record.server.as_ref().unwrap().name(), "s0");
        let concurrency = record.concurrency;
        assert_eq!((concurrency.process, concurrency.frontend), (1, 1), "counted while it is logged");
        assert_eq!((concurrency.backend, concurrency.server), (0, 0), "has left already");
        world.check_empty();
        assert_eq!(world.server(0).traffic.bytes_out.sum(), 7);
    }
}

fn cut(world: &mut World, id: u32, reason: CutReason) -> Vec<Op> {
    let server = world.server(0).key;
    world.workers.post(0, Command::Cut(server, reason));
    let before = world.connections[&id].ops.len();
    world.deliver();
    world.connections[&id].ops[before..].to_vec()
}

/// Codes of sessions that never got as far, with HAProxy's timers (Tw, Tc, Tt), retries and queue position.
#[test]
fn codes_of_a_session_without_a_connection() {
    type Line = (&'static str, Option<u64>, u64, u32, u32);
    let stories: &[(Line, Change, Story)] = &[
        (
            ("SC", Some(0), 900, 3, 0),
            |_| {},
            |world, id| {
                for _ in 0..4 {
                    world.refuse(id);
                    world.pass(300);
                }
            },
        ),
        (("sC", Some(0), 600, 1, 0), |config| config.backends[0].retries = 1, |world, _| world.pass(600)),
        (("SC", None, 0, 0, 0), |config| config.backends[0].servers[0].disabled = true, |_, _| {}),
        (("SC", None, 0, 0, 0), |config| config.frontends[0].default_backend = None, |_, _| {}),
        (
            ("CD", Some(0), 100, 0, 0),
            |_| {},
            |world, id| {
                world.pass(100);
                world.feed(id, Event::Failed(Side::Client, Failure::Reset));
            },
        ),
        (
            ("CC", Some(0), 100, 0, 0),
            |config| config.backends[0].abortonclose = true,
            |world, id| {
                world.pass(100);
                world.feed(id, Event::Eof(Side::Client));
            },
        ),
        (
            ("CC", Some(0), 100, 0, 0),
            |_| {},
            |world, id| {
                world.feed(id, Event::LeftUnserved);
                world.pass(100);
                world.refuse(id);
            },
        ),
        (
            ("RC", Some(0), 0, 3, 0),
            |_| {},
            |world, id| {
                for _ in 0..4 {
                    world.feed(id, Event::ConnectFailed(ConnectError::Resources));
                }
            },
        ),
    ];
    for (at, (line, change, story)) in stories.iter().enumerate() {
        let mut world = World::of(1, change);
        let id = world.open().unwrap();
        story(&mut world, id);
        assert_line(&world, id, line, at);
        world.check_empty();
    }
}

fn assert_line(world: &World, id: u32, line: &(&str, Option<u64>, u64, u32, u32), at: usize) {
    let connection = &world.connections[&id];
    let Some(record) = &connection.record else { panic!("story {at} has no line: {:?}", connection.ops) };
    let wait = record.wait.map(|wait| wait.as_millis() as u64);
    let total = record.total.as_millis() as u64;
    let code = record.termination.to_string();
    let seen = (code.as_str(), wait, total, record.retries, record.backend_queue);
    assert_eq!(seen, *line, "story {at}: {:?}", connection.ops);
    assert_eq!(record.connect, None, "story {at}");
}

/// One server with one place: the second session waits.
#[test]
fn codes_of_a_queued_session() {
    type Line = (&'static str, Option<u64>, u64, u32, u32);
    let stories: &[(Line, Story)] = &[
        (("CQ", Some(100), 100, 0, 1), |world, id| {
            world.pass(100);
            world.feed(id, Event::LeftUnserved);
        }),
        (("sQ", Some(300), 300, 0, 1), |world, _| world.pass(300)),
        (("CD", Some(100), 100, 0, 1), |world, id| {
            world.pass(100);
            world.feed(id, Event::Failed(Side::Client, Failure::Reset));
        }),
    ];
    for (at, (line, story)) in stories.iter().enumerate() {
        let mut world = World::of(1, |config| config.backends[0].servers[0].maxconn = 1);
        let first = world.open_relaying();
        let second = world.open().unwrap();
        assert!(world.connections[&second].session().is_waiting());
        world.feed(second, Event::Eof(Side::Client));
        story(&mut world, second);
        assert_line(&world, second, line, at);
        let record = world.connections[&second].record.as_ref().unwrap();
        assert!(record.server.is_none());
        assert_eq!(record.concurrency.backend, 1);
        world.feed(first, Event::Failed(Side::Client, Failure::Reset));
        world.check_empty();
    }
}

#[test]
fn a_place_goes_to_who_came_first() {
    let mut world = World::of(1, |config| config.backends[0].servers[0].maxconn = 1);
    let first = world.open_relaying();
    let waiting: Vec<u32> = (0..3).map(|_| world.open().unwrap()).collect();
    world.feed(waiting[1], Event::Failed(Side::Client, Failure::Reset));
    world.feed(first, Event::Failed(Side::Client, Failure::Reset));
    world.deliver();
    assert!(world.connections[&waiting[0]].connecting);
    assert!(world.connections[&waiting[2]].session().is_waiting());
    world.feed(waiting[0], Event::Connected);
    world.feed(waiting[0], Event::Failed(Side::Client, Failure::Reset));
    world.deliver();
    assert!(world.connections[&waiting[2]].connecting);
    world.feed(waiting[2], Event::Connected);
    world.feed(waiting[2], Event::Failed(Side::Client, Failure::Reset));
    assert_eq!(world.connections[&waiting[2]].record.as_ref().unwrap().backend_queue, 2);
    // As in HAProxy 2.6.12, `lbtot` has the first alone: the others were called, and not chosen for.
    let back = &world.snapshot.backends[0].live.traffic;
    assert_eq!((world.server(0).traffic.chosen.sum(), back.chosen.sum()), (1, 1));
    world.check_empty();
}

/// The place was granted, and the client is gone before it hears of it.
#[test]
fn a_granted_place_is_passed_on() {
    let mut world = World::of(1, |config| config.backends[0].servers[0].maxconn = 1);
    let first = world.open_relaying();
    let waiting: Vec<u32> = (0..2).map(|_| world.open().unwrap()).collect();
    world.feed(first, Event::Failed(Side::Client, Failure::Reset));
    world.feed(waiting[0], Event::Failed(Side::Client, Failure::Reset));
    world.check();
    world.deliver();
    assert!(world.connections[&waiting[1]].connecting);
    world.feed(waiting[1], Event::Failed(Side::Client, Failure::Reset));
    world.check_empty();
}

/// A name, the config, how many servers, and the attempts.
type Redispatching = (&'static str, Change, usize, &'static [(usize, u64)]);

/// Where a session goes after its first, second ... refusal: the server, and the milliseconds it waits.
#[test]
fn retries_and_redispatches_go_by_haproxys_rules() {
    let cases: &[Redispatching] = &[
        ("no redispatch", |_| {}, 2, &[(0, 0), (0, 300), (0, 300), (0, 300)]),
        (
            "at once",
            |c| c.backends[0].redispatch = Redispatch::LastRetry,
            2,
            &[(0, 0), (1, 0), (0, 0), (1, 0)],
        ),
        (
            "one server",
            |c| c.backends[0].redispatch = Redispatch::LastRetry,
            1,
            &[(0, 0), (0, 300), (0, 300), (0, 300)],
        ),
        (
            "leastconn",
            |c| {
                c.backends[0].redispatch = Redispatch::LastRetry;
                c.backends[0].balance = Balance::LeastConn;
            },
            2,
            &[(0, 0), (1, 0), (0, 0), (1, 0)],
        ),
        // The address leads to the same server again; the redispatch shows in the pause that is left out.
        (
            "source, last",
            |c| {
                c.backends[0].redispatch = Redispatch::LastRetry;
                c.backends[0].balance = Balance::Source(Default::default());
            },
            2,
            &[(1, 0), (1, 300), (1, 300), (1, 0)],
        ),
        (
            "source, every second",
            |c| {
                c.backends[0].redispatch = Redispatch::EveryNth(2);
                c.backends[0].balance = Balance::Source(Default::default());
            },
            2,
            &[(1, 0), (1, 300), (1, 0), (1, 300)],
        ),
        (
            "pause of a second at most",
            |c| c.backends[0].timeout_connect = seconds(5),
            1,
            &[(0, 0), (0, 1000)],
        ),
    ];
    for case in cases {
        assert_attempts(case);
    }
}

#[test]
fn option_redispatch_0_still_goes_elsewhere_where_servers_are_alike() {
    let cases: &[Redispatching] = &[
        (
            "at once, option redispatch 0",
            |c| c.backends[0].redispatch = Redispatch::Uncounted,
            2,
            &[(0, 0), (1, 0), (0, 0), (1, 0)],
        ),
        (
            "source, option redispatch 0",
            |c| {
                c.backends[0].redispatch = Redispatch::Uncounted;
                c.backends[0].balance = Balance::Source(Default::default());
            },
            2,
            &[(1, 0), (1, 300), (1, 300), (1, 300)],
        ),
    ];
    for case in cases {
        assert_attempts(case);
    }
}

fn assert_attempts((name, change, servers, attempts): &Redispatching) {
    let mut world = World::of(*servers, change);
    let mut last = world.now;
    let id = world.open().unwrap();
    let mut seen = Vec::new();
    for _ in *attempts {
        for _ in 0..20 {
            if world.connections[&id].connecting {
                break;
            }
            world.pass(100);
        }
        let at = world.connections[&id].server.and_then(|key| world.snapshot.backends[0].position(key));
        seen.push((at.unwrap(), world.now.since(last).as_millis() as u64));
        last = world.now;
        world.refuse(id);
    }
    assert_eq!(seen, *attempts, "{name}");
    world.feed(id, Event::Failed(Side::Client, Failure::Reset));
    world.check_empty();
}

#[test]
fn a_redispatch_is_counted_at_the_server_that_failed() {
    let mut world = World::of(2, |config| config.backends[0].redispatch = Redispatch::LastRetry);
    let id = world.open().unwrap();
    world.refuse(id);
    world.feed(id, Event::Connected);
    world.feed(id, Event::Failed(Side::Client, Failure::Reset));
    let record = world.connections[&id].record.as_ref().unwrap();
    assert_eq!((record.retries, record.redispatched), (1, true));
    let sums = |at: usize| {
        let traffic = &world.server(at).traffic;
        (traffic.redispatches.sum(), traffic.retries.sum(), traffic.chosen.sum(), traffic.connects.sum())
    };
    assert_eq!((sums(0), sums(1)), ((1, 0, 1, 1), (0, 0, 1, 1)));
    let back = &world.snapshot.backends[0].live.traffic;
    assert_eq!((back.redispatches.sum(), back.retries.sum(), back.connect_errors.sum()), (1, 0, 0));
}

#[test]
fn a_timeout_is_retried_at_once() {
    let mut world = World::of(1, |_| {});
    let id = world.open().unwrap();
    world.pass(300);
    assert!(world.connections[&id].connecting);
    assert_eq!(world.connections[&id].ops.len(), 3);
}

#[test]
fn a_server_that_went_down_is_left() {
    let mut world = World::of(2, |config| {
        config.backends[0].redispatch = Redispatch::LastRetry;
        config.backends[0].balance = Balance::LeastConn;
    });
    let id = world.open().unwrap();
    world.server(0).set_operation(Operation::Stopped);
    world.refuse(id);
    world.pass(300);
    assert_eq!(world.connections[&id].server, Some(world.server(1).key));
}

fn guarded(servers: usize, change: impl FnOnce(&mut Config)) -> World {
    let mut config = model::config(servers);
    change(&mut config);
    World::new(config, Guarding::Master)
}

fn name_master(world: &mut World, at: Option<usize>) {
    let server = at.map(|at| world.server(at).clone());
    let live = &world.snapshot.backends[0].live;
    live.judged.store(true, std::sync::atomic::Ordering::Relaxed);
    live.set_masterless_since(at.is_none().then_some(world.now));
    if let Some(server) = &server {
        server.set_proven(true);
    }
    live.master.store(server.map(|server| server.key));
    world.wake();
}

#[test]
fn clients_wait_for_the_first_verdict_and_go_in_order() {
    let mut world = guarded(2, |_| {});
    let ids: Vec<u32> = (0..3).map(|_| world.open().unwrap()).collect();
    assert!(ids.iter().all(|id| world.connections[id].session().is_waiting()));
    name_master(&mut world, Some(1));
    assert!(ids.iter().all(|id| world.connections[id].server == Some(world.server(1).key)));
    assert_eq!(world.snapshot.process.held.now(), 0);
    world.check();
}

#[test]
fn the_holds_clock_runs_since_the_master_is_lost() {
    let mut world = guarded(1, |_| {});
    name_master(&mut world, Some(0));
    name_master(&mut world, None);
    world.pass(4000);
    let early = world.open().unwrap();
    assert!(world.connections[&early].session().is_waiting());
    world.pass(999);
    assert!(!world.connections[&early].is_over());
    world.pass(1);
    assert_eq!(world.connections[&early].code(), "sQ");
    assert!(world.connections[&early].record.as_ref().unwrap().server.is_none());
    let late = world.open().unwrap();
    assert_eq!(world.connections[&late].code(), "SC");
    world.check_empty();
}

#[test]
fn held_clients_leave_a_fifth_of_the_places() {
    let mut world = guarded(1, |config| config.frontends[0].maxconn = 10);
    let ids: Vec<u32> = (0..9).map(|_| world.open().unwrap()).collect();
    let over: Vec<bool> = ids.iter().map(|id| world.connections[id].is_over()).collect();
    assert_eq!(over, [false, false, false, false, false, false, false, false, true]);
}

#[test]
fn clients_that_wait_for_a_place_count_as_held_once_the_master_is_lost() {
    let mut world = guarded(1, |config| {
        config.frontends[0].maxconn = 10;
        config.backends[0].servers[0].maxconn = 1;
        config.backends[0].timeout_queue = seconds(60);
    });
    name_master(&mut world, Some(0));
    let ids: Vec<u32> = (0..10).map(|_| world.open().unwrap()).collect();
    let held = |world: &World| (world.snapshot.process.held.now(), world.snapshot.frontends[0].held.now());
    assert_eq!(held(&world), (0, 0));
    name_master(&mut world, None);
    world.feed_all(Event::Reconsider);
    assert_eq!(held(&world), (8, 8));
    let over = ids.iter().filter(|id| world.connections[id].is_over()).count();
    assert_eq!((over, world.connections[&ids[9]].code().as_str()), (1, "SC"));
    name_master(&mut world, Some(0));
    world.feed_all(Event::Reconsider);
    assert_eq!(held(&world), (0, 0));
    world.check();
}

/// The master changed between the choice and the connect: no byte goes to the old one, and it is no retry.
#[test]
fn the_word_is_read_again_after_the_connect() {
    let mut world = guarded(2, |_| {});
    name_master(&mut world, Some(0));
    let id = world.open().unwrap();
    name_master(&mut world, Some(1));
    let ops = world.feed(id, Event::Connected);
    assert_eq!(ops[0], Op::DropServer);
    let Op::Connect(spec) = &ops[1] else { panic!("{ops:?}") };
    assert_eq!(spec.server, world.server(1).key);
    world.feed(id, Event::Connected);
    world.feed(id, Event::Failed(Side::Client, Failure::Reset));
    assert_eq!(world.connections[&id].record.as_ref().unwrap().retries, 0);
    world.check_empty();
}

#[test]
fn a_cut_while_connecting_waits_for_the_next_master() {
    let mut world = guarded(2, |_| {});
    name_master(&mut world, Some(0));
    let id = world.open().unwrap();
    name_master(&mut world, None);
    assert_eq!(cut(&mut world, id, CutReason::RoleChanged), [Op::DropServer]);
    assert!(world.connections[&id].session().is_waiting());
    name_master(&mut world, Some(1));
    assert_eq!(world.connections[&id].server, Some(world.server(1).key));
}

/// A master that was killed refuses until health finds out; a client that pauses in between must neither
/// use up its attempts on it nor sleep through the naming of the next one.
#[test]
fn a_pause_ends_with_its_reason() {
    for redispatch in [Redispatch::Off, Redispatch::LastRetry] {
        let mut world = guarded(2, |config| config.backends[0].redispatch = redispatch);
        name_master(&mut world, Some(0));
        let id = world.open().unwrap();
        world.refuse(id);
        world.feed(id, Event::Reconsider);
        assert!(!world.connections[&id].session().is_waiting(), "nothing has changed");
        world.server(0).set_operation(Operation::Stopped);
        world.feed(id, Event::Reconsider);
        assert!(world.connections[&id].session().is_waiting());
        name_master(&mut world, Some(1));
        assert_eq!(world.connections[&id].server, Some(world.server(1).key), "{redispatch:?}");
        world.feed(id, Event::Failed(Side::Client, Failure::Reset));
        world.check_empty();
    }
}

#[test]
fn a_pause_for_want_of_another_server_ends_when_one_is_master() {
    let mut world = guarded(2, |config| config.backends[0].redispatch = Redispatch::EveryNth(1));
    name_master(&mut world, Some(0));
    let id = world.open().unwrap();
    world.refuse(id);
    assert_eq!(world.connections[&id].session().server(), None);
    name_master(&mut world, Some(1));
    world.feed(id, Event::Reconsider);
    assert_eq!(world.connections[&id].server, Some(world.server(1).key));
    world.feed(id, Event::Failed(Side::Client, Failure::Reset));
    world.check_empty();
}

#[test]
fn a_cut_delivers_every_reply() {
    let mut world = World::of(1, |_| {});
    let id = world.open_relaying();
    let ops = cut(&mut world, id, CutReason::Succeeded);
    assert_eq!(ops, [Op::Discard(Side::Client), Op::ReportQuiet(Duration::from_millis(10))]);
    world.feed(id, Event::Received(Side::Server, 1000));
    // A client that takes nothing gets its own timeout; the second does not run.
    world.feed(id, Event::Blocked(Side::Client));
    world.pass(5000);
    assert!(!world.connections[&id].is_over());
    world.feed(id, Event::Flowing(Side::Client));
    let told = [Op::Shutdown(Side::Client), Op::DropServer, Op::ReportQuiet(Duration::ZERO)];
    assert_eq!(world.feed(id, Event::Quiet), told);
    assert_eq!(world.server(0).traffic.sessions.now(), 0);
    // Its input is read until it has acknowledged everything, and for a second after that.
    world.pass(9_000);
    world.feed(id, Event::Taken);
    world.pass(9_000);
    assert!(!world.connections[&id].is_over());
    world.feed(id, Event::Quiet);
    world.pass(1000);
    assert_eq!(world.connections[&id].code(), "D-");
    assert_eq!(world.connections[&id].record.as_ref().unwrap().bytes_out, 1000);
    world.check_empty();
}

#[test]
fn a_server_that_goes_on_talking_is_cut_after_a_second() {
    let mut world = World::of(1, |_| {});
    let id = world.open_relaying();
    cut(&mut world, id, CutReason::Succeeded);
    for _ in 0..10 {
        world.feed(id, Event::Received(Side::Server, 10));
        world.pass(100);
    }
    assert!(world.connections[&id].ops.contains(&Op::Shutdown(Side::Client)));
}

#[test]
fn fin_timeouts_and_tunnel_replace_the_others() {
    let cases: &[(Change, Option<Side>, u64, &str)] = &[
        (|c| c.backends[0].timeout_tunnel = seconds(60), None, 60, "cD"),
        // From then on the client's time counts, and the first timeout names the code.
        (|c| c.backends[0].timeout_server = seconds(5), None, 10, "sD"),
        (|c| c.backends[0].timeout_server_fin = seconds(2), Some(Side::Client), 2, "sD"),
        (|c| c.frontends[0].timeout_client_fin = seconds(2), Some(Side::Server), 2, "cD"),
    ];
    for (at, (change, half_closed, after, code)) in cases.iter().enumerate() {
        let mut world = World::of(1, change);
        let id = world.open_relaying();
        if let Some(side) = half_closed {
            world.feed(id, Event::Eof(*side));
        }
        world.pass(after * 1000 - 1);
        assert!(!world.connections[&id].is_over(), "case {at}");
        world.pass(1);
        assert_eq!(world.connections[&id].code(), *code, "case {at}");
    }
    let mut world = World::of(1, |config| {
        (config.backends[0].timeout_server, config.frontends[0].timeout_client) = (None, None);
    });
    let id = world.open_relaying();
    assert_eq!(world.connections[&id].session().deadline(), None);
}

#[test]
fn a_session_obeys_the_new_config_and_outlives_its_backend() {
    let mut world = World::of(2, |_| {});
    let id = world.open_relaying();
    let mut config = model::config(1);
    config.frontends[0].timeout_client = seconds(3);
    world.load(config, Guarding::None);
    assert_eq!(world.connections[&id].session().deadline(), Some(world.now + Duration::from_secs(3)));
    let mut config = model::config(1);
    config.backends[0].name = "other".into();
    world.load(config, Guarding::None);
    assert_eq!(world.connections[&id].session().deadline(), Some(world.now + Duration::from_secs(3)));
    world.feed(id, Event::Received(Side::Client, 5));
    world.pass(10_000);
    assert_eq!(world.connections[&id].code(), "cD");
    world.check_empty();
}

#[test]
fn who_is_silent_for_too_long_lets_the_other_side_have_its_say() {
    for (side, code) in [(Side::Client, "cD"), (Side::Server, "sD")] {
        let mut world = World::of(1, |_| {});
        let mut config = model::config(1);
        match side {
            Side::Client => config.frontends[0].timeout_client = seconds(3),
            Side::Server => config.backends[0].timeout_server = seconds(3),
        }
        world.load(config, Guarding::None);
        let id = world.open_relaying();
        let before = world.connections[&id].ops.len();
        world.pass(3000);
        let ops = &world.connections[&id].ops[before..];
        assert_eq!(ops, [Op::Discard(side), Op::Shutdown(side.peer())]);
        // What the other side says goes on for as long as it likes, in its own time.
        for _ in 0..3 {
            world.feed(id, Event::Received(side.peer(), 100));
            world.pass(9_999);
        }
        assert_eq!(world.feed(id, Event::Eof(side)), [], "its FIN comes too late");
        assert!(!world.connections[&id].is_over());
        world.feed(id, Event::Eof(side.peer()));
        assert_eq!(world.connections[&id].code(), code);
        world.check_empty();
    }
}

#[test]
fn counters_are_those_of_the_csv() {
    let mut world = World::of(1, |_| {});
    let id = world.open_relaying();
    world.feed(id, Event::Received(Side::Client, 14));
    world.feed(id, Event::Received(Side::Server, 7));
    world.connection(id).session_mut().flush();
    let traffic = |world: &World| {
        let view = &world.snapshot.backends[0];
        let front = &world.snapshot.frontends[0].traffic;
        [front, &view.live.traffic, &view.servers[0].traffic].map(|traffic| {
            (
                traffic.total.sum(),
                traffic.bytes_in.sum(),
                traffic.bytes_out.sum(),
                traffic.client_aborts.sum(),
            )
        })
    };
    assert_eq!(traffic(&world), [(1, 14, 7, 0); 3]);
    world.feed(id, Event::Failed(Side::Client, Failure::Reset));
    assert_eq!(traffic(&world), [(1, 14, 7, 1); 3]);
    let mut down = World::of(1, |config| config.backends[0].servers[0].disabled = true);
    down.open();
    assert_eq!(down.snapshot.backends[0].live.traffic.connect_errors.sum(), 1);
}

/// stot, econ, wretr, wredis, lbtot, connect.
type Row = [u64; 6];

fn row(traffic: &crate::state::counters::Traffic) -> Row {
    let errors = (&traffic.connect_errors, &traffic.retries, &traffic.redispatches);
    [&traffic.total, errors.0, errors.1, errors.2, &traffic.chosen, &traffic.connects].map(|sum| sum.sum())
}

/// One session, every server refusing: log line and CSV as recorded from HAProxy 2.6.12.
#[test]
fn a_session_that_is_refused_everywhere_counts_as_in_haproxy() {
    let alternating: &[Row] = &[[2, 0, 0, 2, 2, 2], [2, 1, 0, 1, 2, 2], [1, 1, 0, 3, 4, 4]];
    let (first, last) = (Redispatch::EveryNth(2), Redispatch::LastRetry);
    type Case<'a> = (Balance, Redispatch, usize, u64, u64, &'a [Row]);
    let cases: &[Case<'_>] = &[
        (Balance::RoundRobin, Redispatch::Off, 2, 0, 600, &[[4, 1, 3, 0, 1, 4], [0; 6], [1, 1, 3, 0, 1, 4]]),
        (Balance::RoundRobin, last, 2, 0, 0, alternating),
        (Balance::LeastConn, last, 2, 0, 0, alternating),
        (Balance::LeastConn, first, 2, 0, 0, alternating),
        (Balance::LeastConn, Redispatch::FromLast(2), 2, 0, 0, alternating),
        (Balance::First, last, 2, 0, 0, alternating),
        (Balance::RoundRobin, last, 1, 600, 600, &[[4, 1, 3, 0, 1, 4], [1, 1, 3, 0, 1, 4]]),
        (
            Balance::Source(Default::default()),
            last,
            2,
            400,
            400,
            &[[0; 6], [4, 1, 3, 0, 1, 4], [1, 1, 3, 0, 1, 4]],
        ),
    ];
    for (balance, redispatch, servers, wait, total, rows) in cases {
        let mut world = World::of(*servers, |config| {
            config.backends[0].balance = *balance;
            config.backends[0].redispatch = *redispatch;
            config.backends[0].timeout_connect = Some(Duration::from_millis(200));
        });
        let id = world.open().unwrap();
        while !world.connections[&id].is_over() {
            match world.connections[&id].connecting {
                true => world.refuse(id),
                false => world.pass(50),
            }
        }
        let name = format!("{balance:?} {redispatch:?}");
        let record = world.connections[&id].record.as_ref().unwrap();
        let times = (record.wait.map(|wait| wait.as_millis() as u64), record.total.as_millis() as u64);
        assert_eq!((record.retries, times), (3, (Some(*wait), *total)), "{name}");
        let view = &world.snapshot.backends[0];
        let mut seen: Vec<Row> = view.servers.iter().map(|server| row(&server.traffic)).collect();
        seen.push(row(&view.live.traffic));
        assert_eq!(&seen, rows, "{name}");
    }
}

/// Sessions that find the one place taken: code, Tw, Tt, positions, cli_abrt, and the rows of server and
/// backend, as recorded from HAProxy 2.6.12.
#[test]
fn a_session_that_queues_in_vain_counts_as_in_haproxy() {
    type Case = (Change, Story, &'static str, (Option<u64>, u64), [u32; 2], [Row; 2]);
    let pinned: Change = |config| config.backends[0].balance = Balance::Source(Default::default());
    let cases: &[Case] = &[
        (
            |_| {},
            |world, _| world.pass(300),
            "sQ",
            (Some(300), 300),
            [0, 1],
            [[1, 0, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1]],
        ),
        (
            pinned,
            |world, _| world.pass(300),
            "sQ",
            (Some(300), 300),
            [1, 0],
            [[1, 1, 0, 0, 2, 1], [1, 1, 0, 0, 2, 1]],
        ),
        (
            |config| config.backends[0].abortonclose = true,
            |world, id| {
                world.pass(50);
                world.feed(id, Event::Eof(Side::Client));
            },
            "CQ",
            (Some(50), 50),
            [0, 1],
            [[1, 0, 0, 0, 1, 1], [1, 0, 0, 0, 1, 1]],
        ),
    ];
    for (at, (change, story, code, times, positions, rows)) in cases.iter().enumerate() {
        let mut world = World::of(1, |config| {
            config.backends[0].servers[0].maxconn = 1;
            change(config);
        });
        world.open_relaying();
        let id = world.open().unwrap();
        story(&mut world, id);
        let record = world.connections[&id].record.as_ref().unwrap();
        let seen = (record.wait.map(|wait| wait.as_millis() as u64), record.total.as_millis() as u64);
        assert_eq!((record.termination.to_string().as_str(), seen), (*code, *times), "case {at}");
        assert_eq!([record.server_queue, record.backend_queue], *positions, "case {at}");
        let back = &world.snapshot.backends[0].live.traffic;
        assert_eq!(back.client_aborts.sum(), 0, "case {at}");
        // stot of the backend counts both sessions.
        let mut seen = [row(&world.server(0).traffic), row(back)];
        seen[1][0] -= 1;
        assert_eq!(seen, *rows, "case {at}");
    }
}
