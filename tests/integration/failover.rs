//! Sentinel elects, masters die and come back: clients follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::rolecall::redis_config;
use crate::harness::{Client, Redis, Rolecall, Sentinels, eventually, free_port};

/// Writes, reconnecting as clients do, until it is stopped.
struct Writer {
    good: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(port: u16) -> Writer {
        let (good, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (written, stopped) = (Arc::clone(&good), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                let Ok(mut client) = Client::connect(port) else { continue };
                while !stopped.load(Relaxed) && client.call(&["INCR", "counter"]).is_ok() {
                    written.fetch_add(1, Relaxed);
                }
            }
        });
        Writer { good, stop, thread }
    }

    /// Returns after `count` more good writes.
    fn writes(&self, count: u64, limit: Duration) {
        let goal = self.good.load(Relaxed) + count;
        eventually("more good writes", limit, || (self.good.load(Relaxed) >= goal).then_some(()));
    }

    fn stop(self) {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the writer ends");
    }
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
    let writer = Writer::start(port);
    writer.writes(100, Duration::from_secs(10));
    master.kill();
    // How long the election takes is Sentinel's affair: a split vote makes it try again.
    eventually("another master by Sentinel's word", Duration::from_secs(60), || {
        (sentinels.master_port() != old_port).then_some(())
    });
    writer.writes(100, Duration::from_secs(5));
    writer.stop();

    // Without Sentinel's attention (it is paused) the old master returns as it was: as a master.
    let new_master = sentinels.master_port();
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
