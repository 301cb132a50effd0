//! The request of an HTTP check: `http-check send [meth M] [uri|uri-lf U] [ver V] [hdr NAME VALUE]... [body|body-lf B]`, and
//! `option httpchk [[METHOD] URI [VERSION]]`, in whose version people have long hidden headers and a body.
//!
//! A header may hold a password: no value is ever quoted in a message.

use super::admit::{self, Verdict};
use super::check_format;
use super::context::Context;
use super::statement::Statement;
use crate::config::ast::HttpRequest;
use crate::config::keyword::Scope;
use crate::config::lexer::Word;
use crate::config::model::CheckFormat;
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
            "uri" | "body" => {
                let text = CheckFormat::text(line.string(context, at + 1, &expected)?);
                *request.text(&name) = Some(text);
                at += 2;
                continue;
            }
            "uri-lf" | "body-lf" => {
                let Some(text) = line.argument(at + 1) else {
                    context.error(line.span(), expected);
                    return None;
                };
                *request.text(&name) = Some(format(context, text)?);
                at += 2;
                continue;
            }
            "ver" => &mut request.version,
            "comment" => &mut comment,
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

fn format(context: &mut Context<'_>, word: &Word) -> Option<CheckFormat> {
    check_format::format(context, &word.text)
        .map_err(|reason| {
            context.error(word.span, format!("{SUBJECT} : invalid log-format string ({reason})."));
        })
        .ok()
}

/// `NAME VALUE`; the value may hold expressions.
fn header(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Option<(String, CheckFormat)> {
    let (Some(name), Some(value)) = (line.argument(at), line.argument(at + 1)) else {
        context.error(line.span(), format!("{SUBJECT} : 'hdr' expects <name> and <value> as arguments."));
        return None;
    };
    Some((name.str().into_owned(), format(context, value)?))
}

/// What `option httpchk` says of the request; `None` once reported.
pub(super) fn of_option(context: &mut Context<'_>, line: &Statement<'_>) -> Option<HttpRequest> {
    let word = |at: usize| line.argument(at).map(|word| word.str().into_owned());
    let Some(second) = word(3) else {
        return Some(HttpRequest { uri: word(2).map(CheckFormat::text), ..HttpRequest::default() });
    };
    let mut request =
        HttpRequest { method: word(2), uri: Some(CheckFormat::text(second)), ..HttpRequest::default() };
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
    let pairs = found.iter().map(|header| (header.name.to_owned(), CheckFormat::text(header.value)));
    request.headers = pairs.collect();
    request.body = (!body.is_empty()).then(|| CheckFormat::text(body));
    Some(())
}
