//! The suite of what clients and servers see, with each engine, copying and splicing.
#![allow(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

#[macro_use]
#[path = "suite.rs"]
mod suite;

use rolecall::proxy::worker::Worker;
use rolecall::sys::uring::{Shape, Size};

suite! {
    epoll = rolecall::proxy::driver::epoll::run, plain;
    uring = rolecall::proxy::driver::uring::run, plain;
    starved = super::starved, plain;
    epoll_spliced = rolecall::proxy::driver::epoll::run, in_pipes;
    uring_spliced = rolecall::proxy::driver::uring::run, in_pipes;
}

/// The ring engine with next to no room: receives find no buffer, queues are full, messages come in pieces.
fn starved(worker: Worker) -> std::io::Result<()> {
    let size = Size {
        submissions: 4,
        completions: 8,
        buffers: Shape { count: 2, size: 700 },
        plain: Shape { count: 2, size: 700 },
    };
    rolecall::proxy::driver::uring::run_sized(worker, size)
}
