//! What the command line asks of the process, whatever words it used. `cli` knows the flags, this the meaning.

use std::path::PathBuf;

/// The whole request.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `argv[0]`, for messages and the log tag.
    pub program: String,
    /// Of the HAProxy whose face this is, for messages and `show version`.
    pub version: String,
    /// The date of that version, for `show info`.
    pub release_date: String,
    /// `-f` and what follows `--`, in order.
    pub files: Vec<PathBuf>,
    /// `-C`.
    pub directory: Option<PathBuf>,
    /// `-L`, for `HAPROXY_LOCALPEER`; the host name unless given.
    pub local_peer: Option<String>,
    pub task: Task,
    pub ground: Ground,
    pub master: Master,
    /// `-S`, options and all.
    pub master_socket: Option<String>,
    /// `-p`; wins over the config's.
    pub pidfile: Option<PathBuf>,
    /// `-x`: the runtime socket of a process whose listening sockets are taken over.
    pub old_socket: Option<PathBuf>,
    pub predecessors: Option<Predecessors>,
    /// `-n`; wins over the config's.
    pub maxconn: Option<u32>,
    /// `-N`: for frontends that say nothing.
    pub frontend_maxconn: Option<u32>,
    pub splicing: Splicing,
    pub verbosity: Verbosity,
    /// What there is to say of the command line itself.
    pub warnings: Vec<String>,
    /// `-dW`.
    pub warnings_refuse: bool,
    /// `-dr`.
    pub ignore_unresolved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Task {
    #[default]
    Serve,
    /// `-c`.
    Check,
    /// `explain`: say on standard output what the config will do.
    Explain,
}

/// Whether the process leaves its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ground {
    /// The config's `daemon` decides.
    #[default]
    AsConfigured,
    /// `-D`.
    Background,
    /// `-db`, `-d`, `-Ws`.
    Foreground,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Master {
    /// The config's `master-worker` decides.
    #[default]
    AsConfigured,
    /// `-W`.
    Worker,
    /// `-Ws`: also speaks to systemd.
    Notify,
}

/// Whether proxies may have what they forward spliced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Splicing {
    #[default]
    AsConfigured,
    /// `-dS`.
    Off,
}

/// `-sf` and `-st`: what to tell which processes once this one serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessors {
    pub end: End,
    pub pids: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SIGUSR1.
    Finish,
    /// SIGTERM.
    Terminate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// `-q`.
    Quiet,
    #[default]
    Normal,
    /// `-V`.
    Verbose,
}
