//! Writes the course of a failover down: its record for pages, and the one line of the log that tells what it cost.
//!
//! The cost is what the old master had written and the new one never got: the old one's `master_repl_offset` minus
//! the last offset that the new one has of the same history (`second_repl_offset` - 1). The old one is asked once
//! more right at the switch; if it does not answer, what it said while it was frozen is as good, and anything
//! before that is not. The Sentinels publish on every server, and that is written to the history too: some hundred bytes
//! after a freeze are theirs, and no client's. Offsets of histories that are not the same are never compared: then the cost is unknown.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::course::{Cause, CourseStep};
use super::words::Words;
use crate::redis::{Role, RoleReport};
use crate::state::failover::Ending;
use crate::state::{BackendView, Failover, ServerKey, ServerLive};
use crate::time::Tick;

/// How long the old master's last word is awaited.
const PATIENCE: Duration = Duration::from_secs(1);
/// After so long a freeze nothing that clients had sent is still on its way.
const DRAINED: Duration = Duration::from_millis(20);

/// The record that is being written.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    open: Option<Open>,
    last_cut: Option<LastCut>,
}

/// A master that reports another role loses its sessions before anybody follows it, and its failover has a record.
#[derive(Debug, Clone, Copy)]
struct LastCut {
    server: ServerKey,
    at: Tick,
    sessions: u32,
}

#[derive(Debug)]
struct Open {
    number: u64,
    from: Option<ServerKey>,
    cause: String,
    began: Tick,
    frozen: Option<Tick>,
    selected: Option<Tick>,
    switched: Option<Switched>,
    sessions_cut: Option<u32>,
}

#[derive(Debug)]
struct Switched {
    to: ServerKey,
    at: Tick,
    /// What the new master said of itself then.
    report: Option<RoleReport>,
}

/// A switch whose cost is known, or never will be.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) server: ServerKey,
    pub(super) text: String,
}

impl Recorder {
    /// One step.
    pub(super) fn step(&mut self, view: &BackendView, words: &Words<'_>, step: CourseStep) {
        let now = words.now;
        match step {
            CourseStep::Began { from, cause, since } => self.begin(view, words, (from, cause, since)),
            CourseStep::Frozen => self.note(view, |open, record| {
                open.frozen = Some(now);
                record.frozen = Some(now);
            }),
            CourseStep::Selected(server) => self.note(view, |open, record| {
                open.selected = Some(now);
                (record.selected, record.to) = (Some(now), Some(words.server(server)));
            }),
            CourseStep::Switched(to) => {
                let report = live(view, to).and_then(|live| live.redis().report);
                self.note(view, |open, record| {
                    open.switched = Some(Switched { to, at: now, report });
                    (record.promoted, record.to) = (Some(now), Some(words.server(to)));
                });
                view.live.failovers.await_first_client();
            }
            CourseStep::Ended(ending) => {
                self.note(view, |_, record| (record.ended, record.ending) = (Some(now), ending));
                if ending != Ending::Switched {
                    self.open = None;
                }
            }
        }
    }

    /// Sessions of a server were ended. Those that still take their last replies when it is cut once more were
    /// counted before.
    pub(super) fn cut(&mut self, view: &BackendView, server: ServerKey, sessions: u32, now: Tick) {
        self.last_cut = Some(LastCut { server, at: now, sessions });
        let is_told =
            |open: &Open| open.from == Some(server) && open.sessions_cut.is_none_or(|n| n < sessions);
        if !self.open.as_ref().is_some_and(is_told) {
            return;
        }
        self.note(view, |open, record| {
            open.sessions_cut = Some(sessions);
            (record.cut, record.sessions_cut) = (Some(now), sessions);
        });
    }

    /// Whether the cost can be told by now.
    pub(super) fn finish(&mut self, view: &BackendView, words: &Words<'_>) -> Option<Told> {
        let open = self.open.as_ref()?;
        let switched = open.switched.as_ref()?;
        let old = open.from.and_then(|key| live(view, key)).map(|live| live.redis());
        let heard = old.as_ref().and_then(|old| old.reported_at);
        let is_final = heard.is_some_and(|at| at > switched.at);
        if !is_final && words.now.since(switched.at) < PATIENCE {
            return None;
        }
        let drained = open.frozen.map(|frozen| frozen + DRAINED);
        let is_good = is_final || heard.zip(drained).is_some_and(|(heard, drained)| heard >= drained);
        let report = old.and_then(|old| old.report).filter(|_| is_good);
        let lost = report.zip(switched.report.as_ref()).and_then(|(old, new)| cost(&old, new));
        let told = Told { server: switched.to, text: text(open, switched, lost, words) };
        self.note(view, |_, record| record.bytes_lost = lost);
        self.open = None;
        Some(told)
    }

    fn begin(
        &mut self,
        view: &BackendView,
        words: &Words<'_>,
        (from, cause, since): (Option<ServerKey>, Cause, Tick),
    ) {
        let from_name = from.map(|key| words.server(key));
        let cause = words.cause(cause, from);
        let cut = self.last_cut.filter(|cut| Some(cut.server) == from && cut.at >= since);
        let number = view.live.failovers.begin(Failover {
            at: SystemTime::now().checked_sub(words.now.since(since)),
            from: from_name,
            cause: cause.clone(),
            began: since,
            cut: cut.map(|cut| cut.at),
            sessions_cut: cut.map_or(0, |cut| cut.sessions),
            ..Failover::default()
        });
        let (frozen, selected, switched, sessions_cut) = (None, None, None, cut.map(|cut| cut.sessions));
        self.open =
            Some(Open { number, from, cause, began: since, frozen, selected, switched, sessions_cut });
    }

    fn note(&mut self, view: &BackendView, change: impl FnOnce(&mut Open, &mut Failover)) {
        if let Some(open) = &mut self.open {
            view.live.failovers.update(open.number, |record| change(open, record));
        }
    }
}

/// Bytes of history that the old master has and the new one has not.
fn cost(old: &RoleReport, new: &RoleReport) -> Option<u64> {
    let is_one_history = old.replid.is_some() && old.replid == new.replid2;
    if old.role != Role::Master || !is_one_history {
        return None;
    }
    let kept = new.second_offset?.checked_sub(1)?;
    Some(old.offset?.saturating_sub(kept))
}

/// `took over from redis1: 0 bytes of history lost, 4 sessions cut, 85 ms frozen; ...`
fn text(open: &Open, switched: &Switched, lost: Option<u64>, words: &Words<'_>) -> String {
    let from = open.from.map_or_else(|| "nobody".to_owned(), |key| words.server(key));
    let lost = match lost {
        Some(0) => "0 bytes of history lost".to_owned(),
        Some(bytes) => format!("{bytes} bytes of history lost, those that Sentinels wrote included"),
        None => "loss of history unknown".to_owned(),
    };
    let ms = |tick: Tick, since: Tick| tick.since(since).as_millis();
    let frozen = open.frozen.map(|at| format!(", {} ms frozen", ms(switched.at, at))).unwrap_or_default();
    let selected =
        open.selected.map(|at| format!("selected after {} ms, ", ms(at, open.began))).unwrap_or_default();
    let cut = open.sessions_cut.unwrap_or(0);
    let sessions = if cut == 1 { "session" } else { "sessions" };
    format!(
        "took over from {from}: {lost}, {cut} {sessions} cut{frozen}; {selected}master after {} ms, cause: {}",
        ms(switched.at, open.began),
        open.cause
    )
}

fn live(view: &BackendView, key: ServerKey) -> Option<&Arc<ServerLive>> {
    view.position(key).map(|at| &view.servers[at])
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
