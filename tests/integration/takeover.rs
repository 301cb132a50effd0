//! Listening sockets that go from one process to the next: `-x` and `expose-fd listeners`.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::rolecall::{ask, run};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// A frontend on `port`, a unix socket beside it, and a runtime socket with these options.
fn config(directory: &Path, port: u16, server: u16, options: &str) -> String {
    let directory = directory.display();
    format!(
        "global\n    stats socket {directory}/s level admin {options}\n\
         defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
         frontend f\n    bind 127.0.0.1:{port}\n    bind {directory}/door\n    default_backend b\n\
         backend b\n    server redis 127.0.0.1:{server}\n"
    )
}

const EXPOSED: &str = "expose-fd listeners";

/// The sockets of a process, by the kernel's numbers.
fn sockets(pid: u32) -> BTreeSet<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").flatten();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.map(|link| link.display().to_string()).filter(|link| link.starts_with("socket:")).collect()
}

/// The kernel's numbers of the sockets that listen on the port.
fn listening(port: u16) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let place = format!("0100007F:{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&place.as_str()) && row.get(3) == Some(&"0A"))
        .map(|row| format!("socket:[{}]", row[9]))
        .collect()
}

fn served(port: u16) -> Option<u16> {
    Client::connect_within(port, SOON).ok()?.server_port().ok()
}

#[test]
fn a_successor_goes_on_with_the_same_sockets_and_no_client_is_lost() {
    let (redis, port) = (Redis::master(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let text = config(directory.path(), port, redis.port, EXPOSED);
    let mut first = Rolecall::start(&text, port);
    let before = listening(port);
    assert_eq!(before.len(), 1);
    let mut client = Client::connect_within(port, SOON).expect("the frontend accepts");
    assert_eq!(client.server_port().expect("an answer"), redis.port);

    let (stop, lost, asked) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let asking = std::thread::spawn({
        let (stop, lost, asked) = (Arc::clone(&stop), Arc::clone(&lost), Arc::clone(&asked));
        move || {
            while !stop.load(Relaxed) {
                lost.fetch_add(usize::from(served(port).is_none()), Relaxed);
                asked.fetch_add(1, Relaxed);
            }
        }
    });
    let (socket, pid) = (directory.path().join("s").display().to_string(), first.process.id().to_string());
    // Whoever answers first could be the old process.
    eventually("the runtime socket", SOON, || {
        (!ask(Path::new(&socket), "show info").is_empty()).then_some(())
    });
    let second = Rolecall::spawn(&text, &["-db", "-x", &socket, "-sf", &pid]);
    eventually("the new process has the socket", SOON, || {
        let own = sockets(second.process.id());
        before.iter().all(|socket| own.contains(socket)).then_some(())
    });
    assert_eq!(listening(port), before, "there is no other one");
    let door = directory.path().join("door");
    assert!(std::os::unix::net::UnixStream::connect(door).is_ok(), "nor at the socket file");
    assert_eq!(client.server_port().expect("the session goes on"), redis.port);
    drop(client);
    first.process.wait(SOON);
    let so_far = asked.load(Relaxed);
    eventually("clients of the new process", SOON, || (asked.load(Relaxed) > so_far + 20).then_some(()));
    stop.store(true, Relaxed);
    asking.join().expect("the clients end");
    assert_eq!((lost.load(Relaxed), served(port)), (0, Some(redis.port)));
}

#[test]
fn a_predecessor_that_is_killed_leaves_its_sockets_open() {
    let (redis, port) = (Redis::master(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let text = config(directory.path(), port, redis.port, EXPOSED);
    let mut first = Rolecall::start(&text, port);
    let socket = directory.path().join("s");
    eventually("the runtime socket", SOON, || (!ask(&socket, "show info").is_empty()).then_some(()));
    let before = listening(port);
    let second = Rolecall::spawn(&text, &["-db", "-x", &socket.display().to_string()]);
    eventually("the new process has the socket", SOON, || {
        let own = sockets(second.process.id());
        before.iter().all(|socket| own.contains(socket)).then_some(())
    });
    first.process.signal("TERM");
    first.process.wait(SOON);
    assert_eq!(served(port), Some(redis.port));
}

#[test]
fn without_the_right_nothing_is_given() {
    let (redis, port) = (Redis::master(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let text = config(directory.path(), port, redis.port, "");
    let _first = Rolecall::start(&text, port);
    let socket = directory.path().join("s");
    eventually("the runtime socket", SOON, || (!ask(&socket, "show info").is_empty()).then_some(()));
    let file = directory.path().join("c.cfg");
    std::fs::write(&file, &text).expect("a file");
    let output = run(&["-db", "-f", &file.display().to_string(), "-x", &socket.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("Failed to get the sockets from the old process!"), "{said}");
    assert_eq!(served(port), Some(redis.port));
}

/// The real haproxy on that config.
fn haproxy(directory: &Path, text: &str, more: &[&str]) -> Process {
    let file = directory.join("real.cfg");
    std::fs::write(&file, text).expect("a file");
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file).args(more);
    Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

#[test]
fn sockets_go_from_haproxy_and_to_haproxy() {
    let (redis, port) = (Redis::master(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let text = config(directory.path(), port, redis.port, EXPOSED);
    let socket = directory.path().join("s").display().to_string();
    let holds = |pid: u32, wanted: &BTreeSet<String>| {
        eventually("the successor has the socket", SOON, || {
            let own = sockets(pid);
            wanted.iter().all(|socket| own.contains(socket)).then_some(())
        });
    };

    let mut first = haproxy(directory.path(), &text, &[]);
    eventually("haproxy", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    let before = listening(port);
    let mut second = Rolecall::spawn(&text, &["-db", "-x", &socket, "-sf", &first.id().to_string()]);
    holds(second.process.id(), &before);
    first.wait(SOON);
    assert_eq!((served(port), listening(port)), (Some(redis.port), before.clone()));

    // Its own runtime socket has taken the name over.
    eventually("rolecall's runtime socket", SOON, || {
        ask(Path::new(&socket), "show version").contains("rolecall").then_some(())
    });
    let third = haproxy(directory.path(), &text, &["-x", &socket, "-sf", &second.process.id().to_string()]);
    holds(third.id(), &before);
    second.process.wait(SOON);
    assert_eq!((served(port), listening(port)), (Some(redis.port), before));
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
}
