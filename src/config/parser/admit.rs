//! What the keyword table says about a statement or an option, told to the user: the readers only see what
//! may stand where it stands.

use std::borrow::Cow;

use super::context::Context;
use super::statement::{Polarity, Statement};
use super::{acl, global, proxy, resolvers, sentinels, stats};
use crate::config::ast::{Global, Proxy, ProxyKind, Resolvers, Sentinels};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{self, Keyword, Scope, Status};
use crate::config::lexer::Word;
use crate::config::source::Span;
use crate::config::suggest;

/// What becomes of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes to its reader, if it has one; what is lost has been reported.
    Taken,
    /// An error has been reported.
    Refused,
    /// The table does not know it here.
    Unknown,
}

/// Reports what a row of the table means for the user.
pub(super) fn keyword(context: &mut Context<'_>, row: &Keyword, scope: Scope, span: Span) -> Verdict {
    let message = row.message(scope).unwrap_or_default();
    match row.status {
        Status::Honoured => Verdict::Taken,
        Status::Accepted(_) => {
            context.warning(span, message);
            Verdict::Taken
        }
        Status::Rejected(_) => {
            context.error(span, message);
            Verdict::Refused
        }
    }
}

/// As [`keyword`], for an option of the line that `subject` names.
pub(super) fn option(
    context: &mut Context<'_>,
    scope: Scope,
    name: &str,
    subject: &str,
    span: Span,
) -> Verdict {
    let Some(row) = keyword::find(scope, &[name]) else { return Verdict::Unknown };
    let say = |predicate| format!("{subject} : '{name}' {predicate}");
    let (diagnostic, verdict) = match row.status {
        Status::Honoured => return Verdict::Taken,
        Status::Accepted(predicate) => (Diagnostic::warning(span, say(predicate)), Verdict::Taken),
        Status::Rejected(predicate) => (Diagnostic::error(span, say(predicate)), Verdict::Refused),
    };
    let heading = if scope == Scope::Server { Heading::Place } else { Heading::Statement };
    context.report(diagnostic.heading(heading));
    verdict
}

/// A line of `global`.
pub(super) fn global_statement(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let words = first_words(line);
    let Some(row) = keyword::find(Scope::Global, &borrowed(&words)) else {
        return unknown(context, Scope::Global, line);
    };
    if keyword(context, row, Scope::Global, line.span()) == Verdict::Taken
        && let Some(read) = reader(global::READERS, row.name)
    {
        read(context, global, line);
    }
}

/// Rules that have no effect here still stand only where HAProxy takes them.
const HTTP_RULES: &[&str] = &["http-request", "http-response", "http-after-response"];

/// A line of a proxy section.
pub(super) fn proxy_statement(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let scope = scope(proxy.kind);
    if proxy.kind == ProxyKind::Defaults {
        proxy.settings.weight_in_bytes += line.words.iter().map(|word| word.text.len() + 8).sum::<usize>();
    }
    let words = first_words(line);
    if HTTP_RULES.contains(&&*words[0]) && !acl::rules_may_stand(context, proxy, line) {
        return;
    }
    let Some(row) = keyword::find(scope, &borrowed(&words)) else {
        if keyword::find(Scope::Listen, &borrowed(&words)).is_some() {
            return misplaced(context, proxy, line);
        }
        return unknown(context, scope, line);
    };
    // What has no effect, or is not to be had, is not missed when it is switched off.
    let switched_off = line.polarity != Polarity::Normal && row.status != Status::Honoured;
    if (switched_off || keyword(context, row, scope, line.span()) == Verdict::Taken)
        && let Some(read) = reader(proxy::READERS, row.name)
    {
        read(context, proxy, line);
    }
}

/// A line of `sentinels`.
pub(super) fn sentinels_statement(context: &mut Context<'_>, section: &mut Sentinels, line: &Statement<'_>) {
    let words = first_words(line);
    let Some(row) = keyword::find(Scope::Sentinels, &borrowed(&words)) else {
        return unknown(context, Scope::Sentinels, line);
    };
    if keyword(context, row, Scope::Sentinels, line.span()) == Verdict::Taken
        && let Some(read) = reader(sentinels::READERS, row.name)
    {
        read(context, section, line);
    }
}

/// A line of `resolvers`.
pub(super) fn resolvers_statement(context: &mut Context<'_>, section: &mut Resolvers, line: &Statement<'_>) {
    let words = first_words(line);
    let Some(row) = keyword::find(Scope::Resolvers, &borrowed(&words)) else {
        return unknown(context, Scope::Resolvers, line);
    };
    if keyword(context, row, Scope::Resolvers, line.span()) == Verdict::Taken
        && let Some(read) = reader(resolvers::READERS, row.name)
    {
        read(context, section, line);
    }
}

fn reader<T: Copy>(readers: &[(&str, T)], name: &str) -> Option<T> {
    let family = name.split(' ').next().unwrap_or(name);
    let named = |wanted: &str| readers.iter().find(|(reader, _)| *reader == wanted).map(|(_, read)| *read);
    named(name).or_else(|| named(family))
}

fn first_words<'a>(line: &Statement<'a>) -> Vec<Cow<'a, str>> {
    let mut words: Vec<_> = line.words.iter().take(3).map(Word::str).collect();
    // `http-check set-var(check.x)`: the name of a variable is no part of the keyword.
    if let [first, second, ..] = words.as_mut_slice()
        && first.ends_with("-check")
        && let Some(at) = second.find('(')
    {
        *second = Cow::Owned(second[..at].to_owned());
    }
    words
}

fn borrowed<'a>(words: &'a [Cow<'_, str>]) -> Vec<&'a str> {
    words.iter().map(|word| &**word).collect()
}

pub(super) fn scope(kind: ProxyKind) -> Scope {
    match kind {
        ProxyKind::Defaults => Scope::Defaults,
        ProxyKind::Frontend => Scope::Frontend,
        ProxyKind::Backend => Scope::Backend,
        ProxyKind::Listen => Scope::Listen,
    }
}

/// A keyword of the other half of a proxy, or one that `defaults` cannot hand down.
fn misplaced(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) {
    let keyword = line.text(0);
    let span = line.span();
    let name = match &*keyword {
        "timeout" => format!("timeout {}", line.text(1)),
        "option" => line.text(1).into_owned(),
        other => other.to_owned(),
    };
    if proxy.kind == ProxyKind::Defaults {
        return context.error(span, format!("'{name}' not allowed in 'defaults' section."));
    }
    let missing = if proxy.kind == ProxyKind::Frontend { "backend" } else { "frontend" };
    let because =
        format!("because {} '{}' has no {missing} capability.", proxy.kind.noun(), proxy.name.value);
    if matches!(&*keyword, "server" | "server-template" | "default-server") {
        return context.report(
            Diagnostic::error(span, format!("'{keyword}' not allowed {because}"))
                .heading(Heading::Place)
                .help("make the section a 'listen', or move the servers to a 'backend'"),
        );
    }
    // The wording is HAProxy's, which differs by keyword.
    let message = match &*keyword {
        "maxconn" => format!("'{name}' ignored {because} Maybe you want 'fullconn' instead ?"),
        "fullconn" => format!("'{name}' ignored {because} Maybe you want 'maxconn' instead ?"),
        "timeout" => format!("'{name}' will be ignored {}", because.trim_end_matches('.')),
        _ => format!("'{name}' ignored {because}"),
    };
    context.warning(span, message);
}

/// A keyword that no section of this kind has. Families report what their second word may be.
fn unknown(context: &mut Context<'_>, scope: Scope, line: &Statement<'_>) {
    let keyword = line.text(0);
    if keyword == "option" {
        return unknown_option(context, scope, line);
    }
    let mut near = None;
    let message = match &*keyword {
        "timeout" if scope != Scope::Global => format!(
            "'timeout' supports 'client', 'server', 'connect', 'check', 'queue', 'http-keep-alive', 'http-request', \
             'tunnel', 'tarpit', 'client-fin' and 'server-fin' (got '{}')",
            line.text(1)
        ),
        "stats" if scope == Scope::Global => format!(
            "'stats' only supports 'socket', 'maxconn', 'bind-process' and 'timeout' (got '{}')",
            line.text(1)
        ),
        "stats" if line.argument(1).is_none() => format!("missing keyword in 'stats', {}", stats::EXPECTED),
        "stats" => format!("unknown stats parameter '{}', {}", line.text(1), stats::EXPECTED),
        "tcp-check" => format!(
            "'tcp-check' only supports 'comment', 'connect', 'send', 'send-binary', 'expect' but got '{}'",
            line.text(1)
        ),
        "http-check" => format!(
            "'http-check' only supports 'disable-on-404', 'send-state', 'comment', 'connect', 'send', 'expect', \
             'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)'. but got '{}'",
            line.text(1)
        ),
        other => {
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
