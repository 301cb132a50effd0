//! Built-in checks as the scripts that they stand for.

use super::{config, loaded, told};
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
        CheckPiece::Path(other) => pieces(other),
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

/// In the real program's words, but for what only rolecall refuses.
#[test]
fn what_is_wrong_with_an_option_of_a_check_is_said() {
    let step = "'http-check connect' : 'proto'";
    for (lines, said) in [
        ("option httpchk|server s 10.0.0.1:1 check check-proto h1", None),
        ("option httpchk|http-check connect proto h1|server s 10.0.0.1:1 check", None),
        ("server s 10.0.0.1:1 check check-proto none", None),
        ("server s 10.0.0.1:1 check-proto h1", None),
        // HAProxy's servers do not take it over.
        ("default-server check-proto h1|server s 10.0.0.1:1 check", None),
        (
            "option httpchk|server s 10.0.0.1:1 check check-proto none",
            Some(
                "backend 'b': server 's' uses an incompatible MUX protocol for the selected check type"
                    .to_owned(),
            ),
        ),
        (
            "server s 10.0.0.1:1 check check-proto h1",
            Some(
                "backend 'b': server 's' uses an incompatible MUX protocol for the selected check type"
                    .to_owned(),
            ),
        ),
        ("server s 10.0.0.1:1 check-proto x", Some("'check-proto' :  unknown MUX protocol 'x'.".to_owned())),
        ("server s 10.0.0.1:1 check-proto", Some("'check-proto' : missing value.".to_owned())),
        ("server s 10.0.0.1:1 check-proto h2", None),
        (
            "option httpchk|server s 10.0.0.1:1 check check-proto h2",
            Some("'check-proto h2' is not supported: checks speak HTTP/1".to_owned()),
        ),
        ("http-check connect proto", Some(format!("{step} expects a MUX protocol as argument.."))),
        ("http-check connect proto x", Some(format!("{step} : unknown MUX protocol 'x'.."))),
        (
            "http-check connect proto none",
            Some(format!("{step} : invalid MUX protocol 'none' for http-check.")),
        ),
        ("http-check connect proto h2", Some(format!("{step} : 'h2' is not supported"))),
        (
            "http-check expect hdr name-lf -m reg ^a",
            Some("'hdr': log-format string is not supported with a regex matching method.".to_owned()),
        ),
        ("http-check expect fhdr name -m bin a", Some("'fhdr' : '-m' only supports 'str'".to_owned())),
        ("http-check expect hdr name -m", Some("'hdr' : '-m' expects at a matching pattern".to_owned())),
        (
            "http-check expect hdr name a value-lf",
            Some("'hdr' expect a pattern with the value keyword.".to_owned()),
        ),
        ("http-check expect ! hdr name", Some("'hdr' expects at the name keyword as first".to_owned())),
    ] {
        let loaded = loaded(&format!("backend b\n {}\n", lines.replace('|', "\n ")));
        match (said, told(&loaded)) {
            (Some(said), told) => assert!(told.contains("error") && told.contains(&said), "{lines}: {told}"),
            (None, told) => assert!(!told.contains("error"), "{lines}: {told}"),
        }
    }
}

#[test]
fn rules_of_defaults_name_the_proxy_of_a_server_or_a_table() {
    let heir = "backend b from d\n stick-table type ip size 1k store conn_rate(1s)\n server w 10.0.0.1:1\n";
    for (lines, said) in [
        ("tcp-request content reject if { srv_conn(b/w) gt 1 } { be_conn gt 1 }", ""),
        ("acl a srv_is_up(w)", ""),
        (
            "tcp-request content track-sc0 src table b|tcp-request content reject if { sc_conn_rate(0) gt 1 }",
            "",
        ),
        (
            "tcp-request content reject if { srv_conn(w) gt 1 }",
            "error 2:34-45 backend name must be set in arg 1 of ACL keyword 'srv_conn' in proxy 'd'.",
        ),
        (
            "tcp-response content reject if { src_conn_rate gt 1 }",
            "error 2:35-48 table name must be set in arg 1 of ACL keyword 'src_conn_rate' in proxy 'd'.",
        ),
        (
            "tcp-request content set-var(sess.a) srv_conn(w)",
            "backend name must be set in arg 1 of sample fetch keyword 'srv_conn' in tcp-request content expression",
        ),
        ("tcp-request content track-sc1 src", "Proxy 'd': unable to find table 'd' referenced by track-sc1."),
    ] {
        let found = told(&loaded(&format!("defaults d\n {}\n{heir}", lines.replace('|', "\n "))));
        assert!(found.contains(said) && found.contains("error") != said.is_empty(), "{lines}: {found}");
        // Nobody inherits them.
        let unused = format!(
            "defaults d\n {}\ndefaults\nbackend b\n server w 10.0.0.1:1\n",
            lines.replace('|', "\n ")
        );
        assert!(!told(&loaded(&unused)).contains("must be set"), "{lines}");
    }
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
    // Frames of 16380 bytes, or as long as a buffer holds them.
    for (global, largest) in [("", &b"\xfc\xf0\x06"[..]), ("global\n tune.bufsize 32768\n", b"\xfc\xf0\x0e")]
    {
        let text = format!("{global}backend b\n option spop-check\n");
        let CheckMethod::Builtin(rules) = config(&text).backends.remove(0).check else { panic!("no script") };
        let CheckAction::SendBinary(hello) = &rules[0].action else { panic!("no hello") };
        let payload = [b"\x12supported-versions\x08\x032.0\x0emax-frame-size\x03", largest].concat();
        let rest = b"\x0ccapabilities\x08\0\x0bhealthcheck\x11";
        let expected = [b"\0\0\0\x4e\x01\0\0\0\x01\0\0", payload.as_slice(), rest].concat();
        assert_eq!(hello.expose(), expected, "{global}");
    }
    let CheckAction::SendBinary(hello) = &rules("", "option ssl-hello-chk")[0].action else {
        panic!("no hello")
    };
    // Record and handshake say how long they are.
    let hello = hello.expose();
    assert_eq!((usize::from(hello[4]), usize::from(hello[8])), (hello.len() - 5, hello.len() - 9));
}
