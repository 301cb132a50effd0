//! Texts with `%[FETCH(ARGUMENTS),CONVERTER(ARGUMENTS),...]` in checks (manual sections 4.2 and 8.2.4), as far as a
//! check knows what they ask for. What it does not know is refused by its name; a constant becomes a part of the
//! text, so that nobody has to know that it was written as an expression.

use super::context::Context;
use super::{sample, value};
use crate::config::lexer::Environment;
use crate::config::model::{
    CheckConverter, CheckFetch, CheckFormat, CheckPiece, CheckSample, Converter, Secret,
};
use crate::config::rule::convert::{self, Made, Makes};

/// More converters in one expression are no config.
const MOST_STEPS: usize = 32;

type Make = fn(&Environment, &[Vec<u8>]) -> Option<CheckFetch>;

/// Name, the fewest and the most arguments, and what they make; `None`: the arguments are of no use.
static FETCHES: &[(&str, (usize, usize), Make)] = &[
    ("be_id", (0, 0), |_, _| Some(CheckFetch::BackendId)),
    ("be_name", (0, 0), |_, _| Some(CheckFetch::BackendName)),
    ("bin", (1, 1), |_, args| Some(CheckFetch::Text(Secret::new(value::hexadecimal(&args[0])?)))),
    ("bool", (1, 1), |_, args| match args[0].as_slice() {
        b"true" | b"1" => Some(CheckFetch::Bool(true)),
        b"false" | b"0" => Some(CheckFetch::Bool(false)),
        _ => None,
    }),
    ("date", (0, 1), |_, args| Some(CheckFetch::Date(args.first().map_or(Some(0), |text| integer(text))?))),
    ("env", (1, 1), |environment, args| {
        let value = environment.get(&args[0]).map(<[u8]>::to_vec).unwrap_or_default();
        Some(CheckFetch::Text(Secret::new(value)))
    }),
    ("hostname", (0, 0), |_, _| Some(CheckFetch::Hostname)),
    ("int", (1, 1), |_, args| Some(CheckFetch::Integer(integer(&args[0])?))),
    ("rand", (0, 1), |_, args| {
        let bound = args.first().map_or(Some(i64::from(u32::MAX)), |text| integer(text))?;
        Some(CheckFetch::Random(u32::try_from(bound).ok()?))
    }),
    ("res.body", (0, 0), |_, _| Some(CheckFetch::Body)),
    ("res.fhdr", (1, 1), header),
    ("res.hdr", (1, 1), header),
    ("res.len", (0, 0), |_, _| Some(CheckFetch::InputLength)),
    ("res.payload", (2, 2), |_, args| {
        let [offset, length] = [&args[0], &args[1]].map(|text| usize::try_from(integer(text)?).ok());
        Some(CheckFetch::Input { offset: offset?, length: length? })
    }),
    ("srv_id", (0, 0), |_, _| Some(CheckFetch::ServerId)),
    ("srv_name", (0, 0), |_, _| Some(CheckFetch::ServerName)),
    ("status", (0, 0), |_, _| Some(CheckFetch::Status)),
    ("str", (1, 1), |_, args| Some(CheckFetch::Text(Secret::new(args[0].as_slice())))),
    ("var", (1, 1), |_, args| Some(CheckFetch::Variable(variable(&args[0]).ok()?))),
];

fn header(_: &Environment, arguments: &[Vec<u8>]) -> Option<CheckFetch> {
    Some(CheckFetch::Header(String::from_utf8_lossy(&arguments[0]).to_ascii_lowercase()))
}

fn integer(text: &[u8]) -> Option<i64> {
    value::integer(std::str::from_utf8(text).ok()?)
}

/// The names of all fetches, for messages.
pub(super) fn known() -> String {
    FETCHES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

/// The name of a variable, which lives as long as one check.
pub(super) fn variable(name: &[u8]) -> Result<String, String> {
    let name = String::from_utf8_lossy(name).into_owned();
    sample::variable(&name)?;
    let scope = name.split('.').next().unwrap_or_default();
    // A check is a session of its own.
    if matches!(scope, "check" | "sess") {
        return Ok(name);
    }
    Err(format!("the variable '{name}' is not supported: checks have those of the scopes 'check' and 'sess'"))
}

/// Reads an expression: `srv_name,upper`.
pub(super) fn expression(context: &Context<'_>, text: &[u8]) -> Result<CheckSample, String> {
    let (name, arguments, mut rest) = call(text)?;
    let Some((_, (fewest, most), make)) = FETCHES.iter().find(|(known, ..)| *known == name) else {
        return Err(format!("'{name}' is not supported in checks, where rolecall knows {}", known()));
    };
    if !(*fewest..=*most).contains(&arguments.len()) {
        return Err(format!("'{name}' takes {fewest} to {most} arguments"));
    }
    if let ("var", Some(name)) = (&*name, arguments.first()) {
        variable(name)?;
    }
    let fetch =
        make(&context.environment, &arguments).ok_or_else(|| format!("invalid arguments of '{name}'"))?;
    let mut converters = Vec::new();
    while let Some(after) = rest.strip_prefix(b",") {
        if converters.len() == MOST_STEPS {
            return Err("too many converters".to_owned());
        }
        let (name, arguments, next) = call(after)?;
        converters.push(converter(&name, &arguments)?);
        rest = next;
    }
    if !rest.is_empty() {
        return Err(format!("unexpected '{}'", String::from_utf8_lossy(rest)));
    }
    Ok(CheckSample { fetch, converters })
}

type Called<'a> = (String, Vec<Vec<u8>>, &'a [u8]);

fn call(text: &[u8]) -> Result<Called<'_>, String> {
    let (name, arguments, rest) = sample::call(text)
        .map_err(|(name, reason)| format!("'{}' : {reason}", String::from_utf8_lossy(name)))?;
    Ok((String::from_utf8_lossy(name).into_owned(), arguments, rest))
}

fn converter(name: &str, arguments: &[Vec<u8>]) -> Result<CheckConverter, String> {
    if name == "cut_crlf" && arguments.is_empty() {
        return Ok(CheckConverter::CutCrlf);
    }
    let row = convert::find(name).ok_or_else(|| format!("unknown converter '{name}'"))?;
    let (fewest, most) = row.arguments;
    let unknown = || format!("the converter '{name}' is not supported in checks");
    let counted = (fewest..=most).contains(&arguments.len());
    let made = match row.makes {
        Makes::Plain(make) => counted.then(|| make(arguments)).flatten().map(Made::Plain),
        Makes::Joined(make) => counted.then(|| make(arguments)).flatten(),
        _ => return Err(unknown()),
    };
    match made.ok_or_else(|| format!("invalid args in converter '{name}'"))? {
        // Variables of checks are others, and the state of backends is not for them to see.
        Made::Joined(..) | Made::Plain(Converter::UsableServers | Converter::ServerQueue) => Err(unknown()),
        Made::Plain(converter) => Ok(CheckConverter::Plain(converter)),
    }
}

/// Reads a text with expressions.
pub(super) fn format(context: &Context<'_>, text: &[u8]) -> Result<CheckFormat, String> {
    let mut format = CheckFormat::default();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let fetch = match rest.first() {
            Some(b'%') => {
                plain.push(b'%');
                rest = &rest[1..];
                continue;
            }
            Some(b'[') => {
                let end = closing(rest).ok_or("missing ']' behind '%['")?;
                let sample = expression(context, &rest[1..end])?;
                rest = &rest[end + 1..];
                sample
            }
            _ => {
                let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                rest = after;
                alias(name)?
            }
        };
        match constant(&fetch) {
            Some(text) => plain.extend(text),
            None => {
                format.push_text(&std::mem::take(&mut plain));
                format.pieces.push(CheckPiece::Sample(fetch));
            }
        }
    }
    plain.extend_from_slice(rest);
    format.push_text(&plain);
    format.pieces.retain(|piece| !matches!(piece, CheckPiece::Text(text) if text.expose().is_empty()));
    Ok(format)
}

/// Where the bracket closes that opens the text; one in quotes or in parentheses is a character.
fn closing(text: &[u8]) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0usize);
    for (at, byte) in text.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b']') if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The old names of log formats, those that are known before a session is.
fn alias(name: &[u8]) -> Result<CheckSample, String> {
    let fetch = match name {
        b"b" => CheckFetch::BackendName,
        b"s" => CheckFetch::ServerName,
        b"H" => CheckFetch::Hostname,
        other => {
            let name = String::from_utf8_lossy(other);
            return Err(format!("'%{name}' is not supported in checks; write a percent sign as '%%'"));
        }
    };
    Ok(CheckSample { fetch, converters: Vec::new() })
}

fn constant(sample: &CheckSample) -> Option<Vec<u8>> {
    match &sample.fetch {
        _ if !sample.converters.is_empty() => None,
        CheckFetch::Text(text) => Some(text.expose().to_vec()),
        CheckFetch::Integer(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}
