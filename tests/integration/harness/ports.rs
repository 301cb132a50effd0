//! Ports for tests. Both programs bind with SO_REUSEPORT, so that two tests with one port would share its clients.

use std::net::TcpListener;

/// A port nobody uses. Handed out once by this process; it lies below the range that the kernel takes ports
/// for outgoing connections from, so that no connect of a parallel test can take it meanwhile.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    let seed = (std::process::id() as u16).wrapping_mul(197) % COUNT;
    for _ in 0..COUNT {
        let port = FIRST + (seed + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        // Sentinel and Redis Cluster take a second port 10,000 above theirs only when asked to; one will do.
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
