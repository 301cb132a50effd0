//! `tcp-check connect|send|send-binary|expect|comment` (manual section 4.2).
//!
//! Arguments of `send` may be passwords: they are never quoted in a message, not even the surplus word of a
//! line whose blanks were not escaped.

use std::rc::Rc;

use super::admit::{self, Verdict};
use super::context::Context;
use super::statement::Statement;
use super::{expect, value};
use crate::config::ast::{Proxy, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::lexer::expand_unquoted;
use crate::config::model::{CheckAction, CheckConnect, CheckRule, Secret};
use crate::config::parser::address::{self, Address, Host, Ports};

/// `tcp-check ...` in a backend, listen or defaults; the table of keywords has let the second word through.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let rule = match &*line.text(1) {
        "comment" => comment(context, line),
        "connect" => connect(context, proxy, line),
        "send" => send(context, line),
        "send-binary" => send_binary(context, line),
        "expect" => expect::read(context, line),
        other => {
            let message = format!(
                "'tcp-check' only supports 'comment', 'connect', 'send', 'send-binary', 'expect', but got '{other}'"
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
    line.no_more(context, "tcp-check comment", 3);
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

const CONNECT_FIRST: &str = "'tcp-check connect' : first step MUST also be a 'connect', optionally preceded by a \
                             'comment', when there is a 'connect' step in the tcp-check ruleset.";

fn connect(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> Option<CheckRule> {
    let check = &proxy.settings.check;
    let before: &[Spanned<CheckRule>] = if check.inherited { &[] } else { &check.rules };
    let first = before.iter().find(|rule| !matches!(rule.value.action, CheckAction::Comment));
    if let Some(first) = first.filter(|rule| !matches!(rule.value.action, CheckAction::Connect(_))) {
        context.report(
            Diagnostic::error(line.span(), CONNECT_FIRST)
                .label(first.span, "this step stands before it")
                .help("put a 'tcp-check connect' before the first step"),
        );
        return None;
    }
    let mut rule = CheckConnect::default();
    let mut comment = None;
    let mut at = 2;
    while let Some(word) = line.argument(at) {
        let name = word.str();
        let subject = "'tcp-check connect'";
        match &*name {
            "default" => {}
            "linger" => rule.linger = true,
            "comment" => {
                let expected = "'tcp-check connect' : 'comment' expects a string as argument.";
                comment = Some(line.string(context, at + 1, expected)?);
                at += 1;
            }
            "port" => {
                rule.port = Some(port(context, line, at + 1)?);
                at += 1;
            }
            "addr" => {
                address_option(context, line, at + 1, &mut rule)?;
                at += 1;
            }
            other => match admit::option(context, Scope::CheckConnect, other, subject, word.span) {
                Verdict::Unknown => {
                    let message = format!(
                        "{subject} : expects 'comment', 'port', 'addr', 'linger' or 'default' but got '{other}' as argument."
                    );
                    context.error(word.span, message);
                    return None;
                }
                Verdict::Refused => return None,
                Verdict::Taken => at += usize::from(matches!(other, "sni" | "alpn" | "proto")),
            },
        }
        at += 1;
    }
    Some(CheckRule { action: CheckAction::Connect(rule), comment })
}

fn port(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<u16> {
    let text = line.text(index);
    let port = text.parse().ok().filter(|port| *port > 0);
    if port.is_none() {
        let message =
            format!("'tcp-check connect' : expects a valid TCP port (from range 1 to 65535), got '{text}'.");
        context.error(line.span_of(index), message);
    }
    port
}

fn address_option(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    index: usize,
    rule: &mut CheckConnect,
) -> Option<()> {
    let word = line.argument(index);
    let text = word.map(|word| expand_unquoted(&word.text, &context.environment)).unwrap_or_default();
    match address::address(&String::from_utf8_lossy(&text)) {
        Ok(Address::Inet { host: Host::Ip(ip), ports }) => {
            rule.addr = Some(ip);
            if let Ports::Range { first, .. } = ports {
                rule.port = Some(first);
            }
            Some(())
        }
        _ => {
            context.error(line.span_of(index), "'tcp-check connect' : 'addr' expects an IP address");
            None
        }
    }
}
