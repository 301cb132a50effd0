//! A pipe that carries bytes from one socket to another without copying them: splice(2).
//!
//! It is filled only while it is empty. So a fill that takes nothing means that the socket had nothing, never that
//! the pipe was full; and what it holds is all on its way to one socket. Nothing here blocks, if the sockets do
//! not: the kernel looks at their O_NONBLOCK. A send to a socket that is broken raises SIGPIPE, which threads that
//! do this have blocked or ignored.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

use super::socket::Moved;

/// See the module.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
    held: usize,
}

impl Pipe {
    /// A pipe for so many bytes, rounded up to pages by the kernel. An error also if it grants less, as it does to
    /// an unprivileged user who has many (pipe(7), `pipe-user-pages-soft`).
    pub fn new(capacity: usize) -> io::Result<Pipe> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let wanted = i32::try_from(capacity).map_err(io::Error::other)?;
        let granted = fcntl(&write, FcntlArg::F_SETPIPE_SZ(wanted))?;
        let capacity = usize::try_from(granted).unwrap_or(0);
        Ok(Pipe { read, write, capacity, held: 0 })
    }

    /// Bytes in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes what a socket has, at most what the pipe can hold; to be called while it is empty.
    pub fn fill(&mut self, from: &impl AsFd) -> Moved {
        if self.held > 0 {
            return Moved::Later;
        }
        match carry(from, &self.write, self.capacity) {
            Ok(0) => Moved::End,
            Ok(count) => {
                self.held = count;
                Moved::Bytes(count)
            }
            Err(Errno::EAGAIN) => Moved::Later,
            Err(errno) => Moved::Failed(errno),
        }
    }

    /// Gives what it holds to a socket: `Bytes` with all that has gone, if anything has; the rest is still
    /// [`Pipe::held`].
    pub fn drain(&mut self, to: &impl AsFd) -> Moved {
        let before = self.held;
        while self.held > 0 {
            // Of more than it holds the kernel would wait for the rest before it sends the last piece.
            match carry(&self.read, to, self.held) {
                Ok(count) if count > 0 => self.held -= count.min(self.held),
                Ok(_) | Err(Errno::EAGAIN) if self.held == before => return Moved::Later,
                Ok(_) | Err(Errno::EAGAIN) => break,
                Err(errno) => return Moved::Failed(errno),
            }
        }
        Moved::Bytes(before - self.held)
    }
}

fn carry(from: &impl AsFd, to: &impl AsFd, length: usize) -> Result<usize, Errno> {
    loop {
        match splice(from, None, to, None, length, SpliceFFlags::SPLICE_F_NONBLOCK) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::super::socket::reset_on_close;
    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        one.set_nonblocking(true).unwrap();
        (one, other)
    }

    /// Until the bytes are there.
    fn filled(pipe: &mut Pipe, from: &TcpStream) -> Moved {
        loop {
            match pipe.fill(from) {
                Moved::Later => std::thread::yield_now(),
                other => return other,
            }
        }
    }

    #[test]
    fn bytes_go_through_and_then_the_end() {
        let ((one, mut far), (other, mut there)) = (pair(), pair());
        let mut pipe = Pipe::new(65_536).unwrap();
        assert_eq!((pipe.fill(&one), pipe.drain(&other)), (Moved::Later, Moved::Bytes(0)));
        far.write_all(b"hello").unwrap();
        assert_eq!((filled(&mut pipe, &one), pipe.held()), (Moved::Bytes(5), 5));
        assert_eq!(pipe.fill(&one), Moved::Later, "not before it is empty");
        assert_eq!((pipe.drain(&other), pipe.held()), (Moved::Bytes(5), 0));
        let mut got = [0; 5];
        there.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hello");
        drop(far);
        assert_eq!(filled(&mut pipe, &one), Moved::End);
    }

    #[test]
    fn what_a_full_socket_does_not_take_stays_in_the_pipe() {
        let ((one, far), (other, mut there)) = (pair(), pair());
        let mut pipe = Pipe::new(65_536).unwrap();
        far.set_nonblocking(true).unwrap();
        let (mut sent, mut carried) = (0, 0);
        let held = loop {
            sent += (&far).write(&[7; 65_536]).unwrap_or(0);
            carried += match filled(&mut pipe, &one) {
                Moved::Bytes(count) => count,
                other => unreachable!("{other:?}"),
            };
            pipe.drain(&other);
            if pipe.held() > 0 {
                break pipe.held();
            }
        };
        assert!(held <= 65_536 && carried <= sent);
        let mut got = vec![0; carried - held];
        there.read_exact(&mut got).unwrap();
        while pipe.held() > 0 {
            assert!(!matches!(pipe.drain(&other), Moved::Failed(_)));
        }
        let mut rest = vec![0; held];
        there.read_exact(&mut rest).unwrap();
        assert!(got.iter().chain(&rest).all(|byte| *byte == 7));
    }

    #[test]
    fn broken_sockets_are_told() {
        let ((one, mut far), (other, there)) = (pair(), pair());
        let mut pipe = Pipe::new(65_536).unwrap();
        far.write_all(b"hello").unwrap();
        assert_eq!(filled(&mut pipe, &one), Moved::Bytes(5));
        reset_on_close(&there);
        drop(there);
        let errno = loop {
            match pipe.drain(&other) {
                Moved::Failed(errno) => break errno,
                _ => std::thread::yield_now(),
            }
        };
        assert!(matches!(errno, Errno::ECONNRESET | Errno::EPIPE), "{errno}");
        let mut pipe = Pipe::new(65_536).unwrap();
        reset_on_close(&far);
        drop(far);
        assert_eq!(filled(&mut pipe, &one), Moved::Failed(Errno::ECONNRESET));
    }

    #[test]
    fn more_than_the_kernel_grants_is_refused() {
        assert!(Pipe::new(usize::MAX).is_err() && Pipe::new(1 << 31).is_err());
    }
}
