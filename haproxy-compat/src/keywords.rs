//! `KEYWORDS.md`: the keyword table as a page, one table a place.

use rolecall::config::keyword::{self, Keyword, Scope, Status};
use rolecall::config::rule::{convert, counted, fetch};

/// The whole page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Keywords\n\n\
         Every config keyword of HAProxy 2.6 and of later versions, and what rolecall makes of it. Rendered from \
         the keyword table by\n`cargo run -p haproxy-compat -- keywords > haproxy-compat/KEYWORDS.md`; a test keeps \
         the two equal.\n\n\
         * **honoured**: does what HAProxy's manual says.\n\
         * **accepted**: the file loads, with a warning that says what is lost.\n\
         * **rejected**: the file does not load, and the error says why.\n",
    );
    for scope in Scope::ALL {
        let mut rows: Vec<&Keyword> = keyword::all().filter(|row| row.scopes.contains(&scope)).collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by_key(|row| row.name);
        let count = |wanted: fn(&Status) -> bool| rows.iter().filter(|row| wanted(&row.status)).count();
        page.push_str(&format!(
            "\n## {}\n\n{} honoured, {} accepted, {} rejected.\n\n| keyword | status | what it is for |\n|---|---|---|\n",
            title(scope),
            count(|status| matches!(status, Status::Honoured)),
            count(|status| matches!(status, Status::Accepted(_))),
            count(|status| matches!(status, Status::Rejected(_))),
        ));
        rows.iter().for_each(|row| page.push_str(&line(row)));
    }
    page.push_str(&samples());
    page
}

/// What conditions may ask, and what may be made of it.
fn samples() -> String {
    let mut page = String::from("\n## Fetches\n\n| fetch | what it is |\n|---|---|\n");
    let mut fetches: Vec<(String, &str)> = fetch::all().map(|row| (row.name.to_owned(), row.help)).collect();
    fetches.extend(
        counted::all().map(|(name, help)| (format!("src_{name}, sc_{name}, sc0_{name} to sc2_{name}"), help)),
    );
    fetches.sort();
    page.extend(fetches.iter().map(|(name, help)| format!("| `{name}` | {help} |\n")));
    page.push_str("\n## Converters\n\n| converter | what it makes |\n|---|---|\n");
    let mut converters: Vec<(&str, &str)> = convert::all().map(|row| (row.name, row.help)).collect();
    converters.sort_unstable();
    page.extend(converters.iter().map(|(name, help)| format!("| `{name}` | {help} |\n")));
    page
}

fn line(row: &Keyword) -> String {
    let status = match row.status {
        Status::Honoured => "honoured".to_owned(),
        Status::Accepted(lost) => format!("accepted: {lost}"),
        Status::Rejected(reason) => format!("rejected: {reason}"),
    };
    format!("| `{}` | {status} | {} |\n", row.name, row.help)
}

fn title(scope: Scope) -> String {
    match scope {
        Scope::File => "Sections, and what may stand anywhere".to_owned(),
        _ if scope.is_section() => format!("Section `{scope}`"),
        _ => format!("Options of `{scope}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_that_of_the_table() {
        let page = include_str!("../KEYWORDS.md");
        assert!(
            page == markdown(),
            "KEYWORDS.md is stale: cargo run -p haproxy-compat -- keywords > haproxy-compat/KEYWORDS.md"
        );
    }
}
