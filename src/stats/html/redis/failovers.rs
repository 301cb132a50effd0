//! A backend's past on the page: its failovers, each with its course and cost, and the changes of its master.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::super::Page;
use super::super::escape::{Escaped, grouped};
use crate::state::failover::{Ending, Moment};
use crate::state::{BackendView, Failover, MasterChange};
use crate::time::Tick;

/// Failovers, and changes of the master, that are listed.
const LISTED: usize = 8;
const DAY: Duration = Duration::from_secs(86_400);

/// The last failovers, the newest first; nothing where there was none.
pub(super) fn push(text: &mut String, page: &Page<'_>, view: &BackendView) {
    let records = view.live.failovers.records();
    let Some(last) = records.last() else { return };
    // Numbers go on after a record was forgotten, so the newest one's is their count.
    let _ = write!(
        text,
        "<details open id=\"failovers/{}\"><summary>failovers ({})</summary><ol class=\"failovers\">",
        Escaped(&view.live.name()),
        last.number
    );
    records.iter().rev().take(LISTED).for_each(|record| push_failover(text, page, record));
    text.push_str("</ol></details>");
}

fn push_failover(text: &mut String, page: &Page<'_>, record: &Failover) {
    let name = |name: &Option<String>, unknown: &str| {
        name.as_ref().map_or_else(|| unknown.to_owned(), |name| format!("<b>{}</b>", Escaped(name)))
    };
    let (class, ending) = ending(record);
    let at = record.at.map(|at| moment(page, (at, record.began))).unwrap_or_default();
    let _ = write!(
        text,
        "<li class=\"{class}\"><p><time>{at}</time> {} \u{2192} {} <em>{ending}</em></p><p>{}</p><ol>",
        name(&record.from, "nobody"),
        name(&record.to, "?"),
        Escaped(&record.cause)
    );
    for (moment, after) in record.timeline() {
        let _ =
            write!(text, "<li><b>{}\u{a0}ms</b> {}</li>", grouped(milliseconds(after)), step(record, moment));
    }
    text.push_str("</ol></li>");
}

/// What happened at that moment.
fn step(record: &Failover, moment: Moment) -> String {
    match moment {
        Moment::Began => "began".to_owned(),
        Moment::Frozen => "frozen".to_owned(),
        Moment::Selected => "selected".to_owned(),
        Moment::Promoted => "says master".to_owned(),
        Moment::Cut if record.sessions_cut == 1 => "1 session cut".to_owned(),
        Moment::Cut => format!("{} sessions cut", grouped(record.sessions_cut.into())),
        Moment::FirstClient => "first client".to_owned(),
        Moment::GivenUp => "given up".to_owned(),
    }
}

/// How it ended and what it cost, with the colour for it.
fn ending(record: &Failover) -> (&'static str, String) {
    match record.ending {
        Ending::Open => ("wait", "under way".to_owned()),
        Ending::Aborted => ("off", "aborted, the old master stays".to_owned()),
        Ending::Expired => ("off", "came to nothing, the old master stays".to_owned()),
        Ending::Switched => {
            let pause = grouped(milliseconds(record.pause().unwrap_or_default()));
            let (class, lost) = match record.bytes_lost {
                Some(0) => ("good", "no history lost".to_owned()),
                Some(bytes) => ("warn", format!("{} bytes of history lost", grouped(bytes))),
                None => ("calm", "loss of history unknown".to_owned()),
            };
            (class, format!("no master for {pause}\u{a0}ms, {lost}"))
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The last changes of the master, the newest first.
pub(super) fn push_changes(text: &mut String, page: &Page<'_>, view: &BackendView, changes: &[MasterChange]) {
    if changes.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "<details id=\"changes/{}\"><summary>changes of the master ({})</summary><ol>",
        Escaped(&view.live.name()),
        changes.len()
    );
    for change in changes.iter().rev().take(LISTED) {
        let server = |name: &Option<String>| {
            name.as_ref().map_or_else(|| "no master".to_owned(), |name| format!("<b>{}</b>", Escaped(name)))
        };
        let _ = write!(
            text,
            "<li><time>{}</time> {} \u{2192} {}: {}</li>",
            moment(page, (change.at, change.since)),
            server(&change.previous),
            server(&change.server),
            Escaped(&change.reason)
        );
    }
    text.push_str("</ol></details>");
}

/// The time of day; with its date once that is another one.
pub(super) fn moment(page: &Page<'_>, (at, since): (SystemTime, Tick)) -> String {
    if page.now.since(since) < DAY { page.clock.time_of_day(at) } else { page.clock.rfc3164(at) }
}
