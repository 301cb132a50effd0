//! Moves bytes of one link both ways.
//!
//! * A received chunk is queued for the other side and sent out of the ring's buffer when the round ends, with
//!   all others of the round for the same side in one send. That send is over when the next round begins.
//! * What it left behind is copied, and sent on when there is room. From then on the source is
//!   not read: its receive is cancelled, and what still comes before that acts is appended. So what waits
//!   for a slow side is bounded by what the ring's buffers hold, and keeps none of them from the others.
//! * A side whose peer was slow is read step by step, one buffer at a time, until its messages are small again.
//! * A side that found no buffer is received from again when the round ends, after those that have waited longer:
//!   however much one sends, the others get their turn.
//! * A FIN is reported after the bytes before it were sent, a server's failure likewise. A client that
//!   failed is not waited for longer than the round takes. Nor is a side that has sent its FIN before and whose
//!   send fails then: it is gone wholly, and bytes for it would be thrown away for as long as they come.

use std::collections::VecDeque;

use nix::errno::Errno;

use super::super::super::contract::{Event, Failure, Side};
use super::super::link::{Stage, failure};
use super::super::pipes::Pipes;
use super::super::{Report, Slot};
use super::ends::libc_poll;
use super::link::{End, Flags, Link, Queue};
use super::splice::may_splice;
use super::tag::Kind;
use crate::sys::uring::{Chunk, Notice, Parcel, Reception, Ring, Sent};

/// Chunks that one send takes at most; more are copied together. Far under IOV_MAX.
const PARTS: usize = 64;
/// A side that is read step by step and sends no more than this at a time is read freely again.
const MESSAGE: usize = 4 * 1024;

/// A chunk that stands in a side's queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    chunk: Chunk,
    next: u32,
}

/// A side that is to be seen to when the round ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand {
    pub(super) slot: Slot,
    pub(super) turn: u32,
    pub(super) side: Side,
}

/// What a worker's links share.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) ring: Ring,
    pub(super) pipes: Pipes,
    pub(super) reports: VecDeque<(Slot, Report)>,
    /// Sides that have chunks queued in this round.
    pub(super) dirty: Vec<Errand>,
    /// Sides that found no buffer: those that had none since they last did, then the others.
    pub(super) hungry: [VecDeque<Errand>; 2],
    pub(super) queued: Vec<Queued>,
    parts: Vec<Chunk>,
    /// Links whose client is not read, and may need a poll.
    pub(super) unread: Vec<(Slot, u32)>,
}

impl Pump {
    pub(super) fn new(ring: Ring, pipes: Pipes) -> Pump {
        Pump {
            ring,
            pipes,
            reports: VecDeque::new(),
            dirty: Vec::new(),
            hungry: Default::default(),
            queued: Vec::new(),
            parts: Vec::new(),
            unread: Vec::new(),
        }
    }

    pub(super) fn tell(&mut self, slot: Slot, event: Event) {
        self.reports.push_back((slot, Report::Event(event)));
    }

    /// A receive has told something.
    pub(super) fn received(
        &mut self,
        slot: Slot,
        link: &mut Link,
        side: Side,
        what: Result<Option<Chunk>, Errno>,
    ) {
        match what {
            Ok(Some(chunk)) => {
                link.end_mut(side).flags.set(Flags::FED);
                self.pass(slot, link, side, chunk);
            }
            Ok(None) => self.over(slot, link, side, None),
            // They are all back in the next round. Asked for at once, whoever takes them all would do so again.
            Err(Errno::ENOBUFS) => {
                let errand = Errand { slot, turn: link.turn, side };
                let flags = &mut link.end_mut(side).flags;
                if !flags.has(Flags::HUNGRY) {
                    self.hungry[usize::from(flags.has(Flags::FED))].push_back(errand);
                    flags.set(Flags::HUNGRY);
                }
                return flags.unset(Flags::FED);
            }
            Err(errno) if is_passing(errno) => {}
            Err(errno) => self.over(slot, link, side, Some(errno)),
        }
        self.regulate(slot, link, side);
    }

    /// Bytes from that side, to the other one.
    fn pass(&mut self, slot: Slot, link: &mut Link, side: Side, chunk: Chunk) {
        let turn = link.turn;
        let (source, sink) = link.ends(side);
        if source.flags.has(Flags::DISCARD) {
            return;
        }
        self.tell(slot, Event::Received(side, chunk.len() as u64));
        if chunk.len() <= MESSAGE {
            source.flags.unset(Flags::STEPWISE);
        }
        if !sink.is_open() {
            return;
        }
        let paused = source.flags.has(Flags::PAUSED);
        if paused || sink.waiting.is_some() {
            let waiting = sink.waiting.get_or_insert_default();
            waiting.bytes.extend_from_slice(self.ring.bytes(chunk));
            if waiting.flight.is_some() {
                self.tell(slot, Event::Blocked(side.peer()));
            }
            return;
        }
        if sink.queue == Queue::EMPTY {
            self.dirty.push(Errand { slot, turn, side: side.peer() });
        }
        self.queue(sink, chunk);
    }

    fn queue(&mut self, sink: &mut End, chunk: Chunk) {
        let place = self.queued.len() as u32;
        self.queued.push(Queued { chunk, next: u32::MAX });
        match self.queued.get_mut(sink.queue.last as usize) {
            Some(last) => last.next = place,
            None => sink.queue.first = place,
        }
        sink.queue.last = place;
    }

    /// Bytes that stand in a side's queue.
    pub(super) fn queued_for(&self, end: &End) -> usize {
        let first = self.queued.get(end.queue.first as usize);
        let chunks = std::iter::successors(first, |queued| self.queued.get(queued.next as usize));
        chunks.map(|queued| queued.chunk.len()).sum()
    }

    /// The round ends: sends what is queued for a side.
    pub(super) fn flush(&mut self, link: &mut Link, dirty: Errand) {
        let Errand { slot, side, .. } = dirty;
        let mark = link.mark(slot, Kind::Socket, side);
        let (sink, source) = link.ends(side);
        let queue = std::mem::replace(&mut sink.queue, Queue::EMPTY);
        self.parts.clear();
        let mut place = queue.first;
        while let Some(Queued { chunk, next }) = self.queued.get(place as usize) {
            self.parts.push(*chunk);
            place = *next;
        }
        let open = sink.is_open() && !self.parts.is_empty();
        let length = self.parts.iter().map(Chunk::len).sum();
        let Some(socket) = sink.socket.as_ref().filter(|_| open) else {
            return self.written(slot, link, side);
        };
        if self.parts.len() > PARTS {
            let mut bytes = Vec::new();
            self.parts.iter().for_each(|chunk| bytes.extend_from_slice(self.ring.bytes(*chunk)));
            let flight = self.ring.send_owned(socket, Parcel { bytes, sent: 0 }, mark.tag());
            sink.waiting.get_or_insert_default().flight = Some((flight, length));
            return;
        }
        let ends = sink.flags.has(Flags::SHUT_AFTER) || sink.flags.has(Flags::CLOSE_AFTER);
        let notice = if ends || source.flags.has(Flags::OVER) { Notice::Always } else { Notice::OfTrouble };
        if notice == Notice::Always {
            sink.flags.set(Flags::AWAITED);
        }
        self.ring.send(socket, &self.parts, mark.tag(), notice);
        self.weigh(slot, link, side.peer(), length);
    }

    /// `Op::Pause`: what the other side has not taken yet stays here as well.
    pub(super) fn pause(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let (source, sink) = link.ends(side);
        source.flags.set(Flags::PAUSED);
        let mut place = std::mem::replace(&mut sink.queue, Queue::EMPTY).first;
        while let Some(Queued { chunk, next }) = self.queued.get(place as usize) {
            sink.waiting.get_or_insert_default().bytes.extend_from_slice(self.ring.bytes(*chunk));
            place = *next;
        }
        if let Some((flight, _)) = sink.waiting.as_ref().and_then(|waiting| waiting.flight) {
            self.ring.cancel_flight(flight);
        }
        self.regulate(slot, link, side);
    }

    /// All queues were flushed.
    pub(super) fn flushed(&mut self) {
        self.queued.clear();
    }

    /// A send of the last round to that side has something to tell.
    pub(super) fn sent(&mut self, slot: Slot, link: &mut Link, side: Side, sent: Sent) {
        let end = link.end_mut(side);
        end.flags.unset(Flags::AWAITED);
        match sent.result {
            Err(errno) if !is_passing(errno) => self.break_off(slot, link, side, errno),
            _ if self.ring.is_short(sent) => {
                let waiting = end.waiting.get_or_insert_default();
                self.ring.copy_rest(sent, &mut waiting.bytes);
                self.launch(slot, link, side);
                self.tell(slot, Event::Blocked(side));
            }
            _ => {}
        }
        self.written(slot, link, side);
        self.regulate(slot, link, side.peer());
    }

    /// Sends on what waits for a side, if nothing is on its way there.
    pub(super) fn launch(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let tag = link.mark(slot, Kind::Socket, side).tag();
        let (end, source) = link.ends(side);
        let (Some(waiting), Some(socket)) = (&mut end.waiting, &end.socket) else { return };
        if waiting.pipe.is_some() {
            return self.drain(slot, link, side);
        }
        if waiting.flight.is_some() || waiting.bytes.is_empty() || source.flags.has(Flags::PAUSED) {
            return;
        }
        let bytes = std::mem::take(&mut waiting.bytes);
        let length = bytes.len();
        waiting.flight = Some((self.ring.send_owned(socket, Parcel { bytes, sent: 0 }, tag), length));
    }

    /// A copy has gone, in part or whole.
    pub(super) fn landed(
        &mut self,
        slot: Slot,
        link: &mut Link,
        side: Side,
        (parcel, result): (Parcel, Result<usize, Errno>),
    ) {
        let (end, source) = link.ends(side);
        let (paused, wanted) = (source.flags.has(Flags::PAUSED), !source.flags.has(Flags::DISCARD));
        // What is held for a side that is about to be closed would be held for ever.
        let held = paused && !end.flags.has(Flags::CLOSE_AFTER);
        let Some(waiting) = &mut end.waiting else { return };
        waiting.flight = None;
        let rest = parcel.rest();
        match (result, &end.socket) {
            (Err(errno), _) if !is_passing(errno) => {
                end.waiting = None;
                self.break_off(slot, link, side, errno);
            }
            _ if held && wanted && !rest.is_empty() => {
                put_back(&mut waiting.bytes, rest);
            }
            (result, Some(_)) if !paused && wanted && !rest.is_empty() => {
                put_back(&mut waiting.bytes, rest);
                match result {
                    Err(Errno::EAGAIN) => self.await_room(slot, link, side),
                    // Only who was told that there is no room hears of room: the others try once more.
                    _ => self.launch(slot, link, side),
                }
                self.tell(slot, Event::Blocked(side));
            }
            _ if waiting.bytes.is_empty() || (paused && !held) => {
                end.waiting = None;
                self.tell(slot, Event::Flowing(side));
            }
            _ if paused => {}
            _ => {
                self.launch(slot, link, side);
                self.tell(slot, Event::Blocked(side));
            }
        }
        self.written(slot, link, side);
        self.regulate(slot, link, side.peer());
    }

    /// From a send that failed on: the side is read out, then reported.
    pub(super) fn break_off(&mut self, slot: Slot, link: &mut Link, side: Side, errno: Errno) {
        let end = link.end_mut(side);
        if failure(errno) == Failure::TimedOut {
            end.flags.set(Flags::TIMED_OUT);
        }
        end.flags.set(Flags::BROKEN);
        end.queue = Queue::EMPTY;
        self.regulate(slot, link, side);
        let end = link.end_mut(side);
        // A client that cannot be read now is not waited for.
        if side == Side::Client && !end.flags.is_read() {
            end.flags.set(Flags::OVER);
            self.report_end(slot, link, side);
        } else if end.flags.has(Flags::OVER) {
            self.written(slot, link, side.peer());
        }
    }

    /// A side's FIN, or what ended it.
    pub(super) fn over(&mut self, slot: Slot, link: &mut Link, side: Side, errno: Option<Errno>) {
        let (end, sink) = link.ends(side);
        end.flags.set(Flags::OVER);
        match errno.map(failure) {
            None => {}
            Some(Failure::Reset) => end.flags.set(Flags::RESET),
            Some(Failure::TimedOut) => end.flags.set(Flags::TIMED_OUT),
            Some(Failure::Other) => end.flags.set(Flags::LOST),
        }
        let lost_client = side == Side::Client && end.failure().is_some();
        if lost_client && sink.waiting.is_some() {
            return self.report_end(slot, link, side);
        }
        self.written(slot, link, side.peer());
    }

    /// If everything for a side is written: what had to wait for that.
    pub(super) fn written(&mut self, slot: Slot, link: &mut Link, side: Side) {
        if !link.end(side).is_clear() {
            return;
        }
        let end = link.end_mut(side);
        if end.flags.has(Flags::CLOSE_AFTER) {
            self.close(slot, link, side);
        } else if end.flags.has(Flags::SHUT_AFTER) {
            end.flags.unset(Flags::SHUT_AFTER);
            if let Some(socket) = &end.socket {
                self.ring.shutdown_write(socket);
            }
        }
        let source = link.end(side.peer());
        let held = source.flags.has(Flags::PAUSED) && source.failure().is_none();
        if source.flags.has(Flags::OVER) && !held {
            self.report_end(slot, link, side.peer());
        }
    }

    fn report_end(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let end = link.end(side);
        let told = if end.failure().is_some() { Flags::FAILED } else { Flags::ENDED };
        if link.stage == Stage::Leaving || end.flags.has(told) {
            return;
        }
        let end = link.end_mut(side);
        end.flags.set(Flags::ENDED);
        end.flags.set(told);
        let event = match end.failure() {
            Some(failure) => Event::Failed(side, failure),
            None => Event::Eof(side),
        };
        self.tell(slot, event);
    }

    /// Begins or stops to receive from a side, as it should be now.
    pub(super) fn regulate(&mut self, slot: Slot, link: &mut Link, side: Side) {
        let tag = link.mark(slot, Kind::Socket, side).tag();
        let (turn, stage) = (link.turn, link.stage);
        let fill = link.mark(slot, Kind::Fill, side).tag();
        let wants_pipe = link.appetite(side).is_for_pipes();
        let (source, sink) = link.ends(side);
        let Some(socket) = &source.socket else { return };
        if stage == Stage::Relaying && may_receive(source, sink) {
            let splices = wants_pipe && may_splice(source, sink);
            if splices && source.flags.has(Flags::RECEIVING) {
                // Only behind its last bytes may others go another way.
                if !source.flags.has(Flags::CANCELLING) {
                    source.flags.set(Flags::CANCELLING);
                    self.ring.cancel_receive(tag);
                }
            } else if splices && !source.flags.has(Flags::FILLING) {
                self.ring.poll(socket, (libc_poll::IN | libc_poll::RDHUP) as u32, fill);
                source.flags.set(Flags::FILLING);
            } else if !source.flags.is_read() {
                let stepwise = source.flags.has(Flags::STEPWISE);
                let reception = if stepwise { Reception::Once } else { Reception::Many };
                self.ring.receive(socket, reception, tag);
                source.flags.set(Flags::RECEIVING);
            }
            return;
        }
        if sink.waiting.is_some() {
            source.flags.set(Flags::STEPWISE);
        }
        if source.flags.is_read() && !source.flags.has(Flags::CANCELLING) {
            source.flags.set(Flags::CANCELLING);
            match source.flags.has(Flags::FILLING) {
                true => self.ring.cancel_poll(fill),
                false => self.ring.cancel_receive(tag),
            }
        }
        if side == Side::Client && !source.flags.has(Flags::OVER) && !source.flags.has(Flags::WATCHED) {
            self.unread.push((slot, turn));
        }
    }
}

/// Whether an operation has done nothing though its socket is well: it can be asked for again.
pub(super) fn is_passing(errno: Errno) -> bool {
    matches!(errno, Errno::ECANCELED | Errno::EAGAIN | Errno::EINTR)
}

/// In front of what waits, and as blocks: up to some hundred kilobytes, as often as a slow side takes some.
fn put_back(waiting: &mut Vec<u8>, rest: &[u8]) {
    let mut all = rest.to_vec();
    all.append(waiting);
    *waiting = all;
}

/// Whether `source` should be read, for `sink` to get it.
pub(super) fn may_receive(source: &End, sink: &End) -> bool {
    let flags = source.flags;
    if flags.has(Flags::OVER) || flags.has(Flags::ENDED) || flags.has(Flags::CLOSE_AFTER) {
        return false;
    }
    if flags.has(Flags::DISCARD) {
        return true;
    }
    let open = sink.socket.is_some() && !sink.flags.has(Flags::CONNECTING);
    !flags.has(Flags::PAUSED) && sink.waiting.is_none() && (open || flags.has(Flags::BROKEN))
}
