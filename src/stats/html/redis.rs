//! The Redis panel: for every backend that asks for roles, who is master since when and why, and how each of
//! its servers stands: role, offset, how far behind, link, proof, and why it gets no clients. Below them its Sentinels
//! ([`sentinels`]) and its past: failovers with their course, and changes of the master ([`failovers`]).

mod failovers;
mod sentinels;

use std::fmt::Write as _;

use super::Page;
use super::escape::{Escaped, bytes, grouped, span};
use crate::config::model::{Backend, BackendId};
use crate::redis::{Role, RoleReport};
use crate::state::{BackendView, Guarding, MasterChange, Unselectable};
use crate::stats::rows::{Details, Selection, ServerRow, servers};

/// One panel a role-checked backend of the selection.
pub(super) fn push_panels(text: &mut String, page: &Page<'_>, selection: &Selection) {
    for (at, (config, view)) in page.snapshot.config.backends.iter().zip(&page.snapshot.backends).enumerate()
    {
        if view.guarding == Guarding::None || config.disabled || !selection.takes(&config.name) {
            continue;
        }
        let rows: Vec<_> = servers(page.snapshot, BackendId(at), Details::Plain, page.now).collect();
        push_panel(text, page, (config, view), &rows);
    }
}

fn push_panel(
    text: &mut String,
    page: &Page<'_>,
    (config, view): (&Backend, &BackendView),
    rows: &[ServerRow<'_>],
) {
    let name = view.live.name();
    let name = Escaped(&name);
    let master = view.live.master.load().server;
    let master = rows.iter().find(|row| Some(row.live.key) == master);
    let changes = view.live.history.changes();
    let verdict = Verdict::of(page, (config, view), rows, master, changes.last());
    let _ = write!(
        text,
        "<section class=\"redis {}\"><header><h2><a href=\"#{name}\">{name}</a></h2><p class=\"verdict\">{}</p>",
        verdict.class, verdict.text
    );
    if let Some(reason) = verdict.reason {
        let _ = write!(text, "<p class=\"why\">{}</p>", Escaped(&reason));
    }
    text.push_str(
        "</header><div class=\"scroll\"><table class=\"roles\"><thead><tr><th>Server</th><th>Role</th><th>Standing</th>\
         <th>Clients</th><th>Offset</th><th>Behind</th><th>Link</th><th>Run id</th><th>Heard</th></tr></thead><tbody>",
    );
    let source = master.or_else(|| rows.iter().find(|row| row.live.stands_in()));
    let history = source.and_then(|row| row.redis.report.as_ref());
    rows.iter().for_each(|row| push_server(text, page, view, row, (history, master)));
    text.push_str("</tbody></table></div>");
    sentinels::push(text, page, view);
    failovers::push(text, page, view);
    failovers::push_changes(text, page, view, &changes);
    text.push_str("</section>");
}

/// The panel's headline.
struct Verdict {
    class: &'static str,
    text: String,
    reason: Option<String>,
}

impl Verdict {
    fn of(
        page: &Page<'_>,
        (config, view): (&Backend, &BackendView),
        rows: &[ServerRow<'_>],
        master: Option<&ServerRow<'_>>,
        last: Option<&MasterChange>,
    ) -> Verdict {
        let last = last.filter(|change| change.epoch == view.live.master.load().epoch);
        match (view.in_force(), master) {
            (Guarding::Replicas | Guarding::None, _) => Verdict::of_several(rows, "replicas"),
            (Guarding::Masters, _) => Verdict::of_several(rows, "masters"),
            // The word is not kept then: servers get clients as in HAProxy.
            (Guarding::Observe, _) => Verdict::of_several(rows, "servers"),
            (Guarding::Master, Some(row)) if row.excluded == Some(Unselectable::Frozen) => {
                Verdict::of_frozen_master(page, (config, view), row)
            }
            (Guarding::Master, Some(row)) if row.excluded.is_some() => {
                Verdict::of_lost_master(page, (config, view), row, last)
            }
            (Guarding::Master, Some(row)) => {
                let since = last.map(|change| {
                    let at = failovers::moment(page, (change.at, change.since));
                    format!(" since {at} <small>({})</small>", span(page.now.since(change.since).as_secs()))
                });
                Verdict {
                    class: "good",
                    text: format!(
                        "<b>{}</b> is master{}",
                        Escaped(&row.config.name),
                        since.unwrap_or_default()
                    ),
                    reason: last.map(|change| change.reason.clone()),
                }
            }
            (_, None) => Verdict::without_master(page, (config, view), last),
        }
    }

    fn of_several(rows: &[ServerRow<'_>], what: &str) -> Verdict {
        let usable = rows.iter().filter(|row| row.excluded.is_none() && !row.live.stands_in()).count();
        let stand_in = rows.iter().find(|row| row.excluded.is_none() && row.live.stands_in());
        if let (0, Some(row)) = (usable, stand_in) {
            let text =
                format!("<b>{}</b>, the master, stands in: no replica is fit", Escaped(&row.config.name));
            return Verdict { class: "wait", text, reason: None };
        }
        let class = if usable > 0 { "good" } else { "bad" };
        let text = format!("<b>{usable}</b> of {} {what} get clients", rows.len());
        Verdict { class, text, reason: None }
    }

    /// Its failover has been decided, and who comes next is awaited.
    fn of_frozen_master(
        page: &Page<'_>,
        (config, view): (&Backend, &BackendView),
        row: &ServerRow<'_>,
    ) -> Verdict {
        let name = Escaped(&row.config.name);
        let left = view.held_until(config, page.now).map(|until| until.since(page.now).as_secs());
        let left = left.map(|left| format!(" for {} at most", span(left))).unwrap_or_default();
        let clients = waiting(view).unwrap_or_else(|| "new clients are held".to_owned());
        let cause = view.live.failovers.records().pop().map(|record| record.cause);
        let text = format!("<b>{name}</b> is frozen: its failover has been decided, {clients}{left}");
        Verdict { class: "wait", text, reason: cause }
    }

    /// The chosen one cannot serve, and nobody has taken its place.
    fn of_lost_master(
        page: &Page<'_>,
        (config, view): (&Backend, &BackendView),
        row: &ServerRow<'_>,
        last: Option<&MasterChange>,
    ) -> Verdict {
        let without = Verdict::without_master(page, (config, view), last);
        let name = Escaped(&row.config.name);
        Verdict { text: format!("{} (<b>{name}</b> was master last)", without.text), reason: None, ..without }
    }

    fn without_master(
        page: &Page<'_>,
        (config, view): (&Backend, &BackendView),
        last: Option<&MasterChange>,
    ) -> Verdict {
        let since = view.live.masterless_since();
        let for_how_long = since.map(|since| format!(" for {}", span(page.now.since(since).as_secs())));
        let held_until = view.held_until(config, page.now).filter(|until| *until > page.now);
        let clients = match (waiting(view), held_until) {
            (Some(waiting), _) => format!(", {waiting}"),
            (None, Some(_)) => String::new(),
            (None, None) => ", clients are refused".to_owned(),
        };
        let clients = match held_until {
            Some(until) => {
                format!("{clients}, new clients wait for {} at most", span(until.since(page.now).as_secs()))
            }
            None => clients,
        };
        Verdict {
            class: "bad",
            text: format!("<b>no master</b>{}{clients}", for_how_long.unwrap_or_default()),
            reason: last.map(|change| change.reason.clone()),
        }
    }
}

/// How many clients wait; `None`: nobody does.
fn waiting(view: &BackendView) -> Option<String> {
    match view.live.queue.length.now() {
        0 => None,
        1 => Some("<b>1</b> client is held".to_owned()),
        more => Some(format!("<b>{}</b> clients are held", grouped(more.into()))),
    }
}

fn push_server(
    text: &mut String,
    page: &Page<'_>,
    view: &BackendView,
    row: &ServerRow<'_>,
    (history, master): (Option<&RoleReport>, Option<&ServerRow<'_>>),
) {
    let is_master = master.is_some_and(|master| master.live.key == row.live.key);
    let report = row.redis.report.as_ref();
    let (class, standing) = standing(view, row, is_master);
    let _ = write!(
        text,
        "<tr class=\"{class}\"><th scope=\"row\"><a href=\"#{}/{}\">{}</a></th>",
        Escaped(&view.live.name()),
        Escaped(&row.config.name),
        Escaped(&row.config.name)
    );
    let mut cell = |label: &str, value: String| {
        let _ = write!(text, "<td data-label=\"{label}\">{value}</td>");
    };
    cell("Role", report.map_or_else(nothing, |report| role(report, is_master)));
    cell("Standing", format!("<span>{standing}</span>"));
    cell("Clients", grouped(row.live.traffic.sessions.now().into()));
    cell("Offset", report.and_then(|report| report.offset).map_or_else(nothing, grouped));
    cell("Behind", report.map_or_else(nothing, |report| behind(report, history, is_master)));
    cell("Link", report.map_or_else(nothing, link));
    cell("Run id", report.and_then(|report| report.run_id.as_deref()).map_or_else(nothing, run_id));
    cell(
        "Heard",
        row.redis.reported_at.map_or_else(nothing, |at| ago(page.now.since(at).as_millis() as u64)),
    );
    text.push_str("</tr>");
}

/// What decides whether the server gets clients, in words, and the colour for it.
fn standing(view: &BackendView, row: &ServerRow<'_>, is_master: bool) -> (&'static str, String) {
    let replica = row.redis.report.as_ref().is_some_and(|report| report.role == Role::Replica);
    let (class, words) = match row.excluded {
        None if is_master => ("good", "gets the clients".to_owned()),
        None if row.live.stands_in() => ("calm", "stands in while no replica is fit".to_owned()),
        None if view.guarding == Guarding::Replicas => ("good", "gets clients".to_owned()),
        None => ("calm", "may get clients".to_owned()),
        Some(Unselectable::Maintenance) => ("off", "in maintenance".to_owned()),
        Some(Unselectable::Draining) => ("off", "drains: no new clients".to_owned()),
        Some(Unselectable::Down) if replica && view.guarding != Guarding::Replicas => {
            ("calm", "stands by".to_owned())
        }
        Some(Unselectable::Down) if row.redis.unfit.is_some() => {
            let why = row.redis.unfit.clone().unwrap_or_default();
            ("warn", format!("not read from: {why}"))
        }
        Some(Unselectable::Down) => ("bad", format!("down: {}", row.health.status.description())),
        Some(Unselectable::Unproven) => ("wait", "not proven yet: no check has passed".to_owned()),
        Some(Unselectable::Frozen) => ("wait", "frozen: its failover has been decided".to_owned()),
        Some(Unselectable::Held) => {
            let why = row.redis.held.clone().unwrap_or_else(|| "not chosen as master".to_owned());
            ("warn", format!("held: {why}"))
        }
    };
    let mut html = Escaped(&words).to_string();
    if let Some(trouble) = &row.redis.trouble {
        let _ = write!(html, " \u{b7} <em>{}</em>", Escaped(trouble));
    }
    (class, html)
}

fn role(report: &RoleReport, is_master: bool) -> String {
    match report.role {
        Role::Master if is_master => "<b>master</b>".to_owned(),
        Role::Master => "says master".to_owned(),
        Role::Replica => "replica".to_owned(),
        Role::ActiveReplica => "active replica".to_owned(),
    }
}

/// Bytes behind the master, where both count in one history.
fn behind(report: &RoleReport, master: Option<&RoleReport>, is_master: bool) -> String {
    if is_master {
        return nothing();
    }
    let same_history = master.filter(|master| master.replid.is_some() && master.replid == report.replid);
    match same_history.and_then(|master| Some((master.offset?, report.offset?))) {
        Some((master, own)) if own >= master => "<b>in step</b>".to_owned(),
        Some((master, own)) => {
            format!("<span title=\"{} bytes\">{}</span>", grouped(master - own), bytes(master - own))
        }
        None if report.replid.is_some() && master.is_some_and(|master| master.replid.is_some()) => {
            "<span title=\"its replication id is not the master's\">other history</span>".to_owned()
        }
        None => nothing(),
    }
}

fn link(report: &RoleReport) -> String {
    let whom = report.follows.as_ref().map(|(host, port)| format!("{}:{port}", Escaped(host)));
    let replicas = report.connected_replicas;
    match (report.link_up, whom) {
        (Some(true), Some(whom)) => format!("up, follows {whom}"),
        (Some(false), Some(whom)) => format!("<em>down</em>, follows {whom}"),
        (Some(true), None) => "up".to_owned(),
        (Some(false), None) => "<em>down</em>".to_owned(),
        (None, Some(whom)) => format!("follows {whom}"),
        (None, None) => match replicas {
            Some(1) => "1 replica".to_owned(),
            Some(count) => format!("{count} replicas"),
            None => nothing(),
        },
    }
}

fn run_id(id: &str) -> String {
    let short: String = id.chars().take(8).collect();
    format!("<code title=\"{}\">{}</code>", Escaped(id), Escaped(&short))
}

fn ago(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        format!("{milliseconds}\u{a0}ms ago")
    } else {
        format!("{} ago", span(milliseconds / 1000))
    }
}

fn nothing() -> String {
    "<span class=\"none\">\u{2013}</span>".to_owned()
}
