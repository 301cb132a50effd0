//! The stats page. Enters: the rows and the views of one snapshot. Leaves: HTML that HAProxy's users find
//! their way in, with a Redis panel on top.
//!
//! It lives from one document: style and script stand inline under a nonce, nothing is fetched from
//! anywhere else. The script asks for the [`fragment`] every few seconds and puts it in place; without
//! scripts, `stats refresh` reloads the page. Every name and every message is escaped.

pub mod escape;
mod form;
mod redis;
mod table;

use std::fmt::Write as _;

use escape::{Escaped, grouped, span};

use super::ProcessFacts;
use super::request::{Format, Refresh, View};
use super::rows::{Details, Hide, Selection, process_limit, rows};
use crate::config::model::StatsPage;
use crate::log::Clock;
use crate::state::Snapshot;
use crate::time::Tick;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// How often the script refreshes when `stats refresh` does not say.
const LIVE_EVERY_SECONDS: u64 = 2;

/// What a page is made of.
#[derive(Debug)]
pub struct Page<'a> {
    pub snapshot: &'a Snapshot,
    pub facts: &'a ProcessFacts,
    pub settings: &'a StatsPage,
    pub view: &'a View,
    /// `stats admin`
    pub may_change: bool,
    pub clock: &'a Clock,
    pub now: Tick,
}

impl Page<'_> {
    /// What the reader may see and asked for.
    pub fn selection(&self) -> Selection {
        Selection {
            scope: self.settings.scope.clone(),
            filter: self.view.filter.clone(),
            hide: self.view.hide,
            details: if self.settings.show_legends { Details::Legends } else { Details::Plain },
        }
    }

    /// The address of another view of this page.
    fn link(&self, change: impl FnOnce(&mut View)) -> String {
        let mut view = View { outcome: None, format: Format::Html, ..self.view.clone() };
        change(&mut view);
        Escaped(&format!("{}{}", self.settings.uri, view.suffix())).to_string()
    }

    /// `stats show-node`: its argument, the node's name, or this machine's.
    fn node(&self) -> Option<&str> {
        let given = self.settings.node.as_deref()?;
        let global = self.snapshot.config.global.node.as_deref();
        Some(if given.is_empty() { global.unwrap_or(&self.facts.hostname) } else { given })
    }
}

/// The whole document; `nonce` is the one of its content security policy.
pub fn document(page: &Page<'_>, nonce: &str) -> String {
    let mut text = String::with_capacity(48 * 1024);
    push_head(&mut text, page, nonce);
    push_masthead(&mut text, page);
    let _ = write!(text, "<main id=\"live\">{}</main>", fragment(page));
    push_legend(&mut text);
    let _ = write!(text, "<script nonce=\"{nonce}\">{SCRIPT}</script></body></html>");
    text
}

/// What changes: process figures, the Redis panel, the proxies.
pub fn fragment(page: &Page<'_>) -> String {
    let mut text = String::with_capacity(32 * 1024);
    push_process(&mut text, page);
    let selection = page.selection();
    redis::push_panels(&mut text, page, &selection);
    let rows = rows(page.snapshot, &selection, page.now);
    table::push_proxies(&mut text, page, &rows);
    if rows.is_empty() {
        text.push_str("<p class=\"none\">No proxy is shown in this scope.</p>");
    }
    text
}

fn push_head(text: &mut String, page: &Page<'_>, nonce: &str) {
    let node = page.node().map(|node| format!(" on {}", Escaped(node))).unwrap_or_default();
    let _ = write!(
        text,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Statistics Report{node}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">"
    );
    if let Some(every) = refresh_seconds(page) {
        let _ = write!(text, "<noscript><meta http-equiv=\"refresh\" content=\"{every}\"></noscript>");
    }
    let _ = write!(text, "<style nonce=\"{nonce}\">{STYLE}</style></head>");
}

/// `stats refresh`, unless the reader said `;norefresh`.
fn refresh_seconds(page: &Page<'_>) -> Option<u64> {
    let configured = page.settings.refresh.map(|every| every.as_secs().max(1));
    configured.filter(|_| page.view.refresh == Refresh::AsConfigured)
}

fn push_masthead(text: &mut String, page: &Page<'_>) {
    let every = match page.view.refresh {
        Refresh::AsConfigured => refresh_seconds(page).unwrap_or(LIVE_EVERY_SECONDS),
        Refresh::Never => 0,
    };
    let fragment = page.link(|view| view.format = Format::Fragment);
    let _ = write!(text, "<body data-fragment=\"{fragment}\" data-every=\"{every}\"><header class=\"top\">");
    text.push_str("<h1>rolecall");
    if !page.settings.hide_version {
        let _ = write!(text, " <small>{}</small>", Escaped(&page.facts.version));
    }
    text.push_str("</h1>");
    if let Some(node) = page.node() {
        let _ = write!(text, "<p class=\"node\">{}</p>", Escaped(node));
    }
    if let Some(description) = &page.settings.description {
        let global = page.snapshot.config.global.description.as_deref().unwrap_or_default();
        let shown = if description.is_empty() { global } else { description };
        let _ = write!(text, "<p class=\"desc\">{}</p>", Escaped(shown));
    }
    push_navigation(text, page);
    text.push_str("</header>");
    if let Some(outcome) = page.view.outcome {
        let _ = write!(text, "<p class=\"outcome\" role=\"status\">{outcome}</p>");
    }
}

fn push_navigation(text: &mut String, page: &Page<'_>) {
    let filter = page.view.filter.as_deref().unwrap_or_default();
    let _ = write!(
        text,
        "<nav><button id=\"pulse\" type=\"button\" hidden>live</button>\
         <form method=\"get\" action=\"{}\"><input name=\"scope\" value=\"{}\" placeholder=\"filter proxies\" \
         aria-label=\"filter proxies by name\" maxlength=\"64\"></form>",
        page.link(|view| view.filter = None),
        Escaped(filter),
    );
    let (hide, label) = match page.view.hide {
        Hide::Down => (Hide::Nothing, "show all servers"),
        Hide::Nothing | Hide::Maintenance => (Hide::Down, "hide down servers"),
    };
    let _ = write!(text, "<a href=\"{}\">{label}</a>", page.link(|view| view.hide = hide));
    for (format, label) in [(Format::Csv, "CSV"), (Format::Json, "JSON")] {
        let link = page.link(|view| (view.format, view.refresh) = (format, Refresh::Never));
        let _ = write!(text, "<a href=\"{link}\">{label}</a>");
    }
    text.push_str("</nav>");
}

fn push_process(text: &mut String, page: &Page<'_>) {
    let (facts, process) = (page.facts, &page.snapshot.process);
    let uptime = page.now.since(facts.started).as_secs();
    text.push_str("<dl class=\"process\">");
    let mut fact = |name: &str, value: String| {
        let _ = write!(text, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    fact(
        "connections",
        format!("{} of {}", grouped(process.connections.now().into()), process_limit(page.snapshot)),
    );
    fact("held", grouped(process.held.now().into()));
    fact("connections/s", process.rate.now(page.now).to_string());
    fact("total", grouped(process.total.sum()));
    fact("uptime", span(uptime));
    fact("pid", facts.pid.to_string());
    fact("threads", facts.threads.to_string());
    fact("config", format!("no. {}", page.snapshot.generation));
    text.push_str("</dl>");
}

/// HAProxy's colours, and ours for what it does not know.
fn push_legend(text: &mut String) {
    const COLOURS: &[(&str, &str)] = &[
        ("active_up", "active UP"),
        ("backup_up", "backup UP"),
        ("active_going_down", "UP, going down"),
        ("active_going_up", "DOWN, going up"),
        ("active_down", "DOWN"),
        ("active_replica", "replica: no clients here"),
        ("active_nolb", "NOLB, held"),
        ("active_draining", "DRAIN"),
        ("maintain", "MAINT"),
        ("active_no_check", "not checked"),
    ];
    text.push_str("<footer><ul class=\"legend\">");
    for (class, meaning) in COLOURS {
        let _ = write!(text, "<li><i class=\"{class}\"></i>{meaning}</li>");
    }
    text.push_str("</ul></footer>");
}

#[cfg(test)]
mod tests;
