//! Texts and places in them. A span is two byte offsets and a file number, so that it is cheap to carry on
//! every word; line and column are computed when something is rendered.

use std::ops::Range;
use std::sync::Arc;

/// Position of a text in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SourceId(pub u32);

/// A run of bytes in one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    pub source: SourceId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The bytes `range` of `source`.
    pub fn new(source: SourceId, range: Range<usize>) -> Span {
        Span { source, start: range.start as u32, end: range.end as u32 }
    }

    /// The smallest span that covers both; they must be of one text.
    pub fn to(self, other: Span) -> Span {
        Span { source: self.source, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One config text as it was read; may be any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as given on the command line.
    pub name: String,
    pub bytes: Arc<[u8]>,
    line_starts: Arc<[u32]>,
}

impl Source {
    /// Takes a text in and finds its lines.
    pub fn new(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Source {
        let bytes = bytes.into();
        let starts = std::iter::once(0)
            .chain(bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at as u32 + 1));
        Source { name: name.into(), line_starts: starts.collect(), bytes }
    }

    /// Line and column, both from 1, of a byte offset; the column counts bytes.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        (line as u32, offset - self.line_starts[line - 1] + 1)
    }

    /// The bytes of a line (from 1) without its line end.
    pub fn line(&self, number: u32) -> &[u8] {
        let start = self.line_starts[number as usize - 1] as usize;
        let end = self.line_starts.get(number as usize).map_or(self.bytes.len(), |next| *next as usize);
        self.bytes[start..end].trim_suffix_newline()
    }
}

trait TrimNewline {
    fn trim_suffix_newline(&self) -> &[u8];
}

impl TrimNewline for [u8] {
    fn trim_suffix_newline(&self) -> &[u8] {
        let end = self.iter().rposition(|b| *b != b'\n' && *b != b'\r').map_or(0, |at| at + 1);
        &self[..end]
    }
}

/// All texts of one load, in command-line order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text; its id is its position.
    pub fn add(&mut self, source: Source) -> SourceId {
        self.0.push(source);
        SourceId(self.0.len() as u32 - 1)
    }

    /// The text a span points into.
    pub fn source(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// Every text with its id.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.0.iter().enumerate().map(|(at, source)| (SourceId(at as u32), source))
    }

    /// File name and line of a span's start.
    pub fn place(&self, span: Span) -> (&str, u32) {
        let source = self.source(span.source);
        (&source.name, source.line_column(span.start).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let source = Source::new("a.cfg", &b"global\r\n  daemon\n\nx"[..]);
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(10), (2, 3));
        assert_eq!(source.line_column(17), (3, 1));
        assert_eq!(source.line(1), b"global");
        assert_eq!(source.line(3), b"");
        assert_eq!(source.line(4), b"x");
    }
}
