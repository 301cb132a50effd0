//! A case enters, with the program to run it on; the lines that say what came of it leave.
//!
//! `program` starts either program and stops it; `servers` are played by threads of the runner; `client` and
//! `statistics` are its eyes; `steps` goes through the steps of a case; `suite` runs many cases at once.

pub mod client;
pub mod place;
pub mod program;
pub mod servers;
pub mod statistics;
pub mod steps;
pub mod suite;

use std::time::Duration;

use crate::case::Case;

use self::place::Place;
use self::program::Which;

/// Whatever is waited for comes within this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Why a case has no outcome.
pub type Fault = String;

/// What a program does with a case.
///
/// # Errors
///
/// The program is missing, or does not start although `-c` finds nothing wrong.
pub fn outcome(case: &Case, which: Which) -> Result<Vec<String>, Fault> {
    let place = Place::new(case).map_err(|error| format!("no place to run in: {error}"))?;
    let mut lines = program::verdict(which, case, &place)?;
    if !case.is_verdict() && lines.first().is_some_and(|line| line == "exit 0") {
        lines.extend(steps::walk(case, &place, which)?);
    }
    Ok(lines)
}
