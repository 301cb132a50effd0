//! A frontend's live half.

use super::counters::{Counter, Gauge, Rate, Traffic};

/// Names a live frontend for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrontendKey(pub u32);

/// One frontend, for as long as the config has it.
#[derive(Debug)]
pub struct FrontendLive {
    pub key: FrontendKey,
    pub name: String,
    pub traffic: Traffic,
    /// `conn_rate`, `conn_rate_max`
    pub connection_rate: Rate,
    /// `conn_tot`
    pub connections: Counter,
    /// `intercepted`: requests answered by a page of ours; `req_tot` for `mode http`.
    pub intercepted: Counter,
    pub requests: Counter,
    /// Sessions of this frontend that wait for a first verdict or for a master.
    pub held: Gauge,
}

impl FrontendLive {
    pub fn new(key: FrontendKey, name: &str) -> FrontendLive {
        FrontendLive {
            key,
            name: name.to_owned(),
            traffic: Traffic::default(),
            connection_rate: Rate::default(),
            connections: Counter::default(),
            intercepted: Counter::default(),
            requests: Counter::default(),
            held: Gauge::default(),
        }
    }
}
