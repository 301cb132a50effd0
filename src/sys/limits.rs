//! Limits of the process and of a thread.

use std::io;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::Pid;

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

/// The cores this thread may run on, by number.
pub fn cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
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
    fn a_thread_has_cores_and_blocks_its_signals() {
        std::thread::spawn(|| {
            assert!(!cores().unwrap().is_empty());
            block_signals().unwrap();
            assert!(SigSet::thread_get_mask().unwrap().contains(nix::sys::signal::SIGHUP));
        })
        .join()
        .unwrap();
    }
}
