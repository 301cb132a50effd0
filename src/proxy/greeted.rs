//! What a worker does for PROXY headers: takes one off a client's stream, completes one for a server, and tells
//! the log of clients that were announced, or refused for what they began with.

use std::net::SocketAddr;
use std::sync::Arc;

use super::contract::ConnectSpec;
use super::driver::{Engine, Slot};
use super::session::Session;
use super::worker::{Shared, Worker};
use crate::config::Config;
use crate::log::{ConnectRecord, Refused, policy};
use crate::sys::socket::{self, Moved};

impl Worker {
    /// Takes what was looked at before, so that it is there.
    pub(super) fn take(&mut self, slot: Slot, mut count: usize, engine: &mut impl Engine) {
        let Some(client) = engine.client(slot) else { return };
        let mut into = [0; 512];
        while count > 0 {
            let part = count.min(into.len());
            match socket::receive(&client, &mut into[..part]) {
                Moved::Bytes(taken) => count -= taken,
                // Broken meanwhile: the engine tells.
                Moved::End | Moved::Later | Moved::Failed(_) => return,
            }
        }
    }

    /// A header that does not know yet where the client came to.
    pub(super) fn complete(&self, slot: Slot, spec: &mut ConnectSpec, engine: &impl Engine) {
        if let Some(announce) = &mut spec.announce
            && announce.destination.is_none()
        {
            announce.destination = engine.client(slot).and_then(|client| socket::local_address(&client));
        }
    }
}

impl Shared {
    /// The header of a session came: its frontend may log connections as they come. `local` is where the
    /// connection itself came to.
    pub(super) fn tell_greeted(&self, session: &Session, config: &Arc<Config>, local: Option<SocketAddr>) {
        let Some(frontend) = session.frontend_id().filter(|id| policy::connect(config, *id).is_some()) else {
            return;
        };
        (self.connects)(ConnectRecord {
            config: Arc::clone(config),
            frontend,
            client: session.client(),
            local: session.destination().or(local),
            refused: None,
        });
    }

    /// A connection ended: says so if it was for its header.
    pub(super) fn tell_refused(&self, session: &Session, config: &Arc<Config>) {
        let (Some(refusal), Some(frontend)) = (session.refusal(), session.frontend_id()) else { return };
        let listener = config.frontends.get(frontend.0).and_then(|frontend| frontend.binds.get(refusal.bind));
        let listener = listener.map(|bind| bind.name.clone().unwrap_or_else(|| bind.id.to_string()));
        (self.connects)(ConnectRecord {
            config: Arc::clone(config),
            frontend,
            client: session.client(),
            local: None,
            refused: Some(Refused {
                listener: listener.unwrap_or_default(),
                at: refusal.accepted_at,
                error: refusal.error.into(),
            }),
        });
    }
}
