//! `http-check expect` against an answer: HAProxy's order of questions, its texts and its codes.
//!
//! A status or a header is decided by the head alone. A body is searched as it comes: what is found decides
//! at once, what is not found only when the body is complete, the peer has closed or the buffer is full.

use super::expect::{self, Verdict, Words};
use super::http::{self, Answer, Reading};
use super::replies::Replies;
use crate::config::model::{
    CheckExpect, Expression, HeaderParts, HeaderWanted, HttpExpect, HttpWanted, OnNotFound, TextWanted,
};
use crate::state::CheckStatus;

/// What the answer's body did not satisfy.
const NO_BODY: &str = "HTTP content check could not find a response body";
const NOT_FOUND: &str = "HTTP content check did not match";
const UNWANTED: &str = "HTTP check matched unwanted content";

/// How the server stands, as far as an answer's meaning depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Present {
    /// Up, or stopping.
    #[default]
    Serving,
    /// Down: a 404 does not bring it back.
    Stopped,
}

/// Decides a rule.
pub(super) fn evaluate(
    expect: &CheckExpect,
    http: &HttpExpect,
    replies: &Replies,
    present: &expect::Present<'_>,
) -> Verdict {
    let ended = present.ended || replies.is_full();
    let answer = match http::read(replies.input(), http.bodiless) {
        Reading::Answer(answer) => answer,
        Reading::Partial if !ended => return Verdict::Wait,
        Reading::Partial | Reading::Malformed => {
            return Verdict::Over(CheckStatus::L7Response, Words::default());
        }
    };
    if answer.code == 404 && http.on_404 == OnNotFound::Stop && present.server == Present::Serving {
        return Verdict::Over(CheckStatus::L7OkConditional, Words::code(404));
    }
    let matched = match &http.wanted {
        HttpWanted::Status(ranges) => ranges.iter().any(|range| range.contains(&u32::from(answer.code))),
        HttpWanted::Rstatus(expression) => matches(expression, format!("{:03}", answer.code).as_bytes()),
        HttpWanted::Header(wanted) => has_header(&answer, wanted),
        HttpWanted::Body(_) | HttpWanted::BodyFormat(_) | HttpWanted::Rbody(_) => {
            return body(expect, http, &answer, (ended, present.needle));
        }
    };
    let words = Words { code: Some(i32::from(answer.code)), info: answer.reason };
    if matched != expect.inverse {
        Verdict::Met(Words::code(i32::from(answer.code)))
    } else {
        Verdict::Missed(CheckStatus::L7Status, words)
    }
}

fn body(expect: &CheckExpect, http: &HttpExpect, answer: &Answer, (ended, needle): (bool, &[u8])) -> Verdict {
    let complete = answer.complete || ended;
    let missed = |info: &str| {
        let words = Words { code: Some(i32::from(answer.code)), info: info.to_owned() };
        Verdict::Missed(CheckStatus::L7Response, words)
    };
    let short = answer.body.len() < expect.min_recv.unwrap_or(0);
    if !complete && (answer.body.is_empty() || short) {
        return Verdict::Wait;
    }
    if answer.body.is_empty() {
        return missed(NO_BODY);
    }
    let matched = match &http.wanted {
        HttpWanted::Body(text) => memchr::memmem::find(&answer.body, text).is_some(),
        HttpWanted::BodyFormat(_) => memchr::memmem::find(&answer.body, needle).is_some(),
        HttpWanted::Rbody(expression) => matches(expression, &answer.body),
        _ => false,
    };
    match (matched, expect.inverse) {
        (false, _) if !complete && expect.min_recv.is_none() => Verdict::Wait,
        (true, false) | (false, true) => Verdict::Met(Words::code(i32::from(answer.code))),
        (false, false) => missed(NOT_FOUND),
        (true, true) => missed(UNWANTED),
    }
}

fn matches(expression: &Expression, text: &[u8]) -> bool {
    expression.regex.is_match(text)
}

fn has_header(answer: &Answer, wanted: &HeaderWanted) -> bool {
    let mut values = answer.values(|name| is(&wanted.name, name.as_bytes(), Case::Ignored));
    let Some(value) = &wanted.value else { return values.next().is_some() };
    match wanted.parts {
        HeaderParts::Full => values.any(|whole| is(value, whole, Case::Kept)),
        HeaderParts::Each => values
            .flat_map(|whole| whole.split(|byte| *byte == b','))
            .any(|part| is(value, part.trim_ascii(), Case::Kept)),
    }
}

/// Whether letters have to be of the same case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Ignored,
}

fn is(wanted: &TextWanted, text: &[u8], case: Case) -> bool {
    let lower = |written: &str| match case {
        Case::Kept => written.to_owned(),
        Case::Ignored => written.to_ascii_lowercase(),
    };
    match wanted {
        TextWanted::Whole(written) => text == lower(written).as_bytes(),
        TextWanted::Beginning(written) => text.starts_with(lower(written).as_bytes()),
        TextWanted::End(written) => text.ends_with(lower(written).as_bytes()),
        TextWanted::Part(written) => memchr::memmem::find(text, lower(written).as_bytes()).is_some(),
        TextWanted::Matching(expression) => matches(expression, text),
    }
}
