//! `resolvers` (manual section 5.3.2): name servers, and how long their answers count; and which server lines
//! ask them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::rule::Network;
use super::server::ServerPort;

/// The section that HAProxy makes of `/etc/resolv.conf` where no config does.
pub const DEFAULT_RESOLVERS: &str = "default";

/// `resolvers NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolvers {
    pub name: String,
    /// All of them are asked; the first good answer counts.
    pub nameservers: Vec<NameServer>,
    pub hold: Hold,
    /// `timeout resolve`: from one resolution of a name to the next.
    pub resolve: Duration,
    /// `timeout retry`: how long one query waits for its answer.
    pub retry: Duration,
    /// `resolve_retries`: queries without an answer after which it is a timeout; at least 1.
    pub retries: u32,
    /// `accepted_payload_size`, in bytes.
    pub payload_size: u16,
}

impl Default for Resolvers {
    fn default() -> Self {
        Resolvers {
            name: String::new(),
            nameservers: Vec::new(),
            hold: Hold::default(),
            resolve: Duration::from_secs(1),
            retry: Duration::from_secs(1),
            retries: 3,
            payload_size: 512,
        }
    }
}

/// `nameserver ID ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameServer {
    pub id: String,
    pub address: SocketAddr,
    pub transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// What does not fit is asked for again over TCP.
    Udp,
    /// `tcp@`
    Tcp,
}

/// `hold EVENT TIME`: how long the last good answer outlives what came after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// How long a good answer is not asked for again by a check.
    pub valid: Duration,
    pub nx: Duration,
    pub timeout: Duration,
    pub refused: Duration,
    pub other: Duration,
    /// How long an address counts that good answers do not have any more.
    pub obsolete: Duration,
}

impl Default for Hold {
    fn default() -> Self {
        let bad = Duration::from_secs(30);
        Hold {
            valid: Duration::from_secs(10),
            nx: bad,
            timeout: bad,
            refused: bad,
            other: bad,
            obsolete: Duration::ZERO,
        }
    }
}

/// A server line with `resolvers`: its address is kept up to date while rolecall runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// `resolvers NAME`
    pub resolvers: String,
    /// The name of an SRV record (`_redis._tcp.name`): it tells the host, the port and the weight.
    pub service: Option<String>,
    /// `resolve-prefer`
    pub prefer: IpFamily,
    pub duplicates: Duplicates,
    pub weights: RecordWeights,
    /// `resolve-net`: addresses in these are preferred, in this order.
    pub networks: Vec<Network>,
    /// As written; an SRV record has its own.
    pub port: ServerPort,
    /// The address came with the SRV record and is not asked for.
    pub told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IpFamily {
    V4,
    /// HAProxy's choice.
    #[default]
    V6,
}

impl IpFamily {
    /// Whether an address is of it.
    pub fn has(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == (self == IpFamily::V4)
    }
}

/// `resolve-opts`: whether two servers of a backend may have one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    #[default]
    Prevented,
    Allowed,
}

/// `resolve-opts ignore-weight`: whether the weight of an SRV record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordWeights {
    #[default]
    Followed,
    Ignored,
}
