//! What a header of version 2 holds behind the addresses (HAProxy's `doc/proxy-protocol.txt`, section 2.2): fields of
//! a type, a length and a value, in the order in which HAProxy 2.6 sends them.

use crate::checksum::{Polynomial, crc};
use crate::config::model::ProxyFields;

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;
const SSL_SIGNATURE: u8 = 0x24;
const SSL_KEY: u8 = 0x25;

/// Of the byte that says what a client's TLS is.
const SPOKEN: u8 = 1;
const SHOWN_NOW: u8 = 2;
const SHOWN: u8 = 4;

/// The longest identifier that the protocol allows.
const LONGEST_ID: usize = 128;

/// What is known of a client besides its addresses.
#[derive(Debug, Clone, Default)]
pub struct Told<'a> {
    /// `None`: it speaks no TLS to rolecall.
    pub tls: Option<TlsTold<'a>>,
    pub alpn: Option<&'a [u8]>,
    /// The host name that it asked for.
    pub authority: Option<&'a str>,
    pub unique_id: Option<&'a str>,
}

#[derive(Debug, Clone)]
pub struct TlsTold<'a> {
    pub version: &'a str,
    pub cipher: &'a str,
    pub certificate: Shown<'a>,
    /// Of the certificate that the client was shown: `EC256`, `RSA-SHA256`.
    pub key: Option<String>,
    pub signature: Option<&'a str>,
}

/// Whether the client has shown a certificate, and the common name in it.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    Never,
    /// In the handshake that this one resumes.
    Before(Option<&'a [u8]>),
    Now(Option<&'a [u8]>),
}

/// The fields, a checksum of zeros among them if there is to be one.
pub(super) fn encode(wanted: ProxyFields, told: &Told<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if wanted.crc32c {
        push(&mut out, CRC32C, &[0; 4]);
    }
    if let Some(alpn) = told.alpn {
        push(&mut out, ALPN, alpn);
    }
    if let Some(authority) = told.authority.filter(|_| wanted.authority) {
        push(&mut out, AUTHORITY, authority.as_bytes());
    }
    if let Some(id) = told.unique_id.filter(|_| wanted.unique_id) {
        push(&mut out, UNIQUE_ID, &id.as_bytes()[..id.len().min(LONGEST_ID)]);
    }
    if wanted.ssl {
        push(&mut out, SSL, &ssl(wanted, told.tls.as_ref()));
    }
    out
}

/// What a client's TLS is. Whoever shows a bad certificate does not come this far: the result is always 0.
fn ssl(wanted: ProxyFields, told: Option<&TlsTold<'_>>) -> Vec<u8> {
    let Some(told) = told else { return vec![0; 5] };
    let (shown, name) = match told.certificate {
        Shown::Never => (0, None),
        Shown::Before(name) => (SHOWN, name),
        Shown::Now(name) => (SHOWN_NOW | SHOWN, name),
    };
    let mut out = vec![SPOKEN | shown, 0, 0, 0, 0];
    push(&mut out, SSL_VERSION, told.version.as_bytes());
    if let Some(name) = name.filter(|_| wanted.common_name) {
        push(&mut out, SSL_CN, name);
    }
    if let Some(key) = told.key.as_ref().filter(|_| wanted.key) {
        push(&mut out, SSL_KEY, key.as_bytes());
    }
    if let Some(signature) = told.signature.filter(|_| wanted.signature) {
        push(&mut out, SSL_SIGNATURE, signature.as_bytes());
    }
    if wanted.cipher {
        push(&mut out, SSL_CIPHER, told.cipher.as_bytes());
    }
    out
}

/// More than a length can say is cut off.
fn push(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.push(kind);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(&value[..usize::from(length)]);
}

/// Puts the checksum of the whole header in the place that [`encode`] left for it, `at` the first field.
pub(super) fn seal(header: &mut [u8], at: usize) {
    let sum = crc(Polynomial::Castagnoli, header).to_be_bytes();
    if let Some(place) = header.get_mut(at + 3..at + 7) {
        place.copy_from_slice(&sum);
    }
}
