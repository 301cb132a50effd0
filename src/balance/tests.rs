use super::*;
use crate::config::model::HashFunction;

/// `count` picks over servers of these weights, named a, b, c. With `held` sessions stay open.
fn run(algorithm: Balance, weights: &[u32], count: usize, held: bool) -> String {
    let mut balancer = Balancer::default();
    let mut load = vec![0; weights.len()];
    let mut order = String::new();
    for _ in 0..count {
        let offers: Vec<Offer> = weights.iter().zip(&load).enumerate().map(offer).collect();
        let Pick::Server(at) = balancer.pick(algorithm, Request::default(), offers.into_iter()) else {
            return order;
        };
        load[at] += u32::from(held);
        order.push((b'a' + at as u8) as char);
    }
    order
}

fn offer((key, (weight, load)): (usize, (&u32, &u32))) -> Offer {
    let candidate = Candidate { weight: *weight, load: *load, full: false };
    Offer { key: key as u32, candidate: Some(candidate) }
}

fn plain(keys: &[u32]) -> Vec<Offer> {
    let candidate = Some(Candidate { weight: 1, load: 0, full: false });
    keys.iter().map(|key| Offer { key: *key, candidate }).collect()
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn roundrobin_chooses_in_haproxys_order() {
    for (weights, order) in [
        (&[1, 1, 1][..], "abcabcabcabcabcabcabcabc"),
        (&[1, 2, 3], "cbcacbcbcacbcbcacbcbcacb"),
        (&[3, 2, 1], "abacababacababacababacab"),
        (&[2, 1], "aabaabaabaabaabaabaabaab"),
        (&[1, 5], "bbbbbabbbbbabbbbbabbbbba"),
        (&[5, 1, 1], "aaabaacaaabaacaaabaacaaa"),
        (&[1, 4, 2, 3], "bdbcdbabdcbdbcdbabdcbdbc"),
        (&[10, 7, 1], "aababacabababaababaababa"),
        (&[256, 1, 100], "aaacaacaaacaacaaacaaacaacaaacaacaaacaacaaacaacaaacaacaaacaaa"),
        (&[128, 1, 50], "aaacaacaaacaacaaacaacaaacaaacaacaaacaacaaacaacaaacaabacaacaa"),
        (&[30, 20, 11], "abacababacababacababcaababcaabacbaabacbaabcabaabcabaabcabacb"),
        (&[3, 3, 1], "abababcabababcabababcaba"),
    ] {
        assert_eq!(run(Balance::RoundRobin, weights, order.len(), false), order, "weights {weights:?}");
    }
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn static_rr_chooses_in_haproxys_order() {
    for (weights, order) in [
        (&[1, 1, 1][..], "abcabcabcabcabcabcabcabc"),
        (&[1, 2, 3], "acbcbcacbcbcacbcbcacbcbc"),
        (&[3, 2, 1], "aababcaababcaababcaababc"),
        (&[1, 5], "abbbbbabbbbbabbbbbabbbbb"),
        (&[5, 1, 1], "aaabaacaaabaacaaabaacaaa"),
        (&[1, 4, 2, 3], "abbdcbdbcdabbdcbdbcdabbd"),
        (&[10, 7, 1], "aabababaababababacaababa"),
        (&[256, 1, 100], "aaacaaacaacaaacaacaaacaacaaacaabcaacaaacaacaaacaacaaacaaacaa"),
        (&[30, 20, 11], "ababacababacababcaababcaabacababacababcaababcaabacababacabab"),
        (&[2, 2], "ababab"),
    ] {
        assert_eq!(run(Balance::StaticRr, weights, order.len(), false), order, "weights {weights:?}");
    }
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn leastconn_chooses_in_haproxys_order() {
    for (weights, held, order) in [
        (&[1, 2, 3][..], true, "abccbccbcabc"),
        (&[3, 2, 1], true, "abcabaabacba"),
        (&[1, 1, 1], true, "abcabcabcabc"),
        (&[5, 1, 1], false, "abcabcabcabc"),
    ] {
        assert_eq!(run(Balance::LeastConn, weights, order.len(), held), order, "weights {weights:?}");
    }
}

#[test]
fn full_servers_are_passed_over_until_nobody_has_room() {
    for algorithm in
        [Balance::RoundRobin, Balance::StaticRr, Balance::LeastConn, Balance::First, Balance::Random(2)]
    {
        let (mut balancer, mut load) = (Balancer::default(), [0; 3]);
        for _ in 0..6 {
            let offer = |at: usize| Candidate { weight: 1, load: load[at], full: load[at] == 2 };
            let offers: Vec<Offer> =
                (0..3).map(|at| Offer { key: at as u32, candidate: Some(offer(at)) }).collect();
            let Pick::Server(at) = balancer.pick(algorithm, Request::default(), offers.into_iter()) else {
                panic!("{algorithm:?} found no room at {load:?}");
            };
            load[at] += 1;
        }
        assert_eq!(load, [2; 3], "{algorithm:?}");
        let full = Some(Candidate { weight: 1, load: 2, full: true });
        let offers = (0..3).map(|key| Offer { key, candidate: full });
        assert_eq!(balancer.pick(algorithm, Request::default(), offers), Pick::Full);
        let nobody = (0..3).map(|key| Offer { key, candidate: None });
        assert_eq!(balancer.pick(algorithm, Request::default(), nobody), Pick::Nobody);
    }
}

#[test]
fn first_fills_the_first() {
    assert_eq!(run(Balance::First, &[1, 1], 3, true), "aaa");
}

#[test]
fn a_failed_server_is_avoided_if_there_is_another() {
    for algorithm in [Balance::RoundRobin, Balance::StaticRr, Balance::LeastConn, Balance::First] {
        let mut balancer = Balancer::default();
        let request = Request { avoid: Some(0), ..Request::default() };
        for _ in 0..4 {
            assert_eq!(balancer.pick(algorithm, request, plain(&[0, 1]).into_iter()), Pick::Server(1));
        }
        assert_eq!(balancer.pick(algorithm, request, plain(&[0]).into_iter()), Pick::Server(0));
    }
}

/// HAProxy 2.6.12 sends 127.0.0.1 to the last of three servers of weights 1, 2, 3.
#[test]
fn source_goes_by_the_address() {
    let mut balancer = Balancer::default();
    let mut pick = |client: &str| {
        let offers: Vec<Offer> = [1, 2, 3].iter().zip(&[9, 9, 9]).enumerate().map(offer).collect();
        let request = Request { client: Some(client.parse().unwrap()), ..Request::default() };
        balancer.pick(Balance::Source(Default::default()), request, offers.into_iter())
    };
    assert_eq!(pick("127.0.0.1"), Pick::Server(2));
    assert_eq!(pick("127.0.0.1"), Pick::Server(2));
    assert_eq!(pick("0.0.0.0"), Pick::Server(0));
    assert_eq!(pick("::1"), Pick::Server(2));
}

#[test]
fn a_server_that_returns_gets_no_burst() {
    let mut balancer = Balancer::default();
    let mut offers = plain(&[0, 1]);
    let mut pick =
        |offers: &[Offer]| balancer.pick(Balance::RoundRobin, Request::default(), offers.iter().copied());
    pick(&offers);
    pick(&offers);
    let up = offers[1].candidate.take();
    for _ in 0..10 {
        assert_eq!(pick(&offers), Pick::Server(0));
    }
    offers[1].candidate = up;
    let picks: Vec<Pick> = (0..6).map(|_| pick(&offers)).collect();
    let count = picks.iter().filter(|pick| **pick == Pick::Server(1)).count();
    assert!((2..=3).contains(&count), "{picks:?}");
}

#[test]
fn memory_follows_servers_that_move() {
    let mut balancer = Balancer::default();
    let mut pick = |keys: &[u32]| match balancer.pick(
        Balance::RoundRobin,
        Request::default(),
        plain(keys).into_iter(),
    ) {
        Pick::Server(at) => keys[at],
        other => panic!("{other:?}"),
    };
    assert_eq!((pick(&[1, 2, 3]), pick(&[1, 2, 3])), (1, 2));
    assert_eq!(pick(&[2, 3, 1]), 3);
    let order: Vec<u32> = (0..5).map(|_| pick(&[3, 9, 1, 2])).collect();
    assert_eq!(order, [1, 2, 3, 9, 1]);
}

#[test]
fn random_shares_by_weight() {
    let order = run(Balance::Random(1), &[1, 3], 4000, false);
    let heavy = order.matches('b').count();
    assert!((2800..3200).contains(&heavy), "{heavy} of 4000");
}

const CONSISTENT: Hashing = Hashing {
    method: HashMethod::Consistent,
    function: HashFunction::Sdbm,
    avalanche: true,
    balance_factor: None,
};

const RING: Balance = Balance::Source(CONSISTENT);

/// Where the hash has no key the servers take turns.
#[test]
fn a_hash_goes_by_its_key() {
    let pick = |balancer: &mut Balancer, key| {
        let request = Request { key, ..Request::default() };
        balancer.pick(Balance::Hash(Hashing::default()), request, plain(&[1, 2, 3]).into_iter())
    };
    let mut balancer = Balancer::default();
    for (key, server) in [(0, 0), (1, 1), (5, 2), (1, 1)] {
        assert_eq!(pick(&mut balancer, Some(key)), Pick::Server(server));
    }
    let turns: Vec<Pick> = (0..3).map(|_| pick(&mut balancer, None)).collect();
    assert_eq!(turns, [0, 1, 2].map(Pick::Server));
}

fn clients() -> impl Iterator<Item = Request> {
    let client = |number: u32| IpAddr::from((0x0a00_0000 + number * 7).to_be_bytes());
    (0..4000).map(move |number| Request { client: Some(client(number)), ..Request::default() })
}

#[test]
fn only_the_clients_of_a_server_that_leaves_move() {
    let mut balancer = Balancer::default();
    let whole: Vec<Offer> =
        [16, 16, 48].iter().zip(&[9, 9, 9]).enumerate().map(|(at, pair)| offer((at, pair))).collect();
    let mut pick =
        |request: Request, offers: &[Offer]| match balancer.pick(RING, request, offers.iter().copied()) {
            Pick::Server(at) => at,
            other => panic!("{other:?}"),
        };
    let before: Vec<usize> = clients().map(|request| pick(request, &whole)).collect();
    let mut without = whole.clone();
    without[1].candidate = None;
    let after: Vec<usize> = clients().map(|request| pick(request, &without)).collect();
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || (*before == 1 && *after != 1), "{before} {after}");
    }
    let again: Vec<usize> = clients().map(|request| pick(request, &whole)).collect();
    assert_eq!(before, again);
    let shares = [0, 1, 2].map(|server| before.iter().filter(|at| **at == server).count());
    // A fifth, a fifth and three fifths, as far as 16 places a unit of weight spread them.
    for (share, expected) in shares.iter().zip([800, 800, 2400]) {
        assert!(share.abs_diff(expected) < 400, "{shares:?}");
    }
}

#[test]
fn a_ring_passes_over_a_failed_and_an_overloaded_server() {
    let mut balancer = Balancer::default();
    let offers: Vec<Offer> = [16, 16].iter().zip(&[3, 0]).enumerate().map(offer).collect();
    let bounded = Balance::Source(Hashing { balance_factor: Some(101), ..CONSISTENT });
    for request in clients().take(50) {
        assert_eq!(balancer.pick(bounded, request, offers.iter().copied()), Pick::Server(1));
        let request = Request { avoid: Some(1), ..request };
        assert_eq!(balancer.pick(RING, request, offers.iter().copied()), Pick::Server(0));
    }
}
