//! What converters make of a value; `None` where they make nothing of it.
//!
//! * `arithmetic`: numbers.
//! * `coding`: Base64, escapes of URLs, numbers of bytes.
//! * `hash`: digests and hashes.
//! * `json`: texts in JSON, and what stands in one.
//! * `moment`: seconds as dates.
//! * `parts`: what stands between delimiters.

mod arithmetic;
mod coding;
mod hash;
mod json;
mod moment;
mod parts;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use subtle::ConstantTimeEq;

use self::arithmetic::arithmetic;
use self::parts::{Empty, parts};
use super::facts::Facts;
use super::matching::{address, bytes, hex, integer, text};
use crate::balance::hash::{avalanche, digest};
use crate::config::model::{
    BackendFact, BackendId, Converter, Counter, Joined, Map, Mixing, ServerFact, Value,
};
use crate::config::rule::matching::Method;

/// Texts that grow beyond this are given up: no client needs them.
const LONGEST: usize = 16 << 10;

/// Applies one.
pub(super) fn convert(converter: &Converter, value: Value, facts: &impl Facts) -> Option<Value> {
    Some(match converter {
        Converter::InTable(table) => Value::Bool(facts.looked_up(&value, Counter::Tracked, *table).is_some()),
        Converter::Looked(counter, table) => {
            Value::Integer(facts.looked_up(&value, *counter, *table).unwrap_or(0))
        }
        Converter::LookedOr(counter, table, or) => {
            Value::Integer(facts.looked_up(&value, *counter, *table).or(*or)?)
        }
        Converter::Map(map) => return mapped(map, value, facts),
        Converter::Joined(joined, id) => return with_variable(joined, &value, facts.variable(*id)),
        Converter::UsableServers => Value::Integer(usable_servers(&text(&value), facts)?),
        Converter::ServerQueue => Value::Integer(server_queue(&text(&value), facts)?),
        plain => return plain_convert(plain, value),
    })
}

/// What is no value of the type that is looked for has no default either, as in HAProxy.
fn mapped(map: &Map, value: Value, facts: &impl Facts) -> Option<Value> {
    let value = match map.method {
        Method::Address => Value::Address(address(&value)?),
        Method::Integer => Value::Integer(integer(&value)?),
        _ => Value::Text(text(&value)),
    };
    facts.mapped(map.list, &value).or_else(|| map.default.clone())
}

/// The same where there are no tables to look into.
pub fn plain_convert(converter: &Converter, value: Value) -> Option<Value> {
    let number = || integer(&value);
    Some(match converter {
        Converter::Lower => Value::Text(text(&value).to_ascii_lowercase()),
        Converter::Upper => Value::Text(text(&value).to_ascii_uppercase()),
        Converter::Length => Value::Integer(text(&value).len() as i64),
        Converter::Hex => Value::Text(hex(&bytes(&value))),
        Converter::HexToInteger => Value::Integer(from_hex(&text(&value))?),
        Converter::Hash(function, mixing) => {
            let hash = digest(*function, &bytes(&value));
            let mixed = if *mixing == Mixing::Avalanche { avalanche(hash) } else { hash };
            Value::Integer(mixed.into())
        }
        Converter::Base64(alphabet) => bounded(coding::engine(*alphabet).encode(bytes(&value)).into_bytes())?,
        Converter::FromBase64(alphabet) => {
            Value::Binary(coding::engine(*alphabet).decode(text(&value)).ok()?)
        }
        Converter::UrlDecode(plus) => Value::Text(coding::url_decoded(&text(&value), *plus)?),
        Converter::UrlEncode => bounded(coding::url_encoded(&text(&value)))?,
        Converter::NetworkOrder => Value::Binary((number()? as u32).to_be_bytes().to_vec()),
        Converter::CutLineEnd => Value::Text(first_line(text(&value))),
        Converter::IpMask { v4, v6 } => Value::Address(masked(address(&value)?, *v4, *v6)?),
        Converter::Bool => Value::Bool(number()? != 0),
        Converter::Not => Value::Bool(number()? == 0),
        Converter::Neg => Value::Integer(number()?.wrapping_neg()),
        Converter::Odd => Value::Bool(number()? & 1 == 1),
        Converter::Even => Value::Bool(number()? & 1 == 0),
        Converter::Complement => Value::Integer(!number()?),
        Converter::Arithmetic(operation, by) => Value::Integer(arithmetic(*operation, number()?, *by)),
        Converter::Bytes { offset, length } => {
            let bytes = bytes(&value);
            let rest = bytes.get(*offset..).unwrap_or_default();
            Value::Binary(rest[..length.unwrap_or(rest.len()).min(rest.len())].to_vec())
        }
        Converter::Field { index, delimiters, count } => {
            Value::Text(parts(&text(&value), delimiters, (*index, *count), Empty::Counts)?)
        }
        Converter::Word { index, delimiters, count } => Value::Text(
            parts(&text(&value), delimiters, (*index, *count), Empty::LeftOut).unwrap_or_default(),
        ),
        Converter::TrimLeft(set) => Value::Text(trimmed_left(&text(&value), set)),
        Converter::TrimRight(set) => Value::Text(trimmed_right(&text(&value), set)),
        Converter::Concatenate(more) => bounded([text(&value).as_slice(), more].concat())?,
        Converter::Replace { regex, by, all } => {
            let times = if *all { 0 } else { 1 };
            bounded(regex.replacen(&text(&value), times, by.as_slice()).into_owned())?
        }
        Converter::Equals(other) => Value::Bool(text(&value) == *other),
        // A text that is no number is false, and an empty one nothing, as in HAProxy.
        Converter::Choose(yes, no) => {
            let chosen = if number()? != 0 { yes } else { no };
            Value::Text(chosen.clone())
        }
        Converter::Item { delimiter, text: item } => {
            bounded(with_item(text(&value), delimiter, &[item.as_slice()]))?
        }
        Converter::Digest(kind) => Value::Binary(hash::digest(*kind, &bytes(&value))),
        Converter::Hmac(kind, key) => Value::Binary(hash::hmac(*kind, key.expose(), &bytes(&value))?),
        Converter::Xxh(kind, seed) => Value::Integer(hash::xxh(*kind, *seed, &bytes(&value))),
        Converter::JsonEscape(input) => bounded(json::escaped(&text(&value), *input)?)?,
        Converter::JsonQuery(query) => json::query(&text(&value), query)?,
        Converter::BigEndian(form) => bounded(coding::big_endian(form, &bytes(&value)))?,
        Converter::Host => Value::Text(coding::host(&text(&value))),
        Converter::Port => Value::Integer(coding::port(&text(&value))),
        Converter::Moment(moment) => Value::Text(moment::shown(moment, number()?)?),
        Converter::Same => value,
        Converter::InTable(_)
        | Converter::Looked(..)
        | Converter::LookedOr(..)
        | Converter::Map(_)
        | Converter::Joined(..)
        | Converter::UsableServers
        | Converter::ServerQueue => return None,
    })
}

/// What is too long loses its beginning, as in HAProxy.
fn from_hex(text: &[u8]) -> Option<i64> {
    let digit = |sum: i64, byte: &u8| Some(sum << 4 | i64::from(char::from(*byte).to_digit(16)?));
    text.iter().try_fold(0, digit)
}

fn first_line(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
    text.truncate(end);
    text
}

fn trimmed_left(text: &[u8], set: &[u8]) -> Vec<u8> {
    let from = text.iter().position(|byte| !set.contains(byte)).unwrap_or(text.len());
    text[from..].to_vec()
}

fn trimmed_right(text: &[u8], set: &[u8]) -> Vec<u8> {
    let to = text.iter().rposition(|byte| !set.contains(byte)).map_or(0, |last| last + 1);
    text[..to].to_vec()
}

/// What has no value is not compared, not added and not a key; it is an empty text behind another.
fn with_variable(joined: &Joined, value: &Value, variable: Option<Value>) -> Option<Value> {
    let other = || variable.as_ref().map(text);
    Some(match joined {
        Joined::Compare => Value::Integer(difference(&text(value), &other()?)),
        Joined::CompareSecretly => Value::Bool(bytes(value).ct_eq(&variable.as_ref().map(bytes)?).into()),
        Joined::Concatenate { before, after } => {
            bounded([text(value), before.clone(), other().unwrap_or_default(), after.clone()].concat())?
        }
        Joined::AddItem { delimiter, after } => {
            let variable = other().unwrap_or_default();
            bounded(with_item(text(value), delimiter, &[&variable, after]))?
        }
        Joined::Arithmetic(operation) => {
            Value::Integer(arithmetic(*operation, integer(value)?, integer(variable.as_ref()?)?))
        }
        Joined::Hmac(kind) => Value::Binary(hash::hmac(*kind, &other()?, &bytes(value))?),
    })
}

fn difference(left: &[u8], right: &[u8]) -> i64 {
    let differs = left.iter().zip(right).find(|(left, right)| left != right);
    match (differs, left.len().cmp(&right.len())) {
        (Some((left, right)), _) => i64::from(*left) - i64::from(*right),
        (None, Ordering::Less) => -1,
        (None, Ordering::Equal) => 0,
        (None, Ordering::Greater) => 1,
    }
}

/// The delimiter stands only between two.
fn with_item(mut list: Vec<u8>, delimiter: &[u8], item: &[&[u8]]) -> Vec<u8> {
    let item = item.concat();
    if !list.is_empty() && !item.is_empty() {
        list.extend_from_slice(delimiter);
    }
    list.extend(item);
    list
}

fn usable_servers(name: &[u8], facts: &impl Facts) -> Option<i64> {
    facts.backend_fact(BackendFact::Usable, backend(name, facts)?)
}

/// `BACKEND/SERVER`, or a server of the own backend.
fn server_queue(name: &[u8], facts: &impl Facts) -> Option<i64> {
    let slash = name.iter().position(|byte| *byte == b'/');
    let (id, server) = match slash {
        Some(at) => (backend(&name[..at], facts)?, &name[at + 1..]),
        None => (facts.backend()?, name),
    };
    let servers = &facts.config().backends.get(id.0)?.servers;
    let found = servers.iter().find(|known| known.name.as_bytes() == server)?;
    facts.server_fact(ServerFact::Queue, id, found.id)
}

fn backend(name: &[u8], facts: &impl Facts) -> Option<BackendId> {
    let backends = &facts.config().backends;
    backends.iter().position(|known| known.name.as_bytes() == name).map(BackendId)
}

fn bounded(text: Vec<u8>) -> Option<Value> {
    (text.len() <= LONGEST).then_some(Value::Text(text))
}

/// An IPv4 address in an IPv6 one is one.
fn masked(address: IpAddr, v4: u8, v6: Option<u8>) -> Option<IpAddr> {
    Some(match address.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6?)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    })
}
