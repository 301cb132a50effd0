//! `http-request allow|deny|use-service`: where a proxy serves pages they decide about each request. Where it
//! asked for HTTP and is forwarded at layer 4, those that ask nothing about HTTP decide about the connection;
//! the others are errors, because what must not get in would get in. Where it never asked for HTTP, HAProxy
//! ignores them, and so does rolecall.

use super::Resolver;
use super::mode::is_http;
use super::rules::Scene;
use crate::config::ast::{self, ProxyKind};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::because;
use crate::config::model::{Action, Mode, RequestAction, RequestRule, Rule};
use crate::config::rule::place::{Place, Seen};

impl Resolver<'_, '_> {
    /// Those of a proxy that serves pages.
    pub(super) fn requests(&mut self, scene: Scene<'_>) -> Vec<RequestRule> {
        if scene.mode != Mode::Http {
            return Vec::new();
        }
        let back = scene.proxy.kind == ProxyKind::Backend;
        let scene = scene.at(if back { Place::BackendHttp } else { Place::FrontendHttp });
        let written = &scene.proxy.settings.rules.requests;
        let mut rules = Vec::with_capacity(written.len());
        for rule in written {
            if protects(rule) && tests(rule).any(|test| counts_requests(&test.sample)) {
                self.refuse(rule);
            }
            let condition = rule.condition.as_ref().map(|condition| self.condition(condition, scene));
            rules.push(RequestRule { action: rule.action, condition });
        }
        rules
    }

    /// Those of a proxy that would have spoken HTTP, as rules for its connections.
    pub(super) fn requests_at_layer_4(&mut self, scene: Scene<'_>) -> Vec<Rule> {
        let written = &scene.proxy.settings.rules.requests;
        let last = written.iter().rposition(protects);
        let Some(last) = last.filter(|_| scene.mode == Mode::Tcp && is_http(scene.proxy)) else {
            return Vec::new();
        };
        let mut rules = Vec::new();
        for rule in &written[..=last] {
            let action = match rule.action {
                RequestAction::Export => continue,
                RequestAction::Allow => Action::Accept,
                RequestAction::Deny { .. } => Action::Reject,
            };
            if tests(rule).any(|test| asks_layer_7(&test.sample)) {
                self.refuse(rule);
                continue;
            }
            if action == Action::Reject {
                let message = "'http-request deny' closes connections without an answer: a layer 4 proxy does not see HTTP";
                self.context.warning(rule.span, message.to_owned());
            }
            let condition = rule.condition.as_ref().map(|condition| self.condition(condition, scene));
            rules.push(Rule { action, condition });
        }
        rules
    }

    fn refuse(&mut self, rule: &ast::RequestRule) {
        let name = if protects(rule) { "deny" } else { "allow" };
        let message = format!("'http-request {name}' {}", because::ACCESS);
        self.context.report(
            Diagnostic::error(rule.span, message)
                .help("refuse by address or port, or put this site behind a proxy that speaks HTTP"),
        );
    }
}

fn protects(rule: &ast::RequestRule) -> bool {
    matches!(rule.action, RequestAction::Deny { .. })
}

/// Every line of every ACL of its condition.
fn tests(rule: &ast::RequestRule) -> impl Iterator<Item = std::rc::Rc<ast::Test>> {
    let terms = rule.condition.iter().flat_map(|condition| condition.any.iter().flatten());
    terms.flat_map(|term| term.acl.borrow().clone())
}

fn asks_layer_7(sample: &ast::Sample) -> bool {
    sample.fetch.seen != Seen::Always || sample.unsupported().is_some() || counts_requests(sample)
}

/// What only other `http-request` rules, which have no effect, would have set or counted.
fn counts_requests(sample: &ast::Sample) -> bool {
    let name = sample.name.as_str();
    name == "var"
        || name.contains("http_")
        || name.strip_prefix("sc").is_some_and(|rest| rest.starts_with(['_', '0', '1', '2']))
}
