use base64::Engine as _;

use super::*;
use crate::config::model::http::{Answer, Body, Empty, Lasts, Query, Redirect, Said, Slash, To, Wording};
use crate::config::model::{Action, Fetch, HttpFact, Sample, Value, VariableId};
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
        other => panic!("no reply: {other:?}"),
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
            local: None,
            bind: None,
            tls: None,
            origin,
            http: rules::Request {
                method: "GET",
                target,
                version: "1.1",
                headers: &[],
                order: rules::Order::First,
                lists: &[],
            },
        },
        &mut Ledger::default(),
    )
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
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
    assert!(text(&csv).starts_with("# pxname,svname,"));
    assert_eq!(header(&ask(&demo, Method::Read, "/stats;csv;norefresh", LOGIN), "refresh"), None);
    let json = ask(&demo, Method::Read, "/stats?;json", LOGIN);
    assert_eq!(header(&json, "content-type"), Some("application/json"));
    let fragment = ask(&demo, Method::Read, "/stats;fragment", LOGIN);
    assert!(text(&fragment).starts_with("<dl") && !text(&fragment).contains("<script"));
}

#[test]
fn who_may_not_change_anything_is_denied() {
    let location = |reply: &Reply| header(reply, "location").map(str::to_owned);
    let reply = ask(&with_page(), Method::Post, "/stats", LOGIN);
    assert_eq!((reply.status, location(&reply).as_deref()), (303, Some("/stats;st=DENY")));
    let page = text(&ask(&with_page(), Method::Read, "/stats", LOGIN));
    assert!(!page.contains("type=\"checkbox\"") && !page.contains("method=\"post\""));

    let demo = with_admin(false);
    let reply = ask(&demo, Method::Post, "/stats;up", LOGIN);
    assert_eq!(location(&reply).as_deref(), Some("/stats;st=DONE;up"));
    let foreign = outcome(&demo, (Method::Post, Origin::Elsewhere), "/stats", LOGIN);
    let Outcome::Reply(reply) = foreign else { panic!("a form from elsewhere changes nothing") };
    assert_eq!(location(&reply).as_deref(), Some("/stats;st=DENY"));
    assert_eq!(ask(&demo, Method::Post, "/stats", None).status, 401, "the login comes first");
    let page = text(&ask(&demo, Method::Read, "/stats", LOGIN));
    assert!(page.contains("name=\"s\" value=\"") && page.contains("<form method=\"post\">"));

    let reply = ask(&with_admin(true), Method::Post, "/stats", LOGIN);
    assert_eq!(location(&reply).as_deref(), Some("/stats;st=DENY"), "the condition does not hold");
}

/// A condition without terms holds; `unless` turns it round.
fn with_admin(unless: bool) -> Demo {
    configured(|config, mut page| {
        page.admin = vec![Condition { unless, any: vec![Vec::new()] }];
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
    let never = |action| RequestRule { action, condition: Some(Condition::default()) };
    let asked = |rules: Vec<RequestRule>| {
        let demo = configured(|config, page| {
            config.frontends[1].stats = Some(page);
            config.frontends[1].monitor_uri = Some("/mon".into());
            config.frontends[1].requests = rules;
        });
        (ask(&demo, Method::Read, "/stats", LOGIN), ask(&demo, Method::Read, "/mon", None).status)
    };
    let denied = |status| RequestAction::Deny(Answer::standard(status).into());
    let deny = || denied(403);
    let (reply, monitor) = asked(vec![always(deny()), always(RequestAction::Allow)]);
    assert_eq!((reply.status, reply.then, reply.by, monitor), (403, Then::KeepAlive, Answerer::Rule, 200));
    assert!(text(&reply).contains("403 Forbidden"));
    assert_eq!(asked(vec![always(RequestAction::Allow), always(deny())]).0.status, 200);
    assert_eq!(asked(vec![never(deny())]).0.status, 200);
    assert_eq!(asked(vec![always(denied(429))]).0.status, 429);
    let (exported, _) = asked(vec![always(RequestAction::Export), always(deny())]);
    assert!(text(&exported).contains("haproxy_process_nbthread"), "{}", text(&exported));
}

/// What a request for `target` comes to under these rules; the page is at `/stats`.
fn ruled(rules: Vec<RequestRule>, target: &str) -> Outcome {
    let demo = configured(|config, page| {
        config.frontends[1].stats = Some(page);
        config.frontends[1].requests = rules;
        config.frontends[1].timeout_tarpit = Some(Duration::from_secs(7));
    });
    outcome(&demo, (Method::Read, Origin::Here), target, LOGIN)
}

fn always(action: RequestAction) -> RequestRule {
    RequestRule { action, condition: None }
}

fn heads(outcome: Outcome) -> (u16, Vec<String>, String) {
    let Outcome::Reply(reply) = outcome else { panic!("no reply: {outcome:?}") };
    let heads = reply.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    (reply.status, heads, text(&reply))
}

fn path() -> Sample {
    Sample { fetch: Fetch::Http(HttpFact::Path), converters: Vec::new() }
}

#[test]
fn a_login_is_asked_for_and_the_connection_stays() {
    let (status, heads, body) =
        heads(ruled(vec![always(RequestAction::Auth { realm: "a \"b\"".into() })], "/"));
    assert_eq!((status, body.len()), (401, 112));
    assert_eq!(
        heads,
        [
            "content-length: 112",
            "cache-control: no-cache",
            "content-type: text/html",
            "www-authenticate: Basic realm=\"a \\\"b\\\"\"",
        ]
    );
}

#[test]
fn some_requests_wait_and_some_get_no_answer() {
    let tarpit = RequestAction::Tarpit(Answer::standard(500).into());
    let Outcome::Later(reply, wait) = ruled(vec![always(tarpit)], "/") else { panic!("it waits") };
    assert_eq!((reply.status, reply.by, wait), (500, Answerer::Tarpit, Duration::from_secs(7)));
    assert_eq!(ruled(vec![always(RequestAction::Reject)], "/"), Outcome::Refuse(Silence::Audible));
    assert_eq!(ruled(vec![always(RequestAction::SilentDrop)], "/"), Outcome::Refuse(Silence::Complete));
}

#[test]
fn an_answer_of_the_configs_own() {
    let said = Wording(vec![Said::Text(b"hi ".to_vec()), Said::Sample(path())]);
    let answer = Answer {
        status: 201,
        headers: vec![("x-a".into(), said.clone()), ("x-a".into(), Wording::plain("2"))],
        body: Body::Text("text/plain".into(), said),
    };
    let told = heads(ruled(vec![always(RequestAction::Return(answer.into()))], "/p?q"));
    let expected = ["x-a: hi /p", "x-a: 2", "content-length: 5", "content-type: text/plain"];
    assert_eq!(told, (201, expected.map(str::to_owned).into(), "hi /p".to_owned()));
    let empty = Answer { status: 204, headers: Vec::new(), body: Body::Empty };
    assert_eq!(
        heads(ruled(vec![always(RequestAction::Return(empty.into()))], "/")),
        (204, Vec::new(), String::new())
    );
}

#[test]
fn redirections_lead_where_haproxys_do() {
    let plain = Redirect {
        to: To::Location,
        place: Wording::plain("/new"),
        code: 302,
        query: Query::Kept,
        slash: Slash::AsIs,
        cookie: None,
        empty: Empty::Taken,
    };
    let leads = |redirect: &Redirect| {
        let rule = always(RequestAction::Redirect(redirect.clone().into()));
        let (status, heads, _) = heads(ruled(vec![rule], "/d?a=b"));
        (status, heads[1..].join(", "))
    };
    let location = |place: &str| (302, format!("location: {place}, cache-control: no-cache"));
    assert_eq!(leads(&plain), location("/new"));
    let prefix = Redirect { to: To::Prefix, place: Wording::plain("/pre"), ..plain.clone() };
    assert_eq!(leads(&prefix), location("/pre/d?a=b"));
    assert_eq!(leads(&Redirect { query: Query::Dropped, ..prefix.clone() }), location("/pre/d"));
    assert_eq!(leads(&Redirect { slash: Slash::Appended, ..prefix.clone() }), location("/pre/d/?a=b"));
    assert_eq!(leads(&Redirect { place: Wording::plain("/"), ..prefix.clone() }), location("/d?a=b"));
    let scheme = Redirect { to: To::Scheme, place: Wording::plain("https"), ..plain.clone() };
    assert_eq!(leads(&scheme), location("https:///d?a=b"), "the client names no host");
    assert_eq!(leads(&Redirect { code: 301, ..plain.clone() }), (301, "location: /new".to_owned()));
    let cookie = Redirect { cookie: Some("A=b; path=/;".into()), ..plain.clone() };
    assert_eq!(leads(&cookie).1, "location: /new, cache-control: no-cache, set-cookie: A=b; path=/;");
    let nowhere = Redirect { place: Wording::plain(""), empty: Empty::Ignored, ..plain };
    let told = ruled(vec![always(RequestAction::Redirect(nowhere.into()))], "/stats;csv");
    assert_eq!(heads(told).0, 200, "the next rule is asked, and the page comes");
}

#[test]
fn variables_live_as_long_as_their_scope() {
    let set = |at, lasts| {
        let action = Action::SetVariable { variable: VariableId(at), sample: path(), when: Vec::new() };
        (action, lasts)
    };
    let demo = demo::demo();
    let mut ledger = Ledger::default();
    let value = || Some(Value::Integer(5));
    let (request, lasts) = set(1, Lasts::Request);
    ledger.perform((&request, lasts), value(), &demo.snapshot, demo.now);
    let (connection, lasts) = set(2, Lasts::Connection);
    ledger.perform((&connection, lasts), value(), &demo.snapshot, demo.now);
    let known = |ledger: &Ledger| ledger.notes().variables.iter().map(|(id, _)| id.0).collect::<Vec<_>>();
    assert_eq!(known(&ledger), [1, 2]);
    ledger.begin(demo.now);
    assert_eq!(known(&ledger), [2]);
    ledger.perform((&Action::UnsetVariable(VariableId(2)), Lasts::Request), None, &demo.snapshot, demo.now);
    assert_eq!(known(&ledger), [0u32; 0]);
}
