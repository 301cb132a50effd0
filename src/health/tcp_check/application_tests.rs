//! Built-in checks of other protocols against played peers: what the real program was seen to report.

use std::collections::BTreeMap;

use super::tests::{End, play};
use super::{Bystander, Engine, Mode, Present, Step};
use crate::config::model::CheckMethod;
use crate::config::{Bundle, load};
use crate::state::CheckStatus::{
    self, L6Ok, L6Response, L6Timeout, L7Ok, L7OkConditional, L7Response, L7Status, L7Timeout, SocketError,
};

/// The check of a backend with these lines.
pub(crate) fn method(lines: &str) -> CheckMethod {
    let bundle = Bundle {
        files: vec![(
            "a.cfg".to_owned(),
            format!("backend b\n {}\n", lines.replace('|', "\n ")).into_bytes(),
        )],
        environment: BTreeMap::new(),
        hosts: BTreeMap::new(),
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
        pems: Default::default(),
        patterns: BTreeMap::new(),
        hostname: String::new(),
        resolv_conf: None,
        ignore_unresolved: false,
    };
    let loaded = load(&bundle);
    loaded.config.unwrap_or_else(|| panic!("{lines}: {:?}", loaded.diagnostics)).backends.remove(0).check
}

/// Lines, what comes and how it ends; status, code and text.
type Case = (&'static str, &'static [u8], End, CheckStatus, Option<i32>, &'static str);

fn hold(cases: &[Case]) {
    for (lines, bytes, end, status, code, info) in cases {
        for piece in [1, 16384] {
            let outcome = play(&method(lines), bytes, piece, *end);
            let seen = (outcome.status, outcome.code, outcome.info.as_str());
            assert_eq!(seen, (*status, *code, *info), "{lines}: {:?}", bytes.escape_ascii().to_string());
            assert_eq!((outcome.role, outcome.trouble), (None, None), "nothing is said of Redis");
        }
    }
}

const OK: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GONE: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope";
const CHUNKS: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmas\r\n3\r\nter\r\n0\r\n\r\n";
const CUT: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmas\r\n3\r\n";
const LIST: &[u8] = b"HTTP/1.1 200 OK\r\nX: a, b\r\nContent-Length: 0\r\n\r\n";
const OPEN: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nmaster";

#[test]
fn statuses() {
    hold(&[
        ("option httpchk", OK, End::Eof, L7Ok, Some(200), ""),
        ("option httpchk", b"HTTP/1.0 304 Not\r\n\r\n", End::Silence, L7Ok, Some(304), ""),
        ("option httpchk", GONE, End::Eof, L7Status, Some(404), "Not Found"),
        ("option httpchk", b"HTTP/1.1 503\r\n\r\n", End::Silence, L7Status, Some(503), ""),
        ("option httpchk", b"HTTP/1.1 100 Continue\r\n\r\n", End::Silence, L7Status, Some(100), "Continue"),
        ("option httpchk", b"junk\r\n\r\n", End::Silence, L7Response, None, ""),
        ("option httpchk", b"-ERR unknown command\r\n", End::Silence, L7Response, None, ""),
        ("option httpchk", b"", End::Eof, L7Response, None, ""),
        ("option httpchk", b"", End::Silence, L7Timeout, None, ""),
        ("option httpchk", b"", End::Reset, SocketError, None, "Connection reset by peer"),
        ("option httpchk", b"HTTP/1.1 200 OK\r\nConten", End::Eof, L7Response, None, ""),
        ("option httpchk|http-check expect status 400-410,500", GONE, End::Eof, L7Ok, Some(404), ""),
        ("option httpchk|http-check expect ! status 404", GONE, End::Eof, L7Status, Some(404), "Not Found"),
        ("option httpchk|http-check expect rstatus ^4", GONE, End::Eof, L7Ok, Some(404), ""),
        (
            "option httpchk|http-check expect comment hey status 500",
            OK,
            End::Eof,
            L7Status,
            Some(200),
            "OK comment: hey",
        ),
        (
            "option httpchk|http-check expect status 500 on-error got:%[status] status-code int(3)",
            OK,
            End::Eof,
            L7Status,
            Some(3),
            "got:200",
        ),
        (
            "option httpchk|http-check expect status 200 on-success fine",
            OK,
            End::Eof,
            L7Ok,
            Some(200),
            "fine",
        ),
        (
            "option httpchk|http-check expect status 200 ok-status L4OK",
            OK,
            End::Eof,
            CheckStatus::L4Ok,
            None,
            "",
        ),
        (
            "option httpchk|http-check expect status 500 error-status L7OKC",
            OK,
            End::Eof,
            L7OkConditional,
            Some(200),
            "OK",
        ),
        ("option httpchk|http-check expect hdr name x value b", LIST, End::Eof, L7Ok, Some(200), ""),
        ("option httpchk|http-check expect fhdr name X value b", LIST, End::Eof, L7Status, Some(200), "OK"),
        (
            "option httpchk|http-check expect fhdr name -m beg X value -m sub b",
            LIST,
            End::Eof,
            L7Ok,
            Some(200),
            "",
        ),
        ("option httpchk|http-check expect ! hdr name x", LIST, End::Eof, L7Status, Some(200), "OK"),
    ]);
}

#[test]
fn bodies() {
    let (no_match, unwanted) = ("HTTP content check did not match", "HTTP check matched unwanted content");
    let nothing = "HTTP content check could not find a response body";
    hold(&[
        ("option httpchk|http-check expect string nope", GONE, End::Eof, L7Ok, Some(404), ""),
        ("option httpchk|http-check expect string Content", GONE, End::Eof, L7Response, None, no_match),
        ("option httpchk|http-check expect ! rstring ^no", GONE, End::Eof, L7Response, None, unwanted),
        ("option httpchk|http-check expect ! string x", LIST, End::Eof, L7Response, None, nothing),
        ("option httpchk HEAD /|http-check expect string x", GONE, End::Silence, L7Response, None, nothing),
        ("option httpchk|http-check expect string master", CHUNKS, End::Silence, L7Ok, Some(200), ""),
        ("option httpchk|http-check expect string mas", CUT, End::Silence, L7Ok, Some(200), ""),
        ("option httpchk|http-check expect string master", CUT, End::Silence, L7Timeout, None, ""),
        ("option httpchk|http-check expect string master", CUT, End::Eof, L7Response, None, no_match),
        ("option httpchk|http-check expect string slave", OPEN, End::Silence, L7Timeout, None, ""),
        ("option httpchk|http-check expect ! string slave", OPEN, End::Silence, L7Timeout, None, ""),
        ("option httpchk|http-check expect ! string slave", OPEN, End::Eof, L7Ok, Some(200), ""),
        (
            "option httpchk|http-check expect min-recv 6 string slave",
            OPEN,
            End::Silence,
            L7Response,
            None,
            no_match,
        ),
        (
            "option httpchk|http-check expect status 200|http-check expect string zz",
            OK,
            End::Eof,
            L7Response,
            None,
            no_match,
        ),
    ]);
}

#[test]
fn a_body_is_held_as_far_as_the_buffer_reaches() {
    let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 30000], b"END"].concat();
    let outcome = play(&method("option httpchk|http-check expect string END"), &answer, 4096, End::Silence);
    assert_eq!(outcome.info, "HTTP content check did not match");
    let header = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 30000]].concat();
    assert_eq!(play(&method("option httpchk"), &header, 4096, End::Silence).status, L7Response);
}

#[test]
fn a_404_stops_a_server_only_while_it_serves() {
    for (lines, present, expected) in [
        ("option httpchk", Present::Serving, L7OkConditional),
        ("option httpchk", Present::Stopped, L7Status),
        ("option httpchk|http-check expect status 404", Present::Serving, L7OkConditional),
        ("option httpchk|http-check expect status 404", Present::Stopped, L7Ok),
        ("option httpchk|http-check expect string zzz", Present::Serving, L7OkConditional),
    ] {
        let method = method(&format!("http-check disable-on-404|{lines}"));
        assert!(method.mentions_server());
        let mut engine = Engine::new(&method, 16384, Mode::Once);
        engine.know(Bystander { present, ..Bystander::default() });
        engine.begin();
        engine.on_connected();
        engine.on_sent();
        let Step::Done(outcome) = engine.on_bytes(GONE) else { panic!("not done") };
        assert_eq!((outcome.status, outcome.code), (expected, Some(404)), "{lines} {present:?}");
    }
}

const USER: &str = "option mysql-check user joe";
const GREETING: &[u8] = b"\x06\0\0\0\x0a8.0\0x";
const WELCOME: &[u8] = b"\x06\0\0\0\x0a8.0\0x\x07\0\0\x02\0\0\0\x02\0\0\0";
const DENIED: &[u8] = b"\x06\0\0\0\x0a8.0\0x\x12\0\0\x02\xff\x15\x04#28000Go away!!";
const BLOCKED: &[u8] = b"\x0a\0\0\0\xff\x69\x04Blocked";

#[test]
fn databases() {
    let pgsql = "option pgsql-check user joe";
    hold(&[
        ("option mysql-check", GREETING, End::Silence, L7Ok, Some(0), "8.0"),
        ("option mysql-check", b"\x01\0\0\0\x0a", End::Silence, L7Ok, Some(0), ""),
        ("option mysql-check", b"\0\0\0\0", End::Silence, L7Ok, Some(0), ""),
        ("option mysql-check", BLOCKED, End::Eof, L7Status, Some(1129), "Blocked"),
        ("option mysql-check", b"HTTP/1.0 400 Bad\r\n\r\n", End::Silence, L7Timeout, None, ""),
        ("option mysql-check", b"\x06\0\0\0\x0a8", End::Eof, L7Response, None, ""),
        ("option mysql-check", b"", End::Eof, L7Response, None, "TCPCHK got an empty response at step 2"),
        (USER, WELCOME, End::Silence, L7Ok, Some(0), "8.0"),
        (USER, DENIED, End::Silence, L7Status, Some(1045), "#28000Go away!!"),
        (USER, BLOCKED, End::Eof, L7Status, Some(1129), "Blocked"),
        (USER, GREETING, End::Eof, L7Response, None, ""),
        (USER, GREETING, End::Silence, L7Timeout, None, ""),
        (
            pgsql,
            b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0",
            End::Silence,
            L7Ok,
            Some(0),
            "PostgreSQL server is ok",
        ),
        (pgsql, b"R\0\0\0\x08\0\0\0\x0b", End::Silence, L7Status, Some(0), "PostgreSQL unknown error"),
        (pgsql, b"junk and more", End::Silence, L7Status, Some(0), "PostgreSQL unknown error"),
        (pgsql, b"R", End::Silence, L7Timeout, None, ""),
        (pgsql, b"", End::Eof, L7Response, None, "TCPCHK got an empty response at step 3"),
    ]);
    let refused = b"E\0\0\0\x30SFATAL\0C28000\0Mrole \"joe\" does not exist\0\0";
    let outcome = play(&method(pgsql), refused, 16384, End::Eof);
    assert_eq!((outcome.status, outcome.info.as_str()), (L7Response, "FATAL"));
}

#[test]
fn mail_directory_and_handshake() {
    hold(&[
        ("option smtpchk", b"", End::Eof, L7Response, None, "TCPCHK got an empty response at step 2"),
        (
            "option ldap-check",
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0",
            End::Silence,
            L7Ok,
            Some(0),
            "Success",
        ),
        (
            "option ldap-check",
            b"\x30\x84\0\0\0\x10\x02\x01\x01\x61\x84\0\0\0\x07\x0a\x01\x31\x04\0\x04\0",
            End::Silence,
            L7Status,
            Some(49),
            "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9",
        ),
        (
            "option ldap-check",
            b"junk, junk, junk, junk",
            End::Silence,
            L7Response,
            None,
            "Not LDAPv3 protocol",
        ),
        ("option ldap-check", b"\x30\x0c\x02", End::Eof, L7Response, None, ""),
        ("option ssl-hello-chk", b"\x15\x03\0\0\x02\x02\x28", End::Silence, L6Ok, None, ""),
        ("option ssl-hello-chk", b"HTTP/1.1 400 Bad\r\n", End::Silence, L6Response, None, ""),
        ("option ssl-hello-chk", b"\x16\x03", End::Silence, L6Timeout, None, ""),
        ("option ssl-hello-chk", b"", End::Eof, L6Response, None, "TCPCHK got an empty response at step 2"),
    ]);
    let refused = play(&method("option smtpchk"), b"554 no service\r\n", 99, End::Silence);
    assert_eq!((refused.status, refused.code, refused.info.as_str()), (L7Status, Some(554), "no service"));
    let talk = |answers: &[&[u8]]| {
        let method = method("option smtpchk EHLO a.b");
        let mut engine = Engine::new(&method, 16384, Mode::Once);
        let mut answers = answers.iter();
        let mut sent = Vec::new();
        let mut step = engine.begin();
        loop {
            step = match step {
                Step::Connect(_) => engine.on_connected(),
                Step::Send(bytes) => {
                    sent.push(String::from_utf8_lossy(&bytes).into_owned());
                    engine.on_sent()
                }
                Step::Wait => answers.next().map_or(Step::Wait, |answer| engine.on_bytes(answer)),
                Step::Done(outcome) => return (sent, outcome.status, outcome.code, outcome.info),
            };
        }
    };
    let expected =
        (vec!["EHLO a.b\r\n".to_owned(), "QUIT\r\n".to_owned()], L7Ok, Some(221), "bye".to_owned());
    assert_eq!(talk(&[b"220 hi\r\n", b"250-ok\r\n250 x\r\n", b"221 bye\r\n"]), expected);
    // The leave is judged by its first four bytes; what was said of the greeting counts no more.
    let (_, status, code, info) = talk(&[b"220 hi\r\n", b"250 x\r\n", b"500", b" "]);
    assert_eq!((status, code, info.as_str()), (L7Status, Some(500), ""));
}

/// An agent that is well.
pub(crate) const AGENT: &[u8] =
    b"\0\0\0\x27\x65\0\0\0\x01\0\0\x07version\x08\x032.0\x0emax-frame-size\x03\xfc\xf0\x06";
pub(crate) const OLD_AGENT: &[u8] = b"\0\0\0\x14\x65\0\0\0\x01\0\0\x07version\x08\x031.0";

#[test]
fn agents_of_spoe() {
    let lines = "option spop-check";
    let invalid = "invalid frame received";
    hold(&[
        (lines, AGENT, End::Silence, L7Ok, Some(0), "SPOA server is ok"),
        (lines, OLD_AGENT, End::Silence, L7Response, None, "unsupported version"),
        (lines, b"\0\0\0\0", End::Silence, L7Response, None, invalid),
        (lines, b"\0\0", End::Eof, L7Response, None, invalid),
        (lines, &AGENT[..20], End::Eof, L7Response, None, invalid),
        (lines, &AGENT[..20], End::Silence, L7Timeout, None, ""),
        (lines, b"HTTP/1.0 400 Bad\r\n\r\n", End::Eof, L7Response, None, invalid),
        (lines, b"", End::Eof, L7Response, None, "TCPCHK got an empty response at step 2"),
    ]);
    let endless = [&b"\0\xff\0\0"[..], &[b'x'; 20000]].concat();
    assert_eq!(play(&method(lines), &endless, 4096, End::Silence).info, invalid);
}

const NAMED: &[u8] = b"HTTP/1.0 202 Ok\r\nX-Name: x-a\r\nX-A: one, two\r\nX-V: one\r\n\r\n";

#[test]
fn headers_whose_names_and_values_are_put_together() {
    let empty = "log-format string evaluated to an empty string";
    let ok = (L7Ok, Some(202), "");
    let no = (L7Status, Some(202), "Ok");
    let none = (L7Response, None, empty);
    for (expect, expected) in [
        ("hdr name-lf %[res.fhdr(x-name)]", ok),
        ("hdr name-lf X-%[str(A)]", ok),
        ("hdr name-lf -m beg %[res.fhdr(x-name)] value-lf -m end %[str(o)]", ok),
        ("hdr name x-a value-lf %[res.fhdr(x-v)]", ok),
        ("fhdr name x-a value-lf %[res.fhdr(x-v)]", no),
        ("fhdr name x-a value-lf -m sub %[res.fhdr(x-v)]", ok),
        ("fhdr name x-a value-lf -m end %[res.fhdr(x-v)]", no),
        ("hdr name-lf %[status]", no),
        // Whatever the case of a name, and in no other of a value.
        ("hdr name -m reg ^X-n[A-Z]+$ value -m reg ^x-a$", ok),
        ("hdr name -m reg ^x-name$ value -m reg ^X-A$", no),
        ("hdr name x-a value ONE", no),
        ("hdr name-lf %[res.fhdr(nope)]", none),
        ("! hdr name x-a value-lf %[res.fhdr(nope)]", none),
        ("hdr name x-a value-lf %[env(NONE)]", none),
        ("string-lf %[res.fhdr(nope)]", none),
    ] {
        let method = method(&format!("option httpchk|http-check expect {expect}"));
        for piece in [1, 99] {
            let outcome = play(&method, NAMED, piece, End::Eof);
            assert_eq!((outcome.status, outcome.code, outcome.info.as_str()), expected, "{expect}");
        }
    }
    hold(&[
        (
            "option httpchk|http-check expect status 202|http-check set-var(check.a) res.fhdr(x-name)|\
             http-check expect hdr name-lf %[var(check.a)]",
            NAMED,
            End::Eof,
            L7Ok,
            Some(202),
            "",
        ),
        // Nothing has come when the variable is set.
        (
            "option httpchk|http-check set-var(check.a) res.fhdr(x-name)|\
             http-check expect comment hey hdr name-lf %[var(check.a)]",
            NAMED,
            End::Eof,
            L7Response,
            None,
            "log-format string evaluated to an empty string comment: hey",
        ),
    ]);
}

#[test]
fn codes_are_the_digits_at_the_front_and_of_the_last_rule() {
    let lines = "option tcp-check|tcp-check connect|tcp-check expect string OK status-code res.payload(0,3)";
    for (bytes, code) in [(&b"abc OK"[..], 0), (b"12x OK", 12), (b" 12 OK", 0), (b"312 OK", 312)] {
        assert_eq!(play(&method(lines), bytes, 99, End::Silence).code, Some(code), "{bytes:?}");
    }
    let outcome = play(&method(&format!("{lines}|tcp-check expect string 3")), b"312 OK", 99, End::Silence);
    assert_eq!((outcome.status, outcome.code), (L7Ok, Some(0)));
}

/// HAProxy's page and its second line of a status do not show it.
#[test]
fn what_was_said_in_passing_is_forgotten() {
    for (lines, bytes, first, then) in [
        ("option mysql-check", GREETING, "8.0", ""),
        ("option spop-check", AGENT, "SPOA server is ok", ""),
        ("option mysql-check", BLOCKED, "Blocked", "Blocked"),
        ("option redis-check", b"+PONG\r\n", "Redis server is ok", "Redis server is ok"),
        ("option tcp-check|tcp-check expect string O", b"OK", "(tcp-check)", "(tcp-check)"),
    ] {
        let mut outcome = play(&method(lines), bytes, 99, End::Silence);
        assert_eq!(outcome.info, first, "{lines}");
        outcome.forget();
        assert_eq!(outcome.info, then, "{lines}");
    }
}

mod junk {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// No bytes make a check panic, hang or hold more than the buffer.
        #[test]
        fn ends_in_an_outcome(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0u8), Just(0x30), Just(0xff)], 0..300),
            piece in 1usize..50,
            which in 0usize..6,
        ) {
            let lines = [
                "option httpchk",
                USER,
                "option ldap-check",
                "option pgsql-check user a",
                "option smtpchk",
                "option spop-check",
            ];
            let outcome = play(&method(lines[which]), &bytes, piece, End::Eof);
            prop_assert!(outcome.info.len() <= 127);
        }
    }
}
