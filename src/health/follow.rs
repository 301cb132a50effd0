//! What HAProxy does to the servers that track one whose state has changed: lines in the log, what
//! `on-marked-down` and `on-marked-up` say, the slow start. That they follow at all is no work of this module:
//! they read their state through the server that they track ([`crate::state::track`]).
//!
//! Enter the change, and each of them as it stood before ([`crate::state::chain`]); leave events and commands.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::rise_fall::Transition;
use super::verdict::{Emitted, Sinks};
use super::warm_up::warm_up;
use crate::state::chain::{Chain, Link, Step, Usable};
use crate::state::event::{Followed, ServerChange, ServerEvent};
use crate::state::track::Follower;
use crate::state::{BackendLive, Command, CutReason, Operation, ServerLive, admin};
use crate::time::Tick;

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

/// The server that this one tracks has changed its state.
pub(super) fn follow(
    chain: &mut Chain<'_>,
    link: &Link<'_>,
    transition: Transition,
    sinks: &Sinks,
    now: Tick,
) {
    let Follower { backend, config, view, live } = link.server;
    if live.admin() & admin::MAINT != 0 {
        return;
    }
    if transition == Transition::Up && !config.slowstart.is_zero() && link.was.operation == Operation::Stopped
    {
        live.set_operation(Operation::Starting);
        warm_up(live, &sinks.workers, config.slowstart, now);
    }
    live.update_health(|health| health.last_change = now);
    let step = chain.step(link);
    let emit = |what| emit(sinks, link.server, what);
    emit(told(link, transition, &step));
    if let Some(what) = drain_goes_on(live, link.via) {
        emit(what);
    }
    if turn_backend(&view.live, step.before, step.after, now) {
        emit(ServerChange::NoServerLeft { is_listen: backend.is_listen });
    }
    cut(link.server, transition, sinks);
}

/// Said after each change of a server's health while it drains; `via`: whom it tracks.
pub fn drain_goes_on(live: &ServerLive, via: Option<&str>) -> Option<ServerChange> {
    let bits = live.admin();
    // As HAProxy: the drain of its own comes before the one that it has from another.
    let via = via.filter(|_| bits & admin::FORCED_DRAIN == 0).map(str::to_owned);
    (bits & admin::DRAIN != 0).then_some(ServerChange::RemainsDraining { via })
}

fn told(link: &Link<'_>, transition: Transition, step: &Step) -> ServerChange {
    let to = match transition {
        Transition::Up => Followed::Up,
        Transition::Down => Followed::Down,
        Transition::Stopping => Followed::Stopping,
    };
    let via = link.via.unwrap_or_default().to_owned();
    ServerChange::Followed { to, via, left: step.left }
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
    use crate::state::BackendKey;

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
