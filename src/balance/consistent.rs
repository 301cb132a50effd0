//! `hash-type consistent`: every server has places on a ring of 32-bit numbers, as many as its weight says
//! (16 for each unit, fewer while it starts), and a client gets the server whose place is nearest to the
//! hash of its address. When a server leaves, only its places go, so that only its clients move.
//!
//! A place is the hash of the server's number in the backend and of the place's own number, so that the ring
//! is the same after a restart, and on every balancer with the same config.
//!
//! `hash-balance-factor F` goes on along the ring past servers that have more than F percent of the load that
//! their weight entitles them to: the known scheme of consistent hashing with bounded loads.

use super::hash::avalanche;
use super::{Candidate, Slot};

/// Places that a server can have: 16 for each of 256 units of weight.
const MOST_PLACES: u32 = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Where on the ring, and whose; in order.
    places: Vec<(u32, u16)>,
    current: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeker {
    pub(super) hash: u32,
    pub(super) avoid: Option<u32>,
    pub(super) balance_factor: Option<u32>,
}

impl Ring {
    /// The servers have changed.
    pub(super) fn outdate(&mut self) {
        self.current = false;
    }

    pub(super) fn find(&mut self, slots: &[Slot], seeker: Seeker) -> Option<usize> {
        if !self.current {
            self.fill(slots);
            self.current = true;
        }
        let start = self.nearest(seeker.hash)?;
        // The sums are the same for every place that is looked at.
        let bound = seeker.balance_factor.map(|factor| Bound::of(slots, factor));
        let suits = |at: &usize| {
            let slot = &slots[*at];
            seeker.avoid != Some(slot.key) && bound.as_ref().is_none_or(|bound| bound.admits(slot))
        };
        let (before, after) = self.places.split_at(start);
        let mut along = after.iter().chain(before).map(|(_, at)| usize::from(*at));
        match seeker {
            Seeker { avoid: None, balance_factor: None, .. } => along.next(),
            _ => along.find(suits),
        }
    }

    fn fill(&mut self, slots: &[Slot]) {
        self.places.clear();
        for (at, slot) in slots.iter().enumerate() {
            let Some(candidate) = slot.candidate else { continue };
            let first = (at as u32 + 1).wrapping_mul(MOST_PLACES);
            let places = 0..candidate.weight.min(MOST_PLACES);
            self.places.extend(places.map(|place| (avalanche(first.wrapping_add(place)), at as u16)));
        }
        self.places.sort_unstable();
    }

    /// The place nearest to `hash`, the one before it if two are.
    fn nearest(&self, hash: u32) -> Option<usize> {
        let last = self.places.len().checked_sub(1)?;
        let after = self.places.partition_point(|(place, _)| *place < hash);
        let (after, before) =
            if after > last { (0, last) } else { (after, after.checked_sub(1).unwrap_or(last)) };
        let back = hash.wrapping_sub(self.places[before].0);
        let ahead = self.places[after].0.wrapping_sub(hash);
        Some(if back <= ahead { before } else { after })
    }
}

/// How much a server may be loaded.
struct Bound {
    factor: u32,
    weights: u64,
    /// The one that is to be placed included.
    sessions: u64,
}

impl Bound {
    fn of(slots: &[Slot], factor: u32) -> Bound {
        let candidates = || slots.iter().filter_map(|slot| slot.candidate);
        let weights = candidates().map(|candidate| u64::from(candidate.weight)).sum();
        let sessions = 1 + candidates().map(|candidate| u64::from(candidate.load)).sum::<u64>();
        Bound { factor, weights, sessions }
    }

    /// Whether the server, with one more session, still keeps to its share of the load; one it may have.
    fn admits(&self, slot: &Slot) -> bool {
        let Some(Candidate { weight, load, .. }) = slot.candidate else { return false };
        let share = u128::from(self.sessions) * u128::from(self.factor) * u128::from(weight);
        let most = share.div_ceil(100 * u128::from(self.weights.max(1)));
        u128::from(load) < most.max(1)
    }
}
