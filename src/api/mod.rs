//! The command line that the program serves while it runs: the master socket (`-S`). The runtime socket
//! (`stats socket`) will speak the same language.
//!
//! Enters: bytes of a client, and a [`View`] of the process. Leaves: bytes to write and what the process is
//! to do ([`Effect`]). Nothing here reads, writes or waits; `process` owns the sockets.
//!
//! [`command`] is the one table of commands, from which `help` and the hints for unknown words derive;
//! [`session`] is one client's line protocol: commands end with a line feed or `;`, every answer with an
//! empty line, `prompt` asks for more.

pub mod command;
pub mod session;

use std::time::Duration;

pub use session::{Effect, Session};

/// What commands can tell of the process.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub version: String,
    pub master: u32,
    pub uptime: Duration,
    pub reloads: u32,
    pub failed_reloads: u32,
    pub last_reload_failed: bool,
    pub worker: Option<WorkerView>,
    /// Everything that the last start or reload had to say.
    pub startup_logs: String,
    /// Only what the program itself set; the rest of an environment may hold passwords.
    pub environment: Vec<(String, String)>,
}

/// The process that serves clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerView {
    pub pid: u32,
    /// Reloads that failed since it last took a config.
    pub reloads: u32,
    /// Since it last took a config.
    pub uptime: Duration,
}
