//! The guard's vocabulary: what can happen to it ([`Input`]), and what it does ([`Effect`]), to be executed in the
//! order in which it is given. Plain data.

use std::time::Duration;

use super::course::CourseStep;
use super::decide::{HeldReason, Reason, Standing};
use super::freeze::Thaw;
use super::lead::Leader;
use super::sentinels::Ballot;
use crate::redis::RoleReport;
use crate::state::{CutReason, Guarding, SentinelId, SentinelWord, ServerKey};
use crate::time::Tick;

/// What the config says, resolved to keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub guarding: Guarding,
    /// `option redis-hold`
    pub hold: Option<Duration>,
    /// `timeout freeze`; zero: nobody is frozen.
    pub freeze: Duration,
    /// How long first verdicts are awaited.
    pub window: Duration,
    /// In the config's order.
    pub seats: Vec<Seat>,
    /// Who they are is still to be told by Sentinels: first verdicts are awaited of servers without address too.
    pub awaits_sentinels: bool,
}

/// One server of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    pub key: ServerKey,
    pub standing: Standing,
    /// Whether it has `check`; one without never gets a verdict.
    pub is_checked: bool,
}

/// One finished check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub server: ServerKey,
    pub passed: bool,
    pub report: Option<RoleReport>,
}

/// What can happen to a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A start or a reload.
    Apply(Setup),
    Checked(Observation),
    /// Health or the operator moved a server.
    Moved(ServerKey, Standing),
    /// A Sentinel said something.
    Heard(SentinelId, SentinelWord),
    /// The operator, or a script of Sentinel's, wants that server to be master, and may know the config epoch.
    Hint(ServerKey, Option<u64>),
    Timer,
}

/// What becomes of a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is master.
    Master(ServerKey),
    Refused(ServerKey, Refusal),
}

/// Why a hint came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The backend has no guarded master.
    Unguarded,
    /// The backend has no such server any more.
    Removed,
    /// A majority of the Sentinels names another server at an epoch that is no older.
    Stale(Ballot),
    /// That one, which serves, succeeded it, and it has not followed since: a script that comes late, or a split.
    Succeeded(ServerKey),
    /// It did not say `role:master` in time.
    NotMaster,
    /// Another hint came.
    Replaced,
}

/// Why the rule of the one master is off by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManyMasters {
    /// `redis_mode:cluster`
    Cluster,
    /// KeyDB's `role:active-replica`.
    ActiveReplica,
}

/// What a guard does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Store the master word.
    Master {
        server: Option<ServerKey>,
        previous: Option<ServerKey>,
        reason: Reason,
    },
    /// Switch the rule of the one master off, or on again after a reload; the server gave the reason.
    ManyMasters(Option<(ServerKey, ManyMasters)>),
    Proven(ServerKey),
    Disproven(ServerKey),
    /// Say why the server gets no clients although it says that it is master; `None`: it does, or does not.
    Held(ServerKey, Option<HeldReason>),
    /// The same reason in other words, after another server became master: no news.
    StillHeld(ServerKey, HeldReason),
    /// Since when there is no usable master.
    Masterless(Option<Tick>),
    Cut(ServerKey, CutReason),
    /// Both say that they are master, both have replicas, and nothing relates them.
    Rivals(ServerKey, ServerKey),
    /// First verdicts are awaited (`false`), or not any more.
    Judged(bool),
    /// A failover of the master was decided: its sessions stop, new ones wait, until then at the latest.
    Freeze {
        server: ServerKey,
        until: Tick,
        by: Leader,
    },
    /// It stays frozen, until then at the latest.
    Prolong {
        server: ServerKey,
        until: Tick,
    },
    /// Its clients are not told any more what it answers, unless the freeze ends.
    Withhold(ServerKey),
    Thaw {
        server: ServerKey,
        why: Thaw,
    },
    /// It would be frozen, but too many freezes came to nothing.
    NotFrozen(ServerKey),
    /// Until then the server's checks follow each other as fast as they may.
    Hasten(ServerKey, Tick),
    /// A step of a failover, for its record.
    Course(CourseStep),
    /// A second master that nothing explains: all Sentinels are asked at once.
    AskSentinels,
    /// The Sentinels name a Redis that is none of the backend's.
    Stranger(String),
    /// What became of a hint.
    Answer(Answer),
    /// Waiting sessions look again.
    Reconsider,
}
