//! The resolved config: what the rest of the program sees. Ids instead of names, `Duration` instead of text,
//! defaults filled in, references checked. Immutable; a reload builds another one.
//!
//! Nothing after `resolve` re-checks any of this, and no field is a string that still has to be parsed.
//! Section numbers in comments are those of HAProxy 2.6's configuration manual.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod action;
mod balance;
mod check;
mod check_format;
mod command;
mod convert;
mod fullconn;
pub mod http;
mod http_check;
mod log;
mod pattern;
mod redis;
mod resolvers;
mod rule;
mod secured;
mod server;
mod splice;
mod stats;
mod stick;
mod template;
mod tls;

pub use super::dynamic::Presets;
pub use super::secret::Secret;
pub use action::{Composed, End, Half, LogLevel, Marking, Reach, Rewrite, When};
pub use balance::{Balance, HashFunction, HashMethod, Hashing};
pub use check::{
    ApplicationExpect, CheckAction, CheckConnect, CheckExpect, CheckHeader, CheckMethod, CheckRule,
    CheckTransport, CheckWay, ExpectPattern,
};
pub use check_format::{
    CheckConverter, CheckFetch, CheckFormat, CheckPiece, CheckSample, Coding, VariableValue,
};
pub use command::{CommandSocket, FileAccess, Level};
pub use convert::{
    Alphabet, Arithmetic, BigEndian, Converter, DigestKind, Hop, Joined, JsonInput, JsonNumbers, JsonQuery,
    LastChunk, Mixing, Moment, Plus, Radix, SampleUnit, Xxh,
};
pub use http::{HttpFact, RequestAction, RequestRule, Userlist, UserlistId};
pub use http_check::{
    Expression, HeaderParts, HeaderWanted, HttpExpect, HttpWanted, OnNotFound, TextPlace, TextWanted,
};
pub use log::{LogAddress, LogFormat, LogFraming, LogSampling, LogTarget, SessionLog};
pub use pattern::{Columns, Entry, ListId, ListReader, Map, Output, PatternList, Reader, unreadable};
pub use redis::{GuardMode, Lag, RedisOptions, ReplicaOptions};
pub use resolvers::{
    DEFAULT_RESOLVERS, Duplicates, Hold, IpFamily, Lookup, NameServer, RecordWeights, Resolvers, Transport,
};
pub use rule::{
    Action, AddressFact, BackendFact, Condition, Fetch, FrontendFact, IntegerRange, Listed, Matcher, Network,
    PayloadFact, ProcessFact, Rule, Rules, Sample, ServerFact, SessionFact, TableId, Term, Test, TextMatch,
    Texts, TlsFact, Value, VariableId,
};
pub use secured::{CertificateFact, Holder, NameEntry, NameForm, NamePart};
pub use server::{
    AgentCheck, CheckTls, DISPATCH, Impersonated, InitState, Leaves, OnError, Origin, ProxyFields, RiseFall,
    SendProxy, SentinelSlot, Server, ServerAddress, ServerCheck, ServerPort, SlotTakes, TlsChecks, Track,
};
pub use splice::Splice;
pub use stats::{StatsPage, StatsUser};
pub use stick::{Change, Counter, KeyKind, Stick, StickTable, Stored, TableFact, Tracked};
pub use template::{LogVariable, Look, Part, Template};
pub use tls::{
    Authorities, BindTls, ClientVerify, Identity, Made, PROVIDER, ServerSni, ServerTls, Tickets, Versions,
};

/// Position of a frontend in [`Config::frontends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrontendId(pub usize);

/// Position of a backend in [`Config::backends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(pub usize);

/// Everything a set of config files says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub global: Global,
    pub frontends: Vec<Frontend>,
    pub backends: Vec<Backend>,
    pub sentinels: Vec<SentinelGroup>,
    /// Every `resolvers`, and the one that `/etc/resolv.conf` makes.
    pub resolvers: Vec<Resolvers>,
    /// Every `stick-table`.
    pub tables: Vec<StickTable>,
    /// Every `userlist`.
    pub userlists: Vec<Userlist>,
    /// What ACLs and maps compare with.
    pub lists: Vec<Arc<PatternList>>,
    /// For servers that are added while the program runs.
    pub presets: Arc<Presets>,
}

/// `sentinels NAME`: the Sentinels that watch one master. It concerns every role-checked backend that has this
/// master, or one of its replicas, among its servers, and those whose addresses refer to it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentinelGroup {
    pub name: String,
    /// `master NAME`, as the Sentinels call it.
    pub master: String,
    pub sentinels: Vec<SentinelNode>,
    pub auth_user: Option<String>,
    pub auth_pass: Option<Secret>,
    /// For connecting and for each answer; default 1 s.
    pub timeout: Duration,
}

/// `sentinel ID ADDR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelNode {
    pub id: String,
    pub address: SocketAddr,
    /// The name behind the address: it is looked up again when the Sentinel is connected to.
    pub host: Option<String>,
    /// As written, for pages and errors.
    pub written_address: String,
}

/// `global` (section 3).
#[derive(Debug, Clone, PartialEq)]
pub struct Global {
    pub daemon: bool,
    pub master_worker: bool,
    pub pidfile: Option<PathBuf>,
    pub chroot: Option<PathBuf>,
    /// Resolved from `user` or `uid`.
    pub uid: Option<u32>,
    /// Resolved from `group` or `gid`; `group nobody` falls back to `nogroup`.
    pub gid: Option<u32>,
    /// `None`: one worker per core.
    pub nbthread: Option<usize>,
    /// `cpu-map`: cores by the number of the thread, from 1; a thread without a row runs anywhere.
    pub cpu_map: BTreeMap<usize, Vec<usize>>,
    /// `None`: derived from the limit on descriptors.
    pub maxconn: Option<u32>,
    pub ulimit_n: Option<u64>,
    /// `log` lines of the global section; proxies with `log global` use them.
    pub log: Vec<LogTarget>,
    pub log_tag: Option<String>,
    /// `log-send-hostname`: `Some` carries the name to send.
    pub log_hostname: Option<String>,
    pub node: Option<String>,
    pub description: Option<String>,
    /// Percent (0 to 50) by which check intervals are spread.
    pub spread_checks: u8,
    pub max_spread_checks: Option<Duration>,
    pub hard_stop_after: Option<Duration>,
    pub grace: Duration,
    /// `tune.bufsize` in bytes: bounds what a check may receive.
    pub bufsize: usize,
    /// `tune.relay`
    pub relay: Relay,
    /// `maxpipes`, or 0 by `nosplice`; `None`: derived from `maxconn`.
    pub maxpipes: Option<u32>,
    /// `tune.pipesize`, in bytes.
    pub pipesize: usize,
    /// `stats socket`, one for every address.
    pub stats_sockets: Vec<CommandSocket>,
    /// How long a client of one may be silent.
    pub stats_timeout: Duration,
    /// How many clients they take at a time.
    pub stats_maxconn: u32,
    pub zero_warning: bool,
    pub quiet: bool,
}

impl Default for Global {
    fn default() -> Self {
        Global {
            daemon: false,
            master_worker: false,
            pidfile: None,
            chroot: None,
            uid: None,
            gid: None,
            nbthread: None,
            cpu_map: BTreeMap::new(),
            maxconn: None,
            ulimit_n: None,
            log: Vec::new(),
            log_tag: None,
            log_hostname: None,
            node: None,
            description: None,
            spread_checks: 0,
            max_spread_checks: None,
            hard_stop_after: None,
            grace: Duration::ZERO,
            bufsize: 16384,
            relay: Relay::Auto,
            maxpipes: None,
            pipesize: 256 * 1024,
            stats_sockets: Vec::new(),
            stats_timeout: Duration::from_secs(10),
            stats_maxconn: 10,
            zero_warning: false,
            quiet: false,
        }
    }
}

/// What carries the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Relay {
    /// io_uring where it can be had, epoll elsewhere.
    #[default]
    Auto,
    Uring,
    Epoll,
}

/// What a proxy speaks. `Http` proxies only serve stats pages and `monitor-uri` here; any other is
/// forwarded as `Tcp` with a warning, and is `Tcp` in the model then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Tcp,
    Http,
}

/// A `frontend`, or the front half of a `listen`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frontend {
    pub name: String,
    /// HAProxy's automatic proxy id (`iid`): counts up from 2 in file order; a `listen` has one for both halves.
    pub proxy_id: u32,
    /// Its place among the sections of the files, by which pages list.
    pub order: usize,
    pub is_listen: bool,
    pub mode: Mode,
    pub description: Option<String>,
    /// `disabled`: listeners are not bound.
    pub disabled: bool,
    pub binds: Vec<Bind>,
    /// 0 is unlimited (up to the global one).
    pub maxconn: u32,
    pub backlog: Option<u32>,
    /// `rate-limit sessions`, per second.
    pub rate_limit_sessions: Option<u32>,
    pub default_backend: Option<BackendId>,
    pub timeout_client: Option<Duration>,
    pub timeout_client_fin: Option<Duration>,
    /// `option clitcpka`, or `option tcpka`.
    pub keepalive: Option<Keepalive>,
    /// `option nolinger`.
    pub nolinger: bool,
    pub splice: Splice,
    pub log: SessionLog,
    /// The stats page that this frontend serves itself (`mode http` only).
    pub stats: Option<StatsPage>,
    /// `monitor-uri` (`mode http` only).
    pub monitor_uri: Option<String>,
    /// `monitor fail`: any of them makes the answer a 503.
    pub monitor_fail: Vec<Condition>,
    /// `http-request` (`mode http` only).
    pub requests: Vec<RequestRule>,
    /// `redirect` (`mode http` only): after those, and after those of a page that is asked for.
    pub redirects: Vec<RequestRule>,
    /// `timeout tarpit`, else the one for connects.
    pub timeout_tarpit: Option<Duration>,
    pub rules: Rules,
}

impl Frontend {
    /// Whether conditions decide how a request is answered.
    pub fn asks_of_requests(&self) -> bool {
        let fixed =
            self.monitor_fail.is_empty() && self.requests.is_empty() && self.rules.backends.is_empty();
        !fixed || !self.redirects.is_empty() || self.stats.as_ref().is_some_and(StatsPage::asks_of_requests)
    }

    /// Whether a client of it may come to that backend.
    pub fn leads_to(&self, backend: BackendId) -> bool {
        self.default_backend == Some(backend) || self.rules.backends.iter().any(|(id, _)| *id == backend)
    }
}

/// A `backend`, or the back half of a `listen`.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    pub name: String,
    pub proxy_id: u32,
    /// Its place among the sections of the files, by which pages list.
    pub order: usize,
    pub is_listen: bool,
    pub mode: Mode,
    pub description: Option<String>,
    pub disabled: bool,
    pub servers: Vec<Server>,
    /// `source`: for servers that name none themselves; those of the file have it already.
    pub source: Option<IpAddr>,
    pub balance: Balance,
    pub timeout_connect: Option<Duration>,
    pub timeout_server: Option<Duration>,
    pub timeout_server_fin: Option<Duration>,
    pub timeout_tunnel: Option<Duration>,
    /// `timeout queue`; HAProxy falls back to `timeout connect`.
    pub timeout_queue: Option<Duration>,
    pub timeout_check: Option<Duration>,
    /// Attempts after the first one; default 3.
    pub retries: u32,
    pub redispatch: Redispatch,
    pub fullconn: Option<u32>,
    pub abortonclose: bool,
    pub allbackups: bool,
    pub log_health_checks: bool,
    /// `option srvtcpka`, or `option tcpka`.
    pub keepalive: Option<Keepalive>,
    pub nolinger: bool,
    pub splice: Splice,
    /// Where the state lines of this backend's servers go.
    pub log: Vec<LogTarget>,
    pub log_tag: Option<String>,
    pub check: CheckMethod,
    pub redis: RedisOptions,
    /// `stats enable` and family in a backend: served when a frontend leads here.
    pub stats: Option<StatsPage>,
    /// As [`Frontend::requests`], for clients that a frontend leads here.
    pub requests: Vec<RequestRule>,
    pub redirects: Vec<RequestRule>,
    pub timeout_tarpit: Option<Duration>,
    pub rules: Rules,
}

impl Backend {
    /// As [`Frontend::asks_of_requests`], of those that a frontend leads here.
    pub fn asks_of_requests(&self) -> bool {
        let ruled = !self.requests.is_empty() || !self.redirects.is_empty();
        ruled || self.stats.as_ref().is_some_and(StatsPage::asks_of_requests)
    }

    /// Where the server of that number stands: at its place in the file, unless servers have gone.
    pub fn position(&self, server: u32) -> Option<usize> {
        let is = |at: &usize| self.servers.get(*at).is_some_and(|found| found.id == server);
        let expected = (server as usize).checked_sub(1)?;
        Some(expected).filter(is).or_else(|| self.servers.iter().position(|found| found.id == server))
    }
}

impl Default for Backend {
    fn default() -> Self {
        Backend {
            name: String::new(),
            proxy_id: 0,
            order: 0,
            is_listen: false,
            mode: Mode::default(),
            description: None,
            disabled: false,
            servers: Vec::new(),
            source: None,
            balance: Balance::default(),
            timeout_connect: None,
            timeout_server: None,
            timeout_server_fin: None,
            timeout_tunnel: None,
            timeout_queue: None,
            timeout_check: None,
            retries: 3,
            redispatch: Redispatch::default(),
            fullconn: None,
            abortonclose: false,
            allbackups: false,
            log_health_checks: false,
            keepalive: None,
            nolinger: false,
            splice: Splice::default(),
            log: Vec::new(),
            log_tag: None,
            check: CheckMethod::default(),
            redis: RedisOptions::default(),
            stats: None,
            requests: Vec::new(),
            redirects: Vec::new(),
            timeout_tarpit: None,
            rules: Rules::default(),
        }
    }
}

/// `option redispatch` (section 4.2): HAProxy redispatches at the last retry, or at every n-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redispatch {
    #[default]
    Off,
    /// `option redispatch 0`: never by counting, only where one server is as good as another.
    Uncounted,
    /// `option redispatch`, `option redispatch -1`.
    LastRetry,
    /// `option redispatch N` with N > 0.
    EveryNth(u32),
    /// `option redispatch -N`: from the N-th last retry on, counted from the last.
    FromLast(u32),
}

/// `option tcpka` and family; unset parts are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keepalive {
    pub idle: Option<Duration>,
    pub interval: Option<Duration>,
    pub count: Option<u32>,
}

/// One `bind` address (a line with a list or a range yields several).
#[derive(Debug, Clone, PartialEq)]
pub struct Bind {
    /// HAProxy's listener id within the proxy, from 1.
    pub id: u32,
    pub name: Option<String>,
    pub address: BindAddress,
    pub backlog: Option<u32>,
    pub maxconn: Option<u32>,
    pub v4v6: bool,
    pub v6only: bool,
    pub transparent: bool,
    pub tfo: bool,
    pub defer_accept: bool,
    pub interface: Option<String>,
    /// Bytes; `mss`.
    pub mss: Option<u32>,
    pub tcp_ut: Option<Duration>,
    /// Of a unix socket.
    pub file: FileAccess,
    /// `accept-proxy`: clients begin with a PROXY header.
    pub accept_proxy: bool,
    /// `ssl`
    pub tls: Option<Arc<BindTls>>,
    /// Where the line stands, for errors at bind time: (file, line).
    pub origin: (String, u32),
}

impl Bind {
    /// A line that says nothing but where to listen. (An address has no default, so a bind has none.)
    pub fn at(address: BindAddress) -> Bind {
        Bind {
            id: 1,
            name: None,
            address,
            backlog: None,
            maxconn: None,
            v4v6: false,
            v6only: false,
            transparent: false,
            tfo: false,
            defer_accept: false,
            interface: None,
            mss: None,
            tcp_ut: None,
            file: FileAccess::default(),
            accept_proxy: false,
            tls: None,
            origin: (String::new(), 0),
        }
    }
}

/// Also the identity by which a reload keeps a listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BindAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// `abns@`: Linux's abstract namespace.
    Abstract(String),
    /// `fd@N`: inherited.
    Fd(i32),
}
