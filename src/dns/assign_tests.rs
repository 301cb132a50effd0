use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::config::model::IpFamily;
use crate::dns::resolution::{Failure, Kind};

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn lookup(service: Option<&str>) -> Lookup {
    Lookup {
        resolvers: "dns".to_owned(),
        service: service.map(str::to_owned),
        prefer: IpFamily::V4,
        duplicates: Duplicates::Prevented,
        weights: RecordWeights::Followed,
        networks: Vec::new(),
        port: ServerPort::Fixed(6379),
        told: false,
    }
}

/// A server of `redis.test`; 0 is one without an address.
fn host(last: u8) -> Server {
    let address = (last > 0).then(|| ServerAddress::Ip { ip: ip(last), port: ServerPort::Fixed(6379) });
    Server { fqdn: Some("redis.test".to_owned()), lookup: Some(lookup(None)), address, ..Server::default() }
}

fn hosts(list: &[u8]) -> Vec<Server> {
    list.iter().map(|last| host(*last)).collect()
}

fn good(list: &[u8]) -> Outcome {
    let records = list.iter().map(|last| Record::Address(ip(*last))).collect();
    Outcome::Good { records, by: "ns1".to_owned() }
}

/// The addresses after it, 0 for none, and who is said to have told.
fn after(mut servers: Vec<Server>, outcome: &Outcome) -> (Vec<u8>, Vec<String>) {
    let key = Key::of_host(&servers[0]).unwrap();
    let mut said = Vec::new();
    for change in assign(&servers, &key, outcome) {
        apply(&mut servers[change.server], &change.what);
        match change.what {
            What::Moved { by, .. } => said.push(by),
            What::Lost(why) => said.push(why),
            other => said.push(format!("{other:?}")),
        }
    }
    let last = |server: &Server| match ip_of(server) {
        Some(IpAddr::V4(ip)) => ip.octets()[3],
        _ => 0,
    };
    (servers.iter().map(last).collect(), said)
}

#[test]
fn servers_keep_their_addresses_and_the_others_take_what_is_free() {
    for (name, before, answer, expected) in [
        ("the first answer", vec![0, 0, 0], vec![2, 3], vec![2, 3, 0]),
        ("nothing new", vec![2, 3, 0], vec![3, 2], vec![2, 3, 0]),
        ("one for another", vec![2, 3, 0], vec![3, 4], vec![4, 3, 0]),
        ("one more", vec![2, 0, 3], vec![2, 3, 4], vec![2, 4, 3]),
        ("one less", vec![2, 3, 4], vec![2, 4], vec![2, 0, 4]),
        ("more than servers", vec![0, 0], vec![2, 3, 4], vec![2, 3]),
        ("all of them others", vec![2, 3], vec![4], vec![4, 0]),
    ] {
        assert_eq!(after(hosts(&before), &good(&answer)).0, expected, "{name}");
    }
}

#[test]
fn who_told_and_why_an_address_is_gone_is_said_as_haproxy_does() {
    let told = |before: &[u8], outcome: &Outcome| after(hosts(before), outcome).1;
    assert_eq!(told(&[0, 0], &good(&[2, 3])), ["dns/ns1", "DNS cache"]);
    assert_eq!(told(&[2, 3], &good(&[2])), ["No IP for server "]);
    assert_eq!(told(&[2, 0], &Outcome::Lost(Failure::Timeout)), ["DNS timeout status"]);
    assert_eq!(told(&[2], &Outcome::Lost(Failure::Other)), ["unspecified DNS error"]);
}

#[test]
fn duplicates_networks_and_families_choose_among_addresses() {
    let with = |change: &dyn Fn(&mut Lookup), list: &[u8]| {
        let mut servers = hosts(list);
        servers.iter_mut().for_each(|server| change(server.lookup.as_mut().unwrap()));
        servers
    };
    let shared = |lookup: &mut Lookup| lookup.duplicates = Duplicates::Allowed;
    assert_eq!(after(with(&shared, &[0, 0, 0]), &good(&[2, 3])).0, [2, 3, 2], "spread evenly");
    assert_eq!(after(with(&shared, &[2, 3, 2]), &good(&[4])).0, [4, 4, 4]);
    let near = |lookup: &mut Lookup| {
        let network = |text| crate::config::rule::matching::network(text).unwrap();
        lookup.networks = vec![network("10.0.0.8/29"), network("10.0.0.4/30")];
    };
    assert_eq!(after(with(&near, &[2]), &good(&[2, 5, 9])).0, [9]);
    assert_eq!(after(with(&near, &[2]), &good(&[2, 5])).0, [5]);
    assert_eq!(after(with(&near, &[2]), &good(&[1, 2])).0, [2]);
    let six = Record::Address("fd00::1".parse().unwrap());
    let both = Outcome::Good { records: vec![six, Record::Address(ip(2))], by: "ns1".to_owned() };
    assert_eq!(after(hosts(&[0]), &both).0, [2]);
}

#[test]
fn only_servers_of_that_name_are_concerned() {
    let mut servers = hosts(&[2, 2, 2, 2]);
    servers[1].fqdn = Some("other.test".to_owned());
    servers[2].lookup.as_mut().unwrap().resolvers = "others".to_owned();
    servers[3].lookup = None;
    let key = Key::of_host(&servers[0]).unwrap();
    let concerned: Vec<usize> =
        assign(&servers, &key, &good(&[3])).iter().map(|change| change.server).collect();
    assert_eq!(concerned, [0]);
}

fn slots(count: usize) -> Vec<Server> {
    let slot = || Server { lookup: Some(lookup(Some("_r._tcp.test"))), ..Server::default() };
    (0..count).map(|_| slot()).collect()
}

fn services(list: &[(&str, u16, u16, u8)]) -> Outcome {
    let service = |(host, port, weight, address): &(&str, u16, u16, u8)| {
        let address = (*address > 0).then(|| ip(*address));
        Record::Service(Service {
            host: (*host).to_owned(),
            port: *port,
            priority: 0,
            weight: *weight,
            address,
        })
    };
    Outcome::Good { records: list.iter().map(service).collect(), by: "ns1".to_owned() }
}

/// Carries it out; who stands where now, and the weights that were told.
fn served(servers: &mut [Server], outcome: &Outcome) -> (Vec<String>, Vec<(usize, u32)>) {
    let key = Key { resolvers: "dns".to_owned(), name: "_r._tcp.test".to_owned(), kind: Kind::Service };
    let mut weights = Vec::new();
    for change in assign(servers, &key, outcome) {
        apply(&mut servers[change.server], &change.what);
        if let What::Weighs(weight) = change.what {
            weights.push((change.server, weight));
        }
    }
    let shown = |server: &Server| match (&server.fqdn, &server.address) {
        (None, _) => "-".to_owned(),
        (Some(host), None) => format!("{host}:{:?}", server.lookup.as_ref().unwrap().port),
        (Some(host), Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(port) })) => {
            format!("{host}={ip}:{port}")
        }
        (_, other) => format!("{other:?}"),
    };
    (servers.iter().map(shown).collect(), weights)
}

#[test]
fn services_keep_their_servers_and_give_them_ports_and_weights() {
    let mut servers = slots(3);
    let first = services(&[("x", 7001, 10, 0), ("y", 7002, 65_535, 5)]);
    let (shown, weights) = served(&mut servers, &first);
    assert_eq!(shown, ["x:Fixed(7001)", "y=10.0.0.5:7002", "-"]);
    assert_eq!(weights, [(0, 1), (1, 256)]);
    // Of y the address came with the record; x has to be asked for.
    let asked: Vec<_> = servers.iter().filter_map(Key::of_host).map(|key| key.name).collect();
    assert_eq!(asked, ["x"]);
    let (shown, _) = served(&mut servers, &services(&[("y", 7002, 300, 6), ("x", 7003, 0, 0)]));
    assert_eq!(shown, ["-", "y=10.0.0.6:7002", "x:Fixed(7003)"], "another port is another service");
    let (shown, _) = served(&mut servers, &services(&[("y", 7002, 300, 6), ("z", 1, 0, 0), ("w", 2, 0, 0)]));
    assert_eq!(shown, ["z:Fixed(1)", "y=10.0.0.6:7002", "w:Fixed(2)"], "a freed one comes last");
    let (shown, _) = served(&mut servers, &Outcome::Lost(Failure::Nx));
    assert_eq!(shown, ["-", "-", "-"]);
}

#[test]
fn weights_of_records_may_be_ignored() {
    let mut servers = slots(1);
    servers[0].lookup.as_mut().unwrap().weights = RecordWeights::Ignored;
    assert_eq!(served(&mut servers, &services(&[("x", 1, 65_535, 0)])).1, []);
}

#[test]
fn hosts_of_a_service_may_share_an_address() {
    let mut servers = slots(2);
    served(&mut servers, &services(&[("x", 7001, 0, 0), ("x", 7002, 0, 0)]));
    assert_eq!(after(servers, &good(&[2])).0, [2, 2], "their ports differ");
}

#[test]
fn a_reload_keeps_what_the_name_has_given() {
    for (name, change, kept) in [
        ("as before", (|_| {}) as fn(&mut Server), true),
        ("another name", |server| server.fqdn = Some("b.test".to_owned()), false),
        ("another section", |server| server.lookup.as_mut().unwrap().resolvers.push('x'), false),
        ("no section", |server| server.lookup = None, false),
        ("another port", |server| server.lookup.as_mut().unwrap().port = ServerPort::Fixed(1), true),
    ] {
        let mut server = host(9);
        change(&mut server);
        carry(&mut server, &host(2));
        assert_eq!(ip_of(&server), Some(if kept { ip(2) } else { ip(9) }), "{name}");
    }
    let mut server = host(9);
    carry(&mut server, &host(0));
    assert_eq!(ip_of(&server), Some(ip(9)), "one that was lost is no loss");
    let mut before = slots(1);
    served(&mut before, &services(&[("x", 7001, 0, 3)]));
    let mut now = slots(1);
    carry(&mut now[0], &before[0]);
    assert_eq!(now, before);
}

proptest! {
    /// No two servers have one address, none is left over while a server has none, and a second look changes nothing.
    #[test]
    fn assignments_settle(
        before in prop::collection::btree_set(1..12_u8, 0..5).prop_map(|set| set.into_iter().collect::<Vec<_>>()),
        empty in 1..4_usize,
        answer in prop::collection::btree_set(1..12_u8, 1..9),
        turned in any::<bool>(),
    ) {
        let mut list: Vec<u8> = before.iter().copied().chain(std::iter::repeat_n(0, empty)).collect();
        if turned {
            list.reverse();
        }
        let mut known: Vec<u8> = answer.into_iter().collect();
        let (now, _) = after(hosts(&list), &good(&known));
        for (was, is) in list.iter().zip(&now) {
            prop_assert!(!known.contains(was) || was == is, "{list:?} {known:?} {now:?}");
        }
        let mut held: Vec<u8> = now.iter().copied().filter(|last| *last > 0).collect();
        prop_assert_eq!(held.len(), known.len().min(now.len()));
        held.sort_unstable();
        held.dedup();
        prop_assert_eq!(held.len(), known.len().min(now.len()));
        known.reverse();
        prop_assert_eq!(after(hosts(&now), &good(&known)).1, Vec::<String>::new());
    }
}
