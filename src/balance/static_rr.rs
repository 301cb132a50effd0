//! `balance static-rr`: the table's entries in turn; those whose server has no room are passed over.

use super::Slot;
use super::map::Map;

pub(super) fn next(map: &mut Map, slots: &[Slot], avoid: Option<u32>) -> Option<usize> {
    let start = map.at;
    let entries = map.entries(slots);
    let turns = entries.len();
    let open = |step: &usize| slots[usize::from(entries[(start + step) % turns])].open(avoid).is_some();
    let step = (0..turns).find(open)?;
    let chosen = usize::from(entries[(start + step) % turns]);
    map.at = (start + step + 1) % turns;
    Some(chosen)
}
