//! DNS messages (RFC 1035): a question to bytes, bytes to what they answer. The `domain` crate reads and writes
//! them; here is what an answer has to be to count.
//!
//! CNAMEs are followed inside the answer, as a recursive name server gives the whole chain.

use std::net::IpAddr;
use std::str::FromStr;

use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype, ToName};
use domain::rdata::{A, Aaaa, Srv};

/// Records of one answer that are looked at; no backend has more servers of one name.
pub const MOST_RECORDS: usize = 512;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordType {
    A,
    Aaaa,
    Srv,
}

impl RecordType {
    fn rtype(self) -> Rtype {
        match self {
            RecordType::A => Rtype::A,
            RecordType::Aaaa => Rtype::AAAA,
            RecordType::Srv => Rtype::SRV,
        }
    }
}

/// One of the records of a good answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Record {
    Address(IpAddr),
    Service(Service),
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    pub host: String,
    pub port: u16,
    pub priority: u16,
    pub weight: u16,
    /// Of the host, if the answer had it in its additional section.
    pub address: Option<IpAddr>,
}

/// What a name server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// At least one.
    Records(Vec<Record>),
    /// The name is known, and has no such record.
    Empty,
    Nx,
    Refused,
    /// Any other error of the server.
    Other,
    /// Not all of it fitted.
    Truncated,
}

/// Why a datagram does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It answers something else.
    Foreign,
    /// It is no DNS message.
    Broken,
}

/// The bytes of a question; `None` if `name` cannot be one in the DNS.
pub fn query(id: u16, name: &str, asked: RecordType, payload_size: u16) -> Option<Vec<u8>> {
    let name = Name::<Vec<u8>>::from_str(name).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((name, asked.rtype())).ok()?;
    let mut additional = question.additional();
    additional
        .opt(|opt| {
            opt.set_udp_payload_size(payload_size);
            Ok(())
        })
        .ok()?;
    Some(additional.finish())
}

/// What `bytes` answer to that question.
pub fn answer(bytes: &[u8], id: u16, name: &str, asked: RecordType) -> Result<Answer, Unusable> {
    let message = Message::from_slice(bytes).map_err(|_| Unusable::Broken)?;
    let header = message.header();
    if header.id() != id || !header.qr() {
        return Err(Unusable::Foreign);
    }
    let question = message.sole_question().map_err(|_| Unusable::Broken)?;
    let wanted = Name::<Vec<u8>>::from_str(name).map_err(|_| Unusable::Broken)?;
    let same = question.qname().name_eq(&wanted)
        && question.qtype() == asked.rtype()
        && question.qclass() == Class::IN;
    if !same {
        return Err(Unusable::Foreign);
    }
    if header.tc() {
        return Ok(Answer::Truncated);
    }
    match header.rcode() {
        Rcode::NOERROR => {}
        Rcode::NXDOMAIN => return Ok(Answer::Nx),
        Rcode::REFUSED => return Ok(Answer::Refused),
        _ => return Ok(Answer::Other),
    }
    let records = match asked {
        RecordType::Srv => services(message)?,
        RecordType::A | RecordType::Aaaa => addresses(message, asked)?,
    };
    Ok(if records.is_empty() { Answer::Empty } else { Answer::Records(records) })
}

fn addresses(message: &Message<[u8]>, asked: RecordType) -> Result<Vec<Record>, Unusable> {
    // `None` where CNAMEs go round.
    let Some(owner) = message.canonical_name() else { return Ok(Vec::new()) };
    let section = message.answer().map_err(|_| Unusable::Broken)?;
    let mut found = Vec::new();
    for record in section.take(MOST_RECORDS) {
        let record = record.map_err(|_| Unusable::Broken)?;
        if record.class() != Class::IN || record.rtype() != asked.rtype() || !record.owner().name_eq(&owner) {
            continue;
        }
        let ip: Option<IpAddr> = match asked {
            RecordType::A => record.to_record::<A>().ok().flatten().map(|a| a.data().addr().into()),
            _ => record.to_record::<Aaaa>().ok().flatten().map(|aaaa| aaaa.data().addr().into()),
        };
        let ip = Record::Address(ip.ok_or(Unusable::Broken)?);
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    Ok(found)
}

fn services(message: &Message<[u8]>) -> Result<Vec<Record>, Unusable> {
    let owner = message.sole_question().map_err(|_| Unusable::Broken)?;
    let section = message.answer().map_err(|_| Unusable::Broken)?;
    let mut found: Vec<Service> = Vec::new();
    for record in section.take(MOST_RECORDS) {
        let record = record.map_err(|_| Unusable::Broken)?;
        if record.rtype() != Rtype::SRV || !record.owner().name_eq(owner.qname()) {
            continue;
        }
        let record = record.to_record::<Srv<_>>().ok().flatten().ok_or(Unusable::Broken)?;
        let srv = record.data();
        // A target of `.` says that there is no such service (RFC 2782).
        let Some(host) = host_name(&srv.target().to_string()) else { continue };
        let service =
            Service { host, port: srv.port(), priority: srv.priority(), weight: srv.weight(), address: None };
        if !found.iter().any(|known| known.host == service.host && known.port == service.port) {
            found.push(service);
        }
    }
    add_addresses(message, &mut found);
    Ok(found.into_iter().map(Record::Service).collect())
}

/// Takes the addresses of hosts from the additional section. What cannot be read there is asked for.
fn add_addresses(message: &Message<[u8]>, services: &mut [Service]) {
    let Ok(section) = message.additional() else { return };
    for record in section.take(MOST_RECORDS).map_while(Result::ok) {
        let ip: Option<IpAddr> = match record.rtype() {
            Rtype::A => record.to_record::<A>().ok().flatten().map(|a| a.data().addr().into()),
            Rtype::AAAA => record.to_record::<Aaaa>().ok().flatten().map(|aaaa| aaaa.data().addr().into()),
            _ => None,
        };
        let (Some(ip), Some(host)) = (ip, host_name(&record.owner().to_string())) else { continue };
        for service in services.iter_mut().filter(|service| service.host == host) {
            service.address = service.address.or(Some(ip));
        }
    }
}

/// A host's name as pages and logs may show it, in lower case.
fn host_name(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
