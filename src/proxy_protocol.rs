//! The PROXY protocol, versions 1 and 2 (HAProxy's `doc/proxy-protocol.txt`): who a client is, told by a proxy
//! in front of the client's own bytes.
//!
//! Enters: the first bytes of a connection, however few, or two addresses. Leaves: how long the header is and
//! whom it names, or the header to send. Sans-IO and bounded: version 1 has at most 107 bytes, version 2 as many
//! as the caller has room for. Checks and sessions both send headers, so that this stands before either.
//!
//! A header that came only in part is not wrong: the rest is waited for, as the protocol's text asks for.
//! (HAProxy ends such a connection.) `UNKNOWN`, `LOCAL`, and families without a TCP address name nobody: the
//! connection's own addresses hold then.
//!
//! Own code, as it takes fewer lines than a crate and its errors are HAProxy's words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

mod fields;

pub use fields::{Shown, TlsTold, Told};

use crate::config::model::{ProxyFields, SendProxy};

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;
const LINE_BEGINS: &[u8] = b"PROXY ";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// Whom a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// A header that was taken off: whom it names, if anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced(pub Option<Addresses>);

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// The beginning of a header, or nothing yet.
    Incomplete,
    /// A header of so many bytes; `None`: it names nobody.
    Header { length: usize, addresses: Option<Addresses> },
}

/// Why a connection that has to begin with a header is refused, in HAProxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("Connection closed while waiting for PROXY protocol header")]
    Closed,
    #[error("Timeout while waiting for PROXY protocol header")]
    TimedOut,
    #[error("Truncated PROXY protocol header received")]
    Truncated,
    #[error("Received something which does not look like a PROXY protocol header")]
    Foreign,
    #[error("Received an invalid PROXY protocol header")]
    Invalid,
    #[error("Received an unhandled protocol in the PROXY protocol header")]
    Protocol,
}

impl HeaderError {
    /// Whether nothing had come: `option dontlognull` is about such connections.
    pub fn is_null(self) -> bool {
        matches!(self, HeaderError::Closed | HeaderError::TimedOut)
    }
}

/// Looks at the first bytes; `room` is how many there could be at most.
pub fn decode(bytes: &[u8], room: usize) -> Result<Decoded, HeaderError> {
    if begins(bytes, LINE_BEGINS) {
        return decode_line(bytes);
    }
    if begins(bytes, SIGNATURE) {
        return decode_binary(bytes, room);
    }
    Err(HeaderError::Foreign)
}

/// Whether one is the beginning of the other.
fn begins(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.iter().zip(mark).all(|(byte, wanted)| byte == wanted)
}

fn decode_line(bytes: &[u8]) -> Result<Decoded, HeaderError> {
    let line = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        let full = line.len() == LONGEST_LINE;
        return if full { Err(HeaderError::Invalid) } else { Ok(Decoded::Incomplete) };
    };
    let text = line[..end].strip_suffix(b"\r").and_then(|text| std::str::from_utf8(text).ok());
    let text = text.and_then(|text| text.strip_prefix("PROXY ")).ok_or(HeaderError::Invalid)?;
    let words: Vec<&str> = text.split(' ').collect();
    let addresses = match words.as_slice() {
        // What else the line says is to be ignored.
        ["UNKNOWN", ..] => None,
        ["TCP4", source, destination, ports @ ..] => {
            let ip = |text: &str| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
            Some(line_addresses([ip(source), ip(destination)], ports)?)
        }
        ["TCP6", source, destination, ports @ ..] => {
            let ip = |text: &str| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
            Some(line_addresses([ip(source), ip(destination)], ports)?)
        }
        ["TCP4" | "TCP6", ..] => return Err(HeaderError::Invalid),
        _ => return Err(HeaderError::Protocol),
    };
    Ok(Decoded::Header { length: end + 1, addresses })
}

fn line_addresses(ips: [Option<IpAddr>; 2], ports: &[&str]) -> Result<Addresses, HeaderError> {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let ([Some(source), Some(destination)], [from, to]) = (ips, ports) else {
        return Err(HeaderError::Invalid);
    };
    let (Some(from), Some(to)) = (port(from), port(to)) else { return Err(HeaderError::Invalid) };
    Ok(Addresses { source: (source, from).into(), destination: (destination, to).into() })
}

fn decode_binary(bytes: &[u8], room: usize) -> Result<Decoded, HeaderError> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else {
        return match bytes.get(SIGNATURE.len()) {
            Some(command) if command >> 4 != 2 => Err(HeaderError::Foreign),
            _ => Ok(Decoded::Incomplete),
        };
    };
    let (command, family) = (fixed[12], fixed[13]);
    if command >> 4 != 2 {
        return Err(HeaderError::Foreign);
    }
    let body = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let length = FIXED + body;
    if length > room {
        return Err(HeaderError::Truncated);
    }
    let Some(body) = rest.get(..body) else { return Ok(Decoded::Incomplete) };
    let addresses = match (command & 15, family) {
        // LOCAL: the proxy itself connects; families without an address; unix sockets.
        (0, _) | (1, 0x00 | 0x31) => None,
        (1, 0x11) => Some(binary_addresses::<4>(body).ok_or(HeaderError::Invalid)?),
        (1, 0x21) => Some(binary_addresses::<16>(body).ok_or(HeaderError::Invalid)?),
        _ => return Err(HeaderError::Invalid),
    };
    Ok(Decoded::Header { length, addresses })
}

/// Two addresses of `N` bytes, then two ports.
fn binary_addresses<const N: usize>(body: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let ip = |at: usize| body.get(at..at + N)?.try_into().ok().map(|bytes: [u8; N]| IpAddr::from(bytes));
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    Some(Addresses { source: (ip(0)?, port(2 * N)?).into(), destination: (ip(N)?, port(2 * N + 2)?).into() })
}

/// The header for a server; `None`: nobody can be named.
pub fn encode(form: SendProxy, addresses: Option<Addresses>, told: &Told<'_>) -> Vec<u8> {
    match form {
        SendProxy::V1 => encode_line(addresses),
        SendProxy::V2(wanted) => encode_binary(addresses, wanted, told),
    }
}

fn encode_line(addresses: Option<Addresses>) -> Vec<u8> {
    let Some(Addresses { source, destination }) = addresses else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let (from, to) = (source.port(), destination.port());
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            format!("PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        (source, destination) => {
            format!("PROXY TCP6 {} {} {from} {to}\r\n", wide(source), wide(destination))
        }
    }
    .into_bytes()
}

fn encode_binary(addresses: Option<Addresses>, wanted: ProxyFields, told: &Told<'_>) -> Vec<u8> {
    let fields = fields::encode(wanted, told);
    let mut body = Vec::with_capacity(36 + fields.len());
    let (command, family) = match addresses {
        None => (0x20, 0x00),
        Some(Addresses { source, destination }) => {
            let family = match (source.ip(), destination.ip()) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    body.extend(source.octets().into_iter().chain(destination.octets()));
                    0x11
                }
                (source, destination) => {
                    body.extend(wide(source).octets().into_iter().chain(wide(destination).octets()));
                    0x21
                }
            };
            body.extend(source.port().to_be_bytes().into_iter().chain(destination.port().to_be_bytes()));
            (0x21, family)
        }
    };
    let first = FIXED + body.len();
    body.extend_from_slice(&fields);
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend((body.len() as u16).to_be_bytes());
    header.extend(body);
    if wanted.crc32c {
        fields::seal(&mut header, first);
    }
    header
}

/// An IPv4 address beside an IPv6 one is written as the latter.
fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
