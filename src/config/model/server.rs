//! A server line (manual section 5).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::tls::ServerTls;
use super::{BackendId, Lookup};
use crate::config::secret::Secret;

/// The name of the one server that `dispatch` stands for. No server line can have it: it is what HAProxy logs
/// where a session has no server, and pages do not show it.
pub const DISPATCH: &str = "<NOSRV>";

/// One `server` (section 5).
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub name: String,
    /// HAProxy's server id within the backend, from 1. It stays when others come and go, so whatever refers to a
    /// server says this and not its position.
    pub id: u32,
    /// `id`: the line gives it.
    pub has_own_id: bool,
    pub origin: Origin,
    /// A rule asks for its state, so that it cannot be taken away.
    pub is_referenced: bool,
    /// `None`: the name did not resolve and `init-addr none` allows that.
    pub address: Option<ServerAddress>,
    /// As written, for pages and errors: `redis1.local:6379`.
    pub written_address: String,
    /// Its address is whatever the Sentinels of a section tell; `address` is `None` until they do.
    pub slot: Option<SentinelSlot>,
    /// The host name behind the address; of an SRV record, once that has told it.
    pub fqdn: Option<String>,
    /// `resolvers`
    pub lookup: Option<Lookup>,
    pub check: Option<ServerCheck>,
    /// `agent-check`
    pub agent: Option<AgentCheck>,
    /// `rise` and `fall` of a server without a check: where its health counter stands, for who reads it.
    pub unchecked: RiseFall,
    /// Whose state it takes.
    pub track: Option<Track>,
    /// 0 to 256; 0 gets no new sessions.
    pub weight: u32,
    pub backup: bool,
    /// 0 is unlimited.
    pub maxconn: u32,
    pub minconn: u32,
    /// 0 is unlimited.
    pub maxqueue: u32,
    /// Starts in maintenance.
    pub disabled: bool,
    /// How a server with checks stands before the first of them.
    pub init_state: InitState,
    pub on_marked_down_shutdown_sessions: bool,
    pub on_marked_up_shutdown_backup_sessions: bool,
    pub observe_layer4: bool,
    pub error_limit: u32,
    pub on_error: OnError,
    pub slowstart: Duration,
    pub source: Option<IpAddr>,
    /// What `source` says besides.
    pub leaves: Leaves,
    pub tcp_ut: Option<Duration>,
    /// `ssl`
    pub tls: Option<Arc<ServerTls>>,
    /// What `set server ssl` can switch on: there where the line or its `default-server` has TLS settings.
    pub tls_ready: Option<Arc<ServerTls>>,
    /// The line says `no-ssl`, which HAProxy shows.
    pub tls_declined: bool,
    pub cookie: Option<String>,
    /// The first bytes that the server gets say who the client is.
    pub send_proxy: Option<SendProxy>,
    /// `socks4`: the proxy that connections to it go through.
    pub socks4: Option<SocketAddr>,
    /// `check-via-socks4`: those of checks and of the agent go through it as well.
    pub check_via_socks4: bool,
}

/// Where a server comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    #[default]
    Config,
    /// `add server` on the runtime socket; until the next reload, which reads the files again.
    RuntimeSocket,
}

/// How connections leave this machine (`source`, manual section 4.2), the address apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaves {
    /// The first and the last of the ports that they come from.
    pub ports: Option<(u16, u16)>,
    pub interface: Option<Arc<str>>,
    /// `usesrc`
    pub as_if_from: Option<Impersonated>,
}

/// Whom the server is to take them for. Needs CAP_NET_ADMIN, and routes that bring the answers back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impersonated {
    /// The client's address and port.
    Client,
    ClientIp,
    Address(SocketAddr),
}

/// The forms of a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendProxy {
    V1,
    V2(ProxyFields),
}

/// What a header of version 2 holds besides the addresses (`proxy-v2-options`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProxyFields {
    /// What the client's TLS is.
    pub ssl: bool,
    /// With the common name of the client's certificate.
    pub common_name: bool,
    pub cipher: bool,
    /// How the certificate that the client was shown is signed, and what key it has.
    pub signature: bool,
    pub key: bool,
    /// The host name that the client asked for.
    pub authority: bool,
    pub crc32c: bool,
    /// `unique-id-format` of the frontend.
    pub unique_id: bool,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            name: String::new(),
            id: 1,
            has_own_id: false,
            origin: Origin::default(),
            is_referenced: false,
            address: None,
            written_address: String::new(),
            slot: None,
            fqdn: None,
            lookup: None,
            check: None,
            agent: None,
            unchecked: RiseFall::default(),
            track: None,
            weight: 1,
            backup: false,
            maxconn: 0,
            minconn: 0,
            maxqueue: 0,
            disabled: false,
            init_state: InitState::default(),
            on_marked_down_shutdown_sessions: false,
            on_marked_up_shutdown_backup_sessions: false,
            observe_layer4: false,
            error_limit: 10,
            on_error: OnError::default(),
            slowstart: Duration::ZERO,
            source: None,
            leaves: Leaves::default(),
            tcp_ut: None,
            tls: None,
            tls_ready: None,
            tls_declined: false,
            cookie: None,
            send_proxy: None,
            socks4: None,
            check_via_socks4: false,
        }
    }
}

/// `sentinel@NAME`, `sentinel-replicas@NAME`: a place for one Redis that the Sentinels of a section know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SentinelSlot {
    /// `sentinels NAME`
    pub section: String,
    pub takes: SlotTakes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotTakes {
    /// The master and its replicas.
    Every,
    /// The replicas only.
    Replicas,
}

impl SentinelSlot {
    /// As written on a server line.
    pub fn written(&self) -> String {
        let prefix = match self.takes {
            SlotTakes::Every => "sentinel",
            SlotTakes::Replicas => "sentinel-replicas",
        };
        format!("{prefix}@{}", self.section)
    }
}

impl Server {
    /// What its health counter runs between, checked or not.
    pub fn rise_fall(&self) -> RiseFall {
        self.check.as_ref().map_or(self.unchecked, |check| RiseFall { rise: check.rise, fall: check.fall })
    }

    /// Whether it has no address of its own, but that which the client came to.
    pub fn is_anywhere(&self) -> bool {
        matches!(&self.address, Some(ServerAddress::Ip { ip, .. }) if ip.is_unspecified())
    }

    /// Whether a `server` line made it, not `dispatch`.
    pub fn is_shown(&self) -> bool {
        self.name != DISPATCH
    }
}

/// The server that another one `track`s (section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    pub backend: BackendId,
    /// Its number in that backend.
    pub server: u32,
    /// `BACKEND/SERVER`, for logs and pages.
    pub name: String,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    Ip { ip: IpAddr, port: ServerPort },
    Unix(PathBuf),
    Abstract(String),
}

/// A server's port: its own, or relative to the one the client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerPort {
    Fixed(u16),
    /// No port, `+N` or `-N`: the client's port plus this offset.
    Mapped(i32),
}

/// `init-state`, of HAProxy 3: where checks begin, and where they go on after a maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitState {
    FullyUp,
    /// Up, and down with the first check that fails: what HAProxy has always done.
    #[default]
    Up,
    /// Down, and up with the first check that passes.
    Down,
    FullyDown,
}

impl InitState {
    /// The health counter that it means.
    pub fn counter(self, RiseFall { rise, fall }: RiseFall) -> u32 {
        match self {
            InitState::FullyUp => (rise + fall).saturating_sub(1),
            InitState::Up => rise,
            InitState::Down => rise.saturating_sub(1),
            InitState::FullyDown => 0,
        }
    }

    /// Whether it is up before the first check.
    pub fn is_up(self) -> bool {
        matches!(self, InitState::FullyUp | InitState::Up)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    Fastinter,
    #[default]
    FailCheck,
    SuddenDeath,
    MarkDown,
}

/// The bounds of a health counter (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiseFall {
    pub rise: u32,
    pub fall: u32,
}

impl Default for RiseFall {
    fn default() -> Self {
        RiseFall { rise: 2, fall: 3 }
    }
}

/// `check` and what shapes it (section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCheck {
    pub inter: Duration,
    pub fastinter: Option<Duration>,
    pub downinter: Option<Duration>,
    pub rise: u32,
    pub fall: u32,
    pub addr: Option<IpAddr>,
    pub port: Option<u16>,
    /// What a connect of the server's own begins with.
    pub send_proxy: Option<SendProxy>,
    pub tls: Option<CheckTls>,
}

/// An agent that says how the server is to be used (section 5.2, `agent-check`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCheck {
    pub inter: Duration,
    /// `None`: the server's own.
    pub addr: Option<IpAddr>,
    pub port: u16,
    /// What it is sent once the connection stands; may hold a password.
    pub send: Secret,
}

/// What checks of a server speak TLS with, those that do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTls {
    pub settings: Arc<ServerTls>,
    /// Which connections.
    pub when: TlsChecks,
    pub sni: Option<String>,
    /// `check-alpn`, in place of what traffic announces.
    pub alpn: Option<Vec<Vec<u8>>>,
}

/// Which connections of checks speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsChecks {
    /// Those that are opened as the server line says, and those of `connect ssl`.
    AsServer,
    /// Those of `connect ssl` only.
    Scripted,
}

impl Default for ServerCheck {
    fn default() -> Self {
        ServerCheck {
            inter: Duration::from_millis(2000),
            fastinter: None,
            downinter: None,
            rise: RiseFall::default().rise,
            fall: RiseFall::default().fall,
            addr: None,
            port: None,
            send_proxy: None,
            tls: None,
        }
    }
}
