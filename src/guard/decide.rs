//! The decision: who is master, when several may say so. Facts go in, a [`Decision`] comes out; nothing is
//! remembered here and nothing is done.
//!
//! The order of the rules, each asked only where those before it are silent (the letters are those of the
//! module above):
//!
//! 1. (a1) *A failover that is led.* The server that the leader, or the operator, selected takes over as soon as it
//!    says that it is master, and keeps the word while that failover runs, whoever names the old one.
//! 2. (a2) *The majority of the Sentinels.* Whom they name takes over as soon as it says so. Until then whoever
//!    holds the word keeps it, and nobody else gets it. For [`NEWS`] after a succession by lineage they are not heard
//!    if they name whom the incumbent succeeded.
//! 3. (b) *Lineage.* Whoever succeeds the head of the line by [`History`] takes over at once, even while the
//!    head still says that it is master. Then whoever succeeds that one, until nobody does: a chain of
//!    failovers is walked in one decision. Of siblings, promoted out of one history, the one that followed it
//!    further wins, then the one that stands first in the config.
//! 4. (c) *The incumbent stays* while it is usable, and while there is nobody else.
//! 5. (d) *Somebody else.* With no line yet, or with a head that is gone: most connected replicas, then the
//!    longest uptime, then the config's order. Never one that was succeeded. One that followed the line and
//!    came back by a restart is the last resort: the replica that is about to be promoted in the head's
//!    place is worth the wait, so it is chosen only when waiting clients would be refused anyway.
//!
//! Two decisions about the same facts, in whatever order the facts came, are the same but for (c), which
//! prefers what was decided before.

use std::cmp::Reverse;
use std::time::Duration;

use super::history::{History, Line, Passing};
use super::lead::{Lead, Leader};
use super::sentinels::{Ballot, Majority};
use crate::state::ServerKey;
use crate::time::Tick;

/// How long the news of a promotion takes to all Sentinels at most: the leader tells when its failover ends, a second
/// after the promotion, the others hear of it every two seconds, and who has not answered twice is lost.
const NEWS: Duration = Duration::from_secs(5);

/// What a server last said of itself that was definite; an error or a silence changes nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Says {
    #[default]
    Nothing,
    /// Its check passed: it is what the backend asks for.
    Master,
    /// It reported another role.
    Other,
}

/// What health and the operator make of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Standing {
    #[default]
    Up,
    /// DOWN or NOLB by its checks.
    Down,
    /// In maintenance or draining.
    Out,
}

/// One server, as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fact {
    pub key: ServerKey,
    pub says: Says,
    /// The last check passed; a stall after a definite answer is `false` here and leaves `says`.
    pub passing: bool,
    pub standing: Standing,
    pub connected_replicas: u32,
    pub uptime: Duration,
}

/// Whether more first answers are awaited before one of several masters is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Open,
    Closed,
}

/// Whether clients that wait for a master would still be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Running,
    Over,
}

/// Everything the decision looks at. `servers` stand in the config's order.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub servers: &'a [Fact],
    pub history: &'a History,
    /// The failovers that somebody leads, the oldest first.
    pub leads: &'a [Lead],
    pub majority: &'a Majority,
    pub window: Window,
    pub hold: Hold,
}

/// Why the master is who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody could be, or first answers are awaited.
    None,
    /// The only one, or the best of several, when there was none before.
    First,
    Stays,
    /// (a1): selected in the failover that this one leads.
    Selected(Leader),
    /// (a2): more than half of the Sentinels name it.
    Named(Ballot),
    /// (a2): they name that one, which does not say that it is master.
    Awaited(ServerKey),
    /// Lineage: promoted out of the history of that one.
    Succeeded(ServerKey),
    /// Promoted out of the same history as that one, but further on.
    FurtherThan(ServerKey),
    /// That one, the master before, has become its replica.
    FollowedBy(ServerKey),
    /// That one is gone and has no heir.
    InPlaceOf(ServerKey),
    /// It was master before, and nobody took its place.
    Returned,
}

/// Why a server that says it is master gets no clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldReason {
    /// First answers of other servers are awaited.
    Undecided,
    /// Its history ended where that one's began.
    SucceededBy(ServerKey, Tick),
    /// It followed the line of that one and was restarted as a master; nobody promoted it.
    Restarted(ServerKey),
    /// That one is master, and nothing relates the two.
    Another(ServerKey),
    /// The Sentinels name that one, and it has not said so yet.
    Unnamed(ServerKey),
    /// It may not serve: maintenance, drain, or its last check failed.
    Unusable,
}

/// What follows from the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub master: Option<ServerKey>,
    pub reason: Reason,
    pub held: Vec<(ServerKey, HeldReason)>,
    /// To be remembered for the next decision.
    pub line: Option<Line>,
}

/// Who is master now. `incumbent` holds the word at present.
pub fn decide(view: &View<'_>, incumbent: Option<ServerKey>, now: Tick) -> Decision {
    match told(view, incumbent, now) {
        Told::Take(server, reason) => return take(view, incumbent, (server, reason), now),
        Told::Await(server) => return wait_for(view, incumbent, server),
        Told::Nothing => {}
    }
    let Some(line) = view.history.line() else {
        return begin(view, now);
    };
    let mut heir = None;
    let mut head = line.clone();
    // Each turn goes one promotion further; the bound is for histories that contradict each other.
    for _ in 0..view.servers.len() {
        let Some((next, reason)) = successor(view, &head) else { break };
        head = view.history.line_of(next, Some(&head), Passing::Succession, now);
        heir = Some(reason);
    }
    match heir {
        Some(reason) if incumbent != Some(head.head) => conclude(view, Some(head.head), reason, Some(head)),
        Some(_) => conclude(view, incumbent, Reason::Stays, Some(head)),
        None => without_heir(view, incumbent, line, now),
    }
}

/// What Sentinels and the operator say of it, rule (a).
enum Told {
    Take(ServerKey, Reason),
    /// Nobody else takes over before this one says that it is master.
    Await(ServerKey),
    Nothing,
}

fn told(view: &View<'_>, incumbent: Option<ServerKey>, now: Tick) -> Told {
    let selected = view.leads.iter().rev().find_map(|lead| {
        let fact = fact_of(view, lead.selected()?)?;
        is_taken_by(view, lead, fact, incumbent).then_some((fact.key, lead.leader))
    });
    if let Some((server, leader)) = selected {
        return Told::Take(server, Reason::Selected(leader));
    }
    let Majority::Server(ballot) = view.majority else { return Told::Nothing };
    if is_old_news(view, incumbent, ballot.server, now) {
        return Told::Nothing;
    }
    match fact_of(view, ballot.server) {
        Some(fact) if is_candidate(fact) => Told::Take(fact.key, Reason::Named(*ballot)),
        Some(fact) => Told::Await(fact.key),
        // They speak of a server that a reload has taken away.
        None => Told::Nothing,
    }
}

/// Sentinels that were found only after a promotion go on naming the old master for a second or two, and one that
/// hangs then would for as long as it takes to notice that. The master that was promoted out of that one's history
/// is not left for them meanwhile; if they still name the other when the news has had its time, they mean it.
fn is_old_news(view: &View<'_>, incumbent: Option<ServerKey>, named: ServerKey, now: Tick) -> bool {
    let Some(line) = view.history.line().filter(|line| incumbent == Some(line.head)) else { return false };
    line.by == Passing::Succession && now.since(line.since) < NEWS && view.history.is_superseded(named, line)
}

/// (a1). The selected server keeps the word though most Sentinels still name the old one, which goes on saying that
/// it is master. A failover of somebody who is not master (any more) is none of ours; the operator means it.
fn is_taken_by(view: &View<'_>, lead: &Lead, selected: &Fact, incumbent: Option<ServerKey>) -> bool {
    if incumbent == Some(selected.key) {
        return selected.says == Says::Master && selected.standing != Standing::Out;
    }
    let head = view.history.line().map(|line| line.head);
    let is_ours = head.is_none() || lead.master == head || lead.leader == Leader::Operator;
    is_ours && is_candidate(selected)
}

fn take(
    view: &View<'_>,
    incumbent: Option<ServerKey>,
    (server, reason): (ServerKey, Reason),
    now: Tick,
) -> Decision {
    let line = match view.history.line() {
        Some(line) if line.head == server => line.clone(),
        Some(line) => view.history.line_of(server, Some(line), Passing::Word, now),
        None => view.history.line_of(server, None, Passing::StandIn, now),
    };
    let reason = if incumbent == Some(server) { Reason::Stays } else { reason };
    conclude(view, Some(server), reason, Some(line))
}

/// A server that is only named makes nobody leave; and nobody else takes the place of one that has left.
fn wait_for(view: &View<'_>, incumbent: Option<ServerKey>, named: ServerKey) -> Decision {
    let stays = incumbent.and_then(|key| fact_of(view, key)).filter(|fact| fact.says == Says::Master);
    let reason = if stays.is_some() { Reason::Stays } else { Reason::Awaited(named) };
    conclude(view, stays.map(|fact| fact.key), reason, view.history.line().cloned())
}

/// There was never a master: rule (d), once nobody can come in between.
fn begin(view: &View<'_>, now: Tick) -> Decision {
    let best = best(view.servers.iter().filter(|fact| fact.passing));
    let Some(best) = best.filter(|best| view.window == Window::Closed || is_followed_by_all(view, best))
    else {
        return conclude(view, None, Reason::None, None);
    };
    let line = view.history.line_of(best.key, None, Passing::StandIn, now);
    conclude(view, Some(best.key), Reason::First, Some(line))
}

/// Every other server may well be a replica of this one, so no later answer can outdo it under rule (d).
fn is_followed_by_all(view: &View<'_>, fact: &Fact) -> bool {
    let is_other = |other: &&Fact| other.key != fact.key && other.standing != Standing::Out;
    fact.connected_replicas as usize >= view.servers.iter().filter(is_other).count()
}

/// Who takes over from the line's head by lineage.
fn successor(view: &View<'_>, line: &Line) -> Option<(ServerKey, Reason)> {
    let masters = || view.servers.iter().filter(|fact| fact.key != line.head && is_candidate(fact));
    let untried = |fact: &&Fact| !view.history.is_superseded(fact.key, line);
    // Asked once and not for each of them: there may be a thousand.
    let head_follows = view.servers.iter().any(|head| head.key == line.head && head.says == Says::Other);
    let followed = || masters().find(|fact| view.history.followed_by_head(fact.key, line));
    if let Some(fact) = head_follows.then(followed).flatten() {
        return Some((fact.key, Reason::FollowedBy(line.head)));
    }
    // Sentinels may have gone back on a promotion: that one does not count a second time.
    let heir = masters()
        .filter(untried)
        .filter_map(|fact| Some((view.history.generations(fact.key, line)?, fact.key)))
        .min_by_key(|(generations, _)| *generations);
    if let Some((_, key)) = heir {
        return Some((key, Reason::Succeeded(line.head)));
    }
    let further = masters().find(|fact| {
        let offsets = view.history.siblings(fact.key, line);
        offsets.is_some_and(|(head, other)| {
            other > head || other == head && position(view, fact.key) < position(view, line.head)
        })
    });
    further.map(|fact| (fact.key, Reason::FurtherThan(line.head)))
}

/// Rules (c) and (d).
fn without_heir(view: &View<'_>, incumbent: Option<ServerKey>, line: &Line, now: Tick) -> Decision {
    let head = fact_of(view, line.head);
    let is_master = |fact: &&Fact| fact.says == Says::Master;
    if let Some(head) = head.filter(is_master) {
        let returns = incumbent != Some(head.key);
        if head.standing == Standing::Up && (!returns || head.passing) {
            let reason = if returns { Reason::Returned } else { Reason::Stays };
            return conclude(view, Some(head.key), reason, Some(line.clone()));
        }
    }
    let others = view.servers.iter().filter(|fact| fact.key != line.head && is_candidate(fact));
    let eligible = others.filter(|fact| {
        let too_early = view.hold == Hold::Running && view.history.is_restarted_kin(fact.key, line);
        !too_early && !view.history.is_superseded(fact.key, line)
    });
    if let Some(best) = best(eligible) {
        let next = view.history.line_of(best.key, Some(line), Passing::StandIn, now);
        return conclude(view, Some(best.key), Reason::InPlaceOf(line.head), Some(next));
    }
    // With nobody to take its place a stalled master keeps its sessions, and one that is back its word.
    match head.filter(is_master) {
        Some(head) if incumbent == Some(head.key) => {
            conclude(view, incumbent, Reason::Stays, Some(line.clone()))
        }
        Some(head) if head.passing => conclude(view, Some(head.key), Reason::Returned, Some(line.clone())),
        _ => conclude(view, None, Reason::None, Some(line.clone())),
    }
}

fn is_candidate(fact: &Fact) -> bool {
    fact.says == Says::Master && fact.passing && fact.standing != Standing::Out
}

/// Rule (d); on equal terms the first in the config's order.
fn best<'a>(facts: impl Iterator<Item = &'a Fact>) -> Option<&'a Fact> {
    facts
        .filter(|fact| is_candidate(fact))
        .min_by_key(|fact| (Reverse(fact.connected_replicas), Reverse(fact.uptime)))
}

fn conclude(view: &View<'_>, master: Option<ServerKey>, reason: Reason, line: Option<Line>) -> Decision {
    // A server that is down says nothing any more; it is held when it comes back and still says so.
    let speaks = |fact: &&Fact| fact.passing || fact.standing != Standing::Down;
    let others = view.servers.iter().filter(|fact| fact.says == Says::Master && Some(fact.key) != master);
    let held = others.filter(speaks).map(|fact| (fact.key, held_reason(view, fact, line.as_ref()))).collect();
    Decision { master, reason, held, line }
}

fn held_reason(view: &View<'_>, fact: &Fact, line: Option<&Line>) -> HeldReason {
    match line {
        None if is_candidate(fact) => match view.majority {
            Majority::Server(ballot) if ballot.server != fact.key => HeldReason::Unnamed(ballot.server),
            _ => HeldReason::Undecided,
        },
        Some(line) if view.history.is_superseded(fact.key, line) => {
            HeldReason::SucceededBy(line.head, line.since)
        }
        Some(line) if view.history.is_restarted_kin(fact.key, line) => HeldReason::Restarted(line.head),
        Some(line) if line.head != fact.key => HeldReason::Another(line.head),
        _ => HeldReason::Unusable,
    }
}

fn fact_of<'a>(view: &View<'a>, key: ServerKey) -> Option<&'a Fact> {
    view.servers.iter().find(|fact| fact.key == key)
}

fn position(view: &View<'_>, key: ServerKey) -> Option<usize> {
    view.servers.iter().position(|fact| fact.key == key)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
