//! A server changes its state, by a check of it or by its agent: the words, the backend's own up and down, those
//! who track it, and whose sessions end.
//!
//! The order is HAProxy's: the change of state is told first, then that the backend has nobody left.

use super::follow::{Following, Usable, turn_backend};
use super::job::Subject;
use super::rise_fall::Transition;
use super::verdict::{Emitted, Sinks};
use super::warm_up::warm_up;
use crate::state::event::{CheckSummary, Left, ServerChange, ServerEvent};
use crate::state::{BackendView, Command, CutReason, Health, Operation, ServerLive, Snapshot, admin};
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
        let before = self.usable();
        let following = Following::of(self.snapshot, self.subject.server);
        let slowly = transition == Transition::Up && !self.subject.slowstart.is_zero();
        if slowly {
            warm_up(self.live, &self.sinks.workers, self.subject.slowstart, self.now);
        }
        self.live.set_operation(if slowly { Operation::Starting } else { transition.operation() });
        let after = self.usable();
        self.tell(transition, after, check);
        if turn_backend(&self.view.live, before, after, self.now) {
            let what = ServerChange::NoServerLeft { is_listen: self.subject.backend_is_listen };
            emit(self.subject, self.sinks, what);
        }
        self.cut(transition);
        following.turn(transition, self.sinks, self.now);
        self.sinks.workers.broadcast(|| Command::Reconsider);
    }

    /// `option log-health-checks` has told the reason already.
    fn tell(&self, transition: Transition, after: Usable, check: &CheckSummary) {
        let reason = (!self.subject.log_checks).then(|| check.clone());
        let left = Left {
            active: after.active,
            backup: after.backup,
            sessions_active: self.live.traffic.sessions.now(),
            requeued: 0,
            queued: self.live.queued.now(),
        };
        let what = match transition {
            Transition::Down => ServerChange::Down { reason, left },
            Transition::Up => ServerChange::Up { reason, left },
            Transition::Stopping => ServerChange::Stopping { reason, left },
        };
        emit(self.subject, self.sinks, what);
        if self.live.admin() & admin::DRAIN != 0 {
            emit(self.subject, self.sinks, ServerChange::RemainsDraining);
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

    /// Servers that HAProxy counts as usable, in its backend.
    fn usable(&self) -> Usable {
        let backends = &self.snapshot.backends;
        let at = backends.iter().position(|other| other.live.key == self.subject.backend);
        let config = at.and_then(|at| self.snapshot.config.backends.get(at));
        config.map(|backend| Usable::of(backend, self.view)).unwrap_or_default()
    }
}
