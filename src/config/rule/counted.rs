//! Fetches of what stick tables count (manual section 7.3.3, `sc_*` and `src_*`): whose entry, and what of it. Their
//! names are put together, so that they are tables of halves.

use super::fetch::{self, Array, FetchRow, Kind, Takes};
use super::place::Seen;
use crate::config::model::{Change, Counter};

use Kind::{Bool, Integer};

/// What follows `src_`, `sc_` and `sc0_` to `sc2_`, and what it is.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    COUNTERS.iter().map(|(name, _, help)| (*name, *help))
}

/// What follows `src_`, `sc_` and `sc0_`.
static COUNTERS: &[(&str, Counter, &str)] = &[
    ("conn_cur", Counter::ConnectionsNow, "connections there are now"),
    ("conn_cnt", Counter::Connections, "connections there were"),
    ("conn_rate", Counter::ConnectionRate, "connections in a period"),
    ("sess_cnt", Counter::Sessions, "sessions there were"),
    ("sess_rate", Counter::SessionRate, "sessions in a period"),
    ("kbytes_in", Counter::BytesIn, "kilobytes from the client"),
    ("bytes_in_rate", Counter::BytesInRate, "bytes from the client in a period"),
    ("kbytes_out", Counter::BytesOut, "kilobytes to the client"),
    ("bytes_out_rate", Counter::BytesOutRate, "bytes to the client in a period"),
    ("get_gpc0", Counter::General(0), "a counter for rules"),
    ("gpc0_rate", Counter::GeneralRate(0), "its growth in a period"),
    ("get_gpc1", Counter::General(1), "a second counter for rules"),
    ("gpc1_rate", Counter::GeneralRate(1), "its growth in a period"),
    ("get_gpt0", Counter::Tag(0), "a tag that rules set"),
    ("http_req_cnt", Counter::Requests, "HTTP requests: none are seen"),
    ("http_req_rate", Counter::RequestRate, "HTTP requests in a period: none are seen"),
    ("http_err_cnt", Counter::RequestErrors, "HTTP errors: none are seen"),
    ("http_err_rate", Counter::RequestErrorRate, "HTTP errors in a period: none are seen"),
    ("http_fail_cnt", Counter::RequestFailures, "HTTP failures: none are seen"),
    ("http_fail_rate", Counter::RequestFailureRate, "HTTP failures in a period: none are seen"),
    ("tracked", Counter::Tracked, "whether the session is tracked"),
    ("trackers", Counter::Trackers, "sessions that track the entry"),
];

/// The same, of what a condition changes by asking.
static CHANGES: &[(&str, Counter, Change)] = &[
    ("inc_gpc0", Counter::General(0), Change::Increment),
    ("clr_gpc0", Counter::General(0), Change::Clear),
    ("inc_gpc1", Counter::General(1), Change::Increment),
    ("clr_gpc1", Counter::General(1), Change::Clear),
    ("updt_conn_cnt", Counter::Connections, Change::Increment),
];

/// What follows `src_` and `sc_`, and takes a number.
static ARRAYS: &[(&str, Array)] = &[
    ("get_gpc", Array::Value(Counter::General)),
    ("gpc_rate", Array::Value(Counter::GeneralRate)),
    ("get_gpt", Array::Value(Counter::Tag)),
    ("inc_gpc", Array::Change(Change::Increment)),
    ("clr_gpc", Array::Change(Change::Clear)),
];

/// `src_conn_cur`, `sc_conn_cur`, `sc0_conn_cur` and so on.
pub(super) fn find(name: &str) -> Option<FetchRow> {
    let (whose, fact) = name.split_once('_')?;
    if let Some((fact, array)) = ARRAYS.iter().find(|(known, _)| *known == fact).copied() {
        let takes = match whose {
            "src" => Takes::SourceArray(array),
            "sc" => Takes::SlotArray(array),
            _ => return None,
        };
        return Some(fetch::row(fact, takes, Integer, Seen::Always, "one of several counters or tags"));
    }
    if let Some((fact, counter, change)) = CHANGES.iter().find(|(known, ..)| *known == fact).copied() {
        let takes = match whose {
            "src" => Takes::SourceChange(counter, change),
            _ if fact == "updt_conn_cnt" => return None,
            _ => Takes::SlotChange(slot(whose)?, counter, change),
        };
        return Some(fetch::row(fact, takes, Integer, Seen::Always, "a counter, changed by asking"));
    }
    let (fact, counter, help) = COUNTERS.iter().find(|(known, ..)| *known == fact).copied()?;
    let takes = match whose {
        "src" if !matches!(counter, Counter::Tracked | Counter::Trackers) => Takes::SourceCounter(counter),
        _ => Takes::SlotCounter(slot(whose)?, counter),
    };
    let kind = if counter == Counter::Tracked { Bool } else { Integer };
    Some(fetch::row(fact, takes, kind, Seen::Always, help))
}

/// Which slot a name means; `Some(None)`: its argument says it.
fn slot(name: &str) -> Option<Option<u8>> {
    match name {
        "sc" => Some(None),
        "sc0" => Some(Some(0)),
        "sc1" => Some(Some(1)),
        "sc2" => Some(Some(2)),
        _ => None,
    }
}
