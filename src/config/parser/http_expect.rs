//! `http-check expect [OPTION...] [!]status|rstatus|string|rstring|hdr|fhdr PATTERN` (manual section 4.2).

use std::ops::RangeInclusive;

use super::context::Context;
use super::expect::{Case, Family, format, pattern_word, regex};
use super::statement::Statement;
use crate::config::keyword::Scope;
use crate::config::lexer::Word;
use crate::config::model::{
    ExpectPattern, Expression, HeaderParts, HeaderWanted, HttpExpect, HttpWanted, OnNotFound, TextPlace,
    TextWanted,
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
                "rstatus" => HttpWanted::Rstatus(expression(context, word, Case::Kept)?),
                "string" => HttpWanted::Body(word.text.clone()),
                "string-lf" => HttpWanted::BodyFormat(format(context, NAME, word)?),
                _ => HttpWanted::Rbody(expression(context, word, Case::Kept)?),
            };
            (wanted, 1)
        }
    };
    // The request and `disable-on-404` are put in when the whole script is known.
    let expect = HttpExpect { wanted, bodiless: false, on_404: OnNotFound::Count };
    Some((ExpectPattern::Http(Box::new(expect)), used))
}

fn expression(context: &mut Context<'_>, word: &Word, case: Case) -> Option<Expression> {
    Some(Expression { text: word.str().into_owned(), regex: regex(context, NAME, word, case)? })
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
    let keyword = line.text(at - 1).trim_start_matches('!').to_owned();
    let no_name = format!(
        "'{NAME}' : '{keyword}' expects at the name keyword as first argument followed by a pattern."
    );
    if !matches!(&*line.text(at), "name" | "name-lf") {
        context.error(line.span_of(at), no_name);
        return None;
    }
    let (name, after) = text(context, line, (&keyword, &no_name), at)?;
    let (value, after) = match &*line.text(after) {
        "value" | "value-lf" => {
            let no_value = format!("'{NAME}' : '{keyword}' expect a pattern with the value keyword.");
            text(context, line, (&keyword, &no_value), after).map(|(value, after)| (Some(value), after))?
        }
        _ => (None, after),
    };
    Some((HttpWanted::Header(HeaderWanted { name, value, parts }), after - at))
}

/// What stands after `name` or `value` at `at`, and the place after that; `missing` is said where nothing does.
fn text(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    (keyword, missing): (&str, &str),
    at: usize,
) -> Option<(TextWanted, usize)> {
    let (is_name, is_format) = (line.text(at).starts_with("name"), line.text(at).ends_with("-lf"));
    let (how, at) = match &*line.text(at + 1) {
        "-m" => (method(context, line, keyword, at + 2)?, at + 3),
        _ => (Method::Text(TextPlace::Whole), at + 1),
    };
    let Some(word) = line.argument(at) else {
        context.error(line.span_of(at), missing);
        return None;
    };
    let wanted = match (how, is_format) {
        (Method::Text(how), true) => TextWanted::Format(how, format(context, NAME, word)?),
        (Method::Text(how), false) => TextWanted::Text(how, word.str().into_owned()),
        (Method::Regex, false) => {
            let case = if is_name { Case::Ignored } else { Case::Kept };
            TextWanted::Matching(expression(context, word, case)?)
        }
        (Method::Regex, true) => {
            let message = format!(
                "'{NAME}' : '{keyword}': log-format string is not supported with a regex matching method."
            );
            context.error(word.span, message);
            return None;
        }
    };
    Some((wanted, at + 1))
}

/// What `-m` names.
#[derive(Clone, Copy)]
enum Method {
    Text(TextPlace),
    Regex,
}

fn method(context: &mut Context<'_>, line: &Statement<'_>, keyword: &str, at: usize) -> Option<Method> {
    Some(match &*line.text(at) {
        "str" => Method::Text(TextPlace::Whole),
        "beg" => Method::Text(TextPlace::Beginning),
        "end" => Method::Text(TextPlace::End),
        "sub" => Method::Text(TextPlace::Part),
        "reg" => Method::Regex,
        "" => {
            let message = format!(
                "'{NAME}' : '{keyword}' : '-m' expects at a matching pattern ('str', 'beg', 'end', 'sub' or 'reg')."
            );
            context.error(line.span_of(at), message);
            return None;
        }
        other => {
            let message = format!(
                "'{NAME}' : '{keyword}' : '-m' only supports 'str', 'beg', 'end', 'sub' or 'reg' (got '{other}')."
            );
            context.error(line.span_of(at), message);
            return None;
        }
    })
}
