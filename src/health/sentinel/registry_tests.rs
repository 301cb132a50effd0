use proptest::prelude::*;

use super::super::hearing::STRANGE_ANSWERS;
use super::super::roster::roster;
use super::*;
use crate::health::sentinel::facts::Answers;
use crate::health::sentinel::trouble::Trouble;
use crate::redis::sentinel::Event;
use crate::redis::sentinel::{FailoverState, Hello, MasterView, ReplicaView, What};
use crate::state::SentinelWord;
use crate::state::ServerKey;
use crate::state::sentinel::{FailoverStep, Named};
use crate::state::slots::Coverage;

const ID: [&str; 4] = [
    "8b5bbba46f26203ef91f7dc759e1bcdc8cd1f3c9",
    "7ded8e458648849b5204265b02ecf40a90a53166",
    "36aa02c49c7bff463790dee3bbead47482e81284",
    "232cdc04a1f7fa1c4aecb2a02efd125c3d492c0b",
];

fn node(port: u16) -> Node {
    Node { host: "10.0.0.1".to_owned(), port }
}

fn server(at: u32) -> Named {
    Named::Server(ServerKey(at))
}

/// Servers redis0 to redis2 on ports 7100 to 7102.
fn world() -> World {
    let seen = |at: u32| Seen {
        key: ServerKey(at),
        name: format!("redis{at}"),
        address: format!("10.0.0.1:{}", 7100 + at).parse().ok(),
        written: format!("10.0.0.1:{}", 7100 + at),
        known_as: Vec::new(),
        run_id: None,
    };
    World { servers: (0..3).map(seen).collect(), ..World::default() }
}

fn group(sentinels: u16) -> SentinelGroup {
    let node = |at: u16| SentinelNode {
        id: format!("s{at}"),
        address: ([10, 0, 0, 9], 26379 + at).into(),
        host: None,
        written_address: String::new(),
    };
    SentinelGroup {
        name: "group".to_owned(),
        master: "mymaster".to_owned(),
        sentinels: (0..sentinels).map(node).collect(),
        auth_user: None,
        auth_pass: None,
        timeout: TIMEOUT,
    }
}

/// The master is redis0, redis1 and redis2 replicate.
fn answers(id: &str) -> Answers {
    let replica = |port| ReplicaView { node: node(port), run_id: None, promoted: false };
    Answers {
        my_id: Some(id.to_owned()),
        master: MasterView {
            node: node(7100),
            run_id: None,
            config_epoch: 3,
            other_sentinels: 2,
            failover: None,
        },
        current: Some(node(7100)),
        replicas: vec![replica(7101), replica(7102)],
        peers: Vec::new(),
        tilt: Some(false),
        complaint: None,
    }
}

fn hello(port: u16, id: &str) -> Hello {
    Hello {
        sentinel: node(port),
        run_id: id.to_owned(),
        master_name: "mymaster".to_owned(),
        master: node(7100),
        config_epoch: 3,
    }
}

/// What the effects come to, in short.
fn short(effects: &[Effect]) -> Vec<String> {
    let one = |effect: &Effect| match effect {
        Effect::Say(report) => format!("{} says {:?}", report.sentinel.0, report.word),
        Effect::Tell(tone, text) => format!("{tone:?}: {text}"),
        Effect::Ask(job) => format!("ask {}", job.address),
        Effect::Follow(job, _) => format!("follow {}", job.address),
        Effect::Hurry(slot) => format!("hurry {}", slot.0),
        Effect::Leave(slot) => format!("leave {}", slot.0),
    };
    effects.iter().map(one).collect()
}

fn words(effects: &[Effect]) -> Vec<SentinelWord> {
    let word = |effect: &Effect| match effect {
        Effect::Say(report) => Some(report.word.clone()),
        _ => None,
    };
    effects.iter().filter_map(word).collect()
}

struct Test {
    registry: Registry,
    world: World,
    now: Tick,
}

impl Test {
    fn with(sentinels: u16) -> Test {
        let mut registry = Registry::new(BackendKey(1));
        let now = Tick(1_000);
        registry.apply(&[group(sentinels)], now);
        Test { registry, world: world(), now }
    }

    fn bare() -> Test {
        Test { registry: Registry::new(BackendKey(1)), world: world(), now: Tick(1_000) }
    }

    fn poll(&mut self, slot: u32, result: Result<Answers, Trouble>) -> Vec<Effect> {
        let asked = self.now;
        self.now = self.now + Duration::from_secs(1);
        self.registry.polled((Slot(slot), asked), result.map(Box::new), &self.world, self.now)
    }

    fn publish(&mut self, slot: u32, what: What) -> Vec<Effect> {
        self.now = self.now + Duration::from_millis(1);
        let event = Event::Of { master_name: "mymaster".to_owned(), what };
        let effects = self.registry.published(Slot(slot), &event, &self.world, self.now);
        self.now = self.now + Duration::from_millis(1);
        effects
    }

    fn hear(&mut self, hello: &Hello) -> Vec<Effect> {
        self.registry.heard(hello, self.now)
    }
}

#[test]
fn a_configured_sentinel_counts_once_it_answers() {
    let mut test = Test::with(1);
    assert_eq!(
        short(&test.poll(1, Ok(answers(ID[0])))),
        [
            "Notice: Sentinel s0 (10.0.0.9:26379) is watched: of 'mymaster' it names redis0",
            "follow 10.0.0.9:26379",
            "1 says Census(3)",
            "1 says Names { master: Server(ServerKey(0)), config_epoch: 3 }",
        ]
    );
    // A repetition is a sign of life.
    let again = [SentinelWord::Names { master: server(0), config_epoch: 3 }];
    assert_eq!(words(&test.poll(1, Ok(answers(ID[0])))), again);
    // One round without an answer may be a fork, two are a loss, and whoever refuses is lost at once.
    for slow in [Trouble::Silent, Trouble::ConnectTimeout] {
        assert_eq!(short(&test.poll(1, Err(slow))), Vec::<String>::new());
        assert_eq!(words(&test.poll(1, Ok(answers(ID[0])))), again);
    }
    assert_eq!(words(&test.poll(1, Err(Trouble::Connect("refused".to_owned())))), [SentinelWord::Lost]);
    assert_eq!(words(&test.poll(1, Ok(answers(ID[0])))), [&[SentinelWord::Census(3)], &again[..]].concat());
    assert_eq!(short(&test.poll(1, Err(Trouble::Silent))), Vec::<String>::new());
    assert_eq!(
        short(&test.poll(1, Err(Trouble::Silent))),
        ["1 says Lost", "Warning: Sentinel s0 (10.0.0.9:26379) does not answer in time"]
    );
    assert_eq!(short(&test.poll(1, Err(Trouble::Silent))), Vec::<String>::new());
    let back = test.poll(1, Ok(answers(ID[0])));
    assert_eq!(words(&back), [&[SentinelWord::Census(3)], &again[..]].concat());
    assert!(short(&back).contains(&"Notice: Sentinel s0 (10.0.0.9:26379) is well again".to_owned()));
}

#[test]
fn the_leaders_events_become_steps() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    let (master, promoted) = (|| node(7100), || node(7101));
    let failover = |step| vec![SentinelWord::Failover(step)];
    let table = [
        (What::Decided { master: master() }, failover(FailoverStep::Decided { master: server(0) })),
        // The same again, in other words.
        (What::Decided { master: master() }, vec![]),
        (
            What::Selected { master: master(), promoted: promoted() },
            failover(FailoverStep::Selected { master: server(0), promoted: server(1) }),
        ),
        (
            What::Promoted { master: master(), promoted: promoted() },
            failover(FailoverStep::Promoted { master: server(0), promoted: server(1) }),
        ),
        (What::Reconfiguring { master: master() }, vec![]),
        (
            What::Ended { master: master() },
            failover(FailoverStep::Ended { master: server(0), promoted: Some(server(1)) }),
        ),
        // It leads no failover any more, so that this is only news of another view.
        (What::Switched { old: master(), new: promoted() }, vec![]),
    ];
    for (what, expected) in table {
        let effects = test.publish(1, what.clone());
        assert_eq!(words(&effects), expected, "{what:?}");
        assert_eq!(short(&effects).last().map(String::as_str), Some("hurry 1"), "{what:?}");
    }
}

#[test]
fn an_abort_is_told_and_others_masters_are_not() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    test.publish(1, What::Decided { master: node(7100) });
    let aborted = SentinelWord::Failover(FailoverStep::Aborted { master: server(0) });
    assert_eq!(words(&test.publish(1, What::Aborted { master: node(7100) })), [aborted]);
    let event = Event::Of { master_name: "other".to_owned(), what: What::Decided { master: node(7100) } };
    assert_eq!(test.registry.published(Slot(1), &event, &test.world, test.now), []);
    let tilt = test.registry.published(Slot(1), &Event::Tilt(true), &test.world, test.now);
    assert_eq!(words(&tilt), [SentinelWord::Tilt(true)]);
    // The next answer says the same, and so nothing new.
    let mut tilted = answers(ID[0]);
    tilted.tilt = Some(true);
    assert!(!words(&test.poll(1, Ok(tilted))).contains(&SentinelWord::Tilt(true)));
    assert!(words(&test.poll(1, Ok(answers(ID[0])))).contains(&SentinelWord::Tilt(false)));
}

/// Who takes it for one in TILT hears no failover of it.
#[test]
fn who_was_lost_in_tilt_and_comes_back_without_it_says_so() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    assert!(!words(&test.poll(1, Ok(answers(ID[0])))).contains(&SentinelWord::Tilt(false)), "no news");
    test.registry.published(Slot(1), &Event::Tilt(true), &test.world, test.now);
    assert_eq!(words(&test.poll(1, Err(Trouble::Connect("refused".to_owned())))), [SentinelWord::Lost]);
    assert!(words(&test.poll(1, Ok(answers(ID[0])))).contains(&SentinelWord::Tilt(false)));
}

fn failing_over(state: FailoverState, promoted: bool) -> Answers {
    let mut answers = answers(ID[0]);
    answers.master.failover = Some(state);
    answers.replicas[0].promoted = promoted;
    answers
}

/// Without a single event, as if every subscription were broken.
#[test]
fn answers_alone_tell_a_failover_too() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    let names = |at, config_epoch| SentinelWord::Names { master: server(at), config_epoch };
    assert_eq!(words(&test.poll(1, Ok(failing_over(FailoverState::Waiting, false)))), [names(0, 3)]);
    let decided = SentinelWord::Failover(FailoverStep::Decided { master: server(0) });
    assert_eq!(
        words(&test.poll(1, Ok(failing_over(FailoverState::Selecting, false)))),
        [decided, names(0, 3)]
    );
    let selected = FailoverStep::Selected { master: server(0), promoted: server(1) };
    assert_eq!(
        words(&test.poll(1, Ok(failing_over(FailoverState::Promoting, true)))),
        [SentinelWord::Failover(selected), names(0, 3)]
    );
    // The new epoch stands beside the old address now; whom it names is asked apart.
    let mut promoted = failing_over(FailoverState::Promoted, true);
    promoted.master.config_epoch = 4;
    promoted.current = Some(node(7101));
    let step = FailoverStep::Promoted { master: server(0), promoted: server(1) };
    assert_eq!(words(&test.poll(1, Ok(promoted.clone()))), [SentinelWord::Failover(step), names(1, 4)]);
    // An old one may not know that, or forbid it: the replica with the flag it is then.
    promoted.current = None;
    assert_eq!(words(&test.poll(1, Ok(promoted))), [names(1, 4)]);
    let mut over = answers(ID[0]);
    over.master.node = node(7101);
    over.master.config_epoch = 4;
    let ended = FailoverStep::Ended { master: server(0), promoted: Some(server(1)) };
    assert_eq!(words(&test.poll(1, Ok(over))), [SentinelWord::Failover(ended), names(1, 4)]);
}

#[test]
fn a_missed_abort_is_found_by_asking() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    test.publish(1, What::Selected { master: node(7100), promoted: node(7101) });
    let aborted = SentinelWord::Failover(FailoverStep::Aborted { master: server(0) });
    assert!(words(&test.poll(1, Ok(answers(ID[0])))).contains(&aborted));
}

#[test]
fn answers_older_than_an_event_tell_nothing_of_the_failover() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    let asked = test.now;
    test.publish(1, What::Decided { master: node(7100) });
    let late = Box::new(answers(ID[0]));
    let effects = test.registry.polled((Slot(1), asked), Ok(late), &test.world, test.now);
    assert_eq!(words(&effects), [SentinelWord::Names { master: server(0), config_epoch: 3 }]);
}

#[test]
fn a_hint_has_to_prove_itself() {
    let mut test = Test::bare();
    assert_eq!(short(&test.hear(&hello(7200, ID[0]))), ["ask 10.0.0.1:7200"]);
    assert_eq!(short(&test.hear(&hello(7200, ID[0]))), Vec::<String>::new());
    // Another process answers there.
    assert_eq!(
        short(&test.poll(1, Ok(answers(ID[1])))),
        [
            "Warning: Sentinel 10.0.0.1:7200 has another identity than was announced, and is left out",
            "leave 1"
        ]
    );
    assert_eq!(short(&test.hear(&hello(7200, ID[0]))), Vec::<String>::new(), "not again so soon");
    test.now = test.now + Duration::from_secs(61);
    assert_eq!(short(&test.hear(&hello(7200, ID[0]))), ["ask 10.0.0.1:7200"]);
    assert_eq!(words(&test.poll(2, Ok(answers(ID[0])))).len(), 2);
    // It knows the others.
    test.now = test.now + Duration::from_secs(1);
    let mut knowing = answers(ID[0]);
    knowing.peers = vec![PeerView { node: node(7201), run_id: ID[1].to_owned() }];
    assert!(short(&test.poll(2, Ok(knowing))).contains(&"ask 10.0.0.1:7201".to_owned()));
}

#[test]
fn a_host_name_is_not_looked_up_for_anyone() {
    let mut test = Test::bare();
    let mut named = hello(7200, ID[0]);
    named.sentinel.host = "sentinel.local".to_owned();
    let told = "Warning: Sentinel sentinel.local:7200 announces itself by a host name; name it in a 'sentinels' section";
    assert_eq!(short(&test.hear(&named)), [told]);
    assert_eq!(test.hear(&named), []);
}

#[test]
fn a_sentinel_of_strangers_is_left_out() {
    let mut test = Test::bare();
    test.hear(&hello(7200, ID[0]));
    let mut strange = answers(ID[0]);
    strange.master.node = node(9000);
    strange.replicas.clear();
    for _ in 1..STRANGE_ANSWERS {
        assert_eq!(test.poll(1, Ok(strange.clone())), []);
    }
    assert_eq!(
        short(&test.poll(1, Ok(strange))),
        [
            "Warning: Sentinel 10.0.0.1:7200 watches 10.0.0.1:9000, which is no server of this backend, and \
             neither is a replica of it, and is left out",
            "leave 1"
        ]
    );
}

#[test]
fn a_section_of_another_backend_is_no_trouble_here() {
    let mut strange = answers(ID[0]);
    strange.master.node = node(9000);
    strange.replicas.clear();
    let mut here = Test::with(1);
    let told: Vec<Effect> = (0..9).flat_map(|_| here.poll(1, Ok(strange.clone()))).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(here.registry.statuses(&here.world)[0].trouble.is_some());
    let mut elsewhere = Test::with(1);
    elsewhere.world.at_home_elsewhere = vec!["group".to_owned()];
    let told: Vec<Effect> = (0..9).flat_map(|_| elsewhere.poll(1, Ok(strange.clone()))).collect();
    assert_eq!(told, []);
    assert_eq!(elsewhere.registry.statuses(&elsewhere.world), []);
}

#[test]
fn a_flood_of_hints_is_bounded() {
    let mut test = Test::bare();
    let mut asked = 0;
    for at in 0..2_000_u32 {
        test.now = test.now + Duration::from_millis(1);
        let effects = test.hear(&hello(8000 + at as u16, &format!("{at:040x}")));
        asked += short(&effects).iter().filter(|effect| effect.starts_with("ask")).count();
        asked += short(&test.registry.attempt(test.now)).len();
    }
    assert!(asked <= 9, "{asked} attempts in two seconds");
    assert_eq!(test.registry.entries.len(), MOST);
    // A hint that has failed makes room, and lines in the log are counted.
    let mut lines = 0;
    for at in 0..200_u32 {
        let slot = test.registry.entries[0].slot;
        let effects = test.registry.polled((slot, test.now), Err(Trouble::NotResp), &test.world, test.now);
        lines += short(&effects).iter().filter(|effect| effect.starts_with("Warning")).count();
        test.now = test.now + Duration::from_secs(1);
        test.hear(&hello(20_000 + at as u16, &format!("{:040x}", 10_000 + at)));
    }
    assert!(lines <= 33, "{lines} lines");
    assert!(test.registry.entries.len() <= MOST);
}

#[test]
fn two_names_of_one_sentinel_are_one() {
    let mut test = Test::with(2);
    test.poll(1, Ok(answers(ID[0])));
    let effects = test.poll(2, Ok(answers(ID[0])));
    let told = "Warning: Sentinel s1 (10.0.0.9:26380) is the same Sentinel as Sentinel s0 (10.0.0.9:26379)";
    assert_eq!(short(&effects), [told]);
    // A hint about one that is there is nothing new.
    assert_eq!(test.hear(&hello(7200, ID[0])), []);
}

#[test]
fn another_process_at_a_configured_address_gets_another_number() {
    let mut test = Test::with(1);
    test.poll(1, Ok(answers(ID[0])));
    assert_eq!(
        short(&test.poll(1, Ok(answers(ID[1])))),
        [
            "Notice: Sentinel s0 (10.0.0.9:26379) is another process than before",
            "1 says Forgotten",
            "leave 1",
            "ask 10.0.0.9:26379"
        ]
    );
    assert!(short(&test.poll(2, Ok(answers(ID[1])))).contains(&"2 says Census(3)".to_owned()));
}

#[test]
fn a_reload_keeps_what_stays_and_forgets_what_goes() {
    let mut test = Test::with(2);
    test.poll(1, Ok(answers(ID[0])));
    test.poll(2, Ok(answers(ID[1])));
    assert_eq!(test.registry.apply(&[group(2)], test.now), []);
    assert_eq!(short(&test.registry.apply(&[group(1)], test.now)), ["2 says Forgotten", "leave 2"]);
    let mut patient = group(1);
    patient.timeout = Duration::from_secs(3);
    assert_eq!(
        short(&test.registry.apply(&[patient], test.now)),
        ["1 says Forgotten", "leave 1", "ask 10.0.0.9:26379"]
    );
}

#[test]
fn a_sentinel_that_tells_the_addresses_is_known_before_any_server_has_one() {
    let mut test = Test::with(2);
    test.world.slots_of.insert("group".to_owned());
    test.world.masters_of.insert("group".to_owned());
    let servers = std::mem::take(&mut test.world.servers);
    // Nobody is called a stranger whom this very answer makes a server.
    assert_eq!(test.poll(1, Ok(answers(ID[0]))), []);
    let told = roster(&test.registry.entries, (BackendKey(1), "group"), &|host| host.parse().ok(), test.now)
        .expect("a roster");
    assert_eq!((told.nodes.len(), told.coverage), (3, Coverage::Partial));
    assert_eq!(told.master, "10.0.0.1:7100".parse().ok());
    test.world.servers = servers;
    assert!(
        words(&test.poll(1, Ok(answers(ID[0]))))
            .iter()
            .any(|word| matches!(word, SentinelWord::Names { .. }))
    );
    test.poll(2, Err(Trouble::Silent));
    let mut fewer = answers(ID[0]);
    fewer.replicas.truncate(1);
    test.poll(1, Ok(fewer));
    let told = roster(&test.registry.entries, (BackendKey(1), "group"), &|host| host.parse().ok(), test.now)
        .expect("a roster");
    assert_eq!((told.nodes.len(), told.coverage), (2, Coverage::Whole));
    test.poll(1, Err(Trouble::Closed));
    assert_eq!(
        roster(&test.registry.entries, (BackendKey(1), "group"), &|host| host.parse().ok(), test.now),
        None
    );
}

#[derive(Debug, Clone)]
enum Random {
    Answer(u32, usize, u16),
    Fail(u32),
    Publish(u32, u8),
    Hear(u16, usize),
    Apply(u16),
}

fn random() -> impl Strategy<Value = Random> {
    prop_oneof![
        (1..12_u32, 0..4_usize, 7098..7104_u16).prop_map(|(slot, id, port)| Random::Answer(slot, id, port)),
        (1..12_u32).prop_map(Random::Fail),
        (1..12_u32, any::<u8>()).prop_map(|(slot, what)| Random::Publish(slot, what)),
        (7200..7230_u16, 0..4_usize).prop_map(|(port, id)| Random::Hear(port, id)),
        (0..3_u16).prop_map(Random::Apply),
    ]
}

proptest! {
    /// Whatever comes in whatever order: the list is bounded, one identity stands in it once, only known ones
    /// speak, and who has been forgotten is silent until it is introduced again.
    #[test]
    fn the_list_stays_sound(steps in prop::collection::vec(random(), 0..80)) {
        let mut test = Test::with(1);
        let mut gone = BTreeSet::new();
        for step in steps {
            let effects = match step {
                Random::Answer(slot, id, port) => {
                    let mut answers = answers(ID[id]);
                    answers.master.node = node(port);
                    answers.replicas.truncate(usize::from(port % 3));
                    answers.peers = vec![PeerView { node: node(7300 + port % 7), run_id: ID[(id + 1) % 4].to_owned() }];
                    test.poll(slot, Ok(answers))
                }
                Random::Fail(slot) => test.poll(slot, Err(Trouble::Silent)),
                Random::Publish(slot, 0..100) => test.publish(slot, What::Decided { master: node(7100) }),
                Random::Publish(slot, 100..200) => {
                    test.publish(slot, What::Selected { master: node(7100), promoted: node(7101) })
                }
                Random::Publish(slot, _) => test.publish(slot, What::Ended { master: node(7100) }),
                Random::Hear(port, id) => test.hear(&hello(port, ID[id])),
                Random::Apply(count) => test.registry.apply(&[group(count)], test.now),
            };
            for effect in &effects {
                if matches!(effect, Effect::Tell(Tone::Notice, text) if text.contains("it names")) {
                    gone.clear();
                }
                let Effect::Say(report) = effect else { continue };
                prop_assert!(!gone.contains(&report.sentinel), "{report:?}");
                if report.word == SentinelWord::Forgotten {
                    gone.insert(report.sentinel);
                }
            }
            let entries = &test.registry.entries;
            prop_assert!(entries.len() <= MOST);
            let mut ids: Vec<_> = entries.iter().filter(|entry| entry.is_known()).filter_map(|entry| entry.run_id.clone()).collect();
            ids.sort();
            let count = ids.len();
            ids.dedup();
            prop_assert_eq!(count, ids.len());
        }
    }
}
