//! Addresses in every form of a bind, server or log line. Text in, an unresolved address or the reason out:
//! `ip:port`, `*:port`, `:port`, `[v6]:port`, `v6:port`, `name:port`, `a:1-3`, `name:+100`, `/path`, and the
//! prefixes `unix@ abns@ fd@ ip@ ipv4@ ipv6@ tcp@ tcp4@ tcp6@`.
//!
//! As in HAProxy the port follows the last colon, so `:::6379` is `::` and 6379, and an IPv6 address
//! without a port has to stand in brackets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::branch::alt;
use nom::bytes::complete::{tag, take_until};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{all_consuming, map, opt, recognize, rest, value};
use nom::sequence::{delimited, preceded, separated_pair};
use nom::{IResult, Parser};

use crate::config::model::{SentinelSlot, SlotTakes};

/// An address before any name is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Inet {
        host: Host,
        ports: Ports,
    },
    Unix(String),
    Abstract(String),
    Fd(i32),
    /// `sentinel@NAME`, `sentinel-replicas@NAME`: only of servers, by [`sentinels`].
    Sentinels(SentinelSlot),
}

/// The part before the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Nothing or `*`: every IPv4 address (every IPv6 address after `ipv6@`).
    Any(Family),
    Ip(IpAddr),
    Name(String, Family),
}

impl Host {
    /// The name that has to be looked up; empty if there is none.
    pub fn name(&self) -> &str {
        match self {
            Host::Name(name, _) => name,
            Host::Any(_) | Host::Ip(_) => "",
        }
    }

    /// The address, if no name has to be looked up.
    pub fn literal(&self) -> Option<IpAddr> {
        match self {
            Host::Any(Family::V6) => Some(Ipv6Addr::UNSPECIFIED.into()),
            Host::Any(_) => Some(Ipv4Addr::UNSPECIFIED.into()),
            Host::Ip(ip) => Some(*ip),
            Host::Name(..) => None,
        }
    }
}

/// What a prefix allows a name to resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Either,
    V4,
    V6,
}

/// The part after the last colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    Missing,
    Range {
        first: u16,
        last: u16,
    },
    /// `+N`, `-N`: relative to the client's port.
    Offset(i32),
}

/// Why a text is no address; the texts are HAProxy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    Port(String),
    PortRange(String),
    PortCharacter { character: char, port: String, address: String },
    Descriptor(String),
    Datagram(String),
    Host { host: String, address: String },
    Prefix(&'static str),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Port(port) => write!(f, "invalid port '{port}'"),
            AddressError::PortRange(range) => write!(f, "invalid port range '{range}'"),
            AddressError::PortCharacter { character, port, address } => {
                write!(f, "invalid character '{character}' in port number '{port}' in '{address}'")
            }
            AddressError::Descriptor(text) => write!(f, "file descriptor '{text}' is not a number"),
            AddressError::Datagram(text) => write!(f, "dgram-type address not acceptable in '{text}'"),
            AddressError::Host { host, address } => write!(f, "invalid address: '{host}' in '{address}'"),
            AddressError::Prefix(prefix) => write!(f, "addresses with '{prefix}' are not supported"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inet(Family),
    Unix,
    Abstract,
    Fd,
    Unsupported(&'static str),
}

/// Reads the address of servers that Sentinels tell of, if it is one.
pub fn sentinels(text: &str) -> Option<SentinelSlot> {
    let (takes, section) = match text.strip_prefix("sentinel@") {
        Some(section) => (SlotTakes::Every, section),
        None => (SlotTakes::Replicas, text.strip_prefix("sentinel-replicas@")?),
    };
    Some(SentinelSlot { section: section.to_owned(), takes })
}

/// Reads the address of what carries connections: not one for datagrams.
pub fn stream(text: &str) -> Result<Address, AddressError> {
    const DATAGRAMS: [&str; 4] = ["udp@", "udp4@", "udp6@", "uxdg@"];
    let plain = text.strip_prefix("stream+").or_else(|| text.strip_prefix("dgram+"));
    let asks = text.starts_with("dgram+") && !plain.is_some_and(|plain| plain.starts_with("tcp"));
    if asks || DATAGRAMS.iter().any(|prefix| plain.unwrap_or(text).starts_with(prefix)) {
        return Err(AddressError::Datagram(text.to_owned()));
    }
    address(text)
}

/// Reads one address.
pub fn address(text: &str) -> Result<Address, AddressError> {
    let (after, kind) = kind(text).unwrap_or((text, Kind::Inet(Family::Either)));
    match kind {
        Kind::Unix => Ok(Address::Unix(after.to_owned())),
        Kind::Abstract => Ok(Address::Abstract(after.to_owned())),
        Kind::Fd => {
            let number = after.parse().ok().filter(|number| *number >= 0);
            number.map(Address::Fd).ok_or_else(|| AddressError::Descriptor(after.to_owned()))
        }
        Kind::Unsupported(prefix) => Err(AddressError::Prefix(prefix)),
        Kind::Inet(_) if after.starts_with('/') => Ok(Address::Unix(after.to_owned())),
        Kind::Inet(family) => inet(after, family, text),
    }
}

fn kind(text: &str) -> IResult<&str, Kind> {
    let inet = alt((
        value(Kind::Inet(Family::V4), alt((tag("ipv4@"), tag("tcp4@")))),
        value(Kind::Inet(Family::V6), alt((tag("ipv6@"), tag("tcp6@")))),
        value(Kind::Inet(Family::Either), alt((tag("ip@"), tag("tcp@"), tag("udp@")))),
    ));
    let local = alt((
        value(Kind::Unix, alt((tag("unix@"), tag("uxst@"), tag("uxdg@")))),
        value(Kind::Abstract, tag("abns@")),
        value(Kind::Fd, tag("fd@")),
        value(Kind::Unsupported("abnsz@"), tag("abnsz@")),
        value(Kind::Unsupported("sockpair@"), tag("sockpair@")),
        value(Kind::Unsupported("quic4@"), tag("quic4@")),
        value(Kind::Unsupported("quic6@"), tag("quic6@")),
        value(Kind::Unsupported("sentinel@"), tag("sentinel@")),
        value(Kind::Unsupported("sentinel-replicas@"), tag("sentinel-replicas@")),
    ));
    preceded(opt(alt((tag("stream+"), tag("dgram+")))), alt((inet, local))).parse(text)
}

/// `written` with its prefix.
fn inet(text: &str, family: Family, written: &str) -> Result<Address, AddressError> {
    let (host, port) = split_port(text);
    let ports = match port {
        None | Some("") => Ports::Missing,
        Some(port) => ports(port, written)?,
    };
    Ok(Address::Inet { host: self::host(host, written, family)?, ports })
}

/// Host and port; brackets protect the colons of an IPv6 address.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let bracketed: IResult<&str, (&str, Option<&str>)> =
        all_consuming((delimited(char('['), take_until("]"), char(']')), opt(preceded(char(':'), rest))))
            .parse(text);
    if let Ok((_, split)) = bracketed {
        return split;
    }
    text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
}

fn host(host: &str, address: &str, family: Family) -> Result<Host, AddressError> {
    if host.is_empty() || host == "*" {
        return Ok(Host::Any(family));
    }
    let wrong = || AddressError::Host { host: host.to_owned(), address: address.to_owned() };
    if let Ok(ip) = host.parse::<IpAddr>() {
        let fits = match family {
            Family::Either => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        };
        return fits.then_some(Host::Ip(ip)).ok_or_else(wrong);
    }
    if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Ok(Host::Name(host.to_owned(), family));
    }
    Err(wrong())
}

#[derive(Clone, Copy)]
enum PortText<'a> {
    Offset(&'a str),
    Range(&'a str, &'a str),
    Single(&'a str),
}

fn ports(port: &str, address: &str) -> Result<Ports, AddressError> {
    let parsed: IResult<&str, PortText<'_>> = all_consuming(alt((
        map(recognize((one_of("+-"), digit1)), PortText::Offset),
        map(separated_pair(digit1, char('-'), digit1), |(first, last)| PortText::Range(first, last)),
        map(digit1, PortText::Single),
    )))
    .parse(port);
    let Ok((_, text)) = parsed else {
        let character = port.chars().find(|c| !c.is_ascii_digit()).unwrap_or(' ');
        return Err(AddressError::PortCharacter {
            character,
            port: port.to_owned(),
            address: address.to_owned(),
        });
    };
    let invalid = || AddressError::Port(port.to_owned());
    match text {
        PortText::Offset(text) => {
            let offset = text.parse::<i32>().ok().filter(|offset| offset.abs() <= 65_535);
            offset.map(Ports::Offset).ok_or_else(invalid)
        }
        PortText::Single(text) => {
            let port = text.parse().map_err(|_| invalid())?;
            Ok(Ports::Range { first: port, last: port })
        }
        PortText::Range(first, last) => {
            let (first, last) = (first.parse::<u16>(), last.parse::<u16>());
            match (first, last) {
                (Ok(first), Ok(last)) if first <= last => Ok(Ports::Range { first, last }),
                _ => Err(AddressError::PortRange(port.to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn port(port: u16) -> Ports {
        Ports::Range { first: port, last: port }
    }

    fn inet(host: Host, ports: Ports) -> Result<Address, String> {
        Ok(Address::Inet { host, ports })
    }

    fn ip(text: &str) -> Host {
        Host::Ip(text.parse().unwrap())
    }

    fn name(text: &str) -> Host {
        Host::Name(text.to_owned(), Family::Either)
    }

    #[test]
    fn every_form_of_an_address() {
        let table = [
            ("127.0.0.1:6379", inet(ip("127.0.0.1"), port(6379))),
            ("*:6379", inet(Host::Any(Family::Either), port(6379))),
            (":6379", inet(Host::Any(Family::Either), port(6379))),
            ("ipv6@:6379", inet(Host::Any(Family::V6), port(6379))),
            ("ipv4@10.0.0.1:1", inet(ip("10.0.0.1"), port(1))),
            ("ipv6@10.0.0.1:1", Err("invalid address: '10.0.0.1' in 'ipv6@10.0.0.1:1'".to_owned())),
            ("tcp4@::1:1", Err("invalid address: '::1' in 'tcp4@::1:1'".to_owned())),
            (":::16379", inet(ip("::"), port(16379))),
            ("[::]:8888", inet(ip("::"), port(8888))),
            ("[::1]", inet(ip("::1"), Ports::Missing)),
            ("::1:6379", inet(ip("::1"), port(6379))),
            ("redis1.local:6379", inet(name("redis1.local"), port(6379))),
            ("localhost", inet(name("localhost"), Ports::Missing)),
            ("127.0.0.1:", inet(ip("127.0.0.1"), Ports::Missing)),
            ("a_b:1", inet(name("a_b"), port(1))),
            (":1-3", inet(Host::Any(Family::Either), Ports::Range { first: 1, last: 3 })),
            ("redis:+100", inet(name("redis"), Ports::Offset(100))),
            ("redis:-100", inet(name("redis"), Ports::Offset(-100))),
            ("/run/redis.sock", Ok(Address::Unix("/run/redis.sock".to_owned()))),
            ("unix@/run/r", Ok(Address::Unix("/run/r".to_owned()))),
            ("abns@redis", Ok(Address::Abstract("redis".to_owned()))),
            ("fd@3", Ok(Address::Fd(3))),
            ("fd@x", Err("file descriptor 'x' is not a number".to_owned())),
            (":70000", Err("invalid port '70000'".to_owned())),
            (":+70000", Err("invalid port '+70000'".to_owned())),
            (":10-5", Err("invalid port range '10-5'".to_owned())),
            (":abc", Err("invalid character 'a' in port number 'abc' in ':abc'".to_owned())),
            ("<ip>:1", Err("invalid address: '<ip>' in '<ip>:1'".to_owned())),
            ("::1", Err("invalid address: ':' in '::1'".to_owned())),
            ("sockpair@4", Err("addresses with 'sockpair@' are not supported".to_owned())),
            ("sentinel@g", Err("addresses with 'sentinel@' are not supported".to_owned())),
        ];
        for (text, expected) in table {
            assert_eq!(address(text).map_err(|error| error.to_string()), expected, "{text}");
        }
    }

    #[test]
    fn what_carries_connections_takes_no_datagrams() {
        for text in
            ["udp@:1", "udp4@:1", "udp6@[::1]:1", "uxdg@/x", "dgram+:1", "dgram+udp@:1", "stream+udp@:1"]
        {
            let said = stream(text).map_err(|error| error.to_string());
            assert_eq!(said, Err(format!("dgram-type address not acceptable in '{text}'")));
        }
        assert!(stream("dgram+tcp@:1").is_ok() && stream("stream+tcp4@:1").is_ok() && stream(":1").is_ok());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = address(&text);
        }

        #[test]
        fn an_ip_and_a_port_come_back(ip in any::<IpAddr>(), number in any::<u16>()) {
            let text = match ip {
                IpAddr::V4(ip) => format!("{ip}:{number}"),
                IpAddr::V6(ip) => format!("[{ip}]:{number}"),
            };
            assert_eq!(address(&text), Ok(Address::Inet { host: Host::Ip(ip), ports: port(number) }));
        }
    }
}
