//! Backends, and the back halves of `listen` sections.

use std::net::IpAddr;
use std::time::Duration;

use super::Resolver;
use super::frontend::{keepalive, set};
use super::hosts::Found;
use crate::config::ast::{Hold, Options, Proxy, ProxyKind, Redis, Settings, Timeouts};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{Backend, Balance, Mode, RedisOptions, Rules, Splice};
use crate::config::parser::address::Address;

/// How long clients are held where no `timeout queue` says it.
const DEFAULT_HOLD: Duration = Duration::from_secs(5);

impl Resolver<'_, '_> {
    /// Fills in what nobody wrote.
    pub(super) fn backend(&mut self, proxy: &Proxy, id: u32, mode: Mode) -> Backend {
        let settings = &proxy.settings;
        let (timeouts, options) = (&settings.timeouts, &settings.options);
        let check = self.check_method(proxy);
        Backend {
            name: proxy.name.value.clone(),
            proxy_id: id,
            order: 0,
            is_listen: proxy.kind == ProxyKind::Listen,
            mode,
            description: proxy.description.clone(),
            disabled: settings.disabled,
            servers: self.servers(proxy, &check),
            source: self.source(settings),
            balance: match settings.balance.unwrap_or_default() {
                Balance::Source(_) => Balance::Source(settings.hashing),
                Balance::Hash(_) => Balance::Hash(settings.hashing),
                other => other,
            },
            timeout_connect: set(timeouts.connect),
            timeout_server: set(timeouts.server),
            timeout_server_fin: set(timeouts.server_fin),
            timeout_tunnel: set(timeouts.tunnel),
            timeout_queue: set(timeouts.queue),
            timeout_check: set(timeouts.check),
            retries: settings.retries.unwrap_or(Backend::default().retries),
            redispatch: settings.redispatch,
            fullconn: settings.fullconn.filter(|fullconn| *fullconn > 0),
            abortonclose: options.abortonclose,
            allbackups: options.allbackups,
            log_health_checks: options.log_health_checks,
            keepalive: keepalive(options.srvtcpka, settings.server_keepalive),
            nolinger: options.nolinger,
            splice: splice(options),
            log: self.log_targets(settings, proxy.name.span),
            log_tag: settings.log_tag.clone(),
            check,
            redis: redis_options(&settings.redis, timeouts),
            stats: self.stats_page(proxy, mode),
            requests: Vec::new(),
            redirects: Vec::new(),
            timeout_tarpit: set(timeouts.tarpit).or(set(timeouts.connect)),
            rules: Rules::default(),
        }
    }

    /// `source`; where it is a name that has no address, each server says so.
    fn source(&mut self, settings: &Settings) -> Option<IpAddr> {
        let Address::Inet { host, .. } = &settings.source.as_ref()?.address.value else { return None };
        match self.host(host) {
            Found::At(ip) => Some(ip).filter(|ip| !ip.is_unspecified()),
            Found::Nowhere | Found::NotYet => None,
        }
    }

    /// HAProxy warns of proxies that could keep connections for ever.
    pub(super) fn check_timeouts(&mut self, proxy: &Proxy, mode: Mode) {
        let timeouts = &proxy.settings.timeouts;
        let serves = !proxy.servers.is_empty() && proxy.kind.has_backend();
        let server = set(timeouts.server).is_some() || (mode == Mode::Tcp && set(timeouts.tunnel).is_some());
        let mut missing = Vec::new();
        if proxy.kind.has_frontend() && set(timeouts.client).is_none() {
            missing.push("'timeout client'");
        }
        if serves && set(timeouts.connect).is_none() {
            missing.push("'timeout connect'");
        }
        if serves && !server {
            missing.push("'timeout server'");
        }
        if missing.is_empty() || proxy.settings.disabled {
            return;
        }
        let message = format!("missing timeouts for {} '{}'.", proxy.kind.noun(), proxy.name.value);
        let help = format!("set {} to a non-zero value, or connections may pile up", missing.join(", "));
        self.context.report(Diagnostic::warning(proxy.name.span, message).heading(Heading::Bare).help(help));
    }
}

pub(super) fn splice(options: &Options) -> Splice {
    Splice { auto: options.splice_auto, request: options.splice_request, response: options.splice_response }
}

fn redis_options(redis: &Redis, timeouts: &Timeouts) -> RedisOptions {
    let hold = match redis.hold {
        Hold::Off => None,
        Hold::For(time) => Some(time),
        Hold::ByQueueTimeout => Some(set(timeouts.queue).unwrap_or(DEFAULT_HOLD)),
    };
    RedisOptions {
        guard: redis.guard,
        proof: redis.proof,
        single_master: redis.single_master,
        hold,
        kept_probe: redis.kept_probe,
        replica: redis.replica,
        discovery: redis.discovery,
        freeze: timeouts.freeze.unwrap_or(RedisOptions::default().freeze),
    }
}
