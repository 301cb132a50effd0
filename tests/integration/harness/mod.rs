//! What the integration tests stand on: real processes in private directories on free loopback ports, all
//! of them killed by their id when their handle goes out of scope; deadlines instead of sleeps.

pub mod certificates;
pub mod client;
pub mod dns;
pub mod network;
mod ports;
pub mod process;
mod real;
pub mod redis;
pub mod rolecall;
mod socks4;
pub mod writers;

use std::time::{Duration, Instant};

pub use client::Client;
pub use dns::{FakeDns, Say};
pub use network::Network;
pub use ports::free_port;
pub use real::Haproxy;
pub use redis::{Redis, Sentinels};
pub use rolecall::Rolecall;
pub use socks4::Socks4;
pub use writers::Writers;

/// Asks `what` until it answers, and fails the test with `name` after `limit`.
pub fn eventually<T>(name: &str, limit: Duration, mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = what() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{name} did not come true within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
