//! The runtime socket of the real program: what tools send, over a unix socket and over TCP, and that it has its
//! effect at once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::process::status_field;
use crate::harness::rolecall::{ask, check, redis_config};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// A server that says its name to whoever connects, and closes after its client.
fn greeter(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // A client that is gone already hears nothing.
                let _ = stream.write_all(name.as_bytes());
                while let Ok(1..) = stream.read(&mut [0; 64]) {}
            });
        }
    });
    port
}

struct Guest(TcpStream);

impl Guest {
    fn come(port: u16) -> Guest {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the frontend accepts");
        stream.set_read_timeout(Some(SOON)).expect("a time limit");
        Guest(stream)
    }

    /// Who serves it; empty if it was let go.
    fn host(&mut self) -> String {
        let mut name = [0; 1];
        match self.0.read(&mut name) {
            Ok(1) => char::from(name[0]).to_string(),
            _ => String::new(),
        }
    }
}

fn host(port: u16) -> String {
    Guest::come(port).host()
}

struct Stage {
    rolecall: Rolecall,
    port: u16,
    config: String,
}

impl Stage {
    /// Servers `a` and `b`, without checks; `@DIR@` in the config is a private directory.
    fn new(global: &str, servers: &str) -> Stage {
        let port = free_port();
        let directory = tempfile::tempdir().expect("a directory").keep();
        let directory = directory.display().to_string();
        let servers =
            servers.replace("@A@", &greeter("a").to_string()).replace("@B@", &greeter("b").to_string());
        let config = format!(
            "global\n    stats socket {directory}/s mode 600 level admin\n{global}defaults\n    timeout connect 2s\n    \
             timeout client 60s\n    timeout server 60s\n    timeout queue 60s\nfrontend fe\n    bind 127.0.0.1:{port}\n    \
             default_backend be\nbackend be\n{servers}"
        )
        .replace("@DIR@", &directory);
        let stage = Stage { rolecall: Rolecall::start(&config, port), port, config };
        // The frontends' sockets are bound before the others, and the connection that looked is a session.
        eventually("the runtime socket", SOON, || {
            UnixStream::connect(format!("{}/s", stage.directory())).ok()?;
            (stage.ask("show sess") == "\n").then_some(())
        });
        stage
    }

    fn directory(&self) -> String {
        let rest = self.config.split("stats socket ").nth(1).expect("a socket");
        rest.split("/s ").next().expect("its directory").to_owned()
    }

    fn ask(&self, line: &str) -> String {
        ask(Path::new(&format!("{}/s", self.directory())), line)
    }

    /// A column of `show servers state`.
    fn state(&self, server: &str, column: usize) -> String {
        let text = self.ask("show servers state be");
        let line =
            text.lines().find(|line| line.split(' ').nth(3) == Some(server)).expect("the server's line");
        line.split(' ').nth(column).expect("the column").to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.directory());
    }
}

const TWO: &str = "    server a 127.0.0.1:@A@\n    server b 127.0.0.1:@B@\n";

#[test]
fn tools_get_their_answers_over_unix_and_tcp() {
    let tcp = free_port();
    let more = format!("    stats socket ipv4@127.0.0.1:{tcp} level operator\n    stats timeout 1m\n");
    let stage = Stage::new(&more, TWO);
    let both = stage.ask("show info;show stat");
    assert!(both.starts_with("Name: HAProxy\nVersion: 2.6.12"), "{both}");
    assert!(both.contains("\n\n# pxname,svname,") && both.ends_with(",\n\n"), "{both}");
    assert_eq!(stage.ask("show stat be 4 1").lines().count(), 3, "header, one server, the empty line");
    assert_eq!(stage.ask("show cli level"), "admin\n\n");
    let sockets = stage.ask("show cli sockets");
    assert!(sockets.contains(&format!("unix@{}/s admin all\n", stage.directory())), "{sockets}");
    assert!(sockets.contains(&format!("ipv4@127.0.0.1:{tcp} operator all\n")), "{sockets}");
    let json: serde_json::Value = serde_json::from_str(&stage.ask("show stat json")).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(4));

    let mut operator = TcpStream::connect(("127.0.0.1", tcp)).expect("the TCP socket accepts");
    operator.set_read_timeout(Some(SOON)).expect("a time limit");
    operator.write_all(b"prompt\nshow cli level;disable server be/a\nquit\n").expect("sent");
    let mut answer = String::new();
    operator.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "\n> operator\n\n> Permission denied\n\n> ");
    let mode = std::fs::metadata(format!("{}/s", stage.directory())).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn states_and_weights_act_at_once_and_survive_a_reload() {
    let stage = Stage::new("", TWO);
    assert_eq!(stage.ask("set server be/a state maint"), "\n");
    assert_eq!([host(stage.port), host(stage.port)], ["b", "b"]);
    assert_eq!([stage.state("a", 5), stage.state("a", 6)], ["0", "1"]);
    stage.ask("set server be/b weight 7");
    stage.rolecall.reload(&stage.config.replace("timeout queue 60s", "timeout queue 50s"));
    stage.rolecall.wait_for_output("Loading success.");
    assert_eq!(stage.state("a", 6), "1");
    assert_eq!(stage.ask("get weight be/b"), "7 (initial 1)\n\n");
    stage.ask("set server be/a state ready;set server be/b state drain");
    assert_eq!([host(stage.port), host(stage.port)], ["a", "a"]);
    stage.ask("set server be/b state ready;set server be/a weight 0%");
    assert_eq!([host(stage.port), host(stage.port)], ["b", "b"]);
    stage.ask("set server be/a weight 100%;set server be/b health down");
    assert_eq!([host(stage.port), host(stage.port)], ["a", "a"]);
    for text in [
        "Server be/a is going DOWN for maintenance. 1 active and 0 backup servers left.",
        "Server be/a is UP/READY (leaving forced maintenance).",
        "Server be/b enters drain state.",
        "Server be/b is UP (leaving forced drain).",
        "Server be/b is DOWN, changed from CLI.",
    ] {
        stage.rolecall.wait_for_output(text);
    }
}

#[test]
fn sessions_are_listed_ended_and_granted_places() {
    let stage = Stage::new("", "    server a 127.0.0.1:@A@ maxconn 1\n");
    let mut first = Guest::come(stage.port);
    assert_eq!(first.host(), "a");
    let mut second = Guest::come(stage.port);
    let list = eventually("both sessions", SOON, || {
        let list = stage.ask("show sess");
        (list.matches(" fe=fe be=be ").count() == 2).then_some(list)
    });
    assert!(list.contains(" srv=a ") && list.contains(" srv=<none> "), "{list}");
    assert_eq!(stage.ask("set maxconn server be/a 2"), "\n");
    assert_eq!(second.host(), "a", "a place was granted");
    let list = stage.ask("show sess");
    let id = list.split(':').next().expect("an id").to_owned();
    assert!(stage.ask(&format!("show sess {id}")).contains("state=EST"), "{list}");
    assert_eq!(stage.ask(&format!("shutdown session {id}")), "\n");
    assert_eq!(first.host(), "", "the oldest is ended");
    assert_eq!(stage.ask(&format!("shutdown session {id}")), "No such session (use 'show sess').\n\n");
    assert_eq!(stage.ask("shutdown sessions server be/a"), "\n");
    assert_eq!(second.host(), "");
    stage.ask("clear counters all");
    assert!(stage.ask("show stat be 4 1").contains("\nbe,a,0,0,0,0,2,0,0,0,"), "counters begin anew");
}

#[test]
fn a_server_moves_and_its_old_sessions_can_be_ended() {
    let stage = Stage::new("", "    server s 127.0.0.1:@A@\n");
    let mut old = Guest::come(stage.port);
    assert_eq!(old.host(), "a");
    let other = greeter("c");
    let said = stage.ask(&format!("set server be/s addr 127.0.0.1 port {other}"));
    assert!(said.starts_with("no need to change the addr, port changed from '"), "{said}");
    assert_eq!(host(stage.port), "c");
    stage.ask("shutdown sessions server be/s");
    assert_eq!(old.host(), "", "sessions on the old address are the server's too");
}

#[test]
fn a_frontend_pauses_and_goes_on() {
    let stage = Stage::new("", TWO);
    assert_eq!(stage.ask("disable frontend fe"), "\n");
    eventually("refused clients", SOON, || TcpStream::connect(("127.0.0.1", stage.port)).err());
    assert!(stage.ask("show stat fe 1 -1").contains(",PAUSED,"));
    assert_eq!(stage.ask("disable frontend fe"), "All sockets are already disabled.\n\n");
    assert_eq!(stage.ask("enable frontend fe"), "\n");
    assert!(["a", "b"].contains(&host(stage.port).as_str()));
    assert_eq!(stage.ask("shutdown frontend fe"), "\n");
    eventually("refused clients", SOON, || TcpStream::connect(("127.0.0.1", stage.port)).err());
    assert!(stage.ask("show stat fe 1 -1").contains(",STOP,"));
    assert_eq!(stage.ask("enable frontend fe"), "Frontend was previously shut down, cannot enable.\n\n");
    stage.rolecall.reload(&stage.config);
    stage.rolecall.wait_for_port(stage.port);
}

#[test]
fn who_says_or_takes_nothing_is_let_go_and_clients_are_bounded() {
    let stage = Stage::new("    stats timeout 300ms\n    stats maxconn 2\n", TWO);
    let path = format!("{}/s", stage.directory());
    let mut silent = UnixStream::connect(&path).expect("accepted");
    silent.set_read_timeout(Some(SOON)).expect("a time limit");
    let began = Instant::now();
    assert_eq!(silent.read(&mut [0; 8]).expect("the end"), 0);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());

    let memory = stage.rolecall.resident_kib();
    let mut greedy = UnixStream::connect(&path).expect("accepted");
    greedy.write_all(format!("prompt\n{}", "show stat typed\n".repeat(500)).as_bytes()).expect("sent");
    let also = UnixStream::connect(&path).expect("accepted");
    // Both places are taken: the third waits until the silent ones are let go.
    assert!(stage.ask("show version").starts_with("2.6.12"));
    assert!(stage.rolecall.resident_kib() < memory + 8192, "an answer that nobody reads takes no memory");
    drop((greedy, also));
}

#[test]
fn a_reload_keeps_opens_and_removes_sockets() {
    let stage = Stage::new("    stats socket @DIR@/dropped level admin\n", TWO);
    let directory = stage.directory();
    let inode = std::fs::metadata(format!("{directory}/s")).expect("the file").ino();
    let dropped = format!("{directory}/dropped");
    let line = format!("    stats socket {dropped} level admin\n");
    let other = format!("    stats socket {directory}/new level user\n    stats maxconn 3\n");
    let mut talking = UnixStream::connect(format!("{directory}/s")).expect("accepted");
    talking.write_all(b"prompt\n").expect("sent");
    stage.rolecall.reload(&stage.config.replace(&line, &other));
    eventually("the new socket", SOON, || UnixStream::connect(format!("{directory}/new")).ok());
    assert_eq!(ask(Path::new(&format!("{directory}/new")), "show cli level"), "user\n\n");
    eventually("the end of the dropped file", SOON, || (!Path::new(&dropped).exists()).then_some(()));
    assert_eq!(
        std::fs::metadata(format!("{directory}/s")).expect("the file").ino(),
        inode,
        "the socket is kept"
    );
    talking.write_all(b"show cli level\nquit\n").expect("sent");
    let mut answer = String::new();
    talking.set_read_timeout(Some(SOON)).expect("a time limit");
    talking.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "\n> admin\n\n> ", "a client that was there goes on");
}

#[test]
fn in_a_chroot_as_nobody_the_parent_opens_the_sockets() {
    assert!(nix_is_root(), "this test drops root: run it as root");
    let more = "    chroot /var/empty\n    user nobody\n    group nogroup\n    stats socket @DIR@/open mode 666 user nobody level admin\n";
    let more = more.replace("/var/empty", "/tmp");
    let stage = Stage::new(&more, TWO);
    let file = format!("{}/open", stage.directory());
    let found = std::fs::metadata(&file).expect("the file");
    assert_eq!((found.permissions().mode() & 0o777, found.uid()), (0o666, 65534));
    assert_eq!(ask(Path::new(&file), "set server be/a state maint"), "\n");
    assert_eq!(host(stage.port), "b");
    let info = ask(Path::new(&file), "show info");
    let worker = info.lines().find_map(|line| line.strip_prefix("Pid: ")).expect("a pid");
    let uid = status_field(worker.parse().expect("a number"), "Uid");
    assert_eq!(uid.split_whitespace().next(), Some("65534"));
    let gone =
        stage.config.replace(&format!("    stats socket {file} mode 666 user nobody level admin\n"), "");
    assert_ne!(gone, stage.config);
    stage.rolecall.reload(&gone);
    eventually("the end of the dropped file", SOON, || (!Path::new(&file).exists()).then_some(()));
    assert_eq!(stage.ask("show cli level"), "admin\n\n", "the other one is kept");
}

fn nix_is_root() -> bool {
    status_field(std::process::id(), "Uid").starts_with('0')
}

#[test]
fn a_master_passes_commands_on_to_its_worker() {
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("m");
    let server = greeter("a");
    let config = format!(
        "defaults\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\nlisten l\n    \
         bind 127.0.0.1:{port}\n    server a 127.0.0.1:{server}\n"
    );
    let rolecall = Rolecall::spawn(&config, &["-W", "-db", "-S", &socket.display().to_string()]);
    rolecall.wait_for(port);
    // The parent knows of its worker a moment after the frontend listens.
    let info = eventually("the worker", SOON, || {
        let info = ask(&socket, "@1 show info;show version");
        info.starts_with("Name: HAProxy\n").then_some(info)
    });
    assert!(info.ends_with("\n\n2.6.12-rolecall\n\n"), "{info}");
    assert_eq!(ask(&socket, "@1 set server l/a state maint"), "\n");
    assert!(ask(&socket, "@1 show servers state").contains(" l 1 a 127.0.0.1 0 1 "));
}

#[test]
fn redis_is_shown_and_the_guard_can_be_told_off() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("s");
    let config = redis_config(port, &[master.port, replica.port], "")
        .replace("global\n", &format!("global\n    stats socket {} level admin\n", socket.display()));
    let _rolecall = Rolecall::start(&config, port);
    Client::connect(port).and_then(|mut client| client.call(&["SET", "a", "1"])).expect("a master serves");
    let shown = eventually("what Redis says", SOON, || {
        let shown = ask(&socket, "show redis");
        (shown.contains("master redis1") && shown.contains(" replica ")).then_some(shown)
    });
    assert!(shown.starts_with("backend redis_backend: guard master, master redis1 since "), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&ask(&socket, "show redis json")).expect("JSON");
    assert_eq!(json[0]["servers"][1]["follows"], format!("127.0.0.1:{}", master.port));
    assert!(ask(&socket, "show failovers").contains(" none -> redis1: "));
    assert_eq!(ask(&socket, "set redis guard redis_backend observe"), "\n");
    assert!(ask(&socket, "show redis").starts_with("backend redis_backend: guard observe"));
    assert_eq!(ask(&socket, "set redis guard redis_backend on"), "\n");
    assert!(ask(&socket, "show redis").starts_with("backend redis_backend: guard master, master redis1"));
    // Out of maintenance it proves itself again before it gets a client.
    ask(&socket, "set server redis_backend/redis1 state maint");
    ask(&socket, "set server redis_backend/redis1 state ready");
    eventually("the master's return", SOON, || {
        let mut client = Client::connect(port).ok()?;
        (client.server_port().ok()? == master.port).then_some(())
    });
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    let moved = format!("set server redis_backend/redis1 addr 127.0.0.1 port {}", replica.port);
    assert!(ask(&socket, &moved).contains("port changed from"));
    eventually("the moved server", SOON, || {
        let mut client = Client::connect(port).ok()?;
        (client.server_port().ok()? == replica.port).then_some(())
    });
}

#[test]
fn a_hint_at_another_master_is_verified_and_holds_up_nobody() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("s");
    // No check of its own shall find the new master out.
    let config =
        redis_config(port, &[master.port, replica.port], "    timeout freeze 1s\n    timeout check 1s\n")
            .replace("inter 100ms", "inter 60s")
            .replace("global\n", &format!("global\n    stats socket {} level admin\n", socket.display()));
    let rolecall = Rolecall::start(&config, port);
    let reached =
        || Client::connect(port).and_then(|mut client| client.server_port()).expect("a server answers");
    assert_eq!(reached(), master.port);
    eventually("both roles", SOON, || ask(&socket, "show redis").contains(" replica ").then_some(()));

    // It is a replica: that is found out, not believed, and the answer waits for it while others are answered.
    let asked = Instant::now();
    let hint = {
        let socket = socket.clone();
        std::thread::spawn(move || ask(&socket, "set redis master redis_backend/redis2"))
    };
    eventually("the freeze", SOON, || ask(&socket, "show redis").contains(", frozen for ").then_some(()));
    assert!(!hint.is_finished(), "the freeze was seen by another client of the socket meanwhile");
    let answer = hint.join().expect("an answer");
    assert_eq!(answer, "redis2 does not become master: it did not say role:master in time.\n\n");
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(reached(), master.port);

    // The last question of the freeze may still be on its way, and would be a true answer's.
    eventually("the end of the quick questions", SOON, || replica.is_quiet().then_some(()));
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(reached(), master.port, "nobody has told rolecall");
    assert_eq!(ask(&socket, "set redis master redis_backend/redis2"), "\n");
    assert_eq!(reached(), replica.port, "{}", rolecall.output());
    assert_eq!(master.info("role"), "master");
    let told = ask(&socket, "show failovers redis_backend");
    assert!(told.contains(" redis1 -> redis2: switched, no master for "), "{told}");
    assert!(told.contains(" redis1 -> redis2: came to nothing, the old master stays\n"), "{told}");
    assert!(told.contains("cause: the operator asked for another master than redis1\n"), "{told}");
    assert_eq!(ask(&socket, "set redis master redis_backend/redis9"), "No such server.\n\n");
    assert_eq!(
        ask(&socket, "set redis guard redis_backend off;set redis master redis_backend/redis1"),
        "\nthe guard is off for this backend.\n\n"
    );
}

#[test]
fn a_socket_that_cannot_be_says_where_and_why() {
    let config = "global\n    stats socket /nonexistent/s\nlisten l\n    bind 127.0.0.1:1\n";
    assert_eq!(check(config).0, Some(0), "the config is right");
    let mut rolecall = Rolecall::spawn(config, &["-db"]);
    assert_eq!(rolecall.process.wait(SOON).code(), Some(1));
    let said = rolecall.output();
    assert!(
        said.contains("haproxy.cfg:2] for frontend GLOBAL: cannot bind socket (No such file or directory)"),
        "{said}"
    );
}
