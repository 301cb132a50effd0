//! What the end of a question means for the server: its agent's record, a line in the log, up or down.

use crate::health::job::Subject;
use crate::health::rise_fall::Transition;
use crate::health::turn::{self, Turn};
use crate::health::verdict::Sinks;
use crate::state::event::{Asked, CheckSummary, ServerChange};
use crate::state::{AgentRecord, CheckStatus, Operation, ServerLive, admin};
use crate::time::Tick;

/// How a question ended, in HAProxy's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) status: CheckStatus,
    pub(super) info: String,
    pub(super) duration_ms: u64,
}

impl End {
    /// Of an agent that did not say a whole line: what it said before stands.
    pub(super) fn incomplete(before: CheckStatus) -> (CheckStatus, String) {
        match before {
            CheckStatus::Initializing => (CheckStatus::L7Timeout, String::new()),
            before => (before, "Ignoring incomplete line from agent".to_owned()),
        }
    }
}

/// Takes note of it, and changes the server's state if that follows. Nothing, if the server is gone, or the agent has
/// been switched off since it was asked.
pub(super) fn settle(subject: &Subject, sinks: &Sinks, end: End, now: Tick) {
    let snapshot = sinks.published.load();
    let Some(view) = snapshot.backends.iter().find(|view| view.live.key == subject.backend) else { return };
    let Some(live) = view.position(subject.server).map(|at| &view.servers[at]) else { return };
    let told = live.update_agent(|agent| {
        agent.in_progress = false;
        agent.enabled().then(|| absorb(agent, &end))
    });
    let Some((tells, counter)) = told else { return };
    let check =
        CheckSummary { status: end.status, code: None, info: end.info, duration_ms: Some(end.duration_ms) };
    if tells && subject.log_checks {
        let (up, draining) = (counter > 0, live.weight() == 0);
        let (which, shown) = (Asked::Agent, (counter, AgentRecord::RISE_FALL));
        turn::emit(
            subject,
            sinks,
            ServerChange::Checked { which, check: check.clone(), shown, up, draining },
        );
    }
    if let Some(transition) = transition(live, check.status) {
        let operation = live.operation();
        live.update_health(|health| turn::note(health, operation, transition, now));
        Turn { subject, sinks, snapshot: &snapshot, view, live, now }.carry_out(transition, &check);
    }
}

/// Whether `option log-health-checks` has something to say, and the counter.
fn absorb(agent: &mut AgentRecord, end: &End) -> (bool, u32) {
    // `No status change` is none, and is not told either.
    let tells = agent.status != end.status && end.status != CheckStatus::Checked;
    agent.status = end.status;
    agent.info.clone_from(&end.info);
    agent.duration_ms = Some(end.duration_ms);
    match end.status {
        CheckStatus::L7Ok => agent.down = false,
        CheckStatus::L7Status => agent.down = true,
        _ => {}
    }
    (tells, agent.counter())
}

/// `down` ends what the checks have up; `up` only takes that back, where checks have it up as well.
fn transition(live: &ServerLive, status: CheckStatus) -> Option<Transition> {
    if live.admin() & admin::MAINT != 0 {
        return None;
    }
    match (status, live.operation()) {
        (CheckStatus::L7Status, operation) if operation != Operation::Stopped => Some(Transition::Down),
        (CheckStatus::L7Ok, Operation::Stopped) => {
            let health = live.health();
            (health.counter >= health.rise).then_some(Transition::Up)
        }
        _ => None,
    }
}
