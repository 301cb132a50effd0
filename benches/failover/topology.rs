//! Real servers with a password, and the Sentinels that watch them, each run its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::{Client, eventually, free_port};

/// Of the published config.
pub const PASSWORD: &str = "my-redis-password";

const START: Duration = Duration::from_secs(20);

/// One redis-server.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    pub process: Process,
    directory: TempDir,
}

/// A master, replicas in sync, and Sentinels that know all of them.
#[derive(Debug)]
pub struct Topology {
    /// The first one is master at the start.
    pub servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Server {
    fn start(port: u16, master: Option<u16>) -> Server {
        let directory = TempDir::new().expect("a private directory");
        let process = redis_server(port, master, directory.path());
        let server = Server { port, process, directory };
        eventually("redis-server's first answer", START, || server.ask(&["PING"]));
        server
    }

    /// Starts it again on its port, as a master that nobody told anything.
    pub fn start_again(&mut self) {
        self.process = redis_server(self.port, None, self.directory.path());
        eventually("redis-server's first answer", START, || self.ask(&["PING"]));
    }

    /// One command on a connection of its own; `None` if it fails.
    pub fn ask(&self, command: &[&str]) -> Option<String> {
        let mut client = client(self.port, Duration::from_millis(500))?;
        client.call(command).ok()
    }

    /// `role:` of INFO replication.
    pub fn is_master(&self) -> bool {
        self.ask(&["ROLE"]).is_some_and(|role| role.starts_with("master"))
    }
}

impl Topology {
    /// `replicas` and `sentinels`; a master counts as down after one second.
    pub fn start(replicas: usize, sentinels: usize) -> Topology {
        let master = Server::start(free_port(), None);
        let mut servers = vec![master];
        for _ in 0..replicas {
            servers.push(Server::start(free_port(), Some(servers[0].port)));
        }
        for replica in &servers[1..] {
            eventually("replication", START, || {
                replica.ask(&["INFO", "replication"]).filter(|info| info.contains("master_link_status:up"))
            });
        }
        let mut topology = Topology { servers, sentinels: Vec::new() };
        for _ in 0..sentinels {
            let started = sentinel(topology.servers[0].port, sentinels / 2 + 1);
            topology.sentinels.push(started);
        }
        for started in &topology.sentinels {
            eventually("Sentinels that know each other", START, || {
                knows(started.port, replicas, sentinels - 1)
            });
        }
        topology
    }

    pub fn ports(&self) -> Vec<u16> {
        self.servers.iter().map(|server| server.port).collect()
    }

    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(|sentinel| sentinel.port).collect()
    }

    /// Has the first Sentinel fail the master over.
    pub fn fail_over(&self) {
        let mut client = Client::connect(self.sentinels[0].port).expect("Sentinel accepts");
        client.call(&["SENTINEL", "FAILOVER", "mymaster"]).expect("Sentinel agrees");
    }

    /// Stops the Sentinels in their tracks.
    pub fn pause_sentinels(&self) {
        self.sentinels.iter().for_each(|sentinel| sentinel.process.signal("STOP"));
    }

    /// The port that every Sentinel names, once they agree.
    pub fn agreed_master(&self) -> Option<u16> {
        let named = |sentinel: &Server| {
            let mut client = Client::connect_within(sentinel.port, Duration::from_millis(500)).ok()?;
            let answer = client.call(&["SENTINEL", "get-master-addr-by-name", "mymaster"]).ok()?;
            answer.lines().nth(1)?.parse::<u16>().ok()
        };
        let mut names = self.sentinels.iter().map(named);
        let first = names.next()??;
        names.all(|name| name == Some(first)).then_some(first)
    }

    /// Returns once every server but the agreed master follows it: then nothing more will be thrown away.
    pub fn settle(&self) -> u16 {
        eventually("a settled replication", Duration::from_secs(60), || {
            let master = self.agreed_master()?;
            let follows = |server: &Server| {
                let info = server.ask(&["INFO", "replication"]);
                info.is_none_or(|info| {
                    info.contains(&format!("master_port:{master}")) && info.contains("master_link_status:up")
                })
            };
            let others = self.servers.iter().filter(|server| server.port != master);
            let heads = self.servers.iter().any(|server| server.port == master && server.is_master());
            (heads && others.into_iter().all(follows)).then_some(master)
        })
    }
}

/// A logged-in connection, to a server or through a balancer.
pub fn client(port: u16, limit: Duration) -> Option<Client> {
    let mut client = Client::connect_within(port, limit).ok()?;
    client.call(&["AUTH", PASSWORD]).ok()?;
    Some(client)
}

fn redis_server(port: u16, master: Option<u16>, directory: &Path) -> Process {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"]);
    command.arg("--dir").arg(directory);
    if let Some(master) = master {
        command.args(["--replicaof", "127.0.0.1", &master.to_string()]);
    }
    Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

fn sentinel(master: u16, quorum: usize) -> Server {
    let (port, directory) = (free_port(), TempDir::new().expect("a private directory"));
    let path = directory.path().join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {master} {quorum}\n\
         sentinel auth-pass mymaster {PASSWORD}\nsentinel down-after-milliseconds mymaster 1000\n\
         sentinel failover-timeout mymaster 10000\n",
        directory.path().display(),
    );
    std::fs::write(&path, text).expect("a config file");
    let mut command = Command::new("redis-sentinel");
    command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Server { port, process: Process::start(&mut command), directory }
}

fn knows(port: u16, replicas: usize, others: usize) -> Option<()> {
    let mut client = Client::connect_within(port, Duration::from_millis(300)).ok()?;
    let answer = client.call(&["SENTINEL", "MASTER", "mymaster"]).ok()?;
    let lines: Vec<&str> = answer.lines().collect();
    let value = |name: &str| {
        let at = lines.iter().position(|line| *line == name)?;
        lines.get(at + 1)?.parse::<usize>().ok()
    };
    (value("num-slaves")? == replicas && value("num-other-sentinels")? == others).then_some(())
}
