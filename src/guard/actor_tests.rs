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
use crate::state::failover::Ending;
use crate::state::sentinel::{FailoverStep, Named as Spoken};
use crate::state::{CheckStatus, CutReason, Guarding, Operation, SentinelWord, admin};
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
        let mut guards = Guards::new(workers.clone(), sender, AskSentinels::default());
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
            remark: Default::default(),
            duration_ms: Some(1),
            role: Some(report),
            settled: if passed { Settled::Pass } else { Settled::Definite },
            trouble: None,
        };
        let view = &self.snapshot.backends[0];
        let (backend, server) = (view.live.key, view.servers[at].key);
        // Health remembers it before it reports.
        view.servers[at].update_redis(|redis| {
            (redis.report, redis.reported_at) = (outcome.role.clone(), Some(Tick(now)));
        });
        let report = Report { backend, server, at: Tick(now), passed, outcome };
        self.guards.report(report, Tick(now));
    }

    fn hears(&mut self, sentinel: u32, word: SentinelWord, now: u64) {
        let backend = self.snapshot.backends[0].live.key;
        let report = SentinelReport { backend, sentinel: SentinelId(sentinel), word };
        self.guards.hear(report, Tick(now));
    }

    fn hints(&mut self, server: usize, now: u64) -> oneshot::Receiver<Result<String, String>> {
        self.hints_at((server, None), now)
    }

    fn hints_at(
        &mut self,
        (server, epoch): (usize, Option<u64>),
        now: u64,
    ) -> oneshot::Receiver<Result<String, String>> {
        let (answer, answered) = oneshot::channel();
        let (backend, server) = (self.snapshot.backends[0].live.key, self.live(server).key);
        self.guards.ask(Request { backend, server, epoch, answer }, Tick(now));
        answered
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
    // The old one's last word tells what it cost. All of it is said once.
    bench.says(0, master("a1", "h1"), 4);
    let told = bench.told();
    assert!(matches!(&told[..], [(name, ServerChange::TookOver { .. })] if name == "redis2"), "{told:?}");
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

fn at_offset(report: RoleReport, offset: u64) -> RoleReport {
    RoleReport { offset: Some(offset), ..report }
}

#[test]
fn a_failover_that_was_announced_is_frozen_for_recorded_and_its_cost_told() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    let (old, new) = (bench.live(0).key, bench.live(1).key);
    bench.hears(1, SentinelWord::Names { master: Spoken::Server(old), config_epoch: 1 }, 5);
    bench.told();
    bench.posted();
    bench.live(0).traffic.sessions.enter();

    let master_named = Spoken::Server(old);
    bench.hears(1, SentinelWord::Failover(FailoverStep::Decided { master: master_named.clone() }), 100);
    assert!(bench.live(0).is_frozen() && bench.live(1).is_hastened(Tick(101)));
    assert_eq!(bench.snapshot.backends[0].live.frozen_until(), Some(Tick(10_100)));
    let posted = bench.posted();
    // Who paused before another attempt at it stands in line from now on.
    assert!(
        matches!(&posted[..], [Command::Freeze(frozen), Command::Reconsider] if *frozen == old),
        "{posted:?}"
    );
    let told = bench.told();
    let [(name, ServerChange::Frozen { text })] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (name.as_str(), text.as_str()),
        ("redis1", "a Sentinel was elected to fail it over; for 10000 ms at most")
    );

    let promoted_one = Spoken::Server(new);
    let step = FailoverStep::Selected { master: master_named, promoted: promoted_one };
    bench.hears(1, SentinelWord::Failover(step), 175);
    bench.says(1, at_offset(promoted("b1", "h2", "h1", 501), 510), 260);
    let posted = bench.posted();
    assert!(
        matches!(
            &posted[..],
            [Command::Withhold(withheld), Command::Cut(cut, CutReason::Succeeded), Command::Reconsider]
                if (*withheld, *cut) == (old, old)
        ),
        "{posted:?}"
    );
    assert!(!bench.live(0).is_frozen() && bench.live(0).is_hastened(Tick(261)));
    assert_eq!((bench.master(), bench.snapshot.backends[0].live.frozen_until()), (Some(1), None));
    assert!(!bench.told().iter().any(|(_, what)| matches!(what, ServerChange::TookOver { .. })));

    bench.says(0, at_offset(master("a1", "h1"), 514), 262);
    let told = bench.told();
    let [(name, ServerChange::TookOver { text })] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (name.as_str(), text.as_str()),
        (
            "redis2",
            "took over from redis1: 14 bytes of history lost, those that Sentinels wrote included, 1 session cut, 160 ms frozen; selected after 75 ms, \
             master after 160 ms, cause: a Sentinel was elected to fail redis1 over"
        )
    );
    bench.snapshot.backends[0].live.failovers.note_client(Tick(270));
    let [record] = &bench.snapshot.backends[0].live.failovers.records()[..] else { panic!("one record") };
    assert_eq!((record.began, record.frozen, record.selected), (Tick(100), Some(Tick(100)), Some(Tick(175))));
    assert_eq!((record.promoted, record.cut, record.sessions_cut), (Some(Tick(260)), Some(Tick(260)), 1));
    assert_eq!((record.first_client, record.bytes_lost), (Some(Tick(270)), Some(14)));
    assert_eq!((record.ended, record.ending), (Some(Tick(260)), Ending::Switched));
    assert_eq!((record.from.as_deref(), record.to.as_deref()), (Some("redis1"), Some("redis2")));
}

/// How many sessions the last failover is told to have cost: by the line of the log, and by the record.
fn cut_sessions(bench: &mut Bench) -> (String, u32) {
    let told = bench.told().into_iter().find_map(|(_, what)| match what {
        ServerChange::TookOver { text } => Some(text),
        _ => None,
    });
    let records = bench.snapshot.backends[0].live.failovers.records();
    (told.unwrap_or_default(), records.last().map_or(0, |record| record.sessions_cut))
}

#[test]
fn sessions_that_are_cut_twice_are_counted_once() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    for _ in 0..4 {
        bench.live(0).traffic.sessions.enter();
    }
    bench.says(1, promoted("b1", "h2", "h1", 501), 300);
    // They still take their last replies.
    bench.says(0, replica("a1", "h2"), 305);
    let (told, recorded) = cut_sessions(&mut bench);
    assert!(told.contains(", 4 sessions cut;"), "{told}");
    assert_eq!(recorded, 4);
}

#[test]
fn sessions_that_are_cut_before_anybody_follows_are_counted() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    for _ in 0..4 {
        bench.live(0).traffic.sessions.enter();
    }
    bench.says(0, replica("a1", "h2"), 300);
    (0..4).for_each(|_| bench.live(0).traffic.sessions.leave());
    bench.says(1, promoted("b1", "h2", "h1", 501), 320);
    bench.says(0, replica("a1", "h2"), 330);
    let (told, recorded) = cut_sessions(&mut bench);
    assert!(told.contains(", 4 sessions cut;"), "{told}");
    assert_eq!(recorded, 4);
}

#[test]
fn a_cost_that_nobody_can_tell_is_unknown() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, at_offset(with_replicas(master("a1", "h1"), 1), 700), 1);
    bench.says(1, replica("b1", "h1"), 2);
    bench.told();
    bench.says(1, promoted("b1", "h2", "h1", 501), 300);
    bench.guards.look_around(Tick(1_299));
    assert!(!bench.told().iter().any(|(_, what)| matches!(what, ServerChange::TookOver { .. })));
    bench.guards.look_around(Tick(1_300));
    let told = bench.told();
    assert!(
        matches!(&told[..], [(_, ServerChange::TookOver { text })] if text.starts_with("took over from redis1: loss of history unknown, 0 sessions cut; master after 0 ms")),
        "{told:?}"
    );
}

#[test]
fn an_abort_lets_the_sessions_go_on() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    let master = Spoken::Server(bench.live(0).key);
    bench.hears(1, SentinelWord::Failover(FailoverStep::Decided { master: master.clone() }), 100);
    bench.told();
    bench.posted();
    bench.hears(1, SentinelWord::Failover(FailoverStep::Aborted { master }), 200);
    assert!(!bench.live(0).is_frozen() && !bench.live(1).is_hastened(Tick(200)));
    let posted = bench.posted();
    assert!(matches!(&posted[..], [Command::Thaw(_), Command::Reconsider]), "{posted:?}");
    let told = bench.told();
    assert!(
        matches!(&told[..], [(_, ServerChange::Thawed { text })] if text == "the failover was given up"),
        "{told:?}"
    );
}

#[test]
fn observing_freezes_nobody_and_says_so() {
    let mut bench = Bench::new(RedisOptions { guard: GuardMode::Observe, ..RedisOptions::default() });
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    bench.told();
    let master = Spoken::Server(bench.live(0).key);
    bench.hears(1, SentinelWord::Failover(FailoverStep::Decided { master }), 100);
    assert!(!bench.live(0).is_frozen() && !bench.live(1).is_hastened(Tick(101)) && bench.posted().is_empty());
    let told = bench.told();
    assert!(
        matches!(&told[..], [(_, ServerChange::Observed { text })] if text.starts_with("frozen: ")),
        "{told:?}"
    );
    assert_eq!(bench.snapshot.backends[0].live.failovers.records(), []);
}

#[test]
fn a_guard_that_is_switched_off_or_only_observes_from_now_on_thaws_what_it_froze() {
    for guard in [GuardMode::Off, GuardMode::Observe] {
        let mut bench = Bench::new(RedisOptions::default());
        bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
        bench.says(1, replica("b1", "h1"), 2);
        let frozen = bench.live(0).key;
        let step = FailoverStep::Decided { master: Spoken::Server(frozen) };
        bench.hears(1, SentinelWord::Failover(step), 100);
        bench.posted();
        let options = RedisOptions { guard, ..RedisOptions::default() };
        bench.snapshot = snapshot(options, &bench.snapshot);
        bench.guards.apply(&bench.snapshot, Tick(200));
        assert!(!bench.live(0).is_frozen());
        assert_eq!(bench.snapshot.backends[0].live.frozen_until(), None);
        let posted = bench.posted();
        assert!(
            posted.iter().any(|command| matches!(command, Command::Thaw(key) if *key == frozen)),
            "{posted:?}"
        );
    }
}

/// Commands that a client pipelined stand in the master's own buffers, and are executed after the promotion too.
#[test]
fn replies_go_on_for_a_moment_of_a_freeze_and_not_at_all_if_the_next_master_is_known() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    let frozen = bench.live(0).key;
    let named = Spoken::Server(frozen);
    bench.hears(1, SentinelWord::Failover(FailoverStep::Decided { master: named.clone() }), 100);
    bench.posted();
    assert_eq!(bench.guards.next_wake(Tick(100)), Some(Tick(120)));
    bench.guards.look_around(Tick(119));
    assert!(bench.posted().is_empty());
    bench.guards.look_around(Tick(120));
    let posted = bench.posted();
    assert!(matches!(&posted[..], [Command::Withhold(key)] if *key == frozen), "{posted:?}");
    bench.hears(1, SentinelWord::Failover(FailoverStep::Aborted { master: named }), 130);
    let posted = bench.posted();
    assert!(matches!(&posted[..], [Command::Thaw(key), Command::Reconsider] if *key == frozen), "{posted:?}");

    let _answer = bench.hints(1, 200);
    let posted = bench.posted();
    assert!(
        matches!(
            &posted[..],
            [Command::Freeze(first), Command::Reconsider, Command::Withhold(second)] if (*first, *second) == (frozen, frozen)
        ),
        "{posted:?}"
    );
}

#[test]
fn a_backend_that_went_down_in_a_freeze_is_told_only_if_nobody_comes_of_it() {
    for comes in [true, false] {
        let mut bench = Bench::new(RedisOptions::default());
        bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
        bench.says(1, replica("b1", "h1"), 2);
        bench.live(1).set_operation(Operation::Stopped);
        let key = |bench: &Bench, at: usize| Spoken::Server(bench.live(at).key);
        let decided = FailoverStep::Decided { master: key(&bench, 0) };
        let aborted = FailoverStep::Aborted { master: key(&bench, 0) };
        bench.hears(1, SentinelWord::Failover(decided), 100);
        // As health does it.
        bench.live(0).set_operation(Operation::Stopped);
        bench.snapshot.backends[0].live.went_down_unsaid.store(true, Relaxed);
        bench.told();
        if comes {
            bench.live(1).set_operation(Operation::Running);
            bench.says(1, promoted("b1", "h2", "h1", 9), 180);
        } else {
            bench.hears(1, SentinelWord::Failover(aborted), 180);
        }
        let told = bench.told();
        let said =
            told.iter().any(|(_, what)| matches!(what, ServerChange::NoServerLeft { is_listen: false }));
        assert_eq!(said, !comes, "{told:?}");
        assert!(!bench.snapshot.backends[0].live.went_down_unsaid.load(Relaxed));
    }
}

#[test]
fn an_operator_is_answered_once_and_in_words() {
    let mut bench = Bench::new(RedisOptions::default());
    bench.says(0, with_replicas(master("a1", "h1"), 1), 1);
    bench.says(1, replica("b1", "h1"), 2);
    let (mut other, mut first, mut second) =
        (bench.hints_at((1, Some(7)), 50), bench.hints(1, 100), bench.hints(1, 200));
    let replaced = "redis2 does not become master: another hint came meanwhile".to_owned();
    assert_eq!(other.try_recv().unwrap(), Err(replaced));
    assert!(bench.live(0).is_frozen() && first.try_recv().is_err() && second.try_recv().is_err());
    bench.says(1, promoted("b1", "h2", "h1", 9), 300);
    // Several scripts may tell the same at once.
    assert_eq!(first.try_recv().unwrap(), Ok("redis2 is master".to_owned()));
    assert_eq!(second.try_recv().unwrap(), Ok("redis2 is master".to_owned()));
    assert_eq!(bench.hints(1, 400).try_recv().unwrap(), Ok("redis2 is master".to_owned()));
    let stale = "redis1 does not become master: redis2 succeeded it, and it has not followed since; \
                 with a config epoch it is taken all the same"
        .to_owned();
    assert_eq!(bench.hints(0, 450).try_recv().unwrap(), Err(stale));
    bench.says(0, replica("a1", "h2"), 500);
    let mut refused = bench.hints(0, 501);
    bench.guards.look_around(Tick(10_501));
    let late = "redis1 does not become master: it did not say role:master in time".to_owned();
    assert_eq!(refused.try_recv().unwrap(), Err(late));
}
