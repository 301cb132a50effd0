//! Every way to end at every point, readers and buffers that are far too small, cuts at any time; byte-exact.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolecall::proxy::worker::EngineLoop;
use rolecall::state::{Command, CutReason};
use rolecall::sys::socket::{reset_on_close, unacknowledged};
use socket2::SockRef;

use super::harness::{
    Balancer, Fake, Noise, Wish, close_writing, eventually, expect_end, expect_reset, pattern, prepared,
    read_pattern, wished, write_pattern,
};

/// Where a stream is cut: at nothing, at a byte, around the sizes of buffers, and far behind them.
const POINTS: [usize; 9] = [0, 1, 699, 701, 4_096, 65_535, 65_537, 200_000, 1_500_000];

/// How a side ends what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Fin,
    Reset,
}

fn end(stream: TcpStream, ending: Ending) {
    if ending == Ending::Reset {
        // What the kernel here still holds would be thrown away.
        eventually("everything is acknowledged", || unacknowledged(&stream) == 0);
        reset_on_close(&stream);
    }
}

/// A server sends that many bytes and ends; the client gets each of them, and then the same end.
pub(crate) fn a_server_may_end_at_any_point(engine: EngineLoop) {
    for ending in [Ending::Fin, Ending::Reset] {
        for point in POINTS {
            let server = Fake::start(1, move |mut stream| {
                stream.read_exact(&mut [0; 2]).unwrap();
                write_pattern(&mut stream, 1, point, 70_000);
                end(stream, ending);
            });
            let balancer = Balancer::start(engine, Wish::of(&[server.address]));
            let mut client = balancer.connect();
            client.write_all(b"go").unwrap();
            read_pattern(&mut client, 1, point, 70_000);
            match ending {
                Ending::Fin => expect_end(&mut client),
                Ending::Reset => expect_reset(&mut client),
            }
            drop(client);
            server.join();
            eventually("the session has ended", || balancer.sessions() == 0);
        }
    }
}

/// The same the other way, while the server is sending too.
pub(crate) fn a_client_may_end_at_any_point(engine: EngineLoop) {
    for ending in [Ending::Fin, Ending::Reset] {
        for point in POINTS {
            let server = Fake::start(1, move |mut stream| {
                write_pattern(&mut stream, 2, 1000, 100);
                match ending {
                    Ending::Fin => {
                        read_pattern(&mut stream, 1, point, 70_000);
                        expect_end(&mut stream);
                    }
                    Ending::Reset => read_until_reset(&mut stream, 1, point),
                }
            });
            let balancer = Balancer::start(engine, Wish::of(&[server.address]));
            let mut client = balancer.connect();
            read_pattern(&mut client, 2, 1000, 1000);
            write_pattern(&mut client, 1, point, 70_000);
            end(client, ending);
            server.join();
            eventually("the session has ended", || balancer.sessions() == 0);
        }
    }
}

/// A client that resets wants nothing any more: what it sent before may be thrown away on its way, by every
/// kernel that it passes. What does arrive is right.
fn read_until_reset(stream: &mut TcpStream, seed: u64, most: usize) {
    let (mut got, mut block) = (0, vec![0; 70_000]);
    loop {
        match stream.read(&mut block) {
            Ok(count) => {
                assert!(count > 0, "a FIN after {got} bytes");
                assert!(
                    block[..count] == pattern(seed, got..got + count),
                    "a wrong byte in the piece at {got}"
                );
                got += count;
                assert!(got <= most, "{got} bytes of {most}");
            }
            Err(error) => return assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

/// Reads with pauses, in small pieces.
fn read_haltingly(stream: &mut TcpStream, seed: u64, length: usize) {
    let (mut noise, mut got) = (Noise::new(seed ^ 9), 0);
    let mut block = vec![0; 60_000];
    while got < length {
        let size = (1 + noise.below(block.len())).min(length - got);
        let count = stream.read(&mut block[..size]).unwrap();
        assert!(count > 0, "the stream ended after {got} of {length} bytes");
        assert!(block[..count] == pattern(seed, got..got + count), "a wrong byte in the piece at {got}");
        got += count;
        if noise.below(4) == 0 {
            std::thread::sleep(Duration::from_micros(noise.below(3000) as u64));
        }
    }
}

/// Both ends read slowly, and every socket's buffers are as small as the kernel makes them: nearly every send
/// comes short, in both directions at once.
pub(crate) fn short_sends_both_ways_lose_nothing(engine: EngineLoop) {
    const LENGTH: usize = 60_000;
    const SESSIONS: usize = 6;
    let tighten = |stream: &TcpStream| {
        SockRef::from(stream).set_recv_buffer_size(2048).unwrap();
        SockRef::from(stream).set_send_buffer_size(2048).unwrap();
    };
    let talk = move |mut stream: TcpStream, out: u64, back: u64| {
        tighten(&stream);
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            write_pattern(&mut writing, out, LENGTH, 30_000);
            close_writing(&writing);
        });
        read_haltingly(&mut stream, back, LENGTH);
        expect_end(&mut stream);
        writer.join().unwrap();
    };
    let server = Fake::start(SESSIONS, move |stream| talk(stream, 2, 1));
    let balancer = Balancer::start_tight(engine, Wish { workers: 1, ..Wish::of(&[server.address]) });
    let clients: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let stream = balancer.connect();
            std::thread::spawn(move || talk(stream, 1, 2))
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
}

/// Clients that stand still with all their buffers full must not keep the others from talking.
pub(crate) fn readers_that_stand_still_starve_nobody(engine: EngineLoop) {
    const STUCK: usize = 40;
    let server = Fake::start(STUCK + 1, |mut stream| {
        let mut word = [0; 4];
        while stream.read_exact(&mut word).is_ok() {
            let answer: &[u8] = if &word == b"bulk" { &[b'x'; 4_000_000] } else { b"pong" };
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    });
    let balancer = Balancer::start_tight(engine, Wish { workers: 1, ..Wish::of(&[server.address]) });
    let mut stuck: Vec<_> = (0..STUCK)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_recv_buffer_size(2048).unwrap();
            socket.connect(&balancer.address.into()).unwrap();
            let mut stream = prepared(socket.into());
            stream.write_all(b"bulk").unwrap();
            stream
        })
        .collect();
    let mut lively = balancer.connect();
    for _ in 0..2000 {
        lively.write_all(b"ping").unwrap();
        lively.read_exact(&mut [0; 4]).unwrap();
    }
    // Those who stood still get everything after all.
    let mut all = vec![0; 4_000_000];
    stuck[0].read_exact(&mut all).unwrap();
    drop((stuck, lively));
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
}

/// Servers that send without end to clients that read it all must not keep the others from talking.
pub(crate) fn those_who_send_without_end_starve_nobody(engine: EngineLoop) {
    const FLOODS: usize = 4;
    let server = Fake::any(|mut stream| {
        let mut word = [0; 4];
        while stream.read_exact(&mut word).is_ok() {
            let answer: &[u8] = if &word == b"more" { &[b'x'; 100_000] } else { b"pong" };
            while stream.write_all(answer).is_ok() && &word == b"more" {}
        }
    });
    let balancer = Balancer::start(engine, Wish { workers: 1, ..Wish::of(&[server]) });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..FLOODS {
            let mut client = balancer.connect();
            let over = &over;
            scope.spawn(move || {
                client.write_all(b"more").unwrap();
                let mut block = vec![0; 100_000];
                while !over.load(Ordering::Relaxed) {
                    client.read_exact(&mut block).unwrap();
                }
                reset_on_close(&client);
            });
        }
        let mut lively = balancer.connect();
        for _ in 0..100 {
            lively.write_all(b"ping").unwrap();
            lively.read_exact(&mut [0; 4]).unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    eventually("all sessions have ended", || balancer.sessions() == 0);
}

/// Cuts of every kind, freezes and thaws at any moment of busy sessions: what a client has got is always a prefix.
pub(crate) fn cuts_at_any_time_leave_a_prefix(engine: EngineLoop) {
    let server = Fake::any(|mut stream| {
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            for at in 0.. {
                if writing.write_all(&pattern(3, at * 10_000..(at + 1) * 10_000)).is_err() {
                    return;
                }
            }
        });
        let mut block = [0; 5000];
        while stream.read(&mut block).is_ok_and(|count| count > 0) {}
        drop(stream);
        writer.join().unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server]));
    let goal = balancer.address;
    let over = std::sync::Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|seed| {
            let over = std::sync::Arc::clone(&over);
            std::thread::spawn(move || {
                let mut noise = Noise::new(seed);
                let mut rounds = 0;
                while !over.load(Ordering::Relaxed) {
                    let mut client = prepared(TcpStream::connect(goal).unwrap());
                    let mut got = 0;
                    let mut block = vec![0; 50_000];
                    while let Ok(count @ 1..) = client.read(&mut block) {
                        assert!(block[..count] == pattern(3, got..got + count), "a wrong byte at {got}");
                        got += count;
                        let _ = client.write_all(&block[..noise.below(3000)]);
                        if noise.below(50) == 0 {
                            std::thread::sleep(Duration::from_micros(noise.below(4000) as u64));
                        }
                    }
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    let mut noise = Noise::new(77);
    let key = balancer.server_key(0);
    for round in 0..60 {
        std::thread::sleep(Duration::from_micros(noise.below(30_000) as u64));
        let also = noise.below(4);
        balancer.workers.broadcast(|| match also {
            0 => Command::Freeze(key),
            _ => Command::Thaw(key),
        });
        let reason = match round % 3 {
            0 => CutReason::MarkedDown,
            1 => CutReason::Succeeded,
            _ => CutReason::Admin,
        };
        std::thread::sleep(Duration::from_micros(noise.below(3_000) as u64));
        balancer.workers.broadcast(|| Command::Cut(key, reason));
    }
    balancer.workers.broadcast(|| Command::Thaw(key));
    over.store(true, Ordering::Relaxed);
    balancer.workers.broadcast(|| Command::Cut(key, CutReason::Admin));
    std::thread::sleep(Duration::from_millis(50));
    balancer.workers.broadcast(|| Command::Cut(key, CutReason::Admin));
    let rounds: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(rounds > 60, "{rounds}");
    eventually("all sessions have ended", || balancer.sessions() == 0);
}

/// Thousands of short sessions, one after another and many at once, ended in every way. `ROLECALL_SHORT_SESSIONS=10000`
/// for more.
pub(crate) fn thousands_of_short_sessions_leave_nothing(engine: EngineLoop) {
    let each = wished("ROLECALL_SHORT_SESSIONS", 2000) / 8;
    let balancer = Balancer::start(engine, Wish::of(&[Fake::echoes()]));
    let goal = balancer.address;
    let served = Mutex::new(0);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let served = &served;
            scope.spawn(move || {
                let mut noise = Noise::new(seed);
                for _ in 0..each {
                    let mut client = prepared(TcpStream::connect(goal).unwrap());
                    let way = noise.below(5);
                    if way > 0 {
                        client.write_all(b"ping").unwrap();
                    }
                    if way > 1 {
                        client.read_exact(&mut [0; 4]).unwrap();
                        *served.lock().unwrap() += 1;
                    }
                    if way % 2 == 1 {
                        reset_on_close(&client);
                    }
                }
            });
        }
    });
    assert!(*served.lock().unwrap() > 4 * each);
    eventually("all sessions have ended", || balancer.sessions() == 0 && balancer.loads() == [0, 0]);
}
