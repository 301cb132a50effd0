use std::sync::Arc;

use super::*;
use crate::config::model::{LogAddress, LogFraming, LogTarget};
use crate::log::tcplog::tests::record;
use crate::state::{Phase, Termination};

fn target() -> LogTarget {
    LogTarget {
        address: LogAddress::Stdout,
        length: 1024,
        framing: LogFraming::Raw,
        sampling: None,
        facility: 16,
        max_level: 7,
        min_level: 0,
    }
}

/// A session of a frontend that logs so.
fn under(log: SessionLog) -> SessionRecord {
    let frontend = Frontend { log, ..Frontend::default() };
    let config = Config { frontends: vec![frontend], ..Config::default() };
    SessionRecord { config: Arc::new(config), frontend_id: Some(FrontendId(0)), ..record() }
}

fn tcp() -> SessionLog {
    SessionLog { targets: vec![target()], format: LogFormat::Tcp, ..SessionLog::default() }
}

fn level(record: &SessionRecord) -> Option<Level> {
    session(record).map(|(_, level)| level)
}

#[test]
fn sessions_are_logged_where_tcplog_and_a_target_are() {
    assert_eq!(level(&under(tcp())), Some(Level::Info));
    assert_eq!(level(&under(SessionLog { targets: Vec::new(), ..tcp() })), None);
    assert_eq!(level(&under(SessionLog { format: LogFormat::Connect, ..tcp() })), None);
    let orphan = SessionRecord { frontend_id: None, ..under(tcp()) };
    assert_eq!(level(&orphan), None);
}

#[test]
fn a_rule_may_say_how_severe_a_session_is() {
    let log = SessionLog { separate_errors: true, ..tcp() };
    for (rule, expected) in [
        (LogLevel::Silent, None),
        (LogLevel::Level(0), Some(Level::Emergency)),
        (LogLevel::Level(5), Some(Level::Notice)),
        (LogLevel::Level(7), Some(Level::Debug)),
    ] {
        let mut record = SessionRecord { retries: 1, ..under(log.clone()) };
        assert_eq!(level(&record), Some(Level::Error));
        record.details.level = Some(rule);
        assert_eq!(level(&record), expected, "{rule:?}");
    }
}

#[test]
fn connects_are_logged_where_tcplog_is_not() {
    assert!(connect(&under(tcp()).config, FrontendId(0)).is_none());
    let plain = under(SessionLog { format: LogFormat::Connect, ..tcp() });
    assert!(connect(&plain.config, FrontendId(0)).is_some());
    assert!(connect(&plain.config, FrontendId(7)).is_none());
    assert!(request(&plain.config, FrontendId(0)).is_none());
    let mut pages = (*plain.config).clone();
    pages.frontends[0].mode = Mode::Http;
    assert!(connect(&pages, FrontendId(0)).is_none(), "a probe that asks nothing is not told of");
    assert!(request(&pages, FrontendId(0)).is_some());
    let record = ConnectRecord {
        config: Arc::new(pages),
        frontend: FrontendId(0),
        client: None,
        local: None,
        refused: None,
    };
    assert!(accepted(&record).is_some());
}

#[test]
fn sessions_without_data_are_left_out_on_demand() {
    let quiet = under(SessionLog { skip_null: true, ..tcp() });
    assert_eq!(level(&quiet), Some(Level::Info));
    assert_eq!(level(&SessionRecord { bytes_in: 0, ..quiet.clone() }), None);
    // At the connect nobody knows yet whether data will come.
    assert_eq!(level(&SessionRecord { bytes_in: 0, as_soon_as_possible: true, ..quiet }), Some(Level::Info));
}

#[test]
fn only_what_went_wrong_is_left_on_demand_and_has_its_own_level() {
    let failed = Termination::new(Cause::ServerTimeout, Phase::Data);
    for (change, wrong) in [
        (SessionRecord { termination: failed, ..record() }, true),
        (SessionRecord { retries: 1, ..record() }, true),
        (SessionRecord { redispatched: true, ..record() }, true),
        (SessionRecord { termination: Termination::new(Cause::Local, Phase::Request), ..record() }, false),
        (record(), false),
    ] {
        let base = under(SessionLog { skip_normal: true, separate_errors: true, ..tcp() });
        let session = SessionRecord { config: base.config, frontend_id: base.frontend_id, ..change };
        assert_eq!(level(&session), wrong.then_some(Level::Error));
    }
}
