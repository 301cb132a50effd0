//! Changes from the stats page (`stats admin`), as a browser and as curl submit them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::rolecall::{csv_field, http, redis_config};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// The code that the page answers a form with.
fn submit(port: u16, headers: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page's port accepts");
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    let request = format!(
        "POST / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n{headers}\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).expect("the form is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("no location: {answer}")).to_owned()
}

fn page(port: u16, more: &str) -> String {
    format!(
        "listen page{port}\n    mode http\n    bind 127.0.0.1:{port}\n    stats enable\n    stats uri /\n{more}"
    )
}

#[test]
fn a_form_changes_servers_where_stats_admin_lets_it() {
    let (port, admin, other, scoped) = (free_port(), free_port(), free_port(), free_port());
    let redis = Redis::master();
    let config = redis_config(port, &[redis.port], "")
        + &page(admin, "    stats admin if LOCALHOST\n")
        + &page(other, "    stats admin unless TRUE\n")
        + &page(scoped, "    stats admin if TRUE\n    stats scope elsewhere\n");
    let rolecall = Rolecall::start(&config, port);
    [admin, other, scoped].into_iter().for_each(|port| rolecall.wait_for(port));
    let status = || csv_field(admin, "redis_backend", "redis1", "status").expect("its row");
    eventually("the master", SOON, || (status() == "UP").then_some(()));
    let mut client = Client::connect_within(port, SOON).expect("the frontend accepts");
    assert_eq!(client.server_port().expect("the master answers"), redis.port);

    let form = "s=redis1&action=maint&b=redis_backend";
    assert_eq!(submit(other, "", form), "/;st=DENY");
    assert_eq!(submit(admin, "Origin: http://elsewhere.example\r\n", form), "/;st=DENY");
    assert_eq!(submit(admin, "Referer: http://elsewhere.example/\r\n", form), "/;st=DENY");
    assert_eq!(submit(scoped, "", form), "/;st=ERRP", "what is out of its scope is not there");
    assert_eq!(status(), "UP");
    for action in ["dagent", "eagent", "arunn", "adown"] {
        let form = format!("s=redis1&action={action}&b=redis_backend");
        assert_eq!(submit(admin, "", &form), "/;st=NONE", "it has no agent");
    }

    assert_eq!(submit(admin, "", form), "/;st=DONE");
    assert_eq!(status(), "MAINT");
    let own = format!("Origin: http://127.0.0.1:{admin}\r\n");
    assert_eq!(submit(admin, &own, "s=redis1&s=nobody&action=ready&b=%232"), "/;st=PART");
    eventually("it has proved itself again", SOON, || (status() == "UP").then_some(()));

    assert!(client.server_port().is_ok(), "the session goes on");
    assert_eq!(submit(admin, "", "s=redis1&action=shutdown&b=redis_backend"), "/;st=DONE");
    eventually("the session is ended", SOON, || client.server_port().is_err().then_some(()));
    assert_eq!(submit(admin, "", &"x".repeat(15 * 1024 + 1)), "/;st=EXCD");

    assert!(http(admin, "/", "").contains("<form method=\"post\">"));
    assert!(!http(other, "/", "").contains("<form method=\"post\">"));
}
