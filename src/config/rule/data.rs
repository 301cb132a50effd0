//! The table of what entries of stick tables may hold (manual section 4.2, `stick-table ... store`), in the order
//! in which HAProxy shows it.

use crate::config::model::{Counter, Stored};

/// What follows `store`.
#[derive(Debug, Clone, Copy)]
pub enum Data {
    One(Counter),
    /// Takes a period.
    Rate(Counter),
    /// Takes how many.
    Many(fn(u8) -> Counter),
    /// Takes how many, and a period.
    ManyRates(fn(u8) -> Counter),
}

/// The names, each with what it is.
pub static DATA: &[(&str, Data)] = &[
    ("server_id", Data::One(Counter::ServerId)),
    ("gpt0", Data::One(Counter::Tag(0))),
    ("gpc0", Data::One(Counter::General(0))),
    ("gpc0_rate", Data::Rate(Counter::GeneralRate(0))),
    ("conn_cnt", Data::One(Counter::Connections)),
    ("conn_rate", Data::Rate(Counter::ConnectionRate)),
    ("conn_cur", Data::One(Counter::ConnectionsNow)),
    ("sess_cnt", Data::One(Counter::Sessions)),
    ("sess_rate", Data::Rate(Counter::SessionRate)),
    ("http_req_cnt", Data::One(Counter::Requests)),
    ("http_req_rate", Data::Rate(Counter::RequestRate)),
    ("http_err_cnt", Data::One(Counter::RequestErrors)),
    ("http_err_rate", Data::Rate(Counter::RequestErrorRate)),
    ("bytes_in_cnt", Data::One(Counter::BytesIn)),
    ("bytes_in_rate", Data::Rate(Counter::BytesInRate)),
    ("bytes_out_cnt", Data::One(Counter::BytesOut)),
    ("bytes_out_rate", Data::Rate(Counter::BytesOutRate)),
    ("gpc1", Data::One(Counter::General(1))),
    ("gpc1_rate", Data::Rate(Counter::GeneralRate(1))),
    ("server_key", Data::One(Counter::ServerKey)),
    ("http_fail_cnt", Data::One(Counter::RequestFailures)),
    ("http_fail_rate", Data::Rate(Counter::RequestFailureRate)),
    ("gpt", Data::Many(Counter::Tag)),
    ("gpc", Data::Many(Counter::General)),
    ("gpc_rate", Data::ManyRates(Counter::GeneralRate)),
];

/// Its place in the table, and what it is.
pub fn find(name: &str) -> Option<(usize, Data)> {
    let place = DATA.iter().position(|(known, _)| *known == name)?;
    Some((place, DATA[place].1))
}

/// What a rule that remembers servers has its table keep.
pub fn servers() -> impl Iterator<Item = Stored> {
    ["server_id", "server_key"].into_iter().filter_map(|name| match find(name)? {
        (place, Data::One(counter)) => Some(Stored { counter, period: None, place }),
        _ => None,
    })
}

/// HAProxy's name for what is stored: those of `gpc(2)` are `gpc0` and `gpc1`.
pub fn name(stored: &Stored) -> String {
    match stored.counter {
        Counter::Tag(at) => format!("gpt{at}"),
        Counter::General(at) => format!("gpc{at}"),
        Counter::GeneralRate(at) => format!("gpc{at}_rate"),
        _ => DATA.get(stored.place).map_or(String::new(), |(name, _)| (*name).to_owned()),
    }
}
