//! `http-check connect|send|expect|comment|disable-on-404|send-state|set-var|unset-var` (manual section 4.2).
//!
//! The steps go round: a connection, a request on it, what is expected of the answer. Who leaves the first
//! connection or the first request away gets that of `option httpchk`.

use std::rc::Rc;

use super::context::Context;
use super::statement::Statement;
use super::{check_connect, check_variable, expect, http_expect, http_send};
use crate::config::ast::{HttpCheck, HttpRule, Proxy, Spanned};
use crate::config::model::{CheckAction, CheckRule};
use crate::config::source::Span;

/// `http-check ...` in a backend, listen or defaults; the table of keywords has let the second word through.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let check = &mut proxy.settings.check;
    let flag = match &*line.text(1) {
        "disable-on-404" => &mut check.disable_on_404,
        "send-state" => &mut check.send_state,
        _ => return step(context, &mut check.http, line),
    };
    if line.no_more(context, "http-check", 2) {
        *flag = Some(line.span());
    }
}

/// One step of the script.
fn step(context: &mut Context<'_>, check: &mut HttpCheck, line: &Statement<'_>) {
    if std::mem::take(&mut check.inherited) {
        *check = HttpCheck::default();
    }
    let name = line.text(1);
    if !follows(context, check, line, &name) {
        return;
    }
    let rule = match &*name {
        "comment" => comment(context, line).map(HttpRule::Plain),
        "connect" => check_connect::read(context, line).map(HttpRule::Plain),
        "expect" => expect::rule(context, line, &http_expect::HTTP).map(HttpRule::Plain),
        variable if check_variable::is_one(variable) => {
            check_variable::read(context, line).map(HttpRule::Plain)
        }
        _ => http_send::read(context, line).map(|(request, comment)| HttpRule::Send(request, comment)),
    };
    let Some(rule) = rule else { return };
    let first_send = !check.rules.iter().any(|rule| matches!(rule.value, HttpRule::Send(..)));
    if let (HttpRule::Send(request, _), true) = (&rule, first_send) {
        check.first.overlay(request.clone());
    }
    push(context, check, rule, line.span());
}

fn push(context: &mut Context<'_>, check: &mut HttpCheck, mut rule: HttpRule, span: Span) {
    // A comment names the step after it, and all expects that follow each other.
    let (action, comment) = match &mut rule {
        HttpRule::Plain(rule) => (Some(&rule.action), &mut rule.comment),
        HttpRule::Send(_, comment) => (None, comment),
    };
    let standing = match action {
        Some(CheckAction::Comment) => {
            check.standing_comment.clone_from(comment);
            None
        }
        Some(CheckAction::Expect(_)) => check.standing_comment.clone(),
        _ => check.standing_comment.take(),
    };
    if comment.is_none() {
        if !context.inherit(standing.as_ref().map_or(0, String::len), span) {
            return;
        }
        *comment = standing;
    }
    Rc::make_mut(&mut check.rules).push(Spanned::new(rule, span));
}

fn comment(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    let text = line.string(context, 2, "'http-check comment' : expects a string as argument.")?;
    Some(CheckRule { action: CheckAction::Comment, comment: Some(text) })
}

/// What a step is, for the order of steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect,
    Send,
    Expect,
}

fn kind(rule: &HttpRule) -> Option<Kind> {
    match rule {
        HttpRule::Send(..) => Some(Kind::Send),
        HttpRule::Plain(CheckRule { action: CheckAction::Connect(_), .. }) => Some(Kind::Connect),
        HttpRule::Plain(CheckRule { action: CheckAction::Expect(_), .. }) => Some(Kind::Expect),
        HttpRule::Plain(_) => None,
    }
}

/// Whether a step may stand after those before it; reports that it may not.
fn follows(context: &mut Context<'_>, check: &HttpCheck, line: &Statement<'_>, name: &str) -> bool {
    let steps: Vec<_> = check.rules.iter().filter_map(|rule| Some((kind(&rule.value)?, rule.span))).collect();
    let (Some((first, first_span)), Some((last, _))) = (steps.first(), steps.last()) else { return true };
    let missing = match (name, last) {
        ("connect", _) if *first != Kind::Connect => {
            check_connect::not_first(context, line, *first_span);
            return false;
        }
        ("connect", Kind::Connect | Kind::Send) => "expect",
        ("send", Kind::Send | Kind::Expect) => "connect",
        ("expect", Kind::Connect) => "send",
        _ => return true,
    };
    // HAProxy counts the connection that it opens by itself.
    let step = steps.len() + usize::from(*first != Kind::Connect || name != "send");
    let message = format!(
        "'http-check {name}' : unable to add http-check {name} rule at step {step} (missing {missing} rule)."
    );
    context.error(line.span(), message);
    false
}
