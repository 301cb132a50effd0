//! The registry's other half: what becomes of an entry by what its Sentinel says, or by its silence.

use std::collections::BTreeSet;
use std::time::Duration;

use super::dropped::Dropped;
use super::entry::{Source, Standing};
use super::facts::{Answers, Slot};
use super::registry::{Effect, Registry, Tone, World};
use super::trouble::Trouble;
use crate::redis::sentinel::Event;
use crate::state::SentinelWord;
use crate::state::sentinel::Origin;
use crate::time::Tick;

/// How often a Sentinel may answer without naming a server of the backend: the run ids of the servers may not be
/// known yet.
pub(super) const STRANGE_ANSWERS: u32 = 5;
/// So many rounds in a row without an answer are a loss. One alone may be a fork for its config's sake, a stop of the
/// machine, a lost packet; were it a loss, a leader's failover would thaw in its midst for it.
const MISSED_ROUNDS: u32 = 2;
/// A Sentinel of no section that has not answered for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

impl Registry {
    /// A round of questions has ended; it was begun at `asked`.
    pub(super) fn polled(
        &mut self,
        (slot, asked): (Slot, Tick),
        result: Result<Box<Answers>, Trouble>,
        world: &World,
        now: Tick,
    ) -> Vec<Effect> {
        let Some(at) = self.position(slot) else { return Vec::new() };
        match result {
            Ok(answers) => self.answered((at, asked), &answers, world, now),
            Err(trouble) => self.failed(at, trouble, now),
        }
    }

    fn failed(&mut self, at: usize, trouble: Trouble, now: Tick) -> Vec<Effect> {
        let entry = &mut self.entries[at];
        entry.failures = entry.failures.saturating_add(1);
        if entry.is_known() && entry.answers && trouble.may_be_slowness() && entry.failures < MISSED_ROUNDS {
            return Vec::new();
        }
        let (id, was_answering) = (entry.id, std::mem::replace(&mut entry.answers, false));
        if was_answering {
            entry.silent_since = now;
        }
        let hopeless = match entry.standing {
            Standing::Known => now.since(entry.silent_since) > FORGOTTEN_AFTER,
            Standing::Waiting | Standing::Trying => trouble.is_final(),
        };
        let (known, gives_up) = (entry.is_known(), !entry.is_configured() && hopeless);
        let mut effects = Vec::new();
        if known && was_answering {
            effects.push(self.say(id, SentinelWord::Lost));
        }
        if gives_up {
            self.give_up(at, &trouble, now, &mut effects);
            return effects;
        }
        self.entries[at].asking_trouble = Some(trouble);
        self.tell_trouble(at, &mut effects);
        effects
    }

    /// Drops a hint: not to be tried again for a while.
    fn give_up(&mut self, at: usize, trouble: &Trouble, now: Tick, effects: &mut Vec<Effect>) {
        let entry = &self.entries[at];
        let text = format!("{} {trouble}, and is left out", entry.title());
        let dropped = Dropped {
            address: entry.job.address,
            run_id: entry.expected.clone().unwrap_or_default(),
            master_name: entry.job.master_name.clone(),
        };
        let slot = entry.slot;
        self.tell_of_hint(Tone::Warning, text, effects);
        self.dropped.add(dropped, now);
        self.remove(slot, effects);
    }

    fn answered(
        &mut self,
        (at, asked): (usize, Tick),
        answers: &Answers,
        world: &World,
        now: Tick,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let entry = &mut self.entries[at];
        if !std::mem::replace(&mut entry.answers, true) {
            entry.unlearn();
        }
        entry.heard_at = Some(now);
        if entry.expected.is_some() && entry.expected != answers.my_id {
            let trouble = if answers.my_id.is_none() { Trouble::NoIdentity } else { Trouble::OtherId };
            self.give_up(at, &trouble, now, &mut effects);
            return effects;
        }
        let Some(at) = self.identify(at, answers, now, &mut effects) else { return effects };
        let entry = &mut self.entries[at];
        let is_of = |sections: &BTreeSet<String>| entry.group.as_ref().is_some_and(|g| sections.contains(g));
        let (tells_addresses, brings_master) = (is_of(&world.slots_of), is_of(&world.masters_of));
        let names_a_server = entry.remember(answers, &world.servers);
        if !entry.concerns(answers, &world.servers) && !tells_addresses {
            effects.extend(self.strange(at, answers, world, now));
            return effects;
        }
        entry.failures = 0;
        entry.asking_trouble.clone_from(&answers.complaint);
        if brings_master && !names_a_server && entry.strange < STRANGE_ANSWERS {
            // The master gets a slot by this very answer: it is asked again then, and counts.
            entry.strange += 1;
            return effects;
        }
        entry.strange = 0;
        let words = entry.absorb(asked, answers, &world.servers);
        self.welcome(at, world, &mut effects);
        let id = self.entries[at].id;
        effects.extend(words.into_iter().map(|word| self.say(id, word)));
        self.tell_trouble(at, &mut effects);
        let master_name = self.entries[at].job.master_name.clone();
        for peer in &answers.peers {
            if !self.entries.iter().any(|entry| entry.is(&peer.run_id, &master_name)) {
                effects.extend(self.consider(Origin::Told, peer, &master_name, now));
            }
        }
        effects
    }

    /// Who answers: may be another process than before, or one that is in the list already. Returns the entry's
    /// position, if it goes on.
    fn identify(
        &mut self,
        at: usize,
        answers: &Answers,
        now: Tick,
        effects: &mut Vec<Effect>,
    ) -> Option<usize> {
        let slot = self.entries[at].slot;
        let Some(id) = answers.my_id.clone() else { return Some(at) };
        let entry = &self.entries[at];
        let master_name = entry.job.master_name.clone();
        if entry.run_id.as_ref().is_some_and(|before| *before != id) {
            self.replaced(at, effects, now);
            return None;
        }
        let twin = self.entries.iter().find(|other| other.slot != slot && other.is(&id, &master_name));
        if let Some(twin) = twin {
            let (twin_slot, twin_name, twin_is_named) = (twin.slot, twin.title(), twin.is_configured());
            if !self.entries[at].is_configured() {
                self.remove(slot, effects);
                return None;
            }
            if twin_is_named {
                self.entries[at].asking_trouble = Some(Trouble::SameAs(twin_name));
                self.tell_trouble(at, effects);
                return None;
            }
            self.remove(twin_slot, effects);
        }
        let at = self.position(slot)?;
        self.entries[at].run_id = Some(id);
        Some(at)
    }

    /// Another process answers at a configured address: it begins anew, with another number.
    fn replaced(&mut self, at: usize, effects: &mut Vec<Effect>, now: Tick) {
        let entry = &self.entries[at];
        effects.push(Effect::Tell(Tone::Notice, format!("{} is another process than before", entry.title())));
        let source = Source {
            origin: entry.origin,
            name: entry.name.clone(),
            group: entry.group.clone(),
            expected: None,
        };
        let (slot, job) = (entry.slot, entry.job.clone());
        self.remove(slot, effects);
        self.add(source, job, now);
        effects.extend(self.attempt(now));
    }

    /// It names no server of this backend.
    fn strange(&mut self, at: usize, answers: &Answers, world: &World, now: Tick) -> Vec<Effect> {
        let mut effects = Vec::new();
        let entry = &mut self.entries[at];
        entry.strange = entry.strange.saturating_add(1);
        let (id, was_known, strange) = (entry.id, entry.is_known(), entry.strange);
        entry.standing = Standing::Trying;
        entry.unlearn();
        if was_known {
            effects.push(self.say(id, SentinelWord::Forgotten));
        }
        if strange < STRANGE_ANSWERS {
            return effects;
        }
        let trouble = Trouble::NotOurs(answers.master.node.to_string());
        let entry = &mut self.entries[at];
        if !entry.is_configured() {
            self.give_up(at, &trouble, now, &mut effects);
            return effects;
        }
        let elsewhere = entry.group.as_ref().is_some_and(|group| world.at_home_elsewhere.contains(group));
        entry.asking_trouble = (!elsewhere).then_some(trouble);
        self.tell_trouble(at, &mut effects);
        effects
    }

    /// It names a server of this backend: from now on it counts.
    fn welcome(&mut self, at: usize, world: &World, effects: &mut Vec<Effect>) {
        let entry = &mut self.entries[at];
        if !entry.is_known() {
            entry.standing = Standing::Known;
            let status = entry.status(&world.servers);
            let found = match entry.origin {
                Origin::Configured => "is watched",
                Origin::Told => "was told of by another",
                Origin::Heard => "was found",
            };
            let names = status.names.unwrap_or_else(|| "nobody".to_owned());
            let text = format!("{} {found}: of '{}' it names {names}", entry.title(), entry.job.master_name);
            effects.push(Effect::Tell(Tone::Notice, text));
        }
        let entry = &mut self.entries[at];
        if !std::mem::replace(&mut entry.following, true) {
            effects.push(Effect::Follow(entry.job.clone(), entry.run_id.clone()));
        }
    }

    /// A Sentinel published something.
    pub(super) fn published(&mut self, slot: Slot, event: &Event, world: &World, now: Tick) -> Vec<Effect> {
        let Some(at) = self.position(slot) else { return Vec::new() };
        let entry = &mut self.entries[at];
        if !entry.is_known() {
            return Vec::new();
        }
        let (id, slot) = (entry.id, entry.slot);
        let (word, ask) = match event {
            Event::Tilt(tilt) => (entry.tilted(*tilt), None),
            Event::Of { master_name, .. } if *master_name != entry.job.master_name => return Vec::new(),
            // Whatever happened, its view may be another now.
            Event::Of { what, .. } => (entry.published(what, &world.servers, now), Some(Effect::Hurry(slot))),
        };
        word.map(|word| self.say(id, word)).into_iter().chain(ask).collect()
    }

    /// The subscription to it stands, or does not.
    pub(super) fn listening(&mut self, slot: Slot, trouble: Option<Trouble>) -> Vec<Effect> {
        let Some(at) = self.position(slot) else { return Vec::new() };
        let mut effects = Vec::new();
        self.entries[at].listening_trouble = trouble;
        self.tell_trouble(at, &mut effects);
        effects
    }
}
