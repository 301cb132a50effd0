//! `stick-table` and `stick on|match|store-request` (manual section 4.2).

use super::acl::rules_may_stand;
use super::condition::{self, Begins};
use super::context::Context;
use super::rule;
use super::statement::{self, Statement};
use super::value::{self, TimeUnit};
use crate::config::ast::{Proxy, Spanned, Stick, Table};
use crate::config::diagnostic::Diagnostic;
use crate::config::lexer;
use crate::config::model::{Counter, KeyKind, Stored};

/// What entries may hold, by HAProxy's names; those of HTTP count nothing here.
static DATA: &[(&str, Option<Counter>, bool)] = &[
    ("server_id", None, false),
    ("server_key", None, false),
    ("gpc0", Some(Counter::General0), false),
    ("gpc0_rate", Some(Counter::General0Rate), true),
    ("gpc1", Some(Counter::General1), false),
    ("gpc1_rate", Some(Counter::General1Rate), true),
    ("gpt0", Some(Counter::Tag0), false),
    ("conn_cnt", Some(Counter::Connections), false),
    ("conn_cur", Some(Counter::ConnectionsNow), false),
    ("conn_rate", Some(Counter::ConnectionRate), true),
    ("sess_cnt", Some(Counter::Sessions), false),
    ("sess_rate", Some(Counter::SessionRate), true),
    ("bytes_in_cnt", Some(Counter::BytesIn), false),
    ("bytes_in_rate", Some(Counter::BytesInRate), true),
    ("bytes_out_cnt", Some(Counter::BytesOut), false),
    ("bytes_out_rate", Some(Counter::BytesOutRate), true),
    ("http_req_cnt", None, false),
    ("http_req_rate", None, true),
    ("http_err_cnt", None, false),
    ("http_err_rate", None, true),
    ("http_fail_cnt", None, false),
    ("http_fail_rate", None, true),
];

/// The longest key of a text or of bytes that is kept whole.
const DEFAULT_LENGTH: usize = 32;

/// `stick-table type T size N [expire TIME] [nopurge] [peers P] [store D,...]`
pub(super) fn table(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let mut table = Table { key: KeyKind::V4, size: 0, expire: None, nopurge: false, store: Vec::new() };
    let mut key = None;
    let mut at = 1;
    while let Some(word) = line.argument(at) {
        let read = match &*word.str() {
            "type" => kind(line, &mut at).map(|kind| key = Some(kind)),
            "size" => size(line, at + 1).map(|size| table.size = size),
            "expire" => {
                let time = line.time(context, at + 1, "stick-table: expire", TimeUnit::Milliseconds);
                let Some(time) = time else { return };
                table.expire = Some(time);
                Ok(())
            }
            "store" => store(&line.text(at + 1)).map(|store| table.store.extend(store)),
            "peers" | "srvkey" | "write-to" => Ok(()),
            "nopurge" | "recv-only" => {
                table.nopurge |= word.text == b"nopurge";
                at -= 1;
                Ok(())
            }
            other => Err(format!("unknown argument '{other}'.")),
        };
        if let Err(message) = read {
            return context.error(line.span_of(at), format!("stick-table: {message}"));
        }
        at += 2;
    }
    let Some(key) = key else { return context.error(line.span(), "stick-table: missing type.") };
    if table.size == 0 {
        return context.error(line.span(), "stick-table: missing size.");
    }
    table.key = key;
    if let Some(first) = &proxy.settings.rules.table {
        let message = "stick-table name is already declared in this proxy.";
        return context
            .report(Diagnostic::error(line.span(), message).label(first.span, "first declared here"));
    }
    proxy.settings.rules.table = Some(Spanned::new(table, line.span()));
}

fn kind(line: &Statement<'_>, at: &mut usize) -> Result<KeyKind, String> {
    let name = line.text(*at + 1);
    let mut length = || match line.argument(*at + 2).filter(|word| word.text == b"len") {
        Some(_) => {
            *at += 2;
            let length = value::integer(&line.text(*at + 1)).and_then(|length| usize::try_from(length).ok());
            length.filter(|length| (1..=1 << 16).contains(length)).ok_or_else(|| "invalid 'len'.".to_owned())
        }
        None => Ok(DEFAULT_LENGTH),
    };
    Ok(match &*name {
        "ip" | "ipv4" => KeyKind::V4,
        "ipv6" => KeyKind::V6,
        "integer" => KeyKind::Integer,
        "string" => KeyKind::Text(length()?),
        "binary" => KeyKind::Binary(length()?),
        other => return Err(format!("unknown type '{other}'.")),
    })
}

/// HAProxy counts in 32 bits; entries are only allocated as they come.
fn size(line: &Statement<'_>, at: usize) -> Result<usize, String> {
    let text = line.text(at);
    let size = value::size(&text).filter(|size| (1..=u64::from(u32::MAX)).contains(size));
    size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| format!("invalid size '{text}'."))
}

/// `conn_cur,conn_rate(10s)`
fn store(text: &str) -> Result<Vec<Stored>, String> {
    let mut stored = Vec::new();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        let (name, period) = one_store(&rest[..end])?;
        let known = DATA.iter().find(|(known, ..)| *known == name);
        let Some((_, counter, is_rate)) = known else {
            return Err(format!("unknown store data type '{name}'."));
        };
        if *is_rate != period.is_some() {
            let what = if *is_rate { "missing" } else { "unexpected" };
            return Err(format!("{what} argument to '{name}'."));
        }
        stored.extend(counter.map(|counter| Stored { counter, period }));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(stored)
}

fn one_store(text: &[u8]) -> Result<(String, Option<std::time::Duration>), String> {
    let call = lexer::split_arguments(text).map_err(|fault| format!("{fault}."))?;
    let name = String::from_utf8_lossy(call.name).into_owned();
    let Some(argument) = call.arguments.as_ref().and_then(|arguments| arguments.first()) else {
        return Ok((name, None));
    };
    let (period, _) =
        statement::read_time(&String::from_utf8_lossy(argument), &name, TimeUnit::Milliseconds)?;
    Ok((name, Some(period)))
}

/// `stick on|match|store-request KEY [table T] [if ...]`
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if !rules_may_stand(context, proxy, line) {
        return;
    }
    let (matches, stores) = match &*line.text(1) {
        "on" => (true, true),
        "match" => (true, false),
        "store-request" => (false, true),
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
    proxy.settings.rules.stick.push(Stick { key, table, matches, stores, condition });
}
