//! A failover of the server has been decided: what the client sends from now on could be acknowledged there and
//! then be thrown away, when the server becomes a replica of another one. So nothing more goes to it; what it
//! answers still goes out, and so does what it replicates. The client feels back-pressure, and no timer runs:
//! the wait is ours, not a fault of either side.
//!
//! A client that pipelines has megabytes in the server's own buffers, and the server goes on executing and
//! acknowledging them, after the promotion too. So its replies are held back once those to what was on its way have had
//! their time, or the next master is selected, or known from the beginning. What was acknowledged before has been
//! replicated when Sentinel promotes, unless the replica lags by more than the 100 ms that lie between.
//!
//! | while frozen | what happens |
//! |---|---|
//! | bytes that the client sends | stay in its and our kernel's buffers |
//! | bytes that were read before, and the server could not take | stay here: sent at the thaw, thrown away at a cut |
//! | the client's FIN | waits behind them, passed on at the thaw |
//! | the client's RST | ends the session, `CD` |
//! | the server's FIN | passed on; the client's input is thrown away from then on, until it closes or its timeout |
//! | the server's RST | as ever: resetting |
//! | the guard says that replies are withheld | what the server says, its FIN too, stays where it is: delivered at the thaw |
//! | a cut before that | as ever: every reply goes out, then a FIN; input is thrown away |
//! | a cut after that | a FIN; what was held back is thrown away, and the server's connection reset |
//!
//! A session that is not connected yet has nothing to stop: it looks at the server once more at `Connected`.

use super::super::contract::{Op, Side};
use super::{Context, Seat, Session, Stage};

/// Who is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frozen {
    No,
    Client,
    Both,
}

impl Session {
    pub(super) fn freeze(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        // After its server's FIN there is nobody to send anything to.
        if self.stage != Stage::Relaying
            || self.frozen != Frozen::No
            || self.eof[1]
            || !self.server_is_frozen(context)
        {
            return;
        }
        self.frozen = Frozen::Client;
        ops.push(Op::Pause(Side::Client));
    }

    pub(super) fn withhold(&mut self, ops: &mut Vec<Op>) {
        if self.frozen != Frozen::Client {
            return;
        }
        self.frozen = Frozen::Both;
        // Whoever is heard by rules is not passed on yet.
        if !self.is_hearing() {
            ops.push(Op::Pause(Side::Server));
        }
    }

    /// The server stays. Both sides have their full time again.
    pub(super) fn thaw(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.frozen == Frozen::No {
            return;
        }
        let frozen = std::mem::replace(&mut self.frozen, Frozen::No);
        self.last = context.now;
        ops.push(Op::Resume(Side::Client));
        if frozen == Frozen::Both && !self.is_hearing() {
            ops.push(Op::Resume(Side::Server));
        }
    }

    /// The rules have let its words pass.
    pub(super) fn let_server_speak(&self, ops: &mut Vec<Op>) {
        if self.frozen != Frozen::Both {
            ops.push(Op::Resume(Side::Server));
        }
    }

    /// A reload may have taken away the server, or the backend whose guard froze it: nobody would send
    /// [`crate::proxy::contract::Event::Thaw`] then.
    pub(super) fn thaw_if_forgotten(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.frozen != Frozen::No && !self.server_is_frozen(context) {
            self.thaw(context, ops);
        }
    }

    /// Whether there is somebody who will thaw it, or cut it: it is no longer frozen either when another server
    /// has been chosen, and then the cut is on its way.
    fn server_is_frozen(&self, context: &Context<'_>) -> bool {
        let Some(pool) = self.pool(context) else { return self.is_frozen_elsewhere(context) };
        let Some(server) = self.seat.as_ref().map(Seat::server) else { return false };
        !pool.admits(server) && pool.view().position(server.key).is_some()
    }

    /// The server closed: what its client sends now has nowhere to go, but its FIN has to be seen.
    pub(super) fn server_left_frozen(&mut self, ops: &mut Vec<Op>) {
        if self.frozen != Frozen::No {
            self.drop_frozen_input(ops);
            self.blocked[1] = false;
        }
    }

    /// What waits for the server does not go there at the end of the session either.
    pub(super) fn drop_frozen_input(&mut self, ops: &mut Vec<Op>) {
        if self.frozen != Frozen::No && !self.eof[0] {
            ops.push(Op::Discard(Side::Client));
        }
        self.frozen = Frozen::No;
    }
}
