//! A value against patterns. Where the way to match wants another type, the value is cast as HAProxy casts
//! it: an address or a number becomes its text, bytes are a text already.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::model::{IntegerRange, Matcher, Network, TextMatch, Texts, Value};

/// Whether the value is one of those that the patterns mean.
pub(super) fn matches(matcher: &Matcher, value: &Value) -> bool {
    match matcher {
        Matcher::Found => true,
        // Only those of a userlist's fetch are anybody's.
        Matcher::Groups(_) => false,
        Matcher::Bool => is_true(value),
        Matcher::Integer(ranges) => integer(value).is_some_and(|number| within(ranges, number)),
        Matcher::Length(ranges) => within(ranges, text(value).len() as i64),
        Matcher::Address(networks) => {
            address(value).is_some_and(|address| networks.iter().any(|network| contains(network, address)))
        }
        Matcher::Binary(patterns) => {
            let bytes = bytes(value);
            patterns.contains(&bytes)
        }
        Matcher::Text(place, texts) => text_matches(*place, texts, text(value)),
        Matcher::Regex(regexes) => {
            let text = text(value);
            regexes.iter().any(|regex| regex.is_match(&text))
        }
    }
}

/// Whether it is a number other than 0.
pub fn is_true(value: &Value) -> bool {
    integer(value).is_some_and(|number| number != 0)
}

fn within(ranges: &[IntegerRange], number: i64) -> bool {
    ranges.iter().any(|range| (range.from..=range.to).contains(&number))
}

fn contains(network: &Network, address: IpAddr) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let same = |address: IpAddr| (number(address) ^ number(network.address)) & network.mask == 0;
    match (network.address, address) {
        (IpAddr::V4(_), IpAddr::V6(v6)) => v6.to_ipv4_mapped().is_some_and(|v4| same(v4.into())),
        (IpAddr::V6(_), IpAddr::V4(v4)) => same(v4.to_ipv6_mapped().into()),
        _ => same(address),
    }
}

fn text_matches(place: TextMatch, texts: &Texts, mut text: Vec<u8>) -> bool {
    if texts.ignore_case {
        text.make_ascii_lowercase();
    }
    if place == TextMatch::Whole {
        return texts.patterns.contains(&text);
    }
    texts.patterns.iter().any(|pattern| match place {
        TextMatch::Whole => false,
        TextMatch::Begin => text.starts_with(pattern),
        TextMatch::End => text.ends_with(pattern),
        TextMatch::Inside => memchr::memmem::find(&text, pattern).is_some(),
        TextMatch::Directory => parted(&text, pattern, b"/?"),
        TextMatch::Domain => parted(&text, pattern, b"/?.:"),
    })
}

/// Whether the pattern, its outer delimiters apart, stands between delimiters or ends of the text.
fn parted(text: &[u8], pattern: &[u8], delimiters: &[u8]) -> bool {
    let is_delimiter = |byte: &u8| delimiters.contains(byte);
    let from = pattern.iter().position(|byte| !is_delimiter(byte)).unwrap_or(pattern.len());
    let to = pattern.iter().rposition(|byte| !is_delimiter(byte)).map_or(from, |last| last + 1);
    let pattern = &pattern[from..to];
    if pattern.is_empty() {
        return false;
    }
    memchr::memmem::find_iter(text, pattern).any(|at| {
        let before = at == 0 || is_delimiter(&text[at - 1]);
        before && text.get(at + pattern.len()).is_none_or(is_delimiter)
    })
}

/// The value as a number, if it is one.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some((*value).into()),
        Value::Integer(number) => Some(*number),
        Value::Text(text) => leading_integer(text),
        Value::Address(IpAddr::V4(address)) => Some(u32::from(*address).into()),
        Value::Address(IpAddr::V6(_)) => None,
        Value::Binary(bytes) if bytes.len() <= 8 => {
            Some(bytes.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)))
        }
        Value::Binary(_) => None,
    }
}

/// The number that a text begins with; 0 if it begins with none, and the largest if it is too large. Nothing is
/// no number.
fn leading_integer(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        (b'+', rest) => (1, rest),
        _ => (1, text),
    };
    let digits = digits.iter().map_while(|byte| char::from(*byte).to_digit(10));
    let add = |sum: i64, digit| sum.saturating_mul(10).saturating_add(sign * i64::from(digit));
    Some(digits.fold(0, add))
}

/// The value as an address, if it is one.
pub fn address(value: &Value) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(*address),
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        // Its lower 32 bits, as in HAProxy.
        Value::Integer(number) => Some(IpAddr::V4(Ipv4Addr::from(*number as u32))),
        Value::Bool(_) | Value::Binary(_) => None,
    }
}

/// The value as a text. As in HAProxy bytes are one up to the first that is 0.
pub fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => text.clone(),
        Value::Binary(bytes) => bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
        Value::Bool(value) => i64::from(*value).to_string().into_bytes(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Address(address) => address.to_string().into_bytes(),
    }
}

/// The value as bytes.
pub fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Binary(bytes) | Value::Text(bytes) => bytes.clone(),
        Value::Bool(value) => i64::from(*value).to_be_bytes().to_vec(),
        Value::Integer(number) => number.to_be_bytes().to_vec(),
        Value::Address(IpAddr::V4(address)) => address.octets().to_vec(),
        Value::Address(IpAddr::V6(address)) => address.octets().to_vec(),
    }
}

/// Upper-case digits, as HAProxy writes them.
pub(super) fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()
}
