//! The sockets of one session, as a completion loop sees them.
//!
//! Under sixty bytes for an idle session, and no buffer: the kernel takes one of the ring's when bytes come.

use super::super::super::contract::{Failure, Side};
use super::super::link::Stage;
use super::super::pipes::Lent;
use super::super::splice::Appetite;
use super::tag::{Kind, Mark, stamp};
use crate::proxy::driver::Slot;
use crate::sys::uring::{FlightKey, Socket};

/// What is known of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u32);

impl Flags {
    /// A receive of it is under way.
    pub(super) const RECEIVING: Flags = Flags(1);
    /// That receive, or the poll for bytes to splice, has been cancelled, and has not told its end yet.
    pub(super) const CANCELLING: Flags = Flags(1 << 1);
    pub(super) const CONNECTING: Flags = Flags(1 << 2);
    /// `Op::Pause`
    pub(super) const PAUSED: Flags = Flags(1 << 3);
    /// `Op::Discard`
    pub(super) const DISCARD: Flags = Flags(1 << 4);
    /// Its FIN or its failure was reported: nothing more comes from it.
    pub(super) const ENDED: Flags = Flags(1 << 5);
    /// Its FIN was told before the relay began.
    pub(super) const FORETOLD: Flags = Flags(1 << 6);
    /// A FIN follows the bytes that wait for it.
    pub(super) const SHUT_AFTER: Flags = Flags(1 << 7);
    /// A close follows the bytes that wait for it.
    pub(super) const CLOSE_AFTER: Flags = Flags(1 << 8);
    /// A send failed: bytes for it are thrown away, and what it still has to say is read out.
    pub(super) const BROKEN: Flags = Flags(1 << 9);
    /// Its last receive has found the end; it is reported when the bytes before it are written.
    pub(super) const OVER: Flags = Flags(1 << 10);
    /// That end was an RST, an error, or a machine that no longer answers; a FIN otherwise.
    pub(super) const RESET: Flags = Flags(1 << 11);
    pub(super) const LOST: Flags = Flags(1 << 12);
    pub(super) const TIMED_OUT: Flags = Flags(1 << 13);
    /// The last send to it tells when it is through.
    pub(super) const AWAITED: Flags = Flags(1 << 14);
    /// A watch looks after it while it is not read.
    pub(super) const WATCHED: Flags = Flags(1 << 15);
    /// It is read message by message, so that what it sends is bounded.
    pub(super) const STEPWISE: Flags = Flags(1 << 16);
    /// It brought bytes since a receive of it last found no buffer.
    pub(super) const FED: Flags = Flags(1 << 17);
    /// A poll tells when it has bytes to splice; never while it is received from.
    pub(super) const FILLING: Flags = Flags(1 << 18);
    /// What waits for it goes when it has room again.
    pub(super) const DRAINING: Flags = Flags(1 << 19);
    /// It stands among those that found no buffer.
    pub(super) const HUNGRY: Flags = Flags(1 << 20);
    /// A watch tells of room.
    pub(super) const ROOM_WATCHED: Flags = Flags(1 << 21);
    /// Its failure was reported, be it after its FIN.
    pub(super) const FAILED: Flags = Flags(1 << 22);

    pub(super) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    /// Whether it is read now, by either way.
    pub(super) fn is_read(self) -> bool {
        self.has(Flags::RECEIVING) || self.has(Flags::FILLING)
    }

    pub(super) fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    pub(super) fn unset(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }
}

/// Bytes that a side could not take at once, copied or in the pipe that they came through.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Before all others. It goes when there is room, and nothing is in flight meanwhile.
    pub(super) pipe: Option<Lent>,
    /// Behind those in flight.
    pub(super) bytes: Vec<u8>,
    /// On their way, and how many.
    pub(super) flight: Option<(FlightKey, usize)>,
}

impl Waiting {
    pub(super) fn length(&self) -> usize {
        let spliced = self.pipe.as_ref().map_or(0, |pipe| pipe.held());
        spliced + self.bytes.len() + self.flight.map_or(0, |(_, length)| length)
    }
}

/// Chunks of this round that are for one side: places in the list that all sides share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl Queue {
    pub(super) const EMPTY: Queue = Queue { first: u32::MAX, last: u32::MAX };
}

/// One side.
#[derive(Debug)]
pub(super) struct End {
    pub(super) socket: Option<Socket>,
    pub(super) flags: Flags,
    pub(super) waiting: Option<Box<Waiting>>,
    pub(super) queue: Queue,
}

impl End {
    pub(super) fn of(socket: Option<Socket>, flags: Flags) -> End {
        End { socket, flags, waiting: None, queue: Queue::EMPTY }
    }

    /// Whether everything for it is written, or will never be.
    pub(super) fn is_clear(&self) -> bool {
        self.waiting.is_none() && self.queue == Queue::EMPTY && !self.flags.has(Flags::AWAITED)
    }

    /// Whether it can be written to.
    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some() && !self.flags.has(Flags::BROKEN)
    }

    /// How it ended, if not by a FIN.
    pub(super) fn failure(&self) -> Option<Failure> {
        let flags = self.flags;
        match () {
            () if flags.has(Flags::TIMED_OUT) => Some(Failure::TimedOut),
            () if flags.has(Flags::LOST) => Some(Failure::Other),
            () if flags.has(Flags::RESET) || flags.has(Flags::BROKEN) => Some(Failure::Reset),
            () => None,
        }
    }
}

/// Both sides.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: End,
    pub(super) server: End,
    /// Of the slot's occupant.
    pub(super) turn: u32,
    /// Of this session's connections to servers.
    pub(super) attempt: u8,
    pub(super) stage: Stage,
    /// How the bytes of the client and of the server go.
    pub(super) appetites: [Appetite; 2],
}

impl Link {
    pub(super) fn end(&self, side: Side) -> &End {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(super) fn appetite(&mut self, side: Side) -> &mut Appetite {
        &mut self.appetites[usize::from(side == Side::Server)]
    }

    /// That side, then the other one.
    pub(super) fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    pub(super) fn mark(&self, slot: Slot, kind: Kind, side: Side) -> Mark {
        Mark { kind, slot, stamp: stamp(self.turn, self.attempt, side), side }
    }

    /// Whether that completion is of a socket that still stands here.
    pub(super) fn is_current(&self, mark: Mark) -> bool {
        stamp(self.turn, self.attempt, mark.side) == mark.stamp && self.end(mark.side).socket.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_link_is_small() {
        assert!(size_of::<Option<Link>>() <= 64, "{}", size_of::<Option<Link>>());
    }
}
