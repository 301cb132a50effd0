//! Conditions with real parts: the pattern of the Redis HA charts, where a backend a node asks every Sentinel
//! and `use-server` follows their majority; and what HTTP listeners tell by conditions.

use std::time::Duration;

use crate::harness::rolecall::{ask, http};
use crate::harness::{Client, Redis, Rolecall, Sentinels, eventually, free_port};

/// A backend for each server that is up where Sentinels name that server.
fn asks_sentinels(servers: &[u16], sentinels: &[u16]) -> String {
    let mut text = String::new();
    for (at, server) in servers.iter().enumerate() {
        text.push_str(&format!(
            "backend check_if_redis_is_master_{at}\n    option tcp-check\n    tcp-check connect\n\
             \x20   tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n\
             \x20   tcp-check send SENTINEL\\ get-master-addr-by-name\\ mymaster\\r\\n\n\
             \x20   tcp-check expect string {server}\n    tcp-check send QUIT\\r\\n\n"
        ));
        for (number, sentinel) in sentinels.iter().enumerate() {
            text.push_str(&format!(
                "    server S{number} 127.0.0.1:{sentinel} check inter 100ms fall 1 rise 1\n"
            ));
        }
    }
    text
}

fn chart(port: u16, page: u16, servers: &[u16], sentinels: &[u16], role_check: &str) -> String {
    let mut text = format!(
        "defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
         \x20   timeout check 1s\n\
         frontend health\n    bind 127.0.0.1:{page}\n    mode http\n    monitor-uri /healthz\n\
         \x20   monitor fail if {{ nbsrv(bk_redis_master) lt 1 }}\n\
         \x20   http-request use-service prometheus-exporter if {{ path /metrics }}\n\
         {}\
         frontend ft_redis_master\n    bind 127.0.0.1:{port}\n    use_backend bk_redis_master\n\
         backend bk_redis_master\n    option tcp-check\n    tcp-check connect\n    tcp-check send PING\\r\\n\n\
         \x20   tcp-check expect string +PONG\n{role_check}    tcp-check send QUIT\\r\\n\n",
        asks_sentinels(servers, sentinels)
    );
    for (at, server) in servers.iter().enumerate() {
        text.push_str(&format!(
            "    use-server R{at} if {{ srv_is_up(R{at}) }} {{ nbsrv(check_if_redis_is_master_{at}) ge 2 }}\n\
             \x20   server R{at} 127.0.0.1:{server} check inter 100ms fall 1 rise 1\n"
        ));
    }
    text
}

fn reached(port: u16) -> Option<u16> {
    Client::connect(port).and_then(|mut client| client.server_port()).ok()
}

const ROLE: &str = "    tcp-check send info\\ replication\\r\\n\n    tcp-check expect string role:master\n";

#[test]
fn clients_of_a_chart_follow_what_most_sentinels_say() {
    for role_check in ["", ROLE] {
        let mut master = Redis::master();
        let replica = Redis::replica_of(&master);
        let sentinels = Sentinels::watching(&master, 1, 3, Duration::from_millis(1000));
        let (port, page) = (free_port(), free_port());
        let servers = [replica.port, master.port];
        let rolecall = Rolecall::start(&chart(port, page, &servers, &sentinels.ports, role_check), port);
        // Until the first checks are over all servers are up, as in HAProxy.
        let settled = || (0..20).all(|_| reached(port) == Some(master.port)).then_some(());
        eventually("clients of the master only", Duration::from_secs(30), settled);
        assert!(http(page, "/healthz", "").starts_with("HTTP/1.0 200"), "{}", rolecall.output());
        let active = |node: usize, count: u32| {
            let line = format!("active_servers{{proxy=\"check_if_redis_is_master_{node}\"}} {count}\n");
            http(page, "/metrics", "").contains(&line)
        };
        let agreed = || (active(0, 0) && active(1, 3)).then_some(());
        eventually("what all Sentinels say in the metrics", Duration::from_secs(30), agreed);
        master.kill();
        let moved = || (0..20).all(|_| reached(port) == Some(replica.port)).then_some(());
        eventually("clients of the new master only", Duration::from_secs(180), moved);
    }
}

/// Patterns are read by whoever may read files, and again at a reload.
#[test]
fn patterns_of_a_file_are_read_again_at_a_reload() {
    let (inside, outside) = (Redis::master(), Redis::master());
    let port = free_port();
    let directory = tempfile::tempdir().expect("a private directory");
    let file = directory.path().join("clients");
    std::fs::write(&file, "# who is inside\n\n10.0.0.0/8\r\n 127.0.0.1\n").expect("a file of patterns");
    let config = format!(
        "defaults\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
         frontend f\n    bind 127.0.0.1:{port}\n    acl inside src -f {}\n    use_backend in if inside\n\
         \x20   default_backend out\nbackend in\n    server s 127.0.0.1:{}\nbackend out\n    server s 127.0.0.1:{}\n",
        file.display(),
        inside.port,
        outside.port
    );
    let rolecall = Rolecall::start(&config, port);
    assert_eq!(reached(port), Some(inside.port));
    std::fs::write(&file, "10.0.0.0/8\n").expect("a file of patterns");
    rolecall.reload(&config);
    let moved = || (reached(port) == Some(outside.port)).then_some(());
    eventually("what the file says now", Duration::from_secs(30), moved);
}

/// A server's first answer is looked at where it lies, and then flows like everything after it.
#[test]
fn rules_see_what_a_server_says_and_lose_no_byte_of_it() {
    for engine in ["epoll", "uring"] {
        let redis = Redis::with(&["--requirepass", "secret"]);
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let socket = directory.path().join("socket");
        let config = format!(
            "global\n    tune.relay {engine}\n    stats socket {} level admin\n\
             defaults\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
             listen l\n    bind 127.0.0.1:{port}\n\
             \x20   stick-table type ip size 10 expire 10m store conn_cnt,conn_cur,gpc0\n\
             \x20   tcp-request connection track-sc0 src\n\
             \x20   tcp-response inspect-delay 60s\n\
             \x20   tcp-response content accept if {{ res.payload(0,1) -m str + }}\n\
             \x20   tcp-response content sc-inc-gpc0(0) if {{ res.payload(1,6) -m str NOAUTH }}\n\
             \x20   tcp-response content reject if {{ res.payload(1,6) -m str NOAUTH }}\n\
             \x20   server a 127.0.0.1:{}\n",
            socket.display(),
            redis.port
        );
        let _rolecall = Rolecall::start(&config, port);
        let mut stranger = Client::connect(port).unwrap();
        let refused = stranger.call(&["PING"]).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::UnexpectedEof, "{engine}: {refused} came through");
        let mut friend = Client::connect(port).unwrap();
        assert_eq!(friend.call(&["AUTH", "secret"]).unwrap(), "OK", "{engine}");
        let value = "x".repeat(3 << 20);
        assert_eq!(friend.call(&["SET", "k", &value]).unwrap(), "OK");
        assert_eq!(friend.call(&["GET", "k"]).unwrap(), value);
        let table = || ask(&socket, "show table l");
        let counted = || {
            let text = table();
            (text.contains("key=127.0.0.1 use=1 ")
                && text.contains(" gpc0=1 ")
                && text.contains(" conn_cur=1\n"))
            .then_some(())
        };
        eventually("the count of clients", Duration::from_secs(20), counted);
        assert_eq!(
            ask(&socket, "clear table l key 127.0.0.1").trim(),
            "Entry currently in use, cannot remove"
        );
        drop(friend);
        let cleared = || ask(&socket, "clear table l key 127.0.0.1").trim().is_empty().then_some(());
        eventually("the end of the last client", Duration::from_secs(20), cleared);
        assert_eq!(table().trim(), "# table: l, type: ip, size:10, used:0");
    }
}
