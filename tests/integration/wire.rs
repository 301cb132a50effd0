//! `silent-drop`, on the wire: what a client's machine gets of the balancer's. In a network of the test's own, where
//! every packet can be seen; the real haproxy and rolecall on the same configs. Needs root, for namespaces.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::harness::network::Side;
use crate::harness::{Haproxy, Network, Rolecall, eventually};

const SOON: Duration = Duration::from_secs(30);
/// Every namespace has its own ports.
const FRONTEND: u16 = 6379;

/// All that comes to a side.
struct Tap(Socket);

impl Tap {
    fn on(side: &Side) -> Tap {
        let protocol = Protocol::from(i32::from((libc::ETH_P_IP as u16).to_be()));
        let socket =
            side.run(|| Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol)).expect("a packet socket"));
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
        Tap(socket)
    }

    /// TCP flags of what came from the frontend to that port, until `done` says so.
    fn heard(&self, port: u16, done: impl Fn(&[String]) -> bool) -> Vec<String> {
        let (mut heard, until) = (Vec::new(), Instant::now() + SOON);
        let mut packet = [0; 2048];
        while !done(&heard) {
            assert!(Instant::now() < until, "{heard:?}");
            let Ok(count) =
                nix::sys::socket::recv(self.0.as_raw_fd(), &mut packet, nix::sys::socket::MsgFlags::empty())
            else {
                continue;
            };
            heard.extend(flags(&packet[..count], port));
        }
        heard
    }
}

/// `SA` of an IPv4 packet from the frontend to that port.
fn flags(packet: &[u8], port: u16) -> Option<String> {
    let segment = packet.get(usize::from(packet.first()? & 15) * 4..)?;
    let number = |at: usize| Some(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?]));
    if packet.get(9) != Some(&6) || number(0)? != FRONTEND || number(2)? != port {
        return None;
    }
    let bits = *segment.get(13)?;
    Some(
        "FSRPA".chars().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, letter)| letter).collect(),
    )
}

/// Lines of the proxy, and what the client says before it is dropped.
const RULES: &[(&str, &str)] = &[
    ("tcp-request connection silent-drop", ""),
    ("tcp-request session silent-drop", ""),
    ("tcp-request content silent-drop", ""),
    ("tcp-request inspect-delay 5s\n    tcp-request content silent-drop if { req.len gt 2 }", "hello"),
];

fn config(server: SocketAddr, rules: &str) -> String {
    format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
         listen l\n    bind 10.77.0.1:{FRONTEND}\n    {rules}\n    server s {server}\n"
    )
}

/// What the client's machine got, until the client's last word was answered.
fn dropped(network: &Network, clients: &Side, says: &str) -> Vec<String> {
    let tap = Tap::on(clients);
    eventually("the frontend", SOON, || (listens(network, "0A") > 0).then_some(()));
    let mut client = clients.run(|| TcpStream::connect(("10.77.0.1", FRONTEND)).expect("a connection"));
    client.set_read_timeout(Some(SOON)).expect("a time limit");
    let port = client.local_addr().expect("an address").port();
    client.write_all(says.as_bytes()).expect("a word");
    // Whoever was dropped has no socket there any more.
    eventually("the end of the connection there", SOON, || {
        (listens(network, "01") + listens(network, "03") == 0).then_some(())
    });
    client.write_all(b"more").expect("the client knows of nothing");
    let heard = tap.heard(port, |heard| heard.iter().any(|flags| flags.contains('R')));
    assert!(client.read(&mut [0]).is_err(), "an RST in the end");
    heard
}

/// Sockets of the frontend in that state, by the kernel's table.
fn listens(network: &Network, state: &str) -> usize {
    let place = format!("01004D0A:{FRONTEND:04X}");
    let table =
        network.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp").expect("the kernel's table"));
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&place.as_str()) && row.get(3) == Some(&state)).count()
}

#[test]
fn who_is_dropped_silently_hears_nothing() {
    let network = Network::with_sides(2);
    let [servers, clients] = network.sides() else { panic!("two sides") };
    let listener = servers.run(|| TcpListener::bind((servers.address, 0)).expect("a port"));
    let address = listener.local_addr().expect("an address");
    for (rules, says) in RULES {
        let text = config(address, rules);
        let real = network.run(|| Haproxy::spawn(&text));
        let theirs = dropped(&network, clients, says);
        drop(real);
        let ours = network.run(|| Rolecall::spawn(&text, &["-db"]));
        let heard = dropped(&network, clients, says);
        drop(ours);
        assert_eq!(theirs, heard, "{rules}");
        // Its own machine answers the last word; until then only what was said before is acknowledged.
        let expected: &[&str] = if says.is_empty() { &["SA", "R"] } else { &["SA", "A", "R"] };
        assert_eq!(heard, expected, "{rules}");
    }
}
