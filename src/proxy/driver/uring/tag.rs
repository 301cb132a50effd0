//! What a completion belongs to, in the bits that the ring keeps for it.

use super::super::super::contract::Side;
use super::super::Slot;
use crate::sys::uring::Tag;

/// Bits of a stamp.
const STAMP: u32 = 25;

/// What kind of poll it is; receives and sends of a socket have [`Kind::Socket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Socket,
    /// For what happens to a client that is not read.
    Watch,
    /// For bytes to splice.
    Fill,
    /// For room for spliced bytes.
    Drain,
    Gate,
    Mailbox,
}

const KINDS: [Kind; 6] = [Kind::Socket, Kind::Watch, Kind::Fill, Kind::Drain, Kind::Gate, Kind::Mailbox];

/// See the module. Of a gate, `slot` is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: Kind,
    pub(super) slot: Slot,
    /// Tells a late completion of an earlier occupant apart. Operations of a closed socket are cancelled and
    /// end within the next rounds, so that a few bits are enough.
    pub(super) stamp: u32,
    pub(super) side: Side,
}

impl Mark {
    pub(super) const MAILBOX: Mark = Mark { kind: Kind::Mailbox, slot: 0, stamp: 0, side: Side::Client };

    pub(super) fn gate(gate: usize, turn: u32) -> Mark {
        Mark { kind: Kind::Gate, slot: gate as Slot, stamp: turn & ((1 << STAMP) - 1), side: Side::Client }
    }

    pub(super) fn tag(self) -> Tag {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or(0) as u64;
        let side = u64::from(self.side == Side::Server);
        kind << (33 + STAMP) | side << (32 + STAMP) | u64::from(self.stamp) << 32 | u64::from(self.slot)
    }

    pub(super) fn of(tag: Tag) -> Mark {
        Mark {
            kind: KINDS[(tag >> (33 + STAMP)) as usize % KINDS.len()],
            slot: tag as u32,
            stamp: (tag >> 32) as u32 & ((1 << STAMP) - 1),
            side: if tag >> (32 + STAMP) & 1 == 0 { Side::Client } else { Side::Server },
        }
    }
}

/// The stamp of one side: a slot's occupant, and for the server the attempt to connect.
pub(super) fn stamp(turn: u32, attempt: u8, side: Side) -> u32 {
    let attempt = if side == Side::Server { u32::from(attempt & 0x7f) } else { 0 };
    (turn & ((1 << (STAMP - 7)) - 1)) << 7 | attempt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::uring::TAG_BITS;

    #[test]
    fn marks_survive_the_ring() {
        let largest = stamp(u32::MAX, u8::MAX, Side::Server);
        for kind in KINDS {
            for side in [Side::Client, Side::Server] {
                for (slot, stamp) in [(0, 0), (7, 1), (u32::MAX, largest)] {
                    let mark = Mark { kind, slot, stamp, side };
                    assert_eq!(Mark::of(mark.tag()), mark);
                    assert!(mark.tag() >> TAG_BITS == 0);
                }
            }
        }
    }

    #[test]
    fn stamps_tell_occupants_and_attempts_apart() {
        assert_ne!(stamp(1, 0, Side::Client), stamp(2, 0, Side::Client));
        assert_ne!(stamp(1, 1, Side::Server), stamp(1, 2, Side::Server));
        assert_eq!(stamp(1, 1, Side::Client), stamp(1, 2, Side::Client));
    }
}
