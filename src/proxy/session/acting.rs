//! What a rule does to its session, beside letting it in and refusing it: addresses, variables, marks, the log.
//!
//! A changed address is the client's from then on: for later rules, the log, stick tables, `source ... usesrc` and
//! PROXY headers. Rules for connections change it for `fc_src` and `fc_dst`, too, as in HAProxy. Dates in the text of a
//! variable are in UTC, so that they are the same wherever the config is read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::contract::Op;
use super::ruling::Ruling;
use super::{Context, Session};
use crate::config::model::{
    Action, Composed, End, Half, LogVariable, Part, Reach, Rewrite, Template, Value, VariableId, When,
};
use crate::log::Clock;
use crate::log::template::{self, Story};
use crate::rules;

impl Session {
    /// Does what a rule says with the value of its sample.
    pub(super) fn act(
        &mut self,
        action: &Action,
        value: Option<Value>,
        context: &Context<'_>,
        ops: &mut Vec<Op>,
    ) {
        match action {
            Action::Rewrite { what, .. } => self.rewrite(*what, value),
            Action::Mark(marking) => ops.push(Op::Mark(*marking)),
            Action::SetText { variable, text, when } => {
                let text = self.compose(text, context).into_bytes();
                let ruling = self.ruling.get_or_insert_default();
                ruling.set_variable((*variable, when), Some(Value::Text(text)));
            }
            other => self.ruling.get_or_insert_default().perform(other, value, context),
        }
    }

    /// What is no address changes nothing; what is no number is port 0.
    fn rewrite(&mut self, what: Rewrite, value: Option<Value>) {
        let Some(value) = value else { return };
        let ruling = self.ruling.get_or_insert_default();
        let known = match what.end {
            End::Source => self.client,
            End::Destination => ruling.destination,
        };
        let changed: Option<SocketAddr> = match what.half {
            Half::Ip => rules::address(&value).map(|ip| (ip, known.map_or(0, |known| known.port())).into()),
            Half::Port => {
                let ip = known.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |known| known.ip());
                Some((ip, rules::integer(&value).unwrap_or(0) as u16).into())
            }
        };
        let Some(changed) = changed else { return };
        if what.reach == Reach::Session {
            ruling.keep_ends(self.client);
        }
        match what.end {
            End::Source => self.client = Some(changed),
            End::Destination => {
                ruling.destination = Some(changed);
                self.port = changed.port();
            }
        }
    }

    fn compose(&self, text: &Composed, context: &Context<'_>) -> String {
        let situation = self.situation(context);
        let mut record = self.record(context);
        record.details.samples =
            text.samples.iter().map(|sample| rules::sample(sample, &situation)).collect();
        // What it has come to so far is all there is.
        record.as_soon_as_possible = false;
        let log = self.frontend(context).map(|frontend| &frontend.log);
        let (nothing, clock) = (Default::default(), Clock::utc());
        let story = Story {
            record: &record,
            log: log.unwrap_or(&nothing),
            service: None,
            clock: &clock,
            pid: std::process::id(),
        };
        template::text(&self.identified(&text.template, context), story)
    }

    /// `%ID` has samples of its own, and is written before.
    fn identified<'a>(
        &self,
        template: &'a Template,
        context: &Context<'_>,
    ) -> std::borrow::Cow<'a, Template> {
        let is_id = |part: &Part| matches!(part, Part::Variable(LogVariable::UniqueId, _));
        if !template.parts.iter().any(is_id) {
            return std::borrow::Cow::Borrowed(template);
        }
        let id = self.unique_id(context).unwrap_or_default();
        let parts = template.parts.iter();
        let parts = parts.map(|part| if is_id(part) { Part::Text(id.clone()) } else { part.clone() });
        std::borrow::Cow::Owned(Template { parts: parts.collect(), at_connect: template.at_connect })
    }
}

impl Ruling {
    /// Sets a variable if all conditions hold. Without a value it stays as it is.
    pub(super) fn set_variable(&mut self, (variable, when): (VariableId, &[When]), value: Option<Value>) {
        rules::assign(&mut self.variables, (variable, when), value);
    }

    /// The ends that the connection has are not those that the session has from now on.
    pub(super) fn keep_ends(&mut self, client: Option<SocketAddr>) {
        self.connection.get_or_insert((client, self.destination));
    }

    /// Keeps so much of a value for the log.
    pub(super) fn capture(&mut self, slot: usize, length: usize, value: Option<Value>) {
        let Some(value) = value else { return };
        let mut text = rules::text(&value);
        text.truncate(length);
        if self.captures.len() <= slot {
            self.captures.resize(slot + 1, None);
        }
        self.captures[slot] = Some(text);
    }
}

#[cfg(test)]
#[path = "acting_tests.rs"]
mod tests;
