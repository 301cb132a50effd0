//! `http-request` and its kin. Where a proxy serves pages they decide about each request. Where it asked for HTTP
//! and is forwarded at layer 4, those that keep clients out decide about the connection as far as they ask nothing
//! about HTTP; the others are errors, because what must not get in would get in. Where it never asked for HTTP,
//! HAProxy ignores them, and so does rolecall.

use std::sync::Arc;

use super::Resolver;
use super::mode::is_http;
use super::rules::Scene;
use crate::config::ast::{self, ProxyKind};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::because;
use crate::config::model::http::Lasts;
use crate::config::model::{Action, Mode, RequestAction, RequestRule, Rule};
use crate::config::rule::place::{Place, Seen};

impl Resolver<'_, '_> {
    /// Those of a proxy that serves pages.
    pub(super) fn requests(&mut self, scene: Scene<'_>) -> Vec<RequestRule> {
        self.of_pages(&scene.proxy.settings.rules.requests, scene)
    }

    /// `redirect`
    pub(super) fn redirects(&mut self, scene: Scene<'_>) -> Vec<RequestRule> {
        self.of_pages(&scene.proxy.settings.rules.redirects, scene)
    }

    fn of_pages(&mut self, written: &[ast::RequestRule], scene: Scene<'_>) -> Vec<RequestRule> {
        if scene.mode != Mode::Http {
            return Vec::new();
        }
        let back = scene.proxy.kind == ProxyKind::Backend;
        self.request_rules(written, scene.at(if back { Place::BackendHttp } else { Place::FrontendHttp }))
    }

    /// Rules for requests, wherever they stand.
    pub(super) fn request_rules(
        &mut self,
        written: &[ast::RequestRule],
        scene: Scene<'_>,
    ) -> Vec<RequestRule> {
        let mut rules = Vec::with_capacity(written.len());
        for rule in written {
            self.refuse_blunted(rule, scene);
            let condition = rule.condition.as_ref().map(|condition| self.condition(condition, scene));
            self.refuse_unseen(rule, condition.as_ref());
            if let Some(action) = self.request_action(rule, scene) {
                rules.push(RequestRule { action, condition });
            }
        }
        rules
    }

    /// `None`, once reported, if something that it names cannot be had.
    fn request_action(&mut self, rule: &ast::RequestRule, scene: Scene<'_>) -> Option<RequestAction> {
        use ast::RequestAction as Written;
        let mut sample = |sample: &ast::Sample| self.sample(sample, scene);
        Some(match &rule.action {
            Written::Allow => RequestAction::Allow,
            Written::Reject => RequestAction::Reject,
            Written::SilentDrop => RequestAction::SilentDrop,
            Written::Export => RequestAction::Export,
            Written::Auth(realm) => {
                let own = || scene.proxy.name.value.clone();
                RequestAction::Auth { realm: realm.clone().unwrap_or_else(own) }
            }
            Written::Deny(answer) => RequestAction::Deny(Arc::new(answer.with(&mut sample)?)),
            Written::Tarpit(answer) => RequestAction::Tarpit(Arc::new(answer.with(&mut sample)?)),
            Written::Return(answer) => RequestAction::Return(Arc::new(answer.with(&mut sample)?)),
            Written::Redirect(redirect) => RequestAction::Redirect(Arc::new(redirect.with(&mut sample)?)),
            Written::Act(action) => {
                let lasts = match action {
                    ast::Action::SetVariable { name, .. } if name.starts_with("sess.") => Lasts::Connection,
                    _ => Lasts::Request,
                };
                RequestAction::Act { action: self.action(action, scene, (rule.span, &mut 0))?, lasts }
            }
        })
    }

    /// Those of a proxy that would have spoken HTTP, as rules for its connections.
    pub(super) fn requests_at_layer_4(&mut self, scene: Scene<'_>) -> Vec<Rule> {
        let written = &scene.proxy.settings.rules.requests;
        if scene.mode != Mode::Tcp || !is_http(scene.proxy) {
            return Vec::new();
        }
        let last = written.iter().rposition(protects);
        let mut rules = Vec::new();
        for (at, rule) in written.iter().enumerate() {
            let decides = last.is_some_and(|last| at <= last);
            rules.extend(self.at_layer_4(rule, decides, scene));
        }
        for redirect in &scene.proxy.settings.rules.redirects {
            self.tell_lost(redirect);
        }
        rules
    }

    /// `decides`: it protects, or stands before one that does.
    fn at_layer_4(&mut self, rule: &ast::RequestRule, decides: bool, scene: Scene<'_>) -> Option<Rule> {
        let action = match rule.action {
            ast::RequestAction::SilentDrop => Action::SilentDrop,
            _ if protects(rule) => Action::Reject,
            ast::RequestAction::Allow if decides => Action::Accept,
            ast::RequestAction::Allow => return None,
            _ => {
                self.tell_lost(rule);
                return None;
            }
        };
        let asks = matches!(rule.action, ast::RequestAction::Auth(_));
        if asks || tests(rule).any(|test| asks_layer_7(&test.sample)) {
            self.refuse(rule);
            return None;
        }
        if self.refuse_blunted(rule, scene) {
            return None;
        }
        if action == Action::Reject {
            let name = name(rule);
            let message = format!(
                "'http-request {name}' closes connections without an answer: a layer 4 proxy does not see HTTP"
            );
            self.context.warning(rule.span, message);
        }
        let condition = rule.condition.as_ref().map(|condition| self.condition(condition, scene));
        Some(Rule { action, condition })
    }

    fn tell_lost(&mut self, rule: &ast::RequestRule) {
        let message = format!("'http-request {}' {}", name(rule), because::HTTP);
        self.context.warning(rule.span, message);
    }

    fn refuse(&mut self, rule: &ast::RequestRule) {
        let message = format!("'http-request {}' {}", name(rule), because::ACCESS);
        self.context.report(
            Diagnostic::error(rule.span, message)
                .help("refuse by address or port, or put this site behind a proxy that speaks HTTP"),
        );
    }
}

/// Whether it keeps clients out. An answer of the config's own does so if it says no.
pub(super) fn protects(rule: &ast::RequestRule) -> bool {
    use ast::RequestAction::{Auth, Deny, Reject, Return, SilentDrop, Tarpit};
    match &rule.action {
        Auth(_) | Deny(_) | Tarpit(_) | Reject | SilentDrop => true,
        Return(answer) => answer.status >= 400,
        _ => false,
    }
}

fn name(rule: &ast::RequestRule) -> &'static str {
    use ast::RequestAction as Written;
    match rule.action {
        Written::Allow => "allow",
        Written::Auth(_) => "auth",
        Written::Deny(_) => "deny",
        Written::Tarpit(_) => "tarpit",
        Written::Reject => "reject",
        Written::SilentDrop => "silent-drop",
        Written::Return(_) => "return",
        Written::Redirect(_) => "redirect",
        Written::Export => "use-service",
        Written::Act(_) => "set-var', 'track-sc' or 'sc-inc-gpc",
    }
}

/// Every line of every ACL of its condition.
pub(super) fn tests(rule: &ast::RequestRule) -> impl Iterator<Item = std::rc::Rc<ast::Test>> {
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
