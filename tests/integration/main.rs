//! The real program against real redis-server and redis-sentinel processes, as a user would run it.

#![allow(
    unreachable_pub,
    reason = "nothing imports a test binary; `pub` marks what tests may use of the harness"
)]
#![allow(clippy::panic, reason = "a panic is how a test fails")]

mod harness;

mod agents;
mod bad_input;
mod cores;
mod cut;
mod dns;
mod dynamic;
mod examples;
mod failover;
mod hold;
mod maps;
mod page;
mod partition;
mod pause;
mod probes;
mod reload;
mod replicas;
mod routing;
mod rules;
mod seeds;
mod sentinel;
mod shared;
mod socket;
mod socks4;
mod takeover;
mod tls;
mod tracking;
mod transparent;
mod trouble;
mod wire;
