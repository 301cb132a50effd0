//! Into maintenance, drain and forced health and out of them, with those who track the server: that they follow is no
//! work of this module ([`crate::state::track`]); what HAProxy says and does about them is. Who comes when and counts
//! whom is [`crate::state::chain`]'s.

use std::sync::atomic::Ordering::Relaxed;

use super::servers::{Place, Subject};
use crate::config::model::RiseFall;
use crate::health::{drain_goes_on, warm_up};
use crate::process::control::Control;
use crate::state::chain::{Chain, Link, Step};
use crate::state::event::{Followed, Left, Maintained, ServerChange};
use crate::state::{Command, CutReason, Operation, Snapshot, admin};
use crate::time::Tick;

/// A change of a server's state, as it is told of the server and of those who track it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateChange {
    IntoMaintenance,
    OutOfMaintenance,
    IntoDrain,
    OutOfDrain,
    /// Health that the operator forces.
    Forced(Operation),
    /// Nothing is said of that.
    Weight,
}

impl Subject<'_> {
    pub(super) fn enter_maintenance(self, control: &Control, bits: u8) {
        let was_down = self.live.operation() == Operation::Stopped;
        self.change(control, StateChange::IntoMaintenance, || {
            self.live.set_admin(bits);
            self.live.set_operation(Operation::Stopped);
            self.live.update_health(|health| {
                health.counter = 0;
                health.in_progress = false;
                health.last_change = Tick::now();
                health.down_transitions += u64::from(!was_down);
            });
        });
    }

    /// HAProxy takes it as up, and so is it here, but where clients only come after proof: what was proved before
    /// the maintenance counts no more, so it comes up with its next check, which is made at once.
    pub(super) fn leave_maintenance(self, control: &Control, bits: u8) {
        let vetoed = self.live.agent().vetoes();
        let waits_for_proof = self.view.guarding.needs_proof() && self.config.check.is_some();
        let stays_down = waits_for_proof || vetoed || !self.config.init_state.is_up();
        self.change(control, StateChange::OutOfMaintenance, || {
            let now = Tick::now();
            self.live.update_health(|health| {
                health.downtime_ms += now.since(health.last_change).as_millis() as u64;
                health.last_change = now;
                let wanted =
                    self.config.init_state.counter(RiseFall { rise: health.rise, fall: health.fall });
                // Proof comes first, whatever the line says.
                health.counter =
                    if waits_for_proof { wanted.min(health.rise.saturating_sub(1)) } else { wanted };
            });
            if stays_down {
                self.live.set_operation(Operation::Stopped);
            } else if self.config.slowstart.is_zero() {
                self.live.set_operation(Operation::Running);
            } else {
                warm_up(self.live, &control.workers, self.config.slowstart, now);
                self.live.set_operation(Operation::Starting);
            }
            self.live.set_admin(bits);
        });
    }

    /// Makes the change, and tells of it: of the server, and of those who track it.
    pub(super) fn change(self, control: &Control, change: StateChange, make: impl FnOnce()) {
        let snapshot = control.published.load_full();
        let mut chain = Chain::of(&snapshot, self.live.key);
        make();
        for link in chain.links() {
            let step = chain.step(&link);
            if let Some(subject) = subject(&snapshot, &link) {
                words(change, &link, step.left).into_iter().for_each(|what| subject.tell(control, what));
                subject.follows(control, change, &link);
                subject.backend_changes(control, step);
            }
        }
    }

    /// What comes of it beside the words.
    fn follows(self, control: &Control, change: StateChange, link: &Link<'_>) {
        let was_out = link.was.admin & admin::MAINT != 0;
        let is_health =
            !matches!(change, StateChange::IntoDrain | StateChange::OutOfDrain | StateChange::Weight);
        if link.via.is_some() && is_health && (!was_out || change == StateChange::OutOfMaintenance) {
            self.live.update_health(|health| health.last_change = Tick::now());
        }
        let goes_down =
            matches!(change, StateChange::IntoMaintenance | StateChange::Forced(Operation::Stopped));
        if goes_down && !was_out && self.config.on_marked_down_shutdown_sessions {
            let key = self.live.key;
            control.workers.broadcast(|| Command::Cut(key, CutReason::MarkedDown));
        }
    }

    /// The backend's own up and down.
    fn backend_changes(self, control: &Control, Step { before, after, .. }: Step) {
        if before.is_none() == after.is_none() {
            return;
        }
        let (live, now) = (&self.view.live, Tick::now());
        let since = Tick(live.last_change.swap(now.0, Relaxed));
        if after.is_none() {
            live.down_transitions.add(1);
            self.tell(control, ServerChange::NoServerLeft { is_listen: self.backend.is_listen });
        } else {
            live.downtime_ms.add(now.since(since).as_millis() as u64);
        }
    }
}

fn subject<'a>(snapshot: &'a Snapshot, link: &Link<'a>) -> Option<Subject<'a>> {
    let backend = snapshot.backend(&link.server.backend.name)?.0;
    let server = snapshot.config.backends[backend].position(link.server.config.id)?;
    Some(Subject::of(snapshot, Place { backend, server }))
}

/// What is said of one of them.
fn words(change: StateChange, link: &Link<'_>, left: Left) -> Vec<ServerChange> {
    let (was, live) = (link.was, link.server.live);
    let (bits, via) = (live.admin(), link.via.map(str::to_owned));
    let (up, was_down) = (live.operation() != Operation::Stopped, was.operation == Operation::Stopped);
    let has = |bits: u8, mask: u8| bits & mask != 0;
    let (was_out, is_out) = (has(was.admin, admin::MAINT), has(bits, admin::MAINT));
    let (was_draining, draining) = (has(was.admin, admin::DRAIN), has(bits, admin::DRAIN));
    let mut words = Vec::new();
    match change {
        StateChange::IntoMaintenance if !was_out => {
            words.push(ServerChange::Maintenance { via, was_down, left })
        }
        StateChange::OutOfMaintenance => {
            if link.via.is_some() && has(bits, admin::FORCED_MAINT) {
                words.push(ServerChange::Remains);
            }
            if was_out && !is_out {
                let out_of = if link.via.is_some() { Maintained::Leader } else { Maintained::Itself };
                words.push(ServerChange::Returned { out_of, up, draining });
                if draining && link.via.is_none() {
                    words.push(ServerChange::RemainsDraining { via: None });
                }
            }
        }
        StateChange::IntoDrain if !was_out && !was_draining => {
            words.push(ServerChange::Draining { via, is_down: !up, left });
        }
        StateChange::OutOfDrain if !is_out && was_draining && !draining => {
            words.push(ServerChange::Undrained { up })
        }
        StateChange::Forced(operation) if !is_out => {
            words.push(match via {
                None => ServerChange::Forced { operation, left },
                Some(via) => ServerChange::Followed { to: followed(operation), via, left },
            });
            words.extend(drain_goes_on(live, link.via));
        }
        _ => {}
    }
    words
}

fn followed(operation: Operation) -> Followed {
    match operation {
        Operation::Stopped => Followed::Down,
        Operation::Stopping => Followed::Stopping,
        Operation::Starting | Operation::Running => Followed::Up,
    }
}
