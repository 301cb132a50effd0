//! Which Sentinels there are of one backend, and what becomes of their answers: facts and `now` in, effects out.
//!
//! # The life of an entry
//!
//! ```text
//! named in a section --+                      answers, and names a server of the backend
//! told by another   ---+--> Waiting --> Trying ---------------------------------------> Known
//! heard on a server ---+       ^           | answers with another identity, is no Sentinel, names strangers:
//!                              |           +--> dropped, said once (one of a section stays, with its trouble)
//!                     at most four hints a second
//! ```
//!
//! Only what a [`Standing::Known`] entry says goes to the guard. There are at most [`MOST`] entries; a hint that
//! finds no room takes the place of a hint that has failed, never of one that is known or configured. What was
//! dropped is not tried again for a minute, so that a liar costs little and a mistake heals.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::dropped::{Dropped, DroppedList};
use super::entry::{Entry, Source, Standing};
use super::facts::{Auth, Hint, SentinelJob, Slot};
use super::naming::Seen;
use crate::config::model::{SentinelGroup, SentinelNode};
use crate::redis::sentinel::{Node, PeerView};
use crate::state::sentinel::{Origin, SentinelId, SentinelStatus};
use crate::state::{BackendKey, SentinelReport, SentinelWord};
use crate::time::Tick;

/// Sentinels of one backend.
const MOST: usize = 16;
/// New attempts: one in so long.
const ATTEMPT_EVERY: Duration = Duration::from_millis(250);
/// Lines about hints, for each config: a flood of them must not fill the log.
const MOST_LINES: u32 = 32;
/// The longest pause between attempts: of a hint, and of one that a section names.
const HINT_PAUSE: Duration = Duration::from_secs(30);
const KNOWN_PAUSE: Duration = Duration::from_secs(2);
/// For connecting to a Sentinel of no section, and for each answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Say(SentinelReport),
    /// For the log: a whole clause.
    Tell(Tone, String),
    /// Begin to ask it.
    Ask(SentinelJob),
    /// Begin to listen to the Sentinel of that identity as well.
    Follow(SentinelJob, Option<String>),
    /// It is to be asked now.
    Hurry(Slot),
    /// End its tasks.
    Leave(Slot),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Notice,
    Warning,
}

/// What a step needs to know of the world.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) servers: Vec<Seen>,
    /// Sections that concern another backend: that they do not concern this one is no trouble.
    pub(super) at_home_elsewhere: Vec<String>,
    /// Sections that this backend's servers get their addresses from.
    pub(super) slots_of: BTreeSet<String>,
    /// Those of them whose master gets a slot too.
    pub(super) masters_of: BTreeSet<String>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Registry {
    backend: BackendKey,
    pub(super) entries: Vec<Entry>,
    next_slot: u32,
    next_id: u32,
    pub(super) dropped: DroppedList,
    last_attempt: Option<Tick>,
    lines_left: u32,
    told_of_names: bool,
}

impl Registry {
    pub(super) fn new(backend: BackendKey) -> Registry {
        Registry {
            backend,
            entries: Vec::new(),
            next_slot: 0,
            next_id: 0,
            dropped: DroppedList::default(),
            last_attempt: None,
            lines_left: MOST_LINES,
            told_of_names: false,
        }
    }

    /// A config has taken effect: what its sections name is watched, what they do not name any more is not.
    pub(super) fn apply(&mut self, groups: &[SentinelGroup], now: Tick) -> Vec<Effect> {
        (self.lines_left, self.told_of_names) = (MOST_LINES, false);
        self.dropped = DroppedList::default();
        let mut effects = Vec::new();
        let nodes =
            groups.iter().flat_map(|group| group.sentinels.iter().map(move |node| configured(group, node)));
        let named: Vec<(Source, SentinelJob)> = nodes.take(MOST).collect();
        let stays = |entry: &Entry| {
            !entry.is_configured() || named.iter().any(|(source, job)| is_as_before(entry, source, job))
        };
        let gone: Vec<Slot> =
            self.entries.iter().filter(|entry| !stays(entry)).map(|entry| entry.slot).collect();
        gone.into_iter().for_each(|slot| self.remove(slot, &mut effects));
        for (source, job) in named {
            if !self.entries.iter().any(|entry| is_as_before(entry, &source, &job)) {
                self.make_room(&mut effects);
                self.add(source, job, now);
            }
        }
        effects.extend(self.attempt(now));
        effects
    }

    /// Sections of which a Sentinel concerns this backend.
    pub(super) fn home_of(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|entry| entry.is_known()).filter_map(|entry| entry.group.as_deref())
    }

    /// When [`Registry::attempt`] has something to do.
    pub(super) fn next_attempt(&self) -> Option<Tick> {
        let waiting = self.entries.iter().any(|entry| entry.standing == Standing::Waiting);
        waiting.then(|| self.last_attempt.map_or(Tick(0), |last| last + ATTEMPT_EVERY))
    }

    /// Starts what waits: all that the config names, and of the hints one at a time.
    pub(super) fn attempt(&mut self, now: Tick) -> Vec<Effect> {
        let mut effects = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.standing == Standing::Waiting) {
            if !entry.is_configured() {
                if self.last_attempt.is_some_and(|last| now.since(last) < ATTEMPT_EVERY) {
                    continue;
                }
                self.last_attempt = Some(now);
            }
            entry.standing = Standing::Trying;
            effects.push(Effect::Ask(entry.job.clone()));
        }
        effects
    }

    /// Somebody wants to know now.
    pub(super) fn hurry(&self) -> Vec<Effect> {
        let asked = self.entries.iter().filter(|entry| entry.standing != Standing::Waiting);
        asked.map(|entry| Effect::Hurry(entry.slot)).collect()
    }

    /// A server repeated an announcement.
    pub(super) fn heard(&mut self, hint: &Hint, now: Tick) -> Vec<Effect> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.is(&hint.run_id, &hint.master_name)) {
            // News that its next answer will bring: ask now.
            let news = entry.view.as_ref().is_some_and(|view| hint.config_epoch > view.config_epoch);
            return if news { vec![Effect::Hurry(entry.slot)] } else { Vec::new() };
        }
        let peer = PeerView { node: hint.sentinel.clone(), run_id: hint.run_id.clone() };
        self.consider(Origin::Heard, &peer, &hint.master_name, now)
    }

    /// Somebody spoke of a Sentinel that is not in the list.
    pub(super) fn consider(
        &mut self,
        origin: Origin,
        peer: &PeerView,
        master_name: &str,
        now: Tick,
    ) -> Vec<Effect> {
        let Ok(ip) = peer.node.host.parse::<IpAddr>() else { return self.announced_by_name(&peer.node) };
        let address = SocketAddr::new(ip, peer.node.port);
        let dropped = Dropped { address, run_id: peer.run_id.clone(), master_name: master_name.to_owned() };
        let unproven_there = |entry: &Entry| {
            entry.job.address == address && entry.job.master_name == master_name && entry.run_id.is_none()
        };
        if self.dropped.has(&dropped, now) || self.entries.iter().any(unproven_there) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if self.make_room(&mut effects) == Room::None {
            return effects;
        }
        let source =
            Source { origin, name: address.to_string(), group: None, expected: Some(peer.run_id.clone()) };
        let job = SentinelJob {
            slot: Slot(0),
            address,
            host: None,
            master_name: master_name.to_owned(),
            auth: None,
            timeout: TIMEOUT,
            longest_pause: HINT_PAUSE,
        };
        self.add(source, job, now);
        effects.extend(self.attempt(now));
        effects
    }

    /// A host name would have to be looked up for anyone who may PUBLISH: said once, and left alone.
    fn announced_by_name(&mut self, node: &Node) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !std::mem::replace(&mut self.told_of_names, true) {
            let text =
                format!("Sentinel {node} announces itself by a host name; name it in a 'sentinels' section");
            self.tell_of_hint(Tone::Warning, text, &mut effects);
        }
        effects
    }

    /// Sees to it that there is room for one more: the hint that failed most goes.
    fn make_room(&mut self, effects: &mut Vec<Effect>) -> Room {
        if self.entries.len() < MOST {
            return Room::Enough;
        }
        let hopeless = |entry: &&Entry| !entry.is_configured() && !entry.is_known() && entry.failures > 0;
        let worst = self.entries.iter().filter(hopeless).max_by_key(|entry| entry.failures);
        let Some(slot) = worst.map(|entry| entry.slot) else { return Room::None };
        self.remove(slot, effects);
        Room::Enough
    }

    pub(super) fn add(&mut self, source: Source, job: SentinelJob, now: Tick) {
        self.next_slot += 1;
        self.next_id += 1;
        let job = SentinelJob { slot: Slot(self.next_slot), ..job };
        self.entries.push(Entry::new(SentinelId(self.next_id), source, job, now));
    }

    pub(super) fn remove(&mut self, slot: Slot, effects: &mut Vec<Effect>) {
        let Some(at) = self.position(slot) else { return };
        let entry = self.entries.remove(at);
        if entry.is_known() {
            effects.push(self.say(entry.id, SentinelWord::Forgotten));
        }
        effects.push(Effect::Leave(entry.slot));
    }

    pub(super) fn position(&self, slot: Slot) -> Option<usize> {
        self.entries.iter().position(|entry| entry.slot == slot)
    }

    pub(super) fn say(&self, sentinel: SentinelId, word: SentinelWord) -> Effect {
        Effect::Say(SentinelReport { backend: self.backend, sentinel, word })
    }

    /// Says a trouble once, and its end.
    pub(super) fn tell_trouble(&mut self, at: usize, effects: &mut Vec<Effect>) {
        let entry = &mut self.entries[at];
        let trouble = entry.trouble().cloned();
        if trouble == entry.told_trouble {
            return;
        }
        entry.told_trouble.clone_from(&trouble);
        let title = entry.title();
        let (tone, text) = match trouble {
            Some(trouble) => (Tone::Warning, format!("{title} {trouble}")),
            None => (Tone::Notice, format!("{title} is well again")),
        };
        if entry.is_configured() || entry.is_known() {
            effects.push(Effect::Tell(tone, text));
        } else {
            self.tell_of_hint(tone, text, effects);
        }
    }

    /// A line that anyone who may PUBLISH can cause.
    pub(super) fn tell_of_hint(&mut self, tone: Tone, text: String, effects: &mut Vec<Effect>) {
        let Some(left) = self.lines_left.checked_sub(1) else { return };
        self.lines_left = left;
        effects.push(Effect::Tell(tone, text));
        if left == 0 {
            let text = "no more is said of Sentinels that were announced, until the next reload".to_owned();
            effects.push(Effect::Tell(Tone::Warning, text));
        }
    }

    /// For pages: all but hints that have said nothing yet, and sections that belong to another backend.
    pub(super) fn statuses(&self, world: &World) -> Vec<SentinelStatus> {
        let elsewhere = |entry: &Entry| {
            entry.strange > 0
                && entry.group.as_ref().is_some_and(|group| world.at_home_elsewhere.contains(group))
        };
        let shown = |entry: &&Entry| {
            (entry.is_configured() || entry.is_known() || entry.trouble().is_some()) && !elsewhere(entry)
        };
        self.entries.iter().filter(shown).map(|entry| entry.status(&world.servers)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    None,
}

fn configured(group: &SentinelGroup, node: &SentinelNode) -> (Source, SentinelJob) {
    let auth = group.auth_pass.clone().map(|pass| Auth { user: group.auth_user.clone(), pass });
    let source = Source {
        origin: Origin::Configured,
        name: node.id.clone(),
        group: Some(group.name.clone()),
        expected: None,
    };
    let job = SentinelJob {
        slot: Slot(0),
        address: node.address,
        host: node.host.clone(),
        master_name: group.master.clone(),
        auth,
        timeout: group.timeout,
        longest_pause: KNOWN_PAUSE,
    };
    (source, job)
}

/// Whether an entry is what the config still wants.
fn is_as_before(entry: &Entry, source: &Source, job: &SentinelJob) -> bool {
    entry.is_configured()
        && entry.name == source.name
        && entry.group == source.group
        && SentinelJob { slot: Slot(0), ..entry.job.clone() } == *job
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
