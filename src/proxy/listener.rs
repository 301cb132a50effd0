//! Accepting: every worker waits at every listener; whoever accepts gives the connection to the worker with
//! the fewest sessions. So a few long-lived connections are spread evenly, which a kernel's hash
//! (SO_REUSEPORT) does not do.
//!
//! A connection that finds no room stays in the kernel's backlog: the place is reserved before `accept`. A
//! worker that finds none stops watching that listener; see `state::admission` for how it is found again.
//! Out of descriptors or memory, a worker leaves a listener alone for [`BACK_OFF`], and the log says so.

use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::driver::Engine;
use super::worker::{Life, Worker};
use crate::config::model::{Frontend, FrontendId};
use crate::log::Complaint;
use crate::state::counters::Gauge;
use crate::state::{Accepted, Admission, Command, Full, Listener};
use crate::sys::accept::{AcceptError, Shortage, accept};
use crate::sys::socket;
use crate::time::Tick;

/// Connections that one readiness takes at most, before others have their turn.
const BATCH: usize = 64;
/// How long a listener is left alone when descriptors or memory are short.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A worker's listeners.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: Slab<Gate>,
    /// When to look at all of them though nothing was told.
    look_at: Option<Tick>,
}

#[derive(Debug)]
struct Gate {
    listener: Arc<Listener>,
    /// Where it stands in the worker's snapshot.
    frontend: FrontendId,
    bind: usize,
    state: GateState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GateState {
    /// Watched.
    Open,
    /// Not watched: a `maxconn` is reached.
    Full,
    /// Not watched until then.
    Until(Tick),
    /// Not watched yet.
    Shut,
}

/// Why a gate gave no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Nobody,
    Full,
    Until(Tick),
    Broken,
}

impl Gates {
    /// Whether a gate waits for a place.
    pub(super) fn has_full(&self) -> bool {
        self.gates.iter().any(|(_, gate)| gate.state == GateState::Full)
    }

    /// When a gate that was left alone is tried again.
    pub(super) fn next_retry(&self) -> Option<Tick> {
        let retry = |gate: &Gate| match gate.state {
            GateState::Until(due) => Some(due),
            _ => None,
        };
        self.gates.iter().filter_map(|(_, gate)| retry(gate)).chain(self.look_at).min()
    }

    /// Lets go of all listeners.
    pub(super) fn close(&mut self, engine: &mut impl Engine) {
        for (id, gate) in &self.gates {
            engine.ignore(id, &gate.listener);
        }
        self.gates.clear();
        self.look_at = None;
    }
}

impl Worker {
    /// Takes the snapshot's listeners: kept ones keep their place, the others go or come.
    pub(super) fn take_listeners(&mut self, engine: &mut impl Engine) {
        if self.life != Life::Serving {
            return;
        }
        let wanted = self.wanted_gates();
        let gone: Vec<usize> = self
            .gates
            .gates
            .iter()
            .filter(|(_, gate)| !wanted.iter().any(|new| Arc::ptr_eq(&new.listener, &gate.listener)))
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            let gate = self.gates.gates.remove(id);
            engine.ignore(id, &gate.listener);
        }
        for new in wanted {
            let kept =
                self.gates.gates.iter_mut().find(|(_, gate)| Arc::ptr_eq(&gate.listener, &new.listener));
            match kept {
                Some((_, gate)) => (gate.frontend, gate.bind) = (new.frontend, new.bind),
                None => {
                    self.gates.gates.insert(new);
                }
            }
        }
        self.look_for_clients(engine);
    }

    fn wanted_gates(&self) -> Vec<Gate> {
        let mut wanted = Vec::new();
        for (at, listeners) in self.snapshot.listeners.iter().enumerate() {
            let frontend = &self.snapshot.config.frontends[at];
            for (bind, listener) in listeners.iter().enumerate() {
                let Some(listener) = listener else { continue };
                pass_on_options(listener, frontend);
                let (listener, frontend) = (Arc::clone(listener), FrontendId(at));
                wanted.push(Gate { listener, frontend, bind, state: GateState::Shut });
            }
        }
        wanted
    }

    /// Tries every gate, watched or not; those that turn out to have room are watched from then on.
    pub(super) fn look_for_clients(&mut self, engine: &mut impl Engine) {
        self.gates.look_at = None;
        let gates: Vec<usize> = self.gates.gates.iter().map(|(id, _)| id).collect();
        for gate in gates {
            self.accept(gate, engine);
        }
    }

    /// Takes who waits at a gate, as long as there is room.
    pub fn accept(&mut self, gate: usize, engine: &mut impl Engine) {
        for _ in 0..BATCH {
            match self.next_client(gate) {
                Ok(accepted) => self.place(accepted, engine),
                Err(stop) => return self.stop(gate, stop, engine),
            }
        }
        // More may wait: a watched listener tells again.
        self.stop(gate, Stop::Nobody, engine);
    }

    fn next_client(&mut self, id: usize) -> Result<Accepted, Stop> {
        let Some(gate) = self.gates.gates.get(id) else { return Err(Stop::Broken) };
        if let GateState::Until(due) = gate.state
            && due > self.now
        {
            return Err(Stop::Until(due));
        }
        let mut place = self.reserve(gate);
        if matches!(place, Err(Full::Process | Full::Frontend | Full::Bind)) {
            self.snapshot.process.turn_away(self.index);
            place = self.reserve(gate);
        }
        let admission = match place {
            Ok(admission) => admission,
            Err(Full::Rate) => return Err(Stop::Until(self.now + self.rate_pause(gate.frontend))),
            Err(_) => return Err(Stop::Full),
        };
        loop {
            match accept(&gate.listener.socket) {
                Ok((socket, client)) => {
                    let (frontend, bind, port) = (gate.frontend, gate.bind, gate.listener.port());
                    admission.count(&self.snapshot.config.frontends[frontend.0], self.now);
                    let snapshot = Arc::clone(&self.snapshot);
                    let arrival = None;
                    return Ok(Accepted {
                        socket,
                        client,
                        frontend,
                        snapshot,
                        bind,
                        port,
                        admission,
                        arrival,
                    });
                }
                Err(AcceptError::Gone) => {}
                Err(AcceptError::Later) => return Err(Stop::Nobody),
                Err(AcceptError::Exhausted(shortage)) => {
                    self.snapshot.process.accept_failures.add(1);
                    self.complain(gate, shortage);
                    return Err(Stop::Until(self.now + BACK_OFF));
                }
                Err(AcceptError::Broken(_)) => {
                    let is_news = u64::from(gate.state == GateState::Open);
                    self.snapshot.process.accept_failures.add(is_news);
                    return Err(Stop::Broken);
                }
            }
        }
    }

    /// In the frontend's log, as HAProxy; not oftener for all the workers that come upon it at once.
    fn complain(&self, gate: &Gate, shortage: Shortage) {
        if gate.listener.may_complain(self.now, BACK_OFF) {
            let config = Arc::clone(&self.snapshot.config);
            (self.shared.complaints)(Complaint { config, frontend: gate.frontend, shortage });
        }
    }

    fn reserve(&self, gate: &Gate) -> Result<Admission, Full> {
        let bind = &self.snapshot.config.frontends[gate.frontend.0].binds[gate.bind];
        Admission::reserve(&self.snapshot, gate.frontend, self.now)?
            .through(&gate.listener.connections, bind.maxconn.unwrap_or(0))
    }

    /// Until the rate has faded by about one session, bounded so that a raised limit acts soon.
    fn rate_pause(&self, frontend: FrontendId) -> Duration {
        let limit = self.snapshot.config.frontends[frontend.0].rate_limit_sessions.unwrap_or(1);
        Duration::from_millis(u64::from(1000 / limit.max(1)).clamp(1, 100))
    }

    /// The engine watches a listener otherwise from now on.
    pub(super) fn watch_anew(&mut self, engine: &mut impl Engine) {
        for (id, gate) in &mut self.gates.gates {
            if gate.state != GateState::Open {
                continue;
            }
            engine.ignore(id, &gate.listener);
            if engine.watch(id, &gate.listener).is_err() {
                gate.state = GateState::Until(self.now + BACK_OFF);
            }
        }
    }

    fn stop(&mut self, id: usize, stop: Stop, engine: &mut impl Engine) {
        let Some(gate) = self.gates.gates.get_mut(id) else { return };
        let state = match stop {
            Stop::Nobody => GateState::Open,
            Stop::Full => GateState::Full,
            Stop::Until(due) => GateState::Until(due),
            // Another process that has the socket, too, may have paused it, and lets it listen again.
            Stop::Broken => GateState::Until(self.now + BACK_OFF),
        };
        let before = std::mem::replace(&mut gate.state, state);
        match (before == GateState::Open, state == GateState::Open) {
            (true, false) => engine.ignore(id, &gate.listener),
            (false, true) if engine.watch(id, &gate.listener).is_err() => {
                gate.state = GateState::Until(self.now + BACK_OFF);
            }
            _ => {}
        }
        // The place that was reserved in vain was missing to others meanwhile. Not at once, lest two workers
        // with full frontends chase each other.
        if stop == Stop::Nobody && self.snapshot.process.others_wait(self.index) {
            self.gates.look_at = Some(self.now + Duration::from_millis(1));
        }
    }

    /// Gives a connection to the worker with the fewest sessions.
    fn place(&mut self, accepted: Accepted, engine: &mut impl Engine) {
        let load = &self.snapshot.process.load;
        let chosen = least_loaded(load, self.index);
        if let Some(gauge) = load.get(chosen) {
            gauge.enter();
        }
        if let Some(tls) = self.securing(&accepted) {
            self.secure(accepted, chosen, &tls);
        } else if chosen == self.index {
            self.adopt(accepted, engine);
        } else {
            self.shared.workers.post(chosen, Command::Adopt(accepted));
        }
    }
}

/// The worker with the fewest sessions. One's own is preferred within a sixteenth, as passing a connection on
/// costs a wake-up: among few connections that is never, among many it is not seen.
fn least_loaded(load: &[Gauge], own: usize) -> usize {
    let mine = load.get(own).map_or(0, Gauge::now);
    let best = load.iter().enumerate().map(|(at, gauge)| (gauge.now(), at)).min();
    match best {
        Some((least, at)) if least + least / 16 < mine => at,
        _ => own,
    }
}

/// What clients inherit from the socket that they came in by, set once here instead of once a connection. A
/// listener that fails at this still serves.
fn pass_on_options(listener: &Listener, frontend: &Frontend) {
    socket::set_nodelay(&listener.socket);
    let _ = match &frontend.keepalive {
        Some(keepalive) => socket::set_keepalive(&listener.socket, keepalive),
        None => socket::clear_keepalive(&listener.socket),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(counts: &[u32]) -> Vec<Gauge> {
        let gauge = |count: &u32| {
            let gauge = Gauge::default();
            (0..*count).for_each(|_| {
                gauge.enter();
            });
            gauge
        };
        counts.iter().map(gauge).collect()
    }

    #[test]
    fn few_connections_are_spread_exactly_and_many_within_a_sixteenth() {
        assert_eq!(least_loaded(&loads(&[0, 0]), 1), 1);
        assert_eq!(least_loaded(&loads(&[0, 1]), 1), 0);
        assert_eq!(least_loaded(&loads(&[3, 2, 5]), 2), 1);
        assert_eq!(least_loaded(&loads(&[100, 106]), 1), 1);
        assert_eq!(least_loaded(&loads(&[100, 107]), 1), 0);
        assert_eq!(least_loaded(&[], 0), 0);
    }
}
