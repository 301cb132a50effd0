//! `observe layer4`: what errors of real connections mean to a server's health (manual section 5.2).
//!
//! Workers count consecutive failed connects; each time the count reaches `error-limit` they start over and
//! ring [`ServerLive::distress`](crate::state::ServerLive), and the server's check task does what this says.
//! Whatever it is, the next check comes after `fastinter` if one is set.

use super::rise_fall::Counter;
use super::tcp_check::{CheckOutcome, Remark, Settled};
use crate::config::model::{OnError, Server};
use crate::state::CheckStatus;

/// The settings of a server that is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    pub limit: u32,
    pub policy: OnError,
}

impl Observed {
    /// `None` if its connects are not observed.
    pub fn of(server: &Server) -> Option<Observed> {
        server.observe_layer4.then_some(Observed { limit: server.error_limit, policy: server.on_error })
    }

    /// The counter from which one failed check leads to where `on-error` wants the server; `None` if it is
    /// only to be checked sooner.
    pub fn brink(self, counter: Counter) -> Option<Counter> {
        let value = match self.policy {
            OnError::Fastinter => return None,
            OnError::FailCheck => counter.value,
            // One more failed check is the last.
            OnError::SuddenDeath => counter.value.min(counter.rise + 1),
            OnError::MarkDown => counter.value.min(counter.rise),
        };
        Some(Counter { value, ..counter })
    }
}

/// The failed check that so many connect errors in a row amount to.
pub fn outcome(failures: u32) -> CheckOutcome {
    CheckOutcome {
        status: CheckStatus::HealthAnalyze,
        code: None,
        info: format!("Detected {failures} consecutive errors, last one was: L4 unsuccessful connection"),
        remark: Remark::Lasting,
        duration_ms: None,
        role: None,
        settled: Settled::Failure,
        trouble: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::rise_fall::{Transition, judge};
    use crate::state::Operation;

    #[test]
    fn the_limit_brings_what_on_error_says() {
        let after = |policy| {
            let counter = Counter { value: 4, rise: 2, fall: 3 };
            let brink = Observed { limit: 10, policy }.brink(counter)?;
            let judged = judge(brink, Operation::Running, CheckStatus::HealthAnalyze, Settled::Failure);
            Some((judged.counter.value, judged.transition))
        };
        assert_eq!(after(OnError::Fastinter), None);
        assert_eq!(after(OnError::FailCheck), Some((3, None)));
        assert_eq!(after(OnError::SuddenDeath), Some((2, None)));
        assert_eq!(after(OnError::MarkDown), Some((0, Some(Transition::Down))));
    }
}
