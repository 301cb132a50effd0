//! Listening sockets that two processes have at once (`-x` without an end of the first): one of them may pause, and
//! the other goes on.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::rolecall::ask;
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// One of two processes on the same port, with a runtime socket of its own.
struct Half {
    rolecall: Rolecall,
    directory: TempDir,
}

impl Half {
    fn text(directory: &Path, port: u16, server: u16) -> String {
        format!(
            "global\n    stats socket {}/s level admin expose-fd listeners\n\
             defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
             frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\n\
             backend b\n    server redis 127.0.0.1:{server}\n",
            directory.display()
        )
    }

    fn first(port: u16, server: u16) -> Half {
        let directory = tempfile::tempdir().expect("a directory");
        let rolecall = Rolecall::start(&Half::text(directory.path(), port, server), port);
        let half = Half { rolecall, directory };
        half.answers();
        half
    }

    fn after(first: &Half, more: &[&str], port: u16, server: u16) -> Half {
        let directory = tempfile::tempdir().expect("a directory");
        let from = first.directory.path().join("s").display().to_string();
        let words = [&["-db", "-x", &from], more].concat();
        let rolecall = Rolecall::spawn(&Half::text(directory.path(), port, server), &words);
        let half = Half { rolecall, directory };
        half.answers();
        half
    }

    fn ask(&self, command: &str) -> String {
        ask(&self.directory.path().join("s"), command)
    }

    fn answers(&self) {
        eventually("the runtime socket", SOON, || (!self.ask("show info").is_empty()).then_some(()));
    }

    /// A column of the frontend's row.
    fn column(&self, at: usize) -> String {
        let page = self.ask("show stat f 1 -1");
        let row = page.lines().find(|line| line.starts_with("f,FRONTEND,")).unwrap_or_default();
        row.split(',').nth(at).unwrap_or_default().to_owned()
    }

    /// Clients that it has taken in so far.
    fn taken_in(&self) -> u64 {
        self.column(7).parse().unwrap_or_default()
    }

    /// By a signal, or by the operator's word.
    fn turn(&self, by: By, on: bool) {
        match (by, on) {
            (By::Signal, false) => self.rolecall.process.signal("TTOU"),
            (By::Signal, true) => self.rolecall.process.signal("TTIN"),
            (By::Command, false) => drop(self.ask("disable frontend f")),
            (By::Command, true) => drop(self.ask("enable frontend f")),
        }
        let wanted = if on { "OPEN" } else { "PAUSED" };
        eventually(wanted, SOON, || (self.column(17) == wanted).then_some(()));
    }
}

#[derive(Debug, Clone, Copy)]
enum By {
    Signal,
    Command,
}

fn served(port: u16) -> Option<u16> {
    Client::connect_within(port, SOON).ok()?.server_port().ok()
}

/// How many of twenty are served, one after the other.
fn served_of_twenty(port: u16) -> usize {
    (0..20).filter_map(|_| served(port)).count()
}

#[test]
fn who_pauses_leaves_its_clients_to_the_other() {
    let (redis, port) = (Redis::master(), free_port());
    let first = Half::first(port, redis.port);
    let second = Half::after(&first, &[], port, redis.port);
    for by in [By::Signal, By::Command] {
        first.turn(by, false);
        // A worker may be about to accept one more when the pause begins.
        eventually("everybody goes to the other one", SOON, || {
            let before = first.taken_in();
            assert_eq!(served_of_twenty(port), 20, "{by:?}: nobody is refused");
            (first.taken_in() == before).then_some(())
        });
        first.turn(by, true);
        let before = first.taken_in();
        eventually("the first one takes clients again", SOON, || {
            assert_eq!(served(port), Some(redis.port));
            (first.taken_in() > before).then_some(())
        });
        let before = second.taken_in();
        eventually("so does the second one", SOON, || {
            assert_eq!(served(port), Some(redis.port));
            (second.taken_in() > before).then_some(())
        });
    }
}

/// As with HAProxy it is the socket that pauses. The one that was not asked finds it back.
#[test]
fn when_the_successor_pauses_both_do_and_both_come_back() {
    let (redis, port) = (Redis::master(), free_port());
    let first = Half::first(port, redis.port);
    let second = Half::after(&first, &[], port, redis.port);
    for by in [By::Signal, By::Command] {
        second.turn(by, false);
        eventually("clients are refused", SOON, || TcpStream::connect(("127.0.0.1", port)).err());
        second.turn(by, true);
        let before = (first.taken_in(), second.taken_in());
        eventually("both take clients again", SOON, || {
            served(port);
            (first.taken_in() > before.0 && second.taken_in() > before.1).then_some(())
        });
    }
}

#[test]
fn a_successor_that_is_alone_pauses_what_it_was_given() {
    let (redis, port) = (Redis::master(), free_port());
    let mut first = Half::first(port, redis.port);
    let pid = first.rolecall.process.id().to_string();
    let before = listening(port);
    let second = Half::after(&first, &["-sf", &pid], port, redis.port);
    first.rolecall.process.wait(SOON);
    for by in [By::Signal, By::Command] {
        second.turn(by, false);
        eventually("clients are refused", SOON, || TcpStream::connect(("127.0.0.1", port)).err());
        second.turn(by, true);
        eventually("clients are served", SOON, || (served(port) == Some(redis.port)).then_some(()));
    }
    assert_eq!(listening(port), before, "it is the same socket");
}

/// The kernel's numbers of the sockets that listen on the port.
fn listening(port: u16) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let place = format!("0100007F:{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&place.as_str()) && row.get(3) == Some(&"0A"))
        .map(|row| row[9].to_owned())
        .collect()
}
