//! `tcp-request connection|session|content`, `tcp-response content`: actions and their conditions.

use super::acl::rules_may_stand;
use super::action;
use super::admit::{self, Verdict};
use super::condition::{self, Begins};
use super::context::Context;
use super::sample::{self, Fault};
use super::statement::Statement;
use super::value::TimeUnit;
use crate::config::ast::{Action, Proxy, ProxyKind, Rule, Sample, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword;
use crate::config::lexer::{self, Word};
use crate::config::model::Counter;

/// A rule of some list.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if !rules_may_stand(context, proxy, line) {
        return;
    }
    let (keyword, list) = (line.text(0).into_owned(), line.text(1).into_owned());
    if keyword == "tcp-response" && proxy.kind == ProxyKind::Frontend {
        let message = format!(
            "{keyword} {list} is only allowed in 'backend' sections or 'defaults' section with a name"
        );
        return context.error(line.span_of(0), message);
    }
    if list == "inspect-delay" {
        let delay = line.time(context, 2, &format!("{keyword} inspect-delay"), TimeUnit::Milliseconds);
        let rules = &mut proxy.settings.rules;
        let slot =
            if keyword == "tcp-request" { &mut rules.inspect_delay } else { &mut rules.response_delay };
        *slot = delay.or(*slot);
        return;
    }
    if matches!(&*list, "connection" | "session") && !proxy.kind.has_frontend() {
        let message =
            format!("{keyword} {list} is not allowed because backend {} is not a frontend", proxy.name.value);
        return context.error(line.span_of(1), message);
    }
    if proxy.kind == ProxyKind::Defaults {
        // Handed down, a rule is larger than its line.
        proxy.settings.weight_in_bytes += size_of::<Rule>() * 4;
    }
    warn_of_order(context, proxy, line);
    let name = format!("{keyword} {list}");
    let Some((action, at)) = action(context, proxy, line, &name) else { return };
    let subject = format!("'{name} {}'", line.text(2));
    let within =
        format!("{subject} : error detected in {} '{}' while parsing", proxy.kind.noun(), proxy.name.value);
    let condition = match condition::read(context, proxy, line, (at, within_condition(&within).as_str())) {
        Begins::Nowhere => None,
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return,
        Begins::Surplus => {
            let message = format!(
                "'{name} {}' expects 'if', 'unless' or end of line, in {} '{}' (got '{}').",
                line.text(2),
                proxy.kind.noun(),
                proxy.name.value,
                line.text(at)
            );
            return context.error(line.span_of(at), message);
        }
    };
    let rule = Rule { action, condition, span: line.span() };
    let rules = &mut proxy.settings.rules;
    match (&*keyword, &*list) {
        ("tcp-response", _) => rules.response.push(rule),
        (_, "connection") => rules.connection.push(rule),
        (_, "session") => rules.session.push(rule),
        _ => rules.content.push(rule),
    }
}

fn within_condition(within: &str) -> String {
    format!("{within} condition")
}

/// HAProxy evaluates rules by their kind, whatever the order of the lines.
pub(super) fn warn_of_order(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) {
    let rules = &proxy.settings.rules;
    let keyword = line.text(0);
    let list = line.text(1);
    let later = match (&*keyword, &*list) {
        ("tcp-request", "connection") if !rules.session.is_empty() => Some("tcp-request session"),
        ("tcp-request", "connection" | "session") if !rules.content.is_empty() => Some("tcp-request content"),
        ("http-request", _) if !rules.redirects.is_empty() => Some("redirect"),
        ("tcp-request" | "monitor" | "http-request" | "redirect", _) if !proxy.use_backends.is_empty() => {
            Some("use_backend")
        }
        ("tcp-request" | "monitor" | "http-request" | "redirect" | "use_backend", _)
            if !proxy.use_servers.is_empty() =>
        {
            Some("use-server")
        }
        _ => None,
    };
    if let Some(later) = later {
        let own = if later.starts_with("tcp") { format!("{keyword} {list}") } else { keyword.into_owned() };
        let message = format!("a '{own}' rule placed after a '{later}' rule will still be processed before.");
        context.report(Diagnostic::warning(line.span(), message).help("put it before that rule"));
    }
}

/// The action at word 2, and where what follows it begins.
fn action(
    context: &mut Context<'_>,
    proxy: &Proxy,
    line: &Statement<'_>,
    list: &str,
) -> Option<(Action, usize)> {
    let word = line.text(2);
    let base = word.split('(').next().unwrap_or_default();
    let (keyword, second) = list.split_once(' ')?;
    let row = keyword::find(admit::scope(proxy.kind), &[keyword, second, base]);
    let Some(row) = row.filter(|row| row.name.len() > list.len()) else {
        let known = keyword::all().filter_map(|row| row.name.strip_prefix(list)).map(str::trim);
        let known: Vec<&str> = known.filter(|name| !name.is_empty()).collect();
        let near = crate::config::suggest::nearest_of(base, known.iter().copied());
        let message = format!(
            "'{list}' expects '{}' in {} '{}' (got '{word}').",
            known.join("', '"),
            proxy.kind.noun(),
            proxy.name.value
        );
        let mut diagnostic = Diagnostic::error(line.span_of(2), message);
        diagnostic.help = near.map(|near| format!("did you mean '{near}'?"));
        context.report(diagnostic);
        return None;
    };
    // A plain name was looked up, and told of, as the statement's keyword.
    if word.len() > base.len()
        && admit::keyword(context, row, admit::scope(proxy.kind), line.span()) == Verdict::Refused
    {
        return None;
    }
    match plain_action(line, base) {
        Ok((Action::Capture { .. }, _))
            if !(proxy.kind.has_frontend() || proxy.kind == ProxyKind::Defaults) =>
        {
            let message =
                format!("'{list} {word}' : proxy '{}' has no frontend capability", proxy.name.value);
            context.error(line.span_of(2), message);
            None
        }
        Ok(read) => Some(read),
        Err(fault) => {
            let message = format!("'{list} {word}' : {}", fault.message);
            let mut diagnostic = Diagnostic::error(fault.span, message);
            diagnostic.help = fault.help;
            context.report(diagnostic);
            None
        }
    }
}

/// The action at word 2 by its name, its parenthesis left out, and where what follows it begins.
pub(super) fn plain_action(line: &Statement<'_>, base: &str) -> Result<(Action, usize), Fault> {
    let slot = |digit: Option<char>| digit.and_then(|digit| digit.to_digit(10)).unwrap_or(0) as u8;
    Ok(match base {
        "accept" => (Action::Accept, 3),
        "reject" => (Action::Reject, 3),
        "silent-drop" => silent_drop(line)?,
        "close" => (Action::Close, 3),
        "expect-proxy" => match line.text(3).as_ref() {
            "layer4" => (Action::ExpectProxy, 4),
            other => {
                let message = format!("only 'layer4' is supported, got '{other}'");
                return Err(Fault::new(line.span_of(3), message));
            }
        },
        "track-sc0" | "track-sc1" | "track-sc2" => {
            let key = expression(line, 3)?;
            let (table, at) = match line.argument(4).filter(|word| word.text == b"table") {
                Some(_) => (table(line, 5)?, 6),
                None => (None, 4),
            };
            (Action::Track { slot: slot(base.chars().last()), key, table }, at)
        }
        "sc-inc-gpc0" => (Action::Count { slot: slot_of(line, 0)?, counter: Counter::General(0) }, 3),
        "sc-inc-gpc1" => (Action::Count { slot: slot_of(line, 0)?, counter: Counter::General(1) }, 3),
        "sc-inc-gpc" => {
            (Action::Count { slot: slot_of(line, 1)?, counter: Counter::General(place(line)?) }, 3)
        }
        "sc-set-gpt0" => (Action::SetTag { slot: slot_of(line, 0)?, tag: 0, sample: tag(line)? }, 4),
        "sc-set-gpt" => {
            (Action::SetTag { slot: slot_of(line, 1)?, tag: place(line)?, sample: tag(line)? }, 4)
        }
        other => match action::read(line, other) {
            Some(read) => read?,
            None => return Err(Fault::new(line.span_of(2), format!("'{other}' is not supported"))),
        },
    })
}

/// `silent-drop [rst-ttl N]`: what follows later versions' word says how far the reset goes.
fn silent_drop(line: &Statement<'_>) -> Result<(Action, usize), Fault> {
    if line.text(3) != "rst-ttl" {
        return Ok((Action::SilentDrop, 3));
    }
    Err(Fault::new(
        line.span_of(3),
        "'rst-ttl' is not supported: the reset goes no further than the first router",
    ))
}

/// A sample in place of a pattern.
pub(super) fn expression(line: &Statement<'_>, at: usize) -> Result<Sample, Fault> {
    let Some(word) = line.argument(at) else {
        return Err(Fault::new(line.span(), "missing fetch method"));
    };
    sample::read(word)
}

/// The name of a table.
pub(super) fn table(line: &Statement<'_>, at: usize) -> Result<Option<Spanned<String>>, Fault> {
    let Some(word) = line.argument(at) else {
        return Err(Fault::new(line.span(), "expects a table name after 'table'"));
    };
    Ok(Some(Spanned::new(word.str().into_owned(), word.span)))
}

/// The arguments of the action itself.
pub(super) fn names(line: &Statement<'_>) -> Vec<String> {
    let split = line.argument(2).and_then(|word: &Word| lexer::split_arguments(&word.text).ok());
    let arguments = split.and_then(|call| call.arguments).unwrap_or_default();
    arguments.iter().map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

fn argument(line: &Statement<'_>, at: usize) -> Option<String> {
    names(line).into_iter().nth(at)
}

/// What is tracked in which slot.
fn slot_of(line: &Statement<'_>, at: usize) -> Result<u8, Fault> {
    let text = argument(line, at).unwrap_or_default();
    let number = text.parse().ok().filter(|number| *number <= 2);
    number.ok_or_else(|| Fault::new(line.span_of(2), format!("invalid stick table track ID '{text}'")))
}

/// Which one of `gpc(N)` or `gpt(N)`.
fn place(line: &Statement<'_>) -> Result<u8, Fault> {
    let text = argument(line, 0).unwrap_or_default();
    let number = text.parse().ok().filter(|number| *number < 100);
    number.ok_or_else(|| Fault::new(line.span_of(2), format!("invalid stick table array index '{text}'")))
}

/// An integer stands for itself.
fn tag(line: &Statement<'_>) -> Result<Sample, Fault> {
    let span = line.span_of(3);
    let text = line.text(3);
    if super::value::integer(&text).is_some() {
        let text = format!("int({text})").into_bytes();
        return sample::read(&Word { text, span });
    }
    expression(line, 3)
}
