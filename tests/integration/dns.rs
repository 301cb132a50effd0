//! `resolvers` with real Redis servers on loopback addresses of their own and a name server that says what the
//! test wants.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::rolecall::ask;
use crate::harness::{Client, FakeDns, Rolecall, Say, eventually, free_port};

const LONG: Duration = Duration::from_secs(30);

/// A frontend and a backend with a role check; `lines` are its servers, `section` is in `resolvers dns`.
fn config(port: u16, dns: &FakeDns, section: &str, lines: &str) -> String {
    format!(
        "global\n    stats socket SOCKET level admin\n\
         defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n\
         resolvers dns\n    nameserver ns1 127.0.0.1:{}\n    timeout resolve 50ms\n    timeout retry 300ms\n    {section}\n\
         listen redis\n    bind 127.0.0.1:{port}\n    option tcp-check\n    tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n\
         \x20   tcp-check send INFO\\ REPLICATION\\r\\n\n    tcp-check expect string role:master\n{lines}",
        dns.port
    )
}

/// rolecall with a runtime socket.
struct Stand {
    rolecall: Rolecall,
    socket: tempfile::TempDir,
}

impl Stand {
    fn start(config: &str, port: u16) -> Stand {
        let socket = tempfile::TempDir::new().expect("a private directory");
        let rolecall = Rolecall::start(&Stand::completed(config, &socket), port);
        // It is bound after the port.
        let path = socket.path().join("s");
        eventually("a runtime socket", LONG, || std::os::unix::net::UnixStream::connect(&path).ok());
        Stand { rolecall, socket }
    }

    fn completed(config: &str, socket: &tempfile::TempDir) -> String {
        config.replace("SOCKET", &socket.path().join("s").display().to_string())
    }

    fn reload(&self, config: &str) {
        self.rolecall.reload(&Stand::completed(config, &self.socket));
    }

    fn told(&self, command: &str) -> String {
        ask(&self.socket.path().join("s"), command)
    }

    /// Addresses of the servers of `backend`, and their ports.
    fn addresses(&self, backend: &str) -> Vec<String> {
        let state = self.told(&format!("show servers state {backend}"));
        let rows = state.lines().filter(|line| line.split(' ').nth(1) == Some(backend));
        let word = |row: &str, at: usize| row.split(' ').nth(at).unwrap_or_default().to_owned();
        rows.map(|row| format!("{}:{}", word(row, 4), word(row, 18))).collect()
    }

    fn wait_for_addresses(&self, backend: &str, expected: &[&str]) {
        let name = format!("addresses {expected:?}");
        eventually(&name, LONG, || (self.addresses(backend) == expected).then_some(()));
    }

    fn wait_for(&self, text: &str) {
        self.rolecall.wait_for_output_within(text, LONG);
    }

    fn status(&self, backend: &str, server: &str) -> String {
        let stat = self.told("show stat");
        let row = stat.lines().find(|line| line.starts_with(&format!("{backend},{server},")));
        row.and_then(|row| row.split(',').nth(17)).unwrap_or_default().to_owned()
    }
}

/// A redis-server on a loopback address of its own.
struct Far {
    ip: &'static str,
    port: u16,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Far {
    fn start(ip: &'static str, port: u16, options: &[&str]) -> Far {
        let directory = tempfile::TempDir::new().expect("a private directory");
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", ip, "--save", "", "--appendonly", "no"]);
        command.args(["--dir", &directory.path().display().to_string(), "--logfile", "log"]).args(options);
        let process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()));
        let far = Far { ip, port, _process: process, _directory: directory };
        eventually("redis-server's first answer", LONG, || {
            far.call("PING").filter(|answer| answer.contains("PONG"))
        });
        far
    }

    fn call(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect((self.ip, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

/// The address of whoever serves a client.
fn server_of(client: &mut Client) -> Option<String> {
    let answer = client.call(&["CONFIG", "GET", "bind"]).ok()?;
    answer.lines().nth(1).map(str::to_owned)
}

fn wait_until_served_by(port: u16, ip: &str) {
    let served = || server_of(&mut Client::connect(port).ok()?);
    eventually(&format!("a client of {ip}"), LONG, || (served()? == ip).then_some(()));
}

#[test]
fn another_address_is_proved_before_clients_come_and_old_sessions_live_on() {
    let (dns, port, redis) = (FakeDns::start(), free_port(), free_port());
    let _first = Far::start("127.0.0.2", redis, &[]);
    let second = Far::start("127.0.0.3", redis, &["--replicaof", "127.0.0.1", "1"]);
    dns.addresses("redis.test", &["127.0.0.2"]);
    let server = format!(
        "    server a redis.test:{redis} check inter 50ms resolvers dns init-addr none resolve-prefer ipv4\n"
    );
    // The guard would cut sessions of a master that is no more; here only the name changes.
    let stand = Stand::start(&config(port, &dns, "", &format!("    option redis-guard off\n{server}")), port);
    stand.wait_for("redis/a changed its IP from (none) to 127.0.0.2 by dns/ns1.");
    stand.wait_for("Server redis/a ('redis.test') is UP/READY (resolves again).");
    stand.wait_for("Server redis/a administratively READY thanks to valid DNS answer.");
    wait_until_served_by(port, "127.0.0.2");
    let mut old = Client::connect(port).expect("rolecall accepts");
    assert_eq!(server_of(&mut old).as_deref(), Some("127.0.0.2"));
    dns.addresses("redis.test", &["127.0.0.3"]);
    stand.wait_for("redis/a changed its IP from 127.0.0.2 to 127.0.0.3 by dns/ns1.");
    // A replica: no client gets there, for it never passed its check. It is held until it does.
    stand.wait_for("Server redis/a is DOWN");
    assert!(
        !Client::connect(port).is_ok_and(|mut client| server_of(&mut client).as_deref() == Some("127.0.0.3"))
    );
    assert_eq!(server_of(&mut old).as_deref(), Some("127.0.0.2"), "an old session lives on");
    second.call("REPLICAOF NO ONE").expect("an answer");
    wait_until_served_by(port, "127.0.0.3");
    assert_eq!(server_of(&mut old).as_deref(), Some("127.0.0.2"));
}

#[test]
fn the_last_good_answer_is_held_and_then_the_server_is_in_maintenance() {
    let (dns, port, redis) = (FakeDns::start(), free_port(), free_port());
    let _first = Far::start("127.0.0.2", redis, &[]);
    dns.addresses("redis.test", &["127.0.0.2"]);
    let server = format!(
        "    server a redis.test:{redis} check inter 50ms resolvers dns init-addr none resolve-prefer ipv4\n"
    );
    let lines =
        "hold nx 1s\n    hold timeout 1s\n    hold refused 1s\n    hold other 1s\n    resolve_retries 1";
    let stand = Stand::start(&config(port, &dns, lines, &server), port);
    wait_until_served_by(port, "127.0.0.2");
    for (what, why) in [
        (Say::Nx, "DNS NX status"),
        (Say::Nothing, "DNS timeout status"),
        (Say::Refused, "DNS refused status"),
        (Say::ServerFailure, "unspecified DNS error"),
        (Say::Garbage, "DNS timeout status"),
    ] {
        let before = stand.rolecall.output().matches(why).count();
        let asked = dns.asked("redis.test");
        dns.say("redis.test", &what);
        eventually("a question that gets that answer", LONG, || {
            (dns.asked("redis.test") > asked).then_some(())
        });
        eventually(why, LONG, || {
            let output = stand.rolecall.output();
            if output.matches(why).count() == before {
                return None;
            }
            assert!(
                output.contains(&format!("Server redis/a is going DOWN for maintenance ({why}). 0 active"))
            );
            Some(())
        });
        assert_eq!(stand.status("redis", "a"), "MAINT (resolution)");
        assert_eq!(stand.addresses("redis"), [format!("-:{redis}")]);
        dns.addresses("redis.test", &["127.0.0.2"]);
        wait_until_served_by(port, "127.0.0.2");
    }
    stand.wait_for("proxy 'redis' has no server available!");
}

#[test]
fn a_dead_name_server_changes_nothing_while_answers_are_held() {
    let (dns, port, redis) = (FakeDns::start(), free_port(), free_port());
    let _first = Far::start("127.0.0.2", redis, &[]);
    dns.addresses("redis.test", &["127.0.0.2"]);
    let server = format!(
        "    server a redis.test:{redis} check inter 50ms resolvers dns init-addr none resolve-prefer ipv4\n"
    );
    let stand = Stand::start(&config(port, &dns, "hold timeout 1h", &server), port);
    wait_until_served_by(port, "127.0.0.2");
    let timeouts = || {
        let shown = stand.told("show resolvers dns");
        let line = shown.lines().find_map(|line| line.trim().strip_prefix("timeout:"))?.trim().to_owned();
        line.parse::<u64>().ok()
    };
    dns.say("redis.test", &Say::Nothing);
    eventually("questions without an answer", LONG, || (timeouts()? > 6).then_some(()));
    wait_until_served_by(port, "127.0.0.2");
    assert!(!stand.rolecall.output().contains("going DOWN"), "{}", stand.rolecall.output());
}

#[test]
fn a_template_fills_and_empties_with_the_answers() {
    let (dns, port) = (FakeDns::start(), free_port());
    dns.addresses("t.test", &["127.0.0.2", "127.0.0.3"]);
    let servers = "    server-template t 3 t.test:6379 resolvers dns init-addr none resolve-prefer ipv4\n";
    let stand = Stand::start(&config(port, &dns, "", servers), port);
    stand.wait_for_addresses("redis", &["127.0.0.2:6379", "127.0.0.3:6379", "-:6379"]);
    stand.wait_for("redis/t2 changed its IP from (none) to 127.0.0.3 by DNS cache.");
    dns.addresses("t.test", &["127.0.0.4", "127.0.0.3", "127.0.0.5"]);
    stand.wait_for_addresses("redis", &["127.0.0.4:6379", "127.0.0.3:6379", "127.0.0.5:6379"]);
    dns.addresses("t.test", &["127.0.0.5"]);
    stand.wait_for_addresses("redis", &["-:6379", "-:6379", "127.0.0.5:6379"]);
    stand.wait_for("Server redis/t1 is going DOWN for maintenance (No IP for server ). 2 active");
    stand.wait_for("Server redis/t2 is going DOWN for maintenance (No IP for server ). 1 active");
    assert_eq!(stand.status("redis", "t1"), "MAINT (resolution)");
    // A reload keeps the slots, and what the name servers did.
    dns.say("t.test", &Say::Nothing);
    stand.reload(&config(port, &dns, "", &format!("{servers}    fullconn 7\n")));
    stand.wait_for("Loading success.");
    stand.wait_for_addresses("redis", &["-:6379", "-:6379", "127.0.0.5:6379"]);
}

#[test]
fn srv_records_give_ports_weights_and_hosts() {
    let (dns, port) = (FakeDns::start(), free_port());
    dns.services("_redis._tcp.s.test", &[(7001, 10, "x.test"), (7002, 65_535, "y.test")]);
    dns.addresses("x.test", &["127.0.0.5"]);
    dns.addresses("y.test", &["127.0.0.6"]);
    let servers = "    server-template s 3 _redis._tcp.s.test resolvers dns resolve-prefer ipv4\n";
    let stand = Stand::start(&config(port, &dns, "", servers), port);
    stand.wait_for_addresses("redis", &["127.0.0.5:7001", "127.0.0.6:7002", "-:0"]);
    let state = stand.told("show servers state redis");
    assert!(state.contains(" x.test 7001 _redis._tcp.s.test 0 "), "{state}");
    assert!(state.contains(" - 0 _redis._tcp.s.test 0 "), "{state}");
    assert!(stand.told("get weight redis/s2").starts_with("256 (initial 1)"));
    stand.wait_for("redis/s1 changed its FQDN from (null) to x.test by 'SRV record'");
    let list = vec![(7002, 300, "y.test".to_owned()), (7003, 0, "z.test".to_owned())];
    let more = vec![("z.test".to_owned(), "127.0.0.9".parse().expect("an address"))];
    dns.say("_redis._tcp.s.test", &Say::Services(list, more));
    stand.wait_for_addresses("redis", &["-:0", "127.0.0.6:7002", "127.0.0.9:7003"]);
    stand.wait_for("Server redis/s1 is going DOWN for maintenance (entry removed from SRV record). ");
    stand.wait_for("redis/s3 changed its IP from (none) to 127.0.0.9 by DNS additional record.");
    assert!(stand.told("get weight redis/s2").starts_with("2 (initial 1)"));
    assert_eq!(dns.asked("z.test"), 0, "its address came with the record");
}

#[test]
fn what_does_not_fit_is_asked_for_over_tcp() {
    let (dns, port) = (FakeDns::start(), free_port());
    dns.say("t.test", &Say::OnlyOverTcp(vec!["127.0.0.2".parse().expect("an address")]));
    let servers = "    server t t.test:6379 resolvers dns init-addr none resolve-prefer ipv4\n";
    let stand = Stand::start(&config(port, &dns, "", servers), port);
    stand.wait_for_addresses("redis", &["127.0.0.2:6379"]);
    assert!(dns.over_tcp() > 0);
    let streams = config(port, &dns, "", servers).replace("nameserver ns1 ", "nameserver ns2 tcp@");
    stand.reload(&streams);
    stand.wait_for("Loading success.");
    dns.addresses("t.test", &["127.0.0.3"]);
    stand.wait_for("redis/t changed its IP from 127.0.0.2 to 127.0.0.3 by dns/ns2.");
}

#[test]
fn the_operator_names_another_host() {
    let (dns, port) = (FakeDns::start(), free_port());
    dns.addresses("a.test", &["127.0.0.2"]);
    dns.addresses("b.test", &["127.0.0.3"]);
    let servers = "    server a a.test:6379 resolvers dns init-addr none resolve-prefer ipv4\n    \
                   server-template s 1 _s._tcp.test resolvers dns\n    server plain 127.0.0.9:1\n";
    let stand = Stand::start(&config(port, &dns, "", servers), port);
    stand.wait_for_addresses("redis", &["127.0.0.2:6379", "-:0", "127.0.0.9:1"]);
    let by = "by 'stats socket command'";
    for (command, answer) in [
        ("a fqdn b.test", format!("redis/a changed its FQDN from a.test to b.test {by}")),
        ("a fqdn b.test", format!("no need to change the FDQN {by}")),
        ("s1 fqdn b.test", "set server <b>/<s> fqdn failed because SRV resolution is configured.".to_owned()),
        (
            "plain fqdn b.test",
            "set server <b>/<s> fqdn failed because no resolution is configured.".to_owned(),
        ),
        (
            "s1 addr 127.0.0.7",
            format!(
                "Update for the current server address family is only supported through configuration file {by}"
            ),
        ),
    ] {
        let said = stand.told(&format!("set server redis/{command}"));
        assert_eq!(said.trim_end(), answer, "{command}");
    }
    stand.wait_for_addresses("redis", &["127.0.0.3:6379", "-:0", "127.0.0.9:1"]);
    // An address by the operator's word stays while the answers stay the same.
    stand.told("set server redis/a addr 127.0.0.8");
    let asked = dns.asked("b.test");
    eventually("a few more answers", LONG, || (dns.asked("b.test") > asked + 5).then_some(()));
    assert_eq!(stand.addresses("redis")[0], "127.0.0.8:6379");
    dns.addresses("b.test", &["127.0.0.4"]);
    stand.wait_for_addresses("redis", &["127.0.0.4:6379", "-:0", "127.0.0.9:1"]);
}

#[test]
fn the_example_of_a_headless_service_follows_its_pods() {
    let (dns, port, redis) = (FakeDns::start(), free_port(), free_port());
    let _first = Far::start("127.0.0.2", redis, &[]);
    let name = "redis-headless.default.svc.cluster.local";
    let example = include_str!("../../examples/headless-service.cfg")
        .replace("127.0.0.1:53\n", &format!("127.0.0.1:{}\n", dns.port))
        .replace("127.0.0.1:6390", &format!("127.0.0.1:{port}"))
        .replace("local:6379", &format!("local:{redis}"))
        .replace("hold obsolete 5s", "hold obsolete 100ms");
    let stand = Stand::start(&example.replace("maxconn 4096", "stats socket SOCKET"), port);
    let empty = format!("-:{redis}");
    stand.wait_for_addresses("masters", &[empty.as_str(); 5]);
    // The first pod, a replica beside it, and then only that, promoted.
    dns.addresses(name, &["127.0.0.2"]);
    wait_until_served_by(port, "127.0.0.2");
    let second = Far::start("127.0.0.3", redis, &["--replicaof", "127.0.0.2", &redis.to_string()]);
    dns.addresses(name, &["127.0.0.2", "127.0.0.3"]);
    let places = ["127.0.0.2", "127.0.0.3"].map(|ip| format!("{ip}:{redis}"));
    stand.wait_for_addresses("masters", &[&places[0], &places[1], &empty, &empty, &empty]);
    wait_until_served_by(port, "127.0.0.2");
    second.call("REPLICAOF NO ONE").expect("an answer");
    dns.addresses(name, &["127.0.0.3"]);
    stand.wait_for_addresses("masters", &[&empty, &places[1], &empty, &empty, &empty]);
    wait_until_served_by(port, "127.0.0.3");
}
