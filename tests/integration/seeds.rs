//! The two configs the project was asked to take as they are.

use std::time::Duration;

use crate::harness::process::{alive, signal_pid, status_field};
use crate::harness::rolecall::{check, csv_field, http, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const REDIS_HA: &str = include_str!("../fixtures/config/redis-ha.cfg");
const OLD_HTTP: &str = include_str!("../fixtures/config/twemproxy.cfg");

#[test]
fn the_redis_config_is_valid_as_it_stands() {
    let (code, text) = check(REDIS_HA);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Configuration file is valid"), "{text}");
    assert!(!text.contains("my-redis-password"), "a secret is shown: {text}");
}

#[test]
fn the_old_config_is_valid_and_every_lost_line_is_named() {
    let (code, text) = check(OLD_HTTP);
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = OLD_HTTP.lines().collect();
    let lost = ["mode http", "httplog", "httpclose", "forwardfor", "nbproc", "web_proxy 127", "web1", "web2"];
    for (number, line) in
        lines.iter().enumerate().filter(|(_, line)| lost.iter().any(|word| line.contains(word)))
    {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let place = format!("haproxy.cfg:{}]", number + 1);
        assert!(text.contains(&place), "no warning for line {}: {line}\n{text}", number + 1);
    }
    for word in ["mode http", "cookie", "httpclose", "forwardfor"] {
        assert!(text.contains(word), "{word} is not named:\n{text}");
    }
    assert!(!text.contains("admin:admin"), "a secret is shown: {text}");
}

#[test]
fn the_redis_config_runs_as_root_with_chroot_user_and_daemon() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test starts a daemon that drops root: run the tests as root"
    );
    let master = Redis::with(&["--requirepass", "my-redis-password", "--masterauth", "my-redis-password"]);
    let replica = Redis::with(&[
        "--replicaof",
        "127.0.0.1",
        &master.port.to_string(),
        "--requirepass",
        "my-redis-password",
        "--masterauth",
        "my-redis-password",
    ]);
    let (port, second, page) = (free_port(), free_port(), free_port());
    let jail = tempfile::TempDir::new().expect("a private directory");
    let pidfile = jail.path().join("pid");
    let config = REDIS_HA
        .replace("192.168.1.21:6379", &format!("127.0.0.1:{}", replica.port))
        .replace("192.168.1.22:6379", &format!("127.0.0.1:{}", master.port))
        .replace("bind :6379", &format!("bind 127.0.0.1:{port}"))
        .replace("/var/lib/haproxy", &jail.path().display().to_string())
        .replace("daemon\n", &format!("daemon\npidfile {}\n", pidfile.display()))
        + &stats_section(page);
    let mut starter = Rolecall::spawn(&config, &[]);
    assert!(starter.process.wait(Duration::from_secs(30)).success(), "{}", starter.output());

    let parent: u32 = std::fs::read_to_string(&pidfile).expect("a pid file").trim().parse().expect("a pid");
    let stop = StopDaemon(parent);
    let worker = eventually("a worker", Duration::from_secs(30), || child_of(parent));
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten().expect("the user nobody").uid;
    assert_eq!(status_field(worker, "Uid").split_whitespace().next(), Some(nobody.to_string().as_str()));
    assert_eq!(
        std::fs::read_link(format!("/proc/{worker}/root")).expect("a root"),
        jail.path().canonicalize().expect("a path")
    );
    let mut client = Client::connect(port).expect("the frontend accepts");
    assert_eq!(client.call(&["AUTH", "my-redis-password"]).expect("a reply"), "OK");
    assert_eq!(client.server_port().expect("a port"), master.port);

    let bind = format!("bind 127.0.0.1:{port}");
    std::fs::write(starter.config_path(), config.replace(&bind, &format!("{bind}\nbind 127.0.0.1:{second}")))
        .expect("a config file");
    signal_pid(parent, "HUP");
    starter.wait_for_port(second);
    assert_eq!(client.call(&["PING"]).expect("the old session lives on"), "PONG");
    assert_eq!(child_of(parent), Some(worker), "a reload keeps the worker");
    assert_eq!(csv_field(page, "redis_backend", "redis2", "status").as_deref(), Some("UP"));
    assert!(!http(page, "/", "").contains("my-redis-password"));
    drop(stop);
    eventually("the end of parent and worker", Duration::from_secs(30), || {
        (!alive(parent) && !alive(worker)).then_some(())
    });
}

struct StopDaemon(u32);

impl Drop for StopDaemon {
    fn drop(&mut self) {
        if alive(self.0) {
            signal_pid(self.0, "TERM");
        }
    }
}

fn child_of(parent: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}
