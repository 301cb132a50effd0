//! Whether a session is logged, and how severely: `option dontlognull`, `dontlog-normal`,
//! `log-separate-errors` (manual section 8.1). Pure.

use super::Level;
use crate::config::Config;
use crate::config::model::{Frontend, FrontendId, LogFormat, SessionLog};
use crate::state::{Cause, SessionRecord};
use crate::tls::HandshakeError;

/// The settings and the level under which a session is logged; `None` if it is not.
pub fn session(record: &SessionRecord) -> Option<(&SessionLog, Level)> {
    let log = &record.config.frontends.get(record.frontend_id?.0)?.log;
    if log.targets.is_empty() || log.format != LogFormat::Tcp {
        return None;
    }
    let wrong = went_wrong(record);
    if log.skip_null && record.bytes_in == 0 && !record.as_soon_as_possible {
        return None;
    }
    if log.skip_normal && !wrong {
        return None;
    }
    let level = if log.separate_errors && wrong { Level::Error } else { Level::Info };
    Some((log, level))
}

/// The frontend, if it logs connections when they are accepted.
pub fn connect(config: &Config, frontend: FrontendId) -> Option<&Frontend> {
    let frontend = config.frontends.get(frontend.0)?;
    let wanted = frontend.log.format == LogFormat::Connect && !frontend.log.targets.is_empty();
    wanted.then_some(frontend)
}

/// The frontend, if it logs clients that shake no hands. With `option dontlognull` those that said nothing are
/// not worth a line.
pub fn refusal(config: &Config, frontend: FrontendId, error: HandshakeError) -> Option<&Frontend> {
    let frontend = config.frontends.get(frontend.0)?;
    let null = frontend.log.skip_null && error == HandshakeError::Closed;
    (!frontend.log.targets.is_empty() && !null).then_some(frontend)
}

/// Timeouts, retries, redispatches and errors; what the proxy itself served went well.
fn went_wrong(record: &SessionRecord) -> bool {
    let ended_well = matches!(record.termination.cause, Cause::Normal | Cause::Local);
    !ended_well || record.redispatched || record.retries > 0
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
