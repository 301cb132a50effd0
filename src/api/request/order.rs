//! `set server B/S ...`: what is to become of a server, in HAProxy's words and with its complaints.

use super::{
    Address, AgentChange, AgentForced, Fault, Forced, ServerOrder, State, Switch, Weight, Words, optional,
    word,
};
use crate::config::model::Secret;

/// The words after the name.
pub(super) fn order(words: Words<'_>) -> Result<ServerOrder, Fault> {
    let value = words.get(1).copied();
    match word(words, 0) {
        "state" => state(value),
        "health" => health(value),
        "weight" => Ok(ServerOrder::Weight(weight(value)?)),
        "addr" => address(&words[1..]),
        "check-port" => check_port(value),
        "check-addr" => check_address(&words[1..]),
        "agent" => Ok(ServerOrder::Agent(AgentChange::Health(match value {
            Some("up") => AgentForced::Up,
            Some("down") => AgentForced::Down,
            _ => AgentForced::Unknown,
        }))),
        "agent-send" => Ok(ServerOrder::Agent(AgentChange::Send(Secret::new(word(words, 1))))),
        "agent-addr" => agent_address(&words[1..]),
        "agent-port" => agent_port(value),
        "fqdn" if value.is_none() => Err(requires("fqdn", "a FQDN")),
        "fqdn" => Ok(ServerOrder::Fqdn(word(words, 1).to_owned())),
        "ssl" => Ok(ServerOrder::Tls(match value {
            Some("on") => Some(Switch::On),
            Some("off") => Some(Switch::Off),
            _ => None,
        })),
        _ => Err(USAGE.to_owned()),
    }
}

const USAGE: &str = "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | \
                     check-addr | check-port | fqdn | health | ssl | state | weight\n";

fn requires(what: &str, needed: &str) -> Fault {
    format!("set server <b>/<s> {what} requires {needed}.\n")
}

fn state(value: Option<&str>) -> Result<ServerOrder, Fault> {
    Ok(ServerOrder::State(match value {
        Some("ready") => State::Ready,
        Some("drain") => State::Drain,
        Some("maint") => State::Maintenance,
        _ => return Err("'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n".to_owned()),
    }))
}

fn health(value: Option<&str>) -> Result<ServerOrder, Fault> {
    Ok(ServerOrder::Health(match value {
        Some("up") => Forced::Up,
        Some("stopping") => Forced::Stopping,
        Some("down") => Forced::Down,
        _ => return Err("'set server <srv> health' expects 'up', 'stopping', or 'down'.\n".to_owned()),
    }))
}

/// `N` or `N%`; the wordings, with and without a full stop, are HAProxy's.
pub fn weight(value: Option<&str>) -> Result<Weight, Fault> {
    let Some(text) = value else { return Err("Require <weight> or <weight%>.\n".to_owned()) };
    let digits = text.len()
        - text.trim_start_matches(['-', '+']).trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, after) = text.split_at(digits);
    let Ok(number) = number.parse::<i64>() else {
        return Err("Empty weight string empty or preceded by garbage".to_owned());
    };
    match after {
        "%" if number < 0 => Err("Relative weight must be positive.\n".to_owned()),
        "%" => Ok(Weight::Percent(u32::try_from(number).unwrap_or(u32::MAX))),
        "" => match u32::try_from(number) {
            Ok(number @ 0..=256) => Ok(Weight::Absolute(number)),
            _ => Err("Absolute weight can only be between 0 and 256 inclusive.\n".to_owned()),
        },
        _ => Err("Trailing garbage in weight string".to_owned()),
    }
}

fn address(words: Words<'_>) -> Result<ServerOrder, Fault> {
    let Some(ip) = optional(words, 0) else {
        return Err(requires("addr", "an address and optionally a port"));
    };
    let port = (word(words, 1) == "port").then(|| word(words, 2).to_owned());
    Ok(ServerOrder::Address(Address { ip, port }))
}

fn check_port(value: Option<&str>) -> Result<ServerOrder, Fault> {
    let Some(text) = value else { return Err(requires("check-port", "a port")) };
    let Ok(port) = text.parse::<i64>() else { return Err("provided port is not an integer".to_owned()) };
    match u16::try_from(port) {
        Ok(port) => Ok(ServerOrder::CheckPort(port)),
        Err(_) => Err("provided port is not valid".to_owned()),
    }
}

fn check_address(words: Words<'_>) -> Result<ServerOrder, Fault> {
    let Some(ip) = words.first() else {
        return Err(requires("check-addr", "an address and optionally a port"));
    };
    let Ok(ip) = ip.parse() else { return Err(format!("Invalid addr '{ip}'")) };
    let port = match word(words, 1) {
        "port" => Some(word(words, 2).parse().map_err(|_| "provided port is not valid".to_owned())?),
        _ => None,
    };
    Ok(ServerOrder::CheckAddress(ip, port))
}

fn agent_address(words: Words<'_>) -> Result<ServerOrder, Fault> {
    let Some(text) = words.first() else {
        return Err(requires("agent-addr", "an address and optionally a port"));
    };
    let port = (word(words, 1) == "port").then(|| agent_port_number(word(words, 2)));
    let address = match (text.parse(), port.transpose()) {
        (Ok(ip), Ok(port)) => Ok((ip, port)),
        (Err(_), _) => Err(format!("invalid addr '{text}'")),
        (_, Err(fault)) => Err(fault),
    };
    Ok(ServerOrder::Agent(AgentChange::Address(address)))
}

fn agent_port(value: Option<&str>) -> Result<ServerOrder, Fault> {
    let Some(text) = value else { return Err(requires("agent-port", "a port")) };
    Ok(ServerOrder::Agent(AgentChange::Port(agent_port_number(text))))
}

fn agent_port_number(text: &str) -> Result<u16, Fault> {
    let Ok(port) = text.parse::<i64>() else { return Err("provided port is not an integer".to_owned()) };
    u16::try_from(port).map_err(|_| "provided port is invalid".to_owned())
}
