//! `field` and `word`: what stands between delimiters.

/// Whether nothing between two delimiters is a part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Counts,
    LeftOut,
}

/// `count` parts from the one numbered `index` on, counted from the end if it is negative; 0 of them: all that follow.
pub(super) fn parts(
    text: &[u8],
    delimiters: &[u8],
    (index, count): (i64, i64),
    empty: Empty,
) -> Option<Vec<u8>> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    for at in 0..=text.len() {
        let ends = text.get(at).is_none_or(|byte| delimiters.contains(byte));
        if ends {
            if at > start || empty == Empty::Counts {
                found.push((start, at));
            }
            start = at + 1;
        }
    }
    let number = usize::try_from(index.unsigned_abs()).ok()?;
    // A negative count is none, as in HAProxy.
    let count = usize::try_from(count).unwrap_or(0);
    let (from, to) = if index > 0 {
        let first = number - 1;
        let last = if count == 0 { found.len().saturating_sub(1) } else { first.saturating_add(count - 1) };
        (found.get(first)?.0, found.get(last.min(found.len().saturating_sub(1)))?.1)
    } else {
        let last = found.len().checked_sub(number)?;
        // With all, or with more than there are, come the delimiters at the beginning, as in HAProxy.
        let first = (last + 1).checked_sub(count).filter(|_| count > 0);
        (first.map_or(Some(0), |first| Some(found.get(first)?.0))?, found.get(last)?.1)
    };
    Some(text.get(from..to)?.to_vec())
}
