//! Ending a session from outside.
//!
//! A server that has lost its role must not get another command, and every reply that it has sent must reach
//! the client. So the client's input is thrown away from then on; what the server sends still goes out until
//! it has been quiet for a moment and the client has everything, or a second has passed in which the client
//! took bytes; then the client gets a FIN. Its input is still read until it has acknowledged everything and for a
//! moment after that, because closing a socket with unread input sends a RST, which makes the client lose
//! replies that it has not read yet. A client that takes nothing is given up after its timeout.
//!
//! Where a failover was decided beforehand, a session hears nothing more from a moment before the promotion on
//! ([`super::freezing`]), and is cut short: what its server has said since may be lost there.
//!
//! The other reasons (marked down, operator, backup relieved) end a session at once, as HAProxy does.

use std::time::Duration;

use super::super::contract::{Op, Side};
use super::freezing::Frozen;
use super::{Context, Session, Stage};
use crate::state::{Cause, CutReason, Phase, Termination};

/// How long the server has to be silent before its replies count as complete.
const SILENCE: Duration = Duration::from_millis(10);
/// How long replies may go on, counted while the client takes them.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the client may take to close after it has received our FIN.
pub(super) const LINGER: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn cut(&mut self, reason: CutReason, context: &Context<'_>, ops: &mut Vec<Op>) {
        match self.stage {
            Stage::Over | Stage::Lingering { .. } | Stage::Resetting => {}
            _ if reason == CutReason::Admin => self.end(code(reason), context, ops),
            Stage::New | Stage::Greeting { .. } | Stage::Inspecting { .. } | Stage::Waiting { .. } => {}
            Stage::Connecting { .. } | Stage::Pausing { .. } => {
                if self.seat.is_some() {
                    self.assign_anew(context, ops);
                }
            }
            Stage::Relaying if reason.delivers_replies() && self.frozen == Frozen::Both => {
                self.cut_short(context, ops);
            }
            Stage::Relaying if reason.delivers_replies() && !self.is_hearing() => self.drain(context, ops),
            Stage::Draining { .. } if reason.delivers_replies() => {}
            Stage::Relaying | Stage::Draining { .. } => self.end(code(reason), context, ops),
        }
    }

    pub(super) fn drain(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if !self.eof[0] {
            ops.push(Op::Discard(Side::Client));
        }
        self.blocked[1] = false;
        self.frozen = Frozen::No;
        let left = DRAIN.as_millis() as u32;
        self.stage = Stage::Draining { until: context.now + DRAIN, left };
        if self.eof[1] {
            // Its FIN was passed on already.
            return self.linger(context, ops);
        }
        ops.push(Op::ReportQuiet(SILENCE));
    }

    /// Another server was promoted while replies were held back: some of them may be for what is thrown away there.
    /// The server's connection is reset with that, so that it does not execute what it has not read yet.
    fn cut_short(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if !self.eof[0] {
            ops.push(Op::Discard(Side::Client));
        }
        ops.push(Op::Discard(Side::Server));
        self.blocked = [false; 2];
        self.frozen = Frozen::No;
        self.drained(context, ops);
    }

    /// No more replies: tells the client.
    pub(super) fn drained(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        ops.push(Op::Shutdown(Side::Client));
        self.linger(context, ops);
    }

    fn linger(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        ops.push(Op::DropServer);
        self.leave_server(context);
        if self.eof[0] {
            return self.cut_ended(context, ops);
        }
        ops.push(Op::ReportQuiet(Duration::ZERO));
        self.last = context.now;
        self.stage = Stage::Lingering { until: None };
    }

    pub(super) fn cut_ended(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        self.end(self.cut_code(), context, ops);
    }

    /// The code of a session whose replies went out before it ends.
    pub(super) fn cut_code(&self) -> Termination {
        let closed = self.ruling.as_ref().is_some_and(|ruling| ruling.closes);
        if closed { Termination::NORMAL } else { code(CutReason::Succeeded) }
    }
}

fn code(reason: CutReason) -> Termination {
    let cause = match reason {
        CutReason::RoleChanged | CutReason::Succeeded | CutReason::MarkedDown => Cause::MarkedDown,
        CutReason::BackupRelieved => Cause::BackupRelieved,
        CutReason::Admin => Cause::Killed,
    };
    Termination::new(cause, Phase::Done)
}
