//! Bob Jenkins' integer hash with six shifts (public domain, burtleburtle.net/bob/hash/integer.html): every
//! bit of the input moves half of the bits of the output. `hash-type ... avalanche` and the ring of
//! `hash-type consistent` use it, as in HAProxy, which multiplies the outcome by another number at the end.

pub(super) fn avalanche(number: u32) -> u32 {
    let mut a = number;
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = (a ^ 0xc761_c23c) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    a = (a ^ 0xb55a_4f09) ^ (a >> 16);
    a.wrapping_mul(0xc000_0001)
}
