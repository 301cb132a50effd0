//! The runtime socket: the same commands to both programs, the answers compared to the byte, or by the names and
//! columns that tools go by.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::program::{BOTH, DEADLINE, REFUSES, Which, free_port};

/// Answered alike to the byte.
const SAME: &[&str] = &[
    "set server",
    "set server be",
    "set server be/a",
    "set server be/a foo",
    "set server be/a state",
    "set server be/a state foo",
    "set server be/nobody state ready",
    "set server nobody/a state ready",
    "set server be/a weight",
    "set server be/a weight abc",
    "set server be/a weight 300",
    "set server be/a weight -1",
    "set server be/a weight 10x",
    "set server be/a weight 50%",
    "get weight be/a",
    "set server be/a weight 300%",
    "get weight be/a",
    "set server st/x weight 50",
    "set server st/x weight 0%",
    "set weight be/a",
    "set weight be/nobody 20",
    "set weight nobody/a 20",
    "get weight",
    "get weight be",
    "set server be/a health",
    "set server be/a health foo",
    "set server be/a health down",
    "set server be/a health up",
    "set server be/a agent",
    "set server be/a agent up",
    "set server be/a agent-addr",
    "set server be/a agent-addr 127.0.0.1",
    "set server be/a agent-send x",
    "set server be/a check-addr",
    "set server be/a check-port",
    "set server be/a check-port abc",
    "set server be/b check-port 99",
    "set server be/a fqdn",
    "set server be/a fqdn foo.bar",
    "set server be/a ssl on",
    "set server be/a addr",
    "set server be/a addr foo",
    "set server be/b addr 127.0.0.2",
    "set server be/b addr 127.0.0.2 port 99",
    "set server be/b addr 127.0.0.1 port 98",
    "set server be/b addr 127.0.0.1 port 98",
    "set server be/b addr 127.0.0.1 port",
    "set server be/b addr 127.0.0.1 port abc",
    "disable server be/a",
    "disable server",
    "disable server be/nobody",
    "enable server be/a",
    "enable health be/b",
    "disable health be/b",
    "enable agent be/a",
    "disable agent be/a",
    "disable frontend",
    "disable frontend nobody",
    "disable frontend fe",
    "disable frontend fe",
    "enable frontend fe",
    "enable frontend fe",
    "shutdown frontend nobody",
    "shutdown session",
    "shutdown session 0x1",
    "shutdown sessions server",
    "shutdown sessions server be/nobody",
    "shutdown sessions server be/a",
    "set maxconn server be/b 10",
    "set maxconn server be",
    "set maxconn frontend",
    "set maxconn frontend fe",
    "set maxconn frontend nobody 10",
    "set maxconn frontend fe 100",
    "set maxconn frontend fe -3",
    "set maxconn global",
    "set maxconn global 100000",
    "set maxconn global 100",
    "set maxconn global 0",
    "set timeout",
    "set timeout cli",
    "set timeout cli 0",
    "set timeout cli abc",
    "set timeout cli 10",
    "set rate-limit connections global",
    "set rate-limit connections global 10",
    "set rate-limit connections global 0",
    "clear counters",
    "clear counters all",
    "show stat nobody 1 1",
    "show servers state nobody",
    "show servers conn nobody",
    "show sess 0x1",
    "show env NOBODY_SET_THIS",
    "show backend",
    "show table",
    "show table be",
    "show resolvers nobody",
    "show errors nobody",
    "show startup-logs",
    "show cli level",
    "show schema json",
    "operator",
    "user",
    "operator;set server be/a state ready;show cli level",
    "user;show sess;show env;clear counters;show startup-logs;operator;expert-mode on;show cli level",
    "expert-mode",
    "expert-mode on",
    "prompt",
    "quit",
    "show cli level\nshow cli level",
    "prompt\nshow cli level;user\nshow cli level\nset timeout cli 5\nquit",
    "show cli level <<\nx\n\nshow cli level",
];

struct Served {
    child: Child,
    directory: tempfile::TempDir,
}

impl Served {
    fn start(which: Which) -> Served {
        let directory = tempfile::tempdir().expect("a directory");
        let (port, refuses) = (free_port(), REFUSES);
        let config = format!(
            "global\n stats socket {}/s level admin\n maxconn 500\n nbthread 2\ndefaults\n timeout connect 1s\n timeout client \
             9s\n timeout server 9s\nfrontend fe\n bind 127.0.0.1:{port}\n default_backend be\nbackend be\n server a \
             127.0.0.1:{refuses} check inter 1h weight 50\n server b 127.0.0.1:97\n server c 127.0.0.1:97 disabled check\n \
             server d 127.0.0.1:97 backup\nbackend st\n balance source\n server x 127.0.0.1:97\n",
            directory.path().display()
        );
        std::fs::write(directory.path().join("a.cfg"), config).expect("a config");
        let mut command = which.command();
        command.args(["-db", "-f", "a.cfg"]).current_dir(directory.path()).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        let served = Served { child, directory };
        let until = Instant::now() + DEADLINE;
        while UnixStream::connect(served.path()).is_err()
            || !served.ask("show stat be 4 1").contains(",DOWN,")
        {
            assert!(Instant::now() < until, "{which:?} does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        served
    }

    fn path(&self) -> std::path::PathBuf {
        Path::new(self.directory.path()).join("s")
    }

    fn ask(&self, line: &str) -> String {
        let Ok(mut socket) = UnixStream::connect(self.path()) else { return String::new() };
        socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        socket.write_all(format!("{line}\n").as_bytes()).expect("the command is sent");
        socket.shutdown(Shutdown::Write).expect("a half close");
        let mut answer = Vec::new();
        // HAProxy resets a connection whose further lines it did not read; what it said before counts.
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill(); // Ended already.
        let _ = self.child.wait();
    }
}

#[test]
fn commands_are_answered_as_haproxy_answers_them() {
    let [theirs, ours] = BOTH.map(Served::start);
    let mut differences = String::new();
    for line in SAME {
        let (their, our) = (theirs.ask(line), ours.ask(line));
        if their != our {
            differences.push_str(&format!("{line}\n--- haproxy\n{their:?}\n--- rolecall\n{our:?}\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn tools_find_the_names_and_columns_of_haproxy() {
    let [theirs, ours] = BOTH.map(Served::start);
    let both = |line: &str, shape: fn(&str) -> String| {
        let (their, our) = (shape(&theirs.ask(line)), shape(&ours.ask(line)));
        assert!(!their.is_empty(), "{line}");
        assert_eq!(our, their, "{line}");
    };
    both("show info", |text| join(text, |line| line.split(": ").next().unwrap_or_default().to_owned()));
    // Position, name, tags and type of every figure.
    both("show info typed", |text| {
        join(text, |line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":"))
    });
    both("show stat", |text| text.lines().next().unwrap_or_default().to_owned());
    both("show stat", |text| join(text, |line| line.split(',').take(2).collect::<Vec<_>>().join(",")));
    both("show stat -1 1 -1", |text| text.lines().count().to_string());
    both("show servers conn", |text| text.lines().next().unwrap_or_default().to_owned());
    both("show servers state", |text| {
        // All but the time since the last change.
        join(text, |line| {
            let words = line.split(' ').enumerate();
            words
                .filter(|(at, _)| line.starts_with('#') || *at != 9)
                .map(|(_, word)| word)
                .collect::<Vec<_>>()
                .join(" ")
        })
    });
    both(
        "set server be/c state ready;set server be/d state drain;disable server be/b;show servers state be",
        |text| join(text, |line| line.split(' ').skip(3).take(5).collect::<Vec<_>>().join(" ")),
    );
}

fn join(text: &str, line: impl Fn(&str) -> String) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
