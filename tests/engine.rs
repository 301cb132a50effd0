//! What carries the sessions, on the real program: chosen by `tune.relay`, told at SIGQUIT, and without a leak.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends with what it did not expect")]

#[allow(unreachable_pub, reason = "shared with other tests")]
#[path = "integration/harness/ports.rs"]
mod ports;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rolecall");
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that gives back what it gets, and a port that will be free.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut block = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut block) {
                    if stream.write_all(&block[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

struct Program {
    child: Child,
    directory: TempDir,
    port: u16,
}

impl Program {
    fn start(relay: &str) -> Program {
        Program::start_with(relay, "")
    }

    fn start_with(relay: &str, option: &str) -> Program {
        Program::start_as(relay, option, &[])
    }

    fn start_as(relay: &str, option: &str, flags: &[&str]) -> Program {
        let (directory, port, server) = (TempDir::new().unwrap(), free_port(), echo());
        let config = format!(
            "global\n nbthread 2\n maxconn 500\n tune.relay {relay}\n\
             defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n {option}\n\
             listen front\n bind 127.0.0.1:{port}\n server s 127.0.0.1:{server}\n"
        );
        std::fs::write(directory.path().join("c.cfg"), config).unwrap();
        let errors = std::fs::File::create(directory.path().join("errors")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-db", "-f", "c.cfg"]).args(flags).current_dir(directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        Program { child, directory, port }
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("errors")).unwrap_or_default()
    }

    fn connect(&self) -> TcpStream {
        let begun = Instant::now();
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return stream;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody listens: {}", self.errors());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Descriptors but for pipes, and pipes.
    fn descriptors(&self) -> (usize, usize) {
        let links = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        // One that is closed meanwhile has no name.
        let names = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
        let (pipes, others): (Vec<_>, Vec<_>) =
            names.partition(|name| name.to_string_lossy().starts_with("pipe:"));
        (others.len(), pipes.len())
    }

    /// What it says of the engine when it is asked.
    fn engine(&self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-QUIT", &id]).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some((_, rest)) = self.errors().split_once("sessions are carried by ") {
                return rest.split('.').next().unwrap().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no word of the engine: {}", self.errors());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ping(stream: &mut TcpStream) {
    stream.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"ping");
}

#[test]
fn the_engine_is_the_one_asked_for() {
    for (relay, engine) in [("uring", "io_uring"), ("epoll", "epoll")] {
        let program = Program::start(relay);
        ping(&mut program.connect());
        assert_eq!(program.engine(), engine);
    }
    let either = Program::start("auto");
    ping(&mut either.connect());
    let shown = Command::new(PROGRAM).arg("-vv").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("will use {}.", either.engine())), "{shown}");
}

/// A pipe that has served is kept, so that it can be counted.
#[test]
fn pipes_are_there_only_where_they_are_asked_for() {
    for relay in ["uring", "epoll"] {
        let ways: [(&str, &str, &[&str]); 5] = [
            ("", "", &[]),
            ("", "option splice-auto", &[]),
            ("", "option splice-request", &[]),
            ("\n nosplice", "option splice-request", &[]),
            ("", "option splice-response", &["-dS"]),
        ];
        let pipes = ways.map(|(global, option, flags)| {
            let program = Program::start_as(&format!("{relay}{global}"), option, flags);
            let mut client = program.connect();
            ping(&mut client);
            ping(&mut client);
            program.descriptors().1
        });
        let [none, auto, request, forbidden, switched_off] = pipes;
        assert_eq!([auto, request, forbidden, switched_off], [none, none + 2, none, none], "{relay}");
    }
}

#[test]
fn another_word_is_an_error_with_its_place() {
    let mut program = Program::start("poll");
    assert_eq!(program.child.wait().unwrap().code(), Some(1));
    let errors = program.errors();
    assert!(errors.contains("'tune.relay' expects 'auto', 'uring' or 'epoll', found 'poll'"), "{errors}");
}

/// Pipes that a worker keeps for the next session, two descriptors each.
const IDLE_PIPES: usize = 2 * 16;
const WORKERS: usize = 2;

/// Until nothing has changed for a second, or until all but pipes are as they were `before`.
fn settled(program: &Program, before: Option<usize>) -> (usize, usize) {
    let begun = Instant::now();
    let mut last = (usize::MAX, 0);
    loop {
        let now = program.descriptors();
        match before {
            Some(before) if now.0 == before => return now,
            None if now == last && begun.elapsed() > Duration::from_secs(1) => return now,
            _ => last = now,
        }
        assert!(begun.elapsed() < PATIENCE, "{now:?} descriptors and pipes, {before:?} before");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One session, ended by either side in one of several ways.
fn session(program: &Program, way: usize) {
    let mut stream = program.connect();
    match way % 8 {
        0 => {}
        1 | 3 | 5 => ping(&mut stream),
        2 | 6 => {
            ping(&mut stream);
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        // Leaves in the middle of what it is sent.
        4 => stream.write_all(&[b'x'; 100_000]).unwrap(),
        _ => {
            stream.write_all(&[b'x'; 100_000]).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), 100_000);
        }
    }
}

/// As many descriptors after ten thousand sessions as before, whichever side ended them and how, and no more pipes
/// than are kept for the next ones.
#[test]
fn ten_thousand_sessions_leave_no_descriptor() {
    for (relay, option) in
        [("uring", ""), ("epoll", ""), ("uring", "option splice-auto"), ("epoll", "option splice-request")]
    {
        let program = Program::start_with(relay, option);
        // Both workers have served somebody.
        let mut warm: Vec<_> = (0..8).map(|_| program.connect()).collect();
        warm.iter_mut().for_each(ping);
        drop(warm);
        let (before, pipes) = settled(&program, None);
        std::thread::scope(|scope| {
            for at in 0..4 {
                let program = &program;
                scope.spawn(move || (0..625).for_each(|round| session(program, at + round)));
            }
        });
        let (after, pipes_after) = settled(&program, Some(before));
        assert_eq!(after, before, "{relay} {option}");
        let most = if option.is_empty() { 0 } else { WORKERS * IDLE_PIPES };
        assert!(pipes_after <= pipes + most, "{relay} {option}: {pipes_after} pipes, {pipes} before");
        ping(&mut program.connect());
    }
}
