//! Who is master: one guard a backend, one writer of its word.
//!
//! ```text
//!  config ---- classify: whom does the check script accept? ----> Guarding (None, Replicas, Masters, Master, Observe)
//!
//!  health::Report --+                                         +--> 1. BackendLive.master, the word
//!  (every check)    |   +----------------------------------+  |--> 2. ServerLive.proven, held
//!  Snapshot --------+-->| machine: facts, histories, clock |--+--> 3. Command::Cut to the workers
//!  (start, reload)  |   |     decide(view) -> Decision     |  |--> 4. masterless_since, judged
//!  operator, timer -+   +----------------------------------+  +--> 5. Command::Reconsider; events for the log
//!                              pure, replayable                     actor: executes, in this order
//! ```
//!
//! # The decision
//!
//! A server *says master* if the last definite answer to its check was a pass. Timeouts, refused connects and
//! error replies are no answers: they make health count, and change nothing here. Asked in this order:
//!
//! | rule | who | when |
//! |---|---|---|
//! | (b) lineage | whoever succeeded the head of the line, as this guard saw it happen ([`history`]) | at once, whatever the old master says |
//! | | of siblings, promoted out of one history: the higher `second_repl_offset`, then the config's order | at once |
//! | | whoever the old master has itself become a replica of | at once |
//! | (c) incumbent | who holds the word, and says master still | while health calls it UP, or nobody else is there |
//! | (d) else | most connected replicas, then longest uptime, then the config's order | at the start; later only in place of a master that is gone |
//!
//! What Sentinels say, (a), goes before all of these, as another source in [`decide::View`].
//!
//! Never chosen: a server that was succeeded (the killed master that returns), whatever it says and though
//! nobody else is left, until it has followed the line again and is promoted, or the line's head follows it.
//! Chosen last, when the hold is over and clients would be refused: one that followed the line and came back
//! by a restart, for an heir may still be promoted. An heir also takes over from a master that was only
//! chosen by (d), as long as nobody follows that one.
//!
//! # At the start
//!
//! Rule (c) makes a first choice hard to undo, and nothing in the words of two strangers tells which one
//! clients wrote to. So the first choice waits until no later answer could have changed it:
//!
//! * every checked server has had its first verdict, a refused connect being one; or
//! * a master counts at least as many replicas as there are other servers: they may all be its replicas, so
//!   by rule (d) no other can outdo it. This is the ordinary start, after one answer; or
//! * `timeout check` (else `inter`) plus `timeout connect` have passed, which is as long as clients wait.
//!
//! A master that is slower than that finds another one chosen and is held; lineage or its absence decides
//! from there. An error in this direction refuses nobody and splits nobody: there is still one master.
//!
//! # What is guaranteed
//!
//! * At most one server of a backend gets new clients, and it has passed a check since it got its address.
//! * The word moves before anything that follows from it is visible, and sessions of the loser are cut after
//!   that ([`crate::state::master`] has the proof for sessions that are just connecting).
//! * The incumbent loses the word only by its own word, by lineage, or after health or the operator took it
//!   out; its sessions are cut only by the first two or by the choice of another.
//! * The same reports make the same choices; two balancers that both see two masters agree after one report
//!   of each, unless nothing relates the two and each balancer had chosen before it saw both.
//!
//! Off by itself, said once: `redis_mode:cluster` and `role:active-replica`, where several masters are normal.
//! Proof and the cut on a change of role stay.

pub mod actor;
mod canned;
mod carry_out;
pub mod classify;
pub mod course;
pub mod decide;
pub mod effect;
pub mod failover;
pub mod freeze;
pub mod history;
pub mod hold;
pub mod lead;
pub mod machine;
pub mod operator;
pub mod proof;
mod record;
pub mod sentinels;
pub mod words;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod redis_tests;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod trial;
