//! When the bytes of one direction are spliced: by what the traffic does, and only where a proxy asks for it.
//!
//! A direction whose last few receives were all large has become bulk, and goes through a pipe from then on; the
//! first small one ends that. Splicing spares two copies and costs one more system call, a pipe, and the kernel's
//! accounting of every page.
//!
//! Nobody gets it unasked, as copying through a large buffer is as good: processor time a request beside copying
//! in pieces of 64 KiB in the same run (one epoll loop, loopback, redis-benchmark SET and GET, medians of seven
//! rounds, Linux 6.18 on two shared cores):
//!
//! | | 100 KiB, 50 clients | 1 MiB, 20 clients | 1 MiB, 2 clients |
//! |---|---|---|---|
//! | copy, 128 KiB at a time | 1.02 | 0.85 | 0.89 |
//! | copy, 256 KiB at a time | 0.98 | 0.76 | 0.76 |
//! | splice, pipe of 64 KiB | 0.90 | 0.84 | 0.85 |
//! | splice, pipe of 256 KiB | 0.89 | 0.70 | 0.79 |
//!
//! A tenth, on loopback, against descriptors that have to be kept in hand. With a network card that gathers pages
//! by itself the balance may be another, which is what the options are for.

use nix::errno::Errno;

use super::super::contract::Splicing;

/// A receive of this length is bulk.
const BULK: usize = 16 * 1024;
/// So many in succession make a direction splice.
const STREAK: u8 = 4;
/// A splice of less ends that.
const MESSAGE: usize = 4 * 1024;

/// What one direction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Appetite {
    /// Never.
    #[default]
    Copies,
    /// Copies, and has seen so many large receives in succession.
    Watches(u8),
    /// Splices until its messages are small again.
    Splices,
    Always,
}

impl From<Splicing> for Appetite {
    fn from(splicing: Splicing) -> Appetite {
        match splicing {
            Splicing::Bulk => Appetite::Watches(0),
            Splicing::Always => Appetite::Always,
        }
    }
}

impl Appetite {
    /// Whether the next bytes should go through a pipe.
    pub(super) fn is_for_pipes(self) -> bool {
        matches!(self, Appetite::Splices | Appetite::Always)
    }

    /// So many bytes came at once.
    pub(super) fn saw(&mut self, count: usize) {
        *self = match *self {
            Appetite::Watches(_) if count < BULK => Appetite::Watches(0),
            Appetite::Watches(seen) if seen + 1 < STREAK => Appetite::Watches(seen + 1),
            Appetite::Watches(_) => Appetite::Splices,
            Appetite::Splices if count < MESSAGE => Appetite::Watches(0),
            other => other,
        };
    }

    /// There was no pipe: it copies, and asks again when it has seen bulk.
    pub(super) fn went_without(&mut self) {
        if self.is_for_pipes() {
            *self = Appetite::Watches(0);
        }
    }
}

/// Whether that error of a first splice says that the sockets, the kernel or a filter of system calls know none.
pub(super) fn is_unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EACCES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_is_spliced_until_a_message_is_small() {
        let mut appetite = Appetite::from(Splicing::Bulk);
        for count in [65_536, 36_864, 65_536] {
            appetite.saw(count);
            assert!(!appetite.is_for_pipes());
        }
        appetite.saw(36_864);
        assert!(appetite.is_for_pipes());
        appetite.saw(MESSAGE);
        assert!(appetite.is_for_pipes());
        appetite.saw(MESSAGE - 1);
        assert_eq!(appetite, Appetite::Watches(0));
    }

    #[test]
    fn a_small_message_among_large_ones_keeps_copying() {
        let mut appetite = Appetite::from(Splicing::Bulk);
        for _ in 0..20 {
            [65_536, 65_536, 65_536, 100].into_iter().for_each(|count| appetite.saw(count));
            assert!(!appetite.is_for_pipes());
        }
    }

    #[test]
    fn always_is_always_and_never_never() {
        let (mut always, mut never) = (Appetite::from(Splicing::Always), Appetite::default());
        for count in [1, 1 << 20, 1] {
            always.saw(count);
            never.saw(count);
            assert!(always.is_for_pipes() && !never.is_for_pipes());
        }
    }

    #[test]
    fn who_finds_no_pipe_copies_until_there_is_bulk() {
        let mut appetite = Appetite::Always;
        appetite.went_without();
        assert!(!appetite.is_for_pipes());
        (0..STREAK).for_each(|_| appetite.saw(BULK));
        assert_eq!(appetite, Appetite::Splices);
        let mut never = Appetite::Copies;
        never.went_without();
        assert_eq!(never, Appetite::Copies);
    }
}
