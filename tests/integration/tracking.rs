//! `track`: a second way to servers whose role is checked elsewhere leads to the master only.

use std::io::Read;
use std::time::Duration;

use crate::harness::rolecall::{csv_field, redis_config, stats_section, wait_for_sentinels};
use crate::harness::writers::lost;
use crate::harness::{Client, Redis, Rolecall, Sentinels, Writers, eventually, free_port};

fn second_way(port: u16, servers: &[(u16, &str)]) -> String {
    let mut text = format!("listen second\n    bind 127.0.0.1:{port}\n    balance roundrobin\n");
    for (at, (server, tracked)) in servers.iter().enumerate() {
        text += &format!("    server s{} 127.0.0.1:{server} track {tracked}\n", at + 1);
    }
    text
}

fn reached(port: u16) -> Option<u16> {
    Client::connect(port).and_then(|mut client| client.server_port()).ok()
}

#[test]
fn who_tracks_a_replica_gets_no_clients_and_who_tracks_a_demoted_master_loses_them() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let (port, second, page) = (free_port(), free_port(), free_port());
    let tracking = [(master.port, "redis_backend/redis1"), (replica.port, "redis_backend/redis2")];
    let config = redis_config(port, &[master.port, replica.port], "")
        + &second_way(second, &tracking)
        + &stats_section(page);
    let rolecall = Rolecall::start(&config, port);
    eventually("the master, by the second way", Duration::from_secs(30), || {
        reached(second).filter(|found| *found == master.port)
    });
    assert_eq!((0..10).filter_map(|_| reached(second)).collect::<Vec<_>>(), vec![master.port; 10]);
    let status = |name: &str| csv_field(page, "second", name, "status").unwrap_or_default();
    eventually("the replica is known", Duration::from_secs(30), || (status("s2") == "DOWN").then_some(()));
    assert_eq!(status("s1"), "UP");

    let mut client = Client::connect(second).expect("the second way accepts");
    assert_eq!(client.server_port().expect("a server answers"), master.port);
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    master.call(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    client.stream().read_to_end(&mut Vec::new()).expect("a FIN, not a reset");
    eventually("the new master, by the second way", Duration::from_secs(30), || {
        reached(second).filter(|found| *found == replica.port)
    });
    rolecall.wait_for_output("Server second/s1 is DOWN via redis_backend/redis1.");
}

/// The freeze that keeps a planned failover from losing writes is one of the server, by whichever way clients came.
#[test]
fn a_planned_failover_loses_no_write_of_those_who_came_by_the_second_way() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let sentinels = Sentinels::watching(&master, 1, 3, Duration::from_secs(5));
    let (port, second) = (free_port(), free_port());
    let tracking = [(master.port, "redis_backend/redis1"), (replica.port, "redis_backend/redis2")];
    let config = redis_config(port, &[master.port, replica.port], "") + &second_way(second, &tracking);
    let rolecall = Rolecall::start(&config, port);
    let soon = Duration::from_secs(20);
    wait_for_sentinels(&rolecall, 3);
    eventually("the master, by the second way", soon, || {
        reached(second).filter(|found| *found == master.port)
    });
    let writers = Writers::start(second, 4, None);
    writers.write(100, soon);
    sentinels.fail_over();
    rolecall.wait_for_output_within(" took over from redis1: ", soon);
    // The old master stays one for ten more seconds.
    writers.write(300, soon);
    let written = writers.stop();
    assert_eq!(lost(&written, replica.port, None), 0, "acknowledged writes are lost: {}", rolecall.output());
    for writer in &written {
        assert_eq!((&writer.refused[..], writer.ended.len()), (&[][..], 1), "{}", rolecall.output());
    }
}

/// Each reload turns the chain round: no moment may see a chain that closes.
#[test]
fn a_reload_turns_a_chain_round_under_clients() {
    let master = Redis::master();
    let (port, second, page) = (free_port(), free_port(), free_port());
    let config = |chain: &str| {
        format!(
            "{}listen second\n    bind 127.0.0.1:{second}\n{chain}{}",
            redis_config(port, &[master.port], ""),
            stats_section(page)
        )
    };
    let line =
        |name: &str, tracked: &str| format!("    server {name} 127.0.0.1:{} track {tracked}\n", master.port);
    let chains = [
        line("a", "b") + &line("b", "redis_backend/redis1"),
        line("a", "redis_backend/redis1") + &line("b", "a"),
    ];
    let rolecall = Rolecall::start(&config(&chains[0]), port);
    eventually("the first client", Duration::from_secs(30), || reached(second));
    for turn in 1..10 {
        rolecall.reload(&config(&chains[turn % 2]));
        let tracked = ["b", "redis_backend/redis1"][turn % 2];
        let tracked = if tracked == "b" { "second/b" } else { tracked };
        eventually("the reload", Duration::from_secs(30), || {
            assert_eq!(reached(second), Some(master.port), "{}", rolecall.output());
            (csv_field(page, "second", "a", "tracked").as_deref() == Some(tracked)).then_some(())
        });
    }
}
