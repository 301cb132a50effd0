//! A worker's sessions: where they stand, their timers, and the way of an event into one and of its
//! operations out to the engine.
//!
//! What no engine gets an event for is watched here, by a timer: whether a client's kernel has acknowledged
//! everything ([`Op::ReportQuiet`]). It is asked after 1, 2, 4 … 64 ms, and up to 1024 ms once it takes nothing
//! any more, while a session is being cut or its server's RST must not overtake the last reply.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use slab::Slab;

use super::contract::{Event, Op, Side};
use super::driver::{Engine, Release, Report, Slot};
use super::securing::{Dialling, gives_up};
use super::service::{Place, Served};
use super::session::{Context, Session, SessionOrigin};
use super::timers::Timers;
use super::worker::Worker;
use crate::config::model::FrontendId;
use crate::log::{ConnectRecord, policy};
use crate::state::{Accepted, SessionToken, SessionView};
use crate::sys::socket;
use crate::time::Tick;

/// How long leftovers of an ended session wait for a peer that takes nothing of them.
const LINGER: Duration = Duration::from_secs(1);
/// How often sessions add their bytes to the counters that pages show.
const FLUSH: Duration = Duration::from_secs(5);
/// The longest pauses between two looks at a client's unacknowledged bytes, in milliseconds: while it takes
/// some, and while it takes none.
const LONGEST_PAUSE: u64 = 64;
const LONGEST_STALL: u64 = 1024;
const NEVER: Tick = Tick(u64::MAX);

/// See the module.
#[derive(Debug)]
pub(super) struct Sessions {
    places: Slab<Occupant>,
    timers: Timers,
    next_turn: u32,
    /// When the counters catch up; means something while there are sessions.
    flush_at: Tick,
    /// Used again and again, so that no event allocates.
    ops: Vec<Op>,
    fired: Vec<Slot>,
    /// Room for what a client or a server has said; empty until a rule asks.
    pub(super) peeked: Vec<u8>,
    /// A session ended: somebody may wait for its place.
    place_freed: bool,
}

/// Who has a slot.
#[derive(Debug)]
struct Occupant {
    /// `None`: the session is over, leftovers go out.
    session: Option<Session>,
    turn: u32,
    /// When its timer stands.
    armed: Tick,
    server_gone: bool,
    /// Of an ended session: how much was on its way at the last look.
    leftover: usize,
    drain: Option<Box<Drain>>,
    /// A connection to a server that speaks TLS is being made.
    dialling: Option<Box<Dialling>>,
    /// How many of those there were.
    dials: u32,
}

/// `Op::ReportQuiet`
#[derive(Debug)]
struct Drain {
    silence: Duration,
    last_received: Tick,
    look_at: Tick,
    pause: u64,
    /// Bytes that were on their way to the client at the last look.
    outstanding: usize,
}

impl Sessions {
    pub(super) fn new(now: Tick) -> Sessions {
        Sessions {
            places: Slab::new(),
            timers: Timers::new(now),
            next_turn: 0,
            flush_at: NEVER,
            ops: Vec::new(),
            fired: Vec::new(),
            peeked: Vec::new(),
            place_freed: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Tells the session of that slot something, unless it is over.
    pub(super) fn with(&mut self, slot: Slot, tell: impl FnOnce(&mut Session, &mut Vec<Op>)) {
        let occupant = self.places.get_mut(slot as usize);
        if let Some(session) = occupant.and_then(|occupant| occupant.session.as_mut()) {
            tell(session, &mut self.ops);
        }
    }

    /// The sessions that match, by slot.
    pub(super) fn slots(&self, matches: impl Fn(&Session) -> bool) -> Vec<Slot> {
        let living =
            self.places.iter().filter(|(_, occupant)| occupant.session.as_ref().is_some_and(&matches));
        living.map(|(slot, _)| slot as Slot).collect()
    }

    /// All of them, for `show sess`.
    pub(super) fn describe(&self, now: Tick) -> Vec<SessionView> {
        let living = self.places.iter().filter_map(|(_, occupant)| occupant.session.as_ref());
        living.map(|session| session.describe(now)).collect()
    }

    /// Where that session stands, if it does.
    pub(super) fn find(&self, token: SessionToken) -> Option<Slot> {
        let occupant = self.places.get(token.slot as usize)?;
        (occupant.turn == token.turn && occupant.session.is_some()).then_some(token.slot)
    }

    /// When [`Worker::timers`] has something to do.
    pub(super) fn next_due(&self) -> Option<Tick> {
        let flush = (!self.places.is_empty()).then_some(self.flush_at);
        [self.timers.next(), flush].into_iter().flatten().min()
    }

    /// Names a new dial of a session.
    pub(super) fn next_dial(&mut self, slot: Slot, worker: usize) -> Option<(SessionToken, u32)> {
        let occupant = self.places.get_mut(slot as usize)?;
        occupant.dials = occupant.dials.wrapping_add(1);
        Some((SessionToken { worker, slot, turn: occupant.turn }, occupant.dials))
    }

    /// Keeps a dial until it is over or given up.
    pub(super) fn dials(&mut self, slot: Slot, dialling: Dialling) {
        if let Some(occupant) = self.places.get_mut(slot as usize) {
            occupant.dialling = Some(Box::new(dialling));
        }
    }

    /// Whether that dial is still waited for; it is not any more.
    pub(super) fn ends_dial(&mut self, slot: Slot, number: u32) -> bool {
        let Some(occupant) = self.places.get_mut(slot as usize) else { return false };
        occupant.dialling.take_if(|dialling| dialling.is(number)).is_some()
    }

    fn arm(&mut self, slot: Slot, due: Tick) {
        let Some(occupant) = self.places.get_mut(slot as usize) else { return };
        if due < occupant.armed {
            occupant.armed = due;
            self.timers.set(slot, due);
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.timers.clear(slot);
        self.places.try_remove(slot as usize);
        if self.places.is_empty() {
            self.places.shrink_to_fit();
        }
    }
}

impl Worker {
    /// Takes a connection in, whichever worker accepted it.
    pub(super) fn adopt(&mut self, mut accepted: Accepted, engine: &mut impl Engine) {
        if accepted.snapshot.generation != self.snapshot.generation {
            self.translate(&mut accepted, engine);
        }
        let birth = Arc::clone(&accepted.snapshot);
        let rules = &birth.config.frontends[accepted.frontend.0].rules;
        // Behind a handshake the kernel cannot be asked later.
        let wanted = rules.wants_destination || accepted.arrival.is_some();
        let destination = if wanted { local(&accepted) } else { None };
        let connect = connect_record(&accepted);
        let slot = self.sessions.places.vacant_key() as Slot;
        let turn = self.sessions.next_turn;
        self.sessions.next_turn = turn.wrapping_add(1);
        if engine.open(slot, turn, accepted.socket).is_err() {
            self.snapshot.process.accept_failures.add(1);
            self.leave_load();
            return;
        }
        let arrival = accepted.arrival;
        let origin = SessionOrigin {
            token: SessionToken { worker: self.index, slot, turn },
            frontend: accepted.frontend,
            bind: accepted.bind,
            destination,
            port: accepted.port,
            client: accepted.client,
            accepted: arrival.as_ref().map_or(self.now, |arrival| arrival.accepted),
            accepted_at: arrival.as_ref().map_or_else(SystemTime::now, |arrival| arrival.accepted_at),
            announced: arrival.as_ref().and_then(|arrival| arrival.announced),
            tls: arrival.map(|arrival| arrival.facts),
        };
        if self.sessions.places.is_empty() {
            self.sessions.flush_at = self.now + FLUSH;
        }
        let context = Context { snapshot: &birth, now: self.now, workers: &self.shared.workers };
        let mut session = Session::new(origin, accepted.admission, &context);
        session.start(&context, &mut self.sessions.ops);
        if let Some(connect) = connect.filter(|_| !session.was_turned_away() && !session.is_greeting()) {
            let local = session.destination().or(connect.local);
            (self.shared.connects)(ConnectRecord { client: session.client(), local, ..connect });
        }
        let occupant = Occupant {
            session: Some(session),
            turn,
            armed: NEVER,
            server_gone: false,
            leftover: 0,
            drain: None,
            dialling: None,
            dials: 0,
        };
        self.sessions.places.insert(occupant);
        self.perform(slot, engine);
        self.rearm(slot);
        if birth.generation != self.snapshot.generation {
            self.handle(slot, Event::Refreshed, engine);
        }
    }

    /// Accepted under another snapshot: the frontend is found again by its live half. If a reload has removed
    /// it in that moment, the session begins under the old snapshot, like those that began before.
    fn translate(&mut self, accepted: &mut Accepted, engine: &mut impl Engine) {
        if accepted.snapshot.generation > self.snapshot.generation {
            self.refresh(engine);
            self.deliver(engine);
        }
        let live = accepted.admission.frontend();
        if let Some(at) = self.snapshot.frontends.iter().position(|other| Arc::ptr_eq(other, live)) {
            accepted.frontend = FrontendId(at);
            accepted.snapshot = Arc::clone(&self.snapshot);
        }
    }

    fn leave_load(&mut self) {
        if let Some(load) = self.snapshot.process.load.get(self.index) {
            load.leave();
        }
        self.sessions.place_freed = true;
    }

    /// Delivers what the engine has to report, until there is nothing more; then gives places that became
    /// free to those who wait for one.
    pub fn deliver(&mut self, engine: &mut impl Engine) {
        loop {
            while let Some((slot, report)) = engine.next_report() {
                match report {
                    Report::Event(event) => self.handle(slot, event, engine),
                    Report::Released => self.sessions.remove(slot),
                }
            }
            if !std::mem::take(&mut self.sessions.place_freed) {
                return;
            }
            if self.gates.has_full() || self.snapshot.process.somebody_waits() {
                self.look_for_clients(engine);
            }
        }
    }

    /// One event into one session.
    pub(super) fn handle(&mut self, slot: Slot, event: Event, engine: &mut impl Engine) {
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        let Some(session) = &mut occupant.session else { return };
        let context = Context { snapshot: &self.snapshot, now: self.now, workers: &self.shared.workers };
        if let Event::Received(side, _) = event {
            if side == Side::Server
                && let Some(drain) = &mut occupant.drain
            {
                drain.last_received = self.now;
            }
            session.handle(event, &context, &mut self.sessions.ops);
            if !self.sessions.ops.is_empty() {
                self.perform(slot, engine);
                self.rearm(slot);
            }
            return;
        }
        occupant.server_gone |= matches!(event, Event::Eof(Side::Server) | Event::Failed(Side::Server, _));
        session.handle(event, &context, &mut self.sessions.ops);
        self.perform(slot, engine);
        self.rearm(slot);
    }

    /// Executes what a session asked for.
    pub(super) fn perform(&mut self, slot: Slot, engine: &mut impl Engine) {
        let mut ops = std::mem::take(&mut self.sessions.ops);
        let (mut peeks, mut overhears) = (false, false);
        for op in ops.drain(..) {
            if gives_up(&op)
                && let Some(occupant) = self.sessions.places.get_mut(slot as usize)
            {
                occupant.dialling = None;
            }
            match op {
                Op::Connect(mut spec) => {
                    self.complete(slot, &mut spec, engine);
                    self.connect(slot, &spec, engine);
                }
                Op::ReportQuiet(silence) => self.await_quiet(slot, silence),
                Op::Log => self.log(slot, engine),
                Op::Peek => peeks = true,
                Op::Overhear => overhears = true,
                Op::Hush => engine.client(slot).iter().for_each(socket::hush),
                Op::Mark(marking) => {
                    engine.client(slot).iter().for_each(|client| socket::mark(client, marking))
                }
                Op::Take(count) => self.take(slot, count, engine),
                Op::Serve => self.serve(slot, engine),
                Op::End => self.end(slot, engine),
                op => engine.perform(slot, &op),
            }
        }
        self.sessions.ops = ops;
        if peeks {
            self.peek(slot, engine);
        }
        if overhears {
            self.overhear(slot, engine);
        }
    }

    fn log(&mut self, slot: Slot, engine: &impl Engine) {
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        let Some(session) = &mut occupant.session else { return };
        let context = Context { snapshot: &self.snapshot, now: self.now, workers: &self.shared.workers };
        if session.wants_server_source(&context)
            && let Some(server) = engine.server(slot)
        {
            session.note_server_source(socket::local_address(&server));
        }
        let mut record = session.record(&context);
        if record.bytes_in == 0 && record.connect.is_none() {
            // Nothing is read before there is a server; HAProxy reads, and by it tells a probe from a client.
            record.bytes_in = engine.client(slot).map_or(0, |client| socket::waiting(&client));
        }
        (self.shared.records)(record);
    }

    fn serve(&mut self, slot: Slot, engine: &mut impl Engine) {
        let session =
            self.sessions.places.get_mut(slot as usize).and_then(|occupant| occupant.session.take());
        let (Some(mut session), Some(socket)) = (session, engine.surrender(slot)) else { return };
        let (service, client) = (session.service(), session.client());
        let place = Place::new(session.into_admission(), self.shared.workers.clone());
        // A control side that is gone has no use for clients: they are closed.
        let _ = self.shared.services.send(Served { socket, client, service, place });
        self.sessions.remove(slot);
        self.leave_load();
    }

    fn end(&mut self, slot: Slot, engine: &mut impl Engine) {
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        let Some(session) = occupant.session.take() else { return };
        self.shared.tell_refused(&session, &self.snapshot.config);
        occupant.drain = None;
        self.leave_load();
        match engine.release(slot) {
            Release::Done => self.sessions.remove(slot),
            Release::Pending => self.linger(slot, usize::MAX, engine),
        }
    }

    /// Waits on for leftovers of an ended session to go out, if some have since the last look.
    fn linger(&mut self, slot: Slot, before: usize, engine: &mut impl Engine) {
        let leftover = engine.outstanding(slot, Side::Client) + engine.outstanding(slot, Side::Server);
        if leftover >= before {
            engine.abandon(slot);
            return self.sessions.remove(slot);
        }
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        occupant.leftover = leftover;
        occupant.armed = NEVER;
        self.sessions.arm(slot, self.now + LINGER);
    }

    fn await_quiet(&mut self, slot: Slot, silence: Duration) {
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        let look_at = if occupant.server_gone { self.now } else { self.now + silence };
        occupant.drain =
            Some(Box::new(Drain { silence, last_received: self.now, look_at, pause: 1, outstanding: 0 }));
    }

    /// Sets the timer if the session, or its drain, is due before it stands.
    fn rearm(&mut self, slot: Slot) {
        let Some(occupant) = self.sessions.places.get(slot as usize) else { return };
        let Some(session) = &occupant.session else { return };
        let drain = occupant.drain.as_ref().map_or(NEVER, |drain| drain.look_at);
        let due = session.deadline().unwrap_or(NEVER).min(drain);
        self.sessions.arm(slot, due);
    }

    /// Everything whose moment has come.
    pub fn timers(&mut self, engine: &mut impl Engine) {
        if self.gates.next_retry().is_some_and(|due| due <= self.now) {
            self.look_for_clients(engine);
            self.deliver(engine);
        }
        if self.sessions.next_due().is_none_or(|due| due > self.now) {
            return;
        }
        let mut fired = std::mem::take(&mut self.sessions.fired);
        self.sessions.timers.advance(self.now, &mut fired);
        for slot in fired.drain(..) {
            self.timer(slot, engine);
            self.deliver(engine);
        }
        self.sessions.fired = fired;
        if self.sessions.flush_at <= self.now {
            self.sessions.flush_at = self.now + FLUSH;
            let living = self.sessions.places.iter_mut().filter_map(|(_, place)| place.session.as_mut());
            living.for_each(Session::flush);
        }
    }

    fn timer(&mut self, slot: Slot, engine: &mut impl Engine) {
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        // An earlier one of this round may have freed the slot, and another session taken and armed it.
        if occupant.armed > self.now {
            return;
        }
        occupant.armed = NEVER;
        let Some(session) = &occupant.session else {
            let before = occupant.leftover;
            return self.linger(slot, before, engine);
        };
        if session.deadline().is_some_and(|due| due <= self.now) {
            self.handle(slot, Event::Timer, engine);
        }
        self.look_at_drain(slot, engine);
        self.rearm(slot);
    }

    fn look_at_drain(&mut self, slot: Slot, engine: &mut impl Engine) {
        let Some(occupant) = self.sessions.places.get_mut(slot as usize) else { return };
        let Some(drain) = occupant.drain.as_mut().filter(|drain| drain.look_at <= self.now) else { return };
        let quiet_at = drain.last_received + drain.silence;
        if !occupant.server_gone && quiet_at > self.now {
            drain.look_at = quiet_at;
            return;
        }
        let outstanding = engine.outstanding(slot, Side::Client);
        if outstanding > 0 {
            let before = std::mem::replace(&mut drain.outstanding, outstanding);
            let longest = if outstanding < before { LONGEST_PAUSE } else { LONGEST_STALL };
            drain.pause = drain.pause.min(longest);
            drain.look_at = self.now + Duration::from_millis(drain.pause);
            drain.pause *= 2;
            if outstanding < before {
                self.handle(slot, Event::Taken, engine);
            }
            return;
        }
        // A worker that got no processor time, or had no buffer left, has not heard what the server said meanwhile.
        if !occupant.server_gone && engine.is_behind(slot) {
            drain.look_at = self.now + Duration::from_millis(1);
            return;
        }
        occupant.drain = None;
        self.handle(slot, Event::Quiet, engine);
    }
}

/// A frontend without `option tcplog` logs its clients as they come. Only then is the kernel asked for the
/// address that they came to.
fn connect_record(accepted: &Accepted) -> Option<ConnectRecord> {
    let config = &accepted.snapshot.config;
    policy::connect(config, accepted.frontend)?;
    Some(ConnectRecord {
        config: Arc::clone(config),
        frontend: accepted.frontend,
        client: accepted.client,
        local: local(accepted),
        refused: None,
    })
}

/// Where a client came to.
fn local(accepted: &Accepted) -> Option<SocketAddr> {
    match &accepted.arrival {
        Some(arrival) => arrival.local,
        None => socket::local_address(&accepted.socket),
    }
}
