//! Argument lists such as `random(2)` or `defined("A B")`: inside the parentheses the line's quoting counts
//! once more, so that an argument may hold a comma, a blank or a parenthesis.

use super::piece::{self, Piece, Quote};

/// `name(argument,argument)rest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// What stands before the parenthesis.
    pub name: &'a [u8],
    /// Unquoted; `None` without parentheses. `f()` has none, `f(,)` has two empty ones.
    pub arguments: Option<Vec<Vec<u8>>>,
    /// What follows the closing parenthesis.
    pub rest: &'a [u8],
}

/// Why a list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentFault {
    #[error("missing closing ')'")]
    Unclosed,
    #[error("unmatched quote")]
    UnmatchedQuote,
    #[error("truncated or invalid hexadecimal sequence")]
    Hexadecimal,
}

/// Splits the text of a word.
pub fn split_arguments(text: &[u8]) -> Result<Call<'_>, ArgumentFault> {
    let Some(parenthesis) = memchr::memchr(b'(', text) else {
        return Ok(Call { name: text, arguments: None, rest: b"" });
    };
    let mut rest = &text[parenthesis + 1..];
    let mut arguments = vec![Vec::new()];
    let mut quote: Option<Quote> = None;
    loop {
        let Some(first) = rest.first() else {
            return Err(if quote.is_some() {
                ArgumentFault::UnmatchedQuote
            } else {
                ArgumentFault::Unclosed
            });
        };
        match (quote, first) {
            (None, b')') => break,
            (None, b',') => {
                arguments.push(Vec::new());
                rest = &rest[1..];
                continue;
            }
            _ => {}
        }
        let current = arguments.last_mut().ok_or(ArgumentFault::Unclosed)?;
        rest = read_piece(rest, &mut quote, current)?;
    }
    if arguments.len() == 1 && text[parenthesis + 1] == b')' {
        arguments.clear();
    }
    Ok(Call { name: &text[..parenthesis], arguments: Some(arguments), rest: &rest[1..] })
}

/// Adds one piece to the argument. Variables were expanded by the line's quoting, and a blank or a `#` is
/// text here.
fn read_piece<'a>(
    rest: &'a [u8],
    quote: &mut Option<Quote>,
    argument: &mut Vec<u8>,
) -> Result<&'a [u8], ArgumentFault> {
    let ends_text = |byte: &u8| matches!(byte, b',' | b')' | b'"' | b'\'' | b'\\');
    let text = match quote {
        None => rest.iter().position(ends_text).unwrap_or(rest.len()),
        Some(_) => usize::from(rest[0] == b'$'),
    };
    if text > 0 {
        argument.extend_from_slice(&rest[..text]);
        return Ok(&rest[text..]);
    }
    let (after, piece) = piece::next(rest, *quote).map_err(|fault| match fault.reason {
        piece::Reason::Hexadecimal => ArgumentFault::Hexadecimal,
        _ => ArgumentFault::UnmatchedQuote,
    })?;
    match piece {
        Piece::Byte(byte) => argument.push(byte),
        Piece::Text(text) => argument.extend_from_slice(text),
        Piece::Quote(kind) => *quote = if quote.is_some() { None } else { Some(kind) },
        Piece::Gap | Piece::Comment | Piece::Variable(_) => argument.extend_from_slice(&rest[..1]),
    }
    Ok(if matches!(piece, Piece::Gap | Piece::Comment | Piece::Variable(_)) { &rest[1..] } else { after })
}
