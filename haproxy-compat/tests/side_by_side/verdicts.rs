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
    "listen l\n bind :1\n option httpchk GET / HTTP/1.1\\r\\nHost:\\ a\n",
    "listen l\n bind :1\n option httpchk GET / HTTP/1.1\\r\\nHost\n",
    "listen l\n bind :1\n option httpchk a b c d\n",
    "listen l\n bind :1\n no option httpchk\n",
    "listen l\n bind :1\n http-check expect status 200\n",
    "listen l\n bind :1\n http-check disable-on-404 x\n",
    "listen l\n bind :1\n option tcp-check\n http-check disable-on-404\n http-check send-state\n",
    "listen l\n bind :1\n option httpchk\n http-check foo\n",
    "listen l\n bind :1\n option httpchk\n http-check send meth\n",
    "listen l\n bind :1\n option httpchk\n http-check send hdr a\n",
    "listen l\n bind :1\n option httpchk\n http-check send foo\n",
    "listen l\n bind :1\n option httpchk\n http-check send uri /\n http-check send uri /\n",
    "listen l\n bind :1\n option httpchk\n http-check expect status 200\n http-check send uri /\n",
    "listen l\n bind :1\n option httpchk\n http-check expect status 200\n http-check connect\n",
    "listen l\n bind :1\n option httpchk\n http-check connect\n http-check connect\n",
    "listen l\n bind :1\n option httpchk\n http-check connect\n http-check expect status 200\n",
    "listen l\n bind :1\n option httpchk\n http-check connect port 1 linger\n http-check send uri /\n http-check expect rstatus ^2\n http-check connect\n",
    "listen l\n bind :1\n option httpchk\n http-check connect foo\n",
    "listen l\n bind :1\n option httpchk\n http-check comment\n",
    "listen l\n bind :1\n option httpchk\n http-check expect\n",
    "listen l\n bind :1\n option httpchk\n http-check expect status 2xx\n",
    "listen l\n bind :1\n option httpchk\n http-check expect status 300-200\n",
    "listen l\n bind :1\n option httpchk\n http-check expect ! status 200,300-310 comment x\n",
    "listen l\n bind :1\n option httpchk\n http-check expect string a string b\n",
    "listen l\n bind :1\n option httpchk\n http-check expect binary 00\n",
    "listen l\n bind :1\n option httpchk\n http-check expect rstatus (\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr Server\n",
    "listen l\n bind :1\n option httpchk\n http-check expect fhdr name -m beg a value -m reg b\n",
    "listen l\n bind :1\n option httpchk\n http-check expect status 200 ok-status L7STS\n",
    "listen l\n bind :1\n option mysql-check\n",
    "listen l\n bind :1\n option mysql-check user a pre-41\n",
    "listen l\n bind :1\n option mysql-check user a now\n",
    "listen l\n bind :1\n option mysql-check user\n",
    "listen l\n bind :1\n option mysql-check name\n",
    "listen l\n bind :1\n option pgsql-check\n",
    "listen l\n bind :1\n option pgsql-check user a\n",
    "listen l\n bind :1\n option pgsql-check name a\n",
    "listen l\n bind :1\n option smtpchk HELO a b\n",
    "listen l\n bind :1\n option smtpchk foo bar\n",
    "listen l\n bind :1\n option ldap-check x\n",
    "listen l\n bind :1\n option ssl-hello-chk\n",
    "defaults d\n mode tcp\n tcp-request content reject if { srv_conn(www) gt 1 }\nbackend b from d\n server www 127.0.0.1:1\n",
    "defaults d\n mode tcp\n tcp-request content reject if { srv_conn(b/www) gt 1 }\nbackend b from d\n server www 127.0.0.1:1\n",
    "defaults d\n mode tcp\n acl a srv_is_up(www)\n tcp-request content reject if a\nbackend b from d\n server www 127.0.0.1:1\n",
    "defaults d\n mode tcp\n acl a srv_is_up(www)\nbackend b from d\n server www 127.0.0.1:1\n",
    "defaults d\n mode tcp\n tcp-request content reject if { src_conn_rate gt 1 }\nbackend b from d\n stick-table type ip size 1k store conn_rate(1s)\n",
    "defaults d\n mode tcp\n tcp-request content track-sc0 src\nbackend b from d\n stick-table type ip size 1k store conn_rate(1s)\n",
    "defaults d\n mode tcp\n tcp-request content track-sc0 src table b\n tcp-request content reject if { sc_conn_rate(0) gt 1 }\nbackend b from d\n stick-table type ip size 1k store conn_rate(1s)\n",
    "defaults d\n mode tcp\n tcp-request content set-var(sess.a) srv_conn(www)\nbackend b from d\n server www 127.0.0.1:1\n",
    "defaults d\n mode tcp\n tcp-response content set-var(sess.a) table_cnt\nbackend b from d\n stick-table type ip size 1k\n",
    "defaults d\n mode tcp\n tcp-request content reject if { be_conn gt 1 }\nbackend b from d\n",
    "defaults d\n mode tcp\n tcp-request content reject if { srv_conn(www) gt 1 }\ndefaults\nbackend b\n server www 127.0.0.1:1\n",
    "listen l\n bind :1\n option spop-check\n",
    "listen l\n bind :1\n option spop-check x\n",
    "listen l\n bind :1\n no option spop-check\n",
    "frontend f\n bind :1\n option spop-check\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr name-lf a-%[str(b)]\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr name a value-lf\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr name-lf -m reg ^a\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr name a value-lf -m reg ^a\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr name -m\n",
    "listen l\n bind :1\n option httpchk\n http-check expect fhdr name -m found a\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr name\n",
    "listen l\n bind :1\n option httpchk\n http-check expect hdr a\n",
    "listen l\n bind :1\n option httpchk\n http-check connect proto h1\n",
    "listen l\n bind :1\n option httpchk\n http-check connect proto none\n",
    "listen l\n bind :1\n option httpchk\n http-check connect proto x\n",
    "listen l\n bind :1\n option httpchk\n http-check connect proto\n",
    "listen l\n bind :1\n option tcp-check\n tcp-check connect proto none\n",
    "listen l\n bind :1\n option tcp-check\n tcp-check connect proto h1\n",
    "backend b\n option httpchk\n server s 127.0.0.1:1 check check-proto h1\n",
    "backend b\n option httpchk\n server s 127.0.0.1:1 check check-proto none\n",
    "backend b\n option httpchk\n server s 127.0.0.1:1 check-proto none\n",
    "backend b\n option tcp-check\n server s 127.0.0.1:1 check check-proto none\n",
    "backend b\n option tcp-check\n server s 127.0.0.1:1 check check-proto h1\n",
    "listen b\n bind :1\n default-server check-proto h1 check\n server s 127.0.0.1:1\n",
    "backend b\n server s 127.0.0.1:1 check check-proto x\n",
    "backend b\n server s 127.0.0.1:1 check check-proto\n",
    "frontend f\n bind :1\n option httpchk\n http-check expect status 200\n",
    "listen l\n bind :1\n option tcplog\n",
    "backend a\n server s1 127.0.0.1:1 track a/s2\n server s2 127.0.0.1:2 track a/s1\n",
    "backend a\n server s1 127.0.0.1:1 track s1\n",
    "backend a\n server s1 127.0.0.1:1 track a/s9\n",
    "backend a\n server s1 127.0.0.1:1 track z/s9\n",
    "backend a\n server s1 127.0.0.1:1 track /s9\n",
    "backend a\n server s1 127.0.0.1:1 track a/s2\n server s2 127.0.0.1:2\n",
    "backend a\n server s1 127.0.0.1:1 check track a/s2\n server s2 127.0.0.1:2 check\n",
    "backend a\n default-server track a/s2\n server s1 127.0.0.1:1\n server s2 127.0.0.1:2 check\n",
    "listen l\n bind :1\n server s1 127.0.0.1:1 track\n",
    "listen l\n bind :1\n server s1 127.0.0.1:1 track l/s2 track s3\n server s2 127.0.0.1:2\n server s3 127.0.0.1:2 check\n",
    "listen l\n bind :1\n server s1 127.0.0.1:1 track l/s2\n server s2 127.0.0.1:2 track s3\n server s3 127.0.0.1:2 check\n",
    "listen l\n bind :1\n server-template s 2 127.0.0.1:1 track l/m\n server m 127.0.0.1:2 check disabled\n",
    "listen l\n bind :1\n disabled\n server s1 127.0.0.1:1 track a/s9\n",
    "listen l\n bind :1\n dispatch 127.0.0.1:1\n",
    "listen l\n bind :1\n dispatch 127.0.0.1\n",
    "listen l\n bind :1\n dispatch\n",
    "listen l\n bind :1\n dispatch 127.0.0.1:1-5\n",
    "listen l\n bind :1\n dispatch 127.0.0.1:+1\n",
    "listen l\n bind :1\n dispatch /tmp/a\n",
    "listen l\n bind :1\n balance roundrobin\n dispatch 127.0.0.1:1\n server s 127.0.0.1:1\n",
    "listen l\n bind :1\n dispatch 127.0.0.1:1 x\n",
    "frontend f\n bind :1\n dispatch 127.0.0.1:1\n",
    "listen l\n bind :1\n server-template r 3 localhost:1 check\n",
    "listen l\n bind :1\n server-template r 3x 127.0.0.1:1\n",
    "listen l\n bind :1\n server-template r 0 127.0.0.1:1\n",
    "listen l\n bind :1\n server-template r 5-3 127.0.0.1:1\n",
    "listen l\n bind :1\n server-template r 3 127.0.0.1:1-5\n",
    "listen l\n bind :1\n server-template r 3 /tmp/r.sock\n",
    "listen l\n bind :1\n server-template r 3\n",
    "listen l\n bind :1\n server-template r@ 3 127.0.0.1:1\n",
    "listen l\n bind :1\n server-template r 2 127.0.0.1:1\n server r2 127.0.0.1:1\n",
    "listen l\n bind :1\n server-template r 2 127.0.0.1:1 bogus\n",
    "listen l\n bind :1\n server-template r 2 _r._tcp.local init-addr none\n",
    "listen l\n bind :1\n server-template r 2 _r._tcp.local\n",
    "frontend f\n bind :1\n server-template r 2 127.0.0.1:1\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 init-addr foo\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 fall x\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 weight -1\n",
    "listen l\n bind :1\n server s 127.0.0.1:1 error-limit x\n",
    "listen l\n bind :1\n rate-limit sessions 5x\n",
    "listen l\n bind :1\n clitcpka-cnt 5x\n",
    "global\n nbthread 2x\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map 1\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map x 0\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map 1 x\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map 1/65 0\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map 1/1-2 4096\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map auto:1/1-2 0\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map auto:1/1-2 0-1\nlisten l\n bind :1\n timeout client 1s\n",
    "global\n cpu-map odd 0\nlisten l\n bind :1\n timeout client 1s\n",
    "listen l\n bind :1\n hash-type\n",
    "listen l\n bind :1\n hash-type avalanche\n",
    "listen l\n bind :1\n tcp-response content reject if { res.len 5 }\n",
    "listen l\n bind :1\n option httpchk\n http-check send uri-lf /\n",
    "listen l\n bind :1\n option httpchk\n http-check send hdr Host %[srv_name]\n",
    "listen l\n bind :1\n hash-type map-based crc32 foo\n",
    "listen l\n bind :1\n hash-type map-based wt6 avalanche x\n",
    "listen l\n bind :1\n hash-balance-factor 50\n",
    "listen l\n bind :1\n hash-balance-factor 150\n",
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
    (
        "listen l\n bind :1\n option httpchk\n server s 127.0.0.1:1 check check-proto h2\n",
        0,
        1,
        "'check-proto h2' is not supported: checks speak HTTP/1",
    ),
    (
        "listen l\n bind :1\n option httpchk\n http-check connect proto fcgi\n",
        0,
        1,
        "'fcgi' is not supported: HTTP checks of rolecall speak HTTP/1",
    ),
    ("global\n nbproc 2\nlisten l\n bind :1\n", 1, 0, "'nbproc' has no effect"),
    ("listen l\n bind :1\n contimeout 5s\n", 1, 0, "'contimeout' is taken as 'timeout connect'"),
    // HAProxy reads such a number as 0, or as far as it goes, and does not say so.
    ("listen l\n bind :1\n maxconn five\n", 0, 0, "'five' is no number and is taken as 0"),
    ("listen l\n bind :1\n maxconn 10x\n", 0, 0, "'10x' is no number and is taken as 10"),
    ("listen l\n bind :1\n option redispatch x\n", 0, 0, "'x' is no number and is taken as 0"),
    ("listen l\n bind :1\n fullconn 10x\n retries 3x\n backlog 5x\n", 0, 0, "'retries' : '3x' is no number"),
    ("listen l\n bind :1 maxconn 5x backlog 5x mss 500x\n", 0, 0, "'mss' : '500x' is no number"),
    (
        "listen l\n bind :1\n server s 127.0.0.1:1 weight 5x maxconn 5x rise 2x port 6x error-limit 5x\n",
        0,
        0,
        "'weight' : '5x' is no number and is taken as 5",
    ),
    ("global\n spread-checks 5x\nlisten l\n bind :1\n timeout client 1s\n", 0, 0, "'5x' is no number"),
    // Whom to run as is nothing to guess.
    (
        "global\n uid 5x\nlisten l\n bind :1\n timeout client 1s\n",
        0,
        1,
        "'uid' expects an integer, found '5x'",
    ),
    ("global\n maxconn -1\n", 2, 1, "'maxconn' value must be at least 0"),
    (
        "listen l\n bind :1\n dispatch 127.0.0.1:1\n server s 127.0.0.1:1\n",
        0,
        1,
        "leaves its servers without clients",
    ),
    // HAProxy counts the listener that it says it ignores.
    ("backend b\n bind :1\n", 0, 2, "'bind' ignored because backend 'b' has no frontend capability"),
    (
        "listen l\n bind :1\n tcp-request content reject if { path / }\n",
        0,
        1,
        "this rule would never refuse anything",
    ),
    ("frontend f\n bind :1\n use_backend %[src]%[dst] if TRUE\nbackend b\n", 0, 1, "one '%[...]' is taken"),
    // Of a later version.
    ("listen l\n bind :1\n hash-type consistent none\n", 1, 0, "Configuration file is valid"),
    ("listen l\n bind :1\n acl a env(HOME) -m reg (?=x)\n", 0, 1, "is invalid"),
    ("listen l\n bind :1 ssl crt a.pem force-tlsv10\n", 1, 1, "'force-tlsv10' is not supported"),
    (
        "listen l\n bind :1\n server s 127.0.0.1:1 ssl verify none sni src\n",
        0,
        1,
        "'src' is not supported there",
    ),
    // HAProxy knows the expression not to exist.
    (
        "listen l\n bind :1\n option httpchk\n http-check expect status 200 status-code bogus\n",
        1,
        0,
        "'bogus' is not supported in checks",
    ),
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
