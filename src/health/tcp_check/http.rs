//! The answer to an HTTP check: the bytes so far in, its head and as much of its body as has come out.
//!
//! Read anew from the start whenever bytes have come: a buffer holds `tune.bufsize` at most, and an answer
//! nearly always comes in one piece. Like HAProxy, an interim answer (1xx) counts as the answer, and one whose
//! length nobody can know for sure (RFC 9112, 6.3) as none.

use httparse::{Error, ParserConfig, Status};

/// HAProxy's `tune.http.maxhdr`, less the status line.
const MOST_HEADERS: usize = 100;

/// HAProxy takes no larger one: beyond it, sizes are not the same to everybody.
const LARGEST_CHUNK: u64 = (1 << 52) - 1;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The head is not complete.
    Partial,
    /// This is no HTTP answer, or one that contradicts itself.
    Malformed,
    Answer(Answer),
}

/// An answer whose head is complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) reason: String,
    headers: Vec<(String, Vec<u8>)>,
    /// Without the framing of chunks.
    pub(super) body: Vec<u8>,
    /// Whether that is all of it.
    pub(super) complete: bool,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClosed,
}

/// Reads `input`. `bodiless`: it answers a HEAD.
pub(super) fn read(input: &[u8], bodiless: bool) -> Reading {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let mut config = ParserConfig::default();
    config
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let head = match config.parse_response(&mut response, input) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) => return Reading::Partial,
        // Beyond the most that HAProxy takes, it is no answer to it either.
        Err(Error::TooManyHeaders | _) => return Reading::Malformed,
    };
    let Some(code) = response.code else { return Reading::Malformed };
    let headers: Vec<(String, Vec<u8>)> = response
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
        .collect();
    let framing = match code {
        _ if bodiless => Some(Framing::None),
        100..=199 | 204 | 304 => Some(Framing::None),
        _ => framing(&headers),
    };
    let body = framing.and_then(|framing| body(&input[head..], framing));
    let Some((body, complete)) = body else { return Reading::Malformed };
    let reason = response.reason.unwrap_or_default().to_owned();
    Reading::Answer(Answer { code, reason, headers, body, complete })
}

impl Answer {
    /// The values of every field of that name, which a predicate chooses.
    pub(super) fn values(&self, named: impl Fn(&str) -> bool) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |(name, _)| named(name)).map(|(_, value)| value.as_slice())
    }
}

/// `None` if the header contradicts itself.
fn framing(headers: &[(String, Vec<u8>)]) -> Option<Framing> {
    let all = |wanted: &str| {
        let values = headers.iter().filter(|(name, _)| name == wanted);
        values.flat_map(|(_, value)| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect()
    };
    let codings: Vec<&[u8]> = all("transfer-encoding");
    match codings.as_slice() {
        [] => {}
        [only] if only.eq_ignore_ascii_case(b"chunked") => return Some(Framing::Chunked),
        _ => return None,
    }
    let lengths: Vec<&[u8]> = all("content-length");
    let Some(first) = lengths.first() else { return Some(Framing::UntilClosed) };
    let digits = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let agreed = digits && lengths.iter().all(|length| length == first);
    let length = std::str::from_utf8(first).ok().filter(|_| agreed)?;
    length.parse().ok().map(Framing::Length)
}

/// As much of the body as has come, and whether that is all.
fn body(input: &[u8], framing: Framing) -> Option<(Vec<u8>, bool)> {
    match framing {
        Framing::None => Some((Vec::new(), true)),
        Framing::UntilClosed => Some((input.to_vec(), false)),
        Framing::Chunked => unchunk(input),
        Framing::Length(length) => {
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(input.len());
            Some((input[..here].to_vec(), here as u64 == length))
        }
    }
}

/// `None`: these are no chunks.
fn unchunk(mut rest: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    loop {
        let (used, size) = match httparse::parse_chunk_size(rest) {
            Ok(Status::Complete(read)) => read,
            Ok(Status::Partial) => return Some((body, false)),
            Err(_) => return None,
        };
        if size == 0 {
            return Some((body, true));
        }
        if size > LARGEST_CHUNK {
            return None;
        }
        rest = &rest[used..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        let Some(after) = rest.get(size..) else { return Some((body, false)) };
        rest = match after {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Some((body, false)),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(text: &str) -> Answer {
        match read(text.as_bytes(), false) {
            Reading::Answer(answer) => answer,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn bodies_end_as_their_headers_say() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", "ok", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", "ok", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok", "ok", true),
            ("HTTP/1.0 200 OK\r\n\r\nok", "ok", false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nma\r\n4;x=y\r\nster\r\n0\r\n\r\n",
                "master",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nma\r\n4\r\nst",
                "mast",
                false,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff", "", false),
            ("HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", "", true),
            ("HTTP/1.1 304 No\r\n\r\n", "", true),
            ("\r\nHTTP/1.1  200\n\n", "", false),
        ];
        for (text, body, complete) in cases {
            let answer = answer(text);
            assert_eq!((answer.body.as_slice(), answer.complete), (body.as_bytes(), complete), "{text}");
        }
        let head = read(b"HTTP/1.1 503 Not now\r\nContent-Length: 5\r\n\r\n", true);
        let Reading::Answer(head) = head else { panic!("{head:?}") };
        assert_eq!((head.code, head.reason.as_str(), head.complete), (503, "Not now", true));
    }

    #[test]
    fn what_is_no_answer() {
        let head = "HTTP/1.1 200 OK\r\n";
        let malformed = [
            "junk\r\n\r\n".to_owned(),
            "-ERR unknown command\r\n".to_owned(),
            "<html>".to_owned(),
            "http/1.1 200 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 20x OK\r\n\r\n".to_owned(),
            format!("{head}no colon\r\n\r\n"),
            format!("{head}A : x\r\n\r\n"),
            format!("{head}Content-Length: x\r\n\r\n"),
            format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            format!("{head}Content-Length: 99999999999999999999999\r\n\r\n"),
            format!("{head}Transfer-Encoding: gzip\r\n\r\n"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\nabc"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nmaster"),
            format!("{head}{}\r\n", "A: b\r\n".repeat(101)),
        ];
        for text in malformed {
            assert_eq!(read(text.as_bytes(), false), Reading::Malformed, "{text}");
        }
        for text in ["", "HTT", "HTTP/1.1 200 OK\r\nConten"] {
            assert_eq!(read(text.as_bytes(), false), Reading::Partial, "{text}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_read_without_panic(
            text in "(HTTP/1.1 [0-9]{3} ?[a-z]{0,5}\r\n)?((Content-Length|Transfer-Encoding|x): (chunked|[0-9]{1,22}|,)\r\n){0,3}\r\n([0-9a-f]{1,17}\r\n[a-z]{0,5}(\r\n)?){0,4}",
            bodiless: bool,
        ) {
            if let Reading::Answer(answer) = read(text.as_bytes(), bodiless) {
                prop_assert!(answer.body.len() <= text.len());
            }
        }
    }
}
