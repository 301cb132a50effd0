//! Where replies end, whole and cut in pieces.

use proptest::prelude::*;

use super::*;

/// Ends and kinds of all complete replies in `bytes`, fed in pieces; the flag says whether it broke.
fn ends(bytes: &[u8], piece: usize) -> (Vec<(usize, ReplyKind)>, bool) {
    let mut scanner = ReplyScanner::default();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + piece).min(bytes.len());
        match scanner.scan(&bytes[at..end]) {
            Scan::Partial => at = end,
            Scan::NotResp => return (found, true),
            Scan::Complete { used, kind } => {
                assert!(used > 0 && at + used <= end);
                at += used;
                found.push((at, kind));
            }
        }
    }
    (found, false)
}

#[test]
fn replies_end_where_the_protocol_says() {
    use ReplyKind::{Aggregate, Bulk, Error, Line, Push};
    let whole: &[(&[u8], ReplyKind)] = &[
        (b"+PONG\r\n", Line),
        (b"+\r\n", Line),
        (b"+a\rb\r\n", Line),
        (b"-ERR no\r\n", Error),
        (b":-12\r\n", Line),
        (b"$3\r\na\nb\r\n", Bulk),
        (b"$0\r\n\r\n", Bulk),
        (b"$-1\r\n", Bulk),
        (b"*-1\r\n", Aggregate),
        (b"*0\r\n", Aggregate),
        (b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", Aggregate),
        (b"*2\r\n*0\r\n$-1\r\n", Aggregate),
        (b"%1\r\n+key\r\n*2\r\n:1\r\n:2\r\n", Aggregate),
        (b"~1\r\n#t\r\n", Aggregate),
        (b"_\r\n", Line),
        (b",1.5\r\n", Line),
        (b"(123\r\n", Line),
        (b"=7\r\ntxt:abc\r\n", Bulk),
        (b"!5\r\nERR x\r\n", Error),
        (b">2\r\n+message\r\n+x\r\n", Push),
        // An attribute belongs to the reply behind it.
        (b"|1\r\n+ttl\r\n:9\r\n+OK\r\n", Line),
    ];
    for (bytes, kind) in whole {
        for piece in [1, 2, 3, 1000] {
            assert_eq!(
                ends(bytes, piece),
                (vec![(bytes.len(), *kind)], false),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
        let (short, broken) = ends(&bytes[..bytes.len() - 1], 1000);
        assert!(short.is_empty() && !broken, "{:?} without its end", bytes.escape_ascii().to_string());
    }
    let all: Vec<u8> = whole.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
    assert_eq!(ends(&all, 7).0.len(), whole.len());
}

#[test]
fn what_is_not_resp_is_said_to_be() {
    let cases: &[&[u8]] = &[
        b"HTTP/1.0 200 OK\r\n",
        b"role:master\r\n",
        b"\x00\x01",
        b"+no carriage return\n",
        b"$x\r\n",
        b"$\r\n",
        b"$5\n",
        b"$-2\r\n",
        b"%-1\r\n",
        b"$99999999999999\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    ];
    for bytes in cases {
        assert!(ends(bytes, 1000).1, "{}", bytes.escape_ascii());
        assert!(ends(bytes, 1).1, "{}", bytes.escape_ascii());
    }
    assert!(ends(&[b"+".as_slice(), &[b'a'; 70_000]].concat(), 1000).1, "no line is that long");
}

proptest! {
    #[test]
    fn pieces_change_nothing(text in "([+$*%>|!:_-]{1,2}-?[0-9]{0,2}(\r\n)?[a-z]{0,4}(\r\n)?){0,20}", piece in 1usize..9) {
        prop_assert_eq!(ends(text.as_bytes(), piece), ends(text.as_bytes(), usize::MAX / 2));
    }

    #[test]
    fn no_bytes_confuse_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        ends(&bytes, 5);
    }
}
