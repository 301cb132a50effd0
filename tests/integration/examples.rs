//! The configs and the script in `examples/`, run against five redis-server and four redis-sentinel processes: only
//! addresses are changed. (`read-write-split.cfg` is run with the other read backends.)

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::harness::rolecall::{ask, redis_config, wait_for_sentinels};
use crate::harness::writers::lost;
use crate::harness::{Client, Redis, Rolecall, Sentinels, Writers, eventually, free_port};

const SOON: Duration = Duration::from_secs(120);

/// Nine processes each, and a Sentinel that gets no time to run starts no failover.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Topology {
    redis: Vec<Redis>,
    sentinels: Sentinels,
    _alone: MutexGuard<'static, ()>,
}

impl Topology {
    /// The master is the first; `more` are further lines of each Sentinel's config.
    fn start(more: &str) -> Topology {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut redis = vec![Redis::master()];
        for _ in 0..4 {
            redis.push(Redis::replica_of(&redis[0]));
        }
        let sentinels = Sentinels::watching_with(&redis[0], (4, 4), Duration::from_secs(5), more);
        Topology { redis, sentinels, _alone: alone }
    }

    fn ports(&self) -> Vec<u16> {
        self.redis.iter().map(|redis| redis.port).collect()
    }

    /// An example with the addresses of these, its frontend on `port`.
    fn fill_in(&self, example: &str, port: u16) -> String {
        let servers = (6379..6384).zip(self.ports());
        let sentinels = (26379..26383).zip(self.sentinels.ports.iter().copied());
        let places: Vec<(u16, u16)> = servers.chain(sentinels).chain([(6390, port)]).collect();
        let place = |line: &str| {
            let found = places.iter().find_map(|(place, port)| {
                let written = format!("127.0.0.1:{place}");
                let is_whole = line.split_whitespace().any(|word| word == written);
                is_whole.then(|| line.replace(&written, &format!("127.0.0.1:{port}")))
            });
            found.unwrap_or_else(|| line.to_owned()) + "\n"
        };
        example.lines().map(place).collect()
    }
}

/// Four writers go through a planned failover and lose nothing, and what happened can be read.
fn loses_no_write(example: &str) {
    let topology = Topology::start("");
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("s");
    let mut config = topology.fill_in(example, port);
    config.push_str(&format!("global\n    stats socket {} level admin\n", socket.display()));
    let rolecall = Rolecall::start(&config, port);
    wait_for_sentinels(&rolecall, 4);
    eventually("a master that four Sentinels name", SOON, || {
        let shown: serde_json::Value = serde_json::from_str(&ask(&socket, "show redis json")).ok()?;
        let named = |sentinel: &&serde_json::Value| sentinel["names"] == "redis1";
        let count = shown[0]["sentinels"].as_array()?.iter().filter(named).count();
        (count == 4 && shown[0]["master"] == "redis1").then_some(())
    });

    let writers = Writers::start(port, 4, None);
    writers.write(100, SOON);
    topology.sentinels.fail_over();
    rolecall.wait_for_output_within(" took over from redis1: ", SOON);
    // The old master stays one for ten more seconds.
    writers.write(300, SOON);
    let written = writers.stop();
    // There may be attempts before it that came to nothing: a Sentinel that gets no time to run gives one up.
    let (told, record) = eventually("the record of it", SOON, || {
        let told = ask(&socket, "show failovers redis_backend json");
        let told: serde_json::Value = serde_json::from_str(&told).ok()?;
        let wanted =
            |record: &&serde_json::Value| record["ending"] == "switched" && record["from"] == "redis1";
        let record = told[0]["failovers"].as_array()?.iter().find(wanted)?.clone();
        Some((told, record))
    });
    let new = record["to"].as_str().and_then(|name| name.strip_prefix("redis")).expect("a server");
    let new: usize = new.parse().expect("its number");
    assert_eq!(lost(&written, topology.ports()[new - 1], None), 0, "{told}");
    for writer in &written {
        assert_eq!((writer.refused.len(), writer.ended.len()), (0, 1), "{}", rolecall.output());
    }
    assert_eq!(record["sessions_cut"], 4, "{told}");
    let ms = |name: &str| record[name].as_u64().unwrap_or_else(|| panic!("no {name} in {told}"));
    assert!(ms("frozen_ms") <= ms("selected_ms") && ms("selected_ms") <= ms("promoted_ms"), "{told}");
    assert!(ms("promoted_ms") <= ms("cut_ms") && ms("promoted_ms") <= ms("first_client_ms"), "{told}");
}

#[test]
fn the_example_with_named_sentinels_loses_no_write() {
    loses_no_write(include_str!("../../examples/sentinel.cfg"));
}

#[test]
fn the_example_that_finds_its_sentinels_loses_no_write() {
    loses_no_write(include_str!("../../examples/sentinel-discovery.cfg"));
}

/// rolecall hears no Sentinel, its own checks come once a minute (and keep no connection, whose end at the promotion
/// would make them ask at once), and the old master goes on saying role:master:
/// only the script can have told it.
#[test]
fn the_script_tells_rolecall_of_a_failover() {
    let directory = tempfile::tempdir().expect("a directory");
    let (socket, hook) = (directory.path().join("s"), directory.path().join("hook"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/client-reconfig.sh");
    let log = directory.path().join("log");
    let text = format!(
        "#!/bin/sh\nROLECALL_SOCKET={} ROLECALL_BACKEND=redis_backend {} \"$@\" 2>>{log}\ncode=$?\n\
         echo \"$2 $3 exit code $code\" >>{log}\nexit $code\n",
        socket.display(),
        script.display(),
        log = log.display()
    );
    std::fs::write(&hook, text).expect("a script");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("an executable");
    let topology = Topology::start(&format!("sentinel client-reconfig-script mymaster {}\n", hook.display()));
    let (master, port) = (&topology.redis[0], free_port());
    let more = "    no option redis-sentinel-discovery\n    no option redis-probe\n    timeout check 1s\n";
    let config = redis_config(port, &topology.ports(), more)
        .replace("inter 100ms", "inter 60s")
        .replace("global\n", &format!("global\n    stats socket {} level admin\n", socket.display()));
    let rolecall = Rolecall::start(&config, port);
    let reached = || Client::connect(port).and_then(|mut client| client.server_port());
    assert_eq!(reached().expect("a server answers"), master.port);

    topology.sentinels.fail_over();
    let new_port = eventually("the new master", SOON, || reached().ok().filter(|port| *port != master.port));
    assert_eq!(master.info("role"), "master", "it was told before the old one was demoted");
    let new = topology.redis.iter().find(|redis| redis.port == new_port).expect("one of ours");
    assert_eq!(new.info("role"), "master");
    rolecall.wait_for_output("cause: the operator asked for another master than redis1");
    let output = rolecall.output();
    assert!(!output.contains("Sentinel 127.0.0.1"), "{output}");
    // Each Sentinel reports it; whoever comes later is told that it is so.
    let calls = eventually("the scripts' ends", SOON, || {
        let calls = std::fs::read_to_string(&log).unwrap_or_default();
        (calls.matches("exit code").count() >= 4).then_some(calls)
    });
    assert_eq!(calls.matches(" exit code 0\n").count(), calls.lines().count(), "{calls}");
}
