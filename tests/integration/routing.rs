//! Who gets clients: only a server that has proved to be the master, from the first connection on.

use std::time::Duration;

use crate::harness::rolecall::{csv_field, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

/// The server's port as each of `count` connections, one after the other, finds it.
fn reached(port: u16, count: usize) -> Vec<u16> {
    (0..count)
        .map(|_| Client::connect(port).and_then(|mut client| client.server_port()).expect("a server answers"))
        .collect()
}

#[test]
fn the_first_sixty_connections_after_start_and_reload_reach_the_master() {
    let master = Redis::master();
    let replicas = [Redis::replica_of(&master), Redis::replica_of(&master)];
    let port = free_port();
    let servers = [replicas[0].port, master.port, replicas[1].port];
    let config = redis_config(port, &servers, "");
    let rolecall = Rolecall::start(&config, port);
    assert_eq!(reached(port, 60), vec![master.port; 60], "{}", rolecall.output());

    // Another set of servers: every one of them has to prove itself anew.
    let before: Vec<u64> = replicas.iter().map(Redis::connections_received).collect();
    rolecall.reload(&config.replace("server redis", "server other"));
    assert_eq!(reached(port, 60), vec![master.port; 60], "{}", rolecall.output());
    drop(before);
}

#[test]
fn the_status_of_every_server_is_on_the_page() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let (port, page) = (free_port(), free_port());
    let config = redis_config(port, &[master.port, replica.port], "") + &stats_section(page);
    let _rolecall = Rolecall::start(&config, port);
    let status = |server: &str, field: &str| csv_field(page, "redis_backend", server, field);
    eventually("the replica to be seen", Duration::from_secs(30), || {
        (status("redis2", "status").as_deref() == Some("DOWN")).then_some(())
    });
    eventually("the master to be seen", Duration::from_secs(30), || {
        (status("redis1", "status").as_deref() == Some("UP")).then_some(())
    });
    assert_eq!(
        status("redis1", "check_status").as_deref().map(|text| text.trim_start_matches("* ")),
        Some("L7OK")
    );
    let html = crate::harness::rolecall::http(page, "/", "");
    assert!(html.contains("replica") && html.contains("master"), "the page does not show roles");
}

#[test]
fn two_masters_never_share_the_clients() {
    let servers = [Redis::master(), Redis::master()];
    let port = free_port();
    let _rolecall = Rolecall::start(&redis_config(port, &[servers[0].port, servers[1].port], ""), port);
    let first = reached(port, 1)[0];
    assert_eq!(reached(port, 20), vec![first; 20]);
}

#[test]
fn a_plain_backend_is_balanced_as_in_haproxy() {
    let servers = [Redis::master(), Redis::master(), Redis::master()];
    let port = free_port();
    let mut config = format!(
        "defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 10s\n    timeout server 10s\n\
         listen pool\n    bind 127.0.0.1:{port}\n    balance roundrobin\n"
    );
    for (at, server) in servers.iter().enumerate() {
        config.push_str(&format!("    server s{at} 127.0.0.1:{}\n", server.port));
    }
    let _rolecall = Rolecall::start(&config, port);
    // The connection by which the harness saw the listener takes a turn too, maybe only now.
    reached(port, 9);
    let seen = reached(port, 9);
    for server in &servers {
        assert_eq!(seen.iter().filter(|port| **port == server.port).count(), 3, "{seen:?}");
    }
}

#[test]
fn clients_that_come_before_the_first_verdict_wait_for_it() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    // The master is slow to answer its first check: nobody may be sent to the replica meanwhile.
    master.process.signal("STOP");
    let _rolecall =
        Rolecall::start(&redis_config(port, &[replica.port, master.port], "    timeout check 5s\n"), port);
    let ask = move || Client::connect(port).and_then(|mut client| client.server_port());
    let waiting: Vec<_> = (0..4).map(|_| std::thread::spawn(ask)).collect();
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        !waiting.iter().any(|client| client.is_finished()),
        "a client was served before the first verdict"
    );
    master.process.signal("CONT");
    for client in waiting {
        assert_eq!(client.join().expect("the client ends").expect("a server answers"), master.port);
    }
}
