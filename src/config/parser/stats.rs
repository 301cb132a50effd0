//! `stats ...` in a proxy: the page (manual section 4.2). Any of the statements switches the page on, and a
//! proxy's first own statement forgets what `defaults` said, as in HAProxy.

use std::rc::Rc;

use super::context::Context;
use super::statement::Statement;
use super::value::TimeUnit;
use super::{request, switching};
use crate::config::ast::{Proxy, Stats};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::Secret;

type Reader = fn(&mut Context<'_>, &mut Stats, &Statement<'_>);

/// The second word and its reader.
const READERS: &[(&str, Reader)] = &[
    // Its condition has been read below.
    ("admin", |_, _, _| {}),
    ("auth", auth),
    ("enable", |_, _, _| {}),
    // As that of `admin`.
    ("http-request", |_, _, _| {}),
    ("hide-version", |_, stats, _| stats.hide_version = true),
    ("realm", realm),
    ("refresh", |context, stats, line| {
        stats.refresh = line.time(context, 2, "stats refresh", TimeUnit::Seconds).or(stats.refresh);
    }),
    ("scope", |context, stats, line| {
        stats.scope.extend(line.string(context, 2, "'scope' needs a proxy name."));
    }),
    ("show-desc", |_, stats, line| {
        stats.description = Some(line.argument(2).map(|_| super::join(line.rest(2))));
    }),
    ("show-legends", |_, stats, _| stats.show_legends = true),
    ("show-modules", |_, _, _| {}),
    ("show-node", |_, stats, line| {
        stats.node = Some(line.argument(2).map(|word| word.str().into_owned()));
    }),
    ("show-version", |_, stats, _| stats.hide_version = false),
    ("uri", |context, stats, line| {
        stats.uri = line.string(context, 2, "'uri' needs an URI prefix.").or(stats.uri.take());
    }),
];

pub(super) const EXPECTED: &str = "expects 'admin', 'uri', 'realm', 'auth', 'scope', 'enable', 'hide-version', 'show-node', \
                        'show-desc' or 'show-legends'.";

/// `stats ...` in any proxy section.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(word) = line.argument(1) else {
        let message = format!("missing keyword in 'stats', {EXPECTED}");
        return context.report(Diagnostic::error(line.span(), message).heading(Heading::Line));
    };
    let Some((_, read)) = READERS.iter().find(|(name, _)| *name == word.str()) else {
        let message = format!("unknown stats parameter '{}', {EXPECTED}", word.str());
        return context.report(Diagnostic::error(word.span, message).heading(Heading::Line));
    };
    let admin = match &*word.text {
        b"admin" => switching::stats_admin(context, proxy, line),
        _ => None,
    };
    let rule = match &*word.text {
        b"http-request" => request::stats(context, proxy, line),
        _ => None,
    };
    if std::mem::take(&mut proxy.settings.stats_inherited) {
        proxy.settings.stats = None;
    }
    let fresh = || Rc::new(Stats { span: line.span(), ..Stats::default() });
    let stats = proxy.settings.stats.get_or_insert_with(fresh);
    let stats = Rc::make_mut(stats);
    stats.admin.extend(admin);
    stats.requests.extend(rule);
    read(context, stats, line);
}

/// A realm with blanks that are not escaped is cut at the first one, as in HAProxy, but not silently.
fn realm(context: &mut Context<'_>, stats: &mut Stats, line: &Statement<'_>) {
    let Some(realm) = line.string(context, 2, "'realm' needs an realm name.") else { return };
    if let Some(surplus) = line.argument(3) {
        let message =
            format!("'stats realm' takes one word: '{}' and what follows is ignored", surplus.str());
        context.report(
            Diagnostic::warning(surplus.span, message)
                .help("escape the blanks: 'stats realm Haproxy\\ Manager'"),
        );
    }
    stats.realm = Some(realm);
}

/// The account is a secret, also when it is written wrongly.
fn auth(context: &mut Context<'_>, stats: &mut Stats, line: &Statement<'_>) {
    let Some(account) = line.argument(2) else {
        return context.report(
            Diagnostic::error(line.span(), "'auth' needs a user:password account.")
                .help("for example: stats auth admin:PASSWORD"),
        );
    };
    let mut parts = account.text.splitn(2, |byte| *byte == b':');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let password = parts.next().unwrap_or_default();
    if password.is_empty() {
        let message = "'stats auth' has no password: whoever knows the name may log in";
        context.report(Diagnostic::warning(line.span_of(0), message).help("write it as USER:PASSWORD"));
    }
    stats.users.push((name, Secret::new(password)));
}
