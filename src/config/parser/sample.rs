//! `FETCH(ARGUMENTS),CONVERTER(ARGUMENTS),...`: a sample expression, names looked up in the tables, arguments
//! kept as text until it is known what they name.

use nom::bytes::complete::take_till;
use nom::{IResult, Parser};

use crate::config::ast::{MapStep, Sample, Step};
use crate::config::lexer::{self, Word};
use crate::config::model::Output;
use crate::config::model::http::Field;
use crate::config::rule::convert::{self, Made, Makes};
use crate::config::rule::fetch::{self, FetchRow, Kind, Takes};
use crate::config::rule::matching::Method;
use crate::config::source::Span;
use crate::config::suggest;

/// What is wrong, before it is said which statement it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) span: Span,
    pub message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Fault {
        Fault { span, message: message.into(), help: None }
    }

    fn near<'a>(mut self, word: &str, names: impl Iterator<Item = &'a str>) -> Fault {
        self.help = suggest::nearest_of(word, names).map(|near| format!("did you mean '{near}'?"));
        self
    }
}

/// More converters in one expression are no config.
const MOST_STEPS: usize = 32;

/// Reads the word into a sample.
pub fn read(word: &Word) -> Result<Sample, Fault> {
    let whole = word.str();
    let fault = |message: String| Fault::new(word.span, format!("{message} in ACL expression '{whole}'."));
    let (name, mut arguments, mut rest) = call(&word.text).map_err(|(name, reason)| {
        fault(format!("fetch method '{}' : {reason}", String::from_utf8_lossy(name)))
    })?;
    let name = String::from_utf8_lossy(name).into_owned();
    if name.is_empty() {
        return Err(fault("missing fetch method".to_owned()));
    }
    let Some(row) = fetch::find(&name) else {
        return Err(fault(format!("unknown fetch method '{name}'")).near(&name, fetch::names()));
    };
    if matches!(row.takes, Takes::Literal) && is_empty_call(&word.text, name.len()) {
        arguments.push(Vec::new());
    }
    if let Err(reason) = fits(&row, &arguments) {
        return Err(fault(format!("fetch method '{name}' : {reason}")));
    }
    let mut steps = Vec::new();
    let mut kind = row.kind;
    while let Some(after) = rest.strip_prefix(b",") {
        if after.is_empty() || steps.len() == MOST_STEPS {
            break;
        }
        let (name, mut arguments, next) = call(after).map_err(|(name, reason)| {
            fault(format!("converter '{}' : {reason}", String::from_utf8_lossy(name)))
        })?;
        let name = String::from_utf8_lossy(name);
        let takes_one = convert::find(&name).is_some_and(|row| row.arguments.0 == 1);
        if takes_one && is_empty_call(after, name.len()) {
            arguments.push(Vec::new());
        }
        let step = step(&name, &arguments).map_err(|reason| {
            let fault = fault(reason);
            if convert::find(&name).is_some() { fault } else { fault.near(&name, convert::names()) }
        })?;
        kind = cast(&name, kind).map_err(fault)?;
        steps.push(step);
        rest = next;
    }
    if !matches!(rest, b"" | b",") {
        return Err(fault(format!("unexpected '{}'", String::from_utf8_lossy(rest))));
    }
    Ok(Sample { fetch: row, name, arguments, steps, kind, span: word.span })
}

impl Sample {
    /// The maps among its converters, with their places.
    pub fn maps(&self) -> impl Iterator<Item = (usize, &MapStep)> {
        self.steps.iter().enumerate().filter_map(|(at, step)| match step {
            Step::Map(map) => Some((at, map)),
            _ => None,
        })
    }

    /// What of it rolecall does not know.
    pub fn unsupported(&self) -> Option<&str> {
        if matches!(self.fetch.takes, Takes::Unsupported) {
            return Some(&self.name);
        }
        self.steps.iter().find_map(|step| match step {
            Step::Unsupported(name) => Some(*name),
            _ => None,
        })
    }
}

/// The type behind a converter; what it takes has to be made of the type before it.
fn cast(name: &str, before: Kind) -> Result<Kind, String> {
    let Some(row) = convert::find(name) else { return Ok(before) };
    let (takes, gives) = row.kinds;
    if !before.fits(takes) {
        return Err(format!("converter '{name}' cannot be applied"));
    }
    Ok(gives)
}

/// `str()`: an argument that is there, and empty.
fn is_empty_call(text: &[u8], name: usize) -> bool {
    text.get(name..).is_some_and(|rest| rest.starts_with(b"()"))
}

pub(super) type Parts<'a> = (&'a [u8], Vec<Vec<u8>>, &'a [u8]);

/// `name(arguments)rest`, or `name` up to a comma.
pub(super) fn call(text: &[u8]) -> Result<Parts<'_>, (&[u8], String)> {
    let (rest, name) = name(text).map_err(|_| (text, "missing name".to_owned()))?;
    if !rest.starts_with(b"(") {
        return Ok((name, Vec::new(), rest));
    }
    let call = lexer::split_arguments(text).map_err(|_| (name, "expected ')'".to_owned()))?;
    Ok((name, call.arguments.unwrap_or_default(), call.rest))
}

fn name(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till(|byte| byte == b'(' || byte == b',').parse(text)
}

fn step(name: &str, arguments: &[Vec<u8>]) -> Result<Step, String> {
    let Some(row) = convert::find(name) else { return Err(format!("unknown converter '{name}'")) };
    let (fewest, most) = row.arguments;
    if arguments.len() < fewest {
        let next = arguments.len() + 1;
        return Err(format!("invalid arg {next} in converter '{name}' : missing argument"));
    }
    if arguments.len() > most {
        return Err(format!("invalid arg {} in converter '{name}' : expected ')' before it", most + 1));
    }
    let table = || String::from_utf8_lossy(&arguments[0]).into_owned();
    Ok(match row.makes {
        Makes::InTable => Step::InTable(table()),
        Makes::Looked(counter) => Step::Looked(counter, table()),
        Makes::LookedAt(counter) => {
            let number = std::str::from_utf8(&arguments[0]).ok().and_then(|number| number.parse().ok());
            let number: u8 = number.ok_or_else(|| format!("invalid arg 1 in converter '{name}'"))?;
            Step::Looked(counter(number), String::from_utf8_lossy(&arguments[1]).into_owned())
        }
        Makes::LookedOr(counter) => {
            let default = match arguments.get(1) {
                Some(text) => {
                    Some(integer(text).ok_or_else(|| format!("invalid arg 2 in converter '{name}'"))?)
                }
                None => None,
            };
            Step::LookedOr(counter, table(), default)
        }
        Makes::Joined(make) => match make(arguments) {
            Some(Made::Plain(converter)) => Step::Plain(converter),
            Some(Made::Joined(joined, variable)) => Step::Joined(joined, variable),
            None => return Err(format!("invalid args in converter '{name}'")),
        },
        Makes::Map(method, output) => Step::Map(map(row.name, (method, output), arguments)?),
        Makes::Unsupported => Step::Unsupported(row.name),
        Makes::Plain(make) => {
            Step::Plain(make(arguments).ok_or_else(|| format!("invalid args in converter '{name}'"))?)
        }
    })
}

/// The file is read later, once; a default has to be of the type of the map's values.
fn map(
    name: &'static str,
    (method, output): (Method, Output),
    arguments: &[Vec<u8>],
) -> Result<MapStep, String> {
    let default = match (arguments.get(1), output) {
        (None, _) => None,
        (Some(text), Output::Expanded) => Output::Text.read(text),
        (Some(text), _) => {
            let shown = String::from_utf8_lossy(text);
            let fault = match output {
                Output::Address => {
                    format!("invalid args in converter '{name}' : map: cannot parse default ip <{shown}>.")
                }
                _ => format!(
                    "invalid arg 2 in converter '{name}' : failed to parse '{shown}' as type 'integer' at position 2"
                ),
            };
            Some(output.read(text).ok_or(fault)?)
        }
    };
    let file = arguments.first().map(|file| String::from_utf8_lossy(file).into_owned());
    Ok(MapStep { name, method, output, file: file.unwrap_or_default(), default })
}

/// Whether the arguments are as many and of such form as the fetch takes; what they name is looked up later.
fn fits(row: &FetchRow, arguments: &[Vec<u8>]) -> Result<(), String> {
    let (fewest, most) = match row.takes {
        Takes::Nothing(_) | Takes::Session(_) | Takes::Hostname => (0, 0),
        Takes::Backend(_) | Takes::Frontend(_) | Takes::Server(_) | Takes::SourceCounter(_) => (0, 1),
        Takes::SourceChange(..) | Takes::SlotChange(Some(_), ..) | Takes::Table(_) => (0, 1),
        Takes::SlotChange(None, ..) | Takes::SourceArray(_) => (1, 2),
        Takes::SlotArray(_) => (2, 3),
        Takes::SlotCounter(Some(_), _) | Takes::Count(_) | Takes::Random | Takes::Environment => (0, 1),
        Takes::SlotCounter(None, _) => (1, 2),
        Takes::Literal | Takes::Variable => (1, 1),
        Takes::Userlist(_) | Takes::Values(Field::Cookie, _) => (0, 1),
        Takes::Date | Takes::Values(..) => (0, 2),
        Takes::Bytes => (2, 2),
        Takes::CountedBytes => (2, 3),
        Takes::Name(..) => (0, 3),
        Takes::Captured => (1, 1),
        Takes::RdpCookie | Takes::RdpCookieCount => (0, 1),
        Takes::Unsupported => return Ok(()),
    };
    if arguments.len() > most {
        let surplus = String::from_utf8_lossy(&arguments[most]);
        return Err(format!("expected ')' before '{surplus})'"));
    }
    if arguments.len() < fewest {
        return Err(format!("expected {fewest} arguments, found {}", arguments.len()));
    }
    let is_number = |argument: &Vec<u8>| integer(argument).is_some();
    let numbers = match row.takes {
        Takes::Bytes | Takes::CountedBytes => 2,
        Takes::SlotCounter(None, _) | Takes::SlotChange(None, ..) | Takes::Random | Takes::Date => 1,
        Takes::SourceArray(_) | Takes::Captured => 1,
        Takes::SlotArray(_) => 2,
        Takes::Literal if row.name == "int" => 1,
        _ => 0,
    };
    let wrong = arguments.iter().take(numbers).position(|argument| !is_number(argument));
    if let Some(at) = wrong {
        let text = String::from_utf8_lossy(&arguments[at]);
        return Err(format!("failed to parse '{text}' as type 'integer' at position {}", at + 1));
    }
    match (row.takes, arguments.first()) {
        (Takes::Literal, Some(text)) => literal(row.name, text),
        (Takes::Variable, Some(name)) => variable(&String::from_utf8_lossy(name)),
        (Takes::Name(..), Some(_)) => name_arguments(&arguments[1..]),
        (Takes::Values(Field::Header | Field::WholeHeader, _), _) => occurrence(arguments.get(1)),
        _ => Ok(()),
    }
}

/// Which one of several entries, and how a whole name is written.
fn name_arguments(arguments: &[Vec<u8>]) -> Result<(), String> {
    let text = |at: usize| arguments.get(at).map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
    let (which, form) = (text(0), text(1));
    if !which.is_empty() && integer(which.as_bytes()).is_none() {
        return Err(format!("failed to parse '{which}' as type 'integer' at position 2"));
    }
    match &*form {
        "" | "rfc2253" => Ok(()),
        _ => Err("only rfc2253 or a null value are currently supported as DN format".to_owned()),
    }
}

/// Which one of the values of a name.
fn occurrence(argument: Option<&Vec<u8>>) -> Result<(), String> {
    let text = String::from_utf8_lossy(argument.map(Vec::as_slice).unwrap_or_default());
    if text.is_empty() || text.parse::<i64>().is_ok() {
        return Ok(());
    }
    Err(format!("failed to parse '{text}' as type 'integer' at position 2"))
}

fn integer(text: &[u8]) -> Option<i64> {
    super::value::integer(std::str::from_utf8(text).ok()?)
}

fn literal(name: &str, text: &[u8]) -> Result<(), String> {
    let text_form = String::from_utf8_lossy(text);
    let ok = match name {
        "bool" => matches!(&*text_form, "true" | "false" | "0" | "1"),
        "ipv4" => text_form.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text_form.parse::<std::net::Ipv6Addr>().is_ok(),
        "bin" => super::value::hexadecimal(text).is_some(),
        _ => true,
    };
    if ok { Ok(()) } else { Err(format!("'{text_form}' is not what '{name}' takes")) }
}

/// Whether a variable's name begins with a scope.
pub fn variable(name: &str) -> Result<(), String> {
    let scope = name.split_once('.').filter(|(_, rest)| !rest.is_empty()).map(|(scope, _)| scope);
    match scope {
        Some("sess" | "txn" | "req" | "res" | "proc" | "check") => Ok(()),
        _ => Err(format!(
            "invalid variable name '{name}'. A variable name must be start by its scope. The scope can be 'proc', \
             'sess', 'txn', 'req', 'res' or 'check'"
        )),
    }
}
