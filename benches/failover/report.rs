//! The table: a row a figure and subject, the median first, then the range.

use std::collections::BTreeMap;

use crate::cases::Case;
use crate::subject::Subject;

/// Everything measured, by case and subject: a list of figures a run.
#[derive(Debug, Default)]
pub struct Report {
    runs: BTreeMap<(&'static str, &'static str), Vec<Vec<f64>>>,
}

impl Report {
    pub fn add(&mut self, case: &Case, subject: Subject, figures: Vec<f64>) {
        self.runs.entry((case.name, subject.name())).or_default().push(figures);
    }

    /// One case as a table in Markdown.
    pub fn print_case(&self, case: &Case, subjects: &[Subject]) {
        println!("\n**{}**: {}\n", case.name, case.what);
        let names: Vec<&str> = subjects.iter().map(|subject| subject.name()).collect();
        println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
        for (at, figure) in case.figures.iter().enumerate() {
            let cells: Vec<String> = names.iter().map(|name| self.cell(case.name, name, at)).collect();
            println!("| {figure} | {} |", cells.join(" | "));
        }
    }

    /// `{"planned": {"rolecall": [[0, 151.2, ...], ...]}}`
    pub fn json(&self) -> String {
        let mut cases: BTreeMap<&str, BTreeMap<&str, &Vec<Vec<f64>>>> = BTreeMap::new();
        for ((case, subject), runs) in &self.runs {
            cases.entry(case).or_default().insert(subject, runs);
        }
        serde_json::to_string_pretty(&cases).unwrap_or_default()
    }

    fn cell(&self, case: &'static str, subject: &'static str, figure: usize) -> String {
        let Some(runs) = self.runs.get(&(case, subject)) else { return String::new() };
        let mut values: Vec<f64> = runs.iter().filter_map(|figures| figures.get(figure)).copied().collect();
        values.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (values.first(), values.last()) else { return String::new() };
        let median = values[values.len() / 2];
        match least.total_cmp(most) {
            std::cmp::Ordering::Equal => number(median),
            _ => format!("{} ({} to {})", number(median), number(*least), number(*most)),
        }
    }
}

fn number(value: f64) -> String {
    match value {
        _ if value.is_infinite() => "never".to_owned(),
        _ if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
