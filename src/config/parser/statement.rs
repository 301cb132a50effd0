//! One line's words as a statement, and what every keyword's reader needs to report: missing, surplus and
//! unreadable arguments, in HAProxy's words.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::context::Context;
use super::value::{self, TimeError, TimeUnit};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::lexer::Word;
use crate::config::source::Span;

/// What stood before the keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polarity {
    Normal,
    /// `no KEYWORD`
    No,
    /// `default KEYWORD`
    Default,
}

/// A line, its `no` or `default` taken off. Never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a> {
    pub words: &'a [Word],
    pub polarity: Polarity,
    /// File and line, for what is only found wrong when the program runs.
    pub place: (&'a str, u32),
}

impl<'a> Statement<'a> {
    /// The text of a word; empty where there is none, as HAProxy sees it.
    pub(super) fn text(&self, index: usize) -> Cow<'a, str> {
        self.words.get(index).map_or(Cow::Borrowed(""), Word::str)
    }

    /// A word that is there and not empty.
    pub(super) fn argument(&self, index: usize) -> Option<&'a Word> {
        self.words.get(index).filter(|word| !word.text.is_empty())
    }

    /// The words from `index` on.
    pub(super) fn rest(&self, index: usize) -> &'a [Word] {
        self.words.get(index..).unwrap_or_default()
    }

    /// The whole statement.
    pub(super) fn span(&self) -> Span {
        match self.words {
            [] => Span::default(),
            [first, .., last] => first.span.to(last.span),
            [only] => only.span,
        }
    }

    /// Where a word stands, or the whole statement if it is missing.
    pub(super) fn span_of(&self, index: usize) -> Span {
        self.words.get(index).map_or_else(|| self.span(), |word| word.span)
    }

    /// Reports words after the first `used`; says whether there were none.
    pub(super) fn no_more(&self, context: &mut Context<'_>, name: &str, used: usize) -> bool {
        let Some(surplus) = self.argument(used) else { return true };
        let message = format!("'{name}' cannot handle unexpected argument '{}'.", surplus.str());
        context.report(
            Diagnostic::error(surplus.span, message)
                .help("a line holds one statement; quote an argument that has blanks"),
        );
        false
    }

    /// Warns of words after the first `used` where HAProxy does not look at them.
    pub(super) fn left_out(&self, context: &mut Context<'_>, name: &str, used: usize) {
        if let Some(surplus) = self.argument(used) {
            let message = format!("'{name}' : '{}' is left out, as HAProxy does", surplus.str());
            context.report(Diagnostic::warning(surplus.span, message).help("a line holds one statement"));
        }
    }

    /// Reads a word as a time, and reports it if it is none.
    pub(super) fn time(
        &self,
        context: &mut Context<'_>,
        index: usize,
        name: &str,
        bare: TimeUnit,
    ) -> Option<Duration> {
        let span = self.span_of(index);
        let Some(word) = self.argument(index) else {
            let unit = if bare == TimeUnit::Seconds { "seconds" } else { "milliseconds" };
            context.error(span, format!("'{name}' expects an integer value (in {unit})"));
            return None;
        };
        let (value, stray) = match read_time(&word.str(), name, bare) {
            Ok(read) => read,
            Err(message) => {
                context.report(Diagnostic::error(span, message).help(TIME_HELP));
                return None;
            }
        };
        if let Some(message) = stray {
            context.report(Diagnostic::warning(span, message).heading(Heading::Bare).help(TIME_HELP));
        }
        Some(value)
    }

    /// Reads a word as an integer within `range`, and reports it if it is none.
    pub(super) fn number<T: TryFrom<i64>>(
        &self,
        context: &mut Context<'_>,
        index: usize,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let span = self.span_of(index);
        let Some(word) = self.argument(index) else {
            context.error(span, format!("'{name}' expects an integer argument."));
            return None;
        };
        match read_number(&word.str(), name, range) {
            Ok((number, stray)) => {
                if let Some(message) = stray {
                    context.report(Diagnostic::warning(span, message).help(NUMBER_HELP));
                }
                T::try_from(number).ok()
            }
            Err(message) => {
                context.error(span, message);
                None
            }
        }
    }

    /// Reads a word as text, and reports `expected` if it is missing.
    pub(super) fn string(&self, context: &mut Context<'_>, index: usize, expected: &str) -> Option<String> {
        let word = self.argument(index);
        if word.is_none() {
            context.error(self.span(), expected);
        }
        word.map(|word| word.str().into_owned())
    }
}

/// What to write instead of a bad time.
pub(super) const TIME_HELP: &str =
    "write an integer with an optional unit: us, ms, s, m, h or d, such as '30s'; decimals are not taken";

/// Reads a time; the second part is HAProxy's warning about letters after the unit.
pub(super) fn read_time(
    text: &str,
    name: &str,
    bare: TimeUnit,
) -> Result<(Duration, Option<String>), String> {
    match value::time(text, bare) {
        Ok(time) => {
            let stray = time.stray.map(|character| {
                format!("unexpected character '{character}' after the timer value '{text}'")
            });
            Ok((time.value, stray))
        }
        Err(TimeError::Empty) => Err(format!("'{name}' expects an integer value (in milliseconds)")),
        Err(TimeError::Unexpected(character)) => {
            Err(format!("unexpected character '{character}' in '{name}'"))
        }
        Err(TimeError::Overflow) => Err(format!(
            "timer overflow in argument '{text}' to '{name}' (maximum value is 2147483647 ms or ~24.8 days)"
        )),
    }
}

/// What to write instead of a number with letters behind it.
pub(super) const NUMBER_HELP: &str = "write digits only";

/// Keywords whose numbers HAProxy reads to the end; of others it takes the digits in front and says nothing.
const READ_WHOLE: &[&str] =
    &["clitcpka-cnt", "gid", "nbthread", "rate-limit sessions", "srvtcpka-cnt", "uid"];

/// Reads an integer within `range`; the second part warns of letters that HAProxy does not look at.
pub(super) fn read_number(
    text: &str,
    name: &str,
    range: RangeInclusive<i64>,
) -> Result<(i64, Option<String>), String> {
    let (number, stray) = match value::integer(text) {
        Some(number) => (number, None),
        None if READ_WHOLE.contains(&name) => {
            return Err(format!("'{name}' expects an integer, found '{text}'"));
        }
        None => {
            let Some(number) = value::leading_integer(text) else {
                return Err(format!("'{name}' : '{text}' is too large a number"));
            };
            let warning =
                format!("'{name}' : '{text}' is no number and is taken as {number}, as HAProxy does");
            (number, Some(warning))
        }
    };
    if !range.contains(&number) {
        let (low, high) = range.into_inner();
        return Err(match high {
            UNBOUNDED if number > high => format!("'{name}' : '{text}' is too large a number"),
            i64::MAX | UNBOUNDED => format!("'{name}' value must be at least {low} (was {number})"),
            _ => format!("'{name}' value must be between {low} and {high} (was {number})"),
        });
    }
    Ok((number, stray))
}

/// The highest count that any keyword takes.
pub(super) const UNBOUNDED: i64 = u32::MAX as i64;
