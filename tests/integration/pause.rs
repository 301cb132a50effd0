//! SIGTTOU and SIGTTIN: new clients are refused or wait, those inside notice nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_pause_ends_for_every_kind_of_listener() {
    let redis = Redis::master();
    let port = free_port();
    let directory = tempfile::tempdir().expect("a private directory");
    let path = directory.path().join("socket");
    let config = format!(
        "defaults\n mode tcp\n timeout connect 2s\n timeout client 60s\n timeout server 60s\n\
         listen redis\n bind 127.0.0.1:{port}\n bind unix@{}\n server one 127.0.0.1:{}\n",
        path.display(),
        redis.port
    );
    let rolecall = Rolecall::start(&config, port);
    let mut inside = Client::connect(port).expect("the frontend accepts");
    inside.call(&["PING"]).expect("a reply");

    rolecall.process.signal("TTOU");
    eventually("TCP clients are refused", LIMIT, || TcpStream::connect(("127.0.0.1", port)).err());
    inside.call(&["PING"]).expect("a reply during the pause");
    let mut waiting = UnixStream::connect(&path).expect("the socket file queues");
    waiting.write_all(b"PING\r\n").expect("the command is sent");
    waiting.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout can be set");
    let mut reply = [0; 7];
    assert!(waiting.read(&mut reply).is_err(), "served during the pause");

    rolecall.process.signal("TTIN");
    waiting.set_read_timeout(Some(LIMIT)).expect("a timeout can be set");
    waiting.read_exact(&mut reply).expect("a reply after the pause");
    assert_eq!(&reply, b"+PONG\r\n");
    eventually("TCP clients are served", LIMIT, || Client::connect(port).ok()?.call(&["PING"]).ok());
    UnixStream::connect(&path).expect("the socket file accepts");
    inside.call(&["PING"]).expect("a reply after the pause");
}
