//! The numbers of proxies and of servers (`id`, manual sections 4 and 5.2): sections in the order of the files, or a
//! backend's lines, enter, a number each leaves.
//!
//! HAProxy counts every section on, also one with a number of its own, and passes over numbers that any section
//! asks for: what stands in front of a section without `id` decides its number, and what follows can only push
//! it up.

use std::collections::{HashMap, HashSet};

use super::Resolver;
use crate::config::ast::{Proxy, Server};
use crate::config::diagnostic::{Diagnostic, Heading};

impl Resolver<'_, '_> {
    /// A number for each of `proxies`; the first that counts is `next`.
    pub(super) fn proxy_ids(&mut self, proxies: &[Proxy], mut next: u32) -> Vec<u32> {
        let taken = self.written_ids(proxies);
        let mut ids = Vec::with_capacity(proxies.len());
        for proxy in proxies {
            let id = proxy.id.map_or_else(
                || {
                    while taken.contains_key(&next) {
                        next += 1;
                    }
                    next
                },
                |id| id.value,
            );
            next += 1;
            ids.push(id);
        }
        ids
    }

    /// Who asks for which number.
    fn written_ids<'a>(&mut self, proxies: &'a [Proxy]) -> HashMap<u32, &'a Proxy> {
        let mut taken: HashMap<u32, &Proxy> = HashMap::new();
        for proxy in proxies {
            let Some(id) = proxy.id else { continue };
            match taken.get(&id.value) {
                Some(first) => self.reused_id(proxy, first),
                None => drop(taken.insert(id.value, proxy)),
            }
        }
        taken
    }

    /// Servers of a backend that ask for the same one.
    pub(super) fn reused_numbers(&mut self, proxy: &Proxy) {
        let mut taken: HashMap<u32, &Server> = HashMap::new();
        for server in &proxy.servers {
            let Some(id) = server.settings.id else { continue };
            let Some(first) = taken.insert(id.value, server) else { continue };
            let (file, line) = self.sources.place(first.name.span);
            let message = format!(
                "'server {}/{}' : 'id' : custom id {} already used at {file}:{line} ('server {}').",
                proxy.name.value, server.name.value, id.value, first.name.value
            );
            self.context.report(
                Diagnostic::error(id.span, message)
                    .heading(Heading::Place)
                    .label(first.name.span, "this one has it")
                    .help("give one of them another number, or none"),
            );
        }
    }

    fn reused_id(&mut self, proxy: &Proxy, first: &Proxy) {
        let (file, line) = self.sources.place(first.name.span);
        let message = format!(
            "{} {} reuses same custom id as {} {} (declared at {file}:{line}).",
            proxy.kind.keyword(),
            proxy.name.value,
            first.kind.keyword(),
            first.name.value
        );
        let span = proxy.id.as_ref().map_or(proxy.name.span, |id| id.span);
        self.context.report(
            Diagnostic::error(span, message)
                .heading(Heading::Line)
                .label(first.name.span, "this one has it")
                .help("give one of them another number, or none"),
        );
    }
}

/// A number for each server of a backend.
pub(super) fn server_numbers(servers: &[Server]) -> Vec<u32> {
    let taken: HashSet<u32> = servers.iter().filter_map(|server| Some(server.settings.id?.value)).collect();
    let mut next = 1;
    let mut numbers = Vec::with_capacity(servers.len());
    for server in servers {
        match server.settings.id {
            Some(id) => numbers.push(id.value),
            None => {
                next = (next..).find(|number| !taken.contains(number)).unwrap_or(next);
                numbers.push(next);
            }
        }
        next += 1;
    }
    numbers
}

/// That of the server at a position.
pub(super) fn server_number(servers: &[Server], position: usize) -> u32 {
    let own = servers.iter().any(|server| server.settings.id.is_some());
    match own {
        true => server_numbers(servers).get(position).copied().unwrap_or_default(),
        // All of them are in order.
        false => position as u32 + 1,
    }
}
