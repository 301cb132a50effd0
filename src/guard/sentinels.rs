//! What each Sentinel of a backend says, and whom more than half of them name. Words go in, a [`Majority`] comes
//! out; nothing here decides. Servers are compared by key, for the watcher has resolved addresses before.
//!
//! # What counts
//!
//! * The Sentinels that are *known* are as many as any of them, or the config, has told ([`SentinelWord::Census`]),
//!   and at least those that were heard. More than half of these make a majority, whatever `quorum` says, so that
//!   two balancers which reach different Sentinels can never see different majorities of one config epoch.
//! * One that is lost does not vote until it names a master again.
//! * One in TILT goes on answering out of what it knew; its last view stays, and only a higher config epoch, which
//!   it can have from nobody but another Sentinel, replaces it.
//! * A config epoch only grows, but for `SENTINEL RESET`. So a lower one is a late word until it is said twice.
//! * The epoch of a majority is the highest that a whole majority has reached: one Sentinel that lies about it, or
//!   leads a failover the others have not heard of, moves nothing.

use std::collections::BTreeMap;

use crate::state::sentinel::Named;
use crate::state::{SentinelId, SentinelWord, ServerKey};

/// Whom more than half of the known Sentinels name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Majority {
    /// They do not answer, or do not agree.
    #[default]
    Silent,
    Server(Ballot),
    /// A Redis that is none of the backend's: no majority for it.
    Stranger(String),
}

/// How a majority came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ballot {
    pub server: ServerKey,
    pub epoch: u64,
    pub votes: u32,
    /// How many Sentinels are known.
    pub of: u32,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sentinels {
    views: BTreeMap<SentinelId, View>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct View {
    named: Option<(Named, u64)>,
    /// A lower epoch than before, said once.
    doubted: Option<(Named, u64)>,
    answers: bool,
    tilt: bool,
    census: u32,
}

impl Sentinels {
    /// Takes in a word; what it says of failovers is [`super::lead`]'s.
    pub fn hear(&mut self, sentinel: SentinelId, word: &SentinelWord) {
        if *word == SentinelWord::Forgotten {
            self.views.remove(&sentinel);
            return;
        }
        let view = self.views.entry(sentinel).or_default();
        match word {
            SentinelWord::Names { master, config_epoch } => view.name(master.clone(), *config_epoch),
            SentinelWord::Tilt(tilt) => view.tilt = *tilt,
            SentinelWord::Lost => view.answers = false,
            SentinelWord::Census(count) => view.census = *count,
            SentinelWord::Failover(_) | SentinelWord::Forgotten => {}
        }
    }

    /// How many there are, as far as anybody knows.
    pub fn known(&self) -> u32 {
        let told = self.views.values().map(|view| view.census).max().unwrap_or(0);
        told.max(self.views.len() as u32)
    }

    /// Whether it has lost its sense of time, as far as it said.
    pub fn is_in_tilt(&self, sentinel: SentinelId) -> bool {
        self.views.get(&sentinel).is_some_and(|view| view.tilt)
    }

    /// Whether any Sentinel is known.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Whom more than half of them name.
    pub fn majority(&self) -> Majority {
        let (of, needed) = (self.known(), self.known() as usize / 2 + 1);
        let mut votes: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        let named: Vec<&(Named, u64)> = self.votes().map(|(_, named)| named).collect();
        for (server, epoch) in &named {
            // Names of strangers have no order: the first that says the same stands for all.
            let first = named.iter().position(|(other, _)| other == server).unwrap_or(0);
            votes.entry(first).or_default().push(*epoch);
        }
        let Some((first, mut epochs)) = votes.into_iter().find(|(_, epochs)| epochs.len() >= needed) else {
            return Majority::Silent;
        };
        epochs.sort_unstable();
        match &named[first].0 {
            Named::Stranger(text) => Majority::Stranger(text.clone()),
            Named::Server(server) => Majority::Server(Ballot {
                server: *server,
                epoch: epochs[epochs.len() - needed],
                votes: epochs.len() as u32,
                of,
            }),
        }
    }

    /// Whether a Sentinel that answers names `server` at a later config epoch than `base`.
    pub fn any_names(&self, server: ServerKey, base: Option<u64>) -> bool {
        self.votes().any(|(_, (named, epoch))| {
            *named == Named::Server(server) && base.is_none_or(|base| *epoch > base)
        })
    }

    fn votes(&self) -> impl Iterator<Item = (SentinelId, &(Named, u64))> {
        let answering = self.views.iter().filter(|(_, view)| view.answers);
        answering.filter_map(|(id, view)| Some((*id, view.named.as_ref()?)))
    }
}

impl View {
    fn name(&mut self, server: Named, epoch: u64) {
        self.answers = true;
        let said = (server, epoch);
        let Some((_, before)) = self.named else {
            self.named = Some(said);
            return;
        };
        let takes = match self.tilt {
            true => epoch > before,
            false => epoch >= before || self.doubted.as_ref() == Some(&said),
        };
        if takes {
            self.named = Some(said);
            self.doubted = None;
        } else {
            self.doubted = Some(said);
        }
    }
}

#[cfg(test)]
#[path = "sentinels_tests.rs"]
mod tests;
