//! A server whose state changes, with those who track it. Enters how they stand before the change; leaves, one after
//! the other in the order in which HAProxy tells of them, what the change of each makes of its backend: counted as if
//! those after it had not changed yet.
//!
//! That they change at all is no work of this module: who tracks a server reads its state through it ([`super::track`]).

use std::collections::HashMap;
use std::sync::Arc;

use super::backend::{BackendKey, BackendView};
use super::event::Left;
use super::server::{Operation, ServerKey, ServerLive, admin};
use super::snapshot::Snapshot;
use super::track::Follower;
use crate::config::model::Backend;

/// Servers that HAProxy counts as usable: held and unproven ones too, which are rolecall's own matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usable {
    pub active: usize,
    pub backup: usize,
}

impl Usable {
    fn of(backend: &Backend, view: &BackendView) -> Usable {
        let mut usable = Usable::default();
        for (server, live) in backend.servers.iter().zip(&view.servers) {
            if live.counts_as_usable() {
                *usable.count(server.backup) += 1;
            }
        }
        usable
    }

    /// Whether there is nobody.
    pub fn is_none(self) -> bool {
        self.active + self.backup == 0
    }

    fn count(&mut self, backup: bool) -> &mut usize {
        if backup { &mut self.backup } else { &mut self.active }
    }
}

/// How a server stood before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Was {
    pub operation: Operation,
    pub admin: u8,
    usable: bool,
}

impl Was {
    fn of(live: &ServerLive) -> Was {
        Was { operation: live.operation(), admin: live.admin(), usable: live.counts_as_usable() }
    }

    /// Whether it got no new sessions any more and was not down: that such a one goes down alarms nobody.
    fn was_leaving(self) -> bool {
        self.operation == Operation::Stopping || self.admin & admin::DRAIN != 0
    }
}

/// One of the servers that change.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub server: Follower<'a>,
    /// Whom it tracks, as its line says; `None` for the first, for which the others change.
    pub via: Option<&'a str>,
    pub was: Was,
}

/// What the change of one server makes of its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub before: Usable,
    pub after: Usable,
    /// What is left, for a sentence.
    pub left: Left,
}

/// See the module.
#[derive(Debug)]
pub struct Chain<'a> {
    links: Vec<Link<'a>>,
    /// Usable servers of their backends as they stand at this link.
    usable: HashMap<BackendKey, Usable>,
}

impl<'a> Chain<'a> {
    /// That server, which is about to change, and those who track it.
    pub fn of(snapshot: &'a Snapshot, server: ServerKey) -> Chain<'a> {
        let first = snapshot.find_server(server).map(|server| (server, None));
        let followers = snapshot.followers(server).into_iter();
        let others =
            followers.map(|follower| (follower, follower.config.track.as_ref().map(|track| &track.name)));
        let mut usable = HashMap::new();
        let links = first.into_iter().chain(others).map(|(server, via)| {
            let Follower { backend, view, live, .. } = server;
            usable.entry(view.live.key).or_insert_with(|| Usable::of(backend, view));
            Link { server, via: via.map(String::as_str), was: Was::of(live) }
        });
        let links = links.collect();
        Chain { links, usable }
    }

    /// The servers, in HAProxy's order.
    pub fn links(&self) -> Vec<Link<'a>> {
        self.links.clone()
    }

    /// The next server has changed.
    pub fn step(&mut self, link: &Link<'_>) -> Step {
        let Follower { config, view, live, .. } = link.server;
        let now = self.usable.entry(view.live.key).or_default();
        let before = *now;
        let count = now.count(config.backup);
        *count = (*count + usize::from(live.counts_as_usable())).saturating_sub(usize::from(link.was.usable));
        let left = Left {
            active: now.active,
            backup: now.backup,
            sessions_active: live.traffic.sessions.now(),
            requeued: 0,
            queued: live.queued.now(),
            was_leaving: link.was.was_leaving(),
        };
        Step { before, after: *now, left }
    }
}

impl Snapshot {
    /// The server of that key, with everything around it.
    fn find_server(&self, key: ServerKey) -> Option<Follower<'_>> {
        self.config.backends.iter().zip(&self.backends).find_map(|(backend, view)| {
            let at = view.position(key)?;
            let live: &Arc<ServerLive> = view.servers.get(at)?;
            Some(Follower { backend, config: backend.servers.get(at)?, view, live })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bundle, load};
    use crate::state::Guarding;
    use crate::time::Tick;

    /// Recorded from HAProxy: who is left at each of them.
    #[test]
    fn each_counts_those_after_it_as_if_they_had_not_changed() {
        let text = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n\
                    backend l\n server a 10.0.0.1:1 check\n server b 10.0.0.1:1 track a\n server c 10.0.0.1:1 track a backup\n \
                    server d 10.0.0.1:1 track b\nbackend o\n server x 10.0.0.1:1 track l/a\n server y 10.0.0.1:1 track x\n";
        let bundle = Bundle { files: vec![("a.cfg".into(), text.into())], ..Bundle::default() };
        let config = load(&bundle).config.expect("a config");
        let guarding = [Guarding::None; 2];
        let snapshot = Snapshot::build(config.into(), Vec::new(), &guarding, &Snapshot::empty(1), Tick(0));
        let leader = &snapshot.backends[0].servers[0];
        for (operation, expected) in [
            (Operation::Stopped, "a 2/1, x 1/0, y 0/0!, c 2/0, b 1/0, d 0/0!"),
            (Operation::Running, "a 1/0, x 1/0, y 2/0, c 1/1, b 2/1, d 3/1"),
        ] {
            let mut chain = Chain::of(&snapshot, leader.key);
            leader.set_operation(operation);
            let words = chain.links().into_iter().map(|link| {
                let Step { before, after, .. } = chain.step(&link);
                let end = if after.is_none() && !before.is_none() { "!" } else { "" };
                format!("{} {}/{}{end}", link.server.config.name, after.active, after.backup)
            });
            assert_eq!(words.collect::<Vec<_>>().join(", "), expected);
        }
    }

    #[test]
    fn who_was_leaving_alarms_nobody() {
        let was = |operation, admin| Was { operation, admin, usable: false }.was_leaving();
        assert!(!was(Operation::Running, 0) && !was(Operation::Starting, 0));
        assert!(was(Operation::Stopping, 0) && was(Operation::Running, admin::FORCED_DRAIN));
        assert!(was(Operation::Running, admin::INHERITED_DRAIN));
    }
}
