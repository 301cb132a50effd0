//! The bytes of one check connection: what an expect sees of them, and which complete replies they hold.
//!
//! An expect sees what came since the last send. Replies are followed from the beginning of the connection,
//! because a script may send AUTH without waiting for its answer: only when as many replies are complete as
//! commands were sent has the server said everything. One buffer serves both; nothing is copied out of it.

use crate::redis::command;
use crate::redis::resp::{ReplyKind, ReplyScanner, Scan};
use crate::redis::role::Findings;

/// See the module.
#[derive(Debug)]
pub(super) struct Replies {
    data: Vec<u8>,
    limit: usize,
    /// Where the expects' input begins.
    input: usize,
    /// Where the reply that is not complete yet begins, and up to where it was scanned.
    reply: usize,
    scanned: usize,
    scanner: ReplyScanner,
    /// `None` once the exchange is not clearly commands and replies.
    count: Option<Count>,
    /// What complete replies said of the role.
    pub(super) findings: Findings,
    /// The last error reply, without its `-`.
    last_error: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Count {
    sent: u64,
    answered: u64,
    /// The beginning of a command that a later send finishes. May hold a password; `Debug` is for tests.
    unfinished: Unfinished,
}

#[derive(Default)]
struct Unfinished(Vec<u8>);

impl std::fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Replies {
    pub(super) fn new(limit: usize) -> Replies {
        Replies {
            data: Vec::new(),
            limit: limit.max(1),
            input: 0,
            reply: 0,
            scanned: 0,
            scanner: ReplyScanner::default(),
            count: Some(Count::default()),
            findings: Findings::default(),
            last_error: None,
        }
    }

    /// A new connection; what was found in this check stays.
    pub(super) fn connected(&mut self) {
        self.data.clear();
        (self.input, self.reply, self.scanned) = (0, 0, 0);
        self.scanner = ReplyScanner::default();
        self.count = Some(Count::default());
    }

    /// Another check begins on the same connection.
    pub(super) fn next_check(&mut self) {
        self.findings = Findings::default();
        self.last_error = None;
    }

    /// Input is discarded, and commands go out.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.input = self.data.len();
        let keep = if self.count.is_some() { self.reply.min(self.input) } else { self.input };
        self.data.drain(..keep);
        self.input -= keep;
        self.reply = self.reply.saturating_sub(keep);
        self.scanned = self.scanned.saturating_sub(keep);
        self.count = self.count.take().and_then(|count| count.after(bytes));
    }

    /// Takes what came. Bytes beyond the limit are dropped; a full buffer decides every expect anyway.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.data.len() - self.input);
        self.data.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.count = None;
        }
        while self.count.is_some() && self.scanned < self.data.len() {
            self.scan();
        }
    }

    fn scan(&mut self) {
        match self.scanner.scan(&self.data[self.scanned..]) {
            Scan::Partial => self.scanned = self.data.len(),
            Scan::NotResp => self.count = None,
            Scan::Complete { used, kind } => {
                let end = self.scanned + used;
                let reply = &self.data[self.reply..end];
                match kind {
                    ReplyKind::Error => self.last_error = Some(first_line(reply).to_vec()),
                    ReplyKind::Bulk | ReplyKind::Aggregate => self.findings.absorb_reply(reply),
                    ReplyKind::Line | ReplyKind::Push => {}
                }
                (self.reply, self.scanned) = (end, end);
                if kind != ReplyKind::Push {
                    self.count_answer();
                }
            }
        }
    }

    fn count_answer(&mut self) {
        let Some(count) = &mut self.count else { return };
        count.answered += 1;
        if count.answered > count.sent {
            // A banner, or another protocol that looks like this one.
            self.count = None;
        }
    }

    /// What the next expect is matched against.
    pub(super) fn input(&self) -> &[u8] {
        &self.data[self.input..]
    }

    pub(super) fn is_full(&self) -> bool {
        self.data.len() - self.input >= self.limit
    }

    /// Whether all has been said: every command has its complete reply, and the last one is in the input.
    pub(super) fn settled(&self) -> bool {
        self.in_step() && !self.input().is_empty()
    }

    /// Whether the connection could be asked again: nothing is outstanding.
    pub(super) fn in_step(&self) -> bool {
        self.idle() && self.count.as_ref().is_some_and(|count| count.sent > 0)
    }

    /// Whether a command could be sent: nothing was asked yet, or all is answered.
    pub(super) fn idle(&self) -> bool {
        let answered = |count: &Count| count.sent == count.answered && count.whole();
        self.count.as_ref().is_some_and(answered) && self.reply == self.data.len()
    }

    /// Whether the end of a bulk or an array is still to come, announced by its length.
    pub(super) fn inside_bulk(&self) -> bool {
        self.count.is_some()
            && matches!(self.scanner.unfinished(), Some(ReplyKind::Bulk | ReplyKind::Aggregate))
    }

    /// From here on nothing is known of replies: HAProxy's rules alone.
    pub(super) fn stop_counting(&mut self) {
        self.count = None;
    }

    /// The last error reply of this check, raw.
    pub(super) fn last_error(&self) -> Option<&[u8]> {
        self.last_error.as_deref()
    }
}

impl Count {
    fn whole(&self) -> bool {
        self.unfinished.0.is_empty()
    }

    fn after(mut self, bytes: &[u8]) -> Option<Count> {
        let commands = if self.whole() {
            let commands = command::count(bytes)?;
            self.unfinished.0.extend_from_slice(&bytes[bytes.len() - commands.unfinished..]);
            commands
        } else {
            self.unfinished.0.extend_from_slice(bytes);
            let commands = command::count(&self.unfinished.0)?;
            let done = self.unfinished.0.len() - commands.unfinished;
            self.unfinished.0.drain(..done);
            commands
        };
        self.sent += u64::from(commands.complete);
        Some(self)
    }
}

fn first_line(reply: &[u8]) -> &[u8] {
    let line = reply.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
    line.get(1..).unwrap_or_default()
}
