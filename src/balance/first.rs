//! `balance first`: the first server that has room, so that the last ones stay idle.

use super::Slot;

pub(super) fn next(slots: &[Slot], avoid: Option<u32>) -> Option<usize> {
    slots.iter().position(|slot| slot.open(avoid).is_some())
}
