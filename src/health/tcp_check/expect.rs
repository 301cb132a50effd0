//! One expect against what has come: HAProxy's rules of matching and waiting, and whether it is the role
//! that a miss is about.

use std::fmt::Write;

use super::replies::Replies;
use super::{application, http_expect};
use crate::config::model::{CheckExpect, ExpectPattern};
use crate::state::CheckStatus;

/// What an expect says of the input so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Wait,
    Fail(Miss),
    /// A pass or a miss by an answer that has words of its own.
    Met(Words),
    Missed(CheckStatus, Words),
    /// The check ends so, whatever the rule says of its misses.
    Over(CheckStatus, Words),
}

/// What an application's answer says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) code: Option<i32>,
    pub(super) info: String,
}

impl Words {
    /// A code and no text.
    pub(super) fn code(code: i32) -> Words {
        Words { code: Some(code), info: String::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// What came does not satisfy the expect.
    Content,
    /// The peer closed and nothing had come.
    Empty,
}

/// What the expressions of a pattern come to; empty without expressions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needle {
    pub(super) text: Vec<u8>,
    /// Of a header, whose name is the text.
    pub(super) value: Vec<u8>,
}

/// What an expect is to be decided by, beside the input.
#[derive(Debug)]
pub(super) struct Present<'a> {
    /// The peer has closed.
    pub(super) ended: bool,
    pub(super) needle: &'a Needle,
    pub(super) server: super::Present,
}

/// Decides `expect`.
pub(super) fn evaluate(expect: &CheckExpect, replies: &Replies, present: &Present<'_>) -> Verdict {
    let Present { ended, needle, .. } = *present;
    if let ExpectPattern::Http(http) = &expect.pattern {
        return http_expect::evaluate(expect, http, replies, present);
    }
    let needle = &needle.text;
    let input = replies.input();
    let ended = ended || replies.is_full();
    if input.is_empty() {
        return if ended { Verdict::Fail(Miss::Empty) } else { Verdict::Wait };
    }
    if let ExpectPattern::Application(wanted) = &expect.pattern {
        return application::evaluate(*wanted, input, ended);
    }
    let settled = replies.settled();
    let conclusive = ended || settled;
    if !conclusive && input.len() < shortest(expect, needle).max(expect.min_recv.unwrap_or(0)) {
        return Verdict::Wait;
    }
    let matched = matches(&expect.pattern, needle, input);
    if !matched && !conclusive && expect.min_recv.is_none() {
        return Verdict::Wait;
    }
    if matched && replies.inside_bulk() && !ended {
        // The rest of a reply that holds the pattern tells more about the server, and is on its way.
        return Verdict::Wait;
    }
    if matched != expect.inverse { Verdict::Pass } else { Verdict::Fail(Miss::Content) }
}

/// Whether the same input with another role in it would have satisfied the expect: then it is the role that
/// the script refuses, however it words that.
pub(super) fn refuses_role(expect: &CheckExpect, needle: &[u8], input: &[u8]) -> bool {
    let Some((start, end)) = role_in(input) else { return false };
    let others: [&[u8]; 4] = [b"master", b"slave", b"replica", b"active-replica"];
    others.iter().any(|other| {
        let swapped = [&input[..start], other, &input[end..]].concat();
        matches(&expect.pattern, needle, &swapped) != expect.inverse
    })
}

/// Where the role stands: after `role:` at the start of a line, or first in a ROLE array.
fn role_in(input: &[u8]) -> Option<(usize, usize)> {
    let after = |at: usize, skip: usize| {
        let start = at + skip;
        let length = input[start..].iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        Some((start, start + length))
    };
    let at_line_start = |at: &usize| *at == 0 || input[at - 1] == b'\n';
    if let Some(at) = memchr::memmem::find_iter(input, b"role:").find(at_line_start) {
        return after(at, 5);
    }
    let word = [b"$6\r\nmaster\r\n".as_slice(), b"$5\r\nslave\r\n"];
    word.iter().find_map(|word| memchr::memmem::find(input, word)).and_then(|at| after(at, 4))
}

fn shortest(expect: &CheckExpect, needle: &[u8]) -> usize {
    match &expect.pattern {
        ExpectPattern::String(bytes) | ExpectPattern::Binary(bytes) => bytes.len(),
        ExpectPattern::Format(..) => needle.len(),
        _ => 0,
    }
}

fn matches(pattern: &ExpectPattern, needle: &[u8], input: &[u8]) -> bool {
    match pattern {
        ExpectPattern::String(bytes) | ExpectPattern::Binary(bytes) => {
            memchr::memmem::find(input, bytes).is_some()
        }
        ExpectPattern::Format(..) => memchr::memmem::find(input, needle).is_some(),
        ExpectPattern::Rstring(_, regex) => regex.is_match(input),
        ExpectPattern::Rbinary(_, regex) => regex.is_match(hex(input).as_bytes()),
        // Decided before a pattern is asked for.
        ExpectPattern::Http(_) | ExpectPattern::Application(_) => false,
    }
}

/// Upper-case hex dump, as HAProxy writes it.
fn hex(bytes: &[u8]) -> String {
    let mut dump = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(dump, "{byte:02X}");
    }
    dump
}
