//! `log`: `log ADDRESS [len N] [format F] [sample R:S] FACILITY [LEVEL [MIN]]`, `log global`, `no log`
//! (manual section 3.1 and 4.2).

use std::rc::Rc;

use super::address::{self, Address};
use super::context::Context;
use super::statement::{Polarity, Statement};
use crate::config::ast::{LogAddress, LogLine, LogTarget, Proxy, ProxyKind, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::lexer::{Word, expand_unquoted};
use crate::config::model::{LogFormat, LogFraming, LogSampling};

/// Syslog's facilities; the position is the number (RFC 3164, and HAProxy's names for 12 to 15).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp", "ntp",
    "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// Syslog's levels; the position is the number.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const FRAMINGS: [(&str, LogFraming); 8] = [
    ("local", LogFraming::Local),
    ("rfc3164", LogFraming::Rfc3164),
    ("rfc5424", LogFraming::Rfc5424),
    ("priority", LogFraming::Priority),
    ("short", LogFraming::Short),
    ("timed", LogFraming::Timed),
    ("iso", LogFraming::Iso),
    ("raw", LogFraming::Raw),
];

/// HAProxy's longest line unless `len` says otherwise.
const DEFAULT_LENGTH: usize = 1024;

/// `log` in `global`.
pub(super) fn global_line(context: &mut Context<'_>, log: &mut Vec<LogTarget>, line: &Statement<'_>) {
    match line.polarity {
        Polarity::Normal => log.extend(target(context, line)),
        _ if forgets(context, line) => log.clear(),
        _ => {}
    }
}

/// `log` where nothing is logged.
pub(super) fn look_at(context: &mut Context<'_>, line: &Statement<'_>) {
    match line.polarity {
        Polarity::Normal => {
            entry(context, line);
        }
        _ => {
            forgets(context, line);
        }
    }
}

/// Whether the line is a `no log` as it should be; reported if not. HAProxy has no `default log`.
fn forgets(context: &mut Context<'_>, line: &Statement<'_>) -> bool {
    let message = match line.polarity {
        Polarity::Default => "log : 'default log' means nothing: write 'log' or 'no log'",
        _ if line.argument(1).is_some() => "log : 'no log' does not expect arguments",
        _ => return true,
    };
    context.report(Diagnostic::error(line.span(), message).help("'no log' forgets all log lines before it"));
    false
}

/// `log` in a proxy. `no log` forgets what `defaults` and the lines before it gave.
pub(super) fn proxy_line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    match line.polarity {
        Polarity::Normal => Rc::make_mut(&mut proxy.settings.log).extend(entry(context, line)),
        _ if forgets(context, line) => proxy.settings.log = Rc::default(),
        _ => {}
    }
}

fn entry(context: &mut Context<'_>, line: &Statement<'_>) -> Option<LogLine> {
    if line.text(1) == "global" && line.argument(2).is_none() {
        return Some(LogLine::Global);
    }
    target(context, line).map(LogLine::Target)
}

fn target(context: &mut Context<'_>, line: &Statement<'_>) -> Option<LogTarget> {
    let Some(first) = line.argument(1) else {
        context.report(
            Diagnostic::error(line.span(), "log : expects <address> and <facility> or global as arguments")
                .help("for example 'log 127.0.0.1 local0 notice' or 'log stdout format raw local0'"),
        );
        return None;
    };
    let address = log_address(context, first)?;
    let mut at = 2;
    let mut length = DEFAULT_LENGTH;
    let mut framing = LogFraming::default();
    let mut sampling = None;
    loop {
        match &*line.text(at) {
            "len" => length = read_length(context, line, at + 1)?,
            "format" => framing = read_framing(context, line, at + 1)?,
            "sample" => sampling = Some(read_sampling(context, line, at + 1)?),
            _ => break,
        }
        at += 2;
    }
    let facility = facility(context, line, at)?;
    let max_level = level(context, line, at + 1)?.unwrap_or(7);
    let min_level = level(context, line, at + 2)?.unwrap_or(0);
    line.no_more(context, "log", at + 3);
    Some(LogTarget { address, length, framing, sampling, facility, max_level, min_level })
}

fn log_address(context: &mut Context<'_>, word: &Word) -> Option<Spanned<LogAddress>> {
    let text = expand_unquoted(&word.text, &context.environment);
    let text = String::from_utf8_lossy(&text);
    let address = match &*text {
        "stdout" => LogAddress::Stdout,
        "stderr" => LogAddress::Stderr,
        ring if ring.starts_with("ring@") || ring.starts_with("backend@") => {
            let message = format!("log : '{ring}' is ignored: lines are sent to addresses only");
            context.report(
                Diagnostic::warning(word.span, message).help("log to an address, /dev/log or stdout"),
            );
            return None;
        }
        other => match address::address(other) {
            Ok(Address::Abstract(_)) => {
                context.error(word.span, format!("log : '{other}' is not supported as a target"));
                return None;
            }
            Ok(address) => LogAddress::Address(address),
            Err(error) => {
                context.error(word.span, format!("log : {error}"));
                return None;
            }
        },
    };
    Some(Spanned::new(address, word.span))
}

fn read_length(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<usize> {
    let text = line.text(index);
    let length = text.parse().ok().filter(|length| (80..=65_535).contains(length));
    if length.is_none() {
        let message = format!("log : invalid log length '{text}', must be between 80 and 65535");
        context.error(line.span_of(index), message);
    }
    length
}

/// `1,3-4:5`: of five lines the first, the third and the fourth.
fn read_sampling(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<LogSampling> {
    match sampling(&line.text(index)) {
        Ok(sampling) => Some(sampling),
        Err(reason) => {
            context.report(
                Diagnostic::error(line.span_of(index), format!("log : {reason}"))
                    .help("for example 'sample 1:10' for every tenth line"),
            );
            None
        }
    }
}

/// More ranges of one target are no config.
const MOST_RANGES: usize = 1000;

fn sampling(text: &str) -> Result<LogSampling, String> {
    let (list, size_text) = text.rsplit_once(':').ok_or("Missing sample size")?;
    if list.is_empty() {
        return Err("no sampling ranges given".to_owned());
    }
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let wrong = || format!("wrong sample range '{range}'");
        let (first, last) = number(first).zip(number(last)).filter(|(a, b)| a <= b).ok_or_else(wrong)?;
        if ranges.iter().any(|(from, to)| first <= *to && *from <= last) {
            return Err("ranges are overlapping".to_owned());
        }
        ranges.push((first, last));
        if ranges.len() > MOST_RANGES {
            return Err(format!("more than {MOST_RANGES} sampling ranges"));
        }
    }
    let size =
        number(size_text).ok_or(format!("wrong sample size '{size_text}' for sample range '{list}'"))?;
    let highest = ranges.iter().map(|(_, last)| *last).max().unwrap_or(1);
    if size < highest {
        return Err(format!(
            "sample size {size} should be greater or equal to {highest} the maximum of the high ranges limits"
        ));
    }
    Ok(LogSampling { ranges, size })
}

fn read_framing(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<LogFraming> {
    let text = line.text(index);
    let framing = FRAMINGS.iter().find(|(name, _)| *name == text).map(|(_, framing)| *framing);
    if framing.is_none() {
        let names = FRAMINGS.map(|(name, _)| name).join("', '");
        context.report(
            Diagnostic::error(line.span_of(index), format!("log : unknown log format '{text}'"))
                .help(format!("expected one of '{names}'")),
        );
    }
    framing
}

fn facility(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<u8> {
    let Some(word) = line.argument(index) else {
        context.report(
            Diagnostic::error(line.span(), "log : expects <address> and <facility> or global as arguments")
                .help("add a facility, for example 'local0'"),
        );
        return None;
    };
    let position = FACILITIES.iter().position(|name| *name == word.str());
    if position.is_none() {
        context.report(
            Diagnostic::error(word.span, format!("log : unknown log facility '{}'", word.str()))
                .help(format!("expected one of '{}'", FACILITIES.join("', '"))),
        );
    }
    position.map(|position| position as u8)
}

/// `Some(None)` is a level that is not given.
/// The number of a level.
pub(super) fn level_number(name: &str) -> Option<u8> {
    LEVELS.iter().position(|known| *known == name).map(|position| position as u8)
}

fn level(context: &mut Context<'_>, line: &Statement<'_>, index: usize) -> Option<Option<u8>> {
    let Some(word) = line.argument(index) else { return Some(None) };
    let number = level_number(&word.str());
    if number.is_none() {
        context.report(
            Diagnostic::error(word.span, format!("log : unknown optional log level '{}'", word.str()))
                .help(format!("expected one of '{}'", LEVELS.join("', '"))),
        );
    }
    number.map(Some)
}

/// `log-format`, `log-format-sd`, `error-log-format`, `unique-id-format`: one word, read once the mode of the proxy
/// is known.
pub(super) fn format(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let keyword = line.text(0);
    let Some(word) = line.argument(1).filter(|word| !word.text.is_empty()) else {
        return context.error(line.span(), format!("{keyword} expects an argument."));
    };
    if let Some(surplus) = line.argument(2) {
        let message = format!("{keyword} expects only one argument, don't forget to escape spaces!");
        return context.error(surplus.span, message);
    }
    if proxy.kind == ProxyKind::Backend && keyword != "unique-id-format" {
        let message =
            format!("backend '{}' : '{keyword}' directive is ignored in backends.", proxy.name.value);
        context.warning(line.span(), message);
    }
    let settings = &mut proxy.settings;
    let format = Some(Spanned::new(Rc::from(word.text.as_slice()), line.span()));
    match &*keyword {
        "log-format" => {
            let overrides = settings.log_format == LogFormat::Tcp && settings.log_formats.line.is_none();
            if overrides && proxy.kind == ProxyKind::Defaults {
                let message = "'log-format' overrides previous 'option tcplog' in 'defaults' section.";
                context.report(Diagnostic::warning(line.span(), message).heading(Heading::Line));
            }
            settings.log_format = LogFormat::Tcp;
            settings.log_formats.line = format;
        }
        "log-format-sd" => settings.log_formats.structured = format,
        "error-log-format" => settings.log_formats.errors = format,
        _ => settings.log_formats.unique_id = format,
    }
}
