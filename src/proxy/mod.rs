//! Connections, from accept to close.
//!
//! ```text
//!  listener ---- accept, limits, spreading -----> worker (one thread, one engine)
//!                                                    |  slot
//!  session:  accepted -> assign (queue, hold) -> connect -> relay -> ended
//!               ^  events                                     |  operations
//!               +---------------- driver::Engine <------------+
//! ```
//!
//! * [`contract`]: what a session and its driver say to each other. No socket, no clock, no future crosses it.
//! * [`session`], [`assign`]: the decisions, sans-IO.
//! * [`worker`], `listener`, `sessions`, [`timers`]: what every engine shares: one thread's sessions.
//! * `greeted`: PROXY headers, off a client's stream and into a server's, and in the log.
//! * `securing`: clients and servers that speak TLS.
//! * [`driver`]: the engines that wait, receive and send.
//! * [`service`]: clients that get a page instead of a server.

pub mod assign;
pub mod contract;
pub mod driver;
mod greeted;
mod listener;
mod looks;
mod securing;
pub mod service;
pub mod session;
mod sessions;
pub mod timers;
pub mod worker;
