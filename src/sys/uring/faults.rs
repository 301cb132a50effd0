//! A kernel that does often what it seldom does, for tests: it takes less than it is given, finds no buffer, ends a
//! receive though nothing has ended, cancels or interrupts operations, takes in only some of what is submitted.
//!
//! Any kernel may do each of these, so whoever uses a ring has to come through: no byte is made up, changed or
//! lost here. What is refused never reaches the kernel, and its completion comes with those of the next enter;
//! what is shortened reaches it short; what is cancelled is cancelled by it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{Chunk, Completion, PATIENCE, Reception, Ring, TAG_BITS, kind};

/// What is done to a ring's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A send of received bytes takes only the first of them.
    ShortSend,
    /// A send of a copy does.
    ShortCopy,
    /// A receive says that all buffers are in use.
    NoBuffer,
    /// A receive of many messages ends after one, with its bytes.
    Single,
    /// An operation is cancelled before it has begun.
    Cancelled,
    /// An operation ends with EAGAIN or EINTR.
    Passing,
    /// An operation that waits in the kernel is cancelled by a stranger.
    Stranger,
    /// A system call fails, or submits only a part.
    Call,
}

pub(crate) const FAULTS: [Fault; 8] = [
    Fault::ShortSend,
    Fault::ShortCopy,
    Fault::NoBuffer,
    Fault::Single,
    Fault::Cancelled,
    Fault::Passing,
    Fault::Stranger,
    Fault::Call,
];

/// How often each was done in this process: a test that injects nothing would hold nothing.
pub(crate) static DONE: [AtomicU64; FAULTS.len()] = [const { AtomicU64::new(0) }; FAULTS.len()];

/// A fault comes once in so many occasions; 0 is never.
const ODDS: [u64; 5] = [0, 2, 3, 10, 60];

/// Operations that may be cancelled by a stranger: that many of the last ones.
const LATELY: usize = 32;

/// The faults of one ring. Without a seed there are none.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    noise: Option<u64>,
    odds: [u64; FAULTS.len()],
    /// Completions of what was refused.
    pub(super) due: Vec<Completion>,
    lately: VecDeque<u64>,
    /// Sockets that were taken in and have not gone out again.
    pub(super) sockets: usize,
}

impl Faults {
    /// Each seed has odds of its own, so that every fault is met by itself and with every other one.
    pub(crate) fn seeded(seed: u64) -> Faults {
        let mut faults =
            Faults { noise: Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), ..Faults::default() };
        (0..8).for_each(|_| _ = faults.below(2));
        faults.odds = std::array::from_fn(|_| ODDS[faults.below(ODDS.len() as u64) as usize]);
        faults
    }

    /// All of them, often.
    pub(crate) fn all(seed: u64) -> Faults {
        Faults { odds: [3; FAULTS.len()], ..Faults::seeded(seed) }
    }

    /// 0 without a seed.
    fn below(&mut self, bound: u64) -> u64 {
        let Some(noise) = &mut self.noise else { return 0 };
        *noise ^= *noise << 13;
        *noise ^= *noise >> 7;
        *noise ^= *noise << 17;
        (*noise >> 11) % bound.max(1)
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        let odds = self.odds[fault as usize];
        let strikes = odds > 0 && self.noise.is_some() && self.below(odds) == 0;
        DONE[fault as usize].fetch_add(u64::from(strikes), Ordering::Relaxed);
        strikes
    }

    /// Whether an operation is refused before the kernel sees it.
    pub(super) fn refuses(&mut self, word: u64) -> bool {
        let kind = word >> TAG_BITS;
        let errno = match kind {
            kind::RECEIVE if self.strikes(Fault::NoBuffer) => Errno::ENOBUFS,
            kind::QUIET => return false,
            _ if self.strikes(Fault::Cancelled) => Errno::ECANCELED,
            kind::POLL | kind::WATCH => return self.let_through(word),
            // Of a copy EAGAIN says that there is no room, which only the kernel knows.
            kind::FLIGHT if self.strikes(Fault::Passing) => Errno::EINTR,
            kind::FLIGHT => return self.let_through(word),
            _ if self.strikes(Fault::Passing) => [Errno::EAGAIN, Errno::EINTR][self.below(2) as usize],
            kind::SEND => return false,
            _ => return self.let_through(word),
        };
        self.due.push(Completion { word, result: -(errno as i32), flags: 0 });
        true
    }

    /// What waits in the kernel may be cancelled later.
    fn let_through(&mut self, word: u64) -> bool {
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(word);
        false
    }

    /// An operation that a stranger cancels; it may have ended.
    pub(super) fn victim(&mut self) -> Option<u64> {
        if self.lately.is_empty() || !self.strikes(Fault::Stranger) {
            return None;
        }
        let at = self.below(self.lately.len() as u64) as usize;
        self.lately.remove(at)
    }

    pub(super) fn reception(&mut self, wanted: Reception) -> Reception {
        if wanted == Reception::Many && self.strikes(Fault::Single) { Reception::Once } else { wanted }
    }

    /// What the kernel takes of these, if not all.
    pub(super) fn shorten(&mut self, chunks: &[Chunk]) -> Option<Vec<Chunk>> {
        if chunks.is_empty() || !self.strikes(Fault::ShortSend) {
            return None;
        }
        let whole: usize = chunks.iter().map(Chunk::len).sum();
        let mut left = 1 + self.below(whole as u64) as usize;
        let mut some = Vec::new();
        for chunk in chunks {
            let length = chunk.len().min(left);
            left -= length;
            some.extend((length > 0).then(|| chunk.first(length)));
        }
        Some(some)
    }

    /// How much the kernel takes of a copy.
    pub(super) fn shorten_copy(&mut self, length: u32) -> u32 {
        if length == 0 || !self.strikes(Fault::ShortCopy) {
            return length;
        }
        1 + self.below(u64::from(length)) as u32
    }

    /// How many operations a system call submits, and for how many completions it waits.
    pub(super) fn call(&mut self, submit: u32, want: u32) -> io::Result<(u32, u32)> {
        let want = if self.due.is_empty() { want } else { 0 };
        if (submit, want) == (0, 0) || !self.strikes(Fault::Call) {
            return Ok((submit, want));
        }
        match self.below(4) {
            0 => Err(Errno::EINTR.into()),
            1 => Err(Errno::EAGAIN.into()),
            2 => Err(Errno::EBUSY.into()),
            // Who submits only a part does not wait.
            _ if submit > 0 => Ok((1 + self.below(u64::from(submit)) as u32, 0)),
            _ => Ok((submit, want)),
        }
    }
}

impl Ring {
    pub(crate) fn inject(&mut self, faults: Faults) {
        let sockets = self.faults.sockets;
        self.faults = Faults { sockets, ..faults };
    }

    /// What has not come back when everything that was cancelled had time to end: buffers, copies, operations,
    /// sockets.
    pub(crate) fn leftovers(&mut self) -> [usize; 4] {
        self.faults.noise = None;
        let begun = Instant::now();
        let mut rounds = 0;
        while rounds < 3 || (self.under_way > 0 && begun.elapsed() < PATIENCE) {
            if self.enter(Some(Duration::from_millis(u64::from(rounds > 3)))).is_err() {
                break;
            }
            self.settle();
            while self.next_done().is_some() {}
            rounds += 1;
        }
        let (at_home, copies) = self.holdings();
        [usize::from(self.pool.shape.count) - at_home, copies, self.under_way, self.faults.sockets]
    }
}
