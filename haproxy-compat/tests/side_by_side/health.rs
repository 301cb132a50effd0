//! Checks of real servers: what each program's CSV says of them, and who gets clients.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use super::program::{BOTH, DEADLINE, Running, free_port};

/// Answers a request, or greets, with these bytes and closes once the client has.
fn says(answer: &'static [u8]) -> u16 {
    serve(move |mut client| {
        // A check that sends nothing is greeted.
        let _ = client.set_read_timeout(Some(std::time::Duration::from_millis(30)));
        let _ = client.read(&mut [0; 4096]);
        if client.write_all(answer).is_ok() {
            let _ = client.set_read_timeout(None);
            let _ = client.read_to_end(&mut Vec::new()); // Whatever ends it.
        }
    })
}

fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let with = with.clone();
            thread::spawn(move || with(client));
        }
    });
    port
}

/// Lines of a backend, and what its server answers.
const CHECKS: &[(&str, &[u8])] = &[
    ("option httpchk", b"HTTP/1.0 200 OK\r\n\r\n"),
    ("option httpchk", b"HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n"),
    ("option httpchk\n http-check disable-on-404", b"HTTP/1.1 404 Not Found\r\n\r\n"),
    ("option httpchk", b"-ERR unknown command\r\n"),
    ("option httpchk GET /master\n http-check expect status 200 comment role", b"HTTP/1.0 204 No\r\n\r\n"),
    ("option httpchk\n http-check expect rstring ^mas", b"HTTP/1.0 500 Bad\r\n\r\nmaster"),
    (
        "option httpchk\n http-check expect string slave",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmaster",
    ),
    (
        "option httpchk\n http-check expect ! string master",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmas\r\n3\r\nter\r\n0\r\n\r\n",
    ),
    (
        "option httpchk\n http-check expect string master",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1fffffffffffff\r\nmaster",
    ),
    (
        "option httpchk\n http-check expect string master",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffff\r\nmaster",
    ),
    ("option mysql-check", b"\x0c\0\0\0\x0a5.5.5-1\0abc"),
    ("option mysql-check", b"\x0c\0\0\0\x0aa\nb\"c\\1\0abc"),
    ("option mysql-check user a", b"\x06\0\0\0\x0a8.0\0x\x07\0\0\x02\0\0\0\x02\0\0\0"),
    ("option spop-check", AGENT),
    ("option spop-check", b"\0\0\0\x14\x65\0\0\0\x01\0\0\x07version\x08\x031.0"),
    ("option spop-check", b"\0\0\0\x07\x65\0\0\0\0\0\0"),
    ("option spop-check", b"\0\0\0\x15\x66\0\0\0\x01\0\0\x0bstatus-code\x03\x03"),
    ("option spop-check", b"\0\0\0\0"),
    ("option ldap-check", b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0"),
    (
        "mode http\n option httpchk\n http-check expect hdr name-lf %[res.fhdr(x)] value-lf -m beg t%[str(w)]",
        b"HTTP/1.1 200 OK\r\nx: Y\r\ny: one, two\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "mode http\n option httpchk\n http-check expect hdr name-lf %[res.fhdr(z)]",
        b"HTTP/1.1 200 OK\r\nx: Y\r\nContent-Length: 0\r\n\r\n",
    ),
    ("option tcp-check\n tcp-check expect string OK status-code res.payload(0,3)", b"12x OK"),
    (
        "option tcp-check\n tcp-check expect string OK status-code res.payload(0,3)\n tcp-check expect string 3",
        b"312 OK",
    ),
    ("option httpchk\n http-check expect hdr name X value b", b"HTTP/1.1 200 OK\r\nx: a, b\r\n\r\n"),
    ("option httpchk\n http-check expect fhdr name X value b", b"HTTP/1.1 200 OK\r\nx: a, b\r\n\r\n"),
    ("option mysql-check user a", b"\x0a\0\0\0\xff\x69\x04Blocked"),
    ("option pgsql-check user a", b"R\0\0\0\x0c\0\0\0\x05abcd"),
    ("option pgsql-check user a", b"R\0\0\0\x0c\0\0\0\x01abcd"),
    ("option pgsql-check user a", b"E\0\0\0\x10SFATAL\0C28000\0"),
    ("option smtpchk", b"554 no service\r\n"),
    ("option smtpchk", b"hello there\r\n"),
    ("option ldap-check", b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\0\x04\0"),
    ("option ldap-check", b"no directory here"),
    ("option ssl-hello-chk", b"\x15\x03\0\0\x02\x02\x28"),
    ("option ssl-hello-chk", b"HTTP/1.1 400 Bad\r\n"),
    ("option redis-check\n option httpchk", b"HTTP/1.0 200 OK\r\n\r\n"),
    ("option httpchk\n option redis-check", b"+PONG\r\n"),
];

/// Version 2.0, and frames of 16380 bytes.
const AGENT: &[u8] = b"\0\0\0\x27\x65\0\0\0\x01\0\0\x07version\x08\x032.0\x0emax-frame-size\x03\xfc\xf0\x06";

#[test]
fn built_in_checks_find_what_haproxy_finds() {
    let page = free_port();
    let mut config = format!(
        "defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n log @LOG@ local0\n \
         option log-health-checks\n\
         listen page\n bind @BIND@\n bind 127.0.0.1:{page}\n mode http\n stats enable\n stats uri /\n"
    );
    for (number, (lines, answer)) in CHECKS.iter().enumerate() {
        let port = says(answer);
        config += &format!(
            "backend b{number}\n {lines}\n server s 127.0.0.1:{port} check inter 300ms rise 1 fall 1\n"
        );
    }
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        (checked(&program, CHECKS.len()), told(&program, CHECKS.len()))
    });
    for (number, (lines, answer)) in CHECKS.iter().enumerate() {
        let name = format!("b{number}");
        assert_eq!(theirs.0[&name], ours.0[&name], "{lines}: {}", answer.escape_ascii());
        assert_eq!(theirs.1[&name], ours.1[&name], "{lines}: {}", answer.escape_ascii());
    }
}

/// The first line of `option log-health-checks` of each backend, without how long the check took.
fn told(program: &Running, count: usize) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while found.len() < count {
        let line = program.raw_line();
        let Some((_, text)) = line.split_once("Health check for server ") else { continue };
        let (name, text) = text.split_once("/s ").expect("a server");
        let (before, after) = text.split_once("duration: ").expect("a duration");
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        found.entry(name.to_owned()).or_insert_with(|| format!("{before}{after}"));
    }
    found
}

/// One server says 200, one 503 and one 404: who gets clients, and what the CSV says.
#[test]
fn a_404_takes_clients_away_from_a_server_that_is_up() {
    let agents: [&[u8]; 3] =
        [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 503 No\r\n\r\n", b"HTTP/1.0 404 Not Found\r\n\r\n"];
    let names: [&[u8]; 3] = [b"A", b"B", b"C"];
    let page = free_port();
    let mut config = format!(
        "defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
         listen page\n bind 127.0.0.1:{page}\n mode http\n stats enable\n stats uri /\n\
         listen l\n bind @BIND@\n option httpchk GET /master\n http-check disable-on-404\n"
    );
    for (agent, name) in agents.into_iter().zip(names) {
        let (agent, port) = (says(agent), says(name));
        let name = String::from_utf8_lossy(name);
        config += &format!(" server {name} 127.0.0.1:{port} check port {agent} inter 200ms\n");
    }
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        let rows = settled(page, 3);
        let mut clients = String::new();
        for _ in 0..4 {
            let mut name = [0];
            program.connect().read_exact(&mut name).expect("a server's name");
            clients.push(char::from(name[0]));
        }
        (rows, clients)
    });
    assert_eq!(theirs, ours);
    let found: Vec<_> = ours.0.values().map(|row| row.join(" ").trim().to_owned()).collect();
    assert_eq!(found, ["UP L7OK 200", "DOWN L7STS 503 No", "NOLB L7OKC 404"]);
    assert_eq!(ours.1, "AAAA");
}

fn checked(program: &Running, count: usize) -> BTreeMap<String, Vec<String>> {
    settled(program.port, count)
}

/// Status, check status, code and text of every checked server, once each has had its check.
fn settled(port: u16, count: usize) -> BTreeMap<String, Vec<String>> {
    let until = Instant::now() + DEADLINE;
    let mut found = BTreeMap::new();
    while found.len() < count {
        assert!(Instant::now() < until, "{} of {count} servers were checked", found.len());
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
            let status = cell("check_status");
            // A star: it is being checked, and the text of the last check is not shown.
            if cell("svname") == "BACKEND" || matches!(status, "" | "INI" | "UNK") || status.starts_with('*')
            {
                continue;
            }
            let name = if cell("pxname") == "l" { cell("svname") } else { cell("pxname") };
            let row = ["status", "check_status", "check_code", "last_chk"].map(cell);
            found.insert(name.to_owned(), row.map(str::to_owned).to_vec());
        }
        thread::sleep(std::time::Duration::from_millis(5));
    }
    found
}

pub(super) fn csv(port: u16) -> String {
    let Ok(mut client) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    client.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    client.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("a page");
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return String::new() };
    if head.contains("chunked") { unchunked(body) } else { body.to_owned() }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        body += &after[..size];
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}
