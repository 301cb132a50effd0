//! `if|unless`, and what follows: ACLs by name or between braces, `!`, `or`.

use std::cell::RefCell;
use std::rc::Rc;

use super::acl;
use super::context::Context;
use super::sample::Fault;
use super::statement::Statement;
use crate::config::ast::{Acl, Condition, Proxy, Term};
use crate::config::diagnostic::Diagnostic;
use crate::config::lexer::Word;
use crate::config::source::Span;
use crate::config::suggest;

/// ACLs that need no line (manual section 7.4), each by the expression that it stands for.
static PREDEFINED: &[(&str, &[&str])] = &[
    ("TRUE", &["always_true"]),
    ("FALSE", &["always_false"]),
    ("LOCALHOST", &["src", "127.0.0.1/8", "::1"]),
    ("HTTP", &["req.proto_http"]),
    ("HTTP_1.0", &["req.ver", "1.0"]),
    ("HTTP_1.1", &["req.ver", "1.1"]),
    ("HTTP_2.0", &["req.ver", "2.0"]),
    ("HTTP_CONTENT", &["req.hdr_val(content-length)", "gt", "0"]),
    ("HTTP_URL_ABS", &["url_reg", "^[^/:]*://"]),
    ("HTTP_URL_SLASH", &["url_beg", "/"]),
    ("HTTP_URL_STAR", &["url", "*"]),
    ("METH_CONNECT", &["method", "CONNECT"]),
    ("METH_DELETE", &["method", "DELETE"]),
    ("METH_GET", &["method", "GET", "HEAD"]),
    ("METH_HEAD", &["method", "HEAD"]),
    ("METH_OPTIONS", &["method", "OPTIONS"]),
    ("METH_POST", &["method", "POST"]),
    ("METH_PUT", &["method", "PUT"]),
    ("METH_TRACE", &["method", "TRACE"]),
    ("RDP_COOKIE", &["req.rdp_cookie_cnt", "gt", "0"]),
    ("REQ_CONTENT", &["req.len", "gt", "0"]),
    ("WAIT_END", &["wait_end"]),
];

/// Where a statement's condition begins.
pub(super) enum Begins {
    /// The statement ends before it.
    Nowhere,
    Here(Condition),
    /// Another word stands there.
    Surplus,
    /// It is wrong, and has been reported.
    Wrong,
}

/// Reads the condition that begins at word `at`. `within` says what is being read: `while parsing switching
/// rule`.
pub(super) fn read(
    context: &mut Context<'_>,
    proxy: &Proxy,
    line: &Statement<'_>,
    (at, within): (usize, &str),
) -> Begins {
    let unless = match line.argument(at).map(|word| word.text.as_slice()) {
        None => return Begins::Nowhere,
        Some(b"if") => false,
        Some(b"unless") => true,
        Some(_) => return Begins::Surplus,
    };
    match terms(context, &proxy.settings.rules.acls, line.rest(at + 1), line.span()) {
        Ok(any) => {
            let span = line.rest(at).first().map_or(line.span(), |first| first.span.to(line.span()));
            Begins::Here(Condition { unless, any, span })
        }
        Err(fault) => {
            let message = format!("error detected {within} : {}", fault.message);
            let mut diagnostic = Diagnostic::error(fault.span, message);
            diagnostic.help = fault.help;
            context.report(diagnostic);
            Begins::Wrong
        }
    }
}

fn terms(
    context: &mut Context<'_>,
    acls: &[(String, Acl)],
    words: &[Word],
    whole: Span,
) -> Result<Vec<Vec<Term>>, Fault> {
    let mut any: Vec<Vec<Term>> = Vec::new();
    let mut begins = true;
    let mut negated = false;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if matches!(&*word.text, b"||") || word.text.eq_ignore_ascii_case(b"or") {
            begins = true;
            continue;
        }
        let marks = word.text.iter().take_while(|byte| **byte == b'!').count();
        negated ^= marks % 2 == 1;
        let text = &word.text[marks..];
        if text.is_empty() {
            continue;
        }
        let (acl, name) = if text == b"{" {
            let length = words[at..].iter().position(|word| word.text == b"}");
            let Some(length) = length else {
                return Err(Fault::new(word.span, "missing closing '}' in condition."));
            };
            let test = acl::read(context, &words[at..at + length], word.span)?;
            at += length + 1;
            (Rc::new(RefCell::new(vec![Rc::new(test)])), None)
        } else {
            let name = String::from_utf8_lossy(text).into_owned();
            (named(context, acls, &name, word.span)?, Some(name))
        };
        let span = words.get(at - 1).map_or(whole, |last| word.span.to(last.span));
        let term = Term { negated: std::mem::take(&mut negated), acl, name, span };
        match any.last_mut().filter(|_| !begins) {
            Some(all) => all.push(term),
            None => any.push(vec![term]),
        }
        begins = false;
    }
    Ok(any)
}

fn named(context: &mut Context<'_>, acls: &[(String, Acl)], name: &str, span: Span) -> Result<Acl, Fault> {
    if let Some((_, acl)) = acls.iter().find(|(known, _)| known == name) {
        return Ok(Rc::clone(acl));
    }
    if let Some((_, words)) = PREDEFINED.iter().find(|(known, _)| *known == name) {
        let words: Vec<Word> =
            words.iter().map(|text| Word { text: text.as_bytes().to_vec(), span }).collect();
        let test = acl::read(context, &words, span)?;
        return Ok(Rc::new(RefCell::new(vec![Rc::new(test)])));
    }
    let mut fault = Fault::new(span, format!("no such ACL : '{name}'."));
    let known = acls.iter().map(|(name, _)| name.as_str()).chain(PREDEFINED.iter().map(|(name, _)| *name));
    let near = suggest::nearest_of(name, known.take(200));
    fault.help = Some(match near {
        Some(near) => format!("did you mean '{near}'?"),
        None if name.starts_with('{') => "put a blank after '{'".to_owned(),
        None => format!("name it before its use: 'acl {name} ...'"),
    });
    Err(fault)
}
