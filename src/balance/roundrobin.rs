//! `balance roundrobin`: smooth, and weights may change at any time.
//!
//! Time is counted in picks. A server of weight `w` in a backend of total weight `W` is due every `W / w`
//! picks, counted from when it was due last, so that it neither gains nor loses by rounding. Each pick takes
//! the server that has been due longest. Servers that never had a turn fill the gaps in which nobody is due,
//! heaviest first: so a start is as smooth as the rest. With equal weights that is the config's order.
//!
//! A server that comes back, or whose weight changes, is due one full interval later: no burst.

use super::{Candidate, Slot};

/// When a server's next turn is: at pick `due`, and `rest / weight` of a pick later.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turn {
    due: u64,
    rest: u32,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Standing {
    /// Never had a turn.
    #[default]
    New,
    /// Weight or usability changed since the last pick.
    Rejoining,
    Due,
}

impl Turn {
    /// The server's weight is another one, or it left or came back (`usable`).
    pub(super) fn reweighed(&mut self, usable: bool) {
        if self.standing != Standing::New || !usable {
            self.standing = Standing::Rejoining;
        }
    }

    /// Puts the next turn one interval later.
    fn advance(&mut self, total: u32, weight: u32) {
        self.due += u64::from(total / weight);
        self.rest += total % weight;
        if self.rest >= weight {
            self.rest -= weight;
            self.due += 1;
        }
    }
}

/// The backend's clock.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    now: u64,
}

impl Rotation {
    pub(super) fn next(&mut self, slots: &mut [Slot], avoid: Option<u32>) -> Option<usize> {
        let total: u32 =
            slots.iter().filter_map(|slot| slot.candidate).map(|candidate| candidate.weight).sum();
        self.rejoin(slots, total);
        let at = self.choose(slots, avoid)?;
        let weight = slots[at].candidate?.weight;
        let turn = &mut slots[at].turn;
        if turn.standing == Standing::New || self.now > turn.due + u64::from(total / weight) {
            // Its first turn, or it was full for so long that it missed one: it does not catch up.
            *turn = Turn { due: self.now, rest: 0, standing: Standing::Due };
        }
        turn.advance(total, weight);
        self.now += 1;
        Some(at)
    }

    fn rejoin(&self, slots: &mut [Slot], total: u32) {
        for slot in slots {
            let (Some(candidate), Standing::Rejoining) = (slot.candidate, slot.turn.standing) else {
                continue;
            };
            slot.turn = Turn { due: self.now, rest: 0, standing: Standing::Due };
            slot.turn.advance(total, candidate.weight);
        }
    }

    /// The one due longest; else a new one; else the one due soonest.
    fn choose(&self, slots: &[Slot], avoid: Option<u32>) -> Option<usize> {
        let (mut soonest, mut newcomer) = (None, None);
        for (at, slot) in slots.iter().enumerate() {
            let Some(Candidate { weight, .. }) = slot.open(avoid) else { continue };
            let turn = slot.turn;
            if turn.standing == Standing::New {
                let rank = u32::MAX - weight;
                if newcomer.is_none_or(|(best, _)| rank < best) {
                    newcomer = Some((rank, at));
                }
                continue;
            }
            // Of those due at the same pick: who has least of its share left to wait for, then who was
            // chosen longest ago.
            let rank = (turn.due, i64::from(turn.rest) - i64::from(weight), slot.chosen);
            if soonest.is_none_or(|(best, _)| rank < best) {
                soonest = Some((rank, at));
            }
        }
        match (soonest, newcomer) {
            (Some(((due, ..), at)), newcomer) if due <= self.now || newcomer.is_none() => Some(at),
            (_, Some((_, at))) => Some(at),
            _ => None,
        }
    }
}
