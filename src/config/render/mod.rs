//! Diagnostics to text, twice: as HAProxy's lines, which tools read, and as source blocks with carets, which
//! people read. The lines always come; the blocks follow each of them where somebody looks at it.
//!
//! Nothing secret passes: messages are scrubbed and source lines masked by [`mask`], for every
//! place that a diagnostic cites.

mod block;
mod excerpt;

use std::fmt::Write;

use super::diagnostic::{Diagnostic, Heading, Severity, Stage};
use super::mask;
use super::source::{SourceId, Sources};
use excerpt::Excerpt;

/// Who speaks: what HAProxy puts at the head of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program<'a> {
    pub pid: u32,
    /// As `haproxy version is ...` says it.
    pub version: &'a str,
    pub executable: &'a str,
}

/// How much to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// HAProxy's lines and nothing else.
    Lines,
    /// A source block after each line.
    Blocks,
    /// The same, coloured for a terminal.
    Colour,
}

/// Everything that a load has to say, in order, with HAProxy's opening and closing lines. Empty without
/// diagnostics. Ends with a line end.
pub fn render(
    diagnostics: &[Diagnostic],
    sources: &Sources,
    program: &Program<'_>,
    detail: Detail,
) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let mut out = opening(program);
    let mut last_of_file = last_errors(diagnostics).into_iter().peekable();
    for (at, diagnostic) in diagnostics.iter().enumerate() {
        haproxy_line(&mut out, diagnostic, sources, program);
        match detail {
            Detail::Lines => {}
            Detail::Blocks => block::write(&mut out, diagnostic, sources, block::Look::Plain),
            Detail::Colour => block::write(&mut out, diagnostic, sources, block::Look::Coloured),
        }
        if let Some((_, file)) = last_of_file.next_if(|(last, _)| *last == at) {
            let name = &sources.source(file).name;
            alert(&mut out, program, &format!("Error(s) found in configuration file : {name}"));
        }
    }
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        alert(&mut out, program, "Fatal errors found in configuration.");
    }
    out
}

/// The two lines that come before the first message of a run.
pub fn opening(program: &Program<'_>) -> String {
    let tag = tag(Severity::Notice, program.pid);
    format!(
        "{tag}haproxy version is {}\n{tag}path to executable is {}\n",
        program.version, program.executable
    )
}

/// `[ALERT]    (PID) : `: HAProxy's word for a severity, padded.
pub fn tag(severity: Severity, pid: u32) -> String {
    let word = match severity {
        Severity::Notice => "[NOTICE]",
        Severity::Warning => "[WARNING]",
        Severity::Error => "[ALERT]",
    };
    format!("{word:<10} ({pid}) : ")
}

/// What `-c` says on standard output, and its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub text: &'static str,
    pub status: u8,
}

/// HAProxy's verdict on a config: whether it loads, and whether anything would listen.
pub fn verdict(diagnostics: &[Diagnostic], listens: bool) -> Verdict {
    let worst = diagnostics.iter().map(|diagnostic| diagnostic.severity).max();
    let warned = worst == Some(Severity::Warning);
    let (text, status) = match (worst, listens) {
        (Some(Severity::Error), _) => ("", 1),
        (_, true) if warned => ("Warnings were found.\nConfiguration file is valid\n", 0),
        (_, true) => ("Configuration file is valid\n", 0),
        (_, false) if warned => (
            "Warnings were found.\nConfiguration file has no error but will not start (no listener) => exit(2).\n",
            2,
        ),
        (_, false) => ("Configuration file has no error but will not start (no listener) => exit(2).\n", 2),
    };
    Verdict { text, status }
}

/// The last error of each file that HAProxy finds while it reads, by position; what it finds later belongs to
/// no file, and stands between them here because places are in order.
fn last_errors(diagnostics: &[Diagnostic]) -> Vec<(usize, SourceId)> {
    let mut last: Vec<(usize, SourceId)> = Vec::new();
    for (at, diagnostic) in diagnostics.iter().enumerate() {
        let reading = diagnostic.heading != Heading::Bare && diagnostic.stage == Stage::Reading;
        let (Some(span), true, Severity::Error) = (diagnostic.span, reading, diagnostic.severity) else {
            continue;
        };
        match last.last_mut().filter(|(_, file)| *file == span.source) {
            Some(earlier) => earlier.0 = at,
            None => last.push((at, span.source)),
        }
    }
    last
}

fn alert(out: &mut String, program: &Program<'_>, text: &str) {
    let _ = writeln!(out, "{}config : {text}", tag(Severity::Error, program.pid));
}

fn haproxy_line(out: &mut String, diagnostic: &Diagnostic, sources: &Sources, program: &Program<'_>) {
    let _ = write!(out, "{}config : ", tag(diagnostic.severity, program.pid));
    let message = message(diagnostic, sources);
    let Some(span) = diagnostic.span else {
        let _ = writeln!(out, "{message}");
        return;
    };
    let (file, line) = sources.place(span);
    let _ = match diagnostic.heading {
        Heading::Statement => writeln!(out, "parsing [{file}:{line}] : {message}"),
        Heading::Line | Heading::Excerpt => writeln!(out, "parsing [{file}:{line}]: {message}"),
        Heading::Place => writeln!(out, "[{file}:{line}] : {message}"),
        Heading::Bare => writeln!(out, "{message}"),
    };
    if diagnostic.heading == Heading::Excerpt {
        let excerpt = Excerpt::new(sources.source(span.source), line, span);
        let (text, caret) = excerpt.cropped();
        let _ = writeln!(out, "  {text}\n  {:caret$}^", "");
    }
}

/// The message without what must not be shown, whichever of its places the secret stands in.
fn message(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let places = diagnostic.span.iter().chain(diagnostic.labels.iter().map(|(span, _)| span));
    places.fold(diagnostic.message.clone(), |message, span| {
        mask::scrub(&message, sources.source(span.source), sources.place(*span).1)
    })
}

#[cfg(test)]
mod tests;
