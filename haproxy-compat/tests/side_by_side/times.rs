//! When checks come, how much of one is read, and what becomes of a server's share and clients as it goes down and up. Nothing
//! here measures how long anything takes: without the keyword it would take longer than any test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::program::{BOTH, DEADLINE, Running, Which, free_port};
use super::traffic::{DEFAULTS, named, serve};

/// The next line of the log that says this.
fn told(program: &Running, text: &str) -> String {
    let until = Instant::now() + DEADLINE;
    let lines = std::iter::repeat_with(|| program.log_line()).take_while(|_| Instant::now() < until);
    let mut lines = lines.filter(|line| line.contains(text));
    lines.next().unwrap_or_else(|| panic!("nothing says {text:?}"))
}

/// A listener on a port where nobody listened before.
fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free")
}

/// Between checks of `inter` there would be time for nothing of this.
#[test]
fn checks_are_sooner_while_a_server_changes_and_while_it_is_down() {
    for which in BOTH {
        let port = free_port();
        let config = format!(
            "{DEFAULTS}listen l\n bind @BIND@\n server s 127.0.0.1:{port} check inter 1h fastinter 20ms \
             downinter 30ms fall 3 rise 3\n"
        );
        let program = Running::start(which, &config);
        told(&program, "Server l/s is DOWN");
        let _listener = listen(port);
        told(&program, "Server l/s is UP");
    }
}

/// As many checks as it takes until two are far closer together than `inter`.
#[test]
fn checks_are_spread() {
    let inter = Duration::from_millis(500);
    for which in BOTH {
        let (tell, checked) = channel();
        let port = serve(move |client| {
            let _ = tell.send(Instant::now()); // The test may be over.
            drop(client);
        });
        let config = format!(
            "{}listen l\n bind @BIND@\n option redis-check\n server s 127.0.0.1:{port} check inter 500ms\n",
            DEFAULTS.replacen("global\n", "global\n spread-checks 50\n", 1)
        );
        let _program = Running::start(which, &config);
        let mut last = checked.recv_timeout(DEADLINE).expect("a check");
        while let Ok(next) = checked.recv_timeout(DEADLINE) {
            if next.duration_since(std::mem::replace(&mut last, next)) < inter.mul_f32(0.7) {
                break;
            }
        }
    }
}

/// A reply that does not fit into a buffer is not searched any further.
#[test]
fn a_check_reads_no_more_than_a_buffer() {
    let port = serve(|mut client| {
        let answer = [vec![b'x'; 6000], b"+OK\r\n".to_vec()].concat();
        if client.write_all(&answer).is_ok() {
            let _ = client.read_to_end(&mut Vec::new()); // Whatever ends it.
        }
    });
    for (bufsize, expected) in [("", " succeeded"), ("tune.bufsize 4096", " failed")] {
        let config = format!(
            "{}listen l\n bind @BIND@\n option tcp-check\n option log-health-checks\n timeout check 2s\n \
             tcp-check expect string +OK\n server s 127.0.0.1:{port} check inter 50ms fall 1 rise 1\n",
            DEFAULTS.replacen("global\n", &format!("global\n {bufsize}\n"), 1)
        );
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let line = told(&program, "Health check for server l/s");
            line.split(", check duration").next().unwrap_or_default().to_owned()
        });
        assert_eq!(theirs, ours, "{bufsize}");
        assert!(ours.contains(expected), "{ours}");
    }
}

/// What the page's CSV says of the server `s` of the proxy `l`.
fn field(page: u16, name: &str) -> Option<String> {
    let mut client = TcpStream::connect(("127.0.0.1", page)).ok()?;
    client.set_read_timeout(Some(DEADLINE)).ok()?;
    client.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).ok()?;
    let mut lines = answer.lines().skip_while(|line| !line.starts_with("# "));
    let column = lines.next()?.trim_start_matches("# ").split(',').position(|column| column == name)?;
    let row = lines.find(|line| line.starts_with("l,s,"))?;
    row.split(',').nth(column).map(str::to_owned)
}

#[test]
fn a_server_that_comes_up_is_slow_to_take_its_share() {
    let [theirs, ours] = BOTH.map(|which| {
        let (port, page) = (free_port(), free_port());
        let config = format!(
            "{DEFAULTS}listen l\n bind @BIND@\n server s 127.0.0.1:{port} check inter 50ms slowstart 1h weight 100\n\
             listen page\n mode http\n bind 127.0.0.1:{page}\n stats enable\n stats uri /\n"
        );
        let program = Running::start(which, &config);
        told(&program, "Server l/s is DOWN");
        let _listener = listen(port);
        told(&program, "Server l/s is UP");
        ["status", "throttle", "weight"].map(|name| field(page, name))
    });
    assert_eq!(theirs, ours);
    assert_eq!(ours[1..], [Some("6".to_owned()), Some("7".to_owned())]);
}

/// The first server of a pair that is not there at first.
fn pair(which: Which, options: &str) -> (Running, u16) {
    let port = free_port();
    let backup = named('b');
    let config = format!(
        "{DEFAULTS}listen l\n bind @BIND@\n timeout client 1h\n timeout server 1h\n \
         server s 127.0.0.1:{port} check inter 50ms {options}\n server b 127.0.0.1:{backup} backup\n"
    );
    (Running::start(which, &config), port)
}

#[test]
fn clients_of_a_backup_are_ended_when_a_server_comes_up() {
    let [theirs, ours] = BOTH.map(|which| {
        let (program, port) = pair(which, "on-marked-up shutdown-backup-sessions");
        told(&program, "Server l/s is DOWN");
        let mut client = program.connect();
        client.read_exact(&mut [0]).expect("the backup's name");
        let _listener = listen(port);
        let _ = client.read_to_end(&mut Vec::new()); // A reset is an end too.
        told(&program, "[TIME]")
    });
    assert_eq!(theirs, ours);
    assert!(ours.contains(" l/b ") && ours.contains(" U- "), "{ours}");
}

#[test]
fn clients_of_a_backup_stay_without_that_word() {
    for which in BOTH {
        let (program, port) = pair(which, "");
        told(&program, "Server l/s is DOWN");
        let mut client = program.connect();
        client.read_exact(&mut [0]).expect("the backup's name");
        let _listener = listen(port);
        told(&program, "Server l/s is UP");
        client.set_read_timeout(Some(Duration::from_millis(200))).expect("a time limit");
        assert!(client.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
}
