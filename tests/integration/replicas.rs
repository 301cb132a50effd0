//! Read backends: `option redis-replica`. Who is read from, who is not and why, and what stands in.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::rolecall::{csv_field, http, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// A frontend on `port` and its read backend.
fn read_section(port: u16, servers: &[u16], option: &str) -> String {
    let mut text = format!(
        "frontend read\n    bind 127.0.0.1:{port}\n    default_backend readers\n\
         backend readers\n    option redis-check\n    {option}\n    balance roundrobin\n    timeout check 1s\n"
    );
    for (at, server) in servers.iter().enumerate() {
        text.push_str(&format!("    server redis{} 127.0.0.1:{server} check inter 50ms\n", at + 1));
    }
    text
}

struct Stack {
    write: u16,
    read: u16,
    page: u16,
    rolecall: Rolecall,
}

impl Stack {
    fn start(servers: &[u16], option: &str) -> Stack {
        let write = free_port();
        Stack::with(write, &redis_config(write, servers, ""), servers, option)
    }

    /// Without a backend whose guard chooses a master: nobody has clients that write.
    fn of_readers_only(servers: &[u16], option: &str) -> Stack {
        let defaults = "defaults\n    timeout connect 2s\n    timeout client 120s\n    timeout server 120s\n";
        Stack::with(0, defaults, servers, option)
    }

    fn with(write: u16, writing: &str, servers: &[u16], option: &str) -> Stack {
        let (read, page) = (free_port(), free_port());
        let config = writing.to_owned() + &read_section(read, servers, option) + &stats_section(page);
        let rolecall = Rolecall::start(&config, read);
        rolecall.wait_for(page);
        Stack { write, read, page, rolecall }
    }

    /// `examples/read-write-split.cfg`, on other ports.
    fn of_example(servers: &[u16]) -> Stack {
        let (write, read, page) = (free_port(), free_port(), free_port());
        let mut config = include_str!("../../examples/read-write-split.cfg").to_owned();
        let places = [6380, 6381, 8404, 7001, 7002, 7003];
        for (place, port) in places.iter().zip([write, read, page].iter().chain(servers)) {
            config = config.replace(&format!("127.0.0.1:{place}"), &format!("127.0.0.1:{port}"));
        }
        let rolecall = Rolecall::start(&config, write);
        rolecall.wait_for(read);
        rolecall.wait_for(page);
        Stack { write, read, page, rolecall }
    }

    /// The servers that `count` readers reach, in the order of their ports.
    fn readers_reach(&self, count: usize) -> Option<Vec<u16>> {
        let ports = (0..count).map(|_| Client::connect(self.read)?.server_port());
        let mut ports: Vec<u16> = ports.collect::<std::io::Result<_>>().ok()?;
        ports.sort_unstable();
        ports.dedup();
        Some(ports)
    }

    fn wait_for_readers_at(&self, servers: &[u16]) {
        let mut want = servers.to_vec();
        want.sort_unstable();
        eventually("the readers' servers", SOON, || {
            (self.readers_reach(6).as_ref() == Some(&want)).then_some(())
        });
    }

    fn wait_for_page(&self, text: &str) {
        eventually(text, SOON, || http(self.page, "/", "").contains(text).then_some(()));
    }

    fn wait_for_status(&self, server: &str, status: &str) {
        eventually(status, SOON, || {
            (csv_field(self.page, "readers", server, "status").as_deref() == Some(status)).then_some(())
        });
    }
}

#[test]
fn reads_go_to_replicas_and_fall_back_to_the_master_and_return() {
    let master = Redis::master();
    let mut replicas = [Redis::replica_of(&master), Redis::replica_of(&master)];
    let (first, second) = (replicas[0].port, replicas[1].port);
    let stack = Stack::of_example(&[master.port, first, second]);
    stack.wait_for_readers_at(&[first, second]);
    let writer =
        || Client::connect(stack.write).and_then(|mut client| client.server_port()).expect("a master");
    assert!((0..10).all(|_| writer() == master.port));
    stack.wait_for_page("stands in while no replica is fit");

    replicas[0].kill();
    stack.wait_for_readers_at(&[second]);
    replicas[1].kill();
    stack.wait_for_readers_at(&[master.port]);
    stack.wait_for_page("stands in: no replica is fit");
    assert!((0..10).all(|_| writer() == master.port));

    replicas.iter_mut().for_each(|replica| replica.start_again(&[]));
    stack.wait_for_readers_at(&[first, second]);
    assert!((0..10).all(|_| writer() == master.port));
}

#[test]
fn a_replica_that_follows_somebody_else_is_not_read_from_and_keeps_its_readers() {
    let (master, stranger) = (Redis::master(), Redis::master());
    let replicas = [Redis::replica_of(&master), Redis::replica_of(&master)];
    let (first, second) = (replicas[0].port, replicas[1].port);
    // A guard would take the last step for what it is, a succession, and read from the new master.
    let stack = Stack::of_readers_only(&[master.port, first, second], "option redis-replica");
    stack.wait_for_readers_at(&[first, second]);
    let mut reader = eventually("a reader at the first", SOON, || {
        let mut client = Client::connect(stack.read).ok()?;
        (client.server_port().ok()? == first).then_some(client)
    });
    // Nobody listens there: the link stays down.
    replicas[0].call(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    stack.wait_for_readers_at(&[second]);
    stack.wait_for_page("not read from: link down");
    stack.rolecall.wait_for_output("readers/redis2 is not read from: link down.");
    assert_eq!(reader.server_port().expect("its session goes on"), first);

    replicas[0].call(&["REPLICAOF", "127.0.0.1", &stranger.port.to_string()]);
    stack.wait_for_page("follows another master than redis1");
    assert_eq!(stack.readers_reach(6), Some(vec![second]));

    replicas[0].call(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    stack.wait_for_readers_at(&[first, second]);
    assert_eq!(reader.server_port().expect("its session goes on"), first);

    // Another role ends sessions.
    replicas[0].call(&["REPLICAOF", "NO", "ONE"]);
    eventually("the cut", SOON, || reader.call(&["PING"]).err());
    stack.wait_for_readers_at(&[second]);
    stack.wait_for_page("role:master, but redis1 is the master");
}

#[test]
fn silence_of_the_master_makes_its_replicas_stale() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    // It pings every 10 s: a replica that has all that an answering master has is not late.
    let stack = Stack::start(&[master.port, replica.port], "option redis-replica max-lag 2s");
    stack.wait_for_readers_at(&[replica.port]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stack.readers_reach(4), Some(vec![replica.port]));
    master.process.signal("STOP");
    stack.wait_for_status("redis2", "DOWN");
    stack.wait_for_page("since it heard from its master, 2 s allowed");
    master.process.signal("CONT");
    stack.wait_for_readers_at(&[replica.port]);
}

/// Passes bytes between a replica and its master, until told to stop.
struct Wire {
    port: u16,
    open: Arc<AtomicBool>,
}

impl Wire {
    fn to(master: u16) -> Wire {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let open = Arc::new(AtomicBool::new(true));
        let gate = Arc::clone(&open);
        std::thread::spawn(move || {
            for replica in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", master)) else { continue };
                let back = (replica.try_clone(), upstream.try_clone());
                let (Ok(answers), Ok(orders)) = back else { continue };
                let gate = Arc::clone(&gate);
                std::thread::spawn(move || pass(replica, upstream, &AtomicBool::new(true)));
                std::thread::spawn(move || pass(orders, answers, &gate));
            }
        });
        Wire { port, open }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, open: &AtomicBool) {
    let mut block = [0; 65536];
    loop {
        let read = from.read(&mut block);
        // Neither bytes nor an end get through.
        while !open.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match read {
            Ok(count) if count > 0 && to.write_all(&block[..count]).is_ok() => {}
            _ => break,
        }
    }
    // The other end may be gone already.
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_replica_that_falls_behind_is_left_until_it_has_caught_up() {
    let master = Redis::with(&["--client-output-buffer-limit", "replica 4mb 4mb 0"]);
    let wire = Wire::to(master.port);
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &wire.port.to_string()]);
    let stack = Stack::start(&[master.port, replica.port], "option redis-replica max-lag 1m");
    stack.wait_for_readers_at(&[replica.port]);
    wire.open.store(false, Ordering::Relaxed);
    let value = "x".repeat(1 << 20);
    let mut writer = Client::connect(stack.write).expect("a master");
    for key in 0..40 {
        writer.call(&["SET", &format!("key{key}"), &value]).expect("a write");
    }
    stack.wait_for_readers_at(&[master.port]);
    stack.wait_for_page("MB behind, 1 MB allowed");
    // The master has thrown the replica out, for its output buffer is full; the replica has not heard of it.
    eventually("the full buffer", SOON, || (master.info("connected_slaves") == "0").then_some(()));
    wire.open.store(true, Ordering::Relaxed);
    stack.wait_for_readers_at(&[replica.port]);
    assert_eq!(replica.call(&["DBSIZE"]), "40");
}

#[test]
fn without_replica_and_master_a_backup_or_nobody_is_read_from() {
    let mut master = Redis::master();
    let mut replica = Redis::replica_of(&master);
    let spare = Redis::replica_of(&master);
    let (read, page) = (free_port(), free_port());
    let defaults =
        "defaults\n    mode tcp\n    timeout connect 1s\n    timeout client 10s\n    timeout server 10s\n";
    let config =
        format!("{defaults}{}", read_section(read, &[master.port, replica.port], "option redis-replica"))
            + &format!("    server spare 127.0.0.1:{} check inter 50ms backup\n", spare.port)
            + &stats_section(page);
    let rolecall = Rolecall::start(&config, read);
    let stack = Stack { write: 0, read, page, rolecall };
    stack.wait_for_readers_at(&[replica.port]);
    replica.kill();
    stack.wait_for_readers_at(&[master.port]);
    // The spare one follows nobody from now on, and is master itself: for want of anything else it will do.
    spare.call(&["REPLICAOF", "NO", "ONE"]);
    master.kill();
    stack.wait_for_readers_at(&[spare.port]);
    spare.call(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    eventually("a refusal", SOON, || Client::connect(read).ok()?.call(&["PING"]).err());
}
