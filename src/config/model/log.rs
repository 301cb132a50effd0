//! Where lines go and what a session writes (manual section 3.1, 4.2 `log`).

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a frontend logs of its sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionLog {
    pub targets: Vec<LogTarget>,
    pub format: LogFormat,
    pub tag: Option<String>,
    /// `option dontlognull`.
    pub skip_null: bool,
    /// `option dontlog-normal`.
    pub skip_normal: bool,
    /// `option logasap`.
    pub as_soon_as_possible: bool,
    /// `option log-separate-errors`.
    pub separate_errors: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// No option: one line at accept, `Connect from ...`.
    #[default]
    Connect,
    /// `option tcplog`: one line when the session ends. `option httplog` becomes this.
    Tcp,
}

/// One `log` line (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogTarget {
    pub address: LogAddress,
    /// Longest line in bytes; default 1024.
    pub length: usize,
    pub framing: LogFraming,
    /// 0 (kern) to 23 (local7).
    pub facility: u8,
    /// Least severe level that is sent: 0 (emerg) to 7 (debug).
    pub max_level: u8,
    /// Levels more severe than this are sent as this.
    pub min_level: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LogAddress {
    Udp(SocketAddr),
    Unix(PathBuf),
    Stdout,
    Stderr,
    /// `fd@N`
    Fd(i32),
}

/// `log ... format F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LogFraming {
    /// rfc3164 without the host name: what HAProxy sends unless told otherwise.
    #[default]
    Local,
    Rfc3164,
    Rfc5424,
    /// `<PRI>` and the message.
    Priority,
    /// `<level>` and the message, as journald reads it.
    Short,
    Timed,
    Iso,
    Raw,
}
