//! Which server gets which address: the servers of a backend and what became of a name go in, changes come out.
//! Pure.
//!
//! A server keeps its address for as long as answers have it. Whoever lost it takes one that no server has yet
//! (`resolve-opts allow-dup-ip`: one that few have); who finds none is without. A service (SRV) keeps its server
//! likewise; a new one takes a server that never had any before one that lost its own.

use std::net::IpAddr;

use super::message::{Record, Service};
use super::plan::Key;
use super::resolution::Outcome;
use crate::config::model::{Duplicates, Lookup, Network, RecordWeights, Server, ServerAddress, ServerPort};

/// What becomes of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its position in the backend.
    pub server: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It has another address, or one at all; `by` as HAProxy says it.
    Moved { ip: IpAddr, by: String },
    /// It stands for that service now.
    Serves(Service),
    /// The weight that its service has now, 1 to 256.
    Weighs(u32),
    /// It has no address any more; why, in HAProxy's words.
    Lost(String),
}

/// What a name's worth means for the servers of a backend.
pub fn assign(servers: &[Server], key: &Key, outcome: &Outcome) -> Vec<Change> {
    let of_service = servers.iter().any(|server| Key::of_service(server).as_ref() == Some(key));
    match of_service {
        true => assign_services(servers, key, outcome),
        false => assign_addresses(servers, key, outcome),
    }
}

/// Carries changes out, but for weights, which are no part of an address.
pub fn apply(server: &mut Server, what: &What) {
    let Some(lookup) = server.lookup.as_mut() else { return };
    match what {
        What::Moved { ip, .. } => {
            server.address = Some(ServerAddress::Ip { ip: *ip, port: lookup.port });
        }
        What::Serves(service) => {
            lookup.port = ServerPort::Fixed(service.port);
            lookup.told = service.address.is_some();
            server.fqdn = Some(service.host.clone());
            server.address = service.address.map(|ip| ServerAddress::Ip { ip, port: lookup.port });
            server.written_address = format!("{}:{}", service.host, service.port);
        }
        What::Weighs(_) => {}
        What::Lost(_) => {
            server.address = None;
            if let Some(service) = &lookup.service {
                server.written_address.clone_from(service);
                (server.fqdn, lookup.port, lookup.told) = (None, ServerPort::Fixed(0), false);
            }
        }
    }
}

/// `MY/NS1` for the first server that an answer changes, HAProxy's words for the others.
struct By<'a> {
    first: Option<&'a str>,
    section: &'a str,
}

impl By<'_> {
    fn take(&mut self) -> String {
        match self.first.take() {
            Some(by) => format!("{}/{by}", self.section),
            None => "DNS cache".to_owned(),
        }
    }
}

fn ip_of(server: &Server) -> Option<IpAddr> {
    match server.address {
        Some(ServerAddress::Ip { ip, .. }) => Some(ip),
        _ => None,
    }
}

fn lost(server: usize, why: &str) -> Change {
    Change { server, what: What::Lost(why.to_owned()) }
}

fn assign_addresses(servers: &[Server], key: &Key, outcome: &Outcome) -> Vec<Change> {
    let concerned =
        || servers.iter().enumerate().filter(|(_, server)| Key::of_host(server).as_ref() == Some(key));
    let (records, by) = match outcome {
        Outcome::Good { records, by } => (records, by),
        Outcome::Lost(failure) => {
            let with = concerned().filter(|(_, server)| server.address.is_some());
            return with.map(|(at, _)| lost(at, failure.words())).collect();
        }
    };
    let known: Vec<IpAddr> = records.iter().filter_map(address).collect();
    let mut taken: Vec<(usize, IpAddr)> =
        concerned().filter_map(|(at, server)| Some((at, ip_of(server)?))).collect();
    let mut by = By { first: Some(by), section: &key.resolvers };
    let mut changes = Vec::new();
    for (at, server) in concerned() {
        let Some(lookup) = &server.lookup else { continue };
        let now = ip_of(server);
        let best = best(lookup, now, &known, |ip| {
            taken
                .iter()
                .filter(|(other, used)| *other != at && is_twin(&servers[*other], server) && *used == ip)
                .count()
        });
        if best == now {
            continue;
        }
        taken.retain(|(other, _)| *other != at);
        match best {
            Some(ip) => {
                taken.push((at, ip));
                changes.push(Change { server: at, what: What::Moved { ip, by: by.take() } });
            }
            // With a blank at its end, as HAProxy says it.
            None => changes.push(lost(at, "No IP for server ")),
        }
    }
    changes
}

/// Whether the same address would make the two one: hosts of a service are told apart by their ports.
fn is_twin(one: &Server, other: &Server) -> bool {
    let port = |server: &Server| server.lookup.as_ref().map(|lookup| lookup.port);
    port(one) == port(other)
}

/// The address that suits a server best: of a network that it prefers, used by few, the one that it has, and
/// then in the order of the answer.
fn best(
    lookup: &Lookup,
    now: Option<IpAddr>,
    known: &[IpAddr],
    users: impl Fn(IpAddr) -> usize,
) -> Option<IpAddr> {
    let allowed =
        known.iter().copied().filter(|ip| lookup.duplicates == Duplicates::Allowed || users(*ip) == 0);
    allowed.min_by_key(|ip| {
        let network = lookup.networks.iter().position(|network| is_within(network, *ip));
        let is_now = now == Some(*ip);
        (network.unwrap_or(usize::MAX), !lookup.prefer.has(*ip), !is_now, users(*ip))
    })
}

fn is_within(network: &Network, ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    };
    network.address.is_ipv4() == ip.is_ipv4() && (bits(network.address) ^ bits(ip)) & network.mask == 0
}

fn address(record: &Record) -> Option<IpAddr> {
    match record {
        Record::Address(ip) => Some(*ip),
        Record::Service(_) => None,
    }
}

fn assign_services(servers: &[Server], key: &Key, outcome: &Outcome) -> Vec<Change> {
    let slots: Vec<usize> =
        (0..servers.len()).filter(|at| Key::of_service(&servers[*at]).as_ref() == Some(key)).collect();
    let records = match outcome {
        Outcome::Good { records, .. } => records,
        Outcome::Lost(failure) => {
            let serving = slots.into_iter().filter(|at| servers[*at].fqdn.is_some());
            return serving.map(|at| lost(at, failure.words())).collect();
        }
    };
    let services: Vec<&Service> = records.iter().filter_map(service).collect();
    let serves = |at: usize, service: &Service| {
        let port = servers[at].lookup.as_ref().map(|lookup| lookup.port);
        servers[at].fqdn.as_deref() == Some(service.host.as_str())
            && port == Some(ServerPort::Fixed(service.port))
    };
    let mut changes = Vec::new();
    let (mut free, mut freed) = (Vec::new(), Vec::new());
    for at in slots.iter().copied() {
        match services.iter().find(|service| serves(at, service)) {
            Some(service) => changes.extend(stays(&servers[at], at, service)),
            None if servers[at].fqdn.is_some() => freed.push(at),
            None => free.push(at),
        }
    }
    let new = services.iter().filter(|service| !slots.iter().any(|at| serves(*at, service)));
    let mut places = free.into_iter().chain(freed.iter().copied());
    let mut reused = Vec::new();
    for (service, at) in new.zip(&mut places) {
        reused.push(at);
        changes.push(Change { server: at, what: What::Serves((*service).clone()) });
        changes.extend(weighs(&servers[at], at, service));
    }
    let gone = freed.into_iter().filter(|at| !reused.contains(at));
    changes.extend(gone.map(|at| lost(at, "entry removed from SRV record")));
    changes
}

fn service(record: &Record) -> Option<&Service> {
    match record {
        Record::Service(service) => Some(service),
        Record::Address(_) => None,
    }
}

/// A service that has its server already: its weight, and the address that came with it.
fn stays(server: &Server, at: usize, service: &Service) -> Vec<Change> {
    let told = service.address.filter(|_| server.lookup.as_ref().is_some_and(|lookup| lookup.told));
    let moved = told
        .filter(|ip| ip_of(server) != Some(*ip))
        .map(|ip| Change { server: at, what: What::Moved { ip, by: "DNS additional record".to_owned() } });
    moved.into_iter().chain(weighs(server, at, service)).collect()
}

fn weighs(server: &Server, at: usize, service: &Service) -> Option<Change> {
    let follows = server.lookup.as_ref().is_some_and(|lookup| lookup.weights == RecordWeights::Followed);
    // HAProxy's scale: 0 to 65535 become 1 to 256.
    follows.then(|| Change { server: at, what: What::Weighs(u32::from(service.weight / 256) + 1) })
}

/// A reload: a server whose line asks for the same name keeps the address that it has, so that its proof stays.
pub fn carry(server: &mut Server, was: &Server) {
    let same = |one: &Lookup, other: &Lookup| {
        (&one.resolvers, &one.service, one.prefer) == (&other.resolvers, &other.service, other.prefer)
    };
    let (Some(now), Some(before)) = (&mut server.lookup, &was.lookup) else { return };
    if !same(now, before) || was.address.is_none() {
        return;
    }
    if now.service.is_some() {
        (now.port, now.told) = (before.port, before.told);
        (server.fqdn, server.address) = (was.fqdn.clone(), was.address.clone());
        server.written_address.clone_from(&was.written_address);
    } else if server.fqdn == was.fqdn
        && let Some(ip) = ip_of(was)
    {
        server.address = Some(ServerAddress::Ip { ip, port: now.port });
    }
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
