//! How a backend chooses a server (manual section 4.2).

/// `balance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    #[default]
    RoundRobin,
    StaticRr,
    LeastConn,
    First,
    Source(Hashing),
    /// `random(N)`: draws, the least loaded wins.
    Random(u32),
}

/// `hash-type` and `hash-balance-factor`. The hash function is not kept: it hashes texts, and the only hash
/// there is, that of `balance source`, is of an address, which HAProxy takes as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hashing {
    pub method: HashMethod,
    /// Mixes the bits of the hash, so that neighbouring addresses part.
    pub avalanche: bool,
    /// Percent of the average load that a server may reach under [`HashMethod::Consistent`].
    pub balance_factor: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashMethod {
    /// By a table of servers: even, and most clients move when a server leaves or comes.
    #[default]
    MapBased,
    /// By places on a ring: only the clients of a server that leaves move.
    Consistent,
}
