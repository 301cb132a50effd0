//! The life of a session, without a socket: events in, operations out.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::contract::{Event, Op, Side};
use crate::config::model::{BackendId, FrontendId};
use crate::state::{Admission, ServerKey, SessionRecord, SessionToken, Snapshot, Workers};
use crate::time::Tick;

/// Where a session came from.
#[derive(Debug, Clone)]
pub struct SessionOrigin {
    pub token: SessionToken,
    /// Position in the context's snapshot, as is `bind` in its frontend.
    pub frontend: FrontendId,
    pub bind: usize,
    /// `None` for unix sockets.
    pub client: Option<SocketAddr>,
    pub accepted: Tick,
    /// The same moment on the wall clock, for the log.
    pub accepted_at: SystemTime,
}

/// What is true while a session handles an event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub snapshot: &'a Snapshot,
    pub now: Tick,
    pub workers: &'a Workers,
}

/// Who serves a client that the worker hands over by [`Op::Serve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub frontend: FrontendId,
    /// The `mode http` backend that it led to, if it was not the frontend itself.
    pub backend: Option<BackendId>,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    origin: SessionOrigin,
    admission: Admission,
    bytes: [u64; 2],
    last: Tick,
}

impl Session {
    /// A session that has just been accepted (or adopted); [`Session::start`] comes next.
    pub fn new(origin: SessionOrigin, admission: Admission, context: &Context<'_>) -> Session {
        let _ = context;
        let last = origin.accepted;
        Session { origin, admission, bytes: [0; 2], last }
    }

    /// Chooses a backend and sets out.
    pub fn start(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let _ = context;
        ops.push(Op::End);
    }

    /// Takes one event; appends what the driver has to do, in order.
    #[inline]
    pub fn handle(&mut self, event: Event, context: &Context<'_>, ops: &mut Vec<Op>) {
        if let Event::Received(side, bytes) = event {
            self.bytes[(side == Side::Server) as usize] += bytes;
            self.last = context.now;
            return;
        }
        ops.push(Op::End);
    }

    /// When [`Event::Timer`] is due next; `None`: never.
    pub fn deadline(&self) -> Option<Tick> {
        None
    }

    /// The name by which messages find it.
    pub fn token(&self) -> SessionToken {
        self.origin.token
    }

    /// Who the client is; `None` for unix sockets.
    pub fn client(&self) -> Option<SocketAddr> {
        self.origin.client
    }

    /// The server whose place it holds: the one it is connecting or connected to. [`Event::Cut`] is for
    /// the sessions that have it here.
    pub fn server(&self) -> Option<ServerKey> {
        None
    }

    /// Whether it stands in a queue: [`Event::Reconsider`] is for these.
    pub fn is_waiting(&self) -> bool {
        false
    }

    /// Lets the byte counters of frontend, backend and server catch up; call it for every session about every
    /// five seconds. The end of a session does it too.
    pub fn flush(&mut self) {}

    /// After [`Op::Serve`]: who serves.
    pub fn service(&self) -> Service {
        Service { frontend: self.origin.frontend, backend: None }
    }

    /// After [`Op::Serve`]: the right to be connected, which the service keeps as long as the connection.
    pub fn into_admission(self) -> Admission {
        self.admission
    }

    /// What the log needs; asked for by [`Op::Log`].
    pub fn record(&self, context: &Context<'_>) -> SessionRecord {
        SessionRecord {
            config: context.snapshot.config.clone(),
            frontend_id: Some(self.origin.frontend),
            frontend: self.admission.frontend().clone(),
            backend: None,
            server: None,
            client: self.origin.client,
            accepted: self.origin.accepted_at,
            wait: None,
            connect: None,
            total: context.now.since(self.origin.accepted),
            bytes_in: self.bytes[0],
            bytes_out: self.bytes[1],
            termination: Default::default(),
            concurrency: Default::default(),
            retries: 0,
            redispatched: false,
            server_queue: 0,
            backend_queue: 0,
            as_soon_as_possible: false,
        }
    }
}
