//! `server`, `server-template` and `default-server` lines.

use std::net::IpAddr;
use std::time::Duration;

use super::{AgentSettings, ServerTls, Spanned};
use crate::config::model::{Duplicates, InitState, IpFamily, Network, OnError, ProxyFields, RecordWeights};
use crate::config::parser::address::Address;

/// A `server` line.
#[derive(Debug, Clone)]
pub struct Server {
    pub name: Spanned<String>,
    pub address: Spanned<Address>,
    /// The address as written, variables expanded.
    pub written_address: String,
    pub settings: ServerSettings,
}

/// What `server` and `default-server` options set.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// How much text is copied when a server starts with these.
    pub weight_in_bytes: usize,
    pub id: Option<Spanned<u32>>,
    pub proto: Option<Spanned<Mux>>,
    pub check_proto: Option<Spanned<Mux>>,
    pub check: bool,
    pub check_addr: Option<Spanned<Address>>,
    pub check_port: Option<u16>,
    /// `agent-check` and what goes with it.
    pub agent: AgentSettings,
    pub inter: Option<Duration>,
    pub fastinter: Option<Duration>,
    pub downinter: Option<Duration>,
    pub rise: Option<u32>,
    pub fall: Option<u32>,
    pub weight: Option<u32>,
    pub backup: bool,
    pub maxconn: u32,
    pub minconn: u32,
    pub maxqueue: u32,
    pub disabled: bool,
    pub init_state: InitState,
    pub shutdown_sessions: bool,
    pub shutdown_backup_sessions: bool,
    pub observe_layer4: bool,
    pub error_limit: Option<u32>,
    pub on_error: OnError,
    pub slowstart: Duration,
    pub source: Option<Source>,
    pub tcp_ut: Option<Duration>,
    pub cookie: Option<String>,
    /// `track [BACKEND/]SERVER`, as written.
    pub track: Option<Spanned<String>>,
    /// `init-addr`, in the order in which they are tried; empty is as `last,libc`.
    pub init_addr: Vec<InitAddr>,
    pub resolvers: Option<Spanned<String>>,
    pub resolve_prefer: IpFamily,
    pub duplicates: Duplicates,
    pub record_weights: RecordWeights,
    pub resolve_net: Vec<Network>,
    pub send_proxy: ProxyFlags,
    pub proxy_fields: ProxyFields,
    pub check_send_proxy: bool,
    /// `socks4`, of one port.
    pub socks4: Option<Spanned<Address>>,
    pub check_via_socks4: bool,
    pub tls: ServerTls,
}

/// The protocols that HAProxy can be told to speak to a server (`proto`, `check-proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mux {
    /// Bytes as they are.
    None,
    H1,
    H2,
    Fcgi,
}

impl Mux {
    const ALL: [Mux; 4] = [Mux::None, Mux::H1, Mux::H2, Mux::Fcgi];

    pub fn named(name: &str) -> Option<Mux> {
        Mux::ALL.into_iter().find(|mux| mux.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Mux::None => "none",
            Mux::H1 => "h1",
            Mux::H2 => "h2",
            Mux::Fcgi => "fcgi",
        }
    }
}

/// `source ADDRESS[:PORTS] [usesrc WHOM] [interface NAME]`
#[derive(Debug, Clone)]
pub struct Source {
    pub address: Spanned<Address>,
    pub as_if_from: Option<AsIfFrom>,
    pub interface: Option<String>,
}

/// `usesrc`
#[derive(Debug, Clone)]
pub enum AsIfFrom {
    Client,
    ClientIp,
    Address(Spanned<Address>),
}

/// `send-proxy` and its forms: each may be set and undone.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProxyFlags {
    pub v1: bool,
    pub v2: bool,
    pub ssl: bool,
}

/// Where the address of a server with a host name may come from when the config is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitAddr {
    /// A file of server states, of which rolecall keeps none: never found there.
    Last,
    /// The system's resolver.
    Libc,
    /// The server starts without an address.
    None,
    Ip(IpAddr),
}
