//! Networks of the tests' own: namespaces on one bridge, of which some may be cut off from each other while all of them
//! still reach the one in which the test itself stands. Needs root.
//!
//! Nothing of it has a name outside: descriptors hold the namespaces, and with the last descriptor and process they
//! are gone, bridge and addresses with them.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// The test's own namespace, with the bridge in it: `10.77.0.1`, and a loopback of its own.
#[derive(Debug)]
pub struct Network {
    here: File,
    sides: Vec<Side>,
}

/// A namespace behind a port of the bridge.
#[derive(Debug)]
pub struct Side {
    namespace: File,
    /// Its end's name on the bridge.
    port: String,
    pub address: Ipv4Addr,
}

impl Network {
    /// A bridge with so many sides, the first at `10.77.0.2`.
    pub fn with_sides(count: u8) -> Network {
        let here = namespace();
        let mut network = Network { here, sides: Vec::new() };
        network.run(|| {
            ip("link set lo up");
            ip("link add wire type bridge");
            ip("addr add 10.77.0.1/24 dev wire");
            ip("link set wire up");
        });
        network.sides = (0..count).map(|at| network.side(at)).collect();
        network
    }

    fn side(&self, at: u8) -> Side {
        let side = Side {
            namespace: namespace(),
            port: format!("port{at}"),
            address: Ipv4Addr::new(10, 77, 0, at + 2),
        };
        // The program looks it up among our own descriptors.
        let path = format!("/proc/{}/fd/{}", std::process::id(), side.namespace.as_raw_fd());
        self.run(|| {
            ip(&format!("link add {} type veth peer name wire netns {path}", side.port));
            ip(&format!("link set {} master wire up", side.port));
        });
        side.run(|| {
            ip("link set lo up");
            ip(&format!("addr add {}/24 dev wire", side.address));
            ip("link set wire up");
        });
        side
    }

    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// Runs `body` where the bridge is; what it starts, threads and processes, stays there.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        inside(&self.here, body)
    }

    /// From now on the sides do not reach each other; the bridge's own side reaches them all. Nobody is told: bytes
    /// just do not arrive.
    pub fn part(&self) {
        self.isolate("on");
    }

    /// As it was.
    pub fn heal(&self) {
        self.isolate("off");
    }

    fn isolate(&self, how: &str) {
        self.run(|| {
            for side in &self.sides {
                ip(&format!("link set dev {} type bridge_slave isolated {how}", side.port));
            }
        });
    }
}

impl Side {
    /// Runs `body` there; what it starts stays there.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        inside(&self.namespace, body)
    }
}

fn namespace() -> File {
    let made = || {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("a network namespace of its own (this test has to run as root)");
        File::open("/proc/thread-self/ns/net").expect("the namespace's descriptor")
    };
    // The thread is the only one to move there.
    std::thread::scope(|scope| scope.spawn(made).join()).expect("a namespace")
}

fn inside<R: Send>(namespace: &File, body: impl FnOnce() -> R + Send) -> R {
    let moved = || {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
        body()
    };
    match std::thread::scope(|scope| scope.spawn(moved).join()) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// ip(8), where the calling thread stands.
pub fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip of iproute2 runs");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}
