//! `track [BACKEND/]SERVER`: the servers that servers name, once all backends are known (section 5.2).
//!
//! Each chain has to end at a server that is checked, and must not bite its own tail. HAProxy takes chains of
//! any length; here a state is read through the chain whenever a client comes, so that one has bounds.

use std::collections::HashMap;

use super::Resolver;
use super::ids::server_number;
use crate::config::ast::{Proxy, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{Backend, BackendId, Track};

/// How many servers a chain may have.
pub const LONGEST_CHAIN: usize = 16;

/// A server by the positions of its backend and of itself.
type At = (usize, usize);

impl Resolver<'_, '_> {
    /// Fills in `track` of every server that has one. `backends` are those of `proxies`, in their order.
    pub(super) fn tracks(&mut self, proxies: &[Proxy], backends: &mut [Backend]) {
        let sections: Vec<_> = proxies.iter().filter(|proxy| proxy.kind.has_backend()).collect();
        if sections.iter().all(|proxy| proxy.servers.iter().all(|server| server.settings.track.is_none())) {
            return;
        }
        let names = Names::of(backends);
        let mut links = HashMap::new();
        for (at, proxy) in sections.iter().enumerate().filter(|(_, proxy)| !proxy.settings.disabled) {
            for (position, server) in proxy.servers.iter().enumerate() {
                // Both at once has been reported.
                let Some(written) = server.settings.track.as_ref().filter(|_| !server.settings.check) else {
                    continue;
                };
                match track((at, position), written, &sections, (&names, &links)) {
                    Ok(leader) => drop(links.insert((at, position), leader)),
                    Err(message) => {
                        let subject = format!("'server {}/{}'", proxy.name.value, server.name.value);
                        self.context.report(
                            Diagnostic::error(server.name.span, format!("{subject} : {message}"))
                                .label(written.span, "this is to be tracked")
                                .heading(Heading::Place)
                                .help("'track' names a server that has a 'check', as BACKEND/SERVER"),
                        );
                    }
                }
            }
        }
        for (&(at, position), &leader) in &links {
            if length(leader, &links) >= LONGEST_CHAIN {
                let server = &sections[at].servers[position];
                let message = format!(
                    "'server {}/{}' : unable to track a chain of more than {LONGEST_CHAIN} servers.",
                    sections[at].name.value, server.name.value
                );
                let help = "let each of them track the server that is checked";
                self.context
                    .report(Diagnostic::error(server.name.span, message).heading(Heading::Place).help(help));
            }
            let (backend, server) = leader;
            let name = format!("{}/{}", backends[backend].name, backends[backend].servers[server].name);
            let number = server_number(&sections[backend].servers, server);
            let (backend, server) = (BackendId(backend), number);
            backends[at].servers[position].track = Some(Track { backend, server, name });
        }
    }
}

/// Backends and servers by name; of two with one name, which is an error, the first.
struct Names {
    backends: HashMap<String, usize>,
    servers: Vec<HashMap<String, usize>>,
}

impl Names {
    fn of(backends: &[Backend]) -> Names {
        let first = |names: &mut dyn Iterator<Item = &String>| {
            let mut positions = HashMap::new();
            for (position, name) in names.enumerate() {
                positions.entry(name.clone()).or_insert(position);
            }
            positions
        };
        let servers = backends.iter().map(|backend| first(&mut backend.servers.iter().map(|s| &s.name)));
        Names { servers: servers.collect(), backends: first(&mut backends.iter().map(|b| &b.name)) }
    }
}

/// Whom the server at `own` tracks, in view of those that are settled already; HAProxy's words if it cannot.
fn track(
    own: At,
    written: &Spanned<String>,
    sections: &[&Proxy],
    (names, links): (&Names, &HashMap<At, At>),
) -> Result<At, String> {
    let (backend, server) = match written.value.split_once('/') {
        Some((backend, server)) => (Some(backend), server),
        None => (None, written.value.as_str()),
    };
    let at = match backend {
        None => own.0,
        Some(name) => *names
            .backends
            .get(name)
            .ok_or_else(|| format!("unable to find required proxy '{name}' for tracking."))?,
    };
    let position = *names.servers[at]
        .get(server)
        .ok_or_else(|| format!("unable to find required server '{server}' for tracking."))?;
    let name = |(at, position): At| {
        let proxy = sections[at];
        format!("{}/{}", proxy.name.value, proxy.servers[position].name.value)
    };
    let leader = (at, position);
    let mut end = leader;
    // One round more than a chain may be long: what is longer is refused in the end.
    for _ in 0..=LONGEST_CHAIN {
        if end == own {
            let (leader, own) = (name(leader), name(own));
            return Err(format!(
                "unable to track {leader} as it belongs to a tracking chain looping back to {own}."
            ));
        }
        let Some(next) = links.get(&end) else { break };
        end = *next;
    }
    let settings = &sections[end.0].servers[end.1].settings;
    if settings.check || settings.agent.check || settings.track.is_some() {
        return Ok(leader);
    }
    let leader = name(leader);
    Err(format!("unable to use {leader} for tracking as it does not have any check nor agent enabled."))
}

/// How many links follow on a server; no more are counted than are allowed.
fn length(from: At, links: &HashMap<At, At>) -> usize {
    std::iter::successors(Some(from), |at| links.get(at).copied()).take(LONGEST_CHAIN + 1).count()
}
