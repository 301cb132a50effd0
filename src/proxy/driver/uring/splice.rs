//! Moves bulk of one link through pipes, where a proxy asks for it ([`super::super::splice`]).
//!
//! * A direction that splices has no receive in the ring but a poll. When it tells of bytes they go by splice(2),
//!   called at once and not waiting: IORING_OP_SPLICE is never tried inline by the kernel, it always goes to
//!   one of the ring's worker threads, which costs two switches of threads for what takes a few microseconds.
//! * It begins when the receive before has told its last bytes and those are sent: a poll tells of its bytes in a
//!   later round than the last chunk, and a round settles its sends before it looks at what happened.
//! * Bytes for which there is no room stay in their pipe, and count as waiting like copied ones: their source is not
//!   read, a pause holds them, a discard closes the pipe with them, a FIN or a close stands behind them. A
//!   watch tells when there is room.

use nix::errno::Errno;

use super::super::super::contract::{Event, Side};
use super::super::Slot;
use super::super::link::Stage;
use super::super::splice::{Appetite, is_unsupported};
use super::ends::libc_poll;
use super::link::{End, Flags, Link, Queue, Waiting};
use super::pump::{Pump, may_receive};
use super::tag::Kind;
use crate::sys::socket::Moved;

/// Room, or an error that the next send finds.
const ROOM: u32 = (libc_poll::OUT | libc_poll::ERR | libc_poll::HUP) as u32;

/// Full pipes a direction gets before others have their turn.
const ROUNDS: usize = 4;

impl Pump {
    /// A round's bytes of that side were sent by copying: they may have made it one that splices.
    pub(super) fn weigh(&mut self, slot: Slot, link: &mut Link, side: Side, count: usize) {
        let appetite = link.appetite(side);
        let before = *appetite;
        appetite.saw(count);
        if appetite.is_for_pipes() && *appetite != before {
            self.regulate(slot, link, side);
        }
    }

    /// That side may have bytes to splice, or the poll for them was cancelled.
    pub(super) fn fill(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let flags = &mut link.end_mut(side).flags;
        flags.unset(Flags::FILLING);
        flags.unset(Flags::CANCELLING);
        for _ in 0..ROUNDS {
            let wants_pipe = link.appetite(side).is_for_pipes() && link.stage == Stage::Relaying;
            let (source, sink) = link.ends(side);
            let may = wants_pipe && may_receive(source, sink) && may_splice(source, sink);
            if !may || sink.queue != Queue::EMPTY || !self.splice(slot, link, side) {
                break;
            }
        }
        self.regulate(slot, link, side);
    }

    /// One pipe of it; whether there may be more.
    fn splice(&mut self, slot: Slot, link: &mut Link, side: Side) -> bool {
        let Some(mut pipe) = self.pipes.take() else {
            link.appetite(side).went_without();
            return false;
        };
        let (source, sink) = link.ends(side);
        let (Some(from), Some(to)) = (&source.socket, &sink.socket) else { return false };
        match pipe.fill(from) {
            Moved::Bytes(count) => {
                self.tell(slot, Event::Received(side, count as u64));
                let drained = pipe.drain(to);
                if pipe.held() > 0 && !matches!(drained, Moved::Failed(_)) {
                    sink.waiting = Some(Box::new(Waiting { pipe: Some(pipe), ..Waiting::default() }));
                    self.await_room(slot, link, side.peer());
                    self.tell(slot, Event::Blocked(side.peer()));
                } else if let Moved::Failed(errno) = drained {
                    self.break_off(slot, link, side.peer(), errno);
                } else {
                    self.pipes.put(pipe);
                }
                link.appetite(side).saw(count);
                return true;
            }
            Moved::Later => {}
            Moved::End => self.over(slot, link, side, None),
            Moved::Failed(errno) if is_unsupported(errno) => *link.appetite(side) = Appetite::Copies,
            Moved::Failed(errno) => self.over(slot, link, side, Some(errno)),
        }
        self.pipes.put(pipe);
        false
    }

    /// That side has just said that it has no room: has it told when there is room for the rest. The watch stays,
    /// and tells again only after the side took no more: whoever waits without having tried would wait for ever.
    pub(super) fn await_room(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let tag = link.mark(slot, Kind::Drain, side).tag();
        let end = link.end_mut(side);
        let Some(socket) = &end.socket else { return };
        end.flags.set(Flags::DRAINING);
        if !end.flags.has(Flags::ROOM_WATCHED) {
            end.flags.set(Flags::ROOM_WATCHED);
            self.ring.watch_room(socket, tag);
        }
    }

    /// What that watch has found.
    pub(super) fn room(
        &mut self,
        slot: Slot,
        link: &mut Link,
        side: Side,
        (how, goes_on): (Result<u32, Errno>, bool),
    ) {
        let end = link.end_mut(side);
        if !goes_on {
            end.flags.unset(Flags::ROOM_WATCHED);
        }
        if !end.flags.has(Flags::DRAINING) {
            return;
        }
        if how.is_ok_and(|how| how & ROOM == 0) {
            if !goes_on {
                self.await_room(slot, link, side);
            }
            return;
        }
        end.flags.unset(Flags::DRAINING);
        self.launch(slot, link, side);
    }

    /// Sends on the pipe that waits for that side.
    pub(super) fn drain(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let (end, source) = link.ends(side);
        if source.flags.has(Flags::PAUSED) {
            return;
        }
        let (Some(waiting), Some(socket)) = (&mut end.waiting, &end.socket) else { return };
        let Some(mut pipe) = waiting.pipe.take() else { return };
        match pipe.drain(socket) {
            Moved::Failed(errno) => {
                end.waiting = None;
                self.break_off(slot, link, side, errno);
            }
            moved if pipe.held() > 0 => {
                waiting.pipe = Some(pipe);
                self.await_room(slot, link, side);
                if moved != Moved::Later {
                    self.tell(slot, Event::Blocked(side));
                }
            }
            _ => {
                self.pipes.put(pipe);
                if waiting.bytes.is_empty() {
                    end.waiting = None;
                    self.tell(slot, Event::Flowing(side));
                } else {
                    self.launch(slot, link, side);
                    self.tell(slot, Event::Blocked(side));
                }
            }
        }
        self.written(slot, link, side);
        self.regulate(slot, link, side.peer());
    }
}

/// Whether bytes of `source` that may be read can go through a pipe: they must be wanted, by somebody who takes them.
pub(super) fn may_splice(source: &End, sink: &End) -> bool {
    !source.flags.has(Flags::DISCARD) && sink.is_open()
}
