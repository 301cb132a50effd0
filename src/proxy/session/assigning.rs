//! From the accept to a seat at a server: which backend, which server, and the waiting in between.

use std::sync::Arc;

use super::super::assign::{self, Choice, Pool, Seat};
use super::super::contract::Op;
use super::{Context, GONE, Membership, NEVER, Session, Stage, millis, timers};
use crate::balance::Request;
use crate::config::model::{BackendId, Frontend, Mode};
use crate::state::{Cause, Phase, ServerKey, ServerLive, Termination, Waiter};
use crate::time::Tick;

/// No server: HAProxy's code for it.
const REFUSED: Termination = Termination::new(Cause::ServerAbort, Phase::Connect);
/// It waited for a place, or for a master, as long as it may.
const WAITED: Termination = Termination::new(Cause::ServerTimeout, Phase::Queue);

impl Session {
    /// Chooses a backend and sets out, once the rules of the frontend have let it in.
    pub fn start(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Some(frontend) = self.frontend(context) else { return self.end(REFUSED, context, ops) };
        if !frontend.rules.needed || self.let_in(frontend, context, ops) {
            self.choose_backend(context, ops);
        }
    }

    /// The frontend's rules are done with.
    pub(super) fn choose_backend(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Some(frontend) = self.frontend(context) else { return self.end(REFUSED, context, ops) };
        if frontend.mode == Mode::Http {
            return ops.push(Op::Serve);
        }
        if !self.join_backend(frontend, context) {
            return self.end(REFUSED, context, ops);
        }
        if self.ruling.is_none() || self.inspect(context, ops) {
            self.choose_server(context, ops);
        }
    }

    /// Becomes a session of the backend that it leads to; `false` if it leads to none.
    pub(super) fn join_backend(&mut self, frontend: &Frontend, context: &Context<'_>) -> bool {
        let enabled = |id: &BackendId| !context.snapshot.config.backends[id.0].disabled;
        let chosen = self.chosen_backend(frontend, context).filter(enabled);
        let Some(BackendId(at)) = chosen else { return false };
        self.backend_at = at as u32;
        self.backend = Some(Membership::enter(&context.snapshot.backends[at].live, context.now));
        // They stay in force if a reload removes the proxies before the connect.
        self.set_limits(context);
        true
    }

    /// The backend's rules are done with.
    pub(super) fn choose_server(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.pool(context).is_some_and(|pool| pool.backend().mode == Mode::Http) {
            return ops.push(Op::Serve);
        }
        self.assign(context, ops);
    }

    /// Looks for a seat: the first time, after a redispatch, after a cut.
    pub(super) fn assign(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Some(pool) = self.pool(context) else { return self.end(REFUSED, context, ops) };
        if !self.failed && self.assign_named(&pool, context, ops) {
            return;
        }
        let avoid = self.server.as_ref().filter(|_| self.failed).map(|server| server.key.0);
        let client = self.client.map(|client| client.ip());
        match pool.choose(Request { client, key: self.hash_key(&pool, context), avoid }) {
            Choice::Seat(seat) => self.connect(seat, context, ops),
            Choice::QueueFull(server) => {
                server.traffic.connect_errors.add(1);
                self.await_server(Some(server));
                self.refuse(Termination::new(Cause::ServerAbort, Phase::Queue), context, ops);
            }
            Choice::Wait(pinned) => {
                let until = timers::place_deadline(pool.backend(), context.now);
                self.await_server(pinned);
                self.stand_in_line(until, context);
            }
            Choice::Nobody => self.hold(&pool, context, ops),
        }
    }

    /// Follows `use-server`; whether there is such a rule and it can be followed. The algorithm has no part in
    /// it, and is not counted.
    fn assign_named(&mut self, pool: &Pool<'_>, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let Some(choice) = self.named_server(pool, context) else { return false };
        match choice {
            Choice::Seat(seat) => {
                self.server = Some(Arc::clone(seat.server()));
                self.connect(seat, context, ops);
            }
            Choice::Wait(server) => {
                self.server = server;
                self.stand_in_line(timers::place_deadline(pool.backend(), context.now), context);
            }
            Choice::QueueFull(server) => {
                server.traffic.connect_errors.add(1);
                self.server = Some(server);
                self.refuse(Termination::new(Cause::ServerAbort, Phase::Queue), context, ops);
            }
            Choice::Nobody => return false,
        }
        true
    }

    /// It will be served by that server or by any. The algorithm's choice counts although there is no seat yet.
    fn await_server(&mut self, server: Option<Arc<ServerLive>>) {
        if let (Some(server), Some(membership)) = (&server, &self.backend) {
            server.traffic.chosen.add(1);
            membership.live.traffic.chosen.add(1);
        }
        self.server = server;
    }

    /// No server gets sessions: waits if one may be expected, is refused otherwise.
    fn hold(&mut self, pool: &Pool<'_>, context: &Context<'_>, ops: &mut Vec<Op>) {
        let until = pool.view().held_until(pool.backend(), context.now).filter(|until| *until > context.now);
        self.server = None;
        match until {
            Some(until) if self.may_be_held(context) => self.stand_in_line(until, context),
            // Thawed, or come up, since it was looked for.
            None if pool.anybody() => {
                self.stand_in_line(timers::place_deadline(pool.backend(), context.now), context);
            }
            _ => self.refuse(REFUSED, context, ops),
        }
    }

    /// Counts it among the held, unless they are too many.
    fn may_be_held(&mut self, context: &Context<'_>) -> bool {
        let limit = context.snapshot.config.global.maxconn.unwrap_or(0);
        let own_limit = self.frontend(context).map_or(0, |frontend| frontend.maxconn);
        self.admission.hold(limit, own_limit)
    }

    fn stand_in_line(&mut self, until: Tick, context: &Context<'_>) {
        let Some(membership) = &self.backend else { return };
        let pinned = self.server.clone();
        let client = self.client.map(|client| client.ip());
        let key = self.pool(context).and_then(|pool| self.hash_key(&pool, context));
        let is_pinned = pinned.is_some();
        let arrival = self.admission.arrival();
        let ticket = membership.live.queue.push(Waiter { token: self.token, arrival, client, key, pinned });
        self.stage = Stage::Waiting { since: context.now, until, ticket, pinned: is_pinned };
        match self.admission.is_held() {
            true => self.excuse_silence(),
            false => self.mind_silence(),
        }
        self.wake(context);
    }

    /// A place was taken for it by somebody else.
    pub(super) fn granted(&mut self, key: ServerKey, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Stage::Waiting { ticket, pinned, .. } = self.stage else {
            return assign::pass_on(context.snapshot, key, context.workers);
        };
        // The count of the served has grown by this very session.
        self.left_line((ticket, pinned), 0, context.now);
        let Some(pool) = self.pool(context) else { return self.end(REFUSED, context, ops) };
        let Some(at) = pool.view().position(key) else { return self.assign(context, ops) };
        let seat = Seat::granted(&pool.view().servers[at]);
        if pool.usable_server(key) {
            return self.connect(seat, context, ops);
        }
        drop(seat);
        self.wake(context);
        self.assign(context, ops);
    }

    /// Servers, the master or the config changed.
    pub(super) fn reconsider(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let pinned = match self.stage {
            Stage::Waiting { pinned, .. } => pinned,
            Stage::Pausing { .. } => return self.reconsider_pause(context, ops),
            _ => return,
        };
        let Some(pool) = self.pool(context) else {
            return self.give_up(REFUSED, context, ops);
        };
        let lost = |key| pinned && !pool.usable_server(key);
        if self.server.as_ref().is_some_and(|server| lost(server.key)) {
            if self.leave_line(context) {
                self.assign(context, ops);
            }
            return;
        }
        self.wake(context);
        self.waited_enough(context, ops);
    }

    /// Ends the waiting if its time is over under what is true now.
    pub(super) fn waited_enough(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Stage::Waiting { since, ticket, pinned, .. } = self.stage else { return };
        let Some(pool) = self.pool(context) else {
            return self.give_up(REFUSED, context, ops);
        };
        let held = if pool.anybody() { None } else { pool.view().held_until(pool.backend(), since) };
        // However long it was held: its time for a place begins when there is somebody to wait for.
        let since = if held.is_none() && self.release_hold(context.now) { context.now } else { since };
        let until = held.unwrap_or_else(|| timers::place_deadline(pool.backend(), since));
        self.stage = Stage::Waiting { since, until, ticket, pinned };
        // It may have come to wait for a place and waits for a master now, or the other way round.
        let room = match held {
            Some(_) => {
                self.excuse_silence();
                self.may_be_held(context)
            }
            None => {
                self.mind_silence();
                true
            }
        };
        if room && context.now < until {
            return;
        }
        // Who was never to be held, or finds too many of them, is refused as if it had just come.
        let refused = held.is_some_and(|until| !room || until <= since);
        self.give_up(if refused { REFUSED } else { WAITED }, context, ops);
    }

    /// Leaves the line and ends; if its turn has come just now, the seat is on its way and is awaited.
    fn give_up(&mut self, code: Termination, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.leave_line(context) {
            self.wait = millis(context.now.since(self.accepted));
            if let Some(pinned) = &self.server {
                pinned.traffic.connect_errors.add(1);
            }
            self.refuse(code, context, ops);
        }
    }

    /// `false` if it was served already: then [`crate::proxy::contract::Event::Granted`] is to come.
    pub(super) fn leave_line(&mut self, context: &Context<'_>) -> bool {
        let Stage::Waiting { ticket, pinned, since, .. } = self.stage else { return true };
        let Some(membership) = &self.backend else { return true };
        if !membership.live.queue.remove(self.token) {
            self.stage = Stage::Waiting { since, until: NEVER, ticket, pinned };
            return false;
        }
        self.left_line((ticket, pinned), 1, context.now);
        // Those behind it may have waited only for it to move.
        self.wake(context);
        true
    }

    fn left_line(&mut self, (ticket, pinned): (u32, bool), itself: u32, now: Tick) {
        self.release_hold(now);
        let served = self.backend.as_ref().map_or(0, |member| member.live.queue.served_since(ticket));
        let position = if pinned { &mut self.server_queue } else { &mut self.backend_queue };
        *position = served + itself;
        self.stage = Stage::New;
    }

    /// Ends a session that never got a server; counts that.
    pub(super) fn refuse(&mut self, code: Termination, context: &Context<'_>, ops: &mut Vec<Op>) {
        if let Some(membership) = &self.backend {
            membership.live.traffic.connect_errors.add(1);
        }
        self.end(code, context, ops);
    }

    pub(super) fn wake(&self, context: &Context<'_>) {
        if self.backend_at != GONE {
            assign::wake(context.snapshot, BackendId(self.backend_at as usize), context.workers);
        }
    }
}
