//! Every kind of bind against the real kernel.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::super::connect;
use super::*;

fn bind(address: BindAddress) -> Bind {
    Bind { origin: ("a.cfg".to_owned(), 7), ..Bind::at(address) }
}

fn local(address: &str) -> BindAddress {
    BindAddress::Tcp(address.parse().unwrap())
}

fn port(socket: &OwnedFd) -> u16 {
    SockRef::from(socket).local_addr().unwrap().as_socket().unwrap().port()
}

#[test]
fn tcp_with_every_option_takes_clients_who_inherit_them() {
    let mut line = bind(local("127.0.0.1:0"));
    (line.tfo, line.mss, line.transparent) = (true, Some(1200), true);
    (line.interface, line.tcp_ut) = (Some("lo".to_owned()), Some(Duration::from_secs(5)));
    let socket = listen(&line, 64).unwrap();
    let _client = TcpStream::connect(("127.0.0.1", port(&socket))).unwrap();
    let (accepted, _) = super::super::accept::accept(&socket).unwrap();
    let accepted = SockRef::from(&accepted);
    assert!(accepted.tcp_nodelay().unwrap());
    assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(5)));
}

#[test]
fn v4v6_takes_both_and_v6only_does_not() {
    let mut line = bind(local("[::]:0"));
    line.v4v6 = true;
    let Ok(both) = listen(&line, 8) else { return };
    assert!(TcpStream::connect(("127.0.0.1", port(&both))).is_ok());
    (line.v4v6, line.v6only) = (false, true);
    let one = listen(&line, 8).unwrap();
    // Not by a connect that fails: another test may listen at that port of IPv4.
    assert!(SockRef::from(&one).only_v6().unwrap() && !SockRef::from(&both).only_v6().unwrap());
    assert!(TcpStream::connect(("::1", port(&one))).is_ok());
}

#[test]
fn an_address_in_use_is_named_with_its_line_and_remedy() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let error = listen(&bind(BindAddress::Tcp(address)), 8).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("a.cfg:7: cannot bind {address}: Address already in use (os error 98)")
    );
    assert!(error.help().unwrap().contains("another port"));
}

#[test]
fn an_address_of_another_machine_and_an_unknown_interface_are_refused() {
    let error = listen(&bind(local("192.0.2.1:0")), 8).unwrap_err();
    assert!(error.help().unwrap().contains("transparent"), "{error}");
    let mut line = bind(local("127.0.0.1:0"));
    line.interface = Some("nosuch0".to_owned());
    assert!(listen(&line, 8).unwrap_err().to_string().contains("keep to its interface"));
}

#[test]
fn a_socket_file_is_replaced_whether_in_use_or_not_and_no_other_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s");
    let line = bind(BindAddress::Unix(file.clone()));
    drop(UnixListener::bind(&file).unwrap());
    let socket = listen(&line, 8).unwrap();
    UnixStream::connect(&file).unwrap();
    let successor = open(&line, 8).unwrap();
    successor.file.unwrap().discard();
    let _client = UnixStream::connect(&file).unwrap();
    assert!(super::super::accept::accept(&socket).is_ok(), "what is discarded replaces nothing");
    let successor = listen(&line, 8).unwrap();
    let _client = UnixStream::connect(&file).unwrap();
    assert!(super::super::accept::accept(&successor).is_ok());
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "text").unwrap();
    assert!(listen(&line, 8).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"text");
}

#[test]
fn abstract_names_take_clients() {
    let name = format!("rolecall-listen-{}", std::process::id());
    let _socket = listen(&bind(BindAddress::Abstract(name.clone())), 8).unwrap();
    connect::unix(&unix::abstract_name(&name).unwrap()).unwrap();
}

#[test]
fn an_inherited_socket_is_adopted_and_its_original_stays() {
    let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = listen(&bind(BindAddress::Fd(inherited.as_raw_fd())), 8).unwrap();
    assert_eq!(port(&socket), inherited.local_addr().unwrap().port());
    drop(socket);
    TcpStream::connect(inherited.local_addr().unwrap()).unwrap();
    let error = listen(&bind(BindAddress::Fd(1_000_000)), 8).unwrap_err();
    assert_eq!(error.to_string(), "a.cfg:7: cannot adopt fd@1000000: Bad file descriptor (os error 9)");
    assert!(error.help().is_some());
}

#[test]
fn the_backlog_follows_the_line_then_the_frontend() {
    let mut line = bind(local("127.0.0.1:0"));
    let mut frontend = Frontend::default();
    assert_eq!(backlog(&line, &frontend), 1024);
    frontend.maxconn = 50;
    assert_eq!(backlog(&line, &frontend), 50);
    line.maxconn = Some(20);
    assert_eq!(backlog(&line, &frontend), 20);
    frontend.backlog = Some(300);
    line.backlog = Some(9);
    assert_eq!(backlog(&line, &frontend), 9);
}

#[test]
fn a_socket_for_commands_replaces_what_has_its_name_and_gets_its_rights() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let socket = |path: &Path, file| CommandSocket {
        bind: Bind { file, ..bind(BindAddress::Unix(path.to_owned())) },
        level: crate::config::model::Level::Admin,
        exposes_listeners: false,
    };
    let command = |socket: &CommandSocket| {
        let Opened { socket, file } = command(socket)?;
        file.map_or(Ok(()), NewFile::put).map(|()| socket)
    };
    let first = command(&socket(&path, FileAccess::default())).unwrap();
    let access = FileAccess { mode: Some(0o640), ..FileAccess::default() };
    let second = command(&socket(&path, access)).unwrap();
    let found = std::fs::metadata(&path).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o640);
    let _client = UnixStream::connect(&path).unwrap();
    assert!(super::super::accept::accept(&second).is_ok() && super::super::accept::accept(&first).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");

    let file = directory.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let refused = command(&socket(&file, access)).unwrap_err();
    assert_eq!((refused.step, refused.error.to_string().as_str()), ("replace", "the file is no socket"));
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    let missing = command(&socket(&directory.path().join("no/s"), access)).unwrap_err();
    assert!(missing.help().unwrap().contains("directory is missing"));
    assert_eq!(found.uid(), std::fs::metadata(directory.path()).unwrap().uid());
}
