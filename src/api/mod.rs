//! The command line that the program serves while it runs: the runtime socket (`stats socket`) and the master socket
//! (`-S`), which speak one language.
//!
//! Enters: bytes of a client. Leaves: what is to be done, one step after another ([`session`]), and the text of
//! answers. Nothing here reads, writes or waits, and nothing changes the running program; `process` owns the sockets
//! and carries requests out.
//!
//! ```text
//!  bytes -> session (lines, words, levels) -> command (the one TABLE) -> request (values)
//!                                                                           |  carried out by process::runtime
//!  text  <-  show, info, redis (what there is to see)  <--------------------+
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`command`] | the one table: words, level, help, and who reads the arguments; `help` and hints derive from it |
//! | [`request`] | arguments in, a value or HAProxy's complaint out |
//! | [`session`] | one client's line protocol |
//! | [`show`], [`info`], [`redis`] | answers |
//! | [`patterns`] | lists of ACLs and maps: what is to be done with which, and how they are written |
//! | [`table`] | stick tables: which entries are meant, and how they are written |
//! | [`master`] | answers of the master process |

pub mod command;
pub mod info;
pub mod master;
pub mod patterns;
pub mod redis;
pub mod request;
pub mod session;
pub mod show;
pub mod table;

pub use master::{View, WorkerView};
pub use request::Request;
pub use session::{Processes, Session, Step};
pub use show::Reply;
