//! One connected socket: bytes in and out, its options, and what the kernel knows of it.
//!
//! Nothing here blocks: the sockets are non-blocking, and an interrupted call is repeated. `SIGPIPE` never
//! comes up, as every send says so.

#![allow(unsafe_code, reason = "ioctl(2), setsockopt(2) and poll(2), where no crate wraps them")]

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown};
use socket2::{SockRef, TcpKeepalive};

use crate::config::model::{Keepalive, Marking};

/// What one receive or send came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// A receive found the peer's FIN.
    End,
    /// Nothing for now.
    Later,
    /// The socket is broken.
    Failed(Errno),
}

/// The address that a client came to; `None` for a unix socket.
pub fn local_address(socket: &impl AsFd) -> Option<SocketAddr> {
    SockRef::from(socket).local_addr().ok()?.as_socket()
}

/// Whether this machine has the address: one can only bind to one's own.
pub fn is_own_address(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// Whether a socket that has got a FIN has nothing else: the FIN is the first thing that is read from it.
pub fn ends_at_once(socket: &impl AsFd) -> bool {
    let mut byte = [0];
    nix::sys::socket::recv(socket.as_fd().as_raw_fd(), &mut byte, MsgFlags::MSG_PEEK) == Ok(0)
}

/// Copies what is there, at most `into.len()` bytes, and leaves it there.
pub fn peek(socket: &impl AsFd, into: &mut [u8]) -> Moved {
    loop {
        match nix::sys::socket::recv(socket.as_fd().as_raw_fd(), into, MsgFlags::MSG_PEEK) {
            Ok(0) => return Moved::End,
            Ok(count) => return Moved::Bytes(count),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Moved::Later,
            Err(errno) => return Moved::Failed(errno),
        }
    }
}

/// Whether the peer has sent a FIN, also behind bytes that were not taken yet.
pub fn has_fin(socket: &impl AsFd) -> bool {
    let mut asked = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one descriptor, which is open for as long as it is borrowed; the kernel writes `revents` alone. nix's
    // poll(2) does not know this event. No time passes; what cannot be told now is told at the next look.
    let found = unsafe { libc::poll(&raw mut asked, 1, 0) };
    found == 1 && asked.revents & libc::POLLRDHUP != 0
}

/// Whether there are bytes to take.
pub fn has_bytes(socket: &impl AsFd) -> bool {
    matches!(peek(socket, &mut [0]), Moved::Bytes(_))
}

/// How many bytes there are to take, as far as one buffer of HAProxy's (16 KiB) would hold them.
pub fn waiting(socket: &impl AsFd) -> u64 {
    match peek(socket, &mut [0; 16_384]) {
        Moved::Bytes(count) => count as u64,
        _ => 0,
    }
}

/// Takes what is there, at most `into.len()` bytes, which must not be zero.
pub fn receive(socket: &impl AsFd, into: &mut [u8]) -> Moved {
    loop {
        match nix::sys::socket::recv(socket.as_fd().as_raw_fd(), into, MsgFlags::empty()) {
            Ok(0) => return Moved::End,
            Ok(count) => return Moved::Bytes(count),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Moved::Later,
            Err(errno) => return Moved::Failed(errno),
        }
    }
}

/// Gives as much as the kernel takes.
pub fn send(socket: &impl AsFd, bytes: &[u8]) -> Moved {
    loop {
        match nix::sys::socket::send(socket.as_fd().as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(count) => return Moved::Bytes(count),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Moved::Later,
            Err(errno) => return Moved::Failed(errno),
        }
    }
}

/// Sends a FIN after what was sent so far. A socket that is no longer connected needs none.
pub fn shutdown_write(socket: &impl AsFd) {
    let _ = nix::sys::socket::shutdown(socket.as_fd().as_raw_fd(), Shutdown::Write);
}

/// Makes the coming close an RST that throws away what is still queued. Fails on no socket that is open.
pub fn reset_on_close(socket: &impl AsFd) {
    let _ = SockRef::from(&socket.as_fd()).set_linger(Some(Duration::ZERO));
}

/// Makes the coming close one that the peer does not hear of. With `CAP_NET_ADMIN` the kernel forgets the connection
/// without a packet (`TCP_REPAIR`); without it the RST gets no further than the first router (tcp(7), ip(7)).
pub fn hush(socket: &impl AsFd) {
    let fd = socket.as_fd();
    if nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::TcpRepair, &1).is_ok() {
        return;
    }
    // One of them is of the other family; a unix socket's peer hears of it.
    let _ = SockRef::from(&fd).set_ttl_v4(1);
    let _ = SockRef::from(&fd).set_unicast_hops_v6(1);
}

/// Has packets bear a mark (`SO_MARK`) or a type of service. As in HAProxy it is nobody's error that this needs a
/// privilege (`CAP_NET_ADMIN`), or that the socket is of another family.
pub fn mark(socket: &impl AsFd, marking: Marking) {
    let fd = socket.as_fd();
    let socket = SockRef::from(&fd);
    match marking {
        Marking::Mark(mark) => {
            let _ = socket.set_mark(mark);
        }
        Marking::Tos(tos) => {
            let _ = socket.set_tos_v4(tos.into());
            let _ = socket.set_tclass_v6(tos.into());
        }
    }
}

/// The error that is pending on the socket, which this clears.
pub fn take_error(socket: &impl AsFd) -> Option<Errno> {
    let pending = nix::sys::socket::getsockopt(&socket.as_fd(), nix::sys::socket::sockopt::SocketError);
    pending.ok().filter(|error| *error != 0).map(Errno::from_raw)
}

/// Sends small messages at once. Only TCP knows this; a unix socket does so anyway.
pub fn set_nodelay(socket: &impl AsFd) {
    let _ = SockRef::from(&socket.as_fd()).set_tcp_nodelay(true);
}

/// Turns the kernel's probing of an idle connection on; parts left out are the kernel's.
pub fn set_keepalive(socket: &impl AsFd, keepalive: &Keepalive) -> io::Result<()> {
    let mut options = TcpKeepalive::new();
    if let Some(idle) = keepalive.idle {
        options = options.with_time(idle);
    }
    if let Some(interval) = keepalive.interval {
        options = options.with_interval(interval);
    }
    if let Some(count) = keepalive.count {
        options = options.with_retries(count);
    }
    SockRef::from(&socket.as_fd()).set_tcp_keepalive(&options)
}

/// Turns it off.
pub fn clear_keepalive(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(&socket.as_fd()).set_keepalive(false)
}

/// `tcp-ut`: how long sent bytes may stay unacknowledged.
pub fn set_user_timeout(socket: &impl AsFd, timeout: Duration) -> io::Result<()> {
    SockRef::from(&socket.as_fd()).set_tcp_user_timeout(Some(timeout))
}

/// Bytes that were given to the kernel and not yet acknowledged by the other machine (on a unix socket: not
/// yet read by the peer). A socket that cannot tell has none.
pub fn unacknowledged(socket: &impl AsFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (TIOCOUTQ) writes one int to the pointer, which is to a local that outlives the
    // call; the descriptor is borrowed for it.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}

/// Sets an option that is one `int` and that no safe crate wraps.
pub(super) fn set_int(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes from the pointer to a local that outlives the call; the
    // descriptor is borrowed for it.
    let result =
        unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        (one, other)
    }

    #[test]
    fn a_fin_is_seen_behind_bytes() {
        let (mut one, other) = pair();
        one.write_all(b"abc").unwrap();
        other.peek(&mut [0; 3]).unwrap();
        assert!(!has_fin(&other));
        one.shutdown(std::net::Shutdown::Write).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while !has_fin(&other) {
            assert!(std::time::Instant::now() < until, "no FIN is seen");
        }
        assert_eq!(peek(&other, &mut [0; 8]), Moved::Bytes(3));
    }

    #[test]
    fn packets_are_marked_where_this_process_may_do_so() {
        let (one, _other) = pair();
        mark(&one, Marking::Tos(0x28));
        mark(&one, Marking::Mark(7));
        let socket = SockRef::from(&one);
        assert_eq!(socket.tos_v4().unwrap(), 0x28);
        assert!(socket.mark().unwrap() == 7 || socket.set_mark(7).is_err());
    }

    /// On this machine an RST gets through where the kernel does not let the connection be forgotten.
    #[test]
    fn who_is_dropped_silently_sees_no_fin() {
        let (mut one, other) = pair();
        one.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        hush(&other);
        reset_on_close(&other);
        drop(other);
        let heard = one.read(&mut [0; 8]).map_err(|error| error.kind());
        assert!(
            matches!(heard, Err(io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionReset)),
            "{heard:?}"
        );
    }

    #[test]
    fn bytes_then_nothing_then_the_end() {
        let (one, mut other) = pair();
        one.set_nonblocking(true).unwrap();
        let mut into = [0; 8];
        assert_eq!(receive(&one, &mut into), Moved::Later);
        assert!(peek(&one, &mut into) == Moved::Later && !has_bytes(&one) && waiting(&one) == 0);
        other.write_all(b"abc").unwrap();
        one.set_nonblocking(false).unwrap();
        assert_eq!((peek(&one, &mut into), &into[..3]), (Moved::Bytes(3), &b"abc"[..]));
        assert!(has_bytes(&one));
        assert_eq!(waiting(&one), 3);
        assert_eq!(receive(&one, &mut into), Moved::Bytes(3));
        drop(other);
        assert_eq!(receive(&one, &mut into), Moved::End);
    }

    #[test]
    fn an_address_is_ones_own_or_not() {
        assert!(is_own_address([127, 0, 0, 9].into()) && is_own_address([0, 0, 0, 0].into()));
        assert!(!is_own_address([192, 0, 2, 1].into()), "TEST-NET-1 is nobody's");
    }

    #[test]
    fn a_full_socket_takes_no_more_and_says_how_much_it_holds() {
        let (one, mut other) = pair();
        one.set_nonblocking(true).unwrap();
        let block = [7; 65536];
        let mut sent = 0;
        while let Moved::Bytes(count) = send(&one, &block) {
            sent += count;
        }
        assert_eq!(send(&one, &block), Moved::Later);
        assert!(unacknowledged(&one) > 0);
        drop(one);
        let mut got = Vec::new();
        other.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), sent);
    }

    #[test]
    fn a_reset_is_seen_as_one_and_a_send_after_it_fails_without_a_signal() {
        let (one, other) = pair();
        reset_on_close(&other);
        drop(other);
        assert_eq!(receive(&one, &mut [0; 8]), Moved::Failed(Errno::ECONNRESET));
        assert_eq!(send(&one, b"x"), Moved::Failed(Errno::EPIPE));
    }

    #[test]
    fn a_pending_error_is_taken_once() {
        let (one, other) = pair();
        reset_on_close(&other);
        drop(other);
        assert_eq!(take_error(&one), Some(Errno::ECONNRESET));
        assert_eq!(take_error(&one), None);
    }

    #[test]
    fn a_fin_leaves_the_way_back_open() {
        let (mut one, mut other) = pair();
        shutdown_write(&one);
        assert_eq!(other.read(&mut [0; 1]).unwrap(), 0);
        other.write_all(b"ok").unwrap();
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 2);
    }

    #[test]
    fn options_reach_the_kernel() {
        let (one, _other) = pair();
        set_nodelay(&one);
        let wanted = Keepalive {
            idle: Some(Duration::from_secs(7)),
            interval: Some(Duration::from_secs(3)),
            count: Some(4),
        };
        set_keepalive(&one, &wanted).unwrap();
        set_user_timeout(&one, Duration::from_millis(1500)).unwrap();
        set_int(&one, libc::SOL_SOCKET, libc::SO_PRIORITY, 3).unwrap();
        let socket = SockRef::from(&one);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(1500)));
        clear_keepalive(&one).unwrap();
        assert!(!socket.keepalive().unwrap());
    }
}
