//! The table of sample fetches: name, arguments, type, from when on it is known, and what it is for.

use super::place::Seen;
use super::{counted, ends, requested, secured};
use crate::config::model::http::{Cast, Field};
use crate::config::model::{
    BackendFact, CertificateFact, Change, Counter, Fetch, FrontendFact, Holder, HttpFact, NamePart,
    PayloadFact, ProcessFact, ServerFact, SessionFact, TableFact, UserlistId,
};

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct FetchRow {
    pub name: &'static str,
    pub takes: Takes,
    pub kind: Kind,
    pub seen: Seen,
    /// The way to match where none is written, if it is not that of the type.
    pub method: Option<&'static str>,
    /// One line: what it is.
    pub help: &'static str,
}

/// A sample's type, which says how it is matched where no `-m` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Integer,
    Address,
    Text,
    Binary,
    /// Whatever was stored.
    Any,
}

/// The arguments, and what they make.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    Nothing(&'static Fetch),
    Session(SessionFact),
    /// A backend, or the own one.
    Backend(BackendFact),
    Frontend(FrontendFact),
    /// `[BACKEND/]SERVER`
    Server(ServerFact),
    /// A table, or the own one.
    SourceCounter(Counter),
    /// The same after the number of the slot, unless the name has it.
    SlotCounter(Option<u8>, Counter),
    /// The same, changed.
    SourceChange(Counter, Change),
    SlotChange(Option<u8>, Counter, Change),
    /// One of `gpc(N)` and its like, by its number, of the client's entry or of that of a slot.
    SourceArray(Array),
    SlotArray(Array),
    /// A table, or the own one.
    Table(TableFact),
    Literal,
    Environment,
    Hostname,
    /// Seconds to add, and a unit.
    Date,
    Random,
    Variable,
    Bytes,
    CountedBytes,
    /// An entry, which one of several, and how a whole name is written.
    Name(Holder, fn(NamePart) -> CertificateFact),
    /// The number of a slot.
    Captured,
    /// A name, or the first one.
    RdpCookie,
    RdpCookieCount,
    /// A name, and which of the values of that name.
    Values(Field, Cast),
    /// A name.
    Count(Field),
    /// A userlist, and what is made of it.
    Userlist(fn(UserlistId) -> HttpFact),
    /// HAProxy knows it, rolecall does not: it may be named, and used nowhere.
    Unsupported,
}

/// What is done with one of several counters of a kind.
#[derive(Debug, Clone, Copy)]
pub enum Array {
    Value(fn(u8) -> Counter),
    Change(Change),
}

/// The row of that name.
pub fn find(name: &str) -> Option<FetchRow> {
    all().find(|row| row.name == name).copied().or_else(|| counted::find(name)).or_else(|| other(name))
}

/// Every row that rolecall evaluates, but for the counters of stick tables.
pub fn all() -> impl Iterator<Item = &'static FetchRow> {
    FETCHES.iter().chain(ends::rows()).chain(secured::rows()).chain(requested::all())
}

/// Every name, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|row| row.name)
}

pub(super) const fn row(
    name: &'static str,
    takes: Takes,
    kind: Kind,
    seen: Seen,
    help: &'static str,
) -> FetchRow {
    FetchRow { name, takes, kind, seen, method: None, help }
}

const fn session(name: &'static str, fact: &'static Fetch, kind: Kind, help: &'static str) -> FetchRow {
    row(name, Takes::Nothing(fact), kind, Seen::Always, help)
}

/// Known once a server is chosen.
const fn server(name: &'static str, fact: SessionFact, kind: Kind, help: &'static str) -> FetchRow {
    row(name, Takes::Session(fact), kind, Seen::Server, help)
}

const fn of_backend(name: &'static str, fact: BackendFact, help: &'static str) -> FetchRow {
    row(name, Takes::Backend(fact), Integer, Seen::Always, help)
}

const fn of_server(name: &'static str, fact: ServerFact, help: &'static str) -> FetchRow {
    row(name, Takes::Server(fact), Integer, Seen::Always, help)
}

const fn of_frontend(name: &'static str, fact: FrontendFact, help: &'static str) -> FetchRow {
    row(name, Takes::Frontend(fact), Integer, Seen::Always, help)
}

const fn payload(
    name: &'static str,
    fact: &'static Fetch,
    kind: Kind,
    method: Option<&'static str>,
    help: &'static str,
) -> FetchRow {
    FetchRow { name, takes: Takes::Nothing(fact), kind, seen: Seen::Request, method, help }
}

pub(super) const fn http(
    name: &'static str,
    takes: Takes,
    kind: Kind,
    method: Option<&'static str>,
    help: &'static str,
) -> FetchRow {
    FetchRow { name, takes, kind, seen: Seen::Request, method, help }
}

use Kind::{Address, Any, Binary, Bool, Integer, Text};

static FETCHES: &[FetchRow] = &[
    session("always_true", &TRUE, Bool, "true"),
    session("always_false", &FALSE, Bool, "false"),
    session("src", &Fetch::Session(SessionFact::Source), Address, "the client's address"),
    session("src_port", &Fetch::Session(SessionFact::SourcePort), Integer, "the client's port"),
    session(
        "src_is_local",
        &Fetch::Session(SessionFact::SourceIsLocal),
        Bool,
        "whether the client is on this machine",
    ),
    session("dst", &Fetch::Session(SessionFact::Destination), Address, "the address the client came to"),
    session(
        "dst_port",
        &Fetch::Session(SessionFact::DestinationPort),
        Integer,
        "the port the client came to",
    ),
    session(
        "dst_is_local",
        &Fetch::Session(SessionFact::DestinationIsLocal),
        Bool,
        "whether that address is this machine's",
    ),
    session(
        "dst_conn",
        &Fetch::Session(SessionFact::DestinationConnections),
        Integer,
        "connections of the listener the client came to",
    ),
    session("so_id", &Fetch::Session(SessionFact::ListenerId), Integer, "the listener's number"),
    session("so_name", &Fetch::Session(SessionFact::ListenerName), Text, "the listener's name"),
    session("fe_id", &Fetch::Session(SessionFact::FrontendId), Integer, "the frontend's number"),
    session("fe_name", &Fetch::Session(SessionFact::FrontendName), Text, "the frontend's name"),
    session(
        "fe_defbe",
        &Fetch::Session(SessionFact::FrontendDefault),
        Text,
        "the frontend's default backend",
    ),
    row(
        "be_id",
        Takes::Nothing(&Fetch::Session(SessionFact::BackendId)),
        Integer,
        Seen::Backend,
        "the backend's number",
    ),
    row(
        "be_name",
        Takes::Nothing(&Fetch::Session(SessionFact::BackendName)),
        Text,
        Seen::Backend,
        "the backend's name",
    ),
    row("date", Takes::Date, Integer, Seen::Always, "seconds since 1970"),
    session("date_us", &Fetch::Process(ProcessFact::Microseconds), Integer, "microseconds of the second"),
    row("rand", Takes::Random, Integer, Seen::Always, "a random number"),
    row("env", Takes::Environment, Text, Seen::Always, "an environment variable"),
    row("hostname", Takes::Hostname, Text, Seen::Always, "this machine's name"),
    session("nbproc", &ONE, Integer, "processes that serve: one"),
    session("proc", &ONE, Integer, "number of this process: one"),
    session("nbthread", &Fetch::Process(ProcessFact::Threads), Integer, "threads that serve"),
    session("stopping", &Fetch::Process(ProcessFact::Stopping), Bool, "whether the process is stopping"),
    session("uptime", &Fetch::Process(ProcessFact::Uptime), Integer, "seconds since the start"),
    row("int", Takes::Literal, Integer, Seen::Always, "an integer as written"),
    row("bool", Takes::Literal, Bool, Seen::Always, "'true' or 'false' as written"),
    row("str", Takes::Literal, Text, Seen::Always, "a text as written"),
    row("bin", Takes::Literal, Binary, Seen::Always, "bytes written as hex digits"),
    row("ipv4", Takes::Literal, Address, Seen::Always, "an address as written"),
    row("ipv6", Takes::Literal, Address, Seen::Always, "an address as written"),
    row("var", Takes::Variable, Any, Seen::Always, "a variable that 'set-var' has set"),
    of_backend("nbsrv", BackendFact::Usable, "servers of a backend that get sessions"),
    of_backend("be_conn", BackendFact::Connections, "connections of a backend"),
    of_backend("be_conn_free", BackendFact::FreeConnections, "connections a backend has left"),
    of_backend("be_sess_rate", BackendFact::SessionRate, "new sessions of a backend a second"),
    of_backend("connslots", BackendFact::Slots, "places for sessions a backend has left"),
    of_backend("queue", BackendFact::Queue, "sessions that wait in a backend"),
    of_backend("avg_queue", BackendFact::AverageQueue, "sessions that wait, for each usable server"),
    of_frontend("fe_conn", FrontendFact::Connections, "connections of a frontend"),
    of_frontend("fe_sess_rate", FrontendFact::SessionRate, "new sessions of a frontend a second"),
    of_frontend("fe_req_rate", FrontendFact::RequestRate, "HTTP requests of a frontend a second"),
    row("table_cnt", Takes::Table(TableFact::Used), Integer, Seen::Always, "entries of a table"),
    row("table_avl", Takes::Table(TableFact::Available), Integer, Seen::Always, "entries a table has left"),
    row("srv_is_up", Takes::Server(ServerFact::IsUp), Bool, Seen::Always, "whether a server is up"),
    of_server("srv_conn", ServerFact::Connections, "connections of a server"),
    of_server("srv_conn_free", ServerFact::FreeConnections, "connections a server has left"),
    of_server("srv_sess_rate", ServerFact::SessionRate, "new sessions of a server a second"),
    of_server("srv_queue", ServerFact::Queue, "sessions that wait for a server"),
    of_server("srv_weight", ServerFact::Weight, "a server's weight in force"),
    of_server("srv_uweight", ServerFact::UserWeight, "a server's weight as set"),
    of_server("srv_iweight", ServerFact::InitialWeight, "a server's weight in the config"),
    server("srv_id", SessionFact::ServerId, Integer, "the number of the server"),
    server("srv_name", SessionFact::ServerName, Text, "the name of the server"),
    server("bc_src", SessionFact::ServerSource, Address, "the address that the server sees"),
    server("bc_src_port", SessionFact::ServerSourcePort, Integer, "the port that the server sees"),
    server("bc_dst", SessionFact::ServerAddress, Address, "the address of the server"),
    server("bc_dst_port", SessionFact::ServerPort, Integer, "the port of the server"),
    payload("req.len", &LENGTH, Integer, None, "bytes the client has sent"),
    payload("req_len", &LENGTH, Integer, None, "bytes the client has sent"),
    row("req.payload", Takes::Bytes, Binary, Seen::Request, "some of the client's first bytes"),
    FetchRow {
        method: Some("bin"),
        ..row("payload", Takes::Bytes, Binary, Seen::Either, "some of the client's first bytes")
    },
    row("req.payload_lv", Takes::CountedBytes, Binary, Seen::Request, "bytes after a length field"),
    FetchRow {
        method: Some("bin"),
        ..row("payload_lv", Takes::CountedBytes, Binary, Seen::Either, "bytes after a length field")
    },
    payload("req.ssl_sni", &TLS_NAME, Text, None, "the name a TLS client asks for"),
    payload("req_ssl_sni", &TLS_NAME, Text, None, "the name a TLS client asks for"),
    payload("req.ssl_alpn", &TLS_ALPN, Text, None, "the first protocol that a TLS client offers"),
    payload("req.ssl_hello_type", &TLS_HELLO, Integer, None, "1 if a TLS client begins"),
    payload("req_ssl_hello_type", &TLS_HELLO, Integer, None, "1 if a TLS client begins"),
    payload("req.ssl_ver", &TLS_VERSION, Integer, Some("version"), "the TLS version of a client"),
    payload("req.ssl_ec_ext", &TLS_CURVES, Bool, None, "whether a TLS client says which curves it knows"),
    payload(
        "req.ssl_st_ext",
        &TLS_TICKET,
        Integer,
        None,
        "2: a TLS client has a ticket; 1: it knows tickets",
    ),
    payload("req_ssl_ver", &TLS_VERSION, Integer, Some("version"), "the TLS version of a client"),
    FetchRow {
        seen: Seen::Said,
        ..payload("wait_end", &WAIT_END, Bool, None, "true once nothing more is waited for")
    },
    FetchRow {
        seen: Seen::Response,
        ..payload("res.len", &LENGTH, Integer, None, "bytes the server has sent")
    },
    row("res.payload", Takes::Bytes, Binary, Seen::Response, "some of the server's first bytes"),
    row("res.payload_lv", Takes::CountedBytes, Binary, Seen::Response, "bytes after a length field"),
    FetchRow {
        seen: Seen::Response,
        ..payload("res.ssl_hello_type", &TLS_HELLO, Integer, None, "2 if a TLS server begins")
    },
    FetchRow {
        seen: Seen::Response,
        ..payload("rep_ssl_hello_type", &TLS_HELLO, Integer, None, "2 if a TLS server begins")
    },
    row(
        "srv_id",
        Takes::Nothing(&Fetch::Session(SessionFact::ServerId)),
        Integer,
        Seen::Server,
        "the server's number",
    ),
    row(
        "srv_name",
        Takes::Nothing(&Fetch::Session(SessionFact::ServerName)),
        Text,
        Seen::Server,
        "the server's name",
    ),
];

static TRUE: Fetch = Fetch::Constant(crate::config::model::Value::Bool(true));
static FALSE: Fetch = Fetch::Constant(crate::config::model::Value::Bool(false));
static ONE: Fetch = Fetch::Constant(crate::config::model::Value::Integer(1));
static LENGTH: Fetch = Fetch::Payload(PayloadFact::Length);
static TLS_NAME: Fetch = Fetch::Payload(PayloadFact::TlsServerName);
static TLS_ALPN: Fetch = Fetch::Payload(PayloadFact::TlsAlpn);
static TLS_CURVES: Fetch = Fetch::Payload(PayloadFact::TlsCurves);
static TLS_TICKET: Fetch = Fetch::Payload(PayloadFact::TlsTicket);
static TLS_HELLO: Fetch = Fetch::Payload(PayloadFact::TlsHelloType);
static TLS_VERSION: Fetch = Fetch::Payload(PayloadFact::TlsVersion);
static WAIT_END: Fetch = Fetch::Payload(PayloadFact::Complete);

/// Known to HAProxy and not to rolecall.
fn other(name: &str) -> Option<FetchRow> {
    let known = OTHERS.iter().find(|known| **known == name)?;
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    let seen = match name {
        _ if begins(&["ssl_fc", "ssl_c", "ssl_s"]) => Seen::Handshake,
        _ if begins(&["fc_", "capture", "thread", "unique-id", "uuid", "last_rule"]) => Seen::Always,
        _ if begins(&["res", "bc_", "rep_", "shdr", "scook", "ssl_bc"]) => Seen::Response,
        _ => Seen::Request,
    };
    Some(row(known, Takes::Unsupported, Any, seen, "not known to this version of rolecall"))
}

/// What HAProxy 2.6 knows besides: TLS, HTTP, what servers say, what its other parts add.
#[rustfmt::skip]
static OTHERS: &[&str] = &[
    "base32", "base32+src", "capture.req.ver", "capture.res.hdr", "capture.res.ver",
    "cookie", "cpu_calls", "cpu_ns_avg", "cpu_ns_tot", "cur_server_timeout", "cur_tunnel_timeout",
    "distcc_body", "distcc_param", "fc_fackets", "fc_lost",
    "fc_pp_authority", "fc_pp_unique_id", "fc_reordering", "fc_retrans", "fc_rtt", "fc_rttvar", "fc_sacked",
    "fc_unacked", "fcgi.docroot", "fcgi.index", "internal.htx.data", "internal.htx.free",
    "internal.htx.free_data", "internal.htx.has_eom", "internal.htx.nbblks", "internal.htx.size",
    "internal.htx.used", "internal.htx_blk.data", "internal.htx_blk.hdrname", "internal.htx_blk.hdrval",
    "internal.htx_blk.size", "internal.htx_blk.start_line", "internal.htx_blk.type",
    "internal.strm.is_htx", "last_rule_file", "last_rule_line", "lat_ns_avg", "lat_ns_tot", "meth",
    "prio_class", "prio_offset", "req.body", "req.body_len", "req.body_param", "req.body_size",
    "req.hdr_names", "req.hdrs", "req.hdrs_bin", "res.body", "res.body_len", "res.body_size",
    "res.cache_hit", "res.cache_name", "res.comp", "res.comp_algo", "res.cook", "res.cook_cnt",
    "res.cook_val", "res.fhdr", "res.fhdr_cnt", "res.hdr", "res.hdr_cnt", "res.hdr_ip", "res.hdr_names",
    "res.hdr_val", "res.hdrs", "res.hdrs_bin", "res.ver", "resp_ver", "sc1_clr_gpc", "scook", "scook_beg",
    "scook_cnt", "scook_dir", "scook_dom", "scook_end", "scook_len", "scook_reg", "scook_sub", "scook_val",
    "shdr", "shdr_beg", "shdr_cnt", "shdr_dir", "shdr_dom", "shdr_end", "shdr_ip", "shdr_len", "shdr_reg",
    "shdr_sub", "shdr_val",
    "ssl_bc_client_random", "ssl_bc_npn",
    "ssl_bc_server_random", "ssl_bc_session_id", "ssl_bc_session_key",
    "ssl_bc_unique_id", "ssl_c_chain_der",
    "ssl_fc_cipherlist_bin", "ssl_fc_cipherlist_hex", "ssl_fc_cipherlist_str", "ssl_fc_cipherlist_xxh",
    "ssl_fc_client_early_traffic_secret", "ssl_fc_client_handshake_traffic_secret", "ssl_fc_client_random",
    "ssl_fc_client_traffic_secret_0", "ssl_fc_early_exporter_secret", "ssl_fc_ecformats_bin",
    "ssl_fc_eclist_bin", "ssl_fc_exporter_secret", "ssl_fc_extlist_bin",
    "ssl_fc_npn", "ssl_fc_protocol_hello_id", "ssl_fc_server_handshake_traffic_secret",
    "ssl_fc_server_random", "ssl_fc_server_traffic_secret_0", "ssl_fc_session_id", "ssl_fc_session_key",
    "ssl_fc_unique_id", "ssl_s_chain_der", "status", "thread", "unique-id", "url32", "url32+src", "url_ip",
    "url_port", "uuid",
];
