//! The Sentinels of a backend on the page: whom each names at which config epoch, how it was found, and what is
//! wrong with it.

use std::fmt::Write as _;

use super::super::Page;
use super::super::escape::Escaped;
use super::{ago, nothing};
use crate::state::BackendView;
use crate::state::sentinel::{Origin, SentinelStatus};

/// A table below the servers'; nothing for a backend without Sentinels.
pub(super) fn push(text: &mut String, page: &Page<'_>, view: &BackendView) {
    let statuses = view.live.sentinels.statuses();
    if statuses.is_empty() {
        return;
    }
    text.push_str(
        "<div class=\"scroll\"><table class=\"roles sentinels\"><thead><tr><th>Sentinel</th><th>Names</th>\
         <th>Standing</th><th>Epoch</th><th>Of</th><th>Found</th><th>Address</th><th>Id</th><th>Heard</th></tr></thead><tbody>",
    );
    statuses.iter().for_each(|status| push_row(text, page, status));
    text.push_str("</tbody></table></div>");
}

fn push_row(text: &mut String, page: &Page<'_>, status: &SentinelStatus) {
    let (class, standing) = standing(status);
    let _ = write!(text, "<tr class=\"{class}\"><th scope=\"row\">{}</th>", Escaped(&status.name));
    let mut cell = |label: &str, value: String| {
        let _ = write!(text, "<td data-label=\"{label}\">{value}</td>");
    };
    let named = status.names.as_ref().map(|name| format!("<b>{}</b>", Escaped(name)));
    cell("Names", named.unwrap_or_else(nothing));
    cell("Standing", format!("<span>{}</span>", Escaped(&standing)));
    cell("Epoch", status.config_epoch.map_or_else(nothing, |epoch| epoch.to_string()));
    cell("Of", Escaped(&status.master_name).to_string());
    cell("Found", found(status.origin).to_owned());
    cell("Address", Escaped(&status.address.to_string()).to_string());
    cell("Id", status.run_id.as_deref().map_or_else(nothing, super::run_id));
    let heard = status.heard_at.map(|at| ago(page.now.since(at).as_millis() as u64));
    cell("Heard", heard.unwrap_or_else(nothing));
    text.push_str("</tr>");
}

/// Whether its word counts, and why not.
fn standing(status: &SentinelStatus) -> (&'static str, String) {
    match (&status.trouble, status.names.is_some()) {
        (Some(trouble), _) => ("warn", trouble.clone()),
        (None, _) if status.tilt => ("warn", "in TILT: it starts and judges nothing".to_owned()),
        (None, true) => ("calm", "answers".to_owned()),
        (None, false) => ("wait", "has not answered yet".to_owned()),
    }
}

fn found(origin: Origin) -> &'static str {
    match origin {
        Origin::Configured => "in the config",
        Origin::Told => "told of by another",
        Origin::Heard => "announced itself",
    }
}
