//! The cases: each sets up its own servers, does one thing to them, and says what clients saw.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Client, eventually};
use crate::subject::{Balancer, Subject};
use crate::topology::{Server, Topology, client};
use crate::writers::Writers;

/// One case, run for one subject.
pub type Run = fn(Subject) -> Vec<f64>;

/// What is done, and what is measured of it.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    pub what: &'static str,
    pub figures: &'static [Figure],
    /// Whom it is run for.
    pub subjects: &'static [Subject],
    /// For whom the bars are made.
    pub judged: &'static [Subject],
    pub run: Run,
}

/// One thing that is measured.
#[derive(Debug)]
pub struct Figure {
    /// With its unit where it has one.
    pub name: &'static str,
    /// The most that it may be.
    pub bar: Option<f64>,
}

const fn bar(name: &'static str, most: f64) -> Figure {
    Figure { name, bar: Some(most) }
}

const fn plain(name: &'static str) -> Figure {
    Figure { name, bar: None }
}

use Subject::{Haproxy, HaproxyTuned, Rolecall, RolecallSection, RolecallTuned};

/// Every case in which Sentinels have a part.
const WITH_SENTINELS: &[Subject] = &[Rolecall, RolecallSection, RolecallTuned, Haproxy, HaproxyTuned];
const WITHOUT: &[Subject] = &[Rolecall, RolecallTuned, Haproxy, HaproxyTuned];
const OURS: &[Subject] = &[Rolecall, RolecallSection, RolecallTuned];

pub const CASES: &[Case] = &[
    Case {
        name: "planned",
        what: "planned `SENTINEL FAILOVER` under four writers",
        figures: &[
            bar("acknowledged writes lost", 0.0),
            bar("longest gap without a good write, ms", 300.0),
            bar("from the promotion to the first good write, ms", 20.0),
            bar("connections that broke (four are cut)", 4.0),
            bar("connections refused", 0.0),
        ],
        subjects: WITH_SENTINELS,
        judged: OURS,
        run: planned,
    },
    Case {
        name: "killed",
        what: "master killed, Sentinel's `down-after` is 1000 ms, a new client every 4 ms",
        figures: &[
            bar("from the promotion to the first good write, ms", 20.0),
            bar("new connections refused or reset", 0.0),
            plain("of so many"),
            plain("acknowledged writes lost with the master"),
        ],
        subjects: WITH_SENTINELS,
        judged: OURS,
        run: killed,
    },
    Case {
        name: "hung",
        what: "master hung (SIGSTOP), a replica promoted by hand after 1 s, no Sentinel",
        figures: &[bar("from the promotion to the first good write, ms", 150.0)],
        subjects: WITHOUT,
        // The bar is one at `inter 100ms`.
        judged: &[RolecallTuned],
        run: hung,
    },
    Case {
        name: "returned",
        what: "killed master returns as `role:master`",
        figures: &[bar("new connections it gets", 0.0), plain("of so many")],
        subjects: WITH_SENTINELS,
        judged: OURS,
        run: returned,
    },
    Case {
        name: "start",
        what: "30 first connections after the start and 30 after a reload",
        figures: &[
            bar("connections to a replica", 0.0),
            bar("connections refused", 0.0),
            plain("of so many"),
        ],
        subjects: WITHOUT,
        judged: OURS,
        run: start,
    },
    Case {
        name: "two-masters",
        what: "two servers say `role:master` from the start",
        figures: &[bar("runs in which both got connections", 0.0)],
        subjects: WITHOUT,
        judged: OURS,
        run: two_masters,
    },
];

impl Case {
    /// What a figure may be at most for that subject; `None`: no bar is made for it.
    pub fn bar(&self, figure: &Figure, subject: Subject) -> Option<f64> {
        figure.bar.filter(|_| self.judged.contains(&subject))
    }
}

const ELECTION: Duration = Duration::from_secs(60);

/// When one of the replicas says that it is master.
fn promotion(replicas: &[Server]) -> (Instant, u16) {
    let mut watched: Vec<(u16, Client)> =
        replicas.iter().filter_map(|server| Some((server.port, client(server.port, ELECTION)?))).collect();
    let deadline = Instant::now() + ELECTION;
    loop {
        for (port, client) in &mut watched {
            // A promotion ends its clients' connections: then the answer comes on a new one.
            let answer = client.call(&["ROLE"]).or_else(|_| {
                *client = crate::topology::client(*port, ELECTION).ok_or(std::io::ErrorKind::NotConnected)?;
                client.call(&["ROLE"])
            });
            if answer.is_ok_and(|role| role.starts_with("master")) {
                return (Instant::now(), *port);
            }
        }
        assert!(Instant::now() < deadline, "no replica was promoted");
        sleep(Duration::from_micros(500));
    }
}

/// The balancer has seen every server, and clients get through.
fn ready(subject: Subject, topology: &Topology) -> Balancer {
    ready_for(subject, (&topology.ports(), &topology.sentinel_ports()))
}

fn ready_for(subject: Subject, (servers, sentinels): (&[u16], &[u16])) -> Balancer {
    let balancer = subject.start(servers, sentinels);
    eventually("a client that reaches the master", Duration::from_secs(20), || {
        let mut client = client(balancer.port, Duration::from_secs(2))?;
        client.call(&["SET", "ready", "1"]).ok()
    });
    // haproxy needs up to three failed checks a replica, and discovery a hello of each Sentinel.
    sleep(Duration::from_secs(5));
    balancer
}

fn planned(subject: Subject) -> Vec<f64> {
    let topology = Topology::start(2, 3);
    let balancer = ready(subject, &topology);
    let writers = Writers::start(balancer.port);
    sleep(Duration::from_secs(1));
    topology.fail_over();
    let (promoted, _) = promotion(&topology.servers[1..]);
    // Sentinel demotes the old master about eleven seconds later.
    topology.settle();
    sleep(Duration::from_secs(1));
    let outcome = writers.stop(|| topology.settle());
    balancer.tell_course();
    vec![
        outcome.lost as f64,
        outcome.longest_gap(),
        outcome.first_after(promoted),
        outcome.broken as f64,
        outcome.refused as f64,
    ]
}

/// Held clients are held for five seconds, unless the config says something else, and then refused as by HAProxy. A
/// split vote has the Sentinels wait for twenty: such a run says nothing, and is made again.
const HELD: Duration = Duration::from_secs(4);

fn killed(subject: Subject) -> Vec<f64> {
    let outcome = (0..5).find_map(|_| killed_once(subject));
    outcome.expect("an election within five attempts that is not split")
}

fn killed_once(subject: Subject) -> Option<Vec<f64>> {
    let mut topology = Topology::start(2, 3);
    let balancer = ready(subject, &topology);
    let writers = Writers::start(balancer.port);
    sleep(Duration::from_secs(1));
    topology.servers[0].process.kill();
    let began = Instant::now();
    let knocking = Knocking::start(balancer.port);
    let (promoted, _) = promotion(&topology.servers[1..]);
    let election = promoted - began;
    sleep(Duration::from_secs(2));
    let (failed, tried) = knocking.stop();
    topology.settle();
    sleep(Duration::from_secs(1));
    // A busy machine may see a second failover right after the first.
    let outcome = writers.stop(|| topology.settle());
    balancer.tell_course();
    if election > HELD {
        eprintln!("  the Sentinels took {election:.1?} to elect: once more");
        return None;
    }
    Some(vec![outcome.first_after(promoted), failed as f64, tried as f64, outcome.lost as f64])
}

fn hung(subject: Subject) -> Vec<f64> {
    let topology = Topology::start(1, 0);
    let balancer = ready(subject, &topology);
    topology.servers[0].process.signal("STOP");
    sleep(Duration::from_secs(1));
    let promoted = Instant::now();
    topology.servers[1].ask(&["REPLICAOF", "NO", "ONE"]).expect("the replica obeys");
    let gap = loop {
        let reply = client(balancer.port, Duration::from_millis(100))
            .and_then(|mut client| client.call(&["SET", "after", "1"]).ok());
        if reply.is_some() {
            break promoted.elapsed();
        }
        assert!(promoted.elapsed() < ELECTION, "no client was served again");
    };
    topology.servers[0].process.signal("CONT");
    vec![gap.as_secs_f64() * 1000.0]
}

fn returned(subject: Subject) -> Vec<f64> {
    let mut topology = Topology::start(2, 3);
    let balancer = ready(subject, &topology);
    topology.servers[0].process.kill();
    promotion(&topology.servers[1..]);
    eventually("Sentinels that agree", ELECTION, || {
        topology.agreed_master().filter(|port| *port != topology.servers[0].port)
    });
    topology.pause_sentinels();
    topology.servers[0].start_again();
    let deadline = Instant::now() + Duration::from_secs(5);
    let (mut wrong, mut tried) = (0, 0);
    while Instant::now() < deadline {
        tried += 1;
        wrong += usize::from(reached(balancer.port) == Some(topology.servers[0].port));
    }
    vec![f64::from(u32::try_from(wrong).unwrap_or(u32::MAX)), f64::from(tried)]
}

fn start(subject: Subject) -> Vec<f64> {
    let topology = Topology::start(2, 0);
    // The master is last: whoever sends clients out unproven sends them wrong.
    let mut ports = topology.ports();
    ports.rotate_left(1);
    let balancer = subject.start(&ports, &[]);
    let mut met: Vec<Option<u16>> = (0..30).map(|_| reached(balancer.port)).collect();
    sleep(Duration::from_secs(5));
    subject.reload(&balancer);
    // haproxy's new process takes over within this time.
    sleep(Duration::from_millis(150));
    met.extend((0..30).map(|_| reached(balancer.port)));
    let misled = met.iter().flatten().filter(|port| **port != topology.servers[0].port).count();
    let refused = met.iter().filter(|port| port.is_none()).count();
    vec![misled as f64, refused as f64, 60.0]
}

fn two_masters(subject: Subject) -> Vec<f64> {
    let topology = Topology::start(0, 0);
    let other = Topology::start(0, 0);
    let balancer = ready_for(subject, (&[topology.servers[0].port, other.servers[0].port], &[]));
    let ports: std::collections::HashSet<u16> = (0..40).filter_map(|_| reached(balancer.port)).collect();
    vec![if ports.len() > 1 { 1.0 } else { 0.0 }]
}

/// Which server answers a new client.
fn reached(balancer: u16) -> Option<u16> {
    client(balancer, Duration::from_secs(10))?.server_port().ok()
}

/// New connections, one every few milliseconds, that each want one answer and are patient.
struct Knocking {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<(usize, usize)>,
}

impl Knocking {
    fn start(port: u16) -> Knocking {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut knocks = Vec::new();
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                knocks.push(std::thread::spawn(move || reached(port).is_none()));
                sleep(Duration::from_millis(4));
            }
            let tried = knocks.len();
            let failed = knocks.into_iter().filter_map(|knock| knock.join().ok()).filter(|failed| *failed);
            (failed.count(), tried)
        });
        Knocking { stop, thread }
    }

    /// How many failed, of how many.
    fn stop(self) -> (usize, usize) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().expect("it ends")
    }
}
