//! Shows a session what its client or its server has said, where it lies ([`Op::Peek`], [`Op::Overhear`]): rules
//! decide by it, and not a byte is taken.
//!
//! [`Op::Peek`]: super::contract::Op::Peek
//! [`Op::Overhear`]: super::contract::Op::Overhear

use super::contract::Side;
use super::driver::{Engine, Slot};
use super::session::Context;
use super::worker::Worker;
use crate::sys::socket::{self, Moved};

impl Worker {
    /// What the client has said so far.
    pub(super) fn peek(&mut self, slot: Slot, engine: &mut impl Engine) {
        let (room, count, ended) = self.look(slot, Side::Client, engine);
        let local = engine.client(slot).and_then(|client| socket::local_address(&client));
        let context = Context { snapshot: &self.snapshot, now: self.now, workers: &self.shared.workers };
        self.sessions.with(slot, |session, ops| {
            let greeted = session.is_greeting();
            session.said(&room[..count], ended, &context, ops);
            if greeted && !session.is_greeting() && !session.was_turned_away() {
                self.shared.tell_greeted(session, &self.snapshot.config, local);
            }
        });
        self.sessions.peeked = room;
        // A session asks again only when its timer has fired.
        self.perform(slot, engine);
    }

    /// What the server has said so far.
    pub(super) fn overhear(&mut self, slot: Slot, engine: &mut impl Engine) {
        let (room, count, ended) = self.look(slot, Side::Server, engine);
        let context = Context { snapshot: &self.snapshot, now: self.now, workers: &self.shared.workers };
        self.sessions.with(slot, |session, ops| session.heard(&room[..count], ended, &context, ops));
        self.sessions.peeked = room;
        self.perform(slot, engine);
    }

    /// How much of the room was filled, and whether that is all there will be, or is room for.
    fn look(&mut self, slot: Slot, side: Side, engine: &impl Engine) -> (Vec<u8>, usize, bool) {
        let mut room = std::mem::take(&mut self.sessions.peeked);
        room.resize(self.snapshot.config.global.bufsize, 0);
        let socket = engine.socket(slot, side);
        let moved = socket.as_ref().map_or(Moved::End, |socket| socket::peek(socket, &mut room));
        let (count, ended) = match moved {
            // A FIN stands behind the bytes, where no peek comes to.
            Moved::Bytes(count) => {
                (count, count == room.len() || socket.as_ref().is_some_and(socket::has_fin))
            }
            Moved::Later => (0, false),
            // What it was is told by the engine.
            Moved::End | Moved::Failed(_) => (0, true),
        };
        (room, count, ended)
    }
}
