//! An eventfd that wakes a worker out of its driver's wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Readable after [`Wake::ring`] until [`Wake::clear`].
#[derive(Debug)]
pub struct Wake(EventFd);

impl Wake {
    pub fn new() -> io::Result<Wake> {
        Ok(Wake(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?))
    }

    /// Wakes. A full counter means that a wake-up is pending anyway.
    pub fn ring(&self) {
        let _ = self.0.write(1);
    }

    /// Forgets wake-ups so far. Nothing to read is what an idle eventfd answers.
    pub fn clear(&self) {
        let _ = self.0.read();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
