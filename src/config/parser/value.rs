//! Values as HAProxy writes them: times, sizes, numbers and names. Text in, value or reason out; who reports
//! it adds the keyword and the place.
//!
//! A time is an integer with an optional unit; every keyword has its own unit for bare numbers. HAProxy 2.6
//! takes letters after the unit (`5sec`) with a warning, so the odd letter is handed back with the value.

use std::time::Duration;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit1};
use nom::combinator::{map_res, opt, rest, value};
use nom::{IResult, Parser};

/// The longest time that HAProxy keeps: 2^31-1 milliseconds, about 24.8 days.
const LONGEST_MILLISECONDS: u64 = 2_147_483_647;

/// What a bare number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl TimeUnit {
    const fn microseconds(self) -> u64 {
        match self {
            TimeUnit::Microseconds => 1,
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Seconds => 1_000_000,
            TimeUnit::Minutes => 60_000_000,
            TimeUnit::Hours => 3_600_000_000,
            TimeUnit::Days => 86_400_000_000,
        }
    }
}

/// A time, and the first letter after it that has no business there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub value: Duration,
    pub stray: Option<char>,
}

/// Why a text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    Empty,
    Unexpected(char),
    Overflow,
}

/// Reads a time such as `5`, `300ms`, `1d`. Microseconds are rounded up to whole milliseconds.
pub fn time(text: &str, bare: TimeUnit) -> Result<Time, TimeError> {
    let Ok((after, digits)) = digits(text) else {
        return Err(text.chars().next().map_or(TimeError::Empty, TimeError::Unexpected));
    };
    let (after, unit) = match unit(after) {
        Ok((after, unit)) => (after, unit),
        Err(_) if after.is_empty() => (after, bare),
        Err(_) => return Err(after.chars().next().map_or(TimeError::Empty, TimeError::Unexpected)),
    };
    let microseconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit.microseconds()));
    let milliseconds = microseconds.ok_or(TimeError::Overflow)?.div_ceil(1_000);
    if milliseconds > LONGEST_MILLISECONDS {
        return Err(TimeError::Overflow);
    }
    Ok(Time { value: Duration::from_millis(milliseconds), stray: after.chars().next() })
}

fn digits(text: &str) -> IResult<&str, &str> {
    digit1(text)
}

fn unit(text: &str) -> IResult<&str, TimeUnit> {
    alt((
        value(TimeUnit::Microseconds, tag("us")),
        value(TimeUnit::Milliseconds, tag("ms")),
        value(TimeUnit::Seconds, char('s')),
        value(TimeUnit::Minutes, char('m')),
        value(TimeUnit::Hours, char('h')),
        value(TimeUnit::Days, char('d')),
    ))
    .parse(text)
}

/// Reads a size in bytes: an integer with an optional `k`, `m` or `g` (powers of 1024).
pub fn size(text: &str) -> Option<u64> {
    let (_, (count, shift, left)) = (number, opt(suffix), rest).parse(text).ok()?;
    if !left.is_empty() {
        return None;
    }
    count.checked_mul(1 << shift.unwrap_or(0))
}

fn number(text: &str) -> IResult<&str, u64> {
    map_res(digit1, str::parse).parse(text)
}

fn suffix(text: &str) -> IResult<&str, u32> {
    let (text, shift) = alt((
        value(10, alt((char('k'), char('K')))),
        value(20, alt((char('m'), char('M')))),
        value(30, alt((char('g'), char('G')))),
    ))
    .parse(text)?;
    Ok((text, shift))
}

/// Reads a whole number with an optional sign; nothing may follow it.
pub fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The number that a text begins with, as C's `atol` reads it: 0 if it begins with none. `None` if it is too
/// large.
pub fn leading_integer(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Ok((_, digits)) = digits(unsigned) else { return Some(0) };
    let number = digits.parse::<i64>().ok()?;
    Some(if text.starts_with('-') { -number } else { number })
}

/// The first character that a proxy's or server's name may not have.
pub fn stray_name_character(name: &str) -> Option<char> {
    name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')))
}

/// Reads hex digits in pairs, upper or lower case.
pub fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn milliseconds(text: &str, bare: TimeUnit) -> Result<u64, TimeError> {
        time(text, bare).map(|time| time.value.as_millis() as u64)
    }

    #[test]
    fn times_have_haproxys_units() {
        use TimeUnit::{Milliseconds, Seconds};
        let table = [
            ("5", Milliseconds, Ok(5)),
            ("5", Seconds, Ok(5_000)),
            ("0", Milliseconds, Ok(0)),
            ("5ms", Seconds, Ok(5)),
            ("5000us", Milliseconds, Ok(5)),
            ("1us", Milliseconds, Ok(1)),
            ("1m", Milliseconds, Ok(60_000)),
            ("90m", Milliseconds, Ok(5_400_000)),
            ("1h", Milliseconds, Ok(3_600_000)),
            ("7d", Milliseconds, Ok(604_800_000)),
            ("2147483647", Milliseconds, Ok(2_147_483_647)),
            ("2147483648", Milliseconds, Err(TimeError::Overflow)),
            ("25d", Milliseconds, Err(TimeError::Overflow)),
            ("99999999999999999999999", Milliseconds, Err(TimeError::Overflow)),
            ("", Milliseconds, Err(TimeError::Empty)),
            ("x", Milliseconds, Err(TimeError::Unexpected('x'))),
            ("-1", Milliseconds, Err(TimeError::Unexpected('-'))),
            ("1.5s", Milliseconds, Err(TimeError::Unexpected('.'))),
            ("5S", Milliseconds, Err(TimeError::Unexpected('S'))),
            ("5 s", Milliseconds, Err(TimeError::Unexpected(' '))),
        ];
        for (text, bare, expected) in table {
            assert_eq!(milliseconds(text, bare), expected, "{text}");
        }
    }

    #[test]
    fn a_letter_after_the_unit_is_handed_back() {
        let time = time("5sec", TimeUnit::Milliseconds).unwrap();
        assert_eq!((time.value, time.stray), (Duration::from_secs(5), Some('e')));
    }

    #[test]
    fn a_number_may_have_letters_behind_it() {
        let table = [
            ("10x", Some(10)),
            ("five", Some(0)),
            ("-3-", Some(-3)),
            ("", Some(0)),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            assert_eq!(leading_integer(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_1024() {
        let table = [
            ("1024", Some(1024)),
            ("16k", Some(16384)),
            ("1M", Some(1 << 20)),
            ("2g", Some(2 << 30)),
            ("", None),
            ("k", None),
            ("1kb", None),
            ("99999999999999999999", None),
            ("18446744073709551615g", None),
        ];
        for (text, expected) in table {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_wild_but_not_that_wild() {
        for name in ["17", "b:mred1:192.168.112.2", "redis-0:10.0.1.4:6379", "6380-master", "a_b.c"] {
            assert_eq!(stray_name_character(name), None, "{name}");
        }
        assert_eq!(stray_name_character("l@x"), Some('@'));
        assert_eq!(stray_name_character("ré"), Some('é'));
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(hexadecimal(b"2a310D0a"), Some(b"*1\r\n".to_vec()));
        assert_eq!(hexadecimal(b"123"), None);
        assert_eq!(hexadecimal(b"zz"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = time(&text, TimeUnit::Days);
            let _ = size(&text);
            let _ = integer(&text);
            let _ = leading_integer(&text);
            let _ = stray_name_character(&text);
            let _ = hexadecimal(text.as_bytes());
        }
    }
}
