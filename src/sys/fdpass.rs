//! Descriptors through a unix socket (`SCM_RIGHTS`): a privileged parent hands listening sockets to its
//! worker, and one process to its successor.

#![allow(unsafe_code, reason = "SCM_RIGHTS gives raw descriptors")]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// What one message may carry (the kernel's SCM_MAX_FD).
pub const MOST: usize = 253;

/// Sends `bytes`, at least one, and with the first of them `descriptors`, at most [`MOST`]. Returns how many
/// bytes went; the descriptors went with them.
pub fn send(socket: &impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let socket = socket.as_fd().as_raw_fd();
    loop {
        match sendmsg::<()>(socket, &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Receives bytes and the descriptors that came with them, closed on exec; 0 bytes is the end. More
/// descriptors than [`MOST`] in one message are an error, and none of them stays open.
pub fn receive(socket: &impl AsFd, into: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut control = cmsg_space!([RawFd; MOST]);
    let socket = socket.as_fd().as_raw_fd();
    let mut slices = [IoSliceMut::new(into)];
    let message = loop {
        match recvmsg::<()>(socket, &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            result => break result?,
        }
    };
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = part {
            // SAFETY: the kernel has just made these descriptors for this message; nobody else owns them.
            descriptors.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(message.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_descriptor_arrives_and_works() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut kept, passed) = UnixStream::pair().unwrap();
        assert_eq!(send(&here, b"hello", &[passed.as_fd()]).unwrap(), 5);
        drop(passed);
        let (mut bytes, mut got) = ([0; 16], Vec::new());
        assert_eq!(receive(&there, &mut bytes, &mut got).unwrap(), 5);
        assert_eq!((&bytes[..5], got.len()), (&b"hello"[..], 1));
        UnixStream::from(got.remove(0)).write_all(b"x").unwrap();
        assert_eq!(kept.read(&mut [0; 4]).unwrap(), 1);
    }

    #[test]
    fn bytes_alone_and_the_end() {
        let (here, there) = UnixStream::pair().unwrap();
        send(&here, b"a", &[]).unwrap();
        drop(here);
        let mut got = Vec::new();
        assert_eq!(receive(&there, &mut [0; 4], &mut got).unwrap(), 1);
        assert_eq!(receive(&there, &mut [0; 4], &mut got).unwrap(), 0);
        assert!(got.is_empty());
    }
}
