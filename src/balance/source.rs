//! `balance source` and `balance hash`: the client's address, or a key, chooses, always the same way while the servers stay the same. The
//! server may be full: the client waits for it, as it would not be served by another one.

use std::net::IpAddr;

use super::Slot;
use super::hash::avalanche;
use super::map::Map;
use crate::config::model::Hashing;

/// `hash-type map-based`: the hash is a position in the table of servers.
pub(super) fn find(map: &mut Map, slots: &[Slot], hash: u32) -> Option<usize> {
    let entries = map.entries(slots);
    let at = (hash as usize).checked_rem(entries.len())?;
    Some(usize::from(entries[at]))
}

/// HAProxy's: the address' 32-bit words in network order, one over the other.
pub(super) fn hash(client: IpAddr, hashing: Hashing) -> u32 {
    let hash = match client {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            (0..4).fold(0, |hash, word| hash ^ (bits >> (32 * word)) as u32)
        }
    };
    mixed(hash, hashing)
}

/// With its bits mixed, if that is wanted.
pub(super) fn mixed(hash: u32, hashing: Hashing) -> u32 {
    if hashing.avalanche { avalanche(hash) } else { hash }
}
