use super::*;
use crate::state::Failover;
use crate::stats::demo::{self, Demo};

fn page<'a>(demo: &'a Demo, view: &'a View, clock: &'a Clock) -> Page<'a> {
    let Demo { snapshot, facts, page, now, .. } = demo;
    Page { snapshot, facts, settings: page, view, may_change: false, clock, now: *now }
}

fn rendered(demo: &Demo, view: &View) -> String {
    fragment(&page(demo, view, &Clock::utc()))
}

/// One element a line, so that a change shows where it is.
fn lines(html: &str) -> String {
    html.replace("<tr", "\n<tr")
        .replace("<section", "\n<section")
        .replace("<header", "\n<header")
        .replace("<td", "\n  <td")
}

#[test]
fn the_redis_panel_tells_who_is_master_and_why_the_others_are_not() {
    let demo = demo::demo();
    let html = rendered(&demo, &View::default());
    let panel = html.split("<section class=\"proxy\"").next().unwrap();
    insta::assert_snapshot!(lines(panel));
}

#[test]
fn the_tables_are_haproxys() {
    let demo = demo::demo();
    let html = rendered(&demo, &View::default());
    let (_, tables) = html.split_once("<section class=\"proxy\"").unwrap();
    insta::assert_snapshot!(lines(tables));
}

#[test]
fn every_row_has_every_column() {
    let demo = demo::demo();
    let html = rendered(&demo, &View::default());
    let bodies =
        html.split("<table class=\"tbl\">").skip(1).map(|table| table.split("<tbody>").nth(1).unwrap());
    for row in bodies.flat_map(|body| body.split("<tr ").skip(1)) {
        assert_eq!(row.matches("<td").count(), 30, "{row}");
    }
}

#[test]
fn a_backend_without_master_says_how_long_and_who_waits() {
    let demo = demo::demo();
    demo.snapshot.backends[0].live.master.store(None);
    demo.snapshot.backends[0].live.set_masterless_since(Some(Tick(750_800)));
    demo.snapshot.backends[0].live.queue.length.enter();
    let html = rendered(&demo, &View::default());
    assert!(html.contains("<b>no master</b> for 3s, <b>1</b> client is held"), "{html}");
}

#[test]
fn a_master_that_is_down_is_not_called_master_now() {
    let demo = demo::demo();
    let view = &demo.snapshot.backends[0];
    view.live.judged.store(true, std::sync::atomic::Ordering::Relaxed);
    let master = view.live.master.load().server.and_then(|key| view.position(key)).unwrap();
    view.servers[master].set_operation(crate::state::Operation::Stopped);
    view.live.set_masterless_since(Some(Tick(750_800)));
    let html = rendered(&demo, &View::default());
    let name = &view.servers[master].name();
    assert!(
        html.contains(&format!(
            "<b>no master</b> for 3s, new clients wait for 1s at most (<b>{name}</b> was master last)"
        )),
        "{html}"
    );
    view.live.set_masterless_since(Some(Tick(0)));
    let html = rendered(&demo, &View::default());
    assert!(html.contains(", clients are refused (<b>"), "{html}");
}

#[test]
fn a_frozen_master_is_not_called_lost() {
    let demo = demo::demo();
    let view = &demo.snapshot.backends[0];
    view.live.set_frozen_until(Some(demo.now + std::time::Duration::from_secs(9)));
    view.servers[0].freeze();
    view.live.queue.length.enter();
    let html = rendered(&demo, &View::default());
    let want =
        "<b>redis1</b> is frozen: its failover has been decided, <b>1</b> client is held for 9s at most";
    assert!(html.contains(want), "{html}");
    assert!(!html.contains("no master</b>"));
}

#[test]
fn names_and_messages_are_escaped_everywhere() {
    let evil = "<script>\"x'&";
    let demo = demo::demo();
    let server = &demo.snapshot.backends[0].servers[3];
    server.update_health(|health| health.info = evil.into());
    server.update_redis(|redis| redis.trouble = Some(evil.into()));
    demo.snapshot.backends[0].servers[2].update_redis(|redis| redis.held = Some(evil.into()));
    let live = &demo.snapshot.backends[0].live;
    let from = Some(evil.to_owned());
    live.failovers.begin(Failover {
        from: from.clone(),
        to: from,
        cause: evil.into(),
        ..Failover::default()
    });
    let mut statuses = live.sentinels.statuses();
    let sentinel = &mut statuses[0];
    (sentinel.name, sentinel.master_name) = (evil.into(), evil.into());
    (sentinel.names, sentinel.run_id) = (Some(evil.into()), Some(evil.into()));
    sentinel.trouble = Some(evil.into());
    live.sentinels.show(statuses);
    let settings = StatsPage {
        node: Some(evil.into()),
        description: Some(evil.into()),
        uri: "/<script>\"".into(),
        ..demo.page.clone()
    };
    let (view, clock) = (View::default(), Clock::utc());
    let page = Page { settings: &settings, ..page(&demo, &view, &clock) };
    let html = document(&page, "nonce");
    assert_eq!(html.matches("<script").count(), 1, "only our own");
    assert!(html.contains("&lt;script&gt;&quot;x&#39;&amp;"));
}

#[test]
fn the_document_refreshes_without_scripts_only_if_asked_to() {
    let demo = demo::demo();
    let clock = Clock::utc();
    let html = document(&page(&demo, &View::default(), &clock), "n0");
    assert!(html.contains("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>"));
    assert!(html.contains("data-every=\"5\""));
    assert!(html.contains("<style nonce=\"n0\">") && html.contains("<script nonce=\"n0\">"));
    assert!(!html.contains("pa:ss"), "no secret");
    let never = View { refresh: Refresh::Never, ..View::default() };
    let html = document(&page(&demo, &never, &clock), "n0");
    assert!(!html.contains("http-equiv") && html.contains("data-every=\"0\""));
}

#[test]
fn the_version_can_be_hidden() {
    let mut demo = demo::demo();
    let clock = Clock::utc();
    assert!(document(&page(&demo, &View::default(), &clock), "n").contains("0.1.0"));
    demo.page.hide_version = true;
    assert!(!document(&page(&demo, &View::default(), &clock), "n").contains("0.1.0"));
}
