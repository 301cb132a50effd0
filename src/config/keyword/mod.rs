//! The one table of what may be written where, and what becomes of it: honoured, accepted (and what is
//! lost), rejected (and why).
//!
//! The parser asks it first and gives only honoured statements a typed form; suggestions, `-dKall` and
//! `haproxy-compat/KEYWORDS.md` are read off it. It holds every keyword of HAProxy 2.6 and those of later
//! versions, so that a file is refused for what it means, never for a word that is not known.
//!
//! The rule for the status: what cannot change what a client of a TCP proxy sees is accepted with a
//! warning; what would silently protect less, reach another server or speak another protocol is rejected.
//!
//! The tables stand in one file a place: `global`, `proxy` (and `rules`, `option`), `server`, `bind`,
//! `check`, `section`; what must stand after a keyword without effect is in `form`, and in `small` for the small sections.

mod bind;
mod check;
pub mod form;
mod global;
mod option;
mod proxy;
mod rules;
mod scope;
mod section;
mod server;
pub mod small;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use form::{Form, Value};
pub use scope::Scope;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyword {
    /// One to three words, separated by one space: `option tcplog`.
    pub name: &'static str,
    pub scopes: &'static [Scope],
    pub status: Status,
    /// One line: what it is for.
    pub help: &'static str,
}

/// What rolecall makes of a keyword. The texts are predicates: `'NAME' PREDICATE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Honoured,
    /// Taken with a warning that says what is lost.
    Accepted(&'static str),
    /// An error that says why, and what would do instead or until when.
    Rejected(&'static str),
}

impl Keyword {
    /// What the user is told when the keyword stands in `scope`; `None` if it is honoured.
    pub fn message(&self, scope: Scope) -> Option<String> {
        let (Status::Accepted(predicate) | Status::Rejected(predicate)) = self.status else { return None };
        Some(format!("'{}'{} {predicate}", self.name, scope.place()))
    }
}

/// The keyword that a statement begins with: the longest name that matches its first words. For an option
/// of a line (`Scope::Server` and the like) the words begin at that option.
pub fn find(scope: Scope, words: &[&str]) -> Option<&'static Keyword> {
    (1..=words.len().min(LONGEST_NAME)).rev().find_map(|count| {
        let name = words[..count].join(" ");
        let rows = INDEX.get(name.as_str())?;
        rows.iter().copied().find(|keyword| keyword.scopes.contains(&scope))
    })
}

/// The scopes that know a name, whatever the one at hand; for "this keyword belongs to section X".
pub fn scopes_of(name: &str) -> impl Iterator<Item = Scope> {
    INDEX.get(name).into_iter().flatten().flat_map(|keyword| keyword.scopes.iter().copied())
}

/// Every row, grouped by place.
pub fn all() -> impl Iterator<Item = &'static Keyword> {
    TABLES.iter().copied().flatten()
}

const LONGEST_NAME: usize = 3;

static TABLES: [&[Keyword]; 8] = [
    section::KEYWORDS,
    global::KEYWORDS,
    proxy::KEYWORDS,
    option::KEYWORDS,
    rules::KEYWORDS,
    check::KEYWORDS,
    bind::KEYWORDS,
    server::KEYWORDS,
];

static INDEX: LazyLock<HashMap<&'static str, Vec<&'static Keyword>>> = LazyLock::new(|| {
    let mut index: HashMap<_, Vec<_>> = HashMap::new();
    for keyword in all() {
        index.entry(keyword.name).or_default().push(keyword);
    }
    index
});

const fn honoured(name: &'static str, scopes: &'static [Scope], help: &'static str) -> Keyword {
    Keyword { name, scopes, status: Status::Honoured, help }
}

const fn accepted(
    name: &'static str,
    scopes: &'static [Scope],
    lost: &'static str,
    help: &'static str,
) -> Keyword {
    Keyword { name, scopes, status: Status::Accepted(lost), help }
}

const fn rejected(
    name: &'static str,
    scopes: &'static [Scope],
    reason: &'static str,
    help: &'static str,
) -> Keyword {
    Keyword { name, scopes, status: Status::Rejected(reason), help }
}

/// Predicates that many rows share.
pub(in crate::config) mod because {
    pub(in crate::config) const HTTP: &str = "has no effect: a layer 4 proxy does not see HTTP";
    pub(super) const NO_TLS_SETTING: &str =
        "has no effect in this version of rolecall, whose TLS has no such setting";
    pub(super) const CIPHERS: &str = "has no effect: rolecall speaks TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20, whatever is listed";
    pub(super) const OLD_TLS: &str = "is not supported: rolecall speaks TLS 1.2 and 1.3 only";
    pub(super) const REVOCATION: &str =
        "is not supported in this version of rolecall, which reads no lists of revoked certificates";
    pub(super) const TLS: &str =
        "is not supported in this version of rolecall, whose runtime socket speaks no TLS";
    pub(super) const CONDITION: &str =
        "is not supported: rolecall always sends clients where they belong now";
    pub(super) const OTHER_PROTOCOL: &str = "is not supported: rolecall speaks TCP only";
    pub(super) const RESOLVERS: &str = "is not supported: rolecall looks names up for servers ('resolvers' on a server line), not for clients";
    pub(super) const NETSCALER: &str =
        "is not supported: rolecall learns clients' addresses by the PROXY protocol only";
    pub(super) const STICKINESS: &str =
        "is not supported in this version of rolecall, which keeps clients by what they say first";
    pub(super) const BANDWIDTH: &str = "is not supported: rolecall slows nobody down";
    pub(super) const CHECK_TYPE: &str =
        "is not supported in this version of rolecall; write the check's lines where it is used";
    pub(super) const SPOE: &str = "is not supported: rolecall asks no SPOE agent about sessions";
    pub(super) const TUNING: &str = "has no effect: rolecall is built differently and needs no such setting";
    pub(super) const CONGESTION: &str =
        "has no effect in this version of rolecall: the system's own algorithm is used";
    pub(super) const SCRIPT: &str = "is not supported: rolecall runs no scripts and no other programs";
    pub(in crate::config) const ACCESS: &str =
        "is not supported: rolecall cannot enforce an access rule of layer 7, and must not seem to";
    pub(in crate::config) const PEERS: &str =
        "has no effect: this version of rolecall shares its stick tables with nobody";
    pub(super) const MAIL: &str = "has no effect: rolecall sends no mail; watch its log or its stats page";
    pub(super) const LOG_FORMAT: &str =
        "has no effect in this version of rolecall: a session is logged once, in the format of its frontend";
    pub(super) const REMOVED_HTTP: &str =
        "has no effect: a layer 4 proxy does not see HTTP, and HAProxy dropped this keyword";
}

#[cfg(test)]
mod tests;
