//! What `show info` counts of TLS, as HAProxy does: connections of both sides, handshakes of clients, and those of
//! either side that were not short because the other side had been here before. Checks are not counted.
//!
//! Workers count; whoever shows the figures reads.

use std::sync::OnceLock;

use super::counters::{Counter, Rate};
use crate::time::Tick;
use crate::tls::facts::Handshake;
use crate::tls::{Bridge, Facts};

/// See the module.
#[derive(Debug, Default)]
pub struct SecuredLive {
    /// Who knows how many there are now; set when workers start.
    pub bridge: OnceLock<Bridge>,
    /// Connections so far, whatever became of them.
    pub total: Counter,
    /// Clients that came for a handshake.
    pub clients: Rate,
    /// Full handshakes with clients, and with servers.
    pub client_keys: Rate,
    pub server_keys: Rate,
}

/// What there is to show at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecuredFigures {
    pub current: u32,
    pub total: u64,
    /// In the last second, and the most in one.
    pub clients: [u64; 2],
    pub client_keys: [u64; 2],
    pub server_keys: [u64; 2],
}

impl SecuredLive {
    /// A client came.
    pub fn client_came(&self, now: Tick) {
        self.total.add(1);
        self.clients.hit(now);
    }

    /// Its handshake is over.
    pub fn client_shook(&self, facts: &Facts, now: Tick) {
        if facts.handshake == Handshake::Full {
            self.client_keys.hit(now);
        }
    }

    /// A handshake with a server is over.
    pub fn server_shook(&self, facts: &Facts, now: Tick) {
        self.total.add(1);
        if facts.handshake == Handshake::Full {
            self.server_keys.hit(now);
        }
    }

    /// All of it.
    pub fn figures(&self, now: Tick) -> SecuredFigures {
        let both = |rate: &Rate| [rate.now(now), rate.max()];
        SecuredFigures {
            current: self.bridge.get().map_or(0, |bridge| bridge.legs() as u32),
            total: self.total.sum(),
            clients: both(&self.clients),
            client_keys: both(&self.client_keys),
            server_keys: both(&self.server_keys),
        }
    }
}

impl SecuredFigures {
    /// Of the clients of the last second, how many percent had been here before.
    pub fn reuse(&self) -> u64 {
        let [clients, _] = self.clients;
        let [keys, _] = self.client_keys;
        (clients.saturating_sub(keys) * 100).checked_div(clients).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reuse_is_what_clients_came_for_without_a_full_handshake() {
        let figures = |clients, keys| SecuredFigures {
            clients: [clients, 9],
            client_keys: [keys, 9],
            ..SecuredFigures::default()
        };
        assert_eq!(figures(2, 1).reuse(), 50);
        assert_eq!(figures(3, 2).reuse(), 33);
        assert_eq!(figures(0, 0).reuse(), 0);
        assert_eq!(figures(1, 2).reuse(), 0);
    }

    #[test]
    fn what_workers_count_is_shown() {
        let live = SecuredLive::default();
        let now = Tick(5000);
        live.client_came(now);
        live.client_came(now);
        let figures = live.figures(now);
        assert_eq!((figures.current, figures.total, figures.clients), (0, 2, [2, 2]));
        assert_eq!((figures.client_keys, figures.server_keys), ([0, 0], [0, 0]));
    }
}
