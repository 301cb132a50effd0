//! Limits and spreading.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rolecall::config::Config;
use rolecall::proxy::worker::EngineLoop;
use rolecall::sys::socket::reset_on_close;

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
    // Of those that were let in: a worker that finds no room may have reserved a place for a moment.
    assert_eq!(snapshot.backends[0].servers[0].traffic.sessions.max(), 1);
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

/// Clients come, wait for one of two places, and many go away at every possible moment, by FIN or by RST.
pub(crate) fn no_place_is_lost_to_clients_that_go_away(engine: EngineLoop) {
    // Some of those that are served are gone before the server hears of them: it takes any number.
    let listener = std::net::TcpListener::bind(super::harness::own_address()).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut block = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut block) {
                    if stream.write_all(&block[..count]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    let change = |config: &mut Config| config.backends[0].servers[0].maxconn = 2;
    let balancer = Balancer::start(engine, Wish { workers: 3, change, ..Wish::of(&[address]) });
    let goal = balancer.address;
    let threads: Vec<_> = (0..12)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut noise = super::harness::Noise::new(seed);
                for _ in 0..60 {
                    let mut client = super::harness::prepared(TcpStream::connect(goal).unwrap());
                    let patience = Duration::from_micros(noise.below(3000) as u64);
                    match noise.below(4) {
                        0 => reset_on_close(&client),
                        1 => {
                            let _ = client.write_all(b"ping");
                            std::thread::sleep(patience);
                            reset_on_close(&client);
                        }
                        2 => std::thread::sleep(patience),
                        _ => served(&mut client),
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    served(&mut balancer.connect());
    eventually("all sessions have ended", || balancer.sessions() == 0);
    let snapshot = balancer.published.load();
    let view = &snapshot.backends[0];
    let traffic = &view.servers[0].traffic;
    assert_eq!((traffic.sessions.now(), traffic.sessions.max()), (0, 2));
    assert!(view.live.queue.length.max() > 0, "nobody had to wait");
    eventually("no worker counts one", || balancer.loads() == [0, 0, 0]);
}
