//! Which server of those that may gets the next session: pure, one file an algorithm.

/// The memory of a backend's algorithm.
#[derive(Debug, Default)]
pub struct Balancer {}
