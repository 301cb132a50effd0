//! Which live objects go on under which names after a reload: two configs in, for each backend and server of the
//! new one its predecessor out. Pure.
//!
//! A name that stays is the same thing. Beyond that a name is no reason to forget: sessions of a backend that is
//! called otherwise now are still clients of the same Redis, and its guard must find them at the next failover. So
//! a role-checked backend that vanished and a new one with the same servers are one and the same:
//!
//! | a new backend goes on from | |
//! |---|---|
//! | the one of its name | whatever its servers are; names win over addresses |
//! | else a vanished one | that asks for the same role and has the same servers; else one that has one of them. The first in the config's order |
//!
//! | a server in it | |
//! |---|---|
//! | the one of its name and address | as ever |
//! | else one of its address | the first that has no heir yet |
//! | else the one of its name | only what it remembers of its name's address counts: elsewhere a server begins anew |
//!
//! An address is what the line asks for: of a server that Sentinels or the DNS place, their section or its host name.
//! Backends whose servers track others count as role-checked, for they may track one that is. In all others only
//! names count, as in HAProxy, where nothing is known of a Redis that could be lost.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::backend::Guarding;
use crate::config::Config;
use crate::config::model::{Backend, SentinelSlot, Server, ServerAddress, ServerPort};

/// See the module: for each backend of the new config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession(Vec<Option<Predecessor>>);

/// What a backend goes on from, by positions in the old config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    pub backend: usize,
    /// For each server of the new backend.
    pub servers: Vec<Option<usize>>,
}

/// A config, and what applies to each of its backends.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub config: &'a Config,
    pub guarding: &'a [Guarding],
}

impl Succession {
    /// From one config to the next.
    pub fn between(old: Side<'_>, new: Side<'_>) -> Succession {
        let heir = |(at, from): (usize, Option<usize>)| {
            let backend = from?;
            let (was, now) = (old.backend(backend), new.backend(at));
            let servers = servers(&was.servers, &now.servers, new.kind(at).or(old.kind(backend)));
            Some(Predecessor { backend, servers })
        };
        Succession(backends(old, new).into_iter().enumerate().map(heir).collect())
    }

    /// What the backend of that position in the new config goes on from; `None`: it is new.
    pub fn of(&self, backend: usize) -> Option<&Predecessor> {
        self.0.get(backend)?.as_ref()
    }
}

/// What a backend's sessions rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Masters,
    Replicas,
    /// On the rules of those whom its servers track.
    Others,
}

impl Kind {
    /// `None`: on nothing of ours.
    pub(super) fn of(backend: &Backend, guarding: Guarding) -> Option<Kind> {
        match guarding {
            Guarding::None => {
                backend.servers.iter().any(|server| server.track.is_some()).then_some(Kind::Others)
            }
            Guarding::Replicas => Some(Kind::Replicas),
            Guarding::Masters | Guarding::Master | Guarding::Observe => Some(Kind::Masters),
        }
    }
}

impl<'a> Side<'a> {
    fn backend(self, at: usize) -> &'a Backend {
        &self.config.backends[at]
    }

    fn kind(self, at: usize) -> Option<Kind> {
        Kind::of(self.backend(at), self.guarding.get(at).copied().unwrap_or_default())
    }
}

fn backends(old: Side<'_>, new: Side<'_>) -> Vec<Option<usize>> {
    let names: HashMap<&str, usize> =
        old.config.backends.iter().enumerate().map(|(at, backend)| (backend.name.as_str(), at)).collect();
    let named = |backend: &Backend| names.get(backend.name.as_str()).copied();
    let mut found: Vec<Option<usize>> = new.config.backends.iter().map(named).collect();
    let mut is_free = free(old.config.backends.len(), &found);
    for alike in [has_the_same_servers, has_one_of_them] {
        for (at, found) in found.iter_mut().enumerate() {
            if found.is_some() || new.kind(at).is_none() {
                continue;
            }
            let mut vanished = (0..is_free.len()).filter(|was| is_free[*was]);
            *found = vanished.find(|was| {
                old.kind(*was) == new.kind(at) && alike(&old.backend(*was).servers, &new.backend(at).servers)
            });
            if let Some(was) = *found {
                is_free[was] = false;
            }
        }
    }
    found
}

/// Which of so many have no heir yet.
fn free(count: usize, found: &[Option<usize>]) -> Vec<bool> {
    let mut is_free = vec![true; count];
    found.iter().flatten().for_each(|was| is_free[*was] = false);
    is_free
}

fn has_the_same_servers(old: &[Server], new: &[Server]) -> bool {
    let mut found = vec![None; new.len()];
    find_targets(old, new, &mut found);
    !new.is_empty() && old.len() == new.len() && found.iter().all(Option::is_some)
}

fn has_one_of_them(old: &[Server], new: &[Server]) -> bool {
    new.iter().any(|server| old.iter().any(|was| Target::of(was) == Target::of(server)))
}

fn servers(old: &[Server], new: &[Server], kind: Option<Kind>) -> Vec<Option<usize>> {
    let names: HashMap<&str, usize> =
        old.iter().enumerate().map(|(at, server)| (server.name.as_str(), at)).collect();
    let named = |server: &Server| names.get(server.name.as_str()).copied();
    let same = |server: &Server| named(server).filter(|at| Target::of(&old[*at]) == Target::of(server));
    let mut found: Vec<Option<usize>> = new.iter().map(same).collect();
    if kind.is_some() {
        find_targets(old, new, &mut found);
    }
    let is_free = free(old.len(), &found);
    for (found, server) in found.iter_mut().zip(new).filter(|(found, _)| found.is_none()) {
        *found = named(server).filter(|was| is_free[*was]);
    }
    found
}

/// For those that have none: the first of the same address that has no heir yet.
fn find_targets(old: &[Server], new: &[Server], found: &mut [Option<usize>]) {
    let is_free = free(old.len(), found);
    let mut left: Vec<usize> = (0..old.len()).filter(|was| is_free[*was]).collect();
    for (found, server) in found.iter_mut().zip(new).filter(|(found, _)| found.is_none()) {
        let target = Target::of(server);
        if let Some(at) = left.iter().position(|was| Target::of(&old[*was]) == target) {
            *found = Some(left.remove(at));
        }
    }
}

/// Which Redis a line asks for: behind another SOCKS4 proxy the same address may be another machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target<'a> {
    whom: Whom<'a>,
    socks4: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Whom<'a> {
    Slot(&'a SentinelSlot),
    /// By an SRV record of a section `resolvers`.
    Record(&'a str, &'a str),
    /// By a host name that such a section looks up.
    Host(&'a str, &'a str, ServerPort),
    Address(Option<&'a ServerAddress>),
}

impl<'a> Target<'a> {
    pub(super) fn of(server: &'a Server) -> Target<'a> {
        let address = Whom::Address(server.address.as_ref());
        let whom = match (&server.slot, &server.lookup) {
            (Some(slot), _) => Whom::Slot(slot),
            (None, Some(lookup)) => match (&lookup.service, &server.fqdn) {
                (Some(service), _) => Whom::Record(&lookup.resolvers, service),
                (None, Some(host)) => Whom::Host(&lookup.resolvers, host, lookup.port),
                (None, None) => address,
            },
            (None, None) => address,
        };
        Target { whom, socks4: server.socks4 }
    }
}

#[cfg(test)]
#[path = "succession_tests.rs"]
mod tests;
