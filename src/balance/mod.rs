//! Which server of those that may gets the next session: pure, one file an algorithm.
//!
//! A [`Balancer`] is the memory of one backend's algorithm. For every pick it is told of all servers of the
//! backend in the config's order, each with what it may take now ([`Offer`]); it answers with a position in
//! that order. Who may take sessions at all (up, proven, master, active before backup) is decided before; a
//! server that may not is offered without a candidate, so that its memory is kept for its return. Servers
//! may appear, vanish or change places between two picks: memory goes by key. A pick costs one pass over the
//! servers and allocates only when the set of servers has grown.
//!
//! The orders are those that HAProxy 2.6 shows; the tests hold sequences recorded from the real program.

mod consistent;
mod first;
pub mod hash;
mod leastconn;
mod map;
mod random;
mod roundrobin;
mod source;
mod static_rr;

use std::net::IpAddr;

use crate::config::model::{Balance, HashMethod, Hashing};

/// What a server could take now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidate {
    /// From 1; to 4096 where slow start applies.
    pub weight: u32,
    /// Sessions that it serves, and that wait for it alone.
    pub load: u32,
    /// `maxconn` is reached.
    pub full: bool,
}

/// One server of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Names the server for as long as the process lives.
    pub key: u32,
    /// `None`: gets no sessions now.
    pub candidate: Option<Candidate>,
}

/// Whom the server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// `None` for unix sockets.
    pub client: Option<IpAddr>,
    /// `balance hash`: the hash of the sample, if it has a value.
    pub key: Option<u32>,
    /// The server that has just failed: taken only if there is no other.
    pub avoid: Option<u32>,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Position among the offers. Under a pinning algorithm it may be full: the session waits for it.
    Server(usize),
    /// There are servers, and none of them has room.
    Full,
    /// No server gets sessions.
    Nobody,
}

/// Whether the algorithm ties a client to one server, so that it waits for that one alone.
pub fn pins(algorithm: Balance, request: Request) -> bool {
    hashed(algorithm, request).is_some()
}

/// The hash that chooses, and how; `None` where there is no key, or no hash.
fn hashed(algorithm: Balance, request: Request) -> Option<(u32, Hashing)> {
    match algorithm {
        Balance::Source(hashing) => Some((source::hash(request.client?, hashing), hashing)),
        Balance::Hash(hashing) => Some((source::mixed(request.key?, hashing), hashing)),
        _ => None,
    }
}

/// What is remembered of one server.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key: u32,
    candidate: Option<Candidate>,
    turn: roundrobin::Turn,
    /// leastconn: number of the pick that chose it last.
    chosen: u64,
}

impl Slot {
    fn new(key: u32) -> Slot {
        Slot { key, candidate: None, turn: roundrobin::Turn::default(), chosen: 0 }
    }

    /// The candidate, if it has room and is not to be avoided.
    fn open(&self, avoid: Option<u32>) -> Option<Candidate> {
        self.candidate.filter(|candidate| !candidate.full && avoid != Some(self.key))
    }
}

/// The memory of a backend's algorithm.
#[derive(Debug, Default)]
pub struct Balancer {
    slots: Vec<Slot>,
    /// Picks so far.
    picks: u64,
    rotation: roundrobin::Rotation,
    map: map::Map,
    ring: consistent::Ring,
    random: random::Source,
}

impl Balancer {
    /// Chooses one of `offers`, and remembers that it did.
    pub fn pick(
        &mut self,
        algorithm: Balance,
        request: Request,
        offers: impl Iterator<Item = Offer>,
    ) -> Pick {
        let changed = self.take_in(offers);
        if changed {
            self.map.outdate();
            self.ring.outdate();
        }
        if self.slots.iter().all(|slot| slot.candidate.is_none()) {
            return Pick::Nobody;
        }
        let chosen = match request.avoid {
            Some(_) => self.choose(algorithm, request).or_else(|| {
                let anybody = Request { avoid: None, ..request };
                self.choose(algorithm, anybody)
            }),
            None => self.choose(algorithm, request),
        };
        let Some(at) = chosen else { return Pick::Full };
        self.picks += 1;
        self.slots[at].chosen = self.picks;
        Pick::Server(at)
    }

    fn choose(&mut self, algorithm: Balance, request: Request) -> Option<usize> {
        if let Some((hash, hashing)) = hashed(algorithm, request) {
            return self.choose_by(hash, hashing, request.avoid);
        }
        let (slots, avoid) = (&mut self.slots, request.avoid);
        match algorithm {
            Balance::RoundRobin => self.rotation.next(slots, avoid),
            Balance::LeastConn => leastconn::next(slots, avoid),
            Balance::First => first::next(slots, avoid),
            // HAProxy, too, takes turns when there is no key.
            Balance::StaticRr | Balance::Source(_) | Balance::Hash(_) => {
                static_rr::next(&mut self.map, slots, avoid)
            }
            Balance::Random(draws) => self.random.next(slots, avoid, draws),
        }
    }

    fn choose_by(&mut self, hash: u32, hashing: Hashing, avoid: Option<u32>) -> Option<usize> {
        match hashing.method {
            HashMethod::MapBased => source::find(&mut self.map, &self.slots, hash),
            HashMethod::Consistent => {
                let seeker = consistent::Seeker { hash, avoid, balance_factor: hashing.balance_factor };
                self.ring.find(&self.slots, seeker)
            }
        }
    }

    /// Brings the slots into the order of the offers; whether the set of candidates or a weight changed.
    fn take_in(&mut self, offers: impl Iterator<Item = Offer>) -> bool {
        let (mut changed, mut count) = (false, 0);
        for (at, offer) in offers.enumerate() {
            changed |= self.place(at, offer.key);
            let slot = &mut self.slots[at];
            let weight = |candidate: Option<Candidate>| candidate.map(|candidate| candidate.weight);
            if weight(slot.candidate) != weight(offer.candidate) {
                changed = true;
                slot.turn.reweighed(offer.candidate.is_some());
            }
            slot.candidate = offer.candidate;
            count = at + 1;
        }
        changed |= self.slots.len() != count;
        self.slots.truncate(count);
        changed
    }

    /// Moves the server's slot to `at`, or makes one there; whether anything had to move.
    fn place(&mut self, at: usize, key: u32) -> bool {
        if self.slots.get(at).is_some_and(|slot| slot.key == key) {
            return false;
        }
        match self.slots.iter().skip(at).position(|slot| slot.key == key) {
            Some(ahead) => self.slots.swap(at, at + ahead),
            None => self.slots.insert(at, Slot::new(key)),
        }
        true
    }
}

#[cfg(test)]
mod tests;
