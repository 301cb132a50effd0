//! From a seat to a connection: attempts, retries and redispatches.
//!
//! `retries` attempts follow the first one. The same server is tried again at once after a timeout, for
//! want of local resources, or where there is no such way at all, and after a pause of at most a second when it
//! refused: it would most likely refuse again. A SOCKS4 proxy on the way that does not connect is a server that
//! refuses. With `option redispatch` another server is chosen instead
//!
//! * at the very first failure, if the algorithm is not a hash and there is another active server: the session
//!   does not care which one it gets;
//! * if the server went down meanwhile;
//! * otherwise at the retries that the option names: the last one unless told otherwise.
//!
//! In a backend whose servers have to prove their role a pause does not outlast its reason: it ends when the
//! server that refused is given up, or when another one is named master.
//!
//! A server that refused because it is no longer master or no longer proven costs no retry: that is found out
//! after the connect and before the first byte (see `state::master`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::super::assign::{Pool, Seat};
use super::super::contract::{ConnectError, ConnectSpec, Op, SecuredSpec, Target};
use super::timers::after;
use super::{Context, NONE, Session, Silence, Stage, millis};
use crate::config::model::{
    Backend, Balance, Impersonated, Redispatch, Server, ServerAddress, ServerPort, ServerTls,
};
use crate::state::{Cause, Operation, Phase, Termination};
use crate::sys::connect::Source;
use crate::tls::connector;

/// Longest pause before a server that refused is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    Refused,
    TimedOut,
    /// Not the server's fault.
    Resources,
    /// It cannot be reached like this at all.
    NoWay,
}

impl From<ConnectError> for Failed {
    fn from(error: ConnectError) -> Failed {
        match error {
            ConnectError::Refused | ConnectError::Unreachable | ConnectError::Other => Failed::Refused,
            ConnectError::Resources => Failed::Resources,
            ConnectError::NoWay => Failed::NoWay,
        }
    }
}

impl Failed {
    fn termination(self) -> Termination {
        let cause = match self {
            Failed::Refused | Failed::NoWay => Cause::ServerAbort,
            Failed::TimedOut => Cause::ServerTimeout,
            Failed::Resources => Cause::Resource,
        };
        Termination::new(cause, Phase::Connect)
    }
}

impl Session {
    /// A seat was found: counts it and connects.
    pub(super) fn connect(&mut self, seat: Seat, context: &Context<'_>, ops: &mut Vec<Op>) {
        self.wait = millis(context.now.since(self.accepted));
        let server = seat.server();
        let previous = self.server.replace(server.clone());
        let same = previous.as_ref().is_some_and(|previous| previous.key == server.key);
        if let Some(membership) = &self.backend {
            let backend = &membership.live.traffic;
            // Who is called from the line has a place, and was not given it by the algorithm.
            if !same && !seat.is_called() {
                backend.chosen.add(1);
                server.traffic.chosen.add(1);
            }
            match previous.filter(|_| self.failed) {
                Some(previous) if same => {
                    backend.retries.add(1);
                    previous.traffic.retries.add(1);
                }
                Some(previous) => {
                    self.redispatched = true;
                    backend.redispatches.add(1);
                    previous.traffic.redispatches.add(1);
                }
                None => {}
            }
        }
        self.seat = Some(seat);
        self.failed = false;
        self.attempt(context, ops);
    }

    /// One attempt at the server whose seat it has.
    fn attempt(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let (Some(pool), Some(seat)) = (self.pool(context), &self.seat) else {
            return self.end(Failed::Refused.termination(), context, ops);
        };
        let live = seat.server();
        let server = pool.view().position(live.key).map(|at| &pool.backend().servers[at]);
        let spec = server.and_then(|server| {
            Some(ConnectSpec {
                server: live.key,
                target: target(server, (self.destination(), self.port))?,
                socks4: server.socks4,
                source: leaves_from(server, self.client),
                keepalive: pool.backend().keepalive,
                user_timeout: server.tcp_ut,
                announce: server.send_proxy.map(|form| self.announce(form, context)),
                secured: server.tls.as_ref().map(|tls| self.secured_spec(tls)),
            })
        });
        // Removed by a reload while this session paused, or without an address for now.
        let Some(spec) = spec else { return self.connect_failed(Failed::Refused, context, ops) };
        if let (Some(ruling), Target::Tcp(address)) = (&mut self.ruling, &spec.target) {
            ruling.server_target = Some(*address);
        }
        live.traffic.connects.add(1);
        live.traffic.total.add(1);
        live.traffic.rate.hit(context.now);
        let last = context.now.0 + 1;
        live.traffic.last_session.store(last, Relaxed);
        let backend = &pool.view().live.traffic;
        backend.connects.add(1);
        backend.last_session.store(last, Relaxed);
        self.stage = Stage::Connecting { until: after(context.now, pool.backend().timeout_connect) };
        if self.silence != Silence::TooLong {
            self.mind_silence();
        }
        ops.push(Op::Connect(Box::new(spec)));
    }

    fn secured_spec(&self, tls: &Arc<ServerTls>) -> SecuredSpec {
        let client = self.tls.as_ref().and_then(|facts| facts.sni.as_deref());
        SecuredSpec { settings: Arc::clone(tls), sni: connector::asked(tls, client).map(str::to_owned) }
    }

    /// The connection stands; the last look before bytes may go there.
    pub(super) fn connected(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let (Stage::Connecting { .. }, Some(seat)) = (self.stage, &self.seat) else { return };
        seat.server().connect_succeeded();
        let pool = self.pool(context);
        if pool.is_some_and(|pool| !pool.admits(seat.server())) {
            return self.assign_anew(context, ops);
        }
        if let Some(view) = pool.map(|pool| pool.view()).filter(|view| view.in_force().is_guarded()) {
            view.live.failovers.note_client(context.now);
        }
        if self.seat.as_mut().is_some_and(Seat::arrive) {
            self.wake(context);
        }
        self.connect = millis(context.now.since(self.accepted)).saturating_sub(self.wait);
        self.last = context.now;
        self.stage = Stage::Relaying;
        self.set_limits(context);
        if !self.begin_hearing(context, ops) {
            return;
        }
        self.ask_for_splicing(context, ops);
        ops.push(Op::Relay);
        self.log_at_connect(context, ops);
    }

    /// Leaves the server it was about to use, which costs no retry, and looks for another.
    pub(super) fn assign_anew(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        ops.push(Op::DropServer);
        self.leave_server(context);
        self.server = None;
        self.failed = false;
        self.assign(context, ops);
    }

    pub(super) fn connect_timed_out(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        ops.push(Op::DropServer);
        self.connect_failed(Failed::TimedOut, context, ops);
    }

    /// An attempt failed: again here, elsewhere, or not at all.
    pub(super) fn connect_failed(&mut self, how: Failed, context: &Context<'_>, ops: &mut Vec<Op>) {
        let attempting = matches!(self.stage, Stage::Connecting { .. } | Stage::Pausing { .. } | Stage::New);
        let (true, Some(seat)) = (attempting, &self.seat) else { return };
        let live = seat.server().clone();
        let pool = self.pool(context);
        if how != Failed::Resources {
            live.connect_failed(pool.and_then(|pool| pool.observed(live.key)));
        }
        let Some(pool) = pool.filter(|pool| self.retries < pool.backend().retries) else {
            live.traffic.connect_errors.add(1);
            return self.refuse(self.blamed(how.termination()), context, ops);
        };
        if self.left {
            live.traffic.connect_errors.add(1);
            return self.aborted_early(context, ops);
        }
        self.retries += 1;
        let elsewhere = redispatches(&pool, self.retries, live.operation());
        // A pause is for a server that will be tried again, not for another one.
        let another = elsewhere && pool.active() > 1;
        let pause = how == Failed::Refused && !another;
        if elsewhere {
            self.leave_server(context);
            self.failed = true;
        } else {
            live.traffic.retries.add(1);
            pool.view().live.traffic.retries.add(1);
        }
        match (pause, elsewhere) {
            (true, _) => {
                let pause = pool.backend().timeout_connect.map_or(PAUSE, |time| time.min(PAUSE));
                self.stage = Stage::Pausing { until: context.now + pause };
                self.mind_silence_in_pause(context);
                // It may have been given up while the attempt was on its way.
                self.reconsider_pause(context, ops);
            }
            (false, true) => self.assign(context, ops),
            (false, false) => self.attempt(context, ops),
        }
    }

    /// The pause is over: the same server if it still has its seat and its role, else another one.
    pub(super) fn pause_over(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let admitted = |seat: &Seat| self.pool(context).is_none_or(|pool| pool.admits(seat.server()));
        match self.seat.as_ref().map(admitted) {
            Some(true) => self.attempt(context, ops),
            Some(false) => self.assign_anew(context, ops),
            None => self.assign(context, ops),
        }
    }

    /// Servers or the master changed while it pauses. Where a master is awaited and not just any server, the
    /// pause ends with what it was for: when the server that refused gets no clients any more, it waits for
    /// the next master like everybody else; when another one gets them, it goes there.
    pub(super) fn reconsider_pause(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Some(pool) = self.pool(context).filter(|pool| pool.view().in_force().needs_proof()) else {
            return;
        };
        let still_there = self.server.as_ref().is_some_and(|server| pool.usable_server(server.key));
        // Only the one that refused is there: the pause is for it.
        if still_there && (self.seat.is_some() || pool.active() <= 1) {
            return;
        }
        self.leave_server(context);
        self.failed = true;
        self.assign(context, ops);
    }

    /// Whether a server was ever reached.
    pub(super) fn was_connected(&self) -> bool {
        self.connect != NONE
    }
}

/// Whether the retry of that number (from 1) goes to another server.
fn redispatches(pool: &Pool<'_>, retry: u32, operation: Operation) -> bool {
    let backend = pool.backend();
    if backend.redispatch == Redispatch::Off {
        return false;
    }
    if matches!(operation, Operation::Stopped | Operation::Starting) {
        return true;
    }
    if is_indifferent(backend.balance) && pool.active() > 1 {
        return true;
    }
    let period = redispatch_period(backend);
    period == 0 || retry.is_multiple_of(period)
}

/// Every how many retries another server is chosen.
fn redispatch_period(backend: &Backend) -> u32 {
    match backend.redispatch {
        Redispatch::Off | Redispatch::Uncounted => NONE,
        Redispatch::EveryNth(n) => n,
        Redispatch::LastRetry => backend.retries,
        Redispatch::FromLast(n) => (backend.retries + 1).saturating_sub(n),
    }
}

/// Whether one server is as good as another to the algorithm.
fn is_indifferent(balance: Balance) -> bool {
    !matches!(balance, Balance::Source(_) | Balance::Hash(_))
}

/// Where the connection comes from; whom nobody can be taken for, as a client of a unix socket, stays out of it.
fn leaves_from(server: &Server, client: Option<SocketAddr>) -> Source {
    let leaves = &server.leaves;
    let foreign = match leaves.as_if_from {
        None => None,
        Some(Impersonated::Client) => client,
        Some(Impersonated::ClientIp) => client.map(|client| (client.ip(), 0).into()),
        Some(Impersonated::Address(address)) => Some(address),
    };
    Source { address: server.source, ports: leaves.ports, interface: leaves.interface.clone(), foreign }
}

/// Where the server listens; a port of its own, or the client's and an offset. A server without an address
/// (`0.0.0.0`) is wherever the client came to.
fn target(server: &Server, (destination, client_port): (Option<SocketAddr>, u16)) -> Option<Target> {
    match server.address.as_ref()? {
        ServerAddress::Unix(path) => Some(Target::Unix(path.clone())),
        ServerAddress::Abstract(name) => Some(Target::Abstract(name.clone())),
        ServerAddress::Ip { ip, port } => {
            let port = match port {
                ServerPort::Fixed(port) => *port,
                ServerPort::Mapped(offset) => u16::try_from(i32::from(client_port) + offset).ok()?,
            };
            let ip = destination.filter(|_| ip.is_unspecified()).map_or(*ip, |destination| destination.ip());
            Some(Target::Tcp((ip, port).into()))
        }
    }
}
