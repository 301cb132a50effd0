//! A server changes its state, by a check of it or by its agent: the words, the backend's own up and down, those
//! who track it, and whose sessions end.
//!
//! The order is HAProxy's: the change of state is told first, then that the backend has nobody left.

use super::follow::{drain_goes_on, follow, turn_backend};
use super::job::Subject;
use super::rise_fall::Transition;
use super::verdict::{Emitted, Sinks};
use super::warm_up::warm_up;
use crate::state::chain::{Chain, Step};
use crate::state::event::{CheckSummary, Left, ServerChange, ServerEvent};
use crate::state::{BackendView, Command, CutReason, Health, Operation, ServerLive, Snapshot};
use crate::time::Tick;
use std::sync::Arc;

/// A server with everything that a change of its state may have to be told to.
pub(super) struct Turn<'a> {
    pub(super) subject: &'a Subject,
    pub(super) sinks: &'a Sinks,
    pub(super) snapshot: &'a Snapshot,
    pub(super) view: &'a BackendView,
    pub(super) live: &'a Arc<ServerLive>,
    pub(super) now: Tick,
}

/// What the health record keeps of a change; `operation` is the state that ends.
pub(super) fn note(health: &mut Health, operation: Operation, transition: Transition, now: Tick) {
    match transition {
        Transition::Down => health.down_transitions += 1,
        Transition::Up if operation == Operation::Stopped => {
            health.downtime_ms += now.since(health.last_change).as_millis() as u64;
        }
        Transition::Up | Transition::Stopping => {}
    }
    health.last_change = now;
}

/// To the log of the server's backend.
pub(super) fn emit(subject: &Subject, sinks: &Sinks, what: ServerChange) {
    let event = ServerEvent {
        backend: subject.backend_name.clone(),
        server: subject.server_name.clone(),
        backup: subject.backup,
        what,
    };
    // The receiver is only gone when the process ends.
    let _ = sinks.events.send(Emitted { backend: subject.backend, event });
}

impl Turn<'_> {
    /// Does it all; [`note`] has been called.
    pub(super) fn carry_out(&self, transition: Transition, check: &CheckSummary) {
        let mut chain = Chain::of(self.snapshot, self.subject.server);
        let slowly = transition == Transition::Up && !self.subject.slowstart.is_zero();
        if slowly {
            warm_up(self.live, &self.sinks.workers, self.subject.slowstart, self.now);
        }
        self.live.set_operation(if slowly { Operation::Starting } else { transition.operation() });
        for link in chain.links() {
            if link.via.is_some() {
                follow(&mut chain, &link, transition, self.sinks, self.now);
            } else {
                self.lead(transition, &chain.step(&link), check);
            }
        }
        self.sinks.workers.broadcast(|| Command::Reconsider);
    }

    /// The server itself; those who track it come after it.
    fn lead(&self, transition: Transition, step: &Step, check: &CheckSummary) {
        self.tell(transition, step.left, check);
        if turn_backend(&self.view.live, step.before, step.after, self.now) {
            let what = ServerChange::NoServerLeft { is_listen: self.subject.backend_is_listen };
            emit(self.subject, self.sinks, what);
        }
        self.cut(transition);
    }

    /// `option log-health-checks` has told the reason already.
    fn tell(&self, transition: Transition, left: Left, check: &CheckSummary) {
        let reason = (!self.subject.log_checks).then(|| check.clone());
        let what = match transition {
            Transition::Down => ServerChange::Down { reason, left },
            Transition::Up => ServerChange::Up { reason, left },
            Transition::Stopping => ServerChange::Stopping { reason, left },
        };
        emit(self.subject, self.sinks, what);
        if let Some(what) = drain_goes_on(self.live, None) {
            emit(self.subject, self.sinks, what);
        }
    }

    fn cut(&self, transition: Transition) {
        match transition {
            Transition::Down if self.subject.cut_when_down => {
                self.sinks.workers.broadcast(|| Command::Cut(self.subject.server, CutReason::MarkedDown));
            }
            Transition::Up if !self.subject.backups_to_cut.is_empty() && self.live.weight() > 0 => {
                for backup in &self.subject.backups_to_cut {
                    self.sinks.workers.broadcast(|| Command::Cut(*backup, CutReason::BackupRelieved));
                }
            }
            _ => {}
        }
    }
}
