//! Limits of the process and of a thread.

#![allow(unsafe_code, reason = "prlimit(2), which no crate wraps")]

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;

/// How many descriptors the process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    pub soft: u64,
    /// What an unprivileged process may raise `soft` to.
    pub hard: u64,
}

/// The limit as it is.
pub fn descriptors() -> io::Result<Descriptors> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(Descriptors { soft, hard })
}

/// Raises (or lowers) the limit to `wanted`; only root may pass the hard one.
pub fn set_descriptors(wanted: u64) -> io::Result<()> {
    let hard = descriptors()?.hard.max(wanted);
    Ok(setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?)
}

/// The limit of another process of the same user, or of any, for root.
pub fn descriptors_of(pid: u32) -> io::Result<Descriptors> {
    let limit = exchange(pid, None)?;
    Ok(Descriptors { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// Raises both limits of another process to `wanted`.
pub fn raise_descriptors_of(pid: u32, wanted: u64) -> io::Result<()> {
    exchange(pid, Some(libc::rlimit { rlim_cur: wanted, rlim_max: wanted })).map(drop)
}

fn exchange(pid: u32, new: Option<libc::rlimit>) -> io::Result<libc::rlimit> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `new` is null or points into this frame's parameter, `old` to this frame's variable; both outlive
    // the call, and the kernel keeps neither.
    let result = unsafe { libc::prlimit(pid as libc::pid_t, libc::RLIMIT_NOFILE, new, &raw mut old) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(old) }
}

/// Keeps signals off this thread; the control side's thread takes them.
pub fn block_signals() -> io::Result<()> {
    Ok(SigSet::all().thread_block()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_can_be_lowered_and_raised_again_to_the_hard_one() {
        let before = descriptors().unwrap();
        set_descriptors(before.soft - 1).unwrap();
        assert_eq!(descriptors().unwrap().soft, before.soft - 1);
        set_descriptors(before.soft).unwrap();
        assert_eq!(descriptors().unwrap(), before);
    }

    #[test]
    fn the_limit_of_a_process_is_read_by_its_id() {
        assert_eq!(descriptors_of(std::process::id()).unwrap().hard, descriptors().unwrap().hard);
        assert!(descriptors_of(u32::MAX >> 1).is_err());
    }

    #[test]
    fn the_limit_of_another_process_is_set() {
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        // Less than it has: more is root's to give.
        let wanted = descriptors_of(other.id()).unwrap().hard - 1;
        raise_descriptors_of(other.id(), wanted).unwrap();
        let now = descriptors_of(other.id()).unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!((now.soft, now.hard), (wanted, wanted));
    }

    #[test]
    fn a_thread_blocks_its_signals() {
        std::thread::spawn(|| {
            block_signals().unwrap();
            assert!(SigSet::thread_get_mask().unwrap().contains(nix::sys::signal::SIGHUP));
        })
        .join()
        .unwrap();
    }
}
