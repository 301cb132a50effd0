//! What the arguments of converters come to: texts in, a converter out; `None` where they are of no use.

use std::net::IpAddr;
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use crate::config::model::{
    Arithmetic, BigEndian, Converter, DigestKind, HashFunction, Hop, Joined, JsonInput, JsonNumbers,
    JsonQuery, LastChunk, Mixing, Moment, Plus, Radix, SampleUnit, Secret, Xxh,
};
use crate::config::parser::{sample, value};
use crate::config::rule::matching;

/// A converter, perhaps one that waits for a variable's number.
#[derive(Debug, Clone)]
pub enum Made {
    Plain(Converter),
    /// With the variable of that name.
    Joined(Joined, String),
}

/// An optional number; `Err` if there is one that is none.
fn number(arguments: &[Vec<u8>], at: usize) -> Option<i64> {
    value::integer(std::str::from_utf8(arguments.get(at)?).ok()?)
}

pub(super) fn hash(function: HashFunction, arguments: &[Vec<u8>]) -> Option<Converter> {
    let mixing = match arguments.first() {
        None => Mixing::Plain,
        Some(_) if number(arguments, 0)? == 0 => Mixing::Plain,
        Some(_) => Mixing::Avalanche,
    };
    Some(Converter::Hash(function, mixing))
}

pub(super) fn arithmetic(operation: Arithmetic, arguments: &[Vec<u8>]) -> Option<Made> {
    match variable_name(arguments, 0) {
        Some(name) => Some(Made::Joined(Joined::Arithmetic(operation), name)),
        None => Some(Made::Plain(Converter::Arithmetic(operation, number(arguments, 0)?))),
    }
}

pub(super) fn ip_mask(arguments: &[Vec<u8>]) -> Option<Converter> {
    let v6 = match arguments.get(1) {
        Some(_) => Some(u8::try_from(number(arguments, 1)?).ok().filter(|bits| *bits <= 128)?),
        None => None,
    };
    Some(Converter::IpMask { v4: mask_bits(&arguments[0])?, v6 })
}

/// `24`, or `255.255.255.0`.
fn mask_bits(text: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(IpAddr::V4(mask)) = text.parse() {
        let bits = u32::from(mask);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32).then_some(bits.leading_ones() as u8);
    }
    text.parse().ok().filter(|bits| *bits <= 32)
}

/// Where it begins, which is behind the end if the number is negative, and how many at most.
pub(super) fn bytes(arguments: &[Vec<u8>]) -> Option<Converter> {
    let offset = usize::try_from(number(arguments, 0)?).unwrap_or(usize::MAX);
    let length = match arguments.get(1) {
        Some(_) => usize::try_from(number(arguments, 1)?).ok(),
        None => None,
    };
    Some(Converter::Bytes { offset, length })
}

/// Whether empty parts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Field,
    Word,
}

pub(super) fn part(arguments: &[Vec<u8>], kind: Part) -> Option<Converter> {
    let index = number(arguments, 0).filter(|index| *index != 0)?;
    let delimiters = arguments.get(1)?.clone();
    let count = if arguments.len() > 2 { number(arguments, 2)? } else { 1 };
    Some(match kind {
        Part::Field => Converter::Field { index, delimiters, count },
        Part::Word => Converter::Word { index, delimiters, count },
    })
}

/// A text, a variable, a text; each may be missing.
pub(super) fn concatenate(arguments: &[Vec<u8>]) -> Option<Made> {
    let (before, after) = (argument(arguments, 0), last(arguments));
    if argument(arguments, 1).is_empty() {
        return Some(Made::Plain(Converter::Concatenate([before, after].concat())));
    }
    let joined = Joined::Concatenate { before: before.to_vec(), after: after.to_vec() };
    Some(Made::Joined(joined, variable_name(arguments, 1)?))
}

/// A delimiter, and a variable or a text or both.
pub(super) fn add_item(arguments: &[Vec<u8>]) -> Option<Made> {
    let (delimiter, after) = (arguments[0].clone(), last(arguments).to_vec());
    if argument(arguments, 1).is_empty() {
        return (!after.is_empty()).then_some(Made::Plain(Converter::Item { delimiter, text: after }));
    }
    Some(Made::Joined(Joined::AddItem { delimiter, after }, variable_name(arguments, 1)?))
}

/// What needs a variable and nothing else.
pub(super) fn variable(joined: Joined, arguments: &[Vec<u8>]) -> Option<Made> {
    Some(Made::Joined(joined, variable_name(arguments, 0)?))
}

fn variable_name(arguments: &[Vec<u8>], at: usize) -> Option<String> {
    let name = String::from_utf8_lossy(arguments.get(at)?).into_owned();
    sample::variable(&name).is_ok().then_some(name)
}

fn argument(arguments: &[Vec<u8>], at: usize) -> &[u8] {
    arguments.get(at).map(Vec::as_slice).unwrap_or_default()
}

/// `hmac(NAME,KEY)`; the key in Base64, or a variable that has it so.
pub(super) fn hmac(arguments: &[Vec<u8>]) -> Option<Made> {
    let kind = digest(arguments)?;
    Some(match variable_name(arguments, 1) {
        Some(name) => Made::Joined(Joined::Hmac(kind), name),
        None => Made::Plain(Converter::Hmac(kind, Secret::new(arguments.get(1)?.clone()))),
    })
}

/// OpenSSL's names, whatever their case.
static DIGESTS: &[(&str, DigestKind)] = &[
    ("md5", DigestKind::Md5),
    ("sha1", DigestKind::Sha1),
    ("sha-1", DigestKind::Sha1),
    ("sha224", DigestKind::Sha224),
    ("sha256", DigestKind::Sha256),
    ("sha384", DigestKind::Sha384),
    ("sha512", DigestKind::Sha512),
    ("sha512-224", DigestKind::Sha512Of224),
    ("sha512-256", DigestKind::Sha512Of256),
];

pub(super) fn digest(arguments: &[Vec<u8>]) -> Option<DigestKind> {
    let name = String::from_utf8_lossy(arguments.first()?);
    DIGESTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, kind)| *kind)
}

pub(super) fn sha2(arguments: &[Vec<u8>]) -> Option<Converter> {
    let bits = if arguments.is_empty() { 256 } else { number(arguments, 0)? };
    Some(Converter::Digest(match bits {
        224 => DigestKind::Sha224,
        256 => DigestKind::Sha256,
        384 => DigestKind::Sha384,
        512 => DigestKind::Sha512,
        _ => return None,
    }))
}

pub(super) fn xxh(kind: Xxh, arguments: &[Vec<u8>]) -> Option<Converter> {
    let seed = if arguments.is_empty() { 0 } else { number(arguments, 0)? };
    Some(Converter::Xxh(kind, seed as u64))
}

pub(super) fn url_decode(arguments: &[Vec<u8>]) -> Option<Converter> {
    let everywhere = !arguments.is_empty() && number(arguments, 0)? != 0;
    Some(Converter::UrlDecode(if everywhere { Plus::Everywhere } else { Plus::InQuery }))
}

/// `query` is all there is.
pub(super) fn url_encode(arguments: &[Vec<u8>]) -> Option<Converter> {
    matches!(argument(arguments, 0), b"" | b"query").then_some(Converter::UrlEncode)
}

pub(super) fn json(arguments: &[Vec<u8>]) -> Option<Converter> {
    Some(Converter::JsonEscape(match argument(arguments, 0) {
        b"" | b"ascii" => JsonInput::Ascii,
        b"utf8" | b"utf8p" => JsonInput::Utf8,
        b"utf8s" | b"utf8ps" => JsonInput::Utf8Lenient,
        _ => return None,
    }))
}

/// `$.a.b[0]`, and `int` for numbers that are to be whole.
pub(super) fn json_query(arguments: &[Vec<u8>]) -> Option<Converter> {
    let numbers = match argument(arguments, 1) {
        b"" => JsonNumbers::Text,
        b"int" => JsonNumbers::Integer,
        _ => return None,
    };
    let text = String::from_utf8_lossy(arguments.first()?).into_owned();
    // HAProxy takes any path, and finds nothing by one that is none.
    let path = path(&text).unwrap_or_else(|| vec![Hop::Element(usize::MAX)]);
    (!text.is_empty()).then_some(Converter::JsonQuery(JsonQuery { path, numbers }))
}

/// `$.a.b[0]`
fn path(text: &str) -> Option<Vec<Hop>> {
    let mut rest = text.strip_prefix('$')?;
    let mut path = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            path.push(Hop::Element(index.parse().ok()?));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            path.push(Hop::Member(after[..end].to_owned()));
            rest = &after[end..];
        }
    }
    Some(path)
}

/// `SEPARATOR,SIZE,TRUNCATE`: a decimal number has at most eight bytes.
pub(super) fn big_endian(radix: Radix, arguments: &[Vec<u8>]) -> Option<Converter> {
    let separator = argument(arguments, 0).to_vec();
    let chunk = if arguments.len() > 1 { usize::try_from(number(arguments, 1)?).ok()? } else { 0 };
    let fits = match radix {
        Radix::Decimal => (1..=8).contains(&chunk),
        Radix::Hexadecimal => chunk > 0 || separator.is_empty(),
    };
    let truncates = arguments.len() > 2 && number(arguments, 2)? != 0;
    let last = if truncates { LastChunk::Dropped } else { LastChunk::Kept };
    fits.then_some(Converter::BigEndian(BigEndian { radix, separator, chunk, last }))
}

pub(super) fn http_date(arguments: &[Vec<u8>]) -> Option<Converter> {
    let unit = match argument(arguments, 1) {
        b"" | b"s" => SampleUnit::Seconds,
        b"ms" => SampleUnit::Milliseconds,
        b"us" => SampleUnit::Microseconds,
        _ => return None,
    };
    let offset = if argument(arguments, 0).is_empty() { 0 } else { number(arguments, 0)? };
    Some(Converter::Moment(Moment { offset, unit, zone: TimeZone::UTC, format: None }))
}

/// A format for `strftime` and seconds to add.
pub(super) fn strftime(arguments: &[Vec<u8>], zone: TimeZone) -> Option<Converter> {
    let offset = if arguments.len() > 1 { number(arguments, 1)? } else { 0 };
    let utc = zone == TimeZone::UTC;
    let format = in_posix_locale(std::str::from_utf8(arguments.first()?).ok()?, utc.then_some("GMT"));
    // What the library does not know is refused now, and not with the first client.
    jiff::fmt::strtime::format(&format, &jiff::Timestamp::UNIX_EPOCH.to_zoned(zone.clone())).ok()?;
    Some(Converter::Moment(Moment { offset, unit: SampleUnit::Seconds, zone, format: Some(format) }))
}

/// Those parts of a format that depend on a locale, spelt out as C has them.
fn in_posix_locale(format: &str, zone: Option<&str>) -> String {
    let mut spelt = String::new();
    let mut rest = format.chars();
    while let Some(next) = rest.next() {
        if next != '%' {
            spelt.push(next);
            continue;
        }
        match rest.next() {
            Some('c') => spelt.push_str("%a %b %e %H:%M:%S %Y"),
            Some('x') => spelt.push_str("%m/%d/%y"),
            Some('X') => spelt.push_str("%H:%M:%S"),
            Some('r') => spelt.push_str("%I:%M:%S %p"),
            Some('Z') => spelt.push_str(zone.unwrap_or("%Z")),
            Some(other) => spelt.extend(['%', other]),
            None => spelt.push_str("%%"),
        }
    }
    spelt
}

/// The machine's zone, as it was when the first config asked for it: `chroot` hides the zone database.
pub(super) fn local_zone() -> TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| TimeZone::try_system().unwrap_or(TimeZone::UTC)).clone()
}

fn last(arguments: &[Vec<u8>]) -> &[u8] {
    arguments.get(2).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn replace(arguments: &[Vec<u8>]) -> Option<Converter> {
    let flags = last(arguments);
    let regex = matching::regex(&arguments[0], flags.contains(&b'i')).ok()?;
    // HAProxy writes `\1` where the library wants `${1}`.
    let mut by = Vec::new();
    let mut rest = arguments[1].iter().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(digit)) if digit.is_ascii_digit() => {
                by.extend([b'$', b'{', **digit, b'}']);
                rest.next();
            }
            (b'$', _) => by.extend(b"$$"),
            _ => by.push(*byte),
        }
    }
    Some(Converter::Replace { regex, by, all: flags.contains(&b'g') })
}
