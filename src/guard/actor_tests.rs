use std::net::SocketAddr;

use super::super::classify::classify;
use super::super::scripts::{asks_for_master, backend};
use super::super::trial::{master, promoted, replica, with_replicas};
use super::*;
use crate::config::Config;
use crate::config::model::{GuardMode, RedisOptions};
use crate::health::tcp_check::{CheckOutcome, Settled};
use crate::redis::{Role, RoleReport};
use crate::state::event::ServerChange;
use crate::state::{CheckStatus, CutReason, admin};
use tokio::sync::mpsc::unbounded_channel;

struct Bench {
    snapshot: Snapshot,
    guards: Guards,
    workers: Workers,
    events: UnboundedReceiver<Emitted>,
}

fn config(redis: RedisOptions) -> Arc<Config> {
    let addresses: Vec<SocketAddr> = (1..3).map(|port| ([127, 0, 0, 1], port).into()).collect();
    let backends = vec![backend(&addresses, asks_for_master(), redis)];
    Arc::new(Config { backends, ..Config::default() })
}

fn snapshot(redis: RedisOptions, old: &Snapshot) -> Snapshot {
    let config = config(redis);
    let guarding = [classify(&config.backends[0], config.global.bufsize)];
    Snapshot::build(config, Vec::new(), &guarding, old, Tick(0))
}

impl Bench {
    fn new(redis: RedisOptions) -> Bench {
        let snapshot = snapshot(redis, &Snapshot::empty(1));
        let workers = Workers::new(1).unwrap();
        let (sender, events) = unbounded_channel();
        let mut guards = Guards::new(workers.clone(), sender);
        guards.zone = TimeZone::UTC;
        guards.apply(&snapshot, Tick(0));
        Bench { snapshot, guards, workers, events }
    }

    fn live(&self, at: usize) -> &ServerLive {
        &self.snapshot.backends[0].servers[at]
    }

    fn says(&mut self, at: usize, report: RoleReport, now: u64) {
        let passed = report.role == Role::Master;
        let outcome = CheckOutcome {
            status: if passed { CheckStatus::L7Ok } else { CheckStatus::L7Response },
            code: None,
            info: String::new(),
            duration_ms: Some(1),
            role: Some(report),
            settled: if passed { Settled::Pass } else { Settled::Definite },
            trouble: None,
        };
        let view = &self.snapshot.backends[0];
        let (backend, server) = (view.live.key, view.servers[at].key);
        let report = Report { backend, server, at: Tick(now), passed, outcome };
        self.guards.report(report, Tick(now));
    }

    fn master(&self) -> Option<usize> {
        let view = &self.snapshot.backends[0];
        view.live.master.load().server.and_then(|key| view.position(key))
    }

    fn told(&mut self) -> Vec<(String, ServerChange)> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|emitted| (emitted.event.server, emitted.event.what))
            .collect()
    }

    fn posted(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        self.workers.mailbox(0).take(&mut commands);
        commands
    }
}

#[test]
fn a_failover_is_stored_said_and_cut() {
    let mut bench = Bench::new(RedisOptions::default());
    assert!(!bench.snapshot.backends[0].live.judged.load(Relaxed));
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    assert_eq!(bench.master(), Some(0));
    assert!(bench.live(0).proven() && !bench.live(1).proven());
    assert!(bench.snapshot.backends[0].live.judged.load(Relaxed));
    assert_eq!(bench.snapshot.backends[0].live.masterless_since(), None);
    let told = bench.told();
    assert!(
        matches!(&told[..], [(name, ServerChange::Master { previous: None, .. })] if name == "redis1"),
        "{told:?}"
    );
    bench.posted();

    bench.live(0).traffic.sessions.enter();
    bench.says(1, promoted("b1", "h2", "h1", 9), 3);
    assert_eq!(bench.master(), Some(1));
    let key = bench.live(0).key;
    let posted = bench.posted();
    assert!(
        matches!(&posted[..], [Command::Cut(cut, CutReason::Succeeded), Command::Reconsider] if *cut == key),
        "{posted:?}"
    );
    assert!(bench.live(0).redis().held.unwrap().starts_with("role:master, but redis2 succeeded it at "));
    let told = bench.told();
    let [(first, ServerChange::Master { previous: Some(old), epoch: 2, .. }), rest @ ..] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((first.as_str(), old.as_str()), ("redis2", "redis1"));
    assert!(
        rest.iter()
            .any(|(name, what)| name == "redis1" && matches!(what, ServerChange::Cut { sessions: 1, .. })),
        "{told:?}"
    );
    assert!(rest.iter().any(|(name, what)| name == "redis1" && matches!(what, ServerChange::Held { .. })));
    // Said once.
    bench.says(0, master("a1", "h1"), 4);
    bench.says(1, promoted("b1", "h2", "h1", 9), 5);
    assert!(bench.told().is_empty() && bench.posted().is_empty());
}

#[test]
fn a_reload_says_and_changes_nothing_about_what_stays() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, master("b1", "h2"), 2);
    let word = bench.snapshot.backends[0].live.master.load();
    bench.told();
    bench.snapshot = snapshot(RedisOptions::default(), &bench.snapshot);
    bench.guards.apply(&bench.snapshot, Tick(3));
    assert_eq!(bench.snapshot.backends[0].live.master.load(), word);
    assert!(bench.live(0).proven() && bench.live(1).redis().held.is_some());
    assert_eq!(bench.told(), []);
}

#[test]
fn observing_says_and_does_nothing() {
    let mut bench = Bench::new(RedisOptions { guard: GuardMode::Observe, ..RedisOptions::default() });
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, master("b1", "h2"), 2);
    bench.says(0, replica("a1", "h2"), 3);
    assert_eq!((bench.master(), bench.live(0).proven(), bench.live(1).redis().held), (None, false, None));
    assert!(bench.posted().is_empty());
    let told = bench.told();
    assert!(told.iter().all(|(_, what)| matches!(what, ServerChange::Observed { .. })), "{told:?}");
    assert_eq!(told.len(), 3, "master, held, master: {told:?}");
}

#[test]
fn a_guard_that_is_switched_off_leaves_nothing_behind() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, master("b1", "h2"), 2);
    let off = RedisOptions { guard: GuardMode::Off, ..RedisOptions::default() };
    bench.snapshot = snapshot(off, &bench.snapshot);
    bench.guards.apply(&bench.snapshot, Tick(3));
    assert_eq!(bench.live(1).redis().held, None);
    assert_eq!(bench.snapshot.backends[0].unselectable(bench.live(1)), None);
    // And switched on again it starts afresh: nobody is master unproven.
    bench.snapshot = snapshot(RedisOptions::default(), &bench.snapshot);
    bench.guards.apply(&bench.snapshot, Tick(4));
    assert_eq!((bench.master(), bench.live(0).proven()), (None, false));
    assert!(!bench.snapshot.backends[0].live.judged.load(Relaxed));
}

#[test]
fn an_operator_is_noticed_without_a_report() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, master("b1", "h2"), 2);
    bench.live(0).set_admin(admin::FORCED_MAINT);
    bench.guards.look_around(Tick(10));
    assert_eq!(bench.master(), Some(1));
}

#[test]
fn a_cluster_gets_clients_on_every_master() {
    let mut bench = Bench::new(RedisOptions::default());
    let cluster = |run: &str, replid: &str| RoleReport { cluster: true, ..master(run, replid) };
    bench.says(0, cluster("a1", "h1"), 1);
    bench.says(1, cluster("b1", "h2"), 2);
    let view = &bench.snapshot.backends[0];
    assert_eq!(view.in_force(), Guarding::Masters);
    assert_eq!([0, 1].map(|at| view.unselectable(&view.servers[at])), [None, None]);
    assert_eq!(view.live.masterless_since(), None);
    let told = bench.told();
    let troubles = told
        .iter()
        .filter(|(_, what)| matches!(what, ServerChange::ManyMasters { .. } | ServerChange::Rivals { .. }));
    assert_eq!(troubles.count(), 1, "{told:?}");
}
