//! Sentinels that misbehave, and servers that lie about them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::bench::{Bench, backend, section, undiscovering};
use crate::config::model::Secret;
use crate::redis::command;
use crate::redis::reply::command as encode;

const ID: &str = "8b5bbba46f26203ef91f7dc759e1bcdc8cd1f3c9";

/// How a Sentinel behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    /// Takes what it is sent.
    Hangs,
    Http,
    Garbage,
    /// An endless bulk.
    Endless,
    Closes,
    Error(&'static str),
    /// MYID is another's.
    Liar,
    /// Answers well, and forbids PSUBSCRIBE.
    NoSubscription,
    /// A Sentinel of another master's.
    Stranger,
    /// Redis 6.0
    Old,
}

/// Answers for a master on `port`; counts the connections.
async fn sentinel(behaviour: Behaviour, port: u16) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            tokio::spawn(serve(stream, behaviour, port));
        }
    });
    (address, count)
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, port: u16) {
    let (mut space, mut pending) = ([0; 4096], Vec::new());
    while let Ok(read @ 1..) = stream.read(&mut space).await {
        pending.extend_from_slice(&space[..read]);
        let (commands, unfinished) = command::split(&pending);
        let mut replies = Vec::new();
        for words in &commands {
            let words: Vec<String> =
                words.iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
            replies.extend(reply(behaviour, &words, port));
        }
        let used = pending.len() - unfinished;
        pending.drain(..used);
        if behaviour == Behaviour::Closes || stream.write_all(&replies).await.is_err() {
            return;
        }
    }
}

fn reply(behaviour: Behaviour, words: &[String], port: u16) -> Vec<u8> {
    let port = if behaviour == Behaviour::Stranger { 9 } else { port };
    let id = if behaviour == Behaviour::Liar { "36aa02c49c7bff463790dee3bbead47482e81284" } else { ID };
    match behaviour {
        Behaviour::Hangs | Behaviour::Closes => return Vec::new(),
        Behaviour::Http => return b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        Behaviour::Garbage => return vec![0xff, 0x00, 0x17, b'\n'],
        Behaviour::Endless => return [b"$4000000000\r\n".as_slice(), &[b'x'; 300_000]].concat(),
        Behaviour::Error(error) => return format!("-{error}\r\n").into_bytes(),
        _ => {}
    }
    let port = port.to_string();
    match (words[0].as_str(), words.get(1).map_or("", String::as_str)) {
        ("sentinel", "myid") if behaviour == Behaviour::Old => {
            b"-ERR Unknown sentinel subcommand 'MYID'\r\n".to_vec()
        }
        ("sentinel", "myid") => encode(&[id.as_bytes()])[4..].to_vec(),
        ("sentinel", "master") => encode(&[
            b"ip",
            b"127.0.0.1",
            b"port",
            port.as_bytes(),
            b"flags",
            b"master",
            b"config-epoch",
            b"1",
            b"num-other-sentinels",
            b"0",
        ]),
        ("sentinel", "get-master-addr-by-name") => encode(&[b"127.0.0.1", port.as_bytes()]),
        ("psubscribe", _) if behaviour == Behaviour::NoSubscription => {
            b"-NOPERM this user has no permissions to access one of the channels used as arguments\r\n"
                .to_vec()
        }
        ("psubscribe", _) => encode(&[b"psubscribe", b"*", b"1"]),
        ("ping", _) => encode(&[b"pong", b""]),
        ("info", _) => b"$17\r\nsentinel_tilt:0\r\n\r\n".to_vec(),
        _ => b"*0\r\n".to_vec(),
    }
}

#[tokio::test]
async fn each_trouble_is_named_once_and_shown() {
    let table = [
        (Behaviour::Hangs, "does not answer in time"),
        (Behaviour::Http, "speaks another protocol than Redis"),
        (Behaviour::Garbage, "speaks another protocol than Redis"),
        (Behaviour::Endless, "speaks another protocol than Redis"),
        (Behaviour::Closes, "closed the connection"),
        (Behaviour::Error("ERR No such master with that name"), "watches no master 'mymaster'"),
        (
            Behaviour::Error("ERR unknown command 'SENTINEL', with args beginning with: 'MYID' "),
            "is a Redis, and no Sentinel",
        ),
        (Behaviour::Error("NOAUTH Authentication required."), "answers NOAUTH Authentication required."),
        (
            Behaviour::Error("LOADING Redis is loading the dataset in memory"),
            "answers LOADING Redis is loading the dataset in memory",
        ),
        (
            Behaviour::Error("NOPERM this user has no permissions to run the 'sentinel|myid' command"),
            "answers NOPERM this user has no permissions to run the",
        ),
        (
            Behaviour::NoSubscription,
            "answers NOPERM this user has no permissions to access one of the channels used as arguments",
        ),
    ];
    for (behaviour, expected) in table {
        let (address, _) = sentinel(behaviour, 7100).await;
        let mut bench = Bench::new(undiscovering(&[7100]), vec![section(&[address])]);
        assert_eq!(
            bench.line(expected).await,
            format!("Sentinel s0 ({address}) {expected}"),
            "{behaviour:?}"
        );
        let shown = bench.board();
        assert_eq!(shown[0].trouble.as_deref(), Some(expected), "{behaviour:?}");
        assert_eq!(bench.count(Duration::from_millis(400)).await.0, 0, "{behaviour:?} is said again");
    }
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let (address, _) =
        sentinel(Behaviour::Error("ERR unknown command 'AUTH', with args beginning with: 'hunter2' "), 1)
            .await;
    let mut group = section(&[address]);
    group.auth_pass = Some(Secret::new("hunter2"));
    let mut bench = Bench::new(undiscovering(&[7100]), vec![group]);
    let line = bench.line("answers").await;
    assert!(!line.contains("hunter2") && !format!("{:?}", bench.board()).contains("hunter2"), "{line}");
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_with_pauses() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut bench = Bench::new(undiscovering(&[7100]), vec![section(&[address])]);
    let refused = format!("Sentinel s0 ({address}) cannot connect: Connection refused");
    assert_eq!(bench.line("cannot connect").await, refused);
    assert_eq!(bench.count(Duration::from_millis(500)).await, (0, 0));
}

#[tokio::test]
async fn asking_now_does_not_wait_for_the_second() {
    let (address, connections) = sentinel(Behaviour::Good, 7100).await;
    let mut bench = Bench::new(undiscovering(&[7100]), vec![section(&[address])]);
    bench.words_until("Names { master: redis0").await;
    bench.line("is watched").await;
    // The subscription has it asked once more.
    bench.words_until("Names { master: redis0").await;
    for _ in 0..5 {
        bench.asking.ask(bench.key());
        let word = tokio::time::timeout(Duration::from_millis(500), bench.word()).await;
        assert!(word.expect("at once").1.contains("Names"), "asked");
    }
    assert_eq!(connections.load(Relaxed), 2, "one that is asked and one that listens");
    // A reload that changes nothing leaves both.
    bench.load(undiscovering(&[7100]), vec![section(&[address])]);
    bench.asking.ask(bench.key());
    bench.words_until("Names").await;
    assert_eq!(connections.load(Relaxed), 2);
    // Without the section it is let go.
    bench.load(undiscovering(&[7100]), Vec::new());
    bench.words_until("Forgotten").await;
}

/// A Redis on which anybody has published `hellos`, over and over.
async fn server(hellos: Vec<String>, pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let hellos = hellos.clone();
            tokio::spawn(async move {
                let mut space = [0; 512];
                let _ = stream.read(&mut space).await;
                let _ = stream.write_all(&encode(&[b"subscribe", b"__sentinel__:hello", b"1"])).await;
                for hello in hellos.iter().cycle() {
                    let message = encode(&[b"message", b"__sentinel__:hello", hello.as_bytes()]);
                    if stream.write_all(&message).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    port
}

fn hello(address: SocketAddr, id: &str) -> String {
    format!("{},{},{id},0,mymaster,127.0.0.1,7100,0", address.ip(), address.port())
}

#[tokio::test]
async fn who_was_announced_has_to_prove_it() {
    let table = [
        (Behaviour::Liar, "has another identity than was announced"),
        (Behaviour::Http, "speaks another protocol than Redis"),
        (
            Behaviour::Error("ERR unknown command 'SENTINEL', with args beginning with: 'MYID' "),
            "is a Redis, and no Sentinel",
        ),
        (Behaviour::Old, "does not know SENTINEL MYID"),
        (Behaviour::Stranger, "watches 127.0.0.1:9, which is no server of this backend"),
    ];
    for (behaviour, expected) in table {
        let (address, connections) = sentinel(behaviour, 7100).await;
        let port = server(vec![hello(address, ID)], Duration::from_millis(50)).await;
        let mut bench = Bench::new(backend(&[port], ""), Vec::new());
        let line = bench.line("is left out").await;
        assert!(line.contains(expected), "{behaviour:?}: {line}");
        let before = connections.load(Relaxed);
        assert_eq!(bench.count(Duration::from_millis(400)).await, (0, 0), "{behaviour:?}");
        assert_eq!(connections.load(Relaxed), before, "{behaviour:?} is left alone");
        assert!(bench.board().is_empty(), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_flood_of_announcements_costs_little() {
    // A port where somebody counts.
    let (address, connections) = sentinel(Behaviour::Closes, 7100).await;
    let hellos = (0..500).map(|at| hello(address, &format!("{at:040x}"))).collect();
    let port = server(hellos, Duration::ZERO).await;
    let mut bench = Bench::new(backend(&[port], ""), Vec::new());
    bench.line("closed the connection").await;
    let (lines, words) = bench.count(Duration::from_secs(3)).await;
    assert!(connections.load(Relaxed) < 60, "{} connections", connections.load(Relaxed));
    assert_eq!(words, 0);
    assert!(lines < 40, "{lines} lines");
}

#[tokio::test]
async fn a_server_behind_another_address_is_found_by_its_run_id() {
    // Sentinel knows the master on port 7555, rolecall on 7100.
    const RUN_ID: &str = "232cdc04a1f7fa1c4aecb2a02efd125c3d492c0b";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut space = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut space).await {
                    let (commands, _) = command::split(&space[..read]);
                    let mut replies = Vec::new();
                    for words in commands {
                        let second = words.get(1).map(|word| word.to_ascii_lowercase());
                        replies.extend(match second.as_deref() {
                            Some(b"myid") => format!("+{ID}\r\n").into_bytes(),
                            Some(b"master") => encode(&[
                                b"ip",
                                b"172.17.0.2",
                                b"port",
                                b"7555",
                                b"runid",
                                RUN_ID.as_bytes(),
                                b"config-epoch",
                                b"5",
                                b"num-other-sentinels",
                                b"0",
                            ]),
                            _ => b"*0\r\n".to_vec(),
                        });
                    }
                    let _ = stream.write_all(&replies).await;
                }
            });
        }
    });
    let mut bench = Bench::new(undiscovering(&[7100]), vec![section(&[address])]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.live(0).update_redis(|redis| {
        let mut report = crate::redis::RoleReport::of(crate::redis::Role::Master);
        report.run_id = Some(RUN_ID.to_owned());
        redis.report = Some(report);
    });
    assert_eq!(
        bench.words_until("Names").await.last().unwrap(),
        "1 Names { master: redis0, config_epoch: 5 }"
    );
}
