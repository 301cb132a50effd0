//! What executes a session's operations on sockets.
//!
//! # Who does what
//!
//! | shared by all engines | an engine's own |
//! |---|---|
//! | sessions, their timers and counters ([`super::worker`]) | waiting: the thread's only blocking point |
//! | accepting, limits, spreading ([`super::listener`]) | which descriptors are watched, and how |
//! | commands from the mailbox | receive, send, connect, shutdown, close |
//! | whether a client has acknowledged everything | bytes that one side cannot take yet |
//!
//! An engine owns its loop, as an io_uring must not stand behind another wait: it waits, tells the worker
//! what became ready (`commands`, `accept`), moves bytes, and lets the worker deliver what it reports.
//!
//! | engine | waits in | a message costs |
//! |---|---|---|
//! | [`uring`] | `io_uring_enter` | a receive and a send inside of it, shared with all others of the round |
//! | [`epoll`] | `epoll_wait` | `recv`, `send`, and a share of the wait |
//!
//! Where a proxy asks for it both move bulk through pipes instead of memory ([`splice`], [`pipes`]).
//!
//! [`choice`] decides between them; one suite of tests holds for both (`tests/relay`).
//!
//! ```text
//! engine loop:  wait(worker.patience) -> worker.wake -> { worker.commands | worker.accept | move bytes }*
//!                                     -> worker.deliver(reports) -> session.handle -> ops -> engine.perform
//! ```

pub mod choice;
pub mod epoll;
mod greeting;
mod link;
mod pipes;
mod pump;
mod splice;
pub mod uring;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::contract::{ConnectSpec, Event, Op, Side, Target};
use crate::socks4;
use crate::state::Listener;
use crate::sys::connect::{self, Outgoing};
use crate::sys::unix;

pub(super) use link::connect_error;

/// Where a session stands in its worker, and in its engine.
pub type Slot = u32;

/// What an engine tells of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    Event(Event),
    /// After [`Engine::release`] said that something is still on its way: now it is not.
    Released,
}

/// What the worker asks of an engine. Nothing here calls back: what comes of it is reported later, by
/// [`Engine::next_report`].
pub trait Engine {
    /// Takes a client in. `turn` tells the slot's occupants apart.
    fn open(&mut self, slot: Slot, turn: u32, client: OwnedFd) -> io::Result<()>;

    /// Begins a connection to a server; it ends as `Connected` or `ConnectFailed`.
    fn connect(&mut self, slot: Slot, spec: &ConnectSpec);

    /// Takes in a connection to a server that stands already; nothing is reported of that.
    fn attach(&mut self, slot: Slot, server: OwnedFd) -> io::Result<()>;

    /// Executes an operation that concerns sockets: all but `Connect`, `ReportQuiet`, `Peek`, `Overhear`, `Hush`,
    /// `Take`, `Serve`, `Log`, `End`.
    fn perform(&mut self, slot: Slot, op: &Op);

    /// Bytes on their way to that side: those that wait here, and those its kernel has not acknowledged.
    fn outstanding(&self, slot: Slot, side: Side) -> usize;

    /// Whether bytes of the server's wait in the kernel for us to read them.
    fn is_behind(&self, slot: Slot) -> bool;

    /// A side's socket, to look at what it has said without taking it: the client's before [`Op::Relay`], and that of
    /// a server that is paused.
    fn socket(&self, slot: Slot, side: Side) -> Option<BorrowedFd<'_>>;

    /// The client's.
    fn client(&self, slot: Slot) -> Option<BorrowedFd<'_>> {
        self.socket(slot, Side::Client)
    }

    /// The server's.
    fn server(&self, slot: Slot) -> Option<BorrowedFd<'_>> {
        self.socket(slot, Side::Server)
    }

    /// Gives the client's socket out and forgets the slot.
    fn surrender(&mut self, slot: Slot) -> Option<OwnedFd>;

    /// Closes what is open. [`Release::Pending`] if bytes still have to go out first; `Released` follows.
    fn release(&mut self, slot: Slot) -> Release;

    /// Closes at once what [`Engine::release`] left open.
    fn abandon(&mut self, slot: Slot);

    /// Tells `worker.accept(gate)` whenever somebody may wait at the listener.
    fn watch(&mut self, gate: usize, listener: &Arc<Listener>) -> io::Result<()>;

    /// Stops that.
    fn ignore(&mut self, gate: usize, listener: &Arc<Listener>);

    /// What has happened and was not yet told, in order.
    fn next_report(&mut self) -> Option<(Slot, Report)>;
}

/// Whether anything is left of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    Done,
    Pending,
}

/// Begins a connection to a server, or to the SOCKS4 proxy on the way to it.
pub(super) fn begin_connect(spec: &ConnectSpec) -> io::Result<OwnedFd> {
    match &spec.target {
        Target::Tcp(address) if spec.socks4.is_some() && !socks4::may_ask_for(*address) => {
            Err(Errno::EAFNOSUPPORT.into())
        }
        Target::Tcp(address) => {
            let how = Outgoing {
                source: spec.source.clone(),
                keepalive: spec.keepalive,
                user_timeout: spec.user_timeout,
            };
            connect::tcp(spec.socks4.unwrap_or(*address), &how)
        }
        Target::Unix(path) => connect::unix(&unix::path(path)?),
        Target::Abstract(name) => connect::unix(&unix::abstract_name(name)?),
    }
}
