//! Scripts against played peers: what HAProxy reports, and what is decided earlier here.

use proptest::prelude::*;
use regex::bytes::Regex;

use std::time::Duration;

use super::*;
use crate::config::model::{
    CheckAction, CheckConnect, CheckConverter, CheckExpect, CheckFetch, CheckFormat, CheckMethod, CheckRule,
    ExpectPattern, Secret,
};
use crate::redis::Role;

/// One rule from a short form: `send X`, `expect [!]string X`, `connect [port]`, `comment`.
pub(crate) fn rule(line: &str) -> CheckRule {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let action = match word {
        "send" => CheckAction::Send(Secret::new(rest.replace("\\r", "\r").replace("\\n", "\n"))),
        "comment" => CheckAction::Comment,
        "connect" => {
            CheckAction::Connect(CheckConnect { port: rest.parse().ok(), ..CheckConnect::default() })
        }
        _ => CheckAction::Expect(expect(rest)),
    };
    CheckRule { action, comment: None }
}

/// A text and the first line of what has come.
fn line(text: &str) -> CheckFormat {
    let mut format = CheckFormat::text(text);
    let all = CheckFetch::Input { offset: 0, length: 0 };
    format.push(&CheckFormat::of(all, [CheckConverter::CutCrlf]));
    format
}

fn expect(text: &str) -> CheckExpect {
    let (min_recv, text) = match text.strip_prefix("min-recv ").and_then(|rest| rest.split_once(' ')) {
        Some((number, rest)) => (number.parse().ok(), rest),
        None => (None, text),
    };
    let inverse = text.starts_with('!');
    let (kind, pattern) = text.trim_start_matches('!').split_once(' ').unwrap();
    let pattern = match kind {
        "string" => ExpectPattern::String(pattern.as_bytes().to_vec()),
        "rstring" => ExpectPattern::Rstring(pattern.to_owned(), Regex::new(pattern).unwrap()),
        "rbinary" => ExpectPattern::Rbinary(pattern.to_owned(), Regex::new(pattern).unwrap()),
        _ => ExpectPattern::Binary(
            (0..pattern.len() / 2)
                .map(|at| u8::from_str_radix(&pattern[2 * at..2 * at + 2], 16).unwrap())
                .collect(),
        ),
    };
    CheckExpect { inverse, min_recv, ..CheckExpect::of(pattern) }
}

pub(crate) fn script(lines: &[&str]) -> CheckMethod {
    CheckMethod::TcpCheck(lines.iter().map(|line| rule(line)).collect())
}

/// How a played connection ends after its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    Silence,
    Eof,
    Reset,
}

/// Feeds `bytes` after the first send, or the connect if there is none, in pieces of `piece` bytes.
pub(super) fn play(method: &CheckMethod, bytes: &[u8], piece: usize, end: End) -> CheckOutcome {
    let mut engine = Engine::new(method, 16384, Mode::Once);
    let mut pieces = bytes.chunks(piece.max(1));
    let mut step = engine.begin();
    loop {
        step = match step {
            Step::Done(outcome) => return outcome,
            Step::Connect(_) => engine.on_connected(),
            Step::Send(_) => engine.on_sent(),
            Step::Wait => match (pieces.next(), end) {
                (Some(piece), _) => engine.on_bytes(piece),
                (None, End::Silence) => engine.on_timeout(),
                (None, End::Eof) => engine.on_eof(),
                (None, End::Reset) => engine.on_io_error("Connection reset by peer"),
            },
        };
    }
}

/// A read backend's check: what it sends, and how it ends when each send is answered in turn.
fn asked(method: &CheckMethod, mode: Mode, answers: &[&str]) -> (Vec<String>, CheckOutcome) {
    let mut engine = Engine::new(method, 16384, mode).asking(Asks::Role);
    let (mut sent, mut answers) = (Vec::new(), answers.iter());
    let mut step = engine.begin();
    loop {
        step = match step {
            Step::Done(outcome) => return (sent, outcome),
            Step::Connect(_) => engine.on_connected(),
            Step::Send(bytes) => {
                sent.push(String::from_utf8_lossy(&bytes).into_owned());
                engine.on_sent()
            }
            Step::Wait => match answers.next() {
                Some(answer) => engine.on_bytes(answer.as_bytes()),
                None => engine.on_timeout(),
            },
        };
    }
}

#[test]
fn a_read_backends_check_asks_for_the_role_itself() {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let replica = bulk("role:slave\r\nmaster_link_status:up\r\nmaster_replid:h1\r\nslave_repl_offset:5\r\n");
    let server = bulk("run_id:r1\r\n");
    let role = "INFO replication\r\n";
    for mode in [Mode::Once, Mode::Kept] {
        let (sent, outcome) = asked(&CheckMethod::RedisCheck, mode, &["+PONG\r\n", &replica, &server]);
        assert_eq!(sent[1..], [role, "INFO server\r\n"]);
        assert_eq!((outcome.status, outcome.settled), (CheckStatus::L7Ok, Settled::Pass));
        let report = outcome.role.unwrap();
        assert_eq!(
            (report.role, report.link_up, report.run_id),
            (Role::Replica, Some(true), Some("r1".to_owned()))
        );
        let (sent, outcome) = asked(&CheckMethod::Layer4, mode, &[&replica, &server]);
        assert_eq!(sent, [role, "INFO server\r\n"]);
        assert_eq!(outcome.status, CheckStatus::L4Ok);
        // The connection would be gone after QUIT, and the script has asked already.
        let lines = [
            PING,
            "expect string +PONG",
            "send INFO replication\\r\\n",
            "expect string role:slave",
            "send QUIT\\r\\n",
            "expect string +OK",
        ];
        let (sent, outcome) = asked(&script(&lines), mode, &["+PONG\r\n", &replica, &server]);
        assert_eq!(sent, ["PING\r\n", role, "INFO server\r\n"]);
        assert!(outcome.passed());
    }
}

#[test]
fn who_does_not_tell_its_role_fails_and_says_why() {
    let ask = |answers: &[&str]| asked(&CheckMethod::RedisCheck, Mode::Kept, answers).1;
    let outcome = ask(&["+PONG\r\n", "-NOPERM this user has no permissions to run the 'info' command\r\n"]);
    assert_eq!((outcome.status, outcome.settled), (CheckStatus::L7Response, Settled::Failure));
    assert!(outcome.trouble.is_some_and(|trouble| trouble.starts_with("NOPERM")));
    let outcome = ask(&["+PONG\r\n", "$-1\r\n"]);
    assert_eq!((outcome.info.as_str(), outcome.trouble), ("no role in the reply to INFO replication", None));
    let outcome = ask(&["+PONG\r\n"]);
    assert_eq!((outcome.status, outcome.settled), (CheckStatus::L7Timeout, Settled::Failure));
}

/// Script, bytes that come, how it ends; status and text.
type Case = (&'static [&'static str], &'static [u8], End, CheckStatus, &'static str);

const PING: &str = "send PING\\r\\n";

/// What the real program was seen to report.
const TEXTS: &[Case] = &[
    (&[PING, "expect string +PONG"], b"+PONG\r\n", End::Silence, CheckStatus::L7Ok, "(tcp-check)"),
    (
        &[PING, "expect string +PONG"],
        b"",
        End::Eof,
        CheckStatus::L7Response,
        "TCPCHK got an empty response at step 2",
    ),
    (
        &[PING, "expect !string role:slave"],
        b"",
        End::Eof,
        CheckStatus::L7Response,
        "TCPCHK got an empty response at step 2",
    ),
    (
        &["expect string +PONG"],
        b"",
        End::Eof,
        CheckStatus::L7Response,
        "TCPCHK got an empty response at step 1",
    ),
    (
        &["expect string +PONG"],
        b"",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 1 of tcp-check (expect string '+PONG')",
    ),
    (
        &[PING, "expect string +PONG"],
        b"",
        End::Reset,
        CheckStatus::SocketError,
        "Connection reset by peer at step 2 of tcp-check (expect string '+PONG')",
    ),
    (
        &[PING, "expect string +PONG"],
        b"+PO",
        End::Reset,
        CheckStatus::L7Response,
        "TCPCHK did not match content '+PONG' at step 2",
    ),
    (
        &[PING, "expect binary 0aff"],
        b"+PON",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect binary '<0A><FF>')",
    ),
    (
        &[PING, "expect rbinary 0AFF"],
        b"+PON",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect binary regex)",
    ),
    (
        &[PING, "expect rstring P.NG"],
        b"+PI",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect regex)",
    ),
    (
        &[PING, "expect !binary 2b50"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L7Response,
        "TCPCHK matched unwanted content (binary) at step 2",
    ),
    (
        &[PING, "expect !rbinary 2B50"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L7Response,
        "TCPCHK matched unwanted content (binary regex) at step 2",
    ),
    (&[PING, "expect rbinary 2B50"], b"+PONG\r\n", End::Silence, CheckStatus::L7Ok, "(tcp-check)"),
    (
        &[PING, "expect !rstring P.NG"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L7Response,
        "TCPCHK matched unwanted content (regex) at step 2",
    ),
    (
        &[PING, "expect rstring PO.G"],
        b"+PING",
        End::Eof,
        CheckStatus::L7Response,
        "TCPCHK did not match content (regex) at step 2",
    ),
    (
        &["comment", PING, "expect string +PONG"],
        b"+PING",
        End::Eof,
        CheckStatus::L7Response,
        "TCPCHK did not match content '+PONG' at step 3",
    ),
    (
        &["connect", PING, "expect string +PONG", "connect"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L4Ok,
        "(tcp-check)",
    ),
    (&["comment"], b"", End::Silence, CheckStatus::L4Ok, ""),
    (&[], b"", End::Silence, CheckStatus::L4Ok, ""),
    (&[PING, "send QUIT\\r\\n"], b"", End::Silence, CheckStatus::L7Ok, "(tcp-check)"),
    // A wait restarts at the first inverse expect of a run, and is reported there.
    (
        &["send x", "expect min-recv 0 !string foo", "expect string bar"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect string 'foo')",
    ),
    (
        &["send x", "expect min-recv 100 string +PONG"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect string '+PONG')",
    ),
    (
        &[PING, "expect min-recv 5 string +PANG"],
        b"+PONG",
        End::Silence,
        CheckStatus::L7Response,
        "TCPCHK did not match content '+PANG' at step 2",
    ),
    (
        &[PING, "expect min-recv 0 string +PANG"],
        b"+P",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect string '+PANG')",
    ),
    // Input stays for the next expect, and a match consumes nothing.
    (
        &[PING, "expect string +PONG", "expect string PONG"],
        b"+PONG\r\n",
        End::Silence,
        CheckStatus::L7Ok,
        "(tcp-check)",
    ),
    // A bulk that never ends: what was promised is waited for, and then the pattern is enough.
    (
        &[PING, "expect string role:master", "send QUIT\\r\\n"],
        b"$99\r\nrole:master\r\n",
        End::Silence,
        CheckStatus::L7Ok,
        "(tcp-check)",
    ),
    (
        &[PING, "expect !string role:slave"],
        b"$99\r\nrole:slave\r\n",
        End::Silence,
        CheckStatus::L7Response,
        "TCPCHK matched unwanted content 'role:slave' at step 2",
    ),
    // No RESP: HAProxy's waiting, however complete the answer looks.
    (
        &["send GET / HTTP/1.0\\r\\n\\r\\n", "expect string 200"],
        b"HTTP/1.0 503 no\r\n\r\n",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect string '200')",
    ),
    // Control characters of a pattern are shown as HAProxy does.
    (
        &["send x", "expect string a\rb"],
        b"+x",
        End::Silence,
        CheckStatus::L7Timeout,
        " at step 2 of tcp-check (expect string 'a<0D>b')",
    ),
];

#[test]
fn texts_are_those_that_haproxy_reports() {
    for (lines, bytes, end, status, info) in TEXTS {
        let outcome = play(&script(lines), bytes, 16384, *end);
        assert_eq!((outcome.status, outcome.info.as_str()), (*status, *info), "{lines:?} {bytes:?} {end:?}");
    }
}

#[test]
fn connect_failures_name_the_step_only_in_scripts() {
    let rules = [
        script(&[]),
        script(&["connect"]),
        script(&["connect 17799"]),
        CheckMethod::Layer4,
        CheckMethod::RedisCheck,
    ];
    let texts: Vec<_> = rules
        .iter()
        .map(|method| {
            let mut engine = Engine::new(method, 16384, Mode::Once);
            assert!(matches!(engine.begin(), Step::Connect(_)));
            let Step::Done(outcome) = engine.on_connect_failed("Connection refused") else {
                panic!("not done")
            };
            assert_eq!(outcome.status, CheckStatus::L4Connection);
            outcome.info
        })
        .collect();
    insta::assert_debug_snapshot!(texts, @r#"
    [
        "Connection refused at initial connection step of tcp-check",
        "Connection refused at step 1 of tcp-check (connect)",
        "Connection refused at step 1 of tcp-check (connect port 17799)",
        "Connection refused",
        "Connection refused",
    ]
    "#);
}

#[test]
fn redis_check_reports_as_haproxy() {
    use End::{Eof, Reset, Silence};
    type Case = (&'static [u8], End, (CheckStatus, Option<i32>, &'static str));
    let cases: &[Case] = &[
        (b"+PONG\r\n", Silence, (CheckStatus::L7Ok, Some(0), "Redis server is ok")),
        (b"+PO", Eof, (CheckStatus::L7Status, Some(0), "+PO")),
        (b"+PO", Reset, (CheckStatus::L7Status, Some(0), "+PO")),
        (b"+PO", Silence, (CheckStatus::L7Timeout, None, "")),
        (b"", Silence, (CheckStatus::L7Timeout, None, "")),
        (b"", Reset, (CheckStatus::SocketError, None, "Connection reset by peer")),
        (b"", Eof, (CheckStatus::L7Status, Some(0), "TCPCHK got an empty response at step 2")),
        // Decided here at once; HAProxy waits for the timeout.
        (
            b"-LOADING Redis is loading\r\n",
            Silence,
            (CheckStatus::L7Status, Some(0), "-LOADING Redis is loading"),
        ),
    ];
    for (bytes, end, expected) in cases {
        let outcome = play(&CheckMethod::RedisCheck, bytes, 16384, *end);
        assert_eq!((outcome.status, outcome.code, outcome.info.as_str()), *expected, "{bytes:?}");
    }
    let mut engine = Engine::new(&CheckMethod::RedisCheck, 16384, Mode::Once);
    engine.begin();
    assert!(matches!(engine.on_connected(), Step::Send(bytes) if *bytes == *b"*1\r\n$4\r\nPING\r\n"));
}

#[test]
fn a_full_buffer_decides() {
    let outcome = play(&script(&[PING, "expect string +PONG"]), &[b'x'; 20000], 1000, End::Silence);
    assert_eq!(outcome.info, "TCPCHK did not match content '+PONG' at step 2");
    let outcome = play(&CheckMethod::RedisCheck, &[b'x'; 20000], 1000, End::Silence);
    assert_eq!((outcome.status, outcome.info.len()), (CheckStatus::L7Status, 127));
}

/// A bulk reply.
pub(crate) fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

pub(crate) fn master() -> Vec<u8> {
    bulk(
        "# Replication\r\nrole:master\r\nconnected_slaves:1\r\nmaster_replid:aaaa\r\nmaster_repl_offset:42\r\n",
    )
}

pub(crate) fn replica() -> Vec<u8> {
    bulk(
        "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\n",
    )
}

/// A Redis that answers what checks ask.
fn redis(info: Vec<u8>, role: &'static [u8], error: Option<&'static [u8]>) -> impl FnMut(&[u8]) -> Vec<u8> {
    move |sent: &[u8]| {
        let mut replies = Vec::new();
        for line in sent.split_inclusive(|byte| *byte == b'\n') {
            let word = line.split(u8::is_ascii_whitespace).next().unwrap().to_ascii_lowercase();
            replies.extend_from_slice(match (word.as_slice(), error) {
                (b"auth" | b"quit", _) => b"+OK\r\n",
                (_, Some(error)) => error,
                (b"ping", _) => b"+PONG\r\n",
                (b"role", _) => role,
                _ => &info,
            });
        }
        replies
    }
}

const ROLE_MASTER: &[u8] =
    b"*3\r\n$6\r\nmaster\r\n:42\r\n*1\r\n*3\r\n$8\r\n10.0.0.2\r\n$4\r\n6379\r\n$2\r\n42\r\n";
const ROLE_REPLICA: &[u8] = b"*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:42\r\n";

/// The scripts that are in use, with what they make of a master, a replica and one that loads.
#[test]
fn common_scripts_tell_master_replica_and_trouble_apart() {
    use Settled::{Definite, Failure, Pass};
    let (auth, info) = ("send AUTH secret\\r\\n", "send info replication\\r\\n");
    let (ok, pong) = ("expect string +OK", "expect string +PONG");
    let (want_master, want_replica) = ("expect string role:master", "expect string role:slave");
    let quit = "send QUIT\\r\\n";
    let scripts: &[(&[&str], Settled, Settled)] = &[
        (&[PING, pong, info, want_master, quit, ok], Pass, Definite),
        (&["connect", auth, ok, PING, pong, info, want_master, quit, ok], Pass, Definite),
        (&[info, want_master], Pass, Definite),
        (&["connect", auth, PING, pong, info, want_master, quit], Pass, Definite),
        (&[auth, PING, info, want_master], Pass, Definite),
        (&[PING, pong, info, want_replica, quit, ok], Definite, Pass),
        (&[PING, pong], Pass, Pass),
        (&[info, want_master, "expect rstring connected_slaves:[1-9][0-9]*", quit, ok], Pass, Definite),
        (&[info, "expect !string role:slave"], Pass, Definite),
        (&[info, "expect rstring \\bmaster\\b"], Pass, Definite),
        (&[info, "expect binary 726f6c653a6d6173746572"], Pass, Definite),
        (&[info, "expect rbinary 726F6C653A6D6173746572"], Pass, Definite),
        (&["send ROLE\\r\\n", "expect string master"], Pass, Definite),
        (&["send ROLE\\r\\n", "expect !string slave"], Pass, Definite),
        // A miss that another role would not mend counts towards fall.
        (&[info, "expect string connected_slaves:7"], Failure, Failure),
    ];
    for (lines, on_master, on_replica) in scripts {
        let method = script(lines);
        let cases = [
            (master(), ROLE_MASTER, *on_master, Role::Master),
            (replica(), ROLE_REPLICA, *on_replica, Role::Replica),
        ];
        for (info, role, settled, said) in cases {
            let outcome = rehearse(&method, 16384, redis(info, role, None));
            assert_eq!(outcome.settled, settled, "{lines:?}: {outcome:?}");
            assert_eq!(outcome.passed(), settled == Pass);
            if lines.len() != 2 || lines[0] != PING {
                assert_eq!(outcome.role.map(|report| report.role), Some(said), "{lines:?}");
            }
        }
        let outcome =
            rehearse(&method, 16384, redis(master(), ROLE_MASTER, Some(b"-LOADING Redis is loading\r\n")));
        if !lines.contains(&"expect !string role:slave") && !lines.contains(&"expect !string slave") {
            assert_eq!(outcome.settled, Failure);
            assert_eq!(outcome.trouble.as_deref(), Some("LOADING Redis is loading"), "{lines:?}");
            assert!(outcome.info.starts_with("TCPCHK did not match content"), "{outcome:?}");
        }
    }
}

#[test]
fn a_pipelined_login_does_not_settle_the_ping_behind_it() {
    let method = script(&["send AUTH hunter2\\r\\n", PING, "expect string +PONG"]);
    let outcome = play(&method, b"-ERR no password is set\r\n+PONG\r\n", 1, End::Silence);
    assert!(outcome.passed(), "{outcome:?}");
    let outcome = play(&method, b"-WRONGPASS no\r\n-NOAUTH Authentication required.\r\n", 1, End::Silence);
    assert_eq!(outcome.trouble.as_deref(), Some("NOAUTH Authentication required."));
    let outcome = play(&method, b"-WRONGPASS no\r\n", 1, End::Silence);
    assert_eq!(outcome.status, CheckStatus::L7Timeout, "one reply is still to come");
}

#[test]
fn an_answer_of_sentinel_decides_at_once() {
    let method = script(&["send SENTINEL get-master-addr-by-name m\\r\\n", "expect string 10.0.0.1"]);
    let said = |ip: &str| [b"*2\r\n".as_slice(), &bulk(ip), &bulk("6379")].concat();
    assert!(play(&method, &said("10.0.0.1"), 3, End::Silence).passed());
    let outcome = play(&method, &said("10.0.0.2"), 3, End::Silence);
    assert_eq!((outcome.status, outcome.settled), (CheckStatus::L7Response, Settled::Failure));
    assert_eq!(play(&method, b"*-1\r\n", 3, End::Silence).status, CheckStatus::L7Response);
}

#[test]
fn a_command_sent_in_two_pieces_is_one_command() {
    let method = script(&["send INFO repl", "send ication\\r\\n", "expect string role:master"]);
    assert_eq!(play(&method, &replica(), 5, End::Silence).settled, Settled::Definite);
}

#[test]
fn secrets_stay_out_of_texts() {
    let mut rules = [rule("send AUTH app hunter2\\r\\n"), rule("expect string +OK")];
    let CheckAction::Expect(expect) = &mut rules[1].action else { panic!("an expect") };
    expect.on_error = Some(line("said "));
    let method = CheckMethod::TcpCheck(rules.to_vec());
    let mut engine = Engine::new(&method, 16384, Mode::Once);
    engine.begin();
    let step = engine.on_connected();
    assert!(matches!(&step, Step::Send(bytes) if **bytes == *b"AUTH app hunter2\r\n"));
    let shown = format!("{engine:?} {step:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    let reply = b"-ERR unknown command 'AUTH', with args beginning with: 'app' 'hunter2' \r\n";
    let outcome = play(&CheckMethod::TcpCheck(rules.to_vec()), reply, 16384, End::Silence);
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    assert_eq!(outcome.trouble.as_deref(), Some("ERR unknown command 'AUTH'"));
    let outcome = play(
        &script(&["send AUTH hunter2\\r\\n", "expect string +OK"]),
        b"-ERR hunter2?\r\n",
        99,
        End::Silence,
    );
    assert_eq!(outcome.trouble.as_deref(), Some("ERR ***?"));
}

#[test]
fn unclear_exchanges_fall_back_to_waiting() {
    let cases: &[(&[&str], &[u8])] = &[
        // Not a whole command: no reply is owed.
        (&["send PINGrn", "expect string +PONG"], b""),
        // A banner before any command.
        (&["expect string READY"], b"+OK hello\r\n"),
        (
            &["send SUBSCRIBE a b\\r\\n", "expect string nothing"],
            b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
        ),
        (&["send \u{1}\u{2}PING\\r\\n", "expect string +PONG"], b"-ERR\r\n"),
        // More replies than commands.
        (&[PING, "expect string absent"], b"+PONG\r\n+PONG\r\n"),
    ];
    for (lines, bytes) in cases {
        let outcome = play(&script(lines), bytes, 16384, End::Silence);
        assert_eq!(
            (outcome.status, outcome.settled),
            (CheckStatus::L7Timeout, Settled::Failure),
            "{lines:?}"
        );
    }
}

#[test]
fn statuses_and_texts_of_the_rules_are_used() {
    let mut rules = [rule(PING), rule("expect string +PONG")];
    let CheckAction::Expect(expect) = &mut rules[1].action else { panic!("an expect") };
    expect.ok_status = Some("L6OK");
    expect.error_status = Some("L7STS");
    expect.tout_status = Some("L6TOUT");
    expect.on_success = Some(CheckFormat::text("got +PONG"));
    let mut bad = line("bad: ");
    bad.push_text(b" of ");
    bad.push(&CheckFormat::of(CheckFetch::InputLength, []));
    bad.push_text(b" %");
    expect.on_error = Some(bad);
    rules[1].comment = Some("the ping".to_owned());
    let method = CheckMethod::TcpCheck(rules.to_vec());
    let seen = |bytes: &[u8], end| {
        let outcome = play(&method, bytes, 16384, end);
        (outcome.status, outcome.code, outcome.info)
    };
    assert_eq!(seen(b"+PONG\r\n", End::Silence), (CheckStatus::L6Ok, None, "got +PONG".to_owned()));
    let text = "bad: -LOADING of 11 % comment: the ping".to_owned();
    assert_eq!(seen(b"-LOADING\r\nx", End::Eof), (CheckStatus::L7Status, Some(0), text));
    let text = " at step 2 of tcp-check (expect string '+PONG') comment: 'the ping'".to_owned();
    assert_eq!(seen(b"", End::Silence), (CheckStatus::L6Timeout, None, text));
    let text = "TCPCHK got an empty response at step 2 comment: 'the ping'".to_owned();
    assert_eq!(seen(b"", End::Eof), (CheckStatus::L7Status, Some(0), text));
}

#[test]
fn a_kept_probe_repeats_all_but_login_and_quit() {
    let method = script(&[
        "connect",
        "send AUTH x\\r\\n",
        "expect string +OK",
        PING,
        "expect string +PONG",
        "send INFO replication\\r\\n",
        "expect string role:master",
        "send QUIT\\r\\n",
        "expect string +OK",
    ]);
    assert!(repeatable(&method));
    let mut engine = Engine::new(&method, 16384, Mode::Kept);
    let mut sent = Vec::new();
    let mut answer = redis(master(), ROLE_MASTER, None);
    let mut identity = bulk("# Server\r\nrun_id:feed\r\nuptime_in_seconds:7\r\n");
    for round in 0..3 {
        let mut step = if round == 0 { engine.begin() } else { engine.again(Duration::ZERO) };
        let mut replies = Vec::new();
        let outcome = loop {
            step = match step {
                Step::Done(outcome) => break outcome,
                Step::Connect(_) => engine.on_connected(),
                Step::Send(bytes) => {
                    sent.push(String::from_utf8_lossy(&bytes).trim_end().to_owned());
                    replies = if bytes.starts_with(b"INFO server") {
                        std::mem::take(&mut identity)
                    } else {
                        answer(&bytes)
                    };
                    engine.on_sent()
                }
                Step::Wait => engine.on_bytes(&std::mem::take(&mut replies)),
            };
        };
        let report = outcome.role.clone().unwrap();
        assert_eq!((report.run_id.as_deref(), report.offset), (Some("feed"), Some(42)));
        assert!(outcome.passed() && engine.reusable());
    }
    let all = [
        "AUTH x",
        "PING",
        "INFO replication",
        "INFO server",
        "PING",
        "INFO replication",
        "PING",
        "INFO replication",
    ];
    assert_eq!(sent, all);
}

#[test]
fn a_server_that_cannot_be_reached_says_nothing() {
    let method = script(&["send info replication\\r\\n", "expect string role:master"]);
    let mut engine = Engine::new(&method, 16384, Mode::Once);
    engine.begin();
    assert!(matches!(engine.on_connected(), Step::Send(_)));
    engine.on_sent();
    let Step::Done(passed) = engine.on_bytes(b"$13\r\nrole:master\r\n\r\n") else { panic!("not done") };
    assert_eq!(passed.role.map(|report| report.role), Some(Role::Master));
    engine.begin();
    let Step::Done(refused) = engine.on_connect_failed("Connection refused") else { panic!("not done") };
    assert_eq!(refused.role, None, "what it said before it died is not heard again");
}

#[test]
fn what_can_be_repeated() {
    let cases: &[(&[&str], bool)] = &[
        (&[PING, "expect string +PONG"], true),
        (&["connect", PING, "expect string +PONG"], true),
        (&["connect", PING, "expect string +PONG", "connect 99", PING, "expect string +PONG"], false),
        (&[], false),
        (&["connect"], false),
        (&["expect string +PONG"], false),
        (&["send PINGrn", "expect string +PONG"], false),
        (&["send MONITOR\\r\\n", "expect string +OK"], false),
        (&["send AUTH x\\r\\n", "expect string +OK"], false),
    ];
    for (lines, expected) in cases {
        assert_eq!(repeatable(&script(lines)), *expected, "{lines:?}");
    }
    assert!(repeatable(&CheckMethod::RedisCheck) && !repeatable(&CheckMethod::Layer4));
}

proptest! {
    /// However the bytes are cut into pieces, the outcome is the same.
    #[test]
    fn chunking_changes_nothing(piece in 1usize..40, which in 0usize..6, wanted in 0usize..3, closes: bool) {
        let replies: [Vec<u8>; 6] = [
            master(), replica(), ROLE_MASTER.to_vec(), ROLE_REPLICA.to_vec(),
            b"-NOAUTH Authentication required.\r\n".to_vec(), b"HTTP/1.0 200 OK\r\n\r\nrole:master\r\n".to_vec(),
        ];
        let wanted = ["expect string role:master", "expect !string role:slave", "expect rstring role:(slave|replica)"][wanted];
        let method = script(&["send INFO replication\\r\\n", wanted, "expect rstring .*"]);
        let end = if closes { End::Eof } else { End::Silence };
        let (whole, cut) = (play(&method, &replies[which], 16384, end), play(&method, &replies[which], piece, end));
        prop_assert_eq!(whole, cut);
    }

    /// No bytes make it panic, hang or hold more than the buffer.
    #[test]
    fn junk_ends_in_an_outcome(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
        let method = script(&[PING, "expect string +PONG", "send INFO\\r\\n", "expect string role:master"]);
        let outcome = play(&method, &bytes, piece, End::Eof);
        prop_assert!(outcome.info.len() <= 127);
    }

    /// RESP-looking junk, too.
    #[test]
    fn resp_like_junk_ends_in_an_outcome(text in "([+$*%>|!:-]{1,2}-?[0-9]{0,3}(\r\n)?[a-z:]{0,5}(\r\n)?){0,20}") {
        let method = script(&[PING, "expect string +PONG"]);
        play(&method, text.as_bytes(), 3, End::Silence);
    }
}
