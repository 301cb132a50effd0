//! `resolvers`: both programs ask one name server, and are held against each other in the lines of the log, the
//! states of servers, and what `show resolvers` looks like.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../../tests/integration/harness/dns.rs"]
#[allow(dead_code, reason = "the other tests say more than these")]
#[allow(unreachable_pub, reason = "it is the harness of another test")]
mod server;

use self::server::{FakeDns, Say};
use super::program::{BOTH, DEADLINE, Running, free_port};

fn config(dns: &FakeDns, socket: &Path) -> String {
    let (t, s) = (free_port(), free_port());
    let options = "resolvers my init-addr none resolve-prefer ipv4";
    format!(
        "global\n log @LOG@ local0\n stats socket {} level admin\n\
         resolvers my\n nameserver ns1 127.0.0.1:{}\n timeout resolve 200ms\n timeout retry 5s\n hold valid 100ms\n \
         hold nx 300ms\n hold refused 300ms\n hold other 300ms\n\
         defaults\n log global\n mode tcp\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
         listen l\n bind @BIND@\n server a a.test:6379 {options}\n server plain localhost:6380 disabled\n\
         listen t\n bind 127.0.0.1:{t}\n server-template t 3 t.test:6379 {options}\n\
         listen s\n bind 127.0.0.1:{s}\n server-template s 2 _redis._tcp.s.test {options}\n",
        socket.display(),
        dns.port
    )
}

/// What the name server says from some moment on, and how many lines the log has because of it.
type Step = (&'static str, fn(&FakeDns), usize);

const STEPS: [Step; 6] = [
    ("the first answers", good, 13),
    (
        "other addresses and another weight",
        |dns| {
            dns.addresses("a.test", &["127.0.0.4"]);
            dns.addresses("t.test", &["127.0.0.5", "127.0.0.3"]);
            dns.services("_redis._tcp.s.test", &[(7001, 600, "x.test")]);
        },
        2,
    ),
    ("one address less", |dns| dns.addresses("t.test", &["127.0.0.3"]), 1),
    ("unknown names", |dns| ["a.test", "t.test"].iter().for_each(|name| dns.say(name, &Say::Nx)), 4),
    ("good answers again", good, 9),
    ("refusals", |dns| ["a.test", "t.test"].iter().for_each(|name| dns.say(name, &Say::Refused)), 5),
];

fn good(dns: &FakeDns) {
    dns.addresses("a.test", &["127.0.0.2"]);
    dns.addresses("t.test", &["127.0.0.2", "127.0.0.3"]);
    dns.services("_redis._tcp.s.test", &[(7001, 65_535, "x.test")]);
    dns.addresses("x.test", &["127.0.0.6"]);
}

fn ask(socket: &Path, line: &str) -> String {
    let mut socket = UnixStream::connect(socket).expect("the runtime socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    socket.write_all(format!("{line}\n").as_bytes()).expect("the command is sent");
    socket.shutdown(Shutdown::Write).expect("a half close");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Addresses, states, weights, names and ports of all servers; the status that the page shows.
fn states(socket: &Path) -> Vec<String> {
    let state = ask(socket, "show servers state");
    let row = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let columns = [1, 3, 4, 5, 6, 7, 8, 17, 18, 19].map(|at| words.get(at).copied().unwrap_or_default());
        columns.join(" ")
    };
    let stat = ask(socket, "show stat");
    let status = |line: &str| {
        let words: Vec<_> = line.split(',').collect();
        [0, 1, 17, 18].map(|at| words.get(at).copied().unwrap_or_default()).join(",")
    };
    let rows = state.lines().filter(|line| line.split(' ').count() > 20 && !line.starts_with('#')).map(row);
    let shown = stat.lines().filter(|line| !line.contains("FRONTEND") && !line.starts_with('#')).map(status);
    rows.chain(shown).collect()
}

/// By proxy, for two names may be answered in any order.
fn by_proxy(lines: Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let words = line.split_once('>').map_or("", |(_, words)| words).split(' ');
        let name = words.filter(|word| !matches!(*word, "" | "Server" | "proxy")).map(str::to_owned).next();
        let proxy = name.unwrap_or_default().split('/').next().unwrap_or_default().to_owned();
        sorted.entry(proxy).or_default().push(line);
    }
    sorted
}

#[test]
fn names_become_addresses_and_are_told_of_as_haproxy_does() {
    let [theirs, ours] = BOTH.map(|which| {
        let (dns, directory) = (FakeDns::start(), tempfile::tempdir().expect("a directory"));
        good(&dns);
        let socket = directory.path().join("s");
        let program = Running::start(which, &config(&dns, &socket));
        let seen: Vec<_> = STEPS
            .iter()
            .map(|(what, change, count)| {
                change(&dns);
                let lines = (0..*count).map(|_| program.log_line()).collect();
                (*what, by_proxy(lines), settled(&socket))
            })
            .collect();
        let resolvers = ask(&socket, "show resolvers");
        let shape: String = resolvers.chars().filter(|c| !c.is_ascii_digit() && *c != ' ').collect();
        let renamed = [
            "set server l/a fqdn b.test",
            "set server l/a fqdn b.test",
            "set server l/plain fqdn b.test",
            "set server s/s1 fqdn b.test",
            "set server l/a addr 127.0.0.9",
            "show resolvers my",
        ]
        .map(|line| {
            ask(&socket, line).chars().filter(|c| !c.is_ascii_digit() && *c != ' ').collect::<String>()
        });
        (seen, shape, renamed)
    });
    for (theirs, ours) in theirs.0.iter().zip(&ours.0) {
        assert_eq!(theirs, ours);
    }
    assert_eq!(theirs.1, ours.1);
    assert_eq!(theirs.2, ours.2);
    assert!(ours.0[3].2.iter().any(|row| row == "l,a,MAINT (resolution),1"), "{:?}", ours.0[3]);
}

/// The states once they have stayed as they are for a moment: a weight has no line in the log.
fn settled(socket: &Path) -> Vec<String> {
    let until = Instant::now() + DEADLINE;
    let mut before = (states(socket), Instant::now());
    loop {
        let now = states(socket);
        if now != before.0 {
            before = (now, Instant::now());
        } else if before.1.elapsed() > Duration::from_secs(1) || Instant::now() > until {
            return now;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
