//! Lines in a format of the config's own (`log-format` and its kin, manual section 8.2.6): record in, text out,
//! as HAProxy 2.6 words it. What is not known is `-`, or nothing between quotes.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use super::Clock;
use super::tcplog::is_early;
use crate::config::model::{LogVariable, Look, Part, SessionLog, Template, Value};
use crate::rules;
use crate::state::SessionRecord;

/// All that a line is made of.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a> {
    pub record: &'a SessionRecord,
    pub log: &'a SessionLog,
    /// A service of ours that answered: stands for a server.
    pub service: Option<&'a str>,
    pub clock: &'a Clock,
    pub pid: u32,
}

/// The text of one line.
pub fn text(template: &Template, story: Story<'_>) -> String {
    let mut out = String::with_capacity(200);
    for part in &template.parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Sample(at, look) => {
                let value = at.and_then(|at| story.record.details.samples.get(at)?.as_ref());
                push_text(&mut out, value.map(shown).as_deref(), *look);
            }
            Part::Variable(variable, look) => push_variable(&mut out, *variable, *look, story),
        }
    }
    out
}

/// `%ID`; its times are in UTC, so that it is the same wherever it is made.
pub fn unique_id(story: Story<'_>) -> Option<String> {
    let template = story.log.unique_id.as_ref()?;
    Some(text(template, Story { clock: &Clock::utc(), log: &SessionLog::default(), ..story }))
}

fn shown(value: &Value) -> String {
    String::from_utf8_lossy(&rules::text(value)).into_owned()
}

fn push_variable(out: &mut String, variable: LogVariable, look: Look, story: Story<'_>) {
    use LogVariable as V;
    let record = story.record;
    let details = &record.details;
    match variable {
        V::ClientIp => push_ip(out, record.client, look),
        V::ClientPort => push_port(out, record.client, look),
        V::FrontendIp => push_ip(out, details.destination, look),
        V::FrontendPort => push_port(out, details.destination, look),
        V::SourceIp => push_ip(out, details.server_source, look),
        V::SourcePort => push_port(out, details.server_source, look),
        V::ServerIp => push_ip(out, details.server_target, look),
        V::ServerPort => push_port(out, details.server_target, look),
        V::Frontend | V::FrontendTransport | V::Backend | V::Server => {
            push_text(out, Some(&name(variable, story)), look);
        }
        V::Cipher => push_text(out, record.tls.as_ref().map(|told| told.cipher), look),
        V::TlsVersion => push_text(out, record.tls.as_ref().map(|told| told.protocol), look),
        V::UniqueId => push_text(out, unique_id(story).as_deref(), look),
        V::Http => push_text(out, None, look),
        V::Captures => push_captures(out, &details.captures, look),
        V::CaptureList => push_list(out, &details.captures, look),
        _ => push_number(out, variable, look, story),
    }
}

/// As in the lines of `option tcplog`.
fn name(variable: LogVariable, story: Story<'_>) -> String {
    let record = story.record;
    let frontend = record.frontend.name.as_str();
    match variable {
        LogVariable::FrontendTransport if record.tls.is_some() => format!("{frontend}~"),
        LogVariable::Backend => {
            record.backend.as_ref().map_or_else(|| frontend.to_owned(), |backend| backend.name().to_string())
        }
        LogVariable::Server => {
            let server = record.server.as_ref().map(|server| server.name());
            story.service.or(server.as_deref()).unwrap_or("<NOSRV>").to_owned()
        }
        _ => frontend.to_owned(),
    }
}

/// Numbers and dates are never quoted.
fn push_number(out: &mut String, variable: LogVariable, look: Look, story: Story<'_>) {
    use LogVariable as V;
    let record = story.record;
    let at = &record.concurrency;
    let early = if is_early(record) { "+" } else { "" };
    let total = record.total.as_millis();
    let since = record.accepted.duration_since(UNIX_EPOCH).unwrap_or_default();
    let _ = match variable {
        V::DateUtc => write!(out, "{}", Clock::utc().with_zone(record.accepted)),
        V::DateLocal => write!(out, "{}", story.clock.with_zone(record.accepted)),
        V::DateMilliseconds => write!(out, "{}", story.clock.tcplog(record.accepted)),
        V::Seconds if look.hexadecimal => write!(out, "{:04X}", since.as_secs()),
        V::Seconds => write!(out, "{}", since.as_secs()),
        V::Milliseconds if look.hexadecimal => write!(out, "{:02X}", since.subsec_millis()),
        V::Milliseconds => write!(out, "{:03}", since.subsec_millis()),
        V::WaitTime => push_time(out, record.wait),
        V::ConnectTime => push_time(out, record.connect),
        V::DataTime => push_time(out, data_time(record)),
        V::HandshakeTime => push_time(out, Some(record.details.handshake)),
        V::Status => write!(out, "0"),
        V::TotalTime | V::UserTime => write!(out, "{early}{total}"),
        V::BytesIn => write!(out, "{early}{}", record.bytes_in),
        V::BytesOut => write!(out, "{early}{}", record.bytes_out),
        V::ProcessConnections => write!(out, "{}", at.process),
        V::FrontendConnections => write!(out, "{}", at.frontend),
        V::BackendConnections => write!(out, "{}", at.backend),
        V::ServerConnections => write!(out, "{}", at.server),
        V::Retries => write!(out, "{}{}", if record.redispatched { "+" } else { "" }, record.retries),
        V::ServerQueue => write!(out, "{}", record.server_queue),
        V::BackendQueue => write!(out, "{}", record.backend_queue),
        V::LogCounter => write!(out, "{}", record.frontend.lines.sum()),
        V::Pid if look.hexadecimal => write!(out, "{:04X}", story.pid),
        V::Pid => write!(out, "{}", story.pid),
        V::SessionNumber if look.hexadecimal => write!(out, "{:04X}", record.details.number),
        V::SessionNumber => write!(out, "{}", record.details.number),
        V::Termination => write!(out, "{}", record.termination),
        V::TerminationCookies => write!(out, "{}--", record.termination),
        _ => Ok(()),
    };
}

/// From the connect to the end.
fn data_time(record: &SessionRecord) -> Option<Duration> {
    let connect = record.connect?;
    Some(record.total.saturating_sub(record.wait.unwrap_or_default()).saturating_sub(connect))
}

fn push_time(out: &mut String, time: Option<Duration>) -> std::fmt::Result {
    match time {
        Some(time) => write!(out, "{}", time.as_millis()),
        None => write!(out, "-1"),
    }
}

fn push_ip(out: &mut String, address: Option<SocketAddr>, look: Look) {
    match address.map(|address| address.ip()) {
        Some(IpAddr::V4(ip)) if look.hexadecimal => {
            let _ = write!(out, "{:08X}", ip.to_bits());
        }
        Some(IpAddr::V6(ip)) if look.hexadecimal => {
            let _ = write!(out, "{:032X}", ip.to_bits());
        }
        ip => push_text(out, ip.map(|ip| ip.to_string()).as_deref(), look),
    }
}

fn push_port(out: &mut String, address: Option<SocketAddr>, look: Look) {
    let _ = match address.map(|address| address.port()) {
        Some(port) if look.hexadecimal => write!(out, "{port:04X}"),
        Some(port) => write!(out, "{port}"),
        None if look.optional => Ok(()),
        None => write!(out, "-"),
    };
}

/// `%hr`: `{a|b}`, where what would end either is written in hexadecimal.
fn push_captures(out: &mut String, captures: &[Option<Vec<u8>>], look: Look) {
    let coded = captures.iter().map(|capture| coded(capture.as_deref().unwrap_or_default()));
    let text = format!("{{{}}}", coded.collect::<Vec<_>>().join("|"));
    push_text(out, Some(&text), look);
}

/// `%hrl`
fn push_list(out: &mut String, captures: &[Option<Vec<u8>>], look: Look) {
    for (at, capture) in captures.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        // What was captured and is empty is not missing.
        let look = Look { optional: capture.is_some(), ..look };
        push_text(out, Some(&coded(capture.as_deref().unwrap_or_default())), look);
    }
}

fn coded(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'"' | b'#' | b'{' | b'|' | b'}' | 0..0x20 | 0x7f.. => {
                let _ = write!(out, "#{byte:02X}");
            }
            plain => out.push(char::from(*plain)),
        }
    }
    out
}

fn push_text(out: &mut String, text: Option<&str>, look: Look) {
    let text = text.filter(|text| !text.is_empty());
    if look.quoted {
        out.push('"');
    }
    match text {
        Some(text) if look.escaped => text.chars().for_each(|character| {
            if matches!(character, '"' | '\\' | ']') {
                out.push('\\');
            }
            out.push(character);
        }),
        Some(text) => out.push_str(text),
        None if look.quoted || look.optional => {}
        None => out.push('-'),
    }
    if look.quoted {
        out.push('"');
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
