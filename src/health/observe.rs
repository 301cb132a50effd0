//! `observe layer4`: what errors of real connections mean to a server's health (manual section 5.2).
//!
//! Workers count consecutive failed connects; when the count reaches `error-limit`, this says what follows.
//! Pure: the caller applies it and starts counting again from 0.

use super::rise_fall::{Counter, Judgement, judge};
use super::tcp_check::Settled;
use crate::config::model::OnError;
use crate::state::{CheckStatus, Operation};

/// What reaching the limit does to a server; `None` below the limit. Whatever it does, the next check comes
/// after `fastinter` if one is set.
pub fn on_connect_error(
    failures: u32,
    limit: u32,
    policy: OnError,
    counter: Counter,
    operation: Operation,
) -> Option<Judgement> {
    if failures < limit {
        return None;
    }
    let before = match policy {
        OnError::Fastinter => return Some(Judgement { counter, transition: None, counts_as_failed: false }),
        OnError::FailCheck => counter,
        // One more failed check is the last.
        OnError::SuddenDeath => Counter { value: counter.value.min(counter.rise + 1), ..counter },
        OnError::MarkDown => Counter { value: counter.value.min(1), ..counter },
    };
    Some(judge(before, operation, CheckStatus::HealthAnalyze, Settled::Failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::rise_fall::Transition;

    #[test]
    fn the_limit_brings_what_on_error_says() {
        let counter = Counter { value: 4, rise: 2, fall: 3 };
        let after = |failures, policy| {
            on_connect_error(failures, 10, policy, counter, Operation::Running)
                .map(|judged| (judged.counter.value, judged.transition))
        };
        assert_eq!(after(9, OnError::MarkDown), None);
        assert_eq!(after(10, OnError::Fastinter), Some((4, None)));
        assert_eq!(after(10, OnError::FailCheck), Some((3, None)));
        assert_eq!(after(10, OnError::SuddenDeath), Some((2, None)));
        assert_eq!(after(10, OnError::MarkDown), Some((0, Some(Transition::Down))));
    }
}
