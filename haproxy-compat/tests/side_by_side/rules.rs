//! Conditions: where connections go, which are refused, and what the log says of those.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::program::{BOTH, REFUSES, Running, free_port};
use super::traffic::{DEFAULTS, named};

/// Sections after the defaults, the first of which has `@BIND@`; `@A@`, `@B@` and `@C@` are servers that say
/// their name, `@DOWN@` is one that refuses; and how many connections are made, all of them kept.
const SERIES: &[(&str, usize)] = &[
    (
        "frontend f\n bind @BIND@\n use_backend a if { dst_port 1 }\n use_backend b if { src 127.0.0.0/8 }\n \
      default_backend a\nbackend a\n server s @A@\nbackend b\n server s @B@\n",
        2,
    ),
    (
        "frontend f\n bind @BIND@\n use_backend x if FALSE\n use_backend b_%[nbsrv(a)] if TRUE\n use_backend x\n\
         backend a\n server s @A@\nbackend b_1\n server s @B@\nbackend b_2\n server s @A@\nbackend x\n server s @C@\n",
        2,
    ),
    (
        "frontend f\n bind @BIND@\n use_backend b_%[dst_port] if TRUE\n use_backend a if TRUE\n default_backend b\n\
         backend a\n server s @A@\nbackend b\n server s @B@\nbackend b_1\n server s @C@\n",
        2,
    ),
    (
        "frontend f\n bind @BIND@\n acl here src 10.0.0.1\n acl here src 127.0.0.1\n use_backend b unless !here\n \
      default_backend a\nbackend a\n server s @A@\nbackend b\n server s @B@\n",
        1,
    ),
    (
        "frontend f\n bind @BIND@\n use_backend b if { nbsrv(b) ge 2 }\n default_backend a\nbackend a\n \
      server s @A@\nbackend b\n server s @B@\n server t @B@ disabled\n",
        1,
    ),
    (
        "frontend f\n bind @BIND@\n use_backend b if { srv_is_up(b/s) } !{ srv_is_up(b/t) } { nbsrv(b) eq 1 }\n \
      default_backend a\nbackend a\n server s @A@\nbackend b\n server s @B@\n server t @B@ disabled\n",
        1,
    ),
    (
        "frontend f\n bind @BIND@\n use_backend b if { be_conn(a) ge 2 } or { srv_conn(a/s) gt 5 }\n \
      default_backend a\nbackend a\n server s @A@\nbackend b\n server s @B@\n",
        4,
    ),
    (
        "frontend f\n bind @BIND@\n use_backend b if { fe_conn gt 3 }\n use_backend b if { connslots(a) lt 2 }\n \
      default_backend a\nbackend a\n server s @A@ maxconn 3 maxqueue 1\nbackend b\n server s @B@\n",
        5,
    ),
    (
        "frontend f\n bind @BIND@\n tcp-request connection set-var(sess.n) int(3),add(4)\n \
      use_backend b if { var(sess.n) -m int 7 } { var(txn.m) -m found }\n \
      use_backend c if { var(sess.n) -m int 7 } !{ var(txn.m) -m found }\n default_backend a\n\
      backend a\n server s @A@\nbackend b\n server s @B@\nbackend c\n server s @C@\n",
        1,
    ),
    (
        "listen l\n bind @BIND@\n use-server b if { always_true }\n server a @A@\n server b @B@\n server c @C@\n",
        3,
    ),
    (
        "listen l\n bind @BIND@\n use-server b if TRUE\n server a @A@\n server b @B@ disabled\n server c @C@\n",
        3,
    ),
    ("listen l\n bind @BIND@\n use-server b if TRUE\n server a @A@\n server b @B@ weight 0\n", 2),
    ("listen l\n bind @BIND@\n use-server b if TRUE\n server a @A@\n server b @B@ backup\n", 2),
    ("listen l\n bind @BIND@\n use-server b if { srv_conn(b) lt 2 }\n server a @A@\n server b @B@\n", 5),
    (
        "listen l\n bind @BIND@\n use-server d if TRUE\n option redispatch\n server a @A@\n server d @DOWN@\n",
        1,
    ),
    ("listen l\n bind @BIND@\n tcp-request connection reject if { src 127.0.0.1 }\n server a @A@\n", 2),
    ("listen l\n bind @BIND@\n tcp-request session reject unless { src 10.0.0.1 }\n server a @A@\n", 2),
    (
        "listen l\n bind @BIND@\n acl in src 127.0.0.0/8\n tcp-request content reject if ! in\n server a @A@\n",
        2,
    ),
    (
        "listen l\n bind @BIND@\n tcp-request content accept if TRUE\n tcp-request content reject\n server a @A@\n",
        1,
    ),
    (
        "frontend f\n bind @BIND@\n tcp-request connection track-sc0 src table t\n \
      tcp-request connection reject if { sc0_conn_cur(t) gt 2 }\n default_backend a\nbackend a\n server s @A@\n\
      backend t\n stick-table type ip size 100 expire 1m store conn_cur\n",
        4,
    ),
    (
        "frontend f\n bind @BIND@\n tcp-request connection track-sc0 src table t\n \
      tcp-request connection reject if { src_conn_cnt(t) gt 3 } or { src_conn_rate(t) gt 3 }\n default_backend a\n\
      backend a\n server s @A@\nbackend t\n stick-table type ip size 100 store conn_cnt,conn_rate(10s)\n",
        5,
    ),
    (
        "frontend f\n bind @BIND@\n tcp-request content track-sc1 dst table t\n \
      tcp-request content sc-inc-gpc0(1) if TRUE\n use_backend b if { sc1_get_gpc0(t) gt 2 }\n \
      default_backend a\nbackend a\n server s @A@\nbackend b\n server s @B@\nbackend t\n \
      stick-table type ip size 100 store gpc0\n",
        4,
    ),
    (
        "listen l\n bind @BIND@\n stick-table type ip size 200k expire 30m\n stick on src\n server a @A@\n \
      server b @B@\n",
        3,
    ),
    (
        "listen l\n bind @BIND@\n stick-table type ip size 1 nopurge\n stick on dst\n server a @A@\n server b @B@\n",
        3,
    ),
    (
        "listen l\n bind @BIND@\n stick-table type integer size 10\n stick on src_port\n server a @A@\n server b @B@\n",
        3,
    ),
    (
        "listen l\n bind @BIND@\n stick-table type string size 10\n stick on src if FALSE\n server a @A@\n \
      server b @B@\n",
        3,
    ),
    (
        "listen l\n bind @BIND@\n stick store-request src table t\n server a @A@\n server b @B@\nbackend t\n \
      stick-table type ip size 10\n",
        3,
    ),
];

#[test]
fn conditions_lead_where_haproxys_lead() {
    let [a, b, c] = ['A', 'B', 'C'].map(|name| format!("127.0.0.1:{}", named(name)));
    for (sections, count) in SERIES {
        let sections = sections.replace("@A@", &a).replace("@B@", &b).replace("@C@", &c);
        let sections = sections.replace("@DOWN@", &format!("127.0.0.1:{REFUSES}"));
        let config = format!("{DEFAULTS}{sections}");
        let [theirs, ours] = BOTH.map(|which| series(&Running::start(which, &config), *count));
        assert_eq!(theirs, ours, "{sections}");
    }
}

/// The servers' names; `-` for a connection that was closed, `x` for one that was reset.
fn series(program: &Running, count: usize) -> String {
    let mut kept: Vec<TcpStream> = Vec::new();
    let mut names = String::new();
    for _ in 0..count {
        let mut client = program.connect();
        let mut name = [0];
        names.push(match client.read(&mut name) {
            Ok(0) => '-',
            Ok(_) => char::from(name[0]),
            Err(_) => 'x',
        });
        kept.push(client);
    }
    names
}

/// Refusals that leave a line.
const REFUSALS: &[&str] = &[
    "listen l\n bind @BIND@\n tcp-request content reject if TRUE\n server a 127.0.0.1:1\n",
    "frontend f\n bind @BIND@\n tcp-request content reject unless { src 10.0.0.1 }\n default_backend b\n\
     backend b\n server a 127.0.0.1:1\n",
    "frontend f\n bind @BIND@\n default_backend b\nbackend b\n tcp-request content reject\n server a 127.0.0.1:1\n",
    "frontend f\n bind @BIND@\n use_backend b if FALSE\nbackend b\n server a 127.0.0.1:1\n",
];

#[test]
fn refusals_are_logged_as_haproxy_logs_them() {
    for sections in REFUSALS {
        let config = format!("{DEFAULTS}{sections}");
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            // A reset is an end too.
            let _ = program.connect().read_to_end(&mut Vec::new());
            program.log_line()
        });
        assert_eq!(theirs, ours, "{sections}");
    }
}

/// Rules that go by the first bytes: what a client says, at once or in parts, and who answers.
const SPOKEN: &[(&str, &[&[u8]])] = &[
    (
        " tcp-request inspect-delay 2s\n tcp-request content accept if { req.len gt 0 }\n \
      use_backend b if { req.payload(0,4) -m bin 50494e47 }\n",
        &[b"PING\r\n", b"QUIT\r\n", b"P"],
    ),
    (
        " tcp-request inspect-delay 2s\n tcp-request content accept if { req.payload(0,4) -m found }\n \
      use_backend b if { req.payload(0,4) -m sub IN } !{ req.payload(0,4) -m str 50494E47 }\n",
        &[b"PI|NG\r\n", b"QUIT\r\n"],
    ),
    (" tcp-request inspect-delay 300ms\n tcp-request content reject if WAIT_END\n", &[b"PING\r\n"]),
    (
        " tcp-request inspect-delay 300ms\n tcp-request content accept if { req.len gt 3 }\n \
      tcp-request content reject\n",
        &[b"PING\r\n", b"PI", b""],
    ),
    (
        " tcp-request inspect-delay 2s\n tcp-request content accept if { req_ssl_hello_type 1 }\n \
      use_backend b if { req_ssl_sni -i redis-1 }\n",
        &[HELLO, b"PING\r\n"],
    ),
    (" tcp-request content reject if { req.len gt 3 }\n", &[b""]),
];

/// A TLS 1.2 ClientHello that asks for `Redis-1`.
const HELLO: &[u8] =
    b"\x16\x03\x01\x00\x3f\x01\x00\x00\x3b\x03\x0377777777777777777777777777777777\x00\x00\x02\x00\x2f\
                       \x01\x00\x00\x10\x00\x00\x00\x0c\x00\x0a\x00\x00\x07Redis-1";

#[test]
fn first_bytes_decide_as_haproxy_lets_them() {
    let [a, b] = ['A', 'B'].map(named);
    for (lines, said) in SPOKEN {
        let config = format!(
            "{DEFAULTS}frontend f\n bind @BIND@\n{lines} default_backend a\nbackend a\n server s 127.0.0.1:{a}\n\
             backend b\n server s 127.0.0.1:{b}\n"
        );
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            said.iter().map(|said| answer(&program, said)).collect::<String>()
        });
        assert_eq!(theirs, ours, "{lines}");
    }
}

/// Says it, with a pause at each `|`; who answers, or `-` if the connection ends.
fn answer(program: &Running, said: &[u8]) -> char {
    let mut client = program.connect();
    for part in said.split(|byte| *byte == b'|') {
        client.write_all(part).expect("bytes sent");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut name = [0];
    match client.read(&mut name) {
        Ok(1) => char::from(name[0]),
        _ => '-',
    }
}

/// Which rule refuses, and after it two connections and the page.
const COUNTED: &[&str] = &["connection reject", "session reject", "content reject"];

#[test]
fn refusals_are_counted_where_haproxy_counts_them() {
    for rule in COUNTED {
        let page = free_port();
        let config = format!(
            "{DEFAULTS}listen page\n bind 127.0.0.1:{page}\n mode http\n stats enable\n stats uri /\n\
             listen l\n bind @BIND@\n tcp-request {rule} if TRUE\n server a 127.0.0.1:1\n"
        );
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            for _ in 0..2 {
                // A reset is an end too.
                let _ = program.connect().read_to_end(&mut Vec::new());
            }
            counters(page)
        });
        assert_eq!(theirs, ours, "{rule}");
    }
}

/// What the row of the frontend says.
fn counters(page: u16) -> Vec<String> {
    let mut client = TcpStream::connect(("127.0.0.1", page)).expect("the page's port accepts");
    client.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").expect("a request sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    let table = answer.split_once("# ").expect("a table").1;
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("a head");
    let row = lines.find(|row| row[..2] == ["l", "FRONTEND"]).expect("a row");
    let wanted = ["stot", "dreq", "dcon", "dses", "conn_tot", "smax", "ereq"];
    let value = |name: &str| names.iter().position(|known| *known == name).map(|at| row[at]);
    wanted.iter().map(|name| format!("{name}={}", value(name).unwrap_or("?"))).collect()
}
