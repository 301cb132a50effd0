//! Conditions, evaluated: a condition and what is true at that moment in, yes or no out. Pure: whatever is
//! known comes through [`Facts`], which `state` implements over its live objects.
//!
//! ```text
//! Fetch --facts--> Value --converters--> Value --matcher--> yes | no | too early to tell
//! ```
//!
//! * [`fetch`]: a sample from the facts.
//! * `convert`: what `lower`, `ipmask` and the like make of it.
//! * `assignment`: what `set-var` does to variables.
//! * `matching`: a value against patterns, cast as HAProxy casts it.
//! * `http`: what an HTTP request says.
//! * [`patterns`]: lists that the runtime socket may change, and what maps have.
//! * [`stick`]: what is remembered of clients.
//! * `tls`: what a TLS client says in the clear; `rdp`: what a remote desktop client says.
//!
//! A sample that is not there matches nothing; one that depends on bytes still to come is [`Truth::Early`],
//! for which only rules with an `inspect-delay` wait.

mod assignment;
mod convert;
mod facts;
pub mod fetch;
mod http;
mod matching;
pub mod patterns;
mod rdp;
pub mod stick;
#[cfg(test)]
mod tests;
mod tls;

pub use assignment::assign;
pub use convert::plain_convert;
pub use facts::{Facts, Order, Payload, Request, Served};
pub use fetch::Sampled;
pub use http::{Login, login};
pub use matching::{address, bytes, integer, is_true, text};

use crate::config::model::http::{Said, Wording};
use crate::config::model::{Condition, Sample, Term, Test, Value};

/// The value of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Yes,
    No,
    /// More bytes may decide it.
    Early,
}

impl Truth {
    fn of(holds: bool) -> Truth {
        if holds { Truth::Yes } else { Truth::No }
    }

    fn negated(self, negated: bool) -> Truth {
        match (self, negated) {
            (Truth::Yes, true) => Truth::No,
            (Truth::No, true) => Truth::Yes,
            (truth, _) => truth,
        }
    }
}

/// Whether a condition holds; no condition always does.
pub fn evaluate(condition: Option<&Condition>, facts: &impl Facts) -> Truth {
    let Some(condition) = condition else { return Truth::Yes };
    let mut result = Truth::No;
    for all in &condition.any {
        match conjunction(all, facts) {
            Truth::Yes => {
                result = Truth::Yes;
                break;
            }
            Truth::Early => result = Truth::Early,
            Truth::No => {}
        }
    }
    result.negated(condition.unless)
}

/// Whether a condition holds, whatever bytes may still come.
pub fn holds(condition: Option<&Condition>, facts: &impl Facts) -> bool {
    evaluate(condition, facts) == Truth::Yes
}

/// The value of a sample, if there is one.
pub fn sample(sample: &Sample, facts: &impl Facts) -> Option<Value> {
    match sampled(sample, facts) {
        Sampled::Value(value) => Some(value),
        Sampled::Missing | Sampled::Early => None,
    }
}

/// A text with its samples in their places; those that are not there leave theirs empty.
pub fn worded(wording: &Wording, facts: &impl Facts) -> Vec<u8> {
    let part = |part: &Said| match part {
        Said::Text(text) => text.clone(),
        Said::Sample(of) => sample(of, facts).map(|value| text(&value)).unwrap_or_default(),
    };
    wording.0.iter().flat_map(part).collect()
}

/// In order, so that what is cheap and says no keeps the rest from being asked.
fn conjunction(all: &[Term], facts: &impl Facts) -> Truth {
    for term in all {
        match term_holds(term, facts) {
            Truth::Yes => {}
            other => return other,
        }
    }
    Truth::Yes
}

fn term_holds(term: &Term, facts: &impl Facts) -> Truth {
    let mut result = Truth::No;
    for test in &*term.tests {
        match test_holds(test, facts) {
            Truth::Yes => {
                result = Truth::Yes;
                break;
            }
            Truth::Early => result = Truth::Early,
            Truth::No => {}
        }
    }
    result.negated(term.negated)
}

fn test_holds(test: &Test, facts: &impl Facts) -> Truth {
    if let Some(values) = http::all_values(&test.sample.fetch, facts) {
        let mut converted = values.into_iter().filter_map(|value| converted(&test.sample, value, facts));
        return Truth::of(converted.any(|value| is_listed(test, &value, facts)));
    }
    match sampled(&test.sample, facts) {
        Sampled::Value(value) => match is_listed(test, &value, facts) {
            false if fetch::may_grow(&test.sample.fetch, facts) => Truth::Early,
            holds => Truth::of(holds),
        },
        Sampled::Missing => Truth::No,
        Sampled::Early => Truth::Early,
    }
}

/// Whether one of the lists has it: as it is now, or else as in the config.
fn is_listed(test: &Test, value: &Value, facts: &impl Facts) -> bool {
    test.listed.iter().any(|listed| {
        let changed = listed.list.and_then(|list| facts.listed(list, value));
        changed.unwrap_or_else(|| matching::matches(&listed.matcher, value))
    })
}

fn sampled(sample: &Sample, facts: &impl Facts) -> Sampled {
    match fetch::fetch(&sample.fetch, facts) {
        Sampled::Value(value) => converted(sample, value, facts).into(),
        other => other,
    }
}

fn converted(sample: &Sample, mut value: Value, facts: &impl Facts) -> Option<Value> {
    for converter in &sample.converters {
        value = convert::convert(converter, value, facts)?;
    }
    Some(value)
}
