//! The common name in a certificate's subject (RFC 5280 section 4.1, DER of X.690): bytes in, a part of them out.
//! Certificates come from the network; those that get here were verified, and still nothing is taken for granted.

/// Tags of DER.
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Of the version, which may be missing.
const VERSION: u8 = 0xa0;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The last one, which is the most specific, in whatever encoding the certificate has it.
pub(super) fn common_name(certificate: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader(certificate).of(SEQUENCE)?.of(SEQUENCE)?;
    if fields.0.first() == Some(&VERSION) {
        fields.next()?;
    }
    fields.of(INTEGER)?;
    let (_signature, _issuer, _validity) = (fields.of(SEQUENCE)?, fields.of(SEQUENCE)?, fields.of(SEQUENCE)?);
    let mut names = fields.of(SEQUENCE)?;
    let mut found = None;
    while let Some(mut set) = names.of(SET) {
        while let Some(mut attribute) = set.of(SEQUENCE) {
            let kind = attribute.of(OBJECT_IDENTIFIER)?;
            let (_, value) = attribute.next()?;
            if kind.0 == COMMON_NAME {
                found = Some(value);
            }
        }
    }
    found
}

/// Goes through elements; `None` where they end, or are none.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element, which has to have that tag.
    fn of(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Reader(content))
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let mut out = vec![tag, 0x82];
        out.extend((content.len() as u16).to_be_bytes());
        out.extend(content);
        out
    }

    fn name(kind: u8, text: &[u8]) -> Vec<u8> {
        let kind = element(OBJECT_IDENTIFIER, &[&[0x55, 0x04, kind]]);
        element(SET, &[&element(SEQUENCE, &[&kind, &element(0x0c, &[text])])])
    }

    fn certificate(subject: &[&[u8]]) -> Vec<u8> {
        let version = element(VERSION, &[&[2, 1, 2]]);
        let serial = element(INTEGER, &[&[7]]);
        let empty = element(SEQUENCE, &[]);
        let issuer = element(SEQUENCE, &[&name(3, b"the issuer")]);
        let subject = element(SEQUENCE, subject);
        let fields = element(SEQUENCE, &[&version, &serial, &empty, &issuer, &empty, &subject]);
        element(SEQUENCE, &[&fields, &empty])
    }

    #[test]
    fn the_subjects_name_is_found_and_not_the_issuers() {
        let whole = certificate(&[&name(10, b"Org"), &name(3, b"client.one")]);
        assert_eq!(common_name(&whole), Some(&b"client.one"[..]));
        assert_eq!(common_name(&certificate(&[&name(10, b"Org")])), None);
        for cut in 0..whole.len() {
            assert_eq!(common_name(&whole[..cut]), None, "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let found = common_name(&bytes);
            proptest::prop_assert!(found.is_none_or(|name| name.len() < bytes.len()));
        }
    }
}
