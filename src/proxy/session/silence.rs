//! `timeout client` before there is a server. What HAProxy 2.6 was seen to do:
//!
//! | stage | the client has said nothing for that long | it has said something |
//! |---|---|---|
//! | rules wait for its words | they decide by what there is; if they let it pass: `cR` | the same: each byte begins the time anew |
//! | in a queue | `cQ` at once | its time does not run |
//! | between two attempts | `cC` at once | its time does not run |
//! | an attempt is under way | that one, and those that follow at once, are awaited; if all fail: `cC` | its time does not run |
//!
//! Nobody reads the client meanwhile, so its socket is looked at once, when its time is over: [`Op::Peek`]. A client
//! that is held for want of a master, or pauses where a master is awaited, may be as silent as it likes: how long it
//! is held is the backend's matter, and its time begins when the hold ends.

use super::super::contract::Op;
use super::{Context, NEVER, Session, Stage};
use crate::config::model::Mode;
use crate::state::{Cause, Phase, Termination};
use crate::time::Tick;

/// What is known of a client that has no server yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nobody minds it now.
    Excused,
    /// It is looked at when its time is over.
    Minded,
    /// It has spoken, or closed.
    Broken,
    /// It lasted too long while an attempt was under way.
    TooLong,
}

impl Session {
    /// When the client is looked at.
    pub(super) fn silence_due(&self) -> Tick {
        match self.silence {
            Silence::Minded => self.client_patience(),
            Silence::Excused | Silence::Broken | Silence::TooLong => NEVER,
        }
    }

    /// It waits for what is no matter of its client from now on.
    pub(super) fn excuse_silence(&mut self) {
        if self.silence != Silence::Broken {
            self.silence = Silence::Excused;
        }
    }

    /// From now on the client has to speak in time.
    pub(super) fn mind_silence(&mut self) {
        if self.silence != Silence::Broken {
            self.silence = Silence::Minded;
        }
    }

    /// The same in a pause, which ends with its reason where a master is awaited.
    pub(super) fn mind_silence_in_pause(&mut self, context: &Context<'_>) {
        match self.pool(context).is_some_and(|pool| pool.view().in_force().needs_proof()) {
            true => self.excuse_silence(),
            false => self.mind_silence(),
        }
    }

    /// It is held no more: its time begins now, if it was. Whether it was.
    pub(super) fn release_hold(&mut self, now: Tick) -> bool {
        let was = self.admission.release_hold();
        if was {
            self.last = now;
        }
        was
    }

    /// The client was looked at because its time is over.
    pub(super) fn looked_at(&mut self, said: usize, ended: bool, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.silence_due() > context.now {
            return;
        }
        // A FIN without a word is judged where it is told.
        self.silence = if said > 0 || ended { Silence::Broken } else { Silence::Excused };
        if self.silence == Silence::Broken {
            return;
        }
        let phase = match self.stage {
            Stage::Waiting { .. } => Phase::Queue,
            Stage::Pausing { .. } => Phase::Connect,
            Stage::Connecting { .. } => return self.silence = Silence::TooLong,
            _ => return,
        };
        if self.leave_line(context) {
            self.end(silent(phase), context, ops);
        }
    }

    /// The code of a session whose last attempt failed.
    pub(super) fn blamed(&self, otherwise: Termination) -> Termination {
        if self.silence == Silence::TooLong { silent(Phase::Connect) } else { otherwise }
    }

    /// So much has been said, as far as anybody looked, while rules wait for it.
    pub(super) fn heard_so_far(&mut self, before: usize, said: usize, now: Tick) {
        if said > before {
            self.last = now;
        }
        self.silence = Silence::Minded;
    }

    /// The client is gone, or silent for too long, while rules wait for what it says. As in HAProxy they decide by what
    /// there is, and the backend is chosen by it: a rule that refuses has the last word.
    pub(super) fn ended_in_rules(&mut self, cause: Cause, context: &Context<'_>, ops: &mut Vec<Op>) {
        if !self.judge_what_there_is(context, ops) {
            return;
        }
        let frontend = self.frontend(context).filter(|frontend| frontend.mode != Mode::Http);
        if let Some(frontend) = frontend.filter(|_| self.backend.is_none())
            && self.join_backend(frontend, context)
            && !self.judge_what_there_is_anew(context, ops)
        {
            return;
        }
        self.admission.frontend().request_errors.add(1);
        self.end(Termination::new(cause, Phase::Request), context, ops);
    }

    fn judge_what_there_is_anew(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        if let Some(ruling) = &mut self.ruling {
            ruling.next = 0;
        }
        self.judge_what_there_is(context, ops)
    }
}

fn silent(phase: Phase) -> Termination {
    Termination::new(Cause::ClientTimeout, phase)
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
