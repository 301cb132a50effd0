//! Built-in checks as the scripts that they stand for.

use super::config;
use crate::config::model::{
    CheckAction, CheckFormat, CheckMethod, CheckPiece, CheckRule, ExpectPattern, HttpWanted, OnNotFound,
};

fn rules(defaults: &str, lines: &str) -> Vec<CheckRule> {
    let indent = |lines: &str| lines.replace('|', "\n ");
    let text = format!("defaults\n {}\nbackend b\n {}\n", indent(defaults), indent(lines));
    match config(&text).backends.remove(0).check {
        CheckMethod::Builtin(rules) => rules,
        other => panic!("{lines}: {other:?}"),
    }
}

/// What differs from check to check in capitals.
fn pieces(format: &CheckFormat) -> String {
    let piece = |piece: &CheckPiece| match piece {
        CheckPiece::Text(text) => String::from_utf8_lossy(text.expose()).into_owned(),
        CheckPiece::ServerState => "STATE".to_owned(),
        CheckPiece::LengthOf(other) => format!("LENGTH<{}>", pieces(other)),
        CheckPiece::Sample(sample) => format!("{:?}", sample.fetch).to_uppercase(),
    };
    format.pieces.iter().map(piece).collect()
}

/// What is sent, request by request.
fn sent(defaults: &str, lines: &str) -> Vec<String> {
    let text = |rule: CheckRule| match rule.action {
        CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => {
            Some(String::from_utf8_lossy(bytes.expose()).into_owned())
        }
        CheckAction::SendFormat { format, .. } => Some(pieces(&format)),
        _ => None,
    };
    rules(defaults, lines).into_iter().filter_map(text).collect()
}

/// As the real program was seen to send.
#[test]
fn http_requests() {
    let hidden = "option httpchk GET /o HTTP/1.1\\r\\nHost:\\ x";
    let cases: &[(&str, &[&str])] = &[
        ("option httpchk", &["OPTIONS / HTTP/1.0\r\n\r\n"]),
        ("option httpchk /x", &["OPTIONS /x HTTP/1.0\r\n\r\n"]),
        ("option httpchk GET /x HTTP/1.1", &["GET /x HTTP/1.1\r\nconnection: close\r\n\r\n"]),
        ("option httpchk POST /x", &["POST /x HTTP/1.0\r\ncontent-length: 0\r\n\r\n"]),
        (hidden, &["GET /o HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]),
        (
            "option httpchk GET /x HTTP/1.0\\r\\nHost:\\ w\\r\\nX-A:b\\r\\n\\r\\nbody",
            &["GET /x HTTP/1.0\r\nhost: w\r\nx-a: b\r\ncontent-length: 4\r\n\r\nbody"],
        ),
        (
            "option httpchk|http-check send meth GET uri /h ver HTTP/1.1 hdr Host a.b hdr Pct 5%% hdr Content-Length 9 body hi",
            &["GET /h HTTP/1.1\r\nhost: a.b\r\npct: 5%\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"],
        ),
        (
            "http-check send meth PUT uri /z hdr A b|option httpchk /k",
            &["PUT /k HTTP/1.0\r\na: b\r\ncontent-length: 0\r\n\r\n"],
        ),
        ("option httpchk GET /a|option httpchk /k", &["OPTIONS /k HTTP/1.0\r\n\r\n"]),
        (
            "option httpchk|http-check send-state|http-check send uri /s",
            &["OPTIONS /s HTTP/1.0\r\nx-haproxy-server-state: STATE\r\n\r\n"],
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(sent("", lines), *expected, "{lines}");
    }
    let two = format!(
        "{hidden}|http-check connect|http-check send uri /a|http-check expect status 200|http-check connect port 9|http-check send uri /b"
    );
    assert_eq!(
        sent("", &two),
        ["GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "OPTIONS /b HTTP/1.0\r\n\r\n"]
    );
}

#[test]
fn an_option_or_a_line_of_ones_own_replaces_those_of_defaults() {
    let defaults = "option httpchk GET /o|http-check expect status 500|http-check disable-on-404";
    assert_eq!(sent(defaults, ""), ["GET /o HTTP/1.0\r\n\r\n"]);
    assert_eq!(sent(defaults, "http-check send hdr a b"), ["OPTIONS / HTTP/1.0\r\na: b\r\n\r\n"]);
    assert_eq!(sent(defaults, "option httpchk /k"), ["OPTIONS /k HTTP/1.0\r\n\r\n"]);
    let last = rules(defaults, "option httpchk /k").pop().unwrap();
    let CheckAction::Expect(expect) = last.action else { panic!("no expect") };
    let ExpectPattern::Http(http) = expect.pattern else { panic!("not of HTTP") };
    assert_eq!((http.wanted, http.on_404), (HttpWanted::Status(vec![200..=399]), OnNotFound::Stop));
}

#[test]
fn the_last_check_option_counts() {
    let method = |lines: &str| {
        config(&format!("backend b\n {}\n", lines.replace('|', "\n "))).backends.remove(0).check
    };
    assert_eq!(method("option httpchk|option redis-check"), CheckMethod::RedisCheck);
    assert_eq!(
        method("option httpchk|tcp-check send x|option tcp-check"),
        method("option tcp-check|tcp-check send x")
    );
    assert_eq!(method("http-check expect status 200"), CheckMethod::Layer4);
    assert!(matches!(method("option tcp-check|option ldap-check"), CheckMethod::Builtin(_)));
}

#[test]
fn logins_and_greetings() {
    let cases = [
        (
            "option mysql-check user joe",
            "%\0\0\u{1}\0\u{fffd}\0\0\0\u{fffd}\0\u{1}!\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0joe\0\0\u{1}\0\0\0\u{1}",
        ),
        ("option mysql-check user joe pre-41", "\n\0\0\u{1}\0\u{fffd}\0\0\u{1}joe\0\0\u{1}\0\0\0\u{1}"),
        ("option pgsql-check user joe", "\0\0\0\u{12}\0\u{3}\0\0user\0joe\0\0"),
        ("option smtpchk foo bar", "HELO localhost\r\n"),
        ("option smtpchk EHLO a.b", "EHLO a.b\r\n"),
    ];
    for (lines, expected) in cases {
        assert_eq!(sent("", lines)[0], expected, "{lines}");
    }
    assert!(sent("", "option mysql-check").is_empty());
    let CheckAction::SendBinary(hello) = &rules("", "option ssl-hello-chk")[0].action else {
        panic!("no hello")
    };
    // Record and handshake say how long they are.
    let hello = hello.expose();
    assert_eq!((usize::from(hello[4]), usize::from(hello[8])), (hello.len() - 5, hello.len() - 9));
}
