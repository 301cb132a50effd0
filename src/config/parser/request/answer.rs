//! The words that say how `deny`, `tarpit` and `return` answer (manual section 4.2, "http-request return").

use super::super::context::Context;
use super::super::sample::Fault;
use super::super::statement::Statement;
use super::super::wording;
use super::{ACTION, needed};
use crate::config::ast::Sample;
use crate::config::diagnostic::Diagnostic;
use crate::config::model::http::{Answer, Body, Wording};
use crate::config::rule::status;

/// What an action answers unless it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unless {
    status: u16,
    /// Another word for `status`.
    alias: &'static str,
    /// Without a text the page for the status is shown.
    page: bool,
}

pub(super) const DENY: Unless = Unless { status: 403, alias: "deny_status", page: true };
pub(super) const TARPIT: Unless = Unless { status: 500, alias: "deny_status", page: true };
pub(super) const RETURN: Unless = Unless { status: 200, alias: "status", page: false };

/// What has been said so far.
#[derive(Debug, Default)]
struct Reading {
    status: Option<u16>,
    kind: Option<String>,
    headers: Vec<(String, Wording<Sample>)>,
    /// The word that said it, and the text if it is one.
    body: Option<(&'static str, Option<Said>)>,
}

/// A text is read once all words are known: what it may hold depends on them.
#[derive(Debug)]
struct Said {
    at: usize,
    bytes: Vec<u8>,
}

/// The words that name a body.
const BODIES: [&str; 7] =
    ["default-errorfiles", "errorfile", "errorfiles", "file", "lf-file", "lf-string", "string"];

/// The answer, and where what follows it begins.
pub(super) fn read(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    unless: Unless,
) -> Result<(Answer<Sample>, usize), Fault> {
    let mut reading = Reading::default();
    let mut at = ACTION + 1;
    loop {
        let word = line.text(at);
        at += match &*word {
            "status" => reading.status(line, at)?,
            word if word == unless.alias => reading.status(line, at)?,
            "content-type" => {
                let kind = needed(line, at + 1, "'content-type' expects <ctype> as argument")?;
                reading.kind = Some(kind.into_owned());
                2
            }
            "hdr" => reading.header(line, at)?,
            word => match BODIES.into_iter().find(|known| *known == word) {
                Some(body) => reading.body(context, line, (at, body))?,
                None => break,
            },
        };
    }
    Ok((reading.finish(context, line, unless)?, at))
}

impl Reading {
    fn status(&mut self, line: &Statement<'_>, at: usize) -> Result<usize, Fault> {
        let written = needed(line, at + 1, "'status' expects <status_code> as argument")?;
        let code = written.parse().ok().filter(|code| (200..=599).contains(code));
        if code.is_none() {
            return Err(Fault::new(line.span_of(at + 1), format!("Unexpected status code '{written}'")));
        }
        self.status = code;
        Ok(2)
    }

    fn header(&mut self, line: &Statement<'_>, at: usize) -> Result<usize, Fault> {
        let (Some(name), Some(value)) = (line.argument(at + 1), line.argument(at + 2)) else {
            return Err(Fault::new(line.span_of(at), "'hdr' expects <name> and <value> as arguments"));
        };
        self.headers.push((name.str().to_ascii_lowercase(), wording::read(value)?));
        Ok(3)
    }

    fn body(
        &mut self,
        context: &mut Context<'_>,
        line: &Statement<'_>,
        (at, word): (usize, &'static str),
    ) -> Result<usize, Fault> {
        if let Some((before, _)) = &self.body {
            let message = format!("unexpected '{word}' argument, '{before}' already defined");
            return Err(Fault::new(line.span_of(at), message));
        }
        if word == "default-errorfiles" {
            self.body = Some((word, None));
            return Ok(1);
        }
        if word.starts_with("errorfile") {
            let mut fault = Fault::new(line.span_of(at), format!("'{word}' is not supported"));
            fault.help = Some("write the text behind 'string' or 'file', and its 'content-type'".to_owned());
            return Err(fault);
        }
        let is_text = word.ends_with("string");
        let what = if is_text { "str" } else { "file" };
        let written = line.words.get(at + 1).filter(|word| is_text || !word.text.is_empty());
        let Some(written) = written else {
            return Err(Fault::new(line.span_of(at), format!("'{word}' expects <{what}> as argument")));
        };
        let bytes = match is_text {
            true => written.text.clone(),
            false => file(context, line, at + 1)?,
        };
        self.body = Some((word, Some(Said { at: at + 1, bytes })));
        Ok(2)
    }

    fn finish(
        self,
        context: &mut Context<'_>,
        line: &Statement<'_>,
        unless: Unless,
    ) -> Result<Answer<Sample>, Fault> {
        let status = self.status.unwrap_or(unless.status);
        let Reading { kind, headers, body, .. } = self;
        let page = unless.page && headers.is_empty() && kind.is_none();
        let body = match body {
            Some((word, Some(said))) => text(line, (word, said), kind)?,
            Some(_) => standard(line, status)?,
            None if page => standard(line, status)?,
            None => {
                if let Some(kind) = kind {
                    let message = format!(
                        "content-type '{kind}' ignored by the http reply because neither errorfile nor payload defined."
                    );
                    context.warning(line.span(), message);
                }
                Body::Empty
            }
        };
        if matches!(body, Body::Standard) && !headers.is_empty() {
            let message = "hdr parameters ignored by the http reply when used with an errorfile.";
            context.report(Diagnostic::warning(line.span(), message));
        }
        Ok(Answer { status, headers, body })
    }
}

fn standard(line: &Statement<'_>, status: u16) -> Result<Body<Sample>, Fault> {
    match status::page(status) {
        Some(_) => Ok(Body::Standard),
        None => {
            let message =
                format!("status code '{status}' not handled by default with 'default-errorfiles' argument.");
            Err(Fault::new(line.span(), message))
        }
    }
}

fn text(
    line: &Statement<'_>,
    (word, said): (&str, Said),
    kind: Option<String>,
) -> Result<Body<Sample>, Fault> {
    let formatted = word.starts_with("lf-");
    let Some(kind) = kind.or_else(|| said.bytes.is_empty().then(String::new).filter(|_| !formatted)) else {
        let message = match formatted {
            true => "a content type must be defined with a log-format payload",
            false => "a content type must be defined when non-empty payload is configured",
        };
        return Err(Fault::new(line.span_of(said.at), message));
    };
    let text = match formatted {
        true => wording::of(&said.bytes, line.span_of(said.at))?,
        false if said.bytes.is_empty() => return Ok(Body::Empty),
        false => Wording::plain(said.bytes),
    };
    Ok(Body::Text(kind, text))
}

/// The bytes of a file; none as long as the bundle has yet to get it.
fn file(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Result<Vec<u8>, Fault> {
    let name = line.text(at);
    match context.bundle.patterns.get(&*name) {
        Some(Some(bytes)) => Ok(bytes.clone()),
        Some(None) => Err(Fault::new(line.span_of(at), format!("error opening file '{name}'"))),
        None => {
            context.wanted.patterns.push(name.into_owned());
            Ok(Vec::new())
        }
    }
}
