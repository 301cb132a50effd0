//! Out of descriptors: what is said of it, and that clients are served once there are some again.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::program::{BOTH, DEADLINE, REFUSES, Running, Which};
use super::traffic::{DEFAULTS, named};

/// Its limit on descriptors from now on: all that it has, and not one more.
fn leave_none(program: &Running) {
    let directory = std::fs::read_dir(format!("/proc/{}/fd", program.id())).expect("its descriptors");
    let taken: Vec<u32> =
        directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let lowest_free = (0..).find(|number| !taken.contains(number)).unwrap_or_default();
    limit(program, &lowest_free.to_string());
}

/// The sockets that it has, by their inodes.
fn sockets(program: &Running) -> BTreeSet<PathBuf> {
    let directory = std::fs::read_dir(format!("/proc/{}/fd", program.id())).expect("its descriptors");
    let targets = directory.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).collect()
}

fn limit(program: &Running, soft: &str) {
    let words = ["--pid".to_owned(), program.id().to_string(), format!("--nofile={soft}:4096")];
    let status = Command::new("prlimit").args(words).status().expect("prlimit(1) is part of util-linux");
    assert!(status.success(), "the limit cannot be set");
}

#[test]
fn who_is_out_of_descriptors_says_so_and_comes_round() {
    let server = named('A');
    let config = DEFAULTS.replacen("global\n", "global\n maxconn 100\n", 1);
    let config = format!(
        "{config}listen warm\n bind 127.0.0.1:@WARM@\n server s 127.0.0.1:{REFUSES}\n\
         listen l\n bind @BIND@\n server s 127.0.0.1:{server}\n"
    );
    let [theirs, ours] = BOTH.map(|which| {
        let warm = super::program::free_port();
        let program = Running::start(which, &config.replace("@WARM@", &warm.to_string()));
        let before = sockets(&program);
        // HAProxy opens its log with its first line.
        drop(std::net::TcpStream::connect(("127.0.0.1", warm)).expect("a connection"));
        program.log_line();
        // A socket of that session that is closed later would leave room for one more.
        let more = usize::from(which == Which::Haproxy);
        let until = Instant::now() + DEADLINE;
        while sockets(&program).difference(&before).count() > more {
            assert!(Instant::now() < until, "{which:?} keeps the sockets of a session that is over");
            std::thread::sleep(Duration::from_millis(5));
        }
        leave_none(&program);
        let mut client = program.connect();
        let line = program.log_line();
        limit(&program, "4096");
        client.read_exact(&mut [0]).expect("a server's name");
        let (before, after) = line.split_once("maxsock=").expect("the limit");
        let (limit, after) = after.split_once(')').expect("the limit");
        assert!(limit.parse::<u32>().is_ok_and(|limit| limit > 0), "{line}");
        format!("{before}{after}")
    });
    assert_eq!(theirs, ours);
    assert!(ours.starts_with("<128> Proxy l reached process FD limit ("), "{ours}");
}
