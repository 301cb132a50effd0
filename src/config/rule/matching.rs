//! Ways to match (`-m`), and their patterns (manual section 7.1): texts in, a [`Matcher`] or the reason why
//! not out, in HAProxy's words.

use std::net::{IpAddr, Ipv4Addr};

use nom::character::complete::{char, i64 as integer};
use nom::combinator::{all_consuming, map, opt};
use nom::sequence::{preceded, separated_pair, terminated};
use nom::{IResult, Parser, branch::alt};
use regex::bytes::{Regex, RegexBuilder};

use super::fetch::Kind;
use super::pcre;
use crate::config::model::{IntegerRange, Matcher, Network, Reader, TextMatch, Texts};
use crate::config::parser::value;

/// What one compiled expression may occupy, in bytes.
const LARGEST_REGEX: usize = 1 << 18;

/// A way to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Found,
    Bool,
    Integer,
    Address,
    Binary,
    Length,
    Text(TextMatch),
    Regex,
    /// `3.1` and the like, as two numbers in one.
    Version,
    /// Names of groups of a userlist.
    Groups,
}

/// The names that `-m` takes, and one of our table's own.
static METHODS: &[(&str, Method)] = &[
    ("found", Method::Found),
    ("bool", Method::Bool),
    ("int", Method::Integer),
    ("ip", Method::Address),
    ("bin", Method::Binary),
    ("len", Method::Length),
    ("str", Method::Text(TextMatch::Whole)),
    ("beg", Method::Text(TextMatch::Begin)),
    ("end", Method::Text(TextMatch::End)),
    ("sub", Method::Text(TextMatch::Inside)),
    ("dir", Method::Text(TextMatch::Directory)),
    ("dom", Method::Text(TextMatch::Domain)),
    ("reg", Method::Regex),
    ("version", Method::Version),
    ("auth", Method::Groups),
];

/// The method of that name.
pub fn find(name: &str) -> Option<Method> {
    METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
}

/// How a sample of that type is matched where nothing is said; `None`: something has to be.
pub fn default_for(kind: Kind) -> Option<Method> {
    match kind {
        Kind::Bool => Some(Method::Bool),
        Kind::Integer => Some(Method::Integer),
        Kind::Address => Some(Method::Address),
        Kind::Text => Some(Method::Text(TextMatch::Whole)),
        Kind::Binary | Kind::Any => None,
    }
}

/// The name of a method.
pub fn name(method: Method) -> &'static str {
    METHODS.iter().find(|(_, known)| *known == method).map_or("", |(name, _)| name)
}

/// Whether a sample of that type can be matched so: bytes are no number and no address.
pub fn fits(method: Method, kind: Kind) -> bool {
    kind != Kind::Binary || !matches!(method, Method::Integer | Method::Bool | Method::Address)
}

/// Patterns of one test, as they are read.
#[derive(Debug)]
pub struct Reading {
    pub method: Method,
    pub ignore_case: bool,
    ranges: Vec<IntegerRange>,
    networks: Vec<Network>,
    binaries: Vec<Vec<u8>>,
    texts: Texts,
    regexes: Vec<Regex>,
    groups: Vec<String>,
    operator: Option<Operator>,
}

/// What stands before an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    AtLeast,
    Above,
    AtMost,
    Below,
}

impl Reading {
    pub fn new(method: Method) -> Reading {
        Reading {
            method,
            ignore_case: false,
            ranges: Vec::new(),
            networks: Vec::new(),
            binaries: Vec::new(),
            texts: Texts::default(),
            regexes: Vec::new(),
            groups: Vec::new(),
            operator: None,
        }
    }

    /// The same way as a list is read.
    pub fn of(reader: Reader) -> Reading {
        Reading { ignore_case: reader.ignore_case, ..Reading::new(reader.method) }
    }

    /// Takes one pattern of the line, or an operator before integers. Gives the pattern as it stands without an
    /// operator.
    pub fn word(&mut self, word: &[u8]) -> Result<Option<Vec<u8>>, String> {
        if matches!(self.method, Method::Integer | Method::Length | Method::Version)
            && let Some(operator) = operator(word)
        {
            self.operator = Some(operator);
            return Ok(None);
        }
        self.pattern(word)?;
        let is_open =
            self.operator.is_some_and(|operator| operator != Operator::Equal) && !word.contains(&b':');
        let range = self.ranges.last().filter(|_| is_open);
        Ok(Some(range.map_or_else(|| word.to_vec(), |range| self.written(*range))))
    }

    /// A range that is open at an end.
    fn written(&self, range: IntegerRange) -> Vec<u8> {
        let number = |number: i64| match self.method {
            Method::Version => format!("{}.{}", number >> 16, number & 0xffff),
            _ => number.to_string(),
        };
        let text = match range {
            IntegerRange { from, to: i64::MAX } => format!("{}:", number(from)),
            IntegerRange { to, .. } => format!(":{}", number(to)),
        };
        text.into_bytes()
    }

    /// Takes one pattern: a word, or a line of a file.
    pub fn pattern(&mut self, word: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(word);
        match self.method {
            Method::Found | Method::Bool => {}
            Method::Integer | Method::Length => self.ranges.push(self.range(&text)?),
            Method::Version => {
                let (from, to) = versions(&text).ok_or_else(|| format!("'{text}' is not a number."))?;
                self.ranges.push(self.bounded(from, to));
            }
            Method::Address => self.networks.push(network(&text).ok_or_else(|| invalid_address(&text))?),
            Method::Binary => {
                let bytes = value::hexadecimal(word);
                self.binaries
                    .push(bytes.ok_or_else(|| format!("an hex digit is expected (found '{text}')"))?);
            }
            Method::Text(_) => {
                self.texts.ignore_case = self.ignore_case;
                let folded = if self.ignore_case { word.to_ascii_lowercase() } else { word.to_vec() };
                self.texts.patterns.insert(folded);
            }
            Method::Groups => self.groups.push(text.into_owned()),
            Method::Regex => {
                let error = |reason: String| format!("regex '{text}' is invalid (error={reason})");
                self.regexes.push(regex(word, self.ignore_case).map_err(error)?);
            }
        }
        Ok(())
    }

    /// All of them.
    pub fn finish(self) -> Matcher {
        match self.method {
            Method::Found => Matcher::Found,
            Method::Bool => Matcher::Bool,
            Method::Integer | Method::Version => Matcher::Integer(self.ranges),
            Method::Length => Matcher::Length(self.ranges),
            Method::Address => Matcher::Address(self.networks),
            Method::Binary => Matcher::Binary(self.binaries),
            Method::Text(place) => Matcher::Text(place, self.texts),
            Method::Regex => Matcher::Regex(self.regexes),
            Method::Groups => Matcher::Groups(self.groups),
        }
    }

    fn range(&self, text: &str) -> Result<IntegerRange, String> {
        if let Ok((_, number)) = whole(text) {
            return Ok(self.bounded(number, number));
        }
        let fault = if text.contains([':', '-']) { "a valid number range" } else { "a number" };
        let fault = || format!("'{text}' is not {fault}.");
        let (_, (from, to)) = span(text).map_err(|_| fault())?;
        let range = IntegerRange { from: from.unwrap_or(i64::MIN), to: to.unwrap_or(i64::MAX) };
        if range.from > range.to { Err(fault()) } else { Ok(range) }
    }

    fn bounded(&self, from: i64, to: i64) -> IntegerRange {
        let (from, to) = match self.operator {
            None | Some(Operator::Equal) => (from, to),
            Some(Operator::AtLeast) => (from, i64::MAX),
            Some(Operator::Above) => (to.saturating_add(1), i64::MAX),
            Some(Operator::AtMost) => (i64::MIN, to),
            Some(Operator::Below) => (i64::MIN, from.saturating_sub(1)),
        };
        IntegerRange { from, to }
    }
}

fn operator(word: &[u8]) -> Option<Operator> {
    Some(match word {
        b"eq" => Operator::Equal,
        b"ge" => Operator::AtLeast,
        b"gt" => Operator::Above,
        b"le" => Operator::AtMost,
        b"lt" => Operator::Below,
        _ => return None,
    })
}

fn whole(text: &str) -> IResult<&str, i64> {
    all_consuming(integer).parse(text)
}

/// `5:9`, `5:`, `:9`.
fn span(text: &str) -> IResult<&str, (Option<i64>, Option<i64>)> {
    let both = map(separated_pair(integer, char(':'), integer), |(from, to)| (Some(from), Some(to)));
    let from = map(terminated(integer, char(':')), |from| (Some(from), None));
    let to = map(preceded(char(':'), integer), |to| (None, Some(to)));
    all_consuming(alt((both, from, to))).parse(text)
}

/// `3.1`, `3.0:3.3`: major and minor number in the two halves of 32 bits.
fn versions(text: &str) -> Option<(i64, i64)> {
    let one = |text: &str| {
        let (_, (major, minor)) =
            all_consuming((integer::<&str, nom::error::Error<&str>>, opt(preceded(char('.'), integer))))
                .parse(text)
                .ok()?;
        Some((major << 16) + minor.unwrap_or(0))
    };
    match text.split_once(':') {
        Some(("", "")) => None,
        Some(("", to)) => Some((i64::MIN, one(to)?)),
        Some((from, "")) => Some((one(from)?, i64::MAX)),
        Some((from, to)) => Some((one(from)?, one(to)?)),
        None => one(text).map(|version| (version, version)),
    }
}

fn invalid_address(text: &str) -> String {
    format!("'{text}' is not a valid IPv4 or IPv6 address.")
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1`, `fe80::/10`.
pub fn network(text: &str) -> Option<Network> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let full = if width == 32 { u128::from(u32::MAX) } else { u128::MAX };
    let mask = match mask {
        None => full,
        Some(mask) => match (mask.parse::<Ipv4Addr>(), address) {
            (Ok(mask), IpAddr::V4(_)) => u128::from(u32::from(mask)),
            _ => {
                let bits = mask.parse::<u32>().ok().filter(|bits| *bits <= width)?;
                full & full.checked_shl(width - bits).unwrap_or(0)
            }
        },
    };
    Some(Network { address, mask })
}

/// An expression that costs time and memory in proportion, whatever it is.
pub fn regex(pattern: &[u8], ignore_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(&pcre::translated(&String::from_utf8_lossy(pattern)))
        .unicode(false)
        .case_insensitive(ignore_case)
        .size_limit(LARGEST_REGEX)
        .build()
        .map_err(|error| {
            let reason = error.to_string();
            reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
}
