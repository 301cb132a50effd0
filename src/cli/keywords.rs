//! `-dK`: the known config keywords, in HAProxy's order and layout, with what becomes of each.

use crate::config::keyword::{self, Keyword, Scope, Status};

/// The text for `-dKCLASSES`. Of HAProxy's classes only config keywords exist here; any other has none.
pub fn keyword_dump(classes: &str) -> String {
    let known = ["all: list all keywords", "cfg: configuration keywords"];
    if classes.is_empty() || classes.split(',').any(|class| class == "help") {
        return format!("# List of supported keyword classes:\n{}\n", known.join("\n"));
    }
    if !classes.split(',').any(|class| matches!(class, "all" | "cfg")) {
        return String::new();
    }
    let mut text = "# List of registered configuration keywords:\n".to_owned();
    for scope in Scope::ALL {
        let mut rows: Vec<&Keyword> = keyword::all().filter(|row| row.scopes.contains(&scope)).collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by_key(|row| row.name);
        text.push_str(&format!("{scope}\n"));
        for row in rows {
            let status = match row.status {
                Status::Honoured => "honoured",
                Status::Accepted(_) => "accepted",
                Status::Rejected(_) => "rejected",
            };
            text.push_str(&format!("\t{} [ {status} ]\n", row.name));
        }
    }
    text
}
