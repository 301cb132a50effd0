//! What rules of a `defaults` section have to name (manual section 4, "defaults"): the section goes in, and what
//! its rules leave to whoever inherits them leaves as diagnostics. A server or a table without its proxy would be
//! another one in each heir, and HAProxy refuses that for the section itself.

use super::context::Context;
use crate::config::ast::{Action, Proxy, Rule, Sample};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::rule::fetch::Takes;
use crate::config::source::Span;

const HELP: &str = "rules of 'defaults' name the proxy: 'srv_conn(redis/r1)', 'src_conn_rate(clients)', 'track-sc0 src table clients'";

/// Reports all of it.
pub(super) fn report(context: &mut Context<'_>, defaults: &Proxy) {
    let rules = &defaults.settings.rules;
    for (family, rules) in [
        ("tcp-request connection", &rules.connection),
        ("tcp-request session", &rules.session),
        ("tcp-request content", &rules.content),
        ("tcp-response content", &rules.response),
    ] {
        for rule in rules {
            condition(context, defaults, rule);
            action(context, defaults, family, rule);
        }
    }
}

fn condition(context: &mut Context<'_>, defaults: &Proxy, rule: &Rule) {
    let terms = rule.condition.iter().flat_map(|condition| condition.any.iter().flatten());
    for term in terms {
        for test in term.acl.borrow().iter() {
            let sample = &test.sample;
            let Some(lack) = lack(sample) else { continue };
            let message = format!(
                "{lack} name must be set in arg 1 of ACL keyword '{}' in proxy '{}'.",
                sample.name, defaults.name.value
            );
            tell(context, (sample.span, Heading::Line), message);
        }
    }
}

fn action(context: &mut Context<'_>, defaults: &Proxy, family: &str, rule: &Rule) {
    let name = &defaults.name.value;
    let sample = match &rule.action {
        Action::Track { slot, key, table } => {
            if table.is_none() {
                let message =
                    format!("Proxy '{name}': unable to find table '{name}' referenced by track-sc{slot}.");
                tell(context, (rule.span, Heading::Bare), message);
            }
            key
        }
        Action::SetVariable { sample, .. } | Action::SetTag { sample, .. } => sample,
        _ => return,
    };
    if let Some(lack) = lack(sample) {
        let message = format!(
            "{lack} name must be set in arg 1 of sample fetch keyword '{}' in {family} expression in proxy '{name}'.",
            sample.name
        );
        tell(context, (sample.span, Heading::Line), message);
    }
}

fn tell(context: &mut Context<'_>, (span, heading): (Span, Heading), message: String) {
    context.report(Diagnostic::error(span, message).heading(heading).help(HELP));
}

/// Whose name is missing.
fn lack(sample: &Sample) -> Option<&'static str> {
    let first = sample.arguments.first().map(Vec::as_slice).unwrap_or_default();
    match sample.fetch.takes {
        Takes::Server(_) if !first.contains(&b'/') => Some("backend"),
        Takes::SourceCounter(_) | Takes::SourceChange(..) | Takes::Table(_) if first.is_empty() => {
            Some("table")
        }
        _ => None,
    }
}
