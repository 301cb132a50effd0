//! Ports for tests. Both programs bind with SO_REUSEPORT, so that two tests with one port would share its clients;
//! and a Sentinel that still looks for a server which a test has killed would make a replica of the next one there.
//!
//! They are handed out once, from blocks that belong to one process of tests as long as it runs: others may test on
//! this machine meanwhile. They lie below the range that the kernel takes ports for outgoing connections
//! from, so that no connect can take one either.

use std::net::{TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 12_000;
const BLOCKS: u16 = 90;
const SIZE: u16 = 200;

/// Ports that this process alone hands out.
struct Block {
    /// Bound to the port before them: the others' sign to stay away.
    _claim: UdpSocket,
    ports: std::ops::Range<u16>,
}

/// The newest block last.
static TAKEN: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// A port nobody uses.
pub fn free_port() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let mut ports = taken.last_mut().into_iter().flat_map(|block| &mut block.ports);
        if let Some(port) = ports.find(|port| is_free(*port)) {
            return port;
        }
        let first = (0..BLOCKS).map(|at| FIRST + (at + std::process::id() as u16 % BLOCKS) % BLOCKS * SIZE);
        let mut claims = first.filter_map(|first| Some((first, UdpSocket::bind(("127.0.0.1", first)).ok()?)));
        let (first, claim) = claims.next().expect("a block of ports that nobody uses");
        taken.push(Block { _claim: claim, ports: first + 1..first + SIZE });
    }
}

/// A server that a killed test has left behind may still have it.
fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok()
}
