//! `observe layer4`: what errors of real connections mean to a server's health (manual section 5.2).
//!
//! Workers count consecutive failed connects and ring when the count reaches `error-limit`; the server's check
//! task then asks here what follows, applies it, and has the count start again from 0. Pure.

use super::rise_fall::{Counter, Judgement, judge};
use super::tcp_check::{CheckOutcome, Settled};
use crate::config::model::OnError;
use crate::state::{CheckStatus, Operation};

/// What reaching the limit does to a server. Whatever it does, the next check comes after `fastinter` if one
/// is set.
pub fn on_connect_error(policy: OnError, counter: Counter, operation: Operation) -> Judgement {
    let before = match policy {
        OnError::Fastinter => return Judgement { counter, transition: None, counts_as_failed: false },
        OnError::FailCheck => counter,
        // One more failed check is the last.
        OnError::SuddenDeath => Counter { value: counter.value.min(counter.rise + 1), ..counter },
        OnError::MarkDown => Counter { value: counter.value.min(1), ..counter },
    };
    judge(before, operation, CheckStatus::HealthAnalyze, Settled::Failure)
}

/// The same as the end of a check, which health then treats as any other.
pub fn outcome(failures: u32) -> CheckOutcome {
    CheckOutcome {
        status: CheckStatus::HealthAnalyze,
        code: None,
        info: format!("Detected {failures} consecutive errors, last one was: L4 unsuccessful connection"),
        duration_ms: 0,
        role: None,
        settled: Settled::Failure,
        trouble: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::rise_fall::Transition;

    #[test]
    fn the_limit_brings_what_on_error_says() {
        let counter = Counter { value: 4, rise: 2, fall: 3 };
        let after = |policy| {
            let judged = on_connect_error(policy, counter, Operation::Running);
            (judged.counter.value, judged.transition)
        };
        assert_eq!(after(OnError::Fastinter), (4, None));
        assert_eq!(after(OnError::FailCheck), (3, None));
        assert_eq!(after(OnError::SuddenDeath), (2, None));
        assert_eq!(after(OnError::MarkDown), (0, Some(Transition::Down)));
    }
}
