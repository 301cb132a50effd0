//! Rise and fall: the end of a check and HAProxy's counter in, the next counter and what it means out.
//!
//! The counter runs from 0 to rise + fall - 1, and a server is up from `rise` on. It begins at `rise`: the
//! first failure takes a fresh server down, the first success makes it fully up. A success that reaches
//! `rise` jumps to the top; a failure that falls below it drops to 0, so that a server has to pass `rise`
//! times in a row (manual section 5.2).
//!
//! One difference is intended: a server that answers completely and says another role than the script wants
//! is down at once. Counting would only send it more clients that it has to refuse.

use super::tcp_check::Settled;
use crate::state::{CheckStatus, Operation};

/// The counter with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    pub value: u32,
    pub rise: u32,
    pub fall: u32,
}

impl Counter {
    /// Whether a server with this counter is up.
    pub fn is_up(self) -> bool {
        self.value >= self.rise
    }

    /// The highest value.
    pub fn top(self) -> u32 {
        (self.rise + self.fall).saturating_sub(1)
    }

    /// HAProxy's `X/Y`: how far up it is of `fall`, or how far it has risen of `rise`.
    pub fn shown(self) -> (u32, u32) {
        if self.is_up() { (self.value - self.rise + 1, self.fall) } else { (self.value, self.rise) }
    }

    fn after(self, settled: Settled, passed: bool) -> Counter {
        let value = match (passed, settled) {
            (true, _) if self.value >= self.top() => self.top(),
            (true, _) if self.value + 1 >= self.rise => self.top(),
            (true, _) => self.value + 1,
            (false, Settled::Definite | Settled::Unfit) => 0,
            (false, _) if self.value <= self.rise => 0,
            (false, _) => self.value - 1,
        };
        Counter { value, ..self }
    }
}

/// What a server becomes by a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Up,
    Down,
    /// `L7OKC`: takes no new sessions.
    Stopping,
}

impl Transition {
    /// The state that follows.
    pub fn operation(self) -> Operation {
        match self {
            Transition::Up => Operation::Running,
            Transition::Down => Operation::Stopped,
            Transition::Stopping => Operation::Stopping,
        }
    }
}

/// What one check changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    pub counter: Counter,
    pub transition: Option<Transition>,
    /// Counts for `chkfail`: a server that was down already fails without being counted.
    pub counts_as_failed: bool,
}

/// Judges the end of a check of a server that is in `operation`.
pub fn judge(counter: Counter, operation: Operation, status: CheckStatus, settled: Settled) -> Judgement {
    let passed = status.passed();
    let next = counter.after(settled, passed);
    let aim = match () {
        () if !passed => (next.value == 0).then_some(Transition::Down),
        () if !next.is_up() => None,
        () if status == CheckStatus::L7OkConditional => Some(Transition::Stopping),
        () => Some(Transition::Up),
    };
    let transition = aim.filter(|aim| match aim {
        Transition::Up => !matches!(operation, Operation::Running | Operation::Starting),
        other => operation != other.operation(),
    });
    Judgement { counter: next, transition, counts_as_failed: !passed && counter.value > 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OK: (CheckStatus, Settled) = (CheckStatus::L7Ok, Settled::Pass);
    const BAD: (CheckStatus, Settled) = (CheckStatus::L7Timeout, Settled::Failure);
    const OTHER: (CheckStatus, Settled) = (CheckStatus::L7Response, Settled::Definite);
    const COND: (CheckStatus, Settled) = (CheckStatus::L7OkConditional, Settled::Pass);

    fn walk(
        rise: u32,
        fall: u32,
        ends: &[(CheckStatus, Settled)],
    ) -> Vec<(u32, (u32, u32), Option<Transition>)> {
        let mut counter = Counter { value: rise, rise, fall };
        let mut operation = Operation::Running;
        let step = |(status, settled): &(CheckStatus, Settled)| {
            let judged = judge(counter, operation, *status, *settled);
            counter = judged.counter;
            operation = judged.transition.map_or(operation, Transition::operation);
            (counter.value, counter.shown(), judged.transition)
        };
        ends.iter().map(step).collect()
    }

    #[test]
    fn the_counter_walks_as_haproxys() {
        use Transition::{Down, Stopping, Up};
        // Fresh: the first failure takes it down, and it has to rise twice.
        assert_eq!(
            walk(2, 3, &[BAD, OK, OK, BAD]),
            [(0, (0, 2), Some(Down)), (1, (1, 2), None), (4, (3, 3), Some(Up)), (3, (2, 3), None)]
        );
        // Fresh: the first success is the top; three failures in a row take it down.
        assert_eq!(
            walk(2, 3, &[OK, BAD, BAD, BAD, BAD]),
            [
                (4, (3, 3), None),
                (3, (2, 3), None),
                (2, (1, 3), None),
                (0, (0, 2), Some(Down)),
                (0, (0, 2), None)
            ]
        );
        // A failure while rising starts over; a success while falling is the top again.
        assert_eq!(
            walk(3, 2, &[BAD, OK, OK, BAD, OK, OK, OK]),
            [
                (0, (0, 3), Some(Down)),
                (1, (1, 3), None),
                (2, (2, 3), None),
                (0, (0, 3), None),
                (1, (1, 3), None),
                (2, (2, 3), None),
                (4, (2, 2), Some(Up)),
            ]
        );
        // Another role is down at once, from wherever it was.
        assert_eq!(
            walk(2, 3, &[OK, OTHER, OTHER]),
            [(4, (3, 3), None), (0, (0, 2), Some(Down)), (0, (0, 2), None)]
        );
        assert_eq!(walk(1, 1, &[BAD, OK]), [(0, (0, 1), Some(Down)), (1, (1, 1), Some(Up))]);
        assert_eq!(
            walk(2, 3, &[OK, COND, COND, OK]),
            [(4, (3, 3), None), (4, (3, 3), Some(Stopping)), (4, (3, 3), None), (4, (3, 3), Some(Up))]
        );
    }

    #[test]
    fn only_failures_of_a_server_that_is_not_down_are_counted() {
        let at = |value| Counter { value, rise: 2, fall: 3 };
        let failed = |value| judge(at(value), Operation::Running, BAD.0, BAD.1).counts_as_failed;
        assert_eq!([0, 1, 2, 4].map(failed), [false, true, true, true]);
    }

    proptest! {
        #[test]
        fn the_counter_stays_in_bounds(rise in 1u32..5, fall in 1u32..5, ends in proptest::collection::vec(0usize..4, 0..40)) {
            let ends: Vec<_> = ends.into_iter().map(|end| [OK, BAD, OTHER, COND][end]).collect();
            let mut up = true;
            for (value, (x, y), transition) in walk(rise, fall, &ends) {
                prop_assert!(value < rise + fall && x <= y);
                match transition {
                    Some(Transition::Down) => up = false,
                    Some(_) => up = true,
                    None => {}
                }
                prop_assert_eq!(up, value >= rise);
            }
        }
    }
}
