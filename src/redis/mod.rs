//! What Redis says, as values: bytes in, values out, no I/O.
//!
//! * [`resp`] finds where a reply ends in a stream of bytes, without building the reply.
//! * [`command`] counts the commands in what a check sends, and tells logins and QUIT apart.
//! * [`reply`] cuts replies out of a stream and opens them up, for conversations of our own.
//! * [`sentinel`] reads what Sentinels publish and answer.
//! * [`role`] reads INFO and ROLE replies into a [`RoleReport`].

pub mod command;
pub mod reply;
pub mod resp;
pub mod role;
pub mod sentinel;

pub use role::{Role, RoleReport};
