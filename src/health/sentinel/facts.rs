//! The words that pass between the tasks of one backend.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::trouble::Trouble;
use crate::config::model::Secret;
use crate::dns::hosts::Hosts;
use crate::redis::sentinel::{Event, Hello, MasterView, Node, PeerView, ReplicaView};
use crate::time::Tick;

/// Names one watched Sentinel among the tasks; never used twice, so that a late word of a task that was ended
/// is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u32);

/// What the tasks of one Sentinel need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentinelJob {
    pub(super) slot: Slot,
    pub(super) address: SocketAddr,
    /// The name behind the address, if the config has one.
    pub(super) host: Option<String>,
    pub(super) master_name: String,
    pub(super) auth: Option<Auth>,
    pub(super) timeout: Duration,
    /// The longest pause between attempts.
    pub(super) longest_pause: Duration,
}

impl SentinelJob {
    /// Where it is now: a name may have another address than when the config was read.
    pub(super) fn dialled(&self, hosts: &Hosts, now: Tick) -> SocketAddr {
        let ip = self.host.as_ref().and_then(|host| hosts.ip(host, now));
        ip.map_or(self.address, |ip| SocketAddr::new(ip, self.address.port()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Auth {
    pub(super) user: Option<String>,
    pub(super) pass: Secret,
}

/// One round of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    /// `None`: a Sentinel before 6.2, which does not know the question.
    pub(super) my_id: Option<String>,
    pub(super) master: MasterView,
    /// SENTINEL GET-MASTER-ADDR-BY-NAME
    pub(super) current: Option<Node>,
    pub(super) replicas: Vec<ReplicaView>,
    pub(super) peers: Vec<PeerView>,
    pub(super) tilt: Option<bool>,
    /// A question that was refused without making the others worthless.
    pub(super) complaint: Option<Trouble>,
}

impl Answers {
    /// The host names in them.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        let nodes =
            self.replicas.iter().map(|replica| &replica.node).chain([&self.master.node]).chain(&self.current);
        nodes.map(|node| node.host.as_str()).filter(|host| host.parse::<IpAddr>().is_err())
    }
}

/// What a task has to say.
#[derive(Debug)]
pub(super) enum Fact {
    Polled {
        slot: Slot,
        /// When the questions were sent.
        asked: Tick,
        result: Result<Box<Answers>, Trouble>,
    },
    Published {
        slot: Slot,
        event: Event,
    },
    /// The subscription stands, or does not; asked again by itself.
    Listening {
        slot: Slot,
        trouble: Option<Trouble>,
    },
    /// About `__sentinel__:hello` on a server; a whole clause.
    Deaf {
        text: String,
    },
}

/// What was heard on a server; only a hint.
pub(super) type Hint = Hello;
