//! Sentinels are found, or named, and heard: seen through the log, as a user sees it.

use std::time::Duration;

use crate::harness::rolecall::{check, redis_config};
use crate::harness::{Client, Redis, Rolecall, Sentinels, eventually, free_port};

/// A split vote is repeated, and a busy machine splits many.
const ELECTION: Duration = Duration::from_secs(180);

const REDIS_HA: &str = include_str!("../fixtures/config/redis-ha.cfg");

/// How often the log has a line with all of `words`.
fn lines(rolecall: &Rolecall, words: &[&str]) -> usize {
    let output = rolecall.output();
    output.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

fn wait_for(rolecall: &Rolecall, count: usize, words: &[&str]) {
    let deadline = ELECTION;
    let name = format!("{count} lines with {words:?}");
    eventually(&name, deadline, || (lines(rolecall, words) >= count).then_some(()));
}

#[test]
fn an_unchanged_config_with_a_password_finds_the_sentinels() {
    let password = ["--requirepass", "my-redis-password", "--masterauth", "my-redis-password"];
    let master = Redis::with(&password);
    let port = master.port.to_string();
    let replica = Redis::with(&[&["--replicaof", "127.0.0.1", &port][..], &password].concat());
    let sentinels = Sentinels::watching_with(
        &master,
        (1, 3),
        Duration::from_secs(5),
        "sentinel auth-pass mymaster my-redis-password\n",
    );
    let port = free_port();
    let config: String = REDIS_HA
        .replace("192.168.1.21:6379", &format!("127.0.0.1:{}", master.port))
        .replace("192.168.1.22:6379", &format!("127.0.0.1:{}", replica.port))
        .replace("bind :6379", &format!("bind 127.0.0.1:{port}"))
        .lines()
        .filter(|line| {
            !["chroot", "user", "group", "daemon"].iter().any(|word| line.trim().starts_with(word))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let rolecall = Rolecall::start(&config, port);
    wait_for(&rolecall, 3, &["Backend redis_backend: Sentinel 127.0.0.1:", "of 'mymaster' it names"]);
    for port in &sentinels.ports {
        assert_eq!(
            lines(&rolecall, &[&format!("Sentinel 127.0.0.1:{port}"), "names"]),
            1,
            "{}",
            rolecall.output()
        );
    }
    assert!(!rolecall.output().contains("my-redis-password"));
}

#[test]
fn a_section_names_them_and_its_troubles_are_told_by_name() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let sentinels = Sentinels::watching(&master, 1, 2, Duration::from_secs(5));
    let port = free_port();
    let servers =
        redis_config(port, &[master.port, replica.port], "    no option redis-sentinel-discovery\n");
    let section = |name: &str| {
        format!(
            "{servers}sentinels group\n    master {name}\n    timeout 500ms\n    sentinel s1 127.0.0.1:{}\n    \
             sentinel wrong 127.0.0.1:{}\n    sentinel gone 127.0.0.1:1\n",
            sentinels.ports[0], master.port
        )
    };
    let rolecall = Rolecall::start(&section("nobody"), port);
    wait_for(&rolecall, 1, &["Sentinel s1 ", "watches no master 'nobody'"]);
    wait_for(&rolecall, 1, &["Sentinel wrong ", "is a Redis, and no Sentinel"]);
    wait_for(&rolecall, 1, &["Sentinel gone ", "cannot connect: Connection refused"]);
    rolecall.reload(&section("mymaster"));
    wait_for(&rolecall, 1, &["Sentinel s1 ", "of 'mymaster' it names redis1"]);
    // The other one was not named, and s1 knows it.
    wait_for(
        &rolecall,
        1,
        &[&format!("Sentinel 127.0.0.1:{}", sentinels.ports[1]), "was told of by another"],
    );
}

#[test]
fn four_sentinels_and_five_redis() {
    let master = Redis::master();
    let replicas: Vec<Redis> = (0..4).map(|_| Redis::replica_of(&master)).collect();
    let sentinels = Sentinels::watching(&master, 4, 4, Duration::from_secs(5));
    let port = free_port();
    let ports: Vec<u16> = [master.port].into_iter().chain(replicas.iter().map(|redis| redis.port)).collect();
    let rolecall = Rolecall::start(&redis_config(port, &ports, ""), port);
    wait_for(&rolecall, 4, &["Sentinel 127.0.0.1:", "of 'mymaster' it names redis1"]);
    assert_eq!(sentinels.ports.len(), 4);
}

#[test]
fn a_section_is_checked_like_any_other() {
    let config = |lines: &str| {
        format!(
            "{}sentinels group\n    auth-user watcher\n    auth-pass hunter2\n{lines}",
            redis_config(1, &[2], "")
        )
    };
    let (code, text) =
        check(config("    master mymaster\n    sentinel s1 127.0.0.1\n    sentinel s2 [::1]:26380\n"));
    assert_eq!(code, Some(0), "{text}");
    let wrong = "    sentinel s1 127.0.0.1:0\n    sentinel s1\n    sentinel s2 127.0.0.1\n    sentinel s2 127.0.0.2\n    \
                 timeout 0\n    mastr x\n    auth-pas hunter2\n";
    let (code, text) = check(config(wrong));
    assert_eq!(code, Some(1), "{text}");
    for expected in [
        "no 'master' is named",
        "sentinel 's2' has the same name as one declared at",
        "'127.0.0.1:0' is not a host with a port",
        "'sentinel' expects <id> and <addr>[:<port>] as arguments",
        "'timeout' has to be longer than 0",
        "unknown keyword 'mastr' in 'sentinels' section; did you mean 'master' maybe ?",
        "unknown keyword 'auth-pas'",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
}

/// A backend for the master and one for replicas that list no server.
fn unlisted(port: u16, reads: u16, sentinels: &[u16]) -> String {
    let servers = redis_config(port, &[], "    server m sentinel@group check inter 100ms\n");
    let mut config = format!(
        "{servers}listen reads\n    bind 127.0.0.1:{reads}\n    option redis-replica max-lag 5s\n    \
         server-template r 4 sentinel-replicas@group check inter 100ms\n\
         sentinels group\n    master mymaster\n    timeout 500ms\n"
    );
    for (at, port) in sentinels.iter().enumerate() {
        config.push_str(&format!("    sentinel s{at} 127.0.0.1:{port}\n"));
    }
    config
}

#[test]
fn servers_come_from_sentinels_alone() {
    let mut master = Redis::master();
    let replica = Redis::replica_of(&master);
    let sentinels = Sentinels::watching(&master, 1, 3, Duration::from_secs(1));
    let (port, reads) = (free_port(), free_port());
    let config = unlisted(port, reads, &sentinels.ports);
    let rolecall = Rolecall::spawn(&config, &["-db"]);
    // The first client comes before any Sentinel has answered, and waits.
    rolecall.wait_for_port(port);
    let mut client = Client::connect(port).expect("a client is accepted");
    assert_eq!(client.call(&["SET", "key", "1"]).expect("the master answers"), "OK");
    assert_eq!(master.call(&["GET", "key"]), "1");
    let mut reader = Client::connect(reads).expect("a reader is accepted");
    assert!(reader.call(&["ROLE"]).expect("a replica answers").starts_with("slave"));
    drop((client, reader));

    let later = Redis::replica_of(&master);
    let place = |redis: &Redis| format!("is 127.0.0.1:{} now (sentinel@group)", redis.port);
    wait_for(&rolecall, 1, &[&place(&later)]);

    master.kill();
    eventually("a write after the failover", ELECTION, || {
        let mut client = Client::connect(port).ok()?;
        (client.call(&["SET", "key", "2"]).ok()? == "OK").then_some(())
    });
    // The promotion is served a second before the Sentinels name it.
    let heir = eventually("a Sentinel that names the heir", ELECTION, || {
        let named = sentinels.master_port();
        [&replica, &later].into_iter().find(|redis| redis.port == named)
    });
    assert_eq!(heir.call(&["GET", "key"]), "2");

    wait_for(&rolecall, 2, &["is master,"]);
    wait_for(
        &rolecall,
        1,
        &[&format!("127.0.0.1:{} is the master now (sentinel-replicas@group)", heir.port)],
    );
    wait_for(&rolecall, 1, &[&format!("is 127.0.0.1:{} now (sentinel-replicas@group)", master.port)]);

    // Everybody stays where he is over a reload: no new key, no new first choice.
    let choices = lines(&rolecall, &["is master,"]);
    let moves = lines(&rolecall, &["now (sentinel"]);
    rolecall.reload(&config.replace("timeout client 120s", "timeout client 60s"));
    rolecall.wait_for_output("Loading success.");
    let mut client = Client::connect(port).expect("a client is accepted");
    assert_eq!(client.call(&["SET", "key", "3"]).expect("the master answers"), "OK");
    assert_eq!(heir.call(&["GET", "key"]), "3");
    assert_eq!(lines(&rolecall, &["is master,"]), choices, "{}", rolecall.output());
    assert_eq!(lines(&rolecall, &["now (sentinel"]), moves, "{}", rolecall.output());
    assert_eq!(lines(&rolecall, &["no address any more: no Sentinel"]), 0, "{}", rolecall.output());
}

#[test]
fn a_redis_that_all_sentinels_forgot_frees_its_slot() {
    let master = Redis::master();
    let mut replica = Redis::replica_of(&master);
    let sentinels = Sentinels::watching(&master, 1, 1, Duration::from_secs(1));
    let (port, reads) = (free_port(), free_port());
    let rolecall = Rolecall::start(&unlisted(port, reads, &sentinels.ports), port);
    wait_for(&rolecall, 1, &[&format!("is 127.0.0.1:{} now (sentinel@group)", replica.port)]);
    replica.kill();
    let mut sentinel = Client::connect(sentinels.ports[0]).expect("the Sentinel accepts");
    let flags = || sentinel_flags(sentinels.ports[0]);
    eventually("a replica that is down", Duration::from_secs(30), || {
        flags().contains("s_down").then_some(())
    });
    // Down is not forgotten.
    assert_eq!(lines(&rolecall, &["has no address any more"]), 0, "{}", rolecall.output());
    sentinel.call(&["SENTINEL", "RESET", "mymaster"]).expect("an answer");
    wait_for(&rolecall, 2, &["has no address any more: no Sentinel knows"]);
    let mut client = Client::connect(port).expect("a client is accepted");
    assert_eq!(client.call(&["SET", "key", "1"]).expect("the master answers"), "OK");
}

fn sentinel_flags(port: u16) -> String {
    let mut client = Client::connect(port).expect("the Sentinel accepts");
    let answer = client.call(&["SENTINEL", "REPLICAS", "mymaster"]).expect("an answer");
    let mut lines = answer.lines();
    lines.find(|line| *line == "flags");
    lines.next().unwrap_or_default().to_owned()
}

#[test]
fn a_node_that_is_announced_by_its_host_name_gets_a_slot() {
    let master = Redis::master();
    let port = master.port.to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &port, "--replica-announce-ip", "localhost"]);
    let names = "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n";
    let sentinels = Sentinels::watching_with(&master, (1, 1), Duration::from_secs(5), names);
    let replicas = Client::connect(sentinels.ports[0])
        .and_then(|mut client| client.call(&["SENTINEL", "replicas", "mymaster"]))
        .expect("Sentinel answers");
    assert!(replicas.lines().any(|line| line == "localhost"), "it announces an address: {replicas}");
    let (writes, reads) = (free_port(), free_port());
    // The Sentinel itself is named too.
    let config =
        unlisted(writes, reads, &sentinels.ports).replace("sentinel s0 127.0.0.1:", "sentinel s0 localhost:");
    let rolecall = Rolecall::start(&config, writes);
    wait_for(&rolecall, 1, &[&format!("server r1 is 127.0.0.1:{} now", replica.port)]);
    let served = || Client::connect(reads).ok()?.server_port().ok();
    eventually("a client of the replica", Duration::from_secs(30), || {
        (served()? == replica.port).then_some(())
    });
}
