//! Real connections: where each of a series goes, and what the log says of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use super::program::{BOTH, DEADLINE, REFUSES, Running};

/// One thread: HAProxy counts a connection before it accepts it, and one that another thread has taken for a moment,
/// too.
pub(crate) const DEFAULTS: &str = "global\n nbthread 1\n log @LOG@ local0\ndefaults\n log global\n option tcplog\n timeout connect 300ms\n \
                        timeout client 5s\n timeout server 5s\n retries 1\n";

/// A server that says its name and then nothing; it lives as long as the test.
pub(crate) fn named(name: char) -> u16 {
    serve(move |mut client| {
        if client.write_all(name.to_string().as_bytes()).is_ok() {
            // Whatever ends it.
            let _ = client.read_to_end(&mut Vec::new());
        }
    })
}

pub(super) fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
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

/// `balance` and the servers' options, for as many connections; `+` keeps each of them open.
const ROUTES: &[(&str, &[&str], &str, usize)] = &[
    ("", &["", "", ""], "", 7),
    ("balance roundrobin", &["weight 3", "weight 1", "weight 2"], "", 12),
    ("balance roundrobin", &["weight 0", "", ""], "", 4),
    ("balance roundrobin", &["maxconn 1", "", ""], "+", 6),
    ("balance static-rr", &["weight 3", "weight 1", "weight 2"], "", 12),
    ("balance leastconn", &["", "", ""], "+", 7),
    ("balance leastconn", &["weight 3", "weight 1", "weight 2"], "+", 12),
    ("balance first", &["maxconn 2", "maxconn 2", "maxconn 2"], "+", 6),
    ("balance source", &["", "", ""], "", 3),
    ("balance source", &["weight 3", "weight 1", "weight 2"], "", 3),
    ("", &["", "backup", "backup"], "", 3),
    ("", &["disabled", "backup", "backup"], "", 3),
    ("option allbackups", &["disabled", "backup", "backup"], "", 4),
];

#[test]
fn a_series_of_connections_goes_where_haproxys_goes() {
    let ports = ['A', 'B', 'C'].map(named);
    for (lines, servers, keep, count) in ROUTES {
        let mut config = format!("{DEFAULTS}listen l\n bind @BIND@\n {lines}\n");
        for (port, options) in ports.iter().zip(*servers) {
            config.push_str(&format!(" server s{port} 127.0.0.1:{port} {options}\n"));
        }
        let [theirs, ours] = BOTH.map(|which| series(&Running::start(which, &config), keep, *count));
        assert_eq!(theirs, ours, "{lines} {servers:?} {keep}");
    }
}

fn series(program: &Running, keep: &str, count: usize) -> String {
    let mut kept = Vec::new();
    let mut names = String::new();
    for _ in 0..count {
        let mut client = program.connect();
        let mut name = [0];
        client.read_exact(&mut name).expect("a server's name");
        names.push(char::from(name[0]));
        if keep == "+" {
            kept.push(client);
        } else {
            drop(client);
            // Its end is known when its line is written.
            program.log_line();
        }
    }
    names
}

/// What a client does, and a connection that it keeps until the line is there.
type Visit = fn(&Running) -> Option<TcpStream>;

fn reads_all(program: &Running) -> Option<TcpStream> {
    // A reset is an end too.
    let _ = program.connect().read_to_end(&mut Vec::new());
    None
}

fn hangs_up(program: &Running) -> Option<TcpStream> {
    let mut client = program.connect();
    client.read_exact(&mut [0; 3]).expect("the greeting");
    client.shutdown(Shutdown::Write).expect("a FIN");
    client.read_to_end(&mut Vec::new()).expect("the server's FIN");
    None
}

fn queues(program: &Running) -> Option<TcpStream> {
    let mut first = program.connect();
    first.read_exact(&mut [0; 3]).expect("the greeting");
    let mut second = program.connect();
    second.read_to_end(&mut Vec::new()).expect("an end");
    // HAProxy may be slower to write the line of the second than that of the first.
    Some(first)
}

/// Lines of a `listen`, the server's port, and the visit.
const LINES: &[(&str, &str, Visit)] = &[
    ("", "greets", hangs_up),
    ("", "leaves", reads_all),
    ("", "nobody", reads_all),
    ("retries 0\n option log-separate-errors", "nobody", reads_all),
    ("option logasap", "leaves", reads_all),
    ("option logasap", "nobody", reads_all),
    ("timeout server 1s", "greets", reads_all),
    ("timeout tunnel 1s", "greets", reads_all),
    ("timeout queue 100ms\n default-server maxconn 1", "greets", queues),
    ("default-server disabled", "greets", reads_all),
    ("no log\n log @LOG@ local3 info", "leaves", reads_all),
    ("dispatch 127.0.0.1:PORT", "greets", hangs_up),
    ("dispatch 127.0.0.1:PORT", "leaves", reads_all),
    ("dispatch 127.0.0.1:PORT", "nobody", reads_all),
];

#[test]
fn lines_of_tcplog_are_haproxys() {
    let greets = serve(|mut client| {
        if client.write_all(b"hey").is_ok() {
            let _ = client.read_to_end(&mut Vec::new()); // Whatever ends it.
        }
    });
    let leaves = serve(|mut client| drop(client.write_all(b"bye")));
    for (lines, server, visit) in LINES {
        let port = match *server {
            "greets" => greets,
            "leaves" => leaves,
            _ => REFUSES,
        };
        let server_line = if lines.contains("dispatch") { "" } else { "server s 127.0.0.1:PORT" };
        let config = format!("{DEFAULTS}listen l\n bind @BIND@\n {lines}\n {server_line}\n");
        let config = config.replace("PORT", &port.to_string());
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let _kept = visit(&program);
            program.log_line()
        });
        assert_eq!(theirs, ours, "{lines}, {server}");
    }
}

#[test]
fn without_a_format_a_client_is_logged_as_it_comes() {
    let port = named('A');
    let config = format!(
        "{}listen l\n bind @BIND@\n server s 127.0.0.1:{port}\n",
        DEFAULTS.replace(" option tcplog\n", "")
    );
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        let mut client = program.connect();
        client.read_exact(&mut [0]).expect("a server's name");
        program.log_line()
    });
    assert_eq!(theirs, ours);
    assert_eq!(ours, "<134> Connect from 127.0.0.1 to 127.0.0.1 (l/TCP)");
}

/// Errors of real connections take a server out, long before its next check.
#[test]
fn observed_errors_mark_a_server_down() {
    let config = format!(
        "{DEFAULTS}listen l\n bind @BIND@\n retries 0\n \
         server s 127.0.0.1:{} check inter 60s observe layer4 error-limit 2 on-error mark-down\n",
        REFUSES
    );
    let config = config.replace("check inter 60s", &format!("check inter 60s port {}", named('A')));
    for which in BOTH {
        let program = Running::start(which, &config);
        let said = std::iter::repeat_with(|| {
            let _ = reads_all(&program);
            program.log_line()
        });
        // The checking side may come to it late on a busy machine, and says the same then.
        let until = Instant::now() + DEADLINE;
        let down = said.take_while(|_| Instant::now() < until).find(|line| line.contains("is DOWN"));
        let expected = "<129> Server l/s is DOWN, reason: Health analyze, info: \"Detected 2 consecutive errors, last one \
                        was: L4 unsuccessful connection\". 0 active and 0 backup servers left.";
        assert!(down.as_deref().is_some_and(|line| line.starts_with(expected)), "{which:?}: {down:?}");
    }
}
