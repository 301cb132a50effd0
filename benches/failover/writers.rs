//! Clients that write as fast as they are answered, and remember what was acknowledged and when.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::Client;
use crate::topology::{PASSWORD, client};

/// A reply that takes longer counts as a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one writer saw.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: Vec<(String, Instant)>,
    /// Connections that ended under a command.
    broken: usize,
    /// Connections that could not be opened, or ended before the login was answered.
    refused: usize,
}

/// Four writers.
#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Seen>>,
}

/// What all of them saw, held against what the last master has.
#[derive(Debug)]
pub struct Outcome {
    /// Acknowledged writes that the last master has, in order of time.
    kept: Vec<Instant>,
    pub lost: usize,
    pub broken: usize,
    pub refused: usize,
}

impl Writers {
    pub fn start(port: u16) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..4)
            .map(|number| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || write(number, port, &stop))
            })
            .collect();
        Writers { stop, threads }
    }

    /// Stops them and asks the `master` of then for every acknowledged write.
    pub fn stop(self, master: impl FnOnce() -> u16) -> Outcome {
        self.stop.store(true, Relaxed);
        let seen: Vec<Seen> =
            self.threads.into_iter().map(|thread| thread.join().expect("a writer ends")).collect();
        let there = keys(master());
        let all = || seen.iter().flat_map(|seen| &seen.acknowledged);
        let mut kept: Vec<Instant> =
            all().filter(|(key, _)| there.contains(key)).map(|(_, at)| *at).collect();
        kept.sort_unstable();
        Outcome {
            lost: all().count() - kept.len(),
            broken: seen.iter().map(|seen| seen.broken).sum(),
            refused: seen.iter().map(|seen| seen.refused).sum(),
            kept,
        }
    }
}

impl Outcome {
    /// The longest time without a write that lasted, in milliseconds.
    pub fn longest_gap(&self) -> f64 {
        let gaps = self.kept.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().map_or(f64::INFINITY, |gap| gap.as_secs_f64() * 1000.0)
    }

    /// From `since` to the first write that lasted, in milliseconds.
    pub fn first_after(&self, since: Instant) -> f64 {
        let first = self.kept.iter().find(|at| **at >= since);
        first.map_or(f64::INFINITY, |at| (*at - since).as_secs_f64() * 1000.0)
    }
}

fn write(number: usize, port: u16, stop: &AtomicBool) -> Seen {
    let (mut seen, mut connection, mut at) = (Seen::default(), None::<Client>, 0_u64);
    while !stop.load(Relaxed) {
        let Some(open) = &mut connection else {
            connection = client(port, PATIENCE);
            if connection.is_none() {
                seen.refused += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            continue;
        };
        let key = format!("{number}:{at}");
        match open.call(&["SET", &key, "1"]) {
            Ok(_) => {
                seen.acknowledged.push((key, Instant::now()));
                at += 1;
            }
            Err(_) => {
                seen.broken += 1;
                connection = None;
            }
        }
    }
    seen
}

fn keys(master: u16) -> HashSet<String> {
    let mut client = Client::connect_within(master, Duration::from_secs(30)).expect("the master accepts");
    client.call(&["AUTH", PASSWORD]).expect("the password is right");
    let answer = client.call(&["KEYS", "*"]).expect("an answer");
    answer.lines().map(str::to_owned).collect()
}
