//! Connections to servers: begun here, finished in the background. The caller waits until the socket is
//! writable and asks [`super::socket::take_error`] how it went.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::socket;
use crate::config::model::Keepalive;

/// How a TCP connection leaves this machine.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    pub source: Source,
    pub keepalive: Option<Keepalive>,
    /// `tcp-ut`
    pub user_timeout: Option<Duration>,
}

/// Where a connection leaves from (`source`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// `None` leaves the choice to the routes.
    pub address: Option<IpAddr>,
    /// The first and the last port.
    pub ports: Option<(u16, u16)>,
    pub interface: Option<Arc<str>>,
    /// An address that is not this machine's; needs CAP_NET_ADMIN.
    pub foreign: Option<SocketAddr>,
}

/// How many ports of a range are tried for one connection.
const TRIES: u32 = 64;

/// Where the next search in a range of ports begins: so that a port that was just left rests longest.
static NEXT_PORT: AtomicU32 = AtomicU32::new(0);

/// Begins a TCP connection. Of a range of ports the first is taken that is free towards the target; with none
/// `AddrNotAvailable` is said.
pub fn tcp(target: SocketAddr, how: &Outgoing) -> io::Result<OwnedFd> {
    let Some((first, last)) = how.source.ports.filter(|_| how.source.foreign.is_none()) else {
        return tcp_from(target, how, 0);
    };
    let count = u32::from(last.saturating_sub(first)) + 1;
    let taken = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
    };
    for _ in 0..count.min(TRIES) {
        let port = first + (NEXT_PORT.fetch_add(1, Relaxed) % count) as u16;
        match tcp_from(target, how, port) {
            Err(error) if taken(&error) => {}
            other => return other,
        }
    }
    Err(io::ErrorKind::AddrNotAvailable.into())
}

fn tcp_from(target: SocketAddr, how: &Outgoing, port: u16) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking().cloexec(), None)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &how.keepalive {
        socket::set_keepalive(&socket, keepalive)?;
    }
    if let Some(timeout) = how.user_timeout {
        socket::set_user_timeout(&socket, timeout)?;
    }
    leave_from(&socket, target, (&how.source, port))?;
    begin(socket, &SockAddr::from(target))
}

/// Begins a connection to a unix socket, by an address of [`super::unix`].
pub fn unix(target: &SockAddr) -> io::Result<OwnedFd> {
    begin(Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?, target)
}

fn leave_from(socket: &Socket, target: SocketAddr, (source, port): (&Source, u16)) -> io::Result<()> {
    if let Some(interface) = &source.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    let any = || if target.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    match (source.foreign, source.address) {
        (Some(foreign), _) => {
            let (level, option) = match foreign {
                SocketAddr::V4(_) => (libc::SOL_IP, libc::IP_TRANSPARENT),
                SocketAddr::V6(_) => (libc::SOL_IPV6, libc::IPV6_TRANSPARENT),
            };
            socket::set_int(socket, level, option, 1)?;
            bind_source(socket, foreign)
        }
        (None, Some(address)) => bind_source(socket, (address, port).into()),
        (None, None) if port > 0 => bind_source(socket, (any(), port).into()),
        (None, None) => Ok(()),
    }
}

/// The port is left open until the connect, so that one local port serves several targets; a kernel before
/// 4.2 lacks that and takes one at once.
fn bind_source(socket: &Socket, source: SocketAddr) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    let _ = socket::set_int(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1);
    socket.bind(&SockAddr::from(source))
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
                source: Source { address: source, ..Source::default() },
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
    fn a_range_of_ports_is_used_and_then_used_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        // Ports that were free a moment ago; another program may take one of them, and fewer come up then.
        let first = (10_000..30_000)
            .step_by(7)
            .find(|port| (*port..*port + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()));
        let first = first.unwrap();
        let source = Source { ports: Some((first, first + 2)), ..Source::default() };
        let how = Outgoing { source, ..Outgoing::default() };
        let mut kept = Vec::new();
        for _ in 0..3 {
            let socket = tcp(target, &how).unwrap();
            assert_eq!(settled(&socket), None);
            let (_client, peer) = listener.accept().unwrap();
            assert!((first..first + 3).contains(&peer.port()), "{peer}");
            kept.push((socket, _client));
        }
        assert_eq!(tcp(target, &how).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let source = Source { interface: Some("none-such".into()), ..Source::default() };
        let how = Outgoing { source, ..Outgoing::default() };
        assert!(tcp(target, &how).is_err());
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
