//! What a session leaves for the log: plain values, taken when it ends (or, under `option logasap`, when its
//! server answered). `log` words it; nothing here is text.
//!
//! The live objects are held so that their names need no copy, and so that a session which outlives its
//! backend in the config can still be worded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::backend::BackendLive;
use super::frontend::FrontendLive;
use super::server::ServerLive;
use crate::config::Config;
use crate::config::model::{FrontendId, LogLevel, Value};
use crate::tls::Facts;

/// One session, as a log line needs it (manual section 8.2.2).
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// The config of the moment, for the frontend's `log` settings.
    pub config: Arc<Config>,
    /// Position in `config`; `None` if a reload has removed the frontend while the session lived.
    pub frontend_id: Option<FrontendId>,
    pub frontend: Arc<FrontendLive>,
    /// `None` if no backend was chosen: HAProxy then writes the frontend's name in its place.
    pub backend: Option<Arc<BackendLive>>,
    /// The last server that was tried; `None` is `<NOSRV>`.
    pub server: Option<Arc<ServerLive>>,
    /// `None` for unix sockets.
    pub client: Option<SocketAddr>,
    /// What its handshake told, if it speaks TLS.
    pub tls: Option<Arc<Facts>>,
    pub accepted: SystemTime,
    /// `%Tw`: until the last server was assigned, earlier attempts elsewhere included; `None` (-1) if it
    /// never waited nor got one. The true value: HAProxy 2.6 prints one millisecond more in TCP mode.
    pub wait: Option<Duration>,
    /// `%Tc`: from that assignment until the connection stood, retries included; `None` (-1) if it never did.
    pub connect: Option<Duration>,
    /// `%Tt`
    pub total: Duration,
    /// `%U`: from the client.
    pub bytes_in: u64,
    /// `%B`: from the server.
    pub bytes_out: u64,
    pub termination: Termination,
    pub concurrency: Concurrency,
    /// `%rc`
    pub retries: u32,
    /// Puts the `+` before `%rc`.
    pub redispatched: bool,
    /// `%sq`: sessions served before this one in the server's queue, itself included; 0: never queued there.
    pub server_queue: u32,
    /// `%bq`
    pub backend_queue: u32,
    /// `option logasap`: written at the connect, with `+` before `%Tt` and `%B`.
    pub as_soon_as_possible: bool,
    pub details: Details,
}

impl SessionRecord {
    /// Of a session of which nothing is known yet.
    pub fn empty(config: &Arc<Config>, frontend: &Arc<FrontendLive>) -> SessionRecord {
        SessionRecord {
            config: Arc::clone(config),
            frontend_id: None,
            frontend: Arc::clone(frontend),
            backend: None,
            server: None,
            client: None,
            tls: None,
            accepted: SystemTime::UNIX_EPOCH,
            wait: None,
            connect: None,
            total: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 0,
            termination: Termination::NORMAL,
            concurrency: Concurrency::default(),
            retries: 0,
            redispatched: false,
            server_queue: 0,
            backend_queue: 0,
            as_soon_as_possible: false,
            details: Details::default(),
        }
    }
}

/// What only formats of the config's own, or its rules, ask for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Details {
    /// `%fi`, `%fp`
    pub destination: Option<SocketAddr>,
    /// `%bi`, `%bp`
    pub server_source: Option<SocketAddr>,
    /// `%si`, `%sp`
    pub server_target: Option<SocketAddr>,
    /// `%rt`: from 0.
    pub number: u64,
    /// The values of [`crate::config::model::SessionLog::samples`].
    pub samples: Vec<Option<Value>>,
    /// What rules captured, by their slots.
    pub captures: Vec<Option<Vec<u8>>>,
    /// `%Th`: from the accept until its PROXY header and its handshake were over.
    pub handshake: Duration,
    /// Of its line, if a rule says so.
    pub level: Option<LogLevel>,
}

/// `%ac/%fc/%bc/%sc`: established at the moment of the log line. As in HAProxy a session that has ended is
/// still counted in the process and in its frontend, no longer in its backend and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Concurrency {
    pub process: u32,
    pub frontend: u32,
    pub backend: u32,
    pub server: u32,
}

/// `%ts`: who ended the session, and where it stood (manual section 8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Termination {
    pub cause: Cause,
    pub phase: Phase,
}

/// First character of `%ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cause {
    #[default]
    Normal,
    ClientAbort,
    ServerAbort,
    /// Refused by a rule or a limit of ours.
    Proxy,
    /// Served by the proxy itself.
    Local,
    /// Out of ports, descriptors or memory.
    Resource,
    Internal,
    /// The server was marked down, or lost its role.
    MarkedDown,
    /// On a backup, and an active server came back.
    BackupRelieved,
    Killed,
    ClientTimeout,
    ServerTimeout,
}

/// Second character of `%ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// Nothing was cut short.
    #[default]
    Done,
    Request,
    Queue,
    Connect,
    Headers,
    Data,
    Last,
    Tarpit,
}

impl Termination {
    pub const NORMAL: Termination = Termination { cause: Cause::Normal, phase: Phase::Done };

    /// Pairs the two.
    pub const fn new(cause: Cause, phase: Phase) -> Termination {
        Termination { cause, phase }
    }
}

impl std::fmt::Display for Termination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.cause.letter(), self.phase.letter())
    }
}

impl Cause {
    /// As in the log.
    pub fn letter(self) -> char {
        match self {
            Cause::Normal => '-',
            Cause::ClientAbort => 'C',
            Cause::ServerAbort => 'S',
            Cause::Proxy => 'P',
            Cause::Local => 'L',
            Cause::Resource => 'R',
            Cause::Internal => 'I',
            Cause::MarkedDown => 'D',
            Cause::BackupRelieved => 'U',
            Cause::Killed => 'K',
            Cause::ClientTimeout => 'c',
            Cause::ServerTimeout => 's',
        }
    }
}

impl Phase {
    /// As in the log.
    pub fn letter(self) -> char {
        match self {
            Phase::Done => '-',
            Phase::Request => 'R',
            Phase::Queue => 'Q',
            Phase::Connect => 'C',
            Phase::Headers => 'H',
            Phase::Data => 'D',
            Phase::Last => 'L',
            Phase::Tarpit => 'T',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_two_letters() {
        assert_eq!(Termination::NORMAL.to_string(), "--");
        assert_eq!(Termination::new(Cause::ServerTimeout, Phase::Queue).to_string(), "sQ");
        assert_eq!(Termination::new(Cause::ClientAbort, Phase::Data).to_string(), "CD");
    }
}
