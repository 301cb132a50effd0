//! Sessions that wait: for a place at a server whose `maxconn` is reached, or for a master.
//!
//! One queue a backend, in order of arrival; a session that is pinned to one server waits only for that
//! one. The lock is taken only when a session has to wait or a place is freed while somebody waits, never
//! on the way of a session that finds a place at once.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::counters::Gauge;
use super::lock;
use super::mailbox::SessionToken;
use super::server::ServerKey;

/// One waiting session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    pub token: SessionToken,
    /// Only this server will do.
    pub pinned: Option<ServerKey>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<VecDeque<Waiter>>,
    /// `qcur`, `qmax`
    pub length: Gauge,
}

impl Queue {
    /// Goes to the end of the line; returns how many stand before it.
    pub fn push(&self, waiter: Waiter) -> usize {
        let mut waiting = lock(&self.waiting);
        waiting.push_back(waiter);
        self.length.enter();
        waiting.len() - 1
    }

    /// Takes the first one out that `server` may serve.
    pub fn pop_for(&self, server: ServerKey) -> Option<Waiter> {
        if self.length.now() == 0 {
            return None;
        }
        let mut waiting = lock(&self.waiting);
        let at = waiting.iter().position(|waiter| waiter.pinned.is_none_or(|pinned| pinned == server))?;
        self.length.leave();
        waiting.remove(at)
    }

    /// Leaves the line before its turn; `false` if its turn had come already.
    pub fn remove(&self, token: SessionToken) -> bool {
        let mut waiting = lock(&self.waiting);
        let Some(at) = waiting.iter().position(|waiter| waiter.token == token) else { return false };
        waiting.remove(at);
        self.length.leave();
        true
    }
}
