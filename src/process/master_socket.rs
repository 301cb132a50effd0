//! The master socket (`-S`): the shell around [`api::Session`]. Served by the parent, which has no runtime:
//! nothing here blocks, every client and every buffer is bounded.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use nix::unistd::{Group, User};
use socket2::Socket;

use crate::api::{Effect, Session, View};
use crate::config::model::{Bind, BindAddress};
use crate::sys::listen;

/// HAProxy's `maxconn` of this socket.
const MOST_CLIENTS: usize = 10;
/// A client that does not read is dropped when so much waits for it.
const MOST_PENDING: usize = 1 << 20;

/// The listener and its clients.
#[derive(Debug)]
pub struct MasterSocket {
    listener: Socket,
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
        let mut words = argument.split(',');
        let address = address(words.next().unwrap_or_default());
        let bind = Bind { origin: ("-S".to_owned(), 0), ..Bind::at(address) };
        let fault = |reason: String| format!("Cannot create the master socket '{argument}': {reason}");
        let listener = listen::listen(&bind, 128).map_err(|error| {
            let help = error.help().map(|help| format!("\n   | {help}")).unwrap_or_default();
            fault(format!("cannot {} ({}){help}", error.step, super::gather::reason(&error.error)))
        })?;
        if let BindAddress::Unix(path) = &bind.address {
            let options: Vec<&str> = words.collect();
            permit(path, &options).map_err(fault)?;
        }
        Ok(MasterSocket { listener: listener.into(), clients: Vec::new() })
    }

    /// What to wait for: the listener first, then each client, and whether it is waited for to take bytes.
    pub fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let clients = self.clients.iter().map(|client| (client.socket.as_fd(), !client.pending.is_empty()));
        std::iter::once((self.listener.as_fd(), false)).chain(clients)
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
        while let Ok((socket, _)) = self.listener.accept() {
            if self.clients.len() < MOST_CLIENTS && socket.set_nonblocking(true).is_ok() {
                let (session, pending) = (Session::default(), Vec::new());
                self.clients.push(Client { socket, session, pending, state: ClientState::Reading });
            }
        }
    }
}

impl Client {
    fn serve(&mut self, view: &View) -> bool {
        let mut reload = false;
        let mut bytes = [0; 4096];
        while self.state == ClientState::Reading {
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

/// `mode`, `user`, `uid`, `group` and `gid`; the other bind options mean nothing for a unix socket here.
fn permit(path: &PathBuf, options: &[&str]) -> Result<(), String> {
    let value = |name: &str| {
        let at = options.iter().position(|word| *word == name)?;
        options.get(at + 1).copied()
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("expected a number, found '{text}'"));
    let mut uid = value("uid").map(number).transpose()?;
    let mut gid = value("gid").map(number).transpose()?;
    if let Some(name) = value("user") {
        let user = User::from_name(name).ok().flatten().ok_or_else(|| format!("unknown user '{name}'"))?;
        uid = Some(user.uid.as_raw());
    }
    if let Some(name) = value("group") {
        let group = Group::from_name(name).ok().flatten().ok_or_else(|| format!("unknown group '{name}'"))?;
        gid = Some(group.gid.as_raw());
    }
    if let Some(mode) = value("mode") {
        let bits =
            u32::from_str_radix(mode, 8).map_err(|_| format!("expected an octal mode, found '{mode}'"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits & 0o777))
            .map_err(|error| error.to_string())?;
    }
    if uid.is_some() || gid.is_some() {
        chown(path, uid, gid).map_err(|error| error.to_string())?;
    }
    Ok(())
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
        assert!(permit(&PathBuf::from("/nonexistent"), &["user", "no-such-user"]).is_err());
    }
}
