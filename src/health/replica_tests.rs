use super::*;

const SELF: ServerKey = ServerKey(1);
const NOW: Tick = Tick(100_000);

fn replica() -> RoleReport {
    RoleReport {
        replid: Some("h1".to_owned()),
        offset: Some(5_000_000),
        link_up: Some(true),
        heard_from_master: Some(Duration::from_secs(1)),
        ..RoleReport::of(Role::Replica)
    }
}

fn master(key: u32, offset: u64, heard: u64) -> Master {
    Master {
        key: ServerKey(key),
        name: format!("redis{key}"),
        at: key as usize,
        replid: Some("h1".to_owned()),
        offset: Some(offset),
        heard: Tick(heard),
        connected_replicas: 0,
        chosen: false,
    }
}

fn known(master: Master) -> Masters {
    Masters { own: Some(master.clone()), source: Some(master) }
}

fn words(report: &RoleReport, max_lag: Option<Lag>, masters: &Masters) -> String {
    match judge(SELF, report, ReplicaOptions { max_lag }, masters, NOW) {
        Fit::Replica => "replica".to_owned(),
        Fit::StandsIn => "stands in".to_owned(),
        Fit::Unfit(unfit) => unfit.to_string(),
    }
}

#[test]
fn a_replica_is_read_from_while_its_link_is_up_and_it_keeps_up() {
    const MIB: u64 = 1 << 20;
    let bytes = |count| Some(Lag::Bytes(count));
    let seconds = |count| Some(Lag::Time(Duration::from_secs(count)));
    let down = RoleReport { link_up: Some(false), ..replica() };
    let idle = RoleReport { heard_from_master: Some(Duration::from_secs(9)), ..replica() };
    let other = RoleReport { replid: Some("h2".to_owned()), ..replica() };
    let ahead = || known(master(2, 5_000_000 + 4 * MIB + 200_000, 99_900));
    let in_step = || known(master(2, 5_000_000, 99_000));
    let gone = || known(master(2, 5_000_000, 88_000));
    let rows: &[(&RoleReport, Option<Lag>, Masters, &str)] = &[
        (&replica(), None, Masters::default(), "replica"),
        (&replica(), None, ahead(), "replica"),
        (&down, None, ahead(), "link down"),
        (&RoleReport { link_up: None, ..replica() }, None, ahead(), "link down"),
        (&replica(), bytes(MIB), ahead(), "4.1 MB behind, 1 MB allowed"),
        (&replica(), bytes(5 * MIB), ahead(), "replica"),
        (&replica(), bytes(0), in_step(), "replica"),
        // It may have got more since its master was asked.
        (&replica(), bytes(0), known(master(2, 4_000_000, 99_000)), "replica"),
        (&replica(), bytes(0), known(master(2, 5_000_001, 99_000)), "1 bytes behind, 0 bytes allowed"),
        (&replica(), bytes(MIB), Masters::default(), "lag unknown: no server with its history says master"),
        (&replica(), seconds(1), Masters::default(), "replica"),
        (&idle, seconds(5), Masters::default(), "9 s since it heard from its master, 5 s allowed"),
        // An idle master pings every ten seconds; who has all that it has is not behind.
        (&idle, seconds(5), in_step(), "replica"),
        (&idle, seconds(5), gone(), "9 s since it heard from its master, 5 s allowed"),
        (
            &RoleReport { heard_from_master: None, ..replica() },
            seconds(5),
            ahead(),
            "lag unknown: no server with its history says master",
        ),
        (&other, None, in_step(), "follows another master than redis2"),
    ];
    for (at, (report, max_lag, masters, want)) in rows.iter().enumerate() {
        assert_eq!(words(report, *max_lag, masters), *want, "row {at}");
    }
}

#[test]
fn one_master_stands_in() {
    let says = RoleReport::of(Role::Master);
    assert_eq!(words(&says, None, &known(master(1, 0, 0))), "stands in");
    assert_eq!(words(&says, None, &known(master(2, 0, 0))), "role:master, but redis2 is the master");
    assert_eq!(words(&RoleReport::of(Role::ActiveReplica), None, &Masters::default()), "role:active-replica");
    let first = master(1, 0, 0);
    let fed = Master { connected_replicas: 2, ..master(2, 0, 0) };
    let chosen = Master { chosen: true, ..master(3, 0, 0) };
    assert!(first.rank() > master(2, 0, 0).rank() && fed.rank() > first.rank() && chosen.rank() > fed.rank());
}

#[test]
fn only_what_cannot_be_known_yet_is_counted() {
    assert!(Unfit::Unmeasured.may_pass() && Unfit::Follows(String::new()).may_pass());
    assert!(!Unfit::LinkDown.may_pass() && !Unfit::Behind { bytes: 2, allowed: 1 }.may_pass());
}
