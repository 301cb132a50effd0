//! `tcp-check connect` and `http-check connect` (manual section 4.2): the same options under two names.

use super::admit::{self, Verdict};
use super::context::Context;
use super::mux;
use super::statement::Statement;
use super::tls;
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::lexer::expand_unquoted;
use crate::config::model::{CheckAction, CheckConnect, CheckHeader, CheckRule, CheckTransport, CheckWay};
use crate::config::parser::address::{self, Address, Host, Ports};
use crate::config::source::Span;

/// A script that opens a connection itself opens the first one too; `first` is a step that came before.
pub(super) fn not_first(context: &mut Context<'_>, line: &Statement<'_>, first: Span) {
    let keyword = line.text(0);
    let message = format!(
        "'{keyword} connect' : first step MUST also be a 'connect', optionally preceded by a 'comment', when there is \
         a 'connect' step in the tcp-check ruleset."
    );
    context.report(
        Diagnostic::error(line.span(), message)
            .label(first, "this step stands before it")
            .help(format!("put a '{keyword} connect' before the first step")),
    );
}

/// Reads the options into a rule; `None` once reported.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    let subject = format!("'{} connect'", line.text(0));
    let mut rule = CheckConnect::default();
    let mut comment = None;
    let (mut as_server, mut ssl, mut sni, mut alpn) = (false, false, None, None);
    let mut at = 2;
    while let Some(word) = line.argument(at) {
        let name = word.str();
        match &*name {
            "default" => {
                as_server = true;
                rule.header = rule.header.or(CheckHeader::AsServer);
                rule.via = rule.via.or(CheckWay::AsServer);
            }
            "send-proxy" => rule.header = CheckHeader::Always,
            "via-socks4" => rule.via = CheckWay::Socks4,
            "ssl" => ssl = true,
            "sni" | "alpn" => {
                let expected = format!("{subject} : '{name}' expects a string as argument.");
                let text = line.string(context, at + 1, &expected)?;
                if name == "sni" {
                    sni = Some(text);
                } else {
                    alpn = Some(protocols(context, line, at + 1, &text)?);
                }
                at += 1;
            }
            "linger" => rule.linger = true,
            "comment" => {
                let expected = format!("{subject} : 'comment' expects a string as argument.");
                comment = Some(line.string(context, at + 1, &expected)?);
                at += 1;
            }
            "proto" => {
                mux::of_step(context, line, at + 1)?;
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
            other => match admit::option(context, Scope::CheckConnect, other, &subject, word.span) {
                Verdict::Unknown => {
                    let message = format!(
                        "{subject} : expects 'comment', 'port', 'addr', 'send-proxy', 'ssl', 'sni', 'alpn', 'via-socks4', 'linger' or 'default' but got '{other}' as argument."
                    );
                    context.error(word.span, message);
                    return None;
                }
                Verdict::Refused => return None,
                Verdict::Taken => {}
            },
        }
        at += 1;
    }
    rule.transport = match (ssl, as_server) {
        (true, _) => CheckTransport::Tls { sni, alpn },
        (false, true) => CheckTransport::AsServer,
        (false, false) => CheckTransport::Plain,
    };
    Some(CheckRule { action: CheckAction::Connect(rule), comment })
}

fn protocols(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    index: usize,
    text: &str,
) -> Option<Vec<Vec<u8>>> {
    let list = tls::alpn(text);
    list.map_err(|message| {
        context.error(line.span_of(index), format!("'{} connect' : 'alpn' : {message}", line.text(0)));
    })
    .ok()
}

fn port(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<u16> {
    let text = line.text(index);
    let port = text.parse().ok().filter(|port| *port > 0);
    if port.is_none() {
        let message = format!(
            "'{} connect' : expects a valid TCP port (from range 1 to 65535), got '{text}'.",
            line.text(0)
        );
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
            let message = format!("'{} connect' : 'addr' expects an IP address", line.text(0));
            context.error(line.span_of(index), message);
            None
        }
    }
}
