//! `resolvers` sections: names told apart, `/etc/resolv.conf` read, servers' references checked.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::Resolver;
use super::hosts::Found;
use crate::config::ast::{self, Proxy, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{DEFAULT_RESOLVERS, NameServer, Resolvers, Transport};
use crate::config::parser::address::{Address, Ports};
use crate::config::source::Span;
use crate::config::suggest;

/// Name servers of one section: every query goes to all of them.
const MOST: usize = 16;
/// Where name servers listen (RFC 1035, section 4.2).
const PORT: u16 = 53;

impl Resolver<'_, '_> {
    /// The sections in the order of the file. Where none is called `default`, there is one with what
    /// `/etc/resolv.conf` names, as since HAProxy 2.6.
    pub(super) fn resolvers(&mut self, sections: &[ast::Resolvers]) -> Vec<Resolvers> {
        let mut first: HashMap<&str, Span> = HashMap::new();
        for section in sections {
            let name = &section.name;
            match first.get(name.value.as_str()) {
                Some(before) => self.named_twice(("resolvers", "resolvers"), name, *before),
                None => drop(first.insert(&name.value, name.span)),
            }
        }
        let mut all: Vec<Resolvers> =
            sections.iter().map(|section| self.resolvers_section(section)).collect();
        let is_default = |section: &Resolvers| section.name == DEFAULT_RESOLVERS;
        let nameservers = resolv_conf(self.bundle.resolv_conf.as_deref().unwrap_or_default());
        if !all.iter().any(is_default) && !nameservers.is_empty() {
            all.push(Resolvers { name: DEFAULT_RESOLVERS.to_owned(), nameservers, ..Resolvers::default() });
        }
        all
    }

    fn resolvers_section(&mut self, section: &ast::Resolvers) -> Resolvers {
        let mut first: HashMap<&str, Span> = HashMap::new();
        for line in &section.nameservers {
            match first.get(line.id.value.as_str()) {
                Some(before) => self.named_twice(("nameserver", "nameserver"), &line.id, *before),
                None => drop(first.insert(&line.id.value, line.id.span)),
            }
        }
        let mut nameservers: Vec<NameServer> =
            section.nameservers.iter().filter_map(|line| self.nameserver(line)).collect();
        if let Some(span) = section.resolv_conf {
            self.add_resolv_conf(span, &mut nameservers);
        }
        if section.nameservers.is_empty() && nameservers.is_empty() {
            let name = &section.name;
            let message = format!(
                "resolvers '{}' [{}] has no nameservers configured!",
                name.value,
                self.place(name.span)
            );
            let help = "add 'nameserver ID ADDRESS:53', or 'parse-resolv-conf'";
            self.context.report(Diagnostic::warning(name.span, message).heading(Heading::Bare).help(help));
        }
        nameservers.truncate(MOST);
        Resolvers {
            name: section.name.value.clone(),
            nameservers,
            hold: section.hold.clone(),
            resolve: section.resolve,
            retry: section.retry,
            retries: section.retries,
            payload_size: section.payload_size.unwrap_or(Resolvers::default().payload_size),
        }
    }

    fn add_resolv_conf(&mut self, span: Span, nameservers: &mut Vec<NameServer>) {
        let Some(text) = &self.bundle.resolv_conf else {
            let message = "failed to open /etc/resolv.conf.";
            let help = "name the servers with 'nameserver' lines";
            return self.context.report(Diagnostic::warning(span, message).help(help));
        };
        for found in resolv_conf(text) {
            if !nameservers.iter().any(|known| known.address == found.address) {
                nameservers.push(found);
            }
        }
    }

    fn nameserver(&mut self, line: &ast::NameServer) -> Option<NameServer> {
        let subject = format!("'nameserver {}'", line.id.value);
        let Address::Inet { host, ports } = &line.address.value else {
            let message =
                format!("{subject} : a name server is asked over UDP or TCP, not through a socket file");
            self.context.report(Diagnostic::error(line.address.span, message));
            return None;
        };
        let Ports::Range { first: port @ 1.., .. } = *ports else {
            let message = format!("{subject} : missing port specification in '{}'", line.written_address);
            let help = format!("write '{}:{PORT}'", line.written_address);
            self.context.report(Diagnostic::error(line.address.span, message).help(help));
            return None;
        };
        let ip = match self.host(host) {
            Found::At(ip) => ip,
            Found::NotYet => return None,
            Found::Nowhere if self.bundle.ignore_unresolved => return None,
            Found::Nowhere => {
                let message =
                    format!("{subject} : invalid address: '{}' in '{}'", host.name(), line.written_address);
                let help =
                    "name servers are written as IP addresses: whom else should their name be asked of?";
                self.context.report(Diagnostic::error(line.address.span, message).help(help));
                return None;
            }
        };
        let is_stream =
            line.written_address.starts_with("tcp") || line.written_address.starts_with("stream+");
        Some(NameServer {
            id: line.id.value.clone(),
            address: SocketAddr::new(ip, port),
            transport: if is_stream { Transport::Tcp } else { Transport::Udp },
        })
    }

    fn named_twice(&mut self, (what, other): (&str, &str), name: &Spanned<String>, first: Span) {
        let place = self.place(first);
        let message =
            format!("{what} '{}' has same name as another {other} (declared at {place}).", name.value);
        self.context.report(
            Diagnostic::error(name.span, message)
                .label(first, "first declared here")
                .help("give one of them another name"),
        );
    }

    /// `resolvers NAME` of a server has to name one of the sections.
    pub(super) fn check_lookups(&mut self, proxies: &[Proxy], sections: &[Resolvers]) {
        let mut told = None;
        for (proxy, server) in proxies.iter().flat_map(|proxy| proxy.servers.iter().map(move |s| (proxy, s)))
        {
            let Some(name) = &server.settings.resolvers else { continue };
            // One line makes many servers.
            let is_known = sections.iter().any(|section| section.name == name.value);
            if is_known || told.replace(name.span) == Some(name.span) {
                continue;
            }
            let names = sections.iter().map(|section| section.name.as_str());
            let help = match suggest::nearest_of(&name.value, names) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("add a section 'resolvers {}'", name.value),
            };
            let message = format!(
                "proxy '{}', server '{}': unable to find required resolvers '{}'",
                proxy.name.value, server.name.value, name.value
            );
            self.context.report(Diagnostic::error(name.span, message).heading(Heading::Bare).help(help));
        }
    }
}

/// The name servers of a `resolv.conf`. Scoped addresses (`fe80::1%eth0`) are left out, as is all else.
fn resolv_conf(text: &[u8]) -> Vec<NameServer> {
    let text = String::from_utf8_lossy(text);
    let mut found: Vec<NameServer> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let Some(ip) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        let address = SocketAddr::new(ip, PORT);
        if found.len() < MOST && !found.iter().any(|known| known.address == address) {
            found.push(NameServer { id: ip.to_string(), address, transport: Transport::Udp });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_names_servers_each_once() {
        let text = b"# nameserver 1.1.1.1\nsearch local\nnameserver 10.0.0.53\n\tnameserver\t::1 # x\nnameserver\n\
                     nameserver fe80::1%eth0\nnameserver nonsense\nnameserver 10.0.0.53\noptions edns0\nnameserverx 1.2.3.4\n";
        let names: Vec<String> = resolv_conf(text).into_iter().map(|server| server.id).collect();
        assert_eq!(names, ["10.0.0.53", "::1"]);
        assert!(resolv_conf(&[0xff; 100]).is_empty());
    }
}
