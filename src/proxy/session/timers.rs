//! What a session waits for at most, and what happens then.
//!
//! While it relays, one time stamp does for both sides: what one side sends the other takes at once, so both
//! were active. Where a side does not take it ([`Event::Blocked`]), only that side's timer runs, as it is
//! the one that does nothing.
//!
//! [`Event::Blocked`]: crate::proxy::contract::Event::Blocked

use std::time::Duration;

use super::super::contract::{Close, Op, Side};
use super::freezing::Frozen;
use super::{Context, NEVER, NONE, Session, Stage, index, millis};
use crate::config::model::Backend;
use crate::state::{Cause, Phase, Termination};
use crate::time::Tick;

const CLIENT_TIMEOUT: Termination = Termination::new(Cause::ClientTimeout, Phase::Data);
const SERVER_TIMEOUT: Termination = Termination::new(Cause::ServerTimeout, Phase::Data);

impl Session {
    /// When [`crate::proxy::contract::Event::Timer`] is due next; `None`: never.
    pub fn deadline(&self) -> Option<Tick> {
        let until = match self.stage {
            Stage::New | Stage::Over => NEVER,
            Stage::Greeting { until, look, .. } => until.min(look),
            Stage::Inspecting { until, look, .. } => until.min(look).min(self.silence_due()),
            Stage::Waiting { until, .. } | Stage::Connecting { until } | Stage::Pausing { until } => {
                until.min(self.silence_due())
            }
            Stage::Lingering { until: Some(until) } => until,
            Stage::Lingering { until: None } | Stage::Resetting => self.patience(Side::Client),
            Stage::Relaying if self.frozen != Frozen::No => self.hearing_due(),
            Stage::Relaying => {
                let idle = self.idle_until(Side::Client).min(self.idle_until(Side::Server));
                idle.min(self.hearing_due())
            }
            Stage::Draining { .. } if self.blocked[0] => self.patience(Side::Client),
            Stage::Draining { until, .. } => until,
        };
        (until != NEVER).then_some(until)
    }

    /// A deadline may have passed; a late look at one that was moved does nothing.
    pub(super) fn timer(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.deadline().is_none_or(|due| context.now < due) {
            return;
        }
        match self.stage {
            Stage::New | Stage::Over => {}
            Stage::Greeting { .. } | Stage::Inspecting { .. } => ops.push(Op::Peek),
            Stage::Waiting { until, .. } | Stage::Connecting { until } | Stage::Pausing { until }
                if context.now < until =>
            {
                ops.push(Op::Peek);
            }
            Stage::Waiting { .. } => self.waited_enough(context, ops),
            Stage::Connecting { .. } => self.connect_timed_out(context, ops),
            Stage::Pausing { .. } => self.pause_over(context, ops),
            Stage::Relaying if self.hearing_due() <= context.now => ops.push(Op::Overhear),
            Stage::Relaying => {
                let (client, server) = (self.idle_until(Side::Client), self.idle_until(Side::Server));
                let (side, code) = match client <= server {
                    true => (Side::Client, CLIENT_TIMEOUT),
                    false => (Side::Server, SERVER_TIMEOUT),
                };
                self.idle_for_too_long(side, code, context, ops);
            }
            Stage::Draining { .. } if self.blocked[0] => self.end(self.cut_code(), context, ops),
            Stage::Draining { .. } => self.drained(context, ops),
            Stage::Lingering { .. } => self.end(self.cut_code(), context, ops),
            Stage::Resetting => self.reset_client(context, ops),
        }
    }

    /// As in HAProxy, who has said nothing for too long is heard no more, and the other side gets a FIN: what it
    /// has to say still arrives, in its own time. One code stays, that of the first timeout. Nothing is left to wait
    /// for if the other side has ended or is late as well, or if this one does not take what it gets.
    fn idle_for_too_long(&mut self, side: Side, code: Termination, context: &Context<'_>, ops: &mut Vec<Op>) {
        let peer = side.peer();
        let both = self.eof[index(peer)] || self.idle_until(peer) <= context.now;
        if both || self.blocked[index(side)] || self.is_hearing() {
            return self.end(code, context, ops);
        }
        self.broken = code;
        let (limits, last) = (self.limits, self.last);
        ops.push(Op::Discard(side));
        self.half_closed(side, context, ops);
        // Only `client-fin` and `server-fin` begin anew.
        if self.limits == limits {
            self.last = last;
        }
    }

    /// When that side has been idle for too long, if its timer runs at all.
    fn idle_until(&self, side: Side) -> Tick {
        let (own, other) = (index(side), index(side.peer()));
        // A side whose reading is stopped because the other takes nothing, or that has ended, owes nothing.
        let owes = self.blocked[own] || !(self.eof[own] || self.blocked[other]);
        if owes { self.patience(side) } else { NEVER }
    }

    fn patience(&self, side: Side) -> Tick {
        match self.limits[index(side)] {
            NONE => NEVER,
            limit => self.last + Duration::from_millis(u64::from(limit)),
        }
    }

    /// When the client has been idle for too long, whatever else there is.
    pub(super) fn client_patience(&self) -> Tick {
        self.patience(Side::Client)
    }

    /// `timeout client` and `server`, or, once connected, `tunnel` in place of both; once half closed, `client-fin` and
    /// `server-fin`. Where the config has no such frontend or backend any more, the old ones stay.
    pub(super) fn set_limits(&mut self, context: &Context<'_>) {
        let Some(frontend) = self.frontend(context) else { return };
        if self.backend.is_none() {
            self.limits = [frontend.timeout_client.map_or(NONE, millis), NONE];
        }
        let Some(pool) = self.pool(context) else { return };
        let backend = pool.backend();
        let tunnel = backend.timeout_tunnel.filter(|_| self.was_connected());
        let fin = |half_closed: bool, time: Option<Duration>| time.filter(|_| half_closed);
        let client = fin(self.eof[1], frontend.timeout_client_fin).or(tunnel).or(frontend.timeout_client);
        let server = fin(self.eof[0], backend.timeout_server_fin).or(tunnel).or(backend.timeout_server);
        self.limits = [client, server].map(|limit| limit.map_or(NONE, millis));
    }

    /// That side takes no more, or takes again.
    pub(super) fn blocked(&mut self, side: Side, blocked: bool, now: Tick) {
        let was = std::mem::replace(&mut self.blocked[index(side)], blocked);
        self.last = now;
        if side == Side::Server || was == blocked {
            return;
        }
        // Only the time in which the client takes bytes counts against the draining.
        if let Stage::Draining { until, left } = &mut self.stage {
            match blocked {
                true => *left = millis(until.since(now)),
                false => *until = now + Duration::from_millis(u64::from(*left)),
            }
        }
    }

    pub(super) fn reset_client(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        ops.push(Op::Close(Side::Client, Close::Reset));
        self.end(Termination::new(Cause::ServerAbort, Phase::Data), context, ops);
    }
}

/// How long a session that began to wait `since` may wait for a place.
pub(super) fn place_deadline(backend: &Backend, since: Tick) -> Tick {
    after(since, backend.timeout_queue.or(backend.timeout_connect))
}

/// The end of an optional time.
pub(super) fn after(since: Tick, time: Option<Duration>) -> Tick {
    time.map_or(NEVER, |time| since + time)
}
