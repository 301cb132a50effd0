//! The one writer of every master word: takes reports of checks and new snapshots, asks the guard of the
//! backend, and carries out what it says, in its order. No policy here.
//!
//! One tokio task, [`run`]. It wakes for a snapshot, for a report, when a guard's timer is due, and every
//! [`LOOK_AROUND`] to notice what the operator did to a server that is not being checked. Snapshots go
//! before reports: a server of the new snapshot is known before its first check is heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::decide::Standing;
use super::machine::{Answer, Effect, GuardState, Input, Observation, Refusal, Seat, Setup};
use super::operator::Request;
use super::record::Recorder;
use super::words::{Names, Words};
use crate::config::model::Backend;
use crate::health::sentinel::AskSentinels;
use crate::health::{Emitted, Report};
use crate::state::slots::awaits_sentinels;
use crate::state::{
    BackendKey, BackendView, Command, Guarding, SentinelId, SentinelReport, ServerKey, ServerLive, Snapshot,
    Unselectable, Workers,
};
use crate::time::Tick;

/// How long an operator's change may stay unnoticed while no report comes.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// The guards of all guarded backends.
#[derive(Debug)]
pub struct Guards {
    pub(super) workers: Workers,
    pub(super) events: UnboundedSender<Emitted>,
    pub(super) asking: AskSentinels,
    /// Looked up once: a chroot hides the zone database.
    pub(super) zone: TimeZone,
    watched: BTreeMap<BackendKey, Watched>,
}

/// One guarded backend.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) guard: GuardState,
    pub(super) view: BackendView,
    /// By position in the view.
    pub(super) backups: Vec<bool>,
    pub(super) is_listen: bool,
    pub(super) recorder: Recorder,
    pub(super) asked: Option<Asked>,
    standings: Vec<Standing>,
}

/// A hint that is being looked into, and all who wait to hear what became of it: each Sentinel's script tells the same.
/// Bounded by the clients of the runtime socket.
#[derive(Debug)]
pub(super) struct Asked {
    server: ServerKey,
    epoch: Option<u64>,
    pub(super) waiting: Vec<oneshot::Sender<Result<String, String>>>,
}

/// What the guard's task hears.
#[derive(Debug)]
pub struct Ears {
    pub snapshots: UnboundedReceiver<Arc<Snapshot>>,
    /// Of checks: one for every check.
    pub reports: UnboundedReceiver<Report>,
    /// Of Sentinels.
    pub sentinels: UnboundedReceiver<SentinelReport>,
    /// Of operators.
    pub requests: UnboundedReceiver<Request>,
}

/// Runs until nobody sends snapshots any more. What a Sentinel says goes before what checks say: a failover that was
/// decided has to be known when its new master says so.
pub async fn run(mut guards: Guards, mut ears: Ears) {
    loop {
        let now = Tick::now();
        let due = guards.next_wake(now).map_or(LOOK_AROUND, |due| due.since(now).min(LOOK_AROUND));
        tokio::select! {
            biased;
            snapshot = ears.snapshots.recv() => match snapshot {
                Some(snapshot) => guards.apply(&snapshot, Tick::now()),
                None => return,
            },
            Some(word) = ears.sentinels.recv() => guards.hear(word, Tick::now()),
            Some(request) = ears.requests.recv() => guards.ask(request, Tick::now()),
            Some(report) = ears.reports.recv() => guards.report(report, Tick::now()),
            () = tokio::time::sleep(due) => guards.look_around(Tick::now()),
        }
    }
}

impl Guards {
    /// Guards nothing yet.
    pub fn new(workers: Workers, events: UnboundedSender<Emitted>, asking: AskSentinels) -> Guards {
        Guards { workers, events, asking, zone: TimeZone::system(), watched: BTreeMap::new() }
    }

    /// Makes the guards those of `snapshot`: at start, and after every reload. Who is master, who is proven
    /// and what is remembered stays, by key.
    pub fn apply(&mut self, snapshot: &Snapshot, now: Tick) {
        let mut before = std::mem::take(&mut self.watched);
        let backends = snapshot.config.backends.iter().zip(&snapshot.backends);
        for (backend, view) in backends.filter(|(_, view)| view.guarding.is_guarded()) {
            let (guard, recorder, asked) = match before.remove(&view.live.key) {
                Some(old) => (old.guard, old.recorder, old.asked),
                None => (GuardState::new(now), Recorder::default(), None),
            };
            let mut watched = Watched {
                guard,
                view: view.clone(),
                is_listen: backend.is_listen,
                backups: backend.servers.iter().map(|server| server.backup).collect(),
                recorder,
                asked,
                standings: view.servers.iter().map(|server| standing(server)).collect(),
            };
            if view.guarding == Guarding::Observe {
                watched.thaw_frozen(&self.workers);
            }
            let effects = watched.guard.step(Input::Apply(setup(backend, view)), now);
            self.execute(&mut watched, effects, now);
            self.watched.insert(view.live.key, watched);
        }
        before.values().for_each(|watched| watched.let_go(&self.workers));
    }

    /// A Sentinel said something, or something became of it.
    pub fn hear(&mut self, report: SentinelReport, now: Tick) {
        let SentinelReport { backend, sentinel, word } = report;
        self.with(backend, |guards, watched| {
            let effects = watched.guard.step(Input::Heard(sentinel, word), now);
            guards.execute(watched, effects, now);
        });
    }

    /// The operator hints at another master; the answer may come later.
    pub fn ask(&mut self, request: Request, now: Tick) {
        let Request { backend, server, epoch, answer } = request;
        if !self.watched.contains_key(&backend) {
            // Whoever asked may have gone.
            let _ = answer.send(Err("the guard is off for this backend".to_owned()));
            return;
        }
        self.with(backend, |guards, watched| {
            let open = watched.asked.as_mut().filter(|asked| (asked.server, asked.epoch) == (server, epoch));
            if let Some(asked) = open {
                return asked.waiting.push(answer);
            }
            let effects = watched.guard.step(Input::Hint(server, epoch), now);
            let asked = Asked { server, epoch, waiting: vec![answer] };
            guards.execute_hint(watched, asked, effects, now);
        });
    }

    /// The answer to an older hint, which this one replaces, comes first.
    fn execute_hint(&self, watched: &mut Watched, asked: Asked, mut effects: Vec<Effect>, now: Tick) {
        let replaced =
            |effect: &Effect| matches!(effect, Effect::Answer(Answer::Refused(_, Refusal::Replaced)));
        if let Some(at) = effects.iter().position(replaced) {
            let first = effects.remove(at);
            self.execute(watched, vec![first], now);
        }
        watched.asked = Some(asked);
        self.execute(watched, effects, now);
    }

    /// A check has ended.
    pub fn report(&mut self, report: Report, now: Tick) {
        let Report { backend, server, passed, outcome, .. } = report;
        let observation = Observation { server, passed, report: outcome.role };
        self.with(backend, |guards, watched| {
            let effects = watched.guard.step(Input::Checked(observation), now);
            guards.execute(watched, effects, now);
            guards.notice_moves(watched, now);
        });
    }

    /// Time has passed.
    pub fn look_around(&mut self, now: Tick) {
        let keys: Vec<BackendKey> = self.watched.keys().copied().collect();
        for key in keys {
            self.with(key, |guards, watched| {
                guards.notice_moves(watched, now);
                let effects = watched.guard.step(Input::Timer, now);
                guards.execute(watched, effects, now);
            });
        }
    }

    /// When the next timer is due.
    pub fn next_wake(&self, now: Tick) -> Option<Tick> {
        self.watched.values().filter_map(|watched| watched.guard.next_wake(now)).min()
    }

    fn with(&mut self, backend: BackendKey, step: impl FnOnce(&Guards, &mut Watched)) {
        // Taken out for the time of the step, so that both halves can be used.
        let Some(mut watched) = self.watched.remove(&backend) else { return };
        step(self, &mut watched);
        self.watched.insert(backend, watched);
    }

    /// Tells the guard which servers health or the operator moved.
    fn notice_moves(&self, watched: &mut Watched, now: Tick) {
        for at in 0..watched.standings.len() {
            let (key, is) = (watched.view.servers[at].key, standing(&watched.view.servers[at]));
            if std::mem::replace(&mut watched.standings[at], is) != is {
                let effects = watched.guard.step(Input::Moved(key, is), now);
                self.execute(watched, effects, now);
            }
        }
    }

    pub(super) fn words<'a>(&'a self, watched: &'a Watched, now: Tick) -> Words<'a> {
        Words { names: watched, zone: &self.zone, now }
    }
}

impl Watched {
    pub(super) fn with_server(&self, key: ServerKey, use_it: impl FnOnce(&ServerLive)) {
        if let Some(at) = self.view.position(key) {
            use_it(&self.view.servers[at]);
        }
    }

    /// Nobody would say that a freeze is over where nothing is done any more, or only told.
    fn thaw_frozen(&self, workers: &Workers) {
        self.view.live.set_frozen_until(None);
        for server in self.view.servers.iter().filter(|server| server.is_frozen()) {
            server.thaw();
            workers.broadcast(|| Command::Thaw(server.key));
            workers.broadcast(|| Command::Reconsider);
        }
    }

    /// The config does not ask for a guard any more: nothing of it may be left on the page.
    fn let_go(&self, workers: &Workers) {
        self.view.live.many_masters.store(false, Relaxed);
        self.thaw_frozen(workers);
        for server in &self.view.servers {
            server.update_redis(|redis| redis.held = None);
        }
    }
}

/// The names that the config and the Sentinels have.
#[derive(Debug)]
pub(super) struct Named<'a>(pub(super) &'a BackendView);

impl Names for Named<'_> {
    fn name(&self, key: ServerKey) -> Option<String> {
        let Named(view) = self;
        view.position(key).map(|at| view.servers[at].name().to_string())
    }

    fn sentinel(&self, id: SentinelId) -> Option<String> {
        let Named(view) = self;
        view.live.sentinels.statuses().into_iter().find(|status| status.id == id).map(|status| status.name)
    }
}

impl Names for Watched {
    fn name(&self, key: ServerKey) -> Option<String> {
        Named(&self.view).name(key)
    }

    fn sentinel(&self, id: SentinelId) -> Option<String> {
        Named(&self.view).sentinel(id)
    }
}

fn setup(backend: &Backend, view: &BackendView) -> Setup {
    let checks = || backend.servers.iter().filter_map(|server| server.check.as_ref());
    let longest = || checks().map(|check| check.inter).max().unwrap_or_default();
    let window = backend.timeout_check.unwrap_or_else(longest) + backend.timeout_connect.unwrap_or_default();
    let seats = backend.servers.iter().zip(&view.servers).map(|(server, live)| Seat {
        key: live.key,
        standing: standing(live),
        is_checked: server.check.is_some(),
    });
    let (hold, freeze) = (backend.redis.hold, backend.redis.freeze);
    let awaits_sentinels = awaits_sentinels(backend);
    Setup { guarding: view.guarding, hold, freeze, window, seats: seats.collect(), awaits_sentinels }
}

fn standing(live: &ServerLive) -> Standing {
    match live.unselectable(false) {
        // It passes its checks and is the master; that a failover of it was decided is the guard's own word.
        None | Some(Unselectable::Frozen) => Standing::Up,
        Some(Unselectable::Maintenance | Unselectable::Draining) => Standing::Out,
        Some(_) => Standing::Down,
    }
}

#[cfg(test)]
#[path = "actor_tests.rs"]
mod tests;
