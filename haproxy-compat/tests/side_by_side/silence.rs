//! Clients that leave with an RST before they have a server: what the log says, by what they were waiting for.

use std::io::{Read, Write};

use socket2::SockRef;

use super::program::{BOTH, REFUSES, Running, free_port};
use super::traffic::{DEFAULTS, named};

/// Lines of the frontend and of the backend, and what the client says before it leaves.
const PHASES: &[(&str, &str, &str)] = &[
    ("tcp-request inspect-delay 10s\n tcp-request content accept if { req.len gt 5 }", "", ""),
    ("tcp-request inspect-delay 10s\n tcp-request content accept if { req.len gt 5 }", "", "P"),
    (
        "tcp-request inspect-delay 10s\n tcp-request content accept if { req.len gt 5 }\n tcp-request content reject",
        "",
        "P",
    ),
    (
        "tcp-request inspect-delay 10s\n tcp-request content accept if { req.len gt 5 }\n use_backend o if { req.len 1 }",
        "",
        "P",
    ),
    ("", "tcp-request inspect-delay 10s\n tcp-request content accept if { req.len gt 5 }", "P"),
    ("", "tcp-request inspect-delay 10s\n tcp-request content reject if { req.len gt 5 }", ""),
    ("", "default-server maxconn 1", ""),
    ("", "default-server maxconn 1", "P"),
];

#[test]
fn who_resets_is_logged_as_in_haproxy() {
    let server = named('A');
    for (front, back, said) in PHASES {
        let other = free_port();
        let config = format!(
            "{DEFAULTS}frontend f\n bind @BIND@\n {front}\n default_backend b\n\
             frontend first\n bind 127.0.0.1:{other}\n no log\n timeout client 1m\n default_backend b\n\
             backend b\n {back}\n timeout queue 1m\n timeout server 1m\n server s 127.0.0.1:{server}\n\
             backend o\n server s 127.0.0.1:{REFUSES}\n"
        );
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let mut first = std::net::TcpStream::connect(("127.0.0.1", other)).expect("a connection");
            if back.contains("maxconn") {
                first.read_exact(&mut [0]).expect("a server's name");
            }
            let mut client = program.connect();
            client.write_all(said.as_bytes()).expect("a word");
            // Whatever it says has been seen by then, and it waits.
            std::thread::sleep(std::time::Duration::from_millis(300));
            SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("a socket option");
            drop(client);
            program.log_line()
        });
        assert_eq!(theirs, ours, "{front}, {back}, {said:?}");
    }
}
