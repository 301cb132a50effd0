//! The real haproxy, for what both programs are held against in networks of a test's own.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::Process;

/// A running haproxy in the foreground.
#[derive(Debug)]
pub struct Haproxy {
    _process: Process,
    _directory: TempDir,
}

impl Haproxy {
    /// Starts it with `config`, and does not wait.
    pub fn spawn(config: &str) -> Haproxy {
        let directory = TempDir::new().expect("a private directory");
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, config).expect("a config file");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Haproxy { _process: Process::start(silent), _directory: directory }
    }
}
