//! What rules do besides letting in, refusing and counting: words of one line in, an action and where its condition
//! begins out. The words of faults are HAProxy's.

use super::log;
use super::rule::{expression, names};
use super::sample::{Fault, variable};
use super::statement::Statement;
use crate::config::ast::{Action, Spanned};
use crate::config::model::{End, Half, LogLevel, Marking, When};

/// More are no config.
const MOST_CONDITIONS: usize = 4;

type Read = Result<(Action, usize), Fault>;

type Reader = fn(&Statement<'_>) -> Read;

/// The actions, by name.
static READERS: &[(&str, Reader)] = &[
    ("set-var", set_variable),
    ("set-var-fmt", set_text),
    ("unset-var", |line| Ok((Action::UnsetVariable(named(line)?), 3))),
    ("set-src", |line| rewrite(line, End::Source, Half::Ip)),
    ("set-src-port", |line| rewrite(line, End::Source, Half::Port)),
    ("set-dst", |line| rewrite(line, End::Destination, Half::Ip)),
    ("set-dst-port", |line| rewrite(line, End::Destination, Half::Port)),
    ("set-mark", |line| Ok((Action::Mark(Marking::Mark(packet_number(line)?)), 4))),
    // The kernel looks at eight bits, as HAProxy does.
    ("set-tos", |line| Ok((Action::Mark(Marking::Tos(packet_number(line)? as u8)), 4))),
    ("set-log-level", log_level),
    ("set-nice", |line| match line.argument(3) {
        Some(_) => Ok((Action::Nothing, 4)),
        None => Err(Fault::new(line.span(), "expects exactly 1 argument (integer value)")),
    }),
    ("set-priority-class", |line| expression(line, 3).map(|_| (Action::Nothing, 4))),
    ("set-priority-offset", |line| expression(line, 3).map(|_| (Action::Nothing, 4))),
    ("capture", capture),
];

/// Reads the action of that name; `None` if it is none of these.
pub(super) fn read(line: &Statement<'_>, name: &str) -> Option<Read> {
    let (_, read) = READERS.iter().find(|(known, _)| *known == name)?;
    Some(read(line))
}

fn set_variable(line: &Statement<'_>) -> Read {
    if line.text(3).is_empty() {
        return Err(Fault::new(line.span(), "missing expression"));
    }
    let (name, when) = (named(line)?, conditions(line)?);
    Ok((Action::SetVariable { name, sample: expression(line, 3)?, when }, 4))
}

fn set_text(line: &Statement<'_>) -> Read {
    let (name, when) = (named(line)?, conditions(line)?);
    // As in HAProxy nothing stands for an empty text.
    let format = match line.argument(3) {
        Some(word) => Spanned::new(word.text.as_slice().into(), word.span),
        None => Spanned::new([].as_slice().into(), line.span()),
    };
    Ok((Action::SetText { name, format, when }, 4))
}

/// The name between the parentheses.
fn named(line: &Statement<'_>) -> Result<String, Fault> {
    let name = names(line).into_iter().next().unwrap_or_default();
    variable(&name).map_err(|message| Fault::new(line.span_of(2), message))?;
    if name.starts_with("proc.") {
        let message = format!("'{name}': variables of the process are not supported");
        return Err(Fault::new(line.span_of(2), message));
    }
    Ok(name)
}

/// What follows the name.
fn conditions(line: &Statement<'_>) -> Result<Vec<When>, Fault> {
    let words = names(line);
    let words = words.get(1..).unwrap_or_default();
    if words.len() > MOST_CONDITIONS {
        return Err(Fault::new(line.span_of(2), "too many conditions"));
    }
    words.iter().map(|word| condition(word).map_err(|message| Fault::new(line.span_of(2), message))).collect()
}

fn condition(word: &str) -> Result<When, String> {
    Ok(match word {
        "ifexists" | "ifset" => When::Exists,
        "ifnotexists" | "ifnotset" => When::NotExists,
        "ifempty" => When::Empty,
        "ifnotempty" => When::NotEmpty,
        "ifgt" => When::Greater,
        "iflt" => When::Less,
        other => return Err(format!("unknown condition '{other}'")),
    })
}

fn rewrite(line: &Statement<'_>, end: End, half: Half) -> Read {
    Ok((Action::Rewrite { end, half, sample: expression(line, 3)? }, 4))
}

/// Decimal, or hexadecimal after `0x`.
fn packet_number(line: &Statement<'_>) -> Result<u32, Fault> {
    let text = line.text(3);
    if text.is_empty() {
        return Err(Fault::new(line.span(), "expects exactly 1 argument (integer/hex value)"));
    }
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i64>().ok(),
    };
    let Some(number) = number else {
        let message = format!("invalid character starting at '{text}' (integer/hex value expected)");
        return Err(Fault::new(line.span_of(3), message));
    };
    // What is too large wraps, as in HAProxy.
    Ok(number as u32)
}

fn log_level(line: &Statement<'_>) -> Read {
    let text = line.text(3);
    let level = match &*text {
        "silent" => Some(LogLevel::Silent),
        name => log::level_number(name).map(LogLevel::Level),
    };
    let Some(level) = level else {
        let message = "expects exactly 1 argument (log level name or 'silent')";
        return Err(Fault::new(line.span_of(3), message));
    };
    Ok((Action::SetLogLevel(level), 4))
}

/// `capture SAMPLE len N`
fn capture(line: &Statement<'_>) -> Read {
    let sample = expression(line, 3)?;
    let length = (line.text(4) == "len").then(|| line.text(5).parse().ok()).flatten();
    let Some(length) = length.filter(|length| *length > 0) else {
        return Err(Fault::new(line.span_of(4), "a positive 'len' argument is mandatory"));
    };
    Ok((Action::Capture { sample, length }, 6))
}
