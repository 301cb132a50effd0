//! A session as an operator sees it: `show sess`, `shutdown sessions server`.

use std::sync::Arc;
use std::time::Duration;

use super::{Session, Stage};
use crate::state::{NamedServer, SessionView};
use crate::time::Tick;

impl Session {
    /// How it stands now.
    pub fn describe(&self, now: Tick) -> SessionView {
        SessionView {
            token: self.token,
            frontend: Arc::clone(self.admission.frontend()),
            backend: self.backend.as_ref().map(|membership| Arc::clone(&membership.live)),
            server: self.seat.as_ref().map(|seat| Arc::clone(seat.server())),
            client: self.client,
            accepted: self.accepted_at,
            age: now.since(self.accepted),
            idle: now.since(self.last),
            expires: self.deadline().map(|due| Duration::from_millis(due.0.saturating_sub(now.0))),
            bytes: self.bytes,
            stage: self.stage.word(),
            retries: self.retries,
        }
    }

    /// Whether it holds a place at a server of that name, whatever its address.
    pub fn is_served_by(&self, target: &NamedServer) -> bool {
        let at_backend =
            self.backend.as_ref().is_some_and(|membership| membership.live.key == target.backend);
        at_backend && self.seat.as_ref().is_some_and(|seat| *seat.server().name() == *target.server)
    }
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Stage::New => "NEW",
            Stage::Greeting { .. } => "HDR",
            Stage::Inspecting { .. } => "INS",
            Stage::Waiting { .. } => "QUE",
            Stage::Connecting { .. } => "CON",
            Stage::Pausing { .. } => "TAR",
            Stage::Relaying => "EST",
            Stage::Draining { .. } | Stage::Lingering { .. } => "CUT",
            Stage::Resetting | Stage::Over => "CLO",
        }
    }
}
