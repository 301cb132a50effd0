//! `-c`: exit code and lines complained of.

use std::collections::BTreeSet;

use super::program::{BOTH, Which};

/// Prepended to every config that does not begin with a section of its own.
const DEFAULTS: &str = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n";

/// Both programs: the same exit code, errors at the same lines, and HAProxy's warnings at least.
const SAME: &[&str] = &[
    "listen l\n bind :1\n server s 127.0.0.1:1 check inter 1s rise 2 fall 3 weight 5 maxconn 10\n",
    "listen l\n bind :1\n balance\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n balance leastcon\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n balance random(0)\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n server s 127.0.0.1:1\n server s 127.0.0.1:2\n",
    "listen l\n bind :1\n server s 127.0.0.1:99999\n",
    "listen l\n bind :70000\n",
    "listen l\n bind 127.0.0.1\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 weight 257\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 inter 1x\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 chek\n",
    "listen l\n bind :1\n server s 127.0.0.1 check\n",
    "listen l\n bind :1\n maxcon 5\n",
    "listen l\n bind :1\n timeout clint 5s\n",
    "listen l\n bind :1\n timeout client 5s 6s\n",
    "listen l\n bind :1\n option tcp-chek\n",
    "listen l\n bind :1\n no option tcplog\n",
    "listen l\n bind :1\n tcp-check send PING\\r\\n\n",
    "listen l\n bind :1\n option tcp-check\n tcp-check send PING x\n",
    "listen l\n bind :1\n option tcp-check\n tcp-check expect string\n",
    "listen l\n bind :1\n option tcp-check\n tcp-check send x\n tcp-check connect\n",
    "listen l\n bind :1\n option tcplog\n",
    "listen l\n bind :1\nlisten l\n bind :2\n",
    "frontend f\n bind :1\n default_backend nowhere\n",
    "frontend f\n bind :1\n use_backend nowhere\n",
    "frontend f\n bind :1\n use_backend b\nbackend b\n",
    "frontend f\n bind :1\n use_backend b c\nbackend b\n",
    "listen l\n bind :1\n default_backend l\n",
    "listen l\n bind :1\n use_backend l\n",
    "frontend f\n bind :1\n server s 127.0.0.1:1\n",
    "backend b\n server s 127.0.0.1:1\n",
    "frontend f\n",
    "frontend f\n bind :1\n default_backend b\nbackend b\n mode http\n stats enable\n",
    "listen l\n bind :1\n stats enable\n",
    "listen l\n bind :1\n log global\n log 127.0.0.1 local9\n",
    "listen l\n bind :1\n log 127.0.0.1 local0 loud\n",
    "listen l\n bind :1\n server s \"127.0.0.1:1\n",
    "global\n maxcon 5\n nbthread 0\n",
    "frontend f\n bind :1\n",
    "listen l from nowhere\n bind :1\n",
    "listen a/b\n bind :1\n",
    "frontend f\n bind :1\n acl a src 10.0.0.0/8 ::1 127.0.0.1\n use_backend b if a or !{ dst_port ge 5 }\nbackend b\n",
    "frontend f\n bind :1\n use_backend b if { nbsrv(b) ge 2 } { srv_is_up(b/s) } || TRUE\nbackend b\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n use-server s if { srv_is_up(s) }\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n acl a foo 1\n",
    "listen l\n bind :1\n acl a src 10.0.0.300\n",
    "listen l\n bind :1\n acl a src 10.0.0.0/33\n",
    "listen l\n bind :1\n acl a src(5) 10.0.0.1\n",
    "listen l\n bind :1\n acl a src,nope 10.0.0.1\n",
    "listen l\n bind :1\n acl a src -x 10.0.0.1\n",
    "listen l\n bind :1\n acl a src -m foo 10.0.0.1\n",
    "listen l\n bind :1\n acl a src -f /nonexistent/file\n",
    "listen l\n bind :1\n acl a dst_port 100:50\n acl b dst_port x\n acl c dst_port ge\n",
    "listen l\n bind :1\n acl a req.payload(0,2) 2a\n",
    "listen l\n bind :1\n acl a env(HOME) -m reg [\n",
    "listen l\n bind :1\n acl a\n acl or src 10.0.0.1\n acl x@ src 10.0.0.1\n",
    "listen l\n bind :1\n acl a var(foo) -m int 1\n acl b rand(x) 1\n acl c dst_port,add(x) 1\n",
    "frontend f\n bind :1\n acl a nbsrv(nope) ge 2\n",
    "frontend f\n bind :1\n acl a nbsrv ge 2\n",
    "frontend f\n bind :1\n acl a srv_is_up(x)\n",
    "frontend f\n bind :1\n acl b srv_is_up(nope/x)\n",
    "frontend f\n bind :1\n acl c srv_is_up\n",
    "listen l\n bind :1\n acl a srv_is_up(x)\n server s 127.0.0.1:1\n",
    "frontend f\n bind :1\n use_backend b if nope\nbackend b\n",
    "frontend f\n bind :1\n use_backend b if { src 10.0.0.1\nbackend b\n",
    "frontend f\n bind :1\n use_backend b if {src 10.0.0.1}\nbackend b\n",
    "frontend f\n bind :1\n use_backend b if\n use_backend b if or TRUE\n use_backend b if TRUE !\nbackend b\n",
    "frontend f\n bind :1\n use_backend nope if TRUE\n",
    "frontend f\n bind :1\n use_backend b if { srv_id 5 }\n use_backend b if { res.len 5 }\nbackend b\n",
    "listen l\n bind :1\n use-server x if TRUE\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n use-server s\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n use-server\n",
    "listen l\n bind :1\n tcp-request connection reject if !{ src 10.0.0.0/8 }\n",
    "listen l\n bind :1\n tcp-request connection reject if { req.len 5 }\n",
    "listen l\n bind :1\n tcp-request content reject unless { src 10.0.0.0/8 }\n",
    "listen l\n bind :1\n tcp-request content foo\n",
    "listen l\n bind :1\n tcp-request content\n",
    "listen l\n bind :1\n tcp-request\n",
    "listen l\n bind :1\n tcp-request content reject foo\n",
    "listen l\n bind :1\n tcp-request inspect-delay\n",
    "listen l\n bind :1\n tcp-request connection set-var(sess.x) src\n",
    "listen l\n bind :1\n tcp-request connection set-var(x) src\n",
    "backend b\n tcp-request connection reject\n",
    "defaults\n acl a src 10.0.0.1\n",
    "frontend f\n bind :1\n use_backend b if TRUE\n tcp-request content accept\nbackend b\n",
    "listen l\n bind :1\n mode http\n monitor-uri /up\n monitor fail if { nbsrv(l) lt 1 }\n",
    "listen l\n bind :1\n mode http\n monitor fail\n",
    "listen l\n bind :1\n mode http\n monitor fail if nope\n",
    "listen l\n bind :1\n mode http\n stats enable\n stats admin if TRUE\n",
    "listen l\n bind :1\n mode http\n stats enable\n stats admin\n",
    "listen l\n bind :1\n mode http\n http-request use-service prometheus-exporter if { path /metrics }\n",
    "frontend f\n bind :1\n mode http\n use_backend b if TRUE\nbackend b\n mode tcp\n",
    "backend t\n stick-table type ip size 1m expire 30s store conn_cur,conn_rate(10s)\n\
     listen l\n bind :1\n stick on src table t\n tcp-request connection track-sc0 src table t\n",
    "listen l\n bind :1\n stick-table type ip size 1 nopurge\n stick on dst\n",
    "listen l\n bind :1\n stick on src\n",
    "listen l\n bind :1\n stick on src table nope\n",
    "listen l\n bind :1\n stick foo\n",
    "listen l\n bind :1\n stick-table type ip\n",
    "listen l\n bind :1\n stick-table type foo size 1\n",
    "listen l\n bind :1\n stick-table type ip size 1 store foo\n",
    "listen l\n bind :1\n stick-table type ip size 1 store conn_rate\n",
    "listen l\n bind :1\n stick-table type ip size 1\n stick-table type ip size 2\n",
    "listen l\n bind :1\n tcp-request connection track-sc5 src\n",
    "listen l\n bind :1\n tcp-request content reject if { req.payload(0,2) -m int 4 }\n",
    "listen l\n bind :1\n acl a src,in_table(nope)\n",
    "listen l\n bind :1\n acl a src_conn_cur(nope) gt 5\n",
    "global\n .if 1\n daemon\n",
    "global\n daemon",
    "bind :1\n",
];

/// What rolecall decides otherwise, with its exit code, and what it says of it; HAProxy's code comes first.
const OTHERWISE: &[(&str, i32, i32, &str)] = &[
    ("listen l 127.0.0.1:1\n server s 127.0.0.1:1\n", 1, 0, "please use the 'bind' keyword"),
    ("global\n nbproc 2\nlisten l\n bind :1\n", 1, 0, "'nbproc' has no effect"),
    ("listen l\n bind :1\n contimeout 5s\n", 1, 0, "'contimeout' is taken as 'timeout connect'"),
    // HAProxy reads such a number as 0, or as far as it goes.
    ("listen l\n bind :1\n maxconn five\n", 0, 1, "'maxconn' expects an integer, found 'five'"),
    ("listen l\n bind :1\n option redispatch x\n", 0, 1, "'option redispatch' expects an integer"),
    ("global\n maxconn -1\n", 2, 1, "'maxconn' value must be at least 0"),
    // HAProxy counts the listener that it says it ignores.
    ("backend b\n bind :1\n", 0, 2, "'bind' ignored because backend 'b' has no frontend capability"),
    (
        "listen l\n bind :1\n tcp-request content reject if { path / }\n",
        0,
        1,
        "this rule would never refuse anything",
    ),
    (
        "frontend f\n bind :1\n use_backend %[src] if TRUE\nbackend b\n",
        0,
        1,
        "'use_backend' with '%[' is not supported",
    ),
    ("listen l\n bind :1\n tcp-response content reject if { res.len 5 }\n", 0, 1, "without reading it"),
    ("listen l\n bind :1\n acl a env(HOME) -m reg (?=x)\n", 0, 1, "is invalid"),
    ("listen l\n bind :1\n server s 127.0.0.1:1 ssl verify none\n", 0, 1, "'ssl' is not supported"),
];

#[test]
fn verdicts_and_the_lines_complained_of_are_haproxys() {
    let mut differences = Vec::new();
    for text in SAME {
        let [theirs, ours] = BOTH.map(|which| Told::by(which, text));
        let silent: Vec<_> = theirs.warnings.difference(&ours.warnings).collect();
        if (theirs.code, &theirs.errors) != (ours.code, &ours.errors) || !silent.is_empty() {
            differences.push(format!("{text}--- haproxy\n{theirs:?}\n--- rolecall\n{ours:?}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn other_verdicts_are_meant_and_say_why() {
    for (text, theirs, ours, says) in OTHERWISE {
        assert_eq!(Told::by(Which::Haproxy, text).code, Some(*theirs), "{text}");
        let told = Told::by(Which::Rolecall, text);
        assert_eq!(told.code, Some(*ours), "{text}{}", told.text);
        assert!(told.text.contains(says), "{text}{}", told.text);
    }
}

#[derive(Debug)]
struct Told {
    code: Option<i32>,
    /// Line numbers.
    errors: BTreeSet<u32>,
    warnings: BTreeSet<u32>,
    text: String,
}

impl Told {
    fn by(which: Which, text: &str) -> Told {
        let begins_itself = ["global", "bind"].iter().any(|word| text.starts_with(word));
        let text = if begins_itself { text.to_owned() } else { format!("{DEFAULTS}{text}") };
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("a.cfg"), text).expect("a config");
        let output = which.check(directory.path());
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines = |severity: &str| {
            said.lines().filter(|line| line.starts_with(severity)).filter_map(number).collect()
        };
        Told {
            code: output.status.code(),
            errors: lines("[ALERT]"),
            warnings: lines("[WARNING]"),
            text: said.clone(),
        }
    }
}

/// `parsing [a.cfg:7] : ...`
fn number(line: &str) -> Option<u32> {
    let rest = line.split_once("[a.cfg:")?.1;
    rest.split_once(']')?.0.parse().ok()
}
