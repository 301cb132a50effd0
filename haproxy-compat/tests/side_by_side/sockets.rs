//! What keywords do to sockets and processes: as the kernel tells it of both programs, or as the other end feels it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::program::{BOTH, DEADLINE, Running};
use super::traffic::{DEFAULTS, serve};

/// What ss(8) says of the sockets that this filter lets through, a line each.
fn sockets(options: &str, filter: &str) -> Vec<String> {
    let mut command = Command::new("ss");
    command.args(["-H", options]).args(filter.split(' '));
    let output = command.output().expect("ss is installed: see tests/run.sh");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The timer of the one socket that the filter names, and the first word of when it runs out: once all that it has
/// sent is acknowledged, which is timed first.
fn timer(filter: &str) -> String {
    let mut looks = std::iter::repeat_with(|| sockets("-tno", filter));
    let lines = looks.find(|lines| !lines.iter().any(|line| line.contains("timer:(on,"))).unwrap_or_default();
    let [line] = lines.as_slice() else { panic!("{filter}: {lines:?}") };
    let Some((_, timer)) = line.split_once("timer:(keepalive,") else { return "none".to_owned() };
    // `16min` of `16min37sec`: a busy machine takes its time to look.
    let minutes = timer.split_inclusive("min").next().unwrap_or_default();
    // Two hours, seen before a tick of the clock has passed.
    minutes.replace("120min", "119min")
}

fn greeting() -> u16 {
    serve(|mut client| {
        if client.write_all(b"a").is_ok() {
            let _ = client.read_to_end(&mut Vec::new()); // Whatever ends it.
        }
    })
}

#[test]
fn sockets_are_kept_alive_as_haproxys_are() {
    for (lines, expected) in [
        ("", ["none", "none"]),
        ("option clitcpka\n clitcpka-idle 1000s", ["16min", "none"]),
        ("option srvtcpka\n srvtcpka-idle 2000s", ["none", "33min"]),
        ("option tcpka\n clitcpka-idle 1000s\n srvtcpka-idle 2000s", ["16min", "33min"]),
        ("option tcpka\n no option clitcpka\n srvtcpka-idle 2000s", ["none", "33min"]),
        ("option tcpka", ["119min", "119min"]),
        ("clitcpka-idle 1000s\n srvtcpka-idle 2000s", ["none", "none"]),
    ] {
        for which in BOTH {
            // Of its own: the kernel may close the sockets of a ring a moment after its process has ended.
            let server = greeting();
            let config =
                format!("{DEFAULTS}listen l\n bind @BIND@\n {lines}\n server s 127.0.0.1:{server}\n");
            let program = Running::start(which, &config);
            let mut client = program.connect();
            client.read_exact(&mut [0]).expect("the greeting");
            let from = client.local_addr().expect("an address").port();
            let to_client = timer(&format!("sport = :{} and dport = :{from}", program.port));
            let to_server = timer(&format!("dport = :{server}"));
            assert_eq!([to_client, to_server], expected, "{which:?}, {lines}");
        }
    }
}

#[test]
fn as_many_clients_may_wait_to_be_accepted() {
    for (lines, bind, expected) in [
        ("backlog 77", "", Some("77")),
        ("", "backlog 55", Some("55")),
        ("backlog 77", "backlog 55", Some("55")),
        ("maxconn 300", "", None),
    ] {
        let config = format!("{DEFAULTS}frontend f\n {lines}\n bind @BIND@ {bind}\n");
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let lines = sockets("-tnl", &format!("sport = :{}", program.port));
            lines
                .iter()
                .filter_map(|line| Some(line.split_whitespace().nth(2)?.to_owned()))
                .collect::<Vec<_>>()
        });
        assert_eq!(theirs, ours, "{lines}, {bind}");
        assert!(expected.is_none_or(|expected| ours == [expected]), "{ours:?}");
    }
}

/// The server is not connected to before the client has spoken.
#[test]
fn a_client_that_says_nothing_is_not_accepted_with_defer_accept() {
    let server = greeting();
    let config = format!("{DEFAULTS}listen l\n bind @BIND@ defer-accept\n server s 127.0.0.1:{server}\n");
    for which in BOTH {
        let program = Running::start(which, &config);
        let mut client = program.connect();
        client.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
        assert!(client.read(&mut [0]).is_err(), "{which:?} has accepted it");
        client.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        client.write_all(b"hello").expect("a word");
        client.read_exact(&mut [0]).expect("the greeting");
    }
}

/// A peer that takes nothing is given up by the kernel; `timeout client` and `timeout server` are far off.
#[test]
fn peers_that_take_nothing_are_given_up_after_tcp_ut() {
    let floods = serve(|mut client| while client.write_all(&[b'x'; 65536]).is_ok() {});
    let sleeps = serve(|client| {
        let _ = socket2::SockRef::from(&client).set_recv_buffer_size(2048); // Only a matter of how soon.
        std::thread::sleep(2 * DEADLINE);
    });
    let far = DEFAULTS.replace("client 5s", "client 1h").replace("server 5s", "server 1h");
    for (bind, options, server) in [("tcp-ut 500ms", "", floods), ("", "tcp-ut 500ms", sleeps)] {
        let config = format!("{far}listen l\n bind @BIND@ {bind}\n server s 127.0.0.1:{server} {options}\n");
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let client = tight_client(&program);
            let talk = server == sleeps;
            let flood = std::thread::spawn(move || {
                while talk && (&client).write_all(&[b'x'; 65536]).is_ok() {}
                client
            });
            let line = program.log_line();
            drop(flood.join());
            line.split_whitespace().nth(7).map(str::to_owned)
        });
        assert_eq!(theirs, ours, "{bind}, {options}");
    }
}

/// With a window that is soon closed.
fn tight_client(program: &Running) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(2048).expect("a socket option");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], program.port));
    socket.connect(&address.into()).expect("a connection");
    socket.into()
}

/// How a stream ends.
fn end(mut stream: &TcpStream) -> &'static str {
    stream.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => "FIN",
        Err(error) if error.kind() == ErrorKind::ConnectionReset => "RST",
        Err(error) => panic!("no end: {error}"),
    }
}

/// A server that greets and closes if it shall, and then tells how its client's side ended.
fn telling(closes: bool) -> (u16, Receiver<&'static str>) {
    let (tell, told) = channel();
    let port = serve(move |mut client| {
        if client.write_all(b"a").is_ok() && closes {
            let _ = client.shutdown(Shutdown::Write); // It is gone, which the end tells.
        }
        let _ = tell.send(end(&client)); // Nobody may be left to hear it.
    });
    (port, told)
}

#[test]
fn sockets_are_closed_as_haproxys_are_with_nolinger() {
    for (frontend, backend) in [("", ""), ("option nolinger", ""), ("", "option nolinger")] {
        for server_closes in [false, true] {
            let [theirs, ours] = BOTH.map(|which| {
                let (port, told) = telling(server_closes);
                let config = format!(
                    "{DEFAULTS}frontend f\n bind @BIND@\n default_backend b\n {frontend}\n\
                     backend b\n {backend}\n server s 127.0.0.1:{port}\n"
                );
                let program = Running::start(which, &config);
                let mut client = program.connect();
                client.read_exact(&mut [0]).expect("the greeting");
                let clients = if server_closes { end(&client) } else { "" };
                let _ = client.shutdown(Shutdown::Write); // After an RST there is nothing to shut.
                let servers = told.recv_timeout(DEADLINE).expect("the server's end");
                let clients = if server_closes { clients } else { end(&client) };
                (clients, servers)
            });
            assert_eq!(theirs, ours, "{frontend}, {backend}, server closes first: {server_closes}");
        }
    }
}

#[test]
fn the_limit_of_descriptors_is_what_ulimit_n_says() {
    let config = DEFAULTS.replacen("global\n", "global\n ulimit-n 777\n maxconn 100\n", 1);
    let config = format!("{config}frontend f\n bind @BIND@\n");
    for which in BOTH {
        // Raised, never lowered.
        let program = Running::start_after("ulimit -Sn 600", which, &config);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).expect("its limits");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("the line");
        assert_eq!(line.split_whitespace().nth(3), Some("777"), "{which:?}");
    }
}

/// New clients are served for that long after the soft stop was asked for.
#[test]
fn a_soft_stop_begins_after_grace() {
    let grace = Duration::from_millis(1500);
    let server = greeting();
    let config = DEFAULTS.replacen("global\n", "global\n grace 1500ms\n", 1);
    let config = format!("{config}listen l\n bind @BIND@\n server s 127.0.0.1:{server}\n");
    for which in BOTH {
        let program = Running::start(which, &config);
        let begun = std::time::Instant::now();
        assert!(signal(&program, "USR1"));
        while TcpStream::connect(("127.0.0.1", program.port)).is_ok() {
            assert!(begun.elapsed() < DEADLINE, "{which:?} does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(begun.elapsed() >= grace, "{which:?}: {:?}", begun.elapsed());
    }
}

fn signal(program: &Running, name: &str) -> bool {
    let status = Command::new("kill").args([format!("-{name}"), program.id().to_string()]).status();
    status.is_ok_and(|status| status.success())
}
