//! `http-request allow`, `deny` and `use-service`: the rules for requests that have an effect where a proxy
//! serves pages.

use super::condition::{self, Begins};
use super::context::Context;
use super::rule::warn_of_order;
use super::statement::Statement;
use crate::config::ast::{Condition, Proxy, RequestRule};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::RequestAction;

const SERVICES: &str = "'http-request use-service' expects a service name: 'prometheus-exporter'";

/// `http-request use-service prometheus-exporter [if ...]`
pub(super) fn service(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let name = line.text(2);
    if name != "prometheus-exporter" {
        return context.report(
            Diagnostic::error(line.span_of(2), format!("{SERVICES} (got '{name}')."))
                .help("rolecall has no scripts and no other service"),
        );
    }
    warn_of_order(context, proxy, line);
    let condition = match condition::read(context, proxy, line, (3, "while parsing 'use-service' rule")) {
        Begins::Nowhere => None,
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return,
        Begins::Surplus => {
            let message = format!("{SERVICES}, 'if', 'unless' or end of line (got '{}').", line.text(3));
            return context.error(line.span_of(3), message);
        }
    };
    push(proxy, line, RequestAction::Export, condition);
}

/// `http-request allow [if ...]`
pub(super) fn allow(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    decision(context, proxy, line, (RequestAction::Allow, 2));
}

/// `http-request deny [deny_status CODE] [if ...]`
pub(super) fn deny(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if !matches!(&*line.text(2), "status" | "deny_status") {
        return decision(context, proxy, line, (RequestAction::Deny { status: 403 }, 2));
    }
    let Some(status) = line.text(3).parse().ok().filter(|status| (200..=599).contains(status)) else {
        let message = format!(
            "'http-request deny' : '{}' expects an integer between 200 and 599, got '{}'",
            line.text(2),
            line.text(3)
        );
        return context.error(line.span_of(3), message);
    };
    decision(context, proxy, line, (RequestAction::Deny { status }, 4));
}

fn decision(
    context: &mut Context<'_>,
    proxy: &mut Proxy,
    line: &Statement<'_>,
    (action, at): (RequestAction, usize),
) {
    warn_of_order(context, proxy, line);
    let name = format!("http-request {}", line.text(1));
    let within = format!("while parsing '{name}' rule");
    let condition = match condition::read(context, proxy, line, (at, within.as_str())) {
        Begins::Nowhere => None,
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return,
        Begins::Surplus => {
            let message =
                format!("'{name}' expects 'if', 'unless' or end of line here (got '{}').", line.text(at));
            let help = "rolecall answers with a page of its own: take out what says how the answer looks";
            return context.report(Diagnostic::error(line.span_of(at), message).help(help));
        }
    };
    push(proxy, line, action, condition);
}

fn push(proxy: &mut Proxy, line: &Statement<'_>, action: RequestAction, condition: Option<Condition>) {
    proxy.settings.rules.requests.push(RequestRule { action, condition, span: line.span() });
}
