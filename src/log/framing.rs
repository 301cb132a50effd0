//! The header that stands before a line, by `log ... format F`, and the cut to `len` (manual section 3.1).
//!
//! As HAProxy 2.6 sends them: a line feed ends every line, datagrams included, and is not counted in `len`;
//! `local` is rfc3164 without the host name unless `log-send-hostname` gives one; rfc5424 writes `-` for
//! the host name then, rfc3164 `localhost`.

use std::time::SystemTime;

use super::{Clock, Level};
use crate::config::model::{LogFraming, LogTarget};

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `log-tag` of the global section, else the program's file name.
    pub tag: String,
    pub pid: u32,
    /// `log-send-hostname`.
    pub sent_hostname: Option<String>,
    pub echo: Echo,
}

/// Whether events are also shown on standard error, as HAProxy does in the foreground without `-q`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Echo {
    #[default]
    Off,
    Stderr,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The proxy's own `log-tag`.
    pub tag: Option<&'a str>,
    pub level: Level,
    pub text: &'a str,
    /// `log-format-sd`
    pub structured: Option<&'a str>,
    pub at: SystemTime,
}

/// The bytes of one line for one target; `None` if the target does not take its level.
pub fn frame(target: &LogTarget, identity: &Identity, clock: &Clock, line: Line<'_>) -> Option<Vec<u8>> {
    let level = line.level as u8;
    if level > target.max_level {
        return None;
    }
    let level = level.max(target.min_level);
    let mut bytes = header(target, identity, clock, (line, level)).into_bytes();
    bytes.reserve(line.text.len() + 1);
    line.text.bytes().for_each(|byte| push_printable(&mut bytes, byte));
    bytes.truncate(target.length);
    bytes.push(b'\n');
    Some(bytes)
}

fn header(
    target: &LogTarget,
    identity: &Identity,
    clock: &Clock,
    (Line { tag, structured, at, .. }, level): (Line<'_>, u8),
) -> String {
    let tag = tag.unwrap_or(&identity.tag);
    let priority = u32::from(target.facility) * 8 + u32::from(level);
    let pid = identity.pid;
    let sent = identity.sent_hostname.as_deref();
    let with_host = |host: &str| format!("<{priority}>{} {host} {tag}[{pid}]: ", clock.rfc3164(at));
    match target.framing {
        LogFraming::Local => match sent {
            Some(host) => with_host(host),
            None => format!("<{priority}>{} {tag}[{pid}]: ", clock.rfc3164(at)),
        },
        LogFraming::Rfc3164 => with_host(sent.unwrap_or("localhost")),
        LogFraming::Rfc5424 => {
            let (time, host, data) = (clock.rfc5424(at), sent.unwrap_or("-"), structured.unwrap_or("-"));
            format!("<{priority}>1 {time} {host} {tag} {pid} - {data} ")
        }
        LogFraming::Priority => format!("<{priority}>"),
        LogFraming::Short => format!("<{level}>"),
        LogFraming::Timed => format!("<{level}>{} ", clock.rfc5424(at)),
        LogFraming::Iso => format!("{} ", clock.rfc5424(at)),
        LogFraming::Raw => String::new(),
    }
}

/// Control bytes could start a line of their own at the receiver; they are written `#XX`.
fn push_printable(line: &mut Vec<u8>, byte: u8) {
    if byte >= 0x20 && byte != 0x7f {
        return line.push(byte);
    }
    line.extend_from_slice(format!("#{byte:02X}").as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::model::LogAddress;

    fn identity() -> Identity {
        Identity { tag: "tag".into(), pid: 7, sent_hostname: None, echo: Echo::Off }
    }

    fn target(framing: LogFraming) -> LogTarget {
        let address = LogAddress::Stdout;
        LogTarget { address, length: 1024, framing, sampling: None, facility: 16, max_level: 7, min_level: 0 }
    }

    fn framed(target: &LogTarget, identity: &Identity, level: Level, text: &str) -> Option<String> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_236_237_378_968);
        let line =
            frame(target, identity, &Clock::utc(), Line { tag: None, level, text, structured: None, at })?;
        Some(String::from_utf8(line).unwrap())
    }

    #[test]
    fn every_format_has_its_header() {
        for (framing, expected) in [
            (LogFraming::Local, "<133>Nov 21 04:43:57 tag[7]: hi\n"),
            (LogFraming::Rfc3164, "<133>Nov 21 04:43:57 localhost tag[7]: hi\n"),
            (LogFraming::Rfc5424, "<133>1 2026-11-21T04:43:57.378968+00:00 - tag 7 - - hi\n"),
            (LogFraming::Priority, "<133>hi\n"),
            (LogFraming::Short, "<5>hi\n"),
            (LogFraming::Timed, "<5>2026-11-21T04:43:57.378968+00:00 hi\n"),
            (LogFraming::Iso, "2026-11-21T04:43:57.378968+00:00 hi\n"),
            (LogFraming::Raw, "hi\n"),
        ] {
            let line = framed(&target(framing), &identity(), Level::Notice, "hi");
            assert_eq!(line.as_deref(), Some(expected), "{framing:?}");
        }
    }

    #[test]
    fn a_sent_hostname_stands_in_every_format_that_has_a_place_for_it() {
        let named = Identity { sent_hostname: Some("me".into()), ..identity() };
        let line = |framing| framed(&target(framing), &named, Level::Info, "hi").unwrap();
        assert_eq!(line(LogFraming::Local), "<134>Nov 21 04:43:57 me tag[7]: hi\n");
        assert_eq!(line(LogFraming::Rfc3164), "<134>Nov 21 04:43:57 me tag[7]: hi\n");
        assert_eq!(line(LogFraming::Rfc5424), "<134>1 2026-11-21T04:43:57.378968+00:00 me tag 7 - - hi\n");
    }

    #[test]
    fn levels_are_filtered_and_capped() {
        let narrow = LogTarget { max_level: 5, min_level: 3, ..target(LogFraming::Priority) };
        assert_eq!(framed(&narrow, &identity(), Level::Info, "hi"), None);
        assert_eq!(framed(&narrow, &identity(), Level::Notice, "hi").as_deref(), Some("<133>hi\n"));
        assert_eq!(framed(&narrow, &identity(), Level::Alert, "hi").as_deref(), Some("<131>hi\n"));
    }

    #[test]
    fn a_long_line_is_cut_before_its_line_feed() {
        let short = LogTarget { length: 80, ..target(LogFraming::Local) };
        let line = framed(&short, &identity(), Level::Info, &"x".repeat(500)).unwrap();
        assert_eq!(line.len(), 81);
        assert!(line.ends_with("xx\n"));
    }

    #[test]
    fn no_text_can_begin_a_line_of_its_own() {
        let line = framed(&target(LogFraming::Raw), &identity(), Level::Info, "a\r\n<0>b\u{7f}").unwrap();
        assert_eq!(line, "a#0D#0A<0>b#7F\n");
    }

    proptest::proptest! {
        #[test]
        fn a_line_is_one_line_within_its_length(text in "(?s).{0,2000}", length in 80usize..1200) {
            let bounded = LogTarget { length, ..target(LogFraming::Local) };
            let at = SystemTime::UNIX_EPOCH;
            let line = Line { tag: None, level: Level::Info, text: &text, structured: None, at };
            let bytes = frame(&bounded, &identity(), &Clock::utc(), line).unwrap();
            proptest::prop_assert!(bytes.len() <= length + 1);
            proptest::prop_assert_eq!(bytes.iter().position(|byte| *byte == b'\n'), Some(bytes.len() - 1));
        }
    }
}
