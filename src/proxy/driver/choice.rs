//! Which engine carries the sessions: `tune.relay`.
//!
//! io_uring is tried once, in the process that serves and after it has given up its privileges, for what refuses
//! it often refuses only the unprivileged. With `auto` a refusal leads to epoll, and its reason to one notice.

use std::io;

use super::super::worker::{EngineLoop, Worker};
use super::{epoll, uring};
use crate::config::model::Relay;
use crate::sys::uring::{Ring, Size, reason, trial};

/// An engine for all workers.
#[derive(Debug, Clone)]
pub struct Choice {
    pub name: &'static str,
    pub run: EngineLoop,
    /// Why it is not the one that `auto` prefers.
    pub refused: Option<String>,
}

/// The engine for this process. An error says why the one that was asked for cannot be had.
pub fn choose(relay: Relay) -> io::Result<Choice> {
    decide(relay, trial)
}

fn decide(relay: Relay, trial: impl FnOnce() -> io::Result<()>) -> io::Result<Choice> {
    let epoll = |refused| Choice { name: "epoll", run: epoll::run, refused };
    let uring = |run| Choice { name: "io_uring", run, refused: None };
    match relay {
        Relay::Epoll => Ok(epoll(None)),
        Relay::Uring => {
            let asked = |error| io::Error::other(format!("'tune.relay uring' cannot be had: {error}"));
            trial().map_err(asked)?;
            Ok(uring(uring::run))
        }
        Relay::Auto => match trial() {
            Ok(()) => Ok(uring(uring_or_epoll)),
            Err(error) => Ok(epoll(Some(error.to_string()))),
        },
    }
}

fn uring_or_epoll(worker: Worker) -> io::Result<()> {
    serve_with(worker, Ring::new(Size::default()))
}

/// A limit may leave no ring for a later worker though the trial had one; that worker serves all the same, and its
/// starter is told why ([`super::super::worker::WorkerHandles::fallbacks`]).
pub fn serve_with(mut worker: Worker, ring: io::Result<Ring>) -> io::Result<()> {
    match ring {
        Ok(ring) => uring::serve(worker, ring),
        Err(error) => {
            worker.fall_back(reason(&error));
            epoll::run(worker)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse() -> io::Result<()> {
        Err(io::Error::other("no such luck"))
    }

    #[test]
    fn auto_takes_what_there_is_and_says_why() {
        assert_eq!(decide(Relay::Auto, || Ok(())).unwrap().name, "io_uring");
        let choice = decide(Relay::Auto, refuse).unwrap();
        assert_eq!((choice.name, choice.refused.as_deref()), ("epoll", Some("no such luck")));
    }

    #[test]
    fn what_is_asked_for_is_had_or_refused() {
        let choice = decide(Relay::Epoll, refuse).unwrap();
        assert_eq!((choice.name, choice.refused), ("epoll", None));
        assert_eq!(decide(Relay::Uring, || Ok(())).unwrap().name, "io_uring");
        let error = decide(Relay::Uring, refuse).unwrap_err();
        assert_eq!(error.to_string(), "'tune.relay uring' cannot be had: no such luck");
    }
}
