//! `show stat`, read by proxy, server and column.

use std::collections::BTreeMap;

/// One row: `PX/SV`, and its cells by the column's name.
pub(super) struct Row {
    pub(super) name: String,
    cells: BTreeMap<String, String>,
}

impl Row {
    /// `?` for a column that is not there.
    pub(super) fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("?", String::as_str)
    }

    /// `PX/SV`, either of which may be `*`.
    pub(super) fn matches(&self, wanted: &str) -> bool {
        let mut parts = self.name.split('/').zip(wanted.split('/'));
        parts.all(|(name, wanted)| wanted == "*" || name == wanted)
    }
}

pub(super) fn rows(csv: &str) -> Vec<Row> {
    let mut lines = csv.lines().skip_while(|line| !line.starts_with("# "));
    let columns: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let name = format!("{}/{}", cells.first()?, cells.get(1)?);
        let cells = columns.iter().zip(cells).map(|(column, cell)| ((*column).to_owned(), cell.to_owned()));
        Some(Row { name, cells: cells.collect() })
    };
    lines.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_name() {
        let rows = rows("# pxname,svname,status,\nl,FRONTEND,OPEN,\nl,s1,UP,\n\n");
        let found: Vec<_> = rows.iter().filter(|row| row.matches("l/s1")).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].cell("status"), "UP");
        assert_eq!(found[0].cell("nope"), "?");
        assert_eq!(rows.iter().filter(|row| row.matches("l/*")).count(), 2);
    }
}
