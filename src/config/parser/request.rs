//! Rules for requests: `http-request`, `stats http-request`, and the lines that say the same in fewer words,
//! `redirect` and `block`. What has an effect where a proxy serves pages becomes a rule; the keyword table has
//! told of the rest.

mod answer;
mod redirect;

use std::borrow::Cow;
use std::sync::Arc;

use super::condition::{self, Begins};
use super::context::Context;
use super::rule::{plain_action, warn_of_order};
use super::sample::Fault;
use super::statement::Statement;
use crate::config::ast::{Change, Proxy, RequestAction, RequestRule};
use crate::config::diagnostic::Diagnostic;
use crate::config::lexer::Word;

const SERVICE: &str = "prometheus-exporter";

/// Where the action stands once a line has been brought into the form of `stats http-request ACTION`.
const ACTION: usize = 2;

/// `http-request ACTION ... [if ...]`
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    warn_of_order(context, proxy, line);
    let words = shifted(line, &line.words[..1]);
    match rule(context, proxy, &Statement { words: &words, ..*line }) {
        Some(rule) => proxy.settings.rules.requests.push(rule),
        None => proxy.settings.rules.changes.push(Change {
            action: line.text(1).split('(').next().unwrap_or_default().to_owned(),
            subject: line.text(2).to_lowercase(),
            span: line.span(),
        }),
    }
}

/// `stats http-request ACTION ... [if ...]`
pub(super) fn stats(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> Option<RequestRule> {
    rule(context, proxy, line)
}

/// `redirect ... [if ...]`: its place is taken as it stands.
pub(super) fn redirect(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    warn_of_order(context, proxy, line);
    let words = shifted(line, &[line.words[0].clone(), line.words[0].clone()]);
    let rule = rule(context, proxy, &Statement { words: &words, ..*line });
    proxy.settings.rules.redirects.extend(rule);
}

/// `block if ...`, which HAProxy had before `http-request deny`.
pub(super) fn block(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let deny = Word { text: b"deny".to_vec(), span: line.span_of(0) };
    let mut words = vec![line.words[0].clone(), line.words[0].clone(), deny];
    words.extend_from_slice(line.rest(1));
    let rule = rule(context, proxy, &Statement { words: &words, ..*line });
    proxy.settings.rules.requests.extend(rule);
}

fn shifted(line: &Statement<'_>, before: &[Word]) -> Vec<Word> {
    [before, line.words].concat()
}

/// The rule of a line whose action is its third word.
fn rule(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> Option<RequestRule> {
    let keyword = match &*line.text(1) {
        "redirect" => "redirect".to_owned(),
        _ => format!("'http-request {}'", line.text(ACTION)),
    };
    let (action, at) = match action(context, line) {
        Ok(read) => read?,
        Err(fault) => {
            let name = &proxy.name.value;
            let message =
                format!("error detected in proxy '{name}' while parsing {keyword} rule : {}.", fault.message);
            let mut diagnostic = Diagnostic::error(fault.span, message);
            diagnostic.help = fault.help;
            context.report(diagnostic);
            return None;
        }
    };
    let within = format!("while parsing an {keyword} condition");
    let condition = match condition::read(context, proxy, line, (at, within.as_str())) {
        Begins::Nowhere => None,
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return None,
        Begins::Surplus => {
            let found = line.text(at);
            let message = format!(
                "{keyword} expects either 'if' or 'unless' followed by a condition but found '{found}'."
            );
            context.error(line.span_of(at), message);
            return None;
        }
    };
    Some(RequestRule { action, condition, span: line.span() })
}

/// The action, and where what follows it begins; nothing where it has no effect.
fn action(context: &mut Context<'_>, line: &Statement<'_>) -> Result<Option<(RequestAction, usize)>, Fault> {
    let word = line.text(ACTION);
    let base = word.split('(').next().unwrap_or_default();
    let at = ACTION + 1;
    Ok(Some(match base {
        "allow" => (RequestAction::Allow, at),
        "reject" => (RequestAction::Reject, at),
        "silent-drop" => (RequestAction::SilentDrop, at),
        "auth" => auth(line, at)?,
        "deny" => answered(answer::read(context, line, answer::DENY)?, RequestAction::Deny),
        "tarpit" => answered(answer::read(context, line, answer::TARPIT)?, RequestAction::Tarpit),
        "return" => answered(answer::read(context, line, answer::RETURN)?, RequestAction::Return),
        "redirect" => {
            let (redirect, at) = redirect::read(line)?;
            (RequestAction::Redirect(Arc::new(redirect)), at)
        }
        "use-service" if line.text(at) == SERVICE => (RequestAction::Export, at + 1),
        "use-service" => {
            let message = format!("'{}' unknown service name.", line.text(at));
            let mut fault = Fault::new(line.span_of(at), message);
            fault.help = Some(format!("rolecall has no scripts and no service but '{SERVICE}'"));
            return Err(fault);
        }
        "set-var" | "unset-var" | "track-sc0" | "track-sc1" | "track-sc2" | "sc-inc-gpc" | "sc-inc-gpc0"
        | "sc-inc-gpc1" | "sc-set-gpt" | "sc-set-gpt0" => {
            let (action, at) = plain_action(line, base)?;
            (RequestAction::Act(action), at)
        }
        _ => return Ok(None),
    }))
}

fn answered<A>(
    (answer, at): (A, usize),
    make: impl FnOnce(Arc<A>) -> RequestAction,
) -> (RequestAction, usize) {
    (make(Arc::new(answer)), at)
}

/// `auth [realm REALM]`
fn auth(line: &Statement<'_>, at: usize) -> Result<(RequestAction, usize), Fault> {
    if line.text(at) != "realm" {
        return Ok((RequestAction::Auth(None), at));
    }
    let Some(realm) = line.argument(at + 1) else {
        return Err(Fault::new(line.span_of(at), "missing realm value"));
    };
    Ok((RequestAction::Auth(Some(realm.str().into_owned())), at + 2))
}

/// A word that has to be there.
fn needed<'a>(line: &Statement<'a>, at: usize, message: &str) -> Result<Cow<'a, str>, Fault> {
    match line.argument(at) {
        Some(word) => Ok(word.str()),
        None => Err(Fault::new(line.span_of(at), message)),
    }
}
