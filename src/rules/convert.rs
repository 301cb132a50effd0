//! What converters make of a value; `None` where they make nothing of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};

use super::facts::Facts;
use super::matching::{address, bytes, hex, integer, text};
use crate::balance::hash::{avalanche, digest};
use crate::config::model::{Alphabet, Arithmetic, Converter, Counter, Mixing, Value};

/// Texts that grow beyond this are given up: no client needs them.
const LONGEST: usize = 16 << 10;

/// Applies one.
pub(super) fn convert(converter: &Converter, value: Value, facts: &impl Facts) -> Option<Value> {
    Some(match converter {
        Converter::InTable(table) => Value::Bool(facts.looked_up(&value, Counter::Tracked, *table).is_some()),
        Converter::Looked(counter, table) => {
            Value::Integer(facts.looked_up(&value, *counter, *table).unwrap_or(0))
        }
        plain => return plain_convert(plain, value),
    })
}

/// The same where there are no tables to look into.
pub fn plain_convert(converter: &Converter, value: Value) -> Option<Value> {
    let number = || integer(&value);
    Some(match converter {
        Converter::Lower => Value::Text(text(&value).to_ascii_lowercase()),
        Converter::Upper => Value::Text(text(&value).to_ascii_uppercase()),
        Converter::Length => Value::Integer(length(&value)),
        Converter::Hex => Value::Text(hex(&bytes(&value))),
        Converter::HexToInteger => {
            let text = text(&value);
            Value::Integer(i64::from_str_radix(std::str::from_utf8(&text).ok()?, 16).ok()?)
        }
        Converter::Hash(function, mixing) => {
            let hash = digest(*function, &bytes(&value));
            let mixed = if *mixing == Mixing::Avalanche { avalanche(hash) } else { hash };
            Value::Integer(mixed.into())
        }
        Converter::Base64(alphabet) => bounded(engine(*alphabet).encode(bytes(&value)).into_bytes())?,
        Converter::FromBase64(alphabet) => Value::Binary(engine(*alphabet).decode(text(&value)).ok()?),
        Converter::UrlDecode => Value::Text(url_decoded(&text(&value))?),
        Converter::NetworkOrder => Value::Binary((number()? as u32).to_be_bytes().to_vec()),
        Converter::CutLineEnd => {
            let mut text = text(&value);
            let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
            text.truncate(end);
            Value::Text(text)
        }
        Converter::IpMask { v4, v6 } => Value::Address(masked(address(&value)?, *v4, *v6)),
        Converter::Bool => Value::Bool(number()? != 0),
        Converter::Not => Value::Bool(number()? == 0),
        Converter::Neg => Value::Integer(number()?.wrapping_neg()),
        Converter::Odd => Value::Bool(number()? & 1 == 1),
        Converter::Even => Value::Bool(number()? & 1 == 0),
        Converter::Complement => Value::Integer(!number()?),
        Converter::Arithmetic(operation, by) => Value::Integer(arithmetic(*operation, number()?, *by)),
        Converter::Bytes { offset, length } => {
            let bytes = bytes(&value);
            let rest = bytes.get(*offset..)?;
            Value::Binary(rest[..length.unwrap_or(rest.len()).min(rest.len())].to_vec())
        }
        Converter::Field { index, delimiters, count } => {
            Value::Text(parts(&text(&value), delimiters, (*index, *count), Empty::Counts)?)
        }
        Converter::Word { index, delimiters, count } => {
            Value::Text(parts(&text(&value), delimiters, (*index, *count), Empty::LeftOut)?)
        }
        Converter::TrimLeft(set) => {
            let text = text(&value);
            let from = text.iter().position(|byte| !set.contains(byte)).unwrap_or(text.len());
            Value::Text(text[from..].to_vec())
        }
        Converter::TrimRight(set) => {
            let text = text(&value);
            let to = text.iter().rposition(|byte| !set.contains(byte)).map_or(0, |last| last + 1);
            Value::Text(text[..to].to_vec())
        }
        Converter::Concatenate(more) => bounded([text(&value).as_slice(), more].concat())?,
        Converter::Replace { regex, by, all } => {
            let times = if *all { 0 } else { 1 };
            bounded(regex.replacen(&text(&value), times, by.as_slice()).into_owned())?
        }
        Converter::Equals(other) => Value::Bool(text(&value) == *other),
        // A text that is no number is false, as in HAProxy.
        Converter::Choose(yes, no) => {
            let chosen = if number().unwrap_or(0) != 0 { yes } else { no };
            Value::Text(chosen.clone())
        }
        Converter::InTable(_) | Converter::Looked(..) => return None,
    })
}

fn engine(alphabet: Alphabet) -> GeneralPurpose {
    match alphabet {
        Alphabet::Standard => STANDARD,
        Alphabet::Url => URL_SAFE_NO_PAD,
    }
}

/// `%41` and, as in forms, `+` for a blank; `None` if what follows a `%` is no number.
fn url_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut in_query = false;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = after.split_at_checked(2)?;
                out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            }
            b'+' if in_query => out.push(b' '),
            byte => {
                in_query |= *byte == b'?';
                out.push(*byte);
            }
        }
    }
    Some(out)
}

fn bounded(text: Vec<u8>) -> Option<Value> {
    (text.len() <= LONGEST).then_some(Value::Text(text))
}

fn length(value: &Value) -> i64 {
    match value {
        Value::Binary(bytes) => bytes.len() as i64,
        other => text(other).len() as i64,
    }
}

fn masked(address: IpAddr, v4: u8, v6: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

/// Sums stop at the ends of the range; a division by 0 is the largest number, as in HAProxy.
fn arithmetic(operation: Arithmetic, left: i64, right: i64) -> i64 {
    match operation {
        Arithmetic::Add => left.saturating_add(right),
        Arithmetic::Sub => left.saturating_sub(right),
        Arithmetic::Mul => left.saturating_mul(right),
        Arithmetic::Div => match right {
            0 => i64::MAX,
            _ => left.saturating_div(right),
        },
        Arithmetic::Mod => left.checked_rem(right).unwrap_or(0),
        Arithmetic::And => left & right,
        Arithmetic::Or => left | right,
        Arithmetic::Xor => left ^ right,
    }
}

/// Whether nothing between two delimiters is a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Counts,
    LeftOut,
}

/// `count` parts from the one numbered `index` on, counted from the end if it is negative; 0: all that follow.
fn parts(text: &[u8], delimiters: &[u8], (index, count): (i64, i64), empty: Empty) -> Option<Vec<u8>> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    for at in 0..=text.len() {
        let ends = text.get(at).is_none_or(|byte| delimiters.contains(byte));
        if ends {
            if at > start || empty == Empty::Counts {
                found.push((start, at));
            }
            start = at + 1;
        }
    }
    let number = usize::try_from(index.unsigned_abs()).ok()?;
    let count = usize::try_from(count.unsigned_abs()).ok()?;
    let (first, last) = if index > 0 {
        let first = number - 1;
        let last = if count == 0 { found.len().saturating_sub(1) } else { first.saturating_add(count - 1) };
        (first, last.min(found.len().saturating_sub(1)))
    } else {
        let last = found.len().checked_sub(number)?;
        (if count == 0 { 0 } else { (last + 1).saturating_sub(count) }, last)
    };
    let (from, to) = (found.get(first)?.0, found.get(last)?.1);
    Some(text.get(from..to)?.to_vec())
}
