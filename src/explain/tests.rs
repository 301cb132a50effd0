use super::*;
use crate::config::{Bundle, load};

/// On a machine as Debian has it.
fn bundle(name: &str, text: &str) -> Bundle {
    Bundle {
        files: vec![(name.to_owned(), text.as_bytes().to_vec())],
        users: [("nobody".to_owned(), Some(65534))].into(),
        hosts: [("localhost".to_owned(), vec![[127, 0, 0, 1].into()])].into(),
        groups: [("nobody".to_owned(), None), ("nogroup".to_owned(), Some(65534))].into(),
        ..Bundle::default()
    }
}

fn explained(name: &str, text: &str) -> String {
    let loaded = load(&bundle(name, text));
    explain(&loaded).unwrap_or_else(|| panic!("{name}: {:?} {:?}", loaded.diagnostics, loaded.wanted))
}

fn checked(text: &str) -> String {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    text.to_owned()
}

#[test]
fn the_published_configs_are_explained() {
    let redis_ha = include_str!("../../tests/fixtures/config/redis-ha.cfg");
    let text = checked(&explained("redis-ha.cfg", redis_ha));
    assert!(!text.contains("my-redis-password"), "{text}");
    insta::assert_snapshot!("redis_ha", text);
    let twemproxy = include_str!("../../tests/fixtures/config/twemproxy.cfg");
    insta::assert_snapshot!("twemproxy", checked(&explained("twemproxy.cfg", twemproxy)));
}

#[test]
fn the_examples_are_explained() {
    for (name, text) in [
        ("quickstart", include_str!("../../examples/quickstart.cfg")),
        ("read_write_split", include_str!("../../examples/read-write-split.cfg")),
        ("sentinel_discovery", include_str!("../../examples/sentinel-discovery.cfg")),
        ("sentinel_majority", include_str!("../../examples/sentinel-majority.cfg")),
        ("sentinel", include_str!("../../examples/sentinel.cfg")),
    ] {
        // Ports that scripts fill in.
        let text = ["@LOG@", "@PORT@", "@REDIS1@", "@REDIS2@", "@REDIS3@", "@STATS@"]
            .iter()
            .zip(7001..)
            .fold(text.to_owned(), |text, (name, port)| text.replace(name, &port.to_string()));
        insta::assert_snapshot!(name, checked(&explained(name, &text)));
    }
}

#[test]
fn a_config_with_errors_is_not_explained() {
    assert_eq!(explain(&load(&bundle("a.cfg", "listen l\n bind\n"))), None);
}

#[test]
fn no_secret_is_told() {
    let text = explained(
        "a.cfg",
        "defaults\n mode tcp\n timeout connect 1s\n timeout client 1s\n timeout server 1s\nlisten l\n bind :6379\n \
         option tcp-check\n tcp-check send *2\\r\\n$4\\r\\nAUTH\\r\\n$6\\r\\nhunter\\r\\n\n tcp-check send AUTH\\ hunter2\\r\\n\n \
         tcp-check send PING\\r\\nAUTH\\ hunter3\\r\\n\n tcp-check send hunter4\\r\\n\n server a 127.0.0.1:1 check\n",
    );
    assert!(!text.contains("hunter"), "{text}");
    assert!(text.contains("logs in"), "{text}");
}

#[test]
fn pages_of_a_backend_and_what_is_logged_when_are_told() {
    let text = checked(&explained(
        "a.cfg",
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n log 127.0.0.1 local0\nfrontend ends\n \
         bind :1\n log-format %ci\\ %Tt\n default_backend pages\nfrontend comes\n bind :2\n log-format %ci\n \
         default_backend pages\nfrontend early\n bind :3\n option tcplog\n option logasap\n default_backend \
         pages\nbackend pages\n mode http\n stats uri /s\n stats auth a:b\n stats admin if LOCALHOST\n",
    ));
    for said in [
        "  * /s: the stats page, for 1 user with a password; servers are changed there,\n    where 'stats admin' allows it",
        "  Logs each session when it ends ('log-format').",
        "  Logs each session as soon as it has its server ('log-format' asks for nothing\n  later).",
        "  Logs each session as soon as it has its server ('option tcplog', 'option\n  logasap').",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}
