//! The one writer of every master word: takes reports of checks and new snapshots, asks the guard of the
//! backend, and carries out what it says, in its order. No policy here.
//!
//! One tokio task, [`run`]. It wakes for a snapshot, for a report, when a guard's timer is due, and every
//! [`LOOK_AROUND`] to notice what the operator did to a server that is not being checked. Snapshots go
//! before reports: a server of the new snapshot is known before its first check is heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::decide::{HeldReason, Standing};
use super::machine::{Effect, GuardState, Input, Observation, Seat, Setup};
use super::words::{Names, Words};
use crate::config::model::Backend;
use crate::health::{Emitted, Report};
use crate::state::event::{ServerChange, ServerEvent};
use crate::state::history::MasterChange;
use crate::state::{
    BackendKey, BackendView, Command, CutReason, Guarding, SentinelReport, ServerKey, ServerLive, Snapshot,
    Unselectable, Workers,
};
use crate::time::Tick;

/// How long an operator's change may stay unnoticed while no report comes.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// The guards of all guarded backends.
#[derive(Debug)]
pub struct Guards {
    workers: Workers,
    events: UnboundedSender<Emitted>,
    /// Looked up once: a chroot hides the zone database.
    zone: TimeZone,
    watched: BTreeMap<BackendKey, Watched>,
}

/// One guarded backend.
#[derive(Debug)]
struct Watched {
    guard: GuardState,
    view: BackendView,
    /// By position in the view.
    backups: Vec<bool>,
    standings: Vec<Standing>,
}

/// Runs until nobody sends snapshots any more.
pub async fn run(
    mut guards: Guards,
    mut snapshots: UnboundedReceiver<Arc<Snapshot>>,
    mut reports: UnboundedReceiver<Report>,
    mut sentinels: UnboundedReceiver<SentinelReport>,
) {
    loop {
        let now = Tick::now();
        let due = guards.next_wake(now).map_or(LOOK_AROUND, |due| due.since(now).min(LOOK_AROUND));
        tokio::select! {
            biased;
            snapshot = snapshots.recv() => match snapshot {
                Some(snapshot) => guards.apply(&snapshot, Tick::now()),
                None => return,
            },
            Some(report) = reports.recv() => guards.report(report, Tick::now()),
            Some(report) = sentinels.recv() => guards.hear(report, Tick::now()),
            () = tokio::time::sleep(due) => guards.look_around(Tick::now()),
        }
    }
}

impl Guards {
    /// Guards nothing yet.
    pub fn new(workers: Workers, events: UnboundedSender<Emitted>) -> Guards {
        Guards { workers, events, zone: TimeZone::system(), watched: BTreeMap::new() }
    }

    /// Makes the guards those of `snapshot`: at start, and after every reload. Who is master, who is proven
    /// and what is remembered stays, by key.
    pub fn apply(&mut self, snapshot: &Snapshot, now: Tick) {
        let mut before = std::mem::take(&mut self.watched);
        let backends = snapshot.config.backends.iter().zip(&snapshot.backends);
        for (backend, view) in backends.filter(|(_, view)| view.guarding.is_guarded()) {
            let guard = before.remove(&view.live.key).map(|old| old.guard);
            let mut watched = Watched {
                guard: guard.unwrap_or_else(|| GuardState::new(now)),
                view: view.clone(),
                backups: backend.servers.iter().map(|server| server.backup).collect(),
                standings: view.servers.iter().map(|server| standing(server)).collect(),
            };
            let effects = watched.guard.step(Input::Apply(setup(backend, view)), now);
            self.execute(&watched, effects, now);
            self.watched.insert(view.live.key, watched);
        }
        before.values().for_each(Watched::let_go);
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

    /// A Sentinel said something.
    pub fn hear(&mut self, report: SentinelReport, now: Tick) {
        let _ = (report, now);
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

    fn execute(&self, watched: &Watched, effects: Vec<Effect>, now: Tick) {
        for effect in effects {
            match watched.view.guarding {
                Guarding::Observe => self.only_tell(watched, effect, now),
                _ => self.carry_out(watched, effect, now),
            }
        }
    }

    fn carry_out(&self, watched: &Watched, effect: Effect, now: Tick) {
        let live = &watched.view.live;
        match effect {
            Effect::Master { server, previous, reason } => {
                if live.master.load().server != server {
                    let epoch = live.master.store(server).epoch;
                    let reason = self.words(watched, now).reason(reason);
                    live.history.push(MasterChange {
                        epoch,
                        server: server.and_then(|key| watched.name(key)),
                        previous: previous.map(|key| self.words(watched, now).server(key)),
                        reason: reason.clone(),
                        at: SystemTime::now(),
                        since: now,
                    });
                    self.tell_master(watched, (server, previous), reason, epoch);
                }
            }
            Effect::ManyMasters(found) => {
                live.many_masters.store(found.is_some(), Relaxed);
                if let Some((server, found)) = found {
                    let text = self.words(watched, now).many_masters(found);
                    self.tell(watched, server, ServerChange::ManyMasters { text });
                }
            }
            Effect::Proven(server) => watched.with_server(server, |live| live.set_proven(true)),
            Effect::Disproven(server) => watched.with_server(server, |live| live.set_proven(false)),
            Effect::Held(server, reason) => {
                let text = reason.map(|reason| self.words(watched, now).held(reason));
                watched.with_server(server, |live| live.update_redis(|redis| redis.held.clone_from(&text)));
                self.tell_held(watched, server, reason, text);
            }
            Effect::StillHeld(server, reason) => {
                let text = Some(self.words(watched, now).held(reason));
                watched.with_server(server, |live| live.update_redis(|redis| redis.held.clone_from(&text)));
            }
            Effect::Masterless(since) => live.set_masterless_since(since),
            Effect::Cut(server, reason) => self.cut(watched, server, reason, now),
            Effect::Rivals(master, rival) => self.tell_rivals(watched, (master, rival), now),
            Effect::Judged(judged) => live.judged.store(judged, Relaxed),
            Effect::Reconsider => self.workers.broadcast(|| Command::Reconsider),
        }
    }

    /// `option redis-guard observe`: the log says what would be done.
    fn only_tell(&self, watched: &Watched, effect: Effect, now: Tick) {
        let words = self.words(watched, now);
        match effect {
            Effect::Master { server: Some(server), previous, reason } => {
                let after = previous.map(|key| format!(", after {}", words.server(key)));
                let text = format!("master{}, reason: {}", after.unwrap_or_default(), words.reason(reason));
                self.tell(watched, server, ServerChange::Observed { text });
            }
            Effect::Held(server, Some(reason)) if reason != HeldReason::Undecided => {
                let text = format!("held: {}", words.held(reason));
                self.tell(watched, server, ServerChange::Observed { text });
            }
            Effect::Rivals(master, rival) => self.tell_rivals(watched, (master, rival), now),
            Effect::ManyMasters(Some((server, found))) => {
                let text = words.many_masters(found);
                self.tell(watched, server, ServerChange::ManyMasters { text });
            }
            _ => {}
        }
    }

    fn cut(&self, watched: &Watched, server: ServerKey, reason: CutReason, now: Tick) {
        let (mut sessions, mut was_held) = (0, false);
        watched.with_server(server, |live| {
            (sessions, was_held) = (live.traffic.sessions.now(), live.redis().held.is_some());
        });
        self.workers.broadcast(|| Command::Cut(server, reason));
        // A held server lost its clients before, and that was told; some may still be taking their replies.
        if sessions > 0 && !was_held {
            let reason = self.words(watched, now).cut(reason, watched.guard.master());
            self.tell(watched, server, ServerChange::Cut { sessions, reason });
        }
    }

    /// A backend that lost its master has its server told of by health; only a new one is news.
    fn tell_master(
        &self,
        watched: &Watched,
        (server, previous): (Option<ServerKey>, Option<ServerKey>),
        reason: String,
        epoch: u32,
    ) {
        let Some(server) = server else { return };
        let previous = previous.map(|key| self.words(watched, Tick(0)).server(key));
        self.tell(watched, server, ServerChange::Master { reason, previous, epoch });
    }

    /// While first answers are awaited, nothing is decided yet.
    fn tell_held(
        &self,
        watched: &Watched,
        server: ServerKey,
        reason: Option<HeldReason>,
        text: Option<String>,
    ) {
        if let Some(reason) = text.filter(|_| reason != Some(HeldReason::Undecided)) {
            self.tell(watched, server, ServerChange::Held { reason });
        }
    }

    fn tell_rivals(&self, watched: &Watched, (master, rival): (ServerKey, ServerKey), now: Tick) {
        let text = self.words(watched, now).rivals(master, rival);
        self.tell(watched, rival, ServerChange::Rivals { text });
    }

    fn tell(&self, watched: &Watched, server: ServerKey, what: ServerChange) {
        let Some(at) = watched.view.position(server) else { return };
        let event = ServerEvent {
            backend: watched.view.live.name.clone(),
            server: watched.view.servers[at].name.clone(),
            backup: watched.backups[at],
            what,
        };
        // Only at the end of the process is nobody there to log it.
        let _ = self.events.send(Emitted { backend: watched.view.live.key, event });
    }

    fn words<'a>(&'a self, watched: &'a Watched, now: Tick) -> Words<'a> {
        Words { names: watched, zone: &self.zone, now }
    }
}

impl Watched {
    fn with_server(&self, key: ServerKey, use_it: impl FnOnce(&ServerLive)) {
        if let Some(at) = self.view.position(key) {
            use_it(&self.view.servers[at]);
        }
    }

    /// The config does not ask for a guard any more: nothing of it may be left on the page.
    fn let_go(&self) {
        self.view.live.many_masters.store(false, Relaxed);
        for server in &self.view.servers {
            server.update_redis(|redis| redis.held = None);
        }
    }
}

impl Names for Watched {
    fn name(&self, key: ServerKey) -> Option<String> {
        self.view.position(key).map(|at| self.view.servers[at].name.clone())
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
    Setup { guarding: view.guarding, hold: backend.redis.hold, window, seats: seats.collect() }
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
