//! From the end of a check to everything that follows from it: the live server's words, the events for the
//! log, the commands for the workers, the report for the guard.
//!
//! The order is HAProxy's: the check itself is told first, then the change of state, then that the backend
//! has nobody left.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::follow::{Following, Usable, turn_backend};
use super::job::Job;
use super::observe;
use super::replica::{self, Fit, Masters, Unfit};
use super::rise_fall::{Counter, Judgement, Transition, judge};
use super::tcp_check::{CheckOutcome, Settled};
use super::warm_up::warm_up;
use crate::redis::Role;
use crate::state::event::{CheckSummary, Left, ServerChange, ServerEvent};
use crate::state::{
    BackendKey, BackendView, CheckStatus, Command, CutReason, Guarding, Health, Operation, Published,
    ServerKey, ServerLive, Snapshot, Workers, admin,
};
use crate::time::Tick;

/// The end of one check, for the guard.
#[derive(Debug, Clone)]
pub struct Report {
    pub backend: BackendKey,
    pub server: ServerKey,
    pub at: Tick,
    pub passed: bool,
    pub outcome: CheckOutcome,
}

/// An event with the backend whose log targets it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    pub backend: BackendKey,
    pub event: ServerEvent,
}

/// Where the ends of checks go. Sending never blocks; a receiver that is gone means that the process ends,
/// and then nobody misses what is dropped.
#[derive(Debug, Clone)]
pub struct Sinks {
    /// To the guard: every check of a server in a role-checked or replica backend.
    pub reports: UnboundedSender<Report>,
    /// To the log.
    pub events: UnboundedSender<Emitted>,
    pub workers: Workers,
    pub published: Arc<Published>,
}

/// What is remembered of one server, so that a state is said once and not at every check.
#[derive(Debug, Default)]
pub(super) struct Said {
    replica: bool,
    unfit: Option<Discriminant<Unfit>>,
    trouble: Option<String>,
}

impl Said {
    /// What was said before a reload gave the server another task: it is no news now.
    pub(super) fn before(live: &ServerLive) -> Said {
        let redis = live.redis();
        let replica = redis.report.is_some_and(|report| report.role == Role::Replica);
        Said { replica: replica && live.health().other_role, unfit: None, trouble: redis.trouble }
    }
}

/// Marks a check as running.
pub(super) fn begin(live: &ServerLive) {
    live.update_health(|health| health.in_progress = true);
}

/// Carries out what the end of a check means. Returns the counter that the next interval depends on; `None`
/// if the published snapshot does not have the server, or it is in maintenance.
pub(super) fn conclude(
    job: &Job,
    sinks: &Sinks,
    said: &mut Said,
    mut outcome: CheckOutcome,
    now: Tick,
) -> Option<Counter> {
    let snapshot = sinks.published.load();
    let view = snapshot.backends.iter().find(|view| view.live.key == job.backend)?;
    let live = &view.servers[view.position(job.server)?];
    if live.admin() & admin::MAINT != 0 {
        // It went into maintenance meanwhile: what was asked before means nothing now.
        live.update_health(|health| health.in_progress = false);
        return None;
    }
    let verdict = Verdict { job, sinks, view, live, now };
    let fit = verdict.judge_reader(&snapshot, &mut outcome);
    let operation = live.operation();
    let (judged, changed) = live.update_health(|health| absorb(health, operation, &outcome, now));
    if changed && job.log_checks {
        verdict.tell_check(&outcome, judged.counter);
    }
    verdict.remember(&outcome);
    verdict.settle_reader(fit, said);
    if let Some(transition) = judged.transition {
        let before = usable(view, job, &snapshot);
        let following = Following::of(&snapshot, job.server);
        let slowly = transition == Transition::Up && !job.slowstart.is_zero();
        if slowly {
            warm_up(live, &sinks.workers, job.slowstart, now);
        }
        live.set_operation(if slowly { Operation::Starting } else { transition.operation() });
        verdict.turn(transition, before, usable(view, job, &snapshot), &outcome);
        following.turn(transition, sinks, now);
        sinks.workers.broadcast(|| Command::Reconsider);
    }
    verdict.tell_once(said, &outcome);
    if job.guarding != Guarding::None {
        let passed = outcome.passed();
        let report = Report { backend: job.backend, server: job.server, at: now, passed, outcome };
        let _ = sinks.reports.send(report);
    }
    Some(judged.counter)
}

/// As many connects of sessions have failed as `error-limit` allows, once or more often: does each time what
/// `on-error` says. Returns whether the next check is to come sooner.
pub(super) fn count_errors(job: &Job, sinks: &Sinks, said: &mut Said, live: &ServerLive, now: Tick) -> bool {
    let times = live.take_distresses();
    // A reload may have ended the observation since.
    let Some(observed) = job.observed else { return false };
    live.update_health(|health| health.failed_analyses += u64::from(times));
    for _ in 0..times {
        let brink = live.update_health(|health| {
            let brink = observed.brink(counter_of(health))?;
            health.counter = brink.value;
            Some(brink)
        });
        if brink.is_some() {
            conclude(job, sinks, said, observe::outcome(observed.limit), now);
        }
        if live.operation() == Operation::Stopped {
            // What failed besides changes nothing any more.
            break;
        }
    }
    times > 0
}

fn counter_of(health: &Health) -> Counter {
    Counter { value: health.counter, rise: health.rise, fall: health.fall }
}

/// The health record after a check, and whether `option log-health-checks` has something to say.
fn absorb(health: &mut Health, operation: Operation, outcome: &CheckOutcome, now: Tick) -> (Judgement, bool) {
    let counter = counter_of(health);
    // `rise` asks whether a failed server is well again. One that has answered all along and was only of the
    // other role is: a promoted replica is up with its first pass.
    let promoted = health.other_role && outcome.passed();
    let counted = if promoted { Counter { value: counter.rise, ..counter } } else { counter };
    let judged = judge(counted, operation, outcome.status, outcome.settled);
    health.other_role = outcome.settled == Settled::Definite;
    let changed = health.status != outcome.status || judged.counter != counter;
    health.counter = judged.counter.value;
    health.status = outcome.status;
    health.code = outcome.code;
    health.info.clone_from(&outcome.info);
    health.duration_ms = outcome.duration_ms;
    health.in_progress = false;
    health.failed_checks += u64::from(judged.counts_as_failed);
    match judged.transition {
        Some(Transition::Down) => {
            health.down_transitions += 1;
            health.last_change = now;
        }
        Some(Transition::Up) if operation == Operation::Stopped => {
            health.downtime_ms += now.since(health.last_change).as_millis() as u64;
            health.last_change = now;
        }
        Some(Transition::Up | Transition::Stopping) => health.last_change = now,
        None => {}
    }
    (judged, changed)
}

/// Servers that HAProxy counts as usable, in the backend of `job`.
fn usable(view: &BackendView, job: &Job, snapshot: &Snapshot) -> Usable {
    let config = snapshot.backends.iter().position(|other| other.live.key == job.backend);
    let config = config.and_then(|at| snapshot.config.backends.get(at));
    config.map(|backend| Usable::of(backend, view)).unwrap_or_default()
}

/// One check's end with everything it may have to be told to.
struct Verdict<'a> {
    job: &'a Job,
    sinks: &'a Sinks,
    view: &'a BackendView,
    live: &'a ServerLive,
    now: Tick,
}

impl Verdict<'_> {
    fn emit(&self, what: ServerChange) {
        let event = ServerEvent {
            backend: self.job.backend_name.clone(),
            server: self.job.server_name.clone(),
            backup: self.job.backup,
            what,
        };
        let _ = self.sinks.events.send(Emitted { backend: self.job.backend, event });
    }

    fn tell_check(&self, outcome: &CheckOutcome, counter: Counter) {
        self.emit(ServerChange::Checked {
            check: summary(outcome),
            shown: counter.shown(),
            up: counter.is_up(),
            draining: self.live.weight() == 0,
        });
    }

    /// `option redis-replica`: a check that passed may still not be one of a server to read from.
    fn judge_reader(&self, snapshot: &Snapshot, outcome: &mut CheckOutcome) -> Option<Fit> {
        let rule = self.job.replica?;
        let report = outcome.role.as_ref()?;
        let before = self.live.update_redis(|redis| redis.report.as_ref().map(|report| report.role));
        if before.is_some_and(|before| before != report.role) {
            self.cut_readers();
        }
        if !outcome.passed() {
            return None;
        }
        let masters = Masters::look_up(snapshot, self.view, self.live, report, self.now);
        let fit = replica::judge(self.live.key, report, rule, &masters, self.now);
        if let Fit::Unfit(unfit) = &fit {
            outcome.status = CheckStatus::L7Response;
            outcome.code = None;
            outcome.info = unfit.to_string();
            outcome.settled = if unfit.may_pass() { Settled::Failure } else { Settled::Unfit };
        }
        Some(fit)
    }

    /// Sessions were given to it in another role.
    fn cut_readers(&self) {
        let sessions = self.live.traffic.sessions.now();
        self.sinks.workers.broadcast(|| Command::Cut(self.job.server, CutReason::RoleChanged));
        if sessions > 0 {
            self.emit(ServerChange::Cut { sessions, reason: "its role changed".to_owned() });
        }
    }

    fn settle_reader(&self, fit: Option<Fit>, said: &mut Said) {
        if self.job.replica.is_none() {
            self.live.set_stands_in(false);
            return;
        }
        // A second one that says master is none to be read from in the first place either.
        let says_master = matches!(fit, Some(Fit::StandsIn | Fit::Unfit(Unfit::NotTheMaster(_))));
        let unfit = match fit {
            None => return self.live.update_redis(|redis| redis.unfit = None),
            Some(Fit::Unfit(unfit)) => Some(unfit),
            Some(_) => None,
        };
        self.live.set_stands_in(says_master);
        let text = unfit.as_ref().map(Unfit::to_string);
        self.live.update_redis(|redis| redis.unfit.clone_from(&text));
        let kind = unfit.as_ref().map(discriminant);
        if let (true, Some(text)) = (said.unfit != kind, text) {
            self.emit(ServerChange::Unfit { text });
        }
        said.unfit = kind;
    }

    /// What the server says of itself, for pages.
    fn remember(&self, outcome: &CheckOutcome) {
        if self.job.guarding == Guarding::None && outcome.role.is_none() && outcome.trouble.is_none() {
            return;
        }
        self.live.update_redis(|redis| {
            if outcome.role.is_some() {
                redis.report.clone_from(&outcome.role);
                redis.reported_at = Some(self.now);
            }
            if outcome.trouble.is_some() || outcome.settled != Settled::Failure {
                redis.trouble.clone_from(&outcome.trouble);
            }
        });
    }

    /// The server has changed its state.
    fn turn(&self, transition: Transition, before: Usable, after: Usable, outcome: &CheckOutcome) {
        let reason = (!self.job.log_checks).then(|| summary(outcome));
        let left = Left {
            active: after.active,
            backup: after.backup,
            sessions_active: self.live.traffic.sessions.now(),
            requeued: 0,
            queued: self.live.queued.now(),
        };
        self.emit(match transition {
            Transition::Down => ServerChange::Down { reason, left },
            Transition::Up => ServerChange::Up { reason, left },
            Transition::Stopping => ServerChange::Stopping { reason, left },
        });
        if self.live.admin() & admin::DRAIN != 0 {
            self.emit(ServerChange::RemainsDraining);
        }
        self.turn_backend(before, after);
        self.cut(transition);
    }

    /// The backend's own up and down.
    fn turn_backend(&self, before: Usable, after: Usable) {
        if turn_backend(&self.view.live, before, after, self.now) {
            self.emit(ServerChange::NoServerLeft { is_listen: self.job.backend_is_listen });
        }
    }

    fn cut(&self, transition: Transition) {
        match transition {
            Transition::Down if self.job.cut_when_down => {
                self.sinks.workers.broadcast(|| Command::Cut(self.job.server, CutReason::MarkedDown));
            }
            Transition::Up if !self.job.backups_to_cut.is_empty() && self.live.weight() > 0 => {
                for backup in &self.job.backups_to_cut {
                    self.sinks.workers.broadcast(|| Command::Cut(*backup, CutReason::BackupRelieved));
                }
            }
            _ => {}
        }
    }

    /// What rolecall says beside HAProxy, once a change: that a server is a replica, and named trouble.
    fn tell_once(&self, said: &mut Said, outcome: &CheckOutcome) {
        if self.job.guarding == Guarding::None && self.job.replica.is_none() {
            return;
        }
        if outcome.settled != Settled::Failure {
            said.trouble = None;
            let role = outcome.role.as_ref().map(|report| report.role);
            let refused = outcome.settled == Settled::Definite && role == Some(Role::Replica);
            if refused && !said.replica {
                self.emit(ServerChange::IsReplica);
            }
            said.replica = refused;
        } else if outcome.trouble.is_some() && outcome.trouble != said.trouble {
            said.trouble.clone_from(&outcome.trouble);
            self.emit(ServerChange::Trouble { text: outcome.trouble.clone().unwrap_or_default() });
        }
    }
}

fn summary(outcome: &CheckOutcome) -> CheckSummary {
    CheckSummary {
        status: outcome.status,
        code: outcome.code,
        info: outcome.info.clone(),
        duration_ms: outcome.duration_ms,
    }
}
