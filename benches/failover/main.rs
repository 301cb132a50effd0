//! What clients see when the master changes: rolecall and the real haproxy in turn, on real redis-server and
//! redis-sentinel, in one run.
//!
//! ```text
//! cargo bench --bench failover -- [--runs N] [--case NAME]... [--subject NAME]... [--json FILE]
//! ```
//!
//! Every case is run N times for every subject, interleaved, on servers of its own. The table shows the median, the
//! range, and whether each bar is met: by every run, by the median, or not. `--json` writes the same, with all runs.
//! haproxy is Debian's package; without it its columns are left out, and that is said.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic, reason = "a program that prints a table")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod cases;
mod report;
mod subject;
mod topology;
mod writers;

#[allow(dead_code, unused_imports, reason = "what the tests stand on; a bench uses a part of it")]
#[path = "../../tests/integration/harness/mod.rs"]
mod harness;

use std::path::PathBuf;

use clap::Parser;

use cases::{CASES, Case};
use report::Report;
use subject::Subject;

/// Failovers, measured at the clients.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each case is run for each subject.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Only these cases.
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Only these subjects.
    #[arg(long = "subject")]
    subjects: Vec<String>,
    /// Also writes every figure there, with all its runs.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let wanted = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let subjects: Vec<Subject> = Subject::present()
        .into_iter()
        .filter(|subject| wanted(&arguments.subjects, subject.name()))
        .collect();
    let cases: Vec<&Case> = CASES.iter().filter(|case| wanted(&arguments.cases, case.name)).collect();
    let mut report = Report::default();
    Report::print_head(&subjects);
    for case in &cases {
        for run in 1..=arguments.runs {
            for subject in subjects.iter().filter(|subject| case.subjects.contains(subject)) {
                let figures = (case.run)(*subject);
                eprintln!("{} {run}/{}: {}: {figures:.1?}", case.name, arguments.runs, subject.name());
                report.add(case, *subject, figures);
            }
        }
        report.print_case(case, &subjects);
    }
    if let Some(path) = arguments.json
        && let Err(error) = std::fs::write(&path, report.json(&cases, &subjects))
    {
        eprintln!("{}: {error}", path.display());
        std::process::exit(1);
    }
}
