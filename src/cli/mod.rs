//! The command line: HAProxy's, word for word, so that service files and scripts need no change; and
//! `--help`, which is our own.
//!
//! HAProxy's flags have one dash and often two letters, a value in the next word, or a list of process ids.
//! [`translate`] turns them into long options, and clap reads those. Nothing is started here: [`parse`]
//! returns what is to be done.

mod keywords;
mod translate;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};

pub use keywords::keyword_dump;
pub use version::{COMPATIBLE_DATE, COMPATIBLE_VERSION, build_details, version_text};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Load the config; then check it, or run.
    Run(Box<Arguments>),
    /// `-cc CONDITION`: say by the exit status whether it holds.
    CheckCondition(String),
    /// Print this on standard output and end well.
    Print(String),
}

/// The flags of a run. Help texts are those of `--help`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Parser)]
#[command(
    name = "rolecall",
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    about = "Reads haproxy.cfg and lets Redis clients reach only the server that has proved to be the master",
    override_usage = "rolecall -f FILE|DIR [-f FILE|DIR]... [OPTIONS] [-- FILE...]",
    after_help = "HAProxy's one-dash flags are given in parentheses and mean the same. Its flags that tune what \
                  rolecall does not have (-dA -dC -dD -dF -dG -dI -dL -dM -dR -dT -dV -dZ -dc -de -dk -dp -dt \
                  -dv -m) are taken and change nothing.\n\n\
                  Signals: HUP and USR2 reload the config, USR1 stops softly, TERM and INT stop at once.",
    max_term_width = 110
)]
pub struct Arguments {
    /// Config file, or a directory whose *.cfg files are read in order; may be repeated (-f)
    #[arg(long = "file", value_name = "FILE|DIR", action = ArgAction::Append, help_heading = "Config")]
    pub files: Vec<PathBuf>,
    /// Check the config and end: 0 is good, 1 has errors, 2 would listen nowhere (-c)
    #[arg(long, help_heading = "Config")]
    pub check: bool,
    /// Say in plain words what the config will do, and end; the exit status is that of -c (rolecall explain FILE)
    #[arg(long, help_heading = "Config")]
    pub explain: bool,
    /// Evaluate a condition as after '.if' and end: 0 it holds, 1 it does not, 2 it makes no sense (-cc)
    #[arg(long = "check-condition", value_name = "CONDITION", help_heading = "Config")]
    pub check_condition: Option<String>,
    /// Change to this directory first (-C)
    #[arg(long = "directory", value_name = "DIR", help_heading = "Config")]
    pub chdir: Option<PathBuf>,
    /// Refuse a config that has warnings (-dW)
    #[arg(long = "warnings-fatal", help_heading = "Config")]
    pub warnings_fatal: bool,
    /// Taken for HAProxy's sake: a server name that does not resolve is an error all the same (-dr)
    #[arg(long = "ignore-unresolved", help_heading = "Config")]
    pub ignore_unresolved: bool,
    /// Print the known keywords of these classes once the config has been read: all, cfg (-dK)
    #[arg(long = "dump-keywords", value_name = "CLASSES", help_heading = "Config")]
    pub dump_keywords: Option<String>,

    /// Go to the background (-D)
    #[arg(long, help_heading = "Process")]
    pub daemon: bool,
    /// Run under a master process (-W)
    #[arg(long = "master-worker", help_heading = "Process")]
    pub master_worker: bool,
    /// Run under a master process and tell systemd (-Ws)
    #[arg(long = "systemd", help_heading = "Process")]
    pub sd_notify: bool,
    /// Stay in the foreground whatever the config says (-db)
    #[arg(long, help_heading = "Process")]
    pub foreground: bool,
    /// Write the process id to this file (-p)
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub pidfile: Option<PathBuf>,
    /// How many connections the process takes (-n)
    #[arg(long, value_name = "NUMBER", help_heading = "Process")]
    pub maxconn: Option<u32>,
    /// How many connections a proxy takes unless it says so itself (-N)
    #[arg(long = "proxy-maxconn", value_name = "NUMBER", help_heading = "Process")]
    pub proxy_maxconn: Option<u32>,
    /// Where the master process takes commands: an address and bind options, separated by commas (-S)
    #[arg(long = "master-socket", value_name = "ADDRESS[,OPTION...]", help_heading = "Process")]
    pub master_socket: Option<String>,
    /// This machine's name among its peers (-L)
    #[arg(long = "local-peer", value_name = "NAME", help_heading = "Process")]
    pub local_peer: Option<String>,

    /// Once started, ask these processes to end when their sessions have (-sf)
    #[arg(long = "soft-stop", value_name = "PID", action = ArgAction::Append, help_heading = "Takeover")]
    pub soft_stop_pids: Vec<i32>,
    /// Once started, end these processes (-st)
    #[arg(long = "stop", value_name = "PID", action = ArgAction::Append, help_heading = "Takeover")]
    pub stop_pids: Vec<i32>,
    /// Go on with the listening sockets of the process whose stats socket this is (-x)
    #[arg(long = "old-socket", value_name = "SOCKET", action = ArgAction::Append, help_heading = "Takeover")]
    pub old_sockets: Vec<PathBuf>,

    /// Print nothing (-q)
    #[arg(long, help_heading = "Messages")]
    pub quiet: bool,
    /// Print more, also what '-q' would not (-V)
    #[arg(long, help_heading = "Messages")]
    pub verbose: bool,
    /// Print what happens, in the foreground (-d)
    #[arg(long, help_heading = "Messages")]
    pub debug: bool,
    /// Print the version and end (-v); twice: and how the program was built (-vv)
    #[arg(long, action = ArgAction::Count, help_heading = "Messages")]
    pub version: u8,
    /// Print this text and end
    #[arg(long, help_heading = "Messages")]
    help: bool,

    /// Forward by copying only, whatever proxies ask for (-dS)
    #[arg(long = "no-splice", help_heading = "Process")]
    pub no_splice: bool,
}

impl Arguments {
    /// The last `-x`; HAProxy warns of those before it.
    pub fn old_socket(&self) -> Option<&PathBuf> {
        self.old_sockets.last()
    }
}

/// A command line that makes no sense. `Display` is what goes to standard error; the exit status is 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{complaint}{usage}")]
pub struct UsageError {
    /// What is wrong, as a line; empty if nothing was asked for.
    complaint: String,
    usage: String,
}

impl UsageError {
    fn new(complaint: &str) -> UsageError {
        let complaint = if complaint.is_empty() { String::new() } else { format!("{complaint}\n\n") };
        UsageError { complaint, usage: usage() }
    }
}

/// Reads the command line; the first word is the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, UsageError> {
    let translated =
        translate::translate(command(arguments)).map_err(|fault| UsageError::new(&fault.to_string()))?;
    let matches = Arguments::command().try_get_matches_from(translated).map_err(first_line)?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(first_line)?;
    if arguments.help {
        return Ok(Action::Print(help_text()));
    }
    match arguments.version {
        0 => {}
        1 => return Ok(Action::Print(version_text())),
        _ => return Ok(Action::Print(version_text() + &build_details())),
    }
    if let Some(condition) = arguments.check_condition {
        return Ok(Action::CheckCondition(condition));
    }
    if arguments.files.is_empty() {
        return Err(UsageError::new(""));
    }
    Ok(Action::Run(Box::new(arguments)))
}

/// `explain FILE...` is `--explain -- FILE...`; HAProxy has no word in that place.
fn command(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|word| word == "explain") {
        arguments.splice(1..2, ["--explain", "--"].map(OsString::from));
    }
    arguments
}

/// The text of `--help`.
pub fn help_text() -> String {
    Arguments::command().render_help().to_string()
}

fn usage() -> String {
    let mut text = version_text();
    text.push_str("\nUsage : rolecall [-f <cfgfile|cfgdir>]* [ -vdVD ] [ -n <maxconn> ] [ -N <maxpconn> ]\n");
    text.push_str("        [ -p <pidfile> ] [ -C <dir> ] [-- <cfgfile>*]\n");
    for flag in translate::FLAGS.iter().filter(|flag| flag.has_effect()) {
        let left = format!("{} {}", flag.name, flag.value_name());
        text.push_str(&format!("        {left:<24} {}\n", flag.help));
    }
    let ignored = translate::FLAGS.iter().filter(|flag| !flag.has_effect()).map(|flag| flag.name);
    let ignored: Vec<&str> = ignored.collect();
    text.push_str(&format!("        without effect here: {}\n", ignored.join(" ")));
    text.push_str("        --help                   explains all of it\n");
    text
}

fn first_line(error: clap::Error) -> UsageError {
    UsageError::new(error.to_string().lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
