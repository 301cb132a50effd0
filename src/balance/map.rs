//! The table behind the static algorithms: as many entries as the weights add up to, each naming a server.
//! It is made anew when the servers in use or their weights change, not before that.

use super::Slot;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Vec<u16>,
    current: bool,
    /// static-rr: the entry whose turn it is.
    pub(super) at: usize,
}

impl Map {
    /// The servers have changed.
    pub(super) fn outdate(&mut self) {
        self.current = false;
    }

    /// Positions of servers; the share of each is its weight's.
    pub(super) fn entries(&mut self, slots: &[Slot]) -> &[u16] {
        if !self.current {
            self.fill(slots);
            self.current = true;
        }
        &self.entries
    }

    /// Every entry gives each server its weight in credit and goes to the first of those that can pay the
    /// price most often; the price is the total weight.
    fn fill(&mut self, slots: &[Slot]) {
        let divisor = slots.iter().filter_map(weight).fold(0, common_divisor).max(1);
        let total: i64 = slots.iter().filter_map(weight).map(|weight| i64::from(weight / divisor)).sum();
        let mut credit = vec![0i64; slots.len()];
        self.entries.clear();
        for _ in 0..total {
            let mut best: Option<(i64, usize)> = None;
            for (at, slot) in slots.iter().enumerate() {
                let Some(weight) = weight(slot) else { continue };
                credit[at] += i64::from(weight / divisor);
                let affordable = (credit[at] + total) / total;
                if best.is_none_or(|(most, _)| affordable > most) {
                    best = Some((affordable, at));
                }
            }
            let Some((_, at)) = best else { break };
            credit[at] -= total;
            self.entries.push(at as u16);
        }
    }
}

fn weight(slot: &Slot) -> Option<u32> {
    slot.candidate.map(|candidate| candidate.weight)
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
