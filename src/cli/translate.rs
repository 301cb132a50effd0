//! HAProxy's flags to long options: one table, which the usage text is read off too.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// One flag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// With its dash.
    pub(super) name: &'static str,
    /// The long option it stands for.
    long: &'static str,
    value: Value,
    pub(super) help: &'static str,
}

/// What follows a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    /// The next word, whatever it is.
    Next(&'static str),
    /// The next word, unless it begins with a dash; then this.
    Optional(&'static str, &'static str),
    /// The words up to the next that begins with a dash; perhaps none.
    Pids,
    /// The rest of the same word, perhaps nothing.
    Attached(&'static str),
    /// Nothing follows, and nothing happens.
    Ignored,
    /// Nothing happens; anything may be attached.
    IgnoredAttached,
    /// Nothing happens; the next word belongs to it.
    IgnoredNext,
}

impl Flag {
    pub(super) fn value_name(&self) -> &'static str {
        match self.value {
            Value::None | Value::Ignored | Value::IgnoredAttached | Value::IgnoredNext => "",
            Value::Pids => "[<pid>]*",
            Value::Next(name) | Value::Optional(name, _) | Value::Attached(name) => name,
        }
    }

    /// Whether anything happens.
    pub(super) fn has_effect(&self) -> bool {
        !matches!(self.value, Value::Ignored | Value::IgnoredAttached | Value::IgnoredNext)
    }
}

/// A word that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("unknown option '{0}'")]
    Unknown(String),
    #[error("'{0}' is not an option; config files follow '-f'")]
    Stray(String),
    #[error("'{flag}' expects {value}")]
    MissingValue { flag: &'static str, value: &'static str },
    #[error("'{flag}' expects process ids, found '{found}'")]
    NoPid { flag: &'static str, found: String },
}

const fn flag(name: &'static str, long: &'static str, value: Value, help: &'static str) -> Flag {
    Flag { name, long, value, help }
}

/// A flag of HAProxy that has nothing to change here.
const fn ignored(name: &'static str, value: Value) -> Flag {
    Flag { name, long: "", value, help: "" }
}

/// Where the master listens if `-S` does not say.
const MASTER_SOCKET: &str = "/var/run/haproxy-master.sock";

pub(super) static FLAGS: &[Flag] = &[
    flag("-f", "file", Value::Next("<cfgfile|cfgdir>"), "reads a config file or directory"),
    flag("-c", "check", Value::None, "checks the config and ends"),
    flag("-cc", "check-condition", Value::Next("<condition>"), "evaluates a condition and ends"),
    flag("-C", "directory", Value::Next("<dir>"), "changes to a directory first"),
    flag("-D", "daemon", Value::None, "goes to the background"),
    flag("-W", "master-worker", Value::None, "runs under a master process"),
    flag("-Ws", "systemd", Value::None, "the same, and tells systemd"),
    flag(
        "-S",
        "master-socket",
        Value::Optional("<addr>[,<opt>...]", MASTER_SOCKET),
        "the master's command socket",
    ),
    flag("-d", "debug", Value::None, "prints what happens, in the foreground"),
    flag("-db", "foreground", Value::None, "stays in the foreground"),
    flag("-V", "verbose", Value::None, "prints more"),
    flag("-q", "quiet", Value::None, "prints nothing"),
    flag("-v", "version", Value::None, "prints the version"),
    flag("-vv", "version", Value::None, "prints the version and how it was built"),
    flag("-p", "pidfile", Value::Next("<pidfile>"), "writes the process id to a file"),
    flag("-n", "maxconn", Value::Next("<maxconn>"), "how many connections the process takes"),
    flag("-N", "proxy-maxconn", Value::Next("<maxpconn>"), "how many connections a proxy takes"),
    flag("-L", "local-peer", Value::Next("<name>"), "this machine's name among its peers"),
    flag("-sf", "soft-stop", Value::Pids, "processes to stop softly once started"),
    flag("-st", "stop", Value::Pids, "processes to stop once started"),
    flag("-x", "old-socket", Value::Next("<unix_socket>"), "goes on with the old process's sockets"),
    flag("-dW", "warnings-fatal", Value::None, "refuses a config that has warnings"),
    flag("-dr", "ignore-unresolved", Value::None, "is taken; names must resolve all the same"),
    flag("-dK", "dump-keywords", Value::Attached("{<class>,...}"), "prints the known keywords"),
    flag("-dS", "no-splice", Value::None, "forwards by copying only"),
    ignored("-m", Value::IgnoredNext),
    ignored("-4", Value::Ignored),
    ignored("-dA", Value::IgnoredAttached),
    ignored("-dC", Value::IgnoredAttached),
    ignored("-dD", Value::Ignored),
    ignored("-dF", Value::Ignored),
    ignored("-dG", Value::Ignored),
    ignored("-dI", Value::Ignored),
    ignored("-dL", Value::Ignored),
    ignored("-dM", Value::IgnoredAttached),
    ignored("-dR", Value::Ignored),
    ignored("-dT", Value::Ignored),
    ignored("-dV", Value::Ignored),
    ignored("-dZ", Value::Ignored),
    ignored("-dc", Value::IgnoredAttached),
    ignored("-de", Value::Ignored),
    ignored("-dk", Value::Ignored),
    ignored("-dp", Value::Ignored),
    ignored("-dt", Value::IgnoredAttached),
    ignored("-dv", Value::Ignored),
];

/// Turns a command line into one that clap reads. Long options pass as they are.
pub(super) fn translate(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, Fault> {
    let mut words = arguments.into_iter().peekable();
    let mut out: Vec<OsString> = vec![words.next().unwrap_or_else(|| "rolecall".into())];
    while let Some(word) = words.next() {
        if word == "--" {
            out.extend(words.by_ref().map(|file| option("file", &file)));
            break;
        }
        if word.as_bytes().starts_with(b"--") {
            out.push(word);
            continue;
        }
        let (flag, attached) = find(&word)?;
        let Flag { name, long, value, .. } = *flag;
        let dashed = |next: &OsString| next.as_bytes().starts_with(b"-");
        match value {
            Value::Ignored | Value::IgnoredAttached => {}
            Value::None => {
                // `-vv` is `-v` twice.
                let times = if name == "-vv" { 2 } else { 1 };
                out.extend(std::iter::repeat_n(OsString::from(format!("--{long}")), times));
            }
            Value::Attached(_) => out.push(option(long, OsStr::from_bytes(attached))),
            Value::Next(value) => {
                let next = words.next().ok_or(Fault::MissingValue { flag: name, value })?;
                out.push(option(long, &next));
            }
            Value::IgnoredNext => {
                words.next().ok_or(Fault::MissingValue { flag: name, value: "a number" })?;
            }
            Value::Optional(_, default) => {
                let next = words.next_if(|next| !dashed(next)).unwrap_or_else(|| default.into());
                out.push(option(long, &next));
            }
            Value::Pids => {
                while let Some(pid) = words.next_if(|next| !dashed(next)) {
                    let found = pid.to_string_lossy().into_owned();
                    if !found.parse::<i32>().is_ok_and(|pid| pid > 0) {
                        return Err(Fault::NoPid { flag: name, found });
                    }
                    out.push(option(long, &pid));
                }
            }
        }
    }
    Ok(out)
}

/// The flag that a word is, and what is attached to it.
fn find(word: &OsStr) -> Result<(&'static Flag, &[u8]), Fault> {
    let bytes = word.as_bytes();
    if let Some(flag) = FLAGS.iter().find(|flag| flag.name.as_bytes() == bytes) {
        return Ok((flag, b""));
    }
    let open = |flag: &&Flag| matches!(flag.value, Value::IgnoredAttached | Value::Attached(_));
    let attached = |flag: &'static Flag| Some((flag, bytes.strip_prefix(flag.name.as_bytes())?));
    FLAGS.iter().filter(open).find_map(attached).ok_or_else(|| {
        let text = word.to_string_lossy().into_owned();
        if bytes.starts_with(b"-") { Fault::Unknown(text) } else { Fault::Stray(text) }
    })
}

/// `--long=value` in one word, so that a value may begin with a dash.
fn option(long: &str, value: &OsStr) -> OsString {
    let mut option = OsString::from(format!("--{long}="));
    option.push(value);
    option
}
