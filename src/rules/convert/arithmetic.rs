//! Numbers and numbers: sums, products and bits.

use crate::config::model::Arithmetic;

/// Sums stop at the ends of the range, and at no other place, where HAProxy 2.6 makes the largest number of two negative
/// ones; a division by 0 is the largest number, as in HAProxy.
pub(super) fn arithmetic(operation: Arithmetic, left: i64, right: i64) -> i64 {
    match operation {
        Arithmetic::Add => left.saturating_add(right),
        Arithmetic::Sub => left.saturating_sub(right),
        Arithmetic::Mul => left.saturating_mul(right),
        Arithmetic::Div => match right {
            0 => i64::MAX,
            _ => left.saturating_div(right),
        },
        Arithmetic::Mod => left.checked_rem(right).unwrap_or(0),
        Arithmetic::And => left & right,
        Arithmetic::Or => left | right,
        Arithmetic::Xor => left ^ right,
    }
}
