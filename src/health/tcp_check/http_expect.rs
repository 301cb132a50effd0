//! `http-check expect` against an answer: HAProxy's order of questions, its texts and its codes.
//!
//! A status or a header is decided by the head alone. A body is searched as it comes: what is found decides
//! at once, what is not found only when the body is complete, the peer has closed or the buffer is full.

use std::borrow::Cow;

use super::expect::{self, Needle, Verdict, Words};
use super::http::{self, Answer, Reading};
use super::replies::Replies;
use crate::config::model::{
    CheckExpect, Expression, HeaderParts, HeaderWanted, HttpExpect, HttpWanted, OnNotFound, TextPlace,
    TextWanted,
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
        HttpWanted::Header(wanted) => has_header(&answer, wanted, present.needle),
        HttpWanted::Body(_) | HttpWanted::BodyFormat(_) | HttpWanted::Rbody(_) => {
            return body(expect, http, &answer, (ended, &present.needle.text));
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

fn has_header(answer: &Answer, wanted: &HeaderWanted, needle: &Needle) -> bool {
    // Names are in lower case there.
    let name = Wanted::of(&wanted.name, &needle.text).ignoring_case();
    let mut values = answer.values(|found| name.is(found.as_bytes()));
    let Some(value) = &wanted.value else { return values.next().is_some() };
    let value = Wanted::of(value, &needle.value);
    match wanted.parts {
        HeaderParts::Full => values.any(|whole| value.is(whole)),
        HeaderParts::Each => {
            values.flat_map(|whole| whole.split(|byte| *byte == b',')).any(|part| value.is(part.trim_ascii()))
        }
    }
}

/// What a name or a value has to be.
enum Wanted<'a> {
    Text(TextPlace, Cow<'a, [u8]>),
    Matching(&'a Expression),
}

impl<'a> Wanted<'a> {
    /// `rendered` is what a format has come to.
    fn of(wanted: &'a TextWanted, rendered: &'a [u8]) -> Wanted<'a> {
        match wanted {
            TextWanted::Text(how, text) => Wanted::Text(*how, Cow::Borrowed(text.as_bytes())),
            TextWanted::Format(how, _) => Wanted::Text(*how, Cow::Borrowed(rendered)),
            TextWanted::Matching(expression) => Wanted::Matching(expression),
        }
    }

    fn ignoring_case(self) -> Wanted<'a> {
        match self {
            Wanted::Text(how, text) => Wanted::Text(how, Cow::Owned(text.to_ascii_lowercase())),
            expression @ Wanted::Matching(_) => expression,
        }
    }

    fn is(&self, found: &[u8]) -> bool {
        match self {
            Wanted::Text(TextPlace::Whole, text) => found == &**text,
            Wanted::Text(TextPlace::Beginning, text) => found.starts_with(text),
            Wanted::Text(TextPlace::End, text) => found.ends_with(text),
            Wanted::Text(TextPlace::Part, text) => memchr::memmem::find(found, text).is_some(),
            Wanted::Matching(expression) => matches(expression, found),
        }
    }
}
