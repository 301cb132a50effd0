//! The checks of other applications as scripts: what is sent to them, and what a well server answers.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::config::ast::{CheckKind, MysqlLogin};
use crate::config::model::{
    ApplicationExpect, CheckAction, CheckConnect, CheckConverter, CheckExpect, CheckFetch, CheckFormat,
    CheckRule, CheckSample, Converter, ExpectPattern, Secret,
};

/// The script of a check without lines of its own; `bufsize` is `tune.bufsize`.
pub(super) fn script(kind: &CheckKind, bufsize: usize) -> Vec<CheckRule> {
    let actions = match kind {
        CheckKind::Mysql(login) => mysql(login.as_ref()),
        CheckKind::Pgsql(user) => pgsql(user),
        CheckKind::Smtp(greeting) => smtp(greeting),
        CheckKind::Ldap => vec![send(LDAP_BIND), application(ApplicationExpect::LdapBind)],
        CheckKind::Spop => spop(bufsize),
        CheckKind::SslHello => ssl_hello(),
        CheckKind::Layer4 | CheckKind::TcpCheck | CheckKind::RedisCheck | CheckKind::HttpCheck => Vec::new(),
    };
    actions.into_iter().map(|action| CheckRule { action, comment: None }).collect()
}

fn connect() -> CheckAction {
    CheckAction::Connect(CheckConnect::default())
}

fn send(bytes: impl Into<Vec<u8>>) -> CheckAction {
    CheckAction::SendBinary(Secret::new(bytes))
}

fn application(wanted: ApplicationExpect) -> CheckAction {
    CheckAction::Expect(CheckExpect::of(ExpectPattern::Application(wanted)))
}

/// The login goes out at once, before the greeting is there (protocol manual, "HandshakeResponse"), and QUIT
/// with it: nobody means to stay.
fn mysql(login: Option<&(String, MysqlLogin)>) -> Vec<CheckAction> {
    let Some((user, login)) = login else {
        return vec![connect(), application(ApplicationExpect::MysqlGreeting)];
    };
    let body = match login {
        MysqlLogin::Post41 => {
            // Protocol 4.1, secure connection; packets of 16 MB; utf8; 23 reserved bytes; no password.
            let head = [&[0x00, 0x82, 0, 0, 0x00, 0x80, 0x00, 0x01, 0x21][..], &[0; 23]].concat();
            [head.as_slice(), user.as_bytes(), &[0, 0]].concat()
        }
        // Transactions; packets of 16 MB.
        MysqlLogin::Pre41 => [&[0x00, 0x80, 0, 0, 0x01], user.as_bytes(), &[0, 0]].concat(),
    };
    let length = body.len().to_le_bytes();
    let quit = [1, 0, 0, 0, 1];
    let bytes = [&length[..3], &[1], body.as_slice(), &quit].concat();
    let answers = [ApplicationExpect::MysqlGreeting, ApplicationExpect::MysqlLogin].map(application);
    [vec![connect(), send(bytes)], answers.to_vec()].concat()
}

/// An authentication request that a server knows of (frontend/backend protocol, "AuthenticationOk" and on).
static PGSQL_ANSWER: LazyLock<Regex> = LazyLock::new(|| literal("^52000000[0-9A-F]{2}000000(0[02-79A])"));
static PGSQL_ERROR: LazyLock<Regex> = LazyLock::new(|| literal("^E"));

/// A StartupMessage of protocol 3.0; the answer is no error, and asks for a password or lets the user in.
fn pgsql(user: &str) -> Vec<CheckAction> {
    let body = [&[0x00, 0x03, 0x00, 0x00], &b"user\0"[..], user.as_bytes(), b"\0\0"].concat();
    let length = (body.len() as u32 + 4).to_be_bytes();
    let refused = CheckExpect {
        inverse: true,
        min_recv: Some(5),
        error_status: Some("L7RSP"),
        on_error: Some(said(6, &[])),
        ..CheckExpect::of(ExpectPattern::Rstring(PGSQL_ERROR.to_string(), PGSQL_ERROR.clone()))
    };
    let known = CheckExpect {
        min_recv: Some(9),
        error_status: Some("L7STS"),
        on_success: Some(CheckFormat::text("PostgreSQL server is ok")),
        on_error: Some(CheckFormat::text("PostgreSQL unknown error")),
        ..CheckExpect::of(ExpectPattern::Rbinary(PGSQL_ANSWER.to_string(), PGSQL_ANSWER.clone()))
    };
    let expects = [refused, known].map(CheckAction::Expect);
    [vec![connect(), send([&length, body.as_slice()].concat())], expects.to_vec()].concat()
}

static SMTP_REPLY: LazyLock<Regex> = LazyLock::new(|| literal("^[0-9]{3}[ \\r]"));
static SMTP_READY: LazyLock<Regex> = LazyLock::new(|| literal("^2[0-9]{2}[ \\r]"));
static SMTP_GOOD: LazyLock<Regex> = LazyLock::new(|| literal("^2[0-9]{2}[- \\r]"));

/// Greeted, greets and takes its leave (RFC 5321).
fn smtp(greeting: &str) -> Vec<CheckAction> {
    let reply = |regex: &Regex, min_recv| CheckExpect {
        min_recv,
        error_status: Some("L7STS"),
        on_error: Some(said(4, &[trimmed(), CheckConverter::CutCrlf])),
        status_code: Some(CheckSample {
            fetch: CheckFetch::Input { offset: 0, length: 3 },
            converters: Vec::new(),
        }),
        ..CheckExpect::of(ExpectPattern::Rstring(regex.to_string(), regex.clone()))
    };
    let spoken = CheckExpect {
        error_status: Some("L7RSP"),
        on_error: Some(said(0, &[CheckConverter::CutCrlf])),
        status_code: None,
        ..reply(&SMTP_REPLY, Some(4))
    };
    let farewell = CheckExpect {
        on_success: Some(said(4, &[trimmed(), CheckConverter::CutCrlf])),
        ..reply(&SMTP_GOOD, Some(4))
    };
    vec![
        connect(),
        CheckAction::Expect(spoken),
        CheckAction::Expect(reply(&SMTP_READY, Some(4))),
        send(format!("{greeting}\r\n")),
        CheckAction::Expect(reply(&SMTP_GOOD, None)),
        send("QUIT\r\n"),
        CheckAction::Expect(farewell),
    ]
}

/// An anonymous bind, LDAPv3 (RFC 4511, 4.2).
const LDAP_BIND: [u8; 14] =
    [0x30, 0x0c, 0x02, 0x01, 0x01, 0x60, 0x07, 0x02, 0x01, 0x03, 0x04, 0x00, 0x80, 0x00];

/// A HAPROXY-HELLO that says it is for a check: version 2.0, and frames that a buffer holds with their length (SPOE
/// specification, 3.2.4).
fn spop(bufsize: usize) -> Vec<CheckAction> {
    let largest = u32::try_from(bufsize).unwrap_or(u32::MAX).saturating_sub(4);
    let string = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let items = [
        // Type 1, the last fragment, of stream 0 and frame 0.
        vec![1, 0, 0, 0, 1, 0, 0],
        [string("supported-versions"), vec![8], string("2.0")].concat(),
        [string("max-frame-size"), vec![3], varint(largest)].concat(),
        [string("capabilities"), vec![8], string("")].concat(),
        // True.
        [string("healthcheck"), vec![0x11]].concat(),
    ];
    let frame = items.concat();
    let hello = [&(frame.len() as u32).to_be_bytes(), frame.as_slice()].concat();
    vec![send(hello), application(ApplicationExpect::SpopHello { largest })]
}

/// Section 3.1 of the same: four bits in the first byte, seven in each one after it.
fn varint(number: u32) -> Vec<u8> {
    let Some(mut rest) = number.checked_sub(0xf0) else { return vec![number as u8] };
    let mut bytes = vec![number as u8 | 0xf0];
    rest >>= 4;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest = (rest - 0x80) >> 7;
    }
    bytes.push(rest as u8);
    bytes
}

static HELLO_OR_ALERT: LazyLock<Regex> = LazyLock::new(|| literal("^1[56]"));

/// A ClientHello, of SSL 3.0 so that the oldest server understands it (RFC 6101): a server that speaks TLS
/// answers with a handshake or, mostly, with an alert.
fn ssl_hello() -> Vec<CheckAction> {
    let suites: Vec<u8> = (0x01..=0x1b).chain(0x2f..=0x3a).flat_map(|suite| [0, suite]).collect();
    // Nothing comes of it, so nothing need be random.
    let random = *b"rolecall's check of a TLS server";
    let body =
        [&[0x03, 0x00], &random[..], &[0x00, 0x00, suites.len() as u8], &suites, &[0x01, 0x00]].concat();
    let handshake = [&[0x01, 0x00, 0x00, body.len() as u8], body.as_slice()].concat();
    let record = [&[0x16, 0x03, 0x00, 0x00, handshake.len() as u8], handshake.as_slice()].concat();
    let answered = CheckExpect {
        min_recv: Some(5),
        ok_status: Some("L6OK"),
        error_status: Some("L6RSP"),
        tout_status: Some("L6TOUT"),
        ..CheckExpect::of(ExpectPattern::Rbinary(HELLO_OR_ALERT.to_string(), HELLO_OR_ALERT.clone()))
    };
    vec![send(record), CheckAction::Expect(answered)]
}

/// What the server has said, from that byte on.
fn said(offset: usize, converters: &[CheckConverter]) -> CheckFormat {
    CheckFormat::of(CheckFetch::Input { offset, length: 0 }, converters)
}

fn trimmed() -> CheckConverter {
    CheckConverter::Plain(Converter::TrimLeft(b" \t".to_vec()))
}

/// Compiles what stands in this file.
#[expect(clippy::expect_used, reason = "the tests compile every one of them")]
fn literal(text: &str) -> Regex {
    Regex::new(text).expect("an expression that compiles")
}
