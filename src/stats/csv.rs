//! `;csv`, `show stat`: a header with `# ` before it, one line a row, every line with a comma at its end.

use super::field::{FIELDS, MODULE_FIELDS, Value};
use super::rows::Row;

/// The whole table. The empty line that ends an answer on the runtime socket is not part of it.
pub fn render(rows: &[Row<'_>]) -> String {
    let mut text = header();
    text.reserve(rows.len() * 400);
    rows.iter().for_each(|row| push_row(&mut text, row));
    text
}

/// The first line.
pub fn header() -> String {
    let mut text = String::with_capacity(2048);
    text.push_str("# ");
    for field in FIELDS {
        text.push_str(field.name);
        text.push(',');
    }
    text.push_str("-,");
    for field in MODULE_FIELDS {
        text.push_str(field.name);
        text.push(',');
    }
    text.push('\n');
    text
}

/// The line of a row.
pub fn push_row(text: &mut String, row: &Row<'_>) {
    for field in FIELDS {
        push_value(text, &field.value(row));
    }
    text.push_str("-,");
    for field in MODULE_FIELDS {
        push_value(text, &field.value(row));
    }
    text.push('\n');
}

fn push_value(text: &mut String, value: &Value) {
    match value {
        Value::Empty => {}
        Value::Text(word) => push_quoted(text, word),
        Value::U32(number) => text.push_str(&number.to_string()),
        Value::U64(number) => text.push_str(&number.to_string()),
        Value::S32(number) => text.push_str(&number.to_string()),
    }
    text.push(',');
}

/// Only what would break a line into other columns or lines is quoted; quotes are doubled.
fn push_quoted(text: &mut String, word: &str) {
    if !word.contains(['"', ',', '\n', '\r']) {
        return text.push_str(word);
    }
    text.push('"');
    text.push_str(&word.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Details, Hide, Selection, demo, rows};

    fn demo_csv(selection: &Selection) -> String {
        let demo = demo::demo();
        render(&rows(&demo.snapshot, selection, demo.now))
    }

    #[test]
    fn the_demo_is_as_recorded() {
        let text = demo_csv(&Selection { details: Details::Legends, ..Selection::default() });
        let (_, body) = text.split_once('\n').unwrap();
        insta::assert_snapshot!(body);
    }

    #[test]
    fn every_line_has_as_many_columns_as_the_header() {
        let text = demo_csv(&Selection::default());
        let columns = text.lines().next().unwrap().matches(',').count();
        for line in text.lines().filter(|line| !line.is_empty()) {
            assert_eq!(line.matches(',').count(), columns, "{line}");
        }
    }

    #[test]
    fn the_reader_chooses_proxies_and_servers() {
        let scoped = demo_csv(&Selection { scope: vec!["stats".into()], ..Selection::default() });
        assert!(!scoped.contains("\nredis,") && scoped.contains("\nstats,FRONTEND"));
        let filtered = demo_csv(&Selection { filter: Some("edi".into()), ..Selection::default() });
        assert!(filtered.contains("\nredis,FRONTEND") && !filtered.contains("\nstats,"));
        let up = demo_csv(&Selection { hide: Hide::Down, ..Selection::default() });
        assert!(up.contains("\nredis,redis1,") && !up.contains("\nredis,redis2,"));
        assert!(!up.contains("\nredis,redis5,"));
        let maintained = demo_csv(&Selection { hide: Hide::Maintenance, ..Selection::default() });
        assert!(maintained.contains("\nredis,redis2,") && !maintained.contains("\nredis,redis5,"));
    }

    #[test]
    fn words_that_would_break_a_line_are_quoted() {
        let mut text = String::new();
        push_quoted(&mut text, "a,\"b\"");
        assert_eq!(text, "\"a,\"\"b\"\"\"");
    }
}
