//! The tables, in Markdown, and everything as JSON.

use std::collections::BTreeMap;

use crate::load::{Bar, Load, Sample};
use crate::subject::{Running, Subject};

/// Every counted sample, a list over the rounds.
#[derive(Debug, Default)]
pub struct Table {
    samples: BTreeMap<(&'static str, Subject), Vec<Sample>>,
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
    pub fn print(&self, load: &Load, running: &[Running]) {
        println!("\n**{}**: {}\n", load.name, load.what);
        println!(
            "| | requests/s | CPU a request, \u{b5}s | p99, ms | rate / haproxy | CPU / haproxy | p99 / haproxy |"
        );
        println!("|---|---|---|---|---|---|---|");
        for subject in running.iter().map(|running| running.subject) {
            let Some(samples) = self.samples.get(&(load.name, subject)) else { continue };
            let mut row = format!("| {} |", subject.name());
            for (_, figure) in FIGURES {
                let median = median(samples.iter().map(figure).collect());
                row.push_str(&format!(" {} |", number(median)));
            }
            let bars = match subject {
                Subject::Uring => load.uring,
                Subject::Epoll => load.epoll,
                _ => [Bar::None; 3],
            };
            for ((_, figure), bar) in FIGURES.into_iter().zip(bars) {
                row.push_str(&format!(" {} |", self.ratio(load, subject, figure, bar)));
            }
            println!("{row}");
        }
    }

    /// By load and subject, a list over the rounds of rate, processor time and p99.
    pub fn json(&self) -> String {
        let mut loads: BTreeMap<&str, BTreeMap<&str, Vec<[f64; 3]>>> = BTreeMap::new();
        for ((load, subject), samples) in &self.samples {
            let figures = samples.iter().map(|sample| [sample.rate, sample.cpu_us, sample.p99_ms]).collect();
            loads.entry(load).or_default().insert(subject.name(), figures);
        }
        serde_json::to_string_pretty(&loads).unwrap_or_default()
    }

    /// Median and range of the ratios, and how they stand to the bar.
    fn ratio(&self, load: &Load, subject: Subject, figure: Figure, bar: Bar) -> String {
        let measures =
            |subject| self.samples.get(&(load.name, subject)).map(|samples| samples.iter().map(figure));
        let (Some(own), Some(haproxy)) = (measures(subject), measures(Subject::Haproxy)) else {
            return String::new();
        };
        let spliced: Vec<f64> = measures(Subject::HaproxySplice).map(Iterator::collect).unwrap_or_default();
        // The one that does better by what the bar asks for is the measure.
        let measure = |round: usize, plain: f64| match (bar, spliced.get(round)) {
            (Bar::AtLeast(_), Some(other)) if load.against_best => plain.max(*other),
            (Bar::AtMost(_), Some(other)) if load.against_best => plain.min(*other),
            _ => plain,
        };
        let mut ratios: Vec<f64> =
            own.zip(haproxy.enumerate()).map(|(own, (at, plain))| own / measure(at, plain)).collect();
        ratios.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ratios.first().copied(), ratios.last().copied()) else {
            return String::new();
        };
        let median = median(ratios);
        if !median.is_finite() || median == 0.0 {
            return String::new();
        }
        let verdict = match bar {
            Bar::AtLeast(bar) => format!(", bar \u{2265} {bar}: {}", met(median >= bar)),
            Bar::AtMost(bar) => format!(", bar \u{2264} {bar}: {}", met(median <= bar)),
            Bar::None => String::new(),
        };
        format!("{median:.2} ({least:.2} to {most:.2}){verdict}")
    }
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
