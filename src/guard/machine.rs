//! The guard of one backend as a state machine: an [`Input`] goes in, [`Effect`]s come out, to be executed in
//! their order. It remembers what [`super::decide`] must not: facts, the histories, who holds the word.
//!
//! The order of the effects is part of the promise. The master's word comes first, so that whoever hears of
//! anything that follows already finds the right master; the sessions of a server that lost are cut after
//! that, and clients that wait are told to look again last of all.

use std::mem::discriminant;
use std::time::Duration;

use super::course::Switch;
use super::decide::{Fact, HeldReason, Hold, Reason, Says, Standing, View, Window, decide};
pub use super::effect::{Answer, Effect, Input, ManyMasters, Observation, Refusal, Seat, Setup};
use super::failover::{Failovers, Outcome};
use super::history::History;
use super::hold::HoldClock;
use super::proof::{Verdict, verdict};
use crate::redis::{Role, RoleReport};
use crate::state::{CutReason, Guarding, ServerKey};
use crate::time::Tick;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Member {
    fact: Fact,
    is_checked: bool,
    has_verdict: bool,
    proven: bool,
    held: Option<HeldReason>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuardState {
    guarding: Guarding,
    hold: Option<Duration>,
    freeze: Duration,
    members: Vec<Member>,
    history: History,
    failovers: Failovers,
    /// Who holds the word, and why.
    master: Option<ServerKey>,
    reason: Reason,
    /// Who held the word when it went out of the config: whoever is chosen next, its sessions end.
    removed: Option<ServerKey>,
    clock: HoldClock,
    window_closes: Tick,
    judged: bool,
    awaits_sentinels: bool,
    /// Who said so, and what.
    many_masters: Option<(ServerKey, ManyMasters)>,
    rivals_named: bool,
}

impl GuardState {
    /// A guard that knows nothing yet; [`Input::Apply`] comes first.
    pub fn new(now: Tick) -> GuardState {
        GuardState {
            guarding: Guarding::None,
            hold: None,
            freeze: Duration::ZERO,
            members: Vec::new(),
            history: History::default(),
            failovers: Failovers::default(),
            master: None,
            reason: Reason::None,
            removed: None,
            clock: HoldClock::started(now),
            window_closes: now,
            judged: false,
            awaits_sentinels: false,
            many_masters: None,
            rivals_named: false,
        }
    }

    /// Who holds the word.
    pub fn master(&self) -> Option<ServerKey> {
        self.master
    }

    /// Who is frozen, and until when at the latest.
    pub fn frozen(&self) -> Option<(ServerKey, Tick)> {
        self.failovers.frozen()
    }

    /// Whether a server has passed.
    pub fn is_proven(&self, server: ServerKey) -> bool {
        self.members.iter().any(|member| member.fact.key == server && member.proven)
    }

    /// When [`Input::Timer`] is due; `None` if only a report can change anything.
    pub fn next_wake(&self, now: Tick) -> Option<Tick> {
        let window = (!self.judged || self.history.line().is_none()).then_some(self.window_closes);
        let hold = self.clock.ends(self.hold);
        let failover = self.failovers.next_wake();
        [window, hold, failover].into_iter().flatten().filter(|due| *due > now).min()
    }

    /// One thing happened.
    pub fn step(&mut self, input: Input, now: Tick) -> Vec<Effect> {
        let (mut effects, mut after) = (Vec::new(), Vec::new());
        let before = self.master;
        match input {
            Input::Apply(setup) => self.apply(setup, now, &mut effects),
            Input::Checked(observation) => self.observe(&observation, &mut after),
            Input::Moved(server, standing) => {
                if let Some(member) = self.member(server) {
                    member.fact.standing = standing;
                }
            }
            Input::Heard(sentinel, word) => self.failovers.hear(sentinel, &word, now),
            Input::Hint(server, epoch) => self.hint(server, epoch, now, &mut after),
            Input::Timer => {}
        }
        self.failovers.look(self.master, now);
        let head = self.history.line().map(|line| line.head);
        if self.has_one_master() {
            self.decide(now, &mut effects, &mut after);
        }
        // The word first, then what it means for a freeze, what the report itself brought, and what follows from all.
        self.follow_up((before, head), &after, now, &mut effects);
        effects.append(&mut after);
        self.watch_clock(now, &mut effects);
        self.watch_judgement(now, &mut effects);
        if effects.iter().any(wakes_waiters) {
            effects.push(Effect::Reconsider);
        }
        effects
    }

    fn has_one_master(&self) -> bool {
        matches!(self.guarding, Guarding::Master | Guarding::Observe) && self.many_masters.is_none()
    }

    fn member(&mut self, server: ServerKey) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.fact.key == server)
    }

    fn hint(&mut self, server: ServerKey, epoch: Option<u64>, now: Tick, effects: &mut Vec<Effect>) {
        let refuse = |refusal| Effect::Answer(Answer::Refused(server, refusal));
        if let Some(other) = self.failovers.asked_for() {
            effects.push(Effect::Answer(Answer::Refused(other, Refusal::Replaced)));
        }
        if !self.has_one_master() {
            return effects.push(refuse(Refusal::Unguarded));
        }
        let serves = |member: &&Member| Some(member.fact.key) == self.master && member.fact.passing;
        let serving = self.members.iter().find(serves).map(|member| member.fact.key);
        let line = self.history.line().filter(|line| self.history.is_superseded(server, line));
        if let (Some(by), Some(_), None) = (serving, line, epoch) {
            return effects.push(refuse(Refusal::Succeeded(by)));
        }
        let from = self.master.or(self.history.line().map(|line| line.head));
        if let Err(refusal) = self.failovers.ask((from, server), epoch, self.freeze, now) {
            effects.push(refuse(refusal));
        }
    }

    /// What the decision means for freezes, haste and records. `before` and `head` held the word until now.
    fn follow_up(
        &mut self,
        (before, head): (Option<ServerKey>, Option<ServerKey>),
        after: &[Effect],
        now: Tick,
        effects: &mut Vec<Effect>,
    ) {
        let facts: Vec<Fact> = self.members.iter().map(|member| member.fact).collect();
        let changed = self.master.filter(|master| before != Some(*master));
        let switch = head.zip(changed).filter(|(from, to)| from != to).map(|(from, to)| Switch {
            from,
            to,
            reason: self.reason,
            since: self.clock.since().unwrap_or(now),
        });
        let newly_held = after.iter().any(|effect| matches!(effect, Effect::Held(_, Some(_))));
        effects.extend(self.failovers.settle(&Outcome {
            is_on: self.has_one_master(),
            facts: &facts,
            master: self.master,
            head: self.history.line().map(|line| line.head),
            switch,
            newly_held,
            limit: self.freeze,
            now,
        }));
    }

    fn apply(&mut self, setup: Setup, now: Tick, effects: &mut Vec<Effect>) {
        let old = std::mem::take(&mut self.members);
        let carry = |seat: &Seat| {
            let kept = old.iter().find(|member| member.fact.key == seat.key).cloned();
            let mut member = kept.unwrap_or_else(|| Member::new(seat));
            (member.fact.standing, member.is_checked) = (seat.standing, seat.is_checked);
            member
        };
        self.members = setup.seats.iter().map(carry).collect();
        self.history.retain(|key| setup.seats.iter().any(|seat| seat.key == key));
        let watched_before = std::mem::replace(&mut self.guarding, setup.guarding);
        (self.hold, self.freeze) = (setup.hold, setup.freeze);
        self.awaits_sentinels = setup.awaits_sentinels;
        let told = self.many_masters.take();
        // What the servers are does not change by a reload; only without the one that said so it is open.
        self.many_masters = told.filter(|(key, _)| setup.seats.iter().any(|seat| seat.key == *key));
        if self.many_masters.is_none() {
            effects.push(Effect::ManyMasters(None));
        }
        let is_new = !self.members.iter().any(|member| member.has_verdict);
        if is_new {
            // Also after every address changed: clients wait for first verdicts again.
            self.window_closes = now + setup.window;
            self.judged = false;
            effects.push(Effect::Judged(false));
        }
        self.restate(effects);
        if watched_before != Guarding::Master && setup.guarding == Guarding::Master && self.has_one_master() {
            let held = self.members.iter().filter(|member| member.held.is_some());
            effects.extend(held.map(|member| Effect::Held(member.fact.key, member.held)));
            self.cut_the_others(None, effects);
        }
        if !self.has_one_master() {
            self.let_go_of_held(effects);
        }
    }

    /// What was only observed, or forgotten by a change of the config, becomes true again.
    fn restate(&self, effects: &mut Vec<Effect>) {
        if self.guarding == Guarding::Master {
            let (server, reason) = (self.master, self.reason);
            effects.push(Effect::Master { server, previous: None, reason });
        }
        for Member { fact, proven, .. } in &self.members {
            effects.push(if *proven { Effect::Proven(fact.key) } else { Effect::Disproven(fact.key) });
        }
    }

    fn observe(&mut self, observation: &Observation, effects: &mut Vec<Effect>) {
        let guarding = self.guarding;
        let Some(member) = self.member(observation.server) else { return };
        let verdict = verdict(guarding, observation.passed, observation.report.as_ref());
        member.take(verdict, observation, effects);
        let Some(report) = &observation.report else { return };
        self.history.observe(observation.server, report);
        let found = match report {
            RoleReport { cluster: true, .. } => ManyMasters::Cluster,
            RoleReport { role: Role::ActiveReplica, .. } => ManyMasters::ActiveReplica,
            _ => return,
        };
        if self.has_one_master() {
            self.many_masters = Some((observation.server, found));
            effects.push(Effect::ManyMasters(Some((observation.server, found))));
            self.let_go_of_held(effects);
        }
    }

    fn let_go_of_held(&mut self, effects: &mut Vec<Effect>) {
        for member in &mut self.members {
            if member.held.take().is_some() {
                effects.push(Effect::Held(member.fact.key, None));
            }
        }
    }

    fn decide(&mut self, now: Tick, effects: &mut Vec<Effect>, after: &mut Vec<Effect>) {
        let awaits = |member: &Member| {
            member.is_checked && !member.has_verdict && member.fact.standing != Standing::Out
        };
        let is_open = now < self.window_closes && self.members.iter().any(awaits);
        let is_held = self.clock.ends(self.hold).is_none_or(|end| now < end);
        let facts: Vec<Fact> = self.members.iter().map(|member| member.fact).collect();
        let view = View {
            servers: &facts,
            history: &self.history,
            leads: self.failovers.leads(),
            majority: self.failovers.majority(),
            window: if is_open { Window::Open } else { Window::Closed },
            hold: if is_held { Hold::Running } else { Hold::Over },
        };
        let decision = decide(&view, self.master, now);
        self.history.set_line(decision.line);
        if decision.master != self.master {
            let previous = std::mem::replace(&mut self.master, decision.master);
            self.reason = decision.reason;
            effects.push(Effect::Master { server: self.master, previous, reason: decision.reason });
            self.cut_the_others(previous, after);
        }
        self.hold_back(&decision.held, after);
    }

    /// After a choice nobody else keeps a client: neither the master before, nor one that clients reached
    /// while the guard only observed. A server that reports another role was cut when it did.
    fn cut_the_others(&mut self, previous: Option<ServerKey>, effects: &mut Vec<Effect>) {
        let is_member = |key: ServerKey| self.members.iter().any(|member| member.fact.key == key);
        self.removed = previous.filter(|key| !is_member(*key)).or(self.removed);
        let Some(master) = self.master else { return };
        let removed = self.removed.take();
        let masters = self.members.iter().map(|member| member.fact).filter(|fact| fact.says == Says::Master);
        let others = masters.map(|fact| fact.key).filter(|key| *key != master);
        effects.extend(others.chain(removed).map(|key| Effect::Cut(key, CutReason::Succeeded)));
    }

    fn hold_back(&mut self, held: &[(ServerKey, HeldReason)], effects: &mut Vec<Effect>) {
        let keys: Vec<ServerKey> = self.members.iter().map(|member| member.fact.key).collect();
        for (member, reason) in self.members.iter_mut().zip(reasons(keys, held.iter().copied())) {
            let key = member.fact.key;
            let before = std::mem::replace(&mut member.held, reason);
            match (before, reason) {
                _ if before == reason => {}
                (Some(old), Some(new)) if discriminant(&old) == discriminant(&new) => {
                    effects.push(Effect::StillHeld(key, new));
                }
                _ => effects.push(Effect::Held(key, reason)),
            }
        }
        let has_replicas = |member: &&Member| member.fact.passing && member.fact.connected_replicas > 0;
        let master = self.members.iter().filter(has_replicas).find(|m| Some(m.fact.key) == self.master);
        let is_rival = |member: &&Member| matches!(member.held, Some(HeldReason::Another(_)));
        let rival = self.members.iter().filter(has_replicas).find(is_rival);
        if let (Some(master), Some(rival), false) = (master, rival, self.rivals_named) {
            self.rivals_named = true;
            effects.push(Effect::Rivals(master.fact.key, rival.fact.key));
        }
    }

    fn watch_clock(&mut self, now: Tick, effects: &mut Vec<Effect>) {
        let serves = |member: &Member| member.proven && member.fact.standing == Standing::Up;
        let is_chosen = |member: &&Member| !self.has_one_master() || Some(member.fact.key) == self.master;
        let usable = self.members.iter().filter(is_chosen).any(serves);
        // While it is frozen it is not lost: if it is in the end, the hold begins then.
        if let Some(since) = self.clock.observe(usable || self.frozen().is_some(), now) {
            effects.push(Effect::Masterless(since));
        }
    }

    fn watch_judgement(&mut self, now: Tick, effects: &mut Vec<Effect>) {
        let awaited = |member: &Member| {
            member.is_checked && !member.has_verdict && member.fact.standing != Standing::Out
        };
        let awaits = self.awaits_sentinels || self.members.iter().any(awaited);
        let is_over = now >= self.window_closes || !awaits;
        if !self.judged && (is_over || self.has_one_master() && self.master.is_some()) {
            self.judged = true;
            effects.push(Effect::Judged(true));
        }
    }
}

impl Member {
    fn new(seat: &Seat) -> Member {
        let fact = Fact {
            key: seat.key,
            says: Says::Nothing,
            passing: false,
            standing: seat.standing,
            connected_replicas: 0,
            uptime: Duration::ZERO,
        };
        Member { fact, is_checked: seat.is_checked, has_verdict: false, proven: false, held: None }
    }

    fn take(&mut self, verdict: Verdict, observation: &Observation, effects: &mut Vec<Effect>) {
        let key = self.fact.key;
        self.has_verdict = true;
        self.fact.passing = verdict == Verdict::Accepted;
        let said = self.fact.says;
        match verdict {
            Verdict::Silent => return,
            Verdict::Accepted => {
                self.fact.says = Says::Master;
                if !std::mem::replace(&mut self.proven, true) {
                    effects.push(Effect::Proven(key));
                }
            }
            Verdict::OtherRole => {
                self.fact.says = Says::Other;
                if std::mem::take(&mut self.proven) {
                    effects.push(Effect::Disproven(key));
                }
                if said != Says::Other {
                    effects.push(Effect::Cut(key, CutReason::RoleChanged));
                }
            }
        }
        let report = observation.report.as_ref();
        self.fact.connected_replicas = report.and_then(|report| report.connected_replicas).unwrap_or(0);
        self.fact.uptime = report.and_then(|report| report.uptime).unwrap_or_default();
    }
}

/// Why each of the members is held, if it is. Both stand in the config's order, so that one pass does: with a thousand
/// masters in a backend, looking each of them up among the held would keep a core busy with their checks.
fn reasons(
    members: impl IntoIterator<Item = ServerKey>,
    held: impl IntoIterator<Item = (ServerKey, HeldReason)>,
) -> impl Iterator<Item = Option<HeldReason>> {
    let mut held = held.into_iter().peekable();
    members.into_iter().map(move |key| held.next_if(|(held, _)| *held == key).map(|(_, reason)| reason))
}

/// Whether a session that waits might now be served, or refused.
fn wakes_waiters(effect: &Effect) -> bool {
    match effect {
        Effect::Master { server, .. } => server.is_some(),
        Effect::Masterless(since) => since.is_none(),
        Effect::Judged(judged) => *judged,
        Effect::Proven(_) | Effect::ManyMasters(Some(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
