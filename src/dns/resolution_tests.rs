use super::*;

fn settings() -> Resolvers {
    let seconds = Duration::from_secs;
    Resolvers {
        retries: 2,
        hold: Hold {
            valid: seconds(1),
            nx: seconds(10),
            timeout: seconds(20),
            refused: seconds(30),
            other: seconds(40),
            obsolete: seconds(5),
        },
        ..Resolvers::default()
    }
}

fn ip(last: u8) -> Record {
    Record::Address([10, 0, 0, last].into())
}

fn said(answer: Answer) -> Reply {
    Reply::Answer { answer, by: "ns1".to_owned() }
}

fn addresses(list: &[u8]) -> Reply {
    said(Answer::Records(list.iter().map(|last| ip(*last)).collect()))
}

fn good(list: &[u8]) -> Next {
    let records = list.iter().map(|last| ip(*last)).collect();
    Next::Settled(Some(Outcome::Good { records, by: "ns1".to_owned() }))
}

fn at(seconds: u64) -> Tick {
    Tick(1000 + seconds * 1000)
}

/// A name of IPv4 addresses with one good answer at 0 s.
fn resolved(list: &[u8]) -> Resolution {
    let mut resolution = Resolution::new(Kind::Host(Family::V4), at(0));
    resolution.begin(&settings());
    assert_eq!(resolution.heard(addresses(list), &settings(), at(0)), good(list));
    resolution
}

/// One whole resolution in which everything is answered alike.
fn round(resolution: &mut Resolution, reply: &Reply, now: Tick) -> Option<Outcome> {
    resolution.begin(&settings());
    for _ in 0..8 {
        if let Next::Settled(outcome) = resolution.heard(reply.clone(), &settings(), now) {
            return outcome;
        }
    }
    panic!("it never ends");
}

#[test]
fn the_preferred_family_is_asked_for_first_and_the_other_one_after_it() {
    for (family, order) in
        [(Family::V4, [RecordType::A, RecordType::Aaaa]), (Family::V6, [RecordType::Aaaa, RecordType::A])]
    {
        for first in [Answer::Nx, Answer::Empty, Answer::Refused, Answer::Other, Answer::Truncated] {
            let mut resolution = Resolution::new(Kind::Host(family), at(0));
            assert_eq!(resolution.begin(&settings()), order[0]);
            assert_eq!(resolution.heard(said(first), &settings(), at(0)), Next::Ask(order[1]));
            assert_eq!(resolution.heard(addresses(&[1]), &settings(), at(0)), good(&[1]));
        }
    }
    let mut service = Resolution::new(Kind::Service, at(0));
    assert_eq!(service.begin(&settings()), RecordType::Srv);
    assert_eq!(service.heard(said(Answer::Nx), &settings(), at(0)), Next::Settled(None));
}

#[test]
fn silence_is_asked_again_as_often_as_it_may() {
    let mut resolution = Resolution::new(Kind::Host(Family::V6), at(0));
    assert_eq!(resolution.begin(&settings()), RecordType::Aaaa);
    assert_eq!(resolution.heard(Reply::Silence, &settings(), at(1)), Next::Ask(RecordType::Aaaa));
    assert_eq!(resolution.heard(Reply::Silence, &settings(), at(2)), Next::Settled(None));
    assert_eq!(resolution.due(Duration::from_secs(3), at(2)), Some(at(5)));
    assert_eq!(resolution.heard(addresses(&[1]), &settings(), at(2)), Next::Settled(None), "nobody asked");
}

#[test]
fn the_last_good_answer_is_held_as_long_as_the_config_says() {
    for (reply, failure, held) in [
        (said(Answer::Nx), Failure::Nx, 10),
        (Reply::Silence, Failure::Timeout, 20),
        (said(Answer::Refused), Failure::Refused, 30),
        (said(Answer::Other), Failure::Other, 40),
        (said(Answer::Empty), Failure::Other, 40),
        (said(Answer::Truncated), Failure::Other, 40),
    ] {
        let mut resolution = resolved(&[1]);
        assert_eq!(round(&mut resolution, &reply, at(held - 1)), None, "{failure:?} is held");
        assert!(resolution.standing().is_some());
        assert_eq!(round(&mut resolution, &reply, at(held)), Some(Outcome::Lost(failure)));
        assert_eq!(resolution.standing(), None);
        let back = round(&mut resolution, &addresses(&[1]), at(held + 1));
        assert_eq!(Next::Settled(back), good(&[1]), "and is there again");
    }
}

#[test]
fn a_good_answer_in_between_starts_the_hold_over() {
    let mut resolution = resolved(&[1]);
    assert_eq!(round(&mut resolution, &said(Answer::Nx), at(9)), None);
    round(&mut resolution, &addresses(&[1]), at(9));
    assert_eq!(round(&mut resolution, &said(Answer::Nx), at(18)), None);
    assert_eq!(round(&mut resolution, &said(Answer::Nx), at(19)), Some(Outcome::Lost(Failure::Nx)));
}

#[test]
fn what_the_server_started_with_is_held_too() {
    let mut resolution = Resolution::new(Kind::Host(Family::V4), at(0));
    assert_eq!(round(&mut resolution, &said(Answer::Nx), at(9)), None);
    assert_eq!(round(&mut resolution, &said(Answer::Nx), at(10)), Some(Outcome::Lost(Failure::Nx)));
}

#[test]
fn an_address_that_is_missing_counts_until_it_is_obsolete() {
    let mut resolution = resolved(&[1, 2]);
    let mut heard = |list: &[u8], now| Next::Settled(round(&mut resolution, &addresses(list), now));
    assert_eq!(heard(&[2, 3], at(4)), good(&[1, 2, 3]));
    assert_eq!(heard(&[2, 3], at(5)), good(&[2, 3]));
    assert_eq!(heard(&[1], at(6)), good(&[2, 3, 1]));
    let mut at_once = settings();
    at_once.hold.obsolete = Duration::ZERO;
    resolution.begin(&at_once);
    assert_eq!(resolution.heard(addresses(&[4]), &at_once, at(6)), good(&[4]));
}

#[test]
fn answers_that_always_differ_do_not_pile_up() {
    let mut resolution = Resolution::new(Kind::Host(Family::V4), at(0));
    for number in 0..2000_u32 {
        resolution.begin(&settings());
        let records = vec![Record::Address(std::net::Ipv4Addr::from(number).into())];
        resolution.heard(said(Answer::Records(records)), &settings(), Tick(1000 + u64::from(number)));
    }
    let Some(Outcome::Good { records, .. }) = resolution.standing() else { panic!("they are good") };
    assert_eq!(records.len(), MOST_RECORDS);
    assert!(records.contains(&Record::Address(std::net::Ipv4Addr::from(1999).into())));
}

#[test]
fn a_service_with_another_weight_is_the_same_service() {
    let service = |weight| {
        let host = "x.test".to_owned();
        Record::Service(super::super::message::Service { host, port: 1, priority: 1, weight, address: None })
    };
    let mut resolution = Resolution::new(Kind::Service, at(0));
    for weight in [1, 2] {
        resolution.begin(&settings());
        let next = resolution.heard(said(Answer::Records(vec![service(weight)])), &settings(), at(0));
        let expected = Outcome::Good { records: vec![service(weight)], by: "ns1".to_owned() };
        assert_eq!(next, Next::Settled(Some(expected)));
    }
}
