//! The table of commands. What stands here is parsed, listed by `help` and suggested for unknown words.

use std::fmt::Write;
use std::time::Duration;

use super::View;

/// Which process a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Master,
    Worker,
}

/// What a client may do; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    User,
    Operator,
    Admin,
}

impl Level {
    /// As `show cli level` says it.
    pub fn name(self) -> &'static str {
        match self {
            Level::User => "user",
            Level::Operator => "operator",
            Level::Admin => "admin",
        }
    }
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Listed only: read by the session before the table is asked.
    Prefix,
    Lower(Level),
    Reload,
    ShowCliLevel,
    ShowCliSockets,
    ShowEnv,
    ShowProc,
    ShowStartupLogs,
    ShowVersion,
    Help,
    Prompt,
    Quit,
}

/// One row.
#[derive(Debug)]
pub struct Command {
    /// As listed; words in angle brackets stand for arguments.
    pub usage: &'static str,
    pub help: &'static str,
    pub words: &'static [&'static str],
    pub targets: &'static [Target],
    pub level: Level,
    pub action: Action,
}

const MASTER: &[Target] = &[Target::Master];
const WORKER: &[Target] = &[Target::Worker];
const BOTH: &[Target] = &[Target::Master, Target::Worker];

/// In the order of `help`.
pub const TABLE: &[Command] = &[
    prefix("@!<pid>", "send a command to the <pid> process"),
    prefix("@<relative pid>", "send a command to the <relative pid> process"),
    prefix("@master", "send a command to the master process"),
    Command {
        usage: "operator",
        help: "lower the level of the current CLI session to operator",
        words: &["operator"],
        targets: BOTH,
        level: Level::User,
        action: Action::Lower(Level::Operator),
    },
    Command {
        usage: "reload",
        help: "reload haproxy",
        words: &["reload"],
        targets: MASTER,
        level: Level::Admin,
        action: Action::Reload,
    },
    show("show cli level", &["show", "cli", "level"], BOTH, Action::ShowCliLevel, LEVEL_HELP),
    show("show cli sockets", &["show", "cli", "sockets"], BOTH, Action::ShowCliSockets, SOCKETS_HELP),
    show("show env [var]", &["show", "env"], WORKER, Action::ShowEnv, ENV_HELP),
    show("show proc", &["show", "proc"], MASTER, Action::ShowProc, "show processes status"),
    show("show startup-logs", &["show", "startup-logs"], BOTH, Action::ShowStartupLogs, LOGS_HELP),
    show("show version", &["show", "version"], BOTH, Action::ShowVersion, VERSION_HELP),
    Command {
        usage: "user",
        help: "lower the level of the current CLI session to user",
        words: &["user"],
        targets: BOTH,
        level: Level::User,
        action: Action::Lower(Level::User),
    },
    show("help [<command>]", &["help"], BOTH, Action::Help, "list matching or all commands"),
    show("prompt", &["prompt"], BOTH, Action::Prompt, "toggle interactive mode with prompt"),
    show("quit", &["quit"], BOTH, Action::Quit, "disconnect"),
];

const LEVEL_HELP: &str = "display the level of the current CLI session";
const SOCKETS_HELP: &str = "dump list of cli sockets";
const ENV_HELP: &str = "dump environment variables known to the process";
const LOGS_HELP: &str = "report logs emitted during startup";
const VERSION_HELP: &str = "show version of the current process";

const fn prefix(usage: &'static str, help: &'static str) -> Command {
    Command { usage, help, words: &[], targets: MASTER, level: Level::User, action: Action::Prefix }
}

const fn show(
    usage: &'static str,
    words: &'static [&'static str],
    targets: &'static [Target],
    action: Action,
    help: &'static str,
) -> Command {
    Command { usage, help, words, targets, level: Level::User, action }
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
    let fits = |row: &Command| words.is_empty() || is_always_listed(row) || row.words.starts_with(words);
    list("The following commands are valid at this level:\n", target, fits)
}

/// What is said to a command that is not in the table.
pub fn unknown(words: &[&str], target: Target) -> String {
    let first = words.first().copied().unwrap_or_default();
    let known = TABLE.iter().any(|row| row.words.len() > 1 && row.words[0] == first);
    let fits = |row: &Command| match known {
        true => is_always_listed(row) || (row.words.len() > 1 && row.words[0] == first),
        false => row.words.len() <= 1 && !row.usage.contains(' ') || is_always_listed(row),
    };
    list("Unknown command, but maybe one of the following ones is a better match:\n", target, fits)
}

fn is_always_listed(row: &Command) -> bool {
    matches!(row.action, Action::Help | Action::Prompt | Action::Quit)
}

fn list(title: &str, target: Target, fits: impl Fn(&Command) -> bool) -> String {
    let mut text = title.to_owned();
    for row in TABLE.iter().filter(|row| row.targets.contains(&target) && fits(row)) {
        let _ = writeln!(text, "  {:<40}: {}", row.usage, row.help);
    }
    text
}

/// `show proc`.
pub fn show_proc(view: &View) -> String {
    let line = |columns: [&str; 5]| {
        let padded = columns.map(|column| format!("{column:<15}"));
        padded.join(" ") + "\n"
    };
    let mut text = line(["#<PID>", "<type>", "<reloads>", "<uptime>", "<version>"]);
    let version = &view.version;
    let row = |pid: u32, kind: &str, reloads: &str, uptime| {
        format!("{pid:<15} {kind:<15} {reloads:<15} {:<15} {version}\n", show_uptime(uptime))
    };
    let reloads = format!("{} [failed: {}]", view.reloads, view.failed_reloads);
    text.push_str(&row(view.master, "master", &reloads, view.uptime));
    text.push_str("# workers\n");
    if let Some(worker) = view.worker {
        text.push_str(&row(worker.pid, "worker", &worker.reloads.to_string(), worker.uptime));
    }
    text + "# programs\n"
}

/// `1d02h03m04s`.
fn show_uptime(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days}d{hours:02}h{minutes:02}m{:02}s", seconds % 60)
}

/// `show env`.
pub fn show_env(view: &View, name: Option<&str>) -> String {
    let mut text = String::new();
    for (known, value) in view.environment.iter().filter(|(known, _)| name.is_none_or(|name| name == known)) {
        let _ = writeln!(text, "{known}={value}");
    }
    match text.is_empty() && name.is_some() {
        true => "Variable not found\n".to_owned(),
        false => text,
    }
}
