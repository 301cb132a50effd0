//! Connects that fail, timeouts, stops, services, reloads.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rolecall::config::model::{BindAddress, Mode};
use rolecall::proxy::driver::choice::serve_with;
use rolecall::proxy::worker::{EngineLoop, Shared, start_with};
use rolecall::state::{Command, Guarding, Listener, Snapshot, Workers};
use rolecall::sys;
use rolecall::time::Tick;

use super::harness::{Balancer, Fake, Wish, closed_port, eventually, own_address, prepared};

fn codes(balancer: &Balancer) -> Vec<String> {
    balancer.records.lock().unwrap().iter().map(|record| record.termination.to_string()).collect()
}

fn ended(client: &mut TcpStream) {
    match client.read(&mut [0; 8]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

fn echoes(client: &mut TcpStream) {
    client.write_all(b"ping").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
}

pub(crate) fn a_refused_connect_closes_the_client(engine: EngineLoop) {
    let balancer = Balancer::start(engine, Wish::of(&[closed_port()]));
    ended(&mut balancer.connect());
    eventually("it is logged", || codes(&balancer) == ["SC"]);
}

pub(crate) fn a_client_that_spoke_before_it_is_refused_sees_a_fin(engine: EngineLoop) {
    // Two retries, after pauses in which the client's words arrive.
    let change = |config: &mut rolecall::config::Config| {
        (config.backends[0].retries, config.backends[0].timeout_connect) = (2, Some(Duration::from_secs(1)));
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[closed_port()]) });
    for length in [4, 100_000] {
        let mut client = balancer.connect();
        client.write_all(&vec![b'x'; length]).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "after {length} bytes");
    }
}

/// It is accepted and refused in one breath, before any edge can have told of its words.
pub(crate) fn a_client_that_spoke_before_it_is_accepted_sees_a_fin(engine: EngineLoop) {
    let server = Fake::echo(1);
    let change = |config: &mut rolecall::config::Config| config.frontends[0].maxconn = 1;
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[server.address]) });
    let mut first = balancer.connect();
    echoes(&mut first);
    let mut second = balancer.connect();
    second.write_all(b"ping").unwrap();
    let old = balancer.published.load_full();
    let mut config = (*old.config).clone();
    config.backends[0].servers.clear();
    publish(&balancer, config, old.listeners[0].clone());
    drop(first);
    assert_eq!(second.read(&mut [0; 8]).unwrap(), 0);
    server.join();
}

pub(crate) fn a_connect_that_hangs_times_out(engine: EngineLoop) {
    // Nobody accepts, and the backlog is full: SYNs are dropped.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&own_address().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let _filling: Vec<_> =
        (0..8).filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()).collect();
    let change = |config: &mut rolecall::config::Config| {
        config.backends[0].timeout_connect = Some(Duration::from_millis(200));
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[address]) });
    let begun = Instant::now();
    ended(&mut balancer.connect());
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
    eventually("it is logged", || codes(&balancer) == ["sC"]);
}

pub(crate) fn silence_times_out(engine: EngineLoop) {
    let server = Fake::echo(1);
    let change = |config: &mut rolecall::config::Config| {
        config.frontends[0].timeout_client = Some(Duration::from_secs(3));
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[server.address]) });
    let mut client = balancer.connect();
    // Every byte moves the deadline.
    for _ in 0..6 {
        echoes(&mut client);
        std::thread::sleep(Duration::from_millis(600));
    }
    ended(&mut client);
    server.join();
    eventually("it is logged", || codes(&balancer) == ["cD"]);
}

pub(crate) fn a_soft_stop_ends_with_its_last_session(engine: EngineLoop) {
    let server = Fake::echo(1);
    let mut balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    echoes(&mut client);
    balancer.withdraw_listeners();
    balancer.workers.broadcast(|| Command::SoftStop);
    eventually("new clients are refused", || TcpStream::connect(balancer.address).is_err());
    assert!(!balancer.has_ended() || balancer.sessions() == 1);
    echoes(&mut client);
    drop(client);
    balancer.join();
    server.join();
}

pub(crate) fn a_stop_ends_sessions(engine: EngineLoop) {
    let server = Fake::echo(1);
    let mut balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut client = balancer.connect();
    echoes(&mut client);
    balancer.workers.broadcast(|| Command::Stop);
    balancer.join();
    ended(&mut client);
    server.join();
    assert_eq!(balancer.sessions(), 0);
}

pub(crate) fn an_engine_that_does_not_come_up_is_told_to_the_starter(engine: EngineLoop) {
    let balancer = Balancer::start(engine, Wish::of(&[]));
    let (services, _served) = tokio::sync::mpsc::unbounded_channel();
    let shared = Shared {
        published: Arc::clone(&balancer.published),
        workers: Workers::new(2).unwrap(),
        records: Arc::new(|_| ()),
        connects: Arc::new(|_| ()),
        complaints: Arc::new(|_| ()),
        services,
        tls: rolecall::tls::Bridge::new(1),
    };
    let error = start_with(|_| Err(std::io::Error::other("no ring")), &shared).unwrap_err();
    assert_eq!(error.to_string(), "no ring");
}

pub(crate) fn a_worker_without_a_ring_serves_and_says_why(engine: EngineLoop) {
    let server = Fake::echo(1);
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let (services, _served) = tokio::sync::mpsc::unbounded_channel();
    let shared = Shared {
        published: Arc::clone(&balancer.published),
        workers: Workers::new(2).unwrap(),
        records: Arc::new(|_| ()),
        connects: Arc::new(|_| ()),
        complaints: Arc::new(|_| ()),
        services,
        tls: rolecall::tls::Bridge::new(1),
    };
    let refuse =
        |worker| serve_with(worker, Err(std::io::Error::from_raw_os_error(nix::errno::Errno::ENOMEM as i32)));
    let handles = start_with(refuse, &shared).unwrap();
    assert_eq!(handles.fallbacks().len(), 2);
    assert!(handles.fallbacks()[0].contains("locked memory"), "{:?}", handles.fallbacks());
    echoes(&mut balancer.connect());
    shared.workers.broadcast(|| Command::Stop);
    handles.join().unwrap();
    drop(balancer);
    server.join();
}

pub(crate) fn a_pause_keeps_clients_waiting(engine: EngineLoop) {
    let server = Fake::echo(2);
    let balancer = Balancer::start(engine, Wish::of(&[server.address]));
    let mut first = balancer.connect();
    echoes(&mut first);
    balancer.workers.broadcast(|| Command::Pause);
    balancer.obeyed();
    let mut second = balancer.connect();
    second.write_all(b"ping").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let silence = second.read(&mut [0; 4]).map_err(|error| error.kind());
    assert_eq!(silence, Err(ErrorKind::WouldBlock), "served while paused");
    echoes(&mut first);
    assert_eq!(balancer.sessions(), 1);
    balancer.workers.broadcast(|| Command::Resume);
    let mut second = prepared(second);
    second.read_exact(&mut [0; 4]).unwrap();
    drop((first, second));
    server.join();
}

pub(crate) fn an_http_proxy_hands_its_client_over(engine: EngineLoop) {
    let change = |config: &mut rolecall::config::Config| {
        config.frontends[0].mode = Mode::Http;
        config.frontends[0].default_backend = None;
        config.frontends[0].monitor_uri = Some("/up".to_owned());
        config.frontends[0].maxconn = 1;
    };
    let mut balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[]) });
    let mut client = balancer.connect();
    client.write_all(b"GET /up").unwrap();
    let served = balancer.services.blocking_recv().unwrap();
    assert_eq!(served.client, Some(client.local_addr().unwrap()));
    assert_eq!(balancer.sessions(), 1);
    // The next client gets in when the service lets go of the first one's place.
    let second = balancer.connect();
    let mut stream = TcpStream::from(served.socket);
    stream.set_nonblocking(false).unwrap();
    let mut request = [0; 7];
    stream.read_exact(&mut request).unwrap();
    stream.write_all(b"yes").unwrap();
    drop((stream, served.place));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!((&request[..], answer.as_str()), (&b"GET /up"[..], "yes"));
    let served = balancer.services.blocking_recv().unwrap();
    assert_eq!(served.client, Some(second.local_addr().unwrap()));
}

pub(crate) fn a_listener_that_is_added_serves_and_one_removed_does_not(engine: EngineLoop) {
    // Those who knock until nobody answers may be served before.
    let balancer = Balancer::start(engine, Wish::of(&[Fake::echoes()]));
    let mut old_client = balancer.connect();
    echoes(&mut old_client);

    let old = balancer.published.load_full();
    let mut config = (*old.config).clone();
    let mut bind = config.frontends[0].binds[0].clone();
    bind.address = BindAddress::Tcp(own_address());
    let socket = sys::listen::listen(&bind, 64).unwrap();
    let second = socket2::SockRef::from(&socket).local_addr().unwrap().as_socket().unwrap();
    config.frontends[0].binds.push(bind.clone());
    let added = Arc::new(Listener::new(socket, bind.address));
    let kept = old.listeners[0][0].clone();
    publish(&balancer, config.clone(), vec![kept, Some(Arc::clone(&added))]);
    let mut new_client = prepared(TcpStream::connect(second).unwrap());
    echoes(&mut new_client);

    config.frontends[0].binds.remove(0);
    publish(&balancer, config, vec![Some(added)]);
    drop(old);
    eventually("the removed one refuses", || TcpStream::connect(balancer.address).is_err());
    let mut newest = prepared(TcpStream::connect(second).unwrap());
    echoes(&mut newest);
    echoes(&mut old_client);
    drop((old_client, new_client, newest));
}

/// One worker has heard of a reload that removes the proxies, and the other hands a connection to it.
pub(crate) fn a_connection_passed_on_during_a_reload_lives(engine: EngineLoop) {
    let server = Fake::echo(2);
    let change = |config: &mut rolecall::config::Config| {
        config.frontends[0].timeout_client = Some(Duration::from_secs(3));
    };
    let balancer = Balancer::start(engine, Wish { change, ..Wish::of(&[server.address]) });
    let mut first = balancer.connect();
    echoes(&mut first);
    let idle = balancer.loads().iter().position(|load| *load == 0).unwrap();
    let old = balancer.published.load_full();
    let mut config = (*old.config).clone();
    config.frontends[0].name = "another".to_owned();
    config.backends[0].name = "another".to_owned();
    let next = Snapshot::build(Arc::new(config), vec![vec![None]], &[Guarding::None], &old, Tick::now());
    balancer.published.store(Arc::new(next));
    balancer.workers.post(idle, Command::Refresh);
    let mut second = balancer.connect();
    echoes(&mut second);
    assert_eq!(balancer.loads(), [1, 1]);
    // It has the timeouts of the proxies that it came by.
    ended(&mut second);
    drop(first);
    server.join();
    eventually("both are logged", || codes(&balancer).len() == 2);
}

fn publish(balancer: &Balancer, config: rolecall::config::Config, listeners: Vec<Option<Arc<Listener>>>) {
    let old = balancer.published.load_full();
    let next = Snapshot::build(Arc::new(config), vec![listeners], &[Guarding::None], &old, Tick::now());
    balancer.published.store(Arc::new(next));
    balancer.workers.broadcast(|| Command::Refresh);
}
