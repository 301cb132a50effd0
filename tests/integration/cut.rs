//! Sessions on a server that is no longer the master are ended, and every reply it sent arrives.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::rolecall::redis_config;
use crate::harness::{Client, Redis, Rolecall, free_port};

#[test]
fn a_demoted_master_loses_its_sessions_and_no_reply_byte() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let rolecall = Rolecall::start(&redis_config(port, &[master.port, replica.port], ""), port);
    let value = "x".repeat(4 << 20);
    let mut client = Client::connect(port).expect("the frontend accepts");
    client.call(&["SET", "big", &value]).expect("a reply");

    // The reply is under way, more than the kernel's buffers hold, when the roles change; the client reads late.
    client.send(&["GET", "big"]).expect("the command is sent");
    client.stream().peek(&mut [0]).expect("the reply begins");
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    master.call(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    std::thread::sleep(Duration::from_millis(700));
    let mut received = Vec::new();
    let stream = client.stream();
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    stream.read_to_end(&mut received).expect("a FIN, not a reset");
    assert_eq!(
        received.len(),
        value.len() + format!("${}\r\n\r\n", value.len()).len(),
        "{}",
        rolecall.output()
    );
}

#[test]
fn blocked_and_subscribed_clients_are_cut_with_a_fin() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let port = free_port();
    let rolecall = Rolecall::start(&redis_config(port, &[master.port, replica.port], ""), port);
    let mut blocked = Client::connect_within(port, Duration::from_secs(10)).expect("the frontend accepts");
    blocked.send(&["BLPOP", "nothing", "0"]).expect("the command is sent");
    let mut subscribed = Client::connect_within(port, Duration::from_secs(10)).expect("the frontend accepts");
    subscribed.call(&["SUBSCRIBE", "news"]).expect("a reply");
    replica.call(&["REPLICAOF", "NO", "ONE"]);
    master.call(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    for client in [&mut blocked, &mut subscribed] {
        let mut rest = Vec::new();
        // Redis answers BLPOP with -UNBLOCKED when it becomes a replica; both end with a FIN.
        client.stream().read_to_end(&mut rest).expect("a FIN, not a reset");
    }
    let mut fresh = Client::connect(port).expect("the frontend accepts");
    assert_eq!(fresh.server_port().expect("a server answers"), replica.port, "{}", rolecall.output());
    fresh.stream().flush().expect("nothing is left to write");
}
