//! Taking connections from a listening socket. What a client inherits from its listener (TCP_NODELAY,
//! keepalive, the user timeout) is set there once, not here per connection.

#![allow(unsafe_code, reason = "accept4(2) gives a raw descriptor")]

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use socket2::SockAddr;

/// Why there was no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Nobody waits.
    #[error("nobody waits")]
    Later,
    /// That one client is gone already; the next may be fine.
    #[error("the client went away")]
    Gone,
    /// Out of descriptors or memory: try again after a pause, for the client stays in the backlog and a
    /// readiness loop would spin on it.
    #[error("{0}")]
    Exhausted(Shortage),
    /// The listener itself is of no use.
    #[error("{0}")]
    Broken(Errno),
}

/// What there is none left of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error("the process is out of descriptors")]
    ProcessDescriptors,
    #[error("the system is out of descriptors")]
    SystemDescriptors,
    #[error("the system is out of memory")]
    Memory,
}

/// Takes the next connection, non-blocking and closed on exec; the address is `None` for unix sockets.
pub fn accept(listener: &impl AsFd) -> Result<(OwnedFd, Option<SocketAddr>), AcceptError> {
    let listener = listener.as_fd().as_raw_fd();
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: accept4 writes at most `*length` bytes to `storage`, both of which `try_init` lends for the
    // call, and sets `length` to what it wrote; the listener's descriptor is borrowed for it. The
    // descriptor it returns is new and owned by nobody else.
    let accepted = unsafe {
        SockAddr::try_init(|storage, length| {
            let socket = libc::accept4(listener, storage.cast(), length, flags);
            if socket < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(OwnedFd::from_raw_fd(socket))
        })
    };
    match accepted {
        Ok((socket, address)) => Ok((socket, address.as_socket())),
        Err(error) => Err(classify(Errno::from_raw(error.raw_os_error().unwrap_or(0)))),
    }
}

/// What accept(2) says of its errors: those of the new connection's network come up here as well.
fn classify(errno: Errno) -> AcceptError {
    match errno {
        Errno::EAGAIN => AcceptError::Later,
        Errno::EMFILE => AcceptError::Exhausted(Shortage::ProcessDescriptors),
        Errno::ENFILE => AcceptError::Exhausted(Shortage::SystemDescriptors),
        Errno::ENOBUFS | Errno::ENOMEM => AcceptError::Exhausted(Shortage::Memory),
        Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP | Errno::EFAULT => {
            AcceptError::Broken(errno)
        }
        _ => AcceptError::Gone,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

    use super::*;

    #[test]
    fn a_client_comes_with_its_address_and_does_not_block() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(accept(&listener).unwrap_err(), AcceptError::Later);
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, address) = accept(&listener).unwrap();
        assert_eq!(address, Some(client.local_addr().unwrap()));
        assert!(
            OFlag::from_bits_retain(fcntl(&socket, FcntlArg::F_GETFL).unwrap()).contains(OFlag::O_NONBLOCK)
        );
        let flags = FdFlag::from_bits_retain(fcntl(&socket, FcntlArg::F_GETFD).unwrap());
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
    }

    #[test]
    fn errors_say_whether_to_go_on() {
        assert_eq!(classify(Errno::ECONNABORTED), AcceptError::Gone);
        assert_eq!(classify(Errno::EINTR), AcceptError::Gone);
        assert_eq!(classify(Errno::EMFILE), AcceptError::Exhausted(Shortage::ProcessDescriptors));
        assert_eq!(classify(Errno::ENFILE), AcceptError::Exhausted(Shortage::SystemDescriptors));
        assert_eq!(classify(Errno::ENOBUFS), AcceptError::Exhausted(Shortage::Memory));
        let no_listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(no_listener.local_addr().unwrap()).unwrap();
        assert_eq!(accept(&stream).unwrap_err(), AcceptError::Broken(Errno::EINVAL));
    }
}
