//! The master word: one atomic that says who is master of a guarded backend.
//!
//! # Who writes, who reads
//!
//! One writer, the backend's guard; every worker reads. The word carries an epoch that grows with every
//! change, and the key of the server, or none. A session
//!
//! 1. reads the word and takes that server,
//! 2. enters itself among its worker's sessions of that server,
//! 3. connects, and
//! 4. reads the word again before the first client byte goes out.
//!
//! The guard first stores the word, then tells every worker to cut the sessions of the old master. A
//! session that entered itself before the worker got that message is found by it; one that entered itself
//! later sees the new word in step 4, because the message came through a lock that orders it after the
//! store. So no session sends a byte to a server that the guard had given up before. The store is a
//! release and the loads are acquires so that a worker that sees a new master also sees everything the
//! guard wrote about it before.

use std::sync::atomic::{AtomicU64, Ordering};

use super::server::ServerKey;

/// Who is master, and since which change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Master {
    pub epoch: u32,
    pub server: Option<ServerKey>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct MasterWord(AtomicU64);

const NONE: u64 = 0;

impl MasterWord {
    /// Who is master now.
    pub fn load(&self) -> Master {
        let word = self.0.load(Ordering::Acquire);
        let server = word & 0xffff_ffff;
        Master { epoch: (word >> 32) as u32, server: (server != NONE).then(|| ServerKey(server as u32 - 1)) }
    }

    /// Names another server, or none; only the guard may. Returns the new word.
    pub fn store(&self, server: Option<ServerKey>) -> Master {
        let epoch = self.load().epoch.wrapping_add(1);
        let low = server.map_or(NONE, |key| u64::from(key.0) + 1);
        self.0.store(u64::from(epoch) << 32 | low, Ordering::Release);
        Master { epoch, server }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_its_epoch() {
        let word = MasterWord::default();
        assert_eq!(word.load(), Master { epoch: 0, server: None });
        word.store(Some(ServerKey(0)));
        assert_eq!(word.load(), Master { epoch: 1, server: Some(ServerKey(0)) });
        word.store(None);
        assert_eq!(word.load(), Master { epoch: 2, server: None });
    }
}
