//! `cpu-map [auto:]PROCESSES[/THREADS] CPUS...` (manual section 3.1): on which cores each thread runs.
//!
//! There is one process, so that a line about others says nothing. Without a set of threads the line is about
//! the process, whose threads the kernel then places, as HAProxy 2.6 does.

use std::ops::RangeInclusive;

use super::context::Context;
use super::statement::Statement;
use crate::config::ast::Global;

/// As many threads as HAProxy counts.
const MOST_THREADS: usize = 64;
/// As many cores as HAProxy counts.
const MOST_CORES: usize = 1024;

/// A line of the global section.
pub(super) fn line(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let (Some(wanted), Some(_)) = (line.argument(1), line.argument(2)) else {
        let message = "cpu-map expects a process number  ('all', 'odd', 'even', a number from 1 to 64 or a range),  \
                       followed by a list of CPU ranges with numbers from 0 to 63.";
        return context.error(line.span(), message);
    };
    let text = wanted.str();
    let (auto, sets) = match text.strip_prefix("auto:") {
        Some(sets) => (Placing::OneByOne, sets),
        None => (Placing::Together, &*text),
    };
    let (processes, threads) = match sets.split_once('/') {
        Some((processes, threads)) => (processes, Some(threads)),
        None => (sets, None),
    };
    let read = numbers(processes).and_then(|processes| Ok((processes, threads.map(numbers).transpose()?)));
    let (processes, threads) = match read {
        Ok(read) => read,
        Err(wrong) => {
            let message =
                format!("cpu-map : '{wrong}' is not a valid number/range. It supports numbers from 1 to 64.");
            return context.error(wanted.span, message);
        }
    };
    let mut cores = Vec::new();
    for word in line.rest(2) {
        for range in word.str().split(',') {
            let Some(range) = self::cores(range) else {
                return context.error(word.span, format!("cpu-map : '{range}' is not a CPU range."));
            };
            cores.extend(range);
        }
    }
    let bound = threads.as_ref().unwrap_or(&processes);
    // One core for several threads is theirs together, which HAProxy takes.
    let auto = if cores.len() == 1 { Placing::Together } else { auto };
    if auto == Placing::OneByOne && bound.len() != cores.len() {
        let message =
            "cpu-map : PROC/THREAD range and CPU sets must have the same size to be automatically bound";
        return context.error(line.span(), message);
    }
    let Some(threads) = threads.filter(|_| processes.contains(&1)) else { return };
    for (at, thread) in threads.into_iter().enumerate() {
        let own = match auto {
            Placing::OneByOne => vec![cores[at]],
            Placing::Together => cores.clone(),
        };
        global.cpu_map.insert(thread, own);
    }
}

/// What `auto:` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placing {
    /// Every thread may run on all of the cores.
    Together,
    /// The first thread runs on the first core, and so on.
    OneByOne,
}

/// `all`, `odd`, `even`, `N`, `N-M` or `N-`; the text comes back if it is none of these.
pub(super) fn numbers(text: &str) -> Result<Vec<usize>, &str> {
    let every = 1..=MOST_THREADS;
    Ok(match text {
        "all" => every.collect(),
        "odd" => every.step_by(2).collect(),
        "even" => every.skip(1).step_by(2).collect(),
        _ => range(text, every).ok_or(text)?.collect(),
    })
}

fn cores(text: &str) -> Option<RangeInclusive<usize>> {
    range(text, 0..=MOST_CORES - 1)
}

/// `N`, `N-M` or `N-` within `limits`; the ends may stand in either order, as in HAProxy.
fn range(text: &str, limits: RangeInclusive<usize>) -> Option<RangeInclusive<usize>> {
    let number = |text: &str| text.parse().ok().filter(|number| limits.contains(number));
    let (first, last) = match text.split_once('-') {
        Some((first, "")) => (number(first)?, *limits.end()),
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    Some(first.min(last)..=first.max(last))
}
