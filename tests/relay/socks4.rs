//! Servers behind a SOCKS4 proxy: it is asked first, and from its grant on it is the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rolecall::config::Config;
use rolecall::config::model::{Redispatch, SendProxy, ServerAddress, ServerPort};
use rolecall::proxy::worker::EngineLoop;

use super::harness::{
    Balancer, Fake, Wish, close_writing, eventually, expect_end, read_pattern, write_pattern,
};

const LENGTH: usize = 300_000;
const REQUEST: &[u8; 16] = b"\x04\x01\x18\xeb\x0a\x01\x02\x03HAProxy\0";
const GRANTED: &[u8; 8] = b"\0\x5a\0\0\0\0\0\0";
const DENIED: &[u8; 8] = b"\0\x5b\0\0\0\0\0\0";

/// The addresses of the wish are those of proxies; the server is elsewhere.
fn behind_proxies(config: &mut Config) {
    config.backends[0].timeout_tunnel = Some(Duration::from_secs(60));
    for server in &mut config.backends[0].servers {
        if let Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(port) }) = server.address {
            server.socks4 = Some((ip, port).into());
        }
        let ip = [10, 1, 2, 3].into();
        server.address = Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(6379) });
    }
}

/// Takes the request, which is the first thing that comes.
fn asked(stream: &mut TcpStream) {
    let mut request = [0; REQUEST.len()];
    stream.read_exact(&mut request).unwrap();
    assert_eq!(&request, REQUEST);
}

pub(crate) fn every_byte_behind_the_reply_is_the_servers(engine: EngineLoop) {
    let turn = AtomicUsize::new(0);
    let proxy = Fake::start(6, move |mut stream| {
        asked(&mut stream);
        let mut first = GRANTED.to_vec();
        first.extend(b"+EARLY\r\n");
        // At once, cut inside the reply, and cut behind it.
        let cut = [0, 3, GRANTED.len()][turn.fetch_add(1, Ordering::Relaxed) % 3];
        stream.write_all(&first[..cut]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        stream.write_all(&first[cut..]).unwrap();
        read_pattern(&mut stream, 1, LENGTH, 70_000);
        write_pattern(&mut stream, 2, LENGTH, 70_000);
    });
    let balancer = Balancer::start(engine, Wish { change: behind_proxies, ..Wish::of(&[proxy.address]) });
    for _ in 0..6 {
        let mut client = balancer.connect();
        write_pattern(&mut client, 1, LENGTH, 70_000);
        let mut early = [0; 8];
        client.read_exact(&mut early).unwrap();
        assert_eq!(&early, b"+EARLY\r\n");
        read_pattern(&mut client, 2, LENGTH, 70_000);
        expect_end(&mut client);
    }
    proxy.join();
}

/// The reply, all that the server has to say, and its FIN, in one go; to a client that has closed as well.
pub(crate) fn a_server_that_has_ended_with_the_reply_is_heard_out(engine: EngineLoop) {
    let proxy = Fake::start(4, |mut stream| {
        asked(&mut stream);
        stream.write_all(&[GRANTED.as_slice(), b"+BYE\r\n"].concat()).unwrap();
        close_writing(&stream);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"PING\r\n");
    });
    let balancer = Balancer::start(engine, Wish { change: behind_proxies, ..Wish::of(&[proxy.address]) });
    for _ in 0..4 {
        let mut client = balancer.connect();
        client.write_all(b"PING\r\n").unwrap();
        close_writing(&client);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"+BYE\r\n");
    }
    proxy.join();
}

pub(crate) fn a_header_follows_the_reply(engine: EngineLoop) {
    let proxy = Fake::start(2, |mut stream| {
        asked(&mut stream);
        for byte in GRANTED {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        stream.write_all(&got).unwrap();
    });
    let change = |config: &mut Config| {
        behind_proxies(config);
        config.backends[0].servers[0].send_proxy = Some(SendProxy::V1);
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[proxy.address]) });
    for _ in 0..2 {
        let mut client = balancer.connect();
        client.write_all(b"PING\r\n").unwrap();
        close_writing(&client);
        let (from, to) = (client.local_addr().unwrap(), balancer.address);
        let announced = format!("{} {} {} {}", from.ip(), to.ip(), from.port(), to.port());
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("PROXY TCP4 {announced}\r\nPING\r\n"));
    }
    proxy.join();
}

/// The client goes to the next server, and nothing of its bytes to the first one.
pub(crate) fn a_proxy_that_does_not_connect_is_a_server_that_refuses(engine: EngineLoop) {
    let turn = AtomicUsize::new(0);
    let refuses = Fake::any(move |mut stream| {
        asked(&mut stream);
        match turn.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => stream.write_all(DENIED).unwrap(),
            1 => stream.write_all(&GRANTED[..4]).unwrap(),
            _ => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        }
    });
    let grants = Fake::any(|mut stream| {
        asked(&mut stream);
        stream.write_all(GRANTED).unwrap();
        std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
    });
    let change = |config: &mut Config| {
        behind_proxies(config);
        config.backends[0].retries = 3;
        config.backends[0].redispatch = Redispatch::LastRetry;
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[refuses, grants]) });
    for _ in 0..6 {
        let mut client = balancer.connect();
        client.write_all(b"PING\r\n").unwrap();
        close_writing(&client);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"PING\r\n");
    }
    eventually("all sessions have ended", || balancer.sessions() == 0);
    let records = balancer.records.lock().unwrap();
    assert!(records.iter().any(|record| record.redispatched), "nobody was refused");
    assert!(records.iter().all(|record| record.termination.to_string() == "--"));
}

pub(crate) fn the_last_refusal_ends_the_session(engine: EngineLoop) {
    let refuses = Fake::any(|mut stream| {
        asked(&mut stream);
        stream.write_all(DENIED).unwrap();
    });
    let balancer = Balancer::start(engine, Wish { change: behind_proxies, ..Wish::of(&[refuses]) });
    ends(&balancer, "SC");
}

/// `timeout connect` holds for the reply as for the connection.
pub(crate) fn a_proxy_that_does_not_answer_times_out(engine: EngineLoop) {
    let ended = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ended);
    let silent = Fake::any(move |mut stream| {
        asked(&mut stream);
        stream.write_all(&GRANTED[..7]).unwrap();
        // Until it is given up.
        let _ = stream.read(&mut [0]);
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let change = |config: &mut Config| {
        behind_proxies(config);
        config.backends[0].timeout_connect = Some(Duration::from_millis(200));
        config.backends[0].retries = 1;
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[silent]) });
    ends(&balancer, "sC");
    eventually("both attempts to be given up", || ended.load(Ordering::Relaxed) == 2);
    // Nothing of them is left for whoever comes next into their places.
    ends(&balancer, "sC");
}

/// A request has no place for its address: no proxy is asked.
pub(crate) fn a_server_with_an_ipv6_address_cannot_be_reached(engine: EngineLoop) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let proxy = Fake::any(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let change = |config: &mut Config| {
        behind_proxies(config);
        config.backends[0].retries = 3;
        let ip = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into();
        let address = ServerAddress::Ip { ip, port: ServerPort::Fixed(6379) };
        config.backends[0].servers[0].address = Some(address);
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[proxy]) });
    ends(&balancer, "SC");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

fn ends(balancer: &Balancer, code: &str) {
    let before = balancer.records.lock().unwrap().len();
    // It says nothing: a word that came just after the end would make it an RST.
    let mut client = balancer.connect();
    expect_end(&mut client);
    eventually("its record", || balancer.records.lock().unwrap().len() > before);
    let records = balancer.records.lock().unwrap();
    assert_eq!(records[before].termination.to_string(), code);
}
