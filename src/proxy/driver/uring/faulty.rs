//! The suite of all engines (`tests/relay`) once more, with rings whose kernel does often what it seldom does
//! ([`crate::sys::uring::faults`]): whatever becomes of single operations, clients and servers see the same, and an
//! engine that has ended leaves no buffer, copy, operation, socket or pipe behind.
//!
//! `ROLECALL_FAULT_SEED=N` gives every ring the faults of that seed.

#[macro_use]
#[path = "../../../../tests/relay/suite.rs"]
mod suite;

use std::sync::atomic::{AtomicU64, Ordering};

use self::suite::harness::{Splicing, spliced};
use super::*;
use crate::sys::uring::Shape;
use crate::sys::uring::faults::{DONE, FAULTS, Faults};

suite! {
    copied = super::faulty, plain;
    through_pipes = super::faulty, in_pipes;
}

/// Little room, and yet enough for megabytes in the second that a cut gives them, however often an operation fails.
const SMALL: Size = Size {
    submissions: 8,
    completions: 16,
    buffers: Shape { count: 4, size: 4096 },
    plain: Shape { count: 4, size: 4096 },
};

/// Every ring has a seed of its own, which a test that fails shows; half of them are small.
fn faulty(worker: Worker) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let wanted = std::env::var("ROLECALL_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = wanted.unwrap_or(next);
    println!("faults of seed {seed}");
    let size = if seed.is_multiple_of(2) { Size::default() } else { SMALL };
    serve_with(worker, size, Faults::seeded(seed))
}

fn worst(worker: Worker) -> io::Result<()> {
    serve_with(worker, Size::default(), Faults::all(1))
}

fn serve_with(worker: Worker, size: Size, faults: Faults) -> io::Result<()> {
    let mut ring = Ring::new(size)?;
    ring.inject(faults);
    serve(worker, ring)
}

#[test]
fn every_fault_is_met_at_once() {
    suite::flow::both_directions_at_once_arrive_byte_for_byte(worst);
    suite::stress::short_sends_both_ways_lose_nothing(worst);
    spliced(Splicing::ALL, || suite::stress::short_sends_both_ways_lose_nothing(worst));
    for fault in FAULTS {
        let count = DONE[fault as usize].load(Ordering::Relaxed);
        assert!(count > 10, "{fault:?}: {count} times");
    }
}
