//! TLS with real parts: redis-server and redis-cli speak it, rolecall stands between them, over either engine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::harness::certificates::{Authority, Leaf};
use crate::harness::process::Process;
use crate::harness::rolecall::{check, csv_field, stats_section};
use crate::harness::{Client, Redis, Rolecall, Sentinels, Socks4, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(20);
const ENGINES: [&str; 2] = ["epoll", "uring"];

/// A directory with an authority `ca.pem`, and another one, `other.pem`.
struct Files {
    authority: Authority,
    directory: TempDir,
}

impl Files {
    fn new() -> Files {
        let (authority, directory) = (Authority::new(), TempDir::new().expect("a directory"));
        std::fs::write(directory.path().join("ca.pem"), authority.pem()).expect("a file");
        std::fs::write(directory.path().join("other.pem"), Authority::new().pem()).expect("a file");
        Files { authority, directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// `NAME.pem` with certificate and key, `NAME.crt` and `NAME.key` with one each.
    fn leaf(&self, name: &str, hosts: &[&str]) -> PathBuf {
        let leaf: Leaf = self.authority.leaf(hosts);
        let file = |end: &str| self.path().join(format!("{name}.{end}"));
        std::fs::write(file("crt"), &leaf.certificate).expect("a file");
        std::fs::write(file("key"), &leaf.key).expect("a file");
        std::fs::write(file("pem"), leaf.both()).expect("a file");
        file("pem")
    }

    /// A redis-server that speaks TLS on the port given back with it, by the certificate of that name.
    fn redis(&self, name: &str, clients: &str) -> (Redis, u16) {
        let port = free_port();
        let file = |end: &str| self.path().join(end).display().to_string();
        let redis = Redis::with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file(&format!("{name}.crt")),
            "--tls-key-file",
            &file(&format!("{name}.key")),
            "--tls-ca-cert-file",
            &file("ca.pem"),
            "--tls-auth-clients",
            clients,
        ]);
        (redis, port)
    }

    /// What redis-cli says to PING over TLS.
    fn ping(&self, port: u16, more: &[&str]) -> String {
        let authority = self.path().join("ca.pem").display().to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "--tls", "--cacert", &authority]);
        let output = command.args(more).arg("ping").output().expect("redis-cli runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
    }

    /// `@` becomes the directory.
    fn config(&self, engine: &str, lines: &str) -> String {
        let lines = lines.replace('@', &self.path().display().to_string());
        format!(
            "global\n tune.relay {engine}\n log stdout format raw local0\n\
             defaults\n mode tcp\n log global\n option tcplog\n\
             \x20timeout connect 5s\n timeout client 20s\n timeout server 20s\n{lines}"
        )
    }

    /// A client that trusts `ca.pem`.
    fn client(&self, port: u16, host: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let text = std::fs::read(self.path().join("ca.pem")).expect("the authority");
        roots.add(CertificateDer::from_pem_slice(&text).expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream)
    }
}

#[test]
fn clients_and_servers_speak_tls_over_either_engine() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    files.leaf("redis", &["redis.example"]);
    let (plain, (_secured, secured_port)) = (Redis::master(), files.redis("redis", "no"));
    for engine in ENGINES {
        let [front, back, both] = [free_port(), free_port(), free_port()];
        let config = files.config(
            engine,
            &format!(
                "listen front\n bind 127.0.0.1:{front} ssl crt @/front.pem\n server s 127.0.0.1:{}\n\
                 listen back\n bind 127.0.0.1:{back}\n\
                 \x20server s 127.0.0.1:{secured_port} ssl ca-file @/ca.pem sni str(redis.example)\n\
                 listen both\n bind 127.0.0.1:{both} ssl crt @/front.pem\n\
                 \x20server s 127.0.0.1:{secured_port} ssl verify required ca-file @/ca.pem\n",
                plain.port
            ),
        );
        let rolecall = Rolecall::start(&config, both);
        assert_eq!(files.ping(front, &["--sni", "front.example"]), "PONG");
        assert_eq!(files.ping(both, &[]), "PONG");
        let mut client = Client::connect(back).expect("a connection");
        assert_eq!(client.call(&["PING"]).expect("an answer"), "PONG");
        // Who speaks plainly where TLS is spoken is refused, and the log says so.
        let mut stranger = TcpStream::connect(("127.0.0.1", front)).expect("a connection");
        stranger.write_all(b"*1\r\n$4\r\nPING\r\n").expect("it is sent");
        rolecall.wait_for_output_within(" front/1: SSL handshake failure", PATIENCE);
        rolecall.wait_for_output_within(" front~ front/s ", PATIENCE);
        rolecall.wait_for_output_within(" both~ both/s ", PATIENCE);
        assert!(!rolecall.output().contains("PRIVATE KEY"));
    }
}

#[test]
fn large_answers_arrive_whole_and_a_half_close_passes() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    for engine in ENGINES {
        let [outer, inner] = [free_port(), free_port()];
        let echo = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let echo_port = echo.local_addr().expect("an address").port();
        // Says nothing before the end of what it hears.
        let echoing = std::thread::spawn(move || {
            let (mut stream, _) = echo.accept().expect("a client");
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).expect("the end comes");
            stream.write_all(&heard).expect("it is taken");
            stream.shutdown(Shutdown::Write).expect("an end");
        });
        let config = files.config(
            engine,
            &format!(
                "listen outer\n bind 127.0.0.1:{outer} ssl crt @/front.pem\n\
                 \x20server s 127.0.0.1:{inner} ssl ca-file @/ca.pem verifyhost front.example\n\
                 listen inner\n bind 127.0.0.1:{inner} ssl crt @/front.pem\n server s 127.0.0.1:{echo_port}\n"
            ),
        );
        let rolecall = Rolecall::spawn(&config, &["-db"]);
        // A connection for trial would be the one that the echo takes.
        eventually("the listener", PATIENCE, || listens(outer).then_some(()));
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|at| (at % 253) as u8).collect();
        let mut client = files.client(outer, "front.example");
        client.write_all(&bytes).expect("it is taken");
        client.conn.send_close_notify();
        client.flush().expect("it is sent");
        client.sock.shutdown(Shutdown::Write).expect("a half close");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("a clean end");
        assert!(answer == bytes, "{engine}: {} bytes came back\n{}", answer.len(), rolecall.output());
        echoing.join().expect("the echo ends");
    }
}

/// Without connecting.
fn listens(port: u16) -> bool {
    let wanted = format!("0100007F:{port:04X} 00000000:0000 0A");
    std::fs::read_to_string("/proc/net/tcp").is_ok_and(|sockets| sockets.contains(&wanted))
}

#[test]
fn a_client_needs_a_certificate_where_one_is_required() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    files.leaf("me", &["me.example"]);
    let (_redis, secured) = files.redis("front", "yes");
    let port = free_port();
    // Towards the server, too: its own certificate is asked for there.
    let config = files.config(
        "auto",
        &format!(
            "listen l\n bind 127.0.0.1:{port} ssl crt @/front.pem ca-file @/ca.pem verify required\n\
             \x20server s 127.0.0.1:{secured} ssl verify none crt @/me.pem\n"
        ),
    );
    let _rolecall = Rolecall::start(&config, port);
    let file = |name: &str| files.path().join(name).display().to_string();
    let own = ["--cert".to_owned(), file("me.crt"), "--key".to_owned(), file("me.key")];
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    assert_eq!(files.ping(port, &own), "PONG");
    assert!(!files.ping(port, &[]).contains("PONG"));
}

#[test]
fn checks_speak_tls_and_say_why_they_fail() {
    let files = Files::new();
    files.leaf("redis", &["redis.example"]);
    let (plain, (_secured, port)) = (Redis::master(), files.redis("redis", "no"));
    let page = free_port();
    let lines = format!(
        "{}backend role\n option tcp-check\n tcp-check connect ssl\n tcp-check send PING\\r\\n\n\
         \x20tcp-check expect string +PONG\n tcp-check send INFO\\ REPLICATION\\r\\n\n\
         \x20tcp-check expect string role:master\n default-server inter 100ms\n\
         \x20server good 127.0.0.1:{port} check ca-file @/ca.pem\n\
         backend layers\n default-server inter 100ms ca-file @/ca.pem\n\
         \x20server good 127.0.0.1:{port} ssl check\n\
         \x20server wrongca 127.0.0.1:{port} ssl check ca-file @/other.pem\n\
         \x20server wrongname 127.0.0.1:{port} check check-ssl check-sni other.example\n\
         \x20server notlisted 127.0.0.1:{port} check check-ssl verifyhost other.example\n\
         \x20server plain 127.0.0.1:{} check check-ssl\n\
         \x20server unchecked 127.0.0.1:{port} ssl check no-check-ssl\n",
        stats_section(page).replace("listen stats\n", "listen stats\n no log\n"),
        plain.port
    );
    let rolecall = Rolecall::start(&files.config("auto", &lines), page);
    let expected = [
        ("role", "good", "L7OK", ""),
        ("layers", "good", "L6OK", ""),
        ("layers", "wrongca", "L6RSP", "SSL handshake failure"),
        (
            "layers",
            "wrongname",
            "L6RSP",
            "Server presented an SSL certificate different from the expected one",
        ),
        (
            "layers",
            "notlisted",
            "L6RSP",
            "Server presented an SSL certificate different from the configured one",
        ),
        ("layers", "unchecked", "L4OK", ""),
    ];
    for (backend, server, status, info) in expected {
        eventually(server, PATIENCE, || {
            let told = csv_field(page, backend, server, "check_status")?;
            (told.trim_start_matches("* ") == status).then_some(())
        });
        if !info.is_empty() {
            let line = format!(
                "Server {backend}/{server} is DOWN, reason: Layer6 invalid response, info: \"{info}\", check duration: "
            );
            rolecall.wait_for_output_within(&line, PATIENCE);
        }
    }
    // Redis takes the ClientHello for a command that it does not know, or waits for its end.
    eventually("the plain one", PATIENCE, || {
        let told = csv_field(page, "layers", "plain", "status")?;
        (told == "DOWN").then_some(())
    });
}

#[test]
fn what_a_client_asks_for_decides_with_tls_and_without_taking_it_off() {
    let files = Files::new();
    files.leaf("a", &["a.example"]);
    files.leaf("b", &["b.example"]);
    let ((first, first_port), (second, second_port)) = (files.redis("a", "no"), files.redis("b", "no"));
    let [through, ended] = [free_port(), free_port()];
    let config = files.config(
        "auto",
        &format!(
            "frontend through\n bind 127.0.0.1:{through}\n tcp-request inspect-delay 10s\n\
             \x20tcp-request content accept if {{ req_ssl_hello_type 1 }}\n\
             \x20use_backend a if {{ req_ssl_sni -i a.example }}\n use_backend b if {{ req_ssl_sni -i b.example }}\n\
             backend a\n server s 127.0.0.1:{first_port}\nbackend b\n server s 127.0.0.1:{second_port}\n\
             frontend ended\n bind 127.0.0.1:{ended} ssl crt @/a.pem crt @/b.pem strict-sni\n\
             \x20use_backend plain_a if {{ ssl_fc }} {{ ssl_fc_sni a.example }} {{ ssl_fc_protocol TLSv1.3 }}\n\
             \x20use_backend plain_b if {{ ssl_fc_sni_end b.example }}\n\
             backend plain_a\n server s 127.0.0.1:{}\nbackend plain_b\n server s 127.0.0.1:{}\n",
            first.port, second.port
        ),
    );
    let rolecall = Rolecall::start(&config, ended);
    for port in [through, ended] {
        for (name, redis) in [("a.example", &first), ("b.example", &second)] {
            let before = redis.connections_received();
            let mut client = files.client(port, name);
            client.write_all(b"PING\r\n").expect("it is sent");
            let mut answer = [0; 7];
            client.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"+PONG\r\n", "{}", rolecall.output());
            // One of them is the question itself.
            assert_eq!(redis.connections_received(), before + 2, "{port} {name}");
        }
    }
    let refused = files.ping(ended, &["--sni", "c.example"]);
    assert!(!refused.contains("PONG"), "{refused}");
}

#[test]
fn a_reload_shows_the_new_certificate_and_one_that_is_broken_changes_nothing() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    let redis = Redis::master();
    let port = free_port();
    let config = files.config(
        "auto",
        &format!(
            "listen l\n bind 127.0.0.1:{port} ssl crt @/front.pem\n server s 127.0.0.1:{}\n",
            redis.port
        ),
    );
    let rolecall = Rolecall::start(&config, port);
    let shown = || {
        let mut client = files.client(port, "front.example");
        client.write_all(b"PING\r\n").expect("it is sent");
        let mut answer = [0; 7];
        client.read_exact(&mut answer).expect("an answer");
        client.conn.peer_certificates().expect("a certificate")[0].as_ref().to_vec()
    };
    let first = shown();
    files.leaf("front", &["front.example"]);
    assert!(shown() == first, "it was read without a reload");
    rolecall.reload(&config);
    eventually("the new certificate", PATIENCE, || (shown() != first).then_some(()));
    let second = shown();
    std::fs::write(files.path().join("front.pem"), "garbage").expect("a file");
    rolecall.reload(&config);
    rolecall.wait_for_output_within("unable to load certificate from file", PATIENCE);
    assert!(shown() == second);
}

#[test]
fn a_page_is_served_over_tls() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    let port = free_port();
    let lines = stats_section(port).replace(&format!(":{port}"), &format!(":{port} ssl crt @/front.pem"));
    let _rolecall = Rolecall::start(&files.config("auto", &lines), port);
    let mut client = files.client(port, "front.example");
    client.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").expect("it is sent");
    let mut answer = Vec::new();
    // The end may come without `close_notify`.
    let _ = client.read_to_end(&mut answer);
    assert!(String::from_utf8_lossy(&answer).contains("# pxname,svname"));
    assert!(!http_speaks(port));
}

/// Whether the page is told in the clear. The connection may end in any way where it is not.
fn http_speaks(port: u16) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page's port accepts");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    let _ = stream.write_all(b"GET /;csv HTTP/1.0\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).contains("# pxname")
}

impl Files {
    /// A haproxy with these lines, and the file that it prints to.
    fn haproxy(&self, lines: &str) -> (Process, PathBuf) {
        let text = self.config("auto", lines).replace(" tune.relay auto\n", "");
        let [config, printed] = ["haproxy.cfg", "haproxy.out"].map(|name| self.path().join(name));
        std::fs::write(&config, text).expect("a file");
        let output = std::fs::File::create(&printed).expect("a file");
        let errors = output.try_clone().expect("a second handle");
        let mut command = Command::new("haproxy");
        (Process::start(command.arg("-db").arg("-f").arg(config).stdout(output).stderr(errors)), printed)
    }
}

/// Asks in plain words and says by which port.
fn plain_ping(port: u16) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.write_all(b"PING\r\n").expect("it is sent");
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap_or_else(|error| panic!("no answer by {port}: {error}"));
    assert_eq!(&answer, b"+PONG\r\n");
    stream.local_addr().expect("an address").port()
}

#[test]
fn a_header_goes_before_the_handshake_both_to_and_from_haproxy() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    let redis = Redis::master();
    for engine in ENGINES {
        let [to_ours, to_theirs, ours, from_theirs, theirs] = [0; 5].map(|_| free_port());
        let door = "ssl crt @/front.pem accept-proxy";
        let secured = "ssl ca-file @/ca.pem verifyhost front.example";
        let (_haproxy, printed) = files.haproxy(&format!(
            "listen theirs\n bind 127.0.0.1:{theirs} {door}\n server s 127.0.0.1:{redis}\n\
             listen from_theirs\n bind 127.0.0.1:{from_theirs}\n\
             \x20server s 127.0.0.1:{ours} {secured} send-proxy-v2\n",
            redis = redis.port
        ));
        let config = files.config(
            engine,
            &format!(
                "listen to_ours\n bind 127.0.0.1:{to_ours}\n server s 127.0.0.1:{ours} {secured} send-proxy\n\
                 listen to_theirs\n bind 127.0.0.1:{to_theirs}\n\
                 \x20server s 127.0.0.1:{theirs} {secured} send-proxy-v2\n\
                 listen ours\n bind 127.0.0.1:{ours} {door}\n server s 127.0.0.1:{}\n",
                redis.port
            ),
        );
        let rolecall = Rolecall::spawn(&config, &["-db"]);
        for port in [to_ours, to_theirs, ours, from_theirs, theirs] {
            eventually("a listener", PATIENCE, || listens(port).then_some(()));
        }
        // Whoever is behind the header names the client, not the one who connected to it.
        for port in [to_ours, from_theirs] {
            let client = plain_ping(port);
            eventually("the client's name", PATIENCE, || {
                let output = rolecall.output();
                let named = format!("127.0.0.1:{client} [");
                output.lines().any(|line| line.contains(&named) && line.contains(" ours~ ")).then_some(())
            });
        }
        let client = plain_ping(to_theirs);
        eventually("the client's name", PATIENCE, || {
            let output = std::fs::read_to_string(&printed).expect("what haproxy printed");
            let named = format!("127.0.0.1:{client} [");
            output.lines().any(|line| line.contains(&named) && line.contains(" theirs~ ")).then_some(())
        });
        // A handshake without a header, and a header without a handshake.
        assert!(!files.ping(ours, &[]).contains("PONG"));
        rolecall.wait_for_output_within(" ours/1: Received something which does not look like", PATIENCE);
        let mut stranger = TcpStream::connect(("127.0.0.1", ours)).expect("a connection");
        stranger.write_all(b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\nPING\r\n").expect("it is sent");
        // Named as haproxy names it.
        eventually("a refusal", PATIENCE, || {
            let output = rolecall.output();
            let refused = |line: &str| {
                line.contains("1.2.3.4:1111 [") && line.contains(" ours/1: SSL handshake failure")
            };
            output.lines().any(refused).then_some(())
        });
    }
}

#[test]
fn a_client_that_speaks_tls_is_named_to_a_plain_server() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = free_port();
    let lines = format!(
        "listen l\n bind 127.0.0.1:{port} ssl crt @/front.pem\n server s {} send-proxy\n",
        server.local_addr().expect("an address")
    );
    let _rolecall = Rolecall::spawn(&files.config("auto", &lines), &["-db"]);
    eventually("the listener", PATIENCE, || listens(port).then_some(()));
    let mut client = files.client(port, "front.example");
    client.write_all(b"PING\r\n").expect("it is sent");
    let from = client.sock.local_addr().expect("an address").port();
    let (mut stream, _) = server.accept().expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {port}\r\nPING\r\n");
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).expect("a header and a command");
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

#[test]
fn checks_send_their_header_before_their_handshake() {
    let files = Files::new();
    files.leaf("front", &["front.example"]);
    let redis = Redis::master();
    let [theirs, ours, page] = [0; 3].map(|_| free_port());
    let door = |name: &str, port: u16| {
        format!(
            "listen {name}\n no log\n bind 127.0.0.1:{port} ssl crt @/front.pem accept-proxy\n server s 127.0.0.1:{}\n",
            redis.port
        )
    };
    let (_haproxy, _) = files.haproxy(&door("theirs", theirs));
    let lines = format!(
        "{}{}backend checked\n option redis-check\n\
         \x20default-server inter 100ms check check-ssl ca-file @/ca.pem verifyhost front.example\n\
         \x20server theirs 127.0.0.1:{theirs} check-send-proxy\n server ours 127.0.0.1:{ours} check-send-proxy\n\
         \x20server without 127.0.0.1:{theirs}\n",
        stats_section(page).replace("listen stats\n", "listen stats\n no log\n"),
        door("ours", ours)
    );
    let _rolecall = Rolecall::start(&files.config("auto", &lines), page);
    let told = |server: &str, field: &str, wanted: &str| {
        eventually(server, PATIENCE, || {
            let value = csv_field(page, "checked", server, field)?;
            (value.trim_start_matches("* ") == wanted).then_some(())
        });
    };
    told("theirs", "check_status", "L7OK");
    told("ours", "check_status", "L7OK");
    told("without", "status", "DOWN");
}

#[test]
fn a_rule_cannot_expect_a_header_behind_a_handshake() {
    let files = Files::new();
    let pem = files.leaf("front", &["front.example"]);
    let lines = format!(
        "listen l\n bind :1 ssl crt {}\n tcp-request connection expect-proxy layer4\n server s 127.0.0.1:1\n",
        pem.display()
    );
    let (code, text) = check(files.config("auto", &lines));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("write 'accept-proxy' on the 'bind' line"), "{text}");
}

const SCRIPT: &str = " option tcp-check\n tcp-check send AUTH\\ my-redis-password\\r\\n\n\
     \x20tcp-check expect string +OK\n tcp-check send PING\\r\\n\n tcp-check expect string +PONG\n\
     \x20tcp-check send INFO\\ REPLICATION\\r\\n\n tcp-check expect string role:master\n";

#[test]
fn no_login_goes_out_in_clear_text_where_checks_speak_tls() {
    let files = Files::new();
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let lines = format!(
        "backend b\n{SCRIPT} server s {} check inter 60s check-ssl verify none\n",
        server.local_addr().expect("an address")
    );
    let page = free_port();
    let _rolecall = Rolecall::start(&files.config("auto", &format!("{}{lines}", stats_section(page))), page);
    // The first check, and who listens for Sentinels and tries again sooner than a check.
    for _ in 0..4 {
        let (mut stream, _) = server.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut said = [0; 512];
        let count = stream.read(&mut said).expect("the first bytes");
        // A TLS record that begins a handshake (RFC 8446 section 5.1).
        assert_eq!(said[..count.min(2)], [22, 3], "{}", String::from_utf8_lossy(&said[..count]));
    }
}

#[test]
fn sentinels_are_heard_over_tls() {
    let files = Files::new();
    files.leaf("redis", &["redis.example"]);
    let password = "my-redis-password";
    let port = free_port();
    let file = |end: &str| files.path().join(end).display().to_string();
    let redis = Redis::with(&[
        "--requirepass",
        password,
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("redis.crt"),
        "--tls-key-file",
        &file("redis.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    let sentinels = Sentinels::watching_with(
        &redis,
        (0, 1),
        Duration::from_secs(5),
        &format!("sentinel auth-pass mymaster {password}\n"),
    );
    let page = free_port();
    let lines = format!(
        "{}backend b\n{SCRIPT} server s 127.0.0.1:{port} check inter 100ms check-ssl ca-file @/ca.pem\n",
        stats_section(page)
    );
    let rolecall = Rolecall::start(&files.config("auto", &lines), page);
    let heard = format!("Sentinel 127.0.0.1:{}", sentinels.ports[0]);
    rolecall.wait_for_output_within(&heard, PATIENCE * 2);
    assert!(!rolecall.output().contains(password));
}

/// Nobody listens at the server's own address: whoever reaches it has come through the proxy.
#[test]
fn servers_behind_a_socks4_proxy_speak_tls_over_either_engine() {
    let files = Files::new();
    files.leaf("redis", &["redis.example"]);
    let (_redis, secured) = files.redis("redis", "no");
    let there = SocketAddrV4::new(Ipv4Addr::new(127, 99, 0, 9), free_port());
    let proxy = Socks4::to(&[(there, secured)]);
    for engine in ENGINES {
        let [port, page] = [free_port(), free_port()];
        let config = files.config(
            engine,
            &format!(
                "listen redis\n bind 127.0.0.1:{port}\n option redis-check\n\
                 \x20server s {there} ssl ca-file @/ca.pem sni str(redis.example) socks4 127.0.0.1:{} \
                 check-via-socks4 check check-ssl check-sni redis.example inter 1s rise 1\n{}",
                proxy.port,
                stats_section(page),
            ),
        );
        let rolecall = Rolecall::start(&config, port);
        eventually("the check", PATIENCE, || {
            let told = csv_field(page, "redis", "s", "check_status")?;
            assert!(!told.ends_with("RSP"), "{told}: {:?}", csv_field(page, "redis", "s", "last_chk"));
            (told == "L7OK").then_some(())
        });
        let mut client = Client::connect(port).expect("a connection");
        let large = "x".repeat(300_000);
        client.call(&["SET", "k", &large]).unwrap_or_else(|error| panic!("{error}: {}", rolecall.output()));
        assert_eq!(client.call(&["GET", "k"]).expect("an answer"), large);
    }
    assert!(proxy.asked_for(there) >= 4);
}
