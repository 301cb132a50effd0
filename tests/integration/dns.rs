//! `resolvers` with real Redis servers on loopback addresses of their own and a name server that says what the
//! test wants.

use std::time::Duration;

use crate::harness::rolecall::{ask, csv_field, stats_section};
use crate::harness::{Client, FakeDns, Redis, Rolecall, Say, eventually, free_port};

const LONG: Duration = Duration::from_secs(30);

/// A frontend and a backend with a role check; `lines` are its servers, `section` is in `resolvers dns`.
fn config(port: u16, dns: &FakeDns, section: &str, lines: &str) -> String {
    format!(
        "global\n    stats socket SOCKET level admin\n\
         defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
         resolvers dns\n    nameserver ns1 127.0.0.1:{}\n    timeout resolve 50ms\n    timeout retry 300ms\n    {section}\n\
         listen redis\n    bind 127.0.0.1:{port}\n    option tcp-check\n    tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n\
         \x20   tcp-check send INFO\\ REPLICATION\\r\\n\n    tcp-check expect string role:master\n{lines}",
        dns.port
    )
}

fn start(config: &str, port: u16) -> Rolecall {
    let directory = tempfile::TempDir::new().expect("a private directory");
    let socket = directory.keep().join("s");
    let rolecall = Rolecall::start(&config.replace("SOCKET", &socket.display().to_string()), port);
    std::os::unix::fs::symlink(&socket, rolecall.directory.path().join("s")).expect("a link");
    rolecall
}

fn told(rolecall: &Rolecall, command: &str) -> String {
    ask(&rolecall.directory.path().join("s"), command)
}

/// A master and a second one on other loopback addresses, with one port.
fn two_masters() -> (Redis, Redis) {
    let first = Redis::with(&["--bind", "127.0.0.1", "127.0.0.2"]);
    let port = first.port.to_string();
    // The later of two options counts.
    let second = Redis::on("127.0.0.3", &["--port", &port]);
    (first, second)
}

/// The run id of whoever serves a new client on `port`.
fn served_by(port: u16) -> Option<String> {
    let info = Client::connect(port).ok()?.call(&["INFO", "server"]).ok()?;
    info.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned())
}

fn wait_until_served_by(port: u16, redis: &Redis) {
    let id = redis.info("run_id");
    eventually("a client of that server", LONG, || (served_by(port)? == id.trim()).then_some(()));
}
