//! `option X`, `no option X`, `default option X` (manual section 4.2), ours (`redis-*`) among them.

use super::check_option;
use super::context::Context;
use super::statement::{Polarity, Statement};
use super::value::{Time, TimeUnit, size, time};
use crate::config::ast::{CheckKind, Hold, Options, Proxy, ProxyKind, Redis};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{GuardMode, Lag, LogFormat, Redispatch, ReplicaOptions};

type Flag = fn(&mut Options) -> &mut bool;

/// The options that are on or off and start off.
const FLAGS: &[(&str, Flag)] = &[
    ("abortonclose", |options| &mut options.abortonclose),
    ("allbackups", |options| &mut options.allbackups),
    ("clitcpka", |options| &mut options.clitcpka),
    ("dontlog-normal", |options| &mut options.dontlog_normal),
    ("dontlognull", |options| &mut options.dontlognull),
    ("log-health-checks", |options| &mut options.log_health_checks),
    ("log-separate-errors", |options| &mut options.log_separate_errors),
    ("logasap", |options| &mut options.logasap),
    ("nolinger", |options| &mut options.nolinger),
    ("splice-auto", |options| &mut options.splice_auto),
    ("splice-request", |options| &mut options.splice_request),
    ("splice-response", |options| &mut options.splice_response),
    ("srvtcpka", |options| &mut options.srvtcpka),
];

type Reader = fn(&mut Context<'_>, &mut Proxy, &Statement<'_>);

/// The options that take an argument or mean more than a flag.
const READERS: &[(&str, Reader)] = &[
    ("httplog", tcplog),
    ("httpslog", tcplog),
    ("httpchk", check_option::httpchk),
    ("ldap-check", |context, proxy, line| check_option::bare(context, proxy, line, CheckKind::Ldap)),
    ("mysql-check", check_option::mysql),
    ("pgsql-check", check_option::pgsql),
    ("redis-check", |context, proxy, line| check_option::bare(context, proxy, line, CheckKind::RedisCheck)),
    ("redis-guard", redis_guard),
    ("redis-hold", redis_hold),
    ("redis-probe", |context, proxy, line| {
        proxy.settings.redis.kept_probe = match line.polarity {
            Polarity::Normal => Some(true),
            Polarity::No => Some(false),
            Polarity::Default => None,
        };
        line.no_more(context, "option redis-probe", 2);
    }),
    ("redis-proof", |context, proxy, line| {
        proxy.settings.redis.proof = line.polarity != Polarity::No;
        line.no_more(context, "option redis-proof", 2);
    }),
    ("redis-replica", redis_replica),
    ("redis-sentinel-discovery", |context, proxy, line| {
        proxy.settings.redis.discovery = line.polarity != Polarity::No;
        line.no_more(context, "option redis-sentinel-discovery", 2);
    }),
    ("redis-single-master", |context, proxy, line| {
        proxy.settings.redis.single_master = line.polarity != Polarity::No;
        line.no_more(context, "option redis-single-master", 2);
    }),
    ("redispatch", redispatch),
    ("smtpchk", check_option::smtp),
    ("spop-check", |context, proxy, line| check_option::bare(context, proxy, line, CheckKind::Spop)),
    ("ssl-hello-chk", |context, proxy, line| check_option::bare(context, proxy, line, CheckKind::SslHello)),
    ("tcp-check", |context, proxy, line| check_option::bare(context, proxy, line, CheckKind::TcpCheck)),
    ("tcpka", tcpka),
    ("tcplog", tcplog),
];

/// Every option that has an effect.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|(name, _)| *name).chain(READERS.iter().map(|(name, _)| *name))
}

/// An option that the keyword table knows; those without a reader here have no effect.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let name = line.text(1);
    if let Some((_, flag)) = FLAGS.iter().find(|(flag, _)| *flag == name) {
        *flag(&mut proxy.settings.options) = line.polarity == Polarity::Normal;
        line.no_more(context, &format!("option {name}"), 2);
    } else if let Some((_, read)) = READERS.iter().find(|(option, _)| *option == name) {
        read(context, proxy, line);
    }
}

/// Check and log options choose one of several ways: there is nothing that `no` would leave.
pub(super) fn refuse_negation(context: &mut Context<'_>, line: &Statement<'_>) -> bool {
    let refused = line.polarity != Polarity::Normal;
    if refused {
        let message = format!("negation/default is not supported for option '{}'.", line.text(1));
        context.report(Diagnostic::error(line.span(), message).heading(Heading::Line));
    }
    refused
}

/// Short for the two that are named after a side; only each of these may be taken back.
fn tcpka(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if refuse_negation(context, line) {
        return;
    }
    let options = &mut proxy.settings.options;
    options.clitcpka = true;
    options.srvtcpka = true;
    line.no_more(context, "option tcpka", 2);
}

/// `option httplog` and `httpslog` fall back to this one; the keyword table warns.
fn tcplog(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    // What may stand after those that fall back to this one has been looked at.
    if refuse_negation(context, line)
        || line.text(1) == "tcplog" && !line.no_more(context, "option tcplog", 2)
    {
        return;
    }
    if proxy.kind == ProxyKind::Backend {
        let name = line.text(1);
        let message =
            format!("backend '{}' : 'option {name}' directive is ignored in backends.", proxy.name.value);
        context.warning(line.span(), message);
    }
    if proxy.kind == ProxyKind::Defaults && proxy.settings.log_formats.line.is_some() {
        let message =
            format!("'option {}' overrides previous 'log-format' in 'defaults' section.", line.text(1));
        context.report(Diagnostic::warning(line.span(), message).heading(Heading::Line));
    }
    proxy.settings.log_formats.line = None;
    proxy.settings.log_format = LogFormat::Tcp;
}

fn redispatch(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if line.polarity != Polarity::Normal {
        proxy.settings.redispatch = Redispatch::Off;
        return;
    }
    let interval = match line.argument(2) {
        None => -1,
        Some(_) => {
            let Some(interval) = line.number(context, 2, "option redispatch", -1_000_000..=1_000_000) else {
                return;
            };
            interval
        }
    };
    let redispatch = match interval {
        -1 => Redispatch::LastRetry,
        0 => Redispatch::Uncounted,
        nth @ 1.. => Redispatch::EveryNth(nth as u32),
        last => Redispatch::FromLast(i64::unsigned_abs(last) as u32),
    };
    proxy.settings.redispatch = redispatch;
    line.left_out(context, "option redispatch", 3);
}

/// `redispatch`, the keyword of HAProxy 1.3; the keyword table warns.
pub(super) fn old_redispatch(_: &mut Context<'_>, proxy: &mut Proxy, _: &Statement<'_>) {
    proxy.settings.redispatch = Redispatch::LastRetry;
}

fn redis_guard(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let guard = match (line.polarity, &*line.text(2)) {
        (Polarity::No, _) => GuardMode::Off,
        (Polarity::Default, _) => GuardMode::default(),
        (Polarity::Normal, "" | "on") => GuardMode::On,
        (Polarity::Normal, "observe") => GuardMode::Observe,
        (Polarity::Normal, "off") => GuardMode::Off,
        (Polarity::Normal, other) => {
            let message = format!("'option redis-guard' expects 'on', 'observe' or 'off', found '{other}'");
            return context.error(line.span_of(2), message);
        }
    };
    proxy.settings.redis.guard = guard;
    line.no_more(context, "option redis-guard", 3);
}

fn redis_hold(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let hold = match line.polarity {
        Polarity::No => Hold::Off,
        Polarity::Default => Redis::default().hold,
        Polarity::Normal if line.argument(2).is_none() => Hold::ByQueueTimeout,
        Polarity::Normal => {
            let time = line.time(context, 2, "option redis-hold", TimeUnit::Milliseconds);
            let Some(time) = time else { return };
            if time.is_zero() { Hold::Off } else { Hold::For(time) }
        }
    };
    proxy.settings.redis.hold = hold;
    line.no_more(context, "option redis-hold", 3);
}

fn redis_replica(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if line.polarity != Polarity::Normal {
        proxy.settings.redis.replica = None;
        line.no_more(context, "option redis-replica", 2);
        return;
    }
    let max_lag = match (&*line.text(2), lag(&line.text(3))) {
        ("", _) => None,
        ("max-lag", Some(lag)) => Some(lag),
        ("max-lag", None) => {
            let found = line.text(3);
            let message = format!(
                "'option redis-replica max-lag' expects bytes, such as '1m', or a time, such as '5s', found '{found}'"
            );
            return context.error(line.span_of(3), message);
        }
        (other, _) => {
            let message = format!("'option redis-replica' expects 'max-lag', found '{other}'");
            return context.error(line.span_of(2), message);
        }
    };
    proxy.settings.redis.replica = Some(ReplicaOptions { max_lag });
    line.no_more(context, "option redis-replica", 4);
}

/// What reads as a size is one, so that `m` means megabytes; minutes can be written in seconds.
fn lag(text: &str) -> Option<Lag> {
    if let Some(bytes) = size(text) {
        return Some(Lag::Bytes(bytes));
    }
    match time(text, TimeUnit::Milliseconds) {
        Ok(Time { value, stray: None }) => Some(Lag::Time(value)),
        _ => None,
    }
}
