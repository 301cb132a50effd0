//! The PROXY protocol: each program behind the other, what servers and checks get to see, and what the log says
//! of those who do not speak it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::program::{BOTH, DEADLINE, Running, Which};
use super::traffic::DEFAULTS;

/// Tells the first bytes of every connection, until it closes or has said that.
pub(crate) fn recorder(last: &'static [u8]) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || tell.send(said(stream, last)));
        }
    });
    (port, told)
}

fn said(mut stream: TcpStream, last: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = [0; 1024];
    while !bytes.ends_with(last) {
        match stream.read(&mut block) {
            Ok(count @ 1..) => bytes.extend_from_slice(&block[..count]),
            // A check ends by RST.
            _ => break,
        }
    }
    bytes
}

const PAYLOAD: &[u8] = b"*1\r\n$4\r\nPING\r\n";

#[test]
fn chains_of_both_programs_hand_the_client_on() {
    for outer in BOTH {
        for inner in BOTH {
            for (first, second) in [("send-proxy", "send-proxy-v2"), ("send-proxy-v2", "send-proxy")] {
                hand_on([outer, inner], [first, second]);
            }
        }
    }
}

/// Client, `outer`, `inner`, server: the server learns of the client what a direct header would say.
fn hand_on([outer, inner]: [Which; 2], [first, second]: [&str; 2]) {
    let (server, told) = recorder(PAYLOAD);
    let inner_config = format!(
        "{DEFAULTS}frontend f\n bind @BIND@ accept-proxy\n default_backend b\n\
         backend b\n server s 127.0.0.1:{server} {second}\n"
    );
    let inner_running = Running::start(inner, &inner_config);
    let outer_config =
        format!("{DEFAULTS}listen l\n bind @BIND@\n server s 127.0.0.1:{} {first}\n", inner_running.port);
    let outer_running = Running::start(outer, &outer_config);
    let mut client = outer_running.connect();
    let (from, to) = (client.local_addr().expect("an address").port(), outer_running.port);
    client.write_all(PAYLOAD).expect("bytes sent");
    let expected = match second {
        "send-proxy" => format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n").into_bytes(),
        _ => [
            &b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01"[..],
            &from.to_be_bytes(),
            &to.to_be_bytes(),
        ]
        .concat(),
    };
    let got = told.recv_timeout(DEADLINE);
    let got = got.unwrap_or_else(|_| panic!("nobody came: {outer:?} {first}, {inner:?} {second}"));
    assert_eq!(got, [&expected[..], PAYLOAD].concat(), "{outer:?} {first}, {inner:?} {second}");
}

/// The fields of a client without TLS: the same from both programs, ports and checksum apart.
#[test]
fn fields_are_the_same() {
    for options in ["crc32c,unique-id,authority", "ssl,cert-cn,ssl-cipher", "unique-id,ssl,crc32c"] {
        let [theirs, ours] = BOTH.map(|which| {
            let (server, told) = recorder(PAYLOAD);
            let config = format!(
                "{DEFAULTS}listen l\n bind @BIND@\n unique-id-format id-%ci-%{{+X}}ci\n \
                 server s 127.0.0.1:{server} send-proxy-v2 proxy-v2-options {options}\n"
            );
            let running = Running::start(which, &config);
            running.connect().write_all(PAYLOAD).expect("bytes sent");
            let mut got = told.recv_timeout(DEADLINE).expect("a header");
            got[24..28].fill(0);
            if options.contains("crc32c") {
                assert_ne!(got[31..35], [0; 4], "{which:?} {options}");
                got[31..35].fill(0);
            }
            got
        });
        assert_eq!(String::from_utf8_lossy(&theirs), String::from_utf8_lossy(&ours), "{options}");
    }
}

/// What comes in place of a header.
const WRONG: &[&[u8]] = &[
    b"PING\r\nPING\r\nPING\r\n",
    b"PROXY TCP5 1.2.3.4 5.6.7.8 1111 2222\r\nPING",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\nPING",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222 x\r\nPING",
    b"\r\n\r\n\0\r\nQUIT\n!\x12\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x04W\x08\xae",
    b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x04W\x08\xae",
    b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x04W\x08\xae",
    b"",
];

#[test]
fn who_owes_a_header_is_refused_in_the_same_words() {
    let config = "global\n log @LOG@ local0\ndefaults\n mode tcp\n log global\n option tcplog\n \
                  option log-separate-errors\n timeout client 500ms\n timeout server 5s\n timeout connect 5s\n\
                  frontend f\n bind @BIND@ accept-proxy name door\n default_backend b\nbackend b\n server s 127.0.0.1:1\n";
    let [theirs, ours] = BOTH.map(|which| {
        let program = Running::start(which, config);
        let lines = WRONG.iter().map(|wrong| {
            let mut client = program.connect();
            client.write_all(wrong).expect("bytes sent");
            // A reset is an end too.
            let _ = client.read_to_end(&mut Vec::new());
            program.log_line()
        });
        lines.collect::<Vec<_>>()
    });
    assert_eq!(theirs, ours);
    assert!(ours[0].contains("f/door: Received something which does not look like"), "{}", ours[0]);
}

/// Options of the server, lines of the backend.
const CHECKS: &[(&str, &str)] = &[
    ("send-proxy", ""),
    ("send-proxy-v2", ""),
    ("send-proxy-v2-ssl", ""),
    ("check-send-proxy", ""),
    ("send-proxy addr 127.0.0.1", ""),
    ("send-proxy-v2 addr 127.0.0.1 check-send-proxy", ""),
    ("", " tcp-check connect send-proxy\n"),
    ("send-proxy", " tcp-check connect\n"),
    ("send-proxy-v2", " tcp-check connect default\n"),
    ("send-proxy-v2", " tcp-check connect send-proxy\n"),
];

#[test]
fn checks_begin_with_the_same_header() {
    for (options, lines) in CHECKS {
        let [theirs, ours] = BOTH.map(|which| {
            // A check says PING after its header.
            let (server, told) = recorder(b"PING");
            let config = format!(
                "{DEFAULTS}listen l\n bind @BIND@\n option tcp-check\n{lines} tcp-check send PING\n \
                 tcp-check expect string PONG\n timeout check 200ms\n\
                 server s 127.0.0.1:{server} check inter 200ms {options}\n"
            );
            let _program = Running::start(which, &config);
            let first = told.recv_timeout(DEADLINE).expect("a check");
            let text = String::from_utf8_lossy(&first).into_owned();
            // A line tells ports.
            text.split(' ')
                .filter(|word| word.parse::<u16>().is_err())
                .collect::<Vec<_>>()
                .join(" ")
                .replace(&format!("{server}\r\n"), "\r\n")
        });
        assert_eq!(theirs, ours, "{options} {lines}");
        assert!(ours.contains("PING"), "{ours}");
    }
}

#[test]
fn rules_before_the_header_see_the_connection_and_those_after_it_the_client() {
    let (server, told) = recorder(b"PING");
    let config = format!(
        "{DEFAULTS}frontend f\n bind @BIND@\n tcp-request connection reject if {{ src 10.9.9.9 }}\n \
         tcp-request connection expect-proxy layer4 if {{ src 127.0.0.0/8 }}\n \
         tcp-request session reject if {{ src 10.8.8.8 }}\n use_backend b if {{ dst_port 2222 }}\n\
         backend b\n server s 127.0.0.1:{server}\n"
    );
    for which in BOTH {
        let program = Running::start(which, &config);
        for source in ["10.9.9.9", "10.8.8.8", "10.7.7.7"] {
            let mut client = program.connect();
            let bytes = format!("PROXY TCP4 {source} 5.6.7.8 1111 2222\r\n{source} PING");
            client.write_all(bytes.as_bytes()).expect("bytes sent");
            // A reset is an end too.
            let _ = client.read_to_end(&mut Vec::new());
        }
        let served = [(); 2].map(|()| told.recv_timeout(DEADLINE).expect("a client at the server"));
        assert_eq!(
            served.map(|said| String::from_utf8_lossy(&said).into_owned()),
            ["10.9.9.9 PING", "10.7.7.7 PING"]
        );
    }
}
