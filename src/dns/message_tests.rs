use domain::base::Ttl;
use proptest::prelude::{any, prop};
use proptest::proptest;

use super::*;

type Records<'a> = &'a [(&'a str, Data<'a>)];

enum Data<'a> {
    V4([u8; 4]),
    V6(&'a str),
    Alias(&'a str),
    Srv(u16, u16, u16, &'a str),
}

fn name(text: &str) -> Name<Vec<u8>> {
    Name::from_str(text).unwrap()
}

/// An answer to the question in `query`.
fn reply(query: &[u8], rcode: Rcode, answers: Records<'_>, additional: Records<'_>) -> Vec<u8> {
    let query = Message::from_slice(query).unwrap();
    let mut builder = MessageBuilder::new_vec().start_answer(query, rcode).unwrap();
    for (owner, data) in answers {
        let (owner, ttl) = (name(owner), Ttl::from_secs(5));
        match data {
            Data::V4(ip) => builder.push((owner, ttl, A::from_octets(ip[0], ip[1], ip[2], ip[3]))),
            Data::V6(ip) => builder.push((owner, ttl, Aaaa::new(ip.parse().unwrap()))),
            Data::Alias(to) => builder.push((owner, ttl, domain::rdata::Cname::new(name(to)))),
            Data::Srv(priority, weight, port, to) => {
                builder.push((owner, ttl, Srv::new(*priority, *weight, *port, name(to))))
            }
        }
        .unwrap();
    }
    let mut builder = builder.additional();
    for (owner, data) in additional {
        if let Data::V4(ip) = data {
            let a = A::from_octets(ip[0], ip[1], ip[2], ip[3]);
            builder.push((name(owner), Ttl::from_secs(5), a)).unwrap();
        }
    }
    builder.finish()
}

fn asked(text: &str, asked: RecordType) -> Vec<u8> {
    query(7, text, asked, 1232).unwrap()
}

fn ips(list: &[&str]) -> Answer {
    Answer::Records(list.iter().map(|ip| Record::Address(ip.parse().unwrap())).collect())
}

#[test]
fn a_query_is_one_question_with_recursion_and_a_payload_size() {
    let bytes = asked("Redis.Test", RecordType::A);
    let expected =
        b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01\x05Redis\x04Test\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
    assert_eq!(bytes, expected);
    for wrong in ["", "a..b", &"x".repeat(64), &"x.".repeat(200)] {
        let made = query(7, wrong, RecordType::A, 512);
        // The root is a name, though nobody's host.
        assert!(made.is_none() || wrong.is_empty(), "{wrong}");
    }
}

#[test]
fn addresses_are_those_of_the_name_or_of_what_it_is_an_alias_for() {
    let query = asked("a.test", RecordType::A);
    let told =
        |answers| answer(&reply(&query, Rcode::NOERROR, answers, &[]), 7, "A.test", RecordType::A).unwrap();
    assert_eq!(
        told(&[("a.test", Data::V4([10, 0, 0, 1])), ("A.TEST", Data::V4([10, 0, 0, 2]))]),
        ips(&["10.0.0.1", "10.0.0.2"])
    );
    assert_eq!(
        told(&[("a.test", Data::V4([10, 0, 0, 1])), ("a.test", Data::V4([10, 0, 0, 1]))]),
        ips(&["10.0.0.1"])
    );
    assert_eq!(
        told(&[
            ("a.test", Data::Alias("b.test")),
            ("b.test", Data::Alias("c.test")),
            ("c.test", Data::V4([10, 0, 0, 3]))
        ]),
        ips(&["10.0.0.3"])
    );
    assert_eq!(told(&[("other.test", Data::V4([10, 0, 0, 1]))]), Answer::Empty);
    assert_eq!(told(&[("a.test", Data::V6("::1"))]), Answer::Empty);
    assert_eq!(told(&[("a.test", Data::Alias("b.test")), ("b.test", Data::Alias("a.test"))]), Answer::Empty);
    assert_eq!(told(&[]), Answer::Empty);
    let query = asked("a.test", RecordType::Aaaa);
    let bytes = reply(&query, Rcode::NOERROR, &[("a.test", Data::V6("fd00::1"))], &[]);
    assert_eq!(answer(&bytes, 7, "a.test", RecordType::Aaaa).unwrap(), ips(&["fd00::1"]));
}

#[test]
fn services_come_with_port_weight_and_perhaps_an_address() {
    let query = asked("_redis._tcp.s.test", RecordType::Srv);
    let answers: Records<'_> = &[
        ("_redis._tcp.s.test", Data::Srv(1, 10, 7001, "X.test")),
        ("_redis._tcp.s.test", Data::Srv(1, 65_535, 7002, "y.test")),
        ("_redis._tcp.s.test", Data::Srv(0, 0, 0, ".")),
        ("_other._tcp.s.test", Data::Srv(1, 1, 1, "z.test")),
    ];
    let bytes = reply(&query, Rcode::NOERROR, answers, &[("x.test", Data::V4([10, 0, 0, 5]))]);
    let service = |host: &str, port, weight, address: Option<&str>| {
        let address = address.map(|ip| ip.parse().unwrap());
        Record::Service(Service { host: host.to_owned(), port, priority: 1, weight, address })
    };
    assert_eq!(
        answer(&bytes, 7, "_redis._tcp.s.test", RecordType::Srv).unwrap(),
        Answer::Records(vec![
            service("x.test", 7001, 10, Some("10.0.0.5")),
            service("y.test", 7002, 65_535, None)
        ])
    );
}

#[test]
fn errors_are_told_apart_and_foreign_messages_do_not_count() {
    let query = asked("a.test", RecordType::A);
    for (rcode, expected) in [
        (Rcode::NXDOMAIN, Answer::Nx),
        (Rcode::REFUSED, Answer::Refused),
        (Rcode::SERVFAIL, Answer::Other),
        (Rcode::NOTIMP, Answer::Other),
    ] {
        assert_eq!(answer(&reply(&query, rcode, &[], &[]), 7, "a.test", RecordType::A), Ok(expected));
    }
    let good = reply(&query, Rcode::NOERROR, &[("a.test", Data::V4([10, 0, 0, 1]))], &[]);
    let mut cut = good.clone();
    cut[2] |= 0x02;
    assert_eq!(answer(&cut, 7, "a.test", RecordType::A), Ok(Answer::Truncated));
    for (what, id, name, kind) in [
        ("id", 8, "a.test", RecordType::A),
        ("name", 7, "b.test", RecordType::A),
        ("type", 7, "a.test", RecordType::Aaaa),
    ] {
        assert_eq!(answer(&good, id, name, kind), Err(Unusable::Foreign), "{what}");
    }
    assert_eq!(answer(&query, 7, "a.test", RecordType::A), Err(Unusable::Foreign), "a question is no answer");
    assert_eq!(answer(&good[..11], 7, "a.test", RecordType::A), Err(Unusable::Broken));
    assert_eq!(answer(&good[..good.len() - 2], 7, "a.test", RecordType::A), Err(Unusable::Broken));
}

proptest! {
    /// Whatever comes, it is an answer or it is not; nothing of it ends the program, and nothing grows.
    #[test]
    fn no_bytes_are_too_much(mut bytes in prop::collection::vec(any::<u8>(), 0..600), flips in prop::collection::vec((0..90_usize, any::<u8>()), 0..6)) {
        let _ = answer(&bytes, 7, "a.test", RecordType::A);
        let query = asked("_s._tcp.a.test", RecordType::Srv);
        let answers: Records<'_> = &[("_s._tcp.a.test", Data::Srv(1, 1, 1, "x.test"))];
        bytes = reply(&query, Rcode::NOERROR, answers, &[("x.test", Data::V4([10, 0, 0, 5]))]);
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Ok(Answer::Records(records)) = answer(&bytes, 7, "_s._tcp.a.test", RecordType::Srv) {
            proptest::prop_assert!(records.len() <= MOST_RECORDS);
        }
    }
}
