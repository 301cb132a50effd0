//! What a server's agent has said (`agent-check`, manual section 5.2): one record a server, beside the one of its
//! checks. A server is up only if neither of the two has it down; only the agent, or the operator, takes back
//! what the agent said.
//!
//! Its counter runs from 0 to 1: HAProxy has 1 for the agent's `rise` and `fall` and no keyword for them.

use super::check::CheckStatus;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its line has `agent-check`.
    pub configured: bool,
    /// `disable agent`
    pub off: bool,
    /// Its last word was `down`, `fail` or `stopped`.
    pub down: bool,
    pub status: CheckStatus,
    /// `last_agt`: what it said, or what went wrong, in words.
    pub info: String,
    /// Milliseconds.
    pub duration_ms: Option<u64>,
    pub in_progress: bool,
}

impl Default for AgentRecord {
    /// A server without an agent.
    fn default() -> AgentRecord {
        AgentRecord {
            configured: false,
            off: false,
            down: false,
            status: CheckStatus::Initializing,
            info: String::new(),
            duration_ms: None,
            in_progress: false,
        }
    }
}

impl AgentRecord {
    /// What HAProxy has for `rise` and `fall` of every agent.
    pub const RISE_FALL: u32 = 1;

    /// Whether it is asked.
    pub fn enabled(&self) -> bool {
        self.configured && !self.off
    }

    /// Whether it has the server down.
    pub fn vetoes(&self) -> bool {
        self.enabled() && self.down
    }

    /// `agent_health`
    pub fn counter(&self) -> u32 {
        u32::from(!self.down)
    }

    /// The same after a reload that gave the server an agent, or took it away: who was not asked has no say.
    pub(super) fn configure(&mut self, configured: bool) {
        if self.configured != configured {
            *self = AgentRecord { configured, ..AgentRecord::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_agent_that_is_asked_has_a_say() {
        let said =
            |configured, off, down| AgentRecord { configured, off, down, ..AgentRecord::default() }.vetoes();
        assert!(said(true, false, true));
        assert!(!said(true, true, true) && !said(false, false, true) && !said(true, false, false));
        let mut record = AgentRecord { configured: true, down: true, ..AgentRecord::default() };
        record.configure(true);
        assert_eq!((record.vetoes(), record.counter()), (true, 0));
        record.configure(false);
        assert_eq!(record, AgentRecord::default());
    }
}
