//! Who may come in: `maxconn` of the process and of a frontend, and `rate-limit sessions`. A connection that
//! finds no room is left in the kernel's backlog, as in HAProxy, so this is asked before `accept`.
//!
//! An [`Admission`] is the right to be connected: it enters the gauges when made and leaves them when it is
//! dropped, wherever that is: in a session, in a message to another worker, in the service that took the
//! connection over. So a connection is counted exactly once, whatever becomes of it.

use std::sync::Arc;

use super::frontend::FrontendLive;
use super::snapshot::{ProcessLive, Snapshot};
use crate::config::model::FrontendId;
use crate::time::Tick;

/// Why a frontend does not accept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Global `maxconn`.
    Process,
    /// The frontend's `maxconn`.
    Frontend,
    /// `rate-limit sessions`.
    Rate,
}

/// See the module.
#[derive(Debug)]
pub struct Admission {
    process: Arc<ProcessLive>,
    frontend: Arc<FrontendLive>,
    held: bool,
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
        Ok(Admission { process: Arc::clone(process), frontend: Arc::clone(live), held: false })
    }

    /// Counts the connection that was accepted under it.
    pub fn count(&self, now: Tick) {
        self.process.connections.note_max();
        self.frontend.traffic.sessions.note_max();
        self.process.total.add(1);
        self.process.rate.hit(now);
        self.frontend.connections.add(1);
        self.frontend.connection_rate.hit(now);
        self.frontend.traffic.total.add(1);
        self.frontend.traffic.rate.hit(now);
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

    /// It waits no more.
    pub fn release_hold(&mut self) {
        if std::mem::take(&mut self.held) {
            self.process.held.leave();
            self.frontend.held.leave();
        }
    }
}

/// The part of a limit that held sessions may take; never nothing, and none of none.
fn share(limit: u32) -> u32 {
    if limit == 0 {
        return 0;
    }
    ((u64::from(limit) * HELD_PERCENT / 100) as u32).max(1)
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.release_hold();
        self.frontend.traffic.sessions.leave();
        self.process.connections.leave();
    }
}
