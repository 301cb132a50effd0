//! Where lines go and what a session writes (manual section 3.1, 4.2 `log`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Sample, Template};

/// What a frontend logs of its sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionLog {
    pub targets: Vec<LogTarget>,
    pub format: LogFormat,
    /// `log-format`: in place of the format of `option tcplog`.
    pub template: Option<Arc<Template>>,
    /// `log-format-sd`: structured data of RFC 5424.
    pub structured: Option<Arc<Template>>,
    /// `error-log-format`: for connections that never became a session.
    pub errors: Option<Arc<Template>>,
    /// `unique-id-format`
    pub unique_id: Option<Arc<Template>>,
    /// What the formats ask for by an expression.
    pub samples: Vec<Sample>,
    /// How many values rules keep for the formats.
    pub captures: usize,
    /// The formats name the address that the client came to.
    pub wants_destination: bool,
    /// The formats name the ends of the connection to the server.
    pub wants_server_ends: bool,
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
    /// `sample`: only some lines of so many.
    pub sampling: Option<LogSampling>,
    /// 0 (kern) to 23 (local7).
    pub facility: u8,
    /// Least severe level that is sent: 0 (emerg) to 7 (debug).
    pub max_level: u8,
    /// Levels more severe than this are sent as this.
    pub min_level: u8,
}

/// `sample RANGES:SIZE`: which of `size` lines are sent, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogSampling {
    pub ranges: Vec<(u32, u32)>,
    pub size: u32,
}

impl LogSampling {
    /// Whether the line of that number, from 0, is sent.
    pub fn takes(&self, line: u64) -> bool {
        let place = (line % u64::from(self.size.max(1))) as u32 + 1;
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&place))
    }
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

impl SessionLog {
    /// Whether something has to be kept for the formats while a session lives.
    pub fn needs_notes(&self) -> bool {
        self.wants_destination || self.wants_server_ends || !self.samples.is_empty()
    }
}
