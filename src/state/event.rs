//! What happened to a server or a proxy, as plain data: state and health return it, `log` words it as
//! HAProxy does, pages keep the last of it.

use super::check::CheckStatus;
use super::server::Operation;

/// How a check ended, for a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSummary {
    pub status: CheckStatus,
    pub code: Option<i32>,
    pub info: String,
    pub duration_ms: Option<u64>,
}

/// What is left in the backend after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    pub active: usize,
    pub backup: usize,
    /// Sessions of the server that go on, or were requeued.
    pub sessions_active: u32,
    pub requeued: u32,
    pub queued: u32,
    /// The server was stopping, or draining, before.
    pub was_leaving: bool,
}

/// One event of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEvent {
    pub backend: String,
    pub server: String,
    pub backup: bool,
    pub what: ServerChange,
}

/// What a server becomes because the one that it tracks does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    Up,
    Down,
    Stopping,
}

/// Who was asked how a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Server,
    Agent,
}

/// By whose maintenance a server was out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintained {
    Itself,
    /// The server that it tracks.
    Leader,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerChange {
    /// `option log-health-checks`: the check's result or the counter changed. `shown` is HAProxy's `X/Y`.
    Checked {
        which: Asked,
        check: CheckSummary,
        shown: (u32, u32),
        up: bool,
        draining: bool,
    },
    /// `reason` is left out when `option log-health-checks` has said it already.
    Down {
        reason: Option<CheckSummary>,
        left: Left,
    },
    Up {
        reason: Option<CheckSummary>,
        left: Left,
    },
    Stopping {
        reason: Option<CheckSummary>,
        left: Left,
    },
    /// The operator forced its health.
    Forced {
        operation: Operation,
        left: Left,
    },
    /// The operator, its agent, or the server that it tracks put it into maintenance.
    Maintenance {
        /// `BACKEND/SERVER`
        via: Option<String>,
        /// It was down already.
        was_down: bool,
        left: Left,
    },
    /// The server that it tracks is out of maintenance, and it is in one of its own.
    Remains,
    /// The operator let it, or the server that it tracks, out of maintenance.
    Returned {
        out_of: Maintained,
        up: bool,
        draining: bool,
    },
    /// The operator lets it have no new sessions.
    Draining {
        /// `BACKEND/SERVER`, which it tracks: the operator meant that one.
        via: Option<String>,
        /// It is down anyway.
        is_down: bool,
        left: Left,
    },
    /// Said after each change of its health while the operator lets it have no new sessions.
    RemainsDraining {
        /// `BACKEND/SERVER`, which it tracks: the drain is that one's.
        via: Option<String>,
    },
    /// The operator lets it have new sessions again.
    Undrained {
        up: bool,
    },
    /// It has another address or host name, and why: `changed its IP from A to B by R/N.`
    Renamed {
        text: String,
    },
    /// Its name has no address any more.
    Unresolved {
        why: String,
        /// It was down already.
        was_down: bool,
        left: Left,
    },
    /// Its name has an address again.
    Resolves {
        fqdn: String,
        up: bool,
        draining: bool,
    },
    /// What ends the maintenance.
    ReadyByDns,
    /// Ours: the operator gave it another address.
    Moved {
        to: String,
    },
    /// It tracks another server, which changed its state.
    Followed {
        to: Followed,
        /// `BACKEND/SERVER`
        via: String,
        left: Left,
    },
    /// The last usable server of the backend went: `backend B has no server available!`
    NoServerLeft {
        is_listen: bool,
    },
    /// Ours: the server began to say that it is a replica; said once per change.
    IsReplica,
    /// Ours: why a server that says master gets no clients.
    Held {
        reason: String,
    },
    /// Ours: who is master now and why; `previous` names the one before.
    Master {
        reason: String,
        previous: Option<String>,
        epoch: u32,
    },
    /// Ours: why a replica is not read from; said once per kind of reason.
    Unfit {
        text: String,
    },
    /// Ours: sessions were ended, and why.
    Cut {
        sessions: u32,
        reason: String,
    },
    /// Ours: a failover of it was decided, so clients wait.
    Frozen {
        text: String,
    },
    /// Ours: a freeze that brought no other master is over, or was not begun.
    Thawed {
        text: String,
    },
    /// Ours: what it cost to make it master.
    TookOver {
        text: String,
    },
    /// Ours: what the server would be if the guard did not only observe.
    Observed {
        text: String,
    },
    /// Ours: two unrelated masters have replicas of their own, so this may be no backend for one master.
    Rivals {
        text: String,
    },
    /// Ours: the server says something by which the rule of the one master is off.
    ManyMasters {
        text: String,
    },
    /// Ours: a named trouble such as `-NOAUTH`, once per change, without secrets.
    Trouble {
        text: String,
    },
    /// Ours: something about a Sentinel of the backend, whatever the server; a whole clause.
    Sentinel {
        text: String,
    },
    /// Ours: a Sentinel, or finding one, is in trouble; once per change, without secrets.
    SentinelTrouble {
        text: String,
    },
}
