//! Whatever happens, in whatever order: no panic, no gauge or place in the queue left behind, nobody waits
//! while a server has room, nothing goes to a frozen server, nothing is lost at a thaw, and every session ends.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::assign::Pool;
use super::super::contract::{ConnectError, Event, Failure, Side};
use super::model::{Connection, Way, World, config};
use crate::config::Config;
use crate::config::model::{BackendId, Balance, Redispatch};
use crate::state::{Command, CutReason, Guarding, Operation};

#[derive(Debug, Clone)]
enum Action {
    Open,
    /// One event that the session of that number may get now.
    Tell(usize, u8),
    Deliver,
    Pass(u64),
    Operate(usize, Operation),
    Prove(usize, bool),
    Name(Option<usize>),
    Cut(usize, CutReason),
    Freeze(usize),
    Thaw(usize),
    /// A client sends so many bytes.
    Send(usize, u64),
    Reload(Shape),
}

/// What differs between the configs of a run.
#[derive(Debug, Clone)]
struct Shape {
    servers: usize,
    maxconn: u32,
    minconn: u32,
    maxqueue: u32,
    backup: bool,
    balance: Balance,
    redispatch: Redispatch,
    retries: u32,
    frontend_maxconn: u32,
    abortonclose: bool,
    guarding: Guarding,
}

impl Shape {
    fn config(&self) -> Config {
        let mut config = config(self.servers);
        config.frontends[0].maxconn = self.frontend_maxconn;
        let backend = &mut config.backends[0];
        for (at, server) in backend.servers.iter_mut().enumerate() {
            (server.maxconn, server.minconn, server.maxqueue) = (self.maxconn, self.minconn, self.maxqueue);
            server.backup = self.backup && at + 1 == self.servers;
        }
        backend.balance = self.balance;
        backend.redispatch = self.redispatch;
        backend.retries = self.retries;
        backend.abortonclose = self.abortonclose;
        backend.timeout_queue = Some(Duration::from_secs(2));
        config
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let balance = prop_oneof![
        Just(Balance::RoundRobin),
        Just(Balance::StaticRr),
        Just(Balance::LeastConn),
        Just(Balance::First),
        Just(Balance::Source(Default::default())),
        Just(Balance::Random(2)),
    ];
    let redispatch = prop_oneof![
        Just(Redispatch::Off),
        Just(Redispatch::LastRetry),
        Just(Redispatch::EveryNth(2)),
        Just(Redispatch::FromLast(5)),
    ];
    let guarding = prop_oneof![Just(Guarding::None), Just(Guarding::Replicas), Just(Guarding::Master)];
    let numbers = (1usize..4, 0u32..3, 0u32..3, 0u32..2, 0u32..4, 0u32..12);
    (numbers, balance, redispatch, guarding, any::<bool>(), any::<bool>()).prop_map(
        |(numbers, balance, redispatch, guarding, backup, abortonclose)| {
            let (servers, maxconn, minconn, maxqueue, retries, frontend_maxconn) = numbers;
            Shape {
                servers,
                maxconn,
                minconn,
                maxqueue,
                backup,
                balance,
                redispatch,
                retries,
                frontend_maxconn,
                abortonclose,
                guarding,
            }
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let operation = prop_oneof![
        Just(Operation::Stopped),
        Just(Operation::Running),
        Just(Operation::Running),
        Just(Operation::Stopping)
    ];
    let reason = prop_oneof![
        Just(CutReason::RoleChanged),
        Just(CutReason::Succeeded),
        Just(CutReason::MarkedDown),
        Just(CutReason::Admin)
    ];
    prop_oneof![
        4 => Just(Action::Open),
        12 => (0usize..12, any::<u8>()).prop_map(|(which, what)| Action::Tell(which, what)),
        3 => Just(Action::Deliver),
        3 => (0u64..3000).prop_map(Action::Pass),
        2 => (0usize..3, operation).prop_map(|(at, operation)| Action::Operate(at, operation)),
        2 => (0usize..3, any::<bool>()).prop_map(|(at, proven)| Action::Prove(at, proven)),
        2 => proptest::option::of(0usize..3).prop_map(Action::Name),
        1 => (0usize..3, reason).prop_map(|(at, reason)| Action::Cut(at, reason)),
        2 => (0usize..3).prop_map(Action::Freeze),
        2 => (0usize..3).prop_map(Action::Thaw),
        6 => (0usize..12, 1u64..100).prop_map(|(which, bytes)| Action::Send(which, bytes)),
        1 => shape().prop_map(Action::Reload),
    ]
}

/// An event that a driver could tell that session now.
fn possible(world: &World, id: u32, what: u8) -> Event {
    let connection = &world.connections[&id];
    let anytime = [
        Event::Failed(Side::Client, Failure::Reset),
        Event::Eof(Side::Client),
        Event::LeftUnserved,
        Event::Reconsider,
        Event::Timer,
        Event::Timer,
    ];
    let connecting =
        [Event::Connected, Event::Connected, Event::Connected, Event::ConnectFailed(ConnectError::Refused)];
    let relaying = [
        Event::Received(Side::Server, 5),
        Event::Blocked(Side::Client),
        Event::Flowing(Side::Client),
        Event::Blocked(Side::Server),
        Event::Flowing(Side::Server),
        Event::Eof(Side::Server),
        Event::Failed(Side::Server, Failure::Reset),
        Event::Quiet,
    ];
    let mut events = anytime.to_vec();
    if connection.way == Way::Paused {
        // Its FIN waits behind its bytes.
        events.retain(|event| !matches!(event, Event::Eof(Side::Client) | Event::LeftUnserved));
    }
    if connection.connecting {
        events.extend(connecting);
    }
    if connection.relaying {
        events.extend(relaying);
    }
    events[usize::from(what) % events.len()]
}

fn act(world: &mut World, action: Action) {
    match action {
        Action::Open => drop(world.open()),
        Action::Deliver => world.deliver(),
        Action::Pass(time) => world.pass(time),
        Action::Tell(which, what) => {
            let Some(id) = living(world, which) else { return };
            let event = possible(world, id, what);
            world.feed(id, event);
        }
        Action::Operate(at, operation) => {
            change(world, at, |world, at| world.server(at).set_operation(operation))
        }
        Action::Prove(at, proven) => change(world, at, |world, at| world.server(at).set_proven(proven)),
        Action::Name(at) => {
            let at = at.filter(|at| *at < world.snapshot.backends[0].servers.len());
            let key = at.map(|at| world.server(at).key);
            let live = &world.snapshot.backends[0].live;
            live.judged.store(true, Relaxed);
            live.set_masterless_since(key.is_none().then_some(world.now));
            live.master.store(key);
            changed(world);
        }
        Action::Cut(at, reason) => change(world, at, |world, at| {
            world.workers.post(0, Command::Cut(world.server(at).key, reason));
        }),
        Action::Freeze(at) => {
            let until = world.now + Duration::from_secs(3);
            if at < world.snapshot.backends[0].servers.len() && !world.server(at).is_frozen() {
                world.freeze(at, Some(until));
                changed(world);
            }
        }
        Action::Thaw(at) => thaw(world, at),
        Action::Send(which, bytes) => {
            let Some(id) = living(world, which) else { return };
            let connection = &world.connections[&id];
            if !connection.relaying || connection.session().eof == [false; 2] {
                world.send(id, bytes);
            }
        }
        Action::Reload(shape) => world.load(shape.config(), shape.guarding),
    }
}

/// One of those that are not over.
fn living(world: &World, which: usize) -> Option<u32> {
    let live = world.connections.iter().filter(|(_, connection)| !connection.is_over());
    let ids: Vec<u32> = live.map(|(id, _)| *id).collect();
    ids.get(which % ids.len().max(1)).copied()
}

fn thaw(world: &mut World, at: usize) {
    if at < world.snapshot.backends[0].servers.len() && world.server(at).is_frozen() {
        world.freeze(at, None);
        changed(world);
    }
}

/// Of a session that is neither frozen nor being cut, every byte has arrived.
fn nothing_is_lost(world: &World) {
    let through = |c: &&Connection| !c.is_over() && c.relaying && c.way == Way::Open;
    for connection in world.connections.values().filter(through) {
        assert_eq!(connection.arrived, connection.sent, "{:?}", connection.ops);
    }
}

fn change(world: &mut World, at: usize, change: impl FnOnce(&World, usize)) {
    if at < world.snapshot.backends[0].servers.len() {
        change(world, at);
        changed(world);
    }
}

/// As the guard and health do it: serve the line, then tell those who wait.
fn changed(world: &World) {
    super::super::assign::wake(&world.snapshot, BackendId(0), &world.workers);
    world.workers.broadcast(|| Command::Reconsider);
}

/// Nobody stands in line while a server would take him. Under `source` only his own server would.
fn nobody_waits_in_vain(world: &World) {
    let pool = Pool::of(&world.snapshot, BackendId(0)).unwrap();
    if pool.backend().balance == Balance::Source(Default::default()) {
        return;
    }
    assert!(pool.view().live.queue.length.now() == 0 || !pool.has_room(), "a lost place");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn sessions_end_and_leave_nothing(first in shape(), actions in vec(action(), 1..120)) {
        let mut world = World::new(first.config(), first.guarding);
        for action in actions {
            act(&mut world, action);
            for connection in world.connections.values().filter(|connection| !connection.is_over()) {
                let session = connection.session();
                prop_assert_eq!(session.server().is_some() && session.is_waiting(), false);
            }
            nobody_waits_in_vain(&world);
            nothing_is_lost(&world);
        }
        world.deliver();
        world.check();
        for at in 0..3 {
            thaw(&mut world, at);
        }
        world.deliver();
        nothing_is_lost(&world);
        // Without another event every session ends by its timers: the longest chain is a wait, all attempts
        // with their pauses, ten seconds of silence, and a cut.
        for _ in 0..40 {
            world.pass(1000);
            let connecting = world.connections.iter().filter(|(_, connection)| connection.connecting);
            let ids: Vec<u32> = connecting.map(|(id, _)| *id).collect();
            ids.into_iter().for_each(|id| drop(world.feed(id, Event::Connected)));
        }
        world.check_empty();
    }
}
