//! The pipes of one worker, for what it splices.
//!
//! A session has a pipe only while bytes are in it: it takes one for a fill and a drain, and gives it back empty. So
//! a few serve thousands of sessions, and the most there are is what slow readers hold. One that still has bytes
//! when its session lets go of it is closed with them, for the next session must not get them.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::config::Config;
use crate::sys::pipe::Pipe;

/// Empty pipes that are kept; more are closed.
const IDLE: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Pipes {
    idle: Vec<Lent>,
    most: usize,
    capacity: usize,
    /// One more owner for every pipe that is open.
    open: Rc<()>,
}

/// A pipe of a [`Pipes`]. Dropped, it is closed, and another may be made.
#[derive(Debug)]
pub(super) struct Lent {
    pipe: Pipe,
    _open: Rc<()>,
}

impl Deref for Lent {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        &self.pipe
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Pipe {
        &mut self.pipe
    }
}

impl Pipes {
    /// A worker's share of what the process may have.
    pub(super) fn share(config: &Config, workers: usize) -> Pipes {
        Pipes::new((config.pipes() as usize).div_ceil(workers.max(1)), config.global.pipesize)
    }

    /// At most so many, each for so many bytes.
    pub(super) fn new(most: usize, capacity: usize) -> Pipes {
        Pipes { idle: Vec::new(), most, capacity, open: Rc::new(()) }
    }

    /// An empty pipe. `None` if there are enough, or the kernel has none to give.
    pub(super) fn take(&mut self) -> Option<Lent> {
        if let Some(pipe) = self.idle.pop() {
            return Some(pipe);
        }
        if self.open() >= self.most {
            return None;
        }
        // Whoever gets none copies, which is no worse than a message that says so.
        let pipe = Pipe::new(self.capacity).ok()?;
        Some(Lent { pipe, _open: Rc::clone(&self.open) })
    }

    /// Takes a pipe back; one with bytes is closed.
    pub(super) fn put(&mut self, pipe: Lent) {
        if pipe.held() == 0 && self.idle.len() < IDLE {
            self.idle.push(pipe);
        }
    }

    /// How many are open, idle ones among them.
    pub(super) fn open(&self) -> usize {
        Rc::strong_count(&self.open) - 1
    }

    /// How many of them are idle.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::socket::Moved;

    #[test]
    fn there_are_only_so_many_and_each_is_used_again() {
        let mut pipes = Pipes::new(2, 4096);
        let (one, two) = (pipes.take().unwrap(), pipes.take().unwrap());
        assert!(pipes.take().is_none());
        pipes.put(one);
        assert_eq!((pipes.open(), pipes.idle()), (2, 1));
        let one = pipes.take().unwrap();
        drop(two);
        assert_eq!((pipes.open(), pipes.idle()), (1, 0));
        assert!(pipes.take().is_some());
        pipes.put(one);
    }

    #[test]
    fn a_pipe_with_bytes_is_closed_and_many_idle_ones_are_not_kept() {
        let mut pipes = Pipes::new(100, 4096);
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"secret").unwrap();
        let mut pipe = pipes.take().unwrap();
        assert_eq!(pipe.fill(&near), Moved::Bytes(6));
        pipes.put(pipe);
        assert_eq!((pipes.open(), pipes.idle()), (0, 0));
        let many: Vec<_> = (0..40).filter_map(|_| pipes.take()).collect();
        many.into_iter().for_each(|pipe| pipes.put(pipe));
        assert_eq!((pipes.open(), pipes.idle()), (IDLE, IDLE));
    }

    #[test]
    fn none_is_made_unless_a_proxy_asks_for_it() {
        let mut config = Config::default();
        assert!(Pipes::share(&config, 2).take().is_none());
        config.frontends.push(Default::default());
        config.frontends[0].splice.auto = true;
        config.global.maxpipes = Some(3);
        let mut pipes = Pipes::share(&config, 2);
        let taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
        assert_eq!(taken.len(), 2);
        config.global.maxpipes = Some(0);
        assert!(Pipes::share(&config, 2).take().is_none());
    }
}
