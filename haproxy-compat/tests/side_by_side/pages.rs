//! Pages and their rules, byte for byte over connections that are kept, and what becomes of those that are not
//! answered.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::program::{BOTH, DEADLINE, Running};
use super::traffic::DEFAULTS;

/// How long nothing is heard.
const MOMENT: Duration = Duration::from_millis(700);

/// What comes back on one connection for these requests, the last of which closes it.
fn answers(program: &Running, requests: &[&str]) -> String {
    let mut client = program.connect();
    let (last, kept) = requests.split_last().expect("a request");
    let text: String = kept.iter().map(|head| format!("{head}\r\nHost: x\r\n\r\n")).collect();
    let text = format!("{text}{last}\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.write_all(text.as_bytes()).expect("requests");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer); // Whatever ends it.
    String::from_utf8_lossy(&answer).into_owned()
}

const RULES: &str = "userlist u\n user alice insecure-password wonder\n user bob password $1$abcdefgh$OG8ThcMs28pRS0i6HKg9B/\n\
listen l\n bind @BIND@\n mode http\n timeout tarpit 50ms\n acl known http_auth(u)\n \
http-request return content-type text/plain string open if { path /open }\n \
http-request return content-type text/plain lf-string \"first:%[http_first_req]\" if { path /first }\n \
http-request deny deny_status 404 if { path /none }\n http-request tarpit if { path /slow }\n \
http-request redirect location /open if { path /old }\n http-request redirect prefix /new code 307 if { path_beg /pre }\n \
http-request auth realm Ops unless known\n http-request return status 204 if { path /empty }\n \
http-request return content-type text/plain lf-string \"%[http_auth_user]\"\n";

/// `alice:wonder`, `bob:builder`, `alice:x`.
const ALICE: &str = "GET / HTTP/1.1\r\nAuthorization: Basic YWxpY2U6d29uZGVy";
const BOB: &str = "GET / HTTP/1.1\r\nAuthorization: Basic Ym9iOmJ1aWxkZXI=";
const WRONG: &str = "GET / HTTP/1.1\r\nAuthorization: Basic YWxpY2U6eA==";

#[test]
fn answers_are_haproxys_to_the_byte() {
    let series: &[&[&str]] = &[
        &[
            "GET /open HTTP/1.1",
            "GET /none HTTP/1.1",
            "GET /old HTTP/1.1",
            "GET /pre/a?b=c HTTP/1.1",
            "HEAD /open HTTP/1.1",
        ],
        &["GET /first HTTP/1.1", "GET /first HTTP/1.1", "GET /slow HTTP/1.1", "GET /open HTTP/1.1"],
        &["GET / HTTP/1.1", ALICE, BOB, WRONG, "HEAD / HTTP/1.1", "GET /open HTTP/1.1"],
        &["GET /empty HTTP/1.1\r\nAuthorization: Basic YWxpY2U6d29uZGVy", "GET /open HTTP/1.1"],
    ];
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &format!("{DEFAULTS}{RULES}"));
        series.iter().map(|requests| answers(&program, requests)).collect::<Vec<_>>()
    });
    assert_eq!(theirs, ours);
    assert_eq!(ours[2].matches("401 Unauthorized\r\n").count(), 3, "{}", ours[2]);
}

#[test]
fn who_gets_no_answer_is_closed_or_left() {
    let config = format!(
        "{DEFAULTS}listen l\n bind @BIND@\n mode http\n http-request reject if {{ path /no }}\n \
         http-request silent-drop if {{ path /never }}\n http-request return\n"
    );
    for which in BOTH {
        let program = Running::start(which, &config);
        let ending = |path: &str, limit: Duration| {
            let mut client = program.connect();
            write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
            client.set_read_timeout(Some(limit)).expect("a time limit");
            client.read(&mut [0; 1]).map_err(|error| error.kind())
        };
        // HAProxy closes it, or resets it.
        let rejected = ending("/no", DEADLINE);
        assert!(matches!(rejected, Ok(0) | Err(ErrorKind::ConnectionReset)), "{which:?}: {rejected:?}");
        assert_eq!(ending("/", DEADLINE), Ok(1), "{which:?}");
        // Without CAP_NET_ADMIN a client on this machine hears of it all the same.
        let dropped = ending("/never", MOMENT);
        let silent = matches!(dropped, Err(ErrorKind::WouldBlock | ErrorKind::ConnectionReset));
        assert!(silent, "{which:?}: {dropped:?}");
    }
}

#[test]
fn lines_of_the_log_say_how_rules_ended_a_request() {
    let config = format!("{DEFAULTS}{RULES}");
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        let ending = |path: &str| {
            answers(&program, &[&format!("GET {path} HTTP/1.1")]);
            let line = program.log_line();
            let words: Vec<&str> = line.split_whitespace().collect();
            // Proxy and server, then the termination.
            format!("{path}: {} {}", words[4], words[7])
        };
        ["/open", "/none", "/old", "/", "/slow"].map(ending)
    });
    assert_eq!(theirs, ours);
}
