//! The parts of `INFO replication` and `INFO server` that tell who a server is
//! (<https://redis.io/docs/latest/commands/info/>).

use std::time::Duration;

/// `role:` of INFO replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Master,
    /// `slave`, and `replica` as some forks say.
    Replica,
    /// KeyDB's `active-replica`: takes writes and replicates.
    ActiveReplica,
}

/// What one reply, or two, said. Everything but the role may be missing: old servers, forks, and scripts
/// that ask for less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleReport {
    pub role: Role,
    /// Changes with every start of the process.
    pub run_id: Option<String>,
    pub replid: Option<String>,
    /// The history this server was promoted out of; 40 zeros are none.
    pub replid2: Option<String>,
    pub offset: Option<u64>,
    /// First offset that is no longer of `replid2`; -1 is none.
    pub second_offset: Option<u64>,
    pub connected_replicas: Option<u32>,
    pub uptime: Option<Duration>,
    /// `redis_mode:cluster`
    pub cluster: bool,
    /// Of a replica: `master_link_status:up`.
    pub link_up: Option<bool>,
    /// Of a replica: whom it follows, `master_host` and `master_port`.
    pub follows: Option<(String, u16)>,
    pub version: Option<String>,
}

impl RoleReport {
    /// A report of which only the role is known.
    pub fn of(role: Role) -> RoleReport {
        RoleReport {
            role,
            run_id: None,
            replid: None,
            replid2: None,
            offset: None,
            second_offset: None,
            connected_replicas: None,
            uptime: None,
            cluster: false,
            link_up: None,
            follows: None,
            version: None,
        }
    }
}
