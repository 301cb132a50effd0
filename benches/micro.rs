//! The parts whose cost grows with the traffic or with the config, each alone and without a socket:
//! `cargo bench --bench micro`, or `cargo bench --bench micro -- balance` for some of them.
//!
//! | bench | what is timed | bar |
//! |---|---|---|
//! | `config/10000 lines` | text to model, as `-c` does it once the file is read | 50 ms |
//! | `balance/...` | one pick among 3 and 100 servers | |
//! | `session/...` | connect, one request, one reply, both FINs; and a request with its reply alone | |
//! | `guard/...` | what one check result costs the guard of three servers | |
//! | `resp/...` | finding the end of an INFO reply, and reading the role out of it | |

#![allow(clippy::unwrap_used, reason = "a bench ends with what it did not expect")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rolecall::balance::{Balancer, Candidate, Offer, Request};
use rolecall::config::model::{
    Backend, BackendId, Balance, Config, Frontend, FrontendId, Server, ServerAddress, ServerPort,
};
use rolecall::config::{Bundle, load};
use rolecall::guard::decide::Standing;
use rolecall::guard::machine::{GuardState, Input, Observation, Seat, Setup};
use rolecall::proxy::contract::{Event, Op, Side};
use rolecall::proxy::session::{Context, Session, SessionOrigin};
use rolecall::redis::resp::{ReplyScanner, Scan};
use rolecall::redis::role::Findings;
use rolecall::redis::{Role, RoleReport};
use rolecall::state::{Admission, Guarding, ServerKey, SessionToken, Snapshot, Workers};
use rolecall::time::Tick;

const INFO: &str = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
    slave0:ip=10.0.0.2,port=6379,state=online,offset=7340032,lag=0\r\n\
    slave1:ip=10.0.0.3,port=6379,state=online,offset=7340032,lag=1\r\n\
    master_failover_state:no-failover\r\nmaster_replid:8371445ee67d3a4c4a3a2f4b1b5f0c9d8e7f6a5b\r\n\
    master_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:7340032\r\n\
    second_repl_offset:-1\r\nrepl_backlog_active:1\r\nrepl_backlog_size:1048576\r\n\
    repl_backlog_first_byte_offset:6291457\r\nrepl_backlog_histlen:1048576\r\n";

fn config_of(lines: usize) -> String {
    let mut text =
        "defaults\n mode tcp\n timeout connect 2s\n timeout client 120s\n timeout server 120s\n\n".to_owned();
    let mut written = text.lines().count();
    for section in 0.. {
        if written + 12 > lines {
            break;
        }
        let (port, net) = (10_000 + section, section % 256);
        write!(
            text,
            "listen redis{section}\n    bind 127.0.0.1:{port}\n    option tcp-check\n    \
             tcp-check send AUTH\\ \"secret\"\\r\\n\n    tcp-check expect string +OK\n    \
             tcp-check send info\\ replication\\r\\n\n    tcp-check expect string role:master\n    \
             server a 10.0.{net}.1:6379 check inter 1s\n    server b 10.0.{net}.2:6379 check inter 1s\n    \
             server c 10.0.{net}.3:6379 check inter 1s backup\n    # the next one\n\n"
        )
        .unwrap();
        written += 12;
    }
    text.extend(std::iter::repeat_n("#\n", lines.saturating_sub(written)));
    text
}

fn config(criterion: &mut Criterion) {
    let text = config_of(10_000);
    assert_eq!(text.lines().count(), 10_000);
    let bundle = Bundle { files: vec![("bench.cfg".to_owned(), text.into_bytes())], ..Bundle::default() };
    let loaded = load(&bundle);
    assert!(
        loaded.config.is_some_and(|config| config.backends.len() > 800),
        "{:?}",
        loaded.diagnostics.first()
    );
    let mut group = criterion.benchmark_group("config");
    group.sample_size(20).throughput(Throughput::Elements(10_000));
    group.bench_function("10000 lines", |bench| bench.iter(|| load(black_box(&bundle))));
    group.finish();
}

fn balance(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("balance");
    for count in [3_u32, 100] {
        for (name, algorithm) in [
            ("roundrobin", Balance::RoundRobin),
            ("leastconn", Balance::LeastConn),
            ("source", Balance::Source(Default::default())),
        ] {
            let mut balancer = Balancer::default();
            let request = Request { client: Some([10, 1, 2, 3].into()), avoid: None, key: None };
            let offer = |key| Offer {
                key,
                candidate: Some(Candidate { weight: 1 + key % 3, load: key % 7, full: false }),
            };
            group.bench_function(format!("{name}, {count} servers"), |bench| {
                bench.iter(|| balancer.pick(algorithm, black_box(request), (0..count).map(offer)));
            });
        }
    }
    group.finish();
}

/// A frontend that leads to one server, and the one worker there is.
struct World {
    snapshot: Snapshot,
    workers: Workers,
}

impl World {
    fn new() -> World {
        let address = ServerAddress::Ip { ip: [127, 0, 0, 1].into(), port: ServerPort::Fixed(6379) };
        let server = Server { name: "redis1".to_owned(), address: Some(address), ..Server::default() };
        let timeout = Some(Duration::from_secs(120));
        let config = Config {
            frontends: vec![Frontend {
                name: "front".to_owned(),
                default_backend: Some(BackendId(0)),
                timeout_client: timeout,
                ..Frontend::default()
            }],
            backends: vec![Backend {
                name: "back".to_owned(),
                servers: vec![server],
                timeout_connect: timeout,
                timeout_server: timeout,
                ..Backend::default()
            }],
            ..Config::default()
        };
        let empty = Snapshot::empty(1);
        let snapshot =
            Snapshot::build(Arc::new(config), vec![Vec::new()], &[Guarding::None], &empty, Tick(0));
        World { snapshot, workers: Workers::new(1).unwrap() }
    }

    fn context(&self) -> Context<'_> {
        Context { snapshot: &self.snapshot, now: Tick(5), workers: &self.workers }
    }

    /// Accepted, assigned and connected.
    fn relaying(&self, ops: &mut Vec<Op>) -> Session {
        let admission = Admission::reserve(&self.snapshot, FrontendId(0), Tick(5)).unwrap();
        let origin = SessionOrigin {
            bind: 0,
            destination: None,
            token: SessionToken { worker: 0, slot: 0, turn: 0 },
            frontend: FrontendId(0),
            port: 6379,
            client: Some(([127, 0, 0, 1], 40_000).into()),
            accepted: Tick(5),
            accepted_at: SystemTime::UNIX_EPOCH,
            announced: None,
            tls: None,
        };
        let mut session = Session::new(origin, admission, &self.context());
        session.start(&self.context(), ops);
        session.handle(Event::Connected, &self.context(), ops);
        assert!(ops.contains(&Op::Relay), "{ops:?}");
        session
    }
}

fn session(criterion: &mut Criterion) {
    let (world, mut ops) = (World::new(), Vec::new());
    let mut group = criterion.benchmark_group("session");
    group.bench_function("a whole life", |bench| {
        bench.iter(|| {
            let mut session = world.relaying(&mut ops);
            for event in [
                Event::Received(Side::Client, 40),
                Event::Received(Side::Server, 5),
                Event::Eof(Side::Client),
                Event::Eof(Side::Server),
            ] {
                session.handle(black_box(event), &world.context(), &mut ops);
            }
            assert_eq!(ops.last(), Some(&Op::End));
            ops.clear();
        });
    });
    let mut session = world.relaying(&mut ops);
    group.bench_function("a request and its reply", |bench| {
        bench.iter(|| {
            session.handle(black_box(Event::Received(Side::Client, 40)), &world.context(), &mut ops);
            session.handle(black_box(Event::Received(Side::Server, 5)), &world.context(), &mut ops);
        });
    });
    group.finish();
}

fn guard(criterion: &mut Criterion) {
    let report = |server: u32, role: Role| Observation {
        server: ServerKey(server),
        passed: role == Role::Master,
        report: Some(RoleReport {
            run_id: Some(format!("{server:040}")),
            replid: Some("8371445ee67d3a4c4a3a2f4b1b5f0c9d8e7f6a5b".to_owned()),
            replid2: Some("0".repeat(40)),
            connected_replicas: Some(if role == Role::Master { 2 } else { 0 }),
            uptime: Some(Duration::from_secs(100)),
            ..RoleReport::of(role)
        }),
    };
    let seat = |key| Seat { key: ServerKey(key), standing: Standing::Up, is_checked: true };
    let mut guard = GuardState::new(Tick(0));
    let seats = (1..=3).map(seat).collect();
    let (hold, window) = (Some(Duration::from_secs(5)), Duration::from_secs(2));
    guard.step(
        Input::Apply(Setup {
            guarding: Guarding::Master,
            hold,
            freeze: hold.unwrap_or_default(),
            window,
            seats,
            awaits_sentinels: false,
        }),
        Tick(0),
    );
    let round = [report(1, Role::Master), report(2, Role::Replica), report(3, Role::Replica)];
    for observation in round.clone() {
        guard.step(Input::Checked(observation), Tick(1));
    }
    assert_eq!(guard.master(), Some(ServerKey(1)));
    let mut turns = round.iter().cycle();
    criterion.bench_function("guard/one check result of three servers", |bench| {
        bench.iter(|| {
            let observation = turns.next().cloned().unwrap();
            guard.step(Input::Checked(black_box(observation)), Tick(2))
        });
    });
}

fn resp(criterion: &mut Criterion) {
    let reply = format!("${}\r\n{INFO}\r\n", INFO.len()).into_bytes();
    let mut group = criterion.benchmark_group("resp");
    group.throughput(Throughput::Bytes(reply.len() as u64));
    group.bench_function("the end of an INFO reply", |bench| {
        bench.iter(|| {
            let scan = ReplyScanner::default().scan(black_box(&reply));
            assert!(matches!(scan, Scan::Complete { used, .. } if used == reply.len()), "{scan:?}");
        });
    });
    group.bench_function("the role in an INFO reply", |bench| {
        bench.iter(|| {
            let mut findings = Findings::default();
            findings.absorb_reply(black_box(&reply));
            findings.into_report().unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, config, balance, session, guard, resp);
criterion_main!(benches);
