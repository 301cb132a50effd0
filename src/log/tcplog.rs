//! The lines of sessions, to the character as HAProxy's `option tcplog` (manual section 8.2.2), which halog
//! and people's parsers read. Pure: record in, text out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Clock, Refused};
use crate::config::model::{Frontend, Mode};
use crate::state::SessionRecord;

/// `CLIENT [TIME] FRONTEND BACKEND/SERVER Tw/Tc/Tt BYTES ts ac/fc/bc/sc/rc sq/bq`. Where a service of ours
/// answered, its name (`<STATS>`) stands for a server.
pub fn line(record: &SessionRecord, service: Option<&str>, clock: &Clock) -> String {
    let frontend = record.frontend.name.as_str();
    let backend = record.backend.as_ref().map(|backend| backend.name());
    let backend = backend.as_deref().unwrap_or(frontend);
    let server = record.server.as_ref().map(|server| server.name());
    let server = service.or(server.as_deref()).unwrap_or("<NOSRV>");
    let mut text = String::with_capacity(160);
    push_address(&mut text, record.client);
    // `%ft`
    let secured = if record.tls.is_some() { "~" } else { "" };
    let _ = write!(text, " [{}] {frontend}{secured} {backend}/{server} ", clock.tcplog(record.accepted));
    push_tail(&mut text, record);
    text
}

/// `Connect from CLIENT to LOCAL (FRONTEND/MODE)`, when there is no `option tcplog`.
pub fn connect_line(frontend: &Frontend, client: Option<SocketAddr>, local: Option<SocketAddr>) -> String {
    let mode = match frontend.mode {
        Mode::Tcp => "TCP",
        Mode::Http => "HTTP",
    };
    let mut text = "Connect from ".to_owned();
    push_address(&mut text, client);
    text.push_str(" to ");
    push_address(&mut text, local);
    let _ = write!(text, " ({}/{mode})", frontend.name);
    text
}

/// `CLIENT [DATE] FRONTEND/LISTENER: WHY`, for a connection that never became a session.
pub fn refusal_line(
    frontend: &Frontend,
    client: Option<SocketAddr>,
    refused: &Refused,
    clock: &Clock,
) -> String {
    let mut text = String::new();
    push_address(&mut text, client);
    let (at, listener) = (clock.tcplog(refused.at), &refused.listener);
    let _ = write!(text, " [{at}] {}/{listener}: {}", frontend.name, refused.error);
    text
}

fn push_tail(text: &mut String, record: &SessionRecord) {
    push_milliseconds(text, record.wait);
    text.push('/');
    push_milliseconds(text, record.connect);
    let early = if is_early(record) { "+" } else { "" };
    let again = if record.redispatched { "+" } else { "" };
    let at = &record.concurrency;
    let _ = write!(
        text,
        "/{early}{} {early}{} {} {}/{}/{}/{}/{again}{} {}/{}",
        record.total.as_millis(),
        record.bytes_out,
        record.termination,
        at.process,
        at.frontend,
        at.backend,
        at.server,
        record.retries,
        record.server_queue,
        record.backend_queue,
    );
}

/// Under `option logasap` the two numbers are marked even where the line came at the session's end, for want
/// of a connection.
pub(super) fn is_early(record: &SessionRecord) -> bool {
    let frontend = record.frontend_id.and_then(|id| record.config.frontends.get(id.0));
    record.as_soon_as_possible || frontend.is_some_and(|frontend| frontend.log.as_soon_as_possible)
}

/// `ADDRESS:PORT` without the brackets of IPv6, as HAProxy; a unix socket has listener 1's name.
fn push_address(text: &mut String, address: Option<SocketAddr>) {
    let _ = match address {
        Some(address) => write!(text, "{}:{}", address.ip(), address.port()),
        None => write!(text, "unix:1"),
    };
}

fn push_milliseconds(text: &mut String, time: Option<Duration>) {
    let _ = match time {
        Some(time) => write!(text, "{}", time.as_millis()),
        None => write!(text, "-1"),
    };
}

#[cfg(test)]
#[path = "tcplog_tests.rs"]
pub(super) mod tests;
