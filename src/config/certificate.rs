//! What a certificate says of host names. Bytes in, names out; no byte of it is trusted.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The host names of a certificate: the alternative ones, else the common name (RFC 6125 section 6.4.4).
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    let mut names: Vec<String> = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
    if names.is_empty() {
        names.extend(common_name(parsed.subject()).map(|name| name.to_ascii_lowercase()));
    }
    names
}

/// `id-at-commonName` (RFC 5280 appendix A).
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];

/// The last common name of a subject: a sequence of sets of pairs (RFC 5280 section 4.1.2.4).
fn common_name(subject: &[u8]) -> Option<&str> {
    let mut rest = subject;
    let mut found = None;
    while let Some((set, after)) = value(rest) {
        rest = after;
        let Some((pair, _)) = value(set) else { continue };
        let Some((kind, text)) = value(pair) else { continue };
        if kind == COMMON_NAME {
            found = value(text).and_then(|(text, _)| std::str::from_utf8(text).ok());
        }
    }
    found
}

/// The content of the first DER value, and what follows it.
fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = bytes.split_first()?;
    let (length, rest) = match rest.split_first()? {
        (short @ 0..=0x7f, rest) => (usize::from(*short), rest),
        (0x81, rest) => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        (0x82, rest) => {
            let (length, rest) = rest.split_at_checked(2)?;
            (usize::from(length[0]) << 8 | usize::from(length[1]), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Whether a name of a certificate holds for that host; `*` stands for the whole first label.
pub fn covers(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if let Some(parent) = pattern.strip_prefix("*.") {
        return host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent));
    }
    pattern.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(covers("a.example", "A.Example."));
        assert!(covers("*.example", "a.example"));
        assert!(!covers("*.example", "a.b.example"));
        assert!(!covers("*.example", ".example"));
        assert!(!covers("*.example", "example"));
    }

    #[test]
    fn the_common_name_of_a_subject_is_found_and_nothing_is_trusted() {
        let subject = b"\x31\x0e\x30\x0c\x06\x03\x55\x04\x0a\x0c\x05Redis\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03a.b";
        assert_eq!(common_name(subject), Some("a.b"));
        for cut in 0..subject.len() {
            let _ = common_name(&subject[..cut]);
        }
        assert_eq!(common_name(b"\x31\x84\xff\xff\xff\xff"), None);
    }
}
