//! The steps of a case, one after the other, on a running program; each leaves its lines.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::case::{Case, Connect, Kept, Step};

use super::place::Place;
use super::program::{Running, Which};
use super::statistics::{self, Row};
use super::{DEADLINE, Fault, client};

pub(super) fn walk(case: &Case, place: &Place, which: Which) -> Result<Vec<String>, Fault> {
    let running = Running::start(which, case, place)?;
    let mut walk = Walk { place, running, kept: Vec::new() };
    let mut lines = Vec::new();
    for step in &case.steps {
        lines.extend(walk.step(step)?);
    }
    Ok(lines)
}

struct Walk<'a> {
    place: &'a Place,
    running: Running,
    kept: Vec<TcpStream>,
}

impl Walk<'_> {
    fn step(&mut self, step: &Step) -> Result<Vec<String>, Fault> {
        Ok(match step {
            Step::Connect(connect) => vec![self.connect(connect)?],
            Step::Release => {
                self.kept.drain(..).for_each(client::leave);
                Vec::new()
            }
            Step::Role(name, role) => {
                self.place.servers.set_role(name, *role);
                Vec::new()
            }
            Step::Await { row, column, value } => vec![self.await_cell(row, column, value)],
            Step::Csv { row, columns } => self.csv(row, columns),
            Step::Ask(command) => self.ask(command),
            Step::Get { port, path } => {
                let lines = client::get(self.port(port)?, path);
                lines.into_iter().map(|line| format!("get {path}: {}", self.place.blank(&line))).collect()
            }
            Step::Answer { port, path, headers } => {
                let lines = client::whole(self.port(port)?, path, headers);
                lines.into_iter().map(|line| format!("answer {path}: {}", self.place.blank(&line))).collect()
            }
            Step::Post { port, path, form } => {
                let answer = client::post(self.port(port)?, path, form);
                vec![format!("post {path} {form}: {}", self.place.blank(&answer))]
            }
            Step::Log(count) => (0..*count).map(|_| self.log_line()).collect(),
            Step::Signal(name) => {
                self.running.signal(name)?;
                Vec::new()
            }
            Step::Exits => vec![format!("exits: {}", self.running.end())],
        })
    }

    fn port(&self, name: &str) -> Result<u16, Fault> {
        self.place.port(name).ok_or_else(|| format!("the config has no '@{name}@'"))
    }

    fn connect(&mut self, wanted: &Connect) -> Result<String, Fault> {
        let port = self.port(&wanted.port)?;
        let mut names = format!("connect {}:", wanted.port);
        for _ in 0..wanted.count {
            names.push(' ');
            let mut stream = match client::connect(port, wanted.from) {
                Ok(stream) => stream,
                // Accepted and reset before the client looked.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    names.push('x');
                    continue;
                }
                Err(_) => {
                    names.push('!');
                    continue;
                }
            };
            names += &client::answer(&mut stream, wanted.says.as_deref().unwrap_or_default());
            match wanted.kept {
                Kept::Yes => self.kept.push(stream),
                Kept::No => client::leave(stream),
            }
        }
        Ok(names)
    }

    fn rows(&self) -> Vec<Row> {
        statistics::rows(&client::ask(&self.place.path("socket"), "show stat"))
    }

    fn await_cell(&self, row: &str, column: &str, value: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let rows = self.rows();
            let found = rows.iter().find(|known| known.matches(row)).map_or("no row", |row| row.cell(column));
            if found == value {
                return format!("await {row} {column}={value}");
            }
            if Instant::now() > until {
                return format!("await {row} {column}={value}: is {found}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn csv(&self, row: &str, columns: &[String]) -> Vec<String> {
        let rows = self.rows();
        let line = |row: &Row| {
            let cells: Vec<_> =
                columns.iter().map(|column| format!("{column}={}", row.cell(column))).collect();
            self.place.blank(&format!("csv {}: {}", row.name, cells.join(" ")))
        };
        rows.iter().filter(|known| known.matches(row)).map(line).collect()
    }

    fn ask(&self, command: &str) -> Vec<String> {
        let answer = client::ask(&self.place.path("socket"), command);
        let lines = answer.trim_end_matches('\n').lines();
        let blank = |line: &str| since(command, &pointers(&self.place.blank(line)));
        lines.map(|line| format!("{command}> {}", blank(line))).collect()
    }

    /// The next line but those that HAProxy 2.6 alone writes when it starts.
    fn log_line(&self) -> String {
        let mut bytes = [0; 8192];
        loop {
            let Ok(count) = self.place.log.recv(&mut bytes) else { return "log: no line".to_owned() };
            let line = String::from_utf8_lossy(&bytes[..count]);
            let Some((head, text)) = line.split_once("]: ") else { return format!("log: {line}") };
            if !text.trim_end().ends_with("started.") {
                let priority = head.split_once('>').map_or("", |(priority, _)| priority);
                return format!("log: {priority}> {}", self.session(text.trim_end()));
            }
        }
    }

    /// Without the moment and the durations: a time becomes 0 when it is one, and stays -1 otherwise.
    fn session(&self, text: &str) -> String {
        let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        for at in 0..words.len() {
            if words[at].starts_with('[') && words[at].ends_with(']') {
                words[at] = "[TIME]".to_owned();
            } else if words[at].ends_with("ms,") || words[at].ends_with("ms.") {
                words[at] = format!("N{}", &words[at][words[at].len() - 3..]);
            }
        }
        if let Some(times) = words.get_mut(4).filter(|times| times.matches('/').count() == 2) {
            *times = times.split('/').map(duration).collect::<Vec<_>>().join("/");
        }
        self.place.blank(&words.join(" "))
    }
}

fn duration(time: &str) -> &str {
    match time {
        "-1" => "-1",
        _ if time.starts_with('+') => "+0",
        _ if time.bytes().all(|byte| byte.is_ascii_digit()) => "0",
        _ => time,
    }
}

/// The line of a server without the seconds since its state last changed.
fn since(command: &str, line: &str) -> String {
    const SRV_TIME_SINCE_LAST_CHANGE: usize = 9;
    let mut words: Vec<&str> = line.split(' ').collect();
    let server = command.starts_with("show servers state") && words[0].parse::<u32>().is_ok();
    if let Some(seconds) = words.get_mut(SRV_TIME_SINCE_LAST_CHANGE).filter(|_| server) {
        *seconds = "N";
    }
    words.join(" ")
}

/// `0x55d0: exp=1234` without addresses of memory and what is left of a time.
fn pointers(line: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        _ if word.starts_with("0x") => "0xPOINTER:".to_owned(),
        Some(("exp", _)) => "exp=N".to_owned(),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
