use std::io::Read;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::*;
use crate::config::model::{Backend, LogAddress, LogFraming};

const LIMIT: Duration = Duration::from_secs(5);

fn identity() -> Identity {
    Identity { tag: "rolecall".into(), pid: 42, sent_hostname: None, echo: Echo::Off }
}

fn target(address: LogAddress) -> LogTarget {
    LogTarget {
        address,
        length: 1024,
        framing: LogFraming::Short,
        sampling: None,
        facility: 16,
        max_level: 7,
        min_level: 0,
    }
}

fn logger(targets: &[LogTarget]) -> Logger {
    let (sinks, failed) = Sinks::open(targets);
    assert!(failed.is_empty(), "{failed:?}");
    Logger::start(identity(), Clock::utc(), sinks).unwrap()
}

#[test]
fn lines_reach_a_udp_receiver_in_order() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let targets = [target(LogAddress::Udp(receiver.local_addr().unwrap()))];
    let logger = logger(&targets);
    logger.line(&targets, None, Level::Info, "one");
    logger.line(&targets, None, Level::Alert, "two");
    let mut buffer = [0; 64];
    for expected in ["<6>one\n", "<1>two\n"] {
        let got = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..got], expected.as_bytes());
    }
    assert_eq!(logger.dropped(), 0);
}

#[test]
fn a_unix_receiver_that_was_restarted_is_found_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let targets = [target(LogAddress::Unix(path.clone()))];
    // Nobody listens yet: the line is lost and counted.
    let logger = logger(&targets);
    logger.line(&targets, None, Level::Info, "lost");
    assert!(logger.flush(LIMIT));
    assert_eq!(logger.dropped(), 1);
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 64];
    let deadline = Instant::now() + LIMIT;
    loop {
        logger.line(&targets, None, Level::Info, "found");
        if let Ok(got) = receiver.recv(&mut buffer) {
            assert_eq!(&buffer[..got], b"<6>found\n");
            break;
        }
        assert!(Instant::now() < deadline, "the receiver was not found again");
    }
    // The log then says how many it has missed.
    assert!(logger.flush(LIMIT));
    let lost =
        format!("<4>{} log line{} lost\n", logger.dropped(), if logger.dropped() == 1 { "" } else { "s" });
    loop {
        let got = receiver.recv(&mut buffer).unwrap();
        if &buffer[..got] != b"<6>found\n" {
            break assert_eq!(&buffer[..got], lost.as_bytes());
        }
    }
}

#[test]
fn a_receiver_that_the_config_no_longer_names_is_let_go() {
    let (mut kept, kept_writer) = std::io::pipe().unwrap();
    let (mut gone, gone_writer) = std::io::pipe().unwrap();
    let [stays, goes] = [9, 8].map(LogAddress::Fd);
    let targets = [target(stays.clone())];
    let sinks = Sinks::from_descriptors([(stays, kept_writer.into()), (goes, gone_writer.into())]);
    let logger = Logger::start(identity(), Clock::utc(), sinks).unwrap();
    logger.reload(identity(), Sinks::default(), targets.to_vec());
    // The end of the pipe: nobody can write to it any more.
    assert_eq!(gone.read(&mut [0; 8]).unwrap(), 0);
    logger.line(&targets, None, Level::Info, "still here");
    let mut buffer = [0; 64];
    let got = kept.read(&mut buffer).unwrap();
    assert_eq!(&buffer[..got], b"<6>still here\n");
}

#[test]
fn a_dead_receiver_slows_nobody_and_its_lines_are_counted() {
    let (reader, writer) = std::io::pipe().unwrap();
    let address = LogAddress::Fd(9);
    let targets = [target(address.clone())];
    let sinks = Sinks::from_descriptors([(address, writer.into())]);
    let logger = Logger::start(identity(), Clock::utc(), sinks).unwrap();
    let began = Instant::now();
    let text = "x".repeat(1000);
    for _ in 0..QUEUE + 4096 {
        logger.line(&targets, None, Level::Info, text.clone());
    }
    assert!(began.elapsed() < LIMIT, "pushing took {:?}", began.elapsed());
    assert!(logger.dropped() > 0, "a pipe of 64 KiB cannot have taken them all");
    drop(reader);
}

#[test]
fn flush_waits_for_what_was_queued_before_it() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let address = LogAddress::Fd(9);
    let targets = [target(address.clone())];
    let logger =
        Logger::start(identity(), Clock::utc(), Sinks::from_descriptors([(address, writer.into())])).unwrap();
    for number in 0..100 {
        logger.line(&targets, None, Level::Info, number.to_string());
    }
    assert!(logger.flush(LIMIT));
    let mut buffer = vec![0; 4096];
    let got = reader.read(&mut buffer).unwrap();
    assert!(buffer[..got].ends_with(b"<6>99\n"));
}

#[test]
fn sinks_survive_being_handed_over() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let address = LogAddress::Udp(receiver.local_addr().unwrap());
    let (sinks, _) = Sinks::open(&[target(address.clone())]);
    let mut moved = Sinks::from_descriptors(sinks.into_descriptors());
    moved.send(&address, b"hello").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(receiver.recv(&mut buffer).unwrap(), 5);
}

#[test]
fn events_reach_the_backends_receiver_and_standard_error_in_the_foreground() {
    let (mut shown, stderr) = std::io::pipe().unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let address = LogAddress::Udp(receiver.local_addr().unwrap());
    let backend = Backend { name: "be".to_owned(), log: vec![target(address)], ..Backend::default() };
    let sinks = Sinks::from_descriptors([(LogAddress::Stderr, stderr.into())]);
    let foreground = Identity { echo: Echo::Stderr, ..identity() };
    let logger = Logger::start(foreground, Clock::utc(), sinks).unwrap();
    let event = ServerEvent {
        backend: "be".into(),
        server: "r1".into(),
        backup: false,
        what: crate::state::event::ServerChange::NoServerLeft { is_listen: false },
    };
    logger.server(&backend, &event);
    let mut buffer = [0; 128];
    let got = receiver.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..got], b"<0>backend be has no server available!\n");
    assert!(logger.flush(LIMIT));
    let got = shown.read(&mut buffer).unwrap();
    assert_eq!(&buffer[..got], b"[ALERT]    (42) : backend 'be' has no server available!\n");
}

#[test]
fn who_never_became_a_session_was_refused_by_the_proxy() {
    let config = Arc::new(Config::default());
    let record = ConnectRecord { config, frontend: FrontendId(0), client: None, local: None, refused: None };
    let refused = Refused {
        listener: "1".to_owned(),
        at: SystemTime::UNIX_EPOCH,
        error: RefusedBy::Handshake(HandshakeError::Closed),
    };
    let session = record.as_session(&Frontend::default(), &refused);
    assert_eq!(session.termination.to_string(), "PR");
}
