use crate::config::{Bundle, load};
use crate::rules::tests::with;

/// The value of an expression as a text; `-` for none.
fn shown(expression: &str) -> String {
    let text = format!(
        "frontend f\n bind :1\n timeout client 1s\n tcp-request connection set-var(sess.x) {expression}\n\
         backend b\n timeout connect 1s\n timeout server 1s\n server s 10.0.0.1:1\n"
    );
    let bundle = Bundle { files: vec![("a.cfg".into(), text.into_bytes())], ..Bundle::default() };
    let loaded = load(&bundle);
    let config = loaded.config.unwrap_or_else(|| panic!("{expression}: {:?}", loaded.diagnostics));
    let sample = config.frontends[0].rules.connection[0].action.sample().expect("a sample").clone();
    let found = crate::rules::sample(&sample, &with(&config, "10.1.2.3:4000"));
    found.map_or("-".into(), |value| String::from_utf8_lossy(&super::text(&value)).into_owned())
}

/// As HAProxy 2.6.12 shows them.
#[test]
fn values_are_haproxys() {
    for (expression, expected) in [
        ("str(12abc),add(1)", "13"),
        ("str(abc),add(1)", "1"),
        ("str(-5x),add(1)", "-4"),
        ("str(+5),add(1)", "6"),
        ("str(),add(1)", "-"),
        ("str(99999999999999999999),add(0)", "9223372036854775807"),
        ("int(9223372036854775807),mul(2)", "9223372036854775807"),
        ("int(-7),div(2)", "-3"),
        ("int(-7),mod(3)", "-1"),
        ("str(true),iif(a,b)", "b"),
        ("bin(6162000a),length", "2"),
        ("bin(610062),lower,length", "1"),
        ("bin(6100),hex", "6100"),
        ("str(YR==),b64dec", "a"),
        ("str(YWI),b64dec", "-"),
        ("str(Y-_I),ub64dec,hex", "63EFC8"),
        ("str(a+b%20c?d+e),url_dec", "a+b c?d e"),
        ("str(a+b),url_dec(1)", "a b"),
        ("\"str('a%2F+b~c/-_.!*()'),url_enc\"", "a%252F%2Bb~c%2F-_.%21%2A%28%29"),
        ("bin(0102ff),be2hex", "0102FF"),
        ("bin(0102ff),be2hex(:,1)", "01:02:FF"),
        ("bin(0102ff),be2hex(-,2)", "0102-FF"),
        ("bin(0102ff),be2hex(-,2,1)", "0102"),
        ("bin(0102ff0405),be2dec(:,2)", "258:65284:5"),
        ("bin(ffffffffffffffff),be2dec(:,8)", "18446744073709551615"),
        ("str(Host:80),host_only", "host"),
        ("str([::1]:80),host_only", "[::1]"),
        ("str([::1]),host_only", "[::1]"),
        ("str(h),port_only", "0"),
        ("str([::1]:80),port_only", "80"),
        ("int(1700000000),http_date(5)", "Tue, 14 Nov 2023 22:13:25 GMT"),
        ("int(1700000000123),http_date(0,ms)", "Tue, 14 Nov 2023 22:13:20.123 GMT"),
        ("int(1700000000),utime(%Y-%m-%dT%H:%M:%S,60)", "2023-11-14T22:14:20"),
        ("int(1700000000),utime(\"%c|%x|%X|%r|%Z|%z|%j|%e|%p|%%\")", UTIME),
        ("str(a),add_item(;,,z)", "a;z"),
        ("str(),add_item(;,,z)", "z"),
        ("str(a),concat(x,,y)", "axy"),
        ("str(a),concat(x,txn.nope,y)", "axy"),
        ("str(a),strcmp(txn.nope)", "-"),
        ("int(5),add(txn.nope)", "-"),
        ("str(b),nbsrv", "2"),
        ("str(nope),nbsrv", "-"),
        ("str(b/s),srv_queue", "1"),
        ("str(a),debug(x)", "a"),
        ("str(a),sha2(224),digest(md5),hmac(sha1,YQ==),length", "20"),
        ("bin(7b2261223a5b312c2278225d7d),json_query('$.a[1]')", "x"),
        ("str(::a::b::),word(-2,:,2)", "::a"),
        ("str(a:b:c),field(-2,:,9)", "a:b"),
        ("str(a:b:c),field(2,:,-1)", "b:c"),
        ("str(a),field(5,:)", "-"),
        ("str(a),word(5,:)", ""),
        ("str(abc),bytes(5)", ""),
        ("str(abc),bytes(-1)", ""),
        ("str(abc),bytes(1,-1)", "bc"),
        ("str(+5),hex2i", "-"),
        ("str(1FFFFFFFFFFFFFFFF),hex2i", "-1"),
        ("ipv6(2001:db8::1),ipmask(24)", "-"),
        ("ipv6(::ffff:1.2.3.4),ipmask(24,64)", "1.2.3.0"),
    ] {
        assert_eq!(shown(expression), expected, "{expression}");
    }
}

const UTIME: &str = "Tue Nov 14 22:13:20 2023|11/14/23|22:13:20|10:13:20 PM|GMT|+0000|318|14|PM|%";
