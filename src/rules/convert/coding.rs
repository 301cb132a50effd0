//! Bytes written as texts, and back: Base64, escapes of URLs, big-endian numbers; the parts of `HOST:PORT`.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config::model::{Alphabet, BigEndian, LastChunk, Plus, Radix};
use crate::rules::matching::hex;

/// Bits that the last character has too much are nobody's concern, as in HAProxy.
const PADDED: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurposeConfig =
    PADDED.with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone);

static OF_TEXTS: GeneralPurpose = GeneralPurpose::new(&STANDARD, PADDED);
static OF_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, PLAIN);

pub(super) fn engine(alphabet: Alphabet) -> &'static GeneralPurpose {
    match alphabet {
        Alphabet::Standard => &OF_TEXTS,
        Alphabet::Url => &OF_URLS,
    }
}

/// `%41` and, as in forms, `+` for a blank; `None` if what follows a `%` is no number.
pub(super) fn url_decoded(text: &[u8], plus: Plus) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut in_query = plus == Plus::Everywhere;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = after.split_at_checked(2)?;
                out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            }
            b'+' if in_query => out.push(b' '),
            byte => {
                in_query |= *byte == b'?';
                out.push(*byte);
            }
        }
    }
    Some(out)
}

/// All but the unreserved characters of RFC 3986 section 2.3 are escaped.
pub(super) fn url_encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            out.push(b'%');
            out.extend(hex(&[*byte]));
        }
    }
    out
}

/// Chunks as numbers, the separator between them.
pub(super) fn big_endian(form: &BigEndian, bytes: &[u8]) -> Vec<u8> {
    let whole = |chunk: &&[u8]| form.last == LastChunk::Kept || chunk.len() == form.chunk;
    let number = |chunk: &[u8]| match form.radix {
        Radix::Hexadecimal => hex(chunk),
        Radix::Decimal => {
            chunk.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)).to_string().into_bytes()
        }
    };
    // Without a size all bytes are one chunk, of hexadecimal digits.
    let chunk = if form.chunk == 0 { bytes.len().max(1) } else { form.chunk };
    let chunks: Vec<Vec<u8>> = match form.chunk {
        0 => bytes.chunks(chunk).map(number).collect(),
        _ => bytes.chunks(chunk).filter(whole).map(number).collect(),
    };
    chunks.join(form.separator.as_slice())
}

/// What stands before the port, in lower case.
pub(super) fn host(text: &[u8]) -> Vec<u8> {
    port_at(text).map_or(text, |at| &text[..at]).to_ascii_lowercase()
}

/// 0 where there is none, or none that is a number.
pub(super) fn port(text: &[u8]) -> i64 {
    let digits = port_at(text).map(|at| &text[at + 1..]).unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok()).map_or(0, i64::from)
}

/// The last colon, unless it is one of an IPv6 address between brackets.
fn port_at(text: &[u8]) -> Option<usize> {
    let colon = text.iter().rposition(|byte| *byte == b':')?;
    let bracket = text.iter().rposition(|byte| *byte == b']');
    Some(colon).filter(|colon| bracket.is_none_or(|bracket| bracket < *colon))
}
