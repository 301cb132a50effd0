//! Real redis-server and redis-sentinel processes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::client::Client;
use super::process::Process;
use super::{eventually, free_port};

const START: Duration = Duration::from_secs(40);

/// One redis-server.
#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    pub process: Process,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    /// A master without a password.
    pub fn master() -> Redis {
        Redis::with(&[])
    }

    /// A replica of `master`, in sync when this returns.
    pub fn replica_of(master: &Redis) -> Redis {
        let replica = Redis::with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        replica.wait_for_link();
        replica
    }

    /// A server with further options of its config.
    pub fn with(options: &[&str]) -> Redis {
        let port = free_port();
        let directory = TempDir::new().expect("a private directory");
        let mut arguments: Vec<String> = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]
            .iter()
            .chain(&[
                "--appendonly",
                "no",
                "--repl-diskless-sync-delay",
                "0",
                "--enable-debug-command",
                "yes",
            ])
            .map(|word| (*word).to_owned())
            .collect();
        arguments.extend(["--dir".to_owned(), directory.path().display().to_string()]);
        arguments.extend(options.iter().map(|word| (*word).to_owned()));
        let process = start("redis-server", &arguments, directory.path());
        let redis = Redis { port, process, directory, arguments };
        redis.wait_until_it_answers();
        redis
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again as it was first started, on the same port: a killed master comes back as a master.
    pub fn start_again(&mut self, without: &[&str]) {
        let mut arguments = self.arguments.clone();
        if let Some(at) = arguments.iter().position(|word| without.contains(&word.as_str())) {
            arguments.drain(at..at + 3);
        }
        self.process = start("redis-server", &arguments, self.directory.path());
        self.wait_until_it_answers();
    }

    /// One command, on a connection of its own.
    pub fn call(&self, arguments: &[&str]) -> String {
        let mut client = Client::connect(self.port).expect("redis-server accepts");
        client.call(arguments).unwrap_or_else(|error| format!("-{error}"))
    }

    /// A value of INFO.
    pub fn info(&self, field: &str) -> String {
        let text = self.call(&["INFO"]);
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_default().to_owned()
    }

    /// How many connections it has accepted from clients in all.
    pub fn connections_received(&self) -> u64 {
        self.info("total_connections_received").parse().expect("a number")
    }

    /// Whether no client has asked it for INFO in the last second.
    pub fn is_quiet(&self) -> bool {
        let clients = self.call(&["CLIENT", "LIST"]);
        let mut asking = clients.lines().filter(|line| line.contains(" cmd=info "));
        asking.all(|line| !line.contains(" idle=0 "))
    }

    fn wait_for_link(&self) {
        eventually("replication link", START, || (self.info("master_link_status") == "up").then_some(()));
    }

    fn wait_until_it_answers(&self) {
        eventually("redis-server's first answer", START, || {
            let mut client = Client::connect_within(self.port, Duration::from_millis(300)).ok()?;
            match client.call(&["PING"]) {
                Ok(_) => Some(()),
                Err(error) => error.to_string().starts_with("NOAUTH").then_some(()),
            }
        });
    }
}

/// Several redis-sentinel processes that watch one master under the name `mymaster`.
#[derive(Debug)]
pub struct Sentinels {
    pub ports: Vec<u16>,
    processes: Vec<(Process, TempDir)>,
}

impl Sentinels {
    /// `count` Sentinels that know each other and the replicas when this returns.
    pub fn watching(master: &Redis, replicas: usize, count: usize, down_after: Duration) -> Sentinels {
        Sentinels::watching_with(master, (replicas, count), down_after, "")
    }

    /// The same with further lines in their config.
    pub fn watching_with(
        master: &Redis,
        (replicas, count): (usize, usize),
        down_after: Duration,
        more: &str,
    ) -> Sentinels {
        let mut sentinels = Sentinels { ports: Vec::new(), processes: Vec::new() };
        for _ in 0..count {
            let port = free_port();
            let directory = TempDir::new().expect("a private directory");
            let config = directory.path().join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} {}\n\
                 sentinel down-after-milliseconds mymaster {}\nsentinel failover-timeout mymaster 2000\n{more}",
                directory.path().display(),
                master.port,
                count / 2 + 1,
                down_after.as_millis(),
            );
            std::fs::write(&config, text).expect("a config file");
            let process = start("redis-sentinel", &[config.display().to_string()], directory.path());
            sentinels.ports.push(port);
            sentinels.processes.push((process, directory));
        }
        for port in &sentinels.ports {
            eventually("Sentinels that know each other", START, || knows(*port, replicas, count - 1));
        }
        sentinels
    }

    /// Stops them in their tracks.
    pub fn pause(&self) {
        self.processes.iter().for_each(|(process, _)| process.signal("STOP"));
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.processes.iter().for_each(|(process, _)| process.signal("CONT"));
    }

    /// Has the first one fail its master over, though nothing is wrong with it.
    pub fn fail_over(&self) {
        eventually("a Sentinel that begins a failover", START, || {
            let mut client = Client::connect(self.ports[0]).ok()?;
            client.call(&["SENTINEL", "FAILOVER", "mymaster"]).ok()
        });
    }

    /// The port of the master that the first Sentinel names.
    pub fn master_port(&self) -> u16 {
        let mut client = Client::connect(self.ports[0]).expect("Sentinel accepts");
        let answer = client.call(&["SENTINEL", "get-master-addr-by-name", "mymaster"]).expect("an answer");
        answer.lines().nth(1).and_then(|port| port.parse().ok()).expect("a port")
    }
}

fn knows(port: u16, replicas: usize, others: usize) -> Option<()> {
    let mut client = Client::connect_within(port, Duration::from_millis(300)).ok()?;
    let answer = client.call(&["SENTINEL", "master", "mymaster"]).ok()?;
    let lines: Vec<&str> = answer.lines().collect();
    let value = |name: &str| {
        let at = lines.iter().position(|line| *line == name)?;
        lines.get(at + 1)?.parse::<usize>().ok()
    };
    (value("num-slaves")? == replicas && value("num-other-sentinels")? == others).then_some(())
}

fn start(program: &str, arguments: &[String], directory: &Path) -> Process {
    let log = std::fs::File::options().create(true).append(true).open(directory.join("log")).expect("a log");
    let errors = log.try_clone().expect("a second handle");
    Process::start(Command::new(program).args(arguments).stdin(Stdio::null()).stdout(log).stderr(errors))
}
