//! `usesrc`: a server that sees a client's own address, though the connection comes from the balancer. In networks of
//! the test's own, where the server's answers come back by way of the balancer, as such a set-up wants it. The real
//! haproxy goes first: it shows that the networks do what they should. Needs root, for namespaces.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::network::{Side, ip};
use crate::harness::{Haproxy, Network, Rolecall, eventually};

const SOON: Duration = Duration::from_secs(30);
/// Every namespace has its own ports.
const FRONTEND: u16 = 6379;

/// Servers on the first side, clients on the second; what the servers send to the clients goes to the balancer, which
/// keeps it.
fn network() -> Network {
    let network = Network::with_sides(2);
    let [servers, clients] = network.sides() else { panic!("two sides") };
    let (server, client) = (servers.address, clients.address);
    servers.run(|| ip(&format!("route add {client}/32 via 10.77.0.1")));
    network.run(|| {
        ip(&format!("rule add from {server} iif wire lookup 100"));
        ip("route add local default dev lo table 100");
    });
    network
}

fn config(server: SocketAddr, source: &str) -> String {
    format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
         listen l\n    bind 10.77.0.1:{FRONTEND}\n    server s {server} source {source}\n"
    )
}

/// Whom the server sees, and who the client is.
fn seen(listener: &TcpListener, clients: &Side) -> (SocketAddr, SocketAddr) {
    let mut client =
        clients.run(|| eventually("the frontend", SOON, || TcpStream::connect(("10.77.0.1", FRONTEND)).ok()));
    client.set_read_timeout(Some(SOON)).expect("a time limit");
    let (mut server, peer) = listener.accept().expect("a connection");
    server.set_read_timeout(Some(SOON)).expect("a time limit");
    let mut word = [0; 3];
    client.write_all(b"ask").expect("a question");
    server.read_exact(&mut word).expect("the question");
    server.write_all(b"say").expect("an answer");
    client.read_exact(&mut word).expect("the answer");
    assert_eq!(&word, b"say");
    (peer, client.local_addr().expect("an address"))
}

#[test]
fn a_server_sees_the_clients_own_address() {
    let network = network();
    let [servers, clients] = network.sides() else { panic!("two sides") };
    let listener = servers.run(|| TcpListener::bind((servers.address, 0)).expect("a port"));
    let address = listener.local_addr().expect("an address");
    for (source, is_seen) in [
        ("0.0.0.0", (|peer, _| peer.ip().to_string() == "10.77.0.1") as fn(SocketAddr, SocketAddr) -> bool),
        ("0.0.0.0 usesrc clientip", |peer, client| peer.ip() == client.ip()),
        ("0.0.0.0 usesrc client", |peer, client| peer == client),
        ("0.0.0.0 usesrc 10.77.0.3", |peer, _| peer.ip().to_string() == "10.77.0.3"),
    ] {
        let text = config(address, source);
        let real = network.run(|| Haproxy::spawn(&text));
        let (peer, client) = seen(&listener, clients);
        assert!(is_seen(peer, client), "haproxy, {source}: {peer} for {client}");
        drop(real);
        let ours = network.run(|| Rolecall::spawn(&text, &["-db"]));
        let (peer, client) = seen(&listener, clients);
        assert!(is_seen(peer, client), "{source}: {peer} for {client}");
        drop(ours);
    }
}
