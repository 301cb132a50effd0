//! Host names while the program runs: which addresses the servers of `resolvers` have.
//!
//! ```text
//!  Config --plan--> actor: when to ask, whom      <--Reply-- transport: UDP, TCP where an answer was cut
//!                     | resolution (pure): what an answer, a silence and the clock make of a name
//!                     v
//!                   News --> process: assign (pure): which server gets which address --> an edited Config
//! ```
//!
//! A name keeps its last good answer for as long as the `hold` times say; then its servers are without an address
//! (HAProxy's `MAINT (resolution)`). A server with another address is a new one for checks and for the guard: it
//! loses its proof, and in a role-checked backend it gets no client before its check has passed.
//!
//! Nothing here grows with what comes in: names are those of the config, queries in flight are limited
//! ([`actor`]), an answer has at most 64 KiB and [`message::MOST_RECORDS`] records count. Ids are random, every
//! query has a socket of its own, connected to the name server, so that its source port is random too and nobody
//! else's datagrams reach it; an answer counts if id and question are those of the query.

pub mod actor;
pub mod assign;
pub mod counters;
pub mod hosts;
pub mod message;
pub mod plan;
pub mod resolution;
mod transport;

pub use actor::{News, Resolving};
pub use plan::{Key, Occasion};
