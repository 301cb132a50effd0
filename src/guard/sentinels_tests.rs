use super::super::trial::{A, B};
use super::*;

fn names(sentinels: &mut Sentinels, who: u32, server: ServerKey, config_epoch: u64) {
    let master = Named::Server(server);
    sentinels.hear(SentinelId(who), &SentinelWord::Names { master, config_epoch });
}

fn three() -> Sentinels {
    let mut sentinels = Sentinels::default();
    for who in 1..=3 {
        sentinels.hear(SentinelId(who), &SentinelWord::Census(3));
        names(&mut sentinels, who, A, 1);
    }
    sentinels
}

fn named(sentinels: &Sentinels) -> Option<(ServerKey, u64)> {
    match sentinels.majority() {
        Majority::Server(ballot) => Some((ballot.server, ballot.epoch)),
        _ => None,
    }
}

#[test]
fn more_than_half_of_the_known_make_a_majority() {
    let mut sentinels = three();
    assert_eq!(named(&sentinels), Some((A, 1)));
    names(&mut sentinels, 1, B, 2);
    assert_eq!(named(&sentinels), Some((A, 1)), "two of three still name the old one");
    names(&mut sentinels, 2, B, 2);
    assert_eq!(named(&sentinels), Some((B, 2)));
    // Those that do not answer are known still.
    sentinels.hear(SentinelId(1), &SentinelWord::Lost);
    assert_eq!(named(&sentinels), None);
    names(&mut sentinels, 1, B, 2);
    assert_eq!(named(&sentinels), Some((B, 2)));
    // And those that were never reached.
    sentinels.hear(SentinelId(3), &SentinelWord::Census(5));
    assert_eq!(named(&sentinels), None);
    sentinels.hear(SentinelId(3), &SentinelWord::Forgotten);
    assert_eq!(named(&sentinels), Some((B, 2)));
}

#[test]
fn two_of_two_are_a_majority_and_one_of_two_is_none() {
    let mut sentinels = Sentinels::default();
    names(&mut sentinels, 1, A, 1);
    assert_eq!(named(&sentinels), Some((A, 1)), "the only one");
    sentinels.hear(SentinelId(2), &SentinelWord::Lost);
    assert_eq!(named(&sentinels), None);
    names(&mut sentinels, 2, A, 1);
    assert_eq!(named(&sentinels), Some((A, 1)));
}

#[test]
fn the_epoch_is_the_one_that_a_majority_has_reached() {
    let mut sentinels = three();
    names(&mut sentinels, 1, A, 1_000_000);
    assert_eq!(named(&sentinels), Some((A, 1)), "one Sentinel that lies moves nothing");
    names(&mut sentinels, 2, A, 7);
    assert_eq!(named(&sentinels), Some((A, 7)));
}

#[test]
fn a_lower_epoch_counts_when_it_is_said_twice() {
    let mut sentinels = three();
    for who in 1..=2 {
        names(&mut sentinels, who, B, 2);
    }
    for who in 1..=2 {
        names(&mut sentinels, who, A, 1);
    }
    assert_eq!(named(&sentinels), Some((B, 2)), "late words");
    names(&mut sentinels, 1, B, 2);
    names(&mut sentinels, 1, A, 1);
    assert_eq!(named(&sentinels), Some((B, 2)), "not twice in a row");
    // SENTINEL RESET.
    names(&mut sentinels, 1, A, 1);
    assert_eq!(named(&sentinels), Some((A, 1)));
}

#[test]
fn in_tilt_the_last_view_stays_but_for_a_later_epoch() {
    let mut sentinels = three();
    for who in 1..=2 {
        sentinels.hear(SentinelId(who), &SentinelWord::Tilt(true));
        names(&mut sentinels, who, B, 1);
        names(&mut sentinels, who, B, 1);
    }
    assert_eq!(named(&sentinels), Some((A, 1)));
    sentinels.hear(SentinelId(1), &SentinelWord::Lost);
    names(&mut sentinels, 1, B, 1);
    names(&mut sentinels, 2, B, 2);
    names(&mut sentinels, 3, B, 2);
    assert_eq!(named(&sentinels), Some((B, 2)));
    sentinels.hear(SentinelId(1), &SentinelWord::Tilt(false));
    names(&mut sentinels, 1, B, 2);
    assert!(matches!(sentinels.majority(), Majority::Server(Ballot { votes: 3, of: 3, .. })));
}

#[test]
fn a_stranger_is_named_and_is_no_server() {
    let mut sentinels = three();
    for who in 1..=2 {
        let master = Named::Stranger("10.9.9.9:6379".to_owned());
        sentinels.hear(SentinelId(who), &SentinelWord::Names { master, config_epoch: 3 });
    }
    assert_eq!(sentinels.majority(), Majority::Stranger("10.9.9.9:6379".to_owned()));
}

#[test]
fn who_names_a_server_later_than_that() {
    let mut sentinels = three();
    names(&mut sentinels, 1, B, 2);
    assert!(sentinels.any_names(B, Some(1)) && sentinels.any_names(B, None));
    assert!(!sentinels.any_names(B, Some(2)));
    sentinels.hear(SentinelId(1), &SentinelWord::Lost);
    assert!(!sentinels.any_names(B, Some(1)));
}
