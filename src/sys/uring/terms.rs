//! What is given to a ring's operations, and what they tell.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::Tag;
use super::pool::Chunk;

/// A socket that the ring's operations use. It has to go back to the ring, which closes it: dropped, it stays
/// open.
#[derive(Debug)]
#[must_use = "a socket that is dropped stays open"]
pub struct Socket(pub(super) ManuallyDrop<OwnedFd>);

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How often a receive gives bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// Until it fails, ends or is cancelled.
    Many,
    Once,
}

/// Whether a send that went out whole is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    Always,
    OfTrouble,
}

/// A copy on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlightKey(pub(super) u32);

/// Bytes of which the first `sent` have gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    pub bytes: Vec<u8>,
    pub sent: usize,
}

impl Parcel {
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
}

/// What came of a [`Ring::send`].
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub tag: Tag,
    /// How many bytes went, or why none did; `EAGAIN` if the socket took none.
    pub result: Result<usize, Errno>,
    pub(super) index: usize,
}

/// What came of another operation.
#[derive(Debug)]
pub struct Done {
    pub tag: Tag,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    /// A poll: what is ready, as poll(2) has it.
    Ready(Result<u32, Errno>),
    /// A watch: what is true of the other end, as poll(2) has it. `goes_on`: it tells of the next change, too.
    Hung { how: Result<u32, Errno>, goes_on: bool },
    /// A receive. `goes_on`: there will be more of the same operation.
    Received { what: Result<Option<Chunk>, Errno>, goes_on: bool },
    /// A [`Ring::send_owned`] is over; `parcel` knows how much has gone.
    Landed { parcel: Parcel, result: Result<usize, Errno> },
}
