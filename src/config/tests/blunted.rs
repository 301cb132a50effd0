//! Rules that keep nobody out, because of what rolecall does not do, are errors.

use super::{loaded, told};

const TIMES: &str = "timeout client 1s\n timeout connect 1s\n timeout server 1s";

#[test]
fn a_rule_that_asks_what_nothing_changes_is_refused() {
    for (change, rule) in [
        ("set-header X-Bad 1", "deny if { hdr(x-bad) 1 }"),
        ("add-header X-Bad 1", "deny if { req.hdr(X-Bad) 1 }"),
        ("del-header X-Ok", "deny unless { hdr_cnt(x-ok) ge 1 }"),
        ("replace-header X-Ok a b", "tarpit unless { hdr(x-ok) b }"),
        ("del-header authorization", "auth unless { http_auth(u) }"),
        ("set-path /x", "deny if { path_beg /x }"),
        ("replace-path a b", "deny if { path b }"),
        ("set-query a=1", "deny if { url_param(a) 1 }"),
        ("set-src hdr(x)", "deny if { src 10.0.0.0/8 }"),
        ("set-var-fmt(txn.b) %[src]", "deny if { var(txn.b) -m beg 10. }"),
    ] {
        let page = |lines: &str| {
            format!(
                "userlist u\n user a insecure-password b\nlisten l\n mode http\n bind :1\n {TIMES}\n stats uri /s\n {lines}\n"
            )
        };
        let said = told(&loaded(&page(&format!("http-request {change}\n http-request {rule}"))));
        assert!(
            said.contains("error") && said.contains("would change, which has no effect"),
            "{change}: {said}"
        );
        let behind = loaded(&page(&format!("http-request {rule}\n http-request {change}")));
        assert!(
            behind.config.is_some(),
            "what comes later changes nothing that was asked: {}",
            told(&behind)
        );
    }
    let other =
        "http-request set-header X-Forwarded-Proto https\n http-request deny if { hdr(host) -i evil }";
    let page = format!("listen l\n mode http\n bind :1\n {TIMES}\n stats uri /s\n {other}\n");
    assert!(loaded(&page).config.is_some(), "another header");
}

#[test]
fn a_rule_that_nobody_asks_before_a_page_is_refused() {
    let listen = |lines: &str| format!("listen l\n mode http\n bind :1\n {TIMES}\n stats uri /s\n {lines}\n");
    let backend = |lines: &str| {
        format!(
            "frontend f\n mode http\n bind :1\n {TIMES}\n default_backend b\nbackend b\n mode http\n {TIMES}\n \
             stats uri /s\n {lines}\n"
        )
    };
    for text in [
        listen("http-request deny if { req.len gt 0 }"),
        listen("tcp-request inspect-delay 1s\n tcp-request content reject if { path_beg /s }"),
        listen("tcp-request content reject if METH_GET"),
        listen("tcp-response content reject"),
        backend("tcp-request content reject if { src 127.0.0.1 }"),
        backend("tcp-request content silent-drop"),
    ] {
        let said = told(&loaded(&text));
        assert!(
            said.contains("error") && said.contains("this rule would never refuse anything"),
            "{text}{said}"
        );
    }
    for text in [
        listen("tcp-request content reject if { src 10.0.0.1 }"),
        listen("tcp-request inspect-delay 1s\n tcp-request content accept if HTTP"),
        backend(
            "tcp-request content track-sc0 src table l\nbackend l\n stick-table type ip size 10 store gpc0",
        ),
    ] {
        assert!(loaded(&text).config.is_some(), "{text}{}", told(&loaded(&text)));
    }
}
