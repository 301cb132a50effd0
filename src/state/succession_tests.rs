use super::*;
use crate::config::model::{BackendId, Track};

/// `a=1 b=2`: servers of these names at these ports.
fn servers_of(text: &str) -> Vec<Server> {
    let server = |word: &str| {
        let (name, port) = word.split_once('=').unwrap();
        let port = ServerPort::Fixed(port.parse().unwrap());
        let address = Some(ServerAddress::Ip { ip: [10, 0, 0, 1].into(), port });
        Server { name: name.to_owned(), address, ..Server::default() }
    };
    text.split_whitespace().map(server).collect()
}

/// `be! a=1 b=2`: a role-checked backend; `be?`: one of replicas; `be`: one like HAProxy's.
fn config(texts: &[&str]) -> (Config, Vec<Guarding>) {
    let backend = |text: &&str| {
        let (name, servers) = text.split_once(' ').unwrap_or((text, ""));
        let guarding = match name.chars().last() {
            Some('!') => Guarding::Master,
            Some('?') => Guarding::Replicas,
            _ => Guarding::None,
        };
        let name = name.trim_end_matches(['!', '?']).to_owned();
        (Backend { name, servers: servers_of(servers), ..Backend::default() }, guarding)
    };
    let (backends, guarding) = texts.iter().map(backend).unzip();
    (Config { backends, ..Config::default() }, guarding)
}

fn between(old: &(Config, Vec<Guarding>), new: &(Config, Vec<Guarding>)) -> Succession {
    let side = |(config, guarding): &'_ (Config, Vec<Guarding>)| (config.clone(), guarding.clone());
    let ((old, old_guarding), (new, new_guarding)) = (side(old), side(new));
    Succession::between(
        Side { config: &old, guarding: &old_guarding },
        Side { config: &new, guarding: &new_guarding },
    )
}

/// For each new backend the old one, by position; -1: it is new.
fn found(old: &[&str], new: &[&str]) -> Vec<i32> {
    let succession = between(&config(old), &config(new));
    (0..new.len()).map(|at| succession.of(at).map_or(-1, |from| from.backend as i32)).collect()
}

#[test]
fn backends_go_on_by_name_and_then_by_their_servers() {
    for (what, old, new, expected) in [
        ("the same", vec!["a! x=1 y=2"], vec!["a! x=1 y=2"], vec![0]),
        ("another name", vec!["a! x=1 y=2"], vec!["b! x=1 y=2"], vec![0]),
        ("servers in another order, with other names", vec!["a! x=1 y=2"], vec!["b! v=2 w=1"], vec![0]),
        ("one more server", vec!["a! x=1 y=2"], vec!["b! x=1 y=2 z=3"], vec![0]),
        ("no server in common", vec!["a! x=1 y=2"], vec!["b! x=3 y=4"], vec![-1]),
        ("like HAProxy's", vec!["a x=1"], vec!["b x=1"], vec![-1]),
        ("no guard any more", vec!["a! x=1"], vec!["b x=1"], vec![-1]),
        ("another role", vec!["a! x=1 y=2"], vec!["b? x=1 y=2"], vec![-1]),
        ("both roles", vec!["w! x=1 y=2", "r? x=1 y=2"], vec!["q? x=1 y=2", "v! x=1 y=2"], vec![1, 0]),
        ("names win", vec!["a! x=1", "b! x=2"], vec!["a! x=2", "b! x=1"], vec![0, 1]),
        ("who keeps its name is no candidate", vec!["a! x=1"], vec!["b! x=1", "a! x=1"], vec![-1, 0]),
        ("two for one: the first", vec!["a! x=1"], vec!["b! x=1", "c! x=1"], vec![0, -1]),
        ("one of two: the first", vec!["a! x=1", "b! x=1"], vec!["c! x=1"], vec![0]),
        ("two of two, in their order", vec!["a! x=1", "b! x=1"], vec!["c! x=1", "d! x=1"], vec![0, 1]),
        (
            "who has all goes before who has one",
            vec!["a! x=1 y=2"],
            vec!["b! x=1", "c! x=1 y=2"],
            vec![-1, 0],
        ),
        ("without servers there is nothing to know it by", vec!["a!"], vec!["b!"], vec![-1]),
    ] {
        assert_eq!(found(&old, &new), expected, "{what}");
    }
}

#[test]
fn servers_go_on_by_name_and_address_then_address_then_name() {
    let guarded = Some(Kind::Masters);
    for (what, old, new, kind, expected) in [
        ("the same", "a=1 b=2", "b=2 a=1", guarded, vec![Some(1), Some(0)]),
        ("other names", "a=1 b=2", "c=1 d=2", guarded, vec![Some(0), Some(1)]),
        ("names change places", "a=1 b=2", "a=2 b=1", guarded, vec![Some(1), Some(0)]),
        ("a name moves on, its address has another", "a=1", "b=1 a=2", guarded, vec![Some(0), None]),
        (
            "an address in two lines: names tell them apart",
            "a=1 b=1",
            "b=1 c=1",
            guarded,
            vec![Some(1), Some(0)],
        ),
        ("one line for two: the first", "a=1 b=1", "c=1", guarded, vec![Some(0)]),
        ("its name alone", "a=1", "a=2", guarded, vec![Some(0)]),
        ("nothing in common", "a=1", "b=2", guarded, vec![None]),
        ("like HAProxy's", "a=1 b=2", "c=1 b=3", None, vec![None, Some(1)]),
    ] {
        assert_eq!(servers(&servers_of(old), &servers_of(new), kind), expected, "{what}");
    }
}

#[test]
fn who_tracks_another_goes_on_as_well() {
    let tracking = |name: &str| {
        let (mut config, guarding) = config(&[&format!("{name} x=1")]);
        config.backends[0].servers[0].track =
            Some(Track { backend: BackendId(0), server: 1, name: String::new() });
        (config, guarding)
    };
    let succession = between(&tracking("a"), &tracking("b"));
    assert_eq!(succession.of(0), Some(&Predecessor { backend: 0, servers: vec![Some(0)] }));
}

#[test]
fn slots_are_known_by_their_section() {
    use crate::config::model::SlotTakes;
    let slots = |name: &str, section: &str| {
        let (mut config, guarding) = config(&[&format!("{name}! x=1 y=2")]);
        for server in &mut config.backends[0].servers {
            server.slot = Some(SentinelSlot { section: section.to_owned(), takes: SlotTakes::Every });
            server.address = server.address.take().filter(|_| name == "a");
        }
        (config, guarding)
    };
    let expected = Predecessor { backend: 0, servers: vec![Some(0), Some(1)] };
    assert_eq!(between(&slots("a", "s"), &slots("b", "s")).of(0), Some(&expected));
    assert_eq!(between(&slots("a", "s"), &slots("b", "t")).of(0), None);
}
