use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::config::Config;
use crate::state::{BackendKey, BackendLive, Cause, Concurrency, Details, FrontendLive, Phase, Termination};
use crate::time::Tick;

pub(in crate::log) fn record() -> SessionRecord {
    SessionRecord {
        config: Arc::new(Config::default()),
        frontend_id: None,
        frontend: Arc::new(FrontendLive::new("fe")),
        backend: Some(Arc::new(BackendLive::new(BackendKey(1), "be", Tick(0)))),
        server: None,
        client: Some("127.0.0.1:54600".parse().unwrap()),
        tls: None,
        accepted: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_236_237_378),
        wait: Some(Duration::from_millis(1)),
        connect: Some(Duration::ZERO),
        total: Duration::from_millis(777),
        bytes_in: 5,
        bytes_out: 7,
        termination: Termination::NORMAL,
        concurrency: Concurrency { process: 2, frontend: 1, backend: 0, server: 0 },
        retries: 0,
        redispatched: false,
        server_queue: 0,
        backend_queue: 0,
        as_soon_as_possible: false,
        details: Details::default(),
    }
}

fn worded(record: &SessionRecord) -> String {
    line(record, None, &Clock::utc())
}

#[test]
fn a_session_is_one_line() {
    let text = line(&record(), Some("s1"), &Clock::utc());
    assert_eq!(text, "127.0.0.1:54600 [21/Nov/2026:04:43:57.378] fe be/s1 1/0/777 7 -- 2/1/0/0/0 0/0");
}

#[test]
fn what_was_not_reached_is_minus_one() {
    let mut refused = record();
    refused.backend = None;
    (refused.wait, refused.connect) = (None, None);
    refused.termination = Termination::new(Cause::ServerAbort, Phase::Connect);
    assert!(worded(&refused).contains(" fe fe/<NOSRV> -1/-1/777 7 SC "), "{}", worded(&refused));
}

#[test]
fn retries_queues_and_redispatches_have_their_places() {
    let mut moved = record();
    (moved.retries, moved.redispatched) = (1, true);
    (moved.server_queue, moved.backend_queue) = (2, 3);
    assert!(worded(&moved).ends_with(" 2/1/0/0/+1 2/3"), "{}", worded(&moved));
}

#[test]
fn an_early_line_says_so() {
    let mut early = record();
    early.as_soon_as_possible = true;
    (early.total, early.bytes_out) = (Duration::ZERO, 0);
    assert!(worded(&early).contains(" 1/0/+0 +0 -- "), "{}", worded(&early));
}

#[test]
fn addresses_are_written_without_brackets() {
    let mut far = record();
    far.client = Some("[2001:db8::1]:6379".parse().unwrap());
    assert!(worded(&far).starts_with("2001:db8::1:6379 ["));
    far.client = Some("[::ffff:10.0.0.1]:80".parse().unwrap());
    assert!(worded(&far).starts_with("::ffff:10.0.0.1:80 ["));
    far.client = None;
    assert!(worded(&far).starts_with("unix:1 ["));
}
