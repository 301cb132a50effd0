//! Holds rolecall against the real haproxy: `run` and `record` cases, and print `keywords`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use haproxy_compat::fuzz::{self, Until};
use haproxy_compat::runner::suite::{self, Suite};
use haproxy_compat::{case, keywords};

const USAGE: &str = "\
usage: haproxy-compat run [--jobs N] [FILTER...]      both programs on every case whose name contains a filter
       haproxy-compat record [--jobs N] [FILTER...]   writes what the real haproxy does beside each case
       haproxy-compat show FILTER...                  what both programs do, line by line
       haproxy-compat fuzz SECONDS                    random configs, from text to model
       haproxy-compat keywords                        the page KEYWORDS.md";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let Some(wanted) = wanted(arguments.collect()) else { return usage() };
    let (text, good) = match command.as_str() {
        "fuzz" => fuzzed(&wanted),
        "keywords" => (keywords::markdown(), true),
        "run" => report(&suite::run(&wanted)),
        "record" => report(&suite::record(&wanted)),
        "show" => (suite::show(&wanted), true),
        _ => return usage(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) if good => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn usage() -> ExitCode {
    // Nobody reads: the exit code says it too.
    let _ = writeln!(std::io::stderr(), "{USAGE}");
    ExitCode::FAILURE
}

fn wanted(arguments: Vec<String>) -> Option<Suite> {
    let mut jobs = suite::jobs();
    let mut filters = Vec::new();
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--jobs" => jobs = words.next()?.parse().ok()?,
            _ => filters.push(word),
        }
    }
    Some(Suite { directory: case::directory(), jobs, filters })
}

fn fuzzed(wanted: &Suite) -> (String, bool) {
    let seconds = wanted.filters.first().and_then(|word| word.parse().ok()).unwrap_or(600);
    let seed = u64::from(std::process::id());
    match fuzz::run(seed, Until::Elapsed(Duration::from_secs(seconds))) {
        Ok(count) => (format!("seed {seed}: {count} texts were read\n"), true),
        Err(fault) => (fault, false),
    }
}

fn report(result: &suite::Report) -> (String, bool) {
    (result.to_string(), result.failures.is_empty())
}
