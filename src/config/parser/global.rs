//! `global`: one reader a keyword (manual section 3). The section may be repeated; its lines merge.

use std::path::PathBuf;

use super::bind;
use super::context::Context;
use super::cpu_map;
use super::log;
use super::statement::{Statement, UNBOUNDED};
use super::tls;
use super::value::{self, TimeUnit};
use crate::config::ast::{Account, Global, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::Relay;
use crate::config::source::Span;

/// Reads one keyword's arguments into the section.
pub(super) type Reader = fn(&mut Context<'_>, &mut Global, &Statement<'_>);

/// Every keyword that has an effect here.
pub(super) const READERS: &[(&str, Reader)] = &[
    ("ca-base", |context, global, line| tls::base(context, &mut global.tls.ca_base, line)),
    ("chroot", chroot),
    ("cpu-map", cpu_map::line),
    ("crt-base", |context, global, line| tls::base(context, &mut global.tls.crt_base, line)),
    ("daemon", |context, global, line| global.daemon |= line.no_more(context, "daemon", 1)),
    ("description", description),
    ("gid", |context, global, line| account_id(context, &mut global.group, line)),
    ("grace", |context, global, line| {
        global.grace = line.time(context, 1, "grace", TimeUnit::Milliseconds).or(global.grace);
    }),
    ("group", |context, global, line| account_name(context, &mut global.group, line)),
    ("hard-stop-after", |context, global, line| {
        let time = line.time(context, 1, "hard-stop-after", TimeUnit::Milliseconds);
        global.hard_stop_after = time.or(global.hard_stop_after);
    }),
    ("log", |context, global, line| log::global_line(context, &mut global.log, line)),
    ("log-send-hostname", |context, global, line| {
        global.log_hostname = Some(line.argument(1).map(|word| word.str().into_owned()));
        line.left_out(context, "log-send-hostname", 2);
    }),
    ("log-tag", |context, global, line| {
        let tag = line.string(context, 1, "'log-tag' expects a tag for use in syslog.");
        global.log_tag = tag.or(global.log_tag.take());
        line.no_more(context, "log-tag", 2);
    }),
    ("master-worker", master_worker),
    ("max-spread-checks", |context, global, line| {
        let time = line.time(context, 1, "max-spread-checks", TimeUnit::Milliseconds);
        global.max_spread_checks = time.or(global.max_spread_checks);
        line.no_more(context, "max-spread-checks", 2);
    }),
    ("maxconn", maxconn),
    ("maxpipes", maxpipes),
    ("nbthread", |context, global, line| {
        global.nbthread = line.number(context, 1, "nbthread", 1..=64).or(global.nbthread);
        line.no_more(context, "nbthread", 2);
    }),
    ("node", node),
    ("nosplice", |context, global, line| {
        global.nosplice |= line.no_more(context, "nosplice", 1);
    }),
    ("pidfile", pidfile),
    ("presetenv", |context, _, line| set_variable(context, line, Existing::Kept)),
    ("quiet", |context, global, line| {
        global.quiet = true;
        line.no_more(context, "quiet", 1);
    }),
    ("resetenv", reset_environment),
    ("setenv", |context, _, line| set_variable(context, line, Existing::Replaced)),
    ("spread-checks", |context, global, line| {
        let percent = line.number(context, 1, "spread-checks", 0..=50);
        global.spread_checks = percent.unwrap_or(global.spread_checks);
        line.no_more(context, "spread-checks", 2);
    }),
    ("tune.bufsize", bufsize),
    ("tune.pipesize", pipesize),
    ("tune.relay", relay),
    ("uid", |context, global, line| account_id(context, &mut global.user, line)),
    ("ssl-default-bind-options", tls::bind_presets),
    ("ssl-default-server-options", tls::server_presets),
    ("ssl-server-verify", tls::verify_by_default),
    ("stats maxconn", |context, global, line| {
        global.has_commands = true;
        global.stats_maxconn =
            line.number(context, 2, "stats maxconn", 1..=UNBOUNDED).or(global.stats_maxconn);
    }),
    ("stats socket", bind::stats_socket),
    ("stats timeout", stats_timeout),
    ("ulimit-n", |context, global, line| {
        global.ulimit_n = line.number(context, 1, "ulimit-n", 0..=i64::MAX).or(global.ulimit_n);
        line.no_more(context, "ulimit-n", 2);
    }),
    ("unix-bind", bind::unix_bind),
    ("unsetenv", unset_variables),
    ("user", |context, global, line| account_name(context, &mut global.user, line)),
    ("zero-warning", |context, global, line| {
        global.zero_warning |= line.no_more(context, "zero-warning", 1);
    }),
];

/// HAProxy says so and goes on with the first value.
fn repeated(context: &mut Context<'_>, line: &Statement<'_>, first: Span) {
    let message = format!("'{}' already specified. Continuing.", line.text(0));
    context.report(
        Diagnostic::warning(line.span(), message)
            .label(first, "first specified here")
            .help("the first value counts; remove this line"),
    );
}

fn path(
    context: &mut Context<'_>,
    slot: &mut Option<Spanned<PathBuf>>,
    line: &Statement<'_>,
    expected: &str,
) {
    if let Some(first) = slot {
        return repeated(context, line, first.span);
    }
    if !line.no_more(context, &line.text(0), 2) {
        return;
    }
    if let Some(text) = line.string(context, 1, expected) {
        *slot = Some(Spanned::new(PathBuf::from(text), line.span()));
    }
}

fn chroot(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    path(context, &mut global.chroot, line, "'chroot' expects a directory as an argument.");
}

fn pidfile(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    path(context, &mut global.pidfile, line, "'pidfile' expects a file name as an argument.");
}

fn maxconn(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    if let Some(first) = &global.maxconn {
        return repeated(context, line, first.span);
    }
    let number = line.number(context, 1, "maxconn", 0..=UNBOUNDED);
    global.maxconn = number.map(|number| Spanned::new(number, line.span()));
    line.no_more(context, "maxconn", 2);
}

fn description(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    if line.string(context, 1, "'description' expects a string argument.").is_some() {
        global.description = Some(super::join(line.rest(1)));
    }
}

/// With the word, HAProxy's master outlives its workers; here each reload is one worker's, and none is left.
fn master_worker(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    global.master_worker = true;
    let option = line.text(1);
    if !matches!(&*option, "" | "no-exit-on-failure") {
        let message = format!("'master-worker' expects 'no-exit-on-failure' or nothing, found '{option}'.");
        return context.error(line.span_of(1), message);
    }
    if !option.is_empty() {
        let message = "'master-worker' : 'no-exit-on-failure' has no effect: the master ends with its worker";
        context.warning(line.span_of(1), message);
    }
    line.no_more(context, "master-worker", 2);
}

fn stats_timeout(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    global.has_commands = true;
    let Some(time) = line.time(context, 2, "stats timeout", TimeUnit::Milliseconds) else { return };
    if time.is_zero() {
        return context.error(line.span_of(2), "a positive value is expected for 'stats timeout'");
    }
    global.stats_timeout = Some(time);
}

fn node(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let text = line.text(1);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || !text.chars().all(allowed) {
        let message = "'node' requires valid node name - non-empty string with digits(0-9), letters(A-Z, a-z), \
                       dot(.), hyphen(-) or underscode(_).";
        return context.error(line.span_of(1), message);
    }
    global.node = Some(text.into_owned());
    line.no_more(context, "node", 2);
}

fn bufsize(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let size = value::size(&line.text(1)).and_then(|size| i64::try_from(size).ok());
    let size = match size {
        Some(size) if (1..=MOST_BUFSIZE).contains(&size) => usize::try_from(size).ok(),
        _ => line.number(context, 1, "tune.bufsize", 1..=MOST_BUFSIZE),
    };
    global.bufsize = size.or(global.bufsize);
    line.no_more(context, "tune.bufsize", 2);
}

/// A check's reply buffer may grow to `tune.bufsize`; HAProxy's own limit is 2^31, which nothing needs.
const MOST_BUFSIZE: i64 = 16 << 20;

/// HAProxy takes any number, and those under 1 for its default.
fn maxpipes(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    if let Some(first) = &global.maxpipes {
        return repeated(context, line, first.span);
    }
    let number = line.number(context, 1, "maxpipes", i64::MIN..=UNBOUNDED);
    global.maxpipes = number.map(|number: i64| {
        let most = u32::try_from(number.max(0)).unwrap_or(u32::MAX);
        Spanned::new(most, line.span())
    });
    line.no_more(context, "maxpipes", 2);
}

/// The kernel rounds it up to a power of two of pages, and has a limit of its own. HAProxy knows bare numbers only,
/// so that `64k` would be 64 bytes.
fn pipesize(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let number = value::size(&line.text(1)).and_then(|size| usize::try_from(size).ok());
    let number = number.or_else(|| line.number(context, 1, "tune.pipesize", 0..=UNBOUNDED));
    global.pipesize = number.filter(|size| *size > 0);
    line.no_more(context, "tune.pipesize", 2);
}

/// A keyword of ours.
fn relay(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let relay = match &*line.text(1) {
        "auto" => Relay::Auto,
        "uring" => Relay::Uring,
        "epoll" => Relay::Epoll,
        other => {
            let message = format!("'tune.relay' expects 'auto', 'uring' or 'epoll', found '{other}'");
            return context.error(line.span_of(1), message);
        }
    };
    global.relay = relay;
    line.no_more(context, "tune.relay", 2);
}

fn account_name(context: &mut Context<'_>, slot: &mut Option<Spanned<Account>>, line: &Statement<'_>) {
    let keyword = line.text(0);
    if slot.is_some() {
        return account_repeated(context, slot, line);
    }
    if !line.no_more(context, &keyword, 2) {
        return;
    }
    if let Some(name) = line.string(context, 1, &format!("'{keyword}' expects a name as argument.")) {
        *slot = Some(Spanned::new(Account::Name(name), line.span()));
    }
}

fn account_id(context: &mut Context<'_>, slot: &mut Option<Spanned<Account>>, line: &Statement<'_>) {
    if slot.is_some() {
        return account_repeated(context, slot, line);
    }
    let id = line.number(context, 1, &line.text(0), 0..=UNBOUNDED);
    *slot = id.map(|id| Spanned::new(Account::Id(id), line.span()));
    line.no_more(context, &line.text(0), 2);
}

fn account_repeated(context: &mut Context<'_>, slot: &Option<Spanned<Account>>, line: &Statement<'_>) {
    if let Some(first) = slot {
        repeated(context, line, first.span);
    }
}

/// What happens to a variable that is set already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Kept,
    Replaced,
}

fn set_variable(context: &mut Context<'_>, line: &Statement<'_>, existing: Existing) {
    let keyword = line.text(0);
    let (Some(name), Some(value)) = (line.argument(1), line.argument(2)) else {
        return context.error(line.span(), format!("'{keyword}' expects a name and a value."));
    };
    if !is_variable(context, line, 1) {
        return;
    }
    // The surplus may be the rest of a password that should have been quoted: it is not shown. HAProxy lets one
    // word more pass, and does nothing with it.
    if let (Some(surplus), None) = (line.argument(3), line.argument(4)) {
        let message = format!("'{keyword}' takes one value: the word after it is left out, as HAProxy does");
        context.report(
            Diagnostic::warning(surplus.span, message)
                .help("quote a value that has blanks: setenv NAME \"a b\""),
        );
    } else if let Some(surplus) = line.argument(3) {
        let message = format!("'{keyword}' cannot handle unexpected arguments after the value");
        return context.report(
            Diagnostic::error(surplus.span, message)
                .help("quote a value that has blanks: setenv NAME \"a b\""),
        );
    }
    if existing == Existing::Replaced || context.environment.get(&name.text).is_none() {
        context.environment.set(name.text.clone(), value.text.clone());
    }
}

fn unset_variables(context: &mut Context<'_>, _: &mut Global, line: &Statement<'_>) {
    if line.argument(1).is_none() {
        return context.error(line.span(), "'unsetenv' expects at least one variable name.");
    }
    for (at, word) in line.rest(1).iter().enumerate() {
        if is_variable(context, line, at + 1) {
            context.environment.unset(&word.text);
        }
    }
}

/// Whether the word may name a variable; reported if not.
fn is_variable(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> bool {
    let name = line.text(at);
    let fine = !name.is_empty() && !name.contains('=');
    if !fine {
        let message = format!("'{}' failed on variable '{name}' : Invalid argument.", line.text(0));
        context.report(Diagnostic::error(line.span_of(at), message).heading(Heading::Line));
    }
    fine
}

fn reset_environment(context: &mut Context<'_>, _: &mut Global, line: &Statement<'_>) {
    let keep: Vec<&[u8]> = line.rest(1).iter().map(|word| word.text.as_slice()).collect();
    context.environment.retain(|name| keep.contains(&name));
}
