//! `sentinels` sections: names told apart, hosts looked up, what is missing said.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::Resolver;
use super::hosts::Found;
use crate::config::ast::{Proxy, Sentinel, Sentinels};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{SentinelGroup, SentinelNode, SentinelSlot};
use crate::config::parser::address::{Address, Ports};
use crate::config::source::Span;
use crate::config::suggest;

/// For connecting and for each answer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// More Sentinels than that do not make a master any safer; each costs two connections a backend.
const MOST: usize = 16;

impl Resolver<'_, '_> {
    /// The sections in the order of the file; those that lack what is needed have been reported.
    pub(super) fn sentinels(&mut self, sections: &[Sentinels]) -> Vec<SentinelGroup> {
        let mut first: HashMap<&str, Span> = HashMap::new();
        for section in sections {
            let name = &section.name;
            match first.get(name.value.as_str()) {
                Some(span) => self.declared_twice("sentinels", &name.value, (name.span, *span)),
                None => drop(first.insert(&name.value, name.span)),
            }
        }
        sections.iter().filter_map(|section| self.sentinel_group(section)).collect()
    }

    fn sentinel_group(&mut self, section: &Sentinels) -> Option<SentinelGroup> {
        let name = &section.name;
        self.check_ids(section);
        let Some(master) = &section.master else {
            let message = format!("sentinels '{}' : no 'master' is named.", name.value);
            let help = "add 'master NAME', as in 'sentinel monitor NAME ...' of sentinel.conf";
            self.context.report(Diagnostic::error(name.span, message).heading(Heading::Bare).help(help));
            return None;
        };
        if section.sentinels.is_empty() || section.sentinels.len() > MOST {
            let message = format!(
                "sentinels '{}' : from 1 to {MOST} 'sentinel' lines are needed, found {}.",
                name.value,
                section.sentinels.len()
            );
            let help = "add 'sentinel s1 ADDRESS:26379'";
            self.context.report(Diagnostic::error(name.span, message).heading(Heading::Bare).help(help));
        }
        if let (Some(user), None) = (&section.auth_user, &section.auth_pass) {
            self.context.report(
                Diagnostic::error(user.span, "'auth-user' needs an 'auth-pass'")
                    .help("add 'auth-pass', or leave the user out"),
            );
        }
        let nodes = section.sentinels.iter().filter_map(|line| self.sentinel_node(section, line));
        Some(SentinelGroup {
            name: name.value.clone(),
            master: master.value.clone(),
            sentinels: nodes.collect(),
            auth_user: section.auth_user.as_ref().map(|user| user.value.clone()),
            auth_pass: section.auth_pass.clone(),
            timeout: section.timeout.unwrap_or(TIMEOUT),
        })
    }

    /// `sentinel@NAME` has to name one of the sections.
    pub(super) fn check_slots(&mut self, proxies: &[Proxy], sections: &[Sentinels]) {
        let is_known =
            |slot: &SentinelSlot| sections.iter().any(|section| section.name.value == slot.section);
        let mut told = None;
        for (proxy, server) in proxies.iter().flat_map(|proxy| proxy.servers.iter().map(move |s| (proxy, s)))
        {
            let Address::Sentinels(slot) = &server.address.value else { continue };
            // One line makes many servers.
            if is_known(slot) || told.replace(server.address.span) == Some(server.address.span) {
                continue;
            }
            let names = sections.iter().map(|section| section.name.value.as_str());
            let help = match suggest::nearest_of(&slot.section, names) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("add a section 'sentinels {}'", slot.section),
            };
            let message = format!(
                "proxy '{}': unable to find the section 'sentinels {}' that '{}' names.",
                proxy.name.value,
                slot.section,
                slot.written()
            );
            let error = Diagnostic::error(server.address.span, message).heading(Heading::Bare);
            self.context.report(error.help(help));
        }
    }

    fn check_ids(&mut self, section: &Sentinels) {
        let mut first: HashMap<&str, Span> = HashMap::new();
        for line in &section.sentinels {
            match first.get(line.id.value.as_str()) {
                Some(span) => self.declared_twice("sentinel", &line.id.value, (line.id.span, *span)),
                None => drop(first.insert(&line.id.value, line.id.span)),
            }
        }
    }

    fn declared_twice(&mut self, keyword: &str, name: &str, (span, first): (Span, Span)) {
        let message =
            format!("{keyword} '{name}' has the same name as one declared at {}.", self.place(first));
        self.context.report(
            Diagnostic::error(span, message)
                .heading(Heading::Line)
                .label(first, "first declared here")
                .help("give one of them another name"),
        );
    }

    fn sentinel_node(&mut self, section: &Sentinels, line: &Sentinel) -> Option<SentinelNode> {
        let Address::Inet { host, ports: Ports::Range { first: port, .. } } = &line.address.value else {
            return None;
        };
        let ip = match self.host(host) {
            Found::At(ip) => ip,
            Found::NotYet => return None,
            Found::Nowhere => {
                let message = format!(
                    "'sentinel {}/{}' : could not resolve address '{}'",
                    section.name.value,
                    line.id.value,
                    host.name()
                );
                // One of several may be missing: the others know it.
                let warning = Diagnostic::warning(line.address.span, format!("{message}, leaving it out."));
                self.context
                    .report(warning.heading(Heading::Place).help("check the name, or write its IP address"));
                return None;
            }
        };
        Some(SentinelNode {
            id: line.id.value.clone(),
            address: SocketAddr::new(ip, *port),
            host: Some(host.name().to_owned()).filter(|name| !name.is_empty()),
            written_address: line.written_address.clone(),
        })
    }
}
