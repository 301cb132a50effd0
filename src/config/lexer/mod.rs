//! One physical line in, its words out: quotes, escapes, comments and environment variables. Knows no keyword.
//!
//! A line is a run of [`Piece`]s, each read by a small nom parser; which parsers apply depends on the quote
//! that is open. [`Line`] glues pieces to words. Every byte is looked at a bounded number of times, and what
//! variables may add to a line is bounded, so that no input costs time or memory out of proportion.
//!
//! Positions in messages count bytes from 1 and are those that HAProxy prints. Faults of this layer are
//! worded as HAProxy words them, since tools read them.

mod arguments;
mod environment;
mod piece;

use std::borrow::Cow;
use std::ops::Range;

pub use arguments::{ArgumentFault, Call, split_arguments};
pub use environment::{Environment, LineContext, expand_unquoted};

use self::piece::{Fault, Piece, Quote, Variable, is_blank};
use super::diagnostic::{Diagnostic, Heading};
use super::source::{Source, SourceId, Span};

/// HAProxy's limit on the words of a line; more are an error there and here.
pub const MAX_WORDS: usize = 64;

/// What environment variables may add to one line, in bytes. A line that repeats a long variable would
/// otherwise multiply the two lengths.
const MAX_EXPANSION: usize = 1 << 20;

/// One word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Unquoted, unescaped, variables expanded. May be empty, may be any bytes but NUL.
    pub text: Vec<u8>,
    /// Where it stands, quotes included. The words that one `${NAME[*]}` makes share its span.
    pub span: Span,
}

impl Word {
    /// The text for comparison and for messages; bytes that are not UTF-8 are replaced.
    pub fn str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}

/// Splits one line (without its LF) that starts at byte `start` of `source`. A blank line, a comment, and a
/// line whose first word is empty (HAProxy skips it) have no words.
pub fn split(
    source: SourceId,
    start: usize,
    line: &[u8],
    environment: &Environment,
    context: &LineContext<'_>,
) -> Result<Vec<Word>, Diagnostic> {
    let whole = Span::new(source, start..start + line.len());
    if let Some(at) = memchr::memchr(0, line) {
        let message = format!("Stray NUL character at position {}.", at + 1);
        let span = Span::new(source, start + at..start + at + 1);
        return Err(Diagnostic::error(span, message).heading(Heading::Line));
    }
    // A carriage return ends a line even inside quotes, which is what makes CRLF files work.
    let line = memchr::memchr(b'\r', line).map_or(line, |end| &line[..end]);
    let mut state = Line::default();
    match state.read(line, environment, context) {
        Ok(()) => state.into_words(source, start).map_err(|message| {
            Diagnostic::error(whole, message).heading(Heading::Line).help("split the line into several")
        }),
        Err(fault) => {
            let at = line.len() - fault.rest.len();
            let message = format!("{} at position {}:", fault.reason.text(), at + 1);
            let end = (at + 1).min(line.len()).max(at);
            let span = Span::new(source, start + at..start + end);
            Err(Diagnostic::error(span, message).heading(Heading::Excerpt).help(fault.reason.help()))
        }
    }
}

/// The lines of a text: number from 1, byte offset, bytes without the LF.
pub fn lines(source: &Source) -> impl Iterator<Item = (u32, usize, &[u8])> {
    let mut start = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        let rest = source.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest);
        let line = (number + 1, start, &rest[..length.unwrap_or(rest.len())]);
        start += length.unwrap_or(rest.len()) + 1;
        number += 1;
        Some(line)
    })
}

/// HAProxy refuses a text whose last line has no LF: it may have been cut short.
pub fn missing_newline(id: SourceId, source: &Source) -> Option<Diagnostic> {
    let (_, start, line) = lines(source).last()?;
    if source.bytes.ends_with(b"\n") {
        return None;
    }
    let position = line.len() + 1;
    let message = format!("Missing LF on last line, file might have been truncated at position {position}.");
    // The span stays inside the line, so that its place is the line's.
    let end = start + line.len();
    Some(
        Diagnostic::error(Span::new(id, end.saturating_sub(1).max(start)..end), message)
            .heading(Heading::Line)
            .help("end the file with a newline"),
    )
}

/// The words of a line that need not make sense, with their places in it: a fault counts as plain text, an
/// open quote ends with the line, variables stay as they are written. For hiding secrets, not for parsing.
pub fn lenient_words(line: &[u8]) -> Vec<(Vec<u8>, Range<usize>)> {
    let mut words: Vec<(Vec<u8>, Range<usize>)> = Vec::new();
    let mut rest = line;
    let mut quote = None;
    let mut begun = false;
    while let Some(first) = rest.first() {
        let at = line.len() - rest.len();
        let (after, piece) = piece::next(rest, quote).unwrap_or((&rest[1..], Piece::Byte(*first)));
        let end = line.len() - after.len();
        match piece {
            Piece::Comment => break,
            Piece::Gap => begun = false,
            _ => {
                if !begun {
                    words.push((Vec::new(), at..end));
                    begun = true;
                }
                let Some((text, place)) = words.last_mut() else { break };
                place.end = end;
                match piece {
                    Piece::Text(more) => text.extend_from_slice(more),
                    Piece::Byte(byte) => text.push(byte),
                    Piece::Variable(_) => text.extend_from_slice(&line[at..end]),
                    Piece::Quote(kind) => quote = if quote.is_some() { None } else { Some(kind) },
                    Piece::Gap | Piece::Comment => {}
                }
            }
        }
        rest = after;
    }
    words
}

/// The words of a line while it is read.
#[derive(Debug, Default)]
struct Line {
    /// Text and, in the line, start and end of each finished word; at most [`MAX_WORDS`].
    words: Vec<(Vec<u8>, usize, usize)>,
    /// The word that is being glued together.
    current: Option<Vec<u8>>,
    /// Where the current source word starts, and which is the first of `words` that it made.
    begun: (usize, usize),
    expanded: usize,
    overflow: bool,
}

impl Line {
    fn read<'a>(
        &mut self,
        line: &'a [u8],
        environment: &Environment,
        context: &LineContext<'_>,
    ) -> Result<(), Fault<'a>> {
        let mut rest = line;
        let mut quote: Option<(Quote, &[u8])> = None;
        while !rest.is_empty() {
            let at = line.len() - rest.len();
            let (after, piece) = piece::next(rest, quote.map(|(quote, _)| quote))?;
            match piece {
                Piece::Gap => self.end_source_word(at),
                Piece::Comment => {
                    self.end_source_word(at);
                    // HAProxy counts a comment that stands apart as one more word.
                    self.overflow |= self.words.len() == MAX_WORDS && line[at - 1..at].iter().all(is_blank);
                    return Ok(());
                }
                Piece::Text(text) => self.open(at).extend_from_slice(text),
                Piece::Byte(byte) => self.open(at).push(byte),
                Piece::Quote(kind) => {
                    self.open(at);
                    quote = if quote.is_some() { None } else { Some((kind, rest)) };
                }
                Piece::Variable(variable) => {
                    let value = environment.lookup(variable.name, context);
                    let value = value.as_deref().or(variable.default).unwrap_or_default();
                    self.expand(at, &variable, value).map_err(|reason| Fault { rest, reason })?;
                }
            }
            rest = after;
        }
        if let Some((_, opening)) = quote {
            return Err(Fault { rest: opening, reason: piece::Reason::UnmatchedQuote });
        }
        self.end_source_word(line.len());
        Ok(())
    }

    /// The current word, begun here if there is none.
    fn open(&mut self, at: usize) -> &mut Vec<u8> {
        if self.current.is_none() {
            self.begun = (at, self.words.len());
        }
        self.current.get_or_insert_default()
    }

    fn expand(&mut self, at: usize, variable: &Variable<'_>, value: &[u8]) -> Result<(), piece::Reason> {
        self.expanded += value.len();
        if self.expanded > MAX_EXPANSION {
            return Err(piece::Reason::ExpansionTooLong);
        }
        self.open(at);
        if !variable.split {
            self.open(at).extend_from_slice(value);
            return Ok(());
        }
        let mut pieces = value.chunk_by(|left, right| is_blank(left) == is_blank(right));
        for run in pieces.by_ref() {
            if is_blank(&run[0]) {
                self.push_word(at);
                self.current = Some(Vec::new());
            } else {
                self.open(at).extend_from_slice(run);
            }
        }
        Ok(())
    }

    /// Finishes the current word; words beyond the limit are only counted.
    fn push_word(&mut self, end: usize) {
        let Some(mut text) = self.current.take() else { return };
        if self.words.len() == MAX_WORDS {
            self.overflow = true;
            return;
        }
        // HAProxy's words are C strings, so that `\x00` ends one: the same file must mean the same.
        if let Some(nul) = memchr::memchr(0, &text) {
            text.truncate(nul);
        }
        self.words.push((text, self.begun.0, end));
    }

    fn end_source_word(&mut self, end: usize) {
        if self.current.is_none() {
            return;
        }
        self.push_word(end);
        for word in self.words.iter_mut().skip(self.begun.1) {
            word.2 = end;
        }
    }

    fn into_words(self, source: SourceId, start: usize) -> Result<Vec<Word>, String> {
        if self.overflow {
            let position: usize = self.words.iter().take(MAX_WORDS - 1).map(|word| word.0.len() + 1).sum();
            return Err(format!(
                "too many words, truncating after word {MAX_WORDS}, position {}: <{}>.",
                position + 1,
                self.words.last().map(|word| String::from_utf8_lossy(&word.0)).unwrap_or_default()
            ));
        }
        if self.words.first().is_none_or(|word| word.0.is_empty()) {
            return Ok(Vec::new());
        }
        let word = |(text, from, to)| Word { text, span: Span::new(source, start + from..start + to) };
        Ok(self.words.into_iter().map(word).collect())
    }
}

#[cfg(test)]
mod tests;
