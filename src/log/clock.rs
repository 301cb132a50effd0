//! Local time for log lines. The zone is loaded once, before `chroot` hides the zone database.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time zone that stays as it was loaded.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// The machine's zone (`TZ`, else `/etc/localtime`, else UTC).
    pub fn system() -> Clock {
        Clock { zone: TimeZone::try_system().unwrap_or(TimeZone::UTC) }
    }

    /// UTC, for tests.
    pub fn utc() -> Clock {
        Clock { zone: TimeZone::UTC }
    }

    /// A fixed offset east of UTC, in seconds; UTC if there is no such offset.
    pub fn fixed(seconds: i32) -> Clock {
        let zone = jiff::tz::Offset::from_seconds(seconds).map_or(TimeZone::UTC, TimeZone::fixed);
        Clock { zone }
    }

    /// `Nov  1 02:25:11`
    pub fn rfc3164(&self, at: SystemTime) -> String {
        let time = self.local(at);
        let (month, day) = (month(&time), time.day());
        format!("{month} {day:2} {:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }

    /// `2026-11-21T04:43:57.378968+00:00`
    pub fn rfc5424(&self, at: SystemTime) -> String {
        let time = self.local(at);
        let mut text = format!("{:04}-{:02}-{:02}T", time.year(), time.month(), time.day());
        let micros = time.subsec_nanosecond() / 1000;
        let _ = write!(text, "{:02}:{:02}:{:02}.{micros:06}", time.hour(), time.minute(), time.second());
        let offset = time.offset().seconds();
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        text
    }

    /// `21/Nov/2026:02:27:19.902`, of session lines.
    pub fn tcplog(&self, at: SystemTime) -> String {
        let time = self.local(at);
        let millis = time.subsec_nanosecond() / 1_000_000;
        let (day, month, year) = (time.day(), month(&time), time.year());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02}.{millis:03}")
    }

    /// `21/Nov/2026:02:27:19 +0000`
    pub fn with_zone(&self, at: SystemTime) -> String {
        let time = self.local(at);
        let (day, month, year) = (time.day(), month(&time), time.year());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        let offset = time.offset().seconds();
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}")
    }

    /// `12:01:07`, for sentences and pages.
    pub fn time_of_day(&self, at: SystemTime) -> String {
        let time = self.local(at);
        format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }

    fn local(&self, at: SystemTime) -> Zoned {
        // Only a clock set thousands of years off has no timestamp.
        Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }
}

fn month(time: &Zoned) -> &'static str {
    MONTHS[usize::from(time.month().clamp(1, 12).unsigned_abs()) - 1]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_each_receiver_reads_them() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_236_237_378_968);
        let utc = Clock::utc();
        assert_eq!(utc.rfc3164(at), "Nov 21 04:43:57");
        assert_eq!(utc.rfc5424(at), "2026-11-21T04:43:57.378968+00:00");
        assert_eq!(utc.tcplog(at), "21/Nov/2026:04:43:57.378");
        let west = Clock::fixed(-5 * 3600);
        assert_eq!(west.rfc5424(at), "2026-11-20T23:43:57.378968-05:00");
        assert_eq!(west.time_of_day(at), "23:43:57");
        assert_eq!(west.with_zone(at), "20/Nov/2026:23:43:57 -0500");
        let first = SystemTime::UNIX_EPOCH;
        assert_eq!(utc.rfc3164(first), "Jan  1 00:00:00");
    }
}
