//! A worker: one thread that owns its sessions and their sockets. Shared by all engines; the engine owns the
//! loop and calls in here (see [`super::driver`]).
//!
//! | call | when |
//! |---|---|
//! | `wake` | after every wait, with the present moment |
//! | `commands` | the mailbox rang |
//! | `accept` (in `listener`) | somebody may wait at a listener |
//! | `deliver` (in `sessions`) | after anything that can have made reports |
//! | `timers` (in `sessions`) | once a round |
//!
//! A worker ends after [`Command::Stop`], or after [`Command::SoftStop`] when its last session has ended and
//! its last byte is on its way. Whoever sends `SoftStop` publishes a snapshot without listeners first, for the
//! snapshot keeps their sockets open.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::assign;
use super::contract::Event;
use super::driver::{Engine, Slot};
use super::listener::Gates;
use super::service::ServiceSink;
use super::session::Session;
use super::sessions::Sessions;
use crate::log::{Complaint, ConnectRecord};
use crate::state::{Command, CutReason, Mailbox, Published, ServerKey, SessionRecord, Snapshot, Workers};
use crate::sys::{affinity, limits};
use crate::time::Tick;
use crate::tls::Bridge;

/// Where session records go; must not block.
pub type RecordSink = Arc<dyn Fn(SessionRecord) + Send + Sync>;

/// Where connections go that a frontend logs as they come; must not block.
pub type ConnectSink = Arc<dyn Fn(ConnectRecord) + Send + Sync>;

/// Where it goes that a frontend cannot take clients; must not block.
pub type ComplaintSink = Arc<dyn Fn(Complaint) + Send + Sync>;

/// What all workers share with the control side.
#[derive(Clone)]
pub struct Shared {
    pub published: Arc<Published>,
    pub workers: Workers,
    pub records: RecordSink,
    pub connects: ConnectSink,
    pub complaints: ComplaintSink,
    pub services: ServiceSink,
    pub tls: Bridge,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// Running workers.
#[derive(Debug)]
pub struct WorkerHandles {
    threads: Vec<JoinHandle<()>>,
    fallbacks: Vec<String>,
    ends: UnboundedReceiver<WorkerEnd>,
}

/// A worker's last word.
#[derive(Debug)]
pub struct WorkerEnd {
    pub worker: usize,
    /// An error only if the kernel took the engine's means away.
    pub result: io::Result<()>,
}

impl WorkerHandles {
    /// The next worker that has ended; `None` when all have.
    pub async fn ended(&mut self) -> Option<WorkerEnd> {
        self.ends.recv().await
    }

    /// Why some of them have another engine than the one that was chosen: one reason each.
    pub fn fallbacks(&self) -> &[String] {
        &self.fallbacks
    }

    /// Waits for all of them.
    pub fn join(self) -> io::Result<()> {
        for thread in self.threads {
            thread.join().map_err(|_| io::Error::other("a worker panicked"))?;
        }
        let mut ends = self.ends;
        while let Ok(end) = ends.try_recv() {
            end.result?;
        }
        Ok(())
    }
}

/// How long the end of a worker waits for what TLS has still to send.
const SETTLE: Duration = Duration::from_secs(1);

/// An engine's loop.
pub type EngineLoop = fn(Worker) -> io::Result<()>;

/// Starts a thread for every letter box in `shared.workers`. They take their listeners from the published
/// snapshot at once, and again at every [`Command::Refresh`]. Returns when all of them accept; an error is
/// that of the first engine that did not come up, and leaves none running.
pub fn start_with(engine: EngineLoop, shared: &Shared) -> io::Result<WorkerHandles> {
    // One word a worker.
    let (ended, ends) = unbounded_channel();
    let accepting = Arc::new(AtomicUsize::new(shared.workers.count()));
    let (ready, all_ready) = channel();
    let mut threads = Vec::new();
    for index in 0..shared.workers.count() {
        let (shared, ended) = (shared.clone(), ended.clone());
        let accepting = Accepting { count: Arc::clone(&accepting), workers: shared.workers.clone() };
        let ready = ready.clone();
        let body = move || run(engine, Worker::new(index, shared, accepting, ready), &ended);
        threads.push(std::thread::Builder::new().name(format!("worker {index}")).spawn(body)?);
    }
    drop(ready);
    let came_up: Vec<Option<String>> = all_ready.iter().take(threads.len()).collect();
    let all = came_up.len() == threads.len();
    let handles = WorkerHandles { threads, ends, fallbacks: came_up.into_iter().flatten().collect() };
    if all {
        return Ok(handles);
    }
    shared.workers.broadcast(|| Command::Stop);
    handles.join()?;
    Err(io::Error::other("a worker ended before it began"))
}

fn run(engine: EngineLoop, worker: Worker, ended: &UnboundedSender<WorkerEnd>) {
    let index = worker.index;
    let tls = worker.shared.tls.clone();
    let result =
        limits::block_signals().and_then(|()| worker.keep_to_its_cores()).and_then(|()| engine(worker));
    // What its sessions had to say may still be on its way out.
    tls.settle(SETTLE);
    // Nobody may wait for it any more.
    let _ = ended.send(WorkerEnd { worker: index, result });
}

/// One of the workers that accept. As long as there is one, it may pass a connection on to any other, so
/// that none may end before; the last to go wakes those who wait for that.
#[derive(Debug)]
pub(super) struct Accepting {
    count: Arc<AtomicUsize>,
    workers: Workers,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.workers.broadcast(|| Command::Admit);
        }
    }
}

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Serving,
    /// Between SIGTTOU and SIGTTIN.
    Paused,
    /// No listeners any more; the sessions go on.
    Leaving,
    Stopped,
}

/// See the module.
#[derive(Debug)]
pub struct Worker {
    pub(super) index: usize,
    pub(super) shared: Shared,
    mailbox: Arc<Mailbox>,
    /// The snapshot as of the last command that said it changed.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: Tick,
    pub(super) life: Life,
    pub(super) gates: Gates,
    pub(super) sessions: Sessions,
    letters: Vec<Command>,
    /// `None` from the soft stop on.
    accepting: Option<Accepting>,
    /// `None` once the engine has come up. Carries why it is another one than was chosen.
    ready: Option<Sender<Option<String>>>,
    fallback: Option<String>,
    accepting_workers: Arc<AtomicUsize>,
}

impl Worker {
    /// A worker that has not begun yet; to be made in its own thread.
    fn new(index: usize, shared: Shared, accepting: Accepting, ready: Sender<Option<String>>) -> Worker {
        let now = Tick::now();
        Worker {
            index,
            mailbox: Arc::clone(shared.workers.mailbox(index)),
            snapshot: shared.published.load_full(),
            shared,
            now,
            life: Life::Serving,
            gates: Gates::default(),
            sessions: Sessions::new(now),
            letters: Vec::new(),
            accepting_workers: Arc::clone(&accepting.count),
            accepting: Some(accepting),
            ready: Some(ready),
            fallback: None,
        }
    }

    /// For the engine to watch.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Opens the listeners.
    pub fn begin(&mut self, engine: &mut impl Engine) {
        self.take_listeners(engine);
        self.deliver(engine);
        // Whoever started it may have given up.
        let _ = self.ready.take().map(|ready| ready.send(self.fallback.take()));
    }

    /// Before it begins: it has to do with another engine, for this reason.
    pub fn fall_back(&mut self, reason: String) {
        self.fallback = Some(reason);
    }

    /// After a wait: what time it is.
    pub fn wake(&mut self, now: Tick) {
        self.now = now;
    }

    /// An engine may have been told of a client at a listener that it no longer watches, and the kernel has told
    /// nobody else.
    pub fn pass_arrival_on(&self) {
        self.shared.workers.broadcast(|| Command::Admit);
    }

    /// How many milliseconds a wait may take; `None`: until something happens.
    pub fn patience(&self) -> Option<u64> {
        let due = [self.sessions.next_due(), self.gates.next_retry()].into_iter().flatten().min()?;
        Some(due.0.saturating_sub(Tick::now().0))
    }

    /// Whether it has nothing left to do for ever.
    pub fn finished(&self) -> bool {
        match self.life {
            Life::Serving | Life::Paused => false,
            Life::Leaving => {
                self.sessions.is_empty()
                    && self.comes_nobody()
                    && self.accepting_workers.load(Ordering::Acquire) == 0
                    && self.mailbox.is_empty()
            }
            Life::Stopped => true,
        }
    }

    /// Whether no client of it is still in its handshake.
    fn comes_nobody(&self) -> bool {
        self.snapshot.process.load.get(self.index).is_none_or(|load| load.now() == 0)
    }

    /// Does what the mailbox says.
    pub fn commands(&mut self, engine: &mut impl Engine) {
        let mut letters = std::mem::take(&mut self.letters);
        self.mailbox.take(&mut letters);
        for command in letters.drain(..) {
            self.obey(command, engine);
            // Before the next one: a slot must not get a new occupant while reports of the old one stand.
            self.deliver(engine);
        }
        self.letters = letters;
    }

    fn obey(&mut self, command: Command, engine: &mut impl Engine) {
        match command {
            Command::Refresh => self.refresh(engine),
            Command::Reconsider => {
                assign::wake_all(&self.snapshot, &self.shared.workers);
                let waiting = self.sessions.slots(Session::awaits_change);
                self.tell(&waiting, Event::Reconsider, engine);
            }
            Command::Granted(token, server) => match self.sessions.find(token) {
                Some(slot) => self.handle(slot, Event::Granted(server), engine),
                None => assign::pass_on(&self.snapshot, server, &self.shared.workers),
            },
            Command::Cut(server, reason) => {
                let served =
                    if reason.delivers_replies() { self.clients_of(server) } else { self.served_by(server) };
                self.tell(&served, Event::Cut(reason), engine);
            }
            Command::Freeze(server) => {
                let served = self.clients_of(server);
                self.tell(&served, Event::Freeze, engine);
            }
            Command::Withhold(server) => {
                let served = self.clients_of(server);
                self.tell(&served, Event::Withhold, engine);
            }
            Command::Thaw(server) => {
                let served = self.clients_of(server);
                self.tell(&served, Event::Thaw, engine);
            }
            Command::CutSession(token, reason) => {
                let found: Vec<Slot> = self.sessions.find(token).into_iter().collect();
                self.tell(&found, Event::Cut(reason), engine);
            }
            Command::CutNamed(target, reason) => {
                let served = self.sessions.slots(|session| session.is_served_by(&target));
                self.tell(&served, Event::Cut(reason), engine);
            }
            Command::Survey(survey) => survey.answer(self.sessions.describe(self.now)),
            Command::Adopt(accepted) => self.adopt(accepted, engine),
            Command::Dialed(dialed) => self.dialed(dialed, engine),
            Command::Admit => self.look_for_clients(engine),
            Command::Share => self.watch_anew(engine),
            Command::Pause => self.pause(engine),
            Command::Resume => self.resume(engine),
            Command::SoftStop => {
                self.snapshot = self.shared.published.load_full();
                self.gates.close(engine);
                self.accepting = None;
                self.life = Life::Leaving;
            }
            Command::Stop => {
                self.gates.close(engine);
                let all = self.sessions.slots(|_| true);
                // Who outlives a soft stop for too long is killed, and that has a line.
                if self.life == Life::Leaving {
                    self.tell(&all, Event::Cut(CutReason::Admin), engine);
                }
                self.tell(&all, Event::Stop, engine);
                self.deliver(engine);
                self.life = Life::Stopped;
            }
        }
    }

    /// A scan, not an index by server: a cut comes once a failover, and a thousand sessions are read in
    /// microseconds, while an index would cost every connection its entry and its removal.
    fn served_by(&self, server: ServerKey) -> Vec<Slot> {
        self.sessions.slots(|session| session.server() == Some(server))
    }

    /// Who reached it as a server that tracks it is a client of it none the less, and so is who reached it in a backend
    /// that a reload took away ([`crate::state::left`]).
    fn clients_of(&self, server: ServerKey) -> Vec<Slot> {
        self.sessions.slots(|session| session.is_client_of(server))
    }

    fn tell(&mut self, slots: &[Slot], event: Event, engine: &mut impl Engine) {
        for slot in slots {
            self.handle(*slot, event, engine);
        }
    }

    pub(super) fn refresh(&mut self, engine: &mut impl Engine) {
        self.snapshot = self.shared.published.load_full();
        self.take_listeners(engine);
        let all = self.sessions.slots(|_| true);
        self.tell(&all, Event::Refreshed, engine);
    }

    /// `cpu-map`; what it says of cores that are not there is passed over, as in HAProxy.
    fn keep_to_its_cores(&self) -> io::Result<()> {
        let map = &self.snapshot.config.global.cpu_map;
        map.get(&(self.index + 1)).map_or(Ok(()), |cores| affinity::keep_to(cores))
    }

    fn pause(&mut self, engine: &mut impl Engine) {
        if self.life == Life::Serving {
            self.life = Life::Paused;
            self.gates.close(engine);
        }
    }

    fn resume(&mut self, engine: &mut impl Engine) {
        if self.life == Life::Paused {
            self.life = Life::Serving;
            self.take_listeners(engine);
        }
    }
}
