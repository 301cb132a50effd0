//! Hashes: of the bits of a number, and of the bytes of a key. Public algorithms, so that the same key goes to the
//! same server as from HAProxy; `rules` has them as converters.

use crate::checksum::{Polynomial, crc};
use crate::config::model::HashFunction;

/// Bob Jenkins' integer hash with six shifts (public domain, burtleburtle.net/bob/hash/integer.html): every
/// bit of the input moves half of the bits of the output. `hash-type ... avalanche` and the ring of
/// `hash-type consistent` use it, as in HAProxy, which multiplies the outcome by another number at the end.
pub fn avalanche(number: u32) -> u32 {
    let mut a = number;
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = (a ^ 0xc761_c23c) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    a = (a ^ 0xb55a_4f09) ^ (a >> 16);
    a.wrapping_mul(0xc000_0001)
}

/// The hash of a key.
pub fn digest(function: HashFunction, key: &[u8]) -> u32 {
    match function {
        HashFunction::Sdbm => fold(0, 65_599, key),
        HashFunction::Djb2 => fold(5381, 33, key),
        HashFunction::Crc32 => crc(Polynomial::Ieee, key),
        HashFunction::Crc32c => crc(Polynomial::Castagnoli, key),
        HashFunction::None => std::str::from_utf8(key).ok().map_or(0, leading_number),
    }
}

/// The digits that a text begins with; what a number has too much above is cut off.
fn leading_number(text: &str) -> u32 {
    let digits = text.trim_start().bytes().map_while(|byte| char::from(byte).to_digit(10));
    digits.fold(0u32, |number, digit| number.wrapping_mul(10).wrapping_add(digit))
}

/// The sdbm library's and Daniel J. Bernstein's function: `factor` times what was before, and the next byte.
fn fold(start: u32, factor: u32, key: &[u8]) -> u32 {
    key.iter().fold(start, |hash, byte| hash.wrapping_mul(factor).wrapping_add(u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the algorithms' catalogues.
    #[test]
    fn known_answers() {
        assert_eq!(digest(HashFunction::Crc32, b"123456789"), 0xcbf4_3926);
        assert_eq!(digest(HashFunction::Crc32c, b"123456789"), 0xe306_9283);
        assert_eq!(digest(HashFunction::Djb2, b""), 5381);
        assert_eq!(digest(HashFunction::Djb2, b"a"), 177_670);
        assert_eq!(digest(HashFunction::Sdbm, b"a"), 97);
        assert_eq!(digest(HashFunction::Sdbm, b"ab"), 97 * 65_599 + 98);
    }
}
