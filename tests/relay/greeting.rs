//! PROXY headers, both ways: taken off the client's stream to the byte, put before the server's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rolecall::config::Config;
use rolecall::config::model::{Redispatch, SendProxy};
use rolecall::proxy::worker::EngineLoop;

use super::harness::{
    Balancer, Fake, Wish, close_writing, closed_port, eventually, expect_end, expect_reset, prepared,
    read_pattern, write_pattern,
};

const LENGTH: usize = 300_000;
const LINE: &[u8] = b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n";
/// The same in binary, with a field that nobody knows.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x11\x01\x02\x03\x04\x05\x06\x07\x08\x04W\x08\xae\xe0\0\x02hi";

fn announced(config: &mut Config) {
    config.frontends[0].binds[0].accept_proxy = true;
    let rules = &mut config.frontends[0].rules;
    (rules.headers, rules.needed) = (true, true);
    config.frontends[0].timeout_client = Some(Duration::from_millis(300));
    config.backends[0].timeout_tunnel = Some(Duration::from_secs(60));
    for server in &mut config.backends[0].servers {
        server.send_proxy = Some(SendProxy::V1);
    }
}

/// It gets the header of the client and, behind it, the client's bytes.
fn expecting(count: usize, header: &'static [u8]) -> Fake {
    Fake::start(count, move |mut stream| {
        let mut got = vec![0; header.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got, header, "{}", String::from_utf8_lossy(&got));
        read_pattern(&mut stream, 1, LENGTH, 70_000);
        write_pattern(&mut stream, 2, LENGTH, 70_000);
    })
}

fn exchange(client: &mut TcpStream) {
    write_pattern(client, 1, LENGTH, 70_000);
    read_pattern(client, 2, LENGTH, 70_000);
    expect_end(client);
}

pub(crate) fn a_header_is_taken_off_to_the_byte_however_it_comes(engine: EngineLoop) {
    let server = expecting(4, LINE);
    let balancer = Balancer::start(engine, Wish { change: announced, ..Wish::of(&[server.address]) });
    for header in [LINE, BINARY] {
        let mut whole = balancer.connect();
        whole.write_all(header).unwrap();
        exchange(&mut whole);
        let mut pieces = balancer.connect();
        for byte in header {
            pieces.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
        exchange(&mut pieces);
    }
    server.join();
    eventually("all sessions have ended", || balancer.sessions() == 0);
    let records = balancer.records.lock().unwrap();
    assert!(
        records.iter().all(|record| record.client == Some("1.2.3.4:1111".parse().unwrap())),
        "{records:?}"
    );
}

pub(crate) fn who_says_it_all_at_once_and_closes_is_served(engine: EngineLoop) {
    let server = Fake::start(1, |mut stream| {
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert_eq!(got, [LINE, b"QUIT\r\n"].concat());
        stream.write_all(b"+OK\r\n").unwrap();
    });
    let balancer = Balancer::start(engine, Wish { change: announced, ..Wish::of(&[server.address]) });
    let mut client = balancer.connect();
    client.write_all(&[BINARY, b"QUIT\r\n"].concat()).unwrap();
    close_writing(&client);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"+OK\r\n");
    server.join();
}

pub(crate) fn who_does_not_say_who_it_is_reaches_no_server(engine: EngineLoop) {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let server = Fake::any(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let balancer = Balancer::start(engine, Wish { change: announced, ..Wish::of(&[server]) });
    for wrong in [&b"PING\r\n"[..], b"PROXY TCP4 1.2.3.4\r\n", &BINARY[..20], b"\r\n\r\n\0\r\nQUIT\n\x31"] {
        let mut client = balancer.connect();
        client.write_all(wrong).unwrap();
        expect_reset(&mut client);
    }
    // Says nothing at all.
    expect_end(&mut balancer.connect());
    let mut closing = balancer.connect();
    close_writing(&closing);
    expect_end(&mut closing);
    eventually("all places are free", || balancer.sessions() == 0);
    assert_eq!(reached.load(Ordering::Relaxed), 0);
    assert!(balancer.records.lock().unwrap().is_empty(), "none of them became a session");
}

/// Without `accept-proxy` the header names the connection itself; the attempt that fails takes none with it.
pub(crate) fn the_server_that_is_tried_next_gets_the_header_too(engine: EngineLoop) {
    let server = Fake::start(4, |mut stream| {
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        stream.write_all(&got).unwrap();
    });
    let change = |config: &mut Config| {
        config.backends[0].retries = 3;
        config.backends[0].redispatch = Redispatch::LastRetry;
        for server in &mut config.backends[0].servers {
            server.send_proxy = Some(SendProxy::V1);
        }
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[closed_port(), server.address]) });
    for _ in 0..4 {
        let mut client = prepared(TcpStream::connect(balancer.address).unwrap());
        client.write_all(b"PING\r\n").unwrap();
        close_writing(&client);
        let (from, to) = (client.local_addr().unwrap(), balancer.address);
        let announced = format!("{} {} {} {}", from.ip(), to.ip(), from.port(), to.port());
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("PROXY TCP4 {announced}\r\nPING\r\n"));
    }
    server.join();
}
