//! `agent-check`: what each program makes of every line that an agent can say, in its CSV, its state and its log.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::health::csv;
use super::program::{BOTH, DEADLINE, REFUSES, Running, free_port};

/// What the agent says, and whether that changes the state of its server, which each program logs.
const LINES: &[(&[u8], bool)] = &[
    (b"up\n", false),
    (b"down\n", true),
    (b"stopped # gone fishing\n", true),
    (b"fail#out of tune\n", false),
    (b"fail #out of tune\n", true),
    (b"ready\n", false),
    (b"drain\n", true),
    (b"maint\n", true),
    (b"75%\n", false),
    (b"75% maxconn:30 up\n", false),
    (b"500%\n", false),
    (b"75%x\n", false),
    (b"75\n", false),
    (b"maxconn:3x\n", false),
    (b"foo bar\n", false),
    (b"up foo\n", false),
    (b"down foo\n", true),
    (b"down foo #why\n", true),
    (b"up 75%x\n", false),
    (b"75%x maxconn:q\n", false),
    (b"\n", false),
    (b"#only\n", false),
    (b"UP,READY\tdrain\r\nxx", true),
    (b"failed\n", false),
    (b"maint down\n", true),
    (b"up ready 100% maxconn:5 #fine\n", false),
    (b"", false),
];

const COLUMNS: [&str; 12] = [
    "status",
    "weight",
    "slim",
    "chkfail",
    "chkdown",
    "last_agt",
    "agent_status",
    "agent_code",
    "agent_desc",
    "agent_rise",
    "agent_fall",
    "agent_health",
];

fn says(line: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut heard = [0; 3];
            let _ = client.set_read_timeout(Some(DEADLINE));
            if client.read_exact(&mut heard).is_ok() && heard == *b"hi\n" {
                let _ = client.write_all(line); // Whoever has gone asks again.
            }
        }
    });
    port
}

#[test]
fn every_line_of_an_agent_means_what_it_means_to_haproxy() {
    let page = free_port();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    thread::spawn(move || server.incoming().for_each(drop));
    let mut config = format!(
        "global\n log @LOG@ local0\n\
         defaults\n log global\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
         listen page\n bind 127.0.0.1:{page}\n bind @BIND@\n no log\n mode http\n stats enable\n stats uri /\n"
    );
    for (number, (line, _)) in LINES.iter().enumerate() {
        let agent = says(line);
        config += &format!(
            "backend b{number}\n server s 127.0.0.1:{port} weight 100 check inter 200ms agent-check agent-port {agent} \
             agent-inter 300ms agent-send hi\\n\n server t 127.0.0.1:{port}\n"
        );
    }
    config += &format!(
        "backend refused\n server s 127.0.0.1:{port} agent-check agent-inter 300ms agent-port {REFUSES}\n"
    );
    let changes = LINES.iter().filter(|(_, changes)| *changes).count();
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        let rows = settled(page, LINES.len() + 1);
        let lines = std::iter::repeat_with(|| program.log_line()).take(changes);
        let without_time =
            |line: String| line.split_once(", check duration").map_or(line.clone(), |(a, _)| a.to_owned());
        let mut lines: Vec<String> = lines.map(without_time).collect();
        lines.sort();
        (rows, lines)
    });
    for (number, (line, _)) in LINES.iter().enumerate() {
        let name = format!("b{number}");
        assert_eq!(theirs.0[&name], ours.0[&name], "{}", line.escape_ascii());
    }
    assert_eq!(theirs, ours);
    assert_eq!(ours.0["b2"][0], "DOWN (agent)");
}

/// The rows of all servers once each has been asked, checked, and stands as it will stand.
fn settled(port: u16, count: usize) -> BTreeMap<String, Vec<String>> {
    let until = Instant::now() + DEADLINE;
    let mut found = BTreeMap::new();
    while found.len() < count {
        assert!(Instant::now() < until, "{} of {count} agents were asked", found.len());
        let csv = csv(port);
        let mut lines = csv.lines();
        let columns: Vec<&str> =
            lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let cell = |name: &str| {
                let at = columns.iter().position(|column| *column == name);
                at.and_then(|at| cells.get(at)).copied().unwrap_or_default()
            };
            let asked = cell("agent_status");
            let checked = matches!(cell("check_status"), "L4OK" | "") && !cell("status").contains('/');
            // A star: it is being asked, and what it said last is not shown.
            if matches!(asked, "" | "INI") || asked.starts_with('*') || !checked {
                continue;
            }
            found.insert(cell("pxname").to_owned(), COLUMNS.map(|name| cell(name).to_owned()).to_vec());
        }
        thread::sleep(Duration::from_millis(5));
    }
    found
}
