//! Sentinel elects, masters die and come back: clients follow.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::rolecall::{redis_config, wait_for_sentinels};
use crate::harness::writers::{Written, lost};
use crate::harness::{Client, Redis, Rolecall, Sentinels, Writers, eventually, free_port};

const REDIS_HA: &str = include_str!("../fixtures/config/redis-ha.cfg");
const PASSWORD: &str = "my-redis-password";
const SOON: Duration = Duration::from_secs(120);

/// Four writers, through a failover that somebody asked for while nothing is wrong.
fn through_a_planned_failover(
    rolecall: &Rolecall,
    (port, password): (u16, Option<&'static str>),
    sentinels: &Sentinels,
    master: u16,
) -> (Vec<Written>, u16) {
    wait_for_sentinels(rolecall, sentinels.ports.len());
    let writers = Writers::start(port, 4, password);
    writers.write(100, SOON);
    sentinels.fail_over();
    rolecall.wait_for_output_within(" took over from redis1: ", SOON);
    // The old master stays one for ten more seconds.
    writers.write(300, SOON);
    let written = writers.stop();
    let port = eventually("Sentinels that have switched", SOON, || {
        Some(sentinels.master_port()).filter(|port| *port != master)
    });
    (written, port)
}

fn check_that_nothing_was_lost(
    rolecall: &Rolecall,
    written: &[Written],
    (port, password): (u16, Option<&str>),
) {
    assert_eq!(lost(written, port, password), 0, "acknowledged writes are lost: {}", rolecall.output());
    for writer in written {
        assert_eq!(writer.refused, [], "{}", rolecall.output());
        assert_eq!(writer.ended, [ErrorKind::UnexpectedEof], "{}", rolecall.output());
    }
    rolecall.wait_for_output(" took over from ");
    let output = rolecall.output();
    let told = output.lines().find(|line| line.contains(" took over from ")).expect("the line");
    for words in [
        "4 sessions cut, ",
        " ms frozen; ",
        "selected after ",
        "master after ",
        "was elected to fail redis1 over",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
}

#[test]
fn a_planned_failover_loses_no_write_with_a_config_that_knows_of_no_sentinels() {
    let login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
    let master = Redis::with(&login);
    let old_port = master.port.to_string();
    let replica = Redis::with(&[&["--replicaof", "127.0.0.1", &old_port][..], &login].concat());
    let more = format!("sentinel auth-pass mymaster {PASSWORD}\n");
    let sentinels = Sentinels::watching_with(&master, (1, 3), Duration::from_secs(5), &more);
    let port = free_port();
    let config = REDIS_HA
        .replace("192.168.1.21:6379", &format!("127.0.0.1:{}", master.port))
        .replace("192.168.1.22:6379", &format!("127.0.0.1:{}", replica.port))
        .replace("bind :6379", &format!("bind 127.0.0.1:{port}"));
    // Where and as whom it runs is another test's affair.
    let elsewhere = ["chroot", "user", "group", "daemon"];
    let kept = config.lines().filter(|line| !elsewhere.iter().any(|word| line.trim().starts_with(word)));
    let rolecall = Rolecall::start(&(kept.collect::<Vec<_>>().join("\n") + "\n"), port);
    let (written, new_port) =
        through_a_planned_failover(&rolecall, (port, Some(PASSWORD)), &sentinels, master.port);
    check_that_nothing_was_lost(&rolecall, &written, (new_port, Some(PASSWORD)));
}

/// The master has seconds of work of its own when the failover is decided, and goes on with it after the promotion.
#[test]
fn a_client_that_pipelines_is_told_of_no_write_that_is_lost() {
    const SLOW: &str = "for i = 1, 100000 do end return redis.call('RPUSH', KEYS[1], ARGV[1])";
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let sentinels = Sentinels::watching(&master, 1, 3, Duration::from_secs(5));
    let port = free_port();
    let rolecall = Rolecall::start(&redis_config(port, &[master.port, replica.port], ""), port);
    wait_for_sentinels(&rolecall, 3);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    client.set_read_timeout(Some(SOON)).expect("a time limit");
    let mut asking = client.try_clone().expect("a second handle");
    let asker = std::thread::spawn(move || {
        let write = |number: u32| {
            let (script, text) = (SLOW.len(), number.to_string());
            let length = text.len();
            format!(
                "*5\r\n$4\r\nEVAL\r\n${script}\r\n{SLOW}\r\n$1\r\n1\r\n$4\r\nlist\r\n${length}\r\n{text}\r\n"
            )
        };
        // Until the session is cut.
        (0..).take_while(|number| asking.write_all(write(*number).as_bytes()).is_ok()).count()
    });
    let (mut told, mut block, mut asked_for) = (0, [0; 4096], false);
    loop {
        // How it ends is no matter: unread input makes it an RST.
        let count = client.read(&mut block).unwrap_or(0);
        if count == 0 {
            break;
        }
        told += block[..count].iter().filter(|byte| **byte == b'\n').count();
        if told > 200 && !std::mem::replace(&mut asked_for, true) {
            sentinels.fail_over();
        }
    }
    rolecall.wait_for_output_within(" took over from redis1: ", SOON);
    drop(client);
    let sent = asker.join().expect("the asker ends");
    assert!(asked_for && sent > told, "{told} of {sent}: {}", rolecall.output());
    let kept = replica.call(&["LRANGE", "list", "0", "-1"]);
    let kept: Vec<usize> = kept.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(kept.len() >= told, "{} of {told} are there: {}", kept.len(), rolecall.output());
    assert!(kept.iter().copied().eq(0..kept.len()), "in order");
}

#[test]
fn writers_go_on_after_the_master_was_killed_and_its_return_gets_nobody() {
    let mut master = Redis::master();
    let replicas = [Redis::replica_of(&master), Redis::replica_of(&master)];
    let sentinels = Sentinels::watching(&master, 2, 3, Duration::from_millis(1000));
    let port = free_port();
    let config =
        redis_config(port, &[master.port, replicas[0].port, replicas[1].port], "    timeout queue 70s\n");
    let rolecall = Rolecall::start(&config, port);
    let old_port = master.port;
    let writers = Writers::start(port, 4, None);
    writers.write(30, Duration::from_secs(30));
    master.kill();
    // Those who were there may still have met the dying one's socket; nobody who comes from now on is turned away.
    let late = Writers::start(port, 4, None);
    // How long the election takes is Sentinel's affair: a split vote makes it try again.
    eventually("another master by Sentinel's word", Duration::from_secs(180), || {
        (sentinels.master_port() != old_port).then_some(())
    });
    writers.write(30, Duration::from_secs(30));
    late.write(30, Duration::from_secs(30));
    assert!(writers.stop().iter().all(|writer| writer.ended.len() == 1), "{}", rolecall.output());
    for writer in late.stop() {
        assert_eq!((writer.refused, writer.ended), (vec![], vec![]), "{}", rolecall.output());
    }

    // Without Sentinel's attention (it is paused) the old master returns as it was: as a master.
    let new_master = sentinels.master_port();
    sentinels.pause();
    master.start_again(&[]);
    assert_eq!(master.info("role"), "master", "{}", master.call(&["INFO", "replication"]));
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        let reached =
            Client::connect(port).and_then(|mut client| client.server_port()).expect("a server answers");
        assert_eq!(reached, new_master, "{}", rolecall.output());
    }
    sentinels.go_on();
}

#[test]
fn a_promotion_by_hand_moves_clients_and_the_stopped_master_gets_none_when_it_wakes() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let rolecall =
        Rolecall::start(&redis_config(port, &[master.port, replica.port], "    timeout check 1s\n"), port);
    let mut client = Client::connect(port).expect("the frontend accepts");
    assert_eq!(client.server_port().expect("a server answers"), master.port);
    // The kept probe has to have seen the replica as a replica of this master before.
    eventually("both roles", Duration::from_secs(30), || rolecall.output().contains("redis2").then_some(()));
    master.process.signal("STOP");
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    let reached = eventually("the successor", Duration::from_secs(30), || {
        let mut client = Client::connect_within(port, Duration::from_millis(500)).ok()?;
        client.server_port().ok()
    });
    assert_eq!(reached, replica.port, "{}", rolecall.output());
    master.process.signal("CONT");
    for _ in 0..50 {
        let reached =
            Client::connect(port).and_then(|mut client| client.server_port()).expect("a server answers");
        assert_eq!(reached, replica.port, "{}", rolecall.output());
    }
    assert!(client.call(&["PING"]).is_err(), "the session on the old master was not cut");
}

/// Between the master's death and the check that finds it out clients are refused by the dead one; they pause
/// before they try again, and must not sleep through the naming of the next master.
#[test]
fn a_client_that_met_the_dead_master_is_served_as_soon_as_there_is_another() {
    let mut master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let rolecall = Rolecall::start(&redis_config(port, &[master.port, replica.port], ""), port);
    let mut client = Client::connect(port).expect("the frontend accepts");
    assert_eq!(client.server_port().expect("a server answers"), master.port);
    eventually("both roles", Duration::from_secs(30), || rolecall.output().contains("redis2").then_some(()));
    master.kill();
    let mut waiting: Vec<Client> =
        (0..5).map(|_| Client::connect(port).expect("the frontend accepts")).collect();
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    for client in &mut waiting {
        assert_eq!(client.server_port().expect("a server answers"), replica.port, "{}", rolecall.output());
    }
}

#[test]
fn a_master_that_stalls_keeps_its_sessions() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let config = redis_config(port, &[master.port, replica.port], "    timeout check 200ms\n");
    let rolecall = Rolecall::start(&config, port);
    let mut client = Client::connect(port).expect("the frontend accepts");
    assert_eq!(client.server_port().expect("a server answers"), master.port);
    client.send(&["DEBUG", "SLEEP", "3"]).expect("the command is sent");
    assert_eq!(client.reply().expect("the session outlives the stall"), "OK", "{}", rolecall.output());
    eventually("the master to be back", Duration::from_secs(30), || {
        let mut fresh = Client::connect_within(port, Duration::from_secs(1)).ok()?;
        (fresh.server_port().ok()? == master.port).then_some(())
    });
}
