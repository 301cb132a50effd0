//! The buffers that receives fill: one ring of them, shared by all sockets of a worker.
//!
//! The kernel takes a buffer only when bytes are there, so an idle connection costs none. Where it can
//! (`IOU_PBUF_RING_INC`, Linux 6.12), it takes just the length of a message and goes on in the same buffer: small
//! messages then walk through the same few cache lines, and bulk still gets all the rest of a buffer.
//!
//! A buffer belongs to the kernel from [`Pool::give_back`] until a completion says that it is used up; the part of it
//! that completions have told of is ours meanwhile, and the kernel does not look at it again.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue};

/// `IOU_PBUF_RING_INC` of io_uring_register_buf_ring(3).
const INCREMENTAL: u16 = 2;
/// The one group of buffers.
pub(super) const GROUP: u16 = 0;
const PAGE: usize = 4096;

/// How many buffers, and how large; the first is a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub count: u16,
    pub size: u32,
}

/// Received bytes. They can be read until the buffers of their round have gone back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    buffer: u16,
    round: u32,
    at: u32,
    length: u32,
}

impl Chunk {
    #[allow(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    #[cfg(test)]
    pub(super) fn first(self, length: usize) -> Chunk {
        Chunk { length: self.length.min(length as u32), ..self }
    }
}

/// Page-aligned memory, zeroed, owned until dropped.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn new(bytes: usize) -> io::Result<Memory> {
        let layout = Layout::from_size_align(bytes.max(PAGE), PAGE).map_err(io::Error::other)?;
        // SAFETY: the layout is not of size zero. The memory is owned by the value made here, and given back
        // with the same layout when that is dropped.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Ok(Memory { start, layout })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and this is the only owner. The ring drops its pool only
        // once no operation of the kernel refers to it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pool {
    entries: Memory,
    buffers: Memory,
    pub(super) shape: Shape,
    incremental: bool,
    /// How far each buffer has been filled.
    filled: Box<[u32]>,
    /// Used up in this round, and in the one before, whose bytes may still be looked at.
    spent: Vec<u16>,
    spent_before: Vec<u16>,
    tail: u16,
    round: u32,
    /// Chunks of earlier rounds are gone.
    readable: u32,
}

impl Pool {
    /// Registers buffers with the ring, incremental ones where the kernel knows them: of shape `wanted`, or else
    /// plain ones of shape `plain`.
    pub(super) fn new(ring: &IoUring, wanted: Shape, plain: Shape) -> io::Result<Pool> {
        Pool::register(ring, wanted, INCREMENTAL).or_else(|_| Pool::register(ring, plain, 0))
    }

    pub(super) fn register(ring: &IoUring, shape: Shape, flags: u16) -> io::Result<Pool> {
        if !shape.count.is_power_of_two() || shape.size == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let entries = Memory::new(usize::from(shape.count) * size_of::<BufRingEntry>())?;
        let buffers = Memory::new(usize::from(shape.count) * shape.size as usize)?;
        let address = entries.start.as_ptr() as u64;
        // SAFETY: `entries` is page-aligned, has room for `count` entries, and lives in the pool, which the ring
        // drops only after it has unregistered the group.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, shape.count, GROUP, flags) }?;
        let mut pool = Pool {
            entries,
            buffers,
            shape,
            incremental: flags == INCREMENTAL,
            filled: vec![0; usize::from(shape.count)].into(),
            spent: Vec::with_capacity(usize::from(shape.count)),
            spent_before: Vec::with_capacity(usize::from(shape.count)),
            tail: 0,
            round: 0,
            readable: 0,
        };
        for buffer in 0..shape.count {
            pool.put(buffer);
        }
        pool.publish();
        Ok(pool)
    }

    pub(super) fn is_incremental(&self) -> bool {
        self.incremental
    }

    /// How many of the buffers the kernel has, or will have after the next [`Pool::give_back`]s.
    pub(super) fn at_home(&self) -> usize {
        usize::from(self.shape.count) - self.spent.len() - self.spent_before.len()
    }

    /// What a completion's flags and result say that was received; `None` if they name no buffer of ours.
    pub(super) fn take(&mut self, flags: u32, length: u32) -> Option<Chunk> {
        let buffer = cqueue::buffer_select(flags)?;
        let filled = self.filled.get_mut(usize::from(buffer))?;
        let at = *filled;
        *filled = (at + length).min(self.shape.size);
        if !self.incremental || !cqueue::buffer_more(flags) {
            self.spent.push(buffer);
        }
        let length = length.min(self.shape.size - at);
        (length > 0).then_some(Chunk { buffer, round: self.round, at, length })
    }

    /// A new round: what was used up so far goes back at the next [`Pool::give_back`].
    pub(super) fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        // Not expected to hold anything: every round gives back.
        self.spent_before.append(&mut self.spent);
    }

    /// Gives the buffers of earlier rounds back to the kernel.
    pub(super) fn give_back(&mut self) {
        self.readable = self.round;
        if self.spent_before.is_empty() {
            return;
        }
        let mut spent = std::mem::take(&mut self.spent_before);
        for buffer in spent.drain(..) {
            self.put(buffer);
        }
        self.spent_before = spent;
        self.publish();
    }

    /// The bytes; none if their buffer may have gone back.
    pub(super) fn bytes(&self, chunk: Chunk) -> &[u8] {
        if chunk.round.wrapping_sub(self.readable) > u32::MAX / 2 {
            return &[];
        }
        // SAFETY: only `take` makes chunks, and keeps them within the buffer. The kernel filled these bytes before
        // it told of them, and does not touch them before the buffer goes back; that takes `give_back`, a
        // mutable borrow that ends this one, and makes the chunk's round unreadable.
        unsafe { std::slice::from_raw_parts(self.address(chunk), chunk.length as usize) }
    }

    /// Where the bytes are: inside of the pool's memory, whatever the round.
    pub(super) fn address(&self, chunk: Chunk) -> *const u8 {
        let at = usize::from(chunk.buffer) * self.shape.size as usize + chunk.at as usize;
        // SAFETY: `take` makes chunks only of buffers that exist, and within them.
        unsafe { self.buffers.start.as_ptr().add(at) }
    }

    /// Writes a buffer's entry behind the others; the kernel sees it after [`Pool::publish`].
    fn put(&mut self, buffer: u16) {
        self.filled[usize::from(buffer)] = 0;
        let place = usize::from(self.tail & (self.shape.count - 1));
        let start = usize::from(buffer) * self.shape.size as usize;
        // SAFETY: `place` is within the entries. The kernel reads and writes entries between its head and the tail
        // alone; this one is at the tail, as there are as many places as buffers and this buffer is not in
        // the ring. The three fields are written one by one, which leaves the tail (in the first entry) alone.
        // `start` is within the buffers' memory.
        unsafe {
            let entry = self.entries.start.cast::<BufRingEntry>().as_ptr().add(place);
            (*entry).set_addr(self.buffers.start.as_ptr().add(start) as u64);
            (*entry).set_len(self.shape.size);
            (*entry).set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: the tail is a field of the first entry, which is initialized (zeroed) and lives as long as the
        // pool; user space alone writes it, and the kernel reads it atomically.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.start.cast::<BufRingEntry>().as_ptr());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        tail.store(self.tail, Ordering::Release);
    }
}
