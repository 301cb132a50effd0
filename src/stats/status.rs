//! The state of a server in one word, as HAProxy's CSV says it, and the colour class of its row. Pure.

use std::fmt::Write as _;

use crate::config::model::Server;
use crate::state::server::admin;
use crate::state::{AgentRecord, Health, Operation, ServerLive, Unselectable};

/// How a server stands, once everything is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Maintenance,
    /// In maintenance for want of an address.
    Unresolved,
    /// In maintenance because the server is that it tracks.
    Inherited,
    Down,
    /// Its agent has it down.
    DownAgent,
    /// Down, and checks have begun to pass.
    GoingUp,
    Up,
    /// Up, and checks have begun to fail.
    GoingDown,
    /// Up without new sessions: the check said so, or the guard holds it.
    NoLb,
    NoLbGoingDown,
    Drain,
    DrainGoingDown,
    /// Drained, with an agent that may have wanted it so.
    DrainAgent,
    NotChecked,
}

impl Standing {
    /// Weighs what health, operator and guard say; `health` and `agent` are those of the server which is checked for
    /// it.
    pub fn of(
        config: &Server,
        live: &ServerLive,
        (health, agent): (&Health, &AgentRecord),
        excluded: Option<Unselectable>,
    ) -> Standing {
        let bits = live.admin();
        if bits & admin::MAINT != 0 {
            return match bits {
                _ if bits & admin::INHERITED_MAINT != 0 => Standing::Inherited,
                _ if bits & admin::RESOLUTION_MAINT != 0 => Standing::Unresolved,
                _ => Standing::Maintenance,
            };
        }
        let has_state = config.check.is_some() || config.track.is_some();
        let falling = has_state && health.counter + 1 < health.rise + health.fall;
        // HAProxy shows the drain of the server whose checks count.
        let draining = match live.checked_leader() {
            Some(leader) => leader.is_draining(),
            None => live.is_draining(),
        };
        match live.operation() {
            Operation::Stopped if agent.vetoes() => Standing::DownAgent,
            Operation::Stopped if health.counter > 0 => Standing::GoingUp,
            Operation::Stopped => Standing::Down,
            Operation::Running | Operation::Starting if bits & admin::DRAIN != 0 && agent.enabled() => {
                Standing::DrainAgent
            }
            _ if !has_state && !draining => Standing::NotChecked,
            Operation::Stopping if falling => Standing::NoLbGoingDown,
            Operation::Stopping => Standing::NoLb,
            Operation::Running | Operation::Starting if excluded == Some(Unselectable::Held) => {
                Standing::NoLb
            }
            Operation::Running | Operation::Starting => match (draining, falling) {
                (true, true) => Standing::DrainGoingDown,
                (true, false) => Standing::Drain,
                (false, true) => Standing::GoingDown,
                (false, false) => Standing::Up,
            },
        }
    }

    /// The CSV's word: `UP`, `UP 1/3`, `DOWN 1/2`, `no check`.
    pub fn word(self, health: &Health) -> String {
        let (word, counted) = match self {
            Standing::Maintenance => ("MAINT", None),
            Standing::Unresolved => ("MAINT (resolution)", None),
            Standing::Inherited => ("MAINT (via)", None),
            Standing::Down => ("DOWN", None),
            Standing::DownAgent => ("DOWN (agent)", None),
            Standing::DrainAgent => ("DRAIN (agent)", None),
            Standing::GoingUp => ("DOWN", Some((health.counter, health.rise))),
            Standing::Up => ("UP", None),
            Standing::GoingDown => ("UP", Some(falling(health))),
            Standing::NoLb => ("NOLB", None),
            Standing::NoLbGoingDown => ("NOLB", Some(falling(health))),
            Standing::Drain => ("DRAIN", None),
            Standing::DrainGoingDown => ("DRAIN", Some(falling(health))),
            Standing::NotChecked => ("no check", None),
        };
        let mut text = word.to_owned();
        if let Some((at, of)) = counted {
            let _ = write!(text, " {at}/{of}");
        }
        text
    }

    /// The class of its row on the page; `maintain` and the downs are alike for active and backup servers.
    pub fn class(self, backup: bool) -> &'static str {
        match (self, backup) {
            (Standing::Maintenance | Standing::Unresolved | Standing::Inherited, _) => "maintain",
            (Standing::Down | Standing::DownAgent, false) => "active_down",
            (Standing::Down | Standing::DownAgent, true) => "backup_down",
            (Standing::GoingUp, false) => "active_going_up",
            (Standing::GoingUp, true) => "backup_going_up",
            (Standing::Up, false) => "active_up",
            (Standing::Up, true) => "backup_up",
            (Standing::GoingDown, false) => "active_going_down",
            (Standing::GoingDown, true) => "backup_going_down",
            (Standing::NoLb | Standing::NoLbGoingDown, false) => "active_nolb",
            (Standing::NoLb | Standing::NoLbGoingDown, true) => "backup_nolb",
            (Standing::Drain | Standing::DrainGoingDown | Standing::DrainAgent, false) => "active_draining",
            (Standing::Drain | Standing::DrainGoingDown | Standing::DrainAgent, true) => "backup_draining",
            (Standing::NotChecked, false) => "active_no_check",
            (Standing::NotChecked, true) => "backup_no_check",
        }
    }

    /// Whether the operator, the config or a missing address keeps it out.
    pub fn is_maintenance(self) -> bool {
        matches!(self, Standing::Maintenance | Standing::Unresolved | Standing::Inherited)
    }

    /// Whether `;up` hides it.
    pub fn is_down(self) -> bool {
        self.is_maintenance() || matches!(self, Standing::Down | Standing::DownAgent | Standing::GoingUp)
    }
}

fn falling(health: &Health) -> (u32, u32) {
    ((health.counter + 1).saturating_sub(health.rise), health.fall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::CheckStatus;
    use crate::time::Tick;

    fn health(counter: u32) -> Health {
        Health {
            counter,
            rise: 2,
            fall: 3,
            status: CheckStatus::Unknown,
            code: None,
            info: String::new(),
            duration_ms: None,
            in_progress: false,
            other_role: false,
            failed_checks: 0,
            failed_analyses: 0,
            down_transitions: 0,
            last_change: Tick(0),
            downtime_ms: 0,
        }
    }

    #[test]
    fn words_carry_the_counter_while_it_moves() {
        for (standing, counter, expected) in [
            (Standing::Up, 4, "UP"),
            (Standing::GoingDown, 2, "UP 1/3"),
            (Standing::GoingDown, 3, "UP 2/3"),
            (Standing::GoingUp, 1, "DOWN 1/2"),
            (Standing::Down, 0, "DOWN"),
            (Standing::DownAgent, 4, "DOWN (agent)"),
            (Standing::DrainAgent, 4, "DRAIN (agent)"),
            (Standing::NoLbGoingDown, 2, "NOLB 1/3"),
            (Standing::DrainGoingDown, 3, "DRAIN 2/3"),
            (Standing::NotChecked, 4, "no check"),
            (Standing::Maintenance, 0, "MAINT"),
            (Standing::Unresolved, 0, "MAINT (resolution)"),
        ] {
            assert_eq!(standing.word(&health(counter)), expected);
        }
    }
}
