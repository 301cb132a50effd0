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
    /// `hash EXPR`: the sample is [`super::Rules::hash`].
    Hash(Hashing),
    /// `random(N)`: draws, the least loaded wins.
    Random(u32),
}

/// `hash-type` and `hash-balance-factor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hashing {
    pub method: HashMethod,
    /// Of `balance hash`; `balance source` takes the address as it is, as HAProxy does.
    pub function: HashFunction,
    /// Mixes the bits of the hash, so that neighbouring addresses part.
    pub avalanche: bool,
    /// Percent of the average load that a server may reach under [`HashMethod::Consistent`].
    pub balance_factor: Option<u32>,
}

/// What hashes the bytes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashFunction {
    #[default]
    Sdbm,
    Djb2,
    Crc32,
    /// The key is a number, and the hash.
    None,
    /// Not in `hash-type`: a converter.
    Crc32c,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashMethod {
    /// By a table of servers: even, and most clients move when a server leaves or comes.
    #[default]
    MapBased,
    /// By places on a ring: only the clients of a server that leaves move.
    Consistent,
}
