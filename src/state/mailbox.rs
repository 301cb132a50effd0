//! How the control side, and one worker, speak to a worker: a queue and an eventfd that the worker's driver
//! watches. Posting never blocks. What is in the queue is bounded by what causes posts: one command per
//! change of state, per granted place and per connection passed on.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::admission::Admission;
use super::backend::BackendKey;
use super::counters::Gauge;
use super::lock;
use super::server::ServerKey;
use super::snapshot::Snapshot;
use super::survey::Survey;
use crate::config::model::{BindAddress, FrontendId};
use crate::proxy_protocol::Announced;
use crate::sys::wake::Wake;
use crate::time::Tick;
use crate::tls::{DialError, Facts, Reached};

/// Names a session for the life of its worker: slot and turn, so that a late message finds nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionToken {
    pub worker: usize,
    pub slot: u32,
    pub turn: u32,
}

/// Why sessions are ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CutReason {
    /// The server itself reports another role.
    RoleChanged,
    /// Another server was chosen.
    Succeeded,
    /// `on-marked-down shutdown-sessions`: termination state `D`, without the guard's care for replies.
    MarkedDown,
    /// `on-marked-up shutdown-backup-sessions`: `U`.
    BackupRelieved,
    /// By the operator: `K`.
    Admin,
}

impl CutReason {
    /// Whether replies that the server has sent are delivered first.
    pub fn delivers_replies(self) -> bool {
        matches!(self, CutReason::RoleChanged | CutReason::Succeeded)
    }
}

/// A connection that one worker accepted for another.
#[derive(Debug)]
pub struct Accepted {
    pub socket: OwnedFd,
    /// `None` for unix sockets.
    pub client: Option<std::net::SocketAddr>,
    /// A position in `snapshot`, under which it was accepted: a reload may have come between.
    pub frontend: FrontendId,
    pub snapshot: Arc<Snapshot>,
    /// Position of the listener among the frontend's.
    pub bind: usize,
    /// The port it came to, 0 for unix sockets.
    pub port: u16,
    pub admission: Admission,
    /// Of a client that speaks TLS: its handshake is over, and `socket` is what comes out of it.
    pub arrival: Option<Box<Arrival>>,
}

/// What a client was before its handshake, and what that told.
#[derive(Debug)]
pub struct Arrival {
    pub facts: Arc<Facts>,
    /// The PROXY header that came before it, if one had to.
    pub announced: Option<Announced>,
    /// Where it came to.
    pub local: Option<std::net::SocketAddr>,
    pub accepted: Tick,
    pub accepted_at: SystemTime,
}

/// How a connection to a server that speaks TLS went.
#[derive(Debug)]
pub struct Dialed {
    pub token: SessionToken,
    /// Which of the session's attempts.
    pub number: u32,
    pub result: Result<Reached, DialError>,
}

/// A listening socket that every worker accepts from. Closed when the last worker has let go of it.
#[derive(Debug)]
pub struct Listener {
    pub socket: OwnedFd,
    /// Where it listens.
    pub address: BindAddress,
    /// Connections that came in here; counted against the bind line's `maxconn`.
    pub connections: Arc<Gauge>,
    /// Another process accepts from it, too.
    shared: AtomicBool,
    /// When it was last said that it could take nobody, in milliseconds.
    complained: AtomicU64,
}

impl Listener {
    /// Its TCP port, 0 for others.
    pub fn port(&self) -> u16 {
        match self.address {
            BindAddress::Tcp(address) => address.port(),
            _ => 0,
        }
    }

    /// Whether another process accepts from it, too: then no wake-up may be for one waiter alone (EPOLLEXCLUSIVE), as
    /// one that is about to stop would keep it to itself, and its client would wait for ever.
    pub fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Another process has it now, too; workers hear of it by [`Command::Share`].
    pub fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// Whether that long nobody has said that it can take no client; whoever asks says so now.
    pub fn may_complain(&self, now: Tick, every: Duration) -> bool {
        let before = self.complained.load(Ordering::Relaxed);
        let is_due = before == 0 || now.since(Tick(before)) >= every;
        let (relaxed, now) = (Ordering::Relaxed, now.0.max(1));
        is_due && self.complained.compare_exchange(before, now, relaxed, relaxed).is_ok()
    }

    /// A socket that listens at `address`.
    pub fn new(socket: OwnedFd, address: BindAddress) -> Listener {
        let (shared, complained) = (AtomicBool::new(false), AtomicU64::new(0));
        Listener { socket, address, connections: Arc::default(), shared, complained }
    }
}

/// A server by name: its key changes with its address, and sessions stay on the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    pub backend: BackendKey,
    pub server: String,
}

/// What a worker can be told.
#[derive(Debug)]
pub enum Command {
    /// The snapshot has changed: look up again, and take its listeners.
    Refresh,
    /// Listeners are shared with another process: they are watched anew.
    Share,
    /// Servers or the master word changed: sessions that wait look again.
    Reconsider,
    /// A place was reserved for a queued session.
    Granted(SessionToken, ServerKey),
    /// End the sessions on that server.
    Cut(ServerKey, CutReason),
    /// A failover of that server has been decided: its sessions send it nothing more for now, and take its
    /// replies. [`super::ServerLive::freeze`] came before, so that no new ones reach it.
    Freeze(ServerKey),
    /// The promotion of another server is near: its sessions, frozen before, hold its replies back as well.
    Withhold(ServerKey),
    /// It stays: its sessions go on. [`super::ServerLive::thaw`] came before.
    Thaw(ServerKey),
    /// End one session.
    CutSession(SessionToken, CutReason),
    /// End the sessions on any server of that name, also on one that has another address now.
    CutNamed(Arc<NamedServer>, CutReason),
    /// Describe all sessions.
    Survey(Survey),
    Adopt(Accepted),
    /// To the session that dialed.
    Dialed(Dialed),
    /// A place became free outside of the workers: try to accept.
    Admit,
    /// Stop accepting for a while (SIGTTOU), and go on (SIGTTIN).
    Pause,
    Resume,
    /// Close the listeners; end when the last session has ended.
    SoftStop,
    /// End now.
    Stop,
}

/// One worker's letter box.
#[derive(Debug)]
pub struct Mailbox {
    queue: Mutex<Vec<Command>>,
    wake: Wake,
}

impl Mailbox {
    pub fn new() -> std::io::Result<Mailbox> {
        Ok(Mailbox { queue: Mutex::new(Vec::new()), wake: Wake::new()? })
    }

    /// Leaves a command and wakes the worker.
    pub fn post(&self, command: Command) {
        let mut queue = lock(&self.queue);
        queue.push(command);
        if queue.len() == 1 {
            self.wake.ring();
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        lock(&self.queue).is_empty()
    }

    /// Takes everything out, into `into`.
    pub fn take(&self, into: &mut Vec<Command>) {
        self.wake.clear();
        into.append(&mut lock(&self.queue));
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// All workers' letter boxes.
#[derive(Debug, Clone)]
pub struct Workers(Arc<[Arc<Mailbox>]>);

impl Workers {
    /// Letter boxes for `count` workers.
    pub fn new(count: usize) -> std::io::Result<Workers> {
        let boxes: std::io::Result<Vec<_>> = (0..count).map(|_| Mailbox::new().map(Arc::new)).collect();
        Ok(Workers(boxes?.into()))
    }

    /// Tells one worker.
    pub fn post(&self, worker: usize, command: Command) {
        self.0[worker].post(command);
    }

    /// Tells every worker.
    pub fn broadcast(&self, command: impl Fn() -> Command) {
        self.0.iter().for_each(|mailbox| mailbox.post(command()));
    }

    /// One worker's letter box.
    pub fn mailbox(&self, worker: usize) -> &Arc<Mailbox> {
        &self.0[worker]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
