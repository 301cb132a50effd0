//! Rules that would keep nobody out, although they do with HAProxy: they ask what a line without effect would have
//! changed, or what nobody looks at where pages are served. They enter, and leave as errors: what must not get in
//! must not get in because a line in front was only warned about.

use super::Resolver;
use super::requests::{protects, tests};
use super::rules::Scene;
use crate::config::ast::{self, ProxyKind};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Condition, Fetch, Mode};
use crate::config::rule::place::Place;

const OTHERWISE: &str = "decide by what the request says, or take the rule out";

impl Resolver<'_, '_> {
    /// A rule for requests that keeps clients out; whether it was refused.
    pub(super) fn refuse_blunted(&mut self, rule: &ast::RequestRule, scene: Scene<'_>) -> bool {
        if !protects(rule) {
            return false;
        }
        let changes = scene.proxy.settings.rules.changes.iter().filter(|change| change.span < rule.span);
        let found =
            changes.into_iter().find(|change| tests(rule).any(|test| is_changed_by(&test.sample, change)));
        let Some(change) = found else { return false };
        let message =
            format!("this rule asks what 'http-request {}' would change, which has no effect", change.action);
        self.context.report(
            Diagnostic::error(rule.span, message)
                .label(change.span, "nothing is changed here")
                .help(OTHERWISE),
        );
        true
    }

    /// The same of what it asks: bytes and captures are not looked at where a page is served.
    pub(super) fn refuse_unseen(&mut self, rule: &ast::RequestRule, condition: Option<&Condition>) {
        let mut samples = condition
            .iter()
            .flat_map(|condition| condition.any.iter().flatten())
            .flat_map(|term| term.tests.iter().map(|test| &test.sample));
        if protects(rule)
            && samples.any(|sample| matches!(sample.fetch, Fetch::Payload(_) | Fetch::Captured(_)))
        {
            let message = "this rule would never refuse anything: pages are served without a look at bytes and captures";
            self.context.report(Diagnostic::error(rule.span, message).help(OTHERWISE));
        }
    }

    /// Where a page is served nobody asks the rules of its backend, nor those for what servers say.
    pub(super) fn refuse_unasked(&mut self, rule: &ast::Rule, scene: Scene<'_>) {
        let ends = matches!(rule.action, ast::Action::Reject | ast::Action::SilentDrop | ast::Action::Close);
        let unasked = scene.place == Place::Response
            || scene.place == Place::BackendContent && scene.proxy.kind == ProxyKind::Backend;
        if ends && unasked && scene.mode == Mode::Http {
            let message = "this rule would never refuse anything: a page is served before it is asked";
            let help = "write 'http-request deny', or put the rule into the frontend";
            self.context.report(Diagnostic::error(rule.span, message).help(help));
        }
    }
}

/// Whether the value would be another one after that line.
fn is_changed_by(sample: &ast::Sample, change: &ast::Change) -> bool {
    let name = sample.name.as_str();
    let any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match change.action.as_str() {
        "set-header" | "add-header" | "del-header" | "replace-header" | "replace-value" => {
            let asked = sample.arguments.first().map(|name| String::from_utf8_lossy(name).to_lowercase());
            let all = asked.as_deref().is_none_or(str::is_empty);
            any(&["hdr"]) && (all || asked.as_deref() == Some(&*change.subject))
                || any(&["cook"]) && change.subject == "cookie"
                || any(&["http_auth"]) && change.subject == "authorization"
                || any(&["base", "url"]) && change.subject == "host"
        }
        "set-path" | "replace-path" | "set-pathq" | "replace-pathq" | "set-uri" | "replace-uri"
        | "set-query" | "normalize-uri" => any(&["path", "url", "uri", "query", "base"]),
        "set-method" => any(&["meth"]),
        "set-src" | "set-src-port" => name.starts_with("src"),
        "set-dst" | "set-dst-port" => name.starts_with("dst"),
        "set-var-fmt" => {
            name == "var" || sample.steps.iter().any(|step| matches!(step, ast::Step::Joined(..)))
        }
        "capture" => any(&["capture"]),
        // Lists that other lines ask.
        "add-acl" | "del-acl" | "set-map" | "del-map" => true,
        _ => false,
    }
}
