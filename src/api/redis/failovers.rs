//! `show failovers`: of every backend the last failovers with their course and cost, and below them each change of
//! the master, those that are no failover among them (the first master, none left, the same again). Text for
//! people, JSON for programs; times of a course are milliseconds since the failover was decided, or first seen.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::request::Shape;
use super::super::show::Reply;
use crate::config::model::BackendId;
use crate::log::Clock;
use crate::state::failover::{Ending, Moment};
use crate::state::{BackendLive, Failover, MasterChange, Snapshot};

/// `show failovers [BACKEND] [json]`; the newest last.
pub fn show(snapshot: &Snapshot, name: Option<&str>, shape: Shape, clock: &Clock) -> Reply {
    let wanted = match name.map(|name| snapshot.backend(name)) {
        Some(None) => return Reply::say("No such backend.\n"),
        Some(Some(BackendId(at))) => at..at + 1,
        None => 0..snapshot.backends.len(),
    };
    let lives = snapshot.backends[wanted].iter().map(|view| &*view.live);
    if shape == Shape::Json {
        let all = lives.map(|live| backend_json(live, clock)).collect::<Vec<_>>();
        return Reply::Text(Value::from(all).to_string() + "\n");
    }
    let texts: Vec<String> =
        lives.map(|live| backend_text(live, clock)).filter(|text| !text.is_empty()).collect();
    Reply::Text(if texts.is_empty() { "There was no failover.\n".to_owned() } else { texts.join("\n") })
}

/// Nothing where nothing has happened.
fn backend_text(live: &BackendLive, clock: &Clock) -> String {
    let (records, changes) = (live.failovers.records(), live.history.changes());
    if records.is_empty() && changes.is_empty() {
        return String::new();
    }
    // Numbers go on after a record was forgotten, so the newest one's is their count.
    let mut text = match records.last().map_or(0, |last| last.number) {
        1 => format!("backend {}: 1 failover\n", live.name()),
        count => format!("backend {}: {count} failovers\n", live.name()),
    };
    records.iter().for_each(|record| push_failover(&mut text, record, clock));
    text.push_str("  changes of the master:\n");
    for change in &changes {
        let _ = writeln!(
            text,
            "    {} {} -> {}: {}",
            clock.rfc5424(change.at),
            change.previous.as_deref().unwrap_or("none"),
            change.server.as_deref().unwrap_or("none"),
            change.reason
        );
    }
    text
}

fn push_failover(text: &mut String, record: &Failover, clock: &Clock) {
    let at = record.at.map_or_else(|| "-".to_owned(), |at| clock.rfc5424(at));
    let from = record.from.as_deref().unwrap_or("nobody");
    let to = record.to.as_deref().unwrap_or("?");
    let _ = writeln!(text, "  no. {} {at} {from} -> {to}: {}", record.number, ending(record));
    let _ = writeln!(text, "    cause: {}", record.cause);
    let steps = record.timeline().into_iter().map(|(moment, after)| {
        let what = match moment {
            Moment::Began => "began".to_owned(),
            Moment::Frozen => "frozen".to_owned(),
            Moment::Selected => "selected".to_owned(),
            Moment::Promoted => "master".to_owned(),
            Moment::Cut => format!("{} sessions cut", record.sessions_cut),
            Moment::FirstClient => "first client".to_owned(),
            Moment::GivenUp => "given up".to_owned(),
        };
        format!("{} ms {what}", after.as_millis())
    });
    let _ = writeln!(text, "    course: {}", steps.collect::<Vec<_>>().join(", "));
}

/// How it ended, and what it cost.
fn ending(record: &Failover) -> String {
    let lost = || record.bytes_lost.map_or_else(|| "unknown".to_owned(), |bytes| format!("{bytes} bytes"));
    match record.ending {
        Ending::Open => "under way".to_owned(),
        Ending::Switched => {
            let pause = record.pause().unwrap_or_default().as_millis();
            format!("switched, no master for {pause} ms, history lost: {}", lost())
        }
        Ending::Aborted => "aborted, the old master stays".to_owned(),
        Ending::Expired => "came to nothing, the old master stays".to_owned(),
    }
}

fn backend_json(live: &BackendLive, clock: &Clock) -> Value {
    let failovers: Vec<Value> =
        live.failovers.records().iter().map(|record| failover_json(record, clock)).collect();
    let changes: Vec<Value> =
        live.history.changes().iter().map(|change| change_json(change, clock)).collect();
    json!({ "backend": *live.name(), "failovers": failovers, "changes": changes })
}

fn failover_json(record: &Failover, clock: &Clock) -> Value {
    let timeline = record.timeline();
    let ms = |wanted: Moment| {
        let found = timeline.iter().find(|(moment, _)| *moment == wanted);
        found.map(|(_, after)| u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    };
    let ending = match record.ending {
        Ending::Open => "open",
        Ending::Switched => "switched",
        Ending::Aborted => "aborted",
        Ending::Expired => "expired",
    };
    json!({
        "number": record.number,
        "at": record.at.map(|at| clock.rfc5424(at)),
        "from": record.from,
        "to": record.to,
        "cause": record.cause,
        "ending": ending,
        "frozen_ms": ms(Moment::Frozen),
        "selected_ms": ms(Moment::Selected),
        "promoted_ms": ms(Moment::Promoted),
        "cut_ms": ms(Moment::Cut),
        "sessions_cut": record.sessions_cut,
        "first_client_ms": ms(Moment::FirstClient),
        "given_up_ms": ms(Moment::GivenUp),
        "bytes_lost": record.bytes_lost,
    })
}

fn change_json(change: &MasterChange, clock: &Clock) -> Value {
    json!({
        "at": clock.rfc5424(change.at),
        "change": change.epoch,
        "master": change.server,
        "previous": change.previous,
        "reason": change.reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::demo;

    fn shown(name: Option<&str>, shape: Shape) -> String {
        show(&demo::demo().snapshot, name, shape, &Clock::utc()).into_text()
    }

    #[test]
    fn failovers_are_told_step_by_step() {
        insta::assert_snapshot!(shown(None, Shape::Plain));
        assert_eq!(shown(Some("redis"), Shape::Plain), shown(None, Shape::Plain));
    }

    #[test]
    fn the_same_as_json() {
        let value: Value = serde_json::from_str(&shown(Some("redis"), Shape::Json)).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn a_quiet_backend_has_nothing_to_tell() {
        assert_eq!(shown(Some("stats"), Shape::Plain), "There was no failover.\n");
        assert_eq!(shown(Some("nobody"), Shape::Plain), "No such backend.\n");
    }
}
