//! What the kernel offers and safe crates do not: the only folder with `unsafe`. Every file hands out safe
//! functions; each block says who owns the descriptor, buffer or pointer, and until when.

pub mod inherited;
pub mod wake;
