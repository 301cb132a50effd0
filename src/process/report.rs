//! The program's voice on standard error, in HAProxy's form: `[ALERT]    (pid) : text`, preceded once by who
//! speaks. Once clients are served, nothing may wait for whoever reads standard error: [`Voice::in_background`]
//! puts a thread and a bounded queue between.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use super::settings::{Settings, Verbosity};
use crate::config::render::{self, Detail, Program};
use crate::config::{Loaded, Severity};

/// So many faults are no typing errors (a binary file, say): their source text would only bury them.
const MANY: usize = 100;
/// How long messages and log lines that wait are waited for at the end.
pub const LAST_WORDS: Duration = Duration::from_secs(1);
/// Messages that may wait for a reader; more are lost.
const QUEUE: usize = 1024;

#[derive(Debug)]
enum Said {
    Text(String),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// Cheap to clone; clones share whether the opening lines were said.
#[derive(Debug, Clone)]
pub struct Voice {
    version: String,
    executable: String,
    quiet: bool,
    opened: Arc<AtomicBool>,
    queue: Option<SyncSender<Said>>,
}

impl Voice {
    pub fn new(settings: &Settings) -> Voice {
        let executable = std::env::current_exe().unwrap_or_default().display().to_string();
        Voice {
            version: settings.version.clone(),
            executable,
            quiet: settings.verbosity == Verbosity::Quiet,
            opened: Arc::default(),
            queue: None,
        }
    }

    /// From now on, written by a thread of its own.
    pub fn in_background(&self) -> std::io::Result<Voice> {
        let (queue, lines) = sync_channel::<Said>(QUEUE);
        std::thread::Builder::new().name("messages".to_owned()).spawn(move || {
            while let Ok(said) = lines.recv() {
                match said {
                    Said::Text(text) => write(&text),
                    // Who asked may have lost patience.
                    Said::Flush(done) => drop(done.send(())),
                }
            }
        })?;
        Ok(Voice { queue: Some(queue), ..self.clone() })
    }

    /// Something that keeps the program, or its new config, from running.
    pub fn alert(&self, text: &str) {
        self.tell(Severity::Error, text);
    }

    pub fn warning(&self, text: &str) {
        self.tell(Severity::Warning, text);
    }

    pub fn notice(&self, text: &str) {
        self.tell(Severity::Notice, text);
    }

    fn tell(&self, severity: Severity, text: &str) {
        let mut out = String::new();
        // HAProxy introduces itself with its first complaint.
        if severity != Severity::Notice && !self.opened.swap(true, Relaxed) {
            out = render::opening(&self.program());
        }
        self.raw(format!("{out}{}{text}\n", render::tag(severity, std::process::id())));
    }

    /// What a load has to say, as plain lines, without saying it.
    pub fn lines(&self, loaded: &Loaded) -> String {
        render::render(&loaded.diagnostics, &loaded.sources, &self.program(), Detail::Lines)
    }

    /// Says it, and returns it as plain lines.
    pub fn diagnostics(&self, loaded: &Loaded) -> String {
        let text = |detail| render::render(&loaded.diagnostics, &loaded.sources, &self.program(), detail);
        if !loaded.diagnostics.is_empty() {
            let detail = match loaded.diagnostics.len() {
                MANY.. => Detail::Lines,
                _ if std::io::stderr().is_terminal() => Detail::Colour,
                _ => Detail::Blocks,
            };
            self.opened.store(true, Relaxed);
            self.raw(text(detail));
        }
        text(Detail::Lines)
    }

    /// A text with its line end.
    pub fn raw(&self, text: String) {
        if self.quiet || text.is_empty() {
            return;
        }
        match &self.queue {
            // Full: the reader sleeps. Its loss, not ours.
            Some(queue) => drop(queue.try_send(Said::Text(text))),
            None => write(&text),
        }
    }

    /// Waits until all is written, at most `limit`.
    pub fn flush(&self, limit: Duration) {
        let Some(queue) = &self.queue else { return };
        let (done, wait) = sync_channel(1);
        if queue.try_send(Said::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(limit);
        }
    }

    /// On standard output, as `-c` answers.
    pub fn answer(&self, text: &str) {
        if !self.quiet {
            // A closed standard output changes nothing about the verdict.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
    }

    fn program(&self) -> Program<'_> {
        Program { pid: std::process::id(), version: &self.version, executable: &self.executable }
    }
}

fn write(text: &str) {
    // There is nobody to tell that standard error is gone.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The first complaint of rendered lines, without its head: for a status line.
pub fn first_alert(lines: &str) -> Option<&str> {
    let alert = lines.lines().find(|line| line.starts_with("[ALERT]"))?;
    alert.split_once(") : ").map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_alert_is_found_behind_its_head() {
        let lines = "[NOTICE]   (1) : haproxy version is 2\n[ALERT]    (1) : config : parsing [a:2] : x\n";
        assert_eq!(first_alert(lines), Some("config : parsing [a:2] : x"));
        assert_eq!(first_alert("[WARNING]  (1) : y\n"), None);
    }
}
