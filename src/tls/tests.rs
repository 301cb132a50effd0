//! Both ends of a handshake are legs of ours here: what one side dials, the other one accepts.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::acceptor::acceptor;
use super::connector::{asked, connector};
use super::facts::{Certificate, Facts};
use super::{AcceptError, Bridge, Client, Dial, DialError, HandshakeError, Secured};
use crate::config::model::{BindTls, ServerTls};
use crate::config::{Bundle, Sealed, Stored, load};
use crate::proxy_protocol::HeaderError;
use crate::socks4;

#[expect(unreachable_pub, reason = "the integration tests have it, too")]
#[path = "../../tests/integration/harness/certificates.rs"]
mod certificates;

use certificates::Authority;

const DEADLINE: Duration = Duration::from_secs(20);

/// Files by their names.
struct Files(Vec<(&'static str, String)>);

impl Files {
    /// `ca` and `a` (for `a.example`), `b` (for `*.b.example`) that it signed; `other` is another authority.
    fn new() -> Files {
        let (authority, other) = (Authority::new(), Authority::new());
        let (a, b) = (authority.leaf(&["a.example"]), authority.leaf(&["*.b.example"]));
        Files(vec![
            ("ca", authority.pem()),
            ("itself", itself()),
            ("other", other.pem()),
            ("stranger", other.leaf(&["a.example"]).both()),
            ("a", a.both()),
            ("b", b.both()),
        ])
    }

    /// What a bind line and a server line with these options come to.
    fn lines(&self, bind: &str, server: &str) -> (Arc<BindTls>, Arc<ServerTls>) {
        let text = format!("listen l\n bind :1 ssl {bind}\n server s 127.0.0.1:1 ssl {server}\n");
        let stored = |text: &String| Stored::File(Sealed::new(text.clone().into_bytes()));
        let pems = self.0.iter().map(|(name, text)| ((*name).to_owned(), stored(text))).collect();
        let files = vec![("test.cfg".to_owned(), text.into_bytes())];
        let loaded = load(&Bundle { files, pems, ..Bundle::default() });
        let config = loaded.config.unwrap_or_else(|| unreachable!("{:?}", loaded.diagnostics));
        let bind = config.frontends[0].binds[0].tls.clone().unwrap();
        (bind, config.backends[0].servers[0].tls.clone().unwrap())
    }
}

/// It has signed itself, and says that it is an authority.
fn itself() -> String {
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// The plain ends of a handshake, or why there was none.
struct Shaken {
    client: Result<UnixStream, DialError>,
    server: Result<(UnixStream, Facts), AcceptError>,
}

fn shake(bridge: &Bridge, (bind, server): &(Arc<BindTls>, Arc<ServerTls>)) -> Shaken {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let (accepted, accept) = channel();
    let (dialed, dial) = channel();
    let done = move |shaken: Result<Secured, _>| {
        accepted.send(shaken.map(|secured| (plain(secured.socket), secured.facts))).unwrap();
    };
    bridge.accept(coming(far, bind), done);
    let sni = asked(server, None).map(str::to_owned);
    let dial_out = Dial { sni, ..outgoing(near, server) };
    let dialing = bridge
        .dial(dial_out, move |reached| dialed.send(reached.map(|reached| plain(reached.socket))).unwrap());
    let shaken = Shaken { client: told(&dial), server: told(&accept) };
    drop(dialing);
    shaken
}

fn outgoing(socket: UnixStream, server: &ServerTls) -> Dial {
    let config = connector(server, None).unwrap();
    Dial { socket: socket.into(), config, sni: None, request: None, preface: Vec::new() }
}

fn coming(socket: UnixStream, bind: &BindTls) -> Client {
    let config = acceptor(bind).unwrap();
    Client { socket: socket.into(), config, patience: Some(DEADLINE), header: None }
}

fn told<T>(channel: &Receiver<T>) -> T {
    channel.recv_timeout(DEADLINE).unwrap()
}

fn plain(socket: OwnedFd) -> UnixStream {
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn both(shaken: Shaken) -> (UnixStream, UnixStream, Facts) {
    let (server, facts) = shaken.server.unwrap();
    (shaken.client.unwrap(), server, facts)
}

#[test]
fn what_goes_in_comes_out_and_the_handshake_tells_its_facts() {
    let lines = Files::new().lines("crt a alpn redis", "ca-file ca sni str(a.example) alpn x,redis");
    let bridge = Bridge::new(1);
    let (mut client, mut server, facts) = both(shake(&bridge, &lines));
    client.write_all(b"PING\r\n").unwrap();
    let mut told = [0; 6];
    server.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"PING\r\n");
    assert_eq!(facts.sni.as_deref(), Some("a.example"));
    assert_eq!((facts.protocol, facts.alpn.as_deref()), ("TLSv1.3", Some(b"redis".as_slice())));
    assert!(facts.cipher.starts_with("TLS_"), "{facts:?}");
    assert_eq!(facts.certificate, Certificate::NotShown);
}

#[test]
fn a_half_close_passes_and_what_is_large_arrives_whole() {
    let bridge = Bridge::new(2);
    let lines = Files::new().lines("crt a ssl-max-ver TLSv1.2", "verify none");
    let (mut client, mut server, facts) = both(shake(&bridge, &lines));
    assert_eq!(facts.protocol, "TLSv1.2");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    });
    let mut arrived = Vec::new();
    server.read_to_end(&mut arrived).unwrap();
    assert!(arrived == bytes, "{} bytes arrived", arrived.len());
    // The other way is still open.
    server.write_all(&bytes).unwrap();
    drop(server);
    assert!(sending.join().unwrap() == bytes);
    bridge.settle(DEADLINE);
    assert_eq!(bridge.legs(), 0);
}

#[test]
fn a_session_that_is_over_ends_its_leg_though_the_peer_stays() {
    let bridge = Bridge::new(1);
    let lines = Files::new().lines("crt a", "verify none");
    let (client, server, _) = both(shake(&bridge, &lines));
    assert_eq!(bridge.legs(), 2);
    drop(server);
    drop(client);
    bridge.settle(DEADLINE);
    assert_eq!(bridge.legs(), 0);
}

#[test]
fn certificates_are_chosen_by_name() {
    let files = Files::new();
    let bridge = Bridge::new(1);
    let outcome = |bind: &str, name: &str| {
        let server = format!("ca-file ca sni str({name})");
        shake(&bridge, &files.lines(bind, &server)).client.map(drop)
    };
    let expected = Err(DialError::Handshake(HandshakeError::NotTheExpected));
    assert_eq!(outcome("crt a crt b", "a.example"), Ok(()));
    assert_eq!(outcome("crt a crt b", "x.b.example"), Ok(()));
    assert_eq!(outcome("crt a crt b", "x.y.b.example"), expected);
    assert_eq!(outcome("crt a crt b strict-sni", "nobody"), Err(HandshakeError::Refused.into()));
}

#[test]
fn a_server_has_to_come_from_the_authority_and_to_carry_the_name() {
    let files = Files::new();
    let bridge = Bridge::new(1);
    let outcome = |server: &str| shake(&bridge, &files.lines("crt a", server)).client.map(drop);
    assert_eq!(outcome("ca-file ca"), Ok(()));
    assert_eq!(outcome("ca-file other"), Err(HandshakeError::Refused.into()));
    assert_eq!(outcome("ca-file other verify none"), Ok(()));
    assert_eq!(outcome("ca-file ca verifyhost a.example"), Ok(()));
    assert_eq!(outcome("ca-file ca verifyhost b.example"), Err(HandshakeError::NotTheConfigured.into()));
    assert_eq!(outcome("ca-file ca sni str(127.0.0.1)"), Err(HandshakeError::NotTheExpected.into()));
    // As with OpenSSL only one that signed itself may stand there itself.
    assert_eq!(outcome("ca-file a"), Err(HandshakeError::Refused.into()));
    let itself = shake(&bridge, &files.lines("crt itself", "ca-file itself"));
    assert_eq!(itself.client.map(drop), Ok(()));
}

#[test]
fn a_client_has_to_show_a_certificate_where_one_is_required() {
    let files = Files::new();
    let bridge = Bridge::new(1);
    let outcome = |bind: &str, server: &str| {
        let shaken = shake(&bridge, &files.lines(&format!("crt a {bind}"), &format!("verify none {server}")));
        shaken.server.map(|(_, facts)| facts.certificate)
    };
    assert_eq!(outcome("ca-file ca verify required", ""), Err(HandshakeError::Refused.into()));
    assert_eq!(outcome("ca-file ca verify required", "crt stranger"), Err(HandshakeError::Refused.into()));
    assert_eq!(outcome("ca-file ca verify required", "crt b"), Ok(Certificate::Shown));
    assert_eq!(outcome("ca-file ca verify optional", ""), Ok(Certificate::NotShown));
    assert_eq!(outcome("ca-file ca verify optional", "crt stranger"), Err(HandshakeError::Refused.into()));
    assert_eq!(outcome("ca-file ca", "crt stranger"), Ok(Certificate::NotShown));
}

#[test]
fn versions_that_do_not_meet_shake_no_hands() {
    let files = Files::new();
    let lines = files.lines("crt a ssl-min-ver TLSv1.3", "verify none ssl-max-ver TLSv1.2");
    let shaken = shake(&Bridge::new(1), &lines);
    assert_eq!(shaken.client.map(drop), Err(HandshakeError::Refused.into()));
    assert_eq!(shaken.server.map(drop), Err(HandshakeError::Refused.into()));
}

#[test]
fn a_client_that_says_nothing_or_something_else_is_told_apart() {
    let (bind, _) = Files::new().lines("crt a", "verify none");
    let bridge = Bridge::new(1);
    let outcome = |patience: Duration, act: fn(UnixStream) -> Option<UnixStream>| {
        let patience = Some(patience);
        let (near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let (sender, receiver) = channel();
        let done = move |shaken: Result<Secured, _>| sender.send(shaken.map(drop)).unwrap();
        bridge.accept(Client { patience, ..coming(far, &bind) }, done);
        let kept = act(near);
        let outcome = told(&receiver);
        drop(kept);
        outcome
    };
    assert_eq!(outcome(Duration::from_millis(10), Some), Err(HandshakeError::TimedOut.into()));
    assert_eq!(outcome(DEADLINE, |_| None), Err(HandshakeError::Closed.into()));
    let speaks = |mut client: UnixStream| {
        client.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
        Some(client)
    };
    assert_eq!(outcome(DEADLINE, speaks), Err(HandshakeError::Refused.into()));
}

#[test]
fn a_dial_that_is_given_up_ends() {
    let (_, server) = Files::new().lines("crt a", "verify none");
    let bridge = Bridge::new(1);
    let (near, _far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let dialing = bridge.dial(outgoing(near, &server), |_| ());
    assert_eq!(bridge.legs(), 1);
    drop(dialing);
    bridge.settle(DEADLINE);
    assert_eq!(bridge.legs(), 0);
}

#[test]
fn a_header_comes_before_the_handshake_however_it_comes() {
    let (bind, server) = Files::new().lines("crt a", "verify none");
    let bridge = Bridge::new(1);
    for pieces in [1, 5, usize::MAX] {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let ((accepted, accept), (dialed, dial)) = (channel(), channel());
        let done = move |shaken: Result<Secured, AcceptError>| accepted.send(shaken).unwrap();
        bridge.accept(Client { header: Some(1000), ..coming(far, &bind) }, done);
        let (first, last) = LINE.split_at(LINE.len().saturating_sub(pieces));
        for piece in first.chunks(4) {
            (&near).write_all(piece).unwrap();
        }
        // The ClientHello comes right behind what is left of it.
        let dial_out = Dial { preface: last.to_vec(), ..outgoing(near, &server) };
        let _dialing = bridge.dial(dial_out, move |reached| {
            dialed.send(reached.map(|reached| plain(reached.socket))).unwrap()
        });
        let mut client = told(&dial).unwrap();
        let Secured { socket, announced, .. } = told(&accept).unwrap();
        let source = announced.unwrap().0.unwrap().source;
        assert_eq!(source, "1.2.3.4:1111".parse().unwrap());
        client.write_all(b"PING\r\n").unwrap();
        let mut heard = [0; 6];
        plain(socket).read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"PING\r\n");
    }
}

/// A proxy that answers byte by byte, and then is the server; the header follows its answer.
#[test]
fn a_proxy_is_asked_before_the_header_and_the_handshake() {
    let (bind, server) = Files::new().lines("crt a", "verify none");
    let bridge = Bridge::new(1);
    for (answer, granted) in [(b"\0\x5a\0\0\0\0\0\0", true), (b"\0\x5b\0\0\0\0\0\0", false)] {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let request = Some(socks4::request(Some(([10, 1, 2, 3], 6379).into())));
        let dial_out = Dial { request, preface: LINE.to_vec(), ..outgoing(near, &server) };
        let ((accepted, accept), (dialed, dial)) = (channel(), channel());
        let _dialing = bridge.dial(dial_out, move |reached| {
            dialed.send(reached.map(|reached| plain(reached.socket))).unwrap()
        });
        let mut asked = [0; socks4::REQUEST];
        (&far).read_exact(&mut asked).unwrap();
        assert_eq!(Some(asked), request);
        for byte in answer {
            (&far).write_all(&[*byte]).unwrap();
        }
        if !granted {
            assert_eq!(told(&dial).unwrap_err(), socks4::Refusal::Denied.into());
            continue;
        }
        far.set_nonblocking(true).unwrap();
        let done = move |shaken: Result<Secured, AcceptError>| accepted.send(shaken).unwrap();
        bridge.accept(Client { header: Some(1000), ..coming(far, &bind) }, done);
        assert!(told(&accept).unwrap().announced.is_some());
        told(&dial).unwrap();
    }
}

const LINE: &[u8] = b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n";

#[test]
fn a_header_that_is_none_is_refused_before_any_handshake() {
    let (bind, _) = Files::new().lines("crt a", "verify none");
    let bridge = Bridge::new(1);
    let outcome = |patience: Duration, said: &[u8], stays: bool| {
        let (mut near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        near.write_all(said).unwrap();
        let kept = stays.then_some(near);
        let (sender, receiver) = channel();
        let done = move |shaken: Result<Secured, _>| sender.send(shaken.map(drop)).unwrap();
        let patience = Some(patience);
        bridge.accept(Client { patience, header: Some(1000), ..coming(far, &bind) }, done);
        let outcome = told(&receiver);
        drop(kept);
        outcome
    };
    let refused = |error: HeaderError| Err(error.into());
    let short = Duration::from_millis(20);
    assert_eq!(outcome(DEADLINE, b"\x16\x03\x01\x00\x05hello", true), refused(HeaderError::Foreign));
    assert_eq!(outcome(DEADLINE, b"PROXY TCP5 1.2.3.4\r\n", true), refused(HeaderError::Protocol));
    assert_eq!(outcome(DEADLINE, b"PROXY TCP4", false), refused(HeaderError::Truncated));
    assert_eq!(outcome(DEADLINE, b"", false), refused(HeaderError::Closed));
    assert_eq!(outcome(short, b"PROXY TCP4", true), refused(HeaderError::Truncated));
    assert_eq!(outcome(short, b"", true), refused(HeaderError::TimedOut));
}
