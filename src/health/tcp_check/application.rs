//! Answers of MySQL and LDAP servers and of SPOE agents: protocols whose lengths have to be followed, so that no
//! pattern can decide them. Bytes in, a verdict out; what is there is enough or one waits.

use super::expect::{Verdict, Words};
use super::spop;
use crate::config::model::ApplicationExpect;
use crate::state::CheckStatus;

/// Length (3 bytes, little endian) and number of a MySQL packet (protocol manual, "MySQL Packets").
const PACKET_HEADER: usize = 4;
/// The first byte of a packet that refuses.
const MYSQL_ERROR: u8 = 0xff;

/// The shortest answer to a bind: message, number, result code and two empty texts (RFC 4511).
const SHORTEST_LDAP: usize = 14;
const NOT_LDAP: &str = "Not LDAPv3 protocol";
const LDAP_REFUSAL: &str = "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9";

/// Decides a rule by what came. `ended`: nothing more will come.
pub(super) fn evaluate(expect: ApplicationExpect, input: &[u8], ended: bool) -> Verdict {
    let decided = match expect {
        ApplicationExpect::MysqlGreeting => mysql_packet(input).map(|(packet, _)| mysql(packet)),
        ApplicationExpect::MysqlLogin => mysql_packet(input)
            .and_then(|(_, rest)| mysql_packet(rest))
            .map(|(packet, _)| mysql_refusal(packet).unwrap_or(Verdict::Met(Words::code(0)))),
        ApplicationExpect::LdapBind => ldap(input),
        ApplicationExpect::SpopHello { largest } => spop::evaluate(input, largest),
    };
    match (decided, expect) {
        (Some(verdict), _) => verdict,
        (None, ApplicationExpect::SpopHello { .. }) if ended => {
            Verdict::Over(CheckStatus::L7Response, spop::torn())
        }
        (None, _) if ended => Verdict::Over(CheckStatus::L7Response, Words::default()),
        (None, _) => Verdict::Wait,
    }
}

/// The first packet without its header, and what follows it; `None` if it is not complete.
fn mysql_packet(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = input.split_at_checked(PACKET_HEADER)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    rest.split_at_checked(length as usize)
}

/// A greeting: the number of the protocol, the version as text up to a NUL (protocol manual, "Handshake").
fn mysql(packet: &[u8]) -> Verdict {
    let version = packet.get(1..).and_then(|text| text.split(|byte| *byte == 0).next()).unwrap_or_default();
    let info = String::from_utf8_lossy(version).into_owned();
    mysql_refusal(packet).unwrap_or(Verdict::Met(Words { code: Some(0), info }))
}

fn mysql_refusal(packet: &[u8]) -> Option<Verdict> {
    let (MYSQL_ERROR, rest) = packet.split_first().map(|(first, rest)| (*first, rest))? else { return None };
    let byte = |at: usize| rest.get(at).copied().unwrap_or_default();
    let code = u16::from_le_bytes([byte(0), byte(1)]);
    let info = String::from_utf8_lossy(rest.get(2..).unwrap_or_default()).into_owned();
    Some(Verdict::Missed(CheckStatus::L7Status, Words { code: Some(i32::from(code)), info }))
}

/// `30 LENGTH 02 01 01 61 LENGTH 0A 01 CODE`, with lengths of one byte or more.
fn ldap(input: &[u8]) -> Option<Verdict> {
    if input.len() < SHORTEST_LDAP {
        return None;
    }
    let not_ldap = || {
        let words = Words { code: None, info: NOT_LDAP.to_owned() };
        Some(Verdict::Missed(CheckStatus::L7Response, words))
    };
    let [0x30, rest @ ..] = input else { return not_ldap() };
    let rest = after_length(rest)?;
    if !starts(rest, &[0x02, 0x01, 0x01, 0x61])? {
        return not_ldap();
    }
    let rest = after_length(&rest[4..])?;
    if !starts(rest, &[0x0a, 0x01])? {
        return not_ldap();
    }
    Some(match *rest.get(2)? {
        0 => Verdict::Met(Words { code: Some(0), info: "Success".to_owned() }),
        code => {
            let words = Words { code: Some(i32::from(code)), info: LDAP_REFUSAL.to_owned() };
            Verdict::Missed(CheckStatus::L7Status, words)
        }
    })
}

/// Skips a BER length; `None` if it, or what it announces, is not complete.
fn after_length(input: &[u8]) -> Option<&[u8]> {
    let (first, rest) = input.split_first()?;
    if first & 0x80 == 0 {
        return rest.get(usize::from(*first)..).map(|_| rest);
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
    let length =
        digits.iter().fold(0usize, |length, digit| (length << 8).saturating_add(usize::from(*digit)));
    rest.get(length..).map(|_| rest)
}

/// `None` if there are too few bytes to tell.
fn starts(input: &[u8], wanted: &[u8]) -> Option<bool> {
    let here = input.len().min(wanted.len());
    match input[..here] == wanted[..here] {
        true if here < wanted.len() => None,
        same => Some(same),
    }
}
