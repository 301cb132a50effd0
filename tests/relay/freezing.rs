//! A server that is frozen for a while: nothing more goes to it, everything else goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rolecall::config::Config;
use rolecall::proxy::worker::EngineLoop;
use rolecall::state::{Command, CutReason};
use rolecall::sys::socket::reset_on_close;
use rolecall::time::Tick;

use super::harness::{
    Balancer, DEADLINE, Fake, Noise, Wish, close_writing, eventually, expect_end, expect_reset, pattern,
    read_pattern, write_pattern,
};

/// What a guard does.
fn freeze(balancer: &Balancer) {
    let snapshot = balancer.published.load();
    let view = &snapshot.backends[0];
    view.live.set_frozen_until(Some(Tick::now() + DEADLINE));
    view.servers[0].freeze();
    let key = view.servers[0].key;
    balancer.workers.broadcast(|| Command::Freeze(key));
}

fn withhold(balancer: &Balancer) {
    let key = balancer.server_key(0);
    balancer.workers.broadcast(|| Command::Withhold(key));
}

fn thaw(balancer: &Balancer) {
    let snapshot = balancer.published.load();
    let view = &snapshot.backends[0];
    view.servers[0].thaw();
    view.live.set_frozen_until(None);
    let key = view.servers[0].key;
    balancer.workers.broadcast(|| Command::Thaw(key));
    balancer.workers.broadcast(|| Command::Reconsider);
}

fn cut(balancer: &Balancer) {
    let key = balancer.server_key(0);
    balancer.workers.broadcast(|| Command::Cut(key, CutReason::Succeeded));
}

pub(crate) fn bytes_both_ways_are_exact_however_often_it_freezes(engine: EngineLoop) {
    const LENGTH: usize = 8_000_000;
    const SESSIONS: usize = 4;
    let server = Fake::start(SESSIONS, |mut stream| {
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || write_pattern(&mut writing, 2, LENGTH, 60_000));
        read_pattern(&mut stream, 1, LENGTH, 60_000);
        expect_end(&mut stream);
        writer.join().unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let clients: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let mut stream = balancer.connect();
            // A freeze while it connects would make it connect again, and the server counts its clients.
            stream.peek(&mut [0]).unwrap();
            std::thread::spawn(move || {
                let mut writing = stream.try_clone().unwrap();
                let writer = std::thread::spawn(move || {
                    write_pattern(&mut writing, 1, LENGTH, 60_000);
                    close_writing(&writing);
                });
                read_pattern(&mut stream, 2, LENGTH, 60_000);
                writer.join().unwrap();
                stream
            })
        })
        .collect();
    let mut noise = Noise::new(7);
    while clients.iter().any(|client| !client.is_finished()) {
        std::thread::sleep(Duration::from_micros(noise.below(4000) as u64));
        freeze(&balancer);
        std::thread::sleep(Duration::from_micros(noise.below(4000) as u64));
        if noise.below(2) == 0 {
            withhold(&balancer);
            std::thread::sleep(Duration::from_micros(noise.below(4000) as u64));
        }
        thaw(&balancer);
    }
    for client in clients {
        expect_end(&mut client.join().unwrap());
    }
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
}

pub(crate) fn nothing_reaches_a_frozen_server_and_its_answers_come(engine: EngineLoop) {
    const LENGTH: usize = 3_000_000;
    let got = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&got);
    let server = Fake::start(1, move |mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        write_pattern(&mut stream, 1, LENGTH, 50_000);
        let mut rest = [0; 6];
        stream.read_exact(&mut rest).unwrap();
        counter.fetch_add(6, Ordering::SeqCst);
        assert_eq!(&rest, b"SET\r\n\n");
        stream.write_all(b"+OK\r\n").unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    client.write_all(b"GET\n").unwrap();
    client.peek(&mut [0; 1]).unwrap();
    freeze(&balancer);
    balancer.obeyed();
    client.write_all(b"SET\r\n\n").unwrap();
    read_pattern(&mut client, 1, LENGTH, 100_000);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(got.load(Ordering::SeqCst), 0);
    thaw(&balancer);
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
    drop(client);
    server.join();
}

/// Reads until nothing has come for a while: how much, every byte of it right.
fn read_to_standstill(stream: &mut TcpStream, seed: u64) -> usize {
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut block, mut got) = (vec![0; 1 << 16], 0);
    while let Ok(count) = stream.read(&mut block) {
        assert!(count > 0 && block[..count] == pattern(seed, got..got + count), "wrong at {got}");
        got += count;
    }
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    got
}

/// A client that has got something, and whose replies are held back from now on.
fn held_back(engine: EngineLoop, server: &Fake) -> (Balancer, TcpStream) {
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let client = balancer.connect();
    client.peek(&mut [0; 1]).unwrap();
    freeze(&balancer);
    withhold(&balancer);
    balancer.obeyed();
    (balancer, client)
}

pub(crate) fn replies_that_are_held_back_come_at_the_thaw(engine: EngineLoop) {
    const LENGTH: usize = 48 * 1024 * 1024;
    let server = Fake::start(1, |mut stream| write_pattern(&mut stream, 3, LENGTH, 60_000));
    let (balancer, mut client) = held_back(engine, &server);
    let got = read_to_standstill(&mut client, 3);
    assert!(got < LENGTH, "all came, though replies are held back");
    thaw(&balancer);
    let mut rest = vec![0; LENGTH - got];
    client.read_exact(&mut rest).unwrap();
    assert!(rest == pattern(3, got..LENGTH), "wrong after {got}");
    expect_end(&mut client);
    server.join();
}

pub(crate) fn replies_that_are_held_back_are_thrown_away_by_a_cut(engine: EngineLoop) {
    const LENGTH: usize = 48 * 1024 * 1024;
    let server = Fake::start(1, |mut stream| {
        let block = pattern(3, 0..LENGTH);
        assert!(stream.write_all(&block).is_err(), "rolecall goes on reading");
    });
    let (balancer, mut client) = held_back(engine, &server);
    client.write_all(b"SET a 1\r\n").unwrap();
    cut(&balancer);
    let (mut block, mut got) = (vec![0; 1 << 16], 0);
    loop {
        let count = client.read(&mut block).expect("a FIN, not an error");
        if count == 0 {
            break;
        }
        assert!(block[..count] == pattern(3, got..got + count), "wrong at {got}");
        got += count;
    }
    assert!(got < LENGTH, "all came");
    eventually("all sessions have ended", || balancer.sessions() == 0);
    server.join();
    let records = balancer.records.lock().unwrap();
    assert_eq!(records[0].termination.to_string(), "D-");
}

/// A server that does not read: what it could not take before the freeze does not reach it during the freeze,
/// beyond what the kernel had taken over.
pub(crate) fn what_waits_for_the_server_stays_here_and_goes_out_at_the_thaw(engine: EngineLoop) {
    const LENGTH: usize = 48 * 1024 * 1024;
    let got = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&got);
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Fake::start(1, move |mut stream| {
        gate.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        let mut block = vec![0; 1 << 20];
        let mut at = 0;
        while at < LENGTH {
            let count = stream.read(&mut block).unwrap();
            assert!(count > 0 && block[..count] == pattern(9, at..at + count), "wrong at {at}");
            at += count;
            counter.store(at, Ordering::SeqCst);
        }
        expect_end(&mut stream);
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let client = balancer.connect();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let mut writing = client.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        for at in (0..LENGTH).step_by(65536) {
            writing.write_all(&pattern(9, at..at + 65536)).unwrap();
            count.store(at + 65536, Ordering::SeqCst);
        }
        close_writing(&writing);
    });
    standstill(&sent);
    freeze(&balancer);
    balancer.obeyed();
    go.send(()).unwrap();
    standstill(&got);
    let frozen = got.load(Ordering::SeqCst);
    assert!(frozen < sent.load(Ordering::SeqCst), "{frozen} arrived");
    thaw(&balancer);
    writer.join().unwrap();
    server.join();
    drop(client);
    eventually("the session has ended", || balancer.sessions() == 0);
}

/// Until a number has grown, and then not for a while.
fn standstill(number: &AtomicUsize) {
    let (begun, mut last, mut since) = (Instant::now(), usize::MAX, Instant::now());
    while since.elapsed() < Duration::from_millis(300) {
        assert!(begun.elapsed() < DEADLINE, "no standstill");
        let now = number.load(Ordering::SeqCst);
        if now != last || now == 0 {
            (last, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn a_client_that_resets_while_frozen_is_noticed(engine: EngineLoop) {
    for pending in [&b""[..], b"SET a 1\r\n"] {
        let server = Fake::start(1, |mut stream| {
            stream.read_exact(&mut [0; 1]).unwrap();
            stream.write_all(b"x").unwrap();
            expect_reset(&mut stream);
        });
        let balancer = Balancer::start(engine, Wish::of(&[server.address]));
        let mut client = balancer.connect();
        client.write_all(b"1").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        freeze(&balancer);
        balancer.obeyed();
        client.write_all(pending).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        reset_on_close(&client);
        drop(client);
        eventually("the session has ended", || balancer.sessions() == 0);
        server.join();
        assert_eq!(balancer.records.lock().unwrap()[0].termination.to_string(), "CD");
    }
}

pub(crate) fn a_client_that_closes_while_frozen_is_heard_at_the_thaw(engine: EngineLoop) {
    let server = Fake::start(1, |mut stream| {
        stream.write_all(b"x").unwrap();
        read_pattern(&mut stream, 3, 100, 100);
        expect_end(&mut stream);
        stream.write_all(b"bye").unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    client.read_exact(&mut [0; 1]).unwrap();
    freeze(&balancer);
    balancer.obeyed();
    write_pattern(&mut client, 3, 100, 100);
    close_writing(&client);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(balancer.sessions(), 1);
    thaw(&balancer);
    let mut bye = [0; 3];
    client.read_exact(&mut bye).unwrap();
    assert_eq!(&bye, b"bye");
    expect_end(&mut client);
    server.join();
    eventually("the session has ended", || balancer.sessions() == 0);
}

pub(crate) fn a_server_that_closes_while_frozen_ends_the_session(engine: EngineLoop) {
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Fake::start(1, move |mut stream| {
        stream.write_all(b"x").unwrap();
        gate.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        stream.write_all(b"last").unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    client.read_exact(&mut [0; 1]).unwrap();
    freeze(&balancer);
    balancer.obeyed();
    client.write_all(b"SET a 1\r\n").unwrap();
    go.send(()).unwrap();
    let mut last = [0; 4];
    client.read_exact(&mut last).unwrap();
    expect_end(&mut client);
    server.join();
    drop(client);
    eventually("the session has ended without a thaw", || balancer.sessions() == 0);
}

/// Half a reply is on its way to each of a thousand frozen clients, each of which has sent more; then the
/// server loses its role.
pub(crate) fn a_thousand_frozen_sessions_are_cut(engine: EngineLoop) {
    const SESSIONS: usize = 1000;
    const LENGTH: usize = 20_000;
    let server = Fake::start(SESSIONS, |mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        write_pattern(&mut stream, 1, LENGTH, LENGTH);
        // Nothing that came after the freeze arrives; rolecall closes.
        let mut more = [0; 1];
        assert!(!matches!(stream.read(&mut more), Ok(1)), "a byte for a frozen server");
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut clients: Vec<TcpStream> = (0..SESSIONS).map(|_| balancer.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET\n").unwrap();
        client.peek(&mut [0; 1]).unwrap();
    }
    freeze(&balancer);
    balancer.obeyed();
    for client in &mut clients {
        client.write_all(b"SET a 1\r\n").unwrap();
    }
    cut(&balancer);
    for client in &mut clients {
        read_pattern(client, 1, LENGTH, LENGTH);
        expect_end(client);
    }
    // They need not close: what they send is read for a second more, and then the connection is closed.
    eventually("all sessions have ended", || balancer.sessions() == 0);
    server.join();
    let codes = balancer.records.lock().unwrap();
    assert!(codes.iter().all(|record| record.termination.to_string() == "D-"));
}

pub(crate) fn timers_stand_still_while_frozen(engine: EngineLoop) {
    let change = |config: &mut Config| {
        config.frontends[0].timeout_client = Some(Duration::from_secs(3));
        config.backends[0].timeout_server = Some(Duration::from_secs(3));
    };
    let server = Fake::echo(1);
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[server.address]) });
    let mut client = balancer.connect();
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    freeze(&balancer);
    std::thread::sleep(Duration::from_millis(4000));
    assert_eq!(balancer.sessions(), 1);
    thaw(&balancer);
    client.write_all(b"y").unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    eventually("the timers run again", || balancer.sessions() == 0);
    server.join();
}
