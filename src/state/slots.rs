//! Servers whose addresses Sentinels tell (`sentinel@NAME`, `sentinel-replicas@NAME`): which node gets which slot.
//! A [`Roster`] and the servers of a backend go in, changes of addresses come out. Pure.
//!
//! An address is the identity of a node. It keeps its slot for as long as any Sentinel of the section knows it,
//! down or not: a Redis that is away for a while comes back as the server it was. A slot becomes free when all of
//! them have forgotten the node (`SENTINEL RESET`), and one that always was free is taken before one that became so.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::BackendKey;
use super::succession::Succession;
use crate::config::Config;
use crate::config::model::{
    Backend, SentinelGroup, SentinelSlot, Server, ServerAddress, ServerPort, SlotTakes,
};

/// The nodes that the Sentinels of one section know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    pub backend: BackendKey,
    /// `sentinels NAME`
    pub section: String,
    /// Whom the Sentinel with the latest config epoch names.
    pub master: Option<SocketAddr>,
    /// The master among them.
    pub nodes: BTreeSet<SocketAddr>,
    /// Host names (`sentinel announce-hostnames`) whose addresses are not known.
    pub names: BTreeSet<String>,
    pub coverage: Coverage,
}

/// Whether a node that is missing is a node that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Every Sentinel of the section was heard, or has failed.
    Whole,
    /// One of them has still to be heard.
    Partial,
}

/// What a roster means for the servers of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// By position of the server.
    pub changes: Vec<(usize, Option<SocketAddr>)>,
    /// Nodes for which there is no slot.
    pub homeless: BTreeSet<SocketAddr>,
}

/// Gives nodes their slots.
pub fn assign(servers: &[Server], roster: &Roster) -> Assignment {
    let slots: Vec<(usize, &SentinelSlot)> = servers
        .iter()
        .enumerate()
        .filter_map(|(at, server)| Some((at, server.slot.as_ref()?)))
        .filter(|(_, slot)| slot.section == roster.section)
        .collect();
    let takes = |slot: &SentinelSlot, node: SocketAddr| match slot.takes {
        SlotTakes::Every => true,
        SlotTakes::Replicas => roster.master != Some(node),
    };
    let stays = |slot: &SentinelSlot, node: SocketAddr| {
        let known = roster.nodes.contains(&node) || roster.coverage == Coverage::Partial;
        known && takes(slot, node)
    };
    let freed: Vec<usize> = slots
        .iter()
        .filter(|(at, slot)| address(&servers[*at]).is_some_and(|node| !stays(slot, node)))
        .map(|(at, _)| *at)
        .collect();
    let placed: BTreeSet<SocketAddr> =
        (0..servers.len()).filter(|at| !freed.contains(at)).filter_map(|at| address(&servers[at])).collect();
    let empty = |at: usize| servers[at].address.is_none();
    let mut free: Vec<(usize, &SentinelSlot)> = slots.iter().copied().filter(|(at, _)| empty(*at)).collect();
    free.extend(slots.iter().copied().filter(|(at, _)| freed.contains(at)));
    let mut assignment = Assignment::default();
    // The master first: whoever else finds no place, it has one.
    let newcomers = roster.master.into_iter().chain(roster.nodes.iter().copied());
    for node in newcomers.filter(|node| roster.nodes.contains(node) && !placed.contains(node)) {
        if assignment.changes.iter().any(|(_, taken)| *taken == Some(node)) {
            continue;
        }
        match free.iter().position(|(_, slot)| takes(slot, node)) {
            Some(at) => assignment.changes.push((free.remove(at).0, Some(node))),
            None if slots.iter().any(|(_, slot)| takes(slot, node)) => drop(assignment.homeless.insert(node)),
            None => {}
        }
    }
    let emptied = free.iter().filter(|(at, _)| freed.contains(at)).map(|(at, _)| (*at, None));
    assignment.changes.extend(emptied);
    assignment.changes.sort_unstable();
    assignment
}

/// Puts an address to a server, or takes it away.
pub fn place(server: &mut Server, node: Option<SocketAddr>) {
    let slot = server.slot.as_ref().map(SentinelSlot::written).unwrap_or_default();
    server.address =
        node.map(|node| ServerAddress::Ip { ip: node.ip(), port: ServerPort::Fixed(node.port()) });
    server.written_address = node.map_or(slot, |node| node.to_string());
}

/// A reload: slots that are as before keep their addresses, so that nobody is without a server until the
/// Sentinels have answered again. Not if the section names another master now, or none of its old Sentinels.
pub fn carry(config: &mut Config, old: &Config, succession: &Succession) {
    let (before, now) = (&old.sentinels, &config.sentinels);
    for (at, backend) in config.backends.iter_mut().enumerate() {
        let Some(from) = succession.of(at) else { continue };
        for (server, was) in backend.servers.iter_mut().zip(&from.servers) {
            let Some(slot) = &server.slot else { continue };
            let was = was.map(|was| &old.backends[from.backend].servers[was]);
            let Some(was) = was.filter(|was| was.slot == server.slot) else { continue };
            if goes_on(section(before, slot), section(now, slot)) {
                place(server, address(was));
            }
        }
    }
}

/// Whether no server of the slots of a backend has an address yet, though there are such slots.
pub fn awaits_sentinels(backend: &Backend) -> bool {
    let mut slots = backend.servers.iter().filter(|server| server.slot.is_some()).peekable();
    slots.peek().is_some() && slots.all(|server| server.address.is_none())
}

fn section<'a>(sections: &'a [SentinelGroup], slot: &SentinelSlot) -> Option<&'a SentinelGroup> {
    sections.iter().find(|section| section.name == slot.section)
}

fn goes_on(before: Option<&SentinelGroup>, now: Option<&SentinelGroup>) -> bool {
    let (Some(before), Some(now)) = (before, now) else { return false };
    let is_there = |address: SocketAddr| now.sentinels.iter().any(|node| node.address == address);
    before.master == now.master && before.sentinels.iter().any(|node| is_there(node.address))
}

fn address(server: &Server) -> Option<SocketAddr> {
    match server.address {
        Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(port) }) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{Strategy, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::config::model::SentinelNode;
    use crate::state::succession::Side;

    fn node(number: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], number))
    }

    fn slot(takes: SlotTakes, address: Option<u16>) -> Server {
        let slot = Some(SentinelSlot { section: "g".to_owned(), takes });
        let mut server = Server { slot, ..Server::default() };
        place(&mut server, address.map(node));
        server
    }

    fn every(addresses: &[u16]) -> Vec<Server> {
        let taken = |address: &u16| slot(SlotTakes::Every, Some(*address).filter(|address| *address > 0));
        addresses.iter().map(taken).collect()
    }

    fn roster(master: u16, nodes: &[u16]) -> Roster {
        Roster {
            backend: BackendKey(0),
            section: "g".to_owned(),
            master: Some(node(master)),
            nodes: nodes.iter().copied().map(node).collect(),
            names: BTreeSet::new(),
            coverage: Coverage::Whole,
        }
    }

    /// 0 stands for nobody.
    fn changes(servers: &[Server], roster: &Roster) -> Vec<(usize, u16)> {
        let assignment = assign(servers, roster);
        assignment.changes.into_iter().map(|(at, node)| (at, node.map_or(0, |node| node.port()))).collect()
    }

    #[test]
    fn nodes_take_slots_and_keep_them() {
        for (name, slots, nodes, expected) in [
            (
                "the first answer; the master first",
                vec![0, 0, 0],
                vec![1, 2, 3],
                vec![(0, 2), (1, 1), (2, 3)],
            ),
            ("nothing new", vec![1, 2, 0], vec![1, 2], vec![]),
            ("another replica", vec![1, 0, 2], vec![1, 2, 3], vec![(1, 3)]),
            ("all forgot one", vec![1, 2, 3], vec![1, 2], vec![(2, 0)]),
            ("one for another: the empty slot first", vec![1, 2, 0], vec![2, 3], vec![(0, 0), (2, 3)]),
            ("one for another, no slot empty", vec![1, 2], vec![2, 3], vec![(0, 3)]),
        ] {
            assert_eq!(changes(&every(&slots), &roster(2, &nodes)), expected, "{name}");
        }
    }

    #[test]
    fn a_node_without_a_slot_is_named_and_the_master_has_one() {
        let assignment = assign(&every(&[0, 0]), &roster(4, &[1, 2, 3, 4]));
        assert_eq!(assignment.changes, [(0, Some(node(4))), (1, Some(node(1)))]);
        assert_eq!(assignment.homeless, BTreeSet::from([node(2), node(3)]));
    }

    #[test]
    fn nothing_is_freed_while_a_sentinel_is_still_to_be_heard() {
        let partial = Roster { coverage: Coverage::Partial, ..roster(1, &[1]) };
        assert_eq!(changes(&every(&[1, 2, 0]), &partial), []);
    }

    #[test]
    fn replicas_only() {
        let slots = [slot(SlotTakes::Replicas, Some(1)), slot(SlotTakes::Replicas, None)];
        assert_eq!(changes(&slots, &roster(1, &[1, 2])), [(0, 0), (1, 2)], "it became the master");
        let assignment = assign(&slots[1..], &roster(1, &[1]));
        assert_eq!(assignment, Assignment::default(), "the master misses no slot");
    }

    #[test]
    fn listed_servers_and_other_sections_are_left_alone() {
        let mut servers = every(&[1, 0, 7]);
        servers[0].slot = None;
        if let Some(slot) = &mut servers[2].slot {
            slot.section = "other".to_owned();
        }
        assert_eq!(changes(&servers, &roster(1, &[1, 2])), [(1, 2)]);
    }

    #[test]
    fn a_reload_keeps_addresses_unless_the_section_is_another() {
        let section = |master: &str, ports: &[u16]| SentinelGroup {
            name: "g".to_owned(),
            master: master.to_owned(),
            sentinels: ports
                .iter()
                .map(|port| SentinelNode {
                    id: format!("s{port}"),
                    address: node(*port),
                    host: None,
                    written_address: String::new(),
                })
                .collect(),
            auth_user: None,
            auth_pass: None,
            timeout: Duration::from_secs(1),
        };
        let config = |section: SentinelGroup, servers: Vec<Server>| {
            let backend = Backend { name: "b".to_owned(), servers, ..Backend::default() };
            Config { backends: vec![backend], sentinels: vec![section], ..Config::default() }
        };
        let old = config(section("m", &[1, 2]), every(&[7]));
        for (now, takes, expected) in [
            (section("m", &[1, 2]), SlotTakes::Every, Some(node(7))),
            (section("m", &[2, 3]), SlotTakes::Every, Some(node(7))),
            (section("other", &[1, 2]), SlotTakes::Every, None),
            (section("m", &[3]), SlotTakes::Every, None),
            (section("m", &[1, 2]), SlotTakes::Replicas, None),
        ] {
            let mut new = config(now, vec![slot(takes, None)]);
            let (before, now) = (Side { config: &old, guarding: &[] }, Side { config: &new, guarding: &[] });
            let succession = Succession::between(before, now);
            carry(&mut new, &old, &succession);
            assert_eq!(address(&new.backends[0].servers[0]), expected, "{:?}", new.sentinels);
        }
    }

    proptest! {
        /// Whatever is known: a node has one slot, who is known and had one keeps it, and a second look changes nothing.
        #[test]
        fn assignments_settle(
            before in prop::collection::btree_set(1..12_u16, 0..6).prop_map(|set| set.into_iter().collect::<Vec<_>>()),
            empty in 1..4_usize,
            nodes in prop::collection::vec(1..12_u16, 1..9),
        ) {
            let slots: Vec<u16> = before.iter().copied().chain(std::iter::repeat_n(0, empty)).collect();
            let roster = roster(nodes[0], &nodes);
            let mut servers = every(&slots);
            let assignment = assign(&servers, &roster);
            for (at, node) in &assignment.changes {
                prop_assert!(slots[*at] == 0 || !nodes.contains(&slots[*at]));
                place(&mut servers[*at], *node);
            }
            let held: Vec<SocketAddr> = servers.iter().filter_map(address).collect();
            let distinct: BTreeSet<SocketAddr> = held.iter().copied().collect();
            prop_assert_eq!(held.len(), distinct.len());
            let expected = roster.nodes.difference(&assignment.homeless).copied().collect();
            prop_assert_eq!(distinct, expected);
            prop_assert_eq!(assign(&servers, &roster).changes, vec![]);
        }
    }
}
