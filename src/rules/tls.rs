//! What a TLS client says in the clear (RFC 8446 section 4.1.2, RFC 6066 section 3): the version, and the name
//! of the server that it wants. Bytes in, an answer out; no byte of it is trusted.

use super::fetch::Sampled;
use crate::config::model::Value;

/// What the bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said<T> {
    This(T),
    /// It is no TLS, or it does not say so.
    Nothing,
    /// Not yet.
    Early,
}

impl<T: Into<Said<Value>>> Said<T> {
    /// As a sample; `early` is what is said for want of bytes.
    pub(super) fn sampled(self, early: Sampled) -> Sampled {
        match self {
            Said::This(value) => match value.into() {
                Said::This(value) => Sampled::Value(value),
                _ => Sampled::Missing,
            },
            Said::Nothing => Sampled::Missing,
            Said::Early => early,
        }
    }
}

impl From<i64> for Said<Value> {
    fn from(number: i64) -> Said<Value> {
        Said::This(Value::Integer(number))
    }
}

impl From<bool> for Said<Value> {
    fn from(holds: bool) -> Said<Value> {
        Said::This(Value::Bool(holds))
    }
}

impl From<Vec<u8>> for Said<Value> {
    fn from(text: Vec<u8>) -> Said<Value> {
        Said::This(Value::Text(text))
    }
}

const HANDSHAKE: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: usize = 0;
/// RFC 8422, now `supported_groups`.
const CURVES: usize = 10;
/// RFC 5077.
const TICKET: usize = 35;
/// RFC 7301.
const ALPN: usize = 16;

/// Goes through bytes; `None` when they end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, size: usize) -> Option<usize> {
        Some(self.take(size)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// Bytes behind a length field of that size.
    fn counted(&mut self, size: usize) -> Option<&'a [u8]> {
        let count = self.number(size)?;
        self.take(count)
    }
}

/// Whether this can still become the beginning of TLS.
fn begins(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| *first == HANDSHAKE) && bytes.get(1).is_none_or(|major| *major == 3)
}

/// The type of the first handshake message: 1 is a client's.
pub(super) fn hello_type(bytes: &[u8]) -> Said<i64> {
    if !begins(bytes) {
        return Said::Nothing;
    }
    bytes.get(5).map_or(Said::Early, |kind| Said::This((*kind).into()))
}

/// The version that the client offers at most, as `3.3` in two halves of 32 bits.
pub(super) fn version(bytes: &[u8]) -> Said<i64> {
    match hello_type(bytes) {
        Said::This(kind) if kind == i64::from(CLIENT_HELLO) => match (bytes.get(9), bytes.get(10)) {
            (Some(major), Some(minor)) => Said::This(i64::from(*major) << 16 | i64::from(*minor)),
            _ => Said::Early,
        },
        Said::Early => Said::Early,
        _ => Said::Nothing,
    }
}

/// The name of the server that the client wants.
pub(super) fn server_name(bytes: &[u8]) -> Said<Vec<u8>> {
    found_in(bytes, name_in)
}

/// The first protocol that the client offers.
pub(super) fn alpn(bytes: &[u8]) -> Said<Vec<u8>> {
    found_in(bytes, alpn_in)
}

/// Whether the client says which curves it knows.
pub(super) fn curves(bytes: &[u8]) -> Said<bool> {
    match found_in(bytes, |hello| extension(hello, CURVES)) {
        Said::This(_) => Said::This(true),
        Said::Nothing => Said::Nothing,
        Said::Early => Said::Early,
    }
}

/// 0: it knows no tickets; 1: it has none; 2: it has one.
pub(super) fn ticket(bytes: &[u8]) -> Said<i64> {
    match (found_in(bytes, |hello| extension(hello, TICKET)), hello_type(bytes)) {
        (Said::This(ticket), _) => Said::This(if ticket.is_empty() { 1 } else { 2 }),
        (Said::Nothing, Said::This(kind)) if kind == i64::from(CLIENT_HELLO) => Said::This(0),
        (Said::Nothing, _) => Said::Nothing,
        (Said::Early, _) => Said::Early,
    }
}

fn found_in(bytes: &[u8], find: impl Fn(&[u8]) -> Option<&[u8]>) -> Said<Vec<u8>> {
    match hello_type(bytes) {
        Said::This(kind) if kind == i64::from(CLIENT_HELLO) => {}
        Said::Early => return Said::Early,
        _ => return Said::Nothing,
    }
    let mut record = Reader(&bytes[3..]);
    let Some(hello) = record.counted(2) else { return Said::Early };
    find(hello).map_or(Said::Nothing, |found| Said::This(found.to_vec()))
}

fn name_in(hello: &[u8]) -> Option<&[u8]> {
    let mut list = Reader(extension(hello, SERVER_NAME)?);
    let mut names = Reader(list.counted(2)?);
    let kind = names.number(1)?;
    let name = names.counted(2)?;
    (kind == 0).then_some(name)
}

fn alpn_in(hello: &[u8]) -> Option<&[u8]> {
    let mut list = Reader(extension(hello, ALPN)?);
    Reader(list.counted(2)?).counted(1)
}

/// The body of the extension of that number.
fn extension(hello: &[u8], wanted: usize) -> Option<&[u8]> {
    let mut reader = Reader(hello);
    // Type, length, version, random.
    reader.take(1 + 3 + 2 + 32)?;
    let (_session, _ciphers, _compression) = (reader.counted(1)?, reader.counted(2)?, reader.counted(1)?);
    let mut extensions = Reader(reader.counted(2)?);
    loop {
        let kind = extensions.number(2)?;
        let body = extensions.counted(2)?;
        if kind == wanted {
            return Some(body);
        }
    }
}
