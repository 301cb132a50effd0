//! What the config texts say, statement by statement: typed values with their places, names not yet looked
//! up. The parser builds it, [`super::resolve`] turns it into the model.
//!
//! `defaults` have been applied: a proxy starts as a copy of the settings in force and its own lines change
//! the copy, as in HAProxy. Long lists behind an `Rc` are shared until a line changes them.

mod check;
mod rule;
mod server;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::model::http::Password;
use super::model::{
    Balance, GuardMode, Hashing, Hold as HoldTimes, Keepalive, Level, LogFormat, LogFraming, LogSampling,
    Mode, Redispatch, Relay, ReplicaOptions, Secret,
};
use super::parser::address::Address;
use super::source::Span;

pub use check::{AgentSettings, Check, CheckKind, HttpCheck, HttpRequest, HttpRule, MysqlLogin};
pub use rule::{
    Acl, Action, Change, Choice, Condition, MadeName, MapStep, RequestAction, RequestRule, Rule, Rules,
    Sample, Step, Stick, Table, Term, Test,
};
pub use server::{AsIfFrom, InitAddr, Mux, ProxyFlags, Server, ServerSettings, Source};
pub use tls::{BindTls, ServerTls, ServerVerify, Speaks, TlsDefaults, TlsVersion, VersionRange};

/// A value and the place where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Puts a value to its place.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// All files of one load.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub global: Global,
    pub proxies: Vec<Proxy>,
    pub sentinels: Vec<Sentinels>,
    pub resolvers: Vec<Resolvers>,
    pub peers: Vec<Peers>,
    pub userlists: Vec<Userlist>,
}

/// A `peers` section, of which only the tables are read.
#[derive(Debug, Clone)]
pub struct Peers {
    pub name: String,
    /// `table NAME`, by `SECTION/NAME`.
    pub tables: Vec<(String, Spanned<Table>)>,
}

/// A `userlist` section.
#[derive(Debug, Clone)]
pub struct Userlist {
    pub name: Spanned<String>,
    pub users: Vec<User>,
    pub groups: Vec<Group>,
}

/// A `user` line.
#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub password: Password,
    /// Names of groups.
    pub groups: Vec<Spanned<String>>,
}

/// A `group` line.
#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    /// Names of users.
    pub users: Vec<Spanned<String>>,
}

/// A `resolvers` section.
#[derive(Debug, Clone)]
pub struct Resolvers {
    pub name: Spanned<String>,
    pub nameservers: Vec<NameServer>,
    /// `parse-resolv-conf`
    pub resolv_conf: Option<Span>,
    pub hold: HoldTimes,
    pub resolve: Duration,
    pub retry: Duration,
    pub retries: u32,
    pub payload_size: Option<u16>,
}

/// A `nameserver` line.
#[derive(Debug, Clone)]
pub struct NameServer {
    pub id: Spanned<String>,
    pub address: Spanned<Address>,
    /// The address as written, variables expanded.
    pub written_address: String,
}

/// A `sentinels` section.
#[derive(Debug, Clone)]
pub struct Sentinels {
    pub name: Spanned<String>,
    pub master: Option<Spanned<String>>,
    pub sentinels: Vec<Sentinel>,
    pub auth_user: Option<Spanned<String>>,
    pub auth_pass: Option<Secret>,
    pub timeout: Option<Duration>,
}

/// A `sentinel` line.
#[derive(Debug, Clone)]
pub struct Sentinel {
    pub id: Spanned<String>,
    pub address: Spanned<Address>,
    /// The address as written, variables expanded.
    pub written_address: String,
}

/// `global`, all of its sections merged.
#[derive(Debug, Clone, Default)]
pub struct Global {
    pub daemon: bool,
    pub master_worker: bool,
    pub quiet: bool,
    /// There is a `stats` line: HAProxy gives the proxy behind it the first number.
    pub has_commands: bool,
    pub stats_sockets: Vec<Bind>,
    pub stats_timeout: Option<Duration>,
    pub stats_maxconn: Option<u32>,
    pub zero_warning: bool,
    pub pidfile: Option<Spanned<PathBuf>>,
    pub chroot: Option<Spanned<PathBuf>>,
    pub user: Option<Spanned<Account>>,
    pub group: Option<Spanned<Account>>,
    pub nbthread: Option<usize>,
    /// Cores by the number of the thread, from 1.
    pub cpu_map: BTreeMap<usize, Vec<usize>>,
    pub maxconn: Option<Spanned<u32>>,
    pub ulimit_n: Option<u64>,
    pub log: Vec<LogTarget>,
    pub log_tag: Option<String>,
    /// `log-send-hostname`; `Some(None)` sends this machine's.
    pub log_hostname: Option<Option<String>>,
    pub node: Option<String>,
    pub description: Option<String>,
    pub spread_checks: u8,
    pub max_spread_checks: Option<Duration>,
    pub hard_stop_after: Option<Duration>,
    pub grace: Option<Duration>,
    pub bufsize: Option<usize>,
    pub relay: Relay,
    pub maxpipes: Option<Spanned<u32>>,
    pub pipesize: Option<usize>,
    pub nosplice: bool,
    pub tls: TlsDefaults,
    /// `unix-bind`: mode and owner of the files of binds that name none themselves.
    pub unix_bind: BindOptions,
    /// What stands before every path.
    pub unix_prefix: String,
}

/// `user`/`group` give a name, `uid`/`gid` a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    Name(String),
    Id(u32),
}

/// Which word opened the section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    Defaults,
    Frontend,
    Backend,
    Listen,
}

impl ProxyKind {
    /// The section's keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            ProxyKind::Defaults => "defaults",
            ProxyKind::Frontend => "frontend",
            ProxyKind::Backend => "backend",
            ProxyKind::Listen => "listen",
        }
    }

    /// What HAProxy's messages call it: a `listen` is a proxy.
    pub fn noun(self) -> &'static str {
        match self {
            ProxyKind::Listen => "proxy",
            other => other.keyword(),
        }
    }

    /// Whether clients connect to it.
    pub fn has_frontend(self) -> bool {
        self != ProxyKind::Backend
    }

    /// Whether it has servers.
    pub fn has_backend(self) -> bool {
        self != ProxyKind::Frontend
    }
}

/// A `defaults`, `frontend`, `backend` or `listen` section.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub kind: ProxyKind,
    pub name: Spanned<String>,
    pub id: Option<Spanned<u32>>,
    pub settings: Settings,
    pub description: Option<String>,
    pub binds: Vec<Bind>,
    /// There is a `bind` line, be it wrong.
    pub listens: bool,
    /// In order; the first whose condition holds decides, and all come before `default_backend`.
    pub use_backends: Vec<Choice>,
    /// `use-server`
    pub use_servers: Vec<Choice>,
    pub servers: Vec<Server>,
    /// `dispatch`: the one that takes all connections, in the form of a server.
    pub dispatch: Option<Server>,
}

impl Proxy {
    /// One without lines of its own.
    pub fn new(kind: ProxyKind, name: Spanned<String>, settings: Settings) -> Proxy {
        Proxy {
            kind,
            name,
            id: None,
            settings,
            description: None,
            binds: Vec::new(),
            listens: false,
            use_backends: Vec::new(),
            use_servers: Vec::new(),
            dispatch: None,
            servers: Vec::new(),
        }
    }
}

/// What `defaults` hand down.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How much text is copied when a proxy starts with these.
    pub weight_in_bytes: usize,
    pub mode: Option<Spanned<Mode>>,
    pub disabled: bool,
    pub maxconn: Option<u32>,
    pub backlog: Option<u32>,
    pub rate_limit_sessions: Option<u32>,
    pub fullconn: Option<u32>,
    pub default_backend: Option<Spanned<String>>,
    pub timeouts: Timeouts,
    /// Those of them that `defaults` handed down.
    pub inherited_timeouts: Timeouts,
    /// `None`: nobody said it.
    pub balance: Option<Balance>,
    /// `balance hash`: what is hashed.
    pub hash: Option<Rc<Sample>>,
    pub hashing: Hashing,
    /// Where `hash-type` names a function that rolecall has not.
    pub foreign_hash: Option<Span>,
    pub retries: Option<u32>,
    pub redispatch: Redispatch,
    pub options: Options,
    pub client_keepalive: Keepalive,
    pub server_keepalive: Keepalive,
    pub log: Rc<Vec<LogLine>>,
    pub log_tag: Option<String>,
    pub log_format: LogFormat,
    pub log_formats: LogFormats,
    pub check: Check,
    pub redis: Redis,
    pub stats: Option<Rc<Stats>>,
    /// The page came from `defaults`: a proxy's first own statement replaces it.
    pub stats_inherited: bool,
    pub monitor_uri: Option<Spanned<String>>,
    pub default_server: ServerSettings,
    /// `source`: for servers that name none themselves.
    pub source: Option<Source>,
    pub rules: Rules,
}

/// A log format as written.
pub type Format = Rc<[u8]>;

/// `log-format` and its kin.
#[derive(Debug, Clone, Default)]
pub struct LogFormats {
    pub line: Option<Spanned<Format>>,
    pub structured: Option<Spanned<Format>>,
    pub errors: Option<Spanned<Format>>,
    pub unique_id: Option<Spanned<Format>>,
}

/// `timeout X`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeouts {
    pub client: Option<Duration>,
    pub client_fin: Option<Duration>,
    pub connect: Option<Duration>,
    pub server: Option<Duration>,
    pub server_fin: Option<Duration>,
    pub tunnel: Option<Duration>,
    pub queue: Option<Duration>,
    pub check: Option<Duration>,
    pub tarpit: Option<Duration>,
    /// Ours: see [`super::model::RedisOptions::freeze`].
    pub freeze: Option<Duration>,
}

/// The options that are on or off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub abortonclose: bool,
    pub allbackups: bool,
    pub clitcpka: bool,
    pub dontlog_normal: bool,
    pub dontlognull: bool,
    pub log_health_checks: bool,
    pub log_separate_errors: bool,
    pub logasap: bool,
    pub nolinger: bool,
    pub splice_auto: bool,
    pub splice_request: bool,
    pub splice_response: bool,
    pub srvtcpka: bool,
}

/// `option redis-*`.
#[derive(Debug, Clone, Copy)]
pub struct Redis {
    pub guard: GuardMode,
    pub proof: bool,
    pub single_master: bool,
    pub hold: Hold,
    pub kept_probe: Option<bool>,
    pub replica: Option<ReplicaOptions>,
    pub discovery: bool,
}

impl Default for Redis {
    fn default() -> Self {
        Redis {
            guard: GuardMode::On,
            proof: true,
            single_master: true,
            hold: Hold::ByQueueTimeout,
            kept_probe: None,
            replica: None,
            discovery: true,
        }
    }
}

/// `option redis-hold [TIME]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Off,
    ByQueueTimeout,
    For(Duration),
}

/// `stats enable` and family; any of them switches the page on.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// The first statement about it.
    pub span: Span,
    pub uri: Option<String>,
    pub realm: Option<String>,
    pub users: Vec<(String, Secret)>,
    pub refresh: Option<Duration>,
    pub hide_version: bool,
    pub show_legends: bool,
    /// `Some(None)` shows the global section's.
    pub node: Option<Option<String>>,
    /// `Some(None)` shows the global section's.
    pub description: Option<Option<String>>,
    pub scope: Vec<String>,
    /// `stats admin`: any of them will do.
    pub admin: Vec<Condition>,
    /// `stats http-request`
    pub requests: Vec<RequestRule>,
}

/// A `log` line of a proxy.
#[derive(Debug, Clone)]
pub enum LogLine {
    Global,
    Target(LogTarget),
}

/// A `log` line with an address.
#[derive(Debug, Clone)]
pub struct LogTarget {
    pub address: Spanned<LogAddress>,
    pub length: usize,
    pub framing: LogFraming,
    pub sampling: Option<LogSampling>,
    pub facility: u8,
    pub max_level: u8,
    pub min_level: u8,
}

#[derive(Debug, Clone)]
pub enum LogAddress {
    Stdout,
    Stderr,
    Address(Address),
}

/// A `bind` line; its addresses are not yet told apart by port.
#[derive(Debug, Clone)]
pub struct Bind {
    pub addresses: Vec<Spanned<Address>>,
    pub options: BindOptions,
    /// File and line, for errors when the socket is bound.
    pub origin: (String, u32),
}

/// What follows a bind address.
#[derive(Debug, Clone, Default)]
pub struct BindOptions {
    pub name: Option<String>,
    pub backlog: Option<u32>,
    pub maxconn: Option<u32>,
    pub v4v6: bool,
    pub v6only: bool,
    pub transparent: bool,
    pub tfo: bool,
    pub defer_accept: bool,
    pub interface: Option<String>,
    pub mss: Option<u32>,
    pub tcp_ut: Option<Duration>,
    pub accept_proxy: bool,
    /// Who may open a unix socket's file.
    pub mode: Option<u32>,
    pub user: Option<Spanned<Account>>,
    pub group: Option<Spanned<Account>>,
    /// What commands may do; of a `stats socket` only.
    pub level: Option<Level>,
    pub expose_listeners: bool,
    pub tls: BindTls,
}
