//! What a proxy speaks. `mode http` is kept by proxies that only serve a stats page or `monitor-uri`; one
//! that leads to servers is forwarded at layer 4, with a warning on the line that says `http`.

use super::Resolver;
use super::names::Names;
use crate::config::ast::{Proxy, ProxyKind};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::Mode;

impl Resolver<'_, '_> {
    /// By position of the proxy.
    pub(super) fn modes(&mut self, proxies: &[Proxy], names: &Names) -> Vec<Mode> {
        (0..proxies.len()).map(|index| self.mode(proxies, names, index)).collect()
    }

    fn mode(&mut self, proxies: &[Proxy], names: &Names, index: usize) -> Mode {
        let proxy = &proxies[index];
        let target = names.default_backend(index).map(|target| &proxies[target.proxy]);
        let Some(mode) = proxy.settings.mode.filter(|mode| mode.value == Mode::Http) else {
            return Mode::Tcp;
        };
        if let Some(target) = target.filter(|target| !is_http(target) && !proxy.settings.disabled) {
            self.incompatible(proxy, target, "as its default backend");
        }
        for choice in &proxy.use_backends {
            let target = names.backend(&choice.name.value).map(|target| &proxies[target.proxy]);
            if let Some(target) = target.filter(|target| choice.condition.is_some() && !is_http(target)) {
                self.incompatible(proxy, target, "in a 'use_backend' rule");
            }
        }
        let chosen = proxy.use_backends.iter().filter_map(|choice| names.backend(&choice.name.value));
        let targets = chosen.map(|target| &proxies[target.proxy]).chain(target);
        let leads_on = |proxy: &Proxy| !proxy.servers.is_empty() || proxy.dispatch.is_some();
        let servers = leads_on(proxy) || targets.into_iter().any(leads_on);
        if !servers {
            return Mode::Http;
        }
        let message = format!(
            "{} '{}' is forwarded at layer 4: 'mode http' is kept for stats pages and 'monitor-uri' only",
            proxy.kind.noun(),
            proxy.name.value
        );
        self.context.report(
            Diagnostic::warning(mode.span, message)
                .label(proxy.name.span, "this proxy leads to servers")
                .help("write 'mode tcp' in this section"),
        );
        Mode::Tcp
    }

    fn incompatible(&mut self, proxy: &Proxy, target: &Proxy, how: &str) {
        let message = format!(
            "http {} '{}' ({}) tries to use incompatible tcp backend '{}' ({}) {how} (see 'mode').",
            proxy.kind.keyword(),
            proxy.name.value,
            self.place(proxy.name.span),
            target.name.value,
            self.place(target.name.span)
        );
        self.context.report(
            Diagnostic::error(proxy.name.span, message)
                .heading(Heading::Bare)
                .label(target.name.span, "this one says 'mode tcp'")
                .help("write 'mode tcp' in both"),
        );
    }

    /// HTTP services that a proxy cannot give because it speaks TCP.
    pub(super) fn check_lost(&mut self, proxy: &Proxy, mode: Mode) {
        if mode == Mode::Http || proxy.settings.disabled {
            return;
        }
        let (noun, name) = (proxy.kind.noun(), &proxy.name.value);
        if let Some(stats) = &proxy.settings.stats {
            let message = format!("'stats' statement ignored for {noun} '{name}' as it requires HTTP mode.");
            self.context.report(
                Diagnostic::warning(stats.span, message)
                    .heading(Heading::Bare)
                    .label(proxy.name.span, "for this proxy")
                    .help("put the stats page into a 'listen' section with 'mode http' and no servers"),
            );
        }
        // In a proxy that asked for HTTP they are told of one by one.
        let rules = &proxy.settings.rules;
        for (keyword, list) in [("http-request", &rules.requests), ("redirect", &rules.redirects)] {
            if !list.is_empty() && !is_http(proxy) {
                let message =
                    format!("'{keyword}' rules ignored for {noun} '{name}' as they require HTTP mode.");
                self.context.report(Diagnostic::warning(proxy.name.span, message).heading(Heading::Bare));
            }
        }
        if let Some(uri) = proxy.settings.monitor_uri.as_ref().filter(|_| proxy.kind != ProxyKind::Backend) {
            let message = format!("monitor-uri will be ignored for {noun} '{name}' (needs 'mode http').");
            self.context.report(Diagnostic::warning(uri.span, message).heading(Heading::Bare));
        }
    }
}

pub(super) fn is_http(proxy: &Proxy) -> bool {
    proxy.settings.mode.is_some_and(|mode| mode.value == Mode::Http)
}
