//! The completion engine: one io_uring a worker, which is the only thing the thread waits for.
//!
//! A receive stays with each socket for as long as the session relays; what it brings lies in buffers that all
//! sockets share. A round of the loop submits the sends that the last round's bytes came to, waits, and takes what
//! was received meanwhile: so a message costs one receive and one send in the kernel and its share of one
//! system call.
//!
//! ```text
//! flush: one send for every side that has bytes -> enter(worker.patience) -> sends that came short -> settle
//!        -> every completion: bytes, ends, polls -> worker.deliver -> worker.timers -> flush
//! ```
//!
//! | file | what |
//! |---|---|
//! | `link` | the two sockets of a session |
//! | `pump` | bytes from one side to the other, back-pressure |
//! | `splice` | the same through pipes, for bulk of proxies that ask for it |
//! | `ends` | FIN, close, cancellation; clients that are not read |
//! | `tag` | whom a completion belongs to |

mod ends;
#[cfg(test)]
mod faulty;
mod link;
mod pump;
mod splice;
mod tag;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use self::ends::{ERRORS, libc_poll};
use self::link::{End, Flags, Link};
use self::pump::{Pump, is_passing};
use self::tag::{Kind, Mark};
use super::super::contract::{Close, ConnectSpec, Event, Op, Side};
use super::super::worker::Worker;
use super::greeting::{Greeted, Greetings};
use super::link::{Stage, connect_error};
use super::pipes::Pipes;
use super::{Engine, Release, Report, Slot, begin_connect};
use crate::state::Listener;
use crate::sys::socket;
use crate::sys::uring::{Done, Outcome, Ring, Size};
use crate::time::Tick;

/// `EPOLLEXCLUSIVE`: one of the workers that wait at a listener is woken.
const EXCLUSIVE: u32 = 1 << 28;

/// What a proxy's answer, or its end, is waited for with.
const ANSWER: u32 = (libc_poll::IN | libc_poll::RDHUP) as u32;

/// Sides without a buffer that one round receives from again. Bulk empties the ring's buffers with a tenth of them;
/// messages of some kilobytes need that many.
const PORTION: usize = 64;

/// Runs a worker until it has ended. An error if there is no ring to be had.
pub fn run(worker: Worker) -> io::Result<()> {
    run_sized(worker, Size::default())
}

/// The same with a ring of another size.
pub fn run_sized(worker: Worker, size: Size) -> io::Result<()> {
    let ring = Ring::new(size)?;
    serve(worker, ring)
}

/// Runs a worker with a ring that was made in this thread.
pub fn serve(mut worker: Worker, ring: Ring) -> io::Result<()> {
    let pipes = Pipes::share(&worker.snapshot.config, worker.shared.workers.count());
    let mut engine = Completions::new(ring, pipes);
    engine.pump.ring.poll(worker.mailbox(), libc_poll::IN as u32, Mark::MAILBOX.tag());
    worker.begin(&mut engine);
    while !worker.finished() {
        engine.flush();
        worker.deliver(&mut engine);
        let patience = engine.patience(&worker);
        engine.pump.ring.enter(patience)?;
        worker.wake(Tick::now());
        engine.settle();
        while let Some(done) = engine.pump.ring.next_done() {
            engine.take(done, &mut worker);
        }
        worker.deliver(&mut engine);
        worker.timers(&mut engine);
    }
    engine.leave()
}

/// A listener that is watched, or was.
#[derive(Debug, Default)]
struct Gate {
    /// While it is watched.
    listener: Option<Arc<Listener>>,
    turn: u32,
}

/// See the module.
#[derive(Debug)]
struct Completions {
    pump: Pump,
    links: Vec<Option<Link>>,
    gates: Vec<Gate>,
    /// Listeners that were watched until this round.
    retired: Vec<Arc<Listener>>,
    /// Links whose client was not read in the last round: if it still is not, a poll looks after it.
    unread: Vec<(Slot, u32)>,
    greetings: Greetings,
}

impl Completions {
    fn new(ring: Ring, pipes: Pipes) -> Completions {
        Completions {
            pump: Pump::new(ring, pipes),
            links: Vec::new(),
            gates: Vec::new(),
            retired: Vec::new(),
            unread: Vec::new(),
            greetings: Greetings::default(),
        }
    }

    /// Sends what the round has brought, and looks after clients that are not read.
    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.pump.dirty);
        for one in dirty.drain(..) {
            if let Some(link) = find(&mut self.links, one.slot).filter(|link| link.turn == one.turn) {
                self.pump.flush(link, one);
            }
            self.leave_if_done(one.slot);
        }
        self.pump.dirty = dirty;
        self.pump.flushed();
        self.feed();
        let mut unread = std::mem::take(&mut self.unread);
        for (slot, turn) in unread.drain(..) {
            if let Some(link) = find(&mut self.links, slot).filter(|link| link.turn == turn) {
                self.pump.watch(slot, link);
            }
        }
        self.unread = std::mem::replace(&mut self.pump.unread, unread);
    }

    /// Receives from those that found no buffer, in their order, and from no more than a round can serve: thousands
    /// that send without end would all be asked in each round, and nearly all in vain.
    fn feed(&mut self) {
        let mut portion = PORTION;
        for rank in 0..self.pump.hungry.len() {
            let mut hungry = std::mem::take(&mut self.pump.hungry[rank]);
            let count = hungry.len().min(portion);
            portion -= count;
            for one in hungry.drain(..count) {
                if let Some(link) = find(&mut self.links, one.slot).filter(|link| link.turn == one.turn) {
                    link.end_mut(one.side).flags.unset(Flags::HUNGRY);
                    self.pump.regulate(one.slot, link, one.side);
                }
            }
            self.pump.hungry[rank] = hungry;
        }
    }

    /// Most clients that are not read are a moment later: they are looked at again then, before a poll is spent
    /// on them. Nor is there anything to wait for while somebody has to be fed.
    fn patience(&self, worker: &Worker) -> Option<Duration> {
        let hungry = self.pump.hungry.iter().any(|rank| !rank.is_empty());
        if hungry || !self.unread.is_empty() || !self.pump.unread.is_empty() || !self.pump.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        worker.patience().map(Duration::from_millis)
    }

    /// After a wait: what sockets did not take of the last round's sends.
    fn settle(&mut self) {
        while let Some(sent) = self.pump.ring.next_sent() {
            let mark = Mark::of(sent.tag);
            if let Some(link) = find(&mut self.links, mark.slot).filter(|link| link.is_current(mark)) {
                self.pump.sent(mark.slot, link, mark.side, sent);
            }
            self.leave_if_done(mark.slot);
        }
        self.pump.ring.settle();
        self.retired.clear();
    }

    /// A completion.
    fn take(&mut self, done: Done, worker: &mut Worker) {
        let mark = Mark::of(done.tag);
        match mark.kind {
            Kind::Mailbox => {
                worker.deliver(self);
                worker.commands(self);
                self.pump.ring.poll(worker.mailbox(), libc_poll::IN as u32, Mark::MAILBOX.tag());
            }
            Kind::Gate => self.arrived(mark, worker),
            Kind::Watch | Kind::Fill | Kind::Drain | Kind::Socket => self.happened(mark, done.outcome),
        }
    }

    fn arrived(&mut self, mark: Mark, worker: &mut Worker) {
        let at = mark.slot as usize;
        let current = |gate: &&Gate| gate.listener.is_some() && Mark::gate(at, gate.turn) == mark;
        if self.gates.get(at).filter(current).is_none() {
            // It may have been woken for a client before it was cancelled, and nobody else was.
            return worker.pass_arrival_on();
        }
        worker.deliver(self);
        worker.accept(at, self);
        // Asked anew, it tells at once if somebody is left.
        let Some(gate) = self.gates.get(at).filter(current) else { return };
        if let Some(listener) = &gate.listener {
            self.pump.ring.poll(&listener.socket, arrivals(listener), mark.tag());
        }
    }

    fn happened(&mut self, mark: Mark, outcome: Outcome) {
        let slot = mark.slot;
        let Some(link) = find(&mut self.links, slot).filter(|link| link.is_current(mark)) else { return };
        match outcome {
            Outcome::Received { what, goes_on } => {
                if !goes_on {
                    let flags = &mut link.end_mut(mark.side).flags;
                    flags.unset(Flags::RECEIVING);
                    flags.unset(Flags::CANCELLING);
                }
                self.pump.received(slot, link, mark.side, what);
            }
            Outcome::Landed { parcel, result } => self.pump.landed(slot, link, mark.side, (parcel, result)),
            Outcome::Hung { how, goes_on } if mark.kind == Kind::Drain => {
                self.pump.room(slot, link, mark.side, (how, goes_on));
            }
            Outcome::Hung { how, goes_on } => self.pump.watched(slot, link, (how, goes_on)),
            Outcome::Ready(_) if mark.kind == Kind::Fill => self.pump.fill(slot, link, mark.side),
            Outcome::Ready(ready) => self.connected(slot, ready),
        }
        self.leave_if_done(slot);
    }

    /// It stands, or a proxy on the way answers. An error comes with POLLERR; without it there is no need to ask.
    fn connected(&mut self, slot: Slot, ready: Result<u32, Errno>) {
        let Some(link) = find(&mut self.links, slot) else { return };
        let own = link.mark(slot, Kind::Socket, Side::Server).tag();
        let socket = link.server.socket.as_ref();
        let error = match (ready, socket) {
            (Err(errno), Some(socket)) if is_passing(errno) => {
                let wanted = if self.greetings.awaits(slot) { ANSWER } else { libc_poll::OUT as u32 };
                return self.pump.ring.poll(socket, wanted, own);
            }
            (Err(errno), _) => Some(errno),
            (Ok(bits), Some(socket)) if bits & ERRORS != 0 => socket::take_error(socket),
            _ => None,
        };
        let gone = match (error, socket) {
            (Some(errno), _) => Err(connect_error(errno)),
            (None, Some(socket)) => self.greetings.go_on(slot, socket),
            (None, None) => Ok(Greeted::Over),
        };
        if let (Ok(Greeted::Awaits), Some(socket)) = (gone, socket) {
            return self.pump.ring.poll(socket, ANSWER, own);
        }
        link.server.flags.unset(Flags::CONNECTING);
        let event = match gone {
            Ok(_) => Event::Connected,
            Err(error) => {
                self.pump.close(slot, link, Side::Server);
                Event::ConnectFailed(error)
            }
        };
        self.pump.tell(slot, event);
    }

    /// A link whose session is over is gone once its sockets are.
    fn leave_if_done(&mut self, slot: Slot) {
        let Some(link) = find(&mut self.links, slot) else { return };
        if link.stage == Stage::Leaving && link.client.socket.is_none() && link.server.socket.is_none() {
            self.links[slot as usize] = None;
            self.pump.reports.push_back((slot, Report::Released));
        }
    }

    fn try_connect(&mut self, slot: Slot, spec: &ConnectSpec) -> io::Result<()> {
        self.greetings.keep(slot, spec);
        let socket = begin_connect(spec)?;
        let Some(link) = find(&mut self.links, slot) else { return Ok(()) };
        link.attempt = link.attempt.wrapping_add(1);
        let socket = self.pump.ring.adopt(socket);
        let mark = link.mark(slot, Kind::Socket, Side::Server);
        self.pump.ring.poll(&socket, libc_poll::OUT as u32, mark.tag());
        link.server = End::of(Some(socket), Flags::CONNECTING);
        Ok(())
    }

    /// The worker has ended: what it last had to send goes out, and every descriptor is closed.
    fn leave(mut self) -> io::Result<()> {
        self.flush();
        for gate in 0..self.gates.len() {
            self.forget_gate(gate);
        }
        self.pump.ring.enter(Some(Duration::ZERO))?;
        self.settle();
        for slot in 0..self.links.len() {
            self.abandon(slot as Slot);
        }
        self.pump.ring.enter(Some(Duration::ZERO))
    }

    fn forget_gate(&mut self, gate: usize) {
        let Some(place) = self.gates.get_mut(gate) else { return };
        let Some(listener) = place.listener.take() else { return };
        self.pump.ring.cancel_poll(Mark::gate(gate, place.turn).tag());
        // A poll that is still queued names its descriptor.
        self.retired.push(listener);
    }
}

/// What a listener is polled for.
fn arrivals(listener: &Listener) -> u32 {
    libc_poll::IN as u32 | if listener.is_shared() { 0 } else { EXCLUSIVE }
}

/// Whether it tells of the client's FIN.
fn foretells((of, report): &(Slot, Report), slot: Slot) -> bool {
    let fin = [Report::Event(Event::Eof(Side::Client)), Report::Event(Event::LeftUnserved)];
    *of == slot && fin.contains(report)
}

fn find(links: &mut [Option<Link>], slot: Slot) -> Option<&mut Link> {
    links.get_mut(slot as usize)?.as_mut()
}

impl Engine for Completions {
    fn open(&mut self, slot: Slot, turn: u32, client: OwnedFd) -> io::Result<()> {
        let at = slot as usize;
        if self.links.len() <= at {
            self.links.resize_with(at + 1, || None);
        }
        let client = End::of(Some(self.pump.ring.adopt(client)), Flags::default());
        let server = End::of(None, Flags::default());
        self.links[at] = Some(Link {
            client,
            server,
            turn,
            attempt: 0,
            stage: Stage::Waiting,
            appetites: Default::default(),
        });
        self.pump.unread.push((slot, turn));
        Ok(())
    }

    fn connect(&mut self, slot: Slot, spec: &ConnectSpec) {
        let Err(error) = self.try_connect(slot, spec) else { return };
        let error = connect_error(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        self.pump.tell(slot, Event::ConnectFailed(error));
    }

    fn attach(&mut self, slot: Slot, server: OwnedFd) -> io::Result<()> {
        let Some(link) = find(&mut self.links, slot) else { return Ok(()) };
        link.attempt = link.attempt.wrapping_add(1);
        link.server = End::of(Some(self.pump.ring.adopt(server)), Flags::default());
        Ok(())
    }

    fn perform(&mut self, slot: Slot, op: &Op) {
        let Some(link) = find(&mut self.links, slot) else { return };
        match op {
            Op::Splice(side, when) => *link.appetite(*side) = (*when).into(),
            Op::Relay => {
                link.stage = Stage::Relaying;
                // Found in the same round as the connection: a session that hears of the FIN only now would pass
                // it on before the bytes that stand before it. It is told again behind them.
                if link.client.flags.has(Flags::FORETOLD) {
                    self.pump.reports.retain(|report| !foretells(report, slot));
                }
                self.pump.regulate(slot, link, Side::Client);
                self.pump.regulate(slot, link, Side::Server);
            }
            Op::Discard(side) => self.pump.discard(slot, link, *side),
            Op::Pause(side) => self.pump.pause(slot, link, *side),
            Op::Resume(side) => self.pump.resume(slot, link, *side),
            _ => self.pump.finish(slot, link, op),
        }
    }

    fn outstanding(&self, slot: Slot, side: Side) -> usize {
        let Some(link) = self.links.get(slot as usize).and_then(Option::as_ref) else { return 0 };
        let end = link.end(side);
        let waiting = end.waiting.as_ref().map_or(0, |waiting| waiting.length());
        waiting + self.pump.queued_for(end) + end.socket.as_ref().map_or(0, socket::unacknowledged)
    }

    fn is_behind(&self, slot: Slot) -> bool {
        let link = self.links.get(slot as usize).and_then(Option::as_ref);
        link.and_then(|link| link.server.socket.as_ref()).is_some_and(socket::has_bytes)
    }

    fn socket(&self, slot: Slot, side: Side) -> Option<BorrowedFd<'_>> {
        let link = self.links.get(slot as usize)?.as_ref()?;
        link.end(side).socket.as_ref().map(AsFd::as_fd)
    }

    fn surrender(&mut self, slot: Slot) -> Option<OwnedFd> {
        let mut link = self.links.get_mut(slot as usize)?.take()?;
        if link.client.flags.has(Flags::WATCHED) {
            self.pump.ring.cancel_watch(link.mark(slot, Kind::Watch, Side::Client).tag());
        }
        self.pump.close(slot, &mut link, Side::Server);
        Some(self.pump.ring.release(link.client.socket.take()?))
    }

    fn release(&mut self, slot: Slot) -> Release {
        let Some(link) = find(&mut self.links, slot) else { return Release::Done };
        for side in [Side::Client, Side::Server] {
            self.pump.finish(slot, link, &Op::Close(side, Close::Fin));
        }
        if link.client.socket.is_none() && link.server.socket.is_none() {
            self.links[slot as usize] = None;
            return Release::Done;
        }
        link.stage = Stage::Leaving;
        Release::Pending
    }

    fn abandon(&mut self, slot: Slot) {
        let Some(mut link) = self.links.get_mut(slot as usize).and_then(Option::take) else { return };
        self.pump.close(slot, &mut link, Side::Client);
        self.pump.close(slot, &mut link, Side::Server);
    }

    fn watch(&mut self, gate: usize, listener: &Arc<Listener>) -> io::Result<()> {
        if self.gates.len() <= gate {
            self.gates.resize_with(gate + 1, Gate::default);
        }
        let place = &mut self.gates[gate];
        if place.listener.is_some() {
            return Ok(());
        }
        place.turn = place.turn.wrapping_add(1);
        self.pump.ring.poll(&listener.socket, arrivals(listener), Mark::gate(gate, place.turn).tag());
        place.listener = Some(Arc::clone(listener));
        Ok(())
    }

    fn ignore(&mut self, gate: usize, _listener: &Arc<Listener>) {
        self.forget_gate(gate);
    }

    fn next_report(&mut self) -> Option<(Slot, Report)> {
        self.pump.reports.pop_front()
    }
}
