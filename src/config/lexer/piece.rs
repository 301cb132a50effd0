//! The pieces of a line, read with nom: gaps, comments, quotes, escapes, variables and plain text. Each
//! parser takes at least one byte, so that a line is read in as many steps as it has pieces.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while_m_n, take_while1};
use nom::combinator::{cut, map, opt, value, verify};
use nom::error::{ErrorKind, ParseError};
use nom::sequence::{preceded, terminated};
use nom::{Err, IResult, Parser};

/// Which quote is open: inside double quotes escapes and variables count, inside single quotes nothing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    Double,
    Single,
}

/// A `$NAME`, `${NAME}`, `${NAME-default}` or `${NAME[*]}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    pub(super) name: &'a [u8],
    /// Taken where the variable is unset, not where it is empty.
    pub(super) default: Option<&'a [u8]>,
    /// `[*]`: white space in the value parts words.
    pub(super) split: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Gap,
    /// The rest of the line.
    Comment,
    Text(&'a [u8]),
    /// What an escape stands for.
    Byte(u8),
    /// Opens or closes.
    Quote(Quote),
    Variable(Variable<'a>),
}

/// What is wrong, and where: `rest` is the line from the offending byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    pub(super) rest: &'a [u8],
    pub(super) reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    UnmatchedQuote,
    Hexadecimal,
    VariableName,
    UnmatchedBrace,
    WordExpansion,
    ExpansionTooLong,
}

impl Reason {
    /// HAProxy's words, but for the limit that it does not have.
    pub(super) fn text(self) -> &'static str {
        match self {
            Reason::UnmatchedQuote => "unmatched quote",
            Reason::Hexadecimal => "truncated or invalid hexadecimal sequence",
            Reason::VariableName => "forbidden first char in environment variable name",
            Reason::UnmatchedBrace => "unmatched brace in environment variable name",
            Reason::WordExpansion => "truncated or invalid word expansion sequence",
            Reason::ExpansionTooLong => "environment variables make this line too long",
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Reason::UnmatchedQuote => {
                "close the quote on the same line, or write `\\\"` or `\\'` for the character itself"
            }
            Reason::Hexadecimal => "write two hexadecimal digits after `\\x`",
            Reason::VariableName => {
                "a name starts with a letter or `_`; write `\\$` for the dollar sign itself"
            }
            Reason::UnmatchedBrace => "close the name with `}`",
            Reason::WordExpansion => "write `${NAME[*]}` to make a word of each part of the value",
            Reason::ExpansionTooLong => "use the variable less often, or shorten its value",
        }
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    /// Only reached where an alternative does not apply; such a fault is never shown.
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Fault { rest, reason: Reason::UnmatchedBrace }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// The piece at the start of a line that is not empty, and what follows it.
pub(super) fn next(line: &[u8], quote: Option<Quote>) -> Result<(&[u8], Piece<'_>), Fault<'_>> {
    let parsed = match quote {
        None => alt((gap, comment, open, escape, plain)).parse(line),
        Some(Quote::Double) => alt((close_double, escape_in_quotes, variable, text_in_double)).parse(line),
        Some(Quote::Single) => alt((close_single, text_in_single)).parse(line),
    };
    match parsed {
        Ok(parsed) => Ok(parsed),
        Err(Err::Error(fault) | Err::Failure(fault)) => Err(fault),
        Err(Err::Incomplete(_)) => Err(Fault { rest: line, reason: Reason::UnmatchedQuote }),
    }
}

/// White space as C's `isspace` has it.
pub(super) fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn gap(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    value(Piece::Gap, take_while1(|byte| is_blank(&byte))).parse(line)
}

fn comment(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    value(Piece::Comment, tag("#")).parse(line)
}

fn open(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    alt((close_double, close_single)).parse(line)
}

fn close_double(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    value(Piece::Quote(Quote::Double), tag("\"")).parse(line)
}

fn close_single(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    value(Piece::Quote(Quote::Single), tag("'")).parse(line)
}

fn plain(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    text_until(line, |byte| is_blank(&byte) || matches!(byte, b'#' | b'"' | b'\'' | b'\\'))
}

fn text_in_double(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    text_until(line, |byte| matches!(byte, b'"' | b'\\' | b'$'))
}

fn text_in_single(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    text_until(line, |byte| byte == b'\'')
}

fn text_until(line: &[u8], stop: impl Fn(u8) -> bool) -> Parsed<'_, Piece<'_>> {
    map(verify(take_till(stop), |text: &[u8]| !text.is_empty()), Piece::Text).parse(line)
}

/// A backslash before a character without a meaning stands for itself; the character follows as text.
fn escape(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    let lone = value(Piece::Byte(b'\\'), tag("\\"));
    alt((hexadecimal, known_escape, lone)).parse(line)
}

/// `\$` counts only where `$` does.
fn escape_in_quotes(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    alt((value(Piece::Byte(b'$'), tag("\\$")), escape)).parse(line)
}

fn known_escape(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    let (rest, _) = tag("\\").parse(line)?;
    let byte = match rest.first() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(byte @ (b' ' | b'#' | b'\\' | b'\'' | b'"')) => *byte,
        _ => return Err(Err::Error(Fault::from_error_kind(line, ErrorKind::Char))),
    };
    Ok((&rest[1..], Piece::Byte(byte)))
}

fn hexadecimal(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    let (digits, _) = tag("\\x").parse(line)?;
    let failure = Err::Failure(Fault { rest: line, reason: Reason::Hexadecimal });
    let digit = |at: usize| digits.get(at).and_then(|byte| (*byte as char).to_digit(16));
    match (digit(0), digit(1)) {
        (Some(high), Some(low)) => Ok((&digits[2..], Piece::Byte((high * 16 + low) as u8))),
        _ => Err(failure),
    }
}

fn variable(line: &[u8]) -> Parsed<'_, Piece<'_>> {
    let (rest, _) = tag("$").parse(line)?;
    let (name, brace) = opt(tag("{")).parse(rest)?;
    if brace.is_none() {
        return map(variable_name, |name| Piece::Variable(Variable { name, default: None, split: false }))
            .parse(name);
    }
    let (after, name) = variable_name(name)?;
    let (after, split) = word_expansion(after)?;
    let ending = alt((value(None, tag("}")), map(default_value, Some)));
    let (after, default) = cut(ending)
        .parse(after)
        .map_err(|_: Err<Fault<'_>>| Err::Failure(Fault { rest, reason: Reason::UnmatchedBrace }))?;
    Ok((after, Piece::Variable(Variable { name, default, split })))
}

/// A letter or `_`, then those and digits; or one of the pseudo variables, which start with a dot.
fn variable_name(line: &[u8]) -> Parsed<'_, &[u8]> {
    let failure = Err::Failure(Fault { rest: line, reason: Reason::VariableName });
    let dots = usize::from(line.first() == Some(&b'.'));
    let (_, letters) = take_while(is_name_byte).parse(&line[dots..])?;
    let name = &line[..dots + letters.len()];
    let good = match dots {
        0 => letters.first().is_some_and(|byte| !byte.is_ascii_digit()),
        _ => matches!(name, b".FILE" | b".LINE" | b".SECTION"),
    };
    if good { Ok((&line[name.len()..], name)) } else { Err(failure) }
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word_expansion(line: &[u8]) -> Parsed<'_, bool> {
    let (rest, bracket) = opt(take_while_m_n(1, 1, |byte| byte == b'[')).parse(line)?;
    if bracket.is_none() {
        return Ok((line, false));
    }
    value(true, tag("*]"))
        .parse(rest)
        .map_err(|_: Err<Fault<'_>>| Err::Failure(Fault { rest: line, reason: Reason::WordExpansion }))
}

/// Everything up to the brace is the value as it stands: no quote, escape or variable counts in it.
fn default_value(line: &[u8]) -> Parsed<'_, &[u8]> {
    preceded(tag("-"), terminated(take_till(|byte| byte == b'}'), tag("}"))).parse(line)
}
