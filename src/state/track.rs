//! `track`: a server that takes the state of another one (manual section 5.2).
//!
//! The state is not copied, it is read through the chain whenever somebody asks: so a tracking server follows
//! at once whoever changed the other one (a check, the operator, the guard, a reload), and there are no two
//! words that must agree. What HAProxy does besides when a state changes (log lines, `on-marked-down`) is
//! `health`'s, which asks [`Followers`].
//!
//! In a role-checked backend a server that is up is not yet one that gets clients. Who tracks it gets none
//! either while it is unproven, held or frozen: a replica must not be reached by a second name. A freeze and a cut
//! reach the sessions that came by the second name too: what they write would be thrown away just as well.
//!
//! # Who writes, who reads
//!
//! The control side links the servers of a new snapshot before it is published; everybody reads. The flag
//! keeps the many servers that track nobody from the lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::backend::{BackendLive, BackendView, Guarding};
use super::lock;
use super::server::{ServerKey, ServerLive, Unselectable, admin};
use super::snapshot::Snapshot;
use crate::config::Config;
use crate::config::model::{Backend, Server};
use crate::time::Tick;

/// The server that another one tracks, with the backend by whose rules it gets clients.
#[derive(Debug)]
pub struct Leader {
    pub server: Arc<ServerLive>,
    backend: Arc<BackendLive>,
    guarding: Guarding,
}

impl Leader {
    /// That server of that backend.
    pub(super) fn new(server: &Arc<ServerLive>, view: &BackendView) -> Leader {
        let (server, backend) = (Arc::clone(server), Arc::clone(&view.live));
        Leader { server, backend, guarding: view.guarding }
    }

    /// What its maintenance and its drain are to those who track it.
    pub(super) fn inherited(&self) -> u8 {
        let bits = self.server.admin();
        let maint = if bits & admin::MAINT != 0 { admin::INHERITED_MAINT } else { 0 };
        let drain = if bits & admin::DRAIN != 0 { admin::INHERITED_DRAIN } else { 0 };
        maint | drain
    }

    /// When a freeze of it ends at the latest; `None`: it is not frozen.
    pub fn frozen_until(&self) -> Option<Tick> {
        let further = self.server.leader().and_then(|leader| leader.frozen_until());
        further.or_else(|| self.backend.frozen_until().filter(|_| self.server.is_frozen()))
    }

    /// Why it gets no clients in its own backend.
    pub fn excluded(&self) -> Option<Unselectable> {
        BackendView::excluded(&self.backend, self.guarding, &self.server)
    }
}

/// Where a server keeps its leader.
#[derive(Debug, Default)]
pub(super) struct LeaderSlot {
    taken: AtomicBool,
    leader: Mutex<Option<Arc<Leader>>>,
}

impl LeaderSlot {
    pub(super) fn get(&self) -> Option<Arc<Leader>> {
        if !self.taken.load(Relaxed) {
            return None;
        }
        lock(&self.leader).clone()
    }

    pub(super) fn set(&self, leader: Option<Leader>) {
        let taken = leader.is_some();
        *lock(&self.leader) = leader.map(Arc::new);
        self.taken.store(taken, Relaxed);
    }
}

/// Links the servers of a snapshot that is being made. All links that change are taken down before the first
/// is put up, so that at no moment a chain made of old and new links closes.
pub(super) fn linked(config: &Config, backends: Vec<BackendView>) -> Vec<BackendView> {
    let leader = |server: &Server| {
        let track = server.track.as_ref()?;
        let view = backends.get(track.backend.0)?;
        let at = config.backends.get(track.backend.0)?.position(track.server)?;
        Some((view, view.servers.get(at)?))
    };
    let pairs = || {
        let both = config.backends.iter().zip(&backends);
        both.flat_map(|(backend, view)| backend.servers.iter().zip(&view.servers))
    };
    for (server, live) in pairs() {
        if live.leader().map(|leader| leader.server.key) != leader(server).map(|(_, leader)| leader.key) {
            live.follow(None);
        }
    }
    for (server, live) in pairs() {
        if let Some((view, leader)) = leader(server) {
            live.follow(Some(Leader::new(leader, view)));
        }
    }
    backends
}

/// One server that tracks another one, directly or through others.
#[derive(Debug, Clone, Copy)]
pub struct Follower<'a> {
    pub backend: &'a Backend,
    pub config: &'a Server,
    pub view: &'a BackendView,
    pub live: &'a Arc<ServerLive>,
}

impl Snapshot {
    /// Those who track a server, in the order in which HAProxy tells them: the last line first, and after each
    /// those who track it in turn.
    pub fn followers(&self, key: ServerKey) -> Vec<Follower<'_>> {
        let mut by_leader: HashMap<ServerKey, Vec<Follower<'_>>> = HashMap::new();
        for (backend, view) in self.config.backends.iter().zip(&self.backends) {
            for (config, live) in backend.servers.iter().zip(&view.servers) {
                let Some(leader) = live.leader() else { continue };
                let follower = Follower { backend, config, view, live };
                by_leader.entry(leader.server.key).or_default().push(follower);
            }
        }
        // The last one is next: so their followers come right after them.
        let mut next = by_leader.remove(&key).unwrap_or_default();
        let mut found = Vec::new();
        while let Some(follower) = next.pop() {
            found.push(follower);
            next.extend(by_leader.remove(&follower.live.key).unwrap_or_default());
        }
        found
    }
}
