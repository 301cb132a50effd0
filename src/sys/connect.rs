//! Connections to servers: begun here, finished in the background. The caller waits until the socket is
//! writable and asks [`super::socket::take_error`] how it went.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::socket;
use crate::config::model::Keepalive;

/// How a TCP connection leaves this machine.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// `source`; `None` leaves the choice to the routes.
    pub source: Option<IpAddr>,
    pub keepalive: Option<Keepalive>,
    /// `tcp-ut`
    pub user_timeout: Option<Duration>,
}

/// Begins a TCP connection.
pub fn tcp(target: SocketAddr, how: &Outgoing) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking().cloexec(), None)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &how.keepalive {
        socket::set_keepalive(&socket, keepalive)?;
    }
    if let Some(timeout) = how.user_timeout {
        socket::set_user_timeout(&socket, timeout)?;
    }
    if let Some(source) = how.source {
        bind_source(&socket, source)?;
    }
    begin(socket, &SockAddr::from(target))
}

/// Begins a connection to a unix socket, by an address of [`super::unix`].
pub fn unix(target: &SockAddr) -> io::Result<OwnedFd> {
    begin(Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?, target)
}

/// The port is left open until the connect, so that one local port serves several targets; a kernel before
/// 4.2 lacks that and takes one at once.
fn bind_source(socket: &Socket, source: IpAddr) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    let _ = socket::set_int(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1);
    socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))
}

fn begin(socket: Socket, target: &SockAddr) -> io::Result<OwnedFd> {
    match socket.connect(target) {
        Ok(()) => Ok(socket.into()),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EINPROGRESS | Errno::EINTR) => Ok(socket.into()),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use nix::poll::{PollFd, PollFlags, poll};
    use std::os::fd::AsFd;

    use super::super::unix as address;
    use super::*;

    fn settled(socket: &OwnedFd) -> Option<Errno> {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
        assert_eq!(poll(&mut fds, 5000u16).unwrap(), 1, "the connect did not settle");
        socket::take_error(socket)
    }

    #[test]
    fn tcp_comes_up_from_the_source_asked_for() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(local) else { continue };
            let target = listener.local_addr().unwrap();
            let source = target.is_ipv4().then(|| "127.0.0.9".parse().unwrap());
            let how = Outgoing {
                source,
                keepalive: Some(Keepalive::default()),
                user_timeout: Some(Duration::from_secs(9)),
            };
            let socket = tcp(target, &how).unwrap();
            assert_eq!(settled(&socket), None);
            let (_, peer) = listener.accept().unwrap();
            assert!(source.is_none_or(|source| source == peer.ip()));
        }
    }

    #[test]
    fn a_closed_port_refuses() {
        let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let result = tcp(target, &Outgoing::default()).map(|socket| settled(&socket));
        assert!(matches!(result, Ok(Some(Errno::ECONNREFUSED))), "{result:?}");
    }

    #[test]
    fn unix_sockets_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s");
        let listener = UnixListener::bind(&file).unwrap();
        unix(&address::path(&file).unwrap()).unwrap();
        listener.accept().unwrap();
        let nobody = address::abstract_name("rolecall-test-nobody-listens").unwrap();
        assert_eq!(unix(&nobody).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
