use base64::Engine as _;

use super::*;
use crate::stats::demo::{self, Demo};

fn configured(change: impl FnOnce(&mut crate::config::Config, StatsPage)) -> Demo {
    let mut demo = demo::demo();
    let mut config = (*demo.snapshot.config).clone();
    change(&mut config, demo.page.clone());
    demo.snapshot.config = config.into();
    demo
}

fn with_page() -> Demo {
    configured(|config, page| {
        config.frontends[1].stats = Some(page);
        config.frontends[1].monitor_uri = Some("/mon".into());
    })
}

fn ask(demo: &Demo, method: Method, target: &str, credentials: Option<&str>) -> Reply {
    match outcome(demo, (method, Origin::Here), target, credentials) {
        Outcome::Reply(reply) => reply,
        Outcome::Act(act) => act.done(Code::Done),
    }
}

fn outcome(
    demo: &Demo,
    (method, origin): (Method, Origin),
    target: &str,
    credentials: Option<&str>,
) -> Outcome {
    let clock = Clock::utc();
    let Demo { snapshot, facts, now, .. } = demo;
    let world = World { snapshot, facts, clock: &clock, now: *now };
    let basic = base64::engine::general_purpose::STANDARD.encode(credentials.unwrap_or_default());
    let header = format!("Basic {basic}");
    let authorization = credentials.map(|_| header.as_bytes());
    answer(
        &world,
        (FrontendId(1), None),
        "n",
        Request {
            method,
            target,
            authorization,
            client: None,
            origin,
            http: rules::Request { method: "GET", target, version: "1.1", headers: &[] },
        },
    )
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

const LOGIN: Option<&str> = Some("admin:pa:ss");

#[test]
fn a_login_is_asked_for_as_haproxy_asks() {
    let demo = with_page();
    for credentials in [None, Some("admin:wrong")] {
        let reply = ask(&demo, Method::Read, "/stats", credentials);
        assert_eq!((reply.status, reply.then), (401, Then::Close));
        assert_eq!(header(&reply, "www-authenticate"), Some("Basic realm=\"HAProxy Statistics\""));
        assert_eq!(reply.body.len(), 112);
    }
    assert_eq!(ask(&demo, Method::Read, "/stats", LOGIN).status, 200);
}

#[test]
fn the_monitor_answers_everybody_at_its_exact_address() {
    let demo = with_page();
    let reply = ask(&demo, Method::Read, "/mon", None);
    assert_eq!((reply.status, reply.body.len(), reply.by), (200, 58, Answerer::Monitor));
    assert_eq!(ask(&demo, Method::Read, "/monx", None).status, 503);
}

#[test]
fn elsewhere_there_is_no_server() {
    let demo = with_page();
    let reply = ask(&demo, Method::Read, "/other", LOGIN);
    assert_eq!((reply.status, reply.body.len(), reply.by), (503, 107, Answerer::NoServer));
    assert_eq!(ask(&demo, Method::Other, "/stats", LOGIN).status, 503);
    assert_eq!(ask(&demo::demo(), Method::Read, "/stats", LOGIN).status, 503);
}

#[test]
fn formats_have_their_types_and_csv_its_refresh() {
    let demo = with_page();
    let page = ask(&demo, Method::Read, "/stats", LOGIN);
    assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
    assert!(header(&page, "content-security-policy").unwrap().contains("script-src 'nonce-n';"));
    assert_eq!(header(&page, "refresh"), None);
    let csv = ask(&demo, Method::Read, "/stats;csv", LOGIN);
    assert_eq!((header(&csv, "content-type"), header(&csv, "refresh")), (Some("text/plain"), Some("5")));
    assert!(csv.body.starts_with("# pxname,svname,"));
    assert_eq!(header(&ask(&demo, Method::Read, "/stats;csv;norefresh", LOGIN), "refresh"), None);
    let json = ask(&demo, Method::Read, "/stats?;json", LOGIN);
    assert_eq!(header(&json, "content-type"), Some("application/json"));
    let fragment = ask(&demo, Method::Read, "/stats;fragment", LOGIN);
    assert!(fragment.body.starts_with("<dl") && !fragment.body.contains("<script"));
}

#[test]
fn who_may_not_change_anything_is_denied() {
    let location = |reply: &Reply| header(reply, "location").map(str::to_owned);
    let reply = ask(&with_page(), Method::Post, "/stats", LOGIN);
    assert_eq!((reply.status, location(&reply).as_deref()), (303, Some("/stats;st=DENY")));
    let page = ask(&with_page(), Method::Read, "/stats", LOGIN).body;
    assert!(!page.contains("type=\"checkbox\"") && !page.contains("method=\"post\""));

    let demo = with_admin(false);
    let reply = ask(&demo, Method::Post, "/stats;up", LOGIN);
    assert_eq!(location(&reply).as_deref(), Some("/stats;st=DONE;up"));
    let foreign = outcome(&demo, (Method::Post, Origin::Elsewhere), "/stats", LOGIN);
    let Outcome::Reply(reply) = foreign else { panic!("a form from elsewhere changes nothing") };
    assert_eq!(location(&reply).as_deref(), Some("/stats;st=DENY"));
    assert_eq!(ask(&demo, Method::Post, "/stats", None).status, 401, "the login comes first");
    let page = ask(&demo, Method::Read, "/stats", LOGIN).body;
    assert!(page.contains("name=\"s\" value=\"") && page.contains("<form method=\"post\">"));

    let reply = ask(&with_admin(true), Method::Post, "/stats", LOGIN);
    assert_eq!(location(&reply).as_deref(), Some("/stats;st=DENY"), "the condition does not hold");
}

/// A condition without terms holds; `unless` turns it round.
fn with_admin(unless: bool) -> Demo {
    configured(|config, mut page| {
        page.admin = vec![crate::config::model::Condition { unless, any: vec![Vec::new()] }];
        config.frontends[1].stats = Some(page);
    })
}

#[test]
fn a_frontend_may_lead_to_a_backend_that_serves_the_page() {
    let demo = configured(|config, page| config.backends[1].stats = Some(page));
    assert_eq!(ask(&demo, Method::Read, "/stats;csv", LOGIN).status, 200);
}

#[test]
fn the_first_rule_for_requests_that_holds_decides() {
    let always = |action| RequestRule { action, condition: None };
    let never = |action| RequestRule { action, condition: Some(crate::config::model::Condition::default()) };
    let asked = |rules: Vec<RequestRule>| {
        let demo = configured(|config, page| {
            config.frontends[1].stats = Some(page);
            config.frontends[1].monitor_uri = Some("/mon".into());
            config.frontends[1].requests = rules;
        });
        (ask(&demo, Method::Read, "/stats", LOGIN), ask(&demo, Method::Read, "/mon", None).status)
    };
    let deny = RequestAction::Deny { status: 403 };
    let (reply, monitor) = asked(vec![always(deny), always(RequestAction::Allow)]);
    assert_eq!((reply.status, reply.then, reply.by, monitor), (403, Then::Close, Answerer::Rule, 200));
    assert!(reply.body.contains("403 Forbidden"));
    assert_eq!(asked(vec![always(RequestAction::Allow), always(deny)]).0.status, 200);
    assert_eq!(asked(vec![never(deny)]).0.status, 200);
    assert_eq!(asked(vec![always(RequestAction::Deny { status: 429 })]).0.status, 429);
    let (exported, _) = asked(vec![always(RequestAction::Export), always(deny)]);
    assert!(exported.body.contains("haproxy_process_nbthread"), "{}", exported.body);
}
