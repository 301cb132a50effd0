//! A case: the text of a `.cfg` file enters; the config, the servers it wants, the steps to take and the
//! differences that are meant leave. Pure.
//!
//! The head is made of comments, so that the file is a config as it stands:
//!
//! ```text
//! # The title, in a sentence.
//! #: server a names            a server that says its name; `@a@` in the config is its address
//! #: server m redis master     answers PING, AUTH, INFO, ROLE, QUIT, and WHO with its name
//! #: server p socks4 grants     a proxy that connects to what it is asked for; one that `denies`
//! #: env NAME=VALUE            also NAME alone, to have it unset
//! #: file NAME TEXT            a file beside the config; `\n` begins a line
//! #: args -dW                  words for the command line
//! #: differs REASON            what is meant to differ, as the lines after it say:
//! #: - exit 1                    HAProxy's outcome only
//! #: + exit 0                    rolecall's outcome only
//! #: connect f x3              a step, see [`Step`]
//! ```
//!
//! A case without a step is a verdict: `-c` on this file alone. Otherwise the runner's own `global` and
//! `defaults` come before it, in a file of their own, and `@NAME@` of no server is a free address.

use std::path::{Path, PathBuf};

/// Where the cases of this package lie.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// One case, read.
#[derive(Debug, Default, Clone)]
pub struct Case {
    /// `area/name`.
    pub name: String,
    /// The whole file, so that its line numbers are those of the messages.
    pub config: String,
    pub servers: Vec<Server>,
    pub environment: Vec<(String, Option<String>)>,
    pub files: Vec<(String, String)>,
    pub arguments: Vec<String>,
    pub steps: Vec<Step>,
    pub meant: Vec<Meant>,
}

/// A server that the runner plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub kind: Kind,
}

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Says its name and then nothing.
    Names,
    /// Says its name and closes.
    Leaves,
    /// Accepts and says nothing.
    Silent,
    /// Says back what it hears.
    Echo,
    /// Nobody listens.
    Refuses,
    Redis(Role),
    /// A SOCKS4 proxy.
    Socks4(Grants),
}

/// What a SOCKS4 proxy says to who asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Connects to whatever it is asked for.
    All,
    Nothing,
}

/// What a Redis says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Master,
    Replica,
    Loading,
}

/// One thing to do with the running program. Each leaves a line or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `connect F [xN] [keep] [from IP] [say BYTES]`: who answers each of N clients, one after the other; `-`
    /// was closed, `x` reset. `keep` leaves them open; `|` in the bytes is a moment's pause.
    Connect(Connect),
    /// `release`: the clients that were kept leave.
    Release,
    /// `role S ROLE`: a Redis says another role from now on.
    Role(String, Role),
    /// `await PX/SV COLUMN=VALUE`: until the statistics say so.
    Await { row: String, column: String, value: String },
    /// `csv PX/SV COLUMN,...`: what the statistics say; `*` stands for every name.
    Csv { row: String, columns: Vec<String> },
    /// `ask COMMAND`: the answer on the runtime socket.
    Ask(String),
    /// `get F PATH`: status line and body of an HTTP answer.
    Get { port: String, path: String },
    /// `answer F PATH [HEADER:VALUE...]`: every line of an HTTP answer, its head too.
    Answer { port: String, path: String, headers: Vec<String> },
    /// `post F PATH FORM`: status line of the answer to a form, and where it leads.
    Post { port: String, path: String, form: String },
    /// `log N`: the next lines of the log, without pid, moment, ports and durations.
    Log(usize),
    /// `signal NAME`: to the program.
    Signal(String),
    /// `exits`: how the program ends.
    Exits,
}

/// A series of clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    pub port: String,
    pub count: usize,
    pub kept: Kept,
    pub from: Option<std::net::Ipv4Addr>,
    pub says: Option<String>,
}

/// Whether clients stay after they were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    #[default]
    No,
    Yes,
}

/// Lines that differ, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meant {
    pub reason: String,
    /// `- LINE` and `+ LINE`.
    pub lines: Vec<String>,
}

impl Case {
    /// Reads a file of that name.
    ///
    /// # Errors
    ///
    /// The line that is not understood.
    pub fn parse(name: &str, text: &str) -> Result<Case, String> {
        let mut case = Case { name: name.to_owned(), config: text.to_owned(), ..Case::default() };
        for line in text.lines().filter_map(|line| line.strip_prefix("#:")) {
            case.directive(line.trim()).ok_or_else(|| format!("{name}: '#:{line}' is not understood"))?;
        }
        Ok(case)
    }

    /// Whether the config is only checked, not run.
    pub fn is_verdict(&self) -> bool {
        self.steps.is_empty()
    }

    fn directive(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()));
        match word {
            "server" => self.servers.push(server(rest)?),
            "env" => self.environment.push(match rest.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (rest.to_owned(), None),
            }),
            "file" => {
                let (name, text) = rest.split_once(' ')?;
                self.files.push((name.to_owned(), format!("{}\n", text.replace("\\n", "\n"))));
            }
            "args" => self.arguments.extend(rest.split(' ').map(str::to_owned)),
            "differs" => self.meant.push(Meant { reason: rest.to_owned(), lines: Vec::new() }),
            "-" | "+" => self.meant.last_mut()?.lines.push(format!("{word} {rest}")),
            _ => self.steps.push(step(word, rest)?),
        }
        Some(())
    }
}

fn server(rest: &str) -> Option<Server> {
    let (name, kind) = rest.split_once(' ')?;
    let kind = match kind {
        "names" => Kind::Names,
        "leaves" => Kind::Leaves,
        "silent" => Kind::Silent,
        "echo" => Kind::Echo,
        "refuses" => Kind::Refuses,
        "socks4 grants" => Kind::Socks4(Grants::All),
        "socks4 denies" => Kind::Socks4(Grants::Nothing),
        _ => Kind::Redis(role(kind.strip_prefix("redis ")?)?),
    };
    Some(Server { name: name.to_owned(), kind })
}

fn role(word: &str) -> Option<Role> {
    match word {
        "master" => Some(Role::Master),
        "replica" => Some(Role::Replica),
        "loading" => Some(Role::Loading),
        _ => None,
    }
}

fn step(word: &str, rest: &str) -> Option<Step> {
    Some(match word {
        "connect" => Step::Connect(connect(rest)?),
        "release" => Step::Release,
        "role" => {
            let (name, said) = rest.split_once(' ')?;
            Step::Role(name.to_owned(), role(said)?)
        }
        "await" => {
            let (row, condition) = rest.split_once(' ')?;
            let (column, value) = condition.split_once('=')?;
            Step::Await { row: row.to_owned(), column: column.to_owned(), value: value.to_owned() }
        }
        "csv" => {
            let (row, columns) = rest.split_once(' ')?;
            Step::Csv { row: row.to_owned(), columns: columns.split(',').map(str::to_owned).collect() }
        }
        "ask" => Step::Ask(rest.to_owned()),
        "get" => {
            let (port, path) = rest.split_once(' ')?;
            Step::Get { port: port.to_owned(), path: path.to_owned() }
        }
        "answer" => {
            let mut words = rest.split(' ').map(str::to_owned);
            Step::Answer { port: words.next()?, path: words.next()?, headers: words.collect() }
        }
        "post" => {
            let (port, rest) = rest.split_once(' ')?;
            let (path, form) = rest.split_once(' ').unwrap_or((rest, ""));
            Step::Post { port: port.to_owned(), path: path.to_owned(), form: form.to_owned() }
        }
        "log" => Step::Log(rest.parse().ok()?),
        "signal" => Step::Signal(rest.to_owned()),
        "exits" => Step::Exits,
        _ => return None,
    })
}

fn connect(rest: &str) -> Option<Connect> {
    let (rest, says) = match rest.split_once(" say ") {
        Some((before, said)) => (before, Some(unescape(said))),
        None => (rest, None),
    };
    let mut words = rest.split(' ');
    let mut connect = Connect { port: words.next()?.to_owned(), count: 1, says, ..Connect::default() };
    while let Some(word) = words.next() {
        match word {
            "keep" => connect.kept = Kept::Yes,
            "from" => connect.from = Some(words.next()?.parse().ok()?),
            _ => connect.count = word.strip_prefix('x')?.parse().ok()?,
        }
    }
    Some(connect)
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read() {
        let text = "# t\n#: server a redis master\n#: env X=1\n#: connect f x3 keep from 127.0.0.2 say WHO\\r\\n\n\
                    #: await l/s status=UP\n#: differs because\n#: - exit 1\n#: + exit 0\nlisten l\n";
        let case = Case::parse("a/b", text).expect("a case");
        assert_eq!(case.servers, [Server { name: "a".to_owned(), kind: Kind::Redis(Role::Master) }]);
        assert_eq!(case.environment, [("X".to_owned(), Some("1".to_owned()))]);
        let connect = Connect {
            port: "f".to_owned(),
            count: 3,
            kept: Kept::Yes,
            from: Some([127, 0, 0, 2].into()),
            says: Some("WHO\r\n".to_owned()),
        };
        let awaits = Step::Await { row: "l/s".into(), column: "status".into(), value: "UP".into() };
        assert_eq!(case.steps, [Step::Connect(connect), awaits]);
        let lines = vec!["- exit 1".to_owned(), "+ exit 0".to_owned()];
        assert_eq!(case.meant, [Meant { reason: "because".to_owned(), lines }]);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let told = Case::parse("a/b", "#: conect f\n").expect_err("a fault");
        assert_eq!(told, "a/b: '#: conect f' is not understood");
    }
}
