//! The tables that HAProxy's users know: one a proxy, its frontend, servers and backend as rows, with
//! HAProxy's groups of columns and its row classes. What HAProxy hides in floating boxes stands in `title`.

use std::fmt::Write as _;

use super::escape::{Escaped, bytes, grouped, span};
use super::{Page, form};
use crate::config::model::Mode;
use crate::state::Unselectable;
use crate::state::counters::Traffic;
use crate::stats::field::{algorithm_name, written_address};
use crate::stats::rows::{BackendRow, Details, FrontendRow, Row, ServerRow};
use crate::stats::status::Standing;

/// HAProxy's groups and their columns.
const GROUPS: &[(&str, &[&str])] = &[
    ("Queue", &["Cur", "Max", "Limit"]),
    ("Session rate", &["Cur", "Max", "Limit"]),
    ("Sessions", &["Cur", "Max", "Limit", "Total", "LbTot", "Last"]),
    ("Bytes", &["In", "Out"]),
    ("Denied", &["Req", "Resp"]),
    ("Errors", &["Req", "Conn", "Resp"]),
    ("Warnings", &["Retr", "Redis"]),
    ("Server", &["Status", "LastChk", "Wght", "Act", "Bck", "Chk", "Dwn", "Dwntme", "Thrtle"]),
];

/// All rows, one table a proxy.
pub(super) fn push_proxies(text: &mut String, page: &Page<'_>, rows: &[Row<'_>]) {
    for proxy in rows.chunk_by(|a, b| name(a) == name(b)) {
        let Some(first) = proxy.first() else { continue };
        push_heading(text, page, first, proxy);
        for row in proxy {
            match row {
                Row::Frontend(row) => push_frontend(text, row),
                Row::Server(row) => push_server(text, page, row),
                Row::Backend(row) => push_backend(text, row),
            }
        }
        text.push_str("</tbody></table></div>");
        if page.may_change {
            form::push_end(text, proxy);
        }
        text.push_str("</section>");
    }
}

fn name<'a>(row: &'a Row<'_>) -> &'a str {
    match row {
        Row::Frontend(row) => &row.config.name,
        Row::Server(row) => &row.backend.name,
        Row::Backend(row) => &row.config.name,
    }
}

fn push_heading(text: &mut String, page: &Page<'_>, first: &Row<'_>, proxy: &[Row<'_>]) {
    let has_front = matches!(first, Row::Frontend(_));
    let has_back = proxy.iter().any(|row| !matches!(row, Row::Frontend(_)));
    let capability = match (has_front, has_back) {
        (true, true) => "listen",
        (true, false) => "frontend",
        (false, _) => "backend",
    };
    let (mode, description, id) = match first {
        Row::Frontend(row) => (row.config.mode, &row.config.description, row.config.proxy_id),
        Row::Backend(row) => (row.config.mode, &row.config.description, row.config.proxy_id),
        Row::Server(row) => (row.backend.mode, &row.backend.description, row.backend.proxy_id),
    };
    let mode = if mode == Mode::Http { "http" } else { "tcp" };
    let name = Escaped(name(first));
    let legend = if page.settings.show_legends { format!(", id {id}") } else { String::new() };
    let _ = write!(
        text,
        "<section class=\"proxy\" id=\"{name}\"><header><h2><a href=\"#{name}\">{name}</a></h2>\
         <p>{capability}, {mode}{legend}</p>"
    );
    if let Some(description) = description {
        let _ = write!(text, "<p class=\"desc\">{}</p>", Escaped(description));
    }
    let _ = write!(
        text,
        "</header>{}<div class=\"scroll\" id=\"scroll/{name}\"><table class=\"tbl\"><thead><tr><th>{}</th>",
        if page.may_change { form::start(proxy) } else { "" },
        if page.may_change { form::all(proxy) } else { "" },
    );
    for (group, columns) in GROUPS {
        let _ = write!(text, "<th class=\"g\" colspan=\"{}\">{group}</th>", columns.len());
    }
    text.push_str("</tr><tr><th></th>");
    for (_, columns) in GROUPS {
        for (at, column) in columns.iter().enumerate() {
            let class = if at == 0 { " class=\"g\"" } else { "" };
            let _ = write!(text, "<th{class}>{column}</th>");
        }
    }
    text.push_str("</tr></thead><tbody>");
}

/// The first cell of a row.
struct Head<'a> {
    /// HTML, as the label.
    tick: &'a str,
    label: &'a str,
    title: &'a str,
    short: &'a str,
}

/// The cells of one row: each column group begins with a line to its left.
struct Cells<'t> {
    text: &'t mut String,
    column: usize,
}

impl<'t> Cells<'t> {
    /// `short` stands under the name where the status column is out of sight.
    fn begin(text: &'t mut String, class: &str, anchor: &str, head: Head<'_>) -> Cells<'t> {
        let Head { tick, label, title, short } = head;
        let _ = write!(
            text,
            "<tr class=\"{class}\" id=\"{anchor}\"><th scope=\"row\">{tick}<a href=\"#{anchor}\"{}>{label}</a>\
             <small>{short}</small></th>",
            titled(title)
        );
        Cells { text, column: 0 }
    }

    fn cell(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.hinted(value, "")
    }

    /// With what HAProxy would show beside it.
    fn hinted(&mut self, value: impl std::fmt::Display, hint: &str) -> &mut Self {
        let value = value.to_string();
        // What has not happened steps back, so that what has stands out.
        let class = match (begins_group(self.column), is_zero(&value)) {
            (true, true) => " class=\"g z\"",
            (true, false) => " class=\"g\"",
            (false, true) => " class=\"z\"",
            (false, false) => "",
        };
        let (open, close) = if hint.is_empty() { ("", "") } else { ("<u>", "</u>") };
        let _ = write!(self.text, "<td{class}{}>{open}{value}{close}</td>", titled(hint));
        self.column += 1;
        self
    }

    fn blank(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.cell("");
        }
        self
    }

    fn end(&mut self) {
        self.text.push_str("</tr>");
    }
}

fn is_zero(value: &str) -> bool {
    matches!(value, "0" | "0s" | "-" | "?" | "0\u{a0}B")
}

fn begins_group(column: usize) -> bool {
    let mut start = 0;
    GROUPS.iter().any(|(_, columns)| {
        let begins = start == column;
        start += columns.len();
        begins
    })
}

fn titled(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(" title=\"{}\"", Escaped(hint)) }
}

fn push_frontend(text: &mut String, row: &FrontendRow<'_>) {
    let (traffic, live) = (&row.live.traffic, row.live);
    let anchor = format!("{}/Frontend", Escaped(&row.config.name));
    let connections = format!(
        "connection rate {}/s, at most {}/s",
        live.connection_rate.now(row.now),
        live.connection_rate.max()
    );
    let total = format!(
        "{} connections, {} requests, {} answered by the proxy itself",
        live.connections.sum(),
        live.requests.sum(),
        live.intercepted.sum()
    );
    let state = row.status();
    let mut cells = Cells::begin(
        text,
        "frontend",
        &anchor,
        Head { tick: "", label: "Frontend", title: "", short: state },
    );
    cells.blank(3);
    cells.hinted(traffic.rate.now(row.now), &connections).cell(traffic.rate.max());
    cells.cell(row.config.rate_limit_sessions.map_or_else(dash, |limit| limit.to_string()));
    cells.cell(traffic.sessions.now()).cell(traffic.sessions.max()).cell(row.limit);
    cells.hinted(grouped(traffic.total.sum()), &total).blank(2);
    push_bytes(&mut cells, traffic);
    cells.cell(traffic.denied.sum()).cell(0).cell(live.request_errors.sum()).blank(4);
    cells.cell(state).blank(8).end();
}

fn push_backend(text: &mut String, row: &BackendRow<'_>) {
    let live = &row.view.live;
    let anchor = format!("{}/Backend", Escaped(&row.config.name));
    let title = match row.details {
        Details::Legends => format!("balancing: {}", algorithm_name(row.config.balance)),
        Details::Plain => String::new(),
    };
    let up = if row.is_up() { "UP" } else { "DOWN" };
    let mut cells =
        Cells::begin(text, "backend", &anchor, Head { tick: "", label: "Backend", title: &title, short: up });
    cells.cell(live.queue.length.now()).cell(live.queue.length.max()).cell("");
    cells.cell(live.traffic.rate.now(row.now)).cell(live.traffic.rate.max()).cell("");
    push_sessions(
        &mut cells,
        &live.traffic,
        row.fullconn.to_string(),
        last_session(&live.traffic, row.now.0),
    );
    cells.cell(live.traffic.denied.sum()).cell(0).cell("");
    push_errors(&mut cells, &live.traffic);
    cells.cell(format!("{} {up}", span(row.unchanged_ms() / 1000))).cell("");
    cells.cell(row.tally.weight).cell(row.tally.active).cell(row.tally.backup);
    cells.cell("").cell(live.down_transitions.sum());
    cells.cell(if !row.has_servers() { String::new() } else { span(row.downtime_ms() / 1000) });
    cells.cell("").end();
}

fn push_server(text: &mut String, page: &Page<'_>, row: &ServerRow<'_>) {
    let (traffic, name) = (&row.live.traffic, &row.config.name);
    let anchor = format!("{}/{}", Escaped(&row.backend.name), Escaped(name));
    let title = match row.details {
        Details::Legends => format!("{}, id: {}", written_address(row), row.config.id),
        Details::Plain => String::new(),
    };
    let (label, state) = (Escaped(name).to_string(), state(row));
    let tick = if page.may_change { form::tick(name) } else { String::new() };
    let head = Head { tick: &tick, label: &label, title: &title, short: &state };
    let mut cells = Cells::begin(text, class(row), &anchor, head);
    cells.cell(row.live.queued.now()).cell(row.live.queued.max()).cell(unlimited(row.config.maxqueue));
    cells.cell(traffic.rate.now(row.now)).cell(traffic.rate.max()).cell("");
    let last = last_session(traffic, row.now.0);
    push_sessions(&mut cells, traffic, unlimited(row.config.maxconn), last);
    cells.cell("").cell(0).cell("");
    push_errors(&mut cells, traffic);
    cells.hinted(status(row), held(row));
    cells.hinted(last_check(row), &check_detail(row));
    cells.cell(format!("{}/{}", row.live.effective_weight(), row.config.weight));
    let (active, backup) = if row.config.backup { ("-", "Y") } else { ("Y", "-") };
    cells.cell(active).cell(backup);
    let checks = |value: String| if row.config.check.is_some() { value } else { String::new() };
    cells.hinted(checks(row.health.failed_checks.to_string()), "failed checks");
    cells.cell(checks(row.health.down_transitions.to_string()));
    cells.cell(checks(span(row.downtime_ms() / 1000)));
    cells.cell(row.throttle().map_or_else(dash, |percent| format!("{percent}%"))).end();
}

fn push_sessions(cells: &mut Cells<'_>, traffic: &Traffic, limit: String, last: String) {
    let times = format!(
        "mean / most of the last sessions: queue {} / {} ms, connect {} / {} ms, total {} / {} ms",
        traffic.mean(|traffic| &traffic.queue_time),
        traffic.queue_time.max(),
        traffic.mean(|traffic| &traffic.connect_time),
        traffic.connect_time.max(),
        traffic.mean(|traffic| &traffic.total_time),
        traffic.total_time.max()
    );
    cells.cell(traffic.sessions.now()).cell(traffic.sessions.max()).cell(limit);
    cells.hinted(grouped(traffic.total.sum()), &times).cell(grouped(traffic.chosen.sum())).cell(last);
    push_bytes(cells, traffic);
}

fn push_bytes(cells: &mut Cells<'_>, traffic: &Traffic) {
    for sum in [traffic.bytes_in.sum(), traffic.bytes_out.sum()] {
        let exact = if sum < 1024 { String::new() } else { format!("{} bytes", grouped(sum)) };
        cells.hinted(bytes(sum), &exact);
    }
}

fn push_errors(cells: &mut Cells<'_>, traffic: &Traffic) {
    let aborts = format!(
        "aborted transfers: {} by clients, {} by servers",
        traffic.client_aborts.sum(),
        traffic.server_aborts.sum()
    );
    cells.cell(traffic.connect_errors.sum()).hinted(traffic.response_errors.sum(), &aborts);
    cells.cell(traffic.retries.sum()).cell(traffic.redispatches.sum());
}

/// HAProxy's class; a replica that stands by is no failure, and not coloured as one.
fn class(row: &ServerRow<'_>) -> &'static str {
    if row.stands_by() { "active_replica" } else { row.standing.class(row.config.backup) }
}

fn status(row: &ServerRow<'_>) -> String {
    match row.standing {
        Standing::NotChecked => format!("<i>{}</i>", state(row)),
        _ => format!("{} {}", span(row.unchanged_ms() / 1000), state(row)),
    }
}

/// HAProxy's word, or ours where its would mislead.
fn state(row: &ServerRow<'_>) -> String {
    if row.stands_by() {
        return "replica".to_owned();
    }
    match row.excluded {
        Some(Unselectable::Held) => "held".to_owned(),
        Some(Unselectable::Frozen) => "frozen".to_owned(),
        Some(Unselectable::Unproven) => "unproven".to_owned(),
        _ => row.word(),
    }
}

fn held<'a>(row: &'a ServerRow<'_>) -> &'a str {
    row.redis.held.as_deref().unwrap_or_default()
}

/// `L7OK/0 in 0ms`
fn last_check(row: &ServerRow<'_>) -> String {
    if let Some(track) = &row.config.track {
        let anchor = Escaped(&track.name);
        return format!("<a href=\"#{anchor}\">via {anchor}</a>");
    }
    if !row.is_checked() {
        return String::new();
    }
    let running = if row.health.in_progress { "* " } else { "" };
    let code = match row.health.code {
        Some(code) if row.health.status.reports_code() => format!("/{code}"),
        _ => String::new(),
    };
    let took = row.health.duration_ms.map(|duration| format!(" in {duration}ms")).unwrap_or_default();
    format!("{running}{}{code}{took}", row.health.status.name())
}

fn check_detail(row: &ServerRow<'_>) -> String {
    if !row.is_checked() {
        return String::new();
    }
    let description = row.health.status.description();
    if row.health.info.is_empty() {
        description.to_owned()
    } else {
        format!("{description}: {}", row.health.info)
    }
}

fn last_session(traffic: &Traffic, now: u64) -> String {
    let at = traffic.last_session.load(std::sync::atomic::Ordering::Relaxed);
    at.checked_sub(1).map_or_else(|| "?".to_owned(), |at| span(now.saturating_sub(at) / 1000))
}

fn unlimited(limit: u32) -> String {
    if limit == 0 { dash() } else { limit.to_string() }
}

fn dash() -> String {
    "-".to_owned()
}
