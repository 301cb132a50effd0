//! What converters make of values: the real haproxy and rolecall write the same expressions into their logs.

use std::io::Read;

use super::program::{BOTH, Running};
use super::traffic::DEFAULTS;

/// What a chain begins with.
const VALUES: &[&str] = &[
    "str(12abc)",
    "str(-5x)",
    "str()",
    "str(aXbX:c::d)",
    "str(a%20b?c+d)",
    "str(YWJj)",
    "str(YWI)",
    "str(1.2.3.4)",
    "str([::1]:80)",
    "str(99999999999999999999)",
    "str(zz/ff;.é)",
    "int(0)",
    "int(-7)",
    "int(258)",
    "int(1700000000)",
    "int(4611686018427387904)",
    "bin(0102ff0405)",
    "bin(6162000a)",
    "bin(c3a9ff22)",
    "bin(61620d0a63)",
    "ipv4(10.1.2.3)",
    "ipv6(2001:db8::1)",
    "bool(true)",
];

/// What is made of each of them; a chain that does not hold for both is left out of both.
const CHAINS: &[&str] = &[
    "lower,upper",
    "length",
    "hex2i",
    "crc32,neg",
    "crc32c(1)",
    "djb2",
    "sdbm(1)",
    "base64,b64dec",
    "b64dec",
    "ub64enc,ub64dec",
    "url_dec",
    "url_dec(1)",
    "url_enc",
    "cut_crlf",
    "bytes(1,2)",
    "bytes(9)",
    "field(2,:)",
    "field(-1,:,2)",
    "word(2,:)",
    "word(-2,:,0)",
    "ltrim(a)",
    "rtrim(X)",
    "regsub([a-c],x,g)",
    "concat(<,sess.v,=)",
    "add_item(:,sess.v,z)",
    "add_item(:,,z)",
    "strcmp(sess.v)",
    "secure_memcmp(sess.v)",
    "json",
    "json(utf8)",
    "json(utf8s)",
    "sha1",
    "sha2(224)",
    "digest(md5)",
    "hmac(sha256,YQ==)",
    "hmac(sha1,sess.k)",
    "xxh32(7)",
    "xxh64",
    "xxh3(-1)",
    "be2hex(:,2)",
    "be2dec(:,3,1)",
    "host_only",
    "htonl",
    "odd",
    "not",
    "cpl",
    "mul(3),div(7)",
    "mod(5)",
    "add(sess.n)",
    "iif(yes,no)",
    "debug",
];

/// Chains that HAProxy cannot apply to a value.
fn applies(value: &str, chain: &str) -> bool {
    let to_number = ["not", "odd", "cpl", "mul", "mod", "add(", "iif", "htonl"];
    let numeric = to_number.iter().any(|name| chain.starts_with(name));
    let is = |kind: &str| value.starts_with(kind);
    // It keeps the type of a truth through sums, and shows them as one.
    let is_sum = is("bool") && ["mul", "mod", "add(", "cpl"].iter().any(|name| chain.starts_with(name));
    !(is_sum || numeric && (is("bin") || is("ipv6") || is("ipv4") && chain.starts_with("iif")))
}

#[test]
fn values_are_haproxys() {
    let mut config = DEFAULTS.replace(" option tcplog\n", "");
    config.push_str(
        "frontend f\n bind @BIND@\n tcp-request connection set-var(sess.v) str(abd)\n \
         tcp-request connection set-var(sess.n) int(7)\n tcp-request connection set-var(sess.k) str(SmVmZQ==)\n \
         tcp-request content reject if { src 0.0.0.0/0 }\n log-format @FORMAT@\n",
    );
    let chains: Vec<String> = VALUES
        .iter()
        .flat_map(|value| {
            CHAINS.iter().filter(|chain| applies(value, chain)).map(move |chain| (value, chain))
        })
        .map(|(value, chain)| format!("{value},{chain},hex"))
        .collect();
    for some in chains.chunks(20) {
        let format: String = some.iter().map(|chain| format!("<%[{chain}]>")).collect();
        let config = config.replace("@FORMAT@", &format);
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let mut client = program.connect();
            // The end of the session is what its line waits for.
            let _ = client.read(&mut [0]);
            // HAProxy 2.6 says first that its proxies are started.
            let lines = std::iter::repeat_with(|| program.raw_line());
            lines.take(9).find(|line| line.contains("]: <")).map(|line| values(&line)).unwrap_or_default()
        });
        assert_eq!(theirs.len(), some.len(), "{theirs:?}");
        let all = some.iter().zip(theirs).zip(ours);
        let differing: Vec<_> = all.filter(|((_, theirs), ours)| theirs != ours).collect();
        assert!(differing.is_empty(), "{differing:?}");
    }
}

/// What stands between the brackets; nothing for what has no value.
fn values(line: &str) -> Vec<String> {
    let from = line.find("]: ").map_or(0, |at| at + 3);
    let inside = line[from..].split('<').skip(1).filter_map(|part| part.split_once('>'));
    inside.map(|(value, _)| value.trim_matches('-').to_owned()).collect()
}
