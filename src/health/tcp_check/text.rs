//! What a check says in logs and pages: HAProxy's words, because tools read them; and no secret in them.

use std::fmt::Write;

use super::expect::{Miss, hex};
use crate::config::model::{CheckAction, CheckRule, ExpectPattern};
use crate::redis::command;
use crate::state::CheckStatus;

/// HAProxy keeps so many bytes of a check's detail.
const LONGEST: usize = 127;

/// An expect that was not met.
pub(super) fn miss(pattern: &ExpectPattern, miss: Miss, step: usize) -> String {
    let what = match miss {
        Miss::Empty => return format!("TCPCHK got an empty response at step {step}"),
        Miss::Mismatch => "TCPCHK did not match content",
        Miss::Unwanted => "TCPCHK matched unwanted content",
    };
    match pattern {
        ExpectPattern::String(text) => format!("{what} '{}' at step {step}", String::from_utf8_lossy(text)),
        ExpectPattern::Rstring(..) => format!("{what} (regex) at step {step}"),
        ExpectPattern::Binary(_) => format!("{what} (binary) at step {step}"),
        ExpectPattern::Rbinary(..) => format!("{what} (binary regex) at step {step}"),
    }
}

/// The step at which time ran out or the connection broke; `None` is the implicit connect.
pub(super) fn place(rule: Option<&CheckRule>, step: usize) -> String {
    let Some(rule) = rule else { return " at initial connection step of tcp-check".to_owned() };
    let mut text = format!(" at step {step} of tcp-check");
    let _ = match &rule.action {
        CheckAction::Comment => Ok(()),
        CheckAction::Connect(connect) => match connect.port {
            Some(port) => write!(text, " (connect port {port})"),
            None => write!(text, " (connect)"),
        },
        CheckAction::Send(_) | CheckAction::SendBinary(_) => write!(text, " (send)"),
        CheckAction::Expect(expect) => match &expect.pattern {
            ExpectPattern::String(bytes) => {
                write!(text, " (expect string '{}')", String::from_utf8_lossy(bytes))
            }
            ExpectPattern::Binary(bytes) => write!(text, " (expect binary '{}')", hex(bytes)),
            ExpectPattern::Rstring(..) => write!(text, " (expect regex)"),
            ExpectPattern::Rbinary(..) => write!(text, " (expect binary regex)"),
        },
    };
    if let Some(comment) = &rule.comment {
        let _ = write!(text, " comment: '{comment}'");
    }
    text
}

/// Statuses of layer 7 that HAProxy shows with a code.
pub(super) fn code(status: CheckStatus) -> Option<i32> {
    matches!(status, CheckStatus::L7Ok | CheckStatus::L7OkConditional | CheckStatus::L7Status).then_some(0)
}

/// An error reply, named: its text up to where Redis repeats what it was sent.
pub(super) fn trouble(error: &[u8], rules: &[CheckRule]) -> String {
    let text = String::from_utf8_lossy(error);
    let text = text.split(", with args beginning with").next().unwrap_or_default();
    let clean: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    bounded(masked(clean, rules))
}

/// `text` without any argument of AUTH or HELLO that the script sends.
pub(super) fn masked(text: String, rules: &[CheckRule]) -> String {
    let mut text = text;
    for rule in rules {
        if let CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) = &rule.action {
            for secret in command::secrets(bytes.expose()) {
                let Ok(secret) = std::str::from_utf8(&secret) else { continue };
                if text.contains(secret) {
                    text = text.replace(secret, "***");
                }
            }
        }
    }
    text
}

/// Cut to HAProxy's length, between characters.
pub(super) fn bounded(mut text: String) -> String {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
