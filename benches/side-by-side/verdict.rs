//! Bars: what has to be reached, and whether it was.

use serde::Serialize;

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
    None,
}

/// One figure against its bar.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub what: String,
    pub subject: &'static str,
    pub value: f64,
    pub bar: String,
    pub met: bool,
}

impl Bar {
    /// `None` where nothing is asked for, or nothing was measured.
    pub fn judge(self, what: impl Into<String>, subject: &'static str, value: f64) -> Option<Verdict> {
        let (bar, met) = match self {
            Bar::AtLeast(bar) => (format!("\u{2265} {bar}"), value >= bar),
            Bar::AtMost(bar) => (format!("\u{2264} {bar}"), value <= bar),
            Bar::None => return None,
        };
        value.is_finite().then(|| Verdict { what: what.into(), subject, value, bar, met })
    }
}

impl Verdict {
    /// Behind the figure, in a table.
    pub fn words(&self) -> String {
        format!(", bar {}: {}", self.bar, self.met())
    }

    fn met(&self) -> &'static str {
        if self.met { "met" } else { "**missed**" }
    }
}

/// All of them.
pub fn print(verdicts: &[Verdict]) {
    println!("\n**bars**\n\n| what | subject | figure | bar | |\n|---|---|---|---|---|");
    for verdict in verdicts {
        let Verdict { what, subject, value, bar, .. } = verdict;
        println!("| {what} | {subject} | {value:.2} | {bar} | {} |", verdict.met());
    }
}
