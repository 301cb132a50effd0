//! Words that the keyword table does not know where they stand: what is said of them, and what may have been
//! meant.

use std::collections::BTreeSet;

use super::admit::{Verdict, borrowed, first_words};
use super::context::Context;
use super::form::list;
use super::statement::Statement;
use super::stats;
use crate::config::ast::{Proxy, ProxyKind};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{self, Scope};
use crate::config::suggest;

/// A keyword of the other half of a proxy, or one that `defaults` cannot hand down. What is taken is left out.
pub(super) fn misplaced(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> Verdict {
    let keyword = line.text(0);
    let span = line.span();
    let name = match &*keyword {
        "timeout" => format!("timeout {}", line.text(1)),
        "option" => line.text(1).into_owned(),
        other => other.to_owned(),
    };
    if proxy.kind == ProxyKind::Defaults {
        context.error(span, format!("'{name}' not allowed in 'defaults' section."));
        return Verdict::Refused;
    }
    let missing = if proxy.kind == ProxyKind::Frontend { "backend" } else { "frontend" };
    let because =
        format!("because {} '{}' has no {missing} capability.", proxy.kind.noun(), proxy.name.value);
    if matches!(&*keyword, "server" | "server-template" | "default-server") {
        context.report(
            Diagnostic::error(span, format!("'{keyword}' not allowed {because}"))
                .heading(Heading::Place)
                .help("make the section a 'listen', or move the servers to a 'backend'"),
        );
        return Verdict::Refused;
    }
    if matches!(&*keyword, "declare" | "use-fcgi-app") {
        context.error(span, format!("'{keyword}' not allowed {because}"));
        return Verdict::Refused;
    }
    // The wording is HAProxy's, which differs by keyword.
    let message = match &*keyword {
        "maxconn" => format!("'{name}' ignored {because} Maybe you want 'fullconn' instead ?"),
        "fullconn" => format!("'{name}' ignored {because} Maybe you want 'maxconn' instead ?"),
        "timeout" => format!("'{name}' will be ignored {}", because.trim_end_matches('.')),
        _ => format!("'{name}' ignored {because}"),
    };
    context.warning(span, message);
    Verdict::Taken
}

/// A keyword that no section of this kind has. Families report what their second word may be.
pub(super) fn report(context: &mut Context<'_>, scope: Scope, line: &Statement<'_>) {
    let keyword = line.text(0);
    if keyword == "option" {
        return unknown_option(context, scope, line);
    }
    let mut near = None;
    let message = match &*keyword {
        "timeout" if is_proxy(scope) => format!(
            "'timeout' supports 'client', 'server', 'connect', 'check', 'queue', 'http-keep-alive', 'http-request', \
             'tunnel', 'tarpit', 'client-fin' and 'server-fin' (got '{}')",
            line.text(1)
        ),
        "stats" if scope == Scope::Global => format!(
            "'stats' only supports 'socket', 'maxconn', 'bind-process' and 'timeout' (got '{}')",
            line.text(1)
        ),
        "stats" if is_proxy(scope) && line.argument(1).is_none() => {
            format!("missing keyword in 'stats', {}", stats::EXPECTED)
        }
        "stats" if is_proxy(scope) => {
            format!("unknown stats parameter '{}', {}", line.text(1), stats::EXPECTED)
        }
        "tcp-check" if is_proxy(scope) => format!(
            "'tcp-check' only supports 'comment', 'connect', 'send', 'send-binary', 'expect' but got '{}'",
            line.text(1)
        ),
        "http-check" if is_proxy(scope) => format!(
            "'http-check' only supports 'disable-on-404', 'send-state', 'comment', 'connect', 'send', 'expect', \
             'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)'. but got '{}'",
            line.text(1)
        ),
        other => {
            let members = members(scope, other);
            if !members.is_empty() {
                let message = format!("'{other}' expects {members} but got '{}'", line.text(1));
                let near = suggest::nearest(scope, &borrowed(&first_words(line)));
                let mut diagnostic = Diagnostic::error(line.span_of(1), message);
                diagnostic.help =
                    near.filter(|near| near.starts_with(other)).map(|near| format!("did you mean '{near}'?"));
                return context.report(diagnostic);
            }
            if scope != Scope::Global && !self::members(Scope::Listen, other).is_empty() {
                return context.error(line.span(), format!("'{other}' not allowed in '{scope}' section."));
            }
            near = suggest::nearest(scope, &borrowed(&first_words(line)));
            let maybe = near.map(|near| format!("; did you mean '{near}' maybe ?")).unwrap_or_default();
            format!("unknown keyword '{other}' in '{scope}' section{maybe}")
        }
    };
    let family = matches!(&*keyword, "timeout" | "stats" | "tcp-check" | "http-check");
    let mut diagnostic = Diagnostic::error(line.span_of(usize::from(family)), message);
    if family {
        let near = suggest::nearest(scope, &borrowed(&first_words(line)));
        let near = near.filter(|near| near.starts_with(&*keyword));
        diagnostic.help = near.map(|near| format!("did you mean '{near}'?"));
    } else if near.is_none() {
        diagnostic.help = suggest::elsewhere(scope, &borrowed(&first_words(line)));
    }
    context.report(diagnostic);
}

fn is_proxy(scope: Scope) -> bool {
    matches!(scope, Scope::Defaults | Scope::Frontend | Scope::Backend | Scope::Listen)
}

fn unknown_option(context: &mut Context<'_>, scope: Scope, line: &Statement<'_>) {
    let Some(option) = line.argument(1) else {
        let message = "'option' expects an option name.";
        return context.report(Diagnostic::error(line.span(), message).heading(Heading::Line));
    };
    let near = suggest::nearest(scope, &["option", &option.str()]);
    let near = near.and_then(|near| near.strip_prefix("option "));
    let maybe = near.map(|near| format!("; did you mean '{near}' maybe ?")).unwrap_or_default();
    context.error(option.span, format!("unknown option '{}'{maybe}", option.str()));
}

/// What may follow the first word of a keyword of several, in HAProxy's form of a list; empty for others.
fn members(scope: Scope, family: &str) -> String {
    let seconds: BTreeSet<&str> = keyword::all()
        .filter(|row| row.scopes.contains(&scope))
        .filter_map(|row| row.name.strip_prefix(family)?.strip_prefix(' '))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    list(seconds)
}
