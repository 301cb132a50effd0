//! Servers behind a SOCKS4 proxy: clients, checks and the proof of who is master all go through it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::harness::rolecall::{csv_field, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, Socks4, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(30);

/// Addresses at which nobody listens.
fn nowhere(number: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(127, 99, 0, number), free_port())
}

fn reached(port: u16) -> Option<u16> {
    Client::connect_within(port, Duration::from_secs(5)).and_then(|mut client| client.server_port()).ok()
}

#[test]
fn the_master_behind_a_proxy_is_found_and_followed() {
    for engine in ["epoll", "uring"] {
        let (one, other) = (Redis::master(), Redis::master());
        other.call(&["REPLICAOF", "127.0.0.1", &one.port.to_string()]);
        let (first, second) = (nowhere(1), nowhere(2));
        let proxy = Socks4::to(&[(first, one.port), (second, other.port)]);
        let (port, page) = (free_port(), free_port());
        let through =
            format!("socks4 127.0.0.1:{} check-via-socks4 check inter 50ms rise 1 fall 1", proxy.port);
        let servers = format!("    server a {first} {through}\n    server b {second} {through}\n");
        let config = redis_config(port, &[], &servers) + &stats_section(page);
        let config = config.replacen("global\n", &format!("global\n    tune.relay {engine}\n"), 1);
        let rolecall = Rolecall::start(&config, port);
        eventually("the master to answer", PATIENCE, || (reached(port)? == one.port).then_some(()));
        let mut client = Client::connect(port).expect("the proxy accepts");
        let large = "x".repeat(300_000);
        client.call(&["SET", "k", &large]).expect("the master takes it");
        assert_eq!(client.call(&["GET", "k"]).expect("an answer"), large);
        assert!(proxy.asked_for(first) > 1 && proxy.asked_for(second) > 0, "{}", rolecall.output());
        other.call(&["REPLICAOF", "NO", "ONE"]);
        one.call(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
        eventually("the new master to answer", PATIENCE, || (reached(port)? == other.port).then_some(()));
        // Connections that stand are kept, those of checks too.
        proxy.forget(second);
        other.call(&["CLIENT", "KILL", "TYPE", "normal"]);
        let told = || csv_field(page, "redis_backend", "b", "last_chk");
        eventually("the check to say why", PATIENCE, || {
            told()?.starts_with("SOCKS4 Proxy deny the request").then_some(())
        });
        assert_eq!(csv_field(page, "redis_backend", "b", "check_status").as_deref(), Some("SOCKERR"));
    }
}

/// `check-via-socks4` and `via-socks4` are apart from `socks4`, as in HAProxy.
#[test]
fn each_connection_of_a_check_goes_the_way_that_its_line_says() {
    let redis = Redis::master();
    let there = nowhere(3);
    let proxy = Socks4::to(&[(there, redis.port)]);
    let page = free_port();
    let port = proxy.port;
    let script = |connect: &str| {
        format!(
            "    option tcp-check\n    tcp-check connect {connect}\n    tcp-check send PING\\r\\n\n    \
             tcp-check expect string +PONG\n"
        )
    };
    let mut config =
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout server 5s\n    timeout client 5s\n"
            .to_owned();
    let line = format!("{there} check inter 50ms rise 1 fall 1 socks4 127.0.0.1:{port}");
    for (name, options, more) in [
        ("direct", "", "    option redis-check\n".to_owned()),
        ("through", "check-via-socks4", "    option redis-check\n".to_owned()),
        ("bare", "check-via-socks4", script("")),
        ("default", "check-via-socks4", script("default")),
        ("asked", "", script("via-socks4")),
    ] {
        config.push_str(&format!("backend {name}\n{more}    server s {line} {options}\n"));
    }
    config.push_str(&stats_section(page));
    let rolecall = Rolecall::start(&config, page);
    for (name, status) in
        [("direct", "L4CON"), ("through", "L7OK"), ("bare", "L4CON"), ("default", "L7OK"), ("asked", "L7OK")]
    {
        let told = || csv_field(page, name, "s", "check_status");
        eventually(name, PATIENCE, || {
            assert!(!rolecall.output().contains("panic"), "{}", rolecall.output());
            (told()? == status).then_some(())
        });
    }
}
