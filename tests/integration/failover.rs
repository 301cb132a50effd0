//! Sentinel elects, masters die and come back: clients follow.

use std::time::{Duration, Instant};

use crate::harness::rolecall::redis_config;
use crate::harness::{Client, Redis, Rolecall, Sentinels, eventually, free_port};

/// Writes until a deadline, reconnecting as clients do; returns (good writes, the longest gap between two).
fn write_for(port: u16, time: Duration) -> (u64, Duration) {
    let end = Instant::now() + time;
    let (mut good, mut last, mut gap) = (0, Instant::now(), Duration::ZERO);
    let mut client: Option<Client> = None;
    while Instant::now() < end {
        let connected = match client.as_mut() {
            Some(connected) => connected,
            None => match Client::connect(port) {
                Ok(fresh) => client.insert(fresh),
                Err(_) => continue,
            },
        };
        match connected.call(&["INCR", "counter"]) {
            Ok(_) => {
                good += 1;
                gap = gap.max(last.elapsed());
                last = Instant::now();
            }
            Err(_) => client = None,
        }
    }
    (good, gap.max(last.elapsed()))
}

#[test]
fn writers_go_on_after_the_master_was_killed_and_its_return_gets_nobody() {
    let mut master = Redis::master();
    let replicas = [Redis::replica_of(&master), Redis::replica_of(&master)];
    let sentinels = Sentinels::watching(&master, 2, 3, Duration::from_millis(1000));
    let port = free_port();
    let config =
        redis_config(port, &[master.port, replicas[0].port, replicas[1].port], "    timeout queue 15s\n");
    let rolecall = Rolecall::start(&config, port);
    let old_port = master.port;
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        master.kill();
        master
    });
    let (good, gap) = write_for(port, Duration::from_secs(10));
    let mut master = killer.join().expect("the master is killed");
    assert!(good > 1000, "{good} writes; {}", rolecall.output());
    assert!(gap < Duration::from_secs(8), "the longest gap was {gap:?}; {}", rolecall.output());

    // Without Sentinel's attention (it is paused) the old master returns as it was: as a master.
    let new_master = sentinels.master_port();
    assert_ne!(new_master, old_port);
    sentinels.pause();
    master.start_again(&[]);
    assert_eq!(master.info("role"), "master");
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
    eventually("both roles", Duration::from_secs(5), || rolecall.output().contains("redis2").then_some(()));
    master.process.signal("STOP");
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    let reached = eventually("the successor", Duration::from_secs(5), || {
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
    eventually("both roles", Duration::from_secs(5), || rolecall.output().contains("redis2").then_some(()));
    master.kill();
    let mut waiting: Vec<Client> =
        (0..5).map(|_| Client::connect(port).expect("the frontend accepts")).collect();
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    let promoted = Instant::now();
    for client in &mut waiting {
        assert_eq!(client.server_port().expect("a server answers"), replica.port, "{}", rolecall.output());
    }
    assert!(
        promoted.elapsed() < Duration::from_millis(800),
        "{:?}: {}",
        promoted.elapsed(),
        rolecall.output()
    );
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
    eventually("the master to be back", Duration::from_secs(5), || {
        let mut fresh = Client::connect_within(port, Duration::from_secs(1)).ok()?;
        (fresh.server_port().ok()? == master.port).then_some(())
    });
}
