//! The cores a thread may run on.

use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The cores this thread may run on, by number.
pub fn cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
}

/// Keeps this thread to those of `wanted` that it may run on; to all of its own if that is none.
pub fn keep_to(wanted: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    let mut found = false;
    for core in cores()?.into_iter().filter(|core| wanted.contains(core)) {
        set.set(core)?;
        found = true;
    }
    if found {
        sched_setaffinity(Pid::from_raw(0), &set)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_to_its_core_and_not_to_one_that_is_not_there() {
        std::thread::spawn(|| {
            let before = cores().unwrap();
            keep_to(&[1023]).unwrap();
            assert_eq!(cores().unwrap(), before);
            let last = *before.last().unwrap();
            keep_to(&[last, 1023]).unwrap();
            assert_eq!(cores().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }
}
