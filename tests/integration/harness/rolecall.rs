//! The program under test, started on a config text.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::eventually;
use super::process::Process;

/// The binary that cargo built.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_rolecall");

/// Nothing here takes longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running rolecall in the foreground.
#[derive(Debug)]
pub struct Rolecall {
    pub process: Process,
    pub directory: TempDir,
}

impl Rolecall {
    /// Starts it with `config` and returns once `port` accepts.
    pub fn start(config: &str, port: u16) -> Rolecall {
        let rolecall = Rolecall::spawn(config, &["-db"]);
        rolecall.wait_for(port);
        rolecall
    }

    /// Starts it with further arguments, and does not wait.
    pub fn spawn(config: &str, arguments: &[&str]) -> Rolecall {
        let directory = TempDir::new().expect("a private directory");
        std::fs::write(directory.path().join("haproxy.cfg"), config).expect("a config file");
        let output = std::fs::File::create(directory.path().join("output")).expect("an output file");
        let errors = output.try_clone().expect("a second handle");
        let mut command = Command::new(PROGRAM);
        command.arg("-f").arg(directory.path().join("haproxy.cfg")).args(arguments);
        let process = Process::start(command.stdin(Stdio::null()).stdout(output).stderr(errors));
        Rolecall { process, directory }
    }

    /// Returns once `port` accepts; fails if the process ends before.
    pub fn wait_for(&self, port: u16) {
        eventually("rolecall's listener", PATIENCE, || {
            TcpStream::connect(("127.0.0.1", port)).ok().or_else(|| {
                assert!(super::process::alive(self.process.id()), "rolecall ended: {}", self.output());
                None
            })
        });
    }

    /// Returns once `port` accepts, whoever serves it: a daemon is not the process that was started.
    pub fn wait_for_port(&self, port: u16) {
        eventually("a listener", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
    }

    /// Where its config lies.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("haproxy.cfg")
    }

    /// Replaces the config and asks for a reload.
    pub fn reload(&self, config: &str) {
        std::fs::write(self.config_path(), config).expect("a config file");
        self.process.signal("HUP");
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }

    /// Returns once it has printed `text`.
    pub fn wait_for_output(&self, text: &str) {
        self.wait_for_output_within(text, PATIENCE);
    }

    /// Returns once it has printed `text`, which may take that long.
    pub fn wait_for_output_within(&self, text: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.output().contains(text) {
            assert!(Instant::now() < deadline, "rolecall did not say {text:?}: {}", self.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let field = super::process::status_field(self.process.id(), "VmRSS");
        field.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("the process is there").count()
    }
}

/// Runs it to its end: `-c` and errors at start.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().expect("rolecall runs")
}

/// Runs `-c` on a text.
pub fn check(config: impl AsRef<[u8]>) -> (Option<i32>, String) {
    let directory = TempDir::new().expect("a private directory");
    let path = directory.path().join("haproxy.cfg");
    std::fs::write(&path, config).expect("a config file");
    let output = run(&["-c", "-f", &path.display().to_string()]);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Returns once `count` Sentinels have said who is master.
pub fn wait_for_sentinels(rolecall: &Rolecall, count: usize) {
    let named = |output: &str| output.lines().filter(|line| line.contains("of 'mymaster' it names ")).count();
    eventually("Sentinels that name a master", PATIENCE, || {
        (named(&rolecall.output()) >= count).then_some(())
    });
}

/// A line of commands for the runtime socket at `path`, on a connection of its own, as socat sends it.
pub fn ask(path: &Path, line: &str) -> String {
    // Frontends may listen a moment before it does.
    let mut socket = eventually("the socket for commands", PATIENCE, || UnixStream::connect(path).ok());
    socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    socket.write_all(format!("{line}\n").as_bytes()).expect("the command is sent");
    socket.shutdown(Shutdown::Write).expect("a half close");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

/// One HTTP/1.0 request; the whole answer as text.
pub fn http(port: u16, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page's port accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.0\r\n{headers}\r\n").expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer is read");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The usual config: one frontend on `port`, a role check, the given servers, `more` inside the backend.
pub fn redis_config(port: u16, servers: &[u16], more: &str) -> String {
    let mut text = format!(
        "global\n    maxconn 4096\n\
         defaults\n    mode tcp\n    retries 3\n    option redispatch\n    maxconn 2000\n\
         \x20   timeout connect 2s\n    timeout client 120s\n    timeout server 120s\n\
         frontend redis\n    bind 127.0.0.1:{port}\n    default_backend redis_backend\n\
         backend redis_backend\n    option tcp-check\n    tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n\
         \x20   tcp-check send INFO\\ REPLICATION\\r\\n\n    tcp-check expect string role:master\n\
         \x20   tcp-check send QUIT\\r\\n\n    tcp-check expect string +OK\n{more}"
    );
    for (at, server) in servers.iter().enumerate() {
        text.push_str(&format!("    server redis{} 127.0.0.1:{server} check inter 100ms\n", at + 1));
    }
    text
}

/// A page with its CSV on `port`, to be appended to a config.
pub fn stats_section(port: u16) -> String {
    format!("listen stats\n    mode http\n    bind 127.0.0.1:{port}\n    stats enable\n    stats uri /\n")
}

/// A field of one row of the CSV on `port`.
pub fn csv_field(port: u16, proxy: &str, row: &str, field: &str) -> Option<String> {
    let answer = http(port, "/;csv", "");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())?;
    let mut lines = body.lines();
    let names = lines.next()?.trim_start_matches("# ").to_owned();
    let column = names.split(',').position(|name| name == field)?;
    let found = lines.find(|line| line.starts_with(&format!("{proxy},{row},")))?;
    found.split(',').nth(column).map(str::to_owned)
}
