//! Whether a session is logged, and how severely: `option dontlognull`, `dontlog-normal`,
//! `log-separate-errors` (manual section 8.1). Pure.

use super::{ConnectRecord, Level};
use crate::config::Config;
use crate::config::model::{Frontend, FrontendId, LogFormat, LogLevel, Mode, SessionLog};
use crate::state::{Cause, SessionRecord};

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
    let level = match record.details.level {
        Some(LogLevel::Silent) => return None,
        Some(LogLevel::Level(number)) => Level::numbered(number),
        None if log.separate_errors && wrong => Level::Error,
        None => Level::Info,
    };
    Some((log, level))
}

/// The frontend, if it logs connections when they are accepted.
pub fn connect(config: &Config, frontend: FrontendId) -> Option<&Frontend> {
    connects(config, frontend).filter(|frontend| frontend.mode == Mode::Tcp)
}

/// The frontend, if it logs each request when it has come: as in HAProxy a connection that asks nothing, a
/// probe for instance, leaves no line where HTTP is spoken.
pub fn request(config: &Config, frontend: FrontendId) -> Option<&Frontend> {
    connects(config, frontend).filter(|frontend| frontend.mode == Mode::Http)
}

fn connects(config: &Config, frontend: FrontendId) -> Option<&Frontend> {
    let frontend = config.frontends.get(frontend.0)?;
    let wanted = frontend.log.format == LogFormat::Connect && !frontend.log.targets.is_empty();
    wanted.then_some(frontend)
}

/// The frontend and the level under which a connection is logged when it is accepted, or refused before it became
/// a session. As in HAProxy refusals are logged where sessions are.
pub fn accepted(record: &ConnectRecord) -> Option<(&Frontend, Level)> {
    let Some(refused) = &record.refused else {
        return connects(&record.config, record.frontend).map(|frontend| (frontend, Level::Info));
    };
    let frontend = record.config.frontends.get(record.frontend.0)?;
    let log = &frontend.log;
    let wanted = log.format == LogFormat::Tcp && !log.targets.is_empty();
    let level = if log.separate_errors { Level::Error } else { Level::Info };
    (wanted && !(log.skip_null && refused.error.is_null())).then_some((frontend, level))
}

/// Timeouts, retries, redispatches and errors; what the proxy itself served went well.
fn went_wrong(record: &SessionRecord) -> bool {
    let ended_well = matches!(record.termination.cause, Cause::Normal | Cause::Local);
    !ended_well || record.redispatched || record.retries > 0
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
