//! One timer a slot, in a hierarchical wheel: setting and removing cost the same however many there are, and
//! an idle worker sleeps until something is due.
//!
//! A session's deadline moves with every byte. The wheel does not hear of that: it keeps the first deadline,
//! and when that passes, the worker asks the session again and sets the timer anew. So traffic costs no timer
//! operation at all, and a quiet session a handful an hour.
//!
//! Six levels of 64 places; a place of level n spans 64^n milliseconds. A timer stands at the level of the
//! highest digit (base 64) in which its moment differs from the present one, and moves down when that digit
//! is reached. A heap would do but for sessions that end long before their timeout: it keeps their entries
//! until then, an hour of short connections.

use crate::time::Tick;

const LEVELS: usize = 6;
const BITS: u32 = 6;
const PLACES: usize = 1 << BITS;
/// The longest wait; a later moment fires early and is set anew.
const HORIZON: u64 = (1 << (BITS * LEVELS as u32)) - 1;
const NOBODY: u32 = u32::MAX;
const NOWHERE: u16 = u16::MAX;

/// See the module.
#[derive(Debug)]
pub struct Timers {
    /// Everything up to here has fired.
    elapsed: u64,
    levels: [Level; LEVELS],
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    /// Bit n: place n has somebody.
    occupied: u64,
    heads: [u32; PLACES],
}

/// Links of a doubly linked list through the slots.
#[derive(Debug, Clone, Copy)]
struct Node {
    due: u64,
    previous: u32,
    next: u32,
    /// Level and place in one; [`NOWHERE`] if not set.
    place: u16,
}

const UNSET: Node = Node { due: 0, previous: NOBODY, next: NOBODY, place: NOWHERE };

impl Timers {
    /// No timer set.
    pub fn new(now: Tick) -> Timers {
        let empty = Level { occupied: 0, heads: [NOBODY; PLACES] };
        Timers { elapsed: now.0, levels: [empty; LEVELS], nodes: Vec::new() }
    }

    /// Sets the slot's timer, in place of the one it may have. A moment that has passed is one millisecond
    /// ahead.
    pub fn set(&mut self, slot: u32, due: Tick) {
        self.clear(slot);
        let at = slot as usize;
        if self.nodes.len() <= at {
            self.nodes.resize(at + 1, UNSET);
        }
        self.insert(slot, due.0.clamp(self.elapsed + 1, self.elapsed + HORIZON));
    }

    /// Removes the slot's timer, if it has one.
    pub fn clear(&mut self, slot: u32) {
        let Some(node) = self.nodes.get(slot as usize).copied().filter(|node| node.place != NOWHERE) else {
            return;
        };
        if node.next != NOBODY {
            self.nodes[node.next as usize].previous = node.previous;
        }
        if node.previous != NOBODY {
            self.nodes[node.previous as usize].next = node.next;
        } else {
            let level = &mut self.levels[node.place as usize / PLACES];
            let place = node.place as usize % PLACES;
            level.heads[place] = node.next;
            if node.next == NOBODY {
                level.occupied &= !(1 << place);
            }
        }
        self.nodes[slot as usize] = UNSET;
    }

    /// When to call [`Timers::advance`] next; at times earlier than anything is due, never later.
    pub fn next(&self) -> Option<Tick> {
        self.first().map(|(_, _, start)| Tick(start))
    }

    /// Moves to `now` and appends the slots whose moment has come; their timers are no longer set.
    pub fn advance(&mut self, now: Tick, fired: &mut Vec<u32>) {
        while let Some((level, place, start)) = self.first().filter(|(_, _, start)| *start <= now.0) {
            self.elapsed = self.elapsed.max(start);
            let mut slot = std::mem::replace(&mut self.levels[level].heads[place], NOBODY);
            self.levels[level].occupied &= !(1 << place);
            while slot != NOBODY {
                let node = std::mem::replace(&mut self.nodes[slot as usize], UNSET);
                if node.due <= self.elapsed {
                    fired.push(slot);
                } else {
                    self.insert(slot, node.due);
                }
                slot = node.next;
            }
        }
        self.elapsed = self.elapsed.max(now.0);
    }

    fn insert(&mut self, slot: u32, due: u64) {
        let differs = (self.elapsed ^ due) | (PLACES as u64 - 1);
        let level = ((u64::BITS - 1 - differs.leading_zeros()) / BITS).min(LEVELS as u32 - 1);
        let place = (due >> (BITS * level)) as usize % PLACES;
        let level = level as usize;
        let next = std::mem::replace(&mut self.levels[level].heads[place], slot);
        self.levels[level].occupied |= 1 << place;
        if next != NOBODY {
            self.nodes[next as usize].previous = slot;
        }
        let place = (level * PLACES + place) as u16;
        self.nodes[slot as usize] = Node { due, previous: NOBODY, next, place };
    }

    /// The first place that has somebody, and when it begins. Whoever stands at a lower level is due before
    /// all of a higher one, for they share the higher digits of the present.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let shift = BITS * level as u32;
        let here = (self.elapsed >> shift) as u32 % PLACES as u32;
        let ahead = self.levels[level].occupied.rotate_right(here).trailing_zeros();
        let place = (here + ahead) as usize % PLACES;
        let span = (PLACES as u64) << shift;
        let start = self.elapsed / span * span + ((place as u64) << shift);
        // Only the top level goes round.
        Some((level, place, if start < self.elapsed { start + span } else { start }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fired(timers: &mut Timers, now: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        timers.advance(Tick(now), &mut fired);
        fired.sort_unstable();
        fired
    }

    #[test]
    fn nothing_fires_before_its_moment_and_everything_at_it() {
        for due in [1, 63, 64, 65, 4095, 4096, 300_000, 3_600_000, 86_400_000] {
            let mut timers = Timers::new(Tick(1_000));
            timers.set(3, Tick(1_000 + due));
            assert!(timers.next().unwrap().0 <= 1_000 + due);
            assert_eq!(fired(&mut timers, 1_000 + due - 1), Vec::<u32>::new(), "{due}");
            assert_eq!(fired(&mut timers, 1_000 + due), [3], "{due}");
            assert_eq!(timers.next(), None);
        }
    }

    #[test]
    fn a_timer_is_replaced_or_removed() {
        let mut timers = Timers::new(Tick(0));
        timers.set(0, Tick(50));
        timers.set(1, Tick(50));
        timers.set(2, Tick(50));
        timers.set(1, Tick(9_000));
        timers.clear(2);
        timers.clear(2);
        assert_eq!(fired(&mut timers, 100), [0]);
        assert_eq!(fired(&mut timers, 8_999), Vec::<u32>::new());
        assert_eq!(fired(&mut timers, 9_000), [1]);
    }

    #[test]
    fn a_moment_that_has_passed_fires_at_the_next_one() {
        let mut timers = Timers::new(Tick(500));
        timers.set(0, Tick(3));
        assert_eq!(timers.next(), Some(Tick(501)));
        assert_eq!(fired(&mut timers, 501), [0]);
    }

    #[test]
    fn an_hour_takes_few_wake_ups() {
        let mut timers = Timers::new(Tick(123_456));
        timers.set(0, Tick(123_456 + 3_600_000));
        let mut wakes = 0;
        while let Some(next) = timers.next() {
            fired(&mut timers, next.0);
            wakes += 1;
        }
        assert!(wakes <= LEVELS, "{wakes}");
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0u32..12, 0u64..200_000, 0u64..9_000), 1..120)) {
            let mut timers = Timers::new(Tick(7));
            let mut list = std::collections::BTreeMap::new();
            let mut now = 7;
            for (slot, wait, pass) in steps {
                if wait < 20_000 {
                    timers.clear(slot);
                    list.remove(&slot);
                } else {
                    timers.set(slot, Tick(now + wait - 20_000));
                    list.insert(slot, (now + wait - 20_000).max(now + 1));
                }
                if let Some(first) = list.values().min() {
                    prop_assert!(timers.next().unwrap().0 <= *first);
                }
                now += pass;
                let due: Vec<u32> = list.iter().filter(|(_, due)| **due <= now).map(|(slot, _)| *slot).collect();
                list.retain(|_, due| *due > now);
                prop_assert_eq!(fired(&mut timers, now), due);
            }
        }
    }
}
