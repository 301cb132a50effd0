//! `show info`: the one table of figures, in HAProxy 2.6's order, and its renderers. Tools find figures by name or
//! by position, so neither is ours to choose; what this program does not have is 0 there, as in an HAProxy that
//! does not use it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::request::{Described, Shape};
use crate::state::secured::SecuredFigures;
use crate::stats::{Tags, Value};

/// What the process knows of itself.
#[derive(Debug, Clone)]
pub struct Info {
    pub version: String,
    pub release_date: String,
    pub threads: u32,
    pub pid: u32,
    pub started: SystemTime,
    pub uptime: Duration,
    /// The limit on descriptors.
    pub descriptors: u64,
    pub maxconn: u32,
    /// Before `set maxconn global`.
    pub hard_maxconn: u32,
    pub connections: u32,
    pub total_connections: u64,
    /// HTTP requests and sessions.
    pub requests: u64,
    pub rate: u64,
    pub max_rate: u64,
    /// `set rate-limit`
    pub rate_limits: [u32; 2],
    pub tasks: u32,
    /// Percent of the time since the start in which the threads had nothing to do.
    pub idle: u32,
    pub node: String,
    pub description: Option<String>,
    pub stopping: bool,
    pub listeners: u32,
    pub dropped_logs: u64,
    pub bytes_out: u64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Of connections that speak TLS.
    pub secured: SecuredFigures,
}

struct Field {
    position: u32,
    name: &'static str,
    tags: &'static str,
    value: fn(&Info) -> Value,
    help: &'static str,
}

const fn field(
    position: u32,
    name: &'static str,
    tags: &'static str,
    value: fn(&Info) -> Value,
    help: &'static str,
) -> Field {
    Field { position, name, tags, value, help }
}

const fn zero(position: u32, name: &'static str, tags: &'static str, help: &'static str) -> Field {
    field(position, name, tags, |_| Value::U32(0), help)
}

const NO_LIMIT: &str = "always 0: TLS has no limit of its own";
const NO_CACHE: &str = "always 0: sessions are resumed by tickets";
const NO_POOLS: &str = "always 0: no pool can fail or has a limit";
const NO_PIPES: &str = "always 0: nothing goes through a pipe";
const NO_COMPRESSION: &str = "always 0: nothing is compressed";
const NO_PEERS: &str = "always 0: no peers";

const TABLE: &[Field] = &[
    field(0, "Name", "POS", |_| text("HAProxy"), "the product whose interface this is"),
    field(1, "Version", "POS", |i| text(&i.version), "the HAProxy version whose behaviour is shown"),
    field(2, "Release_date", "POS", |i| text(&i.release_date), "date of that version"),
    field(3, "Nbthread", "CGS", |i| Value::U32(i.threads), "threads that carry traffic"),
    field(4, "Nbproc", "CGS", |_| Value::U32(1), "always 1"),
    field(5, "Process_num", "KGP", |_| Value::U32(1), "always 1"),
    field(6, "Pid", "SGP", |i| Value::U32(i.pid), "process id"),
    field(7, "Uptime", "MDP", |i| Value::Text(uptime(i.uptime)), "time since the start"),
    field(8, "Uptime_sec", "MDP", |i| number(i.uptime.as_secs()), "the same in seconds"),
    zero(9, "Memmax_MB", "CLP", NO_POOLS),
    field(10, "PoolAlloc_MB", "MGP", |i| number(i.memory >> 20), "resident memory, in MB"),
    field(11, "PoolUsed_MB", "MGP", |i| number(i.memory >> 20), "resident memory, in MB"),
    zero(12, "PoolFailed", "MCP", NO_POOLS),
    field(13, "Ulimit-n", "CLP", |i| number(i.descriptors), "limit on descriptors"),
    field(14, "Maxsock", "CLP", |i| number(i.descriptors), "limit on sockets"),
    field(15, "Maxconn", "CLP", |i| Value::U32(i.maxconn), "limit on connections in force"),
    field(16, "Hard_maxconn", "CLP", |i| Value::U32(i.hard_maxconn), "limit on connections of the config"),
    field(17, "CurrConns", "MGP", |i| Value::U32(i.connections), "connections of clients now"),
    field(18, "CumConns", "MCP", |i| number(i.total_connections), "connections of clients so far"),
    field(19, "CumReq", "MCP", |i| number(i.requests), "sessions and HTTP requests so far"),
    zero(20, "MaxSslConns", "MMP", NO_LIMIT),
    field(
        21,
        "CurrSslConns",
        "MGP",
        |i| Value::U32(i.secured.current),
        "connections that speak TLS now, of both sides",
    ),
    field(
        22,
        "CumSslConns",
        "MCP",
        |i| number(i.secured.total),
        "connections that spoke TLS so far, of both sides",
    ),
    zero(23, "Maxpipes", "CLP", NO_PIPES),
    zero(24, "PipesUsed", "MGP", NO_PIPES),
    zero(25, "PipesFree", "MGP", NO_PIPES),
    field(26, "ConnRate", "MRP", |i| number(i.rate), "connections of clients in the last second"),
    field(27, "ConnRateLimit", "CLP", |i| Value::U32(i.rate_limits[0]), "limit on those"),
    field(28, "MaxConnRate", "MMP", |i| number(i.max_rate), "most connections in a second"),
    field(29, "SessRate", "MRP", |i| number(i.rate), "sessions in the last second"),
    field(30, "SessRateLimit", "CLP", |i| Value::U32(i.rate_limits[1]), "limit on those"),
    field(31, "MaxSessRate", "MRP", |i| number(i.max_rate), "most sessions in a second"),
    field(
        32,
        "SslRate",
        "MRP",
        |i| number(i.secured.clients[0]),
        "clients that came for TLS in the last second",
    ),
    zero(33, "SslRateLimit", "CLP", NO_LIMIT),
    field(34, "MaxSslRate", "MMP", |i| number(i.secured.clients[1]), "most of those in a second"),
    field(
        35,
        "SslFrontendKeyRate",
        "MGP",
        |i| number(i.secured.client_keys[0]),
        "full handshakes with clients in the last second",
    ),
    field(
        36,
        "SslFrontendMaxKeyRate",
        "MMP",
        |i| number(i.secured.client_keys[1]),
        "most of those in a second",
    ),
    field(
        37,
        "SslFrontendSessionReuse_pct",
        "MGP",
        |i| number(i.secured.reuse()),
        "percent of those clients that had been here",
    ),
    field(
        38,
        "SslBackendKeyRate",
        "MRP",
        |i| number(i.secured.server_keys[0]),
        "full handshakes with servers in the last second",
    ),
    field(
        39,
        "SslBackendMaxKeyRate",
        "MMP",
        |i| number(i.secured.server_keys[1]),
        "most of those in a second",
    ),
    zero(40, "SslCacheLookups", "MCP", NO_CACHE),
    zero(41, "SslCacheMisses", "MCP", NO_CACHE),
    zero(42, "CompressBpsIn", "MRP", NO_COMPRESSION),
    zero(43, "CompressBpsOut", "MRP", NO_COMPRESSION),
    zero(44, "CompressBpsRateLim", "CLP", NO_COMPRESSION),
    // 45 and 46 are zlib's, which Debian's HAProxy is built without.
    field(47, "Tasks", "MGP", |i| Value::U32(i.tasks), "sessions and checks"),
    zero(48, "Run_queue", "MGP", "always 0: nothing waits for a turn"),
    field(49, "Idle_pct", "MaP", |i| Value::U32(i.idle), "percent of the time since the start without work"),
    field(50, "node", "COS", |i| text(&i.node), "name of this machine"),
    field(51, "description", "COS", |i| i.description.as_deref().map_or(Value::Empty, text), "of the config"),
    field(52, "Stopping", "MGP", |i| Value::U32(i.stopping.into()), "1 during a soft stop"),
    field(53, "Jobs", "MGP", |i| Value::U32(i.connections + i.listeners), "connections and listeners"),
    zero(54, "Unstoppable Jobs", "MGP", "always 0: a stop ends everything"),
    field(55, "Listeners", "MGP", |i| Value::U32(i.listeners), "listening sockets"),
    zero(56, "ActivePeers", "MGP", NO_PEERS),
    zero(57, "ConnectedPeers", "MGP", NO_PEERS),
    field(58, "DroppedLogs", "MGP", |i| number(i.dropped_logs), "log lines that found no room"),
    zero(59, "BusyPolling", "MGP", "always 0: threads sleep without work"),
    zero(60, "FailedResolutions", "MGP", "always 0: names are resolved at a start or reload"),
    field(61, "TotalBytesOut", "MGP", |i| Value::U64(i.bytes_out), "bytes to clients so far"),
    field(62, "TotalSplicdedBytesOut", "MGP", |_| Value::U64(0), NO_PIPES),
    field(63, "BytesOutRate", "MRP", |_| Value::U64(0), "always 0: not measured"),
    zero(64, "DebugCommandsIssued", "MGP", "always 0: no debug commands"),
    zero(65, "CumRecvLogs", "MCP", "always 0: no logs are received"),
    field(66, "Build info", "POS", |i| text(&i.version), "the version again"),
    zero(67, "Memmax_bytes", "CLP", NO_POOLS),
    field(68, "PoolAlloc_bytes", "MGP", |i| Value::U64(i.memory), "resident memory"),
    field(69, "PoolUsed_bytes", "MGP", |i| Value::U64(i.memory), "resident memory"),
    field(70, "Start_time_sec", "MDP", |i| number(started(i)), "moment of the start, in seconds of 1970"),
    field(71, "Tainted", "SGP", |_| text("0"), "always 0: nothing experimental"),
];

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// HAProxy keeps these in 32 bits.
fn number(number: u64) -> Value {
    Value::U32(u32::try_from(number).unwrap_or(u32::MAX))
}

fn uptime(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    format!("{}d {}h{:02}m{:02}s", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn started(info: &Info) -> u64 {
    info.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The whole answer.
pub fn render(info: &Info, shape: Shape, described: Described) -> String {
    let figures = TABLE.iter().map(|field| (field, (field.value)(info)));
    let figures = figures.filter(|(_, value)| *value != Value::Empty);
    if shape == Shape::Json {
        return json!(figures.map(|(field, value)| json_figure(field, &value)).collect::<Vec<_>>())
            .to_string()
            + "\n";
    }
    let mut text = String::new();
    for (Field { position, name, tags, help, .. }, value) in figures {
        let _ = match shape {
            Shape::Typed => {
                write!(text, "{position}.{name}.1:{tags}:{}:{}", type_name(&value), Shown(&value))
            }
            Shape::Plain | Shape::Json => write!(text, "{name}: {}", Shown(&value)),
        };
        if described == Described::Yes {
            let _ = write!(text, ":\"{help}\"");
        }
        text.push('\n');
    }
    text
}

fn json_figure(field: &Field, value: &Value) -> serde_json::Value {
    let Tags { origin, nature, scope } = Tags::from_letters(field.tags);
    let inner = match value {
        Value::Text(text) => json!(text),
        Value::U32(number) => json!(number),
        Value::U64(number) => json!(number),
        Value::S32(number) => json!(number),
        Value::Empty => json!(null),
    };
    json!({
        "field": {"pos": field.position, "name": field.name},
        "processNum": 1,
        "tags": {"origin": origin, "nature": nature, "scope": scope},
        "value": {"type": type_name(value), "value": inner},
    })
}

/// As typed output names it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Text(_) | Value::Empty => "str",
        Value::U32(_) => "u32",
        Value::U64(_) => "u64",
        Value::S32(_) => "s32",
    }
}

/// A value as it is written.
pub struct Shown<'a>(pub &'a Value);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::Empty => Ok(()),
            Value::Text(text) => f.write_str(text),
            Value::U32(number) => write!(f, "{number}"),
            Value::U64(number) => write!(f, "{number}"),
            Value::S32(number) => write!(f, "{number}"),
        }
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> Info {
        Info {
            version: "2.6.12-rolecall".into(),
            release_date: "2023/03/28".into(),
            threads: 2,
            pid: 42,
            started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_227_911),
            uptime: Duration::from_secs(90_061),
            descriptors: 1035,
            maxconn: 400,
            hard_maxconn: 500,
            connections: 3,
            total_connections: 85,
            requests: 77,
            rate: 1,
            max_rate: 9,
            rate_limits: [10, 0],
            tasks: 5,
            idle: 99,
            node: "mynode".into(),
            description: None,
            stopping: false,
            listeners: 4,
            dropped_logs: 0,
            bytes_out: 5_000_000_000,
            memory: 9 << 20,
            secured: SecuredFigures {
                current: 3,
                total: 12,
                clients: [4, 6],
                client_keys: [1, 5],
                server_keys: [2, 7],
            },
        }
    }

    #[test]
    fn figures_are_shown_by_name() {
        insta::assert_snapshot!(render(&info(), Shape::Plain, Described::No));
    }

    #[test]
    fn figures_have_their_types_and_texts() {
        let typed = render(&info(), Shape::Typed, Described::Yes);
        assert!(typed.contains("\n13.Ulimit-n.1:CLP:u32:1035:\"limit on descriptors\"\n"), "{typed}");
        let json: serde_json::Value =
            serde_json::from_str(&render(&info(), Shape::Json, Described::No)).unwrap();
        assert_eq!(json[58]["value"], serde_json::json!({"type": "u64", "value": 5_000_000_000_u64}));
        assert_eq!(json[6]["field"], serde_json::json!({"pos": 6, "name": "Pid"}));
    }
}
