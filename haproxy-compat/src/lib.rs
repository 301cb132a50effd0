//! What the compatibility runner and its tests share.

pub mod keywords;
