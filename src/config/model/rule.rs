//! Conditions and the rules that they stand in (manual section 7), resolved: ids instead of names, patterns
//! compiled. `rules` evaluates them.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{
    BackendId, CertificateFact, Change, Composed, Converter, Counter, End, FrontendId, Holder, HttpFact,
    ListReader, LogLevel, Marking, Rewrite, Stick, TableFact, Tracked, When,
};

/// Position of a stick table in [`super::Config::tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub usize);

/// Names a variable of sessions: equal names have equal numbers throughout a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(pub u32);

/// `if` or `unless`, and what follows: alternatives (`or`) of terms that all have to hold. `if` without an
/// alternative never holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Condition {
    pub unless: bool,
    pub any: Vec<Vec<Term>>,
}

/// One word of a condition: a named or anonymous ACL, whose lines are alternatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub negated: bool,
    pub tests: Arc<[Test]>,
}

/// A sample, and what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    pub sample: Sample,
    /// One that has it is enough.
    pub listed: Vec<Listed>,
}

/// Patterns, and where they are known to the runtime socket, which may change them.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub list: Option<ListReader>,
    /// As the config has them. Shared by all that name them: a file of patterns may be large.
    pub matcher: Arc<Matcher>,
}

/// A fetch and its converters, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub fetch: Fetch,
    pub converters: Vec<Converter>,
}

/// What a sample may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    Integer(i64),
    Address(IpAddr),
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

/// Where a sample comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetch {
    Constant(Value),
    Session(SessionFact),
    Process(ProcessFact),
    Frontend(FrontendFact, FrontendId),
    Backend(BackendFact, BackendId),
    /// The position of the server in its backend.
    /// The server by its number.
    Server(ServerFact, BackendId, u32),
    Counter(Tracked, Counter, TableId),
    /// The value after an increment, or the one before it was cleared.
    Change(Tracked, Counter, Change, TableId),
    Table(TableFact, TableId),
    Variable(VariableId),
    Payload(PayloadFact),
    Http(HttpFact),
    Certificate(Holder, CertificateFact),
    /// What the rule of that slot has captured.
    Captured(usize),
    /// Not to be had where the rule stands: matches nothing.
    Never,
}

/// What is known of the session itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFact {
    Source,
    SourcePort,
    SourceIsLocal,
    Destination,
    DestinationPort,
    DestinationIsLocal,
    /// Connections of the listener that it came in by.
    DestinationConnections,
    ListenerId,
    ListenerName,
    FrontendId,
    FrontendName,
    FrontendDefault,
    BackendId,
    BackendName,
    ServerId,
    ServerName,
    /// Where the connection to the server comes from, and where it goes.
    ServerSource,
    ServerSourcePort,
    ServerAddress,
    ServerPort,
    Tls(TlsFact),
    /// The same of the connection to the server.
    ServerTls(TlsFact),
    /// Of the client's connection itself, whatever a header or a rule says.
    Connection(End, AddressFact),
    /// A PROXY header came.
    Announced,
    /// Milliseconds; the second number is for a tunnel.
    ClientTimeout,
    ServerTimeout,
    TunnelTimeout,
    /// How a connection went that rules or the log see: well.
    NoError,
    NoErrorText,
}

/// What may be asked of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFact {
    Ip,
    Port,
    IsLocal,
}

/// What the client's handshake with rolecall told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFact {
    Spoken,
    ServerName,
    HasServerName,
    Protocol,
    Cipher,
    Alpn,
    /// The client showed a certificate.
    HasCertificate,
    Resumed,
    /// Bits of the cipher's key.
    KeySize,
    /// Bytes came before the handshake was over: never.
    Early,
    /// What was wrong with the certificate: nothing, for those that are not good do not come this far.
    Verified,
}

/// What is known of the process and of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFact {
    /// Seconds since 1970, and so many more.
    Date(i64),
    Microseconds,
    /// Below that bound.
    Random(u32),
    Threads,
    Stopping,
    Uptime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontendFact {
    Connections,
    SessionRate,
    RequestRate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendFact {
    /// Servers that get sessions.
    Usable,
    Connections,
    FreeConnections,
    SessionRate,
    /// Sessions and queue places that are left, of all servers.
    Slots,
    Queue,
    AverageQueue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerFact {
    IsUp,
    Connections,
    FreeConnections,
    SessionRate,
    Queue,
    Weight,
    UserWeight,
    InitialWeight,
}

/// What the client has said so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadFact {
    Length,
    /// So many bytes from an offset; 0: all there are.
    Bytes {
        offset: usize,
        length: usize,
    },
    /// A length field of so many bytes at an offset, and the bytes that it counts; these begin at the third
    /// number, from the field's end or, if it is absolute, from the start.
    Counted {
        offset: usize,
        size: usize,
        skip: Option<(bool, usize)>,
    },
    TlsServerName,
    TlsAlpn,
    /// The client says which curves it knows.
    TlsCurves,
    /// 0: it knows no tickets; 1: it has none; 2: it has one.
    TlsTicket,
    /// The cookie of that name in the request of a remote desktop client, or the first one.
    RdpCookie(Vec<u8>),
    RdpCookieCount(Vec<u8>),
    TlsHelloType,
    TlsVersion,
    /// `wait_end`: nothing more is waited for.
    Complete,
}

/// How a sample is compared (section 7.1).
#[derive(Debug, Clone)]
pub enum Matcher {
    Found,
    Bool,
    Integer(Vec<IntegerRange>),
    Length(Vec<IntegerRange>),
    Address(Vec<Network>),
    Binary(Vec<Vec<u8>>),
    Text(TextMatch, Texts),
    Regex(Vec<regex::bytes::Regex>),
    /// `http_auth_group`: names of groups, until they have become the names of their users.
    Groups(Vec<String>),
}

/// Integers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegerRange {
    pub from: i64,
    pub to: i64,
}

/// An address and how many leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub mask: u128,
}

impl Network {
    /// Whether its mask is that of a prefix.
    pub fn is_prefix(&self) -> bool {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        self.mask.trailing_zeros().min(width) == width - self.mask.count_ones()
    }
}

/// Where in a text a pattern has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMatch {
    Whole,
    Begin,
    End,
    Inside,
    /// Between slashes.
    Directory,
    /// Between dots, and what else parts host names.
    Domain,
}

/// Patterns; folded to lower case under `-i`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    pub patterns: HashSet<Vec<u8>>,
    pub ignore_case: bool,
}

impl PartialEq for Matcher {
    /// Expressions are compared by their text.
    fn eq(&self, other: &Matcher) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// `tcp-request connection|session|content` and `tcp-response content`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub action: Action,
    /// `None`: always.
    pub condition: Option<Condition>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Accept,
    Reject,
    /// `silent-drop`: the client does not hear of it.
    SilentDrop,
    /// `close`, of a response: no more of it.
    Close,
    /// `expect-proxy layer4`: a PROXY header comes before everything else.
    ExpectProxy,
    Track {
        slot: u8,
        key: Sample,
        table: TableId,
    },
    SetVariable {
        variable: VariableId,
        sample: Sample,
        when: Vec<When>,
    },
    /// `set-var-fmt`
    SetText {
        variable: VariableId,
        text: Composed,
        when: Vec<When>,
    },
    UnsetVariable(VariableId),
    Count {
        slot: u8,
        counter: Counter,
    },
    SetTag {
        slot: u8,
        tag: u8,
        sample: Sample,
    },
    /// Who the client seems to be, or where it seems to have come to.
    Rewrite {
        what: Rewrite,
        sample: Sample,
    },
    Mark(Marking),
    SetLogLevel(LogLevel),
    /// For the log: so many bytes at most.
    Capture {
        slot: usize,
        length: usize,
        sample: Sample,
    },
}

impl Action {
    /// What it takes a value of.
    pub fn sample(&self) -> Option<&Sample> {
        match self {
            Action::Track { key: sample, .. }
            | Action::SetVariable { sample, .. }
            | Action::SetTag { sample, .. }
            | Action::Rewrite { sample, .. }
            | Action::Capture { sample, .. } => Some(sample),
            _ => None,
        }
    }
}

/// All that a frontend or a backend asks of a session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    pub connection: Vec<Rule>,
    pub session: Vec<Rule>,
    pub content: Vec<Rule>,
    /// How long content rules wait for bytes.
    pub inspect_delay: Option<Duration>,
    /// `use_backend ... if`, in order.
    pub backends: Vec<(BackendId, Condition)>,
    /// `use-server ... if`: numbers of servers.
    pub servers: Vec<(u32, Condition)>,
    pub stick: Vec<Stick>,
    /// `balance hash`: what is hashed.
    pub hash: Option<Sample>,
    /// `tcp-response content`
    pub response: Vec<Rule>,
    /// How long those wait for what a server says.
    pub response_delay: Option<Duration>,
    /// `stick store-response`
    pub stick_response: Vec<Stick>,
    /// Some fetch asks for the address that the client came to.
    pub wants_destination: bool,
    /// Content rules, or what comes after them here or in a backend that it leads to, ask for the first bytes.
    pub reads_payload: bool,
    /// Of a frontend: it, or a backend that it leads to, has rules, or `headers`.
    pub needed: bool,
    /// Of a frontend: some of its clients begin with a PROXY header.
    pub headers: bool,
}

impl Rules {
    /// Whether a connection becomes a session only once rules have let it, or it has told whose it is.
    pub fn holds_back_sessions(&self) -> bool {
        self.headers || !(self.connection.is_empty() && self.session.is_empty())
    }

    /// Whether nothing has to be evaluated for a session.
    pub fn is_empty(&self) -> bool {
        self.connection.is_empty()
            && self.session.is_empty()
            && self.content.is_empty()
            && self.backends.is_empty()
            && self.servers.is_empty()
            && self.stick.is_empty()
            && self.hash.is_none()
            && self.response.is_empty()
            && self.stick_response.is_empty()
    }
}
