//! Clients that write all the time, each under its own key, and remember what was acknowledged.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::Client;
use super::eventually;

/// How long one answer may take; longer than any election here.
const PATIENCE: Duration = Duration::from_secs(70);

/// Some writers at work.
#[derive(Debug)]
pub struct Writers {
    /// Good writes of each.
    good: Vec<Arc<AtomicU64>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Written>>,
}

/// What one writer saw.
#[derive(Debug, Default)]
pub struct Written {
    /// Numbers below this were acknowledged, but for those of `unanswered`.
    next: u64,
    unanswered: Vec<u64>,
    /// Sessions that ended after at least one good write.
    pub ended: Vec<ErrorKind>,
    /// Connections that were refused, or ended before their first good write.
    pub refused: Vec<ErrorKind>,
}

impl Writers {
    /// `count` of them, on the frontend at `port`; each session logs in with `password`, if there is one.
    pub fn start(port: u16, count: usize, password: Option<&'static str>) -> Writers {
        let good: Vec<Arc<AtomicU64>> = (0..count).map(|_| Arc::default()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let write = |number: usize| {
            let (good, stop) = (Arc::clone(&good[number]), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut written = Written::default();
                while !stop.load(Relaxed) {
                    session(port, password, &format!("writer{number}"), (&mut written, &good, &stop));
                }
                written
            })
        };
        let threads = (0..count).map(write).collect();
        Writers { good, stop, threads }
    }

    /// Returns after `count` more good writes of each.
    pub fn write(&self, count: u64, limit: Duration) {
        let goals: Vec<u64> = self.good.iter().map(|good| good.load(Relaxed) + count).collect();
        eventually("more good writes of each writer", limit, || {
            let mut reached = self.good.iter().zip(&goals).map(|(good, goal)| good.load(Relaxed) >= *goal);
            reached.all(|reached| reached).then_some(())
        });
    }

    /// What each of them saw.
    pub fn stop(self) -> Vec<Written> {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("a writer ends")).collect()
    }
}

/// One connection, until it breaks.
fn session(
    port: u16,
    password: Option<&str>,
    key: &str,
    (written, good, stop): (&mut Written, &AtomicU64, &AtomicBool),
) {
    let login = |mut client: Client| match password {
        Some(password) => client.call(&["AUTH", password]).map(|_| client),
        None => Ok(client),
    };
    let mut client = match Client::connect_within(port, PATIENCE).and_then(login) {
        Ok(client) => client,
        Err(error) => return written.refused.push(error.kind()),
    };
    let mut is_first = true;
    while !stop.load(Relaxed) {
        let number = written.next;
        written.next += 1;
        match client.call(&["RPUSH", key, &number.to_string()]) {
            Ok(_) => {
                good.fetch_add(1, Relaxed);
                is_first = false;
            }
            Err(error) => {
                written.unanswered.push(number);
                let list = if is_first { &mut written.refused } else { &mut written.ended };
                return list.push(error.kind());
            }
        }
    }
}

/// How many acknowledged writes the server at `port` does not have.
pub fn lost(writers: &[Written], port: u16, password: Option<&str>) -> usize {
    let mut client = Client::connect(port).expect("redis-server accepts");
    if let Some(password) = password {
        client.call(&["AUTH", password]).expect("the password is right");
    }
    let missing = writers.iter().enumerate().map(|(number, written)| {
        let list = client.call(&["LRANGE", &format!("writer{number}"), "0", "-1"]).expect("the list");
        let kept: std::collections::HashSet<u64> =
            list.lines().filter_map(|line| line.parse().ok()).collect();
        let acknowledged = (0..written.next).filter(|number| !written.unanswered.contains(number));
        acknowledged.filter(|number| !kept.contains(number)).count()
    });
    missing.sum()
}
