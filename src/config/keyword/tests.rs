use super::*;
use std::collections::BTreeSet;

fn status(scope: Scope, words: &[&str]) -> &'static str {
    match find(scope, words).map(|keyword| keyword.status) {
        None => "unknown",
        Some(Status::Honoured) => "honoured",
        Some(Status::Accepted(_)) => "accepted",
        Some(Status::Rejected(_)) => "rejected",
    }
}

#[test]
fn the_longest_name_counts() {
    let cases: [(Scope, &[&str], &str); 17] = [
        (Scope::Listen, &["option", "tcplog"], "option tcplog"),
        (Scope::Backend, &["tcp-check", "expect", "string", "x"], "tcp-check expect"),
        (Scope::Frontend, &["tcp-request", "connection", "accept", "if"], "tcp-request connection accept"),
        (Scope::Frontend, &["tcp-request", "connection", "reject"], "tcp-request connection reject"),
        (Scope::Frontend, &["tcp-request", "connection", "set-var(sess.a)"], "tcp-request connection"),
        (Scope::Frontend, &["http-request", "set-header"], "http-request"),
        (Scope::Frontend, &["http-request", "deny"], "http-request deny"),
        (Scope::Global, &["stats", "socket", "/x"], "stats socket"),
        (Scope::Listen, &["compression", "algo"], "compression"),
        (Scope::Server, &["check"], "check"),
        (Scope::Bind, &["ssl", "crt"], "ssl"),
        (Scope::File, &["listen", "x"], "listen"),
        (Scope::CheckExpect, &["!"], "!"),
        (Scope::Listen, &["timeout", "nope"], ""),
        (Scope::Global, &["server", "a"], ""),
        (Scope::Frontend, &["server", "a"], ""),
        (Scope::Global, &[], ""),
    ];
    for (scope, words, name) in cases {
        let found = find(scope, words).map_or("", |keyword| keyword.name);
        assert_eq!(found, name, "{scope} {words:?}");
    }
}

/// What the two configs of the first release and the most used keywords need.
#[test]
fn the_status_follows_the_rule() {
    let cases: [(Scope, &str, &str); 26] = [
        (Scope::Global, "nbproc", "accepted"),
        (Scope::Global, "stats socket", "honoured"),
        (Scope::Global, "chroot", "honoured"),
        (Scope::Defaults, "timeout http-request", "accepted"),
        (Scope::Defaults, "option httplog", "accepted"),
        (Scope::Defaults, "option httpclose", "accepted"),
        (Scope::Defaults, "option forwardfor", "accepted"),
        (Scope::Defaults, "contimeout", "accepted"),
        (Scope::Defaults, "errorfile", "accepted"),
        (Scope::Listen, "stats auth", "honoured"),
        (Scope::Listen, "redispatch", "accepted"),
        (Scope::Listen, "cookie", "accepted"),
        (Scope::Backend, "option httpchk", "honoured"),
        (Scope::Backend, "use-server", "honoured"),
        (Scope::Frontend, "acl", "honoured"),
        (Scope::Frontend, "use_backend", "honoured"),
        (Scope::File, "resolvers", "honoured"),
        (Scope::File, "program", "accepted"),
        (Scope::File, "peers", "accepted"),
        (Scope::Server, "cookie", "accepted"),
        (Scope::Server, "send-proxy", "honoured"),
        (Scope::Bind, "accept-proxy", "honoured"),
        (Scope::Server, "ssl", "honoured"),
        (Scope::Bind, "transparent", "honoured"),
        (Scope::CheckConnect, "ssl", "honoured"),
        (Scope::CheckExpect, "rbinary", "honoured"),
    ];
    for (scope, name, expected) in cases {
        let words: Vec<&str> = name.split(' ').collect();
        assert_eq!(status(scope, &words), expected, "{scope} {name}");
    }
}

#[test]
fn messages_name_keyword_place_and_reason() {
    let message = |scope, words: &[&str]| find(scope, words).unwrap().message(scope);
    insta::assert_debug_snapshot!(
        [
            message(Scope::Bind, &["force-tlsv10"]),
            message(Scope::Defaults, &["option", "forwardfor"]),
            message(Scope::Listen, &["clitimeout"]),
            message(Scope::Backend, &["force-persist"]),
            message(Scope::Backend, &["server"]),
        ],
        @r#"
    [
        Some(
            "'force-tlsv10' on a bind line is not supported: rolecall speaks TLS 1.2 and 1.3 only",
        ),
        Some(
            "'option forwardfor' has no effect: a layer 4 proxy does not see HTTP",
        ),
        Some(
            "'clitimeout' is taken as 'timeout client'; HAProxy dropped the old name, so write the new one",
        ),
        Some(
            "'force-persist' is not supported: rolecall always sends clients where they belong now",
        ),
        None,
    ]
    "#
    );
}

#[test]
fn rows_are_well_formed_and_unique_in_each_place() {
    let mut seen = BTreeSet::new();
    for keyword in all() {
        let words = keyword.name.split(' ').count();
        assert!((1..=LONGEST_NAME).contains(&words), "{}", keyword.name);
        assert!(!keyword.scopes.is_empty() && !keyword.help.is_empty(), "{}", keyword.name);
        assert!(!keyword.help.ends_with('.') && !keyword.help.contains('\n'), "{}", keyword.help);
        for scope in keyword.scopes {
            assert!(seen.insert((*scope, keyword.name)), "{scope} {} twice", keyword.name);
        }
        if let Status::Accepted(text) | Status::Rejected(text) = keyword.status {
            assert!(
                ["has no", "is ", "changes nothing"].iter().any(|begin| text.starts_with(begin)),
                "'{}' {text}: not a predicate",
                keyword.name
            );
        }
    }
    for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::Other) {
        assert!(seen.iter().any(|(known, _)| *known == scope), "nothing may stand in {scope}");
    }
}

#[test]
fn every_section_keyword_opens_a_scope() {
    for keyword in all().filter(|keyword| keyword.scopes == [Scope::File]) {
        assert_eq!(
            Scope::of_section(keyword.name).is_none(),
            keyword.name.starts_with('.'),
            "{}",
            keyword.name
        );
    }
}
