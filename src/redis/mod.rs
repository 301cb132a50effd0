//! What Redis says, as values: bytes in, values out, no I/O.
//!
//! * [`resp`] finds where a reply ends in a stream of bytes, without building the reply.
//! * [`command`] counts the commands in what a check sends, and tells logins and QUIT apart.
//! * [`role`] reads INFO and ROLE replies into a [`RoleReport`].

pub mod command;
pub mod resp;
pub mod role;

pub use role::{Role, RoleReport};
