//! The end of a link's sockets, and its client while it is not read.
//!
//! A socket is closed in this order, all in one submission: its operations are cancelled by name, then its
//! descriptor is closed, then, as each cancelled operation tells its end, the kernel lets go of the file. The last
//! one sends the FIN or RST. A name carries the occupant and the attempt, so that what a late completion tells
//! is never taken for another socket's.

use nix::errno::Errno;

use super::super::super::contract::{Close, Event, Op, Side};
use super::super::Slot;
use super::super::link::Stage;
use super::link::{End, Flags, Link, Queue};
use super::pump::{Pump, is_passing};
use super::tag::Kind;
use crate::sys::socket::{self, Moved};

/// Bytes that are read from a client that is turned away: as many as usually wait unread at most.
const LAST_WORDS: usize = 256 * 1024;

/// A poll tells of these unasked.
pub(super) const ERRORS: u32 = (libc_poll::ERR | libc_poll::HUP) as u32;

/// The bits of poll(2) that matter here.
pub(super) mod libc_poll {
    use nix::poll::PollFlags;

    pub(in super::super) const IN: i16 = PollFlags::POLLIN.bits();
    pub(in super::super) const OUT: i16 = PollFlags::POLLOUT.bits();
    pub(in super::super) const ERR: i16 = PollFlags::POLLERR.bits();
    pub(in super::super) const HUP: i16 = PollFlags::POLLHUP.bits();
    /// The peer's FIN (poll(2), `POLLRDHUP`), which nix does not name.
    pub(in super::super) const RDHUP: i16 = 0x2000;
}

impl Pump {
    /// Closes a side; what waits for it is lost.
    pub(super) fn close(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let mark = |kind| link.mark(slot, kind, side).tag();
        let (own, watch, fill, drain) =
            (mark(Kind::Socket), mark(Kind::Watch), mark(Kind::Fill), mark(Kind::Drain));
        let closed = End::of(None, Flags::default());
        let mut end = std::mem::replace(link.end_mut(side), closed);
        link.end_mut(side).flags.set(Flags::ENDED);
        let Some(socket) = end.socket.take() else { return };
        if end.flags.has(Flags::RECEIVING) && !end.flags.has(Flags::CANCELLING) {
            self.ring.cancel_receive(own);
        }
        if end.flags.has(Flags::FILLING) && !end.flags.has(Flags::CANCELLING) {
            self.ring.cancel_poll(fill);
        }
        if end.flags.has(Flags::DRAINING) {
            self.ring.cancel_poll(drain);
        }
        if end.flags.has(Flags::CONNECTING) {
            self.ring.cancel_poll(own);
        }
        if end.flags.has(Flags::WATCHED) {
            self.ring.cancel_poll(watch);
        }
        if let Some((flight, _)) = end.waiting.and_then(|waiting| waiting.flight) {
            self.ring.cancel_flight(flight);
        }
        self.ring.close(socket);
        self.regulate(slot, link, side.peer());
    }

    /// `Op::Shutdown`, `Op::Close`, `Op::DropServer`: at once, or behind what waits.
    pub(super) fn finish(&mut self, slot: Slot, link: &mut Link, op: &Op) {
        match op {
            Op::Shutdown(side) => {
                link.end_mut(*side).flags.set(Flags::SHUT_AFTER);
                self.written(slot, link, *side);
            }
            Op::Close(side, Close::Fin) => {
                if *side == Side::Client && link.stage == Stage::Waiting {
                    read_out(&link.client);
                }
                let (end, source) = link.ends(*side);
                end.flags.set(Flags::CLOSE_AFTER);
                // What is not on its way is held by a pause of the other side, which nobody will end.
                let goes = !source.flags.has(Flags::PAUSED);
                let waiting = end.waiting.take();
                end.waiting = waiting.filter(|w| w.flight.is_some() || (goes && w.pipe.is_some()));
                if !link.end(*side).is_open() {
                    return self.close(slot, link, *side);
                }
                self.written(slot, link, *side);
                self.regulate(slot, link, *side);
            }
            Op::Close(side, Close::Reset) => {
                link.end(*side).socket.iter().for_each(socket::reset_on_close);
                self.close(slot, link, *side);
            }
            Op::DropServer => self.close(slot, link, Side::Server),
            _ => {}
        }
    }

    /// `Op::Discard`: what that side sent and the other one has not got yet is thrown away as well, so that a
    /// server that is cut off gets no further command.
    pub(super) fn discard(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let (from, to) = link.ends(side);
        from.flags.set(Flags::DISCARD);
        from.flags.unset(Flags::PAUSED);
        to.queue = Queue::EMPTY;
        if let Some(waiting) = &mut to.waiting {
            waiting.bytes.clear();
            match waiting.flight {
                // It lands as cancelled; what stands behind it acts then.
                Some((flight, _)) => self.ring.cancel_flight(flight),
                None => to.waiting = None,
            }
        }
        self.written(slot, link, side.peer());
        self.regulate(slot, link, side);
    }

    /// `Op::Resume`
    pub(super) fn resume(&mut self, slot: Slot, link: &mut Link, side: Side) {
        link.end_mut(side).flags.unset(Flags::PAUSED);
        self.launch(slot, link, side.peer());
        self.written(slot, link, side.peer());
        self.regulate(slot, link, side);
    }

    /// Looks after a client that is still not read: for its FIN before the relay, and for its RST.
    pub(super) fn watch(&mut self, slot: Slot, link: &mut Link) {
        let mark = link.mark(slot, Kind::Watch, Side::Client);
        let waits = link.stage == Stage::Waiting;
        let client = &mut link.client;
        let Some(socket) = &client.socket else { return };
        let read = client.flags.is_read() && !client.flags.has(Flags::CANCELLING);
        if read
            || client.flags.has(Flags::WATCHED)
            || client.flags.has(Flags::ENDED)
            || link.stage == Stage::Leaving
        {
            return;
        }
        let fin = waits && !client.flags.has(Flags::FORETOLD);
        client.flags.set(Flags::WATCHED);
        self.ring.poll(socket, if fin { libc_poll::RDHUP as u32 } else { 0 }, mark.tag());
    }

    /// What that poll has found.
    pub(super) fn watched(&mut self, slot: Slot, link: &mut Link, ready: Result<u32, Errno>) {
        link.client.flags.unset(Flags::WATCHED);
        let ready = match ready {
            Ok(ready) => ready,
            // Nobody else would tell of this client's end.
            Err(errno) if is_passing(errno) => return self.unread.push((slot, link.turn)),
            Err(_) => return,
        };
        if link.client.flags.is_read() || link.client.flags.has(Flags::ENDED) {
            // Whoever reads finds it.
            return;
        }
        if ready & ERRORS != 0
            && let Some(errno) = link.client.socket.as_ref().and_then(socket::take_error)
        {
            return self.over(slot, link, Side::Client, Some(errno));
        }
        let client = &mut link.client;
        if link.stage == Stage::Waiting && !client.flags.has(Flags::FORETOLD) {
            client.flags.set(Flags::FORETOLD);
            let said_nothing = client.socket.as_ref().is_some_and(socket::ends_at_once);
            self.tell(slot, if said_nothing { Event::LeftUnserved } else { Event::Eof(Side::Client) });
        }
        if ready & ERRORS == 0 {
            self.unread.push((slot, link.turn));
        }
    }
}

/// A client that is turned away may have spoken: closing with unread input would be an RST, not a FIN.
fn read_out(client: &End) {
    let Some(socket) = &client.socket else { return };
    let mut words = [0; 16 * 1024];
    for _ in 0..LAST_WORDS / words.len() {
        if socket::receive(socket, &mut words) != Moved::Bytes(words.len()) {
            return;
        }
    }
}
