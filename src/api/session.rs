//! One client of the master socket. Bytes in, effects out; bounded by [`LONGEST`].

use super::View;
use super::command::{self, Action, Level, Target};

/// Bytes of one line, as HAProxy's buffer.
const LONGEST: usize = 16 * 1024;

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Write(String),
    /// Reload; when that has ended, close without a word.
    Reload,
    Close,
}

/// The protocol's memory.
#[derive(Debug)]
pub struct Session {
    input: Vec<u8>,
    level: Level,
    target: Target,
    prompts: bool,
    ended: bool,
}

impl Default for Session {
    fn default() -> Session {
        Session::new(Level::Admin)
    }
}

impl Session {
    /// One that may do what `level` may.
    pub fn new(level: Level) -> Session {
        Session { input: Vec::new(), level, target: Target::Master, prompts: false, ended: false }
    }

    /// Takes bytes in and answers every line that is complete.
    pub fn receive(&mut self, bytes: &[u8], view: &View) -> Vec<Effect> {
        self.input.extend_from_slice(bytes);
        let mut effects = Vec::new();
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line), view, &mut effects);
            if self.ended {
                self.input.clear();
                return effects;
            }
        }
        if self.input.len() > LONGEST {
            self.ended = true;
            effects.push(Effect::Close);
        }
        effects
    }

    /// The client sends no more: a last line without a line feed counts, then it ends.
    pub fn finish(&mut self, view: &View) -> Vec<Effect> {
        let mut effects = match self.input.is_empty() || self.ended {
            true => Vec::new(),
            false => self.receive(b"\n", view),
        };
        if !self.ended {
            self.ended = true;
            effects.push(Effect::Close);
        }
        effects
    }

    fn line(&mut self, line: &str, view: &View, effects: &mut Vec<Effect>) {
        for text in split(line.trim_end()) {
            let words: Vec<&str> = text.split_whitespace().collect();
            if !words.is_empty() {
                self.command(&words, view, effects);
            }
            if self.ended {
                return;
            }
        }
        if self.prompts {
            effects.push(Effect::Write(self.prompt(view)));
        }
    }

    fn command(&mut self, words: &[&str], view: &View, effects: &mut Vec<Effect>) {
        let Some(name) = words[0].strip_prefix('@') else {
            return self.run(words, self.target, view, effects);
        };
        let Some(target) = target(name, view) else {
            let text = format!("Can't find the target PID matching the prefix '{}'\n", words[0]);
            return effects.push(Effect::Write(text));
        };
        match words.len() {
            1 => self.target = target,
            _ => self.run(&words[1..], target, view, effects),
        }
    }

    fn run(&mut self, words: &[&str], target: Target, view: &View, effects: &mut Vec<Effect>) {
        let Some(row) = command::find(words, target) else {
            return effects.push(Effect::Write(command::unknown(words, target) + "\n"));
        };
        if self.level < row.level {
            return effects.push(Effect::Write("Permission denied\n\n".to_owned()));
        }
        let rest = &words[row.words.len()..];
        let text = match row.action {
            Action::Lower(level) => {
                self.level = self.level.min(level);
                String::new()
            }
            Action::Reload => {
                self.ended = true;
                return effects.push(Effect::Reload);
            }
            Action::Quit => {
                self.ended = true;
                let last = if self.prompts { self.prompt(view) } else { String::new() };
                return effects.extend([Effect::Write(last), Effect::Close]);
            }
            Action::Prompt => {
                self.prompts = !self.prompts;
                return;
            }
            Action::ShowCliLevel => format!("{}\n", self.level.name()),
            // The master's own socket is not in HAProxy's list, and the worker has no other yet.
            Action::ShowCliSockets | Action::Prefix => String::new(),
            Action::ShowEnv => command::show_env(view, rest.first().copied()),
            Action::ShowProc => command::show_proc(view),
            Action::ShowStartupLogs => view.startup_logs.clone(),
            Action::ShowVersion => format!("{}\n", view.version),
            Action::Help => command::help(rest, target),
        };
        effects.push(Effect::Write(text + "\n"));
    }

    fn prompt(&self, view: &View) -> String {
        match self.target {
            Target::Worker => format!("{}> ", view.worker.map_or(0, |worker| worker.pid)),
            Target::Master if view.last_reload_failed => "master[ReloadFailed]> ".to_owned(),
            Target::Master => "master> ".to_owned(),
        }
    }
}

/// Whom `@name` means.
fn target(name: &str, view: &View) -> Option<Target> {
    match name {
        "master" | "0" => return Some(Target::Master),
        "1" => return view.worker.map(|_| Target::Worker),
        _ => {}
    }
    let pid: u32 = name.strip_prefix('!')?.parse().ok()?;
    if pid == view.master {
        return Some(Target::Master);
    }
    view.worker.filter(|worker| worker.pid == pid).map(|_| Target::Worker)
}

/// Commands of a line; `\;` is no end of one.
fn split(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == ';' {
            parts.push(String::new());
            continue;
        }
        let Some(part) = parts.last_mut() else { break };
        match character {
            '\\' => part.extend(characters.next()),
            _ => part.push(character),
        }
    }
    parts
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
