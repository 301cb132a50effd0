//! `json`: a text as the inside of a JSON string. `json_query`: a value in a JSON text, by its path; serde reads the
//! text, of which only what the path passes through is looked at.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::config::model::{Hop, JsonInput, JsonNumbers, JsonQuery, Value};

/// What a client wrote in a JSON string; `None` if it is no UTF-8 and should be.
pub(super) fn escaped(text: &[u8], input: JsonInput) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    match input {
        JsonInput::Ascii => text.iter().try_for_each(|byte| escape(char::from(*byte), &mut out))?,
        JsonInput::Utf8 => std::str::from_utf8(text).ok()?.chars().try_for_each(|c| escape(c, &mut out))?,
        JsonInput::Utf8Lenient => {
            let characters = text.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
            characters.for_each(|character| {
                // What is beyond 16 bits is left out like what is no character.
                let _ = escape(character, &mut out);
            });
        }
    }
    Some(out)
}

/// `None`: it has no escape of four digits.
fn escape(character: char, out: &mut Vec<u8>) -> Option<()> {
    let short = match character {
        '"' | '\\' | '/' => Some(character),
        '\x08' => Some('b'),
        '\x0c' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        _ => None,
    };
    match (short, character) {
        (Some(letter), _) => out.extend([b'\\', letter as u8]),
        (None, ' '..='~') => out.push(character as u8),
        (None, _) => {
            let number = u16::try_from(u32::from(character)).ok()?;
            out.extend(format!("\\u{number:04x}").into_bytes());
        }
    }
    Some(())
}

/// The value at the end of the path: a text, a number or a truth; anything else is none.
pub(super) fn query(text: &[u8], query: &JsonQuery) -> Option<Value> {
    let mut at = raw(text)?;
    for hop in &query.path {
        at = enter(at, hop)?;
    }
    match at.as_bytes().first()? {
        b't' => Some(Value::Bool(true)),
        b'f' => Some(Value::Bool(false)),
        b'"' => unescaped(&at[1..at.len() - 1]).map(Value::Text),
        b'-' | b'0'..=b'9' => match query.numbers {
            JsonNumbers::Text => at.parse().ok().map(|number| Value::Text(six_digits(number).into_bytes())),
            JsonNumbers::Integer => {
                let end = at.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(at.len());
                at[..end].parse().ok().map(Value::Integer)
            }
        },
        _ => None,
    }
}

/// The first value of a text.
fn raw(text: &[u8]) -> Option<&str> {
    let mut reading = serde_json::Deserializer::from_slice(text);
    <&RawValue>::deserialize(&mut reading).ok().map(RawValue::get)
}

fn enter<'a>(text: &'a str, hop: &Hop) -> Option<&'a str> {
    let mut reading = serde_json::Deserializer::from_str(text);
    let found = match (hop, text.as_bytes().first()?) {
        (Hop::Member(_), b'{') => reading.deserialize_map(Enter(hop)),
        (Hop::Element(_), b'[') => reading.deserialize_seq(Enter(hop)),
        _ => return None,
    };
    found.ok()?.map(RawValue::get)
}

struct Enter<'h>(&'h Hop);

impl<'de> Visitor<'de> for Enter<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object or an array")
    }

    /// Of equal names the first counts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Hop::Member(name) = self.0 else { return Ok(None) };
        let mut found = None;
        while let Some(key) = map.next_key::<Name<'de>>()? {
            match found {
                None if key.0 == *name => found = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Hop::Element(wanted) = self.0 else { return Ok(None) };
        let mut found = None;
        let mut at = 0;
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if at == *wanted {
                found = Some(element);
            }
            at += 1;
        }
        Ok(found)
    }
}

/// Borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// HAProxy's library knows escapes of characters of one byte only.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (letter, after) = rest.split_first()?;
        rest = after;
        out.push(match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (digits, after) = rest.split_at_checked(4)?;
                rest = after;
                u8::try_from(u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?).ok()?
            }
            other => *other,
        });
    }
    Some(out)
}

/// A number as C's `%g` writes it.
fn six_digits(number: f64) -> String {
    let scientific = format!("{number:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#" {"a":{"b":[1,2.50,true,null,"x\"y\u00e9\n",{"c":1}]},"s":"str","n":-5,"f":1.9,"e":1e3,
        "big":12345678901234567890,"bl":false,"em":"","dup":1,"dup":2,"wide":"\u20ac","small":0.00001234} rest"#;

    fn found(path: &[&str], numbers: JsonNumbers) -> Option<Value> {
        let hop = |name: &&str| name.parse().map_or_else(|_| Hop::Member((*name).to_owned()), Hop::Element);
        query(TEXT.as_bytes(), &JsonQuery { path: path.iter().map(hop).collect(), numbers })
    }

    /// As HAProxy 2.6.12 has it.
    #[test]
    fn values_are_found_by_their_paths() {
        let text = |text: &[u8]| Some(Value::Text(text.to_vec()));
        for (path, expected) in [
            (&["a", "b", "0"][..], text(b"1")),
            (&["a", "b", "1"], text(b"2.5")),
            (&["a", "b", "2"], Some(Value::Bool(true))),
            (&["a", "b", "3"], None),
            (&["a", "b", "4"], text(b"x\"y\xe9\n")),
            (&["a", "b", "5", "c"], text(b"1")),
            (&["a", "b", "9"], None),
            (&["a"], None),
            (&["s", "x"], None),
            (&["e"], text(b"1000")),
            (&["big"], text(b"1.23457e+19")),
            (&["small"], text(b"1.234e-05")),
            (&["bl"], Some(Value::Bool(false))),
            (&["em"], text(b"")),
            (&["dup"], text(b"1")),
            (&["wide"], None),
        ] {
            assert_eq!(found(path, JsonNumbers::Text), expected, "{path:?}");
        }
        for (name, expected) in [("f", Some(1)), ("n", Some(-5)), ("e", Some(1)), ("big", None)] {
            assert_eq!(found(&[name], JsonNumbers::Integer), expected.map(Value::Integer), "{name}");
        }
        for broken in [&b"{"[..], b"", b"{\"a\"", b"[1,", b"\xff", b"{\"a\":[}"] {
            let path = vec![Hop::Member("a".into())];
            assert_eq!(query(broken, &JsonQuery { path, numbers: JsonNumbers::Text }), None);
        }
    }

    /// As HAProxy 2.6.12 has it.
    #[test]
    fn texts_are_escaped() {
        let shown = |text: &[u8], input| escaped(text, input).map(|text| String::from_utf8(text).unwrap());
        let some = |text: &str| Some(text.to_owned());
        let bytes = b"a\x01\n\r\t\x0c\x08\"/\\\x7f\x80\xff";
        assert_eq!(shown(bytes, JsonInput::Ascii), some(r#"a\u0001\n\r\t\f\b\"\/\\\u007f\u0080\u00ff"#));
        assert_eq!(shown("é€".as_bytes(), JsonInput::Utf8), some(r"\u00e9\u20ac"));
        assert_eq!(shown("😀".as_bytes(), JsonInput::Utf8), None);
        assert_eq!(shown(b"\xc3\xa9\xff", JsonInput::Utf8), None);
        assert_eq!(shown(b"A\xff\xc3B", JsonInput::Utf8Lenient), some("AB"));
    }
}
