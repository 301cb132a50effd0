//! What a client asks for, as values: a command's words in, a [`Request`] or the text of an error out.
//!
//! HAProxy looks for the backend and the server before it looks at what is to become of them, so what follows a
//! name is carried as a `Result`: whoever carries the request out looks for the name first, and then says what
//! is wrong with the rest.

mod order;

use std::net::IpAddr;
use std::time::Duration;

use self::order::order;
pub use self::order::weight;
use super::patterns::{self, Noun};
use super::table::Verb;
use crate::config::model::{GuardMode, Secret};

/// The text of an error, its line feed included where HAProxy writes one.
pub type Fault = String;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// And the words after its name.
    AddServer(ServerName, Vec<String>),
    ClearCounters(Clear),
    DeleteServer(ServerName),
    Frontend(String, FrontendOrder),
    GetWeight(ServerName),
    Limit(Limit, Result<u32, Fault>),
    /// Of the master process.
    Reload,
    Server(ServerName, Result<ServerOrder, Fault>),
    SetGuard(String, Result<GuardMode, Fault>),
    /// `show map` and its like.
    Patterns(patterns::Order),
    SetMaster(ServerName, Result<Option<u64>, Fault>),
    ShowActivity,
    ShowBackends,
    ShowCliSockets,
    ShowEnv(Option<String>),
    ShowErrors(Option<String>),
    ShowFailovers(Option<String>, Shape),
    ShowInfo(Shape, Described),
    ShowPools,
    /// Of the master process.
    ShowProc,
    ShowRedis(Option<String>, Shape),
    ShowResolvers(Option<String>),
    ShowSchema,
    ShowServers(ServerList, Option<String>),
    ShowSessions(Sessions),
    ShowStartupLogs,
    ShowStat(Stat),
    ShowThreads,
    ShowVersion,
    ShutdownSession(u64),
    ShutdownSessions(ServerName),
    /// The words after `show table` and its like.
    Table(Verb, Vec<String>),
}

/// `BACKEND/SERVER`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    pub backend: String,
    pub server: String,
}

/// `clear counters`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    Maxima,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontendOrder {
    Enable,
    Disable,
    Shutdown,
}

/// What `set maxconn` and `set rate-limit` change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    Frontend(String),
    Global,
    Server(ServerName),
    ConnectionRate,
    SessionRate,
}

/// How figures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    #[default]
    Plain,
    Typed,
    Json,
}

/// `desc`: whether every figure says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Described {
    #[default]
    No,
    Yes,
}

/// `show servers state`, `show servers conn`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerList {
    State,
    Connections,
}

/// `show sess`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    Lines,
    Details,
    One(u64),
}

/// `show stat`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stat {
    pub shape: Shape,
    pub described: Described,
    pub hidden: Hidden,
    /// Proxy (by number or name), kinds of rows as a mask (1 frontends, 2 backends, 4 servers), and server number.
    pub bounds: Option<(String, i64, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hidden {
    #[default]
    Nothing,
    Maintenance,
    Down,
}

/// What is to become of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerOrder {
    State(State),
    Health(Forced),
    Checks(Switch),
    Agent(AgentChange),
    Weight(Weight),
    Address(Address),
    /// Another host name.
    Fqdn(String),
    CheckPort(u16),
    CheckAddress(IpAddr, Option<u16>),
    /// `ssl on|off`; `None` is another word, which is told once it is known that there is something to switch.
    Tls(Option<Switch>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ready,
    Drain,
    Maintenance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    Up,
    Stopping,
    Down,
}

/// What is to become of a server's agent; what is wrong with it is told only of a server that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentChange {
    Switch(Switch),
    /// What it is to have said.
    Health(AgentForced),
    Address(Result<(IpAddr, Option<u16>), Fault>),
    Port(Result<u16, Fault>),
    Send(Secret),
}

/// `set server ... agent`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentForced {
    Up,
    Down,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Absolute(u32),
    /// Of the configured one.
    Percent(u32),
}

/// `addr IP [port PORT]`, as written: what is wrong with it is told together with what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub ip: String,
    pub port: Option<String>,
}

/// Words after the command's own.
pub type Words<'a> = &'a [&'a str];

fn word<'a>(words: Words<'a>, at: usize) -> &'a str {
    words.get(at).copied().unwrap_or_default()
}

fn optional(words: Words<'_>, at: usize) -> Option<String> {
    words.get(at).map(|word| (*word).to_owned())
}

/// `BACKEND/SERVER`, or HAProxy's complaint.
pub fn server_name(words: Words<'_>) -> Result<ServerName, Fault> {
    match word(words, 0).split_once('/') {
        Some((backend, server)) => Ok(ServerName { backend: backend.into(), server: server.into() }),
        None => Err("Require 'backend/server'.\n".to_owned()),
    }
}

/// `add server B/S ...`
pub fn add_server(words: Words<'_>) -> Result<Request, Fault> {
    let name = named_server(words)?;
    Ok(Request::AddServer(name, words[1..].iter().map(|word| (*word).to_owned()).collect()))
}

/// `del server B/S`
pub fn delete_server(words: Words<'_>) -> Result<Request, Fault> {
    named_server(words).map(Request::DeleteServer)
}

/// HAProxy ends this complaint without a line feed where servers come and go.
fn named_server(words: Words<'_>) -> Result<ServerName, Fault> {
    let name = server_name(words).ok().filter(|name| !name.server.is_empty());
    name.ok_or_else(|| "Require 'backend/server'.".to_owned())
}

/// `set server B/S WHAT ...`
pub fn set_server(words: Words<'_>) -> Result<Request, Fault> {
    Ok(Request::Server(server_name(words)?, order(&words[1..])))
}

/// `set weight B/S N`, the older form.
pub fn set_weight(words: Words<'_>) -> Result<Request, Fault> {
    let order = weight(words.get(1).copied()).map(ServerOrder::Weight);
    Ok(Request::Server(server_name(words)?, order))
}

/// `set maxconn server B/S N`
pub fn server_maxconn(words: Words<'_>) -> Result<Request, Fault> {
    Ok(Request::Limit(Limit::Server(server_name(words)?), number(words, 1, "Integer value expected.\n")))
}

/// `set maxconn frontend F N`
pub fn frontend_maxconn(words: Words<'_>) -> Result<Request, Fault> {
    let name = frontend_name(words)?;
    Ok(Request::Limit(Limit::Frontend(name), number(words, 1, "Integer value expected.\n")))
}

/// `set maxconn global N`
pub fn global_maxconn(words: Words<'_>) -> Result<Request, Fault> {
    Ok(Request::Limit(Limit::Global, number(words, 0, EXPECTS_INTEGER)))
}

const EXPECTS_INTEGER: &str = "Expects an integer value.\n";

/// HAProxy reads what is no number as 0, which would lift a limit: here that is an error.
fn number(words: Words<'_>, at: usize, missing: &str) -> Result<u32, Fault> {
    let Some(text) = words.get(at) else { return Err(missing.to_owned()) };
    let Ok(number) = text.parse::<i64>() else { return Err(EXPECTS_INTEGER.to_owned()) };
    u32::try_from(number).map_err(|_| "Value out of range.\n".to_owned())
}

/// `set rate-limit connections|sessions global N`
pub fn rate_limit(words: Words<'_>) -> Result<Request, Fault> {
    let limit = match (word(words, 0), word(words, 1)) {
        ("connections", "global") => Limit::ConnectionRate,
        ("sessions", "global") => Limit::SessionRate,
        (what @ ("ssl-sessions" | "http-compression"), "global") => {
            return Err(format!("'set rate-limit {what}' is not supported: this program has none.\n"));
        }
        _ => return Err(RATE_LIMITS.to_owned()),
    };
    Ok(Request::Limit(limit, number(words, 2, EXPECTS_INTEGER)))
}

const RATE_LIMITS: &str = "'set rate-limit' only supports :\n   \
                           - 'connections global' to set the per-process maximum connection rate\n   \
                           - 'sessions global' to set the per-process maximum session rate\n";

/// `set timeout cli SECONDS`, or with a unit.
pub fn cli_timeout(words: Words<'_>) -> Result<Duration, Fault> {
    if word(words, 0) != "cli" {
        return Err("'set timeout' only supports 'cli'.\n".to_owned());
    }
    let Some(text) = words.get(1) else { return Err(EXPECTS_INTEGER.to_owned()) };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let time = digits.parse::<u64>().unwrap_or(0).saturating_mul(unit).min(LONGEST_TIMEOUT);
    if time == 0 {
        return Err("Invalid timeout value.\n".to_owned());
    }
    Ok(Duration::from_millis(time))
}

/// A day, in milliseconds.
const LONGEST_TIMEOUT: u64 = 86_400_000;

fn frontend_name(words: Words<'_>) -> Result<String, Fault> {
    optional(words, 0).ok_or_else(|| "A frontend name is expected.\n".to_owned())
}

/// `disable frontend F` and family.
pub fn frontend(words: Words<'_>, order: FrontendOrder) -> Result<Request, Fault> {
    Ok(Request::Frontend(frontend_name(words)?, order))
}

/// `disable server B/S` and family.
pub fn server(words: Words<'_>, order: ServerOrder) -> Result<Request, Fault> {
    Ok(Request::Server(server_name(words)?, Ok(order)))
}

/// `show sess [ID|all]`
pub fn sessions(words: Words<'_>) -> Request {
    Request::ShowSessions(match word(words, 0) {
        "all" => Sessions::Details,
        text => session_id(text).map_or(Sessions::Lines, Sessions::One),
    })
}

/// `shutdown session ID`
pub fn shutdown_session(words: Words<'_>) -> Result<Request, Fault> {
    if words.is_empty() {
        return Err("Session pointer expected (use 'show sess').\n".to_owned());
    }
    session_id(word(words, 0)).map(Request::ShutdownSession).ok_or_else(|| NO_SESSION.to_owned())
}

/// Said of a session that is not there.
pub const NO_SESSION: &str = "No such session (use 'show sess').\n";

fn session_id(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// `show info [typed|json|desc|float]*`
pub fn info(words: Words<'_>) -> Request {
    let (shape, described) = shape(words);
    Request::ShowInfo(shape, described)
}

fn shape(words: Words<'_>) -> (Shape, Described) {
    let last = words.iter().rev().find_map(|word| match *word {
        "typed" => Some(Shape::Typed),
        "json" => Some(Shape::Json),
        _ => None,
    });
    let described = if words.contains(&"desc") { Described::Yes } else { Described::No };
    (last.unwrap_or_default(), described)
}

/// `show stat [IID|NAME TYPE SID] [typed|json|desc|up|no-maint]*`; other words change nothing.
pub fn stat(words: Words<'_>) -> Request {
    let words = match words {
        ["domain", "proxy", rest @ ..] => rest,
        other => other,
    };
    let bounds = match words {
        [proxy, kinds, server, ..] => kinds
            .parse()
            .ok()
            .zip(server.parse().ok())
            .map(|(kinds, server)| ((*proxy).to_owned(), kinds, server)),
        _ => None,
    };
    let (shape, described) = shape(words);
    let hidden = words.iter().find_map(|word| match *word {
        "up" => Some(Hidden::Down),
        "no-maint" => Some(Hidden::Maintenance),
        _ => None,
    });
    Request::ShowStat(Stat { shape, described, hidden: hidden.unwrap_or_default(), bounds })
}

/// `show redis [BACKEND] [json]`
pub fn redis(words: Words<'_>) -> Request {
    let name = words.iter().find(|word| **word != "json").map(|word| (*word).to_owned());
    Request::ShowRedis(name, shape(words).0)
}

/// `show failovers [BACKEND] [json]`
pub fn failovers(words: Words<'_>) -> Request {
    let name = words.iter().find(|word| **word != "json").map(|word| (*word).to_owned());
    Request::ShowFailovers(name, shape(words).0)
}

/// `set redis master B/S [epoch N]`
pub fn set_master(words: Words<'_>) -> Result<Request, Fault> {
    let epoch = match (word(words, 1), word(words, 2)) {
        ("", _) => Ok(None),
        ("epoch", number) => number.parse().map(Some).map_err(|_| EXPECTS_INTEGER.to_owned()),
        _ => Err("usage: set redis master <backend>/<server> [epoch <n>]\n".to_owned()),
    };
    Ok(Request::SetMaster(server_name(words)?, epoch))
}

/// `set redis guard B on|off|observe`
pub fn set_guard(words: Words<'_>) -> Result<Request, Fault> {
    let Some(name) = optional(words, 0) else { return Err(GUARD_USAGE.to_owned()) };
    let mode = match word(words, 1) {
        "on" => Ok(GuardMode::On),
        "off" => Ok(GuardMode::Off),
        "observe" => Ok(GuardMode::Observe),
        _ => Err(GUARD_USAGE.to_owned()),
    };
    Ok(Request::SetGuard(name, mode))
}

const GUARD_USAGE: &str = "usage: set redis guard <backend> on|off|observe\n";

/// `show table`, `set table`, `clear table`
pub fn table(verb: Verb, words: Words<'_>) -> Result<Request, Fault> {
    if words.is_empty() && verb != Verb::Show {
        verb.name(words)?;
    }
    Ok(Request::Table(verb, words.iter().map(|word| (*word).to_owned()).collect()))
}

/// `show acl`, `add map` and their like. What is missing is told before it is known whether the list is there.
pub fn patterns(noun: Noun, verb: patterns::Verb, words: Words<'_>) -> Result<Request, Fault> {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Ok(Request::Patterns(patterns::Order { noun, verb, words, payload: None }))
}

/// The first word after the command's own, if any.
pub fn named(words: Words<'_>) -> Option<String> {
    optional(words, 0)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
