//! One client's line protocol, on the runtime socket and on the master socket. Bytes in, [`Step`]s out, one at a
//! time: whoever serves the client takes the next one when the last is done, so that an answer is written before
//! the next command runs, and nothing piles up for a client that does not read.
//!
//! A command ends with a `;` or with its line, and runs as soon as that has come: what a client leaves torn when it
//! ends is dropped. A backslash takes the meaning from a `;`, a blank or a backslash. A command that ends with `<<`
//! is followed by lines of payload up to an empty one. Every answer ends with an empty line. The runtime socket takes
//! one line, and those that have come with it, and closes, unless `prompt` asked for more; the master socket goes on.
//! Bounded by [`LONGEST`].

use std::collections::VecDeque;
use std::time::Duration;

use super::command::{self, Action, Level, Target};
use super::patterns::Order;
use super::request::Request;

/// Bytes of one line, as HAProxy's buffer.
pub const LONGEST: usize = 16 * 1024;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Write(String),
    /// Answer it, then write [`Session::end_of_answer`].
    Ask(Request),
    /// Of a master: have the worker answer that line, as for a client of that level, and pass the answer on.
    Forward(String, Level),
    /// `_getsocks`: give the client the listening sockets, if its socket has that right, and close.
    GiveSockets,
    /// `set timeout cli`: how long this client may be silent from now on.
    Timeout(Duration),
    Close,
}

/// Which processes a master knows, for its prompt and for `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processes {
    pub master: u32,
    pub worker: Option<u32>,
    pub last_reload_failed: bool,
}

/// The protocol's memory.
#[derive(Debug)]
pub struct Session {
    input: Vec<u8>,
    waiting: VecDeque<Item>,
    /// A command whose payload comes, and what has come.
    announced: Option<(String, String)>,
    level: Level,
    /// Whose socket it is.
    host: Target,
    target: Target,
    prompts: bool,
    finished: bool,
    ended: bool,
}

#[derive(Debug)]
enum Item {
    Command(Vec<String>, Option<String>),
    LineEnd,
}

impl Session {
    /// A client of the socket of that process, which may do what `level` may.
    pub fn new(host: Target, level: Level) -> Session {
        Session {
            input: Vec::new(),
            waiting: VecDeque::new(),
            announced: None,
            level,
            host,
            target: host,
            prompts: false,
            finished: false,
            ended: false,
        }
    }

    /// Takes bytes in.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The client sends no more. As in HAProxy, what it has not ended is never run: it may be half of what was
    /// meant.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// What its client may do.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What is to be done next; `None`: more input is needed, or it has ended. `processes` are of a master.
    pub fn next(&mut self, processes: &Processes) -> Option<Step> {
        while !self.ended {
            let step = match self.waiting.pop_front() {
                Some(Item::Command(words, payload)) => self.command(&words, payload, processes),
                Some(Item::LineEnd) => self.line_end(processes),
                None if self.take_piece() => None,
                None if self.finished || self.input.len() > LONGEST => self.close(),
                None => return None,
            };
            if step.is_some() {
                return step;
            }
        }
        None
    }

    /// What comes after an answer.
    pub fn end_of_answer(&self) -> &'static str {
        if self.prompts && self.host == Target::Worker { "\n> " } else { "\n" }
    }

    fn close(&mut self) -> Option<Step> {
        self.ended = true;
        Some(Step::Close)
    }

    /// Takes the next command that is complete, or the next line of a payload; whether there was one.
    fn take_piece(&mut self) -> bool {
        let Some(end) = self.piece_end().filter(|end| *end <= LONGEST) else { return false };
        let piece: Vec<u8> = self.input.drain(..=end).collect();
        let text = String::from_utf8_lossy(&piece[..end]);
        let (line, text) = (text.trim_end_matches('\r'), text.trim_end());
        let delimiter = piece[end];
        if let Some((command, payload)) = self.announced.take() {
            self.take_payload(command, payload, line);
        } else if let Some(command) = payload_follows(text) {
            self.announced = Some((command.to_owned(), String::new()));
        } else {
            self.take_command(text, None);
            self.waiting.extend((delimiter == b'\n').then_some(Item::LineEnd));
        }
        true
    }

    /// Where the next piece ends: a `;` is a part of a payload.
    fn piece_end(&self) -> Option<usize> {
        let mut escaped = false;
        self.input.iter().position(|byte| match byte {
            b'\n' => true,
            b';' => self.announced.is_none() && !std::mem::take(&mut escaped),
            byte => {
                escaped = *byte == b'\\' && !escaped;
                false
            }
        })
    }

    fn take_payload(&mut self, command: String, mut payload: String, line: &str) {
        if line.is_empty() {
            self.take_command(&command, Some(payload));
            return self.waiting.push_back(Item::LineEnd);
        }
        payload.push_str(line);
        payload.push('\n');
        // As long as a command may be; what is longer ends the session.
        if payload.len() > LONGEST {
            self.input.clear();
            self.finished = true;
        } else {
            self.announced = Some((command, payload));
        }
    }

    fn take_command(&mut self, text: &str, payload: Option<String>) {
        let words = split(text);
        // HAProxy's master says nothing to an empty command, its worker lists what there is.
        if self.host == Target::Worker || !words.is_empty() {
            self.waiting.push_back(Item::Command(words, payload));
        }
    }

    fn line_end(&mut self, processes: &Processes) -> Option<Step> {
        match self.host {
            Target::Master if self.prompts => Some(Step::Write(self.prompt(processes))),
            Target::Worker if !self.prompts && self.input.is_empty() => self.close(),
            _ => None,
        }
    }

    fn command(&mut self, words: &[String], payload: Option<String>, processes: &Processes) -> Option<Step> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let prefix =
            words.first().and_then(|word| word.strip_prefix('@')).filter(|_| self.host == Target::Master);
        let Some(name) = prefix else { return self.run((&words, payload), self.target, processes) };
        let Some(target) = target(name, processes) else {
            return Some(Step::Write(format!(
                "Can't find the target PID matching the prefix '{}'\n",
                words[0]
            )));
        };
        if words.len() == 1 {
            self.target = target;
            return None;
        }
        self.run((&words[1..], payload), target, processes)
    }

    fn run(
        &mut self,
        (words, payload): (&[&str], Option<String>),
        target: Target,
        processes: &Processes,
    ) -> Option<Step> {
        let Some(row) = command::find(words, target) else {
            return self.answer(&command::unknown(words, target));
        };
        if self.level < row.level {
            return self.answer("Permission denied\n");
        }
        let rest = &words[row.words.len()..];
        let action = match (row.read)(rest) {
            Ok(action) => action,
            Err(fault) => return self.answer(&fault),
        };
        match action {
            Action::Ask(_) if target != self.host => {
                let mut line = words.iter().map(|word| escape(word)).collect::<Vec<_>>().join(" ");
                line.extend(payload.map(|payload| format!(" <<\n{payload}")));
                Some(Step::Forward(line, self.level))
            }
            Action::Ask(Request::Patterns(order)) => {
                Some(Step::Ask(Request::Patterns(Order { payload, ..order })))
            }
            Action::Ask(request) => Some(Step::Ask(request)),
            Action::Timeout(limit) => Some(Step::Timeout(limit)),
            Action::GiveSockets if self.host == Target::Worker => Some(Step::GiveSockets),
            Action::GiveSockets => self.answer("Permission denied\n"),
            Action::Say(text) => self.answer(&text),
            Action::Level => self.answer(&format!("{}\n", self.level.name())),
            Action::Help => self.answer(&command::help(rest, target)),
            Action::Lower(level) => {
                self.level = self.level.min(level);
                self.answer("")
            }
            Action::Prompt => {
                self.prompts = !self.prompts;
                if self.host == Target::Master { None } else { self.answer("") }
            }
            Action::Quit => {
                self.waiting.clear();
                self.input.clear();
                self.finished = true;
                let last = self.prompts && self.host == Target::Master;
                last.then(|| Step::Write(self.prompt(processes)))
            }
        }
    }

    fn answer(&self, text: &str) -> Option<Step> {
        Some(Step::Write(format!("{text}{}", self.end_of_answer())))
    }

    fn prompt(&self, processes: &Processes) -> String {
        match self.target {
            Target::Worker => format!("{}> ", processes.worker.unwrap_or(0)),
            Target::Master if processes.last_reload_failed => "master[ReloadFailed]> ".to_owned(),
            Target::Master => "master> ".to_owned(),
        }
    }
}

/// Whom `@name` means.
fn target(name: &str, processes: &Processes) -> Option<Target> {
    match name {
        "master" | "0" => return Some(Target::Master),
        "1" => return processes.worker.map(|_| Target::Worker),
        _ => {}
    }
    let pid: u32 = name.strip_prefix('!')?.parse().ok()?;
    if pid == processes.master {
        return Some(Target::Master);
    }
    processes.worker.filter(|worker| *worker == pid).map(|_| Target::Worker)
}

/// The command whose last word announces a payload.
fn payload_follows(line: &str) -> Option<&str> {
    let last = line.rsplit(char::is_whitespace).next()?;
    last.starts_with("<<").then(|| &line[..line.len() - last.len()])
}

/// The words of a command.
fn split(command: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Undone by [`split`].
fn escape(word: &str) -> String {
    let special = |c: char| c == ';' || c == '\\' || c.is_whitespace();
    word.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
