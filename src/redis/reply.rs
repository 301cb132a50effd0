//! Conversations of our own: commands out, replies cut out of the stream and opened up. RESP2, and RESP3 as far as
//! a login may have switched to it.
//!
//! [`super::resp`] finds where a reply ends; this holds the bytes until then, up to a limit, and reads a complete
//! reply into borrowed values. What is too large, too deep or no RESP is one error: the peer is not who we took
//! it for, and the connection is of no more use.

use super::resp::{ReplyScanner, Scan};

/// Arrays in arrays in arrays; the scanner takes no deeper ones either.
const MAX_DEPTH: usize = 8;

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A line or a bulk: its bytes. Numbers are texts here.
    Text(&'a [u8]),
    /// Without its `-`.
    Error(&'a [u8]),
    Nil,
    /// An array, set or push; a map as keys and values in turn.
    List(Vec<Reply<'a>>),
}

impl<'a> Reply<'a> {
    /// Reads the one reply that `frame` holds.
    pub fn parse(frame: &'a [u8]) -> Option<Reply<'a>> {
        let mut rest = frame;
        element(&mut rest, MAX_DEPTH)
    }

    /// The text of printable ASCII that it is.
    pub fn text(&self) -> Option<&'a str> {
        let Reply::Text(bytes) = self else { return None };
        printable(bytes)
    }

    /// The elements that it has; none if it is no list.
    pub fn elements(&self) -> &[Reply<'a>] {
        if let Reply::List(elements) = self { elements } else { &[] }
    }
}

/// The longest text that is taken for a name, an address or an id.
const MAX_TEXT: usize = 512;

fn printable(bytes: &[u8]) -> Option<&str> {
    let clean = bytes.len() <= MAX_TEXT && bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
    clean.then(|| std::str::from_utf8(bytes).ok()).flatten()
}

fn element<'a>(rest: &mut &'a [u8], depth: usize) -> Option<Reply<'a>> {
    let end = memchr::memchr(b'\n', rest)?;
    let (kind, line) = (*rest.first()?, rest.get(1..end)?.strip_suffix(b"\r")?);
    *rest = &rest[end + 1..];
    let number = || std::str::from_utf8(line).ok()?.parse::<i64>().ok();
    match kind {
        b'+' | b':' | b'#' | b',' | b'(' => Some(Reply::Text(line)),
        b'_' => Some(Reply::Nil),
        b'-' => Some(Reply::Error(line)),
        b'$' | b'=' | b'!' => match number()? {
            -1 => Some(Reply::Nil),
            length => {
                let length = usize::try_from(length).ok()?;
                let text = rest.get(..length)?;
                *rest = rest.get(length.checked_add(2)?..)?;
                Some(if kind == b'!' { Reply::Error(text) } else { Reply::Text(text) })
            }
        },
        b'*' | b'~' | b'>' | b'%' => match number()? {
            -1 => Some(Reply::Nil),
            count => {
                let count = usize::try_from(count).ok()?.checked_mul(if kind == b'%' { 2 } else { 1 })?;
                let depth = depth.checked_sub(1)?;
                // Grown as elements come: a length is only a claim.
                (0..count).map(|_| element(rest, depth)).collect::<Option<Vec<_>>>().map(Reply::List)
            }
        },
        _ => None,
    }
}

/// The peer speaks no RESP, or says more at once than anybody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotResp;

/// The bytes of one connection that are no complete reply yet.
#[derive(Debug, Default)]
pub struct Inbox {
    data: Vec<u8>,
    scanned: usize,
    scanner: ReplyScanner,
}

/// No reply to anything that is asked here is larger.
const MAX_FRAME: usize = 256 << 10;

impl Inbox {
    /// Takes what came.
    ///
    /// # Errors
    ///
    /// When more came than a reply may have.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), NotResp> {
        if self.data.len() + bytes.len() > MAX_FRAME {
            return Err(NotResp);
        }
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    /// The next complete reply, if it has come; for [`Reply::parse`].
    ///
    /// # Errors
    ///
    /// When what came is no RESP.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, NotResp> {
        match self.scanner.scan(&self.data[self.scanned..]) {
            Scan::NotResp => Err(NotResp),
            Scan::Partial => {
                self.scanned = self.data.len();
                Ok(None)
            }
            Scan::Complete { used, .. } => {
                let frame = self.data.drain(..self.scanned + used).collect();
                self.scanned = 0;
                Ok(Some(frame))
            }
        }
    }
}

/// A command as Redis wants it.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(bytes: &[u8]) -> Result<Vec<Vec<u8>>, NotResp> {
        let mut inbox = Inbox::default();
        let mut found = Vec::new();
        for byte in bytes {
            inbox.receive(&[*byte])?;
            while let Some(frame) = inbox.next_frame()? {
                found.push(frame);
            }
        }
        Ok(found)
    }

    #[test]
    fn replies_are_cut_out_and_opened_up() {
        let stream = b"+OK\r\n-ERR no\r\n*3\r\n$1\r\na\r\n:7\r\n*-1\r\n$-1\r\n%1\r\n+k\r\n+v\r\n>1\r\n+p\r\n";
        let found = frames(stream).unwrap();
        let read: Vec<_> = found.iter().map(|frame| Reply::parse(frame).unwrap()).collect();
        let text = |text: &'static str| Reply::Text(text.as_bytes());
        assert_eq!(
            read,
            [
                text("OK"),
                Reply::Error(b"ERR no"),
                Reply::List(vec![text("a"), text("7"), Reply::Nil]),
                Reply::Nil,
                Reply::List(vec![text("k"), text("v")]),
                Reply::List(vec![text("p")]),
            ]
        );
    }

    #[test]
    fn what_is_no_resp_or_too_much_is_refused() {
        assert_eq!(frames(b"HTTP/1.1 400 Bad Request\r\n"), Err(NotResp));
        let mut inbox = Inbox::default();
        assert_eq!(inbox.receive(&vec![b'x'; MAX_FRAME + 1]), Err(NotResp));
        assert_eq!(Reply::parse(b"*9999999999\r\n+a\r\n"), None);
        assert_eq!(Reply::parse("*1\r\n".repeat(1000).as_bytes()), None);
    }

    #[test]
    fn commands_count_their_words_and_bytes() {
        assert_eq!(command(&[b"PING", b"a b"]), b"*2\r\n$4\r\nPING\r\n$3\r\na b\r\n");
    }

    proptest! {
        #[test]
        fn garbage_neither_panics_nor_grows(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Reply::parse(&bytes);
            let _ = frames(&bytes);
        }

        #[test]
        fn what_was_cut_out_parses(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..9)) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let bytes = command(&words);
            let found = frames(&bytes).unwrap();
            prop_assert_eq!(&found, std::slice::from_ref(&bytes));
            let read = Reply::parse(&found[0]).unwrap();
            let texts: Vec<&[u8]> = read.elements().iter().map(|element| match element {
                Reply::Text(text) => *text,
                _ => unreachable!(),
            }).collect();
            prop_assert_eq!(texts, words);
        }
    }
}
