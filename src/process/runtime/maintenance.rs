//! Into maintenance and out of it, with those who track the server: that they follow is no work of this module
//! ([`crate::state::track`]); what HAProxy says and does about them is. Each line counts the servers that are left as if
//! the ones after it had not changed yet.

use std::collections::HashMap;

use super::servers::{Place, Subject};
use crate::config::model::RiseFall;
use crate::health::warm_up;
use crate::process::control::Control;
use crate::state::event::{Left, Maintained, ServerChange};
use crate::state::{BackendKey, Command, CutReason, Operation, Snapshot, admin};
use crate::time::Tick;

impl Subject<'_> {
    pub(super) fn enter_maintenance(self, control: &Control, bits: u8) {
        let snapshot = control.published.load_full();
        let mut following = Following::of(&snapshot, self);
        let was_down = self.live.operation() == Operation::Stopped;
        self.live.set_admin(bits);
        self.live.set_operation(Operation::Stopped);
        self.live.update_health(|health| {
            health.counter = 0;
            health.in_progress = false;
            health.last_change = Tick::now();
            health.down_transitions += u64::from(!was_down);
        });
        let left = following.left(self);
        self.tell(control, ServerChange::Maintenance { via: None, was_down, left });
        self.cut(control);
        following.enter(control);
    }

    /// HAProxy takes it as up, and so is it here, but where clients only come after proof: what was proved before
    /// the maintenance counts no more, so it comes up with its next check, which is made at once.
    pub(super) fn leave_maintenance(self, control: &Control, bits: u8) {
        let snapshot = control.published.load_full();
        let following = Following::of(&snapshot, self);
        let now = Tick::now();
        let vetoed = self.live.agent().vetoes();
        let waits_for_proof = self.view.guarding.needs_proof() && self.config.check.is_some();
        self.live.update_health(|health| {
            health.downtime_ms += now.since(health.last_change).as_millis() as u64;
            health.last_change = now;
            let wanted = self.config.init_state.counter(RiseFall { rise: health.rise, fall: health.fall });
            // Proof comes first, whatever the line says.
            health.counter = if waits_for_proof { wanted.min(health.rise.saturating_sub(1)) } else { wanted };
        });
        let stays_down = waits_for_proof || vetoed || !self.config.init_state.is_up();
        if stays_down {
            self.live.set_operation(Operation::Stopped);
        } else if self.config.slowstart.is_zero() {
            self.live.set_operation(Operation::Running);
        } else {
            warm_up(self.live, &control.workers, self.config.slowstart, now);
            self.live.set_operation(Operation::Starting);
        }
        self.live.set_admin(bits);
        let draining = bits & admin::DRAIN != 0;
        let out_of = Maintained::Itself;
        self.tell(control, ServerChange::Returned { out_of, up: !stays_down, draining });
        if draining {
            self.tell(control, ServerChange::RemainsDraining);
        }
        following.leave(control);
    }

    fn cut(self, control: &Control) {
        if self.config.on_marked_down_shutdown_sessions {
            let key = self.live.key;
            control.workers.broadcast(|| Command::Cut(key, CutReason::MarkedDown));
        }
    }
}

/// Those who track a server, as they stand before it changes.
struct Following<'a> {
    /// In HAProxy's order.
    followers: Vec<Before<'a>>,
    /// One of each other backend, with the usable servers of that.
    elsewhere: HashMap<BackendKey, (Subject<'a>, (usize, usize))>,
    /// Usable servers of their backends that have not changed yet: active and backup.
    waiting: HashMap<BackendKey, (usize, usize)>,
}

struct Before<'a> {
    subject: Subject<'a>,
    is_out: bool,
    was_down: bool,
    was_usable: bool,
}

impl<'a> Following<'a> {
    fn of(snapshot: &'a Snapshot, leader: Subject<'_>) -> Following<'a> {
        let mut waiting: HashMap<BackendKey, (usize, usize)> = HashMap::new();
        let mut elsewhere = HashMap::new();
        let subjects = snapshot.followers(leader.live.key).into_iter().filter_map(|follower| {
            let backend = snapshot.backend(&follower.backend.name)?.0;
            let server = snapshot.config.backends[backend].position(follower.config.id)?;
            Some(Subject::of(snapshot, Place { backend, server }))
        });
        let followers = subjects.map(|subject| {
            let (was_usable, backend) = (subject.live.counts_as_usable(), subject.view.live.key);
            if was_usable {
                *count(waiting.entry(backend).or_default(), subject) += 1;
            }
            // The leader's own is looked after with the leader.
            if backend != leader.view.live.key {
                elsewhere.entry(backend).or_insert_with(|| (subject, subject.usable()));
            }
            Before {
                subject,
                is_out: subject.live.admin() & admin::MAINT != 0,
                was_down: subject.live.operation() == Operation::Stopped,
                was_usable,
            }
        });
        let followers = followers.collect();
        Following { followers, elsewhere, waiting }
    }

    /// With those that have not changed yet.
    fn left(&self, subject: Subject<'_>) -> Left {
        let (active, backup) = self.waiting.get(&subject.view.live.key).copied().unwrap_or_default();
        let left = subject.left();
        Left { active: left.active + active, backup: left.backup + backup, ..left }
    }

    fn enter(&mut self, control: &Control) {
        for Before { subject, is_out, was_down, was_usable } in std::mem::take(&mut self.followers) {
            if was_usable && let Some(waiting) = self.waiting.get_mut(&subject.view.live.key) {
                let waiting = count(waiting, subject);
                *waiting = waiting.saturating_sub(1);
            }
            if is_out {
                continue;
            }
            subject.live.update_health(|health| health.last_change = Tick::now());
            let via = subject.config.track.as_ref().map(|track| track.name.clone());
            subject.tell(control, ServerChange::Maintenance { via, was_down, left: self.left(subject) });
            subject.cut(control);
        }
        self.settle(control);
    }

    fn leave(mut self, control: &Control) {
        for Before { subject, is_out, .. } in std::mem::take(&mut self.followers) {
            let bits = subject.live.admin();
            if bits & admin::FORCED_MAINT != 0 {
                subject.tell(control, ServerChange::Remains);
            }
            if !is_out || bits & admin::MAINT != 0 {
                continue;
            }
            subject.live.update_health(|health| health.last_change = Tick::now());
            let up = subject.live.operation() != Operation::Stopped;
            let (out_of, draining) = (Maintained::Leader, bits & admin::DRAIN != 0);
            subject.tell(control, ServerChange::Returned { out_of, up, draining });
        }
        self.settle(control);
    }

    /// What follows for their backends.
    fn settle(&self, control: &Control) {
        self.elsewhere.values().for_each(|(subject, before)| subject.stands_otherwise(control, *before));
    }
}

fn count<'b>((active, backup): &'b mut (usize, usize), subject: Subject<'_>) -> &'b mut usize {
    if subject.config.backup { backup } else { active }
}
