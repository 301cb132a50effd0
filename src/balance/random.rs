//! `balance random(N)`: N draws by weight; the least loaded of those drawn gets the session.

use std::hash::{BuildHasher, RandomState};

use super::{Candidate, Slot};

/// A xorshift generator: the draws need to be spread, not secret.
#[derive(Debug)]
pub(super) struct Source(u64);

impl Default for Source {
    fn default() -> Source {
        Source(RandomState::new().hash_one(0) | 1)
    }
}

impl Source {
    pub(super) fn next(&mut self, slots: &[Slot], avoid: Option<u32>, draws: u32) -> Option<usize> {
        let total: u64 = slots.iter().filter_map(|slot| slot.open(avoid)).map(|c| u64::from(c.weight)).sum();
        if total == 0 {
            return None;
        }
        let mut best: Option<(usize, Candidate)> = None;
        for _ in 0..draws.max(1) {
            let drawn = draw(slots, avoid, self.number() % total)?;
            if best.is_none_or(|(_, best)| lighter(drawn.1, best)) {
                best = Some(drawn);
            }
        }
        best.map(|(at, _)| at)
    }

    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The server on whose share `ticket` lies.
fn draw(slots: &[Slot], avoid: Option<u32>, mut ticket: u64) -> Option<(usize, Candidate)> {
    for (at, slot) in slots.iter().enumerate() {
        let Some(candidate) = slot.open(avoid) else { continue };
        let weight = u64::from(candidate.weight);
        if ticket < weight {
            return Some((at, candidate));
        }
        ticket -= weight;
    }
    None
}

fn lighter(one: Candidate, other: Candidate) -> bool {
    u64::from(one.load) * u64::from(other.weight) < u64::from(other.load) * u64::from(one.weight)
}
