//! The request of an HTTP check: `http-check send [meth M] [uri U] [ver V] [hdr NAME VALUE]... [body B]`, and
//! `option httpchk [[METHOD] URI [VERSION]]`, in whose version people have long hidden headers and a body.
//!
//! A header may hold a password: no value is ever quoted in a message.

use super::admit::{self, Verdict};
use super::context::Context;
use super::statement::Statement;
use crate::config::ast::HttpRequest;
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::model::Secret;
use crate::config::source::Span;

/// What a version may hide.
const MOST_HEADERS: usize = 100;

const SUBJECT: &str = "'http-check send'";

/// `http-check send`: what it says of the request, and its comment. `None` once reported.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) -> Option<(HttpRequest, Option<String>)> {
    let mut request = HttpRequest::default();
    let mut comment = None;
    let mut at = 2;
    while let Some(word) = line.argument(at) {
        let name = word.str();
        let expected = format!("{SUBJECT} : '{name}' expects a string as argument.");
        let slot = match &*name {
            "meth" => &mut request.method,
            "uri" => &mut request.uri,
            "ver" => &mut request.version,
            "comment" => &mut comment,
            "body" => {
                request.body = Some(Secret::new(line.string(context, at + 1, &expected)?));
                at += 2;
                continue;
            }
            "hdr" => {
                request.headers.push(header(context, line, at + 1)?);
                at += 3;
                continue;
            }
            other => {
                if admit::option(context, Scope::HttpSend, other, SUBJECT, word.span) == Verdict::Unknown {
                    let message = format!(
                        "{SUBJECT} : expects 'comment', 'meth', 'uri', 'uri-lf', 'ver', 'hdr', 'body' or 'body-lf' \
                         but got '{other}' as argument."
                    );
                    context.error(word.span, message);
                }
                return None;
            }
        };
        *slot = Some(line.string(context, at + 1, &expected)?);
        at += 2;
    }
    Some((request, comment))
}

/// `NAME VALUE`; the value is a log format, of which only the plain text is taken.
fn header(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Option<(String, Secret)> {
    let (Some(name), Some(value)) = (line.argument(at), line.argument(at + 1)) else {
        context.error(line.span(), format!("{SUBJECT} : 'hdr' expects <name> and <value> as arguments."));
        return None;
    };
    let text = value.str().replace("%%", "");
    if text.contains('%') {
        let message =
            format!("{SUBJECT} : 'hdr' with a variable is not supported in this version of rolecall");
        context.report(Diagnostic::error(value.span, message).help("write a percent sign as '%%'"));
        return None;
    }
    Some((name.str().into_owned(), Secret::new(value.str().replace("%%", "%"))))
}

/// What `option httpchk` says of the request; `None` once reported.
pub(super) fn of_option(context: &mut Context<'_>, line: &Statement<'_>) -> Option<HttpRequest> {
    let word = |at: usize| line.argument(at).map(|word| word.str().into_owned());
    let Some(second) = word(3) else {
        return Some(HttpRequest { uri: word(2), ..HttpRequest::default() });
    };
    let mut request = HttpRequest { method: word(2), uri: Some(second), ..HttpRequest::default() };
    let Some(version) = word(4) else { return Some(request) };
    let (version, hidden) = version.split_once("\r\n").unwrap_or((&version, ""));
    request.version = Some(version.to_owned());
    if !hidden.is_empty() {
        let span = line.span_of(4);
        context.warning(
            span,
            "'option httpchk' : hiding headers or body at the end of the version string is deprecated. Please, \
             consider to use 'http-check send' directive instead.",
        );
        unhide(context, &mut request, hidden, span)?;
    }
    Some(request)
}

/// Headers and a body behind the version.
fn unhide(context: &mut Context<'_>, request: &mut HttpRequest, hidden: &str, span: Span) -> Option<()> {
    let (headers, body) = hidden.split_once("\r\n\r\n").unwrap_or((hidden, ""));
    let text = format!("{}\r\n\r\n", headers.trim_end_matches("\r\n"));
    let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let Ok(httparse::Status::Complete((_, found))) = httparse::parse_headers(text.as_bytes(), &mut space)
    else {
        context.error(span, "'option httpchk' : unable to parse the request that the version hides.");
        return None;
    };
    let pairs = found.iter().map(|header| (header.name.to_owned(), Secret::new(header.value)));
    request.headers = pairs.collect();
    request.body = (!body.is_empty()).then(|| Secret::new(body));
    Some(())
}
