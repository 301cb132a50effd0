//! A session whose server is frozen, on the model's clock.

use std::time::Duration;

use super::super::contract::{Close, Event, Failure, Op, Side};
use super::model::{self, World};
use crate::config::Config;
use crate::state::failover::{Ending, Failover};
use crate::state::{Command, CutReason, Guarding};
use crate::time::Tick;

const SECOND: u64 = 1000;

fn guarded(change: impl FnOnce(&mut Config)) -> World {
    let mut config = model::config(2);
    change(&mut config);
    let mut world = World::new(config, Guarding::Master);
    name_master(&mut world, 0);
    world
}

fn name_master(world: &mut World, at: usize) {
    let server = world.server(at).clone();
    server.set_proven(true);
    let live = &world.snapshot.backends[0].live;
    live.judged.store(true, std::sync::atomic::Ordering::Relaxed);
    live.set_masterless_since(None);
    live.master.store(Some(server.key));
    world.wake();
}

fn freeze(world: &mut World) {
    let until = world.now + Duration::from_secs(10);
    world.freeze(0, Some(until));
    world.deliver();
    world.check();
}

fn thaw(world: &mut World) {
    world.freeze(0, None);
    world.deliver();
    world.wake();
}

fn last(world: &World, id: u32, count: usize) -> Vec<Op> {
    let ops = &world.connections[&id].ops;
    ops[ops.len().saturating_sub(count)..].to_vec()
}

fn cut(world: &mut World, reason: CutReason) {
    let server = world.server(0).key;
    world.workers.post(0, Command::Cut(server, reason));
    world.deliver();
}

#[test]
fn no_timer_runs_and_a_thaw_gives_both_sides_their_full_time() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    world.pass(9 * SECOND);
    freeze(&mut world);
    assert_eq!(last(&world, id, 1), [Op::Pause(Side::Client)]);
    assert_eq!(world.connections[&id].session().deadline(), None);
    world.pass(60 * SECOND);
    thaw(&mut world);
    assert_eq!(last(&world, id, 1), [Op::Resume(Side::Client)]);
    world.pass(10 * SECOND - 1);
    assert!(!world.connections[&id].is_over());
    world.pass(1);
    assert_eq!(world.connections[&id].code(), "cD");
    thaw(&mut world);
    world.check_empty();
}

#[test]
fn what_a_client_sends_waits_and_what_the_server_answers_does_not() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    world.send(id, 5);
    freeze(&mut world);
    world.send(id, 7);
    world.feed(id, Event::Received(Side::Server, 100));
    assert_eq!(world.connections[&id].arrived, 5);
    assert_eq!(world.connections[&id].session().bytes, [5, 100]);
    thaw(&mut world);
    assert_eq!(world.connections[&id].arrived, 12);
}

#[test]
fn a_cut_goes_its_way_from_a_freeze_and_the_thaw_comes_too_late() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    freeze(&mut world);
    world.send(id, 7);
    cut(&mut world, CutReason::Succeeded);
    assert_eq!(last(&world, id, 2), [Op::Discard(Side::Client), Op::ReportQuiet(Duration::from_millis(10))]);
    thaw(&mut world);
    world.feed(id, Event::Received(Side::Server, 3));
    world.feed(id, Event::Quiet);
    let told = [Op::Shutdown(Side::Client), Op::DropServer, Op::ReportQuiet(Duration::ZERO)];
    assert_eq!(last(&world, id, 3), told);
    world.feed(id, Event::Quiet);
    world.pass(SECOND);
    let connection = &world.connections[&id];
    assert_eq!((connection.code().as_str(), connection.arrived), ("D-", 0));
    world.check_empty();
}

#[test]
fn replies_that_are_held_back_are_delivered_at_a_thaw() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    let server = world.server(0).key;
    world.workers.post(0, Command::Withhold(server));
    world.deliver();
    assert_eq!(last(&world, id, 1), [Op::Relay], "nobody is frozen");
    freeze(&mut world);
    for _ in 0..2 {
        world.workers.post(0, Command::Withhold(server));
        world.deliver();
        assert_eq!(last(&world, id, 2), [Op::Pause(Side::Client), Op::Pause(Side::Server)]);
    }
    assert_eq!(world.connections[&id].session().deadline(), None);
    thaw(&mut world);
    assert_eq!(last(&world, id, 2), [Op::Resume(Side::Client), Op::Resume(Side::Server)]);
}

#[test]
fn replies_that_are_held_back_never_come_if_another_server_took_over() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    freeze(&mut world);
    let server = world.server(0).key;
    world.workers.post(0, Command::Withhold(server));
    cut(&mut world, CutReason::Succeeded);
    let ops = [
        Op::Discard(Side::Client),
        Op::Discard(Side::Server),
        Op::Shutdown(Side::Client),
        Op::DropServer,
        Op::ReportQuiet(Duration::ZERO),
    ];
    assert_eq!(last(&world, id, 5), ops);
    world.feed(id, Event::Quiet);
    world.pass(SECOND);
    assert_eq!(world.connections[&id].code(), "D-");
    world.check_empty();
}

#[test]
fn the_other_cuts_send_nothing_of_what_waited() {
    for (reason, code) in [(CutReason::MarkedDown, "D-"), (CutReason::Admin, "K-")] {
        let mut world = guarded(|_| {});
        let id = world.open_relaying();
        freeze(&mut world);
        cut(&mut world, reason);
        assert_eq!(last(&world, id, 3), [Op::Discard(Side::Client), Op::Log, Op::End]);
        assert_eq!(world.connections[&id].code(), code);
    }
}

#[test]
fn each_end_that_comes_by_itself_is_seen() {
    let mut world = guarded(|_| {});
    let ids: Vec<u32> = (0..3).map(|_| world.open_relaying()).collect();
    freeze(&mut world);
    world.feed(ids[0], Event::Failed(Side::Client, Failure::Reset));
    assert_eq!(last(&world, ids[0], 3), [Op::Close(Side::Server, Close::Reset), Op::Log, Op::End]);
    assert_eq!(world.connections[&ids[0]].code(), "CD");
    world.feed(ids[1], Event::Failed(Side::Server, Failure::Reset));
    world.feed(ids[1], Event::Quiet);
    assert_eq!(world.connections[&ids[1]].code(), "SD");
    // Its client is read on, so that its FIN is seen, and has its timeout again.
    world.feed(ids[2], Event::Eof(Side::Server));
    assert_eq!(last(&world, ids[2], 2), [Op::Shutdown(Side::Client), Op::Discard(Side::Client)]);
    let due = world.now + Duration::from_secs(10);
    assert_eq!(world.connections[&ids[2]].session().deadline(), Some(due));
    thaw(&mut world);
    world.feed(ids[2], Event::Eof(Side::Client));
    assert_eq!(world.connections[&ids[2]].code(), "--");
    world.check_empty();
}

#[test]
fn a_client_that_had_closed_stays_closed_for_the_server() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    world.feed(id, Event::Eof(Side::Client));
    freeze(&mut world);
    world.pass(20 * SECOND);
    world.feed(id, Event::Eof(Side::Server));
    assert_eq!(world.connections[&id].code(), "--");
}

#[test]
fn a_session_that_connects_to_a_frozen_server_waits_instead() {
    let mut world = guarded(|_| {});
    let id = world.open().unwrap();
    freeze(&mut world);
    assert_eq!(world.feed(id, Event::Connected), [Op::DropServer]);
    assert!(world.connections[&id].session().is_waiting());
    thaw(&mut world);
    assert_eq!(world.connections[&id].server, Some(world.server(0).key));
}

/// How long a client waits that comes one second into a freeze of ten, and the code it ends with.
#[test]
fn new_clients_wait_for_the_freeze_and_the_hold() {
    let cases: &[(Option<u64>, &str, u64)] = &[(None, "sQ", 9), (Some(5), "sQ", 9), (Some(20), "sQ", 20)];
    for (hold, code, seconds) in cases {
        let mut world = guarded(|config| config.backends[0].redis.hold = hold.map(Duration::from_secs));
        freeze(&mut world);
        world.pass(SECOND);
        let id = world.open().unwrap();
        assert_eq!(world.snapshot.backends[0].live.queue.length.now(), 1, "qcur");
        assert_eq!(world.snapshot.process.held.now(), 1);
        world.pass(seconds * SECOND - 1);
        assert!(!world.connections[&id].is_over(), "{hold:?}");
        world.pass(1);
        assert_eq!(world.connections[&id].code(), *code, "{hold:?}");
        world.check_empty();
    }
}

#[test]
fn a_freeze_that_ends_in_a_switch_sends_the_held_to_the_new_master_in_order() {
    let mut world = guarded(|config| config.backends[0].redis.hold = None);
    let old = world.open_relaying();
    freeze(&mut world);
    let ids: Vec<u32> = (0..3).map(|_| world.open().unwrap()).collect();
    let failovers = &world.snapshot.backends[0].live.failovers;
    let number = failovers.begin(Failover::default());
    failovers.await_first_client();
    failovers.update(number, |record| record.ending = Ending::Switched);
    name_master(&mut world, 1);
    cut(&mut world, CutReason::Succeeded);
    world.freeze(0, None);
    world.deliver();
    assert!(ids.iter().all(|id| world.connections[id].server == Some(world.server(1).key)));
    world.pass(4);
    world.feed(ids[1], Event::Connected);
    let first: Option<Tick> = world.snapshot.backends[0].live.failovers.records()[0].first_client;
    assert_eq!(first, Some(world.now), "noted for the history");
    world.feed(old, Event::Eof(Side::Client));
    world.feed(old, Event::Quiet);
    assert_eq!(world.connections[&old].code(), "D-");
}

/// The guard moves the word, takes the freeze off and has the sessions cut, in this order; a reload between.
#[test]
fn nothing_gets_through_between_the_switch_and_the_cut() {
    let mut world = guarded(|_| {});
    let ids = [world.open_relaying(), world.open_relaying()];
    freeze(&mut world);
    world.send(ids[0], 7);
    name_master(&mut world, 1);
    world.server(0).thaw();
    world.load(model::config(2), Guarding::Master);
    assert_eq!(world.connections[&ids[0]].arrived, 0);
    cut(&mut world, CutReason::Succeeded);
    assert_eq!(last(&world, ids[0], 2)[0], Op::Discard(Side::Client));
}

#[test]
fn a_guard_that_a_reload_took_away_leaves_nobody_frozen() {
    let mut world = guarded(|_| {});
    let id = world.open_relaying();
    freeze(&mut world);
    world.load(model::config(2), Guarding::Master);
    assert_eq!(last(&world, id, 1), [Op::Pause(Side::Client)], "the freeze goes on");
    world.server(0).thaw();
    world.load(model::config(2), Guarding::None);
    assert_eq!(last(&world, id, 1), [Op::Resume(Side::Client)]);
}

/// The dead master's refusals make clients pause. From the freeze on they stand in line by their arrival, before those
/// that come after them; and so does whoever is refused only then.
#[test]
fn who_paused_before_the_freeze_is_served_before_those_who_came_after_it() {
    let mut world = guarded(|_| {});
    let paused = world.open().unwrap();
    let connecting = world.open().unwrap();
    world.refuse(paused);
    freeze(&mut world);
    world.feed(paused, Event::Reconsider);
    world.refuse(connecting);
    let late = world.open().unwrap();
    for id in [paused, connecting, late] {
        assert!(world.connections[&id].session().is_waiting(), "{id}");
    }
    let queue = &world.snapshot.backends[0].live.queue;
    let mut order = Vec::new();
    queue.serve(|waiter| {
        order.push(waiter.arrival);
        crate::state::Turn::Pass
    });
    assert!(order.len() == 3 && order.is_sorted(), "{order:?}");
}
