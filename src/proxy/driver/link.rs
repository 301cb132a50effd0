//! The sockets of one session, as a readiness loop sees them.
//!
//! Forty bytes for an idle session: bytes are kept only while a side cannot take them, in a buffer of just
//! their length or in the pipe that they came through.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::super::contract::{ConnectError, Failure, Side};
use super::pipes::Lent;
use super::splice::Appetite;
use crate::sys::socket::{self, Moved};

/// What is known of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u16);

impl Flags {
    /// The kernel may have bytes, a FIN or an error for us. Cleared only by having seen that it has none.
    pub(super) const READABLE: Flags = Flags(1);
    /// A FIN or an error stands behind the bytes: a short receive is not the last one.
    pub(super) const HUNG: Flags = Flags(1 << 1);
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
    /// The kernel has an error pending for it.
    pub(super) const ERROR: Flags = Flags(1 << 10);
    /// The send that failed said that the other machine no longer answers.
    pub(super) const TIMED_OUT: Flags = Flags(1 << 11);
    /// Its failure was reported, be it after its FIN.
    pub(super) const FAILED: Flags = Flags(1 << 12);

    pub(super) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    pub(super) fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    pub(super) fn unset(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }
}

/// Bytes that a side could not take yet.
#[derive(Debug)]
pub(super) enum Leftover {
    Copy { bytes: Box<[u8]>, sent: usize },
    Spliced(Lent),
}

impl Leftover {
    /// Keeps a copy.
    pub(super) fn of(bytes: &[u8]) -> Box<Leftover> {
        Box::new(Leftover::Copy { bytes: bytes.into(), sent: 0 })
    }

    /// How many they still are.
    pub(super) fn length(&self) -> usize {
        match self {
            Leftover::Copy { bytes, sent } => bytes.len() - sent,
            Leftover::Spliced(pipe) => pipe.held(),
        }
    }

    /// Gives some of them to their side.
    pub(super) fn send(&mut self, to: &impl AsFd) -> Moved {
        match self {
            Leftover::Copy { bytes, sent } => {
                let moved = socket::send(to, &bytes[*sent..]);
                if let Moved::Bytes(count) = moved {
                    *sent += count;
                }
                moved
            }
            Leftover::Spliced(pipe) => pipe.drain(to),
        }
    }
}

/// One side.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) socket: Option<OwnedFd>,
    pub(super) flags: Flags,
    /// How its bytes go to the other side.
    pub(super) appetite: Appetite,
    /// On the way to this side.
    pub(super) leftover: Option<Box<Leftover>>,
}

impl End {
    /// A side that has just got its socket.
    pub(super) fn of(socket: OwnedFd, flags: Flags) -> End {
        End { socket: Some(socket), flags, ..End::default() }
    }

    /// Closes it; what waits for it is lost.
    pub(super) fn close(&mut self) {
        *self = End { flags: Flags::ENDED, ..End::default() };
    }
}

/// Both sides.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: End,
    pub(super) server: End,
    /// Of the slot's occupant.
    pub(super) turn: u32,
    /// Of this session's connections to servers: tells a late readiness of a given-up one apart.
    pub(super) attempt: u8,
    pub(super) stage: Stage,
    /// Stands in the list of those that have more to move than one turn allows.
    pub(super) queued: bool,
}

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before `Op::Relay`.
    Waiting,
    Relaying,
    /// The session is over; leftovers go out.
    Leaving,
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

    /// That side, then the other one.
    pub(super) fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }
}

/// What an error on an established connection means.
pub(super) fn failure(errno: Errno) -> Failure {
    match errno {
        Errno::ECONNRESET | Errno::EPIPE => Failure::Reset,
        Errno::ETIMEDOUT => Failure::TimedOut,
        _ => Failure::Other,
    }
}

/// What an error while connecting means.
pub(in crate::proxy) fn connect_error(errno: Errno) -> ConnectError {
    match errno {
        Errno::ECONNREFUSED | Errno::ENOENT | Errno::ECONNRESET => ConnectError::Refused,
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::ETIMEDOUT | Errno::ENETDOWN | Errno::EHOSTDOWN => {
            ConnectError::Unreachable
        }
        Errno::EADDRNOTAVAIL
        | Errno::EADDRINUSE
        | Errno::EMFILE
        | Errno::ENFILE
        | Errno::ENOBUFS
        | Errno::ENOMEM => ConnectError::Resources,
        Errno::EAFNOSUPPORT => ConnectError::NoWay,
        // Among them EAGAIN, by which a unix server's full backlog is told: it may be served after a pause.
        _ => ConnectError::Other,
    }
}
