//! The table: a row a figure, its bar, and a column a subject: the median, the range, and whether the bar is met.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cases::{Case, Figure};
use crate::subject::Subject;

/// Everything measured: a list of figures a run, by case and subject.
#[derive(Debug, Default)]
pub struct Report {
    runs: BTreeMap<(&'static str, &'static str), Vec<Vec<f64>>>,
}

/// How the runs of one subject stand to a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// By every run.
    Met,
    /// By the median, and not by every run.
    MetByMedian,
    Missed,
}

/// One figure of one subject, for machines.
#[derive(Debug, Serialize)]
struct Row<'a> {
    case: &'a str,
    figure: &'a str,
    subject: &'a str,
    /// The most that it may be; only for what the bar is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    bar: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// `null`: it never came.
    median: Option<f64>,
    least: Option<f64>,
    most: Option<f64>,
    runs: Vec<Option<f64>>,
}

impl Report {
    pub fn add(&mut self, case: &Case, subject: Subject, figures: Vec<f64>) {
        self.runs.entry((case.name, subject.name())).or_default().push(figures);
    }

    /// The head of the table in Markdown.
    pub fn print_head(subjects: &[Subject]) {
        let names: Vec<String> = subjects.iter().map(|subject| format!("{} |", subject.title())).collect();
        println!("\n| case | bar | {}\n|---|---|{}", names.join(" "), "---|".repeat(names.len()));
    }

    /// The rows of one case.
    pub fn print_case(&self, case: &Case, subjects: &[Subject]) {
        for (at, figure) in case.figures.iter().enumerate() {
            let title = if at == 0 {
                format!("{}: {}", case.what, figure.name)
            } else {
                format!("… {}", figure.name)
            };
            let bar = figure.bar.map_or_else(String::new, |bar| format!("<= {}", number(bar)));
            let cells: Vec<String> =
                subjects.iter().map(|subject| format!("{} |", self.cell(case, *subject, at))).collect();
            println!("| {title} | {bar} | {}", cells.join(" "));
        }
    }

    /// Every figure of every subject, with all its runs.
    pub fn json(&self, cases: &[&Case], subjects: &[Subject]) -> String {
        let mut rows = Vec::new();
        for case in cases {
            for (at, figure) in case.figures.iter().enumerate() {
                rows.extend(subjects.iter().filter_map(|subject| self.row(case, (at, figure), *subject)));
            }
        }
        serde_json::to_string_pretty(&rows).unwrap_or_default()
    }

    fn row<'a>(
        &self,
        case: &'a Case,
        (at, figure): (usize, &'a Figure),
        subject: Subject,
    ) -> Option<Row<'a>> {
        let sorted = self.sorted(case, subject, at)?;
        let finite = |value: f64| value.is_finite().then_some(value);
        let bar = case.bar(figure, subject);
        Some(Row {
            case: case.name,
            figure: figure.name,
            subject: subject.name(),
            bar,
            verdict: bar.map(|bar| verdict(&sorted, bar)),
            median: finite(median(&sorted)),
            least: sorted.first().copied().and_then(finite),
            most: sorted.last().copied().and_then(finite),
            runs: self.values(case, subject, at).map(finite).collect(),
        })
    }

    fn values(&self, case: &Case, subject: Subject, figure: usize) -> impl Iterator<Item = f64> {
        let runs = self.runs.get(&(case.name, subject.name())).map_or(&[][..], Vec::as_slice);
        runs.iter().filter_map(move |figures| figures.get(figure)).copied()
    }

    fn sorted(&self, case: &Case, subject: Subject, figure: usize) -> Option<Vec<f64>> {
        let mut values: Vec<f64> = self.values(case, subject, figure).collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(values)
    }

    fn cell(&self, case: &Case, subject: Subject, at: usize) -> String {
        let Some(sorted) = self.sorted(case, subject, at) else { return "-".to_owned() };
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        let mut text = number(median(&sorted));
        if least.total_cmp(&most).is_ne() {
            text.push_str(&format!(" ({} to {})", number(least), number(most)));
        }
        text.push_str(match case.bar(&case.figures[at], subject).map(|bar| verdict(&sorted, bar)) {
            None => "",
            Some(Verdict::Met) => ", met",
            Some(Verdict::MetByMedian) => ", met by the median",
            Some(Verdict::Missed) => ", MISSED",
        });
        text
    }
}

fn verdict(sorted: &[f64], bar: f64) -> Verdict {
    match sorted {
        [.., most] if *most <= bar => Verdict::Met,
        _ if median(sorted) <= bar => Verdict::MetByMedian,
        _ => Verdict::Missed,
    }
}

/// Of an even number the upper one: no run is made better than it was.
fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::INFINITY)
}

fn number(value: f64) -> String {
    match value {
        _ if value.is_infinite() => "never".to_owned(),
        _ if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
