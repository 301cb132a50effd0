//! `option redis-replica`: whether a server of a read backend may be read from, by what it says of itself and
//! what the master of its history was last heard to say. Pure but for [`Masters::look_up`], which reads the
//! snapshot.
//!
//! | the server says | it is |
//! |---|---|
//! | `role:slave`, link up, within `max-lag` | read from |
//! | `role:slave`, link down or behind | out at once; its sessions stay |
//! | `role:slave` of a history that cannot be measured | a failed check: that is so for a moment after a failover |
//! | `role:master`, and it is the one | read from while no replica is |
//! | `role:master`, and another one is the one | out |
//!
//! The one among several masters is the one that a guarded backend of this process has chosen, else the one with
//! the most replicas, else the first.
//!
//! **Lag in bytes** is the master's offset as last heard minus the replica's, of one history (`master_replid`): it
//! is short by what the master wrote since. **Lag in time** is how long ago the replica last heard from its
//! master, which pings it only every `repl-ping-replica-period` (10 s); so a replica that has everything which
//! the master had when *it* was last heard is behind by no more than that time.

use std::cmp::Reverse;
use std::time::Duration;

use crate::config::model::{Lag, ReplicaOptions};
use crate::redis::{Role, RoleReport};
use crate::state::{BackendView, Guarding, Operation, ServerKey, ServerLive, Snapshot};
use crate::time::Tick;

/// What a server of a read backend is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// A replica to be read from.
    Replica,
    /// The master, for want of one.
    StandsIn,
    /// Not now.
    Unfit(Unfit),
}

/// Why a server is not read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    LinkDown,
    Behind {
        bytes: u64,
        allowed: u64,
    },
    Silent {
        since: Duration,
        allowed: Duration,
    },
    /// Its history is not that of the master, who is named.
    Follows(String),
    /// `max-lag` is set, and no server that is known to be master has its history.
    Unmeasured,
    /// It says master; the one is named.
    NotTheMaster(String),
    /// KeyDB: neither a replica nor the master.
    ActiveReplica,
}

impl Unfit {
    /// Whether it may be so only because the others have not been heard yet: counted, not acted on at once.
    pub fn may_pass(&self) -> bool {
        matches!(self, Unfit::Follows(_) | Unfit::Unmeasured | Unfit::NotTheMaster(_))
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::LinkDown => f.write_str("link down"),
            Unfit::Behind { bytes, allowed } => {
                write!(f, "{} behind, {} allowed", Bytes(*bytes), Bytes(*allowed))
            }
            Unfit::Silent { since, allowed } => {
                write!(f, "{} since it heard from its master, {} allowed", Time(*since), Time(*allowed))
            }
            Unfit::Follows(master) => write!(f, "follows another master than {master}"),
            Unfit::Unmeasured => f.write_str("lag unknown: no server with its history says master"),
            Unfit::NotTheMaster(master) => write!(f, "role:master, but {master} is the master"),
            Unfit::ActiveReplica => f.write_str("role:active-replica"),
        }
    }
}

/// `4.2 MB`, in powers of 1024 as sizes in the config are.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut tenths, mut unit) = (u128::from(self.0) * 10, 0);
        while tenths >= 10_240 && unit < 3 {
            tenths /= 1024;
            unit += 1;
        }
        let name = ["bytes", "kB", "MB", "GB"][unit];
        match (unit, tenths % 10) {
            (0, _) | (_, 0) => write!(f, "{} {name}", tenths / 10),
            (_, tenth) => write!(f, "{}.{tenth} {name}", tenths / 10),
        }
    }
}

struct Time(Duration);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_millis() {
            millis if millis.is_multiple_of(1000) || millis > 10_000 => write!(f, "{} s", millis / 1000),
            millis => write!(f, "{millis} ms"),
        }
    }
}

/// A server that said master when it was last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    pub key: ServerKey,
    pub name: String,
    /// Its place in the config.
    pub at: usize,
    pub replid: Option<String>,
    pub offset: Option<u64>,
    pub heard: Tick,
    pub connected_replicas: u32,
    /// A guarded backend has chosen it.
    pub chosen: bool,
}

impl Master {
    fn of(server: &ServerLive, at: usize, chosen: &[String]) -> Option<Master> {
        server.update_redis(|redis| {
            let report = redis.report.as_ref().filter(|report| report.role == Role::Master)?;
            let heard = redis.reported_at?;
            Some(Master::saying(server, at, report, heard, chosen))
        })
    }

    fn saying(server: &ServerLive, at: usize, report: &RoleReport, heard: Tick, chosen: &[String]) -> Master {
        Master {
            key: server.key,
            name: server.name().to_string(),
            at,
            replid: report.replid.clone(),
            offset: report.offset,
            heard,
            connected_replicas: report.connected_replicas.unwrap_or(0),
            chosen: report.run_id.as_ref().is_some_and(|id| chosen.contains(id)),
        }
    }

    fn rank(&self) -> impl Ord + use<> {
        (self.chosen, self.connected_replicas, Reverse(self.at))
    }
}

/// The masters that matter to one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Masters {
    /// The one of its backend.
    pub own: Option<Master>,
    /// The one whose history it repeats, in whatever backend it stands.
    pub source: Option<Master>,
}

impl Masters {
    /// Reads them off the snapshot, for `server` of `view`, which says `report`.
    pub fn look_up(
        snapshot: &Snapshot,
        view: &BackendView,
        server: &ServerLive,
        report: &RoleReport,
        now: Tick,
    ) -> Masters {
        let chosen = chosen(snapshot);
        let place = |view: &BackendView, other: &ServerLive| view.position(other.key).unwrap_or(usize::MAX);
        let others = view.servers.iter().filter(|other| other.key != server.key);
        let mut masters: Vec<Master> = others
            .filter(|other| !matches!(other.operation(), Operation::Stopped))
            .filter_map(|other| Master::of(other, place(view, other), &chosen))
            .collect();
        if report.role == Role::Master {
            masters.push(Master::saying(server, place(view, server), report, now, &chosen));
        }
        let own = masters.into_iter().max_by_key(Master::rank);
        if report.role != Role::Replica || report.replid.is_none() {
            return Masters { own, source: None };
        }
        let all = snapshot.backends.iter().flat_map(|view| &view.servers);
        let same = all
            .filter_map(|other| Master::of(other, 0, &chosen))
            .filter(|other| other.replid == report.replid);
        Masters { own, source: same.max_by_key(|master| (master.offset, master.heard)) }
    }
}

/// The `run_id`s of the masters of guarded backends.
fn chosen(snapshot: &Snapshot) -> Vec<String> {
    let guarded = snapshot.backends.iter().filter(|view| view.in_force() == Guarding::Master);
    let masters = guarded.filter_map(|view| {
        let at = view.position(view.live.master.load().server?)?;
        view.servers[at].update_redis(|redis| redis.report.as_ref()?.run_id.clone())
    });
    masters.collect()
}

/// What the server `key`, which says `report` now, is good for.
pub fn judge(key: ServerKey, report: &RoleReport, rule: ReplicaOptions, masters: &Masters, now: Tick) -> Fit {
    match report.role {
        Role::ActiveReplica => Fit::Unfit(Unfit::ActiveReplica),
        Role::Master => match &masters.own {
            Some(other) if other.key != key => Fit::Unfit(Unfit::NotTheMaster(other.name.clone())),
            _ => Fit::StandsIn,
        },
        Role::Replica => replica(report, rule, masters, now).map_or(Fit::Replica, Fit::Unfit),
    }
}

fn replica(report: &RoleReport, rule: ReplicaOptions, masters: &Masters, now: Tick) -> Option<Unfit> {
    if report.link_up != Some(true) {
        return Some(Unfit::LinkDown);
    }
    if let Some(own) = &masters.own
        && own.replid.is_some()
        && report.replid.is_some()
        && own.replid != report.replid
    {
        return Some(Unfit::Follows(own.name.clone()));
    }
    match rule.max_lag? {
        Lag::Bytes(allowed) => {
            let offsets = masters.source.as_ref().and_then(|source| Some((source.offset?, report.offset?)));
            let Some((master, own)) = offsets else { return Some(Unfit::Unmeasured) };
            let bytes = master.saturating_sub(own);
            (bytes > allowed).then_some(Unfit::Behind { bytes, allowed })
        }
        Lag::Time(allowed) => {
            let in_step = |source: &&Master| source.offset.is_some() && report.offset >= source.offset;
            let in_step = masters.source.as_ref().filter(in_step).map(|source| now.since(source.heard));
            let Some(since) = [report.heard_from_master, in_step].into_iter().flatten().min() else {
                return Some(Unfit::Unmeasured);
            };
            (since > allowed).then_some(Unfit::Silent { since, allowed })
        }
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
