//! The readiness engine: one epoll set a worker, edge-triggered.
//!
//! Every socket is registered once, for reading and writing, and never again: what an edge said is
//! remembered in its flags until a receive or send has found the opposite. So a message costs a receive and
//! a send, shares its wait with all others of the round, and needs no `epoll_ctl`; level-triggered, every
//! pause, FIN and full buffer would need one to stop the repeated events. A closed socket leaves the set by
//! itself, as no copy of its descriptor exists. Listeners are watched level-triggered and exclusively: one
//! worker is woken, and a batch that was not finished is told again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::super::contract::{ConnectSpec, Event, Op, Side};
use super::super::worker::Worker;
use super::greeting::{Greeted, Greetings};
use super::link::{End, Flags, Link, Stage, connect_error};
use super::pipes::Pipes;
use super::pump::{Pump, Turn};
use super::{Engine, Release, Report, Slot, begin_connect};
use crate::state::Listener;
use crate::sys::socket;
use crate::time::Tick;

/// Events one wait takes.
const BATCH: usize = 256;

/// Runs a worker until it has ended.
pub fn run(mut worker: Worker) -> io::Result<()> {
    let mut engine = Readiness::new(&worker)?;
    let mut events = vec![EpollEvent::empty(); BATCH];
    worker.begin(&mut engine);
    while !worker.finished() {
        let patience = if engine.again.is_empty() { worker.patience() } else { Some(0) };
        let count = match engine.epoll.wait(&mut events, timeout(patience)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        worker.wake(Tick::now());
        for event in &events[..count] {
            match Token::from_word(event.data()) {
                Token::Mailbox => worker.commands(&mut engine),
                Token::Gate(gate) => worker.accept(gate, &mut engine),
                Token::Socket { slot, stamp, side } => engine.ready(slot, stamp, side, event.events()),
            }
            worker.deliver(&mut engine);
        }
        engine.go_on();
        worker.deliver(&mut engine);
        worker.timers(&mut engine);
    }
    Ok(())
}

/// No patience asked for is none needed: the mailbox wakes.
fn timeout(milliseconds: Option<u64>) -> EpollTimeout {
    let Some(milliseconds) = milliseconds else { return EpollTimeout::NONE };
    let bounded = i32::try_from(milliseconds).unwrap_or(i32::MAX);
    EpollTimeout::try_from(bounded).unwrap_or(EpollTimeout::MAX)
}

/// What an event belongs to, in the 64 bits that epoll keeps for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Mailbox,
    Gate(usize),
    Socket { slot: Slot, stamp: u32, side: Side },
}

const NO_SLOT: u32 = u32::MAX;
const MAILBOX: u32 = u32::MAX;

impl Token {
    fn word(self) -> u64 {
        let (high, low) = match self {
            Token::Mailbox => (NO_SLOT, MAILBOX),
            Token::Gate(gate) => (NO_SLOT, gate as u32),
            Token::Socket { slot, stamp, side } => (slot, stamp << 1 | u32::from(side == Side::Server)),
        };
        u64::from(high) << 32 | u64::from(low)
    }

    fn from_word(word: u64) -> Token {
        match ((word >> 32) as u32, word as u32) {
            (NO_SLOT, MAILBOX) => Token::Mailbox,
            (NO_SLOT, gate) => Token::Gate(gate as usize),
            (slot, low) => {
                let side = if low & 1 == 0 { Side::Client } else { Side::Server };
                Token::Socket { slot, stamp: low >> 1, side }
            }
        }
    }
}

/// Tells a late event of an earlier socket in the same place apart. Such an event can only be one of the
/// round in which that socket was closed, so that a few bits of each are enough.
fn stamp(link: &Link) -> u32 {
    (link.turn & 0xff_ffff) << 7 | u32::from(link.attempt & 0x7f)
}

/// See the module.
#[derive(Debug)]
struct Readiness {
    epoll: Epoll,
    links: Vec<Option<Link>>,
    pump: Pump,
    /// Links that have more to move than one turn allows.
    again: Vec<Slot>,
    greetings: Greetings,
}

impl Readiness {
    fn new(worker: &Worker) -> io::Result<Readiness> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let pipes = Pipes::share(&worker.snapshot.config, worker.shared.workers.count());
        epoll.add(worker.mailbox(), EpollEvent::new(EpollFlags::EPOLLIN, Token::Mailbox.word()))?;
        Ok(Readiness {
            epoll,
            links: Vec::new(),
            pump: Pump::new(pipes),
            again: Vec::new(),
            greetings: Greetings::default(),
        })
    }

    /// An edge.
    fn ready(&mut self, slot: Slot, stamp_seen: u32, side: Side, events: EpollFlags) {
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let current = match side {
            Side::Client => stamp(link) | 0x7f == stamp_seen | 0x7f,
            Side::Server => stamp(link) == stamp_seen,
        };
        if !current {
            return;
        }
        let flags = &mut link.end_mut(side).flags;
        let hung = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if events.intersects(hung | EpollFlags::EPOLLIN) {
            flags.set(Flags::READABLE);
        }
        if events.intersects(hung) {
            flags.set(Flags::HUNG);
        }
        if events.contains(EpollFlags::EPOLLERR) {
            flags.set(Flags::ERROR);
        }
        if flags.has(Flags::CONNECTING) {
            let settled = EpollFlags::EPOLLOUT | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
            if !events.intersects(settled | EpollFlags::EPOLLIN) {
                return;
            }
            self.connected(slot, events);
            return;
        }
        self.advance(slot);
    }

    /// It stands, or a proxy on the way answers. An error comes with EPOLLERR; without it there is no need to ask.
    fn connected(&mut self, slot: Slot, events: EpollFlags) {
        let Some(link) = self.links[slot as usize].as_mut() else { return };
        let trouble = events.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        let socket = link.server.socket.as_ref();
        let error = socket.filter(|_| trouble).and_then(socket::take_error);
        let gone = match (error, socket) {
            (Some(errno), _) => Err(connect_error(errno)),
            (None, Some(socket)) => self.greetings.go_on(slot, socket),
            (None, None) => Ok(Greeted::Over),
        };
        let event = match gone {
            Ok(Greeted::Awaits) => return,
            Ok(Greeted::Over) => {
                link.server.flags.unset(Flags::CONNECTING);
                Event::Connected
            }
            Err(error) => {
                link.server.close();
                Event::ConnectFailed(error)
            }
        };
        self.pump.reports.push_back((slot, Report::Event(event)));
    }

    fn advance(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        if self.pump.advance(slot, link) == Turn::Again && !link.queued {
            link.queued = true;
            self.again.push(slot);
        }
        if link.stage == Stage::Leaving && link.client.socket.is_none() && link.server.socket.is_none() {
            self.links[slot as usize] = None;
            self.pump.reports.push_back((slot, Report::Released));
        }
    }

    /// Gives those that have more to move another turn.
    fn go_on(&mut self) {
        for slot in std::mem::take(&mut self.again) {
            if let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) {
                link.queued = false;
                self.advance(slot);
            }
        }
    }

    fn register(&self, socket: &OwnedFd, token: Token) -> io::Result<()> {
        let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        Ok(self.epoll.add(socket, EpollEvent::new(edges, token.word()))?)
    }

    fn try_connect(&mut self, slot: Slot, spec: &ConnectSpec) -> io::Result<()> {
        self.greetings.keep(slot, spec);
        let socket = begin_connect(spec)?;
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else { return Ok(()) };
        link.attempt = link.attempt.wrapping_add(1);
        let token = Token::Socket { slot, stamp: stamp(link), side: Side::Server };
        link.server = End::of(socket, Flags::CONNECTING);
        match self.links[slot as usize].as_ref().and_then(|link| link.server.socket.as_ref()) {
            Some(socket) => self.register(socket, token),
            None => Ok(()),
        }
    }
}

impl Engine for Readiness {
    fn open(&mut self, slot: Slot, turn: u32, client: OwnedFd) -> io::Result<()> {
        let at = slot as usize;
        let link = Link {
            client: End::default(),
            server: End::default(),
            turn,
            attempt: 0,
            stage: Stage::Waiting,
            queued: false,
        };
        self.register(&client, Token::Socket { slot, stamp: stamp(&link), side: Side::Client })?;
        if self.links.len() <= at {
            self.links.resize_with(at + 1, || None);
        }
        self.links[at] = Some(Link { client: End::of(client, Flags::default()), ..link });
        Ok(())
    }

    fn connect(&mut self, slot: Slot, spec: &ConnectSpec) {
        let Err(error) = self.try_connect(slot, spec) else { return };
        if let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) {
            link.server.close();
        }
        let error = connect_error(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        self.pump.reports.push_back((slot, Report::Event(Event::ConnectFailed(error))));
    }

    fn attach(&mut self, slot: Slot, server: OwnedFd) -> io::Result<()> {
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else { return Ok(()) };
        link.attempt = link.attempt.wrapping_add(1);
        let token = Token::Socket { slot, stamp: stamp(link), side: Side::Server };
        self.register(&server, token)?;
        if let Some(link) = self.links[slot as usize].as_mut() {
            link.server = End::of(server, Flags::default());
        }
        Ok(())
    }

    fn perform(&mut self, slot: Slot, op: &Op) {
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        match op {
            Op::Splice(side, when) => return link.end_mut(*side).appetite = (*when).into(),
            Op::Relay => link.stage = Stage::Relaying,
            Op::Discard(side) => self.pump.discard(link, *side),
            Op::Pause(side) => link.end_mut(*side).flags.set(Flags::PAUSED),
            Op::Resume(side) => link.end_mut(*side).flags.unset(Flags::PAUSED),
            _ => return self.pump.finish(link, op),
        }
        self.advance(slot);
    }

    fn outstanding(&self, slot: Slot, side: Side) -> usize {
        let Some(link) = self.links.get(slot as usize).and_then(Option::as_ref) else { return 0 };
        let end = link.end(side);
        let waiting = end.leftover.as_ref().map_or(0, |leftover| leftover.length());
        waiting + end.socket.as_ref().map_or(0, socket::unacknowledged)
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
        let client = link.client.socket.take()?;
        self.epoll.delete(&client).ok()?;
        Some(client)
    }

    fn release(&mut self, slot: Slot) -> Release {
        let Some(link) = self.links.get_mut(slot as usize).and_then(Option::as_mut) else {
            return Release::Done;
        };
        for side in [Side::Client, Side::Server] {
            self.pump.finish(link, &Op::Close(side, super::super::contract::Close::Fin));
        }
        if link.client.socket.is_none() && link.server.socket.is_none() {
            self.links[slot as usize] = None;
            return Release::Done;
        }
        link.stage = Stage::Leaving;
        Release::Pending
    }

    fn abandon(&mut self, slot: Slot) {
        if let Some(link) = self.links.get_mut(slot as usize) {
            *link = None;
        }
    }

    fn watch(&mut self, gate: usize, listener: &Arc<Listener>) -> io::Result<()> {
        let alone = if listener.is_shared() { EpollFlags::empty() } else { EpollFlags::EPOLLEXCLUSIVE };
        let flags = EpollFlags::EPOLLIN | alone;
        match self.epoll.add(&listener.socket, EpollEvent::new(flags, Token::Gate(gate).word())) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn ignore(&mut self, _gate: usize, listener: &Arc<Listener>) {
        // It may not be watched at all.
        let _ = self.epoll.delete(&listener.socket);
    }

    fn next_report(&mut self) -> Option<(Slot, Report)> {
        self.pump.reports.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_epoll() {
        for token in [
            Token::Mailbox,
            Token::Gate(0),
            Token::Gate(77),
            Token::Socket { slot: 0, stamp: 0, side: Side::Client },
            Token::Socket { slot: 123_456, stamp: 0x7fff_ffff, side: Side::Server },
        ] {
            assert_eq!(Token::from_word(token.word()), token);
        }
    }

    #[test]
    fn an_idle_link_is_small() {
        assert!(size_of::<Option<Link>>() <= 48, "{}", size_of::<Option<Link>>());
    }

    #[test]
    fn patience_is_none_or_bounded() {
        assert_eq!(timeout(None), EpollTimeout::NONE);
        assert_eq!(timeout(Some(0)), EpollTimeout::ZERO);
        assert!(timeout(Some(u64::MAX)).is_some());
    }
}
