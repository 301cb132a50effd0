//! `tcp-check expect [OPTION...] [!]string|rstring|binary|rbinary PATTERN` (manual section 4.2).

use regex::bytes::{Regex, RegexBuilder};

use super::admit::{self, Verdict};
use super::context::Context;
use super::statement::{Statement, UNBOUNDED};
use super::value;
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::lexer::Word;
use crate::config::model::{CheckAction, CheckExpect, CheckRule, ExpectPattern};

const OK_STATUSES: [&str; 4] = ["L4OK", "L6OK", "L7OK", "L7OKC"];
const ERROR_STATUSES: [&str; 5] = ["L7OKC", "L7RSP", "L7STS", "L6RSP", "L4CON"];
const TIMEOUT_STATUSES: [&str; 3] = ["L7TOUT", "L6TOUT", "L4TOUT"];

/// What one compiled expression may occupy, in bytes; a role check needs a hundredth of it.
const LARGEST_REGEX: usize = 1 << 18;

/// The options and the pattern, as far as they have been read.
#[derive(Default)]
struct Reading {
    pattern: Option<ExpectPattern>,
    inverse: bool,
    min_recv: Option<usize>,
    ok_status: Option<&'static str>,
    error_status: Option<&'static str>,
    tout_status: Option<&'static str>,
    on_success: Option<String>,
    on_error: Option<String>,
    comment: Option<String>,
}

/// Reads the line into a rule; `None` once reported.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
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
        match name {
            "string" | "rstring" | "binary" | "rbinary" if reading.pattern.is_none() => {
                reading.pattern = Some(pattern(context, line, name, at + 1)?);
            }
            _ => option(context, line, &mut reading, at)?,
        }
        at += 2;
    }
    let Some(pattern) = reading.pattern else {
        context.report(
            Diagnostic::error(
                line.span(),
                "'tcp-check expect' : expects at least a matching pattern as arguments.",
            )
            .help("for example: tcp-check expect string role:master"),
        );
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
    };
    Some(CheckRule { action: CheckAction::Expect(expect), comment: reading.comment })
}

fn option(context: &mut Context<'_>, line: &Statement<'_>, reading: &mut Reading, at: usize) -> Option<()> {
    let name = line.text(at);
    match &*name {
        "min-recv" => {
            let bytes: i64 = line.number(context, at + 1, "min-recv", -1..=UNBOUNDED)?;
            reading.min_recv = usize::try_from(bytes).ok();
        }
        "comment" => reading.comment = Some(text(context, line, &name, at + 1)?),
        "on-success" => reading.on_success = Some(message_text(context, line, &name, at + 1)?),
        "on-error" => reading.on_error = Some(message_text(context, line, &name, at + 1)?),
        "ok-status" => reading.ok_status = Some(status(context, line, &OK_STATUSES, at)?),
        "error-status" => reading.error_status = Some(status(context, line, &ERROR_STATUSES, at)?),
        "tout-status" => reading.tout_status = Some(status(context, line, &TIMEOUT_STATUSES, at)?),
        other => {
            let subject = "'tcp-check expect'";
            let word = other.strip_prefix('!').unwrap_or(other);
            match admit::option(context, Scope::CheckExpect, word, subject, line.span_of(at)) {
                Verdict::Taken if reading.pattern.is_none() || !is_pattern(word) => return Some(()),
                Verdict::Refused => return None,
                _ => {}
            }
            let message = format!(
                "{subject} : 'only supports min-recv, '[!]binary', '[!]string', '[!]rstring', '[!]rbinary' or comment \
                 but got '{other}' as argument."
            );
            context.report(
                Diagnostic::error(line.span_of(at), message)
                    .help("escape or quote the blanks of a pattern: 'a\\ b' or \"a b\""),
            );
            return None;
        }
    }
    Some(())
}

fn is_pattern(word: &str) -> bool {
    matches!(word, "string" | "rstring" | "binary" | "rbinary")
}

fn text(context: &mut Context<'_>, line: &Statement<'_>, name: &str, index: usize) -> Option<String> {
    line.string(context, index, &format!("'tcp-check expect' : '{name}' expects a string as argument."))
}

/// HAProxy expands variables here; what stands for one is sent as it is written.
fn message_text(context: &mut Context<'_>, line: &Statement<'_>, name: &str, index: usize) -> Option<String> {
    let text = text(context, line, name, index)?;
    if text.contains("%[") {
        context.warning(line.span_of(index), format!("'{name}' : variables are not expanded"));
    }
    Some(text)
}

fn status(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    allowed: &'static [&'static str],
    at: usize,
) -> Option<&'static str> {
    let text = line.text(at + 1);
    let status = allowed.iter().copied().find(|status| *status == text);
    if status.is_none() {
        let allowed = allowed.join("', '");
        let name = line.text(at);
        let message =
            format!("'tcp-check expect' : '{name}' only supports '{allowed}' status (got '{text}').");
        context.error(line.span_of(at + 1), message);
    }
    status
}

fn pattern(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    name: &str,
    index: usize,
) -> Option<ExpectPattern> {
    let Some(word) = line.argument(index) else {
        context.error(line.span(), format!("'tcp-check expect' : '{name}' expects a <pattern> as argument."));
        return None;
    };
    match name {
        "string" => Some(ExpectPattern::String(word.text.clone())),
        "binary" => {
            let bytes = value::hexadecimal(&word.text);
            if bytes.is_none() {
                let message =
                    "'tcp-check expect' : invalid binary string (an even number of hex digit is expected).";
                context.error(word.span, message);
            }
            bytes.map(ExpectPattern::Binary)
        }
        "rstring" => Some(ExpectPattern::Rstring(word.str().into_owned(), regex(context, word)?)),
        _ => Some(ExpectPattern::Rbinary(word.str().into_owned(), regex(context, word)?)),
    }
}

fn regex(context: &mut Context<'_>, word: &Word) -> Option<Regex> {
    let text = word.str();
    // As PCRE without its UTF mode: a dot is one byte, whatever the byte.
    let built = RegexBuilder::new(&text)
        .unicode(false)
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
                    format!("'tcp-check expect' : regex '{text}' is invalid (error={reason})."),
                )
                .help("look-around and back references are not taken: a check has to match in linear time"),
            );
            None
        }
    }
}
