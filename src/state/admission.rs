//! Who may come in: `maxconn` of the process and of a frontend, and `rate-limit sessions`. A connection that
//! finds no room is left in the kernel's backlog, as in HAProxy, so this is asked before `accept`.
//!
//! An [`Admission`] is the right to be connected: it enters the gauges when made and leaves them when it is
//! dropped, wherever that is: in a session, in a message to another worker, in the service that took the
//! connection over. So a connection is counted exactly once, whatever becomes of it.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::counters::Gauge;
use super::frontend::FrontendLive;
use super::snapshot::{ProcessLive, Snapshot};
use crate::config::model::{Frontend, FrontendId};
use crate::time::Tick;

/// Why a frontend does not accept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Global `maxconn`.
    Process,
    /// The frontend's `maxconn`.
    Frontend,
    /// The bind line's `maxconn`.
    Bind,
    /// `rate-limit sessions`.
    Rate,
}

/// See the module.
#[derive(Debug)]
pub struct Admission {
    process: Arc<ProcessLive>,
    frontend: Arc<FrontendLive>,
    bind: Option<Arc<Gauge>>,
    held: bool,
    arrival: u64,
}

/// Held sessions may take this share of a `maxconn`, so that stats and `monitor-uri` still answer.
const HELD_PERCENT: u64 = 80;

impl Admission {
    /// Whether the frontend may accept now: a look without obligation, before `accept`.
    pub fn room(snapshot: &Snapshot, frontend: FrontendId, now: Tick) -> Result<(), Full> {
        let (config, live) = (&snapshot.config.frontends[frontend.0], &snapshot.frontends[frontend.0]);
        let full = |limit: u32, now: u32| limit != 0 && now >= limit;
        if full(snapshot.config.global.maxconn.unwrap_or(0), snapshot.process.connections.now()) {
            return Err(Full::Process);
        }
        if snapshot.process.is_too_fast(now) {
            return Err(Full::Rate);
        }
        if full(config.maxconn, live.traffic.sessions.now()) {
            return Err(Full::Frontend);
        }
        match config.rate_limit_sessions {
            Some(limit) if live.traffic.rate.now(now) >= u64::from(limit) => Err(Full::Rate),
            _ => Ok(()),
        }
    }

    /// Takes a place, so that two workers cannot both take the last one: reserve, then `accept`, then
    /// [`Admission::count`]; dropping it gives the place back.
    pub fn reserve(snapshot: &Snapshot, frontend: FrontendId, now: Tick) -> Result<Admission, Full> {
        Admission::room(snapshot, frontend, now)?;
        let process = &snapshot.process;
        if !process.connections.try_reserve(snapshot.config.global.maxconn.unwrap_or(0)) {
            return Err(Full::Process);
        }
        let live = &snapshot.frontends[frontend.0];
        if !live.traffic.sessions.try_reserve(snapshot.config.frontends[frontend.0].maxconn) {
            process.connections.leave();
            return Err(Full::Frontend);
        }
        let (process, frontend) = (Arc::clone(process), Arc::clone(live));
        let arrival = process.arrivals.fetch_add(1, Ordering::Relaxed);
        Ok(Admission { process, frontend, bind: None, held: false, arrival })
    }

    /// Takes a place at a bind line as well, whose `maxconn` is `limit`, 0 for none.
    pub fn through(mut self, bind: &Arc<Gauge>, limit: u32) -> Result<Admission, Full> {
        if !bind.try_reserve(limit) {
            return Err(Full::Bind);
        }
        self.bind = Some(Arc::clone(bind));
        Ok(self)
    }

    /// Counts the connection that was accepted under it; as a session too, unless rules come first.
    pub fn count(&self, frontend: &Frontend, now: Tick) {
        self.process.connections.note_max();
        self.frontend.traffic.sessions.note_max();
        self.process.total.add(1);
        self.process.rate.hit(now);
        self.frontend.connections.add(1);
        self.frontend.connection_rate.hit(now);
        if !frontend.rules.holds_back_sessions() {
            self.count_session(now);
        }
    }

    /// Counts the session that became of the connection.
    pub fn count_session(&self, now: Tick) {
        self.frontend.traffic.total.add(1);
        self.frontend.traffic.rate.hit(now);
    }

    /// Grows from connection to connection, whichever worker accepts it: who waits is served by this.
    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    /// The frontend it came in by.
    pub fn frontend(&self) -> &Arc<FrontendLive> {
        &self.frontend
    }

    /// The process it counts in.
    pub fn process(&self) -> &Arc<ProcessLive> {
        &self.process
    }

    /// Takes a place among the held; `false` if they are too many already. The limits are the `maxconn`s
    /// of the process and of the frontend, 0 for none.
    pub fn hold(&mut self, process_limit: u32, frontend_limit: u32) -> bool {
        if self.held {
            return true;
        }
        if !self.process.held.try_enter(share(process_limit)) {
            return false;
        }
        if !self.frontend.held.try_enter(share(frontend_limit)) {
            self.process.held.leave();
            return false;
        }
        self.held = true;
        true
    }

    /// Whether it has such a place.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// It waits no more; whether it was held until now.
    pub fn release_hold(&mut self) -> bool {
        let was = std::mem::take(&mut self.held);
        if was {
            self.process.held.leave();
            self.frontend.held.leave();
        }
        was
    }
}

/// The part of a limit that held sessions may take; never nothing, and none of none.
fn share(limit: u32) -> u32 {
    if limit == 0 {
        return 0;
    }
    ((u64::from(limit) * HELD_PERCENT / 100) as u32).max(1)
}

/// # No lost wake-up
///
/// Gauges and flag are two words, written by different threads in opposite order: whoever finds no room sets
/// the flag and then looks at the gauges once more; whoever gives a place back leaves the gauges and then
/// looks at the flag. A fence stands between the two steps of each, so that at least one of them sees what
/// the other did: the first finds the place, or the second finds the flag and tries to accept.
///
/// The flags are one bit a worker (more than 64 workers share bits, which costs a look in vain). Whoever clears
/// a bit looks in its owner's place, and finds room or sets its own.
impl ProcessLive {
    /// Whether as many clients have come within a second as `set rate-limit` allows.
    fn is_too_fast(&self, now: Tick) -> bool {
        let limits = self.rate_limits.iter().map(|limit| u64::from(limit.load(Ordering::Relaxed)));
        limits.filter(|limit| *limit > 0).any(|limit| self.rate.now(now) >= limit)
    }

    /// Says that this worker found no room. It looks for room once more afterwards.
    pub fn turn_away(&self, worker: usize) {
        self.turned_away.fetch_or(bit(worker), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// To be asked after a connection ended: whether somebody found no room before. The caller, or a worker
    /// that it tells, tries to accept then; one is enough, as every worker accepts from every listener.
    pub fn somebody_waits(&self) -> bool {
        fence(Ordering::SeqCst);
        self.turned_away.load(Ordering::Relaxed) != 0 && self.turned_away.swap(0, Ordering::Relaxed) != 0
    }

    /// The same after a place was reserved in vain: whether another worker found no room meanwhile.
    pub fn others_wait(&self, worker: usize) -> bool {
        fence(Ordering::SeqCst);
        let others = !bit(worker);
        self.turned_away.load(Ordering::Relaxed) & others != 0
            && self.turned_away.fetch_and(!others, Ordering::Relaxed) & others != 0
    }
}

fn bit(worker: usize) -> u64 {
    1 << (worker % 64)
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.release_hold();
        self.bind.iter().for_each(|bind| bind.leave());
        self.frontend.traffic.sessions.leave();
        self.process.connections.leave();
    }
}
