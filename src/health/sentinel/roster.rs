//! Whom the Sentinels of a section know, all of them together: entries of the registry in, a [`Roster`] out.
//!
//! Host names count as what they are known to be.
//!
//! Only Sentinels that the section names are asked: an address that others have told of is no server's. One that
//! is silent still vouches for the nodes it knew, for a while, lest its restart should cost them their slots.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::entry::{Entry, Known};
use crate::redis::sentinel::Node;
use crate::state::BackendKey;
use crate::state::slots::{Coverage, Roster};
use crate::time::Tick;

/// How long a silent Sentinel vouches for the nodes it knew.
const VOUCHES: Duration = Duration::from_secs(600);

/// The roster of a section; `None` while none of its Sentinels answers.
pub(super) fn roster(
    entries: &[Entry],
    (backend, section): (BackendKey, &str),
    lookup: &dyn Fn(&str) -> Option<IpAddr>,
    now: Tick,
) -> Option<Roster> {
    let address = |node: &Node| Some(SocketAddr::new(lookup(&node.host)?, node.port));
    let here =
        || entries.iter().filter(|entry| entry.is_configured() && entry.group.as_deref() == Some(section));
    let answering = || here().filter(|entry| entry.answers).filter_map(|entry| entry.knows.as_ref());
    let latest = answering().max_by_key(|known| known.config_epoch)?;
    let vouches = |entry: &&Entry| entry.answers || now.since(entry.silent_since) < VOUCHES;
    let nodes = || here().filter(vouches).filter_map(|entry| entry.knows.as_ref()).flat_map(all);
    let is_open = |entry: &Entry| entry.knows.is_none() && entry.failures == 0;
    Some(Roster {
        backend,
        section: section.to_owned(),
        master: address(&latest.master),
        nodes: nodes().filter_map(address).collect(),
        names: nodes().filter(|node| address(node).is_none()).map(Node::to_string).collect::<BTreeSet<_>>(),
        coverage: if here().any(is_open) { Coverage::Partial } else { Coverage::Whole },
    })
}

/// From the promotion on, it may name a master that is none of the others yet.
fn all(known: &Known) -> impl Iterator<Item = &Node> {
    known.nodes.iter().chain([&known.master])
}
