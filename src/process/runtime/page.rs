//! What the forms of stats pages ask for (`stats admin`): as on the runtime socket, server by server.

use super::agents;
use super::servers::{self, Subject};
use crate::api::request::{AgentForced, Forced, ServerName, State, Switch};
use crate::config::model::BackendId;
use crate::process::control::Control;
use crate::state::{Snapshot, admin};
use crate::stats::action::{Action, Change, Code, Order};

/// Does it, and answers.
pub(super) fn carry_out(control: &Control, Change { order, scope, answer }: Change) {
    // A client that went away meanwhile needs no answer.
    let _ = answer.send(change(control, &order, &scope));
}

/// What lies outside of the page's scope is not there. HAProxy's scope only hides.
fn change(control: &Control, order: &Order, scope: &[String]) -> Code {
    let snapshot = control.published.load_full();
    let Some(BackendId(at)) = snapshot.backend(&order.backend) else { return Code::Failed };
    let backend = snapshot.config.backends[at].name.clone();
    if !scope.is_empty() && !scope.contains(&backend) {
        return Code::Failed;
    }
    let (mut altered, mut concerned) = (0, 0);
    for server in &order.servers {
        let name = ServerName { backend: backend.clone(), server: server.clone() };
        // Forms name servers, whose numbers HAProxy takes on its runtime socket alone.
        let found = servers::find(&snapshot, &name).ok().filter(|_| !server.starts_with('#'));
        let Some(place) = found else {
            concerned += 1;
            continue;
        };
        if apply(control, &snapshot, Subject::of(&snapshot, place), order.action) {
            altered += 1;
            concerned += 1;
        }
    }
    Code::of(altered, concerned)
}

/// Whether the action concerned the server: HAProxy leaves those out that are as they shall be already.
fn apply(control: &Control, snapshot: &Snapshot, subject: Subject<'_>, action: Action) -> bool {
    let bits = subject.admin();
    let is_tracking = subject.config.track.is_some();
    let has_agent = subject.live.agent().enabled();
    match action {
        Action::Ready => subject.set_state(control, State::Ready),
        Action::Drain => subject.set_state(control, State::Drain),
        Action::Maintenance => subject.set_state(control, State::Maintenance),
        Action::Disable if bits & admin::FORCED_MAINT == 0 => {
            subject.set_bits(control, bits | admin::FORCED_MAINT);
        }
        Action::Enable if bits & admin::FORCED_MAINT != 0 => {
            subject.set_bits(control, bits & !admin::FORCED_MAINT);
        }
        Action::Stop if bits & admin::FORCED_DRAIN == 0 => {
            subject.set_bits(control, bits | admin::FORCED_DRAIN);
        }
        Action::Start if bits & admin::FORCED_DRAIN != 0 => {
            subject.set_bits(control, bits & !admin::FORCED_DRAIN);
        }
        Action::ChecksOff => {
            return subject.switch_checks(control, Switch::Off).is_ok() && subject.config.check.is_some();
        }
        Action::ChecksOn => return subject.switch_checks(control, Switch::On).is_ok(),
        Action::ForceUp if !is_tracking => subject.force(control, Forced::Up),
        Action::ForceNoBalance if !is_tracking => subject.force(control, Forced::Stopping),
        Action::ForceDown if !is_tracking => subject.force(control, Forced::Down),
        Action::AgentOff if subject.config.agent.is_some() => {
            return agents::switch(control, subject, Switch::Off).is_ok();
        }
        Action::AgentOn => return agents::switch(control, subject, Switch::On).is_ok(),
        Action::AgentUp if has_agent => return agents::force(control, subject, AgentForced::Up).is_ok(),
        Action::AgentDown if has_agent => return agents::force(control, subject, AgentForced::Down).is_ok(),
        Action::Shutdown => super::cut_at_server(control, snapshot, subject.place),
        _ => return false,
    }
    true
}
