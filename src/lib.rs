//! rolecall: a layer-4 load balancer for Redis that takes `haproxy.cfg` as it is and lets a client reach
//! only the server that has proved to be the master.
//!
//! # The picture
//!
//! ```text
//! argv -> cli -> config text -> [lexer -> parser -> ast -> resolve] -> Config (immutable)
//!                                                                         |  state::Snapshot::build
//!      health checks -> guard (who is master)  ->  State (the ONE ArcSwap; per-server atomics behind Arcs)
//!                                                                         |
//!      workers, one per core: listener -> session -> balance -> connect -> relay (io_uring | epoll)
//!                                                                         |  counters, session records
//!                                                    stats {html, csv, json}    log {tcplog, events}
//! ```
//!
//! # One direction
//!
//! The modules stand in order: each imports only what stands before it (`tests/layering.rs` holds that).
//!
//! | module | what enters | what leaves |
//! |---|---|---|
//! | [`time`] | | [`time::Tick`], the one clock of decisions |
//! | [`config`] | texts and what the machine knows (names, users), as a bundle | a [`config::Config`], or all that is wrong with it |
//! | [`redis`] | bytes of replies and commands | where a reply ends, what it says of a role |
//! | [`checksum`] | bytes | a number that says whether they are still the same |
//! | [`proxy_protocol`] | a connection's first bytes, or two addresses | whom a PROXY header names, or the header |
//! | [`socks4`] | a server's address, a proxy's reply | the request to that proxy, whether it is granted |
//! | [`sys`] | sockets, processes, limits; the only `unsafe` | safe functions |
//! | [`dns`] | names of servers, answers of name servers | which server gets which address |
//! | [`tls`] | sockets that speak TLS | plain ones for the workers, and what the handshake told |
//! | [`balance`] | what each server could take | whom the algorithm picks |
//! | [`rules`] | a condition, a map, and what is true now | whether it holds, what the map has |
//! | [`state`] | a config; what health, guard and workers find | the published snapshot, the live objects, queues, letter boxes |
//! | [`log`] | records and events | syslog lines |
//! | [`health`] | a backend's check script, a server's answers, its agent's line | UP or DOWN, reports to the guard |
//! | [`guard`] | those reports, words of Sentinels | who is master; proofs; freezes; cuts |
//! | [`proxy`] | connections | bytes across, counters, records |
//! | [`stats`] | a snapshot, an HTTP request | rows, and the page, CSV and JSON made of them |
//! | [`api`] | lines of the runtime socket and of the master socket | requests as values, and the text of answers |
//! | [`explain`] | a loaded config with its texts | what it will do, in plain words |
//! | [`process`] | settings | the running program: start, privileges, reload, signals, end |
//! | [`cli`] | `argv` | settings |
//!
//! `health` and `proxy` do not know each other; they meet in `state` and `guard`. `proxy` hands clients of a
//! `mode http` proxy, not a byte of which it has read, to the service that `process` registered
//! ([`proxy::service`], [`stats::http`]). A session is sans-IO ([`proxy::contract`]): an io_uring
//! engine or an epoll engine executes it ([`proxy::driver`]).
//!
//! # Who owns what
//!
//! | thread | owns | blocks in |
//! |---|---|---|
//! | control (tokio, current thread) | the published snapshot; checks, guards, stats page, runtime socket, signals, reload | tokio |
//! | worker N | its sessions and their sockets; nobody else touches their descriptors | its engine's one wait |
//! | tls (as many as workers, once needed) | sockets that speak TLS, and one end of a socket pair to each | tokio |
//! | log | the log sockets; words, frames and sends | its queue, and a moment for a slow receiver |
//! | messages | standard error, once clients are served | its queue, and whoever reads standard error |
//! | gather, resolve (short-lived) | reading files and looking up names for one reload | the file system, DNS |
//! | login (tokio's own, short-lived) | one login to a page whose password is crypted | crypt(3) |
//!
//! With `chroot`, `user`, `group`, `daemon` or `-W` these belong to an unprivileged worker process, and a parent
//! keeps the privileges: one thread, one `poll`, which reads files, binds sockets, owns the pid file and the
//! master socket, and hands config and sockets over a socket pair ([`process::parent`], [`process::message`]).
//!
//! Nobody waits for anybody on a client's way. The control side speaks to a worker through its
//! [`state::mailbox`] (a queue and an eventfd); a worker speaks to the control side through channels that
//! never block it. Each unbounded channel says what bounds it; the log's queue is bounded and drops.
//!
//! # Lexicon
//!
//! * **snapshot**: one published [`state::Snapshot`]: the config and the live objects that belong to it.
//! * **live**: the part of a frontend, backend or server that outlives a reload, carried over by name
//!   (what a guard watches also by address: [`state::succession`]).
//! * **role-checked**: a backend whose check script accepts a canned master and refuses a canned replica.
//! * **proven**: a server of a role-checked backend whose check has passed since it got its address.
//! * **master word**: the one atomic that says which server of a role-checked backend gets clients.
//! * **held**: a server that says `role:master` but is not chosen; or a client that waits for a master.
//! * **cut**: to end a session in such a way that every reply the server sent still reaches the client.

#![allow(rustdoc::private_intra_doc_links, reason = "the documents are for those who work on it")]

/// The suite of `tests/relay` runs here as well, with a ring that fails ([`proxy::driver::uring`]).
#[cfg(test)]
extern crate self as rolecall;

pub mod time;

pub mod config;

pub mod redis;

pub mod checksum;

pub mod proxy_protocol;

pub mod socks4;

pub mod sys;

pub mod dns;
pub mod tls;

pub mod balance;

pub mod rules;

pub mod state;

pub mod log;

pub mod health;

pub mod guard;

pub mod proxy;

pub mod stats;

pub mod api;

pub mod explain;

pub mod process;

pub mod cli;
