//! From the end of a check to everything that follows from it: the live server's words, the events for the
//! log, the commands for the workers, the report for the guard.
//!
//! The order is HAProxy's: the check itself is told first, then the change of state, then that the backend
//! has nobody left.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::agent::AgentOrder;
use super::job::Job;
use super::observe;
use super::replica::{self, Fit, Masters, Unfit};
use super::rise_fall::{Counter, Judgement, Transition, judge};
use super::tcp_check::{CheckOutcome, Remark, Settled};
use super::turn::{self, Turn};
use crate::redis::Role;
use crate::state::event::{Asked, CheckSummary, ServerChange, ServerEvent};
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
    /// To whoever does what the operator may do, too; one at a time from each agent.
    pub orders: UnboundedSender<AgentOrder>,
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
    let view = snapshot.backends.iter().find(|view| view.live.key == job.subject.backend)?;
    let live = &view.servers[view.position(job.subject.server)?];
    if live.admin() & admin::MAINT != 0 {
        // It went into maintenance meanwhile: what was asked before means nothing now.
        live.update_health(|health| health.in_progress = false);
        return None;
    }
    let verdict = Verdict { job, sinks, view, live, now };
    let fit = verdict.judge_reader(&snapshot, &mut outcome);
    let operation = live.operation();
    let agent = Agent::of(live);
    let (judged, news) = live.update_health(|health| absorb(health, (operation, agent), &outcome, now));
    if news != Some(News::Status) {
        outcome.forget();
    }
    if news.is_some() && job.subject.log_checks {
        verdict.tell_check(&outcome, judged.counter);
    }
    outcome.forget();
    verdict.remember(&outcome);
    verdict.settle_reader(fit, said);
    if let Some(transition) = judged.transition {
        let turn = Turn { subject: &job.subject, sinks, snapshot: &snapshot, view, live, now };
        turn.carry_out(transition, &summary(&outcome));
    }
    verdict.tell_once(said, &outcome);
    if job.guarding != Guarding::None {
        let passed = outcome.passed();
        let (backend, server) = (job.subject.backend, job.subject.server);
        let report = Report { backend, server, at: now, passed, outcome };
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

/// What the server's agent has to say to a check that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agent {
    Silent,
    /// It has the server down, whatever the checks say.
    Vetoes,
}

impl Agent {
    fn of(live: &ServerLive) -> Agent {
        if live.update_agent(|agent| agent.vetoes()) { Agent::Vetoes } else { Agent::Silent }
    }

    fn admits(self, transition: Transition) -> bool {
        self == Agent::Silent || transition == Transition::Down
    }
}

/// What `option log-health-checks` has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Status,
    /// The status is the one before.
    Counter,
}

/// The health record after a check, and what is new in it.
fn absorb(
    health: &mut Health,
    (operation, agent): (Operation, Agent),
    outcome: &CheckOutcome,
    now: Tick,
) -> (Judgement, Option<News>) {
    let counter = counter_of(health);
    // `rise` asks whether a failed server is well again. One that has answered all along and was only of the
    // other role is: a promoted replica is up with its first pass.
    let promoted = health.other_role && outcome.passed();
    let counted = if promoted { Counter { value: counter.rise, ..counter } } else { counter };
    let mut judged = judge(counted, operation, outcome.status, outcome.settled);
    judged.transition = judged.transition.filter(|transition| agent.admits(*transition));
    health.other_role = outcome.settled == Settled::Definite;
    let news = match judged.counter != counter {
        _ if health.status != outcome.status => Some(News::Status),
        true => Some(News::Counter),
        false => None,
    };
    health.counter = judged.counter.value;
    health.status = outcome.status;
    health.code = outcome.code;
    health.info = if outcome.remark == Remark::Lasting { outcome.info.clone() } else { String::new() };
    health.duration_ms = outcome.duration_ms;
    health.in_progress = false;
    health.failed_checks += u64::from(judged.counts_as_failed);
    if let Some(transition) = judged.transition {
        turn::note(health, operation, transition, now);
    }
    (judged, news)
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
        turn::emit(&self.job.subject, self.sinks, what);
    }

    fn tell_check(&self, outcome: &CheckOutcome, counter: Counter) {
        self.emit(ServerChange::Checked {
            which: Asked::Server,
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
        self.sinks.workers.broadcast(|| Command::Cut(self.job.subject.server, CutReason::RoleChanged));
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
