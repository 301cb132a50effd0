//! What is measured: a program with a config. The configs differ in nothing but what their names say.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::rolecall::PROGRAM;
use crate::harness::{eventually, free_port};
use crate::topology::PASSWORD;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The published config, adapted in its addresses only.
    Rolecall,
    /// The same with a `sentinels` section.
    RolecallSection,
    /// The published config with `inter 100ms`.
    RolecallTuned,
    /// The published config.
    Haproxy,
    /// Fast checks that fall and rise at once, and sessions that end when their server goes down.
    HaproxyTuned,
}

/// A running subject.
#[derive(Debug)]
pub struct Balancer {
    pub port: u16,
    pub process: Process,
    /// Holds the config, and what it printed.
    directory: TempDir,
}

impl Balancer {
    /// The course of the failover in its own words, if it has any.
    pub fn tell_course(&self) {
        let output = std::fs::read_to_string(self.directory.path().join("output")).unwrap_or_default();
        output
            .lines()
            .filter(|line| line.contains(" took over from "))
            .for_each(|line| eprintln!("  {line}"));
    }
}

impl Subject {
    /// Those that can run here.
    pub fn present() -> Vec<Subject> {
        let haproxy = Command::new("haproxy").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if haproxy.is_err() {
            eprintln!("haproxy is not installed: only rolecall is measured");
            return vec![Subject::Rolecall, Subject::RolecallSection, Subject::RolecallTuned];
        }
        vec![
            Subject::Rolecall,
            Subject::RolecallSection,
            Subject::RolecallTuned,
            Subject::Haproxy,
            Subject::HaproxyTuned,
        ]
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Subject::Rolecall => "rolecall, the published config",
            Subject::RolecallSection => "rolecall, with a `sentinels` section",
            Subject::RolecallTuned => "rolecall, `inter 100ms`",
            Subject::Haproxy => "haproxy, the published config",
            Subject::HaproxyTuned => "haproxy, best tuned",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Subject::Rolecall => "rolecall",
            Subject::RolecallSection => "rolecall-sentinels",
            Subject::RolecallTuned => "rolecall-tuned",
            Subject::Haproxy => "haproxy",
            Subject::HaproxyTuned => "haproxy-tuned",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Subject::Rolecall | Subject::RolecallSection | Subject::RolecallTuned => PROGRAM,
            Subject::Haproxy | Subject::HaproxyTuned => "haproxy",
        }
    }

    /// Starts it in front of `servers`, which `sentinels` watch; it accepts when this returns.
    pub fn start(self, servers: &[u16], sentinels: &[u16]) -> Balancer {
        let (port, directory) = (free_port(), TempDir::new().expect("a private directory"));
        let path = directory.path().join("haproxy.cfg");
        std::fs::write(&path, self.config(port, (servers, sentinels))).expect("a config file");
        let output = std::fs::File::create(directory.path().join("output")).expect("an output file");
        let errors = output.try_clone().expect("a second handle");
        let mut command = Command::new(self.program());
        command.arg("-db").arg("-f").arg(&path).stdin(Stdio::null()).stdout(output).stderr(errors);
        if matches!(self, Subject::Haproxy | Subject::HaproxyTuned) {
            // Its only way to reload without a service manager.
            command.arg("-W");
        }
        let process = Process::start(&mut command);
        eventually("the balancer's listener", Duration::from_secs(15), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Balancer { port, process, directory }
    }

    /// Asks a running one to take its config again.
    pub fn reload(self, balancer: &Balancer) {
        balancer.process.signal("USR2");
    }

    fn config(self, port: u16, (servers, sentinels): (&[u16], &[u16])) -> String {
        let server = match self {
            Subject::Rolecall | Subject::RolecallSection | Subject::Haproxy => "check inter 1s",
            Subject::RolecallTuned => "check inter 100ms",
            Subject::HaproxyTuned => {
                "check inter 100ms fastinter 50ms rise 1 fall 1 on-marked-down shutdown-sessions"
            }
        };
        let mut text = format!(
            "global\n    maxconn 4096\n\
             defaults\n    mode tcp\n    retries 3\n    option redispatch\n    maxconn 2000\n\
             \x20   timeout connect 2s\n    timeout client 120s\n    timeout server 120s\n\
             frontend redis\n    bind 127.0.0.1:{port}\n    default_backend redis_backend\n\
             backend redis_backend\n    option tcp-check\n\
             \x20   tcp-check send AUTH\\ {PASSWORD}\\r\\n\n    tcp-check expect string +OK\n\
             \x20   tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n\
             \x20   tcp-check send INFO\\ REPLICATION\\r\\n\n    tcp-check expect string role:master\n\
             \x20   tcp-check send QUIT\\r\\n\n    tcp-check expect string +OK\n"
        );
        for (at, address) in servers.iter().enumerate() {
            text.push_str(&format!("    server redis{} 127.0.0.1:{address} {server}\n", at + 1));
        }
        if self == Subject::RolecallSection {
            text.push_str("sentinels watchers\n    master mymaster\n");
            for (at, port) in sentinels.iter().enumerate() {
                text.push_str(&format!("    sentinel s{at} 127.0.0.1:{port}\n"));
            }
        }
        text
    }
}
