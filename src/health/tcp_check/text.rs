//! What a check says in logs and pages: HAProxy's words, because tools read them; and no secret in them.

use std::fmt::Write;

use crate::config::model::{CheckAction, CheckRule, Coding, ExpectPattern};
use crate::redis::command;
use crate::state::CheckStatus;

/// HAProxy keeps so many bytes of a check's detail.
const LONGEST: usize = 127;

/// An expect that was not met, by bytes that are missing or by bytes that are there.
pub(super) fn miss(pattern: &ExpectPattern, unwanted: bool, step: usize) -> String {
    let what = if unwanted { "TCPCHK matched unwanted content" } else { "TCPCHK did not match content" };
    match pattern {
        ExpectPattern::String(text) => format!("{what} '{}' at step {step}", shown(text)),
        ExpectPattern::Rstring(..) => format!("{what} (regex) at step {step}"),
        ExpectPattern::Binary(_) => format!("{what} (binary) at step {step}"),
        ExpectPattern::Rbinary(..) => format!("{what} (binary regex) at step {step}"),
        ExpectPattern::Format(_, Coding::Text) => format!("{what} (log-format string) at step {step}"),
        ExpectPattern::Format(_, Coding::Hexadecimal) => format!("{what} (log-format binary) at step {step}"),
        // These have words of their own.
        ExpectPattern::Http(_) | ExpectPattern::Application(_) => String::new(),
    }
}

/// The peer closed without a byte.
pub(super) fn empty(step: usize, comment: Option<&str>) -> String {
    let mut text = format!("TCPCHK got an empty response at step {step}");
    quote_comment(&mut text, comment);
    text
}

/// A miss with the rule's comment.
pub(super) fn commented(mut text: String, comment: Option<&str>) -> String {
    if let Some(comment) = comment {
        let _ = write!(text, " comment: {comment}");
    }
    text
}

fn quote_comment(text: &mut String, comment: Option<&str>) {
    if let Some(comment) = comment {
        let _ = write!(text, " comment: '{comment}'");
    }
}

/// The step at which time ran out or the connection broke; `None` is the implicit connect.
pub(super) fn place(rule: Option<&CheckRule>, step: usize) -> String {
    let Some(rule) = rule else { return " at initial connection step of tcp-check".to_owned() };
    let mut text = format!(" at step {step} of tcp-check");
    let _ = match &rule.action {
        CheckAction::Comment | CheckAction::SetVariable { .. } | CheckAction::UnsetVariable(_) => Ok(()),
        CheckAction::Connect(connect) => match connect.port {
            Some(port) => write!(text, " (connect port {port})"),
            None => write!(text, " (connect)"),
        },
        CheckAction::Send(_) | CheckAction::SendBinary(_) | CheckAction::SendFormat { .. } => {
            write!(text, " (send)")
        }
        CheckAction::Expect(expect) => match &expect.pattern {
            ExpectPattern::String(bytes) => {
                write!(text, " (expect string '{}')", shown(bytes))
            }
            ExpectPattern::Binary(bytes) => write!(text, " (expect binary '{}')", shown(bytes)),
            ExpectPattern::Rstring(..) => write!(text, " (expect regex)"),
            ExpectPattern::Rbinary(..) => write!(text, " (expect binary regex)"),
            ExpectPattern::Format(_, Coding::Text) => write!(text, " (expect log-format string)"),
            ExpectPattern::Format(_, Coding::Hexadecimal) => write!(text, " (expect log-format binary)"),
            ExpectPattern::Http(_) | ExpectPattern::Application(_) => Ok(()),
        },
    };
    quote_comment(&mut text, rule.comment.as_deref());
    text
}

/// Bytes as HAProxy shows them in a line: what is not printable in hex, as in `<0D><0A>`.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if (0x20..0x7f).contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "<{byte:02X}>");
        }
        text
    })
}

/// The code of a check, which only some statuses of layer 7 are shown with; 0 if nothing says one.
pub(super) fn code(status: CheckStatus, said: Option<i32>) -> Option<i32> {
    status.reports_code().then_some(said.unwrap_or(0))
}

/// An error reply, named: its text up to where Redis repeats what it was sent. `told` are the secrets that were put
/// together for this check.
pub(super) fn trouble(error: &[u8], rules: &[CheckRule], told: &[Vec<u8>]) -> String {
    let mut text = shown(error);
    text.truncate(text.find(", with args beginning with").unwrap_or(text.len()));
    bounded(masked(text, rules, told))
}

/// `text` without any argument of AUTH or HELLO that the script sends.
pub(super) fn masked(text: String, rules: &[CheckRule], told: &[Vec<u8>]) -> String {
    let mut text = text;
    let mut mask = |secret: &[u8]| {
        let Ok(secret) = std::str::from_utf8(secret) else { return };
        if text.contains(secret) {
            text = text.replace(secret, "***");
        }
    };
    told.iter().for_each(|secret| mask(secret));
    for rule in rules {
        if let CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) = &rule.action {
            command::secrets(bytes.expose()).iter().for_each(|secret| mask(secret));
        }
    }
    text
}

/// Cut to HAProxy's length, between characters, and where a text of the C library ends.
pub(in crate::health) fn bounded(mut text: String) -> String {
    let mut end = text.find('\0').unwrap_or(text.len()).min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
