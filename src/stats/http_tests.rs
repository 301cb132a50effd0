use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::log::{Echo, Identity, Sinks};
use crate::stats::demo;

const LIMIT: Duration = Duration::from_secs(5);

/// A client whose other end is served with the demo's page at `/`, and the frontend it is counted at.
struct Served {
    client: TcpStream,
    frontend: Arc<FrontendLive>,
    thread: std::thread::JoinHandle<io::Result<()>>,
}

fn served(already_read: &[u8]) -> Served {
    served_within(already_read, Limits::default())
}

fn served_within(already_read: &[u8], limits: Limits) -> Served {
    let demo = demo::demo();
    let mut config = (*demo.snapshot.config).clone();
    let admin = vec![crate::config::model::Condition { unless: false, any: vec![Vec::new()] }];
    let page = crate::config::model::StatsPage { uri: "/".into(), users: Vec::new(), admin, ..demo.page };
    config.frontends[1].stats = Some(page);
    let snapshot = Snapshot { config: config.into(), ..demo.snapshot };
    let frontend = Arc::clone(&snapshot.frontends[1]);
    let identity = Identity { tag: "t".into(), pid: 1, sent_hostname: None, echo: Echo::Off };
    let service = Service {
        published: Arc::new(Published::from_pointee(snapshot)),
        facts: Arc::new(demo.facts),
        logger: Logger::start(identity, Clock::utc(), Sinks::default()).unwrap(),
        clock: Clock::utc(),
        changes: tokio::sync::mpsc::unbounded_channel().0,
        limits,
    };
    let visit = Visit {
        service,
        frontend: Arc::clone(&frontend),
        backend: None,
        client: None,
        local: None,
        bind: None,
        tls: None,
        state: Mutex::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let already_read = already_read.to_vec();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(visit.serve(socket.into(), already_read))
    });
    Served { client, frontend, thread }
}

fn until_close(mut client: &TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let mut served = served(b"");
    served.client.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").unwrap();
    let text = until_close(&served.client);
    assert!(text.contains("200 OK\r\n") && text.contains("\r\n\r\n# pxname,svname"), "{text}");
    served.thread.join().unwrap().unwrap();
    assert_eq!(served.frontend.requests.sum(), 1);
    assert_eq!(served.frontend.intercepted.sum(), 13);
    assert_eq!(served.frontend.responses[1].sum(), 1);
    assert_eq!(served.frontend.traffic.bytes_in.sum(), 22);
    assert_eq!(served.frontend.traffic.bytes_out.sum(), text.len() as u64);
}

#[test]
fn a_kept_connection_answers_again_and_bytes_read_before_come_first() {
    let mut served = served(b"GET /;csv HTT");
    served.client.write_all(b"P/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    served.client.write_all(b"GET /;json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let text = until_close(&served.client);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    assert!(!text.contains("<main"), "HEAD has no body");
    served.thread.join().unwrap().unwrap();
}

#[test]
fn what_is_not_http_ends_the_connection() {
    let mut served = served(b"");
    served.client.write_all(b"*1\r\n$4\r\nPING\r\n\r\n").unwrap();
    assert!(until_close(&served.client).starts_with("HTTP/1.1 400 "));
    assert!(served.thread.join().unwrap().is_err());
}

#[test]
fn a_head_without_end_is_not_kept() {
    let mut served = served(b"");
    let line = [b"X: ", &[b'y'; 1000][..], b"\r\n"].concat();
    served.client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    // It may close before all of it is written.
    let _ = (0..64).try_for_each(|_| served.client.write_all(&line));
    assert!(served.thread.join().unwrap().is_err());
}

#[test]
fn nonces_do_not_repeat() {
    assert_ne!(nonce(), nonce());
    assert_eq!(nonce().len(), 32);
}

#[test]
fn a_client_that_says_nothing_is_not_kept() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let mut served = served_within(b"", limits);
    served.client.write_all(b"GET / HT").unwrap();
    let answer = until_close(&served.client);
    assert!(answer.starts_with("HTTP/1.1 408 Request Time-out\r\nContent-length: 110\r\n"), "{answer}");
    assert!(served.thread.join().unwrap().is_err());
}

/// As HAProxy 2.6.12 answers, by `timeout client`.
#[test]
fn a_form_that_does_not_come_is_told_so() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let mut served = served_within(b"", limits);
    served.client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\ns=a").unwrap();
    let answer = until_close(&served.client);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let _ = served.thread.join().unwrap();
    let live = served.frontend;
    assert_eq!((live.requests.sum(), live.request_errors.sum(), live.responses[3].sum()), (1, 1, 1));
}

#[test]
fn a_client_that_takes_nothing_is_not_kept() {
    let limits = Limits { silence: Duration::from_millis(50), ..Limits::default() };
    let mut served = served_within(b"", limits);
    // Far more pages than two socket buffers hold, and not one of them read.
    let asked = (0..2000).try_for_each(|_| served.client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(served.thread.join().unwrap().is_err(), "{asked:?}");
}

#[test]
fn what_was_no_request_is_counted_as_one_that_failed() {
    let counted = |served: Served| {
        // hyper says how it ended; what is counted is what matters here.
        let _ = served.thread.join().unwrap();
        let live = served.frontend;
        (live.request_errors.sum(), live.requests.sum(), live.responses[3].sum())
    };
    let mut bad = served(b"");
    bad.client.write_all(b"*1\r\n$4\r\nPING\r\n\r\n").unwrap();
    until_close(&bad.client);
    assert_eq!(counted(bad), (1, 1, 1));
    for sent in [&b""[..], b"GET / HT"] {
        let mut cut = served(b"");
        cut.client.write_all(sent).unwrap();
        cut.client.shutdown(std::net::Shutdown::Write).unwrap();
        until_close(&cut.client);
        assert_eq!(counted(cut), (1, 1, 1), "{sent:?}");
    }
    let mut late = served_within(b"", Limits { head: Duration::from_millis(50), ..Limits::default() });
    late.client.write_all(b"GET / HT").unwrap();
    until_close(&late.client);
    assert_eq!(counted(late), (1, 1, 1));
    let mut answered = served(b"");
    answered.client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    answered.client.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(until_close(&answered.client).starts_with("HTTP/1.1 200 "), "a half-close is no end");
    assert_eq!(counted(answered), (0, 1, 0));
}
