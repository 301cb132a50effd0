//! `balance leastconn`: the server with the fewest sessions for its weight; an idle one before any other
//! whatever the weights; of equals the one that was chosen least recently.

use super::{Candidate, Slot};

pub(super) fn next(slots: &[Slot], avoid: Option<u32>) -> Option<usize> {
    let rank = |(at, slot): (usize, &Slot)| Some((burden(slot.open(avoid)?), slot.chosen, at));
    slots.iter().enumerate().filter_map(rank).min().map(|(_, _, at)| at)
}

/// What one more session would weigh, in 1/4096: weights go up to that.
fn burden(candidate: Candidate) -> u64 {
    match candidate.load {
        0 => 0,
        load => (u64::from(load) + 1) * 4096 / u64::from(candidate.weight),
    }
}
