//! Descriptors of the whole process: none is left behind, and running out of them ends nothing. One test, as
//! nothing else may open any meanwhile.
#![allow(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

#[allow(dead_code, reason = "the relay tests use the rest of it")]
#[path = "relay/harness.rs"]
mod harness;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use std::fs::File;
use std::os::fd::AsRawFd;

use harness::{Balancer, Fake, Wish, closed_port, eventually, expect_end};
use rolecall::proxy::driver::{epoll, uring};
use rolecall::proxy::worker::EngineLoop;
use rolecall::sys::limits;
use rolecall::sys::socket::reset_on_close;
use socket2::{Domain, SockRef, Socket, Type};

fn open_now() -> Vec<usize> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn none_is_left_behind_and_running_out_of_them_ends_nothing() {
    // Whatever the harness opens once for all.
    drop(Balancer::start(epoll::run, Wish::of(&[])));
    let before = open_now().len();
    for engine in [epoll::run as EngineLoop, uring::run] {
        sessions_of_every_kind(engine);
        assert_eq!(open_now().len(), before);
        out_of_descriptors(engine);
        assert_eq!(open_now().len(), before);
    }
}

fn sessions_of_every_kind(engine: EngineLoop) {
    let server = Fake::echo(150);
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    for round in 0..150 {
        let mut client = balancer.connect();
        client.write_all(b"ping").unwrap();
        client.read_exact(&mut [0; 4]).unwrap();
        match round % 3 {
            0 => {
                harness::close_writing(&client);
                expect_end(&mut client);
            }
            1 => reset_on_close(&client),
            _ => {}
        }
    }
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
    drop(balancer);
    let balancer = Balancer::start(engine, Wish::of(&[closed_port()]));
    for _ in 0..50 {
        let _ = balancer.connect().read(&mut [0; 1]);
    }
}

/// Opens files until no number below the last one is free.
fn fill_gaps() -> Vec<File> {
    let highest = open_now().into_iter().max().unwrap();
    let mut files = vec![File::open("/dev/null").unwrap()];
    while (files.last().unwrap().as_raw_fd() as usize) <= highest {
        files.push(File::open("/dev/null").unwrap());
    }
    files
}

fn out_of_descriptors(engine: EngineLoop) {
    const CLIENTS: usize = 20;
    let server = Fake::echo(CLIENTS);
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let clients: Vec<Socket> =
        (0..CLIENTS).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let limit = limits::descriptors().unwrap();
    let filling = fill_gaps();
    limits::set_descriptors(filling.last().unwrap().as_raw_fd() as u64 + 1).unwrap();
    for client in &clients {
        client.connect(&balancer.address.into()).unwrap();
    }
    let failures = || balancer.published.load().process.accept_failures.sum();
    eventually("accepts fail", || failures() > 0);
    let (early, begun) = (failures(), Instant::now());
    std::thread::sleep(Duration::from_millis(500));
    eventually("accepts are tried again", || failures() >= early + 2);
    let tries = failures() - early;
    // However long that took.
    let halves = begun.elapsed().as_millis() as u64 / 500;
    assert!(tries <= 14 * halves, "{tries} tries by two workers in {halves} half seconds");

    limits::set_descriptors(limit.soft).unwrap();
    drop(filling);
    for client in &clients {
        SockRef::from(client).set_read_timeout(Some(harness::DEADLINE)).unwrap();
        (&*client).write_all(b"ping").unwrap();
        (&*client).read_exact(&mut [0; 4]).unwrap();
    }
    drop(clients);
    server.join();
}
