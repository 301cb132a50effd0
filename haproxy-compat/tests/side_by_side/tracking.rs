//! `track`: what each program says of servers that follow another one, and who gets clients meanwhile.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::health::csv;
use super::program::{BOTH, DEADLINE, REFUSES, Running, free_port};

/// A server that each program finds down, then up, then down again; one that is in maintenance.
fn config(page: u16, checked: u16) -> String {
    format!(
        "global\n log @LOG@ local0\n\
         defaults\n log global\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
         listen page\n bind 127.0.0.1:{page}\n no log\n mode http\n stats enable\n stats uri /\n\
         backend a\n server s 127.0.0.1:{checked} check inter 100ms rise 2 fall 2\n\
         server off 127.0.0.1:{REFUSES} check disabled\n\
         listen b\n bind @BIND@\n balance first\n\
         server plain 127.0.0.1:{checked} track a/s\n\
         server off 127.0.0.1:{checked} track a/off\n\
         server second 127.0.0.1:{checked} track plain\n\
         server own 127.0.0.1:{checked} track a/s disabled\n\
         server none 127.0.0.1:{checked} track a/s weight 0 backup\n"
    )
}

/// What holds at all times of a tracking server: no checks of its own, and whom it tracks.
const COLUMNS: [&str; 8] =
    ["status", "weight", "act", "chkfail", "chkdown", "downtime", "tracked", "check_status"];

#[test]
fn servers_that_track_follow_as_haproxys_do() {
    let [theirs, ours] = BOTH.map(|which| {
        let (page, checked) = (free_port(), free_port());
        let program = Running::start(which, &config(page, checked));
        let mut seen = vec![rows_once(page, "DOWN")];
        let listener = TcpListener::bind(("127.0.0.1", checked)).expect("the port of the server");
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        listener.set_nonblocking(true).expect("a listener");
        let server = thread::spawn(move || {
            while stopped.try_recv().is_err() {
                drop(listener.accept()); // Checks and clients are greeted by an end.
                thread::sleep(Duration::from_millis(2));
            }
        });
        seen.push(rows_once(page, "UP"));
        let served = program.connect().read(&mut [0]).map_err(|error| error.kind());
        stop.send(()).expect("the server");
        server.join().expect("the server");
        seen.push(rows_once(page, "DOWN"));
        let lines: Vec<_> = std::iter::repeat_with(|| program.log_line())
            .filter(|line| line.contains("track") || line.contains(" b/") || line.contains("proxy b"))
            .map(|line| line.split_once(", reason").map_or(line.clone(), |(what, _)| what.to_owned()))
            .filter(|line| !line.contains("127.0.0.1"))
            .take(11)
            .collect();
        (seen, served.ok(), lines)
    });
    assert_eq!(theirs.0, ours.0);
    assert_eq!(theirs.1, ours.1);
    assert_eq!(theirs.2, ours.2);
    assert_eq!(ours.0[1]["plain"][0], "UP");
    assert_eq!(ours.0[1]["off"][0], "MAINT (via a/off)");
}

/// The rows of the tracking backend once the tracked server is in that state.
fn rows_once(page: u16, state: &str) -> BTreeMap<String, Vec<String>> {
    let until = Instant::now() + DEADLINE;
    loop {
        let page = csv(page);
        let mut lines = page.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().unwrap_or_default();
        let cell = |line: &[&str], name: &str| {
            let at = names.iter().position(|column| column.trim_start_matches("# ") == name);
            at.and_then(|at| line.get(at)).copied().unwrap_or_default().to_owned()
        };
        let lines: Vec<_> = lines.collect();
        // HAProxy may be asked between the change of the tracked server and that of those who follow.
        let is_so = |name: [&str; 2]| {
            let line = lines.iter().find(|line| line.starts_with(&name));
            line.is_some_and(|line| cell(line, "status") == state)
        };
        if [["a", "s"], ["b", "plain"], ["b", "second"], ["b", "none"]].into_iter().all(is_so) {
            let tracking =
                lines.iter().filter(|line| line[0] == "b" && line[1] != "FRONTEND" && line[1] != "BACKEND");
            let row = |line: &Vec<&str>| {
                (line[1].to_owned(), COLUMNS.iter().map(|name| cell(line, name)).collect())
            };
            return tracking.map(row).collect();
        }
        assert!(Instant::now() < until, "the tracked server is not {state}: {page}");
        thread::sleep(Duration::from_millis(5));
    }
}
