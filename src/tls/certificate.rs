//! What a certificate says of itself (RFC 5280), in OpenSSL's words, as rules, logs and PROXY headers have it. Bytes
//! in, values out. Those that get here were verified, or are ours; what does not parse all the same says nothing.

use std::fmt::Write as _;

use sha1::{Digest, Sha1};
use x509_parser::asn1_rs::Oid;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

use crate::config::model::{CertificateFact, NameEntry, NameForm, NamePart, Value};

/// The answer to one question.
pub fn told(certificate: &[u8], fact: &CertificateFact) -> Option<Value> {
    use CertificateFact as C;
    let text = |text: &str| Value::Text(text.as_bytes().to_vec());
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(match fact {
        C::Der => Value::Binary(certificate.to_vec()),
        C::Sha1 => Value::Binary(Sha1::digest(certificate).to_vec()),
        C::Serial => Value::Binary(positive(parsed.raw_serial()).to_vec()),
        C::Version => Value::Integer(i64::from(parsed.version().0) + 1),
        C::SignatureAlgorithm => text(named(&parsed.signature_algorithm.algorithm, ALGORITHMS)?),
        C::KeyAlgorithm => text(named(&parsed.public_key().algorithm.algorithm, ALGORITHMS)?),
        C::NotBefore => text(&moment(parsed.validity().not_before)?),
        C::NotAfter => text(&moment(parsed.validity().not_after)?),
        C::Subject(part) => Value::Text(name(parsed.subject(), part)?),
        C::Issuer(part) => Value::Text(name(parsed.issuer(), part)?),
    })
}

/// How it is signed: `RSA-SHA256`.
pub fn signature(certificate: &[u8]) -> Option<&'static str> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    named(&parsed.signature_algorithm.algorithm, ALGORITHMS)
}

/// The kind and the length of its key: `RSA2048`, `EC256`. HAProxy has no word for others.
pub fn key(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let key = parsed.public_key();
    match key.parsed().ok()? {
        PublicKey::RSA(rsa) => Some(format!("RSA{}", rsa.key_size())),
        PublicKey::EC(_) => {
            let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
            Some(format!("EC{}", named(&curve, CURVES)?))
        }
        _ => None,
    }
}

type Names = &'static [(&'static str, &'static str)];

/// As OpenSSL names them for short.
static ALGORITHMS: Names = &[
    ("1.2.840.113549.1.1.1", "rsaEncryption"),
    ("1.2.840.113549.1.1.5", "RSA-SHA1"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.113549.1.1.11", "RSA-SHA256"),
    ("1.2.840.113549.1.1.12", "RSA-SHA384"),
    ("1.2.840.113549.1.1.13", "RSA-SHA512"),
    ("1.2.840.113549.1.1.14", "RSA-SHA224"),
    ("1.2.840.10045.2.1", "id-ecPublicKey"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.3.101.112", "ED25519"),
    ("1.3.101.113", "ED448"),
];

/// Bits of a key on that curve.
static CURVES: Names = &[
    ("1.2.840.10045.3.1.1", "192"),
    ("1.2.840.10045.3.1.7", "256"),
    ("1.3.132.0.10", "256"),
    ("1.3.132.0.33", "224"),
    ("1.3.132.0.34", "384"),
    ("1.3.132.0.35", "521"),
];

/// Of distinguished names.
static ATTRIBUTES: Names = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn named(id: &Oid<'_>, names: Names) -> Option<&'static str> {
    let id = id.to_id_string();
    names.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// Without the byte that only says that a number is not negative.
fn positive(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        other => other,
    }
}

/// `YYMMDDhhmmssZ`; one of another century is not told, as in HAProxy.
fn moment(time: ASN1Time) -> Option<String> {
    let at = time.to_datetime();
    if !(2000..2100).contains(&at.year()) {
        return None;
    }
    let (month, day) = (u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    Some(format!("{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z", at.year() % 100))
}

/// An entry's name, its value, and where in the name it stands: entries of one place belong together.
struct Attribute<'a> {
    name: String,
    value: &'a [u8],
    place: usize,
}

fn attributes<'a>(name: &'a X509Name<'_>) -> Vec<Attribute<'a>> {
    let places = name.iter().enumerate();
    let entries = places.flat_map(|(place, set)| set.iter().map(move |entry| (place, entry)));
    let attribute = entries.map(|(place, entry)| {
        let id = entry.attr_type();
        let name = named(id, ATTRIBUTES).map_or_else(|| id.to_id_string(), str::to_owned);
        Attribute { name, value: entry.attr_value().data, place }
    });
    attribute.collect()
}

fn name(name: &X509Name<'_>, part: &NamePart) -> Option<Vec<u8>> {
    let entries = attributes(name);
    match part {
        NamePart::Entry(NameEntry { name, occurrence }) => {
            let mut found = entries.iter().filter(|entry| entry.name.eq_ignore_ascii_case(name));
            let at = usize::try_from(occurrence.unsigned_abs()).ok()?.checked_sub(1)?;
            let entry = if *occurrence > 0 { found.nth(at) } else { found.rev().nth(at) };
            entry.map(|entry| entry.value.to_vec())
        }
        NamePart::Whole(NameForm::Slashes) => {
            let mut out = Vec::new();
            for entry in &entries {
                out.extend([b"/", entry.name.as_bytes(), b"="].concat());
                out.extend_from_slice(entry.value);
            }
            (!out.is_empty()).then_some(out)
        }
        NamePart::Whole(NameForm::Rfc2253) => {
            let text = rfc2253(&entries);
            (!text.is_empty()).then(|| text.into_bytes())
        }
    }
}

/// The last one first; `+` between those that belong together.
fn rfc2253(entries: &[Attribute<'_>]) -> String {
    let mut out = String::new();
    let mut before = None;
    for entry in entries.iter().rev() {
        match before {
            None => {}
            Some(place) if place == entry.place => out.push('+'),
            Some(_) => out.push(','),
        }
        before = Some(entry.place);
        out.push_str(&entry.name);
        out.push('=');
        push_escaped(&mut out, entry.value);
    }
    out
}

fn push_escaped(out: &mut String, value: &[u8]) {
    for (at, byte) in value.iter().enumerate() {
        let (first, last) = (at == 0, at + 1 == value.len());
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => out.extend(['\\', char::from(*byte)]),
            b'#' if first => out.push_str("\\#"),
            b' ' if first || last => out.push_str("\\ "),
            0..0x20 | 0x7f.. => {
                let _ = write!(out, "\\{byte:02X}");
            }
            plain => out.push(char::from(*plain)),
        }
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
