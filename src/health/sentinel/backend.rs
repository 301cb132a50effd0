//! The task of one backend: takes plans, facts, hints and questions, asks the registry, and carries out what it
//! says. No policy but when to listen on the servers.
//!
//! Facts go before hints: however many hints there are, a Sentinel that publishes is heard at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, channel};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::facts::{Fact, Hint, SentinelJob, Slot};
use super::naming::Seen;
use super::plan::{ListenJob, Plan};
use super::registry::{Effect, Registry, Tone, World};
use super::roster::roster;
use super::{Homes, SentinelSinks, events, listen, query};
use crate::health::Emitted;
use crate::state::ServerKey;
use crate::state::event::{ServerChange, ServerEvent};
use crate::state::slots::Roster;
use crate::time::Tick;

/// Facts and hints that may wait. A task that finds no room for a fact waits with it.
const QUEUE: usize = 64;
/// How long the Sentinels of a section may take to show that they concern the backend before it listens for others.
const GRACE: Duration = Duration::from_secs(3);

/// Runs until it is dropped.
pub(super) async fn run(
    mut plans: UnboundedReceiver<Plan>,
    bell: Arc<Notify>,
    sinks: SentinelSinks,
    homes: Homes,
) {
    let Some(plan) = plans.recv().await else { return };
    let (facts, mut told) = channel(QUEUE);
    let (hints, mut hinted) = channel(QUEUE);
    let mut names = sinks.hosts.changes();
    let mut backend = Backend::new(plan, Outlets { sinks, homes, facts, hints });
    loop {
        let due = backend.next_wake().map_or(Duration::MAX, |due| due.since(Tick::now()));
        tokio::select! {
            biased;
            plan = plans.recv() => match plan {
                Some(plan) => backend.replan(plan),
                None => return,
            },
            () = bell.notified() => backend.execute(backend.registry.hurry()),
            Some(fact) = told.recv() => backend.fact(fact),
            // Whoever was a stranger may be a server now.
            Ok(()) = names.changed() => backend.execute(backend.registry.hurry()),
            hint = next_hint(&mut hinted) => backend.hint(&hint),
            () = sleep(due) => backend.wake(),
        }
    }
}

async fn next_hint(hinted: &mut Receiver<Hint>) -> Hint {
    match hinted.recv().await {
        Some(hint) => hint,
        // The backend holds a sender itself.
        None => std::future::pending().await,
    }
}

fn addresses(plan: &Plan) -> Vec<Option<SocketAddr>> {
    plan.servers.iter().map(|seat| seat.address).collect()
}

/// Where everything goes.
struct Outlets {
    sinks: SentinelSinks,
    homes: Homes,
    facts: Sender<Fact>,
    hints: Sender<Hint>,
}

struct Backend {
    plan: Plan,
    registry: Registry,
    outlets: Outlets,
    sentinels: HashMap<Slot, Tasks>,
    listeners: HashMap<ServerKey, (ListenJob, Aborted)>,
    planned_at: Tick,
    /// That the check's account may not listen was said.
    told_deaf: bool,
    /// As they were told last.
    rosters: Vec<Roster>,
}

struct Tasks {
    hurry: Arc<Notify>,
    _asking: Aborted,
    _following: Option<Aborted>,
}

/// A task that ends when this is dropped.
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.plan.live.sentinels.show(Vec::new());
        self.outlets.homes.leave(self.plan.backend);
    }
}

impl Backend {
    fn new(plan: Plan, outlets: Outlets) -> Backend {
        let now = Tick::now();
        let mut backend = Backend {
            registry: Registry::new(plan.backend),
            plan,
            outlets,
            sentinels: HashMap::new(),
            listeners: HashMap::new(),
            planned_at: now,
            told_deaf: false,
            rosters: Vec::new(),
        };
        backend.begin(now);
        backend
    }

    /// A reload: what is as before stays connected. A server that forbade listening is asked again.
    fn replan(&mut self, plan: Plan) {
        let moved = self.addresses() != addresses(&plan);
        self.plan = plan;
        if moved && !self.plan.slots_of.is_empty() {
            // Those who were strangers have a name now.
            self.execute(self.registry.hurry());
        }
        self.rosters.clear();
        self.tell_rosters(Tick::now());
        self.listeners.retain(|_, (_, task)| !task.0.is_finished());
        self.told_deaf = false;
        let now = Tick::now();
        self.planned_at = now;
        self.begin(now);
    }

    fn begin(&mut self, now: Tick) {
        let effects = self.registry.apply(&self.plan.groups, now);
        self.execute(effects);
        self.listen(now);
    }

    fn next_wake(&self) -> Option<Tick> {
        let grace = self.planned_at + GRACE;
        let waits = (Tick::now() < grace && !self.plan.groups.is_empty()).then_some(grace);
        self.registry.next_attempt().into_iter().chain(waits).min()
    }

    fn wake(&mut self) {
        let now = Tick::now();
        let effects = self.registry.attempt(now);
        self.execute(effects);
        self.listen(now);
    }

    fn fact(&mut self, fact: Fact) {
        let now = Tick::now();
        if let Fact::Polled { result: Ok(answers), .. } = &fact {
            // Asks for those that are not known yet.
            for host in answers.hosts() {
                let _ = self.outlets.sinks.hosts.ip(host, now);
            }
        }
        let world = self.world();
        let effects = match fact {
            Fact::Polled { slot, asked, result } => self.registry.polled((slot, asked), result, &world, now),
            Fact::Published { slot, event } => self.registry.published(slot, &event, &world, now),
            Fact::Listening { slot, trouble } => self.registry.listening(slot, trouble),
            Fact::Deaf { text } => self.deaf(text),
        };
        self.execute(effects);
        self.outlets.homes.enter(self.plan.backend, self.registry.home_of());
        self.tell_rosters(now);
        self.listen(now);
        self.plan.live.sentinels.show(self.registry.statuses(&world));
    }

    /// What the Sentinels of a section know, if it is news.
    fn tell_rosters(&mut self, now: Tick) {
        for section in &self.plan.slots_of {
            let hosts = &self.outlets.sinks.hosts;
            let lookup = |host: &str| hosts.ip(host, now);
            let Some(roster) = roster(&self.registry.entries, (self.plan.backend, section), &lookup, now)
            else {
                continue;
            };
            if self.rosters.contains(&roster) {
                continue;
            }
            self.rosters.retain(|told| told.section != *section);
            self.rosters.push(roster.clone());
            // At the end of the process nobody is there to hear it.
            let _ = self.outlets.sinks.rosters.send(roster);
        }
    }

    fn addresses(&self) -> Vec<Option<SocketAddr>> {
        addresses(&self.plan)
    }

    /// The same account is asked on every server: it is said once.
    fn deaf(&mut self, text: String) -> Vec<Effect> {
        if std::mem::replace(&mut self.told_deaf, true) {
            return Vec::new();
        }
        vec![Effect::Tell(Tone::Warning, text)]
    }

    fn hint(&mut self, hint: &Hint) {
        let effects = self.registry.heard(hint, Tick::now());
        self.execute(effects);
    }

    fn world(&self) -> World {
        let seen = |seat: &super::plan::Seat| Seen {
            key: seat.live.key,
            name: seat.live.name().to_string(),
            address: seat.address,
            written: seat.written.clone(),
            known_as: seat
                .address
                .map(|address| self.outlets.sinks.hosts.names_of(address.ip()))
                .unwrap_or_default(),
            run_id: seat.live.redis().report.and_then(|report| report.run_id),
        };
        World {
            servers: self.plan.servers.iter().map(seen).collect(),
            slots_of: self.plan.slots_of.clone(),
            masters_of: self.plan.masters_of.clone(),
            at_home_elsewhere: self.outlets.homes.of_others(self.plan.backend),
        }
    }

    /// Listens on the servers while no section's Sentinel concerns this backend.
    fn listen(&mut self, now: Tick) {
        let in_grace = !self.plan.groups.is_empty() && now < self.planned_at + GRACE;
        let looks = !in_grace && self.registry.home_of().next().is_none();
        let wanted = if looks { self.plan.listeners.as_slice() } else { &[] };
        let is_wanted = |running: &ListenJob| wanted.iter().any(|job| job.same(running));
        self.listeners.retain(|_, (job, _)| is_wanted(job));
        for job in wanted {
            let outlets = &self.outlets;
            self.listeners.entry(job.server.key).or_insert_with(|| {
                let task = listen::run(job.clone(), outlets.hints.clone(), outlets.facts.clone());
                (job.clone(), Aborted(tokio::spawn(task)))
            });
        }
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                // At the end of the process nobody is there to hear it.
                Effect::Say(report) => drop(self.outlets.sinks.words.send(report)),
                Effect::Tell(tone, text) => self.tell(tone, text),
                Effect::Ask(job) => self.ask(job),
                Effect::Follow(job, my_id) => self.follow(job, my_id),
                Effect::Hurry(slot) => {
                    if let Some(tasks) = self.sentinels.get(&slot) {
                        tasks.hurry.notify_one();
                    }
                }
                Effect::Leave(slot) => drop(self.sentinels.remove(&slot)),
            }
        }
    }

    fn ask(&mut self, job: SentinelJob) {
        let (slot, hurry) = (job.slot, Arc::new(Notify::new()));
        let job = (Arc::new(job), self.outlets.sinks.hosts.clone());
        let task = query::run(job, Arc::clone(&hurry), self.outlets.facts.clone());
        self.sentinels.insert(slot, Tasks { hurry, _asking: Aborted(tokio::spawn(task)), _following: None });
    }

    fn follow(&mut self, job: SentinelJob, my_id: Option<String>) {
        let Some(tasks) = self.sentinels.get_mut(&job.slot) else { return };
        let job = (Arc::new(job), self.outlets.sinks.hosts.clone());
        let task = events::run(job, my_id, Arc::clone(&tasks.hurry), self.outlets.facts.clone());
        tasks._following = Some(Aborted(tokio::spawn(task)));
    }

    fn tell(&self, tone: Tone, text: String) {
        let what = match tone {
            Tone::Notice => ServerChange::Sentinel { text },
            Tone::Warning => ServerChange::SentinelTrouble { text },
        };
        let backend = self.plan.live.name().to_string();
        let event = ServerEvent { backend, server: String::new(), backup: false, what };
        let _ = self.outlets.sinks.events.send(Emitted { backend: self.plan.backend, event });
    }
}
