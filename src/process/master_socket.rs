//! The master socket (`-S`): the shell around [`api::Session`]. Served by the parent, which has no runtime:
//! nothing here blocks, every client and every buffer is bounded.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::unistd::{Group, User};
use socket2::Socket;

use crate::api::command::{Level, Target};
use crate::api::{Request, Session, Step, View};
use crate::config::model::{Bind, BindAddress};
use crate::sys::listen;

/// HAProxy's `maxconn` of this socket.
const MOST_CLIENTS: usize = 10;
/// How long a client may leave its answer in our hands: longer, and it gives its place up.
const MOST_SILENCE: Duration = Duration::from_secs(10);
/// Steps before the others, and signals, have their turn.
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
    /// When it last took something, or had nothing to take.
    taken: Instant,
    /// It had its turn, and has more to do.
    is_busy: bool,
}

#[derive(Debug)]
enum ClientState {
    Reading,
    /// The worker answers: what comes from there goes to the client.
    Forwarding(UnixStream),
    /// Until the reload that it asked for has ended.
    Reloading,
    /// Until everything is written.
    Closing,
    Gone,
}

/// What clients ask of the parent.
#[derive(Debug, Default)]
pub struct Asked {
    pub reload: bool,
    /// For the worker to serve, each with what it may do.
    pub clients: Vec<(OwnedFd, Level)>,
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
        let clients = self.clients.iter().flat_map(Client::waits);
        listener.into_iter().chain(clients.filter(|(_, flags)| !flags.is_empty()))
    }

    /// When the next client that does not read is given up.
    pub fn due(&self) -> Option<Instant> {
        self.clients.iter().filter_map(Client::due).min()
    }

    /// Moves everything that can move.
    pub fn serve(&mut self, view: &View) -> Asked {
        self.serve_at(view, Instant::now())
    }

    fn serve_at(&mut self, view: &View, now: Instant) -> Asked {
        self.accept();
        let mut asked = Asked::default();
        for client in &mut self.clients {
            client.serve(view, now, &mut asked);
        }
        self.clients.retain(|client| !matches!(client.state, ClientState::Gone));
        asked
    }

    /// A reload has ended: those who waited for it are let go.
    pub fn reload_ended(&mut self) {
        self.clients.retain(|client| !matches!(client.state, ClientState::Reloading));
    }

    fn accept(&mut self) {
        while self.clients.len() < MOST_CLIENTS
            && let Ok((socket, _)) = self.listener.accept()
        {
            if socket.set_nonblocking(true).is_ok() {
                self.clients.push(Client {
                    socket,
                    session: Session::new(Target::Master, self.level),
                    pending: Vec::new(),
                    state: ClientState::Reading,
                    taken: Instant::now(),
                    is_busy: false,
                });
            }
        }
    }
}

impl Client {
    fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let idle = self.pending.is_empty();
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, matches!(self.state, ClientState::Reading) && idle);
        flags.set(PollFlags::POLLOUT, !idle);
        let worker = match &self.state {
            ClientState::Forwarding(worker) if idle => Some((worker.as_fd(), PollFlags::POLLIN)),
            _ => None,
        };
        std::iter::once((self.socket.as_fd(), flags)).chain(worker)
    }

    fn due(&self) -> Option<Instant> {
        match self.pending.is_empty() {
            true => self.is_busy.then_some(self.taken),
            false => Some(self.taken + MOST_SILENCE),
        }
    }

    fn serve(&mut self, view: &View, now: Instant, asked: &mut Asked) {
        self.is_busy = true;
        for _ in 0..READS {
            self.write(now);
            if !self.pending.is_empty() || !self.move_on(view, asked) {
                self.is_busy = false;
                break;
            }
        }
        self.write(now);
        if !self.pending.is_empty() && self.taken + MOST_SILENCE <= now {
            self.state = ClientState::Gone;
        }
    }

    /// One step: of the session, or of what comes from the client or from the worker. Nothing more is taken
    /// while the client has not taken the last answer.
    fn move_on(&mut self, view: &View, asked: &mut Asked) -> bool {
        match &mut self.state {
            ClientState::Reading => {}
            ClientState::Forwarding(_) => return self.forward(),
            ClientState::Reloading | ClientState::Closing | ClientState::Gone => return false,
        }
        if let Some(step) = self.session.next(&view.processes()) {
            self.carry_out(step, view, asked);
            return true;
        }
        let mut bytes = [0; 4096];
        match self.socket.read(&mut bytes) {
            Ok(0) => self.session.finish(),
            Ok(count) => self.session.receive(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.state = ClientState::Gone,
        }
        true
    }

    fn carry_out(&mut self, step: Step, view: &View, asked: &mut Asked) {
        match step {
            Step::Write(text) => self.pending.extend_from_slice(text.as_bytes()),
            Step::Ask(Request::Reload) => {
                self.state = ClientState::Reloading;
                asked.reload = true;
            }
            Step::Ask(request) => {
                let text = view.answer(&request) + self.session.end_of_answer();
                self.pending.extend_from_slice(text.as_bytes());
            }
            Step::Forward(line, level) => match hand_over(&line) {
                Ok((answers, client)) => {
                    asked.clients.push((client, level));
                    self.state = ClientState::Forwarding(answers);
                }
                // Out of descriptors: the client sees an empty answer.
                Err(_) => self.state = ClientState::Closing,
            },
            // The master's clients have no time limit but that of taking their answers.
            Step::Timeout(_) => self.pending.extend_from_slice(self.session.end_of_answer().as_bytes()),
            // Of a worker only.
            Step::GiveSockets | Step::Close => self.state = ClientState::Closing,
        }
    }

    /// Passes some of the worker's answer on; its end gives the session its turn again.
    fn forward(&mut self) -> bool {
        let ClientState::Forwarding(worker) = &mut self.state else { return false };
        let mut bytes = [0; 16 * 1024];
        match worker.read(&mut bytes) {
            Ok(0) => self.state = ClientState::Reading,
            Ok(count) => self.pending.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.state = ClientState::Reading,
        }
        true
    }

    fn write(&mut self, now: Instant) {
        if self.pending.is_empty() {
            self.taken = now;
        }
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(count) => {
                    self.pending.drain(..count);
                    self.taken = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.state = ClientState::Gone;
                    return;
                }
            }
        }
        if matches!(self.state, ClientState::Closing) {
            self.state = ClientState::Gone;
        }
    }
}

/// A connection that has said `line` and says no more: our end, and the one for the worker.
fn hand_over(line: &str) -> io::Result<(UnixStream, OwnedFd)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    // A line is far smaller than the kernel's buffer, which is empty.
    ours.write_all(format!("{line}\n").as_bytes())?;
    ours.shutdown(Shutdown::Write)?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs.into()))
}

fn address(text: &str) -> BindAddress {
    if let Some(name) = text.strip_prefix("abns@") {
        return BindAddress::Abstract(name.to_owned());
    }
    if let Some(path) = text.strip_prefix("unix@") {
        return BindAddress::Unix(PathBuf::from(path));
    }
    // One that whoever started this has opened, and listens on.
    if let Some(number) = text.strip_prefix("fd@").and_then(|number| number.parse().ok()) {
        return BindAddress::Fd(number);
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
    Level::named(name).ok_or_else(|| format!("'level' expects user, operator or admin, found '{name}'"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_client_is_answered_and_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(&format!("{},mode,600", path.display())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"show version\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let view = View { version: "1.2".to_owned(), ..View::default() };
        assert!(!socket.serve(&view).reload);
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
        assert!(socket.serve(&View::default()).reload);
        assert!(!socket.serve(&View::default()).reload);
        assert_eq!(socket.clients.len(), 1);
        socket.reload_ended();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn addresses_are_those_of_bind_lines() {
        assert_eq!(address("/run/m.sock"), BindAddress::Unix("/run/m.sock".into()));
        assert_eq!(address("abns@m"), BindAddress::Abstract("m".to_owned()));
        assert_eq!(address("ipv4@127.0.0.1:99"), BindAddress::Tcp(([127, 0, 0, 1], 99).into()));
        assert_eq!(address("fd@7"), BindAddress::Fd(7));
        assert!(MasterSocket::open("fd@1000000").is_err());
        assert!(MasterSocket::open("/nonexistent/m.sock").is_err());
    }

    #[test]
    fn a_socket_that_was_passed_on_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let passed = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut socket = MasterSocket::open(&format!("fd@{}", passed.as_raw_fd())).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"show version\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        socket.serve(&View { version: "1.2".to_owned(), ..View::default() });
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "1.2\n\n");
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
        client.shutdown(Shutdown::Write).unwrap();
        assert!(!socket.serve(&View::default()).reload);
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
        reloading.shutdown(Shutdown::Write).unwrap();
        assert!(socket.serve(&View::default()).reload);
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
    fn who_does_not_read_is_given_up_and_takes_no_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(path.to_str().unwrap()).unwrap();
        let mut greedy = UnixStream::connect(&path).unwrap();
        greedy.write_all(&b"help\n".repeat(1000)).unwrap();
        let began = Instant::now();
        while socket.clients.is_empty() || socket.clients[0].is_busy {
            socket.serve_at(&View::default(), began);
        }
        assert!(socket.clients[0].pending.len() < 4096, "one answer, not all of them");
        assert_eq!(socket.due(), Some(began + MOST_SILENCE));
        socket.serve_at(&View::default(), began + MOST_SILENCE / 2);
        assert_eq!(socket.clients.len(), 1);
        socket.serve_at(&View::default(), began + MOST_SILENCE);
        assert!(socket.clients.is_empty());
    }

    #[test]
    fn a_line_for_the_worker_leaves_with_its_level_and_its_answer_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.sock");
        let mut socket = MasterSocket::open(&format!("{},level,operator", path.display())).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"@1 show info;show version\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let worker = Some(crate::api::WorkerView { pid: 7, ..Default::default() });
        let view = View { version: "1.2".to_owned(), worker, ..View::default() };
        let mut asked = socket.serve(&view).clients;
        let (worker, level) = asked.pop().unwrap();
        assert_eq!(level, Level::Operator);
        let mut worker = UnixStream::from(worker);
        let mut line = String::new();
        worker.read_to_string(&mut line).unwrap();
        assert_eq!(line, "show info\n");
        worker.write_all(b"Name: HAProxy\n\n").unwrap();
        drop(worker);
        while !socket.clients.is_empty() {
            socket.serve(&view);
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "Name: HAProxy\n\n1.2\n\n");
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
