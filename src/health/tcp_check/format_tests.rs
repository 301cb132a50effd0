//! Scripts with expressions, against played peers: recorded from HAProxy 2.6.12.

use super::application_tests::method;
use super::*;

/// What is sent, and how it ends when the peer answers everything with `answer`, and then with silence.
fn play(lines: &str, answer: &[u8]) -> (String, CheckOutcome) {
    let method = method(&format!("option tcp-check|{lines}"));
    let mut engine = Engine::new(&method, 16384, Mode::Once);
    let named = |name: &str, id| Named { name: name.to_owned(), id };
    engine.know(Bystander { backend: named("be", 3), server: named("s", 1), ..Bystander::default() });
    let (mut sent, mut pending) = (String::new(), Vec::new());
    let mut step = engine.begin();
    loop {
        step = match step {
            Step::Done(outcome) => return (sent, outcome),
            Step::Connect(_) => engine.on_connected(),
            Step::Send(bytes) => {
                sent += &String::from_utf8_lossy(&bytes);
                pending.extend_from_slice(answer);
                engine.on_sent()
            }
            Step::Wait if pending.is_empty() => engine.on_timeout(),
            Step::Wait => engine.on_bytes(&std::mem::take(&mut pending)),
        };
    }
}

#[test]
fn expressions_are_put_in_when_the_check_comes_to_them() {
    for (lines, sent, status, info) in [
        (
            "tcp-check send-lf %[srv_name]\\ %[be_name]\\ %[srv_id]%[be_id]%%|tcp-check expect string-lf %s",
            "s be 13%",
            "L7OK",
            "(tcp-check)",
        ),
        (
            "tcp-check send-lf %b|tcp-check expect ! string-lf %[srv_name] comment c",
            "be",
            "L7RSP",
            "TCPCHK matched \
          unwanted content (log-format string) at step 2 comment: c",
        ),
        (
            "tcp-check set-var(check.a) srv_name,upper|tcp-check send-lf %[var(check.a)]",
            "S",
            "L7OK",
            "(tcp-check)",
        ),
        (
            "tcp-check set-var(check.a) str(q)|tcp-check unset-var(check.a)|tcp-check send-lf a%[var(check.a)]b",
            "ab",
            "L7OK",
            "(tcp-check)",
        ),
        (
            "tcp-check set-var-fmt(check.a) %[srv_name]-%b|tcp-check connect|tcp-check send-lf %[var(check.a)]",
            "s-be",
            "L7OK",
            "(tcp-check)",
        ),
        (
            "tcp-check send-binary-lf 5%[srv_name]|tcp-check expect string x",
            "",
            "L7RSP",
            "tcp-check send : failed to build log-format string at step 1",
        ),
        (
            "tcp-check send x|tcp-check expect binary-lf 504f4e%[str(48)]",
            "x",
            "L7TOUT",
            " at step 2 of tcp-check (expect log-format binary)",
        ),
        (
            "tcp-check send x|tcp-check expect binary-lf 504f4%[srv_name]",
            "x",
            "L7RSP",
            "Failed to parse hexastring resulting of eval of a log-format string",
        ),
        (
            "tcp-check send x|tcp-check expect string-lf %[var(check.none)]",
            "x",
            "L7RSP",
            "log-format string evaluated to an empty string",
        ),
        (
            "tcp-check send x|tcp-check expect string PONG|tcp-check set-var(check.l) res.len|tcp-check send-lf \
             %[var(check.l)]|tcp-check expect string PONG on-success l=%[var(check.l)],%[res.payload(1,4)]",
            "x9",
            "L7OK",
            "l=9,PONG",
        ),
    ] {
        let (said, outcome) = play(lines, b"+PONG s\r\n");
        assert_eq!(
            (said.as_str(), outcome.status.name(), outcome.info.as_str()),
            (sent, status, info),
            "{lines}"
        );
    }
}

#[test]
fn a_path_that_comes_to_nothing_is_the_root() {
    for (value, path) in [("str(/x)", "/x"), ("res.fhdr(a)", "/")] {
        let lines = format!(
            "option httpchk|http-check set-var(check.p) {value}|http-check send uri-lf %[var(check.p)]"
        );
        let (said, _) = play(&lines, b"HTTP/1.0 200 OK\r\n\r\n");
        assert_eq!(said, format!("OPTIONS {path} HTTP/1.0\r\n\r\n"));
    }
}

#[test]
fn a_variable_does_not_outlive_its_check_and_does_not_grow_for_ever() {
    let double = "tcp-check set-var-fmt(check.a) %[var(check.a)]%[var(check.a)]x|".repeat(40);
    let (said, _) = play(&format!("{double}tcp-check send-lf %[var(check.a)]"), b"");
    assert_eq!(said.len(), 16384);
}

#[test]
fn a_secret_that_was_put_together_stays_out_of_texts() {
    let lines = "tcp-check set-var(check.p) str(hunter2),lower|tcp-check send-lf AUTH\\ %[var(check.p)]\\r\\n|tcp-check \
                 expect string +OK on-error got\\ %[res.payload(0,0),cut_crlf]";
    let (said, outcome) = play(lines, b"-ERR no hunter2 here\r\n");
    assert_eq!(said, "AUTH hunter2\r\n");
    assert_eq!(outcome.info, "got -ERR no *** here");
    assert_eq!(outcome.trouble.as_deref(), Some("ERR no *** here"));
}

#[test]
fn a_role_is_refused_by_a_pattern_with_expressions_like_by_any_other() {
    let lines = "tcp-check send INFO\\ replication\\r\\n|tcp-check set-var(check.r) str(master),lower|tcp-check expect \
                 string-lf role:%[var(check.r)]";
    let (_, outcome) = play(lines, b"$10\r\nrole:slave\r\n");
    assert_eq!((outcome.status.name(), outcome.settled), ("L7RSP", Settled::Definite));
    let (_, outcome) = play(lines, b"$11\r\nrole:master\r\n");
    assert_eq!(outcome.settled, Settled::Pass);
}
