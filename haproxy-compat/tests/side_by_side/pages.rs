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

/// Rules that both take, and rules that both refuse.
const TAKEN: &[&str] = &[
    "http-request auth",
    "http-request auth realm X if x",
    "http-request auth unless { http_auth_group(ops) g }",
    "stats http-request auth realm X if x",
    "stats http-request deny deny_status 429",
    "http-request tarpit deny_status 400",
    "http-request tarpit status 429 content-type text/plain string x",
    "http-request reject if x",
    "http-request silent-drop",
    "http-request return",
    "http-request return status 299",
    "http-request return content-type text/plain",
    "http-request return content-type text/plain file /etc/hostname",
    "http-request return content-type text/plain lf-file /etc/hostname",
    "http-request return status 404 default-errorfiles",
    "http-request return hdr x y",
    "http-request return status 404 default-errorfiles hdr x y",
    "http-request deny status 418 string x content-type text/plain",
    "http-request redirect location /x code 303",
    "http-request redirect location /x location /y",
    "http-request redirect prefix /x drop-query append-slash",
    "http-request redirect location /x set-cookie A=b clear-cookie C",
    "http-request redirect location \"%[path]%%\" ignore-empty",
    "http-request set-var(txn.a) path if x",
    "http-request unset-var(txn.a)",
    "http-request track-sc0 src table l",
    "http-request sc-inc-gpc0(0)",
    "http-request sc-set-gpt0(0) 5",
    "redirect location \"%[path]\" if x",
    "redirect prefix /x code 301",
];

const REFUSED: &[&str] = &[
    "http-request auth realm",
    "http-request auth foo",
    "http-request auth realm X Y",
    "http-request auth if !{ http_auth(ops,x) }",
    "http-request auth if !{ http_auth(nolist) }",
    "http-request auth if !{ http_auth }",
    "http-request auth if !{ http_auth_group(ops) nogroup }",
    "http-request auth if !{ http_auth_group(ops) }",
    "stats http-request allow foo",
    "http-request tarpit deny_status 999",
    "http-request tarpit deny_status 451",
    "http-request reject foo",
    "http-request silent-drop foo",
    "http-request return foo",
    "http-request return status",
    "http-request return status 99",
    "http-request return status 600",
    "http-request return content-type text/plain string",
    "http-request return string x",
    "http-request return string x content-type",
    "http-request return lf-string \"%[path]\"",
    "http-request return content-type text/plain lf-string \"%[path\"",
    "http-request return content-type text/plain lf-string \"%[foo]\"",
    "http-request return content-type text/plain string a string b",
    "http-request return content-type text/plain file /nonexistent/file",
    "http-request return status 299 default-errorfiles",
    "http-request return status 200 hdr x",
    "http-request return status 200 content-type \"\" string x",
    "http-request deny foo",
    "http-request deny deny_status",
    "http-request deny deny_status 199",
    "http-request deny deny_status abc",
    "http-request deny deny_status 499",
    "http-request allow foo",
    "http-request redirect",
    "http-request redirect foo",
    "http-request redirect location",
    "http-request redirect location /x code",
    "http-request redirect location /x code 305",
    "http-request redirect location /x foo",
    "http-request redirect location \"%[foo]\"",
    "http-request set-var(foo) path",
    "http-request set-var(txn.a)",
    "http-request track-sc0",
    "http-request track-sc0 src table nope",
    "http-request sc-inc-gpc0(9)",
    "http-request use-service foo",
    "redirect",
    "redirect foo",
    "redirect location",
];

#[test]
fn rules_are_taken_and_refused_as_haproxys_are() {
    let directory = tempfile::tempdir().expect("a directory");
    for (lines, expected) in [(TAKEN, 0), (REFUSED, 1)] {
        for line in lines {
            let config = format!(
                "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\nuserlist ops\n group g users a\n \
                 user a insecure-password b\nlisten l\n bind :1\n mode http\n acl x path /x\n stats uri /s\n \
                 stick-table type ip size 10 store gpc0,gpt0\n {line}\n"
            );
            std::fs::write(directory.path().join("a.cfg"), config).expect("a config");
            for which in BOTH {
                let output = which.check(directory.path());
                let told = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(expected), "{which:?}, {line}: {told}");
            }
        }
    }
}
