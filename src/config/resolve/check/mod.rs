//! How the servers of a backend are checked: the last check option, and the script that it stands for.

mod builtin;
mod http;

use super::Resolver;
use crate::config::ast::{CheckKind, Proxy, ProxyKind};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{CheckMethod, CheckRule};
use crate::config::source::Span;

impl Resolver<'_, '_> {
    /// Fills in what nobody wrote.
    pub(super) fn check_method(&mut self, proxy: &Proxy) -> CheckMethod {
        let check = &proxy.settings.check;
        self.tell_ignored(proxy);
        match &check.kind {
            CheckKind::Layer4 => CheckMethod::Layer4,
            CheckKind::TcpCheck => CheckMethod::TcpCheck(self.check_rules(proxy)),
            CheckKind::RedisCheck => CheckMethod::RedisCheck,
            CheckKind::HttpCheck => {
                let rules = check.http.rules.len() * size_of::<CheckRule>();
                if !self.context.inherit(rules, proxy.name.span) {
                    return CheckMethod::Layer4;
                }
                CheckMethod::Builtin(http::script(check))
            }
            application => CheckMethod::Builtin(builtin::script(application, self.global.bufsize)),
        }
    }

    /// Rules of a kind of check that another option has replaced.
    fn tell_ignored(&mut self, proxy: &Proxy) {
        let check = &proxy.settings.check;
        let kind = &check.kind;
        if let Some(first) = check.rules.first().filter(|_| *kind != CheckKind::TcpCheck) {
            self.ignored_rules(proxy, first.span, "tcp-check", "option tcp-check");
        }
        if *kind == CheckKind::HttpCheck {
            return;
        }
        if let Some(first) = check.http.rules.first() {
            self.ignored_rules(proxy, first.span, "http-check", "option httpchk");
        }
        let flags = [("disable-on-404", check.disable_on_404), ("send-state", check.send_state)];
        for (name, span) in flags {
            let Some(span) = span.filter(|_| *kind != CheckKind::Layer4) else { continue };
            let message = format!(
                "'{name}' will be ignored for {} '{}' (requires 'option httpchk').",
                keyword(proxy),
                proxy.name.value
            );
            self.context.report(Diagnostic::warning(span, message).heading(Heading::Bare));
        }
    }

    fn ignored_rules(&mut self, proxy: &Proxy, first: Span, rules: &str, option: &str) {
        let message = format!(
            "{} '{}' uses {rules} rules without '{option}', so the rules are ignored.",
            keyword(proxy),
            proxy.name.value
        );
        self.context.report(
            Diagnostic::warning(first, message)
                .heading(Heading::Bare)
                .label(proxy.name.span, "in this section")
                .help(format!("add '{option}'")),
        );
    }

    fn check_rules(&mut self, proxy: &Proxy) -> Vec<CheckRule> {
        let rules = &proxy.settings.check.rules;
        if !self.context.inherit(rules.len() * size_of::<CheckRule>(), proxy.name.span) {
            return Vec::new();
        }
        rules.iter().map(|rule| rule.value.clone()).collect()
    }
}

/// HAProxy's word for the section.
fn keyword(proxy: &Proxy) -> &'static str {
    if proxy.kind == ProxyKind::Listen { "proxy" } else { proxy.kind.keyword() }
}
