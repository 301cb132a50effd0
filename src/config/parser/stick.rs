//! `stick-table`, the tables of `peers` sections, and `stick on|match|store-request|store-response` (manual section 4.2).

use std::time::Duration;

use super::acl::rules_may_stand;
use super::condition::{self, Begins};
use super::context::Context;
use super::rule;
use super::small;
use super::statement::{self, Statement};
use super::value::{self, TimeUnit};
use crate::config::ast::{Peers, Proxy, Spanned, Stick, Table};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::{Scope, because};
use crate::config::lexer;
use crate::config::model::{KeyKind, Stored};
use crate::config::rule::data::{self, Data};

/// As many as HAProxy takes for `gpc(N)` and its like.
const MOST_OF_A_KIND: u8 = 100;

/// The longest key of a text or of bytes that is kept whole.
const DEFAULT_LENGTH: usize = 32;

/// `stick-table type T size N [expire TIME] [nopurge] [peers P] [store D,...]`
pub(super) fn table(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(table) = read_table(context, line, 1) else { return };
    if let Some(first) = &proxy.settings.rules.table {
        let message = "stick-table name is already declared in this proxy.";
        return context
            .report(Diagnostic::error(line.span(), message).label(first.span, "first declared here"));
    }
    proxy.settings.rules.table = Some(Spanned::new(table, line.span()));
}

/// A line of a `peers` section: tables are read, so that rules find them; of the rest only what is wrong is told.
pub(super) fn peers_line(context: &mut Context<'_>, peers: &mut Peers, line: &Statement<'_>) {
    if line.text(0) != "table" {
        return small::line(context, Scope::Peers, line);
    }
    let Some(name) = line.argument(1) else {
        return context.error(line.span(), "'table' expects a name and a table type");
    };
    let name = format!("{}/{}", peers.name, name.str());
    let Some(table) = read_table(context, line, 2) else { return };
    if peers.tables.iter().any(|(known, _)| *known == name) {
        return context.error(line.span_of(1), format!("table '{name}' is already declared"));
    }
    peers.tables.push((name, Spanned::new(table, line.span())));
}

/// From the word at `at` on.
fn read_table(context: &mut Context<'_>, line: &Statement<'_>, mut at: usize) -> Option<Table> {
    let (store, expire) = (Vec::new(), None);
    let mut table = Table { key: KeyKind::V4, size: 0, expire, nopurge: false, store, peers: None };
    let mut key = None;
    while let Some(word) = line.argument(at) {
        let read = match &*word.str() {
            "type" => kind(line, &mut at).map(|kind| key = Some(kind)),
            "size" => size(line, at + 1).map(|size| table.size = size),
            "expire" => {
                table.expire =
                    Some(line.time(context, at + 1, "stick-table: expire", TimeUnit::Milliseconds)?);
                Ok(())
            }
            "store" => add_stored(&line.text(at + 1), &mut table.store).map(|again| {
                for name in again {
                    let message = format!("stick-table: store option '{name}' already enabled, ignored.");
                    context.warning(line.span_of(at + 1), message);
                }
            }),
            "peers" => match line.argument(at + 1) {
                Some(name) => {
                    warn_of_peers(context, line, at);
                    table.peers = Some(Spanned::new(name.str().into_owned(), name.span));
                    Ok(())
                }
                None => Err("missing argument after 'peers'.".to_owned()),
            },
            "srvkey" | "write-to" => Ok(()),
            "nopurge" | "recv-only" => {
                table.nopurge |= word.text == b"nopurge";
                at -= 1;
                Ok(())
            }
            other => Err(format!("unknown argument '{other}'.")),
        };
        if let Err(message) = read {
            context.error(line.span_of(at), format!("stick-table: {message}"));
            return None;
        }
        at += 2;
    }
    let missing = if key.is_none() { Some("type") } else { (table.size == 0).then_some("size") };
    if let Some(missing) = missing {
        context.error(line.span(), format!("stick-table: missing {missing}."));
        return None;
    }
    table.key = key?;
    Some(table)
}

fn warn_of_peers(context: &mut Context<'_>, line: &Statement<'_>, at: usize) {
    let message = format!("'peers' on a stick-table line {}", because::PEERS);
    context.report(
        Diagnostic::warning(line.span_of(at), message)
            .help("each rolecall counts and remembers for itself, and a restart begins with an empty table"),
    );
}

fn kind(line: &Statement<'_>, at: &mut usize) -> Result<KeyKind, String> {
    let name = line.text(*at + 1);
    let mut length = || match line.argument(*at + 2).filter(|word| word.text == b"len") {
        Some(_) => {
            *at += 2;
            let length = value::integer(&line.text(*at + 1)).and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| (1..=1 << 16).contains(length));
            length.map(Some).ok_or_else(|| "invalid 'len'.".to_owned())
        }
        None => Ok(None),
    };
    Ok(match &*name {
        "ip" | "ipv4" => KeyKind::V4,
        "ipv6" => KeyKind::V6,
        "integer" => KeyKind::Integer,
        // A text of the length that is asked for has its end behind it; the default counts that in.
        "string" => KeyKind::Text(length()?.map_or(DEFAULT_LENGTH, |length| length + 1)),
        "binary" => KeyKind::Binary(length()?.unwrap_or(DEFAULT_LENGTH)),
        other => return Err(format!("unknown type '{other}'.")),
    })
}

/// HAProxy counts in 32 bits; entries are only allocated as they come.
fn size(line: &Statement<'_>, at: usize) -> Result<usize, String> {
    let text = line.text(at);
    let size = value::size(&text).filter(|size| (1..=u64::from(u32::MAX)).contains(size));
    size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| format!("invalid size '{text}'."))
}

/// `conn_cur,conn_rate(10s),gpc(2)`: appends what was not stored yet.
/// Hands back the names that were there already.
fn add_stored(text: &str, stored: &mut Vec<Stored>) -> Result<Vec<String>, String> {
    let mut again = Vec::new();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b',' | b'(')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let name = String::from_utf8_lossy(name);
        let (arguments, after) = match after.first() {
            Some(b'(') => {
                let call = lexer::split_arguments(after).map_err(|fault| format!("{fault}."))?;
                (call.arguments.unwrap_or_default(), call.rest)
            }
            _ => (Vec::new(), after),
        };
        let mut next = arguments.iter().map(|argument| String::from_utf8_lossy(argument));
        let mut argument = || next.next().ok_or_else(|| format!("missing argument to '{name}'."));
        let (place, data) = data::find(&name).ok_or_else(|| format!("unknown store data type '{name}'."))?;
        let (count, period) = match data {
            Data::One(_) => (1, None),
            Data::Rate(_) => (1, Some(period(&argument()?, &name)?)),
            Data::Many(_) => (count(&argument()?, &name)?, None),
            Data::ManyRates(_) => (count(&argument()?, &name)?, Some(period(&argument()?, &name)?)),
        };
        if next.next().is_some() {
            return Err(format!("unexpected argument to '{name}'."));
        }
        let counter = |at: u8| match data {
            Data::One(counter) | Data::Rate(counter) => counter,
            Data::Many(counter) | Data::ManyRates(counter) => counter(at),
        };
        if stored.iter().any(|known| known.counter == counter(0)) {
            again.push(name.into_owned());
        }
        for at in 0..count {
            let counter = counter(at);
            if stored.iter().all(|known| known.counter != counter) {
                stored.push(Stored { counter, period, place });
            }
        }
        rest = after.strip_prefix(b",").unwrap_or_default();
    }
    stored.sort_by_key(|stored| stored.place);
    Ok(again)
}

fn count(text: &str, name: &str) -> Result<u8, String> {
    let count = text.parse().ok().filter(|count| (1..=MOST_OF_A_KIND).contains(count));
    count.ok_or_else(|| format!("invalid number '{text}' of '{name}': 1 to {MOST_OF_A_KIND} are taken."))
}

fn period(text: &str, name: &str) -> Result<Duration, String> {
    Ok(statement::read_time(text, name, TimeUnit::Milliseconds)?.0)
}

/// `stick on|match|store-request|store-response KEY [table T] [if ...]`
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if !rules_may_stand(context, proxy, line) {
        return;
    }
    let (matches, stores) = match &*line.text(1) {
        "on" => (true, true),
        "match" => (true, false),
        "store-request" | "store-response" => (false, true),
        other => {
            let message = format!("'stick' expects 'on', 'match', or 'store' (got '{other}')");
            return context.error(line.span_of(1), message);
        }
    };
    let key = rule::expression(line, 2);
    let (table, at) = match line.argument(3).filter(|word| word.text == b"table") {
        Some(_) => (rule::table(line, 4), 5),
        None => (Ok(None), 3),
    };
    let (key, table) = match (key, table) {
        (Ok(key), Ok(table)) => (key, table),
        (Err(fault), _) | (_, Err(fault)) => {
            let mut diagnostic = Diagnostic::error(fault.span, format!("'stick': {}", fault.message));
            diagnostic.help = fault.help;
            return context.report(diagnostic);
        }
    };
    let condition = match condition::read(context, proxy, line, (at, "while parsing sticking condition")) {
        Begins::Nowhere => None,
        Begins::Here(condition) => Some(condition),
        Begins::Wrong => return,
        Begins::Surplus => {
            let message = format!("'stick': unexpected '{}'", line.text(at));
            return context.error(line.span_of(at), message);
        }
    };
    let rules = &mut proxy.settings.rules;
    let sticks = if line.text(1) == "store-response" { &mut rules.stick_response } else { &mut rules.stick };
    sticks.push(Stick { key, table, matches, stores, condition });
}
