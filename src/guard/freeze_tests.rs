use super::super::trial::{A, B};
use super::*;

const LIMIT: Duration = Duration::from_secs(10);

fn settle(freezer: &mut Freezer, wish: Wish, newest: u64, now: u64) -> Vec<Turn> {
    freezer.settle(wish, newest, Tick(now))
}

fn frozen(at: u64) -> Freezer {
    let mut freezer = Freezer::default();
    let turns = settle(&mut freezer, Wish::Freeze(A, 1, LIMIT), 1, at);
    assert_eq!(turns, [Turn::Freeze { server: A, until: Tick(at + 10_000) }]);
    freezer
}

#[test]
fn a_freeze_lasts_as_long_as_its_reason_and_no_longer_than_its_limit() {
    let mut freezer = frozen(100);
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 1, LIMIT), 1, 5_000), []);
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 2, LIMIT), 2, 9_000), [], "a newer lead moves no end");
    let expired = Turn::Thaw { server: A, why: Thaw::Expired };
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 2, LIMIT), 2, 10_100), [expired]);
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 2, LIMIT), 2, 10_200), [], "not again for the same lead");
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 3, LIMIT), 3, 10_300).len(), 1);
}

#[test]
fn a_bound_that_grows_counts_from_the_beginning() {
    let mut freezer = Freezer::default();
    let hinted = |lead| Wish::Freeze(A, lead, Duration::from_secs(1));
    assert_eq!(settle(&mut freezer, hinted(1), 1, 100), [Turn::Freeze { server: A, until: Tick(1_100) }]);
    let longer = Turn::Prolong { server: A, until: Tick(10_100) };
    // Though the old end has come at that very moment.
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 2, LIMIT), 2, 1_100), [longer]);
    assert_eq!(settle(&mut freezer, hinted(2), 2, 1_200), [], "and never shrinks");
    let expired = Turn::Thaw { server: A, why: Thaw::Expired };
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 2, LIMIT), 2, 10_100), [expired]);
}

#[test]
fn every_other_reason_thaws_at_once() {
    for why in [Thaw::Aborted, Thaw::LeaderLost, Thaw::Demoted, Thaw::Removed, Thaw::Off, Thaw::Switched] {
        let mut freezer = frozen(0);
        assert_eq!(settle(&mut freezer, Wish::Flow(why), 1, 50), [Turn::Thaw { server: A, why }]);
        assert_eq!(settle(&mut freezer, Wish::Flow(why), 1, 51), []);
        assert_eq!(freezer.frozen(), None);
    }
}

#[test]
fn only_one_server_is_frozen() {
    let mut freezer = frozen(0);
    let turns = settle(&mut freezer, Wish::Freeze(B, 2, LIMIT), 2, 10);
    let thaw = Turn::Thaw { server: A, why: Thaw::Switched };
    assert_eq!(turns, [thaw, Turn::Freeze { server: B, until: Tick(10_010) }]);
}

#[test]
fn three_freezes_for_nothing_and_then_none_for_a_minute() {
    let mut freezer = Freezer::default();
    for lead in 1..=3 {
        assert_eq!(settle(&mut freezer, Wish::Freeze(A, lead, LIMIT), lead, lead * 1_000).len(), 1);
        settle(&mut freezer, Wish::Flow(Thaw::Aborted), lead, lead * 1_000 + 10);
    }
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 4, LIMIT), 4, 4_000), [Turn::Refused(A)]);
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 4, LIMIT), 4, 4_001), [], "said once");
    assert_eq!(
        settle(&mut freezer, Wish::Freeze(A, 5, LIMIT), 5, 63_999),
        [],
        "and for the others that come meanwhile"
    );
    let again = Turn::Freeze { server: A, until: Tick(74_000) };
    assert_eq!(settle(&mut freezer, Wish::Freeze(A, 6, LIMIT), 6, 64_000), [again]);
}

#[test]
fn a_switch_pays_for_the_freezes_before_it() {
    let mut freezer = Freezer::default();
    for lead in 1..=30 {
        let why = if lead % 3 == 0 { Thaw::Switched } else { Thaw::Aborted };
        assert!(matches!(
            settle(&mut freezer, Wish::Freeze(A, lead, LIMIT), lead, lead)[..],
            [Turn::Freeze { .. }]
        ));
        settle(&mut freezer, Wish::Flow(why), lead, lead);
    }
}

#[test]
fn without_a_time_for_it_nobody_is_frozen() {
    let mut freezer = Freezer::default();
    assert_eq!(freezer.settle(Wish::Freeze(A, 1, Duration::ZERO), 1, Tick(0)), []);
}
