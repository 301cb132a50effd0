//! `use_backend`, `use-server`, `monitor fail`, `stats admin`: what is chosen by a condition.

use super::condition::{self, Begins};
use super::context::Context;
use super::rule::warn_of_order;
use super::sample::{self, Fault};
use super::statement::Statement;
use crate::config::ast::{Choice, Condition, MadeName, Proxy, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::lexer::Word;

/// Without a condition it always decides.
pub(super) fn use_backend(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(name) = line.string(context, 1, "'use_backend' expects a backend name.") else { return };
    warn_of_order(context, proxy, line);
    let condition = match condition::read(context, proxy, line, (2, "while parsing switching rule")) {
        Begins::Nowhere => None,
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return,
        Begins::Surplus => {
            let message = format!(
                "unexpected keyword '{}' after switching rule, only 'if' and 'unless' are allowed.",
                line.text(2)
            );
            return context.error(line.span_of(2), message);
        }
    };
    let made = match made_name(&name, line) {
        Ok(made) => made,
        Err(fault) => {
            let mut diagnostic = Diagnostic::error(fault.span, format!("'use_backend' : {}", fault.message));
            diagnostic.help = fault.help;
            return context.report(diagnostic);
        }
    };
    if made.is_some() && condition.as_ref().is_some_and(|condition| condition.unless) {
        let message = "'use_backend' with '%[' takes no 'unless' here";
        return context.report(Diagnostic::error(line.span_of(2), message).help("write 'if !...' instead"));
    }
    proxy.use_backends.push(Choice { name: Spanned::new(name, line.span_of(1)), made, condition });
}

/// `BEFORE%[SAMPLE]AFTER`; `None` for a plain name.
fn made_name(name: &str, line: &Statement<'_>) -> Result<Option<MadeName>, Fault> {
    let Some((before, rest)) = name.split_once("%[") else { return Ok(None) };
    let span = line.span_of(1);
    let Some((inner, after)) = rest.rsplit_once(']') else {
        return Err(Fault::new(span, "missing ']' after '%['"));
    };
    if inner.contains("%[") || after.contains('%') || before.contains('%') {
        return Err(Fault::new(span, "one '%[...]' is taken, and no other '%'"));
    }
    let sample = sample::read(&Word { text: inner.as_bytes().to_vec(), span })?;
    Ok(Some(MadeName { before: before.to_owned(), sample, after: after.to_owned() }))
}

/// Only with a condition.
pub(super) fn use_server(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(name) = line.string(context, 1, "'use-server' expects a server name.") else { return };
    let condition = match condition::read(context, proxy, line, (2, "while parsing switching rule")) {
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return,
        Begins::Nowhere | Begins::Surplus => {
            let message = "'use-server' requires either 'if' or 'unless' followed by a condition.";
            return context.error(line.span_of(2), message);
        }
    };
    if name.contains("%[") {
        let message = "'use-server' with '%[' is not supported: rolecall takes names of servers only";
        return context.error(line.span_of(1), message);
    }
    proxy.use_servers.push(Choice { name: Spanned::new(name, line.span_of(1)), made: None, condition });
}

/// `monitor fail if ...`
pub(super) fn monitor_fail(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    warn_of_order(context, proxy, line);
    match condition::read(context, proxy, line, (2, "while parsing a 'monitor fail' rule")) {
        Begins::Here(condition) => proxy.settings.rules.monitor_fail.push(condition),
        Begins::Wrong => {}
        Begins::Nowhere | Begins::Surplus => {
            let message = "'monitor fail' requires either 'if' or 'unless' followed by a condition.";
            context.error(line.span_of(2), message);
        }
    }
}

/// `stats admin if ...`; nothing, once reported, without a condition.
pub(super) fn stats_admin(
    context: &mut Context<'_>,
    proxy: &Proxy,
    line: &Statement<'_>,
) -> Option<Condition> {
    match condition::read(context, proxy, line, (2, "while parsing a 'stats admin' rule")) {
        Begins::Here(condition) => return Some(condition),
        Begins::Wrong => {}
        Begins::Nowhere | Begins::Surplus => {
            let message = "'stats admin' requires either 'if' or 'unless' followed by a condition.";
            context.error(line.span_of(2), message);
        }
    }
    None
}
