//! What HAProxy does to the servers that track one whose state has changed: lines in the log, what
//! `on-marked-down` and `on-marked-up` say, the slow start. That they follow at all is no work of this module:
//! they read their state through the server that they track ([`crate::state::track`]).
//!
//! Enter who was usable before the change, and the change; leave events and commands, one follower after the
//! other. Each line counts the servers that are left as if the ones after it had not changed yet, as in
//! HAProxy.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::rise_fall::Transition;
use super::verdict::{Emitted, Sinks};
use super::warm_up::warm_up;
use crate::config::model::Backend;
use crate::state::event::{Followed, Left, ServerChange, ServerEvent};
use crate::state::track::Follower;
use crate::state::{
    BackendKey, BackendLive, BackendView, Command, CutReason, Operation, ServerKey, ServerLive, Snapshot,
    admin,
};
use crate::time::Tick;

/// Servers that HAProxy counts as usable: held and unproven ones too, which are rolecall's own matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usable {
    pub(super) active: usize,
    pub(super) backup: usize,
}

impl Usable {
    pub(super) fn of(backend: &Backend, view: &BackendView) -> Usable {
        let mut usable = Usable::default();
        for (server, live) in backend.servers.iter().zip(&view.servers) {
            if live.counts_as_usable() {
                *usable.count(server.backup) += 1;
            }
        }
        usable
    }

    pub(super) fn is_none(self) -> bool {
        self.active + self.backup == 0
    }

    fn count(&mut self, backup: bool) -> &mut usize {
        if backup { &mut self.backup } else { &mut self.active }
    }
}

/// A backend's own up and down; says whether it is to be told that its last usable server has gone. While a failover is
/// decided it is not: clients wait for the server that is about to be master, and if none comes, the guard tells it
/// then ([`BackendLive::went_down_unsaid`]).
pub(super) fn turn_backend(backend: &BackendLive, before: Usable, after: Usable, now: Tick) -> bool {
    if before.is_none() == after.is_none() {
        return false;
    }
    let since = Tick(backend.last_change.swap(now.0, Relaxed));
    if !after.is_none() {
        backend.downtime_ms.add(now.since(since).as_millis() as u64);
        backend.went_down_unsaid.store(false, Relaxed);
        return false;
    }
    backend.down_transitions.add(1);
    let waits = backend.frozen_until().is_some_and(|until| now < until);
    backend.went_down_unsaid.store(waits, Relaxed);
    !waits
}

/// Those who track a server, as they stand before it changes.
pub(super) struct Following<'a> {
    followers: Vec<Before<'a>>,
    /// Usable servers of their backends.
    usable: HashMap<BackendKey, Usable>,
}

struct Before<'a> {
    follower: Follower<'a>,
    operation: Operation,
    usable: bool,
}

impl<'a> Following<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, server: ServerKey) -> Following<'a> {
        let mut usable = HashMap::new();
        let followers = snapshot.followers(server).into_iter().map(|follower| {
            let backend = follower.view.live.key;
            usable.entry(backend).or_insert_with(|| Usable::of(follower.backend, follower.view));
            let (operation, usable) = (follower.live.operation(), follower.live.counts_as_usable());
            Before { follower, operation, usable }
        });
        let followers = followers.collect();
        Following { followers, usable }
    }

    /// The server has changed its state.
    pub(super) fn turn(mut self, transition: Transition, sinks: &Sinks, now: Tick) {
        for Before { follower, operation, usable } in std::mem::take(&mut self.followers) {
            let Follower { backend, config, view, live } = follower;
            if live.admin() & admin::MAINT != 0 {
                continue;
            }
            if transition == Transition::Up && !config.slowstart.is_zero() && operation == Operation::Stopped
            {
                live.set_operation(Operation::Starting);
                warm_up(live, &sinks.workers, config.slowstart, now);
            }
            live.update_health(|health| health.last_change = now);
            let before = self.usable.get(&view.live.key).copied().unwrap_or_default();
            let mut after = before;
            let count = after.count(config.backup);
            *count = (*count + usize::from(live.counts_as_usable())).saturating_sub(usize::from(usable));
            self.usable.insert(view.live.key, after);
            let emit = |what| emit(sinks, follower, what);
            emit(told(follower, transition, after));
            if turn_backend(&view.live, before, after, now) {
                emit(ServerChange::NoServerLeft { is_listen: backend.is_listen });
            }
            cut(follower, transition, sinks);
        }
    }
}

fn told(Follower { config, live, .. }: Follower<'_>, transition: Transition, after: Usable) -> ServerChange {
    let left = Left {
        active: after.active,
        backup: after.backup,
        sessions_active: live.traffic.sessions.now(),
        requeued: 0,
        queued: live.queued.now(),
    };
    let to = match transition {
        Transition::Up => Followed::Up,
        Transition::Down => Followed::Down,
        Transition::Stopping => Followed::Stopping,
    };
    let via = config.track.as_ref().map(|track| track.name.clone()).unwrap_or_default();
    ServerChange::Followed { to, via, left }
}

fn emit(sinks: &Sinks, Follower { backend, config, view, .. }: Follower<'_>, what: ServerChange) {
    let event = ServerEvent {
        backend: backend.name.clone(),
        server: config.name.clone(),
        backup: config.backup,
        what,
    };
    // The receiver is only gone when the process ends.
    let _ = sinks.events.send(Emitted { backend: view.live.key, event });
}

fn cut(Follower { backend, config, view, live }: Follower<'_>, transition: Transition, sinks: &Sinks) {
    let post = |server, reason| sinks.workers.broadcast(|| Command::Cut(server, reason));
    match transition {
        Transition::Down if config.on_marked_down_shutdown_sessions => post(live.key, CutReason::MarkedDown),
        Transition::Up if config.on_marked_up_shutdown_backup_sessions && live.weight() > 0 => {
            let servers = backend.servers.iter().zip(&view.servers);
            let backups = servers.filter(|(server, _)| server.backup && !config.backup);
            backups.for_each(|(_, live): (_, &Arc<ServerLive>)| post(live.key, CutReason::BackupRelieved));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_goes_down_while_a_failover_is_decided_keeps_it_to_itself() {
        let (none, one) = (Usable::default(), Usable { active: 1, backup: 0 });
        let backend = BackendLive::new(BackendKey(0), "be", Tick(0));
        let unsaid = || backend.went_down_unsaid.load(Relaxed);
        assert!(turn_backend(&backend, one, none, Tick(10)) && !unsaid());
        assert!(!turn_backend(&backend, none, one, Tick(20)));
        backend.set_frozen_until(Some(Tick(100)));
        assert!(!turn_backend(&backend, one, none, Tick(30)) && unsaid());
        assert!(
            !turn_backend(&backend, none, one, Tick(40)) && !unsaid(),
            "it came up before anybody had to know"
        );
        assert!(turn_backend(&backend, one, none, Tick(100)) && !unsaid(), "the freeze is over");
        assert_eq!(backend.down_transitions.sum(), 3);
    }
}
