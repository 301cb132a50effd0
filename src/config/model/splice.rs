//! `option splice-*` (manual section 4.2): where a proxy asks for forwarding without copies.

use super::Config;

/// What a proxy asks for. A session does what its frontend or its backend asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Splice {
    /// `option splice-auto`: both ways, where the traffic is bulk.
    pub auto: bool,
    /// `option splice-request`: to servers, always.
    pub request: bool,
    /// `option splice-response`: to clients, always.
    pub response: bool,
}

impl Splice {
    /// What either asks for.
    pub fn or(self, other: Splice) -> Splice {
        Splice {
            auto: self.auto || other.auto,
            request: self.request || other.request,
            response: self.response || other.response,
        }
    }

    pub fn is_wanted(self) -> bool {
        self.auto || self.request || self.response
    }
}

impl Config {
    /// Pipes that the process may have: `maxpipes`, or a quarter of `maxconn` (manual section 3.2); none if nobody
    /// asks for any.
    pub fn pipes(&self) -> u32 {
        let fronts = self.frontends.iter().map(|frontend| frontend.splice);
        if !fronts.chain(self.backends.iter().map(|backend| backend.splice)).any(Splice::is_wanted) {
            return 0;
        }
        self.global.maxpipes.unwrap_or_else(|| (self.global.maxconn.unwrap_or_default() / 4).max(16))
    }
}
