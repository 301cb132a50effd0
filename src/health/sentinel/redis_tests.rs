//! The watcher with real redis-server and redis-sentinel processes.

#[allow(unreachable_pub, reason = "shared with other tests")]
#[path = "../../../tests/integration/harness/ports.rs"]
pub(crate) mod ports;

use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ports::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::bench::{Bench, backend, section, undiscovering};
use crate::redis::reply::{Inbox, command};

/// One process with its directory; killed with the value.
struct Process {
    port: u16,
    child: Child,
    directory: tempfile::TempDir,
}

impl Process {
    fn spawn(program: &str, arguments: &[String], port: u16, directory: tempfile::TempDir) -> Process {
        let mut command = std::process::Command::new(program);
        command.args(arguments).current_dir(directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Process { port, child, directory }
    }

    async fn redis(options: &[&str]) -> Process {
        let port = free_port();
        let fixed = [
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let arguments: Vec<String> = fixed.iter().chain(options).map(|word| (*word).to_owned()).collect();
        let redis = Process::spawn("redis-server", &arguments, port, tempfile::tempdir().unwrap());
        redis.answers().await;
        redis
    }

    async fn sentinel(master: &Process, options: &str) -> Process {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n{options}",
            master.port
        );
        let config = directory.path().join("sentinel.conf");
        std::fs::write(&config, text).unwrap();
        let sentinel = Process::spawn("redis-sentinel", &[config.display().to_string()], port, directory);
        sentinel.answers().await;
        sentinel
    }

    /// Ends it and starts it again with what it wrote down.
    async fn restart_sentinel(&mut self) {
        self.end();
        let config = self.directory.path().join("sentinel.conf").display().to_string();
        let mut command = std::process::Command::new("redis-sentinel");
        command.arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = command.spawn().unwrap();
        self.answers().await;
    }

    async fn answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.try_call(&["PING"]).await.is_none() {
            assert!(Instant::now() < deadline, "no answer on {}", self.port);
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The raw reply to one command.
    async fn call(&self, words: &[&str]) -> String {
        self.try_call(words).await.unwrap()
    }

    async fn try_call(&self, words: &[&str]) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        stream.write_all(&command(&words)).await.ok()?;
        let (mut inbox, mut space) = (Inbox::default(), [0; 4096]);
        loop {
            if let Some(frame) = inbox.next_frame().ok()? {
                return Some(String::from_utf8_lossy(&frame).into_owned());
            }
            let read = stream.read(&mut space).await.ok().filter(|read| *read > 0)?;
            inbox.receive(&space[..read]).ok()?;
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A master, two replicas, and Sentinels that know all of them and each other.
struct World {
    redis: Vec<Process>,
    sentinels: Vec<Process>,
}

impl World {
    async fn new(options: &[&str], sentinels: usize) -> World {
        let master = Process::redis(options).await;
        let port = master.port.to_string();
        let following = [&["--replicaof", "127.0.0.1", &port][..], options].concat();
        let redis = vec![master, Process::redis(&following).await, Process::redis(&following).await];
        let mut world = World { redis, sentinels: Vec::new() };
        let auth = if options.is_empty() { "" } else { "sentinel auth-pass mymaster secret\n" };
        for _ in 0..sentinels {
            world.sentinels.push(Process::sentinel(&world.redis[0], auth).await);
        }
        for sentinel in &world.sentinels {
            let deadline = Instant::now() + Duration::from_secs(15);
            let others = format!("num-other-sentinels\r\n${}\r\n{}", 1, sentinels - 1);
            loop {
                let view = sentinel.call(&["SENTINEL", "MASTER", "mymaster"]).await;
                if view.contains(&others) && view.contains("num-slaves\r\n$1\r\n2") {
                    break;
                }
                assert!(Instant::now() < deadline, "{view}");
                sleep(Duration::from_millis(50)).await;
            }
        }
        world
    }

    fn ports(&self) -> Vec<u16> {
        self.redis.iter().map(|redis| redis.port).collect()
    }

    fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.sentinels.iter().map(|sentinel| ([127, 0, 0, 1], sentinel.port).into()).collect()
    }
}

#[tokio::test]
async fn a_planned_failover_is_told_step_by_step_by_its_leader() {
    let world = World::new(&[], 3).await;
    let mut bench = Bench::new(undiscovering(&world.ports()), vec![section(&world.addresses())]);
    for _ in 0..3 {
        bench.line("of 'mymaster' it names redis0").await;
    }
    // The subscriptions stand once each was followed by another round.
    for _ in 0..9 {
        bench.word().await;
    }
    let reply = world.sentinels[1].call(&["SENTINEL", "FAILOVER", "mymaster"]).await;
    assert!(reply.starts_with("+OK"), "{reply}");
    let words = bench.words_until("Ended").await;
    let steps: Vec<&String> = words.iter().filter(|word| word.contains("Failover(")).collect();
    let [decided, selected, promoted, ended] = steps[..] else { panic!("{words:#?}") };
    let winner = if selected.contains("promoted: redis1") { "redis1" } else { "redis2" };
    assert_eq!(decided, "2 Failover(Decided { master: redis0 })");
    assert_eq!(*selected, format!("2 Failover(Selected {{ master: redis0, promoted: {winner} }})"));
    assert_eq!(*promoted, format!("2 Failover(Promoted {{ master: redis0, promoted: {winner} }})"));
    assert_eq!(*ended, format!("2 Failover(Ended {{ master: redis0, promoted: Some({winner}) }})"));
    // The new epoch never stands beside the old master.
    let wrong = "Names { master: redis0, config_epoch: 1 }";
    assert!(!words.iter().any(|word| word.contains(wrong)), "{words:#?}");
    // In the end all three say so.
    let view = format!("Names {{ master: {winner}, config_epoch: 1 }}");
    let mut named = std::collections::BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while named.len() < 3 {
        let (id, word) = bench.word().await;
        assert!(Instant::now() < deadline, "{view} by {named:?} only; {id} {word}");
        if word == view {
            named.insert(id);
        }
    }
    let board = bench.board();
    assert_eq!(
        board.iter().filter(|status| status.names.as_deref() == Some(winner)).count(),
        3,
        "{board:#?}"
    );
}

#[tokio::test]
async fn a_failover_without_a_good_replica_is_aborted() {
    let mut world = World::new(&[], 3).await;
    for redis in &world.redis {
        redis.call(&["CONFIG", "SET", "replica-priority", "0"]).await;
    }
    let mut bench = Bench::new(undiscovering(&world.ports()), vec![section(&world.addresses())]);
    // Sentinel reads the priority within ten seconds.
    let deadline = Instant::now() + Duration::from_secs(25);
    for sentinel in &world.sentinels {
        loop {
            let view = sentinel.call(&["SENTINEL", "REPLICAS", "mymaster"]).await;
            if view.matches("slave-priority\r\n$1\r\n0").count() == 2 {
                break;
            }
            assert!(Instant::now() < deadline, "the priorities are not seen: {view}");
            sleep(Duration::from_millis(100)).await;
        }
    }
    world.redis[0].end();
    let words = bench.words_until("Aborted").await;
    let steps: Vec<&String> = words.iter().filter(|word| word.contains("Failover(")).collect();
    assert_eq!(steps.len(), 2, "{words:#?}");
    assert!(
        steps[0].contains("Decided { master: redis0 }") && steps[1].contains("Aborted { master: redis0 }")
    );
}

#[tokio::test]
async fn sentinels_are_found_through_the_checks_login() {
    let password = ["--requirepass", "secret", "--masterauth", "secret"];
    let mut world = World::new(&password, 3).await;
    let mut bench = Bench::new(backend(&world.ports(), "AUTH secret\r\n"), Vec::new());
    for _ in 0..3 {
        bench.line("of 'mymaster' it names redis0").await;
    }
    assert!(bench.words_until("Census(3)").await.len() <= 3);
    // A stopped one is lost and comes back by itself, and so does one that was restarted.
    world.sentinels[0].signal(Signal::SIGSTOP);
    bench.words_until("Lost").await;
    bench.line("does not answer in time").await;
    world.sentinels[0].signal(Signal::SIGCONT);
    bench.line("is well again").await;
    // It was stopped for longer than its clock may jump: TILT.
    world.sentinels[1].signal(Signal::SIGSTOP);
    sleep(Duration::from_millis(2_500)).await;
    world.sentinels[1].signal(Signal::SIGCONT);
    bench.words_until("Tilt(true)").await;
    let known: Vec<_> = bench.board().iter().map(|status| (status.id, status.run_id.clone())).collect();
    world.sentinels[2].restart_sentinel().await;
    bench.words_until("Lost").await;
    bench.line("is well again").await;
    assert_eq!(
        bench.board().iter().map(|status| (status.id, status.run_id.clone())).collect::<Vec<_>>(),
        known
    );
    assert!(!format!("{:?}", bench.board()).contains("secret"));
}

#[tokio::test]
async fn an_acl_user_without_channels_is_named_the_rule_that_is_missing() {
    let world = World::new(&[], 1).await;
    for redis in &world.redis {
        let reply = redis.call(&["ACL", "SETUSER", "checker", "on", ">pw", "+ping", "+info"]).await;
        assert!(reply.starts_with("+OK"), "{reply}");
    }
    let watched = || backend(&world.ports(), "AUTH checker pw\r\n");
    let mut bench = Bench::new(watched(), Vec::new());
    let line = bench.line("NOPERM").await;
    assert!(line.contains("'+subscribe &__sentinel__:hello'"), "{line}");
    assert_eq!(bench.count(Duration::from_secs(1)).await.0, 0, "once for all servers");
    // The very rules it names are enough.
    for redis in &world.redis {
        let reply = redis.call(&["ACL", "SETUSER", "checker", "+subscribe", "&__sentinel__:hello"]).await;
        assert!(reply.starts_with("+OK"), "{reply}");
    }
    assert_eq!(bench.count(Duration::from_secs(3)).await, (0, 0), "no retry before a reload");
    bench.load(watched(), Vec::new());
    bench.line("of 'mymaster' it names redis0").await;
}

#[tokio::test]
async fn a_section_logs_in() {
    let world = World::new(&[], 1).await;
    let sentinel = &world.sentinels[0];
    let rules = [
        "ACL",
        "SETUSER",
        "watcher",
        "on",
        ">pw",
        "allchannels",
        "+ping",
        "+psubscribe",
        "+info",
        "+sentinel",
    ];
    assert!(sentinel.call(&rules).await.starts_with("+OK"));
    assert!(
        sentinel.call(&["CONFIG", "SET", "requirepass", "other"]).await.starts_with("+OK") || {
            sentinel.call(&["ACL", "SETUSER", "default", "resetpass", ">other"]).await.starts_with("+OK")
        }
    );
    let group = |user: Option<&str>, pass: &str| {
        let mut group = section(&world.addresses());
        group.auth_user = user.map(str::to_owned);
        group.auth_pass = (!pass.is_empty()).then(|| crate::config::model::Secret::new(pass));
        vec![group]
    };
    let ports = world.ports();
    let mut bench = Bench::new(undiscovering(&ports), group(None, ""));
    assert!(bench.line("NOAUTH").await.ends_with("answers NOAUTH Authentication required."));
    bench.load(undiscovering(&ports), group(Some("watcher"), "wrong"));
    assert!(bench.line("WRONGPASS").await.contains("invalid username-password pair"));
    bench.load(undiscovering(&ports), group(Some("watcher"), "pw"));
    bench.line("it names redis0").await;
    bench.load(undiscovering(&ports), group(None, "other"));
    bench.line("it names redis0").await;
    assert_eq!(bench.board()[0].trouble, None);
}
