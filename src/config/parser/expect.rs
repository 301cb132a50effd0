//! `tcp-check expect [OPTION...] [!]string|rstring|string-lf|binary|rbinary|binary-lf PATTERN`, and the options that
//! `http-check expect` has in common with it (manual section 4.2).

use regex::bytes::{Regex, RegexBuilder};

use super::admit::{self, Verdict};
use super::check_format;
use super::context::Context;
use super::statement::{Statement, UNBOUNDED};
use super::value;
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::lexer::Word;
use crate::config::model::{
    CheckAction, CheckExpect, CheckFormat, CheckRule, CheckSample, Coding, ExpectPattern,
};
use crate::config::rule::pcre;

const OK_STATUSES: [&str; 4] = ["L4OK", "L6OK", "L7OK", "L7OKC"];
const ERROR_STATUSES: [&str; 5] = ["L7OKC", "L7RSP", "L7STS", "L6RSP", "L4CON"];
const TIMEOUT_STATUSES: [&str; 3] = ["L7TOUT", "L6TOUT", "L4TOUT"];

/// What one compiled expression may occupy, in bytes; a role check needs a hundredth of it.
const LARGEST_REGEX: usize = 1 << 18;

type PatternReader = fn(&mut Context<'_>, &Statement<'_>, &str, usize) -> Option<(ExpectPattern, usize)>;

/// What the two kinds of lines do not have in common.
pub(super) struct Family {
    /// `tcp-check expect`
    pub(super) name: &'static str,
    pub(super) scope: Scope,
    /// The words that a pattern begins with.
    pub(super) patterns: &'static [&'static str],
    /// Said of a word that is none of those.
    pub(super) expected: &'static str,
    pub(super) example: &'static str,
    /// Reads the pattern at that word; with how many words it took after it.
    pub(super) pattern: PatternReader,
}

const TCP: Family = Family {
    name: "tcp-check expect",
    scope: Scope::CheckExpect,
    patterns: &["string", "rstring", "string-lf", "binary", "rbinary", "binary-lf"],
    expected: "'only supports min-recv, '[!]binary', '[!]string', '[!]rstring', '[!]string-lf', '[!]rbinary', \
               '[!]binary-lf' or comment",
    example: "for example: tcp-check expect string role:master",
    pattern,
};

/// The options and the pattern, as far as they have been read.
#[derive(Default)]
struct Reading {
    pattern: Option<ExpectPattern>,
    inverse: bool,
    min_recv: Option<usize>,
    ok_status: Option<&'static str>,
    error_status: Option<&'static str>,
    tout_status: Option<&'static str>,
    on_success: Option<CheckFormat>,
    on_error: Option<CheckFormat>,
    status_code: Option<CheckSample>,
    comment: Option<String>,
}

/// `tcp-check expect`
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    rule(context, line, &TCP)
}

/// Reads the line into a rule; `None` once reported.
pub(super) fn rule(context: &mut Context<'_>, line: &Statement<'_>, family: &Family) -> Option<CheckRule> {
    let mut reading = Reading::default();
    let mut at = 2;
    while let Some(word) = line.argument(at) {
        let text = word.str();
        if text == "!" {
            reading.inverse = true;
            at += 1;
            continue;
        }
        let name = text.strip_prefix('!').unwrap_or(&text);
        reading.inverse |= name.len() < text.len();
        if family.patterns.contains(&name) && reading.pattern.is_none() {
            let (pattern, used) = (family.pattern)(context, line, name, at + 1)?;
            reading.pattern = Some(pattern);
            at += 1 + used;
            continue;
        }
        option(context, line, family, &mut reading, at)?;
        at += 2;
    }
    let Some(pattern) = reading.pattern else {
        let message = format!("'{}' : expects at least a matching pattern as arguments.", family.name);
        context.report(Diagnostic::error(line.span(), message).help(family.example));
        return None;
    };
    let expect = CheckExpect {
        inverse: reading.inverse,
        pattern,
        min_recv: reading.min_recv,
        ok_status: reading.ok_status,
        error_status: reading.error_status,
        tout_status: reading.tout_status,
        on_success: reading.on_success,
        on_error: reading.on_error,
        status_code: reading.status_code,
    };
    Some(CheckRule { action: CheckAction::Expect(expect), comment: reading.comment })
}

fn option(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    family: &Family,
    reading: &mut Reading,
    at: usize,
) -> Option<()> {
    let name = line.text(at);
    match &*name {
        "min-recv" => {
            let bytes: i64 = line.number(context, at + 1, "min-recv", -1..=UNBOUNDED)?;
            reading.min_recv = usize::try_from(bytes).ok();
        }
        "comment" | "on-success" | "on-error" | "status-code" => text(context, line, family, reading, at)?,
        "ok-status" => reading.ok_status = Some(status(context, line, family, &OK_STATUSES, at)?),
        "error-status" => reading.error_status = Some(status(context, line, family, &ERROR_STATUSES, at)?),
        "tout-status" => reading.tout_status = Some(status(context, line, family, &TIMEOUT_STATUSES, at)?),
        other => {
            let subject = format!("'{}'", family.name);
            let word = other.strip_prefix('!').unwrap_or(other);
            let is_pattern = family.patterns.contains(&word);
            match admit::option(context, family.scope, word, &subject, line.span_of(at)) {
                Verdict::Taken if !is_pattern => return Some(()),
                Verdict::Refused => return None,
                _ => {}
            }
            let message = match is_pattern {
                true if family.scope == Scope::HttpExpect => format!("{subject} : only on pattern expected."),
                _ => format!("{subject} : {} but got '{other}' as argument.", family.expected),
            };
            context.report(
                Diagnostic::error(line.span_of(at), message)
                    .help("escape or quote the blanks of a pattern: 'a\\ b' or \"a b\""),
            );
            return None;
        }
    }
    Some(())
}

/// An option whose argument is a text.
fn text(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    family: &Family,
    reading: &mut Reading,
    at: usize,
) -> Option<()> {
    let name = line.text(at);
    let expected = format!("'{}' : '{name}' expects a string as argument.", family.name);
    let text = line.string(context, at + 1, &expected)?;
    if name == "comment" {
        reading.comment = Some(text);
        return Some(());
    }
    // They only word a report, so that what is not known costs its words and not the config.
    let unknown = |context: &mut Context<'_>, reason: String| {
        context.warning(line.span_of(at + 1), format!("'{name}' : {reason}; it is left out"));
    };
    if name == "status-code" {
        match check_format::expression(context, text.as_bytes()) {
            Ok(sample) => reading.status_code = Some(sample),
            Err(reason) => unknown(context, reason),
        }
        return Some(());
    }
    let format = check_format::format(context, text.as_bytes());
    let format = format.map_err(|reason| unknown(context, reason)).unwrap_or_default();
    let slot = if name == "on-success" { &mut reading.on_success } else { &mut reading.on_error };
    *slot = Some(format);
    Some(())
}

fn status(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    family: &Family,
    allowed: &'static [&'static str],
    at: usize,
) -> Option<&'static str> {
    let text = line.text(at + 1);
    let status = allowed.iter().copied().find(|status| *status == text);
    if status.is_none() {
        let allowed = allowed.join("', '");
        let name = line.text(at);
        let message =
            format!("'{}' : '{name}' only supports '{allowed}' status (got '{text}').", family.name);
        context.error(line.span_of(at + 1), message);
    }
    status
}

fn pattern(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    name: &str,
    index: usize,
) -> Option<(ExpectPattern, usize)> {
    let word = pattern_word(context, line, TCP.name, name, index)?;
    let pattern = match name {
        "string" => ExpectPattern::String(word.text.clone()),
        "binary" => {
            let bytes = value::hexadecimal(&word.text);
            if bytes.is_none() {
                let message =
                    "'tcp-check expect' : invalid binary string (an even number of hex digit is expected).";
                context.error(word.span, message);
            }
            ExpectPattern::Binary(bytes?)
        }
        "string-lf" => ExpectPattern::Format(format(context, TCP.name, word)?, Coding::Text),
        "binary-lf" => ExpectPattern::Format(format(context, TCP.name, word)?, Coding::Hexadecimal),
        "rstring" => {
            ExpectPattern::Rstring(word.str().into_owned(), regex(context, TCP.name, word, Case::Kept)?)
        }
        _ => ExpectPattern::Rbinary(word.str().into_owned(), regex(context, TCP.name, word, Case::Kept)?),
    };
    Some((pattern, 1))
}

/// A pattern with expressions.
pub(super) fn format(context: &mut Context<'_>, subject: &str, word: &Word) -> Option<CheckFormat> {
    check_format::format(context, &word.text)
        .map_err(|reason| {
            context.error(word.span, format!("'{subject}' : invalid log-format string ({reason})."));
        })
        .ok()
}

/// The word after the name of a pattern.
pub(super) fn pattern_word<'a>(
    context: &mut Context<'_>,
    line: &Statement<'a>,
    subject: &str,
    name: &str,
    index: usize,
) -> Option<&'a Word> {
    let word = line.argument(index);
    if word.is_none() {
        context.error(line.span(), format!("'{subject}' : '{name}' expects a <pattern> as argument."));
    }
    word
}

/// Whether letters have to be of the same case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Kept,
    Ignored,
}

/// Compiles an expression and counts it.
pub(super) fn regex(context: &mut Context<'_>, subject: &str, word: &Word, case: Case) -> Option<Regex> {
    let text = word.str();
    // As PCRE without its UTF mode: a dot is one byte, whatever the byte.
    let built = RegexBuilder::new(&pcre::translated(&text))
        .unicode(false)
        .case_insensitive(case == Case::Ignored)
        .size_limit(LARGEST_REGEX)
        .dfa_size_limit(LARGEST_REGEX)
        .nest_limit(50)
        .build();
    match built {
        Ok(regex) => context.compile(word.span).then_some(regex),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            context.report(
                Diagnostic::error(
                    word.span,
                    format!("'{subject}' : regex '{text}' is invalid (error={reason})."),
                )
                .help("look-around and back references are not taken: a check has to match in linear time"),
            );
            None
        }
    }
}
