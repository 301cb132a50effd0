//! proxy

pub mod assign;
pub mod contract;
pub mod session;
