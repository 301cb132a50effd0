//! What is done to agents (`set server B/S agent...`, `enable agent`), and what they want done themselves: the same
//! that an operator could ask for, by the same ways, so that a server which an agent lets out of maintenance has to
//! prove itself like any other.

use tokio::sync::mpsc::UnboundedReceiver;

use super::servers::{Place, Subject};
use crate::api::request::{AgentChange, AgentForced, Fault, State, Switch, weight};
use crate::health::{AgentOrder, AgentState};
use crate::process::control::Control;
use crate::state::{Command, Operation, Snapshot};

/// One thing that an agent may want.
type Want = fn(&mut Control, &Snapshot, Place, &AgentOrder) -> Result<(), Fault>;

/// Where the orders of agents arrive; each agent waits for the end of its own.
#[derive(Debug)]
pub struct Agents {
    orders: UnboundedReceiver<AgentOrder>,
}

impl Agents {
    pub fn new(orders: UnboundedReceiver<AgentOrder>) -> Agents {
        Agents { orders }
    }

    /// The next order.
    pub async fn next(&mut self) -> AgentOrder {
        match self.orders.recv().await {
            Some(order) => order,
            // No checks run any more, which is no reason to wake up.
            None => std::future::pending().await,
        }
    }

    /// Carries it out, and tells its agent what was wrong with it.
    pub fn carry_out(&self, control: &mut Control, order: AgentOrder) {
        let mut warning = None;
        let wants: [Want; 3] = [set_state, set_weight, set_maxconn];
        for want in wants {
            // Each of them may publish another snapshot.
            let snapshot = control.published.load_full();
            let Some(place) = find(&snapshot, &order) else { break };
            if let Err(fault) = want(control, &snapshot, place, &order) {
                warning.get_or_insert_with(|| fault.trim_end().to_owned());
            }
        }
        // A task that a reload has ended waits no more.
        let _ = order.warning.send(warning);
    }
}

/// A reload may have removed the server since its agent was asked.
fn find(snapshot: &Snapshot, order: &AgentOrder) -> Option<Place> {
    let backend = snapshot.backends.iter().position(|view| view.live.key == order.backend)?;
    let server = snapshot.backends[backend].position(order.server)?;
    Some(Place { backend, server })
}

fn set_state(
    control: &mut Control,
    snapshot: &Snapshot,
    place: Place,
    order: &AgentOrder,
) -> Result<(), Fault> {
    let subject = Subject::of(snapshot, place);
    let state = order.state.map(|state| match state {
        AgentState::Ready => State::Ready,
        AgentState::Drain => State::Drain,
        AgentState::Maintenance => State::Maintenance,
    });
    // An agent says the same again and again.
    if let Some(state) = state.filter(|state| subject.would_change(*state)) {
        subject.set_state(control, state);
    }
    Ok(())
}

fn set_weight(
    control: &mut Control,
    snapshot: &Snapshot,
    place: Place,
    order: &AgentOrder,
) -> Result<(), Fault> {
    let Some(text) = &order.weight else { return Ok(()) };
    // `weight:` without a number is none at all.
    let text = Some(text.as_str()).filter(|text| !text.is_empty());
    Subject::of(snapshot, place).set_weight(control, weight(text)?)
}

fn set_maxconn(
    control: &mut Control,
    snapshot: &Snapshot,
    Place { backend, server }: Place,
    order: &AgentOrder,
) -> Result<(), Fault> {
    let Some(text) = &order.maxconn else { return Ok(()) };
    let maxconn = read_maxconn(text)?;
    let before = &snapshot.config.backends[backend].servers[server];
    if before.maxconn == maxconn {
        return Ok(());
    }
    let is_fixed = before.maxconn == before.minconn && before.minconn > 0;
    control.edit(|config| {
        let server = &mut config.backends[backend].servers[server];
        server.maxconn = maxconn;
        server.minconn = if is_fixed { maxconn } else { server.minconn };
    });
    control.workers.broadcast(|| Command::Reconsider);
    Ok(())
}

/// In HAProxy's words.
fn read_maxconn(text: &str) -> Result<u32, Fault> {
    if text.is_empty() {
        return Err("Require <maxconn>.\n".to_owned());
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match (&text[..digits], &text[digits..]) {
        ("", _) => Err("maxconn string empty or preceded by garbage".to_owned()),
        (number, "") => number.parse().map_err(|_| "Value out of range.".to_owned()),
        _ => Err("Trailing garbage in maxconn string".to_owned()),
    }
}

const NOT_ENABLED: &str = "agent checks are not enabled on this server";

/// `set server B/S agent...`, `enable agent`, `disable agent`
pub(super) fn change(
    control: &mut Control,
    subject: Subject<'_>,
    change: AgentChange,
) -> Result<String, Fault> {
    let live = subject.live;
    if let AgentChange::Switch(switch) = change {
        return self::switch(control, subject, switch).map(|()| String::new());
    }
    let full_stop = matches!(change, AgentChange::Health(_) | AgentChange::Send(_));
    if !live.agent().enabled() {
        return Err(if full_stop { format!("{NOT_ENABLED}.\n") } else { NOT_ENABLED.to_owned() });
    }
    let Place { backend, server } = subject.place;
    let mut edit = |edit: &dyn Fn(&mut crate::config::model::AgentCheck)| {
        control.edit(|config| {
            config.backends[backend].servers[server].agent.as_mut().into_iter().for_each(edit);
        });
    };
    match change {
        AgentChange::Switch(_) => {}
        AgentChange::Address(wanted) => {
            let (ip, port) = wanted?;
            edit(&|agent| (agent.addr, agent.port) = (Some(ip), port.unwrap_or(agent.port)));
        }
        AgentChange::Port(port) => {
            let port = port?;
            edit(&|agent| agent.port = port);
        }
        AgentChange::Send(text) => edit(&|agent| agent.send = text.clone()),
        AgentChange::Health(forced) => force(control, subject, forced)?,
    }
    Ok(String::new())
}

pub(super) fn switch(control: &Control, subject: Subject<'_>, switch: Switch) -> Result<(), Fault> {
    if switch == Switch::On && subject.config.agent.is_none() {
        return Err("Agent was not configured on this server, cannot enable.\n".to_owned());
    }
    subject.live.update_agent(|agent| agent.off = switch == Switch::Off);
    control.checks.ask_agent_now(subject.live.key);
    Ok(())
}

/// What the agent is to have said. `up` brings a server up that its checks have down, as in HAProxy; not so where
/// clients only come after proof.
pub(super) fn force(control: &Control, subject: Subject<'_>, forced: AgentForced) -> Result<(), Fault> {
    let operation = match forced {
        AgentForced::Up => Operation::Running,
        AgentForced::Down => Operation::Stopped,
        AgentForced::Unknown => {
            return Err("'set server <srv> agent' expects 'up' or 'down'.\n".to_owned());
        }
    };
    subject.live.update_agent(|agent| agent.down = forced == AgentForced::Down);
    let health = subject.live.health();
    let unproven = subject.config.check.is_some() && health.counter < health.rise;
    if forced == AgentForced::Up && unproven && subject.view.guarding.needs_proof() {
        return Ok(());
    }
    subject.turn_by_hand(control, operation);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from HAProxy 2.6.12, but for the last one: there it wraps around.
    #[test]
    fn limits_are_read_in_haproxys_words() {
        for (text, read) in [
            ("30", Ok(30)),
            ("0", Ok(0)),
            ("", Err("Require <maxconn>.\n")),
            ("q", Err("maxconn string empty or preceded by garbage")),
            ("3x", Err("Trailing garbage in maxconn string")),
            ("99999999999", Err("Value out of range.")),
        ] {
            assert_eq!(read_maxconn(text), read.map_err(str::to_owned), "{text}");
        }
    }
}
