//! A check as a machine without I/O: what the connection did goes in, what to do next comes out.
//!
//! ```text
//! begin() -> Connect -> on_connected() -> Send -> on_sent() -> Wait -> on_bytes() ... -> Done(outcome)
//! ```
//!
//! The rules are HAProxy's (manual section 4.2, `tcp-check`): input is kept across consecutive expects and
//! discarded by each send and connect, a match may stand anywhere and consumes nothing, a miss waits for
//! more unless `min-recv` is set, the peer closed or the buffer is full. Plain checks, `option redis-check` and
//! all other built-in checks run through the same machine as scripts of their own; the answers of `http` and
//! of an `application` say themselves when they are complete, and what they mean.
//!
//! One difference is intended. **When every command that was sent has its complete reply, nothing more will
//! come**, so an expect is decided then: a replica that says `role:slave` to a script which wants
//! `role:master` is refused in the moment it answers and not at `timeout check`, and an inverse expect passes.
//! Where the number of replies is not certain, or the peer speaks no RESP, HAProxy's waiting stays.

mod application;
mod ending;
mod engine;
mod expect;
mod format;
mod http;
mod http_expect;
mod replies;
mod script;
mod spop;
mod text;

pub(super) use text::bounded;

pub use engine::{Asks, Engine, Mode};
pub use http_expect::Present;
pub use script::{login, rehearse, repeatable};

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
pub(crate) mod application_tests;

#[cfg(test)]
mod format_tests;

use std::borrow::Cow;
use std::fmt;

use crate::config::model::CheckConnect;
use crate::redis::RoleReport;
use crate::state::CheckStatus;

/// What the shell has to do next.
#[expect(
    clippy::large_enum_variant,
    reason = "one exists at a time, and a box would cost an allocation a check"
)]
pub enum Step<'a> {
    /// Open a connection, after closing the present one; answer with `on_connected` or `on_connect_failed`.
    /// If it speaks TLS, answer with `on_secured` or `on_handshake_failed` instead.
    Connect(&'a CheckConnect),
    /// Write all of it; answer with `on_sent` or `on_io_error`. May hold a password.
    Send(Cow<'a, [u8]>),
    /// Answer with `on_bytes`, `on_eof`, `on_io_error` or `on_timeout`.
    Wait,
    /// The check is over.
    Done(CheckOutcome),
}

/// Without the bytes of a send: they may hold a password.
impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Connect(how) => f.debug_tuple("Connect").field(how).finish(),
            Step::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Step::Wait => f.write_str("Wait"),
            Step::Done(outcome) => f.debug_tuple("Done").field(outcome).finish(),
        }
    }
}

/// What a check may mention of the server that it checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bystander {
    pub backend: Named,
    pub server: Named,
    pub present: Present,
    /// The value of `X-Haproxy-Server-State`.
    pub announced: String,
}

/// A backend or a server by its name and its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub id: u32,
}

/// How far an outcome reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Pass,
    /// The server answered completely, and it is its role that the script refuses.
    Definite,
    /// It passed, and is all the same not to be read from now (`option redis-replica`).
    Unfit,
    /// Anything else that is not a pass; counts towards `fall`.
    Failure,
}

/// How long what an outcome says is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remark {
    #[default]
    Lasting,
    /// HAProxy tells it in the line of `option log-health-checks` that says a new status, and has forgotten it by the
    /// time of the next line and of the page: what a built-in check has heard in passing, as a MySQL server's version.
    Passing,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    pub status: CheckStatus,
    /// Only with the statuses that have one.
    pub code: Option<i32>,
    /// HAProxy's detail, at most 127 bytes; empty if there is none. Never holds a password.
    pub info: String,
    pub remark: Remark,
    /// Set by the shell; `None` of what was no check but only counts as one.
    pub duration_ms: Option<u64>,
    /// What the replies said of the server's role, whether the check passed or not.
    pub role: Option<RoleReport>,
    pub settled: Settled,
    /// The error reply behind a failure: `NOAUTH Authentication required.`
    pub trouble: Option<String>,
}

impl CheckOutcome {
    /// Whoever is told next does not hear what was said in passing.
    pub fn forget(&mut self) {
        if std::mem::take(&mut self.remark) == Remark::Passing {
            self.info.clear();
        }
    }

    /// Whether it counts towards `rise`.
    pub fn passed(&self) -> bool {
        self.status.passed()
    }
}
