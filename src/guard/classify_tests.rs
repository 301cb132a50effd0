use super::super::scripts::{backend, binary, not, rbinary, rstring, script, send, string};
use super::*;
use crate::config::model::{CheckAction, CheckConnect, RedisOptions, ReplicaOptions, Secret};

#[test]
fn every_way_to_ask_for_the_master_is_found() {
    let info = || send("INFO replication\r\n");
    let resp = "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";
    let rows = vec![
        (
            "the usual one",
            script(vec![
                CheckAction::Connect(CheckConnect::default()),
                send("AUTH my-redis-password\r\n"),
                string("+OK"),
                send("PING\r\n"),
                string("+PONG"),
                send("INFO REPLICATION\r\n"),
                string("role:master"),
                send("QUIT\r\n"),
                string("+OK"),
            ]),
        ),
        ("bare INFO", script(vec![send("info\r\n"), string("role:master")])),
        ("rstring", script(vec![info(), rstring("role:(master|leader)")])),
        ("inverse", script(vec![info(), not("role:slave")])),
        ("inverse, new word", script(vec![info(), not("role:replica")])),
        ("ROLE", script(vec![send("ROLE\r\n"), string("master")])),
        ("ROLE, rbinary", script(vec![send("ROLE\r\n"), rbinary("6D6173746572")])),
        ("RESP", script(vec![send(resp), string("role:master")])),
        (
            "binary",
            script(vec![
                CheckAction::SendBinary(Secret::new(*b"info replication\r\n")),
                binary(b"role:master"),
            ]),
        ),
        ("split over two sends", script(vec![send("INFO "), send("replication\r\n"), string("role:master")])),
        ("pipelined", script(vec![send("AUTH a b\r\nPING\r\nINFO replication\r\n"), string("role:master")])),
        (
            "RESP3",
            script(vec![
                send("HELLO 3 AUTH default pw\r\n"),
                send("INFO replication\r\n"),
                string("role:master"),
            ]),
        ),
        ("HELLO alone", script(vec![send("HELLO\r\n"), rstring("role\r\n.*\r\nmaster")])),
        ("a write", script(vec![send("SET probe 1\r\n"), string("+OK")])),
        (
            "a master with replicas that is not loading",
            script(vec![
                send("INFO replication\r\n"),
                rstring("role:master\r\nconnected_slaves:[1-9]"),
                send("INFO persistence\r\n"),
                string("loading:0"),
            ]),
        ),
    ];
    for (name, check) in rows {
        assert_eq!(asked_for(&check, 16384), Some(Role::Master), "{name}");
    }
}

#[test]
fn other_scripts_ask_for_replicas_or_for_no_role() {
    let info = || send("INFO replication\r\n");
    let connect = |port| CheckAction::Connect(CheckConnect { port: Some(port), ..CheckConnect::default() });
    let rows = vec![
        ("replica", script(vec![info(), string("role:slave")]), Some(Role::Replica)),
        ("replica, new word", script(vec![info(), rstring("role:(slave|replica)")]), Some(Role::Replica)),
        ("link", script(vec![info(), string("master_link_status:up")]), Some(Role::Replica)),
        ("PING", script(vec![send("PING\r\n"), string("+PONG")]), None),
        ("any role", script(vec![info(), string("role:")]), None),
        ("loading", script(vec![send("INFO persistence\r\n"), string("loading:0")]), None),
        (
            "a Sentinel",
            script(vec![
                connect(26379),
                send("SENTINEL get-master-addr-by-name mymaster\r\n"),
                string("10.9.9.9"),
            ]),
            None,
        ),
        ("a Sentinel's flags", script(vec![send("SENTINEL master mymaster\r\n"), string("flags")]), None),
        ("a typo", script(vec![send("INFO replicationrn"), string("role:master")]), None),
        ("no rule", script(Vec::new()), None),
        ("redis-check", CheckMethod::RedisCheck, None),
        ("connect", CheckMethod::Layer4, None),
    ];
    for (name, check, want) in rows {
        assert_eq!(asked_for(&check, 16384), want, "{name}");
    }
}

#[test]
fn options_take_their_part_away() {
    let master = || script(vec![send("INFO replication\r\n"), string("role:master")]);
    let replica = || script(vec![send("INFO replication\r\n"), string("role:slave")]);
    let options =
        |guard, proof, single_master| RedisOptions { guard, proof, single_master, ..RedisOptions::default() };
    use GuardMode::{Observe, Off, On};
    for (check, redis, want) in [
        (master(), options(On, true, true), Guarding::Master),
        (master(), options(On, false, true), Guarding::Master),
        (master(), options(On, true, false), Guarding::Masters),
        (master(), options(On, false, false), Guarding::None),
        (master(), options(Observe, true, true), Guarding::Observe),
        (master(), options(Observe, true, false), Guarding::None),
        (master(), options(Off, true, true), Guarding::None),
        (replica(), options(On, true, true), Guarding::Replicas),
        (replica(), options(On, false, true), Guarding::None),
        (replica(), options(Observe, true, true), Guarding::None),
        (replica(), options(Off, true, true), Guarding::None),
        (CheckMethod::RedisCheck, options(On, true, true), Guarding::None),
    ] {
        assert_eq!(
            classify(&backend(&["127.0.0.1:6379".parse().unwrap()], check, redis.clone()), 16384),
            want,
            "{redis:?}"
        );
    }
}

#[test]
fn a_read_backend_is_one_for_replicas_whatever_its_script_asks_for() {
    use GuardMode::{Observe, Off, On};
    let replica = Some(ReplicaOptions::default());
    for (guard, proof, want) in [
        (On, true, Guarding::Replicas),
        (On, false, Guarding::None),
        (Observe, true, Guarding::None),
        (Off, true, Guarding::None),
    ] {
        for check in
            [CheckMethod::RedisCheck, CheckMethod::Layer4, script(vec![send("PING\r\n"), string("+PONG")])]
        {
            let options = RedisOptions { guard, proof, replica, ..RedisOptions::default() };
            let backend = backend(&["127.0.0.1:6379".parse().unwrap()], check, options);
            assert_eq!(classify(&backend, 16384), want, "{guard:?} {proof}");
        }
    }
}

#[test]
fn a_read_backend_that_asks_for_the_master_is_warned_of() {
    let check = script(vec![send("INFO replication\r\n"), string("role:master")]);
    let options = RedisOptions { replica: Some(ReplicaOptions::default()), ..RedisOptions::default() };
    let mut config = Config::default();
    config.backends.push(backend(&["127.0.0.1:6379".parse().unwrap()], check, options));
    let [warning] = &advice(&config)[..] else { panic!("one warning") };
    assert!(warning.message.contains("no replica can pass"), "{}", warning.message);
}

#[test]
fn a_script_that_nobody_runs_asks_for_nothing() {
    let check = script(vec![send("INFO replication\r\n"), string("role:master")]);
    let mut backend = backend(&["127.0.0.1:6379".parse().unwrap()], check, RedisOptions::default());
    backend.servers[0].check = None;
    assert_eq!(classify(&backend, 16384), Guarding::None);
}
