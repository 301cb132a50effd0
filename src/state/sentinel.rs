//! What Sentinels are to a backend: the words that pass from the watcher (`health`) to the guard, and the board
//! that pages read. Names of servers are resolved by the watcher, so that the guard never compares addresses.

use std::net::SocketAddr;
use std::sync::Mutex;

use super::{ServerKey, lock};
use crate::time::Tick;

/// Names one Sentinel of one backend for as long as it is watched; the watcher numbers them. The same process
/// (`SENTINEL MYID`) keeps its number over reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SentinelId(pub u32);

/// A Redis that a Sentinel speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Named {
    /// A server of the backend, found by its address or by its `run_id`.
    Server(ServerKey),
    /// None that the backend has; as the Sentinel wrote it.
    Stranger(String),
}

/// How far the failover that a Sentinel leads has come. Only the leader tells; each step may be lost, come
/// twice, or come late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailoverStep {
    /// `+elected-leader`, `+failover-state-select-slave`: it will happen. (`+try-failover` is only a candidacy and is
    /// not told.)
    Decided { master: Named },
    /// `+selected-slave`, `+failover-state-send-slaveof-noone`: this one will be master.
    Selected { master: Named, promoted: Named },
    /// `+promoted-slave`, `+failover-state-reconf-slaves`: the leader has seen it say `role:master`.
    Promoted { master: Named, promoted: Named },
    /// `-failover-abort-*`: the old master stays.
    Aborted { master: Named },
    /// `+failover-end`, `+failover-end-for-timeout`, `+switch-master` of the leader.
    Ended { master: Named, promoted: Option<Named> },
}

impl FailoverStep {
    /// Whether the failover is over with it.
    pub fn is_last(&self) -> bool {
        matches!(self, FailoverStep::Aborted { .. } | FailoverStep::Ended { .. })
    }
}

/// What one Sentinel said, or what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentinelWord {
    /// Its view of the master: by a poll, its hello, `+switch-master` or `+config-update-from`. Repeated with
    /// every poll; a repetition is a sign of life.
    Names {
        master: Named,
        config_epoch: u64,
    },
    Failover(FailoverStep),
    /// `+tilt`, `-tilt`: it has lost its sense of time, and starts or judges nothing meanwhile.
    Tilt(bool),
    /// It does not answer any more: its view does not count until it names a master again.
    Lost,
    /// It is not watched any more.
    Forgotten,
    /// How many Sentinels there are of this master as far as this one, or the config, knows: itself among them.
    /// The majority is one of the highest number known.
    Census(u32),
}

/// A word for the guard of `backend`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelReport {
    pub backend: super::BackendKey,
    pub sentinel: SentinelId,
    pub word: SentinelWord,
}

/// How a Sentinel was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A `sentinels` section.
    Configured,
    /// Another Sentinel, by `SENTINEL SENTINELS`.
    Told,
    /// `__sentinel__:hello` on a server.
    Heard,
}

/// One Sentinel as pages show it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentinelStatus {
    pub id: SentinelId,
    /// Of the section, or its address.
    pub name: String,
    pub address: SocketAddr,
    pub origin: Origin,
    /// `mymaster`
    pub master_name: String,
    /// `SENTINEL MYID`, once it answered.
    pub run_id: Option<String>,
    /// Whom it names: a server's name, or the address as it wrote it.
    pub names: Option<String>,
    pub config_epoch: Option<u64>,
    pub tilt: bool,
    pub heard_at: Option<Tick>,
    /// A named trouble, without secrets: `NOAUTH Authentication required.`; `None`: it is well.
    pub trouble: Option<String>,
}

/// The Sentinels of one backend, for pages; written by the watcher.
#[derive(Debug, Default)]
pub struct SentinelBoard(Mutex<Vec<SentinelStatus>>);

impl SentinelBoard {
    /// A copy, in the order in which they were found.
    pub fn statuses(&self) -> Vec<SentinelStatus> {
        lock(&self.0).clone()
    }

    /// Puts another list in its place.
    pub fn show(&self, statuses: Vec<SentinelStatus>) {
        *lock(&self.0) = statuses;
    }
}
