//! What a server says, before its client gets it: `tcp-response content`, and `stick store-response` after it.
//!
//! ```text
//!  connected -> judge without a byte --accepted--> relay
//!                     | too early to tell: there is an inspect-delay
//!                     v
//!               relay, but the server's way is paused -> look (1, 2, 4 ... 64 ms) -> judge -> resume | end
//! ```
//!
//! Without `inspect-delay` rules are judged as soon as the connection stands, when the server has said nothing, as
//! in HAProxy. With it the client's bytes flow on to the server meanwhile, and what the server says stays in its
//! socket, where it is looked at. A backend without such rules pauses nothing and has nothing looked at.
//!
//! What has not been judged reaches nobody: a session that is cut meanwhile ends at once.

use std::time::Duration;

use super::super::contract::{Op, Side};
use super::ruling::{Verdict, hush_if_dropped};
use super::{Context, NEVER, Session, Stage, index};
use crate::config::model::Rules;
use crate::state::{Cause, Phase, Termination};
use crate::time::Tick;

/// The longest pause between two looks at a server that has not said enough, in milliseconds. What the client says
/// meanwhile makes it as short as the first one.
const LONGEST_PAUSE: u16 = 64;

/// HAProxy's code for a session whose response a rule refused.
const REFUSED: Termination = Termination::new(Cause::Proxy, Phase::Data);

/// And of one whose client a rule dropped without a word.
const DROPPED: Termination = Termination::new(Cause::Proxy, Phase::Request);

/// Rules wait for what the server says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hearing {
    until: Tick,
    look: Tick,
    /// Milliseconds between the last look and that one.
    pause: u16,
    /// Bytes that the client had sent at the last look.
    asked: u64,
}

impl Session {
    /// The connection stands: `true` if bytes may flow, be it from the client only; if not, the session is over.
    pub(super) fn begin_hearing(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let rules = self.response_rules(context);
        let heard = rules.filter(|rules| !rules.response.is_empty() || !rules.stick_response.is_empty());
        let Some(rules) = heard else {
            self.remember_server(context);
            self.forget_said();
            return true;
        };
        let delay = rules.response_delay;
        let keys = self.keys_to_store(&rules.stick, context);
        let Some(ruling) = &mut self.ruling else { return true };
        ruling.keys = keys;
        ruling.hear(&[], delay.is_none());
        ruling.next = 0;
        let verdict = self.judge(&rules.response, context, ops);
        if verdict == Verdict::Early {
            let (now, pause) = (context.now, 1);
            let look = now + Duration::from_millis(pause.into());
            let until = now + delay.unwrap_or_default();
            if let Some(ruling) = &mut self.ruling {
                ruling.hearing = Some(Hearing { until, look, pause, asked: 0 });
            }
            ops.push(Op::Pause(Side::Server));
            return true;
        }
        self.heard_enough(verdict, context, ops)
    }

    /// What the server has said so far; `ended` if it will say no more, or there is no room for more.
    pub fn heard(&mut self, bytes: &[u8], ended: bool, context: &Context<'_>, ops: &mut Vec<Op>) {
        let rules = self.response_rules(context);
        let asked = self.bytes[index(Side::Client)];
        let Some(ruling) = self.ruling.as_mut().filter(|_| self.stage == Stage::Relaying) else { return };
        let Some(mut hearing) = ruling.hearing.take() else { return };
        ruling.hear(bytes, ended || context.now >= hearing.until);
        // A reload may have taken the rules away.
        let verdict = rules.map_or(Verdict::Accepted, |rules| self.judge(&rules.response, context, ops));
        match verdict {
            Verdict::Early => {
                let begun = if asked == hearing.asked { hearing.pause * 2 } else { 1 };
                (hearing.pause, hearing.asked) = (begun.clamp(1, LONGEST_PAUSE), asked);
                hearing.look = context.now + Duration::from_millis(hearing.pause.into());
                if let Some(ruling) = &mut self.ruling {
                    ruling.hearing = Some(hearing);
                }
            }
            Verdict::Accepted => {
                self.heard_enough(verdict, context, ops);
                self.let_server_speak(ops);
                self.last = context.now;
            }
            // What it said already still goes out.
            Verdict::Closed => {
                ops.push(Op::Resume(Side::Server));
                if let Some(ruling) = &mut self.ruling {
                    ruling.closes = true;
                }
                self.drain(context, ops);
            }
            Verdict::Rejected | Verdict::Dropped => {
                // It was received, and is counted, though it goes nowhere.
                self.bytes[index(Side::Server)] += bytes.len() as u64;
                self.heard_enough(verdict, context, ops);
            }
        }
    }

    fn heard_enough(&mut self, verdict: Verdict, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        match verdict {
            Verdict::Accepted | Verdict::Early => {
                self.store_keys(context);
                self.forget_said();
                return true;
            }
            Verdict::Closed => self.end(Termination::NORMAL, context, ops),
            Verdict::Rejected => {
                self.traffics().for_each(|traffic| traffic.denied_responses.add(1));
                self.end(REFUSED, context, ops);
            }
            Verdict::Dropped => {
                self.traffics().for_each(|traffic| traffic.denied_responses.add(1));
                hush_if_dropped(verdict, ops);
                self.end(DROPPED, context, ops);
            }
        }
        false
    }

    /// When the server is to be looked at again.
    pub(super) fn hearing_due(&self) -> Tick {
        let hearing = self.ruling.as_ref().and_then(|ruling| ruling.hearing);
        hearing.map_or(NEVER, |hearing| hearing.look.min(hearing.until))
    }

    /// Whether rules still wait for what the server says.
    pub(super) fn is_hearing(&self) -> bool {
        self.ruling.as_ref().is_some_and(|ruling| ruling.hearing.is_some())
    }

    fn response_rules<'a>(&self, context: &Context<'a>) -> Option<&'a Rules> {
        self.ruling.as_ref()?;
        self.pool(context).map(|pool| &pool.backend().rules)
    }
}

#[cfg(test)]
#[path = "hearing_tests.rs"]
mod tests;
