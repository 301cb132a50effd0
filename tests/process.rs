//! The life of the process, on the real program: verdicts, background, privileges, systemd, the master
//! socket, reloads and ends. Servers are fakes that greet; what a balancer does with Redis is tested elsewhere.

#![allow(clippy::panic, reason = "a panic is how a test fails")]

#[allow(unreachable_pub, reason = "shared with other tests")]
#[path = "integration/harness/ports.rs"]
mod ports;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rolecall");
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with a config, a program started on it, and a server behind it.
struct Stage {
    directory: TempDir,
    server: u16,
    child: Option<Child>,
}

impl Stage {
    fn new() -> Stage {
        Stage { directory: TempDir::new().expect("a directory"), server: greeter(), child: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, global: &str, ports: &[u16]) {
        std::fs::write(self.path("c.cfg"), config(self.server, global, ports)).expect("a config");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let output = std::fs::File::create(self.path("output")).expect("an output file");
        command.current_dir(self.directory.path()).args(["-f", "c.cfg"]).args(arguments);
        command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a second handle")).stderr(output);
        command
    }

    /// Starts it, and waits until `port` greets.
    fn start(&mut self, arguments: &[&str], port: u16) -> u32 {
        let child = self.command(arguments).spawn().expect("the program starts");
        let id = child.id();
        self.child = Some(child);
        eventually("the frontend", || greets(port).then_some(()));
        id
    }

    /// Runs it until it returns.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let status = self.command(arguments).status().expect("the program runs");
        (status.code(), self.output())
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.path("output")).unwrap_or_default()
    }

    fn says(&self, text: &str) {
        eventually(&format!("{text:?} in {}", self.output()), || self.output().contains(text).then_some(()));
    }

    fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("a started program");
        let status = eventually("the end", || child.try_wait().expect("a child"));
        self.child = None;
        status
    }

    /// One command on the master socket.
    fn ask(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.path("m.sock")).expect("the master socket accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        socket.write_all(format!("{command}\n").as_bytes()).expect("the command is sent");
        socket.shutdown(std::net::Shutdown::Write).expect("a half close");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if matches!(child.try_wait(), Ok(None)) {
            signal(child.id(), "TERM");
            let end = Instant::now() + Duration::from_secs(3);
            while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn config(server: u16, global: &str, ports: &[u16]) -> String {
    let binds: String = ports.iter().map(|port| format!("    bind 127.0.0.1:{port}\n")).collect();
    format!(
        "global\n    maxconn 200\n{global}\
         defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 1h\n    timeout server 1h\n\
         frontend f\n{binds}    default_backend b\nbackend b\n    server s 127.0.0.1:{server}\n"
    )
}

/// A server that says `hello` to whoever connects, and echoes.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut bytes = [0; 64];
                let mut said = stream.write_all(b"hello");
                while let (Ok(()), Ok(count @ 1..)) = (said, stream.read(&mut bytes)) {
                    said = stream.write_all(&bytes[..count]);
                }
            });
        }
    });
    port
}

fn open(port: u16) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).ok()?;
    Some(stream)
}

fn greets(port: u16) -> bool {
    open(port).is_some()
}

fn refuses(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_err()
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// Zombies do not count: whoever inherits a daemon may be slow to bury it.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

fn pid_in(path: &Path) -> u32 {
    let text = std::fs::read_to_string(path).expect("a pid file");
    text.trim().parse().expect("a process id")
}

#[test]
fn check_has_haproxys_codes_and_sentences() {
    let stage = Stage::new();
    let port = free_port();
    stage.write("", &[port]);
    assert_eq!(stage.run(&["-c"]), (Some(0), "Configuration file is valid\n".to_owned()));
    assert_eq!(stage.run(&["-c", "-q"]), (Some(0), String::new()));
    stage.write("", &[]);
    let (code, text) = stage.run(&["-c"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("Configuration file has no error but will not start (no listener) => exit(2)."));
    stage.write("    maxcon 1\n", &[port]);
    let (code, text) = stage.run(&["-c"]);
    assert!(code == Some(1) && text.contains("[c.cfg:3]"), "{text}");
    std::fs::write(stage.path("c.cfg"), config(1, "", &[port]).replace("    timeout client 1h\n", ""))
        .expect("a config");
    let (code, text) = stage.run(&["-c"]);
    assert!(
        code == Some(0) && text.contains("Warnings were found.\nConfiguration file is valid\n"),
        "{text}"
    );
    let (code, text) = stage.run(&["-c", "-dW"]);
    assert!(code == Some(1) && text.contains("'zero-warning' is set. Aborting."), "{text}");
}

#[test]
fn a_plain_process_dies_of_the_signal() {
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let (mut stage, port) = (Stage::new(), free_port());
        stage.write("", &[port]);
        let pid = stage.start(&["-db"], port);
        assert!(children(pid).is_empty(), "one process is enough");
        signal(pid, name);
        assert_eq!(stage.wait().signal(), Some(number));
    }
}

#[test]
fn signals_that_its_starter_ignored_are_heeded() {
    let (mut stage, port) = (Stage::new(), free_port());
    for arguments in [&["-db"][..], &["-W", "-db"]] {
        stage.write("", &[port]);
        // As in the background of a script, or under nohup.
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' INT HUP TERM; exec \"$@\"", "sh", PROGRAM, "-f", "c.cfg"])
            .args(arguments);
        command.current_dir(stage.directory.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the program starts");
        let pid = child.id();
        stage.child = Some(child);
        eventually("the frontend", || greets(port).then_some(()));
        let second = free_port();
        stage.write("", &[port, second]);
        signal(pid, "HUP");
        eventually("the second frontend", || greets(second).then_some(()));
        signal(pid, "INT");
        stage.wait();
    }
}

#[test]
fn the_first_process_of_a_container_ends_too() {
    if !is_root() {
        return;
    }
    for (arguments, name, code) in
        [(&["-db"][..], "TERM", 143), (&["-db"], "INT", 130), (&["-W", "-db"], "TERM", 0)]
    {
        let (mut stage, port) = (Stage::new(), free_port());
        stage.write("", &[port]);
        let mut command = Command::new("unshare");
        command.current_dir(stage.directory.path()).args(["--pid", "--fork", "--kill-child", PROGRAM]);
        let child = command.args(["-f", "c.cfg"]).args(arguments).stderr(Stdio::null()).spawn();
        stage.child = Some(child.expect("unshare runs"));
        eventually("the frontend", || greets(port).then_some(()));
        let outer = stage.child.as_ref().map(Child::id).unwrap_or_default();
        signal(children(outer)[0], name);
        assert_eq!(stage.wait().code(), Some(code), "{name} {arguments:?}");
    }
}

#[test]
fn a_daemon_is_ready_when_the_command_returns() {
    let (stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    assert_eq!(stage.run(&["-D", "-p", "pid"]), (Some(0), String::new()));
    let first = pid_in(&stage.path("pid"));
    assert!(greets(port) && alive(first));
    // The next one takes over, and asks the first one to end.
    let old = first.to_string();
    assert_eq!(stage.run(&["-D", "-p", "pid", "-sf", &old]).0, Some(0));
    let second = pid_in(&stage.path("pid"));
    let worker = children(second);
    eventually("the end of the first", || (!alive(first)).then_some(()));
    assert!(greets(port) && worker.len() == 1);
    signal(second, "TERM");
    eventually("the end of both", || (!alive(second) && !alive(worker[0])).then_some(()));
    assert!(refuses(port));
}

#[test]
fn a_daemon_that_cannot_start_says_why_and_the_command_fails() {
    let stage = Stage::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    stage.write("", &[port]);
    let (code, text) = stage.run(&["-D"]);
    assert_eq!(code, Some(1));
    let says = format!("for frontend f: cannot bind socket (Address already in use) for [127.0.0.1:{port}]");
    assert!(text.contains(&says), "{text}");
    stage.write("    chroot /nonexistent\n", &[free_port()]);
    let (code, text) = stage.run(&["-D"]);
    assert!(code == Some(1) && text.contains("Cannot chroot(/nonexistent)"), "{text}");
    stage.write("    user no-such-user\n", &[free_port()]);
    let (code, text) = stage.run(&["-D"]);
    assert!(code == Some(1) && text.contains("no-such-user"), "{text}");
    stage.write("", &[free_port()]);
    let (code, text) = stage.run(&["-D", "-p", "/nonexistent/pid"]);
    assert!(code == Some(1) && text.contains("Cannot create pidfile /nonexistent/pid"), "{text}");
}

#[test]
fn systemd_hears_of_readiness_reloads_and_the_end() {
    let (mut stage, port, added) = (Stage::new(), free_port(), free_port());
    let heard = UnixDatagram::bind(stage.path("notify")).expect("a socket");
    heard.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let next = || {
        let mut bytes = [0; 2048];
        let count = heard.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    stage.write("", &[port]);
    let mut command = stage.command(&["-Ws", "-p", "pid", "-S", "m.sock"]);
    command.env("NOTIFY_SOCKET", stage.path("notify"));
    stage.child = Some(command.spawn().expect("the program starts"));
    let pid = stage.child.as_ref().map(Child::id).unwrap_or_default();
    assert!(next().starts_with(&format!("READY=1\nMAINPID={pid}\n")));
    assert!(greets(port) && pid_in(&stage.path("pid")) == pid);
    stage.write("", &[port, added]);
    signal(pid, "USR2");
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(next().starts_with("READY=1\n"));
    assert!(greets(port) && greets(added));
    stage.write("    maxcon 1\n", &[port]);
    assert_eq!(stage.ask("reload"), "");
    assert!(next().starts_with("RELOADING=1\n"));
    let failed = next();
    assert!(failed.starts_with("READY=1\n") && failed.contains("unknown keyword 'maxcon'"), "{failed}");
    assert!(greets(port) && greets(added));
    signal(pid, "TERM");
    assert_eq!(next(), "STOPPING=1\n");
    assert_eq!(stage.wait().code(), Some(0));
}

#[test]
fn a_master_tells_of_its_worker_and_has_haproxys_codes() {
    for (name, code, says) in [
        ("TERM", 0, "exited with code 143 (Terminated)"),
        ("INT", 130, "exited with code 130 (Interrupt)"),
        ("USR1", 0, "exited with code 0 (Exit)"),
    ] {
        let (mut stage, port) = (Stage::new(), free_port());
        stage.write("", &[port]);
        let pid = stage.start(&["-W", "-db"], port);
        let worker = children(pid)[0];
        stage.says(&format!("[NOTICE]   ({pid}) : New worker ({worker}) forked\n"));
        stage.says("Loading success.");
        signal(pid, name);
        assert_eq!(stage.wait().code(), Some(code), "{name}");
        stage.says(&format!("Current worker ({worker}) {says}"));
        stage.says(&format!("All workers exited. Exiting... ({code})"));
        assert!(!alive(worker));
    }
}

#[test]
fn a_crashed_worker_takes_its_parent_along() {
    let (mut stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    let pid = stage.start(&["-W", "-db"], port);
    signal(children(pid)[0], "KILL");
    assert_eq!(stage.wait().code(), Some(137));
}

#[test]
fn a_killed_parent_leaves_no_worker() {
    let (mut stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    let pid = stage.start(&["-W", "-db"], port);
    let worker = children(pid)[0];
    signal(pid, "KILL");
    eventually("the end of the worker", || (!alive(worker)).then_some(()));
    stage.wait();
}

#[test]
fn the_master_socket_reloads_and_keeps_the_old_config_when_it_must() {
    let (mut stage, port, other) = (Stage::new(), free_port(), free_port());
    stage.write("", &[port]);
    let pid = stage.start(&["-W", "-db", "-S", "m.sock,mode,600"], port);
    let kept = open(port).expect("a session");
    let worker = children(pid);
    stage.write("", &[other]);
    assert_eq!(stage.ask("reload"), "");
    assert!(greets(other));
    eventually("the old listener to close", || refuses(port).then_some(()));
    stage.write("", &[port, 0]);
    assert_eq!(stage.ask("reload"), "");
    assert!(greets(other) && refuses(port));
    let logs = stage.ask("show startup-logs");
    assert!(logs.contains("[ALERT]"), "{logs}");
    // A file that is being written looks empty for a moment.
    std::fs::write(stage.path("c.cfg"), "").expect("a config");
    assert_eq!(stage.ask("reload"), "");
    assert!(greets(other) && stage.ask("show startup-logs").contains("No enabled listener found"));
    let processes = stage.ask("show proc");
    assert!(processes.contains("3 [failed: 2]") && processes.contains(&worker[0].to_string()), "{processes}");
    assert_eq!(children(pid), worker, "a reload makes no process");
    // The session that began before both reloads is still there.
    let mut kept = kept;
    kept.write_all(b"x").expect("the session lives");
    kept.read_exact(&mut [0]).expect("the session answers");
}

#[test]
fn reloads_leave_nothing_behind_in_either_process() {
    let (mut stage, port, other) = (Stage::new(), free_port(), free_port());
    stage.write("", &[port]);
    let pid = stage.start(&["-W", "-db", "-S", "m.sock"], port);
    let worker = children(pid)[0];
    let reload = |times: usize| {
        for at in 0..times {
            stage.write("", &[port, other][..1 + at % 2]);
            assert_eq!(stage.ask("reload"), "");
            assert!(greets(port));
        }
    };
    reload(10);
    let before = (descriptors(pid), descriptors(worker));
    reload(100);
    eventually("as many descriptors as before", || {
        let now = (descriptors(pid), descriptors(worker));
        (now.0 <= before.0 + 2 && now.1 <= before.1 + 4).then_some(())
    });
}

#[test]
fn a_worker_keeps_nothing_of_who_started_it() {
    if !is_root() {
        return;
    }
    let (mut stage, port) = (Stage::new(), free_port());
    stage.write("    user nobody\n", &[port]);
    // A directory that the shell before it left open, and groups of its own.
    let script = format!("exec 7</; exec setpriv --groups 4,27 '{PROGRAM}' -f c.cfg -db");
    let mut command = Command::new("bash");
    command.current_dir(stage.directory.path()).args(["-c", &script]).stderr(Stdio::null());
    let child = command.spawn().expect("the program starts");
    let pid = child.id();
    stage.child = Some(child);
    eventually("the frontend", || greets(port).then_some(()));
    let worker = children(pid)[0];
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).expect("the worker is there");
    assert!(status.lines().any(|line| line.trim_end() == "Groups:"), "{status}");
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{worker}/fd"))
        .expect("the worker is there")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .collect();
    assert!(!open.contains(&PathBuf::from("/")), "{open:?}");
}

#[test]
fn a_reload_that_raises_maxconn_raises_the_limit_or_says_what_fits() {
    if !is_root() {
        return;
    }
    let cases = [
        ("-Sn", "    user nobody\n", 2000, "Loading success."),
        ("-Sn", "", 2000, "Loading success."),
        ("-n", "    user nobody\n", 600, "'maxconn 1000' needs "),
        ("-n", "", 600, "'maxconn 1000' needs "),
    ];
    for (limit, global, least, says) in cases {
        let (mut stage, port) = (Stage::new(), free_port());
        stage.write(global, &[port]);
        let script =
            format!("ulimit {limit} 600; exec setpriv --bounding-set -sys_resource '{PROGRAM}' -f c.cfg -db");
        let mut command = Command::new("bash");
        let output = std::fs::File::create(stage.path("output")).expect("an output file");
        command.current_dir(stage.directory.path()).args(["-c", &script]).stderr(output);
        let child = command.spawn().expect("the program starts");
        let pid = child.id();
        stage.child = Some(child);
        eventually("the frontend", || greets(port).then_some(()));
        let worker = children(pid).first().copied().unwrap_or(pid);
        let text = config(stage.server, global, &[port]).replace("maxconn 200", "maxconn 1000");
        std::fs::write(stage.path("c.cfg"), text).expect("a config");
        signal(pid, "HUP");
        stage.says(says);
        let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).expect("the worker is there");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
        let soft: u64 = line.split_whitespace().nth(3).and_then(|word| word.parse().ok()).expect("a number");
        assert!(soft >= least, "{line}");
        assert!(greets(port));
    }
}

#[test]
fn a_worker_without_privileges_takes_a_reload_that_needs_them() {
    if !is_root() {
        return;
    }
    let (mut stage, port) = (Stage::new(), free_port());
    std::fs::create_dir(stage.path("jail")).expect("a directory");
    let global = format!("    chroot {}\n    user nobody\n    group nogroup\n", stage.path("jail").display());
    stage.write(&global, &[port]);
    let pid = stage.start(&["-db"], port);
    let worker = children(pid)[0];
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).expect("the worker is there");
    for line in ["Uid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    assert_eq!(std::fs::read_link(format!("/proc/{worker}/root")).expect("a root"), stage.path("jail"));
    let low = (900..1024).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a low port");
    stage.write(&global.replace("user nobody", "user root"), &[port, low]);
    signal(pid, "HUP");
    eventually("the low port", || greets(low).then_some(()));
    stage.says("'user' cannot change in a reload");
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).expect("the worker is there");
    assert!(status.contains("Uid:\t65534"));
    signal(pid, "TERM");
    assert_eq!(stage.wait().signal(), Some(15), "a plain process dies of the signal, with a parent too");
}

#[test]
fn a_reload_asked_for_while_the_config_is_still_read_waits() {
    for arguments in [&["-db"][..], &["-W", "-db"]] {
        let (mut stage, port) = (Stage::new(), free_port());
        assert!(Command::new("mkfifo").arg(stage.path("c.cfg")).status().expect("mkfifo runs").success());
        let child = stage.command(arguments).spawn().expect("the program starts");
        let id = child.id();
        stage.child = Some(child);
        // Opens once the program reads.
        let mut pipe = std::fs::File::options().write(true).open(stage.path("c.cfg")).expect("a reader");
        signal(id, "HUP");
        signal(id, "USR2");
        pipe.write_all(config(stage.server, "", &[port]).as_bytes()).expect("the config is read");
        drop(pipe);
        eventually("the frontend", || greets(port).then_some(()));
        stage.says("Reloading HAProxy");
    }
}

#[test]
fn a_reload_that_ends_after_a_soft_stop_opens_nothing() {
    for arguments in [&["-db"][..], &["-W", "-db"]] {
        let (mut stage, port, added) = (Stage::new(), free_port(), free_port());
        stage.write("", &[port]);
        let pid = stage.start(arguments, port);
        let session = open(port).expect("a session");
        std::fs::remove_file(stage.path("c.cfg")).expect("the config goes");
        assert!(Command::new("mkfifo").arg(stage.path("c.cfg")).status().expect("mkfifo runs").success());
        signal(pid, "HUP");
        let mut pipe = std::fs::File::options().write(true).open(stage.path("c.cfg")).expect("a reader");
        signal(pid, "USR1");
        eventually("the listener to close", || refuses(port).then_some(()));
        pipe.write_all(config(stage.server, "", &[added]).as_bytes()).expect("the config is read");
        drop(pipe);
        stage.says("the process is stopping");
        assert!(refuses(added));
        drop(session);
        assert_eq!(stage.wait().code(), Some(0));
    }
}

#[test]
fn a_reload_that_hangs_holds_up_no_soft_stop() {
    for arguments in [&["-db"][..], &["-W", "-db"]] {
        let (mut stage, port) = (Stage::new(), free_port());
        stage.write("", &[port]);
        let pid = stage.start(arguments, port);
        std::fs::remove_file(stage.path("c.cfg")).expect("the config goes");
        assert!(Command::new("mkfifo").arg(stage.path("c.cfg")).status().expect("mkfifo runs").success());
        signal(pid, "HUP");
        let never_written = std::fs::File::options().write(true).open(stage.path("c.cfg")).expect("a reader");
        signal(pid, "USR1");
        assert_eq!(stage.wait().code(), Some(0));
        drop(never_written);
    }
}

#[test]
fn whoever_sleeps_on_standard_error_holds_up_no_signal() {
    for (arguments, expected) in [(&["-db"][..], None), (&["-W", "-db"], Some(0))] {
        let (mut stage, port) = (Stage::new(), free_port());
        stage.write("", &[port]);
        let (never_read, mut pipe) = std::io::pipe().expect("a pipe");
        // As much as a pipe takes: the next byte would wait.
        pipe.write_all(&vec![b'x'; 64 << 10]).expect("room in the pipe");
        let mut command = stage.command(arguments);
        command.stderr(pipe);
        let child = command.spawn().expect("the program starts");
        let id = child.id();
        stage.child = Some(child);
        eventually("the frontend", || greets(port).then_some(()));
        signal(id, "HUP");
        assert!(greets(port));
        signal(id, "TERM");
        assert_eq!(stage.wait().code(), expected);
        drop(never_read);
    }
}

#[test]
fn a_paused_frontend_refuses_and_resumes() {
    let (mut stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    let pid = stage.start(&["-db"], port);
    signal(pid, "TTOU");
    eventually("a refusal", || refuses(port).then_some(()));
    stage.says("Paused frontend f.");
    signal(pid, "TTIN");
    eventually("a greeting", || greets(port).then_some(()));
}

#[test]
fn a_soft_stop_waits_no_longer_than_hard_stop_after() {
    for arguments in [&["-db"][..], &["-W", "-db"]] {
        let (mut stage, port) = (Stage::new(), free_port());
        let global = "    hard-stop-after 300ms\n    log stdout format raw local0\n";
        let logged = "mode tcp\n    log global\n    option tcplog";
        let text = config(stage.server, global, &[port]).replace("mode tcp", logged);
        std::fs::write(stage.path("c.cfg"), text).expect("a config");
        let pid = stage.start(arguments, port);
        let mut session = open(port).expect("a session");
        signal(pid, "USR1");
        eventually("the listener to close", || refuses(port).then_some(()));
        let end = session.read(&mut [0]).or_else(|error| match error.kind() {
            ErrorKind::ConnectionReset => Ok(0),
            _ => Err(error),
        });
        assert_eq!(end.expect("the session is ended"), 0);
        assert_eq!(stage.wait().code(), Some(0));
        stage.says("Proxy f stopped (cumulated conns: FE: ");
        stage.says(" K- ");
    }
}

#[test]
fn the_log_hears_of_reloads_that_failed() {
    let log = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    log.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let target = log.local_addr().expect("an address");
    let hears = |text: &str| loop {
        let mut bytes = [0; 2048];
        let count = log.recv(&mut bytes).expect("a line of the log");
        if String::from_utf8_lossy(&bytes[..count]).contains(text) {
            break;
        }
    };
    for arguments in [&["-db"][..], &["-W", "-db"]] {
        let (mut stage, port) = (Stage::new(), free_port());
        let global = format!("    log {target} local0\n");
        let text = config(stage.server, &global, &[port]).replace("mode tcp", "mode tcp\n    log global");
        std::fs::write(stage.path("c.cfg"), text).expect("a config");
        let pid = stage.start(arguments, port);
        stage.write("    maxcon 1\n", &[port]);
        signal(pid, "HUP");
        hears("Reload failed, the old config stays: config : parsing [c.cfg:3] : unknown keyword 'maxcon'");
    }
}

#[test]
fn it_is_found_under_the_name_it_was_started_by() {
    let (stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    let link = stage.path("haproxy");
    std::os::unix::fs::symlink(PROGRAM, &link).expect("a link");
    let mut child = Command::new(&link)
        .current_dir(stage.directory.path())
        .args(["-W", "-db", "-f", "c.cfg"])
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    eventually("the frontend", || greets(port).then_some(()));
    let names: Vec<String> = [vec![child.id()], children(child.id())]
        .concat()
        .into_iter()
        .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("a name"))
        .collect();
    signal(child.id(), "TERM");
    child.wait().expect("it ends");
    assert_eq!(names, ["haproxy\n", "haproxy\n"]);
}

fn is_root() -> bool {
    let Output { stdout, .. } = Command::new("id").arg("-u").output().expect("id runs");
    stdout == b"0\n"
}

/// A config whose frontend also listens at `bind`.
fn with_bind(stage: &Stage, global: &str, port: u16, bind: &str) {
    let text = config(stage.server, global, &[port]);
    let text = text.replace("    default_backend", &format!("    bind {bind}\n    default_backend"));
    std::fs::write(stage.path("c.cfg"), text).expect("a config");
}

fn greets_at(path: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(path) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.read_exact(&mut [0; 5]).is_ok()
}

#[test]
fn a_successor_takes_the_name_of_a_socket_file_over() {
    let (mut first, mut second, port) = (Stage::new(), Stage::new(), free_port());
    let path = first.path("l.sock");
    with_bind(&first, "", port, &path.display().to_string());
    with_bind(&second, "", port, &path.display().to_string());
    let old = first.start(&[], port);
    assert!(greets_at(&path));
    second.start(&["-sf", &old.to_string()], port);
    first.wait();
    assert!(greets_at(&path), "{}", second.output());
    let others = std::fs::read_dir(first.directory.path()).expect("a directory").flatten();
    let left = others.filter(|entry| entry.file_name().to_string_lossy().starts_with("l.sock")).count();
    assert_eq!(left, 1);
}

#[test]
fn a_successor_has_an_abstract_name_once_its_predecessor_let_go_of_it() {
    let (mut first, mut second, port) = (Stage::new(), Stage::new(), free_port());
    let name = format!("abns@rolecall-process-{}", std::process::id());
    with_bind(&first, "", port, &name);
    with_bind(&second, "", port, &name);
    let old = first.start(&[], port);
    let new = second.command(&["-sf", &old.to_string()]).spawn().expect("the program starts");
    second.child = Some(new);
    first.wait();
    eventually("the successor", || greets(port).then_some(()));
}

#[test]
fn a_successor_that_fails_leaves_its_predecessor_as_it_was() {
    let (mut first, second, port) = (Stage::new(), Stage::new(), free_port());
    let path = first.path("l.sock");
    let name = format!("rolecall-resumed-{}", std::process::id());
    with_bind(&first, "", port, &format!("{},abns@{name}", path.display()));
    let old = first.start(&[], port);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = taken.local_addr().expect("an address").port();
    with_bind(&second, "", other, &path.display().to_string());
    let (code, text) = second.run(&["-sf", &old.to_string()]);
    assert!(code == Some(1) && text.contains("Address already in use"), "{text}");
    assert!(greets_at(&path));
    eventually("the predecessor", || greets(port).then_some(()));
    let address = SocketAddr::from_abstract_name(format!("{name:\0<107}")).expect("a name");
    let mut stream = eventually("its abstract name", || UnixStream::connect_addr(&address).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.read_exact(&mut [0; 5]).expect("a greeting");
}

#[test]
fn the_file_of_a_bind_gets_its_mode_and_owner() {
    use std::os::unix::fs::MetadataExt;

    let (mut stage, port) = (Stage::new(), free_port());
    let path = stage.path("l.sock");
    let owner = std::fs::metadata(stage.directory.path()).expect("a directory");
    let (uid, gid) = if is_root() { (65534, 65533) } else { (owner.uid(), owner.gid()) };
    with_bind(&stage, "", port, &format!("{} mode 600 uid {uid} gid {gid}", path.display()));
    stage.start(&[], port);
    let found = std::fs::metadata(&path).expect("the socket");
    assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), (0o600, uid, gid));
    assert!(!stage.output().contains("no effect"), "{}", stage.output());
}

#[test]
fn unix_bind_is_for_the_files_whose_lines_say_nothing_else() {
    use std::os::unix::fs::MetadataExt;

    let (mut stage, port) = (Stage::new(), free_port());
    let (plain, own, commands) = (stage.path("l.sock"), stage.path("m.sock"), stage.path("s.sock"));
    let bind = format!("{}\n    bind {} mode 640", plain.display(), own.display());
    let global = format!("    unix-bind mode 600\n    stats socket {}\n", commands.display());
    with_bind(&stage, &global, port, &bind);
    stage.start(&[], port);
    let mode = |path: &Path| std::fs::metadata(path).expect("the socket").mode() & 0o777;
    assert_eq!((mode(&plain), mode(&own)), (0o600, 0o640));
    assert_ne!(mode(&commands), 0o600, "it is no bind line's");
}

#[test]
fn a_reload_that_fails_leaves_no_socket_file_behind() {
    let (mut stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    stage.start(&["-W", "-S", "m.sock"], port);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = taken.local_addr().expect("an address").port();
    let (bound, commands) = (stage.path("l.sock"), stage.path("s.sock"));
    let global = format!("    stats socket {}\n", commands.display());
    with_bind(&stage, &global, other, &bound.display().to_string());
    stage.ask("reload");
    stage.says("Address already in use");
    let names = std::fs::read_dir(stage.directory.path()).expect("a directory").flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["c.cfg", "m.sock", "output"]);
}

#[test]
fn a_worker_that_is_told_to_end_takes_its_master_along_in_peace() {
    let (mut stage, port) = (Stage::new(), free_port());
    stage.write("", &[port]);
    let master = stage.start(&["-W"], port);
    let worker = eventually("the worker", || children(master).first().copied());
    signal(worker, "TERM");
    assert_eq!(stage.wait().code(), Some(0));
    assert!(stage.output().contains("All workers exited. Exiting... (0)"), "{}", stage.output());
}
