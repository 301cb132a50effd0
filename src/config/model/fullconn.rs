//! The load at which servers with a `minconn` take as many as `maxconn` says (manual section 4.2, `fullconn`): said of
//! the backend, or made of what its frontends may take. The page shows it, the queue goes by it.

use super::{BackendId, Config, Frontend};

impl Config {
    /// `fullconn` of a backend: as set, else a tenth of the connections that may come from the frontends that lead
    /// there, rounded up. At least 1.
    pub fn fullconn(&self, id: BackendId) -> u32 {
        let backend = &self.backends[id.0];
        let leads_here = |frontend: &&Frontend| {
            frontend.leads_to(id) || (frontend.is_listen && frontend.name == backend.name)
        };
        let derived = || {
            let limits = self.frontends.iter().filter(leads_here).map(|frontend| self.limit_of(frontend));
            u32::try_from(limits.sum::<u64>().div_ceil(10)).unwrap_or(u32::MAX)
        };
        backend.fullconn.unwrap_or_else(derived).max(1)
    }

    /// `maxconn` of a frontend; without one it may take what the process may.
    fn limit_of(&self, frontend: &Frontend) -> u64 {
        u64::from(if frontend.maxconn == 0 {
            self.global.maxconn.unwrap_or_default()
        } else {
            frontend.maxconn
        })
    }
}
