//! The two programs, started alike: what `-c` says, and a running one.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::Case;

use super::place::Place;
use super::{DEADLINE, Fault, client};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Haproxy,
    Rolecall,
}

/// Cargo builds no other package's program, so it is asked to.
static ROLECALL: LazyLock<Result<PathBuf, Fault>> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--bin", "rolecall", "--manifest-path", manifest]).args(profile);
    let built = cargo.status().map_err(|error| format!("cargo does not run: {error}"))?;
    if !built.success() {
        return Err("rolecall does not build".to_owned());
    }
    let own = std::env::current_exe().map_err(|error| format!("no path of this program: {error}"))?;
    let found =
        own.ancestors().skip(1).map(|directory| directory.join("rolecall")).find(|path| path.is_file());
    found.ok_or_else(|| "rolecall was built elsewhere".to_owned())
});

impl Which {
    /// `-c` or the like comes first: after `--` all words are files.
    fn command(self, case: &Case, place: &Place, how: &str) -> Result<Command, Fault> {
        let program = match self {
            Which::Haproxy => PathBuf::from("haproxy"),
            Which::Rolecall => ROLECALL.clone()?,
        };
        let mut command = Command::new(program);
        for (name, value) in &case.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if !case.arguments.iter().any(|word| word == "-cc") {
            command.arg(how);
        }
        command.args(&case.arguments);
        if !case.is_verdict() {
            command.args(["-f", "base.cfg"]);
        }
        if !case.arguments.iter().any(|word| word == "-f" || word == "-cc" || word == "--") {
            command.args(["-f", "case.cfg"]);
        }
        command.current_dir(place.path("")).stdin(Stdio::null());
        Ok(command)
    }
}

/// Whether the real haproxy is here, and is of the version that the outcomes were recorded of.
pub fn haproxy_is_here() -> bool {
    let told = Command::new("haproxy").arg("-v").output();
    told.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).starts_with("HAProxy version 2.6."))
}

/// `-c`: the exit code, and the lines of the case that are complained of.
pub(super) fn verdict(which: Which, case: &Case, place: &Place) -> Result<Vec<String>, Fault> {
    let output = which
        .command(case, place, "-c")?
        .output()
        .map_err(|error| format!("{which:?} does not start: {error}"))?;
    let code = output.status.code().map_or_else(|| format!("{}", output.status), |code| code.to_string());
    let mut lines = vec![format!("exit {code}")];
    for (prefix, name) in [("[ALERT]", "error"), ("[WARNING]", "warning"), ("[NOTICE]", "notice")] {
        lines.extend(places(&output, prefix).into_iter().map(|(file, line)| match file.as_str() {
            "case.cfg" => format!("{name} {line}"),
            _ => format!("{name} {file}:{line}"),
        }));
    }
    Ok(lines)
}

/// File and line of `[ALERT] ... parsing [case.cfg:7] : ...`.
fn places(output: &Output, prefix: &str) -> BTreeSet<(String, u32)> {
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let place = |line: &str| {
        let (_, rest) = line.split_once(" : ")?.1.split_once('[')?;
        let (file, number) = rest.split_once(']')?.0.rsplit_once(':')?;
        let file = file.rsplit('/').next()?;
        Some((file.to_owned(), number.parse().ok()?)).filter(|_| file.ends_with(".cfg"))
    };
    said.lines().filter(|line| line.starts_with(prefix)).filter_map(place).collect()
}

/// A running program. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(which: Which, case: &Case, place: &Place) -> Result<Running, Fault> {
        let said = File::create(place.path("stderr")).map_err(|error| error.to_string())?;
        let mut command = which.command(case, place, "-db")?;
        command.stdout(Stdio::null()).stderr(said);
        let child = command.spawn().map_err(|error| format!("{which:?} does not start: {error}"))?;
        let mut running = Running(child);
        let until = Instant::now() + DEADLINE;
        while !client::ask(&place.path("socket"), "show version").contains('.') {
            if running.ended().is_some() || Instant::now() > until {
                let said = std::fs::read_to_string(place.path("stderr")).unwrap_or_default();
                return Err(format!("{which:?} does not answer:\n{said}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    pub(super) fn signal(&self, name: &str) -> Result<(), Fault> {
        let signal: Signal = format!("SIG{name}").parse().map_err(|_| format!("no signal '{name}'"))?;
        let pid = Pid::from_raw(self.0.id().cast_signed());
        kill(pid, signal).map_err(|error| format!("{name} was not sent: {error}"))
    }

    /// Waits for the end and says which.
    pub(super) fn end(&mut self) -> String {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if let Some(status) = self.ended() {
                return status.to_string();
            }
            thread::sleep(Duration::from_millis(5));
        }
        "goes on".to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
