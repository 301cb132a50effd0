//! `http-check expect [OPTION...] [!]status|rstatus|string|rstring|hdr|fhdr PATTERN` (manual section 4.2).

use std::ops::RangeInclusive;

use super::context::Context;
use super::expect::{Family, format, pattern_word, regex};
use super::statement::Statement;
use crate::config::keyword::Scope;
use crate::config::lexer::Word;
use crate::config::model::{
    ExpectPattern, Expression, HeaderParts, HeaderWanted, HttpExpect, HttpWanted, OnNotFound, TextWanted,
};

const NAME: &str = "http-check expect";

/// `http-check expect`
pub(super) const HTTP: Family = Family {
    name: NAME,
    scope: Scope::HttpExpect,
    patterns: &["status", "rstatus", "string", "rstring", "string-lf", "hdr", "fhdr"],
    expected: "'only supports min-recv, [!]string', '[!]rstring', '[!]string-lf', '[!]status', '[!]rstatus', [!]hdr, \
               [!]fhdr or comment",
    example: "for example: http-check expect status 200",
    pattern,
};

/// The pattern, and how many words it is.
fn pattern(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    name: &str,
    at: usize,
) -> Option<(ExpectPattern, usize)> {
    let (wanted, used) = match name {
        "hdr" => header(context, line, HeaderParts::Each, at)?,
        "fhdr" => header(context, line, HeaderParts::Full, at)?,
        _ => {
            let word = pattern_word(context, line, NAME, name, at)?;
            let wanted = match name {
                "status" => HttpWanted::Status(statuses(context, word)?),
                "rstatus" => HttpWanted::Rstatus(expression(context, word)?),
                "string" => HttpWanted::Body(word.text.clone()),
                "string-lf" => HttpWanted::BodyFormat(format(context, NAME, word)?),
                _ => HttpWanted::Rbody(expression(context, word)?),
            };
            (wanted, 1)
        }
    };
    // The request and `disable-on-404` are put in when the whole script is known.
    let expect = HttpExpect { wanted, bodiless: false, on_404: OnNotFound::Count };
    Some((ExpectPattern::Http(Box::new(expect)), used))
}

fn expression(context: &mut Context<'_>, word: &Word) -> Option<Expression> {
    Some(Expression { text: word.str().into_owned(), regex: regex(context, NAME, word)? })
}

/// `200-299,301`
fn statuses(context: &mut Context<'_>, word: &Word) -> Option<Vec<RangeInclusive<u32>>> {
    let text = word.str();
    if let Some(stray) = text.chars().find(|c| !matches!(c, '0'..='9' | ',' | '-')) {
        let message = format!("'{NAME}' : invalid character '{stray}' in the list of status codes.");
        context.error(word.span, message);
        return None;
    }
    let mut ranges = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let range = low.parse().ok().zip(high.parse().ok()).filter(|(low, high): &(u32, u32)| low <= high);
        let Some((low, high)) = range else {
            context.error(word.span, format!("'{NAME}' : invalid range of status codes '{part}'."));
            return None;
        };
        ranges.push(low..=high);
    }
    Some(ranges)
}

/// `name [-m METHOD] TEXT [value [-m METHOD] TEXT]`
fn header(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    parts: HeaderParts,
    at: usize,
) -> Option<(HttpWanted, usize)> {
    if !matches!(&*line.text(at), "name" | "name-lf") {
        let message = format!(
            "'{NAME}' : '{}' expects at the name keyword as first argument followed by a pattern.",
            line.text(at - 1).trim_start_matches('!')
        );
        context.error(line.span_of(at), message);
        return None;
    }
    let (name, after) = text(context, line, at)?;
    let (value, after) = match &*line.text(after) {
        "value" | "value-lf" => text(context, line, after).map(|(value, after)| (Some(value), after))?,
        _ => (None, after),
    };
    Some((HttpWanted::Header(HeaderWanted { name, value, parts }), after - at))
}

/// A name or a value of a header has to be the same in every check.
fn constant(context: &mut Context<'_>, word: &Word) -> Option<String> {
    let constant = format(context, NAME, word)?.constant();
    if constant.is_none() {
        let message =
            format!("'{NAME}' : 'name-lf' and 'value-lf' are only supported with constant expressions");
        context.error(word.span, message);
    }
    constant.map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// What stands after `name` or `value` at `at`, and the place after that.
fn text(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Option<(TextWanted, usize)> {
    let keyword = line.text(at);
    let (method, at) = match &*line.text(at + 1) {
        "-m" => (line.text(at + 2), at + 3),
        _ => ("str".into(), at + 1),
    };
    let word = pattern_word(context, line, NAME, &line.text(at - 1), at)?;
    let written = match keyword.ends_with("-lf") {
        true => constant(context, word)?,
        false => word.str().into_owned(),
    };
    let text = || written.clone();
    let wanted = match &*method {
        "str" => TextWanted::Whole(text()),
        "beg" => TextWanted::Beginning(text()),
        "end" => TextWanted::End(text()),
        "sub" => TextWanted::Part(text()),
        "reg" => TextWanted::Matching(expression(context, word)?),
        other => {
            let message = format!("'{NAME}' : unsupported matching method '{other}'");
            context.error(line.span_of(at - 1), message);
            return None;
        }
    };
    Some((wanted, at + 1))
}
