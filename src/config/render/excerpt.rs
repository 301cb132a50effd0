//! One source line as it may be shown: secrets starred, every byte a printable character, long lines cut to
//! what is around the span; and where the span has gone in it.

use std::ops::Range;

use super::super::mask;
use super::super::source::{Source, Span};

/// Bytes of a line that are shown before and after a span.
const AROUND: usize = 100;

/// A line that is safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    /// The span's place in `text`, in bytes; on character boundaries.
    pub(super) marked: Range<usize>,
}

impl Excerpt {
    /// The line `number` (from 1), around `span`, which must begin on it; a span that reaches beyond the
    /// line is cut at its end.
    pub(super) fn new(source: &Source, number: u32, span: Span) -> Excerpt {
        let line = mask::readable(source, number);
        let start = (source.line_column(span.start).1 as usize - 1).min(line.len());
        let end = (start + (span.end - span.start) as usize).min(line.len());
        let shown = start.saturating_sub(AROUND)..(end.min(start + AROUND) + AROUND).min(line.len());
        let secrets = mask::secret_ranges(source, number);
        let mut writer = Writer { text: String::new(), marked: start..end, places: (None, None) };
        if shown.start > 0 {
            writer.text.push_str("...");
        }
        let mut at = shown.start;
        while at < shown.end {
            writer.reach(at);
            if let Some(secret) = secrets.iter().find(|range| range.contains(&at)) {
                writer.text.push_str(mask::STARS);
                // A mark inside the secret covers the stars.
                writer.reach_within(secret);
                at = secret.end;
            } else {
                at += writer.character(&line[at..]);
            }
        }
        writer.reach(at);
        if shown.end < source.line(number).len() {
            writer.text.push_str("...");
        }
        writer.finish()
    }

    /// The line as HAProxy shows it below a message: without indentation, tabs as blanks, at most eighty
    /// characters; and the column of the caret.
    pub(super) fn cropped(&self) -> (String, usize) {
        const WIDTH: usize = 80;
        const BEFORE: usize = 37;
        let indent = self.text.len() - self.text.trim_start().len();
        let caret = self.text[indent.min(self.marked.start)..self.marked.start].chars().count();
        let characters = self.text.trim_start().chars().map(|one| if one == '\t' { ' ' } else { one });
        if caret < WIDTH {
            return (characters.take(WIDTH).collect(), caret);
        }
        let around: String = characters.skip(caret - BEFORE).take(WIDTH - 6).collect();
        (format!("...{around}..."), BEFORE + 3)
    }
}

struct Writer {
    text: String,
    /// In the line.
    marked: Range<usize>,
    /// Where the mark's start and end have gone.
    places: (Option<usize>, Option<usize>),
}

impl Writer {
    /// Notes the mark's ends when the byte `at` of the line is about to be written.
    fn reach(&mut self, at: usize) {
        if at >= self.marked.start {
            self.places.0.get_or_insert(self.text.len());
        }
        if at >= self.marked.end {
            self.places.1.get_or_insert(self.text.len());
        }
    }

    /// A mark that begins inside a secret begins at its stars; one that ends inside ends after them.
    fn reach_within(&mut self, secret: &Range<usize>) {
        if secret.contains(&self.marked.start) {
            self.places.0.get_or_insert(self.text.len() - mask::STARS.len());
        }
        if (secret.start + 1..=secret.end).contains(&self.marked.end) {
            self.places.1.get_or_insert(self.text.len());
        }
    }

    /// Writes the first character of `rest` and returns its length there.
    fn character(&mut self, rest: &[u8]) -> usize {
        let end = rest.len().min(4);
        let chunk = rest[..end].utf8_chunks().next();
        let first = chunk.as_ref().and_then(|chunk| chunk.valid().chars().next());
        match first {
            Some(character) => {
                let printable = character == '\t' || !character.is_control();
                self.text.push(if printable { character } else { '?' });
                character.len_utf8()
            }
            None => {
                self.text.push('?');
                1
            }
        }
    }

    fn finish(self) -> Excerpt {
        let start = self.places.0.unwrap_or(self.text.len());
        let end = self.places.1.unwrap_or(self.text.len()).max(start);
        Excerpt { text: self.text, marked: start..end }
    }
}
