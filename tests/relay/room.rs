//! Limits and spreading.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rolecall::config::Config;
use rolecall::proxy::worker::EngineLoop;

use super::harness::{Balancer, Fake, Wish, eventually};

fn served(client: &mut TcpStream) {
    client.write_all(b"ping").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
}

pub(crate) fn few_connections_are_spread_evenly(engine: EngineLoop) {
    let server = Fake::echo(6);
    let balancer = Balancer::start(engine, Wish { workers: 3, ..Wish::of(&[server.address]) });
    let mut clients: Vec<_> = (0..6).map(|_| balancer.connect()).collect();
    clients.iter_mut().for_each(served);
    assert_eq!(balancer.loads(), [2, 2, 2]);
    drop(clients);
    server.join();
    eventually("all sessions have ended", || balancer.loads() == [0, 0, 0]);
}

/// With one place, each client waits for the one before it; any wake-up that is lost stops the test.
fn one_by_one(engine: EngineLoop, change: fn(&mut Config)) {
    const CLIENTS: usize = 100;
    let server = Fake::echo(CLIENTS);
    let balancer = Balancer::start(engine, Wish { workers: 3, change, ..Wish::of(&[server.address]) });
    let address = balancer.address;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..CLIENTS / 4 {
                    served(&mut super::harness::prepared(TcpStream::connect(address).unwrap()));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
    let snapshot = balancer.published.load();
    assert_eq!(snapshot.process.connections.max(), 1);
    assert_eq!(snapshot.process.total.sum(), CLIENTS as u64);
}

pub(crate) fn the_frontends_maxconn_makes_the_next_one_wait(engine: EngineLoop) {
    one_by_one(engine, |config| config.frontends[0].maxconn = 1);
}

pub(crate) fn the_binds_maxconn_makes_the_next_one_wait(engine: EngineLoop) {
    one_by_one(engine, |config| config.frontends[0].binds[0].maxconn = Some(1));
}

pub(crate) fn the_processs_maxconn_loses_no_wake_up(engine: EngineLoop) {
    one_by_one(engine, |config| config.global.maxconn = Some(1));
}

pub(crate) fn a_rate_limit_delays_but_serves(engine: EngineLoop) {
    let server = Fake::echo(15);
    let change = |config: &mut Config| config.frontends[0].rate_limit_sessions = Some(10);
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[server.address]) });
    let begun = Instant::now();
    for _ in 0..15 {
        served(&mut balancer.connect());
    }
    assert!(begun.elapsed() > Duration::from_millis(200), "{:?}", begun.elapsed());
    server.join();
}
