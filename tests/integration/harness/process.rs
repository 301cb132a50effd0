//! A child process that does not outlive its handle.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Process { child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, signal: &str) {
        signal_pid(self.id(), signal);
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        super::eventually("end of process", limit, || self.ended())
    }

    /// Ends it at once, as `kill -9`.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // A gentle end first, so that a privileged parent takes its worker along.
            self.signal("TERM");
            let deadline = Instant::now() + Duration::from_secs(2);
            while self.ended().is_none() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        self.kill();
    }
}

/// Sends a signal by its name to a process.
pub fn signal_pid(pid: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(status.expect("kill runs").success(), "signal {signal} to {pid}");
}

/// Whether a process of that id is there (zombies do not count).
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next().map(str::to_owned));
    state.is_some_and(|state| state != "Z")
}

/// A line of `/proc/PID/status`, `Uid` say.
pub fn status_field(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = text.lines().find(|line| line.starts_with(&format!("{field}:"))).expect("the field is there");
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
