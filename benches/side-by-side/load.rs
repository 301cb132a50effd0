//! The loads: redis-benchmark with these options, and what is reached for.

use std::process::Command;

use crate::subject::Running;
use crate::verdict::Bar;

/// One load.
#[derive(Debug)]
pub struct Load {
    pub name: &'static str,
    pub what: &'static str,
    options: &'static [&'static str],
    requests: u32,
    /// For uring and for epoll: requests a second, processor time a request, the slowest hundredth.
    pub uring: [Bar; 3],
    pub epoll: [Bar; 3],
    /// For uring: requests a second against no balancer at all.
    pub direct: Bar,
    /// Whether the better of haproxy with and without splicing is the measure.
    pub against_best: bool,
}

use Bar::{AtLeast, AtMost, None};

pub const LOADS: &[Load] = &[
    Load {
        name: "small",
        what: "GET and SET of 3 bytes, 50 clients",
        options: &["-t", "set,get", "-d", "3", "-c", "50"],
        requests: 100_000,
        uring: [AtLeast(1.45), AtMost(0.55), AtMost(0.85)],
        epoll: [AtLeast(1.0), AtMost(0.95), None],
        direct: AtLeast(0.80),
        against_best: false,
    },
    Load {
        name: "1k",
        what: "GET and SET of 1 KiB, 50 clients",
        options: &["-t", "set,get", "-d", "1024", "-c", "50"],
        requests: 100_000,
        uring: [AtLeast(1.35), AtMost(0.60), None],
        epoll: [None, None, None],
        direct: None,
        against_best: false,
    },
    Load {
        name: "pipeline",
        what: "GET and SET of 3 bytes, 16 in a pipeline, 50 clients",
        options: &["-t", "set,get", "-d", "3", "-c", "50", "-P", "16"],
        requests: 1_000_000,
        uring: [AtLeast(1.1), None, None],
        epoll: [None, None, None],
        direct: None,
        against_best: false,
    },
    Load {
        name: "16k",
        what: "GET and SET of 16 KiB, 50 clients",
        options: &["-t", "set,get", "-d", "16384", "-c", "50"],
        requests: 50_000,
        uring: [AtLeast(1.2), AtMost(0.50), None],
        epoll: [None, None, None],
        direct: None,
        against_best: true,
    },
    Load {
        name: "100k",
        what: "GET and SET of 100 KiB, 50 clients",
        options: &["-t", "set,get", "-d", "102400", "-c", "50"],
        requests: 15_000,
        uring: [AtLeast(1.25), AtMost(0.75), None],
        epoll: [None, None, None],
        direct: None,
        against_best: true,
    },
    Load {
        name: "1m",
        what: "GET and SET of 1 MiB, 20 clients",
        options: &["-t", "set,get", "-d", "1048576", "-c", "20"],
        requests: 1_500,
        uring: [None, None, None],
        epoll: [None, None, None],
        direct: None,
        against_best: true,
    },
    Load {
        name: "one",
        what: "GET and SET of 3 bytes, one client",
        options: &["-t", "set,get", "-d", "3", "-c", "1"],
        requests: 20_000,
        uring: [AtLeast(1.0), None, None],
        epoll: [None, None, None],
        direct: None,
        against_best: false,
    },
    Load {
        name: "short",
        what: "connect, PING, close; 50 clients",
        options: &["-t", "ping_mbulk", "-c", "50", "-k", "0"],
        requests: 15_000,
        uring: [AtLeast(1.1), AtMost(0.80), None],
        epoll: [None, None, None],
        direct: None,
        against_best: false,
    },
];

/// What one run gave.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Requests a second: the mean over the kinds of request.
    pub rate: f64,
    /// Of the balancer, in microseconds a request.
    pub cpu_us: f64,
    /// In milliseconds: the mean over the kinds of request.
    pub p99_ms: f64,
}

/// Runs a load once.
pub fn run(load: &Load, subject: &Running) -> Sample {
    let before = subject.cpu_us();
    let output = Command::new("redis-benchmark")
        .args(["-h", "127.0.0.1", "-p", &subject.port.to_string(), "-n", &load.requests.to_string(), "--csv"])
        .args(load.options)
        .output()
        .expect("redis-benchmark runs");
    let spent = subject.cpu_us() - before;
    let text = String::from_utf8_lossy(&output.stdout);
    // test, rps, avg_latency_ms, min_latency_ms, p50, p95, p99, max
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',').skip(1).filter_map(|field| field.trim_matches('"').parse().ok()).collect()
        })
        .filter(|row: &Vec<f64>| row.len() >= 6)
        .collect();
    assert!(!rows.is_empty(), "{}: {}", load.name, String::from_utf8_lossy(&output.stderr));
    let kinds = rows.len() as f64;
    let mean = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>() / kinds;
    Sample { rate: mean(0), cpu_us: spent / (f64::from(load.requests) * kinds), p99_ms: mean(5) }
}
