use super::*;
use crate::proxy::session::model::World;
use crate::state::{Operation, admin};

fn world(servers: usize, change: impl FnOnce(&mut Config)) -> World {
    World::of(servers, change)
}

/// Takes seats until nobody gives one; the names in their order.
fn fill(world: &World, most: usize) -> (String, Vec<Seat>) {
    let pool = Pool::of(&world.snapshot, BackendId(0)).unwrap();
    let (mut names, mut seats) = (String::new(), Vec::new());
    while seats.len() < most {
        let Choice::Seat(seat) = pool.choose(Request::default()) else { break };
        names.push_str(&seat.server().name());
        seats.push(seat);
    }
    (names, seats)
}

#[test]
fn backups_serve_only_while_no_active_server_does() {
    let backups = |config: &mut Config| {
        config.backends[0].servers[1].backup = true;
        config.backends[0].servers[2].backup = true;
    };
    let one = world(3, backups);
    assert_eq!(fill(&one, 3).0, "s0s0s0");
    one.server(0).set_operation(Operation::Stopped);
    assert_eq!(fill(&one, 3).0, "s1s1s1");
    one.server(1).set_operation(Operation::Stopped);
    assert_eq!(fill(&one, 2).0, "s2s2");
    let all = world(3, |config| {
        backups(config);
        config.backends[0].allbackups = true;
    });
    all.server(0).set_operation(Operation::Stopped);
    assert_eq!(fill(&all, 4).0, "s1s2s1s2");
}

#[test]
fn who_is_out_gets_nobody() {
    let world = world(4, |_| {});
    world.server(0).set_admin(admin::FORCED_DRAIN);
    world.server(1).set_weight(0);
    world.server(2).set_operation(Operation::Stopping);
    assert_eq!(fill(&world, 2).0, "s3s3");
    world.server(3).set_admin(admin::FORCED_MAINT);
    let pool = Pool::of(&world.snapshot, BackendId(0)).unwrap();
    assert!(matches!(pool.choose(Request::default()), Choice::Nobody));
}

/// max(minconn, load * maxconn / fullconn), where the load is that of the backend.
#[test]
fn minconn_grows_to_maxconn_with_the_load() {
    let world = world(1, |config| {
        let server = &mut config.backends[0].servers[0];
        (server.minconn, server.maxconn) = (2, 10);
        config.backends[0].fullconn = Some(20);
    });
    let pool = Pool::of(&world.snapshot, BackendId(0)).unwrap();
    for (load, limit) in [(0, 2), (4, 2), (10, 5), (19, 9), (20, 10), (25, 10)] {
        let sessions = &world.snapshot.backends[0].live.traffic.sessions;
        (0..load).for_each(|_| {
            sessions.enter();
        });
        assert_eq!(pool.limit(0), limit, "at {load}");
        (0..load).for_each(|_| sessions.leave());
    }
}

/// HAProxy 2.6.12 lets one client of six to a server with `minconn 1 maxconn 4` under a process's `maxconn 2000`.
#[test]
fn without_fullconn_the_load_is_held_against_what_may_come() {
    let world = world(1, |config| {
        let server = &mut config.backends[0].servers[0];
        (server.minconn, server.maxconn) = (1, 4);
        config.global.maxconn = Some(2000);
        config.frontends[0].maxconn = 0;
    });
    let pool = Pool::of(&world.snapshot, BackendId(0)).unwrap();
    let sessions = &world.snapshot.backends[0].live.traffic.sessions;
    for (load, limit) in [(6, 1), (100, 2), (199, 3), (200, 4)] {
        while sessions.now() < load {
            sessions.enter();
        }
        assert_eq!(pool.limit(0), limit, "at {load}");
    }
}

#[test]
fn a_hash_waits_for_its_server_and_no_longer_than_maxqueue() {
    let world = world(2, |config| {
        config.backends[0].balance = Balance::Source(Default::default());
        config.backends[0].servers.iter_mut().for_each(|server| (server.maxconn, server.maxqueue) = (1, 1));
    });
    let pool = Pool::of(&world.snapshot, BackendId(0)).unwrap();
    let client = Some([127, 0, 0, 1].into());
    let Choice::Seat(seat) = pool.choose(Request { client, ..Request::default() }) else { panic!("no seat") };
    let Choice::Wait(Some(pinned)) = pool.choose(Request { client, ..Request::default() }) else {
        panic!("no line")
    };
    assert_eq!(pinned.key, seat.server().key);
    let token = crate::state::SessionToken { worker: 0, slot: 0, turn: 0 };
    let _ticket =
        pool.view().live.queue.push(Waiter { token, arrival: 0, client, key: None, pinned: Some(pinned) });
    assert!(matches!(pool.choose(Request { client, ..Request::default() }), Choice::QueueFull(_)));
    assert_eq!(seat.server().queued.now(), 1);
}

/// Of weight and of maxconn, which is never nothing.
#[test]
fn a_starting_server_takes_its_share() {
    let shares = [(1, 1, 1), (25, 4, 2), (50, 8, 5), (100, 16, 10)];
    for (share, of_sixteen, limit) in shares {
        let world = world(2, |config| config.backends[0].servers[1].maxconn = 10);
        world.server(1).set_operation(Operation::Starting);
        world.server(1).set_throttle(share);
        assert_eq!(Pool::of(&world.snapshot, BackendId(0)).unwrap().limit(1), limit);
        let world = World::of(2, |_| {});
        world.server(1).set_operation(Operation::Starting);
        world.server(1).set_throttle(share);
        let (names, _seats) = fill(&world, 16 + of_sixteen);
        assert_eq!(names.matches("s1").count(), of_sixteen, "{names}");
    }
}

/// Workers open and close sessions from many threads; in the end nobody is seated and nobody stands in line.
#[test]
fn threads_share_the_places() {
    let world =
        world(2, |config| config.backends[0].servers.iter_mut().for_each(|server| server.maxconn = 2));
    let (snapshot, workers) = (&world.snapshot, &world.workers);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let granted = std::sync::Mutex::new(std::collections::HashMap::new());
    let collect = || {
        let mut commands = Vec::new();
        let mut granted = granted.lock().unwrap();
        workers.mailbox(0).take(&mut commands);
        for command in commands {
            if let Command::Granted(token, server) = command {
                granted.insert(token.slot, server);
            }
        }
    };
    let one = |slot: u32| {
        let pool = Pool::of(snapshot, BackendId(0)).unwrap();
        for _ in 0..500 {
            let seat = match pool.choose(Request::default()) {
                Choice::Seat(seat) => seat,
                _ => {
                    let token = crate::state::SessionToken { worker: 0, slot, turn: 0 };
                    let _ticket = pool.view().live.queue.push(Waiter {
                        token,
                        arrival: 0,
                        client: None,
                        key: None,
                        pinned: None,
                    });
                    wake(snapshot, BackendId(0), workers);
                    loop {
                        collect();
                        if let Some(server) = granted.lock().unwrap().remove(&slot) {
                            let at = pool.view().position(server).unwrap();
                            break Seat::granted(&pool.view().servers[at]);
                        }
                        assert!(std::time::Instant::now() < deadline, "a place was lost");
                        std::thread::yield_now();
                    }
                }
            };
            assert!(seat.server().traffic.sessions.now() <= 2);
            drop(seat);
            wake(snapshot, BackendId(0), workers);
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|slot| drop(scope.spawn(move || one(slot)))));
    for server in &snapshot.backends[0].servers {
        assert_eq!(server.traffic.sessions.now(), 0);
        assert!(server.traffic.sessions.max() <= 2);
    }
    assert!(!snapshot.backends[0].live.queue.anyone());
}
