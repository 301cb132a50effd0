//! What is said of broken configs: every case once, all in one snapshot.

use super::{loaded, told};

const DEFAULTS: &str = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n";

/// Lines of a `listen l` that is fine without them.
const LINES: &[&str] = &[
    "bind",
    "bind :70000",
    "bind 10.0.0.1",
    "bind :10-5",
    "bind :0",
    "bind nowhere.invalid:1",
    "bind :1 transparnt",
    "bind :1 name",
    "bind :1 ssl",
    "bind :1 ssl crt",
    "bind :1 ssl crt /none.pem",
    "bind :1 ssl crt /bad.pem",
    "bind :1 ssl crt /empty",
    "bind :1 ssl crt-list /list",
    "bind :1 ssl crt /none.pem verify required",
    "bind :1 ssl crt /none.pem ca-file /bad.pem verify maybe",
    "bind :1 ssl crt /none.pem ssl-min-ver TLSv9",
    "bind :1 ssl crt /none.pem ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.2",
    "bind :1 ssl crt /none.pem ssl-max-ver TLSv1.1 alpn a,,b",
    "bind :1 ssl crt /none.pem force-tlsv10 ciphers AES crl-file /x",
    "server a 10.0.0.1:1 ssl",
    "server a 10.0.0.1:1 check check-ssl verify required",
    "server a 10.0.0.1:1 ssl verify maybe",
    "server a 10.0.0.1:1 ssl ca-file /none.pem",
    "server a 10.0.0.1:1 ca-file /bad.pem crt /none.pem",
    "server a 10.0.0.1:1 ssl verify none sni nosuch",
    "server a 10.0.0.1:1 ssl verify none sni src",
    "tcp-check connect ssl alpn",
    "server a",
    "server a 10.0.0.1:70000",
    "server a 10.0.0.1:1-3",
    "server a@b 10.0.0.1:1",
    "server a nowhere.invalid:1",
    "server a nowhere.invalid:1 init-addr last,libc,none",
    "server a 10.0.0.1:1 weight 1000",
    "server a 10.0.0.1:1 weight heavy",
    "server a 10.0.0.1:1 check rise 0 fall 0 inter 0",
    "server a 10.0.0.1:1 check inter 5sec",
    "server a 10.0.0.1:1 check inter 1.5s",
    "server a 10.0.0.1:1 chek",
    "server a 10.0.0.1 check",
    "server a 10.0.0.1:1 resolvers dns ssl verify none check",
    "server a 10.0.0.1:1 on-marked-down foo on-error foo observe layer7",
    "server a 10.0.0.1:1 cookie x check",
    "server-template a 3",
    "server-template a 3-1 10.0.0.1:1",
    "server-template a@ 3 10.0.0.1:1",
    "server-template a 3 10.0.0.1:1-3",
    "server-template a 2 nowhere.invalid:1",
    "server m sentinel@mymaster check",
    "server-template r 8 sentinel-replicas@grp check\n    sentinels group\n    master m\n    sentinel s 127.0.0.1",
    "bind sentinel@group",
    "server-template a 60000 10.0.0.1:1",
    "server-template a 2 10.0.0.1:1 resolvers dns",
    "server a localhost:1 resolvers",
    "server a localhost:1 resolve-opts dup-ip resolve-prefer ipv5 resolve-net local",
    "server a localhost:1 resolvers dns2 resolve-opts ignore-weight\n    resolvers dns\n    nameserver n 10.0.0.53:53",
    "server a 10.0.0.1:1 init-addr system",
    "server a _redis._tcp.local:1",
    "hash-type",
    "hash-type avalanche",
    "hash-type consistent md5",
    "hash-type map-based crc32 twice",
    "hash-balance-factor 50",
    "mode foo",
    "mode http",
    "balance foo",
    "balance random(x)",
    "balanc roundrobin",
    "option tcp-chek",
    "option",
    "option tcpka now",
    "option redis-guard maybe",
    "option httpchk a b c d",
    "option httpchk GET / HTTP/1.0\\r\\nHost",
    "http-check send hdr Authorization",
    "http-check expect status 2xx",
    "http-check expect hdr Server",
    "option mysql-check user a now",
    "option pgsql-check",
    "no option tcp-check",
    "no balance",
    "timeout client 5 s",
    "timeout client 25d",
    "timeout cleint 5s",
    "timeout http-request 5s",
    "retries many",
    "nbthread 4",
    "log",
    "log 127.0.0.1 local9",
    "log 127.0.0.1 local0 loud",
    "log nowhere.invalid local0",
    "log ring@r local0",
    "stats",
    "stats foo",
    "stats enable",
    "monitor-uri /up",
    "tcp-check",
    "tcp-check send",
    "tcp-check send AUTH hunter2\\r\\n",
    "tcp-check send-binary 123",
    "tcp-check expect rstring (",
    "tcp-check expect string a b",
    "tcp-check expect ok-status FOO string a",
    "tcp-check connect port 0",
    "tcp-check connect ssl",
    "tcp-check expect string PONG",
    "default_backend nowhere",
    "default_backend k",
    "acl a src 10.0.0.1",
    "use_backend b if { always_true }",
    "use_backend",
    "use_backend b c",
    "use_backend %[src",
    "use_backend nowhere",
    "use_backend l",
    "stick-table type ip size 1",
    "stick-table type ip size 1 store conn_rat",
    "stick on src table nope",
    "acl a srcc 10.0.0.1",
    "acl a src,lowr 10.0.0.1",
    "acl a src 10.0.0.300",
    "acl a src -f /no/such/file",
    "acl a src(1) 10.0.0.1",
    "acl a srv_is_up(l/nobody)",
    "acl a nbsrv(nobody) ge 1",
    "acl a dst_port ge ten",
    "acl a env(HOME) -m reg (",
    "acl a src",
    "use-server nobody if { src 10.0.0.1 }",
    "use-server a if { src 10.0.0.1",
    "use-server a if {src 10.0.0.1}",
    "use-server a if LOCLHOST",
    "tcp-request content rejct if TRUE",
    "tcp-request content reject if { path / }",
    "tcp-request content reject if { req.fhdr_cnt(x) 1 } or { ssl_c_used }",
    "tcp-request connection reject if { req.len 1 }",
    "tcp-request connection expect-proxy layer5",
    "tcp-request connection set-var(x) src",
    "tcp-response content set-fc-mark 1",
    "monitor fail",
    ".if defined(X)",
    ".endif",
    ".fi",
    ".warning \"look here\"",
    ".alert stop",
    "a b c \"",
];

const TEXTS: &[(&str, &str)] = &[
    ("nothing before a section", "bind :1\n"),
    ("conditions", "global\n.if defined(\n.endif\n.if true\n.else\n.elif 1\n.endif\n"),
    ("no newline", "global\n daemon"),
    ("a name with a slash", "listen a/b\n bind :1\n timeout client 1s\n"),
    ("no name", "listen\n bind :1\n"),
    (
        "two of a name",
        "listen a\n bind :1\n timeout client 1s\nbackend a\nfrontend a\n bind :2\n timeout client 1s\n",
    ),
    ("old addresses", "defaults\n timeout client 1s\nlisten a 10.0.0.1:1\nfrontend b :2\n"),
    (
        "two servers of a name",
        "backend b\n timeout connect 1s\n timeout server 1s\n server s :1\n server s :2\n",
    ),
    (
        "a server in a frontend",
        "frontend f\n bind :1\n timeout client 1s\n server s :1\n balance first\n timeout server 1s\n fullconn 3\n",
    ),
    ("a bind in a backend", "backend b\n bind :1\n maxconn 3\n option tcplog\n timeout client 1s\n"),
    ("a bind in defaults", "defaults\n bind :1\n server s :1\n"),
    ("no timeouts", "frontend f\n bind :1\n default_backend b\nbackend b\n server s 10.0.0.1:1\n"),
    ("no bind", "frontend f\n timeout client 1s\n"),
    ("no log address", "listen f\n bind :1\n timeout client 1s\n option tcplog\n"),
    ("defaults that are not there", "listen f from x\n bind :1\n timeout client 1s\n"),
    (
        "defaults that are there twice",
        "defaults x\n timeout client 1s\ndefaults x\nlisten f from x\n bind :1\n",
    ),
    (
        "http to tcp",
        "frontend f\n mode http\n bind :1\n timeout client 1s\n default_backend b\nbackend b\n mode tcp\n",
    ),
    ("a connect that is not first", "backend b\n option tcp-check\n tcp-check send x\n tcp-check connect\n"),
    (
        "sections of other issues",
        "peers p\n peer a 10.0.0.1:1\nmailers m\nuserlist u\nprogram p\n command x\nsentinels s\n",
    ),
    (
        "resolvers",
        "resolvers\nresolvers a/b\nresolvers r\n nameserver n 10.0.0.1\n nameserver n\n nameserver n /run/x\n nameserver n nowhere.invalid:53\n \
         nameserver n 10.0.0.1:53\n nameserver n 10.0.0.2:53\n hold nx 1.5s\n hold never 1s\n hold valid\n timeout retry x\n timeout query 1s\n \
         resolve_retries\n accepted_payload_size 11\n parse-resolv-conf\n nameservr n 10.0.0.1:53\nresolvers r\nresolvers empty\n",
    ),
    ("an unknown section", "globl\n daemon\n"),
    ("users that are not there", "global\n user ghost\n group ghost\n"),
    (
        "given twice",
        "global\n chroot /a\n chroot /b\n maxconn 1\n maxconn 2\n nbthread 65\n spread-checks 60\n",
    ),
    ("environment", "global\n setenv A\n setenv A b c\n presetenv\n unsetenv\n"),
    ("stats socket", "global\n stats socket /run/a level admin\n stats timeout 2m\n stats nothing\n"),
];

#[test]
fn every_fault_names_its_place_and_what_to_do() {
    let mut text = String::new();
    for line in LINES {
        let config = format!("{DEFAULTS}listen l\n bind :1\n {line}\nfrontend k\n bind :2\n");
        text += &format!("## {line}\n{}", told(&loaded(&config)));
    }
    for (name, config) in TEXTS {
        text += &format!("## {name}\n{}", told(&loaded(config)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn all_errors_come_in_one_run_and_in_order() {
    let config = "global\n maxcon 1\nlisten l\n bind :70000\n timeout client 1s\n server s 10.0.0.1:1 weight 999\n server s 10.0.0.1:2\n default_backend x\n";
    let loaded = loaded(config);
    let lines: Vec<u32> = loaded
        .diagnostics
        .iter()
        .filter_map(|found| found.span)
        .map(|span| loaded.sources.place(span).1)
        .collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for line in [2, 4, 6, 7, 8] {
        assert!(lines.contains(&line), "line {line}: {}", told(&loaded));
    }
}

#[test]
fn no_secret_is_told() {
    let config = "listen l\n bind :1\n mode http\n stats auth admin:hunter2 more\n tcp-check send AUTH hunter2\n \
                  tcp-check send AUTH\\ hunter2\\r\\n comment a b\n tcp-check send-binary 68756e746572\n server a :1\n";
    let loaded = loaded(config);
    let told = told(&loaded) + &format!("{:?}", loaded.diagnostics);
    assert!(!told.contains("hunter") && !told.contains("68756e"), "{told}");
    let fine = super::config("listen l\n bind :1\n option tcp-check\n tcp-check send AUTH\\ hunter2\\r\\n\n");
    assert!(!format!("{fine:?}").contains("hunter2"));
}
