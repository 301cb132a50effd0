//! Reloads that cut nothing and leave nothing behind.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::rolecall::{csv_field, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

#[test]
fn a_thousand_reloads_under_load_cut_nothing_and_leave_nothing() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let config = redis_config(port, &[master.port, replica.port], "");
    let rolecall = Rolecall::start(&config, port);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let kept = writer(port, Arc::clone(&stop), Arc::clone(&done), Kind::OneConnection);
    let fresh = writer(port, Arc::clone(&stop), Arc::clone(&done), Kind::ConnectionPerCall);
    eventually("traffic", Duration::from_secs(30), || (done.load(Ordering::Relaxed) > 100).then_some(()));

    let reload_many = |count: usize| {
        for at in 0..count {
            // Every other text differs, so that a reload has something to do.
            let text =
                if at % 2 == 0 { config.replace("inter 100ms", "inter 150ms") } else { config.clone() };
            rolecall.reload(&text);
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    reload_many(100);
    let (memory, descriptors) = (rolecall.resident_kib(), rolecall.descriptors());
    reload_many(900);
    stop.store(true, Ordering::Relaxed);
    kept.join().expect("the kept connection saw no error");
    fresh.join().expect("the fresh connections saw no error");
    let (memory_after, descriptors_after) = (rolecall.resident_kib(), rolecall.descriptors());
    assert!(memory_after < memory + 4096, "memory grew from {memory} to {memory_after} KiB");
    assert!(
        descriptors_after <= descriptors + 8,
        "descriptors grew from {descriptors} to {descriptors_after}"
    );
    let children = format!("/proc/{0}/task/{0}/children", rolecall.process.id());
    assert_eq!(std::fs::read_to_string(children).expect("the process is there"), "");
}

#[derive(Clone, Copy)]
enum Kind {
    OneConnection,
    ConnectionPerCall,
}

fn writer(port: u16, stop: Arc<AtomicBool>, done: Arc<AtomicU64>, kind: Kind) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut client = Client::connect(port).expect("the frontend accepts");
        while !stop.load(Ordering::Relaxed) {
            if matches!(kind, Kind::ConnectionPerCall) {
                client = Client::connect(port).expect("the frontend accepts");
                // Without it the test itself would run out of ports in TIME_WAIT.
                std::thread::sleep(Duration::from_millis(1));
            }
            client.call(&["INCR", "counter"]).expect("a reply");
            done.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[test]
fn health_and_counters_are_carried_over() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let (port, page) = (free_port(), free_port());
    let config = redis_config(port, &[master.port, replica.port], "") + &stats_section(page);
    let rolecall = Rolecall::start(&config, port);
    for _ in 0..7 {
        Client::connect(port).and_then(|mut client| client.call(&["PING"])).expect("a reply");
    }
    let total =
        || csv_field(page, "redis_backend", "redis1", "stot").and_then(|text| text.parse::<u64>().ok());
    eventually("seven sessions", Duration::from_secs(30), || (total()? >= 7).then_some(()));
    let added = free_port();
    rolecall
        .reload(&config.replace("default_backend", &format!("bind 127.0.0.1:{added}\n    default_backend")));
    rolecall.wait_for(added);
    assert!(total().expect("a number") >= 7);
    let down = csv_field(page, "redis_backend", "redis2", "status");
    assert_eq!(down.as_deref(), Some("DOWN"), "the replica starts anew after a reload");
}

#[test]
fn sessions_of_a_removed_listener_live_on() {
    let master = Redis::master();
    let (first, second) = (free_port(), free_port());
    let config = redis_config(first, &[master.port], "");
    let rolecall = Rolecall::start(&config, first);
    let mut client = Client::connect(first).expect("the frontend accepts");
    client.call(&["PING"]).expect("a reply");
    rolecall.reload(&config.replace(&format!("bind 127.0.0.1:{first}"), &format!("bind 127.0.0.1:{second}")));
    rolecall.wait_for(second);
    eventually("the old listener to close", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", first)).is_err().then_some(())
    });
    client.call(&["PING"]).expect("the session lives on");
}

#[test]
fn a_soft_stop_lets_sessions_end() {
    let master = Redis::master();
    let port = free_port();
    let mut rolecall = Rolecall::start(&redis_config(port, &[master.port], ""), port);
    let mut client = Client::connect(port).expect("the frontend accepts");
    client.call(&["PING"]).expect("a reply");
    rolecall.process.signal("USR1");
    eventually("the listener to close", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
    client.call(&["PING"]).expect("the session lives on");
    drop(client);
    assert!(rolecall.process.wait(Duration::from_secs(30)).success());
}

/// A session that began before the reload is a client of the same Redis after it, whatever the config calls it: the
/// guard finds it, says so under the new names, and nothing it was told is lost in between.
fn is_cut_after(rename: fn(&str) -> String, (backend, server): (&str, &str)) {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let (port, page) = (free_port(), free_port());
    let config = redis_config(port, &[master.port, replica.port], "") + &stats_section(page);
    let rolecall = Rolecall::start(&config, port);
    let mut client = Client::connect_within(port, Duration::from_secs(10)).expect("the frontend accepts");
    client.call(&["SET", "before", "1"]).expect("a reply");

    rolecall.reload(&rename(&config));
    let sessions = || csv_field(page, backend, server, "scur");
    eventually("the new name, with the session", Duration::from_secs(30), || {
        (sessions()?.as_str() == "1").then_some(())
    });
    client.call(&["SET", "after", "1"]).expect("the session lives on");
    assert_eq!(csv_field(page, backend, server, "status").as_deref(), Some("UP"));

    replica.call(&["REPLICAOF", "NO", "ONE"]);
    let mut rest = Vec::new();
    client.stream().read_to_end(&mut rest).expect("a FIN, before the time is over");
    assert!(rest.is_empty(), "{rest:?}");
    let cut = format!("Server {backend}/{server} lost its clients, reason: ");
    rolecall.wait_for_output(&cut);
    let mut fresh = Client::connect(port).expect("the frontend accepts");
    assert_eq!(fresh.server_port().expect("a server answers"), replica.port, "{}", rolecall.output());
}

#[test]
fn sessions_of_a_backend_with_another_name_are_cut_like_any_other() {
    is_cut_after(|config| config.replace("redis_backend", "other"), ("other", "redis1"));
}

#[test]
fn sessions_of_servers_with_other_names_are_cut_like_any_other() {
    is_cut_after(|config| config.replace("server redis", "server r"), ("redis_backend", "r1"));
}

#[test]
fn sessions_are_cut_like_any_other_though_everything_has_another_name() {
    let rename = |config: &str| config.replace("redis_backend", "other").replace("server redis", "server r");
    is_cut_after(rename, ("other", "r1"));
}

#[test]
fn sessions_of_a_backend_that_another_one_replaces_go_by_its_guard() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let (port, other) = (free_port(), free_port());
    let config = redis_config(port, &[master.port, replica.port], "");
    let (head, lines) = config.split_once("\nbackend redis_backend\n").expect("a backend");
    let lines = lines.replace("server redis", "server r");
    let kept = format!("\nlisten kept\n    bind 127.0.0.1:{other}\n{lines}");
    let rolecall = Rolecall::start(&format!("{config}{kept}"), port);
    rolecall.wait_for(other);
    let mut client = Client::connect_within(port, Duration::from_secs(10)).expect("the frontend accepts");
    client.call(&["SET", "before", "1"]).expect("a reply");

    rolecall.reload(&format!("{}{kept}", head.replace("redis_backend", "kept")));
    rolecall.wait_for_output("Loading success.");
    client.call(&["SET", "after", "1"]).expect("the session lives on");
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    client.stream().read_to_end(&mut Vec::new()).expect("a FIN, before the time is over");
    assert!(!rolecall.output().contains("unguarded"), "{}", rolecall.output());
}

#[test]
fn sessions_that_nobody_guards_any_more_live_on_and_are_counted() {
    let (master, stranger) = (Redis::master(), Redis::master());
    let (port, page) = (free_port(), free_port());
    let config = redis_config(port, &[master.port], "") + &stats_section(page);
    let rolecall = Rolecall::start(&config, port);
    let mut client = Client::connect(port).expect("the frontend accepts");
    client.call(&["SET", "before", "1"]).expect("a reply");
    eventually("the end of the first knock's session", Duration::from_secs(30), || {
        (csv_field(page, "redis_backend", "redis1", "scur")?.as_str() == "1").then_some(())
    });
    rolecall.reload(&redis_config(port, &[stranger.port], "").replace("redis_backend", "other"));
    rolecall.wait_for_output("Backend redis_backend is gone, and no role-checked backend has its servers: 1 session stays there, unguarded");
    client.call(&["SET", "after", "1"]).expect("the session lives on");
    assert_eq!(client.server_port().expect("its server answers"), master.port);
}
