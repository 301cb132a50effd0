//! FIN and RST: passed on, and only after the last byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rolecall::proxy::worker::EngineLoop;
use rolecall::state::{Command, CutReason};
use rolecall::sys::socket::{reset_on_close, unacknowledged};

use super::harness::{
    Balancer, DEADLINE, Fake, Wish, close_writing, eventually, expect_end, expect_reset, read_pattern,
    write_pattern,
};

const SIZES: [usize; 4] = [0, 1, 5_000, 3_000_000];

pub(crate) fn a_client_that_half_closes_gets_the_whole_answer(engine: EngineLoop) {
    for request in SIZES {
        for answer in SIZES {
            let server = Fake::start(1, move |mut stream| {
                read_pattern(&mut stream, 1, request, 100_000);
                expect_end(&mut stream);
                write_pattern(&mut stream, 2, answer, 100_000);
            });
            let balancer = Balancer::start(engine, Wish::of(&[server.address]));
            let mut client = balancer.connect();
            write_pattern(&mut client, 1, request, 100_000);
            close_writing(&client);
            read_pattern(&mut client, 2, answer, 100_000);
            expect_end(&mut client);
            server.join();
            eventually("the session has ended", || balancer.sessions() == 0);
        }
    }
}

pub(crate) fn a_server_that_half_closes_still_gets_the_rest(engine: EngineLoop) {
    for greeting in SIZES {
        for rest in SIZES {
            let server = Fake::start(1, move |mut stream| {
                write_pattern(&mut stream, 1, greeting, 100_000);
                close_writing(&stream);
                read_pattern(&mut stream, 2, rest, 100_000);
                expect_end(&mut stream);
            });
            let balancer = Balancer::start(engine, Wish::of(&[server.address]));
            let mut client = balancer.connect();
            read_pattern(&mut client, 1, greeting, 100_000);
            expect_end(&mut client);
            write_pattern(&mut client, 2, rest, 100_000);
            drop(client);
            server.join();
            eventually("the session has ended", || balancer.sessions() == 0);
        }
    }
}

pub(crate) fn sessions_without_a_byte_end(engine: EngineLoop) {
    let server = Fake::echo(50);
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    for _ in 0..50 {
        let mut client = balancer.connect();
        close_writing(&client);
        expect_end(&mut client);
    }
    server.join();
    eventually("all are logged", || balancer.records.lock().unwrap().len() == 50);
    eventually("all have ended", || balancer.sessions() == 0);
}

/// Resets once everything has reached the other machine, so that the kernel here throws nothing away.
fn reset_after_delivery(stream: TcpStream) {
    eventually("everything is acknowledged", || unacknowledged(&stream) == 0);
    reset_on_close(&stream);
}

pub(crate) fn a_servers_reset_follows_its_last_byte(engine: EngineLoop) {
    for answer in [0, 1, 400_000, 3_000_000] {
        let server = Fake::start(1, move |mut stream| {
            stream.read_exact(&mut [0; 2]).unwrap();
            write_pattern(&mut stream, 1, answer, 50_000);
            reset_after_delivery(stream);
        });
        let balancer = Balancer::start(engine, Wish::of(&[server.address]));
        let mut client = balancer.connect();
        client.write_all(b"go").unwrap();
        server_is_done_or_blocked();
        read_pattern(&mut client, 1, answer, 30_000);
        expect_reset(&mut client);
        server.join();
        eventually("the session has ended", || balancer.sessions() == 0);
    }
}

/// Lets the reset arrive before the client reads; without it the test is weaker, not wrong.
fn server_is_done_or_blocked() {
    std::thread::sleep(Duration::from_millis(50));
}

pub(crate) fn a_clients_reset_reaches_the_server(engine: EngineLoop) {
    let server = Fake::start(1, |mut stream| {
        read_pattern(&mut stream, 1, 1000, 1000);
        stream.write_all(b"x").unwrap();
        expect_reset(&mut stream);
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    write_pattern(&mut client, 1, 1000, 1000);
    client.read_exact(&mut [0; 1]).unwrap();
    reset_after_delivery(client);
    server.join();
    eventually("the session has ended", || balancer.sessions() == 0);
}

/// Writes on to who has gone, as a pipeline does that reads no answers, until a write fails.
fn write_until_refused(stream: &mut TcpStream) {
    let begun = Instant::now();
    while stream.write_all(&[b'x'; 1000]).is_ok() {
        assert!(begun.elapsed() < DEADLINE, "bytes for nobody are taken without end");
        // Message by message: the first of them has to be answered by the RST.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn ended_as(balancer: &Balancer, code: &str) {
    eventually("the session has ended", || balancer.sessions() == 0);
    let records = balancer.records.lock().unwrap();
    assert_eq!(records.iter().map(|record| record.termination.to_string()).collect::<Vec<_>>(), [code]);
}

pub(crate) fn a_client_that_is_gone_after_its_fin_ends_the_session(engine: EngineLoop) {
    let (gone, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let server = Fake::start(1, move |mut stream| {
        expect_end(&mut stream);
        told.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        write_until_refused(&mut stream);
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let client = balancer.connect();
    close_writing(&client);
    drop(client);
    gone.send(()).unwrap();
    server.join();
    ended_as(&balancer, "CD");
}

pub(crate) fn a_server_that_is_gone_after_its_fin_ends_the_session(engine: EngineLoop) {
    let server = Fake::start(1, |mut stream| stream.write_all(b"last words").unwrap());
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    let mut words = [0; 10];
    client.read_exact(&mut words).unwrap();
    assert_eq!(&words, b"last words");
    expect_end(&mut client);
    server.join();
    write_until_refused(&mut client);
    ended_as(&balancer, "SD");
}

/// Redis at its `maxclients`: an error line and a close that finds the request unread, which is an RST.
pub(crate) fn a_servers_last_words_before_a_reset_are_delivered(engine: EngineLoop) {
    const WORDS: &[u8] = b"-ERR max number of clients reached\r\n";
    for _ in 0..20 {
        let server = Fake::start(1, |mut stream| {
            stream.write_all(WORDS).unwrap();
            stream.peek(&mut [0; 1]).unwrap();
        });
        let balancer = Balancer::start(engine, Wish::of(&[server.address]));
        let mut client = balancer.connect();
        client.write_all(b"PING\r\n").unwrap();
        let mut words = vec![0; WORDS.len()];
        client.read_exact(&mut words).unwrap();
        assert_eq!(words, WORDS);
        server.join();
        // The session is gone even though the client goes on talking.
        let _ = client.write_all(b"PING\r\n");
        eventually("the session has ended", || balancer.sessions() == 0);
    }
}

pub(crate) fn a_cut_delivers_the_reply_in_flight_to_a_slow_reader(engine: EngineLoop) {
    const LENGTH: usize = 4_000_000;
    let (sent, all_sent) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Fake::start(1, move |mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        write_pattern(&mut stream, 1, LENGTH, 100_000);
        sent.send(()).unwrap();
        // Stays open, as a demoted Redis does.
        let _ = gate.lock().unwrap().recv_timeout(DEADLINE);
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    client.write_all(b"GET\n").unwrap();
    read_pattern(&mut client, 1, 1, 1);
    // Requests that are never read must not turn the close into an RST that loses the reply.
    client.write_all(&[b'x'; 1000]).unwrap();
    let key = balancer.server_key(0);
    balancer.workers.broadcast(|| Command::Cut(key, CutReason::Succeeded));
    let mut got = vec![0; LENGTH - 1];
    for piece in got.chunks_mut(50_000) {
        client.read_exact(piece).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(got == super::harness::pattern(1, 1..LENGTH));
    expect_end(&mut client);
    all_sent.recv_timeout(DEADLINE).unwrap();
    drop(client);
    eventually("the session has ended", || balancer.sessions() == 0);
    go.send(()).unwrap();
    server.join();
}

/// Takes a pattern a piece at a time, with pauses that add up to several seconds.
fn read_slowly(client: &mut TcpStream, length: usize) {
    let pieces = 40;
    let mut got = vec![0; length];
    for piece in got.chunks_mut(length / pieces) {
        client.read_exact(piece).unwrap();
        std::thread::sleep(Duration::from_millis(80));
    }
    assert!(got == super::harness::pattern(1, 0..length));
}

pub(crate) fn a_slow_reader_gets_everything_before_the_servers_reset(engine: EngineLoop) {
    const LENGTH: usize = 6_000_000;
    let server = Fake::start(1, |mut stream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        write_pattern(&mut stream, 1, LENGTH, 100_000);
        reset_after_delivery(stream);
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    client.write_all(b"go").unwrap();
    read_slowly(&mut client, LENGTH);
    expect_reset(&mut client);
    server.join();
    eventually("the session has ended", || balancer.sessions() == 0);
}

pub(crate) fn a_reader_that_stands_still_does_not_keep_a_dead_session(engine: EngineLoop) {
    let server = Fake::start(1, |mut stream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        write_pattern(&mut stream, 1, 300_000, 100_000);
        reset_after_delivery(stream);
    });
    let change = |config: &mut rolecall::config::Config| {
        config.frontends[0].timeout_client = Some(Duration::from_secs(3));
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[server.address]) });
    let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    client.connect(&balancer.address.into()).unwrap();
    client.send(b"go").unwrap();
    server.join();
    eventually("the session has ended", || balancer.sessions() == 0);
    drop(client);
}

pub(crate) fn a_cut_delivers_to_a_slow_reader_that_goes_on_asking(engine: EngineLoop) {
    const LENGTH: usize = 6_000_000;
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Fake::start(1, move |mut stream| {
        stream.read_exact(&mut [0; 4]).unwrap();
        write_pattern(&mut stream, 1, LENGTH, 100_000);
        let _ = gate.lock().unwrap().recv_timeout(DEADLINE);
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    client.write_all(b"GET\n").unwrap();
    client.peek(&mut [0; 1]).unwrap();
    let key = balancer.server_key(0);
    balancer.workers.broadcast(|| Command::Cut(key, CutReason::Succeeded));
    let mut asking = client.try_clone().unwrap();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let asker = std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_millis(20)).is_err() && asking.write_all(b"GET\n").is_ok() {}
    });
    read_slowly(&mut client, LENGTH);
    expect_end(&mut client);
    // All was in this side's kernel long before it was read: the other one may have closed, and ended the asking.
    let _ = done.send(());
    asker.join().unwrap();
    drop(client);
    go.send(()).unwrap();
    eventually("the session has ended", || balancer.sessions() == 0);
    server.join();
}
