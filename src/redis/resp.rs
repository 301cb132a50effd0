//! Where does the next reply end? RESP2 and RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>),
//! byte by byte or megabyte by megabyte, remembering a few words and never a byte of the reply itself.
//!
//! A check has to know when a server has said all it will say, so that a reply which does not contain what
//! the script expects can be refused now instead of at the timeout. What is not RESP is said to be not RESP
//! at the first byte that proves it; the caller then does without.

/// Arrays in arrays in arrays: nothing that a check asks for goes deeper.
const MAX_DEPTH: usize = 8;
/// More elements or bytes than this are taken for another protocol.
const MAX_NUMBER: u64 = 1 << 32;
/// The longest simple line (`+`, `-`) before the stream is taken for another protocol.
const MAX_LINE: usize = 64 * 1024;

/// What the first byte of a reply announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// `+`, `:`, `_`, `#`, `,`, `(`: one line.
    Line,
    /// `-`, and RESP3's `!`.
    Error,
    /// `$`, `=`: a length, then bytes.
    Bulk,
    /// `*`, `%`, `~`: a count, then replies.
    Aggregate,
    /// `>`: out of band, answers no command.
    Push,
}

/// What came of scanning some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A reply ended after so many of the bytes; the rest was not looked at.
    Complete { used: usize, kind: ReplyKind },
    /// All bytes were used, and the reply goes on.
    Partial,
    /// This is no RESP. The scanner is of no use from here on.
    NotResp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next byte is a type.
    Type,
    /// In a line whose content does not matter.
    Line { length: usize, after_cr: bool },
    /// In the number after a type that needs one.
    Number { kind: u8, value: u64, digits: u8, negative: bool, after_cr: bool },
    /// In the bytes of a bulk; `left` counts its CRLF too.
    Payload { left: u64 },
}

/// See the module. One scanner a connection.
#[derive(Debug, Clone)]
pub struct ReplyScanner {
    state: State,
    /// Replies still to come at each depth; `open[0]` is the reply itself.
    open: [u64; MAX_DEPTH],
    depth: usize,
    kind: Option<ReplyKind>,
}

impl Default for ReplyScanner {
    fn default() -> Self {
        ReplyScanner { state: State::Type, open: [1; MAX_DEPTH], depth: 0, kind: None }
    }
}

/// The reply is not RESP.
struct Broken;

impl ReplyScanner {
    /// Looks at `bytes` up to the end of the next complete reply.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut used = 0;
        while used < bytes.len() {
            match self.step(&bytes[used..]) {
                Err(Broken) => return Scan::NotResp,
                Ok((consumed, false)) => used += consumed,
                Ok((consumed, true)) => {
                    let kind = self.kind.unwrap_or(ReplyKind::Line);
                    *self = ReplyScanner::default();
                    return Scan::Complete { used: used + consumed, kind };
                }
            }
        }
        Scan::Partial
    }

    /// The kind of the reply that has begun and not ended.
    pub fn unfinished(&self) -> Option<ReplyKind> {
        self.kind
    }

    /// One transition over a non-empty slice: bytes consumed, and whether the whole reply ended.
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, bool), Broken> {
        match self.state {
            State::Type => self.on_type(bytes[0]).map(|()| (1, false)),
            State::Line { length, after_cr } => self.on_line(bytes, length, after_cr),
            State::Number { .. } => self.on_number(bytes[0]).map(|ended| (1, ended)),
            State::Payload { left } => {
                let take = left.min(bytes.len() as u64);
                self.state = State::Payload { left: left - take };
                Ok((take as usize, left == take && self.element_ended()))
            }
        }
    }

    fn on_type(&mut self, byte: u8) -> Result<(), Broken> {
        let kind = match byte {
            b'+' | b':' | b'_' | b'#' | b',' | b'(' => ReplyKind::Line,
            b'-' | b'!' => ReplyKind::Error,
            b'$' | b'=' => ReplyKind::Bulk,
            b'*' | b'%' | b'~' | b'|' => ReplyKind::Aggregate,
            b'>' => ReplyKind::Push,
            _ => return Err(Broken),
        };
        // An attribute stands before the reply it belongs to, which may be of any kind.
        if byte != b'|' && self.depth == 0 && self.kind.is_none() {
            self.kind = Some(kind);
        }
        self.state = match byte {
            b'$' | b'=' | b'!' | b'*' | b'%' | b'~' | b'|' | b'>' => {
                State::Number { kind: byte, value: 0, digits: 0, negative: false, after_cr: false }
            }
            _ => State::Line { length: 0, after_cr: false },
        };
        Ok(())
    }

    fn on_line(&mut self, bytes: &[u8], length: usize, after_cr: bool) -> Result<(usize, bool), Broken> {
        let Some(at) = memchr::memchr(b'\n', bytes) else {
            let length = length + bytes.len();
            let after_cr = bytes.last() == Some(&b'\r');
            self.state = State::Line { length, after_cr };
            return if length > MAX_LINE { Err(Broken) } else { Ok((bytes.len(), false)) };
        };
        let cr = if at == 0 { after_cr } else { bytes[at - 1] == b'\r' };
        if !cr {
            return Err(Broken);
        }
        Ok((at + 1, self.element_ended()))
    }

    fn on_number(&mut self, byte: u8) -> Result<bool, Broken> {
        let State::Number { kind, value, digits, negative, after_cr } = self.state else {
            return Err(Broken);
        };
        match byte {
            b'\n' if after_cr && digits > 0 => self.on_count(kind, value, negative),
            _ if after_cr => Err(Broken),
            b'\r' => {
                self.state = State::Number { kind, value, digits, negative, after_cr: true };
                Ok(false)
            }
            b'-' if digits == 0 && !negative => {
                self.state = State::Number { kind, value, digits, negative: true, after_cr };
                Ok(false)
            }
            b'0'..=b'9' if digits < 11 => {
                let value = value * 10 + u64::from(byte - b'0');
                self.state = State::Number { kind, value, digits: digits + 1, negative, after_cr };
                Ok(false)
            }
            _ => Err(Broken),
        }
    }

    /// The number of a bulk or an aggregate is known.
    fn on_count(&mut self, kind: u8, value: u64, negative: bool) -> Result<bool, Broken> {
        if value > MAX_NUMBER {
            return Err(Broken);
        }
        if negative {
            // RESP2's null bulk and null array.
            return if value == 1 && matches!(kind, b'$' | b'*') {
                Ok(self.element_ended())
            } else {
                Err(Broken)
            };
        }
        self.state = State::Type;
        match kind {
            b'$' | b'=' | b'!' => {
                self.state = State::Payload { left: value + 2 };
                Ok(false)
            }
            b'|' => {
                self.open[self.depth] += 2 * value;
                Ok(false)
            }
            _ if value == 0 => Ok(self.element_ended()),
            _ => self.descend(if kind == b'%' { 2 * value } else { value }).map(|()| false),
        }
    }

    fn descend(&mut self, elements: u64) -> Result<(), Broken> {
        if self.depth + 1 == MAX_DEPTH {
            return Err(Broken);
        }
        self.depth += 1;
        self.open[self.depth] = elements;
        Ok(())
    }

    /// One element ended; returns whether with it everything around it did.
    fn element_ended(&mut self) -> bool {
        self.state = State::Type;
        loop {
            self.open[self.depth] -= 1;
            if self.open[self.depth] > 0 {
                return false;
            }
            if self.depth == 0 {
                return true;
            }
            self.depth -= 1;
        }
    }
}

#[cfg(test)]
#[path = "resp_tests.rs"]
mod tests;
