//! `show table`, `set table`, `clear table`, carried out. A table is locked for a page of entries at a time, because
//! workers ask it on a client's way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::api::Reply;
use crate::api::command::Level;
use crate::api::table::{self, Chosen, Filter, Verb};
use crate::config::model::StickTable;
use crate::rules::stick::{Listed, Removal, Table};
use crate::state::{Snapshot, lock};
use crate::time::Tick;

const DENIED: &str = "Permission denied\n";

/// How many lines are written at once.
const LINES: usize = 64;

/// The answer.
pub(super) fn answer(snapshot: &Snapshot, verb: Verb, words: &[String], level: Level) -> Reply {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let now = Tick::now();
    if words.is_empty() && verb == Verb::Show {
        return Reply::Text(heads(snapshot, now));
    }
    carry_out(snapshot, verb, &words, (level, now)).unwrap_or_else(Reply::Text)
}

/// The table that was made last comes first, as in HAProxy.
fn heads(snapshot: &Snapshot, now: Tick) -> String {
    let used = |table: &Arc<Mutex<Table>>| {
        let mut table = lock(table);
        let used = table.used(now);
        table::head(table.config(), used)
    };
    snapshot.tables.iter().rev().map(used).collect()
}

fn carry_out(
    snapshot: &Snapshot,
    verb: Verb,
    words: &[&str],
    (level, now): (Level, Tick),
) -> Result<Reply, String> {
    let name = verb.name(words)?;
    let found = snapshot.tables.iter().find(|table| lock(table).config().name == name);
    let shared = found.ok_or("No such table\n")?;
    let (config, used) = {
        let mut table = lock(shared);
        (table.config().clone(), table.used(now))
    };
    let chosen = verb.chosen(&words[1..], &config)?;
    let allowed = level >= Level::Operator;
    match (verb, chosen) {
        (_, Chosen::Key(_)) if !allowed => Err(DENIED.to_owned()),
        (Verb::Show, _) if !allowed => Ok(Reply::Text(table::head(&config, used) + table::HIDDEN)),
        (Verb::Show, Chosen::Key(value)) => {
            let table = lock(shared);
            let entry = table.key(&value).and_then(|key| table.listed(&key, now));
            let shown = |entry: Listed| table::head(&config, used) + &table::line(&config, &entry);
            Ok(Reply::Text(entry.map(shown).unwrap_or_default()))
        }
        (Verb::Show, Chosen::All) => Ok(listing(config, used, collect(shared, &[], now))),
        (Verb::Show, Chosen::Where(filters)) => Ok(listing(config, used, collect(shared, &filters, now))),
        (Verb::Set, Chosen::Key(value)) => {
            let mut table = lock(shared);
            let key = table.key(&value).ok_or("Invalid key\n")?;
            if !table.put(&key, None, now) {
                return Err("Unable to allocate a new entry\n".to_owned());
            }
            let (changes, fault) = table::changes(&words[3..], &config);
            for change in changes {
                table.put(&key, Some(change), now);
            }
            fault.map_or(Ok(Reply::done()), Err)
        }
        (Verb::Clear, Chosen::Key(value)) => {
            let mut table = lock(shared);
            let removal = table.key(&value).map(|key| table.remove(&key));
            match removal {
                Some(Removal::InUse) => Err("Entry currently in use, cannot remove\n".to_owned()),
                _ => Ok(Reply::done()),
            }
        }
        (Verb::Clear, Chosen::All) if allowed => Ok(clear(shared, &[], now)),
        (Verb::Clear, Chosen::Where(filters)) if allowed => Ok(clear(shared, &filters, now)),
        (Verb::Set | Verb::Clear, _) => Ok(Reply::done()),
    }
}

/// Entries by their keys. What is used while they are collected may come again on a later page, or stand on none
/// that is still looked at: the list of a busy table is of no single moment.
fn collect(shared: &Mutex<Table>, filters: &[Filter], now: Tick) -> BTreeMap<Vec<u8>, Listed> {
    let mut found = BTreeMap::new();
    let (mut after, mut left) = (0, lock(shared).len().saturating_mul(2));
    loop {
        let (page, next) = lock(shared).page(after, now);
        left = left.saturating_sub(page.len());
        let chosen = page.into_iter().filter(|entry| filters.iter().all(|filter| filter.holds(entry)));
        found.extend(chosen.map(|entry| (entry.key.clone(), entry)));
        match next.filter(|_| left > 0) {
            Some(next) => after = next,
            None => return found,
        }
    }
}

fn listing(config: StickTable, used: usize, found: BTreeMap<Vec<u8>, Listed>) -> Reply {
    let head = table::head(&config, used);
    let mut entries = found.into_values();
    let parts = std::iter::from_fn(move || {
        let lines: String = entries.by_ref().take(LINES).map(|entry| table::line(&config, &entry)).collect();
        (!lines.is_empty()).then_some(lines)
    });
    Reply::Parts(Box::new(std::iter::once(head).chain(parts)))
}

/// Who is tracked stays.
fn clear(shared: &Mutex<Table>, filters: &[Filter], now: Tick) -> Reply {
    let keys: Vec<Vec<u8>> = collect(shared, filters, now).into_keys().collect();
    for some in keys.chunks(LINES) {
        let mut table = lock(shared);
        for key in some {
            table.remove(key);
        }
    }
    Reply::done()
}
