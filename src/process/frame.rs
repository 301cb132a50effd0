//! Frames on the socket between the privileged parent and its worker: a text part (JSON), a raw part (the
//! config files' bytes) and descriptors.
//!
//! ```text
//! "RCF1"  text length  raw length  descriptors   |  one byte and up to 250 descriptors, repeated  |  text raw
//! ```
//!
//! Numbers are little-endian and 32 bits wide. Both sides check every length against [`Limits`] before they
//! make room for it: the worker is the side that strangers talk to, and must not be able to exhaust the
//! parent. Nothing here blocks; both sides call again when the socket is ready.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::fdpass;

const MAGIC: [u8; 4] = *b"RCF1";
const HEADER: usize = 16;
/// Descriptors in one message; the kernel takes 253.
const BATCH: usize = 250;

/// One message.
#[derive(Debug, Default)]
pub struct Frame {
    pub text: Vec<u8>,
    pub raw: Vec<u8>,
    pub descriptors: Vec<OwnedFd>,
}

/// The most that one frame may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub text: usize,
    pub raw: usize,
    pub descriptors: usize,
}

impl Limits {
    /// For what a parent sends.
    pub const BUNDLE: Limits = Limits { text: 16 << 20, raw: 64 << 20, descriptors: 16 * 1024 };
    /// For what a worker answers.
    pub const ANSWER: Limits = Limits { text: 256 << 10, raw: 0, descriptors: 0 };
}

/// Why a frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the other process ended the connection")]
    Closed,
    #[error("not a frame")]
    Magic,
    #[error("a frame of {0} exceeds its limit")]
    TooBig(&'static str),
    #[error("a frame announced {announced} descriptors and brought {came}")]
    Descriptors { announced: usize, came: usize },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A frame on its way out.
#[derive(Debug)]
pub struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    /// Handed over with the byte after the header that belongs to their batch.
    descriptors: Vec<OwnedFd>,
}

impl Outgoing {
    /// Takes a frame in; refuses what the other side would refuse.
    pub fn new(frame: Frame, limits: Limits) -> Result<Outgoing, FrameError> {
        let sizes =
            Sizes { text: frame.text.len(), raw: frame.raw.len(), descriptors: frame.descriptors.len() };
        sizes.check(limits)?;
        let mut bytes = Vec::with_capacity(sizes.total());
        bytes.extend_from_slice(&MAGIC);
        for size in [sizes.text, sizes.raw, sizes.descriptors] {
            bytes.extend_from_slice(&(size as u32).to_le_bytes());
        }
        bytes.resize(HEADER + sizes.batches(), b'F');
        bytes.extend_from_slice(&frame.text);
        bytes.extend_from_slice(&frame.raw);
        Ok(Outgoing { bytes, sent: 0, descriptors: frame.descriptors })
    }

    /// Sends what the socket takes; `true` once all is sent. The sender's copies of the descriptors are
    /// closed then.
    pub fn flush(&mut self, socket: &impl AsFd) -> Result<bool, FrameError> {
        let batches = self.descriptors.len().div_ceil(BATCH);
        while self.sent < self.bytes.len() {
            let batch = self.sent.checked_sub(HEADER).filter(|batch| *batch < batches);
            let result = match batch {
                Some(batch) => {
                    let from = batch * BATCH;
                    let to = self.descriptors.len().min(from + BATCH);
                    let borrowed: Vec<_> = self.descriptors[from..to].iter().map(AsFd::as_fd).collect();
                    fdpass::send(socket, &self.bytes[self.sent..=self.sent], &borrowed)
                }
                None => {
                    let end = if self.sent < HEADER { HEADER } else { self.bytes.len() };
                    fdpass::send(socket, &self.bytes[self.sent..end], &[])
                }
            };
            match result {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.descriptors.clear();
        Ok(true)
    }
}

/// Collects what comes in until it is a frame.
#[derive(Debug)]
pub struct Incoming {
    limits: Limits,
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Incoming {
    pub fn new(limits: Limits) -> Incoming {
        Incoming { limits, bytes: Vec::new(), descriptors: Vec::new() }
    }

    /// The next frame, or `None` if the socket has no more for now.
    pub fn read(&mut self, socket: &impl AsFd) -> Result<Option<Frame>, FrameError> {
        loop {
            let sizes = self.sizes()?;
            let wanted = sizes.map_or(HEADER, |sizes| sizes.total());
            if let Some(sizes) = sizes
                && self.bytes.len() == wanted
            {
                return self.take(sizes).map(Some);
            }
            let mut part = [0; 16 * 1024];
            let room = part.len().min(wanted - self.bytes.len());
            match fdpass::receive(socket, &mut part[..room], &mut self.descriptors) {
                Ok(0) => return Err(FrameError::Closed),
                Ok(count) => self.bytes.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if self.descriptors.len() > self.limits.descriptors {
                return Err(FrameError::TooBig("descriptors"));
            }
        }
    }

    fn sizes(&self) -> Result<Option<Sizes>, FrameError> {
        let Some(header) = self.bytes.get(..HEADER) else { return Ok(None) };
        if header[..4] != MAGIC {
            return Err(FrameError::Magic);
        }
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_le_bytes(bytes) as usize
        };
        let sizes = Sizes { text: number(4), raw: number(8), descriptors: number(12) };
        sizes.check(self.limits)?;
        Ok(Some(sizes))
    }

    fn take(&mut self, sizes: Sizes) -> Result<Frame, FrameError> {
        let came = self.descriptors.len();
        if came != sizes.descriptors {
            return Err(FrameError::Descriptors { announced: sizes.descriptors, came });
        }
        let mut text = std::mem::take(&mut self.bytes).split_off(HEADER + sizes.batches());
        let raw = text.split_off(sizes.text);
        Ok(Frame { text, raw, descriptors: std::mem::take(&mut self.descriptors) })
    }
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    text: usize,
    raw: usize,
    descriptors: usize,
}

impl Sizes {
    fn batches(self) -> usize {
        self.descriptors.div_ceil(BATCH)
    }

    fn total(self) -> usize {
        HEADER + self.batches() + self.text + self.raw
    }

    fn check(self, limits: Limits) -> Result<(), FrameError> {
        let checks = [
            ("text", self.text, limits.text),
            ("raw bytes", self.raw, limits.raw),
            ("descriptors", self.descriptors, limits.descriptors),
        ];
        let exceeded = checks.into_iter().find(|(_, size, limit)| size > limit);
        exceeded.map_or(Ok(()), |(what, ..)| Err(FrameError::TooBig(what)))
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
