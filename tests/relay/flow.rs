//! Bytes: exact, in order, both ways at once, bounded.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rolecall::proxy::worker::EngineLoop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{
    Balancer, DEADLINE, Fake, Wish, close_writing, eventually, expect_end, own_address, read_pattern, wished,
    write_pattern,
};

const MIB: usize = 1024 * 1024;

/// Client and server send different streams at the same time; each checks what it gets.
fn exchange(engine: EngineLoop, sessions: usize, length: usize, largest: usize) {
    let server = Fake::start(sessions, move |mut stream| {
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            write_pattern(&mut writing, 2, length, largest);
            close_writing(&writing);
        });
        read_pattern(&mut stream, 1, length, largest);
        expect_end(&mut stream);
        writer.join().unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let clients: Vec<_> = (0..sessions)
        .map(|_| {
            let mut stream = balancer.connect();
            std::thread::spawn(move || {
                let mut writing = stream.try_clone().unwrap();
                let writer = std::thread::spawn(move || {
                    write_pattern(&mut writing, 1, length, largest);
                    close_writing(&writing);
                });
                read_pattern(&mut stream, 2, length, largest);
                expect_end(&mut stream);
                writer.join().unwrap();
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
}

pub(crate) fn both_directions_at_once_arrive_byte_for_byte(engine: EngineLoop) {
    exchange(engine, 8, MIB / 16, 7);
    exchange(engine, 8, 2 * MIB, 200_000);
}

/// `ROLECALL_BULK_MIB=1024` for more of it.
pub(crate) fn bulk_of_64_mib_arrives_both_ways(engine: EngineLoop) {
    exchange(engine, 1, wished("ROLECALL_BULK_MIB", 64) * MIB, MIB);
}

/// What the kernel's buffers of two connections may hold on a machine with default limits, and then some.
const HELD_AT_MOST: usize = 40 * MIB;

pub(crate) fn a_client_that_reads_slowly_holds_the_server_back(engine: EngineLoop) {
    const LENGTH: usize = 64 * MIB;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let server = Fake::start(1, move |mut stream| {
        for at in 0..LENGTH / MIB {
            stream.write_all(&super::harness::pattern(3, at * MIB..(at + 1) * MIB)).unwrap();
            counter.fetch_add(MIB, Ordering::Relaxed);
        }
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    wait_for_standstill(&sent);
    assert!(sent.load(Ordering::Relaxed) < HELD_AT_MOST, "{} MiB", sent.load(Ordering::Relaxed) / MIB);
    read_pattern(&mut client, 3, LENGTH, MIB);
    expect_end(&mut client);
    server.join();
}

pub(crate) fn a_server_that_reads_slowly_holds_the_client_back(engine: EngineLoop) {
    const LENGTH: usize = 64 * MIB;
    let (go, gate) = std::sync::mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let server = Fake::start(1, move |mut stream| {
        gate.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        read_pattern(&mut stream, 4, LENGTH, MIB);
        stream.write_all(b"done").unwrap();
    });
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    let sent = Arc::new(AtomicUsize::new(0));
    let (counter, mut writing) = (Arc::clone(&sent), client.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        for at in 0..LENGTH / MIB {
            writing.write_all(&super::harness::pattern(4, at * MIB..(at + 1) * MIB)).unwrap();
            counter.fetch_add(MIB, Ordering::Relaxed);
        }
    });
    wait_for_standstill(&sent);
    assert!(sent.load(Ordering::Relaxed) < HELD_AT_MOST, "{} MiB", sent.load(Ordering::Relaxed) / MIB);
    go.send(()).unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"done");
    writer.join().unwrap();
    server.join();
}

/// Until a sender has made no progress for a while.
fn wait_for_standstill(sent: &AtomicUsize) {
    let mut last = usize::MAX;
    eventually("the sender stands still", || {
        let now = sent.load(Ordering::Relaxed);
        let same = now == std::mem::replace(&mut last, now);
        if !same {
            std::thread::sleep(Duration::from_millis(300));
        }
        same
    });
}

pub(crate) fn pipelined_requests_come_back_in_order(engine: EngineLoop) {
    let server = Fake::echo(1);
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    for depth in [1, 16, 1000] {
        let requests: Vec<u8> = (0..depth).flat_map(|at| format!("request {at}\r\n").into_bytes()).collect();
        client.write_all(&requests).unwrap();
        let mut replies = vec![0; requests.len()];
        client.read_exact(&mut replies).unwrap();
        assert!(requests == replies);
    }
    drop(client);
    server.join();
}

/// An echo server and many clients in one thread. `ROLECALL_SESSIONS=4500` for more, of four descriptors each.
pub(crate) fn two_thousand_sessions_at_once(engine: EngineLoop) {
    let count = wished("ROLECALL_SESSIONS", 2000);
    // Eight thousand descriptors at a time are enough.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(own_address())).unwrap();
    let balancer = Balancer::start(engine, Wish::of(&[listener.local_addr().unwrap()]));
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reading, mut writing) = stream.into_split();
                let _ = tokio::io::copy(&mut reading, &mut writing).await;
            });
        }
    });
    let work = async {
        let mut clients = Vec::new();
        for at in 0..count {
            let mut stream = tokio::net::TcpStream::connect(balancer.address).await.unwrap();
            ping(&mut stream, at).await;
            clients.push(stream);
        }
        let loads = balancer.loads();
        assert_eq!(loads.iter().sum::<u32>(), count as u32);
        assert!(loads.iter().all(|load| *load as usize > count * 9 / 20), "{loads:?}");
        let rounds = clients.into_iter().enumerate().map(|(at, mut stream)| {
            tokio::spawn(async move {
                for round in 0..3 {
                    ping(&mut stream, at + round).await;
                }
            })
        });
        for task in rounds.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    };
    runtime.block_on(async { tokio::time::timeout(3 * DEADLINE, work).await }).expect("in time");
    // The echo server ends with it.
    drop(runtime);
    eventually("all sessions have ended", || balancer.sessions() == 0);
    // Tests that wait for a port to refuse may knock here, once it has become this one's.
    let records = balancer.records.lock().unwrap();
    assert_eq!(records.iter().filter(|record| record.bytes_in > 0).count(), count);
}

async fn ping(stream: &mut tokio::net::TcpStream, at: usize) {
    let request = format!("ping {at} {}\r\n", "x".repeat(at % 700));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = vec![0; request.len()];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, request.as_bytes());
}
