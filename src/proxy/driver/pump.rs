//! Moves bytes of one link both ways through a scratch buffer that all links of a worker share, or through a pipe.
//!
//! * One receive and one send a message: a receive that came back short has emptied the kernel's queue, so
//!   no second one asks (epoll(7), edge-triggered); nor does one follow the send, for the answer takes
//!   longer than that.
//! * What a send could not take is copied out of the scratch buffer, and its source is not read until that
//!   is gone: at most one scratch buffer a direction waits, only while a side is slow.
//! * A FIN is reported after the bytes before it were sent, a server's failure likewise. A client that
//!   failed is reported at once: there is nobody to wait for. So is a side that has sent its FIN before and whose
//!   send fails then: it is gone wholly, and bytes for it would be thrown away for as long as they come.

use nix::errno::Errno;

use super::super::contract::{Close, Event, Failure, Op, Side};
use super::link::{End, Flags, Leftover, Link, Stage, failure};
use super::pipes::Pipes;
use super::splice::{Appetite, is_unsupported};
use super::{Report, Slot};
use crate::sys::socket::{self, Moved};

/// Bytes one receive takes at most, and the most that ever waits for a slow side. Small enough to stay in the
/// second-level cache; four times larger than 64 KiB it takes a quarter less processor time for bulk, and small
/// messages do not notice ([`super::splice`] has the figures).
pub(super) const SCRATCH: usize = 256 * 1024;

/// Full receives a direction gets before others have their turn.
const ROUNDS: usize = 2;

/// What a worker's links share.
#[derive(Debug)]
pub(super) struct Pump {
    scratch: Box<[u8]>,
    pipes: Pipes,
    pub(super) reports: std::collections::VecDeque<(Slot, Report)>,
}

/// Whether a direction would have more to move at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Over,
    Again,
}

impl Pump {
    pub(super) fn new(pipes: Pipes) -> Pump {
        let reports = std::collections::VecDeque::new();
        Pump { scratch: vec![0; SCRATCH].into(), pipes, reports }
    }

    fn tell(&mut self, slot: Slot, event: Event) {
        self.reports.push_back((slot, Report::Event(event)));
    }

    /// Moves what can be moved.
    pub(super) fn advance(&mut self, slot: Slot, link: &mut Link) -> Turn {
        match link.stage {
            Stage::Waiting => {
                self.foretell(slot, link);
                Turn::Over
            }
            Stage::Relaying => self.relay(slot, link),
            Stage::Leaving => {
                self.flush(slot, Side::Client, &mut link.client);
                self.flush(slot, Side::Server, &mut link.server);
                Turn::Over
            }
        }
    }

    fn relay(&mut self, slot: Slot, link: &mut Link) -> Turn {
        let mut turn = self.direction(slot, Side::Client, link);
        if self.direction(slot, Side::Server, link) == Turn::Again {
            turn = Turn::Again;
        }
        // A send that failed leaves its own side to be read out, which this turn may have passed already.
        let broken = link.client.flags.has(Flags::BROKEN) && !link.client.flags.has(Flags::FAILED);
        if broken && self.direction(slot, Side::Client, link) == Turn::Again {
            turn = Turn::Again;
        }
        self.notice_lost_client(slot, link);
        turn
    }

    /// From that side to the other one.
    fn direction(&mut self, slot: Slot, from: Side, link: &mut Link) -> Turn {
        let (source, sink) = link.ends(from);
        if !source.flags.has(Flags::PAUSED) {
            self.flush(slot, from.peer(), sink);
        }
        let mut received = 0;
        let mut turn = Turn::Again;
        let mut ended = None;
        for _ in 0..ROUNDS {
            if !may_read(source, sink) {
                turn = Turn::Over;
                break;
            }
            let moved = self.splice(source, sink);
            match moved.unwrap_or_else(|| self.copy(source, sink)) {
                // What is thrown away is neither counted nor activity.
                Moved::Bytes(_) if source.flags.has(Flags::DISCARD) => {}
                Moved::Bytes(count) => received += count as u64,
                Moved::Later => source.flags.unset(Flags::READABLE),
                Moved::End => ended = Some(Ok(())),
                Moved::Failed(errno) => ended = Some(Err(errno)),
            }
            if ended.is_some() {
                break;
            }
        }
        let read_out = source.flags.has(Flags::ENDED) || !source.flags.has(Flags::READABLE);
        if source.flags.has(Flags::BROKEN) && read_out && ended.is_none() {
            ended = Some(Err(Errno::EPIPE));
        }
        if received > 0 {
            self.tell(slot, Event::Received(from, received));
        }
        if sink.leftover.is_some() && received > 0 {
            self.tell(slot, Event::Blocked(from.peer()));
        }
        if let Some(end) = ended {
            self.end(slot, from, source, end);
            return Turn::Over;
        }
        turn
    }

    /// One receive, and one send of what it brought.
    fn copy(&mut self, source: &mut End, sink: &mut End) -> Moved {
        let Some(socket) = &source.socket else { return Moved::Later };
        let moved = socket::receive(socket, &mut self.scratch);
        if let Moved::Bytes(count) = moved {
            source.appetite.saw(count);
            if count < SCRATCH && !source.flags.has(Flags::HUNG) {
                source.flags.unset(Flags::READABLE);
            }
            if !source.flags.has(Flags::DISCARD) {
                give(&self.scratch[..count], sink);
            }
        }
        moved
    }

    /// The same through a pipe; `None` if these bytes have to be copied. That a splice took little says nothing of
    /// what is left: a pipe is full after so many pages, however little is on each.
    fn splice(&mut self, source: &mut End, sink: &mut End) -> Option<Moved> {
        let is_thrown_away = source.flags.has(Flags::DISCARD) || sink.flags.has(Flags::BROKEN);
        if !source.appetite.is_for_pipes() || is_thrown_away {
            return None;
        }
        let (Some(from), Some(to)) = (&source.socket, &sink.socket) else { return None };
        let Some(mut pipe) = self.pipes.take() else {
            source.appetite.went_without();
            return None;
        };
        let moved = pipe.fill(from);
        match moved {
            Moved::Bytes(count) => source.appetite.saw(count),
            Moved::Failed(errno) if is_unsupported(errno) => {
                source.appetite = Appetite::Copies;
                return None;
            }
            _ => {}
        }
        match pipe.drain(to) {
            Moved::Failed(errno) => break_off(sink, errno),
            _ if pipe.held() > 0 => sink.leftover = Some(Box::new(Leftover::Spliced(pipe))),
            _ => self.pipes.put(pipe),
        }
        Some(moved)
    }

    fn end(&mut self, slot: Slot, side: Side, end: &mut End, how: Result<(), Errno>) {
        let failed = how.is_err() || end.flags.has(Flags::BROKEN);
        let told = if failed { Flags::FAILED } else { Flags::ENDED };
        if end.flags.has(told) {
            return;
        }
        end.flags.set(Flags::ENDED);
        end.flags.set(told);
        // A broken side's error was taken by the send that found it; its end looks like a FIN then.
        let event = match how {
            _ if end.flags.has(Flags::TIMED_OUT) => Event::Failed(side, Failure::TimedOut),
            Ok(()) if end.flags.has(Flags::BROKEN) => Event::Failed(side, Failure::Reset),
            Ok(()) => Event::Eof(side),
            Err(errno) => Event::Failed(side, failure(errno)),
        };
        self.tell(slot, event);
    }

    /// Sends what waits for a side, then the FIN or the close that waits behind it.
    pub(super) fn flush(&mut self, slot: Slot, side: Side, end: &mut End) {
        let Some(leftover) = &mut end.leftover else { return };
        let Some(socket) = &end.socket else { return };
        let mut sent = 0;
        let moved = loop {
            match leftover.send(socket) {
                Moved::Bytes(count) => {
                    sent += count;
                    if leftover.length() == 0 {
                        break Moved::Bytes(sent);
                    }
                }
                other => break other,
            }
        };
        match moved {
            Moved::Failed(errno) => {
                end.leftover = None;
                break_off(end, errno);
            }
            Moved::Bytes(_) => {
                if let Some(Leftover::Spliced(pipe)) = end.leftover.take().map(|leftover| *leftover) {
                    self.pipes.put(pipe);
                }
                self.tell(slot, Event::Flowing(side));
            }
            Moved::Later | Moved::End => {
                if sent > 0 {
                    self.tell(slot, Event::Blocked(side));
                }
                return;
            }
        }
        if end.flags.has(Flags::CLOSE_AFTER) {
            end.close();
        } else if end.flags.has(Flags::SHUT_AFTER) {
            end.flags.unset(Flags::SHUT_AFTER);
            self.shut(end);
        }
    }

    fn shut(&mut self, end: &mut End) {
        if let Some(socket) = &end.socket {
            socket::shutdown_write(socket);
        }
    }

    /// `Op::Shutdown`, `Op::Close`, `Op::DropServer`: at once, or behind what waits.
    pub(super) fn finish(&mut self, link: &mut Link, op: &Op) {
        match op {
            Op::Shutdown(side) => {
                let end = link.end_mut(*side);
                if end.leftover.is_some() {
                    end.flags.set(Flags::SHUT_AFTER);
                } else {
                    self.shut(end);
                }
            }
            Op::Close(side, Close::Fin) => {
                if *side == Side::Client && link.stage == Stage::Waiting {
                    self.read_out(&mut link.client);
                }
                let end = link.end_mut(*side);
                if end.leftover.is_some() {
                    end.flags.set(Flags::CLOSE_AFTER);
                } else {
                    end.close();
                }
            }
            Op::Close(side, Close::Reset) => {
                let end = link.end_mut(*side);
                end.socket.iter().for_each(socket::reset_on_close);
                end.close();
            }
            Op::DropServer => link.server.close(),
            _ => {}
        }
    }

    /// A client that is turned away may have spoken: closing with unread input would be an RST, not a FIN.
    fn read_out(&mut self, client: &mut End) {
        // Its words may have come before the edge that will tell of them.
        let Some(socket) = &client.socket else { return };
        for _ in 0..ROUNDS {
            if socket::receive(socket, &mut self.scratch) != Moved::Bytes(SCRATCH) {
                return;
            }
        }
    }

    /// `Op::Discard`: what that side sent and the other one could not take yet is thrown away as well, so
    /// that a server that is cut off gets no further command.
    pub(super) fn discard(&mut self, link: &mut Link, side: Side) {
        let (from, to) = link.ends(side);
        from.flags.set(Flags::DISCARD);
        from.flags.unset(Flags::PAUSED);
        to.leftover = None;
        if to.flags.has(Flags::SHUT_AFTER) {
            to.flags.unset(Flags::SHUT_AFTER);
            self.shut(to);
        }
    }

    /// Before the relay: a FIN or RST of the client, without reading.
    fn foretell(&mut self, slot: Slot, link: &mut Link) {
        self.notice_lost_client(slot, link);
        let flags = &mut link.client.flags;
        if flags.has(Flags::HUNG) && !flags.has(Flags::FORETOLD) && !flags.has(Flags::ENDED) {
            flags.set(Flags::FORETOLD);
            let said_nothing = link.client.socket.as_ref().is_some_and(socket::ends_at_once);
            self.tell(slot, if said_nothing { Event::LeftUnserved } else { Event::Eof(Side::Client) });
        }
    }

    /// An error of the client that no receive has found, because the client is not read now.
    fn notice_lost_client(&mut self, slot: Slot, link: &mut Link) {
        let client = &mut link.client;
        let failed = client.flags.has(Flags::ERROR) || client.flags.has(Flags::BROKEN);
        if !failed || client.flags.has(Flags::ENDED) {
            return;
        }
        let pending = client.socket.as_ref().and_then(socket::take_error);
        let broken = client.flags.has(Flags::BROKEN).then_some(Errno::EPIPE);
        if let Some(errno) = pending.or(broken) {
            self.end(slot, Side::Client, client, Err(errno));
        }
    }
}

/// Whether `source` has something that `sink` could take.
fn may_read(source: &End, sink: &End) -> bool {
    let flags = source.flags;
    if !flags.has(Flags::READABLE) || flags.has(Flags::ENDED) || flags.has(Flags::CLOSE_AFTER) {
        return false;
    }
    if flags.has(Flags::DISCARD) {
        return true;
    }
    let open = sink.socket.is_some() && !sink.flags.has(Flags::CONNECTING);
    !flags.has(Flags::PAUSED) && sink.leftover.is_none() && (open || flags.has(Flags::BROKEN))
}

/// Sends; what is not taken waits.
fn give(bytes: &[u8], sink: &mut End) {
    let Some(socket) = &sink.socket else { return };
    if sink.flags.has(Flags::BROKEN) {
        return;
    }
    match socket::send(socket, bytes) {
        Moved::Bytes(count) if count == bytes.len() => {}
        Moved::Bytes(count) => sink.leftover = Some(Leftover::of(&bytes[count..])),
        Moved::Later | Moved::End => sink.leftover = Some(Leftover::of(bytes)),
        Moved::Failed(errno) => break_off(sink, errno),
    }
}

/// From a send that failed on: the side is read out, then reported.
fn break_off(end: &mut End, errno: Errno) {
    if failure(errno) == Failure::TimedOut {
        end.flags.set(Flags::TIMED_OUT);
    }
    end.flags.set(Flags::BROKEN);
    end.flags.set(Flags::READABLE);
    end.flags.set(Flags::HUNG);
}
