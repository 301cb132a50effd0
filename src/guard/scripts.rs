//! Check scripts and backends for tests, as the config language would make them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::model::{
    Backend, Balance, CheckAction, CheckExpect, CheckMethod, CheckRule, ExpectPattern, Mode, OnError,
    RedisOptions, Redispatch, Secret, Server, ServerAddress, ServerCheck, ServerPort,
};

pub(super) fn send(text: &str) -> CheckAction {
    CheckAction::Send(Secret::new(text.as_bytes()))
}

pub(super) fn expect(pattern: ExpectPattern, inverse: bool) -> CheckAction {
    CheckAction::Expect(CheckExpect {
        inverse,
        pattern,
        min_recv: None,
        ok_status: None,
        error_status: None,
        tout_status: None,
        on_success: None,
        on_error: None,
    })
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
        weight: 1,
        backup: false,
        maxconn: 0,
        minconn: 0,
        maxqueue: 0,
        disabled: false,
        on_marked_down_shutdown_sessions: false,
        on_marked_up_shutdown_backup_sessions: false,
        observe_layer4: false,
        error_limit: 0,
        on_error: OnError::default(),
        slowstart: Duration::ZERO,
        source: None,
        tcp_ut: None,
        tfo: false,
        cookie: None,
    };
    Backend {
        name: "redis".to_owned(),
        proxy_id: 2,
        is_listen: false,
        mode: Mode::Tcp,
        description: None,
        disabled: false,
        servers: (1..).zip(addresses).map(server).collect(),
        balance: Balance::default(),
        timeout_connect: None,
        timeout_server: None,
        timeout_server_fin: None,
        timeout_tunnel: None,
        timeout_queue: None,
        timeout_check: None,
        retries: 3,
        redispatch: Redispatch::default(),
        fullconn: None,
        abortonclose: false,
        allbackups: false,
        log_health_checks: false,
        keepalive: None,
        nolinger: false,
        log: Vec::new(),
        log_tag: None,
        check,
        redis,
        stats: None,
    }
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
