//! Names that only the machine can answer, looked up in the bundle: hosts, users, groups.

use std::net::IpAddr;

use super::Resolver;
use crate::config::ast::{Account, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::parser::address::{Family, Host};

/// What the bundle knows of a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    At(IpAddr),
    /// It was looked up and has no address.
    Nowhere,
    /// It is wanted; the gatherer will load again.
    NotYet,
}

impl Resolver<'_, '_> {
    /// The address of a host; IPv4 first, as HAProxy prefers it.
    pub(super) fn host(&mut self, host: &Host) -> Found {
        let Host::Name(name, family) = host else {
            return host.literal().map_or(Found::Nowhere, Found::At);
        };
        let Some(addresses) = self.bundle.hosts.get(name) else {
            self.hosts.insert(name.clone());
            return Found::NotYet;
        };
        let first = |wanted: fn(&IpAddr) -> bool| addresses.iter().copied().find(wanted);
        let address = match family {
            Family::Either => first(IpAddr::is_ipv4).or_else(|| first(IpAddr::is_ipv6)),
            Family::V4 => first(IpAddr::is_ipv4),
            Family::V6 => first(IpAddr::is_ipv6),
        };
        address.map_or(Found::Nowhere, Found::At)
    }

    /// `user` or `uid`.
    pub(super) fn user(&mut self, account: &Spanned<Account>) -> Option<u32> {
        let name = match &account.value {
            Account::Id(id) => return Some(*id),
            Account::Name(name) => name,
        };
        match self.bundle.users.get(name) {
            None => {
                self.users.insert(name.clone());
                None
            }
            Some(None) => {
                self.context.report(
                    Diagnostic::error(account.span, format!("cannot find user id for '{name}'")).help(
                        format!("create the user ('useradd --system {name}'), or name one that exists"),
                    ),
                );
                None
            }
            Some(Some(id)) => Some(*id),
        }
    }

    /// `group` or `gid`. Debian has no group `nobody`, which many files name: there it is `nogroup`.
    pub(super) fn group(&mut self, account: &Spanned<Account>) -> Option<u32> {
        let name = match &account.value {
            Account::Id(id) => return Some(*id),
            Account::Name(name) => name,
        };
        match self.bundle.groups.get(name) {
            None => {
                self.groups.insert(name.clone());
                None
            }
            Some(None) if name == "nobody" => self.nogroup(account),
            Some(None) => {
                self.context.report(
                    Diagnostic::error(account.span, format!("cannot find group id for '{name}'")).help(
                        format!("create the group ('groupadd --system {name}'), or name one that exists"),
                    ),
                );
                None
            }
            Some(Some(id)) => Some(*id),
        }
    }

    fn nogroup(&mut self, account: &Spanned<Account>) -> Option<u32> {
        match self.bundle.groups.get("nogroup") {
            None => {
                self.groups.insert("nogroup".to_owned());
                None
            }
            Some(None) => {
                self.context.error(account.span, "cannot find group id for 'nobody', nor for 'nogroup'");
                None
            }
            Some(Some(id)) => {
                let message = "there is no group 'nobody' on this machine: 'nogroup' is used";
                self.context.report(Diagnostic::warning(account.span, message).help("write 'group nogroup'"));
                Some(*id)
            }
        }
    }
}
