//! While bytes flow: FIN and RST of either side, and the end.
//!
//! Half-close is kept: a side's FIN is passed on, and the session lives until the other side has closed too or
//! its timer runs out. A reset is passed on as a reset: to the server at once; to the client when it has
//! every byte that the server sent before, however slowly it takes them: only a client that takes nothing
//! for as long as `timeout client` (or `client-fin`) allows is reset without them.

use std::time::Duration;

use super::super::contract::{Close, Op, Side};
use super::cutting::LINGER;
use super::freezing::Frozen;
use super::{Context, Session, Stage, index, millis};
use crate::proxy_protocol::HeaderError;
use crate::state::{Cause, Phase, Termination};

const CLIENT_GONE: Termination = Termination::new(Cause::ClientAbort, Phase::Data);

impl Session {
    /// A side's FIN.
    pub(super) fn ended(&mut self, side: Side, context: &Context<'_>, ops: &mut Vec<Op>) {
        match self.stage {
            Stage::Relaying => self.half_closed(side, context, ops),
            Stage::Draining { .. } => {
                self.eof[index(side)] = true;
                if side == Side::Server {
                    self.drained(context, ops);
                }
            }
            Stage::Lingering { .. } if side == Side::Client => self.cut_ended(context, ops),
            Stage::Resetting => self.eof[index(side)] = true,
            Stage::Greeting { .. } => self.closed_greeting(context, ops),
            // It says no more: rules decide by what there is.
            Stage::Inspecting { look, pause, .. } => {
                self.stage = Stage::Inspecting { until: context.now, look, pause };
                ops.push(Op::Peek);
            }
            _ if side == Side::Client => self.client_closed_early(context, ops),
            _ => {}
        }
    }

    /// Nothing more comes from that side: its FIN, or it said nothing for too long.
    pub(super) fn half_closed(&mut self, side: Side, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.eof[index(side)] {
            // Its FIN after its time.
            return;
        }
        self.eof[index(side)] = true;
        self.blocked[index(side.peer())] = false;
        self.last = context.now;
        // HAProxy's `option nolinger` knows of no half a connection to a server: the rest is closed, with an RST.
        let whole = side == Side::Client && self.pool(context).is_some_and(|p| p.backend().nolinger);
        if whole || self.eof == [true; 2] {
            return self.end(Termination::NORMAL, context, ops);
        }
        ops.push(Op::Shutdown(side.peer()));
        if side == Side::Server {
            self.server_left_frozen(ops);
        }
        self.set_limits(context);
    }

    /// A client's FIN while it has no server yet: it may still read, unless `option abortonclose` says that it
    /// is gone.
    fn client_closed_early(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.pool(context).is_some_and(|pool| pool.backend().abortonclose) {
            self.aborted_early(context, ops);
        }
    }

    /// As HAProxy, also without that option: who closes and has said nothing wants nothing, and neither stands
    /// in a queue nor is retried. An attempt that is under way is awaited, for it may stand already: a client
    /// that only knocks is then a session that ended well. One that is held for want of a master keeps its
    /// place: it may be a probe that counts how long that takes.
    pub(super) fn left_unserved(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let held = self.is_waiting() && self.pool(context).is_some_and(|pool| !pool.anybody());
        self.left = true;
        match self.stage {
            Stage::Waiting { .. } | Stage::Pausing { .. } if !held => self.aborted_early(context, ops),
            _ => self.ended(Side::Client, context, ops),
        }
    }

    pub(super) fn aborted_early(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let phase = if self.is_waiting() { Phase::Queue } else { Phase::Connect };
        self.abandon(Termination::new(Cause::ClientAbort, phase), context, ops);
    }

    /// The client's RST, or what amounts to it.
    pub(super) fn client_failed(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        match self.stage {
            Stage::Relaying => {
                self.frozen = Frozen::No;
                ops.push(Op::Close(Side::Server, Close::Reset));
                self.end(CLIENT_GONE, context, ops);
            }
            Stage::Draining { .. } | Stage::Lingering { .. } => self.cut_ended(context, ops),
            Stage::Resetting => {
                self.end(Termination::new(Cause::ServerAbort, Phase::Data), context, ops);
            }
            Stage::Greeting { .. } => self.refuse_header(HeaderError::Closed, ops),
            Stage::Inspecting { .. } => self.ended_in_rules(Cause::ClientAbort, context, ops),
            _ => self.abandon(CLIENT_GONE, context, ops),
        }
    }

    /// The client is gone before it had a server. A seat that is on its way to it is passed on by the worker.
    fn abandon(&mut self, code: Termination, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.is_waiting() {
            self.wait = millis(context.now.since(self.accepted));
            self.leave_line(context);
        }
        self.end(code, context, ops);
    }

    /// The server's RST, or what amounts to it.
    pub(super) fn server_failed(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        match self.stage {
            Stage::Draining { .. } => self.drained(context, ops),
            Stage::Relaying => {
                if self.frozen == Frozen::Both {
                    ops.push(Op::Discard(Side::Server));
                }
                ops.extend([Op::DropServer, Op::Discard(Side::Client), Op::ReportQuiet(Duration::ZERO)]);
                self.leave_server(context);
                self.frozen = Frozen::No;
                self.stage = Stage::Resetting;
                self.eof[index(Side::Server)] = true;
                self.last = context.now;
                self.set_limits(context);
            }
            _ => {}
        }
    }

    /// Everything that the server sent has reached the client.
    pub(super) fn quiet(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        match self.stage {
            Stage::Draining { .. } => self.drained(context, ops),
            Stage::Resetting => self.reset_client(context, ops),
            Stage::Lingering { until: None } => {
                self.stage = Stage::Lingering { until: Some(context.now + LINGER) };
            }
            _ => {}
        }
    }
}
