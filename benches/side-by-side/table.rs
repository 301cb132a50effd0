//! The tables, in Markdown, and everything as JSON.

use std::collections::BTreeMap;

use crate::load::{Load, Sample};
use crate::subject::{Running, Subject};
use crate::verdict::{Bar, Verdict};

/// Every counted sample, a list over the rounds.
#[derive(Debug, Default)]
pub struct Table {
    samples: BTreeMap<(&'static str, Subject), Vec<Sample>>,
    pub verdicts: Vec<Verdict>,
}

/// A figure of a sample.
type Figure = fn(&Sample) -> f64;

const FIGURES: [(&str, Figure); 3] = [
    ("requests/s", |sample| sample.rate),
    ("CPU a request, \u{b5}s", |sample| sample.cpu_us),
    ("p99, ms", |sample| sample.p99_ms),
];

impl Table {
    pub fn add(&mut self, load: &Load, subject: Subject, sample: Sample) {
        self.samples.entry((load.name, subject)).or_default().push(sample);
    }

    /// One load: the medians, and for ours the ratios to haproxy beside their bars.
    pub fn print(&mut self, load: &Load, running: &[Running]) {
        println!("\n**{}**: {}\n", load.name, load.what);
        println!(
            "| | requests/s | CPU a request, \u{b5}s | p99, ms | rate / haproxy | CPU / haproxy | p99 / haproxy | rate / direct |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for subject in running.iter().map(|running| running.subject) {
            let Some(samples) = self.samples.get(&(load.name, subject)) else { continue };
            let medians = FIGURES.map(|(_, figure)| number(median(samples.iter().map(figure).collect())));
            let mut row = format!("| {} | {} |", subject.name(), medians.join(" | "));
            let bars = match subject {
                Subject::Uring => load.uring,
                Subject::Epoll => load.epoll,
                _ => [Bar::None; 3],
            };
            for (figure, bar) in FIGURES.into_iter().zip(bars) {
                row.push_str(&format!(" {} |", self.against_haproxy(load, subject, figure, bar)));
            }
            let bar = if subject == Subject::Uring { load.direct } else { Bar::None };
            row.push_str(&format!(" {} |", self.against_direct(load, subject, bar)));
            println!("{row}");
        }
    }

    /// By load and subject, a list over the rounds of rate, processor time and p99; and every bar.
    pub fn json(&self) -> String {
        let mut loads: BTreeMap<&str, BTreeMap<&str, Vec<[f64; 3]>>> = BTreeMap::new();
        for ((load, subject), samples) in &self.samples {
            let figures = samples.iter().map(|sample| [sample.rate, sample.cpu_us, sample.p99_ms]).collect();
            loads.entry(load).or_default().insert(subject.name(), figures);
        }
        let all = serde_json::json!({ "loads": loads, "bars": self.verdicts });
        serde_json::to_string_pretty(&all).unwrap_or_default()
    }

    fn measures(&self, load: &Load, subject: Subject, figure: Figure) -> Vec<f64> {
        let samples = self.samples.get(&(load.name, subject));
        samples.into_iter().flatten().map(figure).collect()
    }

    /// Median and range of the ratios, and how they stand to the bar.
    fn against_haproxy(
        &mut self,
        load: &Load,
        subject: Subject,
        (name, figure): (&str, Figure),
        bar: Bar,
    ) -> String {
        let own = self.measures(load, subject, figure);
        let haproxy = self.measures(load, Subject::Haproxy, figure);
        let spliced = self.measures(load, Subject::HaproxySplice, figure);
        // The one that does better by what the bar asks for is the measure.
        let measure = |(round, plain): (usize, &f64)| match (bar, spliced.get(round)) {
            (Bar::AtLeast(_), Some(other)) if load.against_best => plain.max(*other),
            (Bar::AtMost(_), Some(other)) if load.against_best => plain.min(*other),
            _ => *plain,
        };
        let measures: Vec<f64> = haproxy.iter().enumerate().map(measure).collect();
        self.verdict(&format!("{}: {name} / haproxy", load.name), subject, (&own, &measures), bar)
    }

    fn against_direct(&mut self, load: &Load, subject: Subject, bar: Bar) -> String {
        let (name, rate) = FIGURES[0];
        let (own, direct) = (self.measures(load, subject, rate), self.measures(load, Subject::Direct, rate));
        self.verdict(&format!("{}: {name} / direct", load.name), subject, (&own, &direct), bar)
    }

    fn verdict(
        &mut self,
        what: &str,
        subject: Subject,
        (own, measures): (&[f64], &[f64]),
        bar: Bar,
    ) -> String {
        let mut ratios: Vec<f64> = own.iter().zip(measures).map(|(own, measure)| own / measure).collect();
        ratios.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ratios.first().copied(), ratios.last().copied()) else {
            return String::new();
        };
        let median = median(ratios);
        if !median.is_finite() || median == 0.0 {
            return String::new();
        }
        let verdict = bar.judge(what, subject.name(), median);
        let words = verdict.as_ref().map(Verdict::words).unwrap_or_default();
        self.verdicts.extend(verdict);
        format!("{median:.2} ({least:.2} to {most:.2}){words}")
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
