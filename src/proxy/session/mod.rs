//! The life of a session, without a socket: events in, operations out ([`super::contract`]).
//!
//! ```text
//!  start -> [waiting] -> connecting <-> pausing -> relaying -> (both sides closed) -> over
//!              ^  place or master   | failed: retry, redispatch      | cut: draining -> lingering -> over
//!              '--------------------'                                | server's RST: resetting -> over
//! ```
//!
//! | in stage | event | operations | then |
//! |---|---|---|---|
//! | new | `start` | `Serve` (stats), `Connect`, or none | connecting or waiting; no server at all: over |
//! | greeting | `Timer` | `Peek`; then `Take` and as new, or `End` | a PROXY header: [`greeting`] |
//! | waiting, pausing, connecting, rules wait | `Timer`, the client's time is over | `Peek` | as before, or over: [`silence`] |
//! | waiting | `Granted` | `Connect` | connecting |
//! | waiting | `Timer` | `End` | over: `sQ`; `SC` if no server is waited for any more |
//! | connecting | `Connected` | `Relay` | relaying; `DropServer` and assigned anew if the server lost its role, or was frozen, meanwhile |
//! | connecting | `ConnectFailed`, `Timer` | `DropServer`, `Connect` | the rule of [`connecting`]: same server at once or after a pause, another one, or over |
//! | connecting, pausing | `Cut` | `DropServer` | assigned anew: it waits for the new master |
//! | pausing | `Reconsider`, roles being checked | `DropServer` | assigned anew, once the server that refused is given up or frozen |
//! | relaying | `Received` | none: two additions and a time stamp | |
//! | relaying | `Eof` of one side | `Shutdown` of the other | relaying; over when both have come |
//! | relaying | `Timer`, one side was silent for too long | `Discard` of it, `Shutdown` of the other | relaying; over: `cD`, `sD` when that one has ended too |
//! | relaying | `Failed(Client)` | `Close(Server, Reset)`, `End` | over: `CD` |
//! | relaying | `Failed(Server)` | `DropServer`, `Discard(Client)`, `ReportQuiet` | resetting |
//! | relaying | `Timer`, rules wait for the server | `Overhear` | relaying; `Resume(Server)`, or over: [`hearing`] |
//! | relaying | `Freeze`, `Thaw` | `Pause(Client)`, `Resume(Client)` | relaying; frozen in between: [`freezing`] |
//! | frozen | `Withhold` | `Pause(Server)` | replies wait, too, for the thaw; a cut throws them away |
//! | resetting | `Quiet`, `Timer` | `Close(Client, Reset)`, `End` | over: `SD` |
//! | relaying | `Cut`, replies to be delivered | `Discard(Client)`, `ReportQuiet` | draining |
//! | draining | `Quiet`, `Timer`, server's end | `DropServer`, `Shutdown(Client)`, `ReportQuiet` | lingering |
//! | lingering | client's FIN or end, `Timer` | `End` | over: `D-` |
//! | any | client gone | `End` | over: `CD` |
//!
//! What a session owns of the counted things, it owns as values that count down when dropped: its
//! [`Admission`] (process, frontend, held), its membership in a backend, its [`Seat`] at a server. So each is
//! left once, in whatever order events come; only the calling of those who wait for the seat has to be done by
//! hand, in [`Session::leave_server`].
//!
//! Positions in the config are cached together with the snapshot's generation and found again by identity
//! when that changes. A session whose frontend or backend a reload has removed goes on with the timeouts it
//! had.

mod acting;
mod assigning;
mod connecting;
mod cutting;
mod describe;
mod finish;
mod freezing;
#[cfg(test)]
mod freezing_tests;
mod greeting;
mod hearing;
mod knowing;
mod membership;
#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod property;
mod relaying;
mod ruling;
mod silence;
mod splicing;
#[cfg(test)]
mod tests;
mod timers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::assign::{self, Pool, Seat};
use super::contract::{Event, Op, Side};
use crate::config::model::{BackendId, Frontend, FrontendId};
use crate::proxy_protocol::Announced;
use crate::state::{
    Admission, BackendLive, BackendView, FrontendLive, Notes, ServerKey, ServerLive, SessionToken, Snapshot,
    Termination, Workers,
};
use crate::time::Tick;
use crate::tls::Facts;
use freezing::Frozen;
pub use greeting::Refusal;
use membership::Membership;
use ruling::Ruling;
use silence::Silence;

/// Where a session came from.
#[derive(Debug, Clone)]
pub struct SessionOrigin {
    pub token: SessionToken,
    /// Position in the context's snapshot.
    pub frontend: FrontendId,
    /// Position of the listener among the frontend's.
    pub bind: usize,
    /// Where it came to, if rules ask for it.
    pub destination: Option<SocketAddr>,
    /// The port it came to, 0 for unix sockets.
    pub port: u16,
    /// `None` for unix sockets.
    pub client: Option<SocketAddr>,
    pub accepted: Tick,
    /// The same moment on the wall clock, for the log.
    pub accepted_at: SystemTime,
    /// Its PROXY header, if that has been taken off already.
    pub announced: Option<Announced>,
    /// What its handshake told, if it speaks TLS.
    pub tls: Option<Arc<Facts>>,
}

/// What is true while a session handles an event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub snapshot: &'a Snapshot,
    pub now: Tick,
    pub workers: &'a Workers,
}

/// Who serves a client that the worker hands over by [`Op::Serve`], and what is known of it.
#[derive(Debug)]
pub struct Service {
    pub frontend: Arc<FrontendLive>,
    /// The `mode http` backend that it led to, if it was not the frontend itself.
    pub backend: Option<Arc<BackendLive>>,
    /// What rules have kept.
    pub notes: Notes,
    /// Where it came to, if that was asked, and by which of the frontend's listeners.
    pub destination: Option<SocketAddr>,
    pub bind: Option<usize>,
    /// What its handshake told, if it speaks TLS.
    pub tls: Option<Arc<Facts>>,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    /// A PROXY header is awaited, at most `until`; looked for again at `look`, `pause` milliseconds after the
    /// last look.
    Greeting {
        until: Tick,
        look: Tick,
        pause: u16,
    },
    /// Rules wait for what the client says, at most `until`; it is looked at again at `look`.
    Inspecting {
        until: Tick,
        look: Tick,
        /// Milliseconds between the last look and that one.
        pause: u16,
    },
    /// In the backend's queue. `until` is looked at again whenever servers change.
    Waiting {
        since: Tick,
        until: Tick,
        ticket: u32,
        pinned: bool,
    },
    Connecting {
        until: Tick,
    },
    /// Between two attempts; at the same server if it still has its seat.
    Pausing {
        until: Tick,
    },
    Relaying,
    /// Cut: replies still go out. `left` is what remained in milliseconds when the client stopped taking.
    Draining {
        until: Tick,
        left: u32,
    },
    /// Cut: everything went out; the client has been told by FIN. `None` until it has acknowledged all that.
    Lingering {
        until: Option<Tick>,
    },
    /// The server is gone; the client is reset as soon as it has everything.
    Resetting,
    Over,
}

/// No deadline.
const NEVER: Tick = Tick(u64::MAX);
/// A time in milliseconds that is not there.
const NONE: u32 = u32::MAX;
/// A position that a reload has removed.
const GONE: u32 = u32::MAX;

/// See the module. Kept small: an idle connection costs this much.
#[derive(Debug)]
pub struct Session {
    token: SessionToken,
    client: Option<SocketAddr>,
    accepted: Tick,
    accepted_at: SystemTime,
    tls: Option<Arc<Facts>>,
    admission: Admission,
    backend: Option<Membership>,
    seat: Option<Seat>,
    /// The server tried last, or waited for; for names and counters.
    server: Option<Arc<ServerLive>>,
    /// `None` where no rule has to be evaluated, and the socket itself knows where the client came to.
    ruling: Option<Box<Ruling>>,
    /// Generation of the snapshot in which the positions hold.
    generation: u64,
    frontend_at: u32,
    backend_at: u32,
    stage: Stage,
    /// From the client, from the server; and what of it the counters know already.
    bytes: [u64; 2],
    flushed: [u64; 2],
    /// The last activity.
    last: Tick,
    /// How long each side may be idle, in milliseconds; `NONE`: for ever.
    limits: [u32; 2],
    silence: Silence,
    /// Milliseconds until a server was assigned, and from there until it answered.
    wait: u32,
    connect: u32,
    retries: u32,
    /// Positions in the queue of a server and of the backend, for the log.
    server_queue: u32,
    backend_queue: u32,
    /// The port the client came to, for servers without one of their own.
    port: u16,
    termination: Termination,
    /// What has broken one half of it, while the other goes on; [`Termination::NORMAL`] if nothing has.
    broken: Termination,
    eof: [bool; 2],
    blocked: [bool; 2],
    /// While it relays: nothing goes from the client to the server, and no timer runs.
    frozen: Frozen,
    redispatched: bool,
    /// The server tried last has failed: another one is preferred.
    failed: bool,
    /// The client closed before it had a server, and had said nothing.
    left: bool,
    /// Its log line is written at the connect.
    logged: bool,
}

impl Session {
    /// A session that has just been accepted (or adopted); [`Session::start`] comes next.
    pub fn new(origin: SessionOrigin, admission: Admission, context: &Context<'_>) -> Session {
        let frontend = context.snapshot.config.frontends.get(origin.frontend.0);
        let ruled = frontend.is_some_and(|frontend| frontend.rules.needed) || origin.tls.is_some();
        let ruling = ruled.then(|| Ruling::new(&origin, context.now));
        Session {
            token: origin.token,
            client: origin.client,
            accepted: origin.accepted,
            accepted_at: origin.accepted_at,
            tls: origin.tls,
            admission,
            backend: None,
            seat: None,
            server: None,
            ruling,
            generation: context.snapshot.generation,
            frontend_at: origin.frontend.0 as u32,
            backend_at: GONE,
            stage: Stage::New,
            bytes: [0; 2],
            flushed: [0; 2],
            last: origin.accepted,
            limits: [NONE; 2],
            silence: Silence::Excused,
            wait: NONE,
            connect: NONE,
            retries: 0,
            server_queue: 0,
            backend_queue: 0,
            port: origin.port,
            termination: Termination::NORMAL,
            broken: Termination::NORMAL,
            eof: [false; 2],
            blocked: [false; 2],
            frozen: Frozen::No,
            redispatched: false,
            failed: false,
            left: false,
            logged: false,
        }
    }

    /// Takes one event; appends what the driver has to do, in order.
    #[inline]
    pub fn handle(&mut self, event: Event, context: &Context<'_>, ops: &mut Vec<Op>) {
        if let Event::Received(side, bytes) = event {
            self.bytes[index(side)] += bytes;
            self.last = context.now;
            return;
        }
        self.react(event, context, ops);
    }

    #[inline(never)]
    fn react(&mut self, event: Event, context: &Context<'_>, ops: &mut Vec<Op>) {
        self.look_up(context);
        match event {
            _ if self.stage == Stage::Over => {
                if let Event::Granted(server) = event {
                    assign::pass_on(context.snapshot, server, context.workers);
                }
            }
            Event::Received(..) => {}
            Event::Connected => self.connected(context, ops),
            Event::ConnectFailed(error) => self.connect_failed(error.into(), context, ops),
            Event::Eof(side) => self.ended(side, context, ops),
            Event::LeftUnserved => self.left_unserved(context, ops),
            Event::Failed(Side::Client, _) => self.client_failed(context, ops),
            Event::Failed(Side::Server, _) => self.server_failed(context, ops),
            Event::Blocked(side) => self.blocked(side, true, context.now),
            Event::Flowing(side) => self.blocked(side, false, context.now),
            Event::Quiet => self.quiet(context, ops),
            Event::Taken => self.last = context.now,
            Event::Timer => self.timer(context, ops),
            Event::Granted(server) => self.granted(server, context, ops),
            Event::Reconsider => self.reconsider(context, ops),
            Event::Refreshed => {
                self.thaw_if_forgotten(context, ops);
                self.reconsider(context, ops);
            }
            Event::Freeze => self.freeze(context, ops),
            Event::Withhold => self.withhold(ops),
            Event::Thaw => self.thaw(context, ops),
            Event::Cut(reason) => self.cut(reason, context, ops),
            Event::Stop => self.stop(context, ops),
        }
    }

    /// Who the client is; `None` for unix sockets.
    pub fn client(&self) -> Option<SocketAddr> {
        self.client
    }

    /// The server whose place it holds: the one it is connecting or connected to. [`Event::Cut`] is for
    /// the sessions that have it here.
    pub fn server(&self) -> Option<ServerKey> {
        self.seat.as_ref().map(|seat| seat.server().key)
    }

    /// Whether it holds a place at that server, or at one that tracks it.
    pub fn is_client_of(&self, server: ServerKey) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.server().reaches(server))
    }

    /// Whether it stands in a queue.
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// Whether it may go on as soon as servers or the master change: [`Event::Reconsider`] is for these.
    pub fn awaits_change(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. } | Stage::Pausing { .. })
    }

    /// After [`Op::Serve`]: who serves.
    pub fn service(&mut self) -> Service {
        let ruling = self.ruling.take();
        Service {
            frontend: Arc::clone(self.admission.frontend()),
            backend: self.backend.as_ref().map(|membership| Arc::clone(&membership.live)),
            destination: ruling.as_ref().and_then(|ruling| ruling.destination),
            bind: ruling.as_ref().map(|ruling| ruling.bind),
            notes: ruling.map(|ruling| ruling.into_notes()).unwrap_or_default(),
            tls: self.tls.clone(),
        }
    }

    /// After [`Op::Serve`]: the right to be connected, which the service keeps as long as the connection.
    pub fn into_admission(self) -> Admission {
        self.admission
    }

    /// Finds the positions again if the snapshot is another one.
    fn look_up(&mut self, context: &Context<'_>) {
        let snapshot = context.snapshot;
        if self.generation == snapshot.generation {
            return;
        }
        self.generation = snapshot.generation;
        let frontend = self.admission.frontend();
        let at = snapshot.frontends.iter().position(|live| Arc::ptr_eq(live, frontend));
        self.frontend_at = at.map_or(GONE, |at| at as u32);
        if let Some(Membership { live: own, .. }) = &self.backend {
            let at = snapshot.backends.iter().position(|view| Arc::ptr_eq(&view.live, own));
            self.backend_at = at.map_or(GONE, |at| at as u32);
        }
        self.set_limits(context);
    }

    fn frontend<'a>(&self, context: &Context<'a>) -> Option<&'a Frontend> {
        context.snapshot.config.frontends.get(self.frontend_at as usize)
    }

    fn pool<'a>(&self, context: &Context<'a>) -> Option<Pool<'a>> {
        Pool::of(context.snapshot, BackendId(self.backend_at as usize))
    }

    /// In a backend that a reload took away: whether the guard of another one, which has the same server, froze that
    /// and will thaw it.
    fn is_frozen_elsewhere(&self, context: &Context<'_>) -> bool {
        let leader = self.seat.as_ref().and_then(|seat| seat.server().leader());
        leader.is_some_and(|leader| {
            let is_there = |view: &BackendView| view.position(leader.server.key).is_some();
            leader.server.is_frozen() && context.snapshot.backends.iter().any(is_there)
        })
    }

    /// Gives the seat up, if it has one, and calls whoever waits for it.
    fn leave_server(&mut self, context: &Context<'_>) {
        if self.seat.take().is_some() {
            assign::wake(context.snapshot, BackendId(self.backend_at as usize), context.workers);
        }
    }
}

fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

/// Milliseconds, for the small fields.
fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(NONE).min(NONE - 1)
}
