//! Many cases at once: run, recorded or shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::case::Case;
use crate::compare;

use super::program::{Which, haproxy_is_here};
use super::{Fault, outcome};

/// Which cases, and how many at once.
#[derive(Debug)]
pub struct Suite {
    pub directory: PathBuf,
    pub jobs: usize,
    /// A case whose name contains any of them; all if there is none.
    pub filters: Vec<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    pub cases: usize,
    pub failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failures.iter().try_for_each(|failure| writeln!(f, "{failure}"))?;
        writeln!(f, "{} cases, {} failed", self.cases, self.failures.len())
    }
}

/// Cases mostly wait.
pub fn jobs() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get() * 2)
}

/// rolecall on every case. Beside it the real haproxy, if it is here; otherwise what was recorded of it.
pub fn run(suite: &Suite) -> Report {
    let live = haproxy_is_here();
    each(suite, &|case, path| {
        let recorded = recorded(path);
        let theirs = match (live, &recorded) {
            (true, Some(recorded)) => steady(case, recorded)?,
            (true, None) => outcome(case, Which::Haproxy)?,
            (false, Some(recorded)) => recorded.clone(),
            (false, None) => return Err("nothing is recorded, and haproxy 2.6 is not here".to_owned()),
        };
        if let Some(stale) = recorded.and_then(|old| compare::difference(&old, &theirs, &[])) {
            return Err(format!("haproxy does not do what is recorded of it:\n{stale}"));
        }
        let ours = outcome(case, Which::Rolecall)?;
        compare::difference(&theirs, &ours, &case.meant).map_or(Ok(String::new()), Err)
    })
    .1
}

/// What the real haproxy does now. It is held against its own recording, so that a stale one is noticed; on a machine
/// with more to do than it can, it has been seen to leave a client without an answer, and may try again.
fn steady(case: &Case, recorded: &[String]) -> Result<Vec<String>, Fault> {
    const TRIES: usize = 3;
    let mut found = outcome(case, Which::Haproxy)?;
    for _ in 1..TRIES {
        if found == recorded {
            break;
        }
        found = outcome(case, Which::Haproxy)?;
    }
    Ok(found)
}

/// Writes what the real haproxy does beside each case.
pub fn record(suite: &Suite) -> Report {
    each(suite, &|case, path| {
        let lines = outcome(case, Which::Haproxy)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let written = std::fs::write(path.with_extension("recorded"), text);
        written.map(|()| String::new()).map_err(|error| error.to_string())
    })
    .1
}

/// What both programs do.
pub fn show(suite: &Suite) -> String {
    let shown = each(suite, &|case, _| {
        let [theirs, ours] = [Which::Haproxy, Which::Rolecall]
            .map(|which| outcome(case, which).map_or_else(|fault| fault, |lines| lines.join("\n")));
        Ok(format!("== {}\n-- haproxy\n{theirs}\n-- rolecall\n{ours}\n", case.name))
    });
    shown.0.concat()
}

fn recorded(path: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(path.with_extension("recorded")).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

type Job<'a> = &'a (dyn Fn(&Case, &Path) -> Result<String, Fault> + Sync);

/// Does it with every case, some at once; texts and failures in the order of the names.
fn each(suite: &Suite, job: Job<'_>) -> (Vec<String>, Report) {
    let cases = find(suite);
    let next = AtomicUsize::new(0);
    let told = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..suite.jobs.max(1) {
            scope.spawn(|| {
                while let Some((name, path)) = cases.get(next.fetch_add(1, Relaxed)) {
                    let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
                    let result =
                        text.and_then(|text| Case::parse(name, &text)).and_then(|case| job(&case, path));
                    told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((name, result));
                }
            });
        }
    });
    let mut told = told.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    told.sort_by_key(|(name, _)| *name);
    let mut report = Report { cases: cases.len(), failures: Vec::new() };
    let mut texts = Vec::new();
    for (name, result) in told {
        match result {
            Ok(text) => texts.push(text),
            Err(fault) => report.failures.push(format!("{name}.cfg\n{fault}")),
        }
    }
    (texts, report)
}

/// Name and path of every case that is wanted, in order.
fn find(suite: &Suite) -> Vec<(String, PathBuf)> {
    let list =
        |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = list(&suite.directory).flat_map(|area| list(&area).collect::<Vec<_>>());
    let configs = files.filter(|path| path.extension().is_some_and(|extension| extension == "cfg"));
    let named = configs.filter_map(|path| {
        let name = path.strip_prefix(&suite.directory).ok()?.with_extension("").display().to_string();
        Some((name, path))
    });
    let wanted = |(name, _): &(String, PathBuf)| {
        suite.filters.is_empty() || suite.filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let mut found: Vec<_> = named.filter(wanted).collect();
    found.sort();
    found
}
