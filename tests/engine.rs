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
        let (directory, port, server) = (TempDir::new().unwrap(), free_port(), echo());
        let config = format!(
            "global\n nbthread 2\n maxconn 500\n tune.relay {relay}\n\
             defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
             listen front\n bind 127.0.0.1:{port}\n server s 127.0.0.1:{server}\n"
        );
        std::fs::write(directory.path().join("c.cfg"), config).unwrap();
        let errors = std::fs::File::create(directory.path().join("errors")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-db", "-f", "c.cfg"]).current_dir(directory.path());
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

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
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

#[test]
fn another_word_is_an_error_with_its_place() {
    let mut program = Program::start("poll");
    assert_eq!(program.child.wait().unwrap().code(), Some(1));
    let errors = program.errors();
    assert!(errors.contains("'tune.relay' expects 'auto', 'uring' or 'epoll', found 'poll'"), "{errors}");
}

/// As many descriptors after thousands of sessions as before, whichever side ended them and how.
#[test]
fn thousands_of_sessions_leave_no_descriptor() {
    for relay in ["uring", "epoll"] {
        let program = Program::start(relay);
        // Both workers have served somebody.
        let mut warm: Vec<_> = (0..8).map(|_| program.connect()).collect();
        warm.iter_mut().for_each(ping);
        drop(warm);
        let settled = |wanted: Option<usize>| {
            let begun = Instant::now();
            let mut last = usize::MAX;
            loop {
                let now = program.descriptors();
                if wanted == Some(now)
                    || (wanted.is_none() && now == last && begun.elapsed() > Duration::from_secs(1))
                {
                    return now;
                }
                last = now;
                assert!(begun.elapsed() < PATIENCE, "{relay}: {now} descriptors, {wanted:?} before");
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        let before = settled(None);
        std::thread::scope(|scope| {
            for at in 0..4 {
                let program = &program;
                scope.spawn(move || {
                    for round in 0..750 {
                        let mut stream = program.connect();
                        match (at + round) % 4 {
                            0 => {}
                            1 => ping(&mut stream),
                            2 => {
                                ping(&mut stream);
                                let now = Some(Duration::ZERO);
                                socket2::SockRef::from(&stream).set_linger(now).unwrap();
                            }
                            _ => {
                                stream.write_all(&[b'x'; 100_000]).unwrap();
                                stream.shutdown(std::net::Shutdown::Write).unwrap();
                                let mut all = Vec::new();
                                stream.read_to_end(&mut all).unwrap();
                                assert_eq!(all.len(), 100_000);
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(settled(Some(before)), before);
        ping(&mut program.connect());
    }
}
