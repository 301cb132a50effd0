//! Sessions that wait: for a place at a server whose `maxconn` is reached, for a first verdict, or for a
//! master. One queue a backend, in the order in which connections were accepted: a session may be handed to
//! another worker and come to the line a little late, so it does not go to the end but before those that came
//! after it. A session that is pinned to one server waits only for that one and is passed over while it has no
//! place.
//!
//! # Who may take what
//!
//! A *place* is one count in a server's session gauge. It is taken before anything else happens, so a session
//! that was promised one has it. Places are taken in two ways: by a newcomer that finds nobody waiting, and
//! for the waiters, in their order, by whoever calls [`Queue::serve`]. The lock of the queue is held while a
//! waiter is looked at, given its place and taken out, so waiters are served in order whoever serves them.
//!
//! # Why no wake-up is lost
//!
//! There is no wake-up to lose unless one thread makes a place while another begins to wait for it:
//!
//! | waiter | releaser (a session's end, the guard, health, a reload) |
//! |---|---|
//! | 1. finds no place | a. makes a place: leaves a gauge, stores the master word, marks a server up |
//! | 2. stands in line: `standing` grows | b. fence |
//! | 3. fence | c. reads `standing`; if it is not 0, serves the line |
//! | 4. serves the line itself, once | |
//!
//! The guard and health release by message: what they stored stands before the worker's fence, because the
//! worker took the message out of a locked mailbox. Of the two fences one comes first in the single order of
//! all `SeqCst` operations. If 3 comes before b, then c reads what 2 wrote and serves. If b comes before 3,
//! then 4 sees what a wrote. Either way somebody looks at the line while both the waiter stands in it and the
//! place is there. That is why [`Queue::push`] has to be followed by a `serve`, and why a releaser asks
//! [`Queue::anyone`] after the release and not before it.
//!
//! A waiter that is served hears of it through its worker's mailbox. One that went away meanwhile was either
//! still in line, then [`Queue::remove`] says so and no place is concerned; or it had been served, then the
//! message finds nobody, and its worker passes the place on. So a place is never lost, whoever is faster.
//!
//! # In which order
//!
//! The line is called in order, whichever workers those who wait belong to. What follows, each worker does for
//! its own: two that were called one after the other connect side by side. How many do so at a time is bounded
//! (`proxy::assign`), and with it how far one may come to the server before another that stood before it.
//!
//! A newcomer may slip in between a release and the serving of the line. It then holds a place and will itself
//! release it: the line moves on later by one session, never stops.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex};

use super::counters::Gauge;
use super::lock;
use super::mailbox::SessionToken;
use super::server::ServerLive;

/// One waiting session.
#[derive(Debug, Clone)]
pub struct Waiter {
    pub token: SessionToken,
    /// [`super::Admission::arrival`]
    pub arrival: u64,
    /// For algorithms that go by it.
    pub client: Option<IpAddr>,
    pub key: Option<u32>,
    /// Only this server will do.
    pub pinned: Option<Arc<ServerLive>>,
}

/// What to do with a waiter that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has got its place: out of the line.
    Served,
    /// Not this one, perhaps the next.
    Pass,
    /// Nobody behind it either.
    Stop,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<VecDeque<Waiter>>,
    /// All that wait, pinned or not.
    standing: AtomicU32,
    /// How many were ever served: a session's position in the log is the difference.
    served: AtomicU32,
    /// `qcur`, `qmax`: those that any server may serve. The pinned count at their server.
    pub length: Gauge,
}

impl Queue {
    /// Stands in line behind all that arrived before it; the ticket is for [`Queue::served_since`]. Serve the line afterwards.
    #[must_use = "the ticket tells the position in the log"]
    pub fn push(&self, waiter: Waiter) -> u32 {
        let mut waiting = lock(&self.waiting);
        self.gauge(&waiter).enter();
        // Nearly always 0.
        let later = waiting.iter().rev().take_while(|other| other.arrival > waiter.arrival).count();
        let place = waiting.len() - later;
        waiting.insert(place, waiter);
        self.standing.fetch_add(1, Relaxed);
        let ticket = self.served.load(Relaxed);
        drop(waiting);
        fence(SeqCst);
        ticket
    }

    /// Whether anyone waits; asked after a place was made.
    pub fn anyone(&self) -> bool {
        fence(SeqCst);
        self.standing.load(Relaxed) != 0
    }

    /// Goes through the line in order until `look` says stop. `look` takes the place.
    pub fn serve(&self, mut look: impl FnMut(&Waiter) -> Turn) {
        let mut waiting = lock(&self.waiting);
        let mut at = 0;
        while let Some(waiter) = waiting.get(at) {
            match look(waiter) {
                Turn::Stop => return,
                Turn::Pass => at += 1,
                Turn::Served => {
                    self.served.fetch_add(1, Relaxed);
                    self.take_out(&mut waiting, at);
                }
            }
        }
    }

    /// Leaves the line before its turn; `false` if its turn had come already.
    pub fn remove(&self, token: SessionToken) -> bool {
        let mut waiting = lock(&self.waiting);
        let Some(at) = waiting.iter().position(|waiter| waiter.token == token) else { return false };
        self.take_out(&mut waiting, at);
        true
    }

    /// How many were served since that ticket was drawn, including whoever is told of it from within
    /// [`Queue::serve`]: that may be on another thread before `serve` has counted it.
    pub fn served_since(&self, ticket: u32) -> u32 {
        let _counted = lock(&self.waiting);
        self.served.load(Relaxed).wrapping_sub(ticket)
    }

    fn take_out(&self, waiting: &mut VecDeque<Waiter>, at: usize) {
        if let Some(waiter) = waiting.remove(at) {
            self.gauge(&waiter).leave();
            self.standing.fetch_sub(1, Relaxed);
        }
    }

    fn gauge<'a>(&'a self, waiter: &'a Waiter) -> &'a Gauge {
        waiter.pinned.as_ref().map_or(&self.length, |server| &server.queued)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    fn waiter(slot: u32) -> Waiter {
        let token = SessionToken { worker: 0, slot, turn: 0 };
        Waiter { token, arrival: u64::from(slot), client: None, key: None, pinned: None }
    }

    fn slots(queue: &Queue, mut turn: impl FnMut(u32) -> Turn) -> Vec<u32> {
        let mut served = Vec::new();
        queue.serve(|waiter| {
            let turn = turn(waiter.token.slot);
            if turn == Turn::Served {
                served.push(waiter.token.slot);
            }
            turn
        });
        served
    }

    #[test]
    fn the_line_is_served_in_order_and_may_be_left() {
        let queue = Queue::default();
        assert!(!queue.anyone());
        let tickets: Vec<u32> = (0..5).map(|slot| queue.push(waiter(slot))).collect();
        assert!(queue.remove(waiter(1).token) && !queue.remove(waiter(1).token));
        let served = slots(&queue, |slot| match slot {
            2 => Turn::Pass,
            4 => Turn::Stop,
            _ => Turn::Served,
        });
        assert_eq!(served, [0, 3]);
        assert_eq!((queue.length.now(), queue.length.max()), (2, 5));
        assert_eq!(queue.served_since(tickets[0]), 2);
        assert_eq!(slots(&queue, |_| Turn::Served), [2, 4]);
        assert!(!queue.anyone());
    }

    #[test]
    fn who_comes_late_to_the_line_stands_where_it_arrived() {
        let queue = Queue::default();
        for slot in [1, 0, 4, 2, 5, 3] {
            let _ticket = queue.push(waiter(slot));
        }
        assert_eq!(slots(&queue, |_| Turn::Served), [0, 1, 2, 3, 4, 5]);
    }

    /// Threads take places of one gauge, wait for them in the queue and give them back. If a wake-up were
    /// ever lost, a thread would wait for ever.
    #[test]
    fn no_wake_up_is_lost_between_threads() {
        const THREADS: usize = 8;
        const ROUNDS: usize = 2000;
        let (queue, places) = (Queue::default(), Gauge::default());
        let granted: Vec<AtomicBool> = (0..THREADS).map(|_| AtomicBool::new(false)).collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        let serve = || {
            queue.serve(|waiter| {
                if !places.try_enter(2) {
                    return Turn::Stop;
                }
                granted[waiter.token.slot as usize].store(true, SeqCst);
                Turn::Served
            });
        };
        let one = |slot: usize| {
            for _ in 0..ROUNDS {
                if queue.anyone() || !places.try_enter(2) {
                    let _ticket = queue.push(waiter(slot as u32));
                    serve();
                    while !granted[slot].swap(false, SeqCst) {
                        assert!(Instant::now() < deadline, "a wake-up was lost");
                        thread::yield_now();
                    }
                }
                places.leave();
                if queue.anyone() {
                    serve();
                }
            }
        };
        thread::scope(|scope| {
            (0..THREADS).for_each(|slot| drop(scope.spawn(move || one(slot))));
        });
        assert_eq!((places.now(), queue.length.now(), queue.anyone()), (0, 0, false));
        assert!(places.max() <= 2);
    }
}
