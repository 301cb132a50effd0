//! What the guard remembers of replication histories: who was a replica of what, and which history came out
//! of which. Reports go in; answers to "does this server succeed that master" come out. No I/O, bounded.
//!
//! # What Redis says, and what may be believed
//!
//! A master names its history `master_replid`; its replicas repeat that name once they are in sync. A replica
//! that is promoted gives itself a new name and keeps the old one as `master_replid2`, up to
//! `second_repl_offset`. But a replica that was *restarted* without `replicaof` reads both from its dump file
//! and says the very same words about a master that is alive. Only one thing tells them apart: the process
//! that was promoted has the `run_id` it had as a replica. So a promotion counts if this guard saw the process
//! as a replica and then as a master, and a changed `run_id` is a restart, whatever the words.
//!
//! # What is kept
//!
//! * for each server a [`Past`]: its process, the histories it has written as a master since it last followed
//!   anybody, and whom it followed;
//! * the parent of each history, so that A -> B -> C is a chain even if B was never chosen;
//! * the [`Line`]: the present master's histories and the ones they came out of. An old master that returns
//!   still says, or once said, one of the latter, and that is how it is known as such.

use std::collections::{BTreeMap, VecDeque};

use crate::redis::{Role, RoleReport};
use crate::state::ServerKey;
use crate::time::Tick;

/// Histories remembered of one server or of a line's head; a failover adds one or two, a restart one.
const WRITTEN: usize = 16;
/// Histories remembered of what came before the line's head.
const ANCESTORS: usize = 64;
/// Parents of histories that are remembered.
const PARENTS: usize = 128;

/// A replication id, as Redis prints it.
pub type ReplId = String;

/// Out of which history a server was promoted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Promotion {
    pub from: ReplId,
    /// `second_repl_offset`: how far it followed. `None` if the server did not say.
    pub offset: Option<u64>,
}

/// What is remembered of one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Past {
    run_id: Option<String>,
    /// What it wrote as a master since it last followed anybody, over restarts.
    written: VecDeque<ReplId>,
    /// The history this very process was last seen to follow.
    follows: Option<ReplId>,
    /// Set while this process, seen as a replica before, says that it is a master.
    promotion: Option<Promotion>,
    /// The history a former process of this server followed: it came back by a restart.
    restarted_from: Option<ReplId>,
    /// What the last report said of the history before, believed or not.
    claimed: Option<Promotion>,
}

/// The present master's place in time. It outlives the master's word: who succeeds a master that has gone is
/// asked after it went.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    pub head: ServerKey,
    /// When the head was chosen.
    pub since: Tick,
    /// What the head has written.
    histories: VecDeque<ReplId>,
    /// Of a master that the head merely stands in for: its replicas may still succeed it.
    stands_in_for: VecDeque<ReplId>,
    /// What was written before, by masters that were succeeded.
    ancestors: VecDeque<ReplId>,
    promotion: Option<Promotion>,
    /// How the head came to it.
    pub by: Passing,
}

/// How a line passes from one server to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Passing {
    /// By lineage: what the old head wrote belongs to the past.
    Succession,
    /// By a word of Sentinels or of the operator; to the past likewise.
    Word,
    /// For want of an heir.
    StandIn,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct History {
    pasts: BTreeMap<ServerKey, Past>,
    /// Child and parent; a root has none.
    parents: VecDeque<(ReplId, Option<ReplId>)>,
    line: Option<Line>,
}

impl History {
    /// Takes in what a server said of itself.
    pub fn observe(&mut self, server: ServerKey, report: &RoleReport) {
        let mut past = self.pasts.remove(&server).unwrap_or_default();
        past.notice_process(report.run_id.as_deref());
        past.claimed = claim(report);
        let replid = report.replid.as_ref().filter(|id| is_real(id));
        match (report.role, replid) {
            (Role::Replica, Some(replid)) => self.observe_replica(server, &mut past, report, replid),
            (Role::Master, Some(replid)) => self.observe_master(server, &mut past, replid),
            _ => {}
        }
        self.pasts.insert(server, past);
    }

    /// Forgets servers that are no longer there. The line stays: it names histories, not addresses.
    pub fn retain(&mut self, keep: impl Fn(ServerKey) -> bool) {
        self.pasts.retain(|server, _| keep(*server));
    }

    /// The present line; `None` until a first master was chosen.
    pub fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    /// Takes over what was decided.
    pub fn set_line(&mut self, line: Option<Line>) {
        self.line = line;
    }

    /// The line that begins with `server`.
    pub fn line_of(&self, server: ServerKey, after: Option<&Line>, passing: Passing, now: Tick) -> Line {
        let past = self.pasts.get(&server);
        let histories = past.map(|past| past.written.clone()).unwrap_or_default();
        let promotion = past.and_then(|past| past.promotion.clone().or_else(|| past.claimed.clone()));
        let mut line = Line {
            head: server,
            since: now,
            histories,
            stands_in_for: VecDeque::new(),
            ancestors: after.map(|old| old.ancestors.clone()).unwrap_or_default(),
            promotion,
            by: passing,
        };
        let inherited = after.into_iter().flat_map(Line::heritable).cloned();
        match passing {
            Passing::Succession | Passing::Word => {
                inherited.for_each(|id| remember_ancestor(&mut line.ancestors, id));
                // Of a chain whose middle was never chosen.
                let from =
                    past.and_then(|past| past.promotion.as_ref()).map(|promotion| promotion.from.clone());
                from.into_iter().for_each(|id| remember_ancestor(&mut line.ancestors, id));
            }
            Passing::StandIn => inherited.for_each(|id| remember_ancestor(&mut line.stands_in_for, id)),
        }
        // A master that gets the word back goes on writing what it wrote before.
        let Line { histories, ancestors, .. } = &mut line;
        ancestors.retain(|id| !histories.contains(id));
        line
    }

    /// How many promotions lie between the line's head and `server`: the next one to take over is the
    /// nearest. `None` if it does not succeed the head.
    pub fn generations(&self, server: ServerKey, line: &Line) -> Option<usize> {
        if server == line.head {
            return None;
        }
        let promotion = self.pasts.get(&server)?.promotion.as_ref()?;
        let mut history = &promotion.from;
        for generation in 0..ANCESTORS {
            if line.heritable().any(|id| id == history) {
                return Some(generation);
            }
            history = self.parent(history)?;
        }
        None
    }

    /// Whether the line's head has itself become a replica of what `server` writes: the plainest proof.
    pub fn followed_by_head(&self, server: ServerKey, line: &Line) -> bool {
        let head = self.pasts.get(&line.head).and_then(|past| past.follows.as_ref());
        let written = self.pasts.get(&server).map(|past| &past.written);
        head.zip(written).is_some_and(|(follows, written)| written.contains(follows))
    }

    /// Of two that were promoted out of one history: how far each followed it, the head first.
    pub fn siblings(&self, server: ServerKey, line: &Line) -> Option<(u64, u64)> {
        let (head, other) = (line.promotion.as_ref()?, self.pasts.get(&server)?.promotion.as_ref()?);
        (head.from == other.from).then_some(head.offset.zip(other.offset)).flatten()
    }

    /// Whether what `server` writes, or came out of, was succeeded by the line.
    pub fn is_superseded(&self, server: ServerKey, line: &Line) -> bool {
        let Some(past) = self.pasts.get(&server).filter(|_| server != line.head) else { return false };
        let from = past.promotion.as_ref().map(|promotion| &promotion.from);
        past.written.iter().chain(from).any(|id| line.ancestors.contains(id))
    }

    /// Whether `server` followed the line and came back by a restart, as a master nobody promoted.
    pub fn is_restarted_kin(&self, server: ServerKey, line: &Line) -> bool {
        let from = self.pasts.get(&server).and_then(|past| past.restarted_from.as_ref());
        from.is_some_and(|from| line.heritable().chain(&line.ancestors).any(|id| id == from))
    }

    fn observe_replica(&mut self, server: ServerKey, past: &mut Past, report: &RoleReport, replid: &ReplId) {
        // Until it is in sync, a replica still names the history it had before: its own, or a fresh one.
        if past.written.contains(replid) || report.link_up == Some(false) && !self.is_known(replid) {
            return;
        }
        if let Some(line) = self.line.as_mut().filter(|line| line.head != server) {
            line.gain_replica(replid);
        }
        // It went on in the new history where the old one ended: the one came out of the other.
        let former = past.follows.iter().chain(&past.written);
        let mut former = former.filter(|id| report.replid2.as_ref() == Some(id) && *id != replid);
        if let Some(parent) = former.next() {
            self.learn_parent(replid, Some(parent.clone()));
        }
        past.written.clear();
        past.promotion = None;
        past.restarted_from = None;
        past.follows = past.run_id.is_some().then(|| replid.clone());
    }

    fn observe_master(&mut self, server: ServerKey, past: &mut Past, replid: &ReplId) {
        if past.written.is_empty() {
            // Of one and the same process its own word for what it followed last is good, and fresher.
            past.promotion = past.follows.clone().map(|follows| match past.claimed.clone() {
                Some(claimed) => {
                    if claimed.from != follows {
                        self.learn_parent(&claimed.from, Some(follows));
                    }
                    claimed
                }
                None => Promotion { from: follows, offset: None },
            });
        }
        if !past.written.contains(replid) {
            self.learn_parent(replid, past.promotion.as_ref().map(|promotion| promotion.from.clone()));
            remember_written(&mut past.written, replid.clone());
        }
        if let Some(line) = self.line.as_mut().filter(|line| line.head == server) {
            remember_written(&mut line.histories, replid.clone());
        }
    }

    fn parent(&self, child: &ReplId) -> Option<&ReplId> {
        self.parents.iter().find(|(id, _)| id == child).and_then(|(_, parent)| parent.as_ref())
    }

    /// The first word counts: who was seen to write a history of its own does not get a parent later.
    fn learn_parent(&mut self, child: &ReplId, parent: Option<ReplId>) {
        if self.parents.iter().any(|(id, _)| id == child) {
            return;
        }
        if self.parents.len() == PARENTS {
            self.parents.pop_front();
        }
        self.parents.push_back((child.clone(), parent));
    }

    fn is_known(&self, replid: &ReplId) -> bool {
        self.parents.iter().any(|(id, _)| id == replid)
            || self.line.as_ref().is_some_and(|line| line.heritable().any(|id| id == replid))
    }
}

impl Past {
    fn notice_process(&mut self, run_id: Option<&str>) {
        let restarted = self.run_id.as_deref().zip(run_id).is_some_and(|(old, new)| old != new);
        if restarted {
            let follows = self.follows.take();
            if self.written.is_empty() && follows.is_some() {
                self.restarted_from = follows;
            }
            self.promotion = None;
        }
        if let Some(run_id) = run_id {
            self.run_id = Some(run_id.to_owned());
        }
    }
}

impl Line {
    /// Histories whose replicas, once promoted, succeed the head.
    fn heritable(&self) -> impl Iterator<Item = &ReplId> {
        self.histories.iter().chain(&self.stands_in_for)
    }

    /// A stand-in that others follow is a master of its own.
    fn gain_replica(&mut self, replid: &ReplId) {
        if self.histories.contains(replid) {
            self.stands_in_for.clear();
        }
    }
}

/// The history before, as the server tells it.
fn claim(report: &RoleReport) -> Option<Promotion> {
    let from = report.replid2.clone().filter(|id| is_real(id))?;
    Some(Promotion { from, offset: report.second_offset })
}

/// Forty zeros are no history.
fn is_real(id: &str) -> bool {
    !id.is_empty() && id.bytes().any(|byte| byte != b'0')
}

fn remember_ancestor(ancestors: &mut VecDeque<ReplId>, id: ReplId) {
    if ancestors.contains(&id) {
        return;
    }
    if ancestors.len() == ANCESTORS {
        ancestors.pop_front();
    }
    ancestors.push_back(id);
}

/// Never forgets the first: a succeeded master that restarts in a loop goes on being known by what it wrote
/// before.
fn remember_written(written: &mut VecDeque<ReplId>, id: ReplId) {
    if written.contains(&id) {
        return;
    }
    if written.len() == WRITTEN {
        written.remove(1);
    }
    written.push_back(id);
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
