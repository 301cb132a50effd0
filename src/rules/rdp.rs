//! The cookie in the first message of a remote desktop client (MS-RDPBCGR section 2.2.1.1): TPKT, X.224, then
//! `Cookie: NAME=VALUE` and a line's end. Bytes in, an answer out; no byte of it is trusted.

use super::tls::Said;

/// TPKT's version, a reserved byte and a length of two bytes.
const TPKT: usize = 4;
/// X.224's length and six bytes of a connection request.
const REQUEST: usize = 7;
const CONNECTION_REQUEST: u8 = 0xe0;
const COOKIE: &[u8] = b"Cookie: ";

/// The value of the cookie of that name; of the one that there is, if no name is given.
pub(super) fn cookie(bytes: &[u8], name: &[u8]) -> Said<Vec<u8>> {
    if !bytes.iter().zip([3, 0]).all(|(byte, wanted)| *byte == wanted) {
        return Said::Nothing;
    }
    let (Some(header), Some(rest)) = (bytes.get(..TPKT + REQUEST), bytes.get(TPKT + REQUEST..)) else {
        return Said::Early;
    };
    if header[TPKT + 1] != CONNECTION_REQUEST {
        return Said::Nothing;
    }
    if rest.len() < COOKIE.len() && COOKIE.starts_with(rest) {
        return Said::Early;
    }
    let Some(line) = rest.strip_prefix(COOKIE) else { return Said::Nothing };
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else { return Said::Early };
    let mut parts = line[..end].splitn(2, |byte| *byte == b'=');
    match (parts.next(), parts.next()) {
        (Some(found), Some(value)) if name.is_empty() || found.eq_ignore_ascii_case(name) => {
            Said::This(value.to_vec())
        }
        _ => Said::Nothing,
    }
}

/// Whether there is such a cookie: 1 or 0.
pub(super) fn count(bytes: &[u8], name: &[u8]) -> Said<i64> {
    match cookie(bytes, name) {
        Said::This(_) => Said::This(1),
        Said::Nothing => Said::This(0),
        Said::Early => Said::Early,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x03\0\0\x2a\x25\xe0\0\0\0\0\0Cookie: mstshash=admin\r\n\x01\0\x08\0";

    #[test]
    fn the_cookie_is_found_by_its_name_or_without() {
        for (name, value) in [("mstshash", true), ("MSTShash", true), ("", true), ("msts", false)] {
            let expected = if value { Said::This(b"admin".to_vec()) } else { Said::Nothing };
            assert_eq!(cookie(HELLO, name.as_bytes()), expected, "{name}");
            assert_eq!(count(HELLO, name.as_bytes()), Said::This(value.into()), "{name}");
        }
    }

    #[test]
    fn a_part_of_it_is_waited_for_and_other_bytes_are_not() {
        let end = HELLO.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
        for cut in 0..end {
            assert_eq!(cookie(&HELLO[..cut], b""), Said::Early, "{cut}");
        }
        assert_eq!(cookie(b"PING\r\n", b""), Said::Nothing);
        assert_eq!(cookie(b"\x03\0\0\x2a\x25\xd0\0\0\0\0\0Cookie: a=b\r\n", b""), Said::Nothing);
        assert_eq!(count(b"PING\r\n", b""), Said::This(0));
    }
}
