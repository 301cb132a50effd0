//! What the program says of itself while it runs: session lines and state lines, to syslog receivers.
//!
//! Enters: records and events, as values. Leaves: lines, framed as the receiver wants them, to the byte as
//! HAProxy's, because halog and people's syslog rules read them.
//!
//! Pure: [`tcplog`], [`template`] and [`event`] word, [`policy`] decides what is logged, [`framing`] puts the header on,
//! [`clock`] writes local time. The shell: [`sink`] owns the descriptors, [`Logger`] is the queue before them.
//!
//! # The queue
//!
//! Workers hand a record over with one non-blocking push and go on; one thread words, frames and sends. The
//! queue is bounded: if a receiver is slower than the traffic, lines are dropped and counted. The thread never
//! waits longer than a moment for one receiver.

pub mod clock;
pub mod event;
pub mod framing;
pub mod policy;
pub mod sink;
pub mod tcplog;
pub mod template;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use crate::config::Config;
use crate::config::model::{Backend, Frontend, FrontendId, LogAddress, LogTarget, SessionLog};
use crate::proxy_protocol::HeaderError;
use crate::state::event::ServerEvent;
use crate::state::{Cause, Details, FrontendLive, Phase, SessionRecord, Termination};
use crate::sys::accept::Shortage;
use crate::tls::{AcceptError, HandshakeError};

pub use clock::Clock;
pub use event::Sentence;
pub use framing::{Echo, Identity, Line};
pub use sink::Sinks;
use template::Story;

/// Lines that may wait; at 300 bytes a record this is some 5 MiB at worst.
const QUEUE: usize = 16 * 1024;

/// How often losses are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Severity as in syslog; the number is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    Emergency = 0,
    Alert = 1,
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl Level {
    /// The one of that number; the least severe one if there is none.
    pub fn numbered(number: u8) -> Level {
        use Level::{Alert, Critical, Debug, Emergency, Error, Info, Notice, Warning};
        let levels = [Emergency, Alert, Critical, Error, Warning, Notice, Info, Debug];
        levels.get(usize::from(number)).copied().unwrap_or(Debug)
    }
}

/// A connection that a frontend without `option tcplog` accepted, or one that was refused for how it began.
#[derive(Debug, Clone)]
pub struct ConnectRecord {
    pub config: Arc<Config>,
    pub frontend: FrontendId,
    /// `None` for unix sockets.
    pub client: Option<SocketAddr>,
    /// The address that the client came to.
    pub local: Option<SocketAddr>,
    /// It never became a session.
    pub refused: Option<Refused>,
}

/// A frontend cannot take clients.
#[derive(Debug, Clone)]
pub struct Complaint {
    pub config: Arc<Config>,
    pub frontend: FrontendId,
    pub shortage: Shortage,
}

/// A connection that never became a session.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The name of the `bind` line, or its number.
    pub listener: String,
    pub at: SystemTime,
    pub error: RefusedBy,
}

/// Why it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedBy {
    /// It did not begin with the PROXY header that it owes.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It speaks no TLS, or not the one that is wanted here.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl From<AcceptError> for RefusedBy {
    fn from(error: AcceptError) -> RefusedBy {
        match error {
            AcceptError::Header(error) => error.into(),
            AcceptError::Handshake { error, .. } => error.into(),
        }
    }
}

impl ConnectRecord {
    /// As a session that never had a server: for formats that a config has for both.
    fn as_session(&self, frontend: &Frontend, refused: &Refused) -> SessionRecord {
        SessionRecord {
            frontend_id: Some(self.frontend),
            client: self.client,
            accepted: refused.at,
            details: Details { destination: self.local, ..Details::default() },
            // Whatever was wrong, HAProxy says that it refused it.
            termination: Termination::new(Cause::Proxy, Phase::Request),
            ..SessionRecord::empty(&self.config, &Arc::new(FrontendLive::new(&frontend.name)))
        }
    }
}

impl RefusedBy {
    /// Whether it ended without a word: `option dontlognull` is about those.
    fn is_null(self) -> bool {
        match self {
            RefusedBy::Header(error) => error.is_null(),
            RefusedBy::Handshake(error) => error == HandshakeError::Closed,
        }
    }
}

#[derive(Debug)]
enum Message {
    Line {
        targets: Vec<LogTarget>,
        tag: Option<String>,
        level: Level,
        text: String,
        at: SystemTime,
    },
    /// Said in the log, shown on standard error.
    Event {
        targets: Vec<LogTarget>,
        tag: Option<String>,
        said: Sentence,
        shown: Sentence,
        at: SystemTime,
    },
    Session(Box<SessionRecord>, Option<&'static str>),
    Connect(Box<ConnectRecord>),
    Reload(Box<Identity>, Sinks, Vec<LogTarget>),
    Flush(SyncSender<()>),
}

/// The handle that everybody who logs has a clone of.
#[derive(Debug, Clone)]
pub struct Logger {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Logger {
    /// Starts the log thread. `sinks` were opened while there were still privileges and a file system; the
    /// local time zone, in `clock`, likewise.
    pub fn start(identity: Identity, clock: Clock, sinks: Sinks) -> std::io::Result<Logger> {
        let (queue, messages) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            identity,
            clock,
            sinks,
            dropped: Arc::clone(&dropped),
            told: 0,
            told_at: None,
            sampled: HashMap::new(),
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&messages))?;
        Ok(Logger { queue, dropped })
    }

    /// Sends one line to every target that takes its level. `tag` is the proxy's own `log-tag`.
    pub fn line(&self, targets: &[LogTarget], tag: Option<&str>, level: Level, text: impl Into<String>) {
        if targets.is_empty() {
            return;
        }
        let (targets, tag) = (targets.to_vec(), tag.map(str::to_owned));
        self.push(Message::Line { targets, tag, level, text: text.into(), at: SystemTime::now() });
    }

    /// Logs what happened to a server, where its backend logs; in the foreground also on standard error.
    pub fn server(&self, backend: &Backend, event: &ServerEvent) {
        self.push(Message::Event {
            targets: backend.log.clone(),
            tag: backend.log_tag.clone(),
            said: event::server(event),
            shown: event::shown(event),
            at: SystemTime::now(),
        });
    }

    /// Logs what happened to a proxy; in the foreground also on standard error, where HAProxy warns of all
    /// such things.
    pub fn proxy(&self, targets: &[LogTarget], tag: Option<&str>, said: Sentence) {
        let shown = Sentence { level: Level::Warning, text: said.text.clone() };
        let (targets, tag) = (targets.to_vec(), tag.map(str::to_owned));
        self.push(Message::Event { targets, tag, said, shown, at: SystemTime::now() });
    }

    /// Logs a session if its frontend wants to.
    pub fn session(&self, record: SessionRecord) {
        if policy::session(&record).is_some() {
            self.push(Message::Session(Box::new(record), None));
        }
    }

    /// Logs a session that a service of ours answered: `<STATS>`.
    pub fn service(&self, record: SessionRecord, name: &'static str) {
        if policy::session(&record).is_some() {
            self.push(Message::Session(Box::new(record), Some(name)));
        }
    }

    /// Logs an accepted connection if its frontend logs connects.
    pub fn connect(&self, record: ConnectRecord) {
        if policy::accepted(&record).is_some() {
            self.push(Message::Connect(Box::new(record)));
        }
    }

    /// Logs that a frontend cannot take clients, where it logs its sessions. `limit`: descriptors that the process may
    /// have.
    pub fn complain(&self, complaint: &Complaint, limit: u64) {
        let Some(frontend) = complaint.config.frontends.get(complaint.frontend.0) else { return };
        let Sentence { level, text } = event::exhausted(&frontend.name, complaint.shortage, limit);
        self.line(&frontend.log.targets, frontend.log.tag.as_deref(), level, text);
    }

    /// After a reload: descriptors for new targets replace those of the same address; what no one of
    /// `targets`, all that the config names, needs any more is closed.
    pub fn reload(&self, identity: Identity, sinks: Sinks, targets: Vec<LogTarget>) {
        // Waits for room: losing this would leave the thread with the old descriptors for good.
        let _ = self.queue.send(Message::Reload(Box::new(identity), sinks, targets));
    }

    /// Waits until everything queued so far is sent, at most `limit`; `false` if it was not.
    pub fn flush(&self, limit: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.queue.try_send(Message::Flush(done)).is_ok() && wait.recv_timeout(limit).is_ok()
    }

    /// Lines lost to a full queue or a receiver that took none (`DroppedLogs`).
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn push(&self, message: Message) {
        match self.queue.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Relaxed);
            }
        }
    }
}

/// The thread's half.
#[derive(Debug)]
struct Writer {
    identity: Identity,
    clock: Clock,
    sinks: Sinks,
    dropped: Arc<AtomicU64>,
    /// How many of the dropped the log has been told of, and when.
    told: u64,
    told_at: Option<Instant>,
    /// `sample`: lines that each of those targets was offered.
    sampled: HashMap<LogTarget, u64>,
}

impl Writer {
    /// Until the last handle is gone.
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            self.handle(message);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Line { targets, tag, level, text, at } => {
                self.send(&targets, Line { tag: tag.as_deref(), level, text: &text, structured: None, at });
            }
            Message::Event { targets, tag, said, shown, at } => {
                let Sentence { level, text } = said;
                self.send(&targets, Line { tag: tag.as_deref(), level, text: &text, structured: None, at });
                if self.identity.echo == Echo::Stderr {
                    self.echo(&shown);
                }
            }
            Message::Session(record, service) => {
                let Some((log, level)) = policy::session(&record) else { return };
                self.session(&record, (log, level), service);
            }
            Message::Connect(record) => {
                let Some((frontend, level)) = policy::accepted(&record) else { return };
                let log = &frontend.log;
                let text = match (&record.refused, &log.errors) {
                    (None, _) => tcplog::connect_line(frontend, record.client, record.local),
                    (Some(refused), Some(format)) => {
                        let session = record.as_session(frontend, refused);
                        template::text(format, self.story(&session, log, None))
                    }
                    (Some(refused), None) => {
                        tcplog::refusal_line(frontend, record.client, refused, &self.clock)
                    }
                };
                let (tag, at) = (log.tag.as_deref(), SystemTime::now());
                self.send(&log.targets, Line { tag, level, text: &text, structured: None, at });
            }
            Message::Reload(identity, sinks, targets) => {
                self.identity = *identity;
                self.sinks.adopt(sinks, &targets);
                self.sampled.retain(|target, _| targets.contains(target));
            }
            Message::Flush(done) => {
                let _ = done.send(()); // Who asked has stopped waiting: nobody is left to tell.
            }
        }
    }

    /// Words and sends the line of a session, in the format that its frontend has.
    fn session(&mut self, record: &SessionRecord, (log, level): (&SessionLog, Level), service: Option<&str>) {
        let story = self.story(record, log, service);
        let text = match &log.template {
            Some(format) => template::text(format, story),
            None => tcplog::line(record, service, &self.clock),
        };
        let structured = log.structured.as_ref().map(|format| template::text(format, story));
        record.frontend.lines.add(1);
        // As in HAProxy a format that comes to nothing sends nothing.
        if text.is_empty() {
            return;
        }
        let (tag, at) = (log.tag.as_deref(), SystemTime::now());
        self.send(&log.targets, Line { tag, level, text: &text, structured: structured.as_deref(), at });
    }

    fn story<'a>(
        &'a self,
        record: &'a SessionRecord,
        log: &'a SessionLog,
        service: Option<&'a str>,
    ) -> Story<'a> {
        Story { record, log, service, clock: &self.clock, pid: self.identity.pid }
    }

    fn echo(&mut self, shown: &Sentence) {
        let line = event::stderr_line(shown.level, self.identity.pid, &shown.text);
        // Whoever closed our standard error does not want to be told.
        let _ = self.sinks.send(&LogAddress::Stderr, line.as_bytes());
    }

    fn send(&mut self, targets: &[LogTarget], line: Line<'_>) {
        if self.deliver(targets, line) {
            self.tell_losses(targets, line);
        }
    }

    /// Whether every target that takes the line's level has got it, and there is one.
    fn deliver(&mut self, targets: &[LogTarget], line: Line<'_>) -> bool {
        let (mut sent, mut lost) = (0, 0);
        for target in targets {
            let Some(bytes) = framing::frame(target, &self.identity, &self.clock, line) else { continue };
            if !sampled(&mut self.sampled, target) {
                continue;
            }
            match self.sinks.send(&target.address, &bytes) {
                Ok(()) => sent += 1,
                Err(_) => lost += 1,
            }
        }
        self.dropped.fetch_add(lost, Relaxed);
        sent > 0 && lost == 0
    }

    /// Says how many lines were lost since it was said last, at most once a second: a receiver that is too
    /// slow does not become faster by being told.
    fn tell_losses(&mut self, targets: &[LogTarget], after: Line<'_>) {
        let dropped = self.dropped.load(Relaxed);
        if dropped == self.told || self.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return;
        }
        let text = match dropped - self.told {
            1 => "1 log line lost".to_owned(),
            more => format!("{more} log lines lost"),
        };
        self.told_at = Some(Instant::now());
        if self.deliver(targets, Line { level: Level::Warning, text: &text, structured: None, ..after }) {
            self.told = dropped;
        }
    }
}

/// Whether the target takes this line of those that it is offered; counts it.
fn sampled(counts: &mut HashMap<LogTarget, u64>, target: &LogTarget) -> bool {
    let Some(sampling) = &target.sampling else { return true };
    if !counts.contains_key(target) {
        counts.insert(target.clone(), 0);
    }
    let Some(count) = counts.get_mut(target) else { return true };
    *count += 1;
    sampling.takes(*count - 1)
}

#[cfg(test)]
mod tests;
