//! The two programs, started alike.

#[allow(unreachable_pub, reason = "shared with other tests")]
#[path = "../../../tests/integration/harness/ports.rs"]
mod ports;

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub(crate) use ports::free_port;
use socket2::{Domain, Socket, Type};

/// Whatever is waited for comes within this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Haproxy,
    Rolecall,
}

pub(crate) const BOTH: [Which; 2] = [Which::Haproxy, Which::Rolecall];

/// Cargo builds no other package's program for a test, so the test asks for it.
static ROLECALL: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments = ["build", "--quiet", "--bin", "rolecall", "--manifest-path", manifest];
    let built = Command::new(env!("CARGO")).args(arguments).args(release()).status().expect("cargo runs");
    assert!(built.success(), "rolecall does not build");
    let test = std::env::current_exe().expect("this test's own path");
    let directory = test.ancestors().nth(2).expect("a target directory");
    directory.join("rolecall")
});

fn release() -> &'static [&'static str] {
    if cfg!(debug_assertions) { &[] } else { &["--release"] }
}

impl Which {
    pub(crate) fn command(self) -> Command {
        match self {
            Which::Haproxy => Command::new("haproxy"),
            Which::Rolecall => Command::new(ROLECALL.as_path()),
        }
    }

    /// `-c` on the file `a.cfg` of that directory.
    pub(crate) fn check(self, directory: &Path) -> Output {
        let mut command = self.command();
        command.args(["-c", "-f", "a.cfg"]).current_dir(directory);
        command.output().expect(MISSING)
    }
}

/// Said of a haproxy that cannot be started.
const MISSING: &str = "haproxy is installed: see tests/run.sh";

/// A running program with a listener and a log of its own. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    log: UdpSocket,
}

impl Running {
    /// `@BIND@` and `@LOG@` in the config become addresses.
    pub(crate) fn start(which: Which, config: &str) -> Running {
        Running::start_after("true", which, config)
    }

    /// After a command of a shell, which may set limits.
    pub(crate) fn start_after(command: &str, which: Which, config: &str) -> Running {
        let log = UdpSocket::bind("127.0.0.1:0").expect("a socket for the log");
        log.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        let port = free_port();
        let text = config
            .replace("@BIND@", &format!("127.0.0.1:{port}"))
            .replace("@LOG@", &log.local_addr().expect("an address").to_string());
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("a.cfg"), text).expect("a config");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{command}; exec \"$0\" -db -f a.cfg"));
        shell.arg(which.command().get_program()).current_dir(directory.path());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        let child = shell.spawn().expect(MISSING);
        let mut running = Running { child, port, log };
        running.await_listener(which);
        running
    }

    fn await_listener(&mut self, which: Which) {
        let until = Instant::now() + DEADLINE;
        // Looked up, not connected to: a connection would be the first of the series.
        let wanted = format!("0100007F:{:04X} 00000000:0000 0A", self.port);
        while !std::fs::read_to_string("/proc/net/tcp").expect("sockets").contains(&wanted) {
            assert!(self.child.try_wait().expect("a child").is_none(), "{which:?} did not start");
            assert!(Instant::now() < until, "{which:?} does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        client.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        client
    }

    /// The same from another of the addresses that this machine is known by.
    pub(crate) fn connect_from(&self, source: Ipv4Addr) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddrV4::new(source, 0).into()).expect("a loopback address");
        socket.connect(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port).into()).expect("a connection");
        socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        socket.into()
    }

    /// The next line as it was sent.
    pub(crate) fn raw_line(&self) -> String {
        let mut bytes = [0; 4096];
        let count = self.log.recv(&mut bytes).expect("a line of the log");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    /// The next line of a session: as it is but for what differs by nature (pid, moment, ports, times).
    pub(crate) fn log_line(&self) -> String {
        loop {
            let line = self.raw_line();
            let text = line.split_once("]: ").map_or(line.as_str(), |(_, text)| text);
            // Only older versions of HAProxy say so.
            if !text.ends_with("started.\n") {
                return shape(&line[..5], text);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // Ended already.
        let _ = self.child.wait();
    }
}

/// `<134> CLIENT [TIME] fe be/s 0/0/0 3 -- 1/1/0/0/0 0/0`: a time becomes `0` when it is one, and `-1`
/// otherwise; a port is left out.
fn shape(priority: &str, text: &str) -> String {
    let word = |word: &str| match word {
        _ if word.starts_with('[') => "[TIME]".to_owned(),
        _ if word.starts_with("127.0.0.1:") => "127.0.0.1".to_owned(),
        _ => word.to_owned(),
    };
    let mut words: Vec<String> = text.split_whitespace().map(word).collect();
    if let Some(times) = words.get_mut(4).filter(|times| times.matches('/').count() == 2) {
        let known = |time: &str| match time {
            "-1" => "-1",
            _ if time.starts_with('+') => "+0",
            _ => "0",
        };
        *times = times.split('/').map(known).collect::<Vec<_>>().join("/");
    }
    format!("{priority} {}", words.join(" "))
}

/// A port that refuses connections: below the range that tests and the kernel take theirs from.
pub(crate) const REFUSES: u16 = 1;
