//! Kept probes every ten milliseconds.

use std::time::{Duration, Instant};

use crate::harness::rolecall::redis_config;
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

/// How often the server was asked, and how many connections it has taken.
fn asked(redis: &Redis) -> (u64, u64) {
    let stats = redis.call(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_ping:calls=")?.split(',').next());
    (calls.map_or(0, |calls| calls.parse().expect("a number")), redis.connections_received())
}

#[test]
fn three_servers_are_asked_a_hundred_times_a_second_on_one_connection_each() {
    let master = Redis::master();
    let servers = [Redis::replica_of(&master), Redis::replica_of(&master)];
    let port = free_port();
    let ports = [master.port, servers[0].port, servers[1].port];
    // Listening for Sentinels is one more connection, whenever it comes.
    let more = "    no option redis-sentinel-discovery\n";
    let config = redis_config(port, &ports, more).replace("inter 100ms", "inter 10ms");
    let rolecall = Rolecall::start(&config, port);
    Client::connect(port).and_then(|mut client| client.server_port()).expect("the master answers");
    // Each has been asked once, and is on the connection that it is asked on from now on.
    ["redis2 is a replica", "redis3 is a replica"].iter().for_each(|line| rolecall.wait_for_output(line));
    let all = || [&master, &servers[0], &servers[1]].map(asked);
    let before = all();
    let begun = Instant::now();
    let mut looks = 0;
    let after = eventually("a hundred questions to each", Duration::from_secs(30), || {
        std::thread::sleep(Duration::from_millis(300));
        looks += 1;
        let after = all();
        before.iter().zip(&after).all(|(before, after)| after.0 >= before.0 + 100).then_some(after)
    });
    // Some more, for what was under way when it began and when it ended.
    let at_most = begun.elapsed().as_millis() as u64 / 10 + 10;
    for (before, after) in before.iter().zip(&after) {
        let (asked, connections) = (after.0 - before.0, after.1 - before.1);
        assert!(asked <= at_most, "asked {asked} times, not {at_most}: {}", rolecall.output());
        // Each look is two connections; and a check that a busy machine delays beyond its timeout connects anew.
        let own = connections - 2 * looks;
        assert!(own <= asked / 20, "{own} connections for {asked} questions");
    }
}
