//! Which names a config needs, and what depends on each: a config in, a [`Plan`] out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::resolution::Kind;
use crate::config::Config;
use crate::config::model::{Resolvers, Server};

/// One name as one section resolves it. Servers that agree in all of this share the answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub resolvers: String,
    /// In lower case.
    pub name: String,
    pub kind: Kind,
}

impl Key {
    /// What tells the servers' hosts, for a server that an SRV record stands for.
    pub fn of_service(server: &Server) -> Option<Key> {
        let lookup = server.lookup.as_ref()?;
        let name = lookup.service.as_ref()?.to_ascii_lowercase();
        Some(Key { resolvers: lookup.resolvers.clone(), name, kind: Kind::Service })
    }

    /// What tells a server's address, if that is to be asked for.
    pub fn of_host(server: &Server) -> Option<Key> {
        let lookup = server.lookup.as_ref().filter(|lookup| !lookup.told)?;
        let name = server.fqdn.as_ref()?.to_ascii_lowercase();
        let kind = Kind::Host(lookup.prefer.into());
        Some(Key { resolvers: lookup.resolvers.clone(), name, kind })
    }
}

/// What is at stake with a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interest {
    /// `BACKEND/SERVER`
    pub servers: BTreeSet<String>,
    /// Whether one of them is checked: then the name is asked for again once `hold valid` is over.
    pub checked: bool,
}

/// Why there is a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A config that was read: addresses are brought in line with what the names say.
    Load,
    /// Something was changed meanwhile, perhaps an address by the operator, which stays until an answer changes.
    Edit,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub occasion: Occasion,
    pub sections: Vec<Resolvers>,
    pub names: BTreeMap<Key, Interest>,
}

/// The names of a config.
pub fn plan(config: &Config, occasion: Occasion) -> Plan {
    let mut names: BTreeMap<Key, Interest> = BTreeMap::new();
    for backend in config.backends.iter().filter(|backend| !backend.disabled) {
        for server in &backend.servers {
            for key in [Key::of_service(server), Key::of_host(server)].into_iter().flatten() {
                let interest = names.entry(key).or_default();
                interest.servers.insert(format!("{}/{}", backend.name, server.name));
                interest.checked |= server.check.is_some();
            }
        }
    }
    Plan { occasion, sections: config.resolvers.clone(), names }
}
