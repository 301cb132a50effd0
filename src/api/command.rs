//! The table of commands. What stands here is parsed, listed by `help` and suggested for unknown words, on the
//! runtime socket and on the master socket alike.

mod table;

pub use table::TABLE;

use std::time::Duration;

use super::request::{Fault, Request, Words};
pub use crate::config::model::Level;

/// Which process a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Master,
    Worker,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The process answers.
    Ask(Request),
    /// The session itself does.
    Lower(Level),
    Say(Fault),
    Timeout(Duration),
    Level,
    Help,
    /// `_getsocks`: the client gets the process's listening sockets.
    GiveSockets,
    Prompt,
    Quit,
}

/// One row.
#[derive(Debug)]
pub struct Command {
    /// As listed; words in angle brackets stand for arguments. Empty: not listed, a form of the row before.
    pub usage: &'static str,
    pub help: &'static str,
    pub words: &'static [&'static str],
    pub targets: &'static [Target],
    pub level: Level,
    /// Reads the words after [`Command::words`].
    pub read: fn(Words<'_>) -> Result<Action, Fault>,
}

/// The row that the words begin with.
pub fn find(words: &[&str], target: Target) -> Option<&'static Command> {
    let matches = |row: &&Command| {
        !row.words.is_empty() && row.targets.contains(&target) && words.starts_with(row.words)
    };
    TABLE.iter().filter(matches).max_by_key(|row| row.words.len())
}

/// `help`, for the rows that begin with `words`, or all.
pub fn help(words: &[&str], target: Target) -> String {
    list("The following commands are valid at this level:\n", target, |row| fits(row, words, target))
}

/// What is said to a command that is not in the table.
pub fn unknown(words: &[&str], target: Target) -> String {
    if words.is_empty() {
        let title = "Unknown command. Please enter one of the following commands only:\n";
        return list(title, target, |_| true);
    }
    let title = "Unknown command, but maybe one of the following ones is a better match:\n";
    list(title, target, |row| fits(row, words, target))
}

/// Whether a row begins as the words do, as far as any row does. Words that no row begins with fit the commands
/// of one word.
fn fits(row: &Command, words: &[&str], target: Target) -> bool {
    let same = |row: &Command| row.words.iter().zip(words).take_while(|(own, given)| own == given).count();
    let known = TABLE.iter().filter(|row| row.targets.contains(&target));
    match known.map(same).max().unwrap_or(0) {
        0 if words.is_empty() => true,
        0 => row.words.len() <= 1 && !row.usage.contains(' '),
        most => same(row) == most && !is_for_session(row),
    }
}

fn is_for_session(row: &Command) -> bool {
    matches!(row.words, ["help" | "prompt" | "quit"])
}

fn list(title: &str, target: Target, fits: impl Fn(&Command) -> bool) -> String {
    let listed = |row: &&Command| !row.usage.is_empty() && row.targets.contains(&target);
    let mut text = title.to_owned();
    for row in TABLE.iter().filter(listed).filter(|row| fits(row) || is_for_session(row)) {
        text.push_str(&format!("  {:<40}: {}\n", row.usage, row.help));
    }
    text
}
