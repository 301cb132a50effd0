//! What the keyword table says about a statement or an option, told to the user: the readers only see what
//! may stand where it stands.

use std::borrow::Cow;

use super::condition::{self, Begins};
use super::context::Context;
use super::statement::{Polarity, Statement};
use super::{acl, form, global, proxy, resolvers, sentinels, unknown};
use crate::config::ast::{Global, Proxy, ProxyKind, Resolvers, Sentinels, Settings};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{self, Keyword, Scope, Status};
use crate::config::lexer::Word;
use crate::config::source::Span;

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
        return unknown::report(context, Scope::Global, line);
    };
    if matches!(row.status, Status::Accepted(_)) && !form::holds(context, row, line) {
        return;
    }
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
        let Some(row) = keyword::find(Scope::Listen, &borrowed(&words)) else {
            return unknown::report(context, scope, line);
        };
        if unknown::misplaced(context, proxy, line) == Verdict::Taken {
            read_aside(context, proxy, row, line);
        }
        return;
    };
    // What has no effect, or is not to be had, is not missed when it is switched off.
    let switched_off = line.polarity != Polarity::Normal && row.status != Status::Honoured;
    if (switched_off || matches!(row.status, Status::Accepted(_))) && !form::holds(context, row, line) {
        return;
    }
    if CONDITIONED.contains(&row.name) && !condition_holds(context, proxy, line) {
        return;
    }
    if (switched_off || keyword(context, row, scope, line.span()) == Verdict::Taken)
        && let Some(read) = reader(proxy::READERS, row.name)
    {
        read(context, proxy, line);
    }
}

/// HAProxy reads what it then leaves out, but for `stick`, and so a mistake in it is one all the same.
fn read_aside(context: &mut Context<'_>, proxy: &mut Proxy, row: &Keyword, line: &Statement<'_>) {
    let holds = match row.status {
        Status::Honoured => !row.name.starts_with("stick "),
        Status::Accepted(_) => form::holds(context, row, line),
        Status::Rejected(_) => false,
    };
    let Some(read) = reader(proxy::READERS, row.name).filter(|_| holds) else { return };
    let mut aside = Proxy::new(ProxyKind::Listen, proxy.name.clone(), Settings::default());
    std::mem::swap(&mut aside.settings.rules.acls, &mut proxy.settings.rules.acls);
    read(context, &mut aside, line);
    std::mem::swap(&mut aside.settings.rules.acls, &mut proxy.settings.rules.acls);
}

/// Rules without effect, whose conditions are looked at all the same.
const CONDITIONED: &[&str] = &["redirect"];

fn condition_holds(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> bool {
    let Some(at) = line.words.iter().position(form::is_condition) else { return true };
    let within = format!("while parsing {} rule", line.text(0));
    !matches!(condition::read(context, proxy, line, (at, &within)), Begins::Wrong)
}

/// A line of `sentinels`.
pub(super) fn sentinels_statement(context: &mut Context<'_>, section: &mut Sentinels, line: &Statement<'_>) {
    let words = first_words(line);
    let Some(row) = keyword::find(Scope::Sentinels, &borrowed(&words)) else {
        return unknown::report(context, Scope::Sentinels, line);
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
        return unknown::report(context, Scope::Resolvers, line);
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

pub(super) fn first_words<'a>(line: &Statement<'a>) -> Vec<Cow<'a, str>> {
    let mut words: Vec<_> = line.words.iter().take(3).map(Word::str).collect();
    // `http-check set-var(check.x)`, `http-request set-var(txn.x)`: the name of a variable is no part of the keyword.
    if let [first, second, ..] = words.as_mut_slice()
        && (first.ends_with("-check") || first == "http-request")
        && let Some(at) = second.find('(')
    {
        *second = Cow::Owned(second[..at].to_owned());
    }
    words
}

pub(super) fn borrowed<'a>(words: &'a [Cow<'_, str>]) -> Vec<&'a str> {
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
