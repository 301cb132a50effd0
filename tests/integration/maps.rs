//! Maps of the real program: clients go where a file says, the runtime socket changes that at once, and a reload reads
//! the file anew.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::harness::rolecall::{ask, check};
use crate::harness::{Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// A server that says its name and closes.
fn named(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A client that is gone already hears nothing.
            let _ = std::io::Write::write_all(&mut stream, name.as_bytes());
        }
    });
    port
}

fn served_by(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the frontend accepts");
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    let mut name = String::new();
    // One that was reset was served by nobody.
    let _ = stream.read_to_string(&mut name);
    name
}

#[test]
fn clients_go_where_the_map_says_now() {
    let directory = tempfile::tempdir().expect("a directory");
    let (map, list) = (directory.path().join("hosts.map"), directory.path().join("banned.lst"));
    std::fs::write(&map, "# client backend\n127.0.0.0/8 a\n").expect("the map");
    std::fs::write(&list, "10.0.0.1\n").expect("the list");
    let (map, list) = (map.display().to_string(), list.display().to_string());
    let socket = directory.path().join("s");
    let (port, a, b) = (free_port(), named("a"), named("b"));
    let config = format!(
        "global\n    stats socket {} mode 600 level admin\ndefaults\n    timeout connect 2s\n    timeout client 60s\n    \
         timeout server 60s\nfrontend fe\n    bind 127.0.0.1:{port}\n    acl banned src -f {list}\n    \
         tcp-request connection reject if banned\n    use_backend %[src,map_ip({map},a)]\n\
         backend a\n    server s 127.0.0.1:{a}\nbackend b\n    server s 127.0.0.1:{b}\n",
        socket.display()
    );
    let rolecall = Rolecall::start(&config, port);
    let say = |line: &str| ask(Path::new(&socket), line);
    eventually("the runtime socket", SOON, || {
        std::os::unix::net::UnixStream::connect(&socket).ok().map(drop)
    });
    assert_eq!(served_by(port), "a");

    assert_eq!(say(&format!("set map {map} 127.0.0.0/8 b")), "\n");
    assert_eq!(served_by(port), "b");
    assert_eq!(say(&format!("add map {map} <<\n127.0.0.1 a\n10.0.0.0/8 b\n")), "\n");
    assert_eq!(served_by(port), "a", "the longest prefix counts");
    assert_eq!(say(&format!("prepare map {map}")), "New version created: 1\n\n");
    assert_eq!(say(&format!("add map @1 {map} 127.0.0.1 b")), "\n");
    assert_eq!(served_by(port), "a", "what is prepared is not in use");
    assert_eq!(say(&format!("commit map @1 {map}")), "\n");
    assert_eq!(served_by(port), "b");
    assert_eq!(say(&format!("add acl {list} 127.0.0.1")), "\n");
    assert_eq!(served_by(port), "", "refused");

    std::fs::write(&map, "127.0.0.1 b\n").expect("another map");
    let heads = || say("show map");
    assert!(heads().contains("curr_ver=1 next_ver=1 entry_cnt=1"), "{}", heads());
    rolecall.reload(&config);
    eventually("the files as they are", SOON, || (heads().contains("curr_ver=0")).then_some(()));
    assert_eq!(served_by(port), "b");
    let found =
        "type=ip, case=sensitive, found=yes, idx=tree, key=\"127.0.0.1\", value=\"b\", type=\"str\"\n\n";
    assert_eq!(say(&format!("get map {map} 127.0.0.1")), found);
}

#[test]
fn a_map_that_cannot_be_read_refuses_the_config() {
    let config = "listen l\n bind :1\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n \
                  tcp-request content set-var(sess.a) src,map_ip(/nonexistent/a.map)\n server s 10.0.0.1:1\n";
    let (code, text) = check(config);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("failed to open pattern file </nonexistent/a.map>"), "{text}");
}
