//! The master socket (`-S`): the shell around [`api::Session`]. Served by the parent, which has no runtime:
//! nothing here blocks, every client and every buffer is bounded.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::poll::PollFlags;
use nix::unistd::{Group, User};
use socket2::Socket;

use crate::api::command::Level;
use crate::api::{Effect, Session, View};
use crate::config::model::{Bind, BindAddress};
use crate::sys::listen;

/// HAProxy's `maxconn` of this socket.
const MOST_CLIENTS: usize = 10;
/// A client that does not read is dropped when so much waits for it.
const MOST_PENDING: usize = 1 << 20;
/// Reads before the others, and signals, have their turn.
const READS: usize = 16;

/// The listener and its clients.
#[derive(Debug)]
pub struct MasterSocket {
    listener: Socket,
    level: Level,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    socket: Socket,
    session: Session,
    pending: Vec<u8>,
    state: ClientState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientState {
    Reading,
    /// Until the reload that it asked for has ended.
    Reloading,
    /// Until everything is written.
    Closing,
    Gone,
}

impl MasterSocket {
    /// Opens what `-S` names: an address and bind options, separated by commas.
    pub fn open(argument: &str) -> Result<MasterSocket, String> {
        let fault = |reason: String| format!("Cannot create the master socket '{argument}': {reason}");
        let mut words = argument.split(',');
        let address = address(words.next().unwrap_or_default());
        let options = Options::read(words).map_err(fault)?;
        let bind = Bind { origin: ("-S".to_owned(), 0), ..Bind::at(address) };
        let listener = listen::listen(&bind, 128).map_err(|error| {
            let help = error.help().map(|help| format!("\n   | {help}")).unwrap_or_default();
            fault(format!("cannot {} ({}){help}", error.step, super::gather::reason(&error.error)))
        })?;
        if let BindAddress::Unix(path) = &bind.address {
            options.permit(path).map_err(|error| fault(super::gather::reason(&error)))?;
        }
        Ok(MasterSocket { listener: listener.into(), level: options.level, clients: Vec::new() })
    }

    /// What to wait for: new clients while there is room (the others queue), and of each client only what
    /// would move something. One whose reload runs is left alone: its half close would be ready all the time.
    pub fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let has_room = self.clients.len() < MOST_CLIENTS;
        let listener = has_room.then(|| (self.listener.as_fd(), PollFlags::POLLIN));
        let clients = self.clients.iter().map(|client| (client.socket.as_fd(), client.waits()));
        listener.into_iter().chain(clients.filter(|(_, flags)| !flags.is_empty()))
    }

    /// Moves everything that can move; whether somebody asks for a reload.
    pub fn serve(&mut self, view: &View) -> bool {
        self.accept();
        let mut reload = false;
        for client in &mut self.clients {
            reload |= client.serve(view);
        }
        self.clients.retain(|client| client.state != ClientState::Gone);
        reload
    }

    /// A reload has ended: those who waited for it are let go.
    pub fn reload_ended(&mut self) {
        self.clients.retain(|client| client.state != ClientState::Reloading);
    }

    fn accept(&mut self) {
        while self.clients.len() < MOST_CLIENTS
            && let Ok((socket, _)) = self.listener.accept()
        {
            if socket.set_nonblocking(true).is_ok() {
                let (session, pending) = (Session::new(self.level), Vec::new());
                self.clients.push(Client { socket, session, pending, state: ClientState::Reading });
            }
        }
    }
}

impl Client {
    fn waits(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, self.state == ClientState::Reading);
        flags.set(PollFlags::POLLOUT, !self.pending.is_empty());
        flags
    }

    fn serve(&mut self, view: &View) -> bool {
        let mut reload = false;
        let mut bytes = [0; 4096];
        for _ in 0..READS {
            if self.state != ClientState::Reading {
                break;
            }
            let effects = match self.socket.read(&mut bytes) {
                Ok(0) => self.session.finish(view),
                Ok(count) => self.session.receive(&bytes[..count], view),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => vec![Effect::Close],
            };
            reload |= self.carry_out(effects);
        }
        self.write();
        reload
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        let mut reload = false;
        for effect in effects {
            match effect {
                Effect::Write(text) => self.pending.extend_from_slice(text.as_bytes()),
                Effect::Close => self.state = ClientState::Closing,
                Effect::Reload => {
                    self.state = ClientState::Reloading;
                    reload = true;
                }
            }
        }
        if self.pending.len() > MOST_PENDING {
            self.state = ClientState::Gone;
        }
        reload
    }

    fn write(&mut self) {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.state = ClientState::Gone;
                    return;
                }
            }
        }
        if self.state == ClientState::Closing {
            self.state = ClientState::Gone;
        }
    }
}

fn address(text: &str) -> BindAddress {
    if let Some(name) = text.strip_prefix("abns@") {
        return BindAddress::Abstract(name.to_owned());
    }
    if let Some(path) = text.strip_prefix("unix@") {
        return BindAddress::Unix(PathBuf::from(path));
    }
    let plain = text.split_once('@').map_or(text, |(_, rest)| rest);
    let plain =
        if let Some(port) = plain.strip_prefix("*:") { format!("0.0.0.0:{port}") } else { plain.to_owned() };
    match plain.parse() {
        Ok(address) => BindAddress::Tcp(address),
        Err(_) => BindAddress::Unix(PathBuf::from(text)),
    }
}

/// The bind options of the socket. Those that concern something it does not have are taken as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Options {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    level: Level,
}

impl Options {
    fn read<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Options, String> {
        let mut options = Options { mode: None, uid: None, gid: None, level: Level::Admin };
        while let Some(name) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("'{name}' expects a value"));
            match name {
                "mode" => options.mode = Some(mode(value()?)?),
                "uid" => options.uid = Some(number(value()?)?),
                "gid" => options.gid = Some(number(value()?)?),
                "user" => options.uid = Some(user(value()?)?),
                "group" => options.gid = Some(group(value()?)?),
                "level" => options.level = level(value()?)?,
                "expose-fd" | "severity-output" | "name" | "id" | "backlog" | "maxconn" => drop(value()?),
                "" => {}
                _ => return Err(format!("unknown keyword '{name}'; {KNOWN}")),
            }
        }
        Ok(options)
    }

    fn permit(self, path: &Path) -> io::Result<()> {
        if let Some(mode) = self.mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        if self.uid.is_some() || self.gid.is_some() {
            chown(path, self.uid, self.gid)?;
        }
        Ok(())
    }
}

const KNOWN: &str = "expected mode, user, uid, group, gid or level";

fn mode(text: &str) -> Result<u32, String> {
    let bits = u32::from_str_radix(text, 8).map_err(|_| format!("expected an octal mode, found '{text}'"))?;
    Ok(bits & 0o777)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("expected a number, found '{text}'"))
}

fn user(name: &str) -> Result<u32, String> {
    let user = User::from_name(name).ok().flatten().ok_or_else(|| format!("unknown user '{name}'"))?;
    Ok(user.uid.as_raw())
}

fn group(name: &str) -> Result<u32, String> {
    let group = Group::from_name(name).ok().flatten().ok_or_else(|| format!("unknown group '{name}'"))?;
    Ok(group.gid.as_raw())
}

fn level(name: &str) -> Result<Level, String> {
    let found = [Level::User, Level::Operator, Level::Admin].into_iter().find(|level| level.name() == name);
    found.ok_or_else(|| format!("'level' expects user, operator or admin, found '{name}'"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_client_is_answered_and_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(&format!("{},mode,600", path.display())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"show version\n").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let view = View { version: "1.2".to_owned(), ..View::default() };
        assert!(!socket.serve(&view));
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "1.2\n\n");
        assert!(socket.clients.is_empty());
    }

    #[test]
    fn who_asks_for_a_reload_waits_for_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(&format!("unix@{}", path.display())).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"reload\n").unwrap();
        assert!(socket.serve(&View::default()));
        assert!(!socket.serve(&View::default()));
        assert_eq!(socket.clients.len(), 1);
        socket.reload_ended();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn addresses_are_those_of_bind_lines() {
        assert_eq!(address("/run/m.sock"), BindAddress::Unix("/run/m.sock".into()));
        assert_eq!(address("abns@m"), BindAddress::Abstract("m".to_owned()));
        assert_eq!(address("ipv4@127.0.0.1:99"), BindAddress::Tcp(([127, 0, 0, 1], 99).into()));
        assert!(MasterSocket::open("/nonexistent/m.sock").is_err());
    }

    #[test]
    fn options_are_honoured_or_refused_by_name() {
        let read = |text: &str| Options::read(text.split(','));
        let plain = Options { mode: None, uid: None, gid: None, level: Level::Admin };
        assert_eq!(read(""), Ok(plain));
        let all = Options { mode: Some(0o660), uid: Some(0), gid: Some(5), level: Level::User };
        assert_eq!(read("mode,660,user,root,gid,5,level,user,expose-fd,listeners"), Ok(all));
        for (text, says) in [
            ("bogus,1", "unknown keyword 'bogus'"),
            ("level,root", "found 'root'"),
            ("mode,abc", "found 'abc'"),
            ("user,no-such-user", "unknown user"),
            ("mode", "'mode' expects a value"),
        ] {
            assert!(read(text).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn a_client_of_a_low_level_cannot_reload() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(&format!("{},level,operator", path.display())).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"reload\n").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!socket.serve(&View::default()));
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "Permission denied\n\n");
    }

    #[test]
    fn nobody_is_waited_for_in_vain_and_nobody_takes_all_turns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(path.to_str().unwrap()).unwrap();
        let mut reloading = UnixStream::connect(&path).unwrap();
        reloading.write_all(b"reload\n").unwrap();
        reloading.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(socket.serve(&View::default()));
        assert_eq!(socket.waits().count(), 1, "only the listener");
        socket.reload_ended();
        let mut busy = UnixStream::connect(&path).unwrap();
        busy.write_all(&vec![b'\n'; 2 * READS * 4096]).unwrap();
        socket.serve(&View::default());
        let flags: Vec<_> = socket.waits().map(|(_, flags)| flags).collect();
        assert_eq!(flags, [PollFlags::POLLIN; 2]);
        let mut rest = [0; 4096];
        assert!(socket.clients[0].socket.read(&mut rest).unwrap() > 0, "something is left for the next turn");
    }

    #[test]
    fn clients_beyond_the_limit_queue() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(path.to_str().unwrap()).unwrap();
        let mut clients: Vec<_> = (0..=MOST_CLIENTS).map(|_| UnixStream::connect(&path).unwrap()).collect();
        socket.serve(&View::default());
        assert_eq!(socket.waits().count(), MOST_CLIENTS, "no more are looked for");
        let mut last = clients.pop().unwrap();
        drop(clients);
        last.write_all(b"show version\nquit\n").unwrap();
        socket.serve(&View::default());
        socket.serve(&View::default());
        let mut answer = String::new();
        last.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "\n\n");
    }
}
