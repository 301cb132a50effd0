//! Texts with samples in them, where a rule words an answer: `%[SAMPLE]`, and those names of log variables that
//! stand for a sample.

use super::sample::{self, Fault};
use super::template::{self, Piece};
use crate::config::ast::Sample;
use crate::config::lexer::Word;
use crate::config::model::http::{Said, Wording};
use crate::config::source::Span;

/// Names, and the samples that they stand for.
static NAMES: &[(&str, &str)] = &[
    ("ci", "src"),
    ("cp", "src_port"),
    ("fi", "dst"),
    ("fp", "dst_port"),
    ("f", "fe_name"),
    ("b", "be_name"),
    ("H", "hostname"),
    ("HM", "method"),
    ("HP", "path"),
    ("HPO", "path"),
    ("HU", "url"),
];

/// The text of a word.
pub(super) fn read(word: &Word) -> Result<Wording<Sample>, Fault> {
    of(&word.text, word.span)
}

/// As [`read`], of bytes that `span` names.
pub(super) fn of(text: &[u8], span: Span) -> Result<Wording<Sample>, Fault> {
    let pieces = template::all_pieces(text).map_err(|message| Fault::new(span, message))?;
    let mut said = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Text(text) => said.push(Said::Text(text)),
            Piece::Expression(text, _) => said.push(Said::Sample(expression(text, span)?)),
            Piece::Name(name, _) => said.push(Said::Sample(named(name, span)?)),
        }
    }
    Ok(Wording(said))
}

fn expression(text: &[u8], span: Span) -> Result<Sample, Fault> {
    sample::read(&Word { text: text.to_vec(), span }).map_err(|mut fault| {
        let shown = String::from_utf8_lossy(text);
        fault.message = format!("failed to parse sample expression <{shown}]> : {}", fault.message);
        fault
    })
}

fn named(name: &[u8], span: Span) -> Result<Sample, Fault> {
    let name = String::from_utf8_lossy(name);
    let Some((_, fetch)) = NAMES.iter().find(|(known, _)| *known == name) else {
        let mut fault = Fault::new(span, format!("'%{name}' is not supported in the text of an answer"));
        fault.help = Some("write '%[...]' and a sample".to_owned());
        return Err(fault);
    };
    expression(fetch.as_bytes(), span)
}
