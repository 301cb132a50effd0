//! Descriptors that the process was started with, named by number in the config (`fd@N`).

#![allow(unsafe_code, reason = "a number from the config becomes a descriptor")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A descriptor of our own for what the inherited number `raw` refers to; the number itself stays open.
pub fn duplicate(raw: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes no pointer; a number that is not open is answered with EBADF.
    let copy = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made `copy`; nobody else knows it, and it is closed by the OwnedFd alone.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_copy_leads_to_the_same_place() {
        let (mut reader, writer) = io::pipe().unwrap();
        let copy = duplicate(writer.as_raw_fd()).unwrap();
        drop(writer);
        std::fs::File::from(copy).write_all(b"x").unwrap();
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "x");
    }

    #[test]
    fn a_number_that_is_not_open_is_an_error() {
        assert!(duplicate(-1).is_err());
    }
}
