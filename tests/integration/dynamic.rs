//! Servers that come and go while rolecall runs: `add server`, `del server`.

use std::path::PathBuf;
use std::time::Duration;

use crate::harness::rolecall::{ask, redis_config};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

struct Stage {
    rolecall: Rolecall,
    port: u16,
    config: String,
    directory: tempfile::TempDir,
}

impl Stage {
    fn new(config: impl Fn(u16) -> String) -> Stage {
        let (port, directory) = (free_port(), tempfile::tempdir().expect("a directory"));
        let socket = format!("global\n    stats socket {}/s level admin\n", directory.path().display());
        let config = config(port).replacen("global\n", &socket, 1);
        Stage { rolecall: Rolecall::start(&config, port), port, config, directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn ask(&self, line: &str) -> String {
        ask(&self.socket(), line)
    }

    /// Which server a new client gets; `None` if it is let go.
    fn served_by(&self) -> Option<u16> {
        let mut client = Client::connect_within(self.port, SOON).expect("the frontend accepts");
        client.server_port().ok()
    }
}

/// A backend that asks for the role, with no server that lives.
fn roles(port: u16) -> String {
    redis_config(port, &[], "    option redis-hold 200ms\n")
}

#[test]
fn a_server_that_is_added_proves_itself_before_any_client() {
    let stage = Stage::new(roles);
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    for (name, redis) in [("r", &replica), ("m", &master)] {
        let line = format!("add server redis_backend/{name} 127.0.0.1:{} check inter 50ms", redis.port);
        assert_eq!(stage.ask(&line), "New server registered.\n\n");
    }
    // In maintenance, then in service and not checked: nobody has proved anything.
    assert_eq!(stage.served_by(), None);
    assert_eq!(stage.ask("enable server redis_backend/r;enable server redis_backend/m"), "\n\n");
    assert_eq!(stage.served_by(), None);
    assert_eq!(stage.ask("enable health redis_backend/r;enable health redis_backend/m"), "\n\n");
    eventually("the master proves itself", SOON, || (stage.served_by() == Some(master.port)).then_some(()));
    for _ in 0..10 {
        assert_eq!(stage.served_by(), Some(master.port), "a replica gets nobody");
    }
    assert_eq!(stage.ask("del server redis_backend/m"), "Only servers in maintenance mode can be deleted.\n");
}

#[test]
fn a_server_without_a_check_gets_no_client_where_proof_is_asked_for() {
    let stage = Stage::new(roles);
    let master = Redis::master();
    stage.ask(&format!("add server redis_backend/m 127.0.0.1:{} enabled", master.port));
    assert_eq!(stage.served_by(), None);
}

#[test]
fn a_reload_forgets_what_the_files_do_not_have_and_takes_over_the_rest() {
    let stage = Stage::new(roles);
    let master = Redis::master();
    let other = Redis::master();
    let add = |name: &str, redis: &Redis| {
        let line = format!("add server redis_backend/{name} 127.0.0.1:{} check inter 50ms", redis.port);
        assert_eq!(stage.ask(&line), "New server registered.\n\n");
    };
    add("m", &master);
    add("o", &other);
    stage.ask("enable server redis_backend/m; enable health redis_backend/m");
    eventually("a master", SOON, || (stage.served_by() == Some(master.port)).then_some(()));
    let mut client = Client::connect_within(stage.port, SOON).expect("the frontend accepts");
    assert_eq!(client.server_port().expect("an answer"), master.port);

    let line = format!("    server m 127.0.0.1:{} check inter 50ms\n", master.port);
    stage.rolecall.reload(&format!("{}{line}", stage.config));
    eventually("the reload", SOON, || {
        stage.ask("del server redis_backend/o").starts_with("No such server.").then_some(())
    });
    assert_eq!(stage.served_by(), Some(master.port), "what was proved goes on");
    assert_eq!(client.server_port().expect("the session goes on"), master.port);

    // One that was never enabled starts as the files say.
    add("o", &other);
    let line = format!("    server o 127.0.0.1:{} check inter 50ms\n", other.port);
    stage.rolecall.reload(&format!("{}{line}", stage.config));
    eventually("the new master", SOON, || (stage.served_by() == Some(other.port)).then_some(()));
}

/// Three servers that are not checked, and a rule that names the last one.
fn plain(servers: &[Redis]) -> impl Fn(u16) -> String {
    let ports: Vec<u16> = servers.iter().map(|redis| redis.port).collect();
    move |port| {
        let lines = ports.iter().enumerate();
        let lines: String = lines.map(|(at, to)| format!("    server s{at} 127.0.0.1:{to}\n")).collect();
        format!(
            "global\ndefaults\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
             frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\n\
             backend b\n    use-server s2 if {{ always_true }}\n{lines}"
        )
    }
}

#[test]
fn a_server_goes_once_nobody_is_at_it_and_rules_still_find_the_others() {
    let servers = [Redis::master(), Redis::master(), Redis::master()];
    let stage = Stage::new(plain(&servers));
    let pointed =
        "This server cannot be removed at runtime due to other configuration elements pointing to it.\n";
    assert_eq!(stage.ask("disable server b/s2; del server b/s2"), format!("\n{pointed}"));
    let mut clients: Vec<Client> =
        (0..2).map(|_| Client::connect_within(stage.port, SOON).expect("the frontend accepts")).collect();
    let mut at: Vec<u16> = clients.iter_mut().map(|c| c.server_port().expect("an answer")).collect();
    at.sort_unstable();
    let mut expected = [servers[0].port, servers[1].port];
    expected.sort_unstable();
    assert_eq!(at, expected);
    let attached = "Server still has connections attached to it, cannot remove it.\n";
    assert_eq!(stage.ask("disable server b/s0; del server b/s0"), format!("\n{attached}"));
    drop(clients);
    eventually("nobody is at it", SOON, || {
        (stage.ask("del server b/s0") == "Server deleted.\n").then_some(())
    });
    stage.ask("enable server b/s2");
    for _ in 0..4 {
        assert_eq!(stage.served_by(), Some(servers[2].port), "the rule means the same server");
    }
    assert_eq!(stage.ask("del server b/s0"), "No such server.\n");
    assert_eq!(
        stage.ask(&format!("add server b/s0 127.0.0.1:{} enabled", servers[0].port)),
        "New server registered.\n\n"
    );
    let state = stage.ask("show servers state b");
    let line = state.lines().find(|line| line.contains(" s0 ")).expect("its line").to_owned();
    assert!(line.contains(" b 1 s0 127.0.0.1 2 0 "), "its number is given again: {line}");
}
