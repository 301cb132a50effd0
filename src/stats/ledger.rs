//! What rules for requests keep: variables and tracked entries of a connection and of the request at hand. Those of
//! the connection were set and tracked by rules of `tcp-request` before it came to the page.

use crate::config::model::http::Lasts;
use crate::config::model::{Action, Counter, Value, VariableId, When};
use crate::rules;
use crate::state::{Notes, Snapshot, TrackedEntry};
use crate::time::Tick;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    notes: Notes,
    /// Which of the variables outlive the request.
    kept: Vec<VariableId>,
    /// Which slots track something for the connection.
    held: [bool; 3],
}

impl Ledger {
    /// For a connection.
    pub fn new(notes: Notes) -> Ledger {
        let kept = notes.variables.iter().map(|(variable, _)| *variable).collect();
        let held = notes.tracked.each_ref().map(Option::is_some);
        Ledger { notes, kept, held }
    }

    /// A request begins: what belonged to the last one is forgotten, and it counts at what is tracked.
    pub fn begin(&mut self, now: Tick) {
        let kept = &self.kept;
        self.notes.variables.retain(|(variable, _)| kept.contains(variable));
        for (slot, held) in self.notes.tracked.iter_mut().zip(self.held) {
            match slot {
                Some(entry) if held => count(entry, now),
                _ => *slot = None,
            }
        }
    }

    /// What is kept now.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Does what a rule says with the value of its sample.
    pub fn perform(
        &mut self,
        (action, lasts): (&Action, Lasts),
        value: Option<Value>,
        snapshot: &Snapshot,
        now: Tick,
    ) {
        let entry = |slot: u8| self.notes.tracked.get(usize::from(slot)).and_then(Option::as_ref);
        match action {
            Action::SetVariable { variable, when, .. } => self.set((*variable, when), value, lasts),
            Action::UnsetVariable(variable) => {
                self.notes.variables.retain(|(known, _)| known != variable);
            }
            Action::Track { slot, table, .. } => {
                let slot = &mut self.notes.tracked[usize::from(*slot).min(2)];
                let table = snapshot.tables.get(table.0);
                // As in HAProxy the first rule that tracks in a slot keeps it.
                if let (None, Some(table), Some(key)) = (&slot, table, value) {
                    *slot = TrackedEntry::of(table, &key, now);
                    slot.iter().for_each(|entry| count(entry, now));
                }
            }
            Action::Count { slot, counter } => {
                if let Some(entry) = entry(*slot) {
                    entry.add(*counter, 1, now);
                    counter.rate().into_iter().for_each(|rate| entry.add(rate, 1, now));
                }
            }
            Action::SetTag { slot, tag, .. } => {
                if let (Some(entry), Some(Value::Integer(value))) = (entry(*slot), value) {
                    entry.set(Counter::Tag(*tag), value, now);
                }
            }
            // Of connections only.
            Action::Accept | Action::Reject | Action::Close | Action::SilentDrop | Action::ExpectProxy => {}
            Action::Rewrite { .. } | Action::Mark(_) | Action::SetText { .. } => {}
            Action::SetLogLevel(_) | Action::Capture { .. } => {}
        }
    }

    fn set(&mut self, (variable, when): (VariableId, &[When]), value: Option<Value>, lasts: Lasts) {
        let set = rules::assign(&mut self.notes.variables, (variable, when), value);
        if set && lasts == Lasts::Connection && !self.kept.contains(&variable) {
            self.kept.push(variable);
        }
    }
}

/// A request at an entry that is tracked.
fn count(entry: &TrackedEntry, now: Tick) {
    entry.add(Counter::Requests, 1, now);
    entry.add(Counter::RequestRate, 1, now);
}
