//! Parts of a config with nothing unusual about them, for the tests of whoever works with configs: they
//! change what they are about, and need no change when the model grows.

use std::time::Duration;

use super::{
    Backend, BackendId, Balance, CheckMethod, Frontend, Mode, OnError, RedisOptions, Redispatch, Server,
    ServerAddress, ServerPort, SessionLog,
};

/// The front half of a `listen`.
pub fn frontend(name: &str, proxy_id: u32, mode: Mode, leads_to: Option<BackendId>) -> Frontend {
    Frontend {
        name: name.into(),
        proxy_id,
        is_listen: true,
        mode,
        description: None,
        disabled: false,
        binds: Vec::new(),
        maxconn: 500,
        backlog: None,
        rate_limit_sessions: None,
        default_backend: leads_to,
        timeout_client: None,
        timeout_client_fin: None,
        keepalive: None,
        nolinger: false,
        log: SessionLog::default(),
        stats: None,
        monitor_uri: None,
    }
}

/// The back half of a `listen`; without servers it speaks HTTP, as for a stats page.
pub fn backend(name: &str, proxy_id: u32, servers: Vec<Server>) -> Backend {
    Backend {
        name: name.into(),
        proxy_id,
        is_listen: true,
        mode: if servers.is_empty() { Mode::Http } else { Mode::Tcp },
        description: None,
        disabled: false,
        servers,
        balance: Balance::RoundRobin,
        timeout_connect: None,
        timeout_server: None,
        timeout_server_fin: None,
        timeout_tunnel: None,
        timeout_queue: None,
        timeout_check: None,
        retries: 3,
        redispatch: Redispatch::Off,
        fullconn: None,
        abortonclose: false,
        allbackups: false,
        log_health_checks: false,
        keepalive: None,
        nolinger: false,
        log: Vec::new(),
        log_tag: None,
        check: CheckMethod::Layer4,
        redis: RedisOptions::default(),
        stats: None,
    }
}

/// An unchecked server at 10.0.0.`id`:6379.
pub fn server(name: &str, id: u32) -> Server {
    Server {
        name: name.into(),
        id,
        address: Some(ServerAddress::Ip {
            ip: format!("10.0.0.{id}").parse().expect("an id below 256"),
            port: ServerPort::Fixed(6379),
        }),
        written_address: format!("10.0.0.{id}:6379"),
        check: None,
        weight: 1,
        backup: false,
        maxconn: 0,
        minconn: 0,
        maxqueue: 0,
        disabled: false,
        on_marked_down_shutdown_sessions: false,
        on_marked_up_shutdown_backup_sessions: false,
        observe_layer4: false,
        error_limit: 10,
        on_error: OnError::default(),
        slowstart: Duration::ZERO,
        source: None,
        tcp_ut: None,
        tfo: false,
        cookie: None,
    }
}
