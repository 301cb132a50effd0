//! What came to a page and was no request: how hyper ended the connection enters, what HAProxy counts and logs of
//! it leaves. Pure.
//!
//! HAProxy takes it for a request that failed (`ereq`, `req_tot`, a 4xx) and writes a line of it, with `PR`, `CR`
//! or `cR` (manual section 8.5): probes that only connect and clients that speak something else are found there.

use std::error::Error as _;
use std::io;

use crate::config::rule::status;
use crate::state::{Cause, Phase, Termination};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// Something else than HTTP.
    Bad,
    /// Closed without a byte: `option dontlognull` hides it.
    Nothing,
    /// Closed in the middle of a head.
    Cut,
    /// Too slow.
    Late,
}

impl Failed {
    /// `None` for a connection whose requests were answered, however it ended then.
    pub(super) fn of(ended: &hyper::Result<()>, answered: bool) -> Option<Failed> {
        match ended {
            Err(error) if error.is_parse() => Some(Failed::Bad),
            _ if answered => None,
            Ok(()) => Some(Failed::Nothing),
            Err(error) if error.is_timeout() || is_silence(error) => Some(Failed::Late),
            Err(_) => Some(Failed::Cut),
        }
    }

    pub(super) fn status(self) -> u16 {
        if self == Failed::Late { 408 } else { 400 }
    }

    /// What HAProxy says before it closes. Who spoke no HTTP has heard hyper's word already, and who closed hears nothing.
    pub(super) fn answer(self) -> Option<String> {
        let page = status::page(self.status()).filter(|_| self == Failed::Late)?;
        Some(format!(
            "HTTP/1.1 408 Request Time-out\r\nContent-length: {}\r\nCache-Control: no-cache\r\nConnection: close\r\n\
             Content-Type: text/html\r\n\r\n{page}",
            page.len()
        ))
    }

    pub(super) fn termination(self) -> Termination {
        let cause = match self {
            Failed::Bad => Cause::Proxy,
            Failed::Nothing | Failed::Cut => Cause::ClientAbort,
            Failed::Late => Cause::ClientTimeout,
        };
        Termination::new(cause, Phase::Request)
    }

    pub(super) fn bytes_in(self) -> u64 {
        u64::from(self != Failed::Nothing)
    }
}

/// The patience of [`Metered`](super::metered) is at its end.
fn is_silence(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}
