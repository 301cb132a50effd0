//! The classic split: the old master is cut off from the Sentinels and from its replicas, and not from rolecall.
//! For as long as that lasts there are two that say `role:master`, and both answer. Needs root, for namespaces.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::network::Side;
use crate::harness::process::Process;
use crate::harness::rolecall::wait_for_sentinels;
use crate::harness::{Client, Network, Rolecall, Writers, eventually};

const SOON: Duration = Duration::from_secs(30);
/// Sentinel makes a returned master a replica ten seconds after it saw it at the earliest.
const DEMOTION: Duration = Duration::from_secs(90);
/// Every namespace has its own ports.
const FRONTEND: u16 = 6379;
const OLD: u16 = 7001;

/// A redis-server or redis-sentinel on one side.
struct Remote {
    address: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl Remote {
    fn start(side: &Side, (program, port): (&str, u16), config: &str) -> Remote {
        let directory = TempDir::new().expect("a private directory");
        let path = directory.path().join("redis.conf");
        let head =
            format!("port {port}\nbind 0.0.0.0\nprotected-mode no\ndir {}\n", directory.path().display());
        std::fs::write(&path, head + config).expect("a config file");
        let mut command = Command::new(program);
        command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = side.run(|| Process::start(&mut command));
        let address = SocketAddr::from((side.address, port));
        Remote { address, _process: process, _directory: directory }
    }

    fn call(&self, words: &[&str]) -> Option<String> {
        Client::connect_at(self.address, Duration::from_secs(2)).ok()?.call(words).ok()
    }

    fn role(&self) -> Option<String> {
        self.call(&["ROLE"])?.lines().next().map(str::to_owned)
    }
}

/// The old master on the first side; everybody else on the second.
struct Stack {
    old: Remote,
    replicas: Vec<Remote>,
    sentinels: Vec<Remote>,
}

impl Stack {
    fn start(network: &Network) -> Stack {
        let [alone, crowd] = network.sides() else { panic!("two sides") };
        let plain = "save \"\"\nrepl-diskless-sync-delay 0\n";
        let old = Remote::start(alone, ("redis-server", OLD), plain);
        eventually("the master's first answer", SOON, || old.role());
        let follow = format!("{plain}replicaof {} {OLD}\n", alone.address);
        let replica = |port| Remote::start(crowd, ("redis-server", port), &follow);
        let replicas = vec![replica(7002), replica(7003)];
        eventually("replicas in sync", SOON, || {
            let is_in_sync = |replica: &Remote| {
                replica.call(&["INFO", "replication"])?.contains("link_status:up").then_some(())
            };
            replicas.iter().all(|replica| is_in_sync(replica).is_some()).then_some(())
        });
        let watch = format!(
            "sentinel monitor mymaster {} {OLD} 2\nsentinel down-after-milliseconds mymaster 1000\n\
             sentinel failover-timeout mymaster 3000\n",
            alone.address
        );
        let sentinels: Vec<Remote> =
            (26379..26382).map(|port| Remote::start(crowd, ("redis-sentinel", port), &watch)).collect();
        for sentinel in &sentinels {
            eventually("Sentinels that know each other and the replicas", SOON, || {
                let master = sentinel.call(&["SENTINEL", "MASTER", "mymaster"])?;
                let has = |name: &str| master.contains(&format!("{name}\n2\n"));
                (has("num-slaves") && has("num-other-sentinels")).then_some(())
            });
        }
        Stack { old, replicas, sentinels }
    }

    fn config(&self) -> String {
        let mut text = format!(
            "defaults\n    mode tcp\n    retries 3\n    option redispatch\n    timeout connect 2s\n    timeout client 120s\n\
             \x20   timeout server 120s\n    timeout queue 60s\n\
             frontend redis\n    bind 127.0.0.1:{FRONTEND}\n    default_backend redis_backend\n\
             backend redis_backend\n    option tcp-check\n    tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n\
             \x20   tcp-check send INFO\\ REPLICATION\\r\\n\n    tcp-check expect string role:master\n"
        );
        for (at, server) in [&self.old].into_iter().chain(&self.replicas).enumerate() {
            text.push_str(&format!("    server redis{} {} check inter 100ms\n", at + 1, server.address));
        }
        text
    }

    /// Whom all Sentinels name, if they agree.
    fn named(&self) -> Option<u16> {
        let named = |sentinel: &Remote| {
            let answer = sentinel.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"])?;
            answer.lines().nth(1)?.parse::<u16>().ok()
        };
        let first = named(&self.sentinels[0])?;
        self.sentinels.iter().all(|sentinel| named(sentinel) == Some(first)).then_some(first)
    }
}

/// Which server a new client reaches.
fn reached() -> Option<u16> {
    let mut client = Client::connect_within(FRONTEND, SOON).ok()?;
    client.server_port().ok()
}

/// Clients that come one after the other, and whom each of them reached.
fn knock(stop: &AtomicBool, met: &Mutex<Vec<Option<u16>>>) {
    while !stop.load(Relaxed) {
        let port = reached();
        met.lock().expect("no panic holds it").push(port);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many RPUSH a server has carried out.
fn writes(server: &Remote) -> String {
    let stats = server.call(&["INFO", "commandstats"]).expect("both sides are reached");
    let line =
        stats.lines().find(|line| line.starts_with("cmdstat_rpush:calls=")).expect("it was written to");
    line.split(',').next().expect("the count").to_owned()
}

#[test]
fn a_master_that_only_the_sentinels_have_lost_loses_its_clients_to_the_promoted_one() {
    let network = Network::with_sides(2);
    network.run(|| {
        let stack = Stack::start(&network);
        let rolecall = Rolecall::start(&stack.config(), FRONTEND);
        wait_for_sentinels(&rolecall, 3);
        eventually("the first client", SOON, || (reached() == Some(OLD)).then_some(()));
        let (stop, met) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let writers = Writers::start(FRONTEND, 4, None);
        writers.write(50, SOON);
        std::thread::scope(|scope| {
            scope.spawn(|| knock(&stop, &met));
            // Also when an assertion fails: the scope waits for the thread.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                split(&network, &stack, &rolecall, &writers)
            }));
            stop.store(true, Relaxed);
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        let met = met.into_inner().expect("no panic holds it");
        check(&met, &rolecall);
        for writer in writers.stop() {
            assert_eq!(writer.refused, [], "{}", rolecall.output());
            assert_eq!(
                writer.ended.len(),
                1,
                "each was cut once, at the switch: {:?}\n{}",
                writer.ended,
                rolecall.output()
            );
        }
    });
}

/// The course of it: cut, promoted, two masters, healed, demoted.
fn split(network: &Network, stack: &Stack, rolecall: &Rolecall, writers: &Writers) {
    network.part();
    let promoted = eventually("another master by the Sentinels' word", DEMOTION, || {
        stack.named().filter(|port| *port != OLD)
    });
    rolecall.wait_for_output_within(" took over from redis1: ", SOON);
    writers.write(50, SOON);
    let new = stack
        .replicas
        .iter()
        .find(|replica| replica.address.port() == promoted)
        .expect("one of the replicas");
    let roles = (stack.old.role(), new.role());
    assert_eq!(roles, (Some("master".to_owned()), Some("master".to_owned())), "{}", rolecall.output());
    let before = writes(&stack.old);
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        assert_eq!(reached(), Some(promoted), "{}", rolecall.output());
    }
    writers.write(50, SOON);
    assert_eq!(writes(&stack.old), before, "the old master was written to: {}", rolecall.output());
    network.heal();
    eventually("the old master's demotion", DEMOTION, || {
        assert_eq!(reached(), Some(promoted), "{}", rolecall.output());
        (stack.old.role()? == "slave").then_some(())
    });
    writers.write(50, SOON);
    for _ in 0..50 {
        assert_eq!(reached(), Some(promoted), "{}", rolecall.output());
    }
}

/// Whoever came reached somebody, and once the promoted one was reached, nobody reached the old one. Who had asked just
/// when the next master was known is not told any more what the old one answers.
fn check(met: &[Option<u16>], rolecall: &Rolecall) {
    let switch = met.iter().position(|port| *port != Some(OLD)).expect("clients moved");
    let after = &met[switch + usize::from(met[switch].is_none())..];
    assert!(after.len() > 100, "{met:?}");
    assert!(after.iter().all(|port| port.is_some() && *port == after[0]), "{after:?}\n{}", rolecall.output());
}
