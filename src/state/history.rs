//! The last changes of a backend's master, as the guard made them: what pages and `show failovers` tell.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

use super::lock;
use crate::time::Tick;

/// Changes that are remembered; an operator looks at the last night, not at the last year.
const REMEMBERED: usize = 16;

/// One change of the master word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterChange {
    pub epoch: u32,
    /// Name of the server that is master from now on; `None`: there is none.
    pub server: Option<String>,
    pub previous: Option<String>,
    /// In words, without a full stop: `was a replica of redis1's history`.
    pub reason: String,
    /// For people, on the wall clock.
    pub at: SystemTime,
    /// For "since", on the monotonic one.
    pub since: Tick,
}

/// See the module.
#[derive(Debug, Default)]
pub struct MasterHistory(Mutex<VecDeque<MasterChange>>);

impl MasterHistory {
    /// Remembers a change.
    pub fn push(&self, change: MasterChange) {
        let mut changes = lock(&self.0);
        if changes.len() == REMEMBERED {
            changes.pop_front();
        }
        changes.push_back(change);
    }

    /// The changes, the oldest first.
    pub fn changes(&self) -> Vec<MasterChange> {
        lock(&self.0).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_changes_are_kept() {
        let history = MasterHistory::default();
        for epoch in 0..100 {
            history.push(MasterChange {
                epoch,
                server: None,
                previous: None,
                reason: String::new(),
                at: SystemTime::UNIX_EPOCH,
                since: Tick(0),
            });
        }
        let epochs: Vec<_> = history.changes().iter().map(|change| change.epoch).collect();
        assert_eq!(epochs, (84..100).collect::<Vec<_>>());
    }
}
