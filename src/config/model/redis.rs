//! `option redis-*`: what rolecall does about roles, and how each backend wants it.

use std::time::Duration;

/// `option redis-*`: the guard that HAProxy lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    pub guard: GuardMode,
    pub proof: bool,
    pub single_master: bool,
    /// `option redis-hold [TIME]`; `None` is off. The default is `timeout queue`, else 5 s.
    pub hold: Option<Duration>,
    /// `option redis-probe`: `None` decides by the script (kept in role-checked backends).
    pub kept_probe: Option<bool>,
    /// `no option redis-sentinel-discovery`: Sentinels are not looked for on the servers.
    pub discovery: bool,
    /// `timeout freeze`: how long clients of a master whose failover was decided wait for its outcome.
    pub freeze: Duration,
    /// `option redis-replica`: the backend is a read backend.
    pub replica: Option<ReplicaOptions>,
}

/// `option redis-replica [max-lag BYTES|TIME]`: which replicas may be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicaOptions {
    pub max_lag: Option<Lag>,
}

/// How far a replica may be behind its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    Bytes(u64),
    /// Since it last heard from its master, or was seen to have all that its master had.
    Time(Duration),
}

impl Default for RedisOptions {
    fn default() -> Self {
        RedisOptions {
            guard: GuardMode::On,
            proof: true,
            single_master: true,
            hold: Some(Duration::from_secs(5)),
            kept_probe: None,
            discovery: true,
            freeze: Duration::from_secs(10),
            replica: None,
        }
    }
}

/// `option redis-guard on|observe|off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GuardMode {
    #[default]
    On,
    /// Decide and log, but act as HAProxy.
    Observe,
    Off,
}
