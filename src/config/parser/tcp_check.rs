//! `tcp-check connect|send|send-lf|send-binary|send-binary-lf|expect|set-var|set-var-fmt|unset-var|comment` (manual
//! section 4.2).
//!
//! Arguments of `send` may be passwords: they are never quoted in a message, not even the surplus word of a
//! line whose blanks were not escaped.

use std::rc::Rc;

use super::context::Context;
use super::statement::Statement;
use super::{check_connect, check_format, check_variable, expect, value};
use crate::config::ast::{Proxy, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{CheckAction, CheckRule, Coding, Secret};

/// `tcp-check ...` in a backend, listen or defaults; the table of keywords has let the second word through.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let rule = match &*line.text(1) {
        "comment" => comment(context, line),
        "connect" => connect(context, proxy, line),
        "send" => send(context, line),
        "send-binary" => send_binary(context, line),
        "send-lf" => send_format(context, line, ("tcp-check send-lf", Coding::Text)),
        "send-binary-lf" => send_format(context, line, ("tcp-check send-binary-lf", Coding::Hexadecimal)),
        "expect" => expect::read(context, line),
        variable if check_variable::is_one(variable) => check_variable::read(context, line),
        other => {
            let message = format!(
                "'tcp-check' only supports 'comment', 'connect', 'send', 'send-binary', 'expect', 'set-var-fmt(*)', \
                 'set-var(*)', 'unset-var(*)'. but got '{other}'"
            );
            return context.error(line.span_of(1), message);
        }
    };
    let check = &mut proxy.settings.check;
    if std::mem::take(&mut check.inherited) {
        check.rules = Rc::default();
        check.standing_comment = None;
    }
    let Some(mut rule) = rule else { return };
    // A comment names the step after it, and all expects that follow each other.
    let standing = match rule.action {
        CheckAction::Comment => rule.comment.clone(),
        CheckAction::Expect(_) => check.standing_comment.clone(),
        _ => check.standing_comment.take(),
    };
    if rule.comment.is_none() {
        if !context.inherit(standing.as_ref().map_or(0, String::len), line.span()) {
            return;
        }
        rule.comment = standing;
    } else if matches!(rule.action, CheckAction::Comment) {
        check.standing_comment = standing;
    }
    Rc::make_mut(&mut check.rules).push(Spanned::new(rule, line.span()));
}

fn comment(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    let text = line.string(context, 2, "'tcp-check comment' : expects a string as argument.")?;
    line.left_out(context, "tcp-check comment", 3);
    Some(CheckRule { action: CheckAction::Comment, comment: Some(text) })
}

fn send(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    let Some(data) = line.argument(2) else {
        context.report(
            Diagnostic::error(line.span(), "'tcp-check send' : expects a string as argument.")
                .help("for example: tcp-check send PING\\r\\n"),
        );
        return None;
    };
    let comment = trailing_comment(context, line, "tcp-check send")?;
    Some(CheckRule { action: CheckAction::Send(Secret::new(data.text.as_slice())), comment })
}

fn send_binary(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    let data = line.argument(2).and_then(|word| value::hexadecimal(&word.text));
    let Some(data) = data else {
        let message =
            "'tcp-check send-binary' : invalid binary string (an even number of hex digit is expected).";
        context.error(line.span_of(2), message);
        return None;
    };
    let comment = trailing_comment(context, line, "tcp-check send-binary")?;
    Some(CheckRule { action: CheckAction::SendBinary(Secret::new(data)), comment })
}

/// `send-lf`, `send-binary-lf`; one that is the same in every check is a `send` like any other.
fn send_format(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    (name, coding): (&str, Coding),
) -> Option<CheckRule> {
    let Some(data) = line.argument(2) else {
        context.error(line.span(), format!("'{name}' : expects a log-format string as argument."));
        return None;
    };
    let format = match check_format::format(context, &data.text) {
        Ok(format) => format,
        Err(reason) => {
            context.error(data.span, format!("'{name}' : invalid log-format string ({reason})."));
            return None;
        }
    };
    let constant = format.constant();
    let action = match (constant, coding) {
        (Some(text), Coding::Text) => CheckAction::Send(Secret::new(text)),
        (Some(text), Coding::Hexadecimal) => {
            let Some(bytes) = value::hexadecimal(&text) else {
                let message =
                    format!("'{name}' : invalid binary string (an even number of hex digit is expected).");
                context.error(data.span, message);
                return None;
            };
            CheckAction::SendBinary(Secret::new(bytes))
        }
        (None, coding) => CheckAction::SendFormat { format, coding },
    };
    let comment = trailing_comment(context, line, name)?;
    Some(CheckRule { action, comment })
}

/// `comment TEXT` after the data.
fn trailing_comment(context: &mut Context<'_>, line: &Statement<'_>, name: &str) -> Option<Option<String>> {
    let Some(next) = line.argument(3) else { return Some(None) };
    if next.text != b"comment" {
        context.report(
            Diagnostic::error(next.span, format!("'{name}' : expects 'comment' after the data"))
                .help("escape blanks inside the data: INFO\\ replication\\r\\n, or quote it"),
        );
        return None;
    }
    let text = line.string(context, 4, &format!("'{name}' : 'comment' expects a string as argument."))?;
    line.no_more(context, name, 5);
    Some(Some(text))
}

fn connect(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> Option<CheckRule> {
    let check = &proxy.settings.check;
    let before: &[Spanned<CheckRule>] = if check.inherited { &[] } else { &check.rules };
    let first = before.iter().find(|rule| rule.value.action.is_step());
    if let Some(first) = first.filter(|rule| !matches!(rule.value.action, CheckAction::Connect(_))) {
        check_connect::not_first(context, line, first.span);
        return None;
    }
    check_connect::read(context, line)
}
