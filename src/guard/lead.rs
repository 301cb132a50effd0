//! Failovers that somebody leads: announced by the Sentinel that was elected, asked for by the operator, or plain
//! from a majority that names another server before that one says anything. Each is a [`Lead`]: from which
//! master, how far, on whose word. Pure; the decision asks the leads for the selected server, the freeze for a
//! reason to be.
//!
//! # What ends a lead
//!
//! | event | then |
//! |---|---|
//! | the selected server holds the word, and a majority names it | settled: the majority speaks for it from now on |
//! | a majority names a third server at a later epoch than when the lead began | settled: another failover won |
//! | aborted by its leader | closed |
//! | its Sentinel is lost (two rounds without an answer, or a refused reconnect), forgotten or in TILT, where it leads nothing on, and no other names the selected server at a later epoch | closed |
//! | ended by its leader | stays for [`AFTERMATH`]: the others may still name the old one for a second |
//! | [`LIFE`] without a further step, the operator's own time | closed: whatever ended it was lost on the way |
//!
//! Steps only go forward. One that comes late or twice changes nothing; one about another master, or another
//! selected server, is a new failover. A late step about a failover that is over opens a lead that nobody asks:
//! its master is not the incumbent any more.

use std::time::Duration;

use super::sentinels::{Majority, Sentinels};
use crate::state::sentinel::{FailoverStep, Named};
use crate::state::{SentinelId, ServerKey};
use crate::time::Tick;

/// How long a lead lasts without a further step. The phase after the promotion, in which other replicas are
/// pointed to the new master, is longer, but by then the leader has told its config epoch to all others.
const LIFE: Duration = Duration::from_secs(30);
/// How long the end of a failover speaks for its winner.
const AFTERMATH: Duration = Duration::from_secs(10);

/// On whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leader {
    Sentinel(SentinelId),
    Operator,
    /// More than half of the Sentinels, at that config epoch.
    Majority(u64),
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Decided,
    Selected(ServerKey),
    /// The leader has seen it say `role:master`.
    Promoted(ServerKey),
    Ended(ServerKey),
}

/// Why a lead is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closing {
    Settled,
    Aborted,
    Lost,
    Expired,
    /// Another word of the same leader took its place.
    Replaced,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lead {
    /// Counts up in each backend, so that a freeze is made once for each.
    pub number: u64,
    pub leader: Leader,
    /// Who was master when it began; `None`: nobody.
    pub master: Option<ServerKey>,
    pub stage: Stage,
    /// The epoch of the majority at that time.
    base: Option<u64>,
    expires: Tick,
}

/// The leads of one backend, at most one of each leader; the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Leads {
    open: Vec<Lead>,
    count: u64,
    closed: Option<(u64, Closing)>,
    /// The highest epoch that a majority has had.
    epoch: Option<u64>,
}

/// What leads are measured against.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub sentinels: &'a Sentinels,
    pub majority: &'a Majority,
    pub incumbent: Option<ServerKey>,
    pub now: Tick,
}

impl Lead {
    /// When it is over if nothing more is heard of it.
    pub fn expires(&self) -> Tick {
        self.expires
    }

    /// The server that will be master.
    pub fn selected(&self) -> Option<ServerKey> {
        match self.stage {
            Stage::Decided => None,
            Stage::Selected(server) | Stage::Promoted(server) | Stage::Ended(server) => Some(server),
        }
    }
}

impl Leads {
    /// Those that are open, the oldest first.
    pub fn open(&self) -> &[Lead] {
        &self.open
    }

    /// Number of the newest lead that there was.
    pub fn newest(&self) -> u64 {
        self.count
    }

    /// How the lead that was closed last ended.
    pub fn closing(&self, number: u64) -> Option<Closing> {
        self.closed.filter(|(closed, _)| *closed == number).map(|(_, closing)| closing)
    }

    /// When the next one expires.
    pub fn next_wake(&self) -> Option<Tick> {
        self.open.iter().map(|lead| lead.expires).min()
    }

    /// A Sentinel tells of a failover that it leads.
    pub fn hear(&mut self, sentinel: SentinelId, step: &FailoverStep, majority: &Majority, now: Tick) {
        let (leader, key) = (Leader::Sentinel(sentinel), |named: &Named| match named {
            Named::Server(key) => Some(*key),
            Named::Stranger(_) => None,
        });
        let (master, stage) = match step {
            FailoverStep::Decided { master } => (master, Some(Stage::Decided)),
            FailoverStep::Selected { master, promoted } => {
                (master, Some(key(promoted).map_or(Stage::Decided, Stage::Selected)))
            }
            FailoverStep::Promoted { master, promoted } => {
                (master, Some(key(promoted).map_or(Stage::Decided, Stage::Promoted)))
            }
            FailoverStep::Ended { master, promoted } => {
                let open = self.open.iter().find(|lead| lead.leader == leader);
                let promoted = promoted.as_ref().and_then(key).or_else(|| open?.selected());
                (master, promoted.map(Stage::Ended))
            }
            FailoverStep::Aborted { master } => (master, None),
        };
        // A master that is none of ours is another backend's matter.
        let Some(master) = key(master) else { return };
        match stage {
            Some(stage) => self.advance(leader, (Some(master), stage), majority, now),
            None => self.close(Closing::Aborted, |lead| lead.leader == leader && lead.master == Some(master)),
        }
    }

    /// The operator wants another master; the number of the lead.
    pub fn ask(&mut self, from: Option<ServerKey>, to: ServerKey, scene: &Scene<'_>, expires: Tick) -> u64 {
        self.close(Closing::Replaced, |lead| lead.leader == Leader::Operator);
        self.begin(Leader::Operator, (from, Stage::Selected(to)), scene.majority, expires);
        self.count
    }

    /// Its Sentinel does not answer, is in TILT, or is not watched any more.
    pub fn lose(&mut self, sentinel: SentinelId, sentinels: &Sentinels) {
        self.close(Closing::Lost, |lead| {
            let named = lead.selected().is_some_and(|server| sentinels.any_names(server, lead.base));
            lead.leader == Leader::Sentinel(sentinel) && !named
        });
    }

    /// Closes what has had its time, and opens a lead for a majority that runs ahead of its server.
    pub fn settle(&mut self, scene: &Scene<'_>) {
        self.close(Closing::Expired, |lead| lead.expires <= scene.now);
        if let Majority::Server(ballot) = scene.majority {
            for lead in self.open.iter_mut().filter(|lead| lead.master == Some(ballot.server)) {
                lead.base = lead.base.or(Some(ballot.epoch));
            }
            self.close(Closing::Settled, |lead| {
                let later = lead.base.is_none_or(|base| ballot.epoch > base);
                match lead.selected() {
                    Some(selected) if selected == ballot.server => scene.incumbent == Some(selected),
                    _ if lead.master != Some(ballot.server) => later,
                    _ => later && matches!(lead.stage, Stage::Ended(_)),
                }
            });
        }
        self.run_ahead(scene);
    }

    fn run_ahead(&mut self, scene: &Scene<'_>) {
        let Majority::Server(ballot) = scene.majority else {
            self.close(Closing::Lost, |lead| matches!(lead.leader, Leader::Majority(_)));
            return;
        };
        self.close(Closing::Lost, |lead| {
            matches!(lead.leader, Leader::Majority(_)) && lead.selected() != Some(ballot.server)
        });
        let before = self.epoch.replace(self.epoch.map_or(ballot.epoch, |epoch| epoch.max(ballot.epoch)));
        let is_news = before.is_some_and(|before| ballot.epoch > before);
        let is_led = self.open.iter().any(|lead| lead.selected() == Some(ballot.server));
        if is_news && !is_led && scene.incumbent.is_some_and(|incumbent| incumbent != ballot.server) {
            let course = (scene.incumbent, Stage::Selected(ballot.server));
            self.begin(Leader::Majority(ballot.epoch), course, scene.majority, scene.now + LIFE);
        }
    }

    fn advance(
        &mut self,
        leader: Leader,
        (master, stage): (Option<ServerKey>, Stage),
        majority: &Majority,
        now: Tick,
    ) {
        let open = self.open.iter_mut().find(|lead| lead.leader == leader && lead.master == master);
        let Some(lead) = open else {
            // The end of what nobody heard begin has nothing to add to whom its leader names.
            if !matches!(stage, Stage::Ended(_)) {
                self.close(Closing::Replaced, |lead| lead.leader == leader);
                self.begin(leader, (master, stage), majority, now + LIFE);
            }
            return;
        };
        if stage.rank() <= lead.stage.rank() && (stage == Stage::Decided || lead.is_about(stage)) {
            return;
        }
        lead.stage = stage;
        lead.expires = now + if matches!(stage, Stage::Ended(_)) { AFTERMATH } else { LIFE };
    }

    fn begin(
        &mut self,
        leader: Leader,
        (master, stage): (Option<ServerKey>, Stage),
        majority: &Majority,
        expires: Tick,
    ) {
        let base = match majority {
            Majority::Server(ballot) => Some(ballot.epoch),
            _ => None,
        };
        let base = match leader {
            Leader::Majority(epoch) => Some(epoch.saturating_sub(1)),
            _ => base,
        };
        self.count += 1;
        self.open.push(Lead { number: self.count, leader, master, stage, base, expires });
    }

    fn close(&mut self, closing: Closing, which: impl Fn(&Lead) -> bool) {
        let closed = self.open.iter().rfind(|lead| which(lead)).map(|lead| (lead.number, closing));
        self.closed = closed.or(self.closed);
        self.open.retain(|lead| !which(lead));
    }
}

impl Lead {
    fn is_about(&self, stage: Stage) -> bool {
        let other = Lead { stage, ..*self };
        other.selected() == self.selected()
    }
}

impl Stage {
    fn rank(self) -> u8 {
        match self {
            Stage::Decided => 0,
            Stage::Selected(_) => 1,
            Stage::Promoted(_) => 2,
            Stage::Ended(_) => 3,
        }
    }
}

#[cfg(test)]
#[path = "lead_tests.rs"]
mod tests;
