//! The guard with real Redis servers behind it, asked by the real checks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc::unbounded_channel;

use super::actor::{Ears, Guards, run};
use super::classify::classify;
use super::scripts::{asks_for_master, backend};
use crate::config::Config;
use crate::config::model::{RedisOptions, ServerCheck};
use crate::health::sentinel::AskSentinels;
use crate::health::sentinel::redis_tests::ports::free_port;
use crate::health::{Checks, Sinks};
use crate::redis::Role;
use crate::state::{Command, CutReason, Operation, Published, ServerLive, Snapshot, Workers};
use crate::time::Tick;

/// A redis-server of our own; ended with the value.
struct Redis {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Redis {
    fn start(port: u16, master: Option<u16>) -> Redis {
        let directory = tempfile::tempdir().unwrap();
        let process = launch(port, master, directory.path());
        let redis = Redis { process, port, directory };
        redis.answers();
        redis
    }

    /// Killed and started again in the same place, with its dump.
    fn restart(&mut self) {
        self.tell("SAVE");
        self.end();
        self.process = launch(self.port, None, self.directory.path());
        self.answers();
    }

    fn answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.try_tell("PING").is_some_and(|reply| reply.contains("PONG")) {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn tell(&self, command: &str) -> String {
        self.try_tell(command).unwrap()
    }

    fn try_tell(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

fn launch(port: u16, master: Option<u16>, directory: &std::path::Path) -> Child {
    let mut command = std::process::Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--repl-diskless-sync-delay", "0"]).arg("--dir").arg(directory);
    if let Some(master) = master {
        command.args(["--replicaof", &format!("127.0.0.1 {master}")]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Checks and guard over those servers.
struct Balancer {
    published: Arc<Published>,
    workers: Workers,
    posted: Vec<Command>,
    _checks: Checks,
    _snapshots: tokio::sync::mpsc::UnboundedSender<Arc<Snapshot>>,
}

impl Balancer {
    fn start(servers: &[&Redis]) -> Balancer {
        let addresses: Vec<SocketAddr> = servers.iter().map(|redis| redis.address()).collect();
        let mut backend = backend(&addresses, asks_for_master(), RedisOptions::default());
        backend.timeout_check = Some(Duration::from_millis(400));
        for server in &mut backend.servers {
            let inter = Duration::from_millis(30);
            server.check = Some(ServerCheck { inter, rise: 1, ..ServerCheck::default() });
        }
        let guarding = [classify(&backend, 16384)];
        let config = Arc::new(Config { backends: vec![backend], ..Config::default() });
        let empty = Snapshot::empty(1);
        let snapshot = Arc::new(Snapshot::build(config, Vec::new(), &guarding, &empty, Tick::now()));
        let published = Arc::new(Published::from(Arc::clone(&snapshot)));
        let workers = Workers::new(1).unwrap();
        let ((reports, heard), (events, _)) = (unbounded_channel(), unbounded_channel());
        let (snapshots, changes) = unbounded_channel();
        let guards = Guards::new(workers.clone(), events.clone(), AskSentinels::default());
        let ((_, sentinels), (_, requests)) = (unbounded_channel(), unbounded_channel());
        let (orders, _) = unbounded_channel();
        tokio::spawn(run(guards, Ears { snapshots: changes, reports: heard, sentinels, requests }));
        snapshots.send(Arc::clone(&snapshot)).unwrap();
        let sinks =
            Sinks { reports, events, orders, workers: workers.clone(), published: Arc::clone(&published) };
        let mut checks = Checks::new(sinks);
        checks.apply(&snapshot);
        Balancer { published, workers, posted: Vec::new(), _checks: checks, _snapshots: snapshots }
    }

    fn server(&self, at: usize) -> Arc<ServerLive> {
        Arc::clone(&self.published.load().backends[0].servers[at])
    }

    fn master(&self) -> Option<usize> {
        let snapshot = self.published.load();
        let view = &snapshot.backends[0];
        view.live.master.load().server.and_then(|key| view.position(key))
    }

    fn was_cut(&mut self, at: usize) -> bool {
        self.workers.mailbox(0).take(&mut self.posted);
        let key = self.server(at).key;
        let found = self.posted.iter().any(|command| {
            matches!(command, Command::Cut(cut, CutReason::Succeeded | CutReason::RoleChanged) if *cut == key)
        });
        self.posted.clear();
        found
    }

    /// Waits for something; whatever else may happen meanwhile, `never` must not.
    async fn until(&self, what: &str, holds: impl Fn(&Balancer) -> bool, never: impl Fn(&Balancer) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: master is {:?}", self.master());
            assert!(!never(self), "before {what}: master is {:?}", self.master());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn wait_for(redis: &Redis, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !redis.tell("INFO replication").contains(what) {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Master and replica, in sync.
fn pair() -> (Redis, Redis) {
    let a = Redis::start(free_port(), None);
    let b = Redis::start(free_port(), Some(a.port));
    a.tell("SET key value");
    wait_for(&b, "master_link_status:up");
    (a, b)
}

fn held_by(at: usize, words: &'static str) -> impl Fn(&Balancer) -> bool {
    move |balancer| balancer.server(at).redis().held.is_some_and(|held| held.contains(words))
}

fn seen_as_replica(at: usize) -> impl Fn(&Balancer) -> bool {
    move |balancer| balancer.server(at).redis().report.is_some_and(|report| report.role == Role::Replica)
}

#[tokio::test]
async fn clients_follow_a_promotion_by_hand_and_never_the_master_that_returns() {
    let (mut a, b) = pair();
    let mut balancer = Balancer::start(&[&a, &b]);
    balancer.until("the master is found", |it| it.master() == Some(0), |it| it.master() == Some(1)).await;
    balancer.until("the replica is seen", seen_as_replica(1), |it| it.master() != Some(0)).await;
    assert!(balancer.server(0).proven() && !balancer.server(1).proven());

    b.tell("REPLICAOF NO ONE");
    balancer.until("the successor wins", |it| it.master() == Some(1), |it| it.master().is_none()).await;
    assert!(balancer.was_cut(0) && !balancer.was_cut(1));
    balancer
        .until("the old one is held", held_by(0, "redis2 succeeded it at"), |it| it.master() != Some(1))
        .await;

    // It is demoted, and comes back without its replicaof: it says what a promoted replica would.
    a.tell(&format!("REPLICAOF 127.0.0.1 {}", b.port));
    wait_for(&a, "master_link_status:up");
    let demoted = |it: &Balancer| it.server(0).redis().held.is_none();
    balancer.until("the old one is a replica", demoted, |it| it.master() != Some(1)).await;
    a.restart();
    assert!(a.tell("INFO replication").contains("role:master"));
    balancer
        .until("it is held again", held_by(0, "restarted as a master"), |it| it.master() != Some(1))
        .await;

    // It follows, and is promoted by hand.
    a.tell(&format!("REPLICAOF 127.0.0.1 {}", b.port));
    wait_for(&a, "master_link_status:up");
    balancer.until("it follows again", demoted, |it| it.master() != Some(1)).await;
    a.tell("REPLICAOF NO ONE");
    balancer.until("it succeeds", |it| it.master() == Some(0), |it| it.master().is_none()).await;
    assert!(balancer.was_cut(1));
}

#[tokio::test]
async fn a_killed_master_that_returns_gets_nobody() {
    let (mut a, b) = pair();
    let balancer = Balancer::start(&[&a, &b]);
    balancer.until("the master is found", |it| it.master() == Some(0), |it| it.master() == Some(1)).await;
    // Lineage is what was seen: a promotion before the first answer of the replica would leave no trace.
    balancer.until("the replica is seen", seen_as_replica(1), |it| it.master() != Some(0)).await;
    a.end();
    b.tell("REPLICAOF NO ONE");
    balancer.until("the successor wins", |it| it.master() == Some(1), |_| false).await;
    let up = |it: &Balancer| it.server(1).operation() == Operation::Running;
    balancer.until("it is up", up, |it| it.master() != Some(1)).await;
    a.process = launch(a.port, None, a.directory.path());
    balancer
        .until("the old one is held", held_by(0, "redis2 succeeded it at"), |it| it.master() != Some(1))
        .await;
}

#[tokio::test]
async fn a_master_that_hangs_keeps_its_word_and_its_sessions() {
    let (a, b) = pair();
    let mut balancer = Balancer::start(&[&a, &b]);
    balancer.until("the master is found", |it| it.master() == Some(0), |it| it.master() == Some(1)).await;
    a.signal(Signal::SIGSTOP);
    let down = |it: &Balancer| it.server(0).operation() == Operation::Stopped;
    balancer.until("health says DOWN", down, |it| it.master() != Some(0)).await;
    assert!(!balancer.was_cut(0));
    a.signal(Signal::SIGCONT);
    balancer.until("it is back", |it| !down(it), |it| it.master() != Some(0)).await;
    let clock = |it: &Balancer| it.published.load().backends[0].live.masterless_since().is_none();
    balancer.until("the hold ends", clock, |it| it.master() != Some(0)).await;
}
