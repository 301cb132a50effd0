//! Listening sockets: a [`Bind`] in, a socket that clients can connect to out, or an error that says where
//! the line stands and what to do.
//!
//! Addresses are bound with SO_REUSEADDR and SO_REUSEPORT as HAProxy binds them, so that a successor can
//! bind beside its predecessor. Socket files come into being beside their names and replace what has them ([`NewFile`]).

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{inherited, socket, unix};
use crate::config::model::{Bind, BindAddress, CommandSocket, FileAccess, Frontend};

/// A bind line that could not be honoured.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: cannot {step} {address}: {error}")]
pub struct ListenError {
    pub file: String,
    pub line: u32,
    /// What failed: "bind", "listen on", "set mss of".
    pub step: &'static str,
    /// As [`show`] writes it.
    pub address: String,
    pub error: io::Error,
}

impl ListenError {
    fn is_file(&self) -> bool {
        self.address.starts_with('/')
    }

    /// What to do about it, if that is known.
    pub fn help(&self) -> Option<&'static str> {
        match Errno::from_raw(self.error.raw_os_error()?) {
            Errno::EADDRINUSE => Some("something else listens there: stop it, or choose another port"),
            Errno::EACCES | Errno::EPERM if self.step == RIGHTS => {
                Some("only root may give a file away: start as root, or leave out 'user' and 'group'")
            }
            Errno::EACCES | Errno::EPERM if self.is_file() => {
                Some("the directory cannot be written by this user: start as root, or name another path")
            }
            Errno::ENOENT if self.is_file() => {
                Some("its directory is missing: create it, or name another path")
            }
            Errno::EACCES | Errno::EPERM => Some(
                "this needs more rights: start as root, grant CAP_NET_BIND_SERVICE, or use a port above 1023",
            ),
            Errno::EADDRNOTAVAIL => {
                Some("no interface has this address: add it, or write 'transparent' if it will come later")
            }
            Errno::ENODEV => Some("there is no such interface"),
            Errno::EBADF => Some("the parent process passed no such descriptor"),
            Errno::EINVAL | Errno::ENOTSOCK if self.step == "adopt" => {
                Some("the descriptor must be a listening stream socket")
            }
            _ => None,
        }
    }
}

/// The step that gives a socket file its mode and owner.
const RIGHTS: &str = "set the rights of";

/// How long the kernel's queue of a bind is: its own `backlog`, its frontend's, else as many as may be
/// connected at once, else 1024 (HAProxy's order).
pub fn backlog(bind: &Bind, frontend: &Frontend) -> u32 {
    let limit = Some(frontend.maxconn).filter(|maxconn| *maxconn > 0);
    bind.backlog.or(frontend.backlog).or(bind.maxconn).or(limit).unwrap_or(1024)
}

/// An address as the config writes it.
pub fn show(address: &BindAddress) -> String {
    match address {
        BindAddress::Tcp(address) => address.to_string(),
        BindAddress::Unix(path) => path.display().to_string(),
        BindAddress::Abstract(name) => format!("abns@{name}"),
        BindAddress::Fd(number) => format!("fd@{number}"),
    }
}

/// A listening socket, and its file that has no name of its own yet.
#[derive(Debug)]
pub struct Opened {
    pub socket: OwnedFd,
    pub file: Option<NewFile>,
}

/// A non-blocking listening socket for a bind line.
pub fn open(bind: &Bind, backlog: u32) -> Result<Opened, ListenError> {
    let plain = |socket| Opened { socket, file: None };
    let made = match &bind.address {
        BindAddress::Tcp(address) => tcp(*address, bind, backlog).map(plain),
        BindAddress::Unix(path) => beside(path, bind, backlog),
        BindAddress::Abstract(name) => step("use", unix::abstract_name(name))
            .and_then(|address| unix_socket(&address, backlog))
            .map(plain),
        BindAddress::Fd(number) => step("adopt", adopt(*number, backlog)).map(plain),
    };
    made.map_err(|fault| error(bind, fault))
}

/// [`open`], and the file has its name at once.
pub fn listen(bind: &Bind, backlog: u32) -> Result<OwnedFd, ListenError> {
    let Opened { socket, file } = open(bind, backlog)?;
    file.map_or(Ok(()), NewFile::put)?;
    Ok(socket)
}

fn error(bind: &Bind, (step, error): (&'static str, io::Error)) -> ListenError {
    let (file, line) = bind.origin.clone();
    ListenError { file, line, step, address: show(&bind.address), error }
}

/// A socket that listens already, for this line from now on.
pub fn take_over(socket: OwnedFd, backlog: u32) -> io::Result<OwnedFd> {
    set_nonblocking(&socket)?;
    SockRef::from(&socket).listen(as_int(backlog))?;
    socket::set_nodelay(&socket);
    Ok(socket)
}

/// A non-blocking listening socket for commands.
pub fn command(socket: &CommandSocket) -> Result<Opened, ListenError> {
    open(&socket.bind, socket.bind.backlog.or(socket.bind.maxconn).unwrap_or(1024))
}

/// The file of a unix socket that listens already, beside the name that it is to have: whoever has the name goes on
/// until everything else has succeeded. To be put in its place, or discarded.
#[derive(Debug)]
pub struct NewFile {
    bind: Bind,
    beside: PathBuf,
    path: PathBuf,
}

impl NewFile {
    /// Gives it its name. What has the name is replaced even if somebody listens on it, as HAProxy does: a successor
    /// takes the name over, and nobody finds it missing meanwhile.
    pub fn put(self) -> Result<(), ListenError> {
        std::fs::rename(&self.beside, &self.path).map_err(|fault| {
            let error = error(&self.bind, ("replace", fault));
            self.discard();
            error
        })
    }

    /// Removes it; what has the name keeps it.
    pub fn discard(self) {
        // Nobody else knows it; one that is gone already is what was wanted.
        let _ = std::fs::remove_file(&self.beside);
    }

    /// Whether both are to have the same name.
    pub fn is_for_same(&self, other: &NewFile) -> bool {
        self.path == other.path
    }
}

/// Binds beside the name, and gives the file its rights.
fn beside(path: &Path, bind: &Bind, backlog: u32) -> Step<Opened> {
    let beside = PathBuf::from(format!("{}.{}.tmp", path.display(), std::process::id()));
    if let Ok(found) = std::fs::symlink_metadata(path)
        && !found.file_type().is_socket()
    {
        return Err(("replace", io::Error::other("the file is no socket")));
    }
    // Left behind by a process of that number that was killed in between.
    let _ = std::fs::remove_file(&beside);
    let file = NewFile { bind: bind.clone(), beside, path: path.to_owned() };
    let made = step("use", unix::path(&file.beside)).and_then(|address| unix_socket(&address, backlog));
    let permitted = made.and_then(|socket| {
        step(RIGHTS, permit(&file.beside, bind.file))?;
        Ok(socket)
    });
    match permitted {
        Ok(socket) => Ok(Opened { socket, file: Some(file) }),
        Err(fault) => {
            file.discard();
            Err(fault)
        }
    }
}

fn permit(path: &Path, access: FileAccess) -> io::Result<()> {
    if access.uid.is_some() || access.gid.is_some() {
        chown(path, access.uid, access.gid)?;
    }
    // After the owner: a change of owner may take bits away.
    match access.mode {
        Some(mode) => std::fs::set_permissions(path, Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

type Step<T> = Result<T, (&'static str, io::Error)>;

fn step<T>(name: &'static str, result: io::Result<T>) -> Step<T> {
    result.map_err(|error| (name, error))
}

fn tcp(address: SocketAddr, bind: &Bind, backlog: u32) -> Step<OwnedFd> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = step("open a socket for", Socket::new(Domain::for_address(address), kind, None))?;
    step("reuse", socket.set_reuse_address(true).and_then(|()| socket.set_reuse_port(true)))?;
    before_bind(&socket, address, bind)?;
    step("bind", socket.bind(&SockAddr::from(address)))?;
    after_bind(&socket, bind, backlog)?;
    step("listen on", socket.listen(as_int(backlog)))?;
    Ok(socket.into())
}

fn before_bind(socket: &Socket, address: SocketAddr, bind: &Bind) -> Step<()> {
    if address.is_ipv6() && (bind.v6only || bind.v4v6) {
        step("choose the IP versions of", socket.set_only_v6(bind.v6only))?;
    }
    if bind.transparent {
        let set = match address {
            SocketAddr::V4(_) => socket.set_ip_transparent_v4(true),
            SocketAddr::V6(_) => socket.set_ip_transparent_v6(true),
        };
        // Without the right to be transparent, listening on an address that is not here yet may do.
        let set = set.or_else(|_| match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true),
            SocketAddr::V6(_) => socket.set_freebind_v6(true),
        });
        step("make transparent", set)?;
    }
    if let Some(interface) = &bind.interface {
        step("keep to its interface", socket.bind_device(Some(interface.as_bytes())))?;
    }
    if let Some(mss) = bind.mss {
        step("set mss of", socket.set_tcp_mss(mss))?;
    }
    Ok(())
}

fn after_bind(socket: &Socket, bind: &Bind, backlog: u32) -> Step<()> {
    // Inherited by every connection that is accepted.
    step("set nodelay of", socket.set_tcp_nodelay(true))?;
    if let Some(timeout) = bind.tcp_ut {
        step("set tcp-ut of", socket.set_tcp_user_timeout(Some(timeout)))?;
    }
    if bind.tfo {
        step("set tfo of", socket::set_int(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, as_int(backlog)))?;
    }
    if bind.defer_accept {
        step("set defer-accept of", socket::set_int(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 1))?;
    }
    Ok(())
}

fn unix_socket(address: &SockAddr, backlog: u32) -> Step<OwnedFd> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = step("open a socket for", Socket::new(Domain::UNIX, kind, None))?;
    step("bind", socket.bind(address))?;
    step("listen on", socket.listen(as_int(backlog)))?;
    Ok(socket.into())
}

/// A copy of an inherited descriptor, which itself stays open for the next reload.
fn adopt(number: RawFd, backlog: u32) -> io::Result<OwnedFd> {
    let copy = inherited::duplicate(number)?;
    let socket = SockRef::from(&copy);
    if socket.r#type()? != Type::STREAM {
        return Err(Errno::EINVAL.into());
    }
    set_nonblocking(&copy)?;
    if !getsockopt(&copy, sockopt::AcceptConn)? {
        socket.listen(as_int(backlog))?;
    }
    socket::set_nodelay(&copy);
    Ok(copy)
}

fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The kernel takes an `int`, and cuts it to `net.core.somaxconn` anyway.
fn as_int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
