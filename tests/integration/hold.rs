//! Clients that come while there is no master: how long they wait, how many, in which order, and what becomes
//! of those that leave.

use std::time::{Duration, Instant};

use crate::harness::rolecall::{csv_field, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// One Redis that is dead, and clients that are held for it.
struct Held {
    redis: Redis,
    rolecall: Rolecall,
    config: String,
    port: u16,
    page: u16,
}

impl Held {
    fn start(threads: usize, more: &str, server: &str) -> Held {
        let (port, page) = (free_port(), free_port());
        let mut redis = Redis::master();
        let config = redis_config(port, &[redis.port], more)
            .replace("check inter 100ms", &format!("check inter 50ms {server}"))
            .replace(
                "maxconn 4096",
                &format!("maxconn 4096\n    nbthread {threads}\n    log stdout format raw local0"),
            )
            .replace("mode tcp\n", "mode tcp\n    log global\n    option tcplog\n")
            + &stats_section(page);
        let rolecall = Rolecall::start(&config, port);
        rolecall.wait_for(page);
        Client::connect(port).and_then(|mut client| client.server_port()).expect("the master answers");
        redis.kill();
        eventually("no master", SOON, || rolecall.output().contains("no server available").then_some(()));
        Held { redis, rolecall, config, port, page }
    }

    fn client(&self) -> Client {
        Client::connect_within(self.port, Duration::from_secs(30)).expect("the frontend accepts")
    }

    fn wait_for_queue(&self, length: usize) {
        eventually("the queue", SOON, || {
            let now = csv_field(self.page, "redis_backend", "BACKEND", "qcur")?;
            (now == length.to_string()).then_some(())
        });
    }
}

/// How far from its place in the line everybody was served.
fn displacements(threads: usize) -> Vec<usize> {
    const CLIENTS: usize = 1000;
    let mut held = Held::start(threads, "    option redis-hold 60s\n", "");
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|at| {
            let mut client = held.client();
            client.send(&["RPUSH", "order", &at.to_string()]).expect("sent ahead");
            client
        })
        .collect();
    held.wait_for_queue(CLIENTS);
    held.redis.start_again(&[]);
    for client in &mut clients {
        client.reply().expect("an answer");
    }
    let order = held.redis.call(&["LRANGE", "order", "0", "-1"]);
    let order: Vec<usize> = order.lines().map(|at| at.parse().expect("a number")).collect();
    assert_eq!(order.len(), CLIENTS);
    order.iter().enumerate().map(|(at, client)| at.abs_diff(*client)).collect()
}

#[test]
fn they_are_served_in_the_order_in_which_they_came() {
    assert!(displacements(1).iter().all(|places| *places == 0));
    // Several workers connect side by side, 128 of those that waited at a time, and the kernel may let one of them
    // wait while the other goes on.
    let displaced = displacements(2);
    let mean = displaced.iter().sum::<usize>() / displaced.len();
    // A random order has a mean of 333.
    assert!(mean <= 250, "{mean} places from where they stood");
}

#[test]
fn the_time_is_the_backends_and_a_hold_that_runs_out_says_so() {
    const HOLD: Duration = Duration::from_secs(8);
    let held = Held::start(2, "    option redis-hold 8s\n", "");
    let mut first = held.client();
    std::thread::sleep(Duration::from_secs(6));
    let begun = Instant::now();
    let mut second = held.client();
    assert!(first.call(&["PING"]).is_err() && second.call(&["PING"]).is_err());
    let waited = begun.elapsed();
    assert!(waited < HOLD, "the clock began anew: {waited:?}");
    held.rolecall.wait_for_output(" sQ ");
    assert!(held.client().call(&["PING"]).is_err());
    held.rolecall.wait_for_output(" SC ");
    assert_eq!(held.rolecall.output().matches(" sQ ").count(), 2, "{}", held.rolecall.output());
}

/// `timeout queue` is for places: it begins when a master is there, however long the hold was.
#[test]
fn who_was_held_for_longer_than_the_queue_lets_wait_is_served_all_the_same() {
    const QUEUE: Duration = Duration::from_secs(3);
    let mut held = Held::start(2, "    option redis-hold 60s\n    timeout queue 3s\n", "");
    let mut clients: Vec<Client> = (0..100).map(|_| held.client()).collect();
    held.wait_for_queue(100);
    let began = Instant::now();
    eventually("the time that the queue lets wait is over", SOON, || (began.elapsed() > QUEUE).then_some(()));
    held.redis.start_again(&[]);
    for client in &mut clients {
        let answer = client.call(&["PING"]);
        assert!(answer.is_ok(), "{answer:?}: {}", held.rolecall.output());
    }
}

#[test]
fn a_client_that_resets_leaves_and_one_that_only_closes_its_half_does_not() {
    let mut held = Held::start(2, "    option redis-hold 60s\n", "");
    let (mut gone, mut half) = (held.client(), held.client());
    gone.send(&["RPUSH", "order", "gone"]).expect("sent");
    half.send(&["RPUSH", "order", "half"]).expect("sent");
    held.wait_for_queue(2);
    rolecall::sys::socket::reset_on_close(gone.stream());
    half.stream().shutdown(std::net::Shutdown::Write).expect("half closed");
    drop(gone);
    held.wait_for_queue(1);
    held.redis.start_again(&[]);
    assert_eq!(half.reply().expect("an answer"), "1");
    assert_eq!(held.redis.call(&["LRANGE", "order", "0", "-1"]), "half");
}

#[test]
fn with_abortonclose_a_fin_is_a_farewell() {
    let held = Held::start(2, "    option redis-hold 60s\n    option abortonclose\n", "");
    let mut client = held.client();
    client.send(&["RPUSH", "order", "1"]).expect("sent");
    held.wait_for_queue(1);
    client.stream().shutdown(std::net::Shutdown::Write).expect("half closed");
    held.wait_for_queue(0);
}

#[test]
fn a_reload_keeps_them_and_a_place_that_is_scarce_is_waited_for_afterwards() {
    let mut held = Held::start(2, "    option redis-hold 60s\n    timeout queue 30s\n", "maxconn 1");
    let mut clients = Vec::new();
    for at in 0..20 {
        let mut client = held.client();
        client.send(&["RPUSH", "order", &at.to_string()]).expect("sent ahead");
        clients.push(client);
        // Two workers that accept at the same moment decide among themselves who came first.
        held.wait_for_queue(at + 1);
    }
    held.rolecall.reload(&held.config.replace("retries 3", "retries 2"));
    held.rolecall.wait_for_output("Loading success.");
    held.wait_for_queue(20);
    held.redis.start_again(&[]);
    for mut client in clients {
        client.reply().unwrap_or_else(|error| panic!("{error}: {}", held.rolecall.output()));
    }
    let order = held.redis.call(&["LRANGE", "order", "0", "-1"]);
    let order: Vec<usize> = order.lines().map(|at| at.parse().expect("a number")).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>(), "one place, one after the other");
}

#[test]
fn they_leave_a_fifth_of_the_places_to_others() {
    let (port, page) = (free_port(), free_port());
    let config = redis_config(port, &[free_port()], "    option redis-hold 60s\n")
        .replace("maxconn 2000", "maxconn 10")
        + &stats_section(page);
    let rolecall = Rolecall::spawn(&config, &["-db"]);
    rolecall.wait_for(page);
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(port).expect("accepted")).collect();
    clients.iter_mut().for_each(|client| client.stream().set_nonblocking(true).expect("a socket option"));
    let mut refused = || {
        let ends = clients.iter_mut().map(|client| client.stream().peek(&mut [0]));
        ends.filter(|end| end.as_ref().is_ok_and(|count| *count == 0)).count()
    };
    eventually("two that are refused", SOON, || (refused() == 2).then_some(()));
    let queue = csv_field(page, "redis_backend", "BACKEND", "qcur");
    assert_eq!((queue.as_deref(), refused()), (Some("8"), 2));
}
