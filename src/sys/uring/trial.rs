//! Whether this process, on this kernel, can have a ring that does what the driver builds on. A version number
//! would not do: seccomp, `kernel.io_uring_disabled` and limits refuse as well, each in its own way.

use std::io;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;

use super::{Notice, Outcome, Reception, Ring, Shape, Size};
use crate::sys::socket::{self, Moved};

/// Nothing here waits unless something is amiss.
const PATIENCE: Duration = Duration::from_secs(1);
const SMALL: Size = Size {
    submissions: 8,
    completions: 16,
    buffers: Shape { count: 2, size: 4096 },
    plain: Shape { count: 2, size: 4096 },
};

/// Makes a ring and passes a byte through it. The error says what was refused, in words.
pub fn trial() -> io::Result<()> {
    let mut ring = Ring::new(SMALL).map_err(|error| io::Error::other(reason(&error)))?;
    exercise(&mut ring)
        .map_err(|error| io::Error::other(format!("io_uring does not work as expected ({error})")))
}

/// What the refusal of a ring means, in words.
pub fn reason(error: &io::Error) -> String {
    let why = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSYS) => "the kernel has no io_uring",
        Some(Errno::EPERM | Errno::EACCES) => {
            "io_uring is forbidden here, by kernel.io_uring_disabled or a seccomp filter"
        }
        Some(Errno::ENOMEM) => "no memory for a ring, or the limit on locked memory is too low",
        Some(Errno::EINVAL) => "the kernel's io_uring is too old: Linux 6.0 is needed",
        Some(Errno::EMFILE | Errno::ENFILE) => "no descriptor left for a ring",
        _ => return error.to_string(),
    };
    format!("{why} ({error})")
}

fn exercise(ring: &mut Ring) -> io::Result<()> {
    let (here, mut there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    there.set_read_timeout(Some(PATIENCE))?;
    let here = ring.adopt(here.into());
    ring.receive(&here, Reception::Many, 7);
    there.write_all(b"x")?;
    ring.enter(Some(PATIENCE))?;
    ring.settle();
    let Some(done) = ring.next_done() else { return Err(missing("nothing was received")) };
    let Outcome::Received { what: Ok(Some(chunk)), goes_on: true } = done.outcome else {
        return Err(missing("a receive of more than one message was refused"));
    };
    ring.send(&here, &[chunk], 8, Notice::OfTrouble);
    ring.enter(Some(Duration::ZERO))?;
    let mut back = [0];
    there.read_exact(&mut back)?;
    if ring.next_sent().is_some() || back != *b"x" {
        return Err(missing("a send did not go unnoticed"));
    }
    // A socket that is full must neither take nor keep anything.
    while let Moved::Bytes(_) = socket::send(&here, &[0; 4096]) {}
    ring.send(&here, &[chunk], 9, Notice::OfTrouble);
    ring.enter(Some(Duration::ZERO))?;
    let refused = ring.next_sent().map(|sent| sent.result);
    ring.cancel_receive(7);
    ring.close(here);
    if refused == Some(Err(Errno::EAGAIN)) { Ok(()) } else { Err(missing("a full socket was not told")) }
}

fn missing(what: &str) -> io::Error {
    io::Error::other(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_explained() {
        let explained = reason(&Errno::EPERM.into());
        assert!(
            explained.contains("io_uring_disabled") && explained.contains("not permitted"),
            "{explained}"
        );
        assert!(reason(&Errno::EINVAL.into()).contains("too old"));
        assert_eq!(reason(&io::Error::other("odd")), "odd");
    }
}
