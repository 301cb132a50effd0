//! A backend's live half, and how it looks in one snapshot.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::counters::Traffic;
use super::failover::FailoverHistory;
use super::history::MasterHistory;
use super::lock;
use super::master::MasterWord;
use super::name::Name;
use super::queue::Queue;
use super::sentinel::SentinelBoard;
use super::server::{ServerKey, ServerLive, Unselectable};
use crate::balance::Balancer;
use crate::time::Tick;

/// Names a live backend for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendKey(pub u32);

/// How far the guard's rules apply to a backend; decided from its config by `guard::classify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Guarding {
    /// As HAProxy.
    #[default]
    None,
    /// A script that accepts only replicas: proof and cut on role change, no master.
    Replicas,
    /// A script that accepts only masters, of which there may be several: proof and cut on role change.
    Masters,
    /// A script that accepts only the master: proof, one master, cut, hold.
    Master,
    /// As `Master`, but only said, not done.
    Observe,
}

impl Guarding {
    /// Whether a server gets its first client only after a check has passed (`option redis-proof`).
    pub fn needs_proof(self) -> bool {
        matches!(self, Guarding::Replicas | Guarding::Masters | Guarding::Master)
    }

    /// Whether a guard watches over the backend at all.
    pub fn is_guarded(self) -> bool {
        self != Guarding::None
    }
}

/// One backend, for as long as the config has it.
#[derive(Debug)]
pub struct BackendLive {
    pub key: BackendKey,
    name: Name,
    pub traffic: Traffic,
    /// Sessions that wait for a place or for a master.
    pub queue: Queue,
    /// Who is master; means something only under [`Guarding::Master`].
    pub master: MasterWord,
    /// Set once every server has had its first verdict, or the wait for it is over (`option redis-proof`).
    pub judged: AtomicBool,
    /// Set by the guard of a backend that holds a cluster or active replicas: the rule of the one master is
    /// off by itself there.
    pub many_masters: AtomicBool,
    /// Tick since which there is no usable master, plus one; 0: there is one. The hold's clock.
    masterless_since: AtomicU64,
    /// Tick at which a freeze of the master ends at the latest, plus one; 0: there is none.
    frozen_until: AtomicU64,
    /// Its last usable server went during a freeze, and nobody said so: the guard does if the freeze comes to nothing.
    pub went_down_unsaid: AtomicBool,
    /// `chkdown` and `lastchg` of the backend row.
    pub down_transitions: super::counters::Counter,
    pub last_change: AtomicU64,
    pub downtime_ms: super::counters::Counter,
    /// The algorithm's memory, shared by the workers: one short lock per connection, so that the order in
    /// which servers are chosen does not depend on which worker accepted.
    pub balancer: Mutex<Balancer>,
    /// The last changes of the master, for pages; written by the guard.
    pub history: MasterHistory,
    /// The last failovers; written by the guard, but for the first client of each.
    pub failovers: FailoverHistory,
    /// The Sentinels that know this backend; written by their watcher.
    pub sentinels: SentinelBoard,
}

impl BackendLive {
    pub fn new(key: BackendKey, name: &str, now: Tick) -> BackendLive {
        BackendLive {
            key,
            name: Name::new(name),
            traffic: Traffic::default(),
            queue: Queue::default(),
            master: MasterWord::default(),
            judged: AtomicBool::new(false),
            many_masters: AtomicBool::new(false),
            masterless_since: AtomicU64::new(now.0 + 1),
            frozen_until: AtomicU64::new(0),
            went_down_unsaid: AtomicBool::new(false),
            down_transitions: super::counters::Counter::default(),
            last_change: AtomicU64::new(now.0),
            downtime_ms: super::counters::Counter::default(),
            balancer: Mutex::new(Balancer::default()),
            history: MasterHistory::default(),
            failovers: FailoverHistory::default(),
            sentinels: SentinelBoard::default(),
        }
    }

    /// As the config has it now.
    pub fn name(&self) -> Arc<str> {
        self.name.now()
    }

    /// A reload calls it otherwise.
    pub(super) fn rename(&self, name: &str) {
        self.name.change(name);
    }

    /// Since when no usable master is known; `None` while there is one.
    pub fn masterless_since(&self) -> Option<Tick> {
        self.masterless_since.load(Relaxed).checked_sub(1).map(Tick)
    }

    /// Starts or stops the hold's clock.
    pub fn set_masterless_since(&self, since: Option<Tick>) {
        self.masterless_since.store(since.map_or(0, |tick| tick.0 + 1), Relaxed);
    }

    /// When a freeze of the master ends at the latest (`timeout freeze`): clients that come meanwhile wait at least
    /// until then, hold or not. `None`: there is no freeze.
    pub fn frozen_until(&self) -> Option<Tick> {
        self.frozen_until.load(Relaxed).checked_sub(1).map(Tick)
    }

    /// A freeze began, or ended.
    pub fn set_frozen_until(&self, until: Option<Tick>) {
        self.frozen_until.store(until.map_or(0, |tick| tick.0 + 1), Relaxed);
    }

    /// Runs `use_it` on the algorithm's memory.
    pub fn with_balancer<R>(&self, use_it: impl FnOnce(&mut Balancer) -> R) -> R {
        use_it(&mut lock(&self.balancer))
    }
}

/// A backend as one snapshot sees it: `servers[i]` is the live half of the config's server `i`.
#[derive(Debug, Clone)]
pub struct BackendView {
    pub live: Arc<BackendLive>,
    pub servers: Vec<Arc<ServerLive>>,
    pub guarding: Guarding,
}

impl BackendView {
    /// What is in force: the config's answer, but for what the guard found out about the servers.
    pub fn in_force(&self) -> Guarding {
        in_force(&self.live, self.guarding)
    }

    /// Why the server gets no clients, the master word included; `None` if it does (its weight apart).
    pub fn unselectable(&self, server: &ServerLive) -> Option<Unselectable> {
        BackendView::excluded(&self.live, self.guarding, server)
    }

    /// The same for one of whose backend not all is at hand.
    pub(super) fn excluded(
        backend: &BackendLive,
        guarding: Guarding,
        server: &ServerLive,
    ) -> Option<Unselectable> {
        let guarding = in_force(backend, guarding);
        server.unselectable(guarding.needs_proof()).or_else(|| {
            let held = guarding == Guarding::Master && backend.master.load().server != Some(server.key);
            held.then_some(Unselectable::Held)
        })
    }

    /// The position of a live server in this snapshot.
    pub fn position(&self, key: ServerKey) -> Option<usize> {
        self.servers.iter().position(|server| server.key == key)
    }
}

fn in_force(backend: &BackendLive, guarding: Guarding) -> Guarding {
    match guarding {
        Guarding::Master if backend.many_masters.load(Relaxed) => Guarding::Masters,
        guarding => guarding,
    }
}
