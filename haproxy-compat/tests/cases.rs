//! Every case of `cases/`: rolecall does what the real haproxy does, but for what the case says is meant. Where
//! haproxy is missing, what was recorded of it counts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haproxy_compat::case;
use haproxy_compat::fuzz::{self, Until};
use haproxy_compat::runner::suite::{self, Suite};
use rolecall::config::keyword::{self, Status};

#[test]
fn rolecall_does_what_haproxy_does() {
    let suite = Suite { directory: case::directory(), jobs: suite::jobs(), filters: Vec::new() };
    let report = suite::run(&suite);
    assert!(report.cases >= 150, "only {} cases were found", report.cases);
    assert!(report.failures.is_empty(), "{report}");
}

/// A keyword may come without a case of its own, but not many.
#[test]
fn the_cases_cover_the_keyword_table() {
    let lines: Vec<Vec<String>> = texts(&case::directory()).iter().flat_map(|text| words(text)).collect();
    let honoured = keyword::all().filter(|row| row.status == Status::Honoured);
    let names: BTreeSet<&str> = honoured.map(|row| row.name).collect();
    let used = |name: &&str| {
        let wanted: Vec<&str> = name.split(' ').collect();
        lines.iter().any(|line| line.windows(wanted.len()).any(|found| found == wanted))
    };
    let missing: Vec<&str> = names.iter().copied().filter(|name| !used(name)).collect();
    assert!(missing.len() * 20 <= names.len(), "no case has {missing:?}");
}

#[test]
fn random_configs_are_read() {
    let read = fuzz::run(1, Until::Count(3_000));
    assert_eq!(read, Ok(3_000));
}

fn texts(directory: &Path) -> Vec<String> {
    let list = |path: &Path| {
        std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path())
    };
    let files = list(directory).flat_map(|area| list(&area).collect::<Vec<PathBuf>>());
    let configs = files.filter(|path| path.extension().is_some_and(|extension| extension == "cfg"));
    configs.map(|path| std::fs::read_to_string(path).expect("a case")).collect()
}

/// The words of each line; an argument in parentheses is no part of a name, and `no` is none.
fn words(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .map(|line| {
            line.split_whitespace().map(|word| word.split('(').next().unwrap_or(word).to_owned()).collect()
        })
        .collect()
}
