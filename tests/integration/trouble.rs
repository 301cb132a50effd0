//! Servers that answer their check with an error: named on the page and once in the log, without a secret.

use std::time::Duration;

use crate::harness::rolecall::{http, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// Has `server` checked until the log and the page name `error`; it is said once however often it is met.
fn named(server: &Redis, more: &str, error: &str) -> Rolecall {
    let (port, page) = (free_port(), free_port());
    let config =
        redis_config(port, &[server.port], more).replace("inter 100ms", "inter 20ms") + &stats_section(page);
    let rolecall = Rolecall::start(&config, page);
    seen(&rolecall, page, error);
    rolecall
}

fn seen(rolecall: &Rolecall, page: u16, error: &str) {
    let line = format!("refuses its check: {error}");
    eventually(error, SOON, || rolecall.output().contains(&line).then_some(()));
    eventually("the page", SOON, || http(page, "/", "").contains(error).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let output = rolecall.output();
    assert_eq!(output.matches(&line).count(), 1, "{output}");
}

/// In front of what `redis_config` asks.
fn login(password: &str) -> String {
    format!(
        "    tcp-check connect\n    tcp-check send \"AUTH {password}\\r\\n\"\n    tcp-check expect string +OK\n"
    )
}

#[test]
fn a_missing_and_a_wrong_password_are_named_and_not_shown() {
    let server = Redis::with(&["--requirepass", "right-secret"]);
    named(&server, "", "NOAUTH");
    let (port, page) = (free_port(), free_port());
    let config = redis_config(port, &[server.port], "")
        .replace("    tcp-check send PING", &format!("{}    tcp-check send PING", login("wrong-secret")))
        + &stats_section(page);
    let rolecall = Rolecall::start(&config, page);
    seen(&rolecall, page, "WRONGPASS");
    let told = rolecall.output() + &http(page, "/", "");
    assert!(!told.contains("wrong-secret") && !told.contains("right-secret"), "{told}");
}

#[test]
fn an_account_that_may_not_ask_is_named() {
    let server = Redis::master();
    server.call(&["ACL", "SETUSER", "default", "-info"]);
    named(&server, "", "NOPERM");
}

#[test]
fn a_script_that_never_ends_is_named() {
    let server = Redis::with(&["--busy-reply-threshold", "50"]);
    let mut client = Client::connect(server.port).expect("redis accepts");
    client.send(&["EVAL", "while true do end", "0"]).expect("the script is sent");
    eventually("BUSY", SOON, || server.call(&["PING"]).contains("BUSY").then_some(()));
    named(&server, "", "BUSY");
    server.call(&["SCRIPT", "KILL"]);
}

#[test]
fn a_server_that_cannot_save_is_named() {
    let server = Redis::with(&["--enable-protected-configs", "yes"]);
    server.call(&["CONFIG", "SET", "save", "3600 1"]);
    let gone = tempfile::tempdir().expect("a directory");
    server.call(&["CONFIG", "SET", "dir", &gone.path().display().to_string()]);
    drop(gone);
    server.call(&["SET", "a", "1"]);
    server.call(&["BGSAVE"]);
    eventually("MISCONF", SOON, || server.call(&["PING"]).contains("MISCONF").then_some(()));
    named(&server, "", "MISCONF");
}

#[test]
fn a_server_that_loads_is_named() {
    let server =
        Redis::with(&["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]);
    server.call(&["DEBUG", "POPULATE", "8000"]);
    let mut client = Client::connect(server.port).expect("redis accepts");
    client.send(&["DEBUG", "RELOAD"]).expect("the command is sent");
    eventually("LOADING", SOON, || server.call(&["PING"]).contains("LOADING").then_some(()));
    named(&server, "", "LOADING");
}

#[test]
fn a_replica_that_serves_nothing_stale_is_named() {
    let mut master = Redis::master();
    let replica = Redis::with(&[
        "--replica-serve-stale-data",
        "no",
        "--replicaof",
        "127.0.0.1",
        &master.port.to_string(),
    ]);
    master.kill();
    eventually("MASTERDOWN", SOON, || replica.call(&["PING"]).contains("MASTERDOWN").then_some(()));
    named(&replica, "    option redis-replica\n", "MASTERDOWN");
}
