//! A server's live half: outlives reloads, carried over as [`super::succession`] says.
//!
//! # Who writes, who reads
//!
//! Health (through `health`) writes `operation`, `health`, `agent` and `check`; the operator writes `admin` and
//! `weight`; the guard writes `proven` and `held`; workers write `traffic`. Workers read `operation`,
//! `admin`, `proven` and the backend's master word for every connection, everything else is read by pages.
//! The words a worker reads are independent flags, each of which only ever takes a server *out*; the one
//! order that matters, between "another is master" and "a session connects", is kept by the master word
//! (see [`super::master`]), so relaxed loads do here.
//!
//! # Truth table
//!
//! | admin | operation | proven (role-checked only) | master word names it (guarded only) | gets clients |
//! |---|---|---|---|---|
//! | maint or drain | any | any | any | no |
//! | ready | Stopped, Stopping | any | any | no |
//! | ready | Running, Starting | no | any | no |
//! | ready | Running, Starting | yes | no | no |
//! | ready | Running, Starting | yes | yes, and frozen | no: a failover of it has been decided |
//! | ready | Running, Starting | yes | yes | yes, if its weight is not 0 |
//!
//! A server that tracks another one reads the first two columns through it, see [`super::track`].

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::agent::AgentRecord;
use super::check::CheckStatus;
use super::counters::Traffic;
use super::lock;
use super::name::Name;
use super::track::{Leader, LeaderSlot};
use crate::redis::RoleReport;
use crate::time::Tick;

/// Names a live server for the life of the process: never reused, so that a late message about a removed
/// server cannot hit another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub u32);

/// HAProxy's `srv_op_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    Stopped = 0,
    /// Slow start.
    Starting = 1,
    Running = 2,
    /// NOLB: no new sessions, the old ones stay.
    Stopping = 3,
}

/// HAProxy's `srv_admin_state` bits.
pub mod admin {
    pub const FORCED_MAINT: u8 = 0x01;
    pub const INHERITED_MAINT: u8 = 0x02;
    pub const CONFIG_MAINT: u8 = 0x04;
    pub const FORCED_DRAIN: u8 = 0x08;
    pub const INHERITED_DRAIN: u8 = 0x10;
    pub const RESOLUTION_MAINT: u8 = 0x20;
    /// Its host name is not the config's: it only remembers that.
    pub const OTHER_NAME: u8 = 0x40;
    /// `CONFIG_MAINT` only remembers where the maintenance came from: `set server ... state ready` leaves it.
    pub const MAINT: u8 = FORCED_MAINT | INHERITED_MAINT | RESOLUTION_MAINT;
    pub const INHERITED: u8 = INHERITED_MAINT | INHERITED_DRAIN;
    pub const DRAIN: u8 = FORCED_DRAIN | INHERITED_DRAIN;
}

/// Why a server gets no clients, for pages and `<NOSRV>` decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unselectable {
    Maintenance,
    Draining,
    Down,
    Unproven,
    Held,
    /// A failover of it has been decided; whoever wins is known in a moment.
    Frozen,
}

/// What checks have found; written by health, read by pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// HAProxy's counter, 0 to rise + fall - 1; up from `rise` on.
    pub counter: u32,
    /// Kept here so that a page needs no config to show `2/3`.
    pub rise: u32,
    pub fall: u32,
    pub status: CheckStatus,
    /// `check_code`
    pub code: Option<i32>,
    /// `last_chk`: the detail in words.
    pub info: String,
    /// Milliseconds; `None` before the first check ended.
    pub duration_ms: Option<u64>,
    pub in_progress: bool,
    /// The last check ended in a complete answer that named another role: the server is well, and only not
    /// what the script wants.
    pub other_role: bool,
    /// `chkfail`: failed checks while up; `chkdown`: transitions to down.
    pub failed_checks: u64,
    /// `hanafail`: how often connect errors reached `error-limit`.
    pub failed_analyses: u64,
    pub down_transitions: u64,
    /// When it last went up or down.
    pub last_change: Tick,
    /// Milliseconds spent down, without the present spell.
    pub downtime_ms: u64,
}

/// What the server says of itself, and what the guard thinks of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RedisView {
    pub report: Option<RoleReport>,
    pub reported_at: Option<Tick>,
    /// Why a server that says it is master gets no clients, in words.
    pub held: Option<String>,
    /// Why a replica is not read from although it is one, in words (`option redis-replica`).
    pub unfit: Option<String>,
    /// A named trouble: `NOAUTH Authentication required.`, without secrets.
    pub trouble: Option<String>,
}

/// One server, for as long as the config has it.
#[derive(Debug)]
pub struct ServerLive {
    pub key: ServerKey,
    name: Name,
    pub traffic: Traffic,
    /// `qcur`, `qmax`: sessions queued for this very server.
    pub queued: super::counters::Gauge,
    /// Sessions that were called from a line and have not connected yet.
    pub arriving: super::counters::Gauge,
    operation: AtomicU8,
    admin: AtomicU8,
    weight: AtomicU32,
    proven: AtomicBool,
    /// A master in a read backend, for the time in which no replica is fit; written by health.
    stands_in: AtomicBool,
    /// Written by the guard: see [`ServerLive::freeze`].
    frozen: AtomicBool,
    /// Until that tick its checks follow each other at the shortest interval; written by the guard.
    hastened_until: AtomicU64,
    /// Rung when that changes; its check task waits for it.
    pub haste: Notify,
    /// `disable health`
    checks_off: AtomicBool,
    /// Consecutive connect errors, for `observe layer4`, below `error-limit`.
    connect_failures: AtomicU32,
    /// How often these reached `error-limit`, until health has taken note.
    distresses: AtomicU32,
    /// Rung each time; its check task waits for it.
    pub distress: Notify,
    /// `slowstart`: percent of its full share that it takes while [`Operation::Starting`].
    throttle: AtomicU32,
    /// `track`: whose state it takes.
    leader: LeaderSlot,
    health: Mutex<Health>,
    agent: Mutex<AgentRecord>,
    redis: Mutex<RedisView>,
}

impl ServerLive {
    /// A server as HAProxy starts it: up, and down at the first failed check.
    pub fn new(key: ServerKey, name: &str, weight: u32, initial: Health) -> ServerLive {
        ServerLive {
            key,
            name: Name::new(name),
            traffic: Traffic::default(),
            queued: super::counters::Gauge::default(),
            arriving: super::counters::Gauge::default(),
            operation: AtomicU8::new(Operation::Running as u8),
            admin: AtomicU8::new(0),
            weight: AtomicU32::new(weight),
            proven: AtomicBool::new(false),
            stands_in: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            hastened_until: AtomicU64::new(0),
            haste: Notify::new(),
            checks_off: AtomicBool::new(false),
            connect_failures: AtomicU32::new(0),
            distresses: AtomicU32::new(0),
            distress: Notify::new(),
            throttle: AtomicU32::new(100),
            leader: LeaderSlot::default(),
            health: Mutex::new(initial),
            agent: Mutex::default(),
            redis: Mutex::new(RedisView::default()),
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

    /// The same server at another address: what the operator set, its health and its sums stay; its sessions
    /// stay with the old one, and it has to prove itself again.
    pub fn successor(&self, key: ServerKey) -> ServerLive {
        let live = ServerLive::new(key, &self.name(), self.weight(), self.health());
        live.set_admin(self.admin());
        live.set_operation(self.operation());
        live.set_checks_off(self.checks_off());
        live.update_health(|health| health.in_progress = false);
        live.update_agent(|agent| *agent = AgentRecord { in_progress: false, ..self.agent() });
        live.traffic.go_on_from(&self.traffic);
        live
    }

    /// As checks left it, or as the server stands that it tracks.
    pub fn operation(&self) -> Operation {
        let own = self.own_operation();
        match self.leader().map(|leader| leader.server.operation()) {
            Some(down @ (Operation::Stopped | Operation::Stopping)) => down,
            // Its own agent has a say beside the other one's checks.
            Some(_) if own == Operation::Stopped && self.update_agent(|agent| agent.vetoes()) => own,
            // How it comes to its full share is its own matter.
            Some(_) if own != Operation::Starting => Operation::Running,
            _ => own,
        }
    }

    fn own_operation(&self) -> Operation {
        match self.operation.load(Relaxed) {
            0 => Operation::Stopped,
            1 => Operation::Starting,
            3 => Operation::Stopping,
            _ => Operation::Running,
        }
    }

    pub fn set_operation(&self, operation: Operation) {
        self.operation.store(operation as u8, Relaxed);
    }

    /// Changes it only if it is still `from`.
    pub fn move_operation(&self, from: Operation, to: Operation) {
        // Whoever changed it meanwhile knows better.
        let _ = self.operation.compare_exchange(from as u8, to as u8, Relaxed, Relaxed);
    }

    /// Percent of its full share that it may take now.
    pub fn share(&self) -> u32 {
        if self.operation() == Operation::Starting { self.throttle.load(Relaxed) } else { 100 }
    }

    /// The same in HAProxy's steps, one of which is the least that counts: sixteenths.
    pub fn sixteenths(&self) -> u32 {
        (16 * self.share()).div_ceil(100)
    }

    /// The weight that counts now, as HAProxy shows it.
    pub fn effective_weight(&self) -> u32 {
        (self.weight() * self.sixteenths()).div_ceil(16)
    }

    /// Sets that for the time in which it starts.
    pub fn set_throttle(&self, percent: u32) {
        self.throttle.store(percent.clamp(1, 100), Relaxed);
    }

    /// A session could not connect. `limit` is `error-limit` where connects are observed: each time so many
    /// have failed in a row, counting starts over and the check task is told once more. However late that
    /// task comes to it, it finds what HAProxy, which acts at once, would have counted.
    pub fn connect_failed(&self, limit: Option<u32>) {
        let Some(limit) = limit else { return };
        let next = |failures: u32| if failures + 1 < limit { failures + 1 } else { 0 };
        let before = self.connect_failures.fetch_update(Relaxed, Relaxed, |failures| Some(next(failures)));
        if before.is_ok_and(|failures| next(failures) == 0) {
            self.distresses.fetch_add(1, Relaxed);
            self.distress.notify_one();
        }
    }

    /// A session connected.
    pub fn connect_succeeded(&self) {
        if self.connect_failures.load(Relaxed) != 0 {
            self.connect_failures.store(0, Relaxed);
        }
    }

    /// How often `error-limit` was reached since this was last asked.
    pub fn take_distresses(&self) -> u32 {
        self.distresses.swap(0, Relaxed)
    }

    /// Whose state it takes.
    pub fn leader(&self) -> Option<Arc<Leader>> {
        self.leader.get()
    }

    /// The server at the end of the chain, whose checks say how it stands.
    pub fn checked_leader(&self) -> Option<Arc<ServerLive>> {
        let leader = Arc::clone(&self.leader()?.server);
        leader.checked_leader().or(Some(leader))
    }

    /// Whether it is that server, or tracks it, directly or through others.
    pub fn reaches(&self, key: ServerKey) -> bool {
        self.key == key || self.leader().is_some_and(|leader| leader.server.reaches(key))
    }

    pub(super) fn follow(&self, leader: Option<Leader>) {
        self.leader.set(leader);
    }

    /// Its own administrative bits, and those that it inherits from the server that it tracks.
    pub fn admin(&self) -> u8 {
        let own = self.admin.load(Relaxed);
        match self.leader() {
            Some(leader) => own | leader.inherited(),
            None => own,
        }
    }

    /// Replaces the administrative bits; returns what they were. What is inherited is no matter of its own.
    pub fn set_admin(&self, bits: u8) -> u8 {
        self.admin.swap(bits & !admin::INHERITED, Relaxed)
    }

    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
    }

    /// Whether the operator has switched its checks off.
    pub fn checks_off(&self) -> bool {
        self.checks_off.load(Relaxed)
    }

    pub fn set_checks_off(&self, off: bool) {
        self.checks_off.store(off, Relaxed);
    }

    /// It gets no new sessions, because somebody wants it so.
    pub fn is_draining(&self) -> bool {
        self.admin() & admin::DRAIN != 0 || self.weight() == 0
    }

    pub fn proven(&self) -> bool {
        self.proven.load(Relaxed)
    }

    pub fn set_proven(&self, proven: bool) {
        self.proven.store(proven, Relaxed);
    }

    /// Whether it gets clients only while no replica does (`option redis-replica`).
    pub fn stands_in(&self) -> bool {
        self.stands_in.load(Relaxed)
    }

    pub fn set_stands_in(&self, stands_in: bool) {
        self.stands_in.store(stands_in, Relaxed);
    }

    /// A failover of it has been decided: no new sessions. The guard first says until when
    /// ([`super::BackendLive::set_frozen_until`]), so that nobody who finds it frozen is refused; then it calls
    /// this, and then has the workers freeze those that there are ([`super::Command::Freeze`]); a session that
    /// is just connecting looks once more before its first byte, as it does for the master word
    /// ([`super::master`]).
    pub fn freeze(&self) {
        self.frozen.store(true, Release);
    }

    /// It is over, one way or the other.
    pub fn thaw(&self) {
        self.frozen.store(false, Relaxed);
    }

    /// Whether it is, or the server that it tracks: they are one Redis, reached in two ways.
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Acquire) || self.leader().is_some_and(|leader| leader.server.is_frozen())
    }

    /// Has its checks follow each other as fast as they may until then; a moment that has passed ends that.
    pub fn hasten(&self, until: Tick) {
        self.hastened_until.store(until.0, Relaxed);
        self.haste.notify_one();
    }

    /// Whether its checks are in haste now.
    pub fn is_hastened(&self, now: Tick) -> bool {
        now.0 < self.hastened_until.load(Relaxed)
    }

    /// A copy of what checks have found.
    pub fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    /// Changes what checks have found.
    pub fn update_health<R>(&self, change: impl FnOnce(&mut Health) -> R) -> R {
        change(&mut lock(&self.health))
    }

    /// A copy of what its agent has said.
    pub fn agent(&self) -> AgentRecord {
        lock(&self.agent).clone()
    }

    /// Changes what its agent has said.
    pub fn update_agent<R>(&self, change: impl FnOnce(&mut AgentRecord) -> R) -> R {
        change(&mut lock(&self.agent))
    }

    /// A copy of what the server says of itself.
    pub fn redis(&self) -> RedisView {
        lock(&self.redis).clone()
    }

    /// Changes what is known of the server as a Redis.
    pub fn update_redis<R>(&self, change: impl FnOnce(&mut RedisView) -> R) -> R {
        change(&mut lock(&self.redis))
    }

    /// Whether HAProxy would count it among those that serve: held, unproven and frozen ones too, which are rolecall's own
    /// matter.
    pub fn counts_as_usable(&self) -> bool {
        self.weight() > 0
            && self.admin() & (admin::MAINT | admin::DRAIN) == 0
            && matches!(self.operation(), Operation::Running | Operation::Starting)
    }

    /// The first four columns of the truth table but the master word, which belongs to the backend.
    pub fn unselectable(&self, needs_proof: bool) -> Option<Unselectable> {
        let bits = self.admin();
        if bits & admin::MAINT != 0 {
            return Some(Unselectable::Maintenance);
        }
        if bits & admin::DRAIN != 0 {
            return Some(Unselectable::Draining);
        }
        if matches!(self.operation(), Operation::Stopped | Operation::Stopping) {
            return Some(Unselectable::Down);
        }
        if needs_proof && !self.proven() {
            return Some(Unselectable::Unproven);
        }
        let frozen = self.is_frozen().then_some(Unselectable::Frozen);
        frozen.or_else(|| self.leader()?.excluded())
    }
}
