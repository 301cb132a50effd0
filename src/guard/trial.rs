//! A guard on the bench: servers say things, time passes, and what the guard does is looked at.

use std::time::Duration;

use super::decide::{HeldReason, Standing};
use super::machine::{Effect, GuardState, Input, Observation, Seat, Setup};
use crate::redis::{Role, RoleReport};
use crate::state::sentinel::{FailoverStep, Named};
use crate::state::{Guarding, SentinelId, SentinelWord, ServerKey};
use crate::time::Tick;

pub(super) const A: ServerKey = ServerKey(10);
pub(super) const B: ServerKey = ServerKey(11);
pub(super) const C: ServerKey = ServerKey(12);

/// A process that writes a history of its own.
pub(super) fn master(run_id: &str, replid: &str) -> RoleReport {
    RoleReport {
        run_id: Some(run_id.to_owned()),
        replid: Some(replid.to_owned()),
        replid2: Some("0".repeat(40)),
        connected_replicas: Some(0),
        uptime: Some(Duration::from_secs(100)),
        ..RoleReport::of(Role::Master)
    }
}

/// One that says it wrote on where another history ended.
pub(super) fn promoted(run_id: &str, replid: &str, from: &str, offset: u64) -> RoleReport {
    RoleReport { replid2: Some(from.to_owned()), second_offset: Some(offset), ..master(run_id, replid) }
}

/// One that repeats another's history.
pub(super) fn replica(run_id: &str, of: &str) -> RoleReport {
    RoleReport { link_up: Some(true), ..RoleReport { role: Role::Replica, ..master(run_id, of) } }
}

pub(super) fn with_replicas(report: RoleReport, count: u32) -> RoleReport {
    RoleReport { connected_replicas: Some(count), ..report }
}

pub(super) fn up_for(report: RoleReport, seconds: u64) -> RoleReport {
    RoleReport { uptime: Some(Duration::from_secs(seconds)), ..report }
}

pub(super) fn decided(master: ServerKey) -> FailoverStep {
    FailoverStep::Decided { master: Named::Server(master) }
}

pub(super) fn selected(master: ServerKey, promoted: ServerKey) -> FailoverStep {
    FailoverStep::Selected { master: Named::Server(master), promoted: Named::Server(promoted) }
}

pub(super) fn promoted_step(master: ServerKey, promoted: ServerKey) -> FailoverStep {
    FailoverStep::Promoted { master: Named::Server(master), promoted: Named::Server(promoted) }
}

pub(super) fn aborted(master: ServerKey) -> FailoverStep {
    FailoverStep::Aborted { master: Named::Server(master) }
}

pub(super) fn ended(master: ServerKey, promoted: Option<ServerKey>) -> FailoverStep {
    FailoverStep::Ended { master: Named::Server(master), promoted: promoted.map(Named::Server) }
}

/// See the module.
pub(super) struct Trial {
    pub(super) guard: GuardState,
    pub(super) now: Tick,
    /// What the last step did.
    pub(super) effects: Vec<Effect>,
    held: Vec<(ServerKey, HeldReason)>,
}

pub(super) fn setup(guarding: Guarding, servers: &[ServerKey]) -> Setup {
    let seat = |key: &ServerKey| Seat { key: *key, standing: Standing::Up, is_checked: true };
    Setup {
        guarding,
        hold: Some(Duration::from_secs(5)),
        freeze: Duration::from_secs(10),
        window: Duration::from_secs(2),
        seats: servers.iter().map(seat).collect(),
        awaits_sentinels: false,
    }
}

impl Trial {
    pub(super) fn of(servers: &[ServerKey]) -> Trial {
        Trial::with(setup(Guarding::Master, servers))
    }

    pub(super) fn with(setup: Setup) -> Trial {
        let mut trial =
            Trial { guard: GuardState::new(Tick(0)), now: Tick(0), effects: Vec::new(), held: Vec::new() };
        trial.step(Input::Apply(setup));
        trial
    }

    /// A with one replica, B, and a second one, C, all seen.
    pub(super) fn settled() -> Trial {
        let mut trial = Trial::of(&[A, B, C]);
        trial.says(A, with_replicas(master("a1", "h1"), 2));
        trial.says(B, replica("b1", "h1"));
        trial.says(C, replica("c1", "h1"));
        assert_eq!(trial.master(), Some(A));
        trial
    }

    pub(super) fn step(&mut self, input: Input) -> &[Effect] {
        self.effects = self.guard.step(input, self.now);
        for effect in &self.effects {
            if let Effect::Held(server, reason) = effect {
                self.held.retain(|(held, _)| held != server);
                self.held.extend(reason.map(|reason| (*server, reason)));
            }
        }
        &self.effects
    }

    pub(super) fn says(&mut self, server: ServerKey, report: RoleReport) -> &[Effect] {
        let passed = report.role == Role::Master;
        self.step(Input::Checked(Observation { server, passed, report: Some(report) }))
    }

    /// A timeout, a refused connect, an error reply.
    pub(super) fn stalls(&mut self, server: ServerKey) -> &[Effect] {
        self.step(Input::Checked(Observation { server, passed: false, report: None }))
    }

    /// `fall` is reached.
    pub(super) fn dies(&mut self, server: ServerKey) -> &[Effect] {
        self.stalls(server);
        self.step(Input::Moved(server, Standing::Down))
    }

    pub(super) fn rises(&mut self, server: ServerKey) -> &[Effect] {
        self.step(Input::Moved(server, Standing::Up))
    }

    /// One of the Sentinels 1, 2, 3 and so on says something.
    pub(super) fn hears(&mut self, sentinel: u32, word: SentinelWord) -> &[Effect] {
        self.step(Input::Heard(SentinelId(sentinel), word))
    }

    pub(super) fn names(&mut self, sentinel: u32, server: ServerKey, config_epoch: u64) -> &[Effect] {
        self.hears(sentinel, SentinelWord::Names { master: Named::Server(server), config_epoch })
    }

    pub(super) fn leads(&mut self, sentinel: u32, step: FailoverStep) -> &[Effect] {
        self.hears(sentinel, SentinelWord::Failover(step))
    }

    /// As settled, and three Sentinels that name A.
    pub(super) fn watched() -> Trial {
        let mut trial = Trial::settled();
        for sentinel in 1..=3 {
            trial.hears(sentinel, SentinelWord::Census(3));
            trial.names(sentinel, A, 1);
        }
        assert_eq!(trial.master(), Some(A));
        trial
    }

    pub(super) fn frozen(&self) -> Option<ServerKey> {
        self.guard.frozen().map(|(server, _)| server)
    }

    pub(super) fn after(&mut self, milliseconds: u64) -> &[Effect] {
        self.now = self.now + Duration::from_millis(milliseconds);
        self.step(Input::Timer)
    }

    pub(super) fn master(&self) -> Option<ServerKey> {
        self.guard.master()
    }

    pub(super) fn held(&self, server: ServerKey) -> Option<HeldReason> {
        self.held.iter().find(|(held, _)| *held == server).map(|(_, reason)| *reason)
    }
}
