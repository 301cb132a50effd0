//! An io_uring that one thread owns: receives into shared buffers, sends out of them, and waits for whatever
//! happens first. Safe to use however it is called; what the kernel may still touch, the ring owns.
//!
//! # A round
//!
//! ```text
//!  enter: submit what is queued, wait -> next_sent* -> settle -> next_done* -> queue operations -> enter
//! ```
//!
//! # Sends of received bytes
//!
//! [`Ring::send`] sends straight out of the shared buffers, with MSG_DONTWAIT: the kernel executes it while it
//! takes the operation in, and a socket that takes no more does not hold it. So when [`Ring::enter`] returns, no
//! send refers to the buffers any more, and [`Ring::settle`] gives them all back, however slow any reader is. With
//! MSG_WAITALL a short send counts as failed, and IOSQE_CQE_SKIP_SUCCESS keeps the others silent: a message that
//! went out costs no completion, and wakes nobody. What a socket did not take is told by [`Ring::next_sent`], and the
//! caller copies it and sends the copy by [`Ring::send_owned`], which waits in the kernel until there is room.
//!
//! # Who owns what
//!
//! * An operation names its socket by number until it is submitted. So a number must not become another file's
//!   while one is queued: a [`Socket`] is closed by an operation behind those before it ([`Ring::close`]), or
//!   taken out after they were submitted ([`Ring::release`]). From then on the kernel holds the file itself.
//! * Received bytes are in the [`pool`], sent copies in the ring's flights until their completion has come, also when they
//!   were cancelled. A ring that is dropped first cancels all and waits for that; if the kernel did not
//!   answer, the memory would be leaked, not freed.

#![allow(unsafe_code, reason = "operations name memory and descriptors by number")]

#[cfg(test)]
pub(crate) mod faults;
mod operations;
pub mod pool;
mod terms;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, squeue};
use nix::errno::Errno;
use slab::Slab;

pub use self::pool::{Chunk, Shape};
use self::pool::{GROUP, Pool};
pub use self::terms::{Done, FlightKey, Notice, Outcome, Parcel, Reception, Sent, Socket};
pub use self::trial::{reason, trial};

/// What a caller knows an operation by: 61 bits of its own.
pub type Tag = u64;

/// Bits of a [`Tag`]; those above say what kind of operation it is.
pub const TAG_BITS: u32 = 61;

/// How long a ring that is dropped waits for what it cancelled.
const PATIENCE: Duration = Duration::from_secs(1);

/// How large a ring is. Small is hot: queues and buffers are walked through in a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub submissions: u32,
    pub completions: u32,
    /// Buffers of which the kernel takes what it needs.
    pub buffers: Shape,
    /// Where it takes only whole ones.
    pub plain: Shape,
}

impl Default for Size {
    fn default() -> Size {
        Size {
            submissions: 256,
            completions: 1024,
            // As much memory as eight of half the size, and a twentieth less processor time for bulk (0.95 at 100 KiB,
            // 0.92 at 1 MiB; 0.96 for 3 bytes, which is noise): fewer messages end at a buffer's end.
            buffers: Shape { count: 4, size: 128 * 1024 },
            plain: Shape { count: 128, size: 4 * 1024 },
        }
    }
}

/// Kinds of operations, in the bits above the tag.
mod kind {
    pub(super) const POLL: u64 = 0;
    pub(super) const RECEIVE: u64 = 1;
    pub(super) const FLIGHT: u64 = 2;
    pub(super) const SEND: u64 = 3;
    /// Nobody waits for it.
    pub(super) const QUIET: u64 = 4;
}

fn word(kind: u64, tag: Tag) -> u64 {
    kind << TAG_BITS | tag & ((1 << TAG_BITS) - 1)
}

/// What the kernel says of an operation.
#[derive(Debug, Clone, Copy)]
struct Completion {
    word: u64,
    result: i32,
    flags: u32,
}

impl Completion {
    fn of(entry: &cqueue::Entry) -> Completion {
        Completion { word: entry.user_data(), result: entry.result(), flags: entry.flags() }
    }

    fn kind(self) -> u64 {
        self.word >> TAG_BITS
    }

    fn tag(self) -> Tag {
        self.word & ((1 << TAG_BITS) - 1)
    }

    fn count(self) -> Result<u32, Errno> {
        u32::try_from(self.result).map_err(|_| Errno::from_raw(-self.result))
    }
}

/// A copy that the kernel may read.
#[derive(Debug)]
struct Flight {
    parcel: Parcel,
    tag: Tag,
}

/// A send of this round.
#[derive(Debug)]
struct Departure {
    tag: Tag,
    /// In `Ring::cargo`.
    chunks: std::ops::Range<usize>,
}

/// See the module.
pub struct Ring {
    ring: IoUring,
    /// Freed only once the kernel refers to neither.
    pool: ManuallyDrop<Pool>,
    flights: ManuallyDrop<Slab<Flight>>,
    /// Operations that write to the pool or read a flight, and have not ended.
    under_way: usize,
    queued: u32,
    departures: Vec<Departure>,
    cargo: Vec<Chunk>,
    /// Headers of sends of more than one chunk, used again.
    #[expect(clippy::vec_box, reason = "the kernel reads them where they are")]
    manifests: Vec<Box<operations::Manifest>>,
    manifests_used: usize,
    sent: VecDeque<Sent>,
    done: VecDeque<Completion>,
    #[cfg(test)]
    faults: faults::Faults,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("pool", &self.pool)
            .field("under_way", &self.under_way)
            .finish_non_exhaustive()
    }
}

/// Ways to set a ring up, the best first: for Linux 6.6, 6.1, and 6.0.
const WAYS: [fn(&mut io_uring::Builder); 3] = [
    |builder| {
        builder.setup_single_issuer().setup_defer_taskrun().setup_no_sqarray();
    },
    |builder| {
        builder.setup_single_issuer().setup_defer_taskrun();
    },
    |builder| {
        builder.setup_coop_taskrun();
    },
];

impl Ring {
    /// A ring of this thread's: no other may enter it.
    pub fn new(size: Size) -> io::Result<Ring> {
        let mut first = None;
        for way in WAYS {
            match Ring::build(size, way) {
                Ok(ring) => return Ok(ring),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
    }

    fn build(size: Size, way: fn(&mut io_uring::Builder)) -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(size.completions).setup_clamp().setup_submit_all().dontfork();
        way(&mut builder);
        let ring = builder.build(size.submissions)?;
        let features = ring.params();
        if !(features.is_feature_nodrop()
            && features.is_feature_ext_arg()
            && features.is_feature_skip_cqe_on_success())
        {
            return Err(io::Error::other("the kernel's io_uring lacks features"));
        }
        let pool = Pool::new(&ring, size.buffers, size.plain)?;
        Ok(Ring {
            ring,
            pool: ManuallyDrop::new(pool),
            flights: ManuallyDrop::default(),
            under_way: 0,
            queued: 0,
            departures: Vec::new(),
            cargo: Vec::new(),
            manifests: Vec::new(),
            manifests_used: 0,
            sent: VecDeque::new(),
            done: VecDeque::new(),
            #[cfg(test)]
            faults: faults::Faults::default(),
        })
    }

    /// Submits what is queued, then waits until something has happened, at most `patience`; zero looks without
    /// waiting, `None` waits for ever.
    pub fn enter(&mut self, patience: Option<Duration>) -> io::Result<()> {
        #[cfg(test)]
        if let Some(victim) = self.faults.victim() {
            self.cancel(victim);
        }
        self.pool.next_round();
        self.submit(u32::from(patience != Some(Duration::ZERO)), patience)?;
        self.reap()
    }

    /// The next send of the last round that was to be told.
    pub fn next_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// Appends what a send left behind.
    pub fn copy_rest(&self, sent: Sent, into: &mut Vec<u8>) {
        let Some(departure) = self.departures.get(sent.index) else { return };
        let mut gone = sent.result.unwrap_or(0);
        for chunk in &self.cargo[departure.chunks.clone()] {
            let bytes = self.pool.bytes(*chunk);
            into.extend_from_slice(bytes.get(gone..).unwrap_or_default());
            gone = gone.saturating_sub(bytes.len());
        }
    }

    /// Whether that send left anything behind.
    pub fn is_short(&self, sent: Sent) -> bool {
        let Some(departure) = self.departures.get(sent.index) else { return false };
        let whole: usize = self.cargo[departure.chunks.clone()].iter().map(Chunk::len).sum();
        sent.result.unwrap_or(0) < whole
    }

    /// The sends of the last round are over: gives its buffers back.
    pub fn settle(&mut self) {
        self.departures.clear();
        self.cargo.clear();
        self.manifests_used = 0;
        self.pool.give_back();
    }

    /// The next operation that has something to tell. All have to be taken before the next [`Ring::enter`],
    /// whose [`Ring::settle`] takes received bytes away.
    pub fn next_done(&mut self) -> Option<Done> {
        loop {
            let completion = self.done.pop_front()?;
            let tag = completion.tag();
            let outcome = match completion.kind() {
                kind::POLL => Outcome::Ready(completion.count()),
                kind::RECEIVE => self.received(completion),
                kind::FLIGHT => match self.flights.try_remove(tag as usize) {
                    Some(flight) => {
                        self.under_way -= 1;
                        return Some(landed(flight, completion.count()));
                    }
                    None => continue,
                },
                _ => continue,
            };
            return Some(Done { tag, outcome });
        }
    }

    /// Received bytes; none once [`Ring::settle`] has given their buffer back.
    pub fn bytes(&self, chunk: Chunk) -> &[u8] {
        self.pool.bytes(chunk)
    }

    /// Whether the kernel takes parts of buffers.
    pub fn is_incremental(&self) -> bool {
        self.pool.is_incremental()
    }

    /// Buffers that are free or in the kernel's hands, and copies on their way: for those who look for leaks.
    pub fn holdings(&self) -> (usize, usize) {
        (self.pool.at_home(), self.flights.len())
    }

    fn received(&mut self, completion: Completion) -> Outcome {
        let goes_on = cqueue::more(completion.flags);
        self.under_way -= usize::from(!goes_on);
        let what = completion.count().map(|length| self.pool.take(completion.flags, length));
        Outcome::Received { what, goes_on }
    }

    /// Hands everything that is queued to the kernel; with the last of it waits for `want` completions. What was
    /// taken from the kernel's queue and not looked at yet is one: there may never be another.
    fn submit(&mut self, want: u32, patience: Option<Duration>) -> io::Result<()> {
        loop {
            let want = if self.done.is_empty() && self.sent.is_empty() { want } else { 0 };
            let result = self.call(self.queued, want, patience);
            match result.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0))) {
                Ok(count) => {
                    self.queued -= (count as u32).min(self.queued);
                    if self.queued == 0 {
                        return Ok(());
                    }
                }
                Err(Errno::ETIME | Errno::EINTR) if self.queued == 0 => return Ok(()),
                Err(Errno::EINTR) => {}
                // Completions have to be taken first; memory may come back.
                Err(Errno::EBUSY | Errno::EAGAIN) => {
                    self.reap()?;
                    std::thread::yield_now();
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn call(&mut self, submit: u32, want: u32, patience: Option<Duration>) -> io::Result<usize> {
        #[cfg(test)]
        let (submit, want) = self.faults.call(submit, want)?;
        let submitter = self.ring.submitter();
        let flags = EnterFlags::GETEVENTS;
        let Some(patience) = patience.filter(|_| want > 0) else {
            // SAFETY: no argument is passed. What the submitted operations refer to is argued where they are queued.
            return unsafe { submitter.enter::<libc::sigset_t>(submit, want, flags.bits(), None) };
        };
        let time = Timespec::from(patience);
        let arguments = SubmitArgs::new().timespec(&time);
        let flags = flags | EnterFlags::EXT_ARG;
        // SAFETY: as above; the argument has the type that EXT_ARG asks for, and it and the time outlive the call.
        unsafe { submitter.enter(submit, want, flags.bits(), Some(&arguments)) }
    }

    /// Takes all completions, also those that the queue had no room for.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            let completions = self.ring.completion().map(|entry| Completion::of(&entry));
            #[cfg(test)]
            let completions = completions.chain(self.faults.due.drain(..));
            for completion in completions {
                match completion.kind() {
                    kind::SEND => {
                        let index = completion.tag() as usize;
                        let Some(departure) = self.departures.get(index) else { continue };
                        let result = completion.count().map(|count| count as usize);
                        self.sent.push_back(Sent { tag: departure.tag, result, index });
                    }
                    kind::QUIET => {}
                    _ => self.done.push_back(completion),
                }
            }
            if !self.ring.submission().cq_overflow() {
                return Ok(());
            }
            self.call(0, 0, None)?;
        }
    }

    fn push(&mut self, entry: &squeue::Entry) {
        #[cfg(test)]
        if self.faults.refuses(entry.get_user_data()) {
            return;
        }
        loop {
            // SAFETY: whoever queues an operation says why what it refers to outlives it.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                self.queued += 1;
                return;
            }
            // Full. What is submitted early completes early, and is looked at in its turn all the same.
            let submitted = self.call_submit();
            if submitted.is_err() {
                std::thread::yield_now();
            }
        }
    }

    /// Submits without running what is deferred.
    fn call_submit(&mut self) -> io::Result<()> {
        match self.hand_over() {
            Ok(count) => {
                self.queued -= (count as u32).min(self.queued);
                Ok(())
            }
            Err(error) => {
                self.reap()?;
                Err(error)
            }
        }
    }

    fn hand_over(&mut self) -> io::Result<usize> {
        let submit = self.queued;
        #[cfg(test)]
        let (submit, _) = self.faults.call(submit, 0)?;
        // SAFETY: as in `call`.
        unsafe { self.ring.submitter().enter::<libc::sigset_t>(submit, 0, 0, None) }
    }

    /// Cancels everything and waits until the kernel refers to no memory of ours.
    fn come_to_rest(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        self.submit(0, None)?;
        while self.under_way > 0 && begun.elapsed() < PATIENCE {
            let time = Timespec::from(PATIENCE);
            // What is not found has ended by itself.
            let _ = self.ring.submitter().register_sync_cancel(Some(time), CancelBuilder::any());
            self.call(0, 0, None)?;
            self.reap()?;
            while self.next_done().is_some() {}
        }
        self.ring.submitter().unregister_buf_ring(GROUP)?;
        if self.under_way == 0 { Ok(()) } else { Err(Errno::ETIME.into()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.come_to_rest().is_err() {
            return;
        }
        // SAFETY: neither is used again, and the kernel refers to neither: every operation that could has told its
        // end, and the group of buffers is unregistered.
        unsafe {
            ManuallyDrop::drop(&mut self.pool);
            ManuallyDrop::drop(&mut self.flights);
        }
    }
}

fn landed(flight: Flight, result: Result<u32, Errno>) -> Done {
    let Flight { mut parcel, tag } = flight;
    let result = result.map(|count| count as usize);
    parcel.sent += result.unwrap_or(0);
    Done { tag, outcome: Outcome::Landed { parcel, result } }
}

fn number(of: &impl AsFd) -> RawFd {
    of.as_fd().as_raw_fd()
}
