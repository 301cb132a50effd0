//! Moments as texts: `http_date`, `utime`, `ltime`.

use jiff::Timestamp;

use crate::config::model::{Moment, SampleUnit};

/// `None`: no calendar has that moment.
pub(super) fn shown(moment: &Moment, number: i64) -> Option<Vec<u8>> {
    let per_second = match moment.unit {
        SampleUnit::Seconds => 1,
        SampleUnit::Milliseconds => 1_000,
        SampleUnit::Microseconds => 1_000_000,
    };
    let number = number.checked_add(moment.offset.checked_mul(per_second)?)?;
    let at = Timestamp::from_second(number.div_euclid(per_second)).ok()?;
    let zoned = at.to_zoned(moment.zone.clone());
    let text = match &moment.format {
        Some(format) => jiff::fmt::strtime::format(format, &zoned).ok()?,
        None => {
            let date = jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S", &zoned).ok()?;
            match moment.unit {
                SampleUnit::Seconds => format!("{date} GMT"),
                // Without leading zeros, as in HAProxy.
                _ => format!("{date}.{} GMT", number.rem_euclid(per_second)),
            }
        }
    };
    Some(text.into_bytes())
}
