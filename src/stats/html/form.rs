//! What makes a proxy's table a form, for who may change its servers: a box to tick on each server, and below the
//! table what is to be done to those that are ticked. Without scripts all of it works but the box that ticks all.

use std::fmt::Write as _;

use super::escape::Escaped;
use crate::stats::action::ACTIONS;
use crate::stats::rows::Row;

/// It goes to where the page is.
pub(super) fn start(proxy: &[Row<'_>]) -> &'static str {
    if backend(proxy).is_some() { "<form method=\"post\">" } else { "" }
}

/// Ticks all servers of the table, by the page's script.
pub(super) fn all(proxy: &[Row<'_>]) -> &'static str {
    match backend(proxy) {
        Some(_) => "<input type=\"checkbox\" class=\"all\" aria-label=\"tick all servers\" hidden>",
        None => "",
    }
}

/// The box of a server.
pub(super) fn tick(name: &str) -> String {
    let name = Escaped(name);
    format!("<input type=\"checkbox\" name=\"s\" value=\"{name}\" aria-label=\"tick {name}\">")
}

/// What is to be done, and the form's end.
pub(super) fn push_end(text: &mut String, proxy: &[Row<'_>]) {
    let Some(number) = backend(proxy) else { return };
    text.push_str(
        "<p class=\"action\"><label>Action on the ticked servers <select name=\"action\" required>\
         <option value=\"\"></option>",
    );
    for (word, _, label) in ACTIONS {
        if let Some(label) = label {
            let _ = write!(text, "<option value=\"{word}\">{label}</option>");
        }
    }
    let _ = write!(
        text,
        "</select></label><input type=\"hidden\" name=\"b\" value=\"#{number}\">\
         <button type=\"submit\">Apply</button></p></form>"
    );
}

/// The number of a proxy with servers.
fn backend(proxy: &[Row<'_>]) -> Option<u32> {
    proxy.iter().find_map(|row| match row {
        Row::Server(row) => Some(row.backend.proxy_id),
        Row::Frontend(_) | Row::Backend(_) => None,
    })
}
