//! The Sentinels' part of `show redis`: who they are, how they were found, whom each names at which config epoch,
//! and what is wrong with it.

use serde::Serialize;

use crate::state::sentinel::{Origin, SentinelStatus};
use crate::time::Tick;

#[derive(Debug, Serialize)]
pub(super) struct SentinelReport {
    pub(super) sentinel: String,
    pub(super) address: String,
    /// How it was found: `configured`, `told` by another one, `heard` on a server.
    pub(super) origin: &'static str,
    pub(super) master_name: String,
    pub(super) run_id: Option<String>,
    /// A server's name, or the address as the Sentinel wrote it.
    pub(super) names: Option<String>,
    pub(super) config_epoch: Option<u64>,
    pub(super) tilt: bool,
    pub(super) heard_ms: Option<u64>,
    pub(super) trouble: Option<String>,
}

impl SentinelReport {
    pub(super) fn of(status: SentinelStatus, now: Tick) -> SentinelReport {
        SentinelReport {
            sentinel: status.name,
            address: status.address.to_string(),
            origin: match status.origin {
                Origin::Configured => "configured",
                Origin::Told => "told",
                Origin::Heard => "heard",
            },
            master_name: status.master_name,
            run_id: status.run_id,
            names: status.names,
            config_epoch: status.config_epoch,
            tilt: status.tilt,
            heard_ms: status.heard_at.map(|at| now.since(at).as_millis() as u64),
            trouble: status.trouble,
        }
    }

    pub(super) const HEAD: [&str; 7] = ["sentinel", "address", "found", "of", "names", "epoch", "heard"];

    pub(super) fn cells(&self) -> [String; 7] {
        [
            self.sentinel.clone(),
            self.address.clone(),
            self.origin.to_owned(),
            self.master_name.clone(),
            super::or_dash(self.names.as_ref()),
            super::or_dash(self.config_epoch),
            super::heard(self.heard_ms),
        ]
    }

    /// What is to be known of it beside that.
    pub(super) fn note(&self) -> Option<String> {
        let tilt = self.tilt.then(|| "in TILT".to_owned());
        let notes: Vec<String> = tilt.into_iter().chain(self.trouble.clone()).collect();
        (!notes.is_empty()).then(|| notes.join(", "))
    }
}
