//! A property: whatever both sides do and whenever, each sees what a reference relay would show it, which is no more
//! than a queue each way.
//!
//! | who ends how | what the client sees | what the server sees |
//! |---|---|---|
//! | both by FIN | all that the server wrote, a FIN | all that the client wrote, a FIN |
//! | the server by RST | all that the server wrote, an end | a prefix |
//! | the client by RST | a prefix | a prefix, an end |
//!
//! A freeze delays what the client wrote; a server that closes meanwhile gets no more of it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rolecall::config::model::Splice;
use rolecall::proxy::worker::EngineLoop;
use rolecall::state::Command;
use rolecall::sys::socket::{reset_on_close, unacknowledged};

use super::harness::{
    Balancer, DEADLINE, Splicing, Wish, eventually, own_address, pattern, prepared, spliced,
};

const CASES: u32 = 24;

/// What one side does next. It reads all the while, unless it rests.
#[derive(Debug, Clone, Copy)]
enum Move {
    Write(usize),
    /// Writes nothing for so many microseconds.
    Wait(u64),
    /// Reads nothing for so many microseconds.
    Rest(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Fin,
    Reset,
}

#[derive(Debug, Clone)]
struct Script {
    moves: Vec<Move>,
    /// Bytes that one read takes.
    bite: usize,
    ending: Ending,
}

impl Script {
    fn total(&self) -> usize {
        let written = |step: &Move| if let Move::Write(length) = step { *length } else { 0 };
        self.moves.iter().map(written).sum()
    }
}

/// When its server is frozen, and for how long, in microseconds.
type Freezes = Vec<(u64, u64)>;

#[derive(Debug, Clone)]
struct Case {
    client: Script,
    server: Script,
    freezes: Freezes,
    splicing: Splicing,
}

fn script() -> impl Strategy<Value = Script> {
    let length = prop_oneof![1..100_usize, 1_000..20_000_usize, 60_000..70_000_usize, 100_000..600_000_usize];
    let step = prop_oneof![
        4 => length.prop_map(Move::Write),
        2 => (0..3_000_u64).prop_map(Move::Wait),
        1 => (0..8_000_u64).prop_map(Move::Rest),
    ];
    let bite = prop_oneof![1..50_usize, 500..5_000_usize, 50_000..300_000_usize];
    let ending = prop_oneof![3 => Just(Ending::Fin), 1 => Just(Ending::Reset)];
    (prop::collection::vec(step, 0..12), bite, ending).prop_map(|(moves, bite, ending)| {
        // Otherwise a case takes minutes.
        let written: usize =
            moves.iter().filter_map(|step| if let Move::Write(n) = step { Some(*n) } else { None }).sum();
        Script { moves, bite: bite.max(written / 200), ending }
    })
}

fn splicing() -> impl Strategy<Value = Splicing> {
    let splice = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(auto, request, response)| Splice {
        auto,
        request,
        response,
    });
    let pipesize = prop_oneof![Just(4096_usize), Just(65_536), Just(262_144)];
    (splice, pipesize, 1..4_u32).prop_map(|(splice, pipesize, maxpipes)| Splicing {
        splice,
        pipesize,
        maxpipes,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let freezes = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec((0..10_000_u64, 0..5_000_u64), 1..4),
    ];
    (script(), script(), freezes, splicing()).prop_map(|(client, server, freezes, splicing)| Case {
        client,
        server,
        freezes,
        splicing,
    })
}

/// A side that plays its script. Never blocks.
struct Actor {
    /// `None` once it has reset the connection.
    stream: Option<TcpStream>,
    moves: VecDeque<Move>,
    seeds: (u64, u64),
    written: usize,
    /// Of the `Write` that is under way.
    left: usize,
    waits_until: Instant,
    rests_until: Instant,
    bite: usize,
    ending: Option<Ending>,
    got: usize,
    saw_end: bool,
    /// The connection is broken: nothing can be written.
    deaf: bool,
}

impl Actor {
    fn new(stream: TcpStream, script: &Script, seeds: (u64, u64)) -> Actor {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Actor {
            stream: Some(stream),
            moves: script.moves.clone().into(),
            seeds,
            written: 0,
            left: 0,
            waits_until: Instant::now(),
            rests_until: Instant::now(),
            bite: script.bite,
            ending: Some(script.ending),
            got: 0,
            saw_end: false,
            deaf: false,
        }
    }

    fn is_done(&self) -> bool {
        self.stream.is_none() || (self.saw_end && self.ending.is_none())
    }

    /// Does what can be done now.
    fn step(&mut self) {
        self.read();
        self.write();
    }

    fn read(&mut self) {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.saw_end) else { return };
        if Instant::now() < self.rests_until {
            return;
        }
        let mut block = vec![0; self.bite];
        match stream.read(&mut block) {
            Ok(0) => self.saw_end = true,
            Ok(count) => {
                assert!(
                    block[..count] == pattern(self.seeds.1, self.got..self.got + count),
                    "at {}",
                    self.got
                );
                self.got += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => (self.saw_end, self.deaf) = (true, true),
        }
    }

    fn write(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if Instant::now() < self.waits_until {
            return;
        }
        if self.deaf {
            self.moves.clear();
            self.left = 0;
            self.ending = None;
        } else if self.left > 0 {
            match stream.write(&pattern(self.seeds.0, self.written..self.written + self.left)) {
                Ok(count) => (self.written, self.left) = (self.written + count, self.left - count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.deaf = true,
            }
        } else if let Some(next) = self.moves.pop_front() {
            match next {
                Move::Write(length) => self.left = length,
                Move::Wait(time) => self.waits_until = Instant::now() + Duration::from_micros(time),
                Move::Rest(time) => self.rests_until = Instant::now() + Duration::from_micros(time),
            }
        } else {
            self.end();
        }
    }

    fn end(&mut self) {
        let Some(stream) = &self.stream else { return };
        match self.ending {
            // It fails on a connection that is broken by now.
            Some(Ending::Fin) => drop(stream.shutdown(std::net::Shutdown::Write)),
            // What the kernel here still holds would be thrown away.
            Some(Ending::Reset) if unacknowledged(stream) > 0 => return,
            Some(Ending::Reset) => {
                reset_on_close(stream);
                self.stream = None;
            }
            None => {}
        }
        self.ending = None;
    }
}

#[derive(Debug, Clone, Copy)]
enum Shift {
    Freeze,
    Withhold,
    Thaw,
}

/// Freezes and thaws in order; the last one thaws.
fn shifts(freezes: &Freezes) -> Vec<(u64, Shift)> {
    let course = |(at, length): &(u64, u64)| {
        [(*at, Shift::Freeze), (at + length / 2, Shift::Withhold), (at + length, Shift::Thaw)]
    };
    let mut shifts: Vec<_> = freezes.iter().flat_map(course).collect();
    shifts.sort_by_key(|(at, _)| *at);
    shifts.extend(shifts.last().map(|(at, _)| (*at, Shift::Thaw)));
    shifts
}

/// Plays a case; what the client and the server have got.
fn play(engine: EngineLoop, case: &Case) -> Result<(), TestCaseError> {
    let listener = TcpListener::bind(own_address()).unwrap();
    let balancer = Balancer::start(engine, Wish::of(&[listener.local_addr().unwrap()]));
    let mut client = balancer.connect();
    let mut server = prepared(listener.accept().unwrap().0);
    // One that is reset before the balancer has seen it come up counts as a connect that failed.
    let stands = client.write_all(b"x").and_then(|()| server.read_exact(&mut [0]));
    prop_assert!(stands.is_ok(), "the connection did not stand: {:?}", stands);
    let mut client = Actor::new(client, &case.client, (1, 2));
    let mut server = Actor::new(server, &case.server, (2, 1));
    let (begun, key) = (Instant::now(), balancer.server_key(0));
    let mut shifts: VecDeque<(u64, Shift)> = shifts(&case.freezes).into();
    while !(client.is_done() && server.is_done()) {
        prop_assert!(begun.elapsed() < DEADLINE, "the client got {}, the server {}", client.got, server.got);
        while shifts.front().is_some_and(|(at, _)| begun.elapsed().as_micros() as u64 >= *at) {
            let Some((_, shift)) = shifts.pop_front() else { break };
            balancer.workers.broadcast(|| match shift {
                Shift::Freeze => Command::Freeze(key),
                Shift::Withhold => Command::Withhold(key),
                Shift::Thaw => Command::Thaw(key),
            });
        }
        client.step();
        server.step();
    }
    compare(case, &client, &server)?;
    drop((client, server));
    eventually("the session has ended", || balancer.sessions() == 0);
    Ok(())
}

/// See the module.
fn compare(case: &Case, client: &Actor, server: &Actor) -> Result<(), TestCaseError> {
    let (sent, answered) = (case.client.total(), case.server.total());
    prop_assert!(client.got <= answered && server.got <= sent);
    if case.client.ending == Ending::Fin {
        prop_assert_eq!(client.got, answered, "what the client got");
    }
    if case.client.ending == Ending::Fin && case.server.ending == Ending::Fin && case.freezes.is_empty() {
        prop_assert_eq!(server.got, sent, "what the server got");
        prop_assert!(!client.deaf && !server.deaf, "a reset where nobody reset");
    }
    Ok(())
}

pub(crate) fn any_schedule_is_seen_as_through_a_queue_each_way(engine: EngineLoop) {
    let config =
        Config { cases: CASES, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&case(), |case| {
        let mut played = Ok(());
        spliced(case.splicing, || played = play(engine, &case));
        played
    });
    if let Err(failure) = result {
        unreachable!("{failure}");
    }
}
