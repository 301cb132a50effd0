//! TLS on bind and server lines: the same verdicts at the same lines.

use std::collections::BTreeSet;
use std::path::Path;

use super::program::{BOTH, Which};

#[expect(unreachable_pub, reason = "the integration tests have it, too")]
#[path = "../../../tests/integration/harness/certificates.rs"]
pub(crate) mod certificates;

const DEFAULTS: &str = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n";

/// What follows `bind :1`.
const BINDS: &[&str] = &[
    "ssl",
    "ssl crt",
    "ssl crt a.pem",
    "crt a.pem",
    "ssl crt none.pem",
    "crt none.pem",
    "ssl crt bad.pem",
    "ssl crt nokey.pem",
    "ssl crt mismatch.pem",
    "ssl crt onlykey.pem",
    "ssl crt split.pem",
    "ssl crt dir",
    "ssl crt empty",
    "ssl crt a.pem crt b.pem strict-sni alpn h2,redis",
    "ssl crt-list list.txt",
    "ssl crt-list none.txt",
    "ssl crt a.pem ca-file ca.pem verify required",
    "ssl crt a.pem ca-file ca.pem verify optional",
    "ssl crt a.pem verify required",
    "ssl crt a.pem verify optional",
    "ssl crt a.pem verify none",
    "ssl crt a.pem verify maybe",
    "ssl crt a.pem ca-file none.pem",
    "ssl crt a.pem ca-file bad.pem verify required",
    "ssl crt a.pem ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.3",
    "ssl crt a.pem ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.2",
    "ssl crt a.pem ssl-min-ver TLSv9",
    "ssl crt a.pem no-sslv3 no-tlsv10 no-tlsv11 no-tls-tickets",
    "ssl crt a.pem force-tlsv12",
];

/// What follows `server s 127.0.0.1:1`.
const SERVERS: &[&str] = &[
    "ssl",
    "ssl verify none",
    "ssl verify required",
    "ssl verify maybe",
    "ssl verify required ca-file ca.pem",
    "ssl ca-file ca.pem verifyhost a.example sni str(a.example) alpn redis",
    "ssl ca-file none.pem",
    "ssl ca-file bad.pem",
    "ssl ca-file @system-ca",
    "ca-file",
    "verify none ca-file none.pem",
    "check check-ssl",
    "check check-ssl verify none check-sni a.example check-alpn redis",
    "check check-ssl no-check-ssl",
    "ssl no-ssl",
    "ssl verify none crt a.pem",
    "ssl verify none crt none.pem",
    "ssl verify none crt nokey.pem",
    "ssl verify none sni ssl_fc_sni",
    "ssl verify none sni nosuch",
    "ssl verify none ssl-min-ver TLSv1.2 no-sslv3 no-tlsv13",
];

/// What stands in the section beside `server s 127.0.0.1:1 check`, or before it all.
const OTHERS: &[(&str, &str)] = &[
    ("", " option tcp-check\n tcp-check connect ssl\n"),
    (
        "",
        " option tcp-check\n tcp-check connect port 2 ssl sni a alpn redis\n server t 127.0.0.1:2 check ca-file ca.pem\n",
    ),
    ("", " option tcp-check\n tcp-check connect sni\n"),
    (
        "global\n ssl-server-verify none\n",
        " option tcp-check\n tcp-check connect ssl\n server t 127.0.0.1:2 ssl\n",
    ),
    ("global\n ssl-server-verify maybe\n", ""),
    ("global\n ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n", " bind :2 ssl crt a.pem\n"),
    ("global\n ssl-default-bind-options nosuch\n", " bind :2 ssl crt a.pem\n"),
    ("global\n ssl-default-server-options ssl-max-ver TLSv1.3 no-sslv3\n", ""),
    (
        "global\n crt-base dir\n ca-base sub\n",
        " bind :2 ssl crt c.pem\n server t 127.0.0.1:2 ssl ca-file ca.pem\n",
    ),
    ("global\n crt-base dir\n", " bind :2 ssl crt a.pem\n"),
    ("global\n tune.ssl.default-dh-param 2048\n maxsslconn 100\n", ""),
];

fn files(directory: &Path) {
    let authority = certificates::Authority::new();
    let (a, b) = (authority.leaf(&["a.example"]), authority.leaf(&["b.example"]));
    for folder in ["dir", "empty", "sub"] {
        std::fs::create_dir(directory.join(folder)).expect("a directory");
    }
    let texts = [
        ("ca.pem", authority.pem()),
        ("sub/ca.pem", authority.pem()),
        ("a.pem", a.both()),
        ("b.pem", b.both()),
        ("dir/c.pem", a.both()),
        ("dir/d.pem", b.both()),
        ("bad.pem", "garbage\n".to_owned()),
        ("nokey.pem", a.certificate.clone()),
        ("mismatch.pem", format!("{}{}", a.certificate, b.key)),
        ("onlykey.pem", a.key.clone()),
        ("split.pem", a.certificate.clone()),
        ("split.pem.key", a.key.clone()),
        ("list.txt", "# a comment\na.pem\nb.pem *.b.example b.example\n".to_owned()),
    ];
    for (name, text) in texts {
        std::fs::write(directory.join(name), text).expect("a file");
    }
}

/// The exit code and the lines complained of.
fn told(which: Which, directory: &Path, text: &str) -> (Option<i32>, BTreeSet<String>) {
    std::fs::write(directory.join("a.cfg"), text).expect("a config");
    let output = which.check(directory);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let place = |line: &str| {
        let (_, after) = line.split_once("[a.cfg:")?;
        Some(after.split(']').next()?.to_owned())
    };
    let errors = said.lines().filter(|line| line.starts_with("[ALERT]")).filter_map(place);
    (output.status.code(), errors.collect())
}

#[test]
fn verdicts_on_tls_are_haproxys() {
    let directory = tempfile::tempdir().expect("a directory");
    files(directory.path());
    let mut texts: Vec<String> = Vec::new();
    texts.extend(BINDS.iter().map(|bind| format!("{DEFAULTS}listen l\n bind :1 {bind}\n")));
    texts.extend(
        SERVERS
            .iter()
            .map(|server| format!("{DEFAULTS}listen l\n bind :1\n server s 127.0.0.1:1 {server}\n")),
    );
    texts.extend(OTHERS.iter().map(|(global, lines)| {
        format!("{global}{DEFAULTS}listen l\n bind :1\n{lines} server s 127.0.0.1:1 check\n")
    }));
    let mut differences = Vec::new();
    for text in &texts {
        let [theirs, ours] = BOTH.map(|which| told(which, directory.path(), text));
        if theirs != ours {
            differences.push(format!("{text}--- haproxy {theirs:?}\n--- rolecall {ours:?}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
