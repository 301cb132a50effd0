//! What Redis says, as values: bytes in, values out, no I/O.

pub mod role;

pub use role::{Role, RoleReport};
