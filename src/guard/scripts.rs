//! Check scripts and backends for tests, as the config language would make them.

use std::net::SocketAddr;

use crate::config::model::{
    Backend, CheckAction, CheckExpect, CheckMethod, CheckRule, ExpectPattern, RedisOptions, Secret, Server,
    ServerAddress, ServerCheck, ServerPort,
};

pub(super) fn send(text: &str) -> CheckAction {
    CheckAction::Send(Secret::new(text.as_bytes()))
}

pub(super) fn expect(pattern: ExpectPattern, inverse: bool) -> CheckAction {
    CheckAction::Expect(CheckExpect { inverse, ..CheckExpect::of(pattern) })
}

pub(super) fn string(text: &str) -> CheckAction {
    expect(ExpectPattern::String(text.as_bytes().to_vec()), false)
}

pub(super) fn not(text: &str) -> CheckAction {
    expect(ExpectPattern::String(text.as_bytes().to_vec()), true)
}

pub(super) fn rstring(text: &str) -> CheckAction {
    expect(ExpectPattern::Rstring(text.to_owned(), regex::bytes::Regex::new(text).unwrap()), false)
}

pub(super) fn rbinary(text: &str) -> CheckAction {
    expect(ExpectPattern::Rbinary(text.to_owned(), regex::bytes::Regex::new(text).unwrap()), false)
}

pub(super) fn binary(bytes: &[u8]) -> CheckAction {
    expect(ExpectPattern::Binary(bytes.to_vec()), false)
}

pub(super) fn script(actions: Vec<CheckAction>) -> CheckMethod {
    CheckMethod::TcpCheck(actions.into_iter().map(|action| CheckRule { action, comment: None }).collect())
}

/// A backend of checked servers named redis1, redis2 and so on.
pub(super) fn backend(addresses: &[SocketAddr], check: CheckMethod, redis: RedisOptions) -> Backend {
    let server = |(number, address): (u32, &SocketAddr)| Server {
        name: format!("redis{number}"),
        id: number,
        address: Some(ServerAddress::Ip { ip: address.ip(), port: ServerPort::Fixed(address.port()) }),
        written_address: address.to_string(),
        check: Some(ServerCheck::default()),
        ..Server::default()
    };
    let servers = (1..).zip(addresses).map(server).collect();
    Backend { name: "redis".to_owned(), proxy_id: 2, servers, check, redis, ..Backend::default() }
}

/// What nearly everybody writes.
pub(super) fn asks_for_master() -> CheckMethod {
    script(vec![
        send("PING\r\n"),
        string("+PONG"),
        send("INFO replication\r\n"),
        string("role:master"),
        send("QUIT\r\n"),
        string("+OK"),
    ])
}
