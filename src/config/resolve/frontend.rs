//! Frontends, and the front halves of `listen` sections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Resolver;
use super::backend::splice;
use super::hosts::Found;
use super::names::Target;
use crate::config::ast::{self, Proxy, ProxyKind, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{Bind, BindAddress, FileAccess, Frontend, Keepalive, LogFormat, Mode, SessionLog};
use crate::config::parser::address::{Address, Ports};

impl Resolver<'_, '_> {
    /// Fills in what nobody wrote.
    pub(super) fn frontend(
        &mut self,
        proxy: &Proxy,
        id: u32,
        mode: Mode,
        target: Option<Target>,
    ) -> Frontend {
        let settings = &proxy.settings;
        Frontend {
            name: proxy.name.value.clone(),
            proxy_id: id,
            order: 0,
            is_listen: proxy.kind == ProxyKind::Listen,
            mode,
            description: proxy.description.clone(),
            disabled: settings.disabled,
            binds: self.binds(proxy),
            maxconn: settings.maxconn.unwrap_or(0),
            backlog: settings.backlog,
            rate_limit_sessions: settings.rate_limit_sessions.filter(|rate| *rate > 0),
            default_backend: target.map(|target| target.id),
            timeout_client: set(settings.timeouts.client),
            timeout_client_fin: set(settings.timeouts.client_fin),
            timeout_tarpit: set(settings.timeouts.tarpit).or(set(settings.timeouts.connect)),
            keepalive: settings.options.clitcpka.then_some(settings.client_keepalive),
            nolinger: settings.options.nolinger,
            splice: splice(&settings.options),
            log: self.session_log(proxy),
            stats: self.stats_page(proxy, mode),
            monitor_uri: settings
                .monitor_uri
                .as_ref()
                .filter(|_| mode == Mode::Http)
                .map(|uri| uri.value.clone()),
            // What refers to other proxies comes once all of them are known.
            ..Frontend::default()
        }
    }

    fn session_log(&mut self, proxy: &Proxy) -> SessionLog {
        let settings = &proxy.settings;
        let targets = self.log_targets(settings, proxy.name.span);
        if settings.log_format == LogFormat::Tcp && targets.is_empty() && !settings.disabled {
            let message = format!(
                "log format ignored for {} '{}' since it has no log address.",
                proxy.kind.noun(),
                proxy.name.value
            );
            self.context.report(
                Diagnostic::warning(proxy.name.span, message)
                    .heading(Heading::Bare)
                    .help("add 'log global', and a 'log' line to the global section"),
            );
        }
        SessionLog {
            targets,
            format: settings.log_format,
            tag: settings.log_tag.clone(),
            skip_null: settings.options.dontlognull,
            skip_normal: settings.options.dontlog_normal,
            as_soon_as_possible: settings.options.logasap,
            separate_errors: settings.options.log_separate_errors,
            // Formats come once all proxies are known.
            ..SessionLog::default()
        }
    }

    fn binds(&mut self, proxy: &Proxy) -> Vec<Bind> {
        let mut binds = Vec::new();
        for line in &proxy.binds {
            let tls = self.bind_tls(proxy, line);
            let file = self.file_access(&line.options).or(self.unix_bind);
            for address in &line.addresses {
                for address in self.bind_addresses(address) {
                    let address = self.prefixed(address);
                    let id = binds.len() as u32 + 1;
                    binds.push(Bind { tls: tls.clone(), file, ..bind(line, id, address) });
                }
            }
        }
        if !proxy.listens && !proxy.settings.disabled {
            let (noun, name) = (proxy.kind.noun(), &proxy.name.value);
            let message = format!(
                "{noun} '{name}' has no 'bind' directive. Please declare it as a backend if this was intended."
            );
            self.context.report(Diagnostic::warning(proxy.name.span, message).heading(Heading::Bare));
        }
        binds
    }

    /// With the prefix of `unix-bind`, which is no directory but the first part of the text.
    fn prefixed(&self, address: BindAddress) -> BindAddress {
        match address {
            BindAddress::Unix(path) => {
                let mut text = std::ffi::OsString::from(&self.unix_prefix);
                text.push(path);
                BindAddress::Unix(PathBuf::from(text))
            }
            other => other,
        }
    }

    /// An address for every port of a range; none if it is wanted or, once reported, wrong.
    pub(super) fn bind_addresses(&mut self, address: &Spanned<Address>) -> Vec<BindAddress> {
        let (host, first, last) = match &address.value {
            Address::Unix(path) => return vec![BindAddress::Unix(PathBuf::from(path))],
            Address::Abstract(name) => return vec![BindAddress::Abstract(name.clone())],
            Address::Fd(fd) => return vec![BindAddress::Fd(*fd)],
            Address::Inet { host, ports: Ports::Range { first, last } } => (host, *first, *last),
            Address::Inet { .. } | Address::Sentinels(_) => return Vec::new(),
        };
        match self.host(host) {
            Found::At(ip) => (first..=last).map(|port| BindAddress::Tcp(SocketAddr::new(ip, port))).collect(),
            Found::NotYet => Vec::new(),
            Found::Nowhere => {
                let message = format!("'bind' : invalid address: '{}' does not resolve", host.name());
                self.context.report(
                    Diagnostic::error(address.span, message).help("check the name, or write its IP address"),
                );
                Vec::new()
            }
        }
    }
}

pub(super) fn bind(line: &ast::Bind, id: u32, address: BindAddress) -> Bind {
    let options = &line.options;
    Bind {
        id,
        name: options.name.clone(),
        address,
        backlog: options.backlog,
        maxconn: options.maxconn,
        v4v6: options.v4v6,
        v6only: options.v6only,
        transparent: options.transparent,
        tfo: options.tfo,
        defer_accept: options.defer_accept,
        interface: options.interface.clone(),
        mss: options.mss,
        tcp_ut: options.tcp_ut,
        file: FileAccess::default(),
        accept_proxy: options.accept_proxy,
        tls: None,
        origin: line.origin.clone(),
    }
}

/// A timeout of zero is none.
pub(super) fn set(timeout: Option<Duration>) -> Option<Duration> {
    timeout.filter(|timeout| !timeout.is_zero())
}

/// Keepalive of one side, if an option asks for it.
pub(super) fn keepalive(wanted: bool, keepalive: Keepalive) -> Option<Keepalive> {
    wanted.then_some(keepalive)
}
