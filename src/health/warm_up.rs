//! `slowstart`: a server that came up takes its share, of sessions and of its `maxconn`, in twenty steps.
//!
//! A task of its own beside the check task, which may be in the middle of a check when a step is due. It ends
//! when the server has its full share, or has changed its state.

use std::sync::Arc;
use std::time::Duration;

use crate::state::{Command, Operation, ServerLive, Workers};
use crate::time::Tick;

const STEPS: u32 = 20;
const SHORTEST: Duration = Duration::from_millis(10);

/// Starts it, for a server that is [`Operation::Starting`] since `since`.
pub fn warm_up(live: &Arc<ServerLive>, workers: &Workers, whole: Duration, since: Tick) {
    live.set_throttle(1);
    tokio::spawn(steps(Arc::clone(live), workers.clone(), whole, since));
}

async fn steps(live: Arc<ServerLive>, workers: Workers, whole: Duration, since: Tick) {
    let step = (whole / STEPS).max(SHORTEST);
    loop {
        tokio::time::sleep(step).await;
        if live.operation() != Operation::Starting || live.health().last_change != since {
            return;
        }
        let percent = percent(Tick::now().since(since), whole);
        live.set_throttle(percent);
        if percent == 100 {
            live.move_operation(Operation::Starting, Operation::Running);
        }
        // More may be served now than a step ago.
        workers.broadcast(|| Command::Reconsider);
        if percent == 100 {
            return;
        }
    }
}

/// How far it is.
fn percent(elapsed: Duration, whole: Duration) -> u32 {
    let done = elapsed.as_millis() * 100 / whole.as_millis().max(1);
    done.clamp(1, 100) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_time_and_ends_at_the_whole() {
        let at = |elapsed| percent(Duration::from_millis(elapsed), Duration::from_secs(10));
        assert_eq!([0, 99, 2_500, 9_999, 10_000, 99_000].map(at), [1, 1, 25, 99, 100, 100]);
    }
}
