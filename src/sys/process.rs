//! What a process does to itself: fork, give up privileges, choose what signals do, let go of its terminal.

#![allow(unsafe_code, reason = "fork(2) and signal(2)")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, chdir, chroot, dup2_stderr, dup2_stdin, dup2_stdout, fork, geteuid, getppid,
    setgid, setgroups, setsid, setuid,
};

/// Which of the two processes this is after a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forked {
    Parent { child: u32 },
    Child,
}

/// Makes a second process. Refused once there is a second thread: its locks would stay locked in the child.
pub fn split() -> io::Result<Forked> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other("fork: there is more than one thread"));
    }
    // SAFETY: this process has one thread (just counted, and no other can start one), so no lock is held by
    // anybody who is missing in the child, and the child may go on as a full program.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Forked::Parent { child: child.as_raw() as u32 }),
        ForkResult::Child => Ok(Forked::Child),
    }
}

/// Closes every descriptor but the standard streams and `kept`. For a process that has just been forked and
/// has dropped what it owned: what is left was inherited, and is nobody's.
pub fn close_inherited(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = kept.as_raw_fd() as libc::c_uint;
    for (first, last) in [(3, kept.saturating_sub(1)), (kept + 1, libc::c_uint::MAX)] {
        if first > last {
            continue;
        }
        // SAFETY: closes by number, touching no memory. The one caller has just been forked, runs alone, and
        // holds no owned descriptor but `kept`, whose number is in neither range; so no owner is robbed.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Leaves the terminal's session.
pub fn new_session() -> io::Result<()> {
    setsid()?;
    Ok(())
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    Signal(Signal),
}

impl Ended {
    /// As a shell shows it: 128 and the signal's number.
    pub fn code(self) -> i32 {
        match self {
            Ended::Exit(code) => code,
            Ended::Signal(signal) => 128 + signal as i32,
        }
    }

    /// As HAProxy's master words it: `Exit`, or what the C library says of the signal.
    pub fn word(self) -> &'static str {
        match self {
            Ended::Exit(_) => "Exit",
            Ended::Signal(Signal::SIGTERM) => "Terminated",
            Ended::Signal(Signal::SIGINT) => "Interrupt",
            Ended::Signal(Signal::SIGKILL) => "Killed",
            Ended::Signal(Signal::SIGSEGV) => "Segmentation fault",
            Ended::Signal(Signal::SIGABRT) => "Aborted",
            Ended::Signal(Signal::SIGBUS) => "Bus error",
            Ended::Signal(Signal::SIGQUIT) => "Quit",
            Ended::Signal(other) => other.as_str(),
        }
    }
}

/// Whether the child has ended, without waiting for it.
pub fn ended(child: u32) -> io::Result<Option<Ended>> {
    match waitpid(Pid::from_raw(child as i32), Some(WaitPidFlag::WNOHANG))? {
        WaitStatus::Exited(_, code) => Ok(Some(Ended::Exit(code))),
        WaitStatus::Signaled(_, signal, _) => Ok(Some(Ended::Signal(signal))),
        _ => Ok(None),
    }
}

/// Waits for the end of a child.
pub fn wait(child: u32) -> io::Result<()> {
    waitpid(Pid::from_raw(child as i32), None)?;
    Ok(())
}

/// Sends a signal.
pub fn kill(pid: u32, signal: Signal) -> io::Result<()> {
    Ok(nix::sys::signal::kill(Pid::from_raw(pid as i32), signal)?)
}

/// Lets a signal pass unnoticed.
pub fn ignore(which: Signal) -> io::Result<()> {
    set(which, SigHandler::SigIgn)
}

/// Gives a signal its usual effect back.
pub fn restore(which: Signal) -> io::Result<()> {
    set(which, SigHandler::SigDfl)
}

fn set(which: Signal, handler: SigHandler) -> io::Result<()> {
    // SAFETY: neither SIG_IGN nor SIG_DFL runs code of ours.
    unsafe { signal(which, handler) }?;
    Ok(())
}

/// Keeps signals waiting (for a signalfd), in this thread and those it starts.
pub fn block(signals: &[Signal]) -> io::Result<SigSet> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block()?;
    Ok(set)
}

/// Lets every signal through that was kept waiting.
pub fn unblock_all() -> io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

/// Dies of a signal, so that whoever waits sees it.
pub fn die_of(which: Signal) -> io::Result<()> {
    restore(which)?;
    raise(which)?;
    unblock_all()
}

/// Whether this process may do anything.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Whose child this process is.
pub fn parent() -> u32 {
    getppid().as_raw() as u32
}

/// From now on this process ends when `parent` does. To be called after privileges were dropped, which
/// forgets it.
pub fn end_with(parent: u32) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    match self::parent() == parent {
        true => Ok(()),
        false => Err(io::Error::other("the parent is gone")),
    }
}

/// What a step of giving up privileges failed with.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    #[error("Cannot chroot({0}).")]
    Chroot(String, #[source] io::Error),
    #[error("Cannot set gid {0}.")]
    Group(u32, #[source] io::Error),
    #[error("Cannot set uid {0}.")]
    User(u32, #[source] io::Error),
    #[error("Cannot forbid new privileges.")]
    NoNew(#[source] io::Error),
}

/// Gives up the file system and the user for good, in the only order that works. Root loses all its
/// capabilities with its uid; nothing that is executed later can bring any back.
pub fn drop_privileges(root: Option<&Path>, uid: Option<u32>, gid: Option<u32>) -> Result<(), DropError> {
    if let Some(root) = root {
        let error = |errno: nix::errno::Errno| DropError::Chroot(root.display().to_string(), errno.into());
        chroot(root).map_err(error)?;
        chdir("/").map_err(error)?;
    }
    if (uid.is_some() || gid.is_some()) && is_root() {
        // Also with a user alone: root's other groups are not that user's.
        setgroups(&[]).map_err(|errno| DropError::Group(gid.unwrap_or_default(), errno.into()))?;
    }
    if let Some(gid) = gid {
        setgid(Gid::from_raw(gid)).map_err(|errno| DropError::Group(gid, errno.into()))?;
    }
    if let Some(uid) = uid {
        setuid(Uid::from_raw(uid)).map_err(|errno| DropError::User(uid, errno.into()))?;
    }
    prctl::set_no_new_privs().map_err(|errno| DropError::NoNew(errno.into()))
}

/// Standard input, output and error lead nowhere from now on.
pub fn detach_streams() -> io::Result<()> {
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    redirect_streams(&nowhere)
}

/// As [`detach_streams`], with `/dev/null` opened while it could still be seen.
pub fn redirect_streams(nowhere: &File) -> io::Result<()> {
    dup2_stdin(nowhere)?;
    dup2_stdout(nowhere)?;
    dup2_stderr(nowhere)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_are_those_of_a_shell_and_of_the_master() {
        assert_eq!((Ended::Exit(3).code(), Ended::Exit(3).word()), (3, "Exit"));
        let ended = Ended::Signal(Signal::SIGTERM);
        assert_eq!((ended.code(), ended.word()), (143, "Terminated"));
    }

    /// Whether the kernel throws that signal away for this process.
    fn is_ignored(which: Signal) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() >> (which as i32 - 1) & 1 == 1
    }

    #[test]
    fn a_signal_is_ignored_until_it_is_restored() {
        // One that does nothing by itself, and that nobody sends.
        ignore(Signal::SIGURG).unwrap();
        assert!(is_ignored(Signal::SIGURG));
        restore(Signal::SIGURG).unwrap();
        assert!(!is_ignored(Signal::SIGURG));
    }

    #[test]
    fn a_process_with_threads_is_not_split() {
        // The test runner itself has more than one.
        std::thread::spawn(|| assert!(split().is_err())).join().unwrap();
    }
}
