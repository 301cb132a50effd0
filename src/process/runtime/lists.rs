//! `show map`, `add acl` and their like, carried out. A list is locked for a page of entries or for one change at a
//! time, because workers ask it on a client's way.

use std::sync::Arc;

use crate::api::Reply;
use crate::api::patterns::{self, Noun, Order, Wanted};
use crate::config::model::Value;
use crate::rules::patterns::Which;
use crate::state::{ListLive, Snapshot};

/// How many lines are written at once.
const LINES: usize = 64;

/// The answer.
pub(super) fn answer(snapshot: &Snapshot, order: &Order) -> Reply {
    carry_out(snapshot, order).unwrap_or_else(Reply::Text)
}

fn carry_out(snapshot: &Snapshot, order: &Order) -> Result<Reply, String> {
    let (noun, verb) = (order.noun, order.verb);
    let find = |name: &str| {
        let mut lists = snapshot.lists.iter();
        let means =
            |live: &&Arc<ListLive>| noun.knows(live.config()) && patterns::is_named(live.config(), name);
        lists.find(means).cloned().ok_or_else(|| noun.unknown(verb))
    };
    let text = match order.read()? {
        Wanted::Lists => heads(snapshot, noun),
        Wanted::Entries { list, version } => return Ok(entries(find(&list)?, version)),
        Wanted::Lookup { list, value } => lookup(find(&list)?.as_ref(), noun, &value),
        Wanted::Add { list, version, entries, fault } => {
            let list = find(&list)?;
            if version.is_some_and(|version| list.read(|patterns| !patterns.is_prepared(version))) {
                return Err(noun.unprepared());
            }
            add(&list, version, &entries)?;
            fault.map_or_else(|| Ok(String::new()), Err)?
        }
        Wanted::Set { list, which, value } => set(find(&list)?.as_ref(), &which, &value)?,
        Wanted::Delete { list, which } => match find(&list)?.edit(|patterns| patterns.delete(&which)) {
            true => String::new(),
            false => "Key not found.\n".to_owned(),
        },
        Wanted::Clear { list, version } => {
            find(&list)?.edit(|patterns| patterns.clear(version));
            String::new()
        }
        Wanted::Prepare { list } => {
            format!("New version created: {}\n", find(&list)?.edit(|patterns| patterns.prepare()))
        }
        Wanted::Commit { list, version } => match find(&list)?.edit(|patterns| patterns.commit(version)) {
            true => String::new(),
            false => "Version number out of range.\n".to_owned(),
        },
    };
    Ok(Reply::Text(text))
}

/// In the order of their numbers.
fn heads(snapshot: &Snapshot, noun: Noun) -> String {
    let mut lists: Vec<&Arc<ListLive>> =
        snapshot.lists.iter().filter(|live| noun.knows(live.config())).collect();
    lists.sort_by_key(|live| live.config().number);
    let line = |live: &&Arc<ListLive>| {
        let (versions, count) = live.counts();
        patterns::head(live.config(), versions, count)
    };
    patterns::HEAD.to_owned() + &lists.iter().map(line).collect::<String>()
}

/// A page at a time, so that entries may come and go meanwhile.
fn entries(list: Arc<ListLive>, version: Option<u32>) -> Reply {
    let version = version.unwrap_or_else(|| list.read(|patterns| patterns.versions().0));
    let mut from = 0;
    Reply::Parts(Box::new(std::iter::from_fn(move || {
        let page = list.read(|patterns| patterns.page(version, from, LINES));
        from = page.last()?.0 + 1;
        Some(page.iter().map(|(number, element)| patterns::entry(*number, element)).collect())
    })))
}

fn lookup(list: &ListLive, noun: Noun, value: &str) -> String {
    let value = Value::Text(value.as_bytes().to_vec());
    let readers = &list.config().readers;
    let found = |(at, reader): (usize, &_)| {
        list.read(|patterns| {
            let element = patterns.find(at, &value).map(|(_, element)| element);
            patterns::found(noun, *reader, element, &value)
        })
    };
    readers.iter().enumerate().map(found).collect()
}

/// Up to the first that is refused, as in HAProxy.
fn add(list: &ListLive, version: Option<u32>, entries: &[(String, Option<String>)]) -> Result<(), String> {
    list.edit(|patterns| {
        entries.iter().try_for_each(|(key, value)| {
            patterns.add(version, key.as_bytes(), value.as_ref().map(String::as_bytes))
        })
    })
    .map_err(|fault| format!("{fault}\n"))
}

fn set(list: &ListLive, which: &Which, value: &str) -> Result<String, String> {
    let changed = list.edit(|patterns| patterns.set(which, value.as_bytes()));
    Ok(match (changed.map_err(|fault| format!("{fault}\n"))?, which) {
        (true, _) => String::new(),
        (false, Which::Key(_)) => "entry not found.\n".to_owned(),
        (false, Which::Number(_)) => "key or pattern not found.\n".to_owned(),
    })
}
