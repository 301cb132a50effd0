//! `defaults`, `frontend`, `backend`, `listen`: one reader a keyword (manual section 4). Whether a keyword
//! may stand in the section has been asked of the keyword table before.

use std::time::Duration;

use super::context::Context;
use super::statement::{Statement, UNBOUNDED};
use super::value::TimeUnit;
use super::{
    acl, balance, bind, dispatch, http_check, log, option, outgoing, request, rule, server, stats, stick,
    switching, tcp_check,
};
use crate::config::ast::{Proxy, ProxyKind, Spanned, Timeouts};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Keepalive, Mode};

/// Reads one keyword's arguments into the section.
pub(super) type Reader = fn(&mut Context<'_>, &mut Proxy, &Statement<'_>);

/// Every keyword that has an effect, by its name in the keyword table; a family has one reader under its
/// first word.
pub(super) const READERS: &[(&str, Reader)] = &[
    ("acl", acl::line),
    ("backlog", |context, proxy, line| {
        number(context, &mut proxy.settings.backlog, line, "backlog");
    }),
    ("balance", balance::line),
    ("bind", bind::line),
    ("clitcpka-cnt", |context, proxy, line| {
        keepalive_count(context, &mut proxy.settings.client_keepalive, line)
    }),
    ("clitcpka-idle", |context, proxy, line| {
        keepalive_idle(context, &mut proxy.settings.client_keepalive, line)
    }),
    ("clitcpka-intvl", |context, proxy, line| {
        keepalive_interval(context, &mut proxy.settings.client_keepalive, line);
    }),
    ("clitimeout", timeout_old),
    ("contimeout", timeout_old),
    ("default-server", server::default_line),
    ("default_backend", default_backend),
    ("dispatch", dispatch::line),
    ("description", description),
    ("disabled", |context, proxy, line| proxy.settings.disabled |= line.no_more(context, "disabled", 1)),
    ("enabled", |context, proxy, line| {
        line.no_more(context, "enabled", 1);
        proxy.settings.disabled = false;
    }),
    ("fullconn", |context, proxy, line| number(context, &mut proxy.settings.fullconn, line, "fullconn")),
    ("http-check", http_check::line),
    ("hash-balance-factor", balance::factor),
    ("hash-type", balance::hash_type),
    ("block", request::block),
    ("http-request", request::line),
    ("redirect", request::redirect),
    ("id", id),
    ("error-log-format", log::format),
    ("log", log::proxy_line),
    ("log-format", log::format),
    ("log-format-sd", log::format),
    ("log-tag", |context, proxy, line| {
        let tag = line.string(context, 1, "'log-tag' expects a tag for use in syslog.");
        proxy.settings.log_tag = tag.or(proxy.settings.log_tag.take());
    }),
    ("maxconn", |context, proxy, line| number(context, &mut proxy.settings.maxconn, line, "maxconn")),
    ("mode", mode),
    ("monitor fail", switching::monitor_fail),
    ("monitor-uri", monitor_uri),
    ("option", option::line),
    ("rate-limit sessions", |context, proxy, line| {
        let rate = line.number(context, 2, "rate-limit sessions", 0..=UNBOUNDED);
        proxy.settings.rate_limit_sessions = rate.or(proxy.settings.rate_limit_sessions);
        line.left_out(context, "rate-limit sessions", 3);
    }),
    ("redisp", option::old_redispatch),
    ("redispatch", option::old_redispatch),
    ("retries", |context, proxy, line| number(context, &mut proxy.settings.retries, line, "retries")),
    ("server", server::line),
    ("server-template", server::template),
    ("source", source),
    ("srvtcpka-cnt", |context, proxy, line| {
        keepalive_count(context, &mut proxy.settings.server_keepalive, line)
    }),
    ("srvtcpka-idle", |context, proxy, line| {
        keepalive_idle(context, &mut proxy.settings.server_keepalive, line)
    }),
    ("srvtcpka-intvl", |context, proxy, line| {
        keepalive_interval(context, &mut proxy.settings.server_keepalive, line);
    }),
    ("srvtimeout", timeout_old),
    ("stats", stats::line),
    ("stick", stick::line),
    ("stick-table", stick::table),
    ("tcp-check", tcp_check::line),
    ("tcp-request", rule::line),
    ("tcp-response", rule::line),
    ("timeout", timeout),
    ("unique-id-format", log::format),
    ("use-server", switching::use_server),
    ("use_backend", switching::use_backend),
];

fn number(context: &mut Context<'_>, slot: &mut Option<u32>, line: &Statement<'_>, name: &str) {
    // HAProxy takes these two below 0, where they mean nothing.
    let least = if matches!(name, "fullconn" | "retries") { i64::MIN } else { 0 };
    let Some(value) = line.number::<i64>(context, 1, name, least..=UNBOUNDED) else { return };
    if value < 0 {
        context.warning(line.span_of(1), format!("'{name}' of {value} is taken as 0"));
    }
    *slot = Some(u32::try_from(value).unwrap_or(0));
    line.no_more(context, name, 2);
}

/// The kernel's limit.
const MOST_PROBES: u32 = 127;

fn keepalive_count(context: &mut Context<'_>, keepalive: &mut Keepalive, line: &Statement<'_>) {
    let Some(count) = line.number::<i64>(context, 1, &line.text(0), i64::MIN..=i64::MAX) else { return };
    keepalive.count = u32::try_from(count).ok().filter(|count| (1..=MOST_PROBES).contains(count));
    if keepalive.count.is_none() {
        let message =
            format!("'{}' of {count} has no effect: the kernel takes 1 to {MOST_PROBES}", line.text(0));
        context.warning(line.span_of(1), message);
    }
}

fn keepalive_idle(context: &mut Context<'_>, keepalive: &mut Keepalive, line: &Statement<'_>) {
    keepalive.idle = line.time(context, 1, &line.text(0), TimeUnit::Seconds).or(keepalive.idle);
}

fn keepalive_interval(context: &mut Context<'_>, keepalive: &mut Keepalive, line: &Statement<'_>) {
    keepalive.interval = line.time(context, 1, &line.text(0), TimeUnit::Seconds).or(keepalive.interval);
}

fn default_backend(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(name) = line.string(context, 1, "'default_backend' expects a backend name.") else { return };
    if line.no_more(context, "default_backend", 2) {
        proxy.settings.default_backend = Some(Spanned::new(name, line.span_of(1)));
    }
}

fn description(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if line.string(context, 1, "'description' expects a string argument.").is_some() {
        proxy.description = Some(super::join(line.rest(1)));
    }
}

/// Digits only, as everywhere: HAProxy reads what stands in front of a stray character.
fn id(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(id) = line.number(context, 1, "id", 1..=i64::from(i32::MAX)) else { return };
    if line.no_more(context, "id", 2) {
        proxy.id = Some(Spanned::new(id, line.span_of(1)));
    }
}

fn mode(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let text = line.text(1);
    let mode = match &*text {
        "tcp" => Mode::Tcp,
        "http" => Mode::Http,
        "health" => {
            return context.error(
                line.span_of(1),
                "'mode health' is not supported: HAProxy dropped it; use 'mode http' and 'monitor-uri'",
            );
        }
        other => {
            return context.report(
                Diagnostic::error(line.span_of(1), format!("unknown proxy mode '{other}'."))
                    .help("use 'mode tcp', or 'mode http' for a stats page"),
            );
        }
    };
    proxy.settings.mode = Some(Spanned::new(mode, line.span()));
    line.no_more(context, "mode", 2);
}

fn monitor_uri(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let uri = line.string(context, 1, "'monitor-uri' expects an URI.");
    if let Some(uri) = uri.filter(|_| line.no_more(context, "monitor-uri", 2)) {
        proxy.settings.monitor_uri = Some(Spanned::new(uri, line.span()));
    }
}

fn source(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    proxy.settings.source = outgoing::source_line(context, line).or(proxy.settings.source.take());
}

const TIMEOUTS: &str = "'timeout' supports 'client', 'server', 'connect', 'check', 'queue', 'http-keep-alive', \
                        'http-request', 'tunnel', 'tarpit', 'client-fin' and 'server-fin'";

fn timeout(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let which = line.text(1);
    let name = format!("timeout {which}");
    let inherited = timeout_slot(&mut proxy.settings.inherited_timeouts, &which).copied().flatten();
    let Some(slot) = timeout_slot(&mut proxy.settings.timeouts, &which) else {
        if !matches!(&*which, "http-request" | "http-keep-alive" | "client-hs") {
            context.error(line.span_of(1), format!("{TIMEOUTS} (got '{which}')"));
        }
        return;
    };
    if let Some(surplus) = line.argument(3) {
        let message = format!(
            "'{name}' : unexpected extra argument '{}' after value '{}'.",
            surplus.str(),
            line.text(2)
        );
        return context.report(
            Diagnostic::error(surplus.span, message).help("write value and unit as one word, such as '5s'"),
        );
    }
    let Some(time) = line.time(context, 2, &name, TimeUnit::Milliseconds) else { return };
    // What came from `defaults` is there to be overwritten.
    if proxy.kind != ProxyKind::Defaults && slot.is_some() && *slot != inherited {
        context.warning(line.span(), format!("overwriting '{name}' which was already specified"));
    }
    *slot = Some(time);
}

fn timeout_slot<'a>(timeouts: &'a mut Timeouts, which: &str) -> Option<&'a mut Option<Duration>> {
    Some(match which {
        "client" => &mut timeouts.client,
        "client-fin" => &mut timeouts.client_fin,
        "connect" => &mut timeouts.connect,
        "server" => &mut timeouts.server,
        "server-fin" => &mut timeouts.server_fin,
        "tunnel" => &mut timeouts.tunnel,
        "queue" => &mut timeouts.queue,
        "check" => &mut timeouts.check,
        "tarpit" => &mut timeouts.tarpit,
        "freeze" => &mut timeouts.freeze,
        _ => return None,
    })
}

/// The names of HAProxy 1.3, which it dropped in 2.1; the keyword table warns.
fn timeout_old(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let keyword = line.text(0);
    let which = match &*keyword {
        "clitimeout" => "client",
        "srvtimeout" => "server",
        _ => "connect",
    };
    if let Some(slot) = timeout_slot(&mut proxy.settings.timeouts, which) {
        *slot = line.time(context, 1, &keyword, TimeUnit::Milliseconds).or(*slot);
    }
}
