//! What a reload leaves behind: servers of role-checked backends that the new config does not have, with the sessions
//! that are still there.
//!
//! Two promises meet here: a reload cuts nothing, and no client is at a server that is not the master.
//!
//! | the server | its sessions |
//! |---|---|
//! | of a backend that stays | are cut when that backend's next master is chosen: the guard remembers it |
//! | is in another role-checked backend too, under whatever name | go by that one: frozen and cut with its clients, through the link by which servers track each other ([`super::track`]) |
//! | is nowhere any more | live on, for nobody is asked for the role of that Redis, so that nothing could be the reason to cut them. How many they are is said in a warning ([`unwatched`]) |
//!
//! To cut the last ones at once would break clients of a Redis that may well be the master, for a change of the config
//! that HAProxy's sessions survive as well; and a Redis that becomes a replica refuses their writes itself.

use std::collections::HashSet;
use std::sync::Arc;

use super::backend::BackendView;
use super::server::{ServerKey, ServerLive};
use super::snapshot::Snapshot;
use super::succession::{Kind, Target};
use super::track::Leader;
use crate::config::Config;
use crate::config::model::Server;

/// Links what is left behind to the same Redis in the next snapshot, whose parts these are.
pub(super) fn link(old: &Snapshot, config: &Config, backends: &[BackendView]) {
    let kept = keys(backends);
    for (kind, server, live) in watched(old).filter(|(_, _, live)| !kept.contains(&live.key)) {
        if let Some(leader) = same_redis((config, backends), kind, server) {
            live.follow(Some(leader));
        }
    }
}

/// Backends that are gone with nobody to watch over their sessions, and how many sessions those are.
pub fn unwatched(old: &Snapshot, new: &Snapshot) -> Vec<(String, u32)> {
    let kept = keys(&new.backends);
    let goes_on = |view: &BackendView| new.backends.iter().any(|other| Arc::ptr_eq(&other.live, &view.live));
    let backends = old.config.backends.iter().zip(&old.backends);
    let gone = backends.filter(|(_, view)| view.guarding.is_guarded() && !goes_on(view));
    let left = gone.map(|(backend, view)| {
        let alone = view.servers.iter().filter(|live| !kept.contains(&live.key) && live.leader().is_none());
        (backend.name.clone(), alone.map(|live| live.traffic.sessions.now()).sum())
    });
    left.filter(|(_, sessions)| *sessions > 0).collect()
}

fn keys(backends: &[BackendView]) -> HashSet<ServerKey> {
    backends.iter().flat_map(|view| &view.servers).map(|live| live.key).collect()
}

/// The servers that a guard watches.
fn watched(snapshot: &Snapshot) -> impl Iterator<Item = (Kind, &Server, &Arc<ServerLive>)> {
    let backends = snapshot.config.backends.iter().zip(&snapshot.backends);
    backends.filter(|(_, view)| view.guarding.is_guarded()).flat_map(|(backend, view)| {
        let kind = Kind::of(backend, view.guarding);
        let servers = backend.servers.iter().zip(&view.servers);
        servers.filter_map(move |(server, live)| Some((kind?, server, live)))
    })
}

/// The first in the config's order.
fn same_redis((config, backends): (&Config, &[BackendView]), kind: Kind, server: &Server) -> Option<Leader> {
    let views = config.backends.iter().zip(backends).filter(|(_, view)| view.guarding.is_guarded());
    let mut alike = views.filter(|(backend, view)| Kind::of(backend, view.guarding) == Some(kind));
    alike.find_map(|(backend, view)| {
        let same = |other: &Server| Target::of(other) == Target::of(server);
        let at = backend.servers.iter().position(same)?;
        Some(Leader::new(&view.servers[at], view))
    })
}
