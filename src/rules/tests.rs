use std::net::SocketAddr;

use super::*;
use crate::config::Config;
use crate::config::model::{
    BackendFact, BackendId, Change, Counter, FrontendFact, FrontendId, ListReader, RequestAction, ServerFact,
    TableFact, TableId, Tracked, UserlistId, VariableId,
};
use crate::config::{Bundle, load};

/// A world in which nothing is but what a test says.
pub(super) struct World<'a> {
    config: &'a Config,
    client: Option<SocketAddr>,
    payload: Option<Payload<'a>>,
    request: Option<Request<'a>>,
}

impl Facts for World<'_> {
    fn config(&self) -> &Config {
        self.config
    }

    fn served(&self) -> Option<Served<'_>> {
        None
    }

    fn client(&self) -> Option<SocketAddr> {
        self.client
    }

    fn destination(&self) -> Option<SocketAddr> {
        "10.0.0.1:6379".parse().ok()
    }

    fn frontend(&self) -> Option<FrontendId> {
        Some(FrontendId(0))
    }

    fn backend(&self) -> Option<BackendId> {
        None
    }

    fn bind(&self) -> Option<usize> {
        Some(0)
    }

    fn listener_connections(&self) -> Option<u32> {
        Some(3)
    }

    fn workers(&self) -> usize {
        2
    }

    fn uptime_seconds(&self) -> u64 {
        9
    }

    fn frontend_fact(&self, _: FrontendFact, _: FrontendId) -> Option<i64> {
        Some(5)
    }

    fn backend_fact(&self, _: BackendFact, _: BackendId) -> Option<i64> {
        Some(2)
    }

    fn server_fact(&self, _: ServerFact, _: BackendId, server: u32) -> Option<i64> {
        Some(if server == 1 { 1 } else { 0 })
    }

    fn counter(&self, _: Tracked, _: Counter, _: TableId) -> Option<i64> {
        Some(7)
    }

    fn looked_up(&self, key: &Value, _: Counter, _: TableId) -> Option<i64> {
        (*key == Value::Address([10, 1, 2, 3].into())).then_some(4)
    }

    fn change(&self, _whose: Tracked, _counter: Counter, change: Change, _table: TableId) -> Option<i64> {
        Some(if change == Change::Increment { 8 } else { 7 })
    }

    fn table_fact(&self, fact: TableFact, _table: TableId) -> Option<i64> {
        Some(if fact == TableFact::Used { 2 } else { 98 })
    }

    fn listed(&self, _: ListReader, _: &Value) -> Option<bool> {
        None
    }

    fn mapped(&self, at: ListReader, value: &Value) -> Option<Value> {
        patterns::Patterns::new(self.config.lists.get(at.list.0)?).map(at.reader, value)
    }

    fn variable(&self, _: VariableId) -> Option<Value> {
        None
    }

    fn payload(&self) -> Option<Payload<'_>> {
        self.payload
    }

    fn request(&self) -> Option<Request<'_>> {
        self.request
    }

    fn tls(&self) -> Option<&crate::tls::Facts> {
        None
    }

    fn is_local(&self, address: std::net::IpAddr) -> bool {
        address.is_loopback()
    }
}

/// A config whose frontend goes to `b` under that condition.
fn config(condition: &str) -> Config {
    let text = format!(
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n\
         frontend f\n bind :1 name in\n acl inside src 10.0.0.0/8\n acl inside src fd00::/8\n acl never always_false\n \
         use_backend b if {condition}\nbackend b\n stick-table type ip size 9 store conn_cur\n \
         server s1 10.0.0.1:1\n server s2 10.0.0.2:1\n"
    );
    let bundle = Bundle {
        files: vec![("a.cfg".into(), text.into_bytes())],
        environment: [("HOME".to_owned(), "/Root".to_owned())].into(),
        ..Bundle::default()
    };
    let loaded = load(&bundle);
    loaded.config.unwrap_or_else(|| panic!("{condition}: {:?}", loaded.diagnostics))
}

pub(super) fn with<'a>(config: &'a Config, client: &str) -> World<'a> {
    World { config, client: client.parse().ok(), payload: None, request: None }
}

fn value(condition: &str, client: &str) -> bool {
    let config = config(condition);
    let facts = with(&config, client);
    holds(Some(&config.frontends[0].rules.backends[0].1), &facts)
}

/// What holds for the client 10.1.2.3:4000 who came to 10.0.0.1:6379.
#[test]
fn conditions_hold_or_do_not() {
    let yes = [
        "inside",
        "!never",
        "! never inside",
        "never or inside",
        "never || inside",
        "{ src 10.1.2.3 }",
        "{ src 10.1.0.0/255.255.0.0 }",
        "{ src_port 4000 } { dst 10.0.0.1 } { dst_port 6000:7000 }",
        "{ src_port ge 4000 } { src_port lt 4001 } { src_port 1 2 4000 }",
        "{ dst_port :7000 } { dst_port 6000: } { dst_port -5:7000 }",
        "{ nbsrv(b) ge 2 } { srv_is_up(b/s1) } !{ srv_is_up(b/s2) }",
        "{ fe_name f } { fe_conn 5 } { so_name in } { so_id 1 } { dst_conn 3 }",
        "{ env(HOME) /Root } { env(HOME) -i /root } { env(HOME),lower /root } { env(HOME),length 5 }",
        "{ env(HOME) -m beg /Ro } { env(HOME) -m end ot } { env(HOME) -m sub oo } { env(HOME) -m reg ^/R }",
        "{ env(HOME) -m dir Root } { env(HOME) -m len 5 } { env(HOME) -m found } !{ env(NOPE) -m found }",
        "{ str(a.b.c) -m dom b } { str(a.b.c),field(2,.) b } { str(a..c),word(2,.) c } { str(a.b.c),field(-1,.) c }",
        "{ src,ipmask(16) 10.1.0.0 } { src -m str 10.1.2.3 } { str(10.1.2.3) -m ip 10.0.0.0/8 }",
        "{ int(7),add(3) 10 } { int(7),sub(9) lt 0 } { int(7),mod(4) 3 } { int(7),div(0) gt 9 } { int(6),even }",
        "{ str(abc),regsub(b,X) aXc } { str(abab),regsub(b,X,g) aXaX } { str(0a),hex2i 10 } { bin(6162) -m bin 6162 }",
        "{ src,in_table(b) } { src,table_conn_cur(b) 4 } { src_conn_cur(b) 7 } { sc0_conn_cur(b) gt 6 }",
        "{ always_true } { bool(1) } { nbthread 2 } { date gt 1000000 } { rand(5) lt 5 }",
        "TRUE !FALSE !LOCALHOST",
        "{ bin(50494e47) -m str PING } { bin(50494e47),hex 50494E47 }",
    ];
    for condition in yes {
        assert!(value(condition, "10.1.2.3:4000"), "{condition}");
    }
    let no = [
        "never",
        "inside never",
        "{ src 10.1.2.4 192.168.0.0/16 }",
        "{ src_port gt 4000 }",
        "{ dst_port 6380: }",
        "{ env(HOME) /root }",
        "{ str(xroot) -m dir root }",
        "{ path / }",
        "{ int(0) -m bool }",
        "",
        "HTTP",
    ];
    for condition in no {
        assert!(!value(condition, "10.1.2.3:4000"), "{condition}");
    }
    assert!(value("inside", "[fd00::1]:1") && value("inside", "[::ffff:10.9.9.9]:1"));
    assert!(value("LOCALHOST", "127.9.9.9:1") && value("LOCALHOST", "[::1]:1"));
    assert!(!value("inside", "unix"), "a client without an address is nowhere");
}

fn told(condition: &str, said: &[u8], complete: bool) -> Truth {
    let config = config(condition);
    let facts = World { payload: Some(Payload { bytes: said, complete }), ..with(&config, "10.1.2.3:4") };
    evaluate(Some(&config.frontends[0].rules.backends[0].1), &facts)
}

#[test]
fn bytes_that_are_still_to_come_are_told_from_those_that_never_will() {
    let ping = "{ req.payload(0,4) -m bin 50494e47 }";
    assert_eq!(told(ping, b"PING\r\n", false), Truth::Yes);
    assert_eq!(told(ping, b"PI", false), Truth::Early);
    assert_eq!(told(ping, b"PI", true), Truth::No);
    assert_eq!(told("!{ req.len gt 3 }", b"", false), Truth::Early);
    assert_eq!(told("{ req.len gt 3 }", b"PING", false), Truth::Yes);
    assert_eq!(told("{ req.len gt 3 }", b"PI", false), Truth::Early, "it may grow");
    assert_eq!(told("{ req.len gt 3 }", b"PI", true), Truth::No);
    assert_eq!(told("{ req.len 0 }", b"", false), Truth::Yes, "nothing is said yet, and that is a length");
    assert_eq!(told("{ req.len lt 5 }", b"", true), Truth::Yes);
    assert_eq!(told("{ req.len gt 0 }", b"", false), Truth::Early);
    assert_eq!(told("!{ req.len gt 0 }", b"", true), Truth::Yes);
    assert_eq!(told("{ req.len,add(1) 1 }", b"", false), Truth::Yes);
    assert_eq!(told("{ req.payload(0,2) -m str QU }", b"PI", false), Truth::No, "it will not change");
    assert_eq!(told("WAIT_END", b"", false), Truth::Early);
    assert_eq!(told("WAIT_END", b"", true), Truth::Yes);
    assert_eq!(told("{ req.payload_lv(0,1) -m bin 6162 }", b"\x02abc", false), Truth::Yes);
    assert_eq!(told("never { req.len 1 }", b"", false), Truth::No, "what decides first decides");
}

/// A ClientHello for `redis-1.example`, as OpenSSL writes it but for its ciphers.
fn hello(name: &[u8]) -> Vec<u8> {
    let counted = |size: usize, bytes: &[u8]| [&bytes.len().to_be_bytes()[8 - size..], bytes].concat();
    let names = counted(2, &[&[0], counted(2, name).as_slice()].concat());
    let extensions = [&[0, 23, 0, 0, 0, 0], counted(2, &names).as_slice()].concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &counted(1, &[]),
        &counted(2, &[0x13, 1]),
        &counted(1, &[0]),
        &counted(2, &extensions),
    ]
    .concat();
    [&[0x16, 3, 1], counted(2, &[&[1], counted(3, &body).as_slice()].concat()).as_slice()].concat()
}

/// A hello whose only extension is that one.
fn extended(kind: u8, body: &[u8]) -> Vec<u8> {
    let extension = [&[0, kind], &(body.len() as u16).to_be_bytes()[..], body].concat();
    let extensions = [&(extension.len() as u16).to_be_bytes()[..], &extension].concat();
    let hello = [&[3, 3], &[7; 32][..], &[0], &[0, 2, 0x13, 1], &[1, 0], &extensions].concat();
    let message = [&[1, 0], &(hello.len() as u16).to_be_bytes()[..], &hello].concat();
    [&[0x16, 3, 1], &(message.len() as u16).to_be_bytes()[..], &message].concat()
}

#[test]
fn a_tls_client_is_known_by_its_curves_and_its_ticket() {
    for (hello, curves, ticket) in [
        (extended(10, &[0, 2, 0, 29]), true, 0),
        (extended(35, &[]), false, 1),
        (extended(35, &[1, 2]), false, 2),
    ] {
        assert_eq!(told("{ req.ssl_ec_ext }", &hello, false), Truth::of(curves), "{hello:?}");
        assert_eq!(told(&format!("{{ req.ssl_st_ext {ticket} }}"), &hello, false), Truth::Yes, "{hello:?}");
        for cut in 1..hello.len() {
            assert_eq!(told("{ req.ssl_st_ext 0 }", &hello[..cut], false), Truth::Early, "{cut}");
        }
    }
    assert_eq!(told("{ req.ssl_st_ext 0 }", b"PING\r\n", false), Truth::No);
}

#[test]
fn a_tls_client_is_known_by_the_name_it_asks_for() {
    let hello = hello(b"Redis-1.example");
    assert_eq!(told("{ req_ssl_sni -i redis-1.example }", &hello, false), Truth::Yes);
    assert_eq!(told("{ req_ssl_sni redis-2.example }", &hello, false), Truth::No);
    assert_eq!(told("{ req_ssl_hello_type 1 } { req.ssl_ver 3.1:3.3 }", &hello, false), Truth::Yes);
    assert_eq!(told("{ req_ssl_hello_type 1 }", b"*1\r\n", false), Truth::No);
    assert_eq!(told("{ req_ssl_sni a }", b"*1\r\n", false), Truth::No);
    for cut in 0..hello.len() {
        assert_eq!(told("{ req_ssl_sni a }", &hello[..cut], false), Truth::Early, "{cut}");
    }
}

#[test]
fn a_request_is_known_by_what_it_says() {
    let text = "frontend f\n mode http\n bind :1\n timeout client 1s\n monitor-uri /up\n \
                monitor fail if { path /up } { method GET } { hdr(host) -m beg a } { hdr_cnt(x) 0 } { url_beg /u }\n";
    let bundle = Bundle { files: vec![("a.cfg".into(), text.as_bytes().to_vec())], ..Bundle::default() };
    let config = load(&bundle).config.unwrap();
    let headers = [("host".to_owned(), b"a.example".to_vec())];
    let ask = |target: &str| {
        let request = requested(target, &headers);
        let facts = World { request: Some(request), ..with(&config, "10.1.2.3:4") };
        holds(Some(&config.frontends[0].monitor_fail[0]), &facts)
    };
    assert!(ask("/up") && ask("/up?now"));
    assert!(!ask("/") && !ask("http://a/up/"));
}

fn requested<'a>(target: &'a str, headers: &'a [(String, Vec<u8>)]) -> Request<'a> {
    Request { method: "GET", target, version: "1.1", headers, order: Order::First, lists: &[] }
}

/// As HAProxy 2.6.12 answers the same request with each of them in the text of `http-request return`.
#[test]
fn samples_of_a_request_are_haproxys() {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = [
        header("host", "ex.org:80"),
        header("x-l", "a, b ,\"c,d\""),
        header("x-l", "e"),
        header("x-i", "1.2.3.4, 5.6.7.8"),
        header("x-n", "77"),
        header("cookie", "c=v1; d=2; c=v2"),
        header("authorization", "bAsIc YTpiOmM="),
    ];
    for (expression, expected) in [
        ("method", Some("GET")),
        ("path", Some("/f")),
        ("url", Some("/f?a=1&a=2&n=7&b=3")),
        ("query", Some("a=1&a=2&n=7&b=3")),
        ("base", Some("ex.org:80/f")),
        ("baseq", Some("ex.org:80/f?a=1&a=2&n=7&b=3")),
        ("req.ver", Some("1.1")),
        ("hdr(x-l)", Some("e")),
        ("req.hdr(X-L,1)", Some("a")),
        ("hdr(x-l,-2)", Some("\"c,d\"")),
        ("hdr(x-l,9)", None),
        ("hdr(x-l,-9)", None),
        ("req.fhdr(x-l,1)", Some("a, b ,\"c,d\"")),
        ("hdr_cnt(x-l)", Some("4")),
        ("req.fhdr_cnt(x-l)", Some("2")),
        ("hdr_ip(x-i)", Some("5.6.7.8")),
        ("hdr_ip(x-i,1)", Some("1.2.3.4")),
        ("hdr_val(x-n)", Some("77")),
        ("hdr(nope)", None),
        ("url_param(a)", Some("1")),
        ("urlp()", Some("1")),
        ("urlp_val(n)", Some("7")),
        ("url_param(zz)", None),
        ("req.cook(c)", Some("v2")),
        ("cook_cnt(c)", Some("2")),
        ("cook_val(d)", Some("2")),
        ("http_first_req", Some("1")),
        ("http_auth_user", Some("a")),
        ("http_auth_pass", Some("b:c")),
        ("http_auth_type", Some("bAsIc")),
        ("http_auth_bearer", None),
    ] {
        let text = format!(
            "frontend f\n mode http\n bind :1\n timeout client 1s\n http-request set-var(txn.a) {expression}\n"
        );
        let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
        let loaded = load(&bundle);
        let config = loaded.config.unwrap_or_else(|| panic!("{expression}: {:?}", loaded.diagnostics));
        let RequestAction::Act { action, .. } = &config.frontends[0].requests[0].action else { panic!() };
        let request = requested("/f?a=1&a=2&n=7&b=3", &headers);
        let facts = World { request: Some(request), ..with(&config, "10.1.2.3:4") };
        let found = sample(action.sample().unwrap(), &facts).map(|value| super::text(&value));
        assert_eq!(found.map(|text| String::from_utf8(text).unwrap()).as_deref(), expected, "{expression}");
    }
}

/// A condition holds for any of the values, and a userlist's for the logins that it knows.
#[test]
fn conditions_look_at_every_value_of_a_request() {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers =
        [header("x-l", "a, b"), header("cookie", "c=v1; c=v2"), header("authorization", "Basic Ym9iOnB3")];
    let holds_for = |condition: &str, lists: &[UserlistId]| {
        let text = format!(
            "userlist u\n group g users bob\n group h\n user bob insecure-password pw\n user eve\n\
             frontend f\n mode http\n bind :1\n timeout client 1s\n http-request deny if {condition}\n"
        );
        let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
        let loaded = load(&bundle);
        let config = loaded.config.unwrap_or_else(|| panic!("{condition}: {:?}", loaded.diagnostics));
        let request = Request { lists, ..requested("/?a=1&a=2", &headers) };
        let facts = World { request: Some(request), ..with(&config, "10.1.2.3:4") };
        holds(config.frontends[0].requests[0].condition.as_ref(), &facts)
    };
    for condition in [
        "{ hdr(x-l) a } { hdr(x-l) b } !{ hdr(x-l) \"a, b\" } { req.fhdr(x-l) \"a, b\" }",
        "{ hdr(x-l,2) b } !{ hdr(x-l,2) a } { hdr(x-l),upper A } { hdr_len(x-l) 1 }",
        "{ url_param(a) 2 } { urlp_beg(a) 1 } { cook(c) v1 } { cook_end(c) 2 } METH_GET HTTP_1.1 TRUE",
        "{ query -m found } !{ hdr(nope) -m found } { hdr_cnt(nope) 0 } { http_first_req }",
        "!{ http_auth(u) } !{ http_auth_group(u) g }",
    ] {
        assert!(holds_for(condition, &[]), "{condition}");
    }
    for condition in [
        "{ http_auth(u) }",
        "{ http_auth_group(u) g }",
        "{ http_auth_group(u) h g }",
        "!{ http_auth_group(u) h }",
    ] {
        assert!(holds_for(condition, &[UserlistId(0)]), "{condition}");
    }
}

proptest::proptest! {
    #[test]
    fn no_payload_is_too_strange(said in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
        let config = config("{ req_ssl_sni a } or { req.payload_lv(3,2,+5) -m bin 00 } or { req_ssl_ver 3 }");
        let whole = [&[0x16, 3, 1][..], &said].concat();
        for bytes in [said.as_slice(), &whole] {
            let facts = World { payload: Some(Payload { bytes, complete: false }), ..with(&config, "1.1.1.1:1") };
            let _ = evaluate(Some(&config.frontends[0].rules.backends[0].1), &facts);
        }
    }

    #[test]
    fn any_condition_is_read_or_refused(text in r#"([a-z_(),!|{} .0-9"'-]|src|req\.len|\{ |\} | or | -m | -i |if |nbsrv\(|,ipmask\(){0,24}"#) {
        for line in ["acl a", "use_backend b if", "tcp-request content reject if", "stick on", "stick-table"] {
            let text = format!("listen f\n bind :1\n {line} {text}\n server s 10.0.0.1:1\n");
            let _ = load(&Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() });
        }
    }
}

/// As HAProxy 2.6.12 has them.
#[test]
fn texts_are_hashed_and_encoded() {
    for condition in [
        "{ str(123456789),crc32 3421780262 } { str(123456789),crc32c 3808858755 }",
        "{ str(a),djb2 177670 } { str(ab),sdbm 6363201 } { str(a),sdbm(0) 97 } { str(a),sdbm(1) gt 97 }",
        "{ str(abcd),base64 YWJjZA== } { str(YWJjZA==),b64dec -m str abcd } { str(YQ),ub64dec -m str a }",
        "{ str(abcd),ub64enc YWJjZA } !{ str(****),b64dec -m found }",
        "{ str(a%41%2fb),url_dec aA/b } !{ str(a%4),url_dec -m found } !{ str(a%zz),url_dec -m found }",
        "{ int(258),htonl,hex 00000102 } { bin(61620d0a63),cut_crlf ab }",
    ] {
        assert!(value(condition, "10.0.0.1"), "{condition}");
    }
}
