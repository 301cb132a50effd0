//! The watcher of the Sentinels: who says what about the master of a backend.
//!
//! ```text
//!  Snapshot --plans--> Watchers --Plan--> one task a backend (`backend`) ----> SentinelReport to the guard
//!                                           |  registry: pure decisions   +--> SentinelBoard, events for the log
//!              +----------------------------+-----------------------+
//!              v                            v                       v
//!   `query`: SENTINEL MASTER, ...   `events`: PSUBSCRIBE *   `listen`: SUBSCRIBE __sentinel__:hello
//!   once a second, and on demand    of each Sentinel          on each server, after the check's login
//! ```
//!
//! Each Sentinel of a backend has a connection that is asked and one that listens. Both reconnect by themselves,
//! with a pause that grows and is never quite the same; whichever of them loses its connection has the other look
//! at once. Only an answer to a question that was asked makes a view ([`crate::state::SentinelWord::Names`]); what
//! is published only tells the steps of a failover, and when to ask.
//!
//! What servers repeat on `__sentinel__:hello` can be written by anyone who may PUBLISH there. So it is a hint:
//! a Sentinel found that way, or told by another one, counts once it has answered with the identity that was
//! announced and names a server of this backend. It gets no password: neither the check's nor a section's.

mod backend;
mod dropped;
mod entry;
mod events;
mod facts;
mod hearing;
mod link;
mod listen;
mod naming;
mod plan;
mod query;
mod registry;
mod roster;
mod trouble;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use self::plan::{Plan, plans};
use super::Emitted;
use crate::dns::hosts::Hosts;
use crate::state::slots::Roster;
use crate::state::{BackendKey, SentinelReport, Snapshot, lock};

/// Where words about Sentinels go. Sending never blocks; a receiver that is gone means that the process ends.
#[derive(Debug, Clone)]
pub struct SentinelSinks {
    /// To the guard.
    pub words: UnboundedSender<SentinelReport>,
    /// To the log.
    pub events: UnboundedSender<Emitted>,
    /// To whoever puts addresses into slots: whenever one differs from the last, and after every change of the config.
    pub rosters: UnboundedSender<Roster>,
    /// Whom to ask for the addresses of host names.
    pub hosts: Hosts,
}

/// Has the Sentinels of a backend asked at once. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AskSentinels(Arc<Mutex<HashMap<BackendKey, Arc<Notify>>>>);

impl AskSentinels {
    /// All Sentinels of the backend are asked now instead of at the end of their second; no effect if it has
    /// none. Their answers come as reports.
    pub fn ask(&self, backend: BackendKey) {
        if let Some(bell) = lock(&self.0).get(&backend) {
            bell.notify_one();
        }
    }
}

/// Which `sentinels` sections concern which backend: where one is at home, its silence elsewhere is no trouble.
#[derive(Debug, Clone, Default)]
struct Homes(Arc<Mutex<HashMap<BackendKey, Vec<String>>>>);

impl Homes {
    fn enter<'a>(&self, backend: BackendKey, groups: impl Iterator<Item = &'a str>) {
        lock(&self.0).insert(backend, groups.map(str::to_owned).collect());
    }

    fn leave(&self, backend: BackendKey) {
        lock(&self.0).remove(&backend);
    }

    fn of_others(&self, backend: BackendKey) -> Vec<String> {
        let homes = lock(&self.0);
        homes
            .iter()
            .filter(|(key, _)| **key != backend)
            .flat_map(|(_, groups)| groups.iter().cloned())
            .collect()
    }
}

/// The watchers of all guarded backends. Dropping it stops them.
#[derive(Debug)]
pub struct Watchers {
    sinks: SentinelSinks,
    asking: AskSentinels,
    homes: Homes,
    tasks: HashMap<BackendKey, Task>,
}

#[derive(Debug)]
struct Task {
    plans: UnboundedSender<Plan>,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Watchers {
    /// Watches nothing yet. `asking` is handed to whoever has questions.
    pub fn new(sinks: SentinelSinks, asking: AskSentinels) -> Watchers {
        Watchers { sinks, asking, homes: Homes::default(), tasks: HashMap::new() }
    }

    /// Makes the watchers those of `snapshot`: at start and after every change, inside the tokio runtime. What a
    /// backend's plan has as before stays connected.
    pub fn apply(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.tasks);
        for plan in plans(snapshot) {
            let key = plan.backend;
            let task = before.remove(&key).unwrap_or_else(|| self.start(key));
            // The task ends only when it is dropped.
            let _ = task.plans.send(plan);
            self.tasks.insert(key, task);
        }
        for (key, task) in before {
            lock(&self.asking.0).remove(&key);
            drop(task);
        }
    }

    fn start(&self, key: BackendKey) -> Task {
        // One plan a reload.
        let (plans, taken) = unbounded_channel();
        let bell = Arc::new(Notify::new());
        lock(&self.asking.0).insert(key, Arc::clone(&bell));
        let task = backend::run(taken, bell, self.sinks.clone(), self.homes.clone());
        Task { plans, handle: tokio::spawn(task) }
    }
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod fake_tests;
#[cfg(test)]
pub(crate) mod redis_tests;
