//! What the master process answers itself.

use std::time::Duration;

use super::request::Request;
use super::session::Processes;

/// What commands can tell of the processes.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub version: String,
    pub master: u32,
    pub uptime: Duration,
    pub reloads: u32,
    pub failed_reloads: u32,
    pub last_reload_failed: bool,
    pub worker: Option<WorkerView>,
    /// Everything that the last start or reload had to say.
    pub startup_logs: String,
}

/// The process that serves clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerView {
    pub pid: u32,
    /// Reloads that failed since it last took a config.
    pub reloads: u32,
    /// Since it last took a config.
    pub uptime: Duration,
}

impl View {
    /// For the prompt.
    pub fn processes(&self) -> Processes {
        Processes {
            master: self.master,
            worker: self.worker.map(|worker| worker.pid),
            last_reload_failed: self.last_reload_failed,
        }
    }

    /// The text of an answer.
    pub fn answer(&self, request: &Request) -> String {
        match request {
            Request::ShowProc => self.processes_table(),
            Request::ShowStartupLogs => self.startup_logs.clone(),
            Request::ShowVersion => format!("{}\n", self.version),
            // The master's own socket is not in HAProxy's list; a reload has no text; others are the worker's.
            _ => String::new(),
        }
    }

    fn processes_table(&self) -> String {
        let line = |columns: [&str; 5]| {
            let padded = columns.map(|column| format!("{column:<15}"));
            padded.join(" ") + "\n"
        };
        let mut text = line(["#<PID>", "<type>", "<reloads>", "<uptime>", "<version>"]);
        let version = &self.version;
        let row = |pid: u32, kind: &str, reloads: &str, uptime| {
            format!("{pid:<15} {kind:<15} {reloads:<15} {:<15} {version}\n", show_uptime(uptime))
        };
        let reloads = format!("{} [failed: {}]", self.reloads, self.failed_reloads);
        text.push_str(&row(self.master, "master", &reloads, self.uptime));
        text.push_str("# workers\n");
        if let Some(worker) = self.worker {
            text.push_str(&row(worker.pid, "worker", &worker.reloads.to_string(), worker.uptime));
        }
        text + "# programs\n"
    }
}

/// `1d02h03m04s`.
fn show_uptime(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days}d{hours:02}h{minutes:02}m{:02}s", seconds % 60)
}
