//! The answer of an SPOE agent to the greeting of a check (SPOE specification, section 3.2): the bytes so far in, out
//! comes whether HAProxy would send it work. One frame is read and nothing behind it.
//!
//! What an agent may refuse with, and what is wrong with a frame, are numbers of one list (section 3.5), so that both
//! are told in the same words: HAProxy's.

use super::expect::{Verdict, Words};
use crate::state::CheckStatus;

const AGENT_HELLO: u8 = 101;
const AGENT_DISCONNECT: u8 = 102;
/// This is the last fragment: all that is taken.
const FIN: u32 = 1;
/// Every peer has to take frames of that size.
const SMALLEST_FRAME: u64 = 256;
/// An agent's own words may be so long. HAProxy does not show them, and neither does rolecall.
const LONGEST_MESSAGE: usize = 255;
const SUPPORTED: (u32, u32) = (2, 0);

/// Types of values.
const STRING: u8 = 8;
const BINARY: u8 = 9;
const INTEGERS: std::ops::RangeInclusive<u8> = 2..=5;

/// By their numbers.
const REASONS: [&str; 14] = [
    "normal",
    "I/O error",
    "a timeout occurred",
    "frame is too big",
    "invalid frame received",
    "version value not found",
    "max-frame-size value not found",
    "capabilities value not found",
    "unsupported version",
    "max-frame-size too big or too small",
    "fragmentation not supported",
    "invalid interlaced frames",
    "frame-id not found",
    "resource allocation error",
];

/// Why an agent is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault(u64);

const INVALID: Fault = Fault(4);
const NO_VERSION: Fault = Fault(5);
const NO_SIZE: Fault = Fault(6);
const VERSION: Fault = Fault(8);
const SIZE: Fault = Fault(9);
const FRAGMENTED: Fault = Fault(10);

impl Fault {
    fn words(self) -> Words {
        let reason = usize::try_from(self.0).ok().and_then(|number| REASONS.get(number));
        Words { code: None, info: (*reason.unwrap_or(&"an unknown error occurred")).to_owned() }
    }
}

/// Decides by the first frame; `None` if it is not complete. `largest` is the size of frames that was offered.
pub(super) fn evaluate(input: &[u8], largest: u32) -> Option<Verdict> {
    let (length, rest) = input.split_first_chunk()?;
    let frame = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some(match read(frame, largest) {
        Ok(()) => Verdict::Met(Words { code: Some(0), info: "SPOA server is ok".to_owned() }),
        Err(fault) => Verdict::Missed(CheckStatus::L7Response, fault.words()),
    })
}

/// What a frame that ends before its time is called.
pub(super) fn torn() -> Words {
    INVALID.words()
}

fn read(frame: &[u8], largest: u32) -> Result<(), Fault> {
    let mut fields = Fields(frame);
    let kind = fields.byte()?;
    if !matches!(kind, AGENT_HELLO | AGENT_DISCONNECT) {
        return Err(INVALID);
    }
    let flags = fields.take(4)?.iter().fold(0, |flags, byte| flags << 8 | u32::from(*byte));
    if flags & FIN == 0 {
        return Err(FRAGMENTED);
    }
    let (stream, frame) = (fields.number()?, fields.number()?);
    if (stream, frame) != (0, 0) {
        return Err(INVALID);
    }
    if kind == AGENT_HELLO { hello(fields, largest) } else { Err(disconnect(fields)?) }
}

fn hello(mut fields: Fields<'_>, largest: u32) -> Result<(), Fault> {
    let (mut has_version, mut has_size) = (false, false);
    while let Some(name) = fields.name()? {
        // HAProxy compares no more of a name.
        if name.starts_with(b"version") {
            if !is_supported(fields.string()?) {
                return Err(VERSION);
            }
            has_version = true;
        } else if name.starts_with(b"max-frame-size") {
            if !(SMALLEST_FRAME..=u64::from(largest)).contains(&fields.integer()?) {
                return Err(SIZE);
            }
            has_size = true;
        } else if name.starts_with(b"capabilities") {
            // A check asks for none.
            fields.string()?;
        } else {
            fields.skip()?;
        }
    }
    match (has_version, has_size) {
        (false, _) => Err(NO_VERSION),
        (true, false) => Err(NO_SIZE),
        (true, true) => Ok(()),
    }
}

/// Why the agent does not want to be asked.
fn disconnect(mut fields: Fields<'_>) -> Result<Fault, Fault> {
    let mut reason = Fault(0);
    while let Some(name) = fields.name()? {
        if name.starts_with(b"status-code") {
            reason = Fault(fields.integer()?);
        } else if name.starts_with(b"message") {
            if fields.string()?.len() > LONGEST_MESSAGE {
                return Err(INVALID);
            }
        } else {
            fields.skip()?;
        }
    }
    Ok(reason)
}

/// `2.0`, with blanks around it or without.
fn is_supported(version: &[u8]) -> bool {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let parts = std::str::from_utf8(version.trim_ascii()).ok().and_then(|text| text.split_once('.'));
    parts.and_then(|(major, minor)| number(major).zip(number(minor))) == Some(SUPPORTED)
}

/// What of a frame is still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(INVALID)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1).map(|byte| byte[0])
    }

    /// Section 3.1, "varint": four bits in the first byte, seven in each one after it. Nothing is larger than the
    /// largest number of 64 bits.
    fn number(&mut self) -> Result<u64, Fault> {
        let first = self.byte()?;
        let mut number = u64::from(first);
        let (mut byte, mut shift) = (if first < 0xf0 { 0 } else { 0x80 }, 4);
        while byte >= 0x80 {
            byte = self.byte()?;
            let more = u64::from(byte);
            number = if shift < 56 { number.saturating_add(more << shift) } else { u64::MAX };
            shift += 7;
        }
        Ok(number)
    }

    fn text(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| INVALID)?)
    }

    /// The name of the next value; `None` at the end.
    fn name(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let name = self.text()?;
        if name.is_empty() { Err(INVALID) } else { Ok(Some(name)) }
    }

    /// The flags of a value stand in the same byte.
    fn kind(&mut self) -> Result<u8, Fault> {
        self.byte().map(|byte| byte & 0x0f)
    }

    fn string(&mut self) -> Result<&'a [u8], Fault> {
        if self.kind()? == STRING { self.text() } else { Err(INVALID) }
    }

    fn integer(&mut self) -> Result<u64, Fault> {
        if INTEGERS.contains(&self.kind()?) { self.number() } else { Err(INVALID) }
    }

    /// A value that nobody here asks for.
    fn skip(&mut self) -> Result<(), Fault> {
        match self.kind()? {
            kind if INTEGERS.contains(&kind) => self.number().map(drop),
            STRING | BINARY => self.text().map(drop),
            6 => self.take(4).map(drop),
            7 => self.take(16).map(drop),
            // Nothing, a truth, or what is still to be invented.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "spop_tests.rs"]
mod tests;
