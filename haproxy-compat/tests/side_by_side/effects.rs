//! What keywords do that no series of connections and no line of a session shows: sockets, addresses, pages,
//! lines that are left out. Each is gone from one of these if its effect is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::program::{BOTH, DEADLINE, Running, free_port};
use super::traffic::{DEFAULTS, serve};

/// A client that is greeted and answers with these words or, without any, stays until it is ended.
fn answers(program: &Running, words: &str) {
    let mut client = program.connect();
    client.read_exact(&mut [0]).expect("the greeting");
    client.write_all(words.as_bytes()).expect("an answer");
    let _ = client.read_to_end(&mut Vec::new()); // A reset is an end too.
}

/// How the sessions ended that so many lines are of, in no order: HAProxy is slower to log some than others.
fn endings(program: &Running, count: usize) -> Vec<String> {
    let ending = |_| program.log_line().split_whitespace().nth(7).map(str::to_owned);
    let mut endings: Vec<String> = (0..count).filter_map(ending).collect();
    endings.sort();
    endings
}

#[test]
fn lines_are_left_out_as_haproxys_are() {
    // Who answers is let go; whoever says nothing runs into `timeout client`.
    let port = serve(|mut client| {
        if client.write_all(b"a").is_ok() {
            let _ = client.read(&mut [0; 9]); // Whatever ends it.
        }
    });
    for (lines, words, expected) in [
        ("", ["", "me too"], &["--", "cD"][..]),
        ("option dontlognull", ["", "me too"], &["--"]),
        ("option dontlognull\n no option dontlognull", ["", "me too"], &["--", "cD"]),
        ("option dontlog-normal", ["me too", ""], &["cD"]),
    ] {
        let config = format!(
            "{DEFAULTS}listen l\n bind @BIND@\n timeout client 2s\n {lines}\n server s 127.0.0.1:{port}\n"
        );
        for which in BOTH {
            let program = Running::start(which, &config);
            words.iter().for_each(|words| answers(&program, words));
            assert_eq!(endings(&program, expected.len()), expected, "{which:?}, {lines}");
        }
    }
}

#[test]
fn checks_are_logged_and_named_as_haproxys_are() {
    let port = serve(drop);
    let config = format!(
        "{}listen l\n bind @BIND@\n option log-health-checks\n log-tag redis-lb\n \
         server s 127.0.0.1:{port} check inter 100ms\n",
        DEFAULTS.replacen("global\n", "global\n log-send-hostname here\n", 1)
    );
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        let line = std::iter::repeat_with(|| program.raw_line()).find(|line| line.contains("Health check"));
        let line = line.expect("a line of a check");
        let header: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
        let header = header.join(" ").split('[').next().unwrap_or_default().to_owned();
        let text = line.split_once("]: ").map_or("", |(_, text)| text);
        (header, text.split(", check duration").next().unwrap_or_default().to_owned())
    });
    assert_eq!(theirs, ours);
    assert_eq!(ours.0, "here redis-lb");
}

#[test]
fn servers_see_the_address_that_source_says() {
    let port = serve(|mut client| {
        let peer = client.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
        let _ = client.write_all(peer.as_bytes()); // The test sees that it is missing.
    });
    for (lines, options) in
        [("", "source 127.0.0.5"), ("source 127.0.0.6", ""), ("source 127.0.0.6", "source 127.0.0.7")]
    {
        let config =
            format!("{DEFAULTS}listen l\n bind @BIND@\n {lines}\n server s 127.0.0.1:{port} {options}\n");
        let [theirs, ours] = BOTH.map(|which| {
            let program = Running::start(which, &config);
            let mut seen = String::new();
            program.connect().read_to_string(&mut seen).expect("an address");
            seen
        });
        assert_eq!(theirs, ours, "{lines}, {options}");
        assert_ne!(ours, Ipv4Addr::LOCALHOST.to_string());
    }
}

/// The code, the header of that name, the body.
fn asked(port: u16, path: &str, header: &str, wanted: &str) -> (String, String, String) {
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("the page");
    client.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n").expect("a request");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
    });
    (code, value.unwrap_or_default(), body.to_owned())
}

#[test]
fn pages_answer_as_haproxys_do() {
    let page = free_port();
    let config = format!(
        "global\n node node-seven\n description global words\n\
         defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
         frontend watched\n bind @BIND@\n monitor-uri /alive\n\
         listen page\n bind 127.0.0.1:{page}\n stats enable\n stats uri /s\n stats realm Redis\\ Masters\n \
         stats auth joe:secret\n stats refresh 7s\n stats hide-version\n stats show-node\n \
         stats show-desc shown words\n stats scope page\n"
    );
    let joe = "Authorization: Basic am9lOnNlY3JldA==\r\n";
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, &config);
        let (code, realm, _) = asked(page, "/s", "", "WWW-Authenticate");
        let (wrong, ..) = asked(page, "/s", "Authorization: Basic am9lOndyb25n\r\n", "x");
        let (right, refresh, body) = asked(page, "/s", joe, "Refresh");
        // Ours says it in the document, to browsers that run no script.
        let refresh = refresh == "7" || body.contains("content=\"7\"");
        let (_, _, csv) = asked(page, "/s;csv", joe, "x");
        let shown = ["node-seven", "shown words"].map(|text| body.contains(text));
        let hidden = ["2.6.12", "global words"].map(|text| body.contains(text));
        let scoped = ["page,BACKEND", "watched,FRONTEND"].map(|row| csv.contains(row));
        let (alive, ..) = asked(program.port, "/alive", "", "x");
        let (other, ..) = asked(program.port, "/other", "", "x");
        (code, realm, wrong, right, refresh, (shown, hidden, scoped, alive, other))
    });
    assert_eq!(theirs, ours);
    let (code, realm, wrong, right, refresh, (shown, hidden, scoped, alive, _)) = ours;
    assert_eq!([code, wrong, right, alive], ["401", "401", "200", "200"]);
    assert_eq!((realm.as_str(), refresh), ("Basic realm=\"Redis Masters\"", true));
    assert_eq!((shown, hidden, scoped), ([true; 2], [false; 2], [true, false]));
}

/// The server's check says that it is down while its clients are served: only `on-marked-down` ends them.
#[test]
fn clients_of_a_server_that_went_down_are_ended_as_haproxys_are() {
    let served = serve(|mut client| {
        if client.write_all(b"a").is_ok() {
            let _ = client.read_to_end(&mut Vec::new()); // Whatever ends it.
        }
    });
    let [theirs, ours] = BOTH.map(|which| {
        let checked = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = checked.local_addr().expect("an address").port();
        let config = format!(
            "{DEFAULTS}listen l\n bind @BIND@\n \
             server s 127.0.0.1:{served} check port {port} inter 100ms fall 2 on-marked-down shutdown-sessions\n"
        );
        let program = Running::start(which, &config);
        let mut client = program.connect();
        client.read_exact(&mut [0]).expect("the greeting");
        drop(checked);
        let _ = client.read_to_end(&mut Vec::new()); // A reset is an end too.
        let line = std::iter::repeat_with(|| program.log_line()).find(|line| line.contains("[TIME]"));
        line.expect("a line of the session")
    });
    assert_eq!(theirs, ours);
    assert!(ours.contains(" D- "), "{ours}");
}
