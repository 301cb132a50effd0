//! Probes against peers that misbehave on purpose, on real sockets.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::config::model::{
    CheckAction, CheckMethod, CheckRule, CheckWay, Server, ServerAddress, ServerPort,
};
use crate::health::kept::{Probe, Waited};
use crate::health::tcp_check::tests::{bulk, master, replica, script};
use crate::health::tcp_check::{Mode, Settled};
use crate::redis::Role;
use crate::state::CheckStatus;

const ROLE_SCRIPT: &[&str] = &[
    "send PING\\r\\n",
    "expect string +PONG",
    "send INFO replication\\r\\n",
    "expect string role:master",
    "send QUIT\\r\\n",
    "expect string +OK",
];

/// What a played server does with one connection.
#[derive(Debug, Clone)]
enum Manner {
    /// Answers as a Redis whose INFO replication is this.
    Redis(Vec<u8>),
    /// The same, one byte at a time.
    SlowRole(Vec<u8>),
    /// Sends these bytes at once and keeps the connection.
    Says(&'static [u8]),
    /// Reads, sends these bytes, and closes its half.
    HalfClose(&'static [u8]),
    /// Reads and resets.
    Reset,
    /// Answers one whole pass, and hangs up when it is asked again.
    OncePerConnection,
}

/// A server on a port of its own; counts its connections and tells how each ended.
async fn serve(manner: Manner) -> (Target, Arc<AtomicUsize>, mpsc::UnboundedReceiver<io::Result<()>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (ends, ended) = mpsc::unbounded_channel();
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Relaxed);
            let (manner, ends) = (manner.clone(), ends.clone());
            tokio::spawn(async move {
                let _ = ends.send(attend(stream, manner).await);
            });
        }
    });
    (
        Target::Tcp {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: Some(port),
            source: None,
            interface: None,
            greeting: Greeting::NONE,
        },
        connections,
        ended,
    )
}

async fn attend(mut stream: TcpStream, manner: Manner) -> io::Result<()> {
    let mut space = [0; 1024];
    if let Manner::Says(bytes) = manner {
        stream.write_all(bytes).await?;
    }
    let mut asked = 0;
    loop {
        let length = stream.read(&mut space).await?;
        if length == 0 {
            return Ok(());
        }
        let said = space[..length].to_ascii_uppercase();
        match &manner {
            Manner::Says(_) => {}
            Manner::Reset => {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            Manner::HalfClose(bytes) => {
                stream.write_all(bytes).await?;
                stream.shutdown().await?;
            }
            Manner::SlowRole(info) => {
                for byte in answer(&said, info) {
                    stream.write_all(&[byte]).await?;
                    tokio::task::yield_now().await;
                }
            }
            Manner::Redis(info) => stream.write_all(&answer(&said, info)).await?,
            Manner::OncePerConnection => {
                asked += usize::from(said.starts_with(b"PING"));
                if asked > 1 {
                    return Ok(());
                }
                stream.write_all(&answer(&said, &master())).await?;
            }
        }
    }
}

fn answer(said: &[u8], info: &[u8]) -> Vec<u8> {
    match said {
        said if said.starts_with(b"PING") => b"+PONG\r\n".to_vec(),
        said if said.starts_with(b"QUIT") => b"+OK\r\n".to_vec(),
        said if said.starts_with(b"INFO SERVER") => {
            bulk("# Server\r\nrun_id:feed\r\nuptime_in_seconds:7\r\n")
        }
        _ => info.to_vec(),
    }
}

fn patience(ms: u64) -> Patience {
    Patience { connect: Duration::from_secs(5), answer: Some(Duration::from_millis(ms)) }
}

async fn once(method: &CheckMethod, target: &Target, ms: u64) -> CheckOutcome {
    let mut engine = Engine::new(method, 16384, Mode::Once);
    check_once(&mut engine, target, patience(ms)).await
}

#[tokio::test]
async fn outcomes_of_servers_that_misbehave() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let refused = Target::Tcp {
        ip: Ipv4Addr::LOCALHOST.into(),
        port: Some(closed),
        source: None,
        interface: None,
        greeting: Greeting::NONE,
    };
    let mut seen = Vec::new();
    for manner in [
        Manner::Redis(master()),
        Manner::Redis(replica()),
        Manner::SlowRole(replica()),
        Manner::Says(b"SSH-2.0-garbage\r\n\x00\xff"),
        Manner::HalfClose(b""),
        Manner::HalfClose(b"+PO"),
        Manner::HalfClose(b"-LOADING Redis is loading the dataset in memory\r\n"),
        Manner::Reset,
    ] {
        let name = format!("{manner:?}").chars().take_while(|c| c.is_alphabetic()).collect::<String>();
        let outcome = once(&script(ROLE_SCRIPT), &serve(manner).await.0, 150).await;
        seen.push(format!("{name}: {} {:?} {}", outcome.status.name(), outcome.settled, outcome.info));
    }
    let outcome = once(&script(ROLE_SCRIPT), &refused, 150).await;
    seen.push(format!("refused: {} {}", outcome.status.name(), outcome.info));
    let outcome = once(&script(ROLE_SCRIPT), &Target::None, 150).await;
    seen.push(format!("none: {} {}", outcome.status.name(), outcome.info));
    insta::assert_snapshot!(seen.join("\n"), @r"
    Redis: L7OK Pass (tcp-check)
    Redis: L7RSP Definite TCPCHK did not match content 'role:master' at step 4
    SlowRole: L7RSP Definite TCPCHK did not match content 'role:master' at step 4
    Says: L7TOUT Failure  at step 2 of tcp-check (expect string '+PONG')
    HalfClose: L7RSP Failure TCPCHK got an empty response at step 2
    HalfClose: L7RSP Failure TCPCHK did not match content '+PONG' at step 2
    HalfClose: L7RSP Failure TCPCHK did not match content '+PONG' at step 2
    Reset: SOCKERR Failure Connection reset by peer at step 2 of tcp-check (expect string '+PONG')
    refused: L4CON Connection refused at initial connection step of tcp-check
    none: SOCKERR the server has no address
    ");
}

#[tokio::test]
async fn a_check_closes_by_reset_and_leaves_nothing() {
    let (target, connections, mut ended) = serve(Manner::Says(b"")).await;
    assert!(once(&CheckMethod::Layer4, &target, 1000).await.passed());
    let end = tokio::time::timeout(Duration::from_secs(5), ended.recv()).await.unwrap().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(connections.load(Relaxed), 1);
}

#[tokio::test]
async fn a_dropped_probe_closes_its_connection() {
    let (target, _, mut ended) = serve(Manner::Says(b"+PO")).await;
    let method = script(ROLE_SCRIPT);
    let waiting = once(&method, &target, 60_000);
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err(), "it waits for more");
    let end = tokio::time::timeout(Duration::from_secs(5), ended.recv()).await.unwrap().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_kept_probe_asks_again_on_one_connection() {
    let (target, connections, mut ended) = serve(Manner::Redis(replica())).await;
    let method = script(ROLE_SCRIPT);
    let mut probe = Probe::new(Engine::new(&method, 16384, Mode::Kept), &target, patience(1000));
    for _ in 0..5 {
        let outcome = probe.check().await;
        let report = outcome.role.unwrap();
        assert_eq!((outcome.settled, report.role), (Settled::Definite, Role::Replica));
        assert_eq!(report.run_id.as_deref(), Some("feed"));
        assert_eq!(probe.wait(Instant::now()).await, Waited::Due);
    }
    assert_eq!(connections.load(Relaxed), 1);
    drop(probe);
    assert!(ended.recv().await.unwrap().is_err(), "closed by reset");
}

#[tokio::test]
async fn the_end_of_a_kept_connection_is_no_failed_check() {
    let (target, connections, _) = serve(Manner::OncePerConnection).await;
    let method = script(ROLE_SCRIPT);
    let mut probe = Probe::new(Engine::new(&method, 16384, Mode::Kept), &target, patience(1000));
    for _ in 0..3 {
        assert!(probe.check().await.passed());
    }
    assert_eq!(connections.load(Relaxed), 3);
}

#[tokio::test]
async fn an_idle_kept_connection_that_ends_is_noticed() {
    let (target, _, _) = serve(Manner::HalfClose(b"+PONG\r\n")).await;
    let method = script(&["send PING\\r\\n", "expect string +PONG"]);
    let mut probe = Probe::new(Engine::new(&method, 16384, Mode::Kept), &target, patience(1000));
    assert!(probe.check().await.passed());
    let far = Instant::now() + Duration::from_secs(3600);
    let waited = tokio::time::timeout(Duration::from_secs(5), probe.wait(far)).await;
    assert_eq!(waited.unwrap(), Waited::Lost);
}

#[tokio::test]
async fn unix_sockets_are_checked_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("redis.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut space = [0; 64];
            let length = stream.read(&mut space).await.unwrap_or(0);
            let _ = stream.write_all(if length == 14 { b"+PONG\r\n" } else { b"-ERR\r\n" }).await;
        }
    });
    let outcome =
        once(&CheckMethod::RedisCheck, &Target::Unix { path, greeting: Greeting::NONE }, 1000).await;
    assert_eq!((outcome.status, outcome.info.as_str()), (CheckStatus::L7Ok, "Redis server is ok"));
}

#[tokio::test]
async fn timeouts_are_those_of_the_config() {
    let (target, _, _) = serve(Manner::Says(b"+PO")).await;
    let method = script(&["send PING\\r\\n", "expect string +PONG"]);
    let ms = Duration::from_millis;
    let cases = [
        (Patience { connect: ms(80), answer: None }, 80),
        (Patience { connect: ms(5000), answer: Some(ms(40)) }, 40),
        (Patience { connect: ms(40), answer: Some(ms(120)) }, 120),
    ];
    for (patience, expected) in cases {
        let mut engine = Engine::new(&method, 16384, Mode::Once);
        let outcome = check_once(&mut engine, &target, patience).await;
        assert_eq!(outcome.info, " at step 2 of tcp-check (expect string '+PONG')");
        // The upper bound only has to tell it from the other limit.
        let took = outcome.duration_ms.unwrap();
        assert!((expected..4000).contains(&took), "{took} for {patience:?}");
    }
}

/// What a played SOCKS4 proxy answers, and then is the server that was asked for.
async fn proxy(answer: Option<&'static [u8]>) -> (SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asks, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asks = asks.clone();
            tokio::spawn(async move {
                let mut request = vec![0; socks4::REQUEST];
                stream.read_exact(&mut request).await.unwrap();
                // A test that does not look has no end for it.
                let _ = asks.send(request);
                let Some(answer) = answer else {
                    let _ = stream.read(&mut [0]).await;
                    return;
                };
                stream.write_all(answer).await.unwrap();
                if answer.get(1) == Some(&0x5a) {
                    let _ = attend(stream, Manner::Redis(master())).await;
                }
            });
        }
    });
    (address, asked)
}

/// A server at an address that nobody has, behind that proxy.
fn behind(proxy: SocketAddr, via: bool) -> Server {
    Server {
        address: Some(ServerAddress::Ip { ip: [127, 99, 1, 1].into(), port: ServerPort::Fixed(6379) }),
        socks4: Some(proxy),
        check_via_socks4: via,
        ..Server::default()
    }
}

#[tokio::test]
async fn a_check_goes_through_the_proxy_where_its_line_or_its_script_says_so() {
    let (address, mut asked) = proxy(Some(b"\0\x5a\0\0\0\0\0\0")).await;
    let connect = |via| {
        let connect = CheckAction::Connect(CheckConnect { via, port: Some(77), ..CheckConnect::default() });
        CheckMethod::TcpCheck(vec![CheckRule { action: connect, comment: None }])
    };
    let (through, past) = (Target::of(&behind(address, true)), Target::of(&behind(address, false)));
    for (method, target, port) in [
        (script(ROLE_SCRIPT), &through, 6379_u16),
        (connect(CheckWay::AsServer), &through, 77),
        (connect(CheckWay::Socks4), &through, 77),
        (connect(CheckWay::Socks4), &past, 77),
    ] {
        assert!(once(&method, target, 5000).await.passed(), "{method:?}");
        let request = asked.recv().await.unwrap();
        assert_eq!(request, socks4::request(Some(([127, 99, 1, 1], port).into())));
    }
    for (method, target) in [
        (script(ROLE_SCRIPT), &past),
        (connect(CheckWay::AsServer), &past),
        (connect(CheckWay::Direct), &through),
    ] {
        assert_eq!(once(&method, target, 5000).await.status, CheckStatus::L4Connection, "{method:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_is_told_in_haproxys_words() {
    let mut seen = Vec::new();
    for answer in [Some(&b"\0\x5b\0\0\0\0\0\0"[..]), Some(b"\0"), None] {
        let (address, _asked) = proxy(answer).await;
        let target = Target::of(&behind(address, true));
        for method in [CheckMethod::Layer4, script(ROLE_SCRIPT)] {
            let outcome = once(&method, &target, 200).await;
            seen.push(format!("{} {}", outcome.status.name(), outcome.info));
        }
    }
    let (address, _asked) = proxy(None).await;
    let six = Some(ServerAddress::Ip { ip: Ipv6Addr::LOCALHOST.into(), port: ServerPort::Fixed(6379) });
    let target = Target::of(&Server { address: six, ..behind(address, true) });
    let outcome = once(&CheckMethod::RedisCheck, &target, 200).await;
    seen.push(format!("{} {}", outcome.status.name(), outcome.info));
    insta::assert_snapshot!(seen.join("\n"), @r"
    SOCKERR SOCKS4 Proxy deny the request
    SOCKERR SOCKS4 Proxy deny the request at initial connection step of tcp-check
    SOCKERR SOCKS4 Proxy read error during handshake
    SOCKERR SOCKS4 Proxy read error during handshake at initial connection step of tcp-check
    L7TOUT 
    L7TOUT  at initial connection step of tcp-check
    L4CON General socket error (Invalid argument)
    ");
}

/// Its addresses are the server's, not the proxy's.
#[tokio::test]
async fn the_header_of_a_check_names_the_server_behind_the_proxy() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = Server { send_proxy: Some(SendProxy::V1), ..behind(listener.local_addr().unwrap(), true) };
    let target = Target::of(&server);
    let played = async {
        let (mut stream, from) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; socks4::REQUEST]).await.unwrap();
        stream.write_all(b"\0\x5a\0\0\0\0\0\0").await.unwrap();
        let header = format!("PROXY TCP4 127.0.0.1 127.99.1.1 {} 6379\r\n", from.port());
        let mut got = vec![0; header.len()];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), header);
        stream.write_all(b"+PONG\r\n").await.unwrap();
        // Until it has been read.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let (outcome, ()) = tokio::join!(once(&CheckMethod::RedisCheck, &target, 5000), played);
    assert!(outcome.passed(), "{outcome:?}");
}
