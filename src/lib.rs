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
//!      workers, one per core: listener -> session -> balance -> connect -> relay {epoll copy | later io_uring}
//!                                                                         |  counters, session records
//!                                                    stats {html, csv}    log {tcplog, events}
//! ```
//!
//! # One direction
//!
//! The modules below stand in order: each imports only what stands before it (`tests/layering.rs` holds
//! that). `health` and `proxy` do not know each other; they meet in `state` and `guard`. `proxy` hands an
//! accepted connection and the bytes it has read to a service (the stats page, `monitor-uri`) that
//! `process` registered.
//!
//! # Who owns what
//!
//! | thread | owns | blocks in |
//! |---|---|---|
//! | control (tokio, current thread) | checks, guards, stats page, master socket, signals, reload | tokio |
//! | worker N | its sessions and their sockets; nobody else touches their descriptors | its driver's one wait |
//! | log | the log sockets; formats records | its queue |
//! | parent (only with `chroot`, `user`, `daemon`, `-W`) | privileges: reads files, binds sockets, pid file | poll |
//!
//! The control side speaks to a worker through its [`state::mailbox`] (a bounded-by-use queue and an
//! eventfd); a worker speaks to the control side through channels that never block it.
//!
//! # Lexicon
//!
//! * **snapshot**: one published [`state::Snapshot`]: the config and the live objects that belong to it.
//! * **live**: the part of a frontend, backend or server that outlives a reload, carried over by name.
//! * **role-checked**: a backend whose check script accepts a canned master and refuses a canned replica.
//! * **proven**: a server of a role-checked backend whose check has passed since it got its address.
//! * **master word**: the one atomic that says which server of a role-checked backend gets clients.
//! * **held**: a server that says `role:master` but is not chosen; or a client that waits for a master.
//! * **cut**: to end a session in such a way that every reply the server sent still reaches the client.

pub mod time;

pub mod config;

pub mod redis;

pub mod sys;

pub mod balance;

pub mod state;

pub mod log;

pub mod health;

pub mod guard;

pub mod proxy;

pub mod stats;

pub mod api;

pub mod process;

pub mod cli;
