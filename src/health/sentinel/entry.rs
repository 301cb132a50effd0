//! One Sentinel of one backend: what it said so far, and which words follow from what it says now. Pure.
//!
//! The steps of a failover come from what the leader publishes; its answers tell them too, more slowly, and so
//! make up for a subscription that was broken. Answers to a question that was asked before the last event are
//! older than that event, and tell nothing of the failover.

use super::facts::{Answers, SentinelJob, Slot};
use super::naming::{Resolver, Seen};
use super::trouble::Trouble;
use crate::redis::sentinel::{FailoverState, Node, What};
use crate::state::SentinelWord;
use crate::state::sentinel::{FailoverStep, Named, Origin, SentinelId, SentinelStatus};
use crate::time::Tick;

/// How far it has proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not asked yet.
    Waiting,
    /// It is asked, and has not yet shown who it is and whom it watches.
    Trying,
    /// It names a server of the backend: what it says counts.
    Known,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) slot: Slot,
    pub(super) id: SentinelId,
    pub(super) origin: Origin,
    pub(super) name: String,
    /// Of its section.
    pub(super) group: Option<String>,
    pub(super) job: SentinelJob,
    /// Its identity as others announced it.
    pub(super) expected: Option<String>,
    pub(super) run_id: Option<String>,
    pub(super) standing: Standing,
    /// Whether the last round was answered.
    pub(super) answers: bool,
    pub(super) heard_at: Option<Tick>,
    /// Since when it has not answered.
    pub(super) silent_since: Tick,
    pub(super) failures: u32,
    /// Rounds in a row that named no server of the backend.
    pub(super) strange: u32,
    pub(super) following: bool,
    pub(super) asking_trouble: Option<Trouble>,
    pub(super) listening_trouble: Option<Trouble>,
    pub(super) told_trouble: Option<Trouble>,
    pub(super) view: Option<View>,
    /// Whom it knew when it answered last.
    pub(super) knows: Option<Known>,
    resolver: Resolver,
    /// `None`: whoever listens may believe that it is.
    tilt: Option<bool>,
    census: u32,
    /// The failover that it leads, as far as it was said.
    step: Option<FailoverStep>,
    published_at: Option<Tick>,
}

/// Whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) master: Named,
    pub(super) config_epoch: u64,
}

/// The Redis of its master, down or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) master: Node,
    pub(super) config_epoch: u64,
    /// The master among them.
    pub(super) nodes: Vec<Node>,
}

impl Known {
    fn of(answers: &Answers) -> Known {
        let replicas = answers.replicas.iter().map(|replica| replica.node.clone());
        Known {
            master: named(answers).unwrap_or(&answers.master.node).clone(),
            config_epoch: answers.master.config_epoch,
            nodes: replicas.chain([answers.master.node.clone()]).collect(),
        }
    }
}

/// Where an entry comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) origin: Origin,
    pub(super) name: String,
    pub(super) group: Option<String>,
    pub(super) expected: Option<String>,
}

impl Entry {
    pub(super) fn new(id: SentinelId, source: Source, job: SentinelJob, now: Tick) -> Entry {
        Entry {
            slot: job.slot,
            id,
            origin: source.origin,
            name: source.name,
            group: source.group,
            job,
            expected: source.expected,
            run_id: None,
            standing: Standing::Waiting,
            answers: false,
            heard_at: None,
            silent_since: now,
            failures: 0,
            strange: 0,
            following: false,
            asking_trouble: None,
            listening_trouble: None,
            told_trouble: None,
            view: None,
            knows: None,
            resolver: Resolver::default(),
            tilt: Some(false),
            census: 0,
            step: None,
            published_at: None,
        }
    }

    pub(super) fn is_configured(&self) -> bool {
        self.origin == Origin::Configured
    }

    pub(super) fn is_known(&self) -> bool {
        self.standing == Standing::Known
    }

    /// Whether it is the process of that identity, by what it said or what others said.
    pub(super) fn is(&self, run_id: &str, master_name: &str) -> bool {
        let id = self.run_id.as_deref().or(self.expected.as_deref());
        id == Some(run_id) && self.job.master_name == master_name
    }

    /// `Sentinel s1 (10.0.0.1:26379)`
    pub(super) fn title(&self) -> String {
        let address = self.job.address.to_string();
        if self.name == address {
            format!("Sentinel {address}")
        } else {
            format!("Sentinel {} ({address})", self.name)
        }
    }

    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.asking_trouble.as_ref().or(self.listening_trouble.as_ref())
    }

    /// Whether the answers name a server of the backend at all.
    pub(super) fn concerns(&mut self, answers: &Answers, servers: &[Seen]) -> bool {
        self.resolver.learn(answers);
        let nodes = answers.replicas.iter().map(|replica| &replica.node).chain([&answers.master.node]);
        nodes.into_iter().any(|node| matches!(self.resolver.name(node, servers), Named::Server(_)))
    }

    /// What follows from answers that concern the backend.
    pub(super) fn absorb(&mut self, asked: Tick, answers: &Answers, servers: &[Seen]) -> Vec<SentinelWord> {
        let mut words = Vec::new();
        words.extend(answers.tilt.and_then(|tilt| self.turn_tilt(tilt)));
        let census = answers.master.other_sentinels.saturating_add(1);
        if std::mem::replace(&mut self.census, census) != census {
            words.push(SentinelWord::Census(census));
        }
        let stale = self.published_at.is_some_and(|at| at >= asked);
        if !stale {
            words.extend(self.failover(answers, servers).map(SentinelWord::Failover));
        }
        if let Some(node) = named(answers) {
            let master = self.resolver.name(node, servers);
            let config_epoch = answers.master.config_epoch;
            self.view = Some(View { master: master.clone(), config_epoch });
            words.push(SentinelWord::Names { master, config_epoch });
        }
        words
    }

    /// Remembers whom it knows, for the slots of the backend; whether it names a server now.
    pub(super) fn remember(&mut self, answers: &Answers, servers: &[Seen]) -> bool {
        self.knows = Some(Known::of(answers));
        let master = named(answers).unwrap_or(&answers.master.node);
        matches!(self.resolver.name(master, servers), Named::Server(_))
    }

    /// Whoever listens knows nothing of it any more, or should hear all of it again.
    pub(super) fn unlearn(&mut self) {
        (self.view, self.census, self.step) = (None, 0, None);
        self.tilt = self.tilt.filter(|tilt| !*tilt);
    }

    /// The failover as its answers tell it.
    fn failover(&mut self, answers: &Answers, servers: &[Seen]) -> Option<FailoverStep> {
        let master = self.resolver.name(&answers.master.node, servers);
        let chosen = answers.replicas.iter().find(|replica| replica.promoted);
        let promoted = chosen.map(|replica| self.resolver.name(&replica.node, servers));
        let step = match (answers.master.failover, promoted) {
            (Some(FailoverState::Selecting), _) => FailoverStep::Decided { master },
            (Some(FailoverState::Promoting), Some(promoted)) => FailoverStep::Selected { master, promoted },
            (Some(FailoverState::Promoted), Some(promoted)) => FailoverStep::Promoted { master, promoted },
            // Its end was missed.
            (None, _) => match self.step.clone()? {
                FailoverStep::Promoted { master: old, promoted } if promoted == master => {
                    FailoverStep::Ended { master: old, promoted: Some(promoted) }
                }
                FailoverStep::Selected { master: old, promoted } if promoted == master => {
                    FailoverStep::Ended { master: old, promoted: Some(promoted) }
                }
                FailoverStep::Decided { master: old } if old != master => {
                    FailoverStep::Ended { master: old, promoted: Some(master) }
                }
                FailoverStep::Decided { master }
                | FailoverStep::Selected { master, .. }
                | FailoverStep::Promoted { master, .. } => FailoverStep::Aborted { master },
                FailoverStep::Aborted { .. } | FailoverStep::Ended { .. } => return None,
            },
            (Some(_), _) => return None,
        };
        self.advance(step)
    }

    /// Takes a step that was not said yet.
    fn advance(&mut self, step: FailoverStep) -> Option<FailoverStep> {
        let before = std::mem::replace(&mut self.step, (!step.is_last()).then(|| step.clone()));
        (before.as_ref() != Some(&step)).then_some(step)
    }

    fn turn_tilt(&mut self, tilt: bool) -> Option<SentinelWord> {
        // In TILT it leads nothing on; what it goes on with afterwards is told again.
        let before = self.tilt.replace(tilt);
        self.step = self.step.take().filter(|_| before == Some(tilt));
        (before != Some(tilt)).then_some(SentinelWord::Tilt(tilt))
    }

    /// `+tilt`, `-tilt`
    pub(super) fn tilted(&mut self, tilt: bool) -> Option<SentinelWord> {
        self.turn_tilt(tilt)
    }

    /// What follows from an event about its master.
    pub(super) fn published(&mut self, what: &What, servers: &[Seen], now: Tick) -> Option<SentinelWord> {
        let name = |node: &Node| self.resolver.name(node, servers);
        let step = match what {
            What::Decided { master } => FailoverStep::Decided { master: name(master) },
            What::Selected { master, promoted } => {
                FailoverStep::Selected { master: name(master), promoted: name(promoted) }
            }
            What::Promoted { master, promoted } => {
                FailoverStep::Promoted { master: name(master), promoted: name(promoted) }
            }
            What::Reconfiguring { master } => {
                FailoverStep::Promoted { master: name(master), promoted: self.chosen()? }
            }
            What::Aborted { master } => FailoverStep::Aborted { master: name(master) },
            What::Ended { master } => FailoverStep::Ended { master: name(master), promoted: self.chosen() },
            // Everybody publishes it; only of the leader it is a step.
            What::Switched { old, new } => {
                self.step.as_ref()?;
                FailoverStep::Ended { master: name(old), promoted: Some(name(new)) }
            }
            What::Changed => return None,
        };
        self.published_at = Some(now);
        self.advance(step).map(SentinelWord::Failover)
    }

    /// Whom the failover that it leads promotes.
    fn chosen(&self) -> Option<Named> {
        match self.step.as_ref()? {
            FailoverStep::Selected { promoted, .. } | FailoverStep::Promoted { promoted, .. } => {
                Some(promoted.clone())
            }
            _ => None,
        }
    }

    /// For pages.
    pub(super) fn status(&self, servers: &[Seen]) -> SentinelStatus {
        let called = |named: &Named| match named {
            Named::Server(key) => servers
                .iter()
                .find(|server| server.key == *key)
                .map(|server| server.name.clone())
                .unwrap_or_default(),
            Named::Stranger(text) => text.clone(),
        };
        SentinelStatus {
            id: self.id,
            name: self.name.clone(),
            address: self.job.address,
            origin: self.origin,
            master_name: self.job.master_name.clone(),
            run_id: self.run_id.clone(),
            names: self.view.as_ref().map(|view| called(&view.master)),
            config_epoch: self.view.as_ref().map(|view| view.config_epoch),
            tilt: self.tilt == Some(true),
            heard_at: self.heard_at,
            trouble: self.trouble().map(Trouble::to_string),
        }
    }
}

/// Whom the answers name. From the promotion on, the leader has the new epoch beside the old address, and only
/// GET-MASTER-ADDR-BY-NAME has the new one.
fn named(answers: &Answers) -> Option<&Node> {
    if answers.master.failover != Some(FailoverState::Promoted) {
        return Some(&answers.master.node);
    }
    let promoted = || answers.replicas.iter().find(|replica| replica.promoted).map(|replica| &replica.node);
    answers.current.as_ref().filter(|current| **current != answers.master.node).or_else(promoted)
}
