//! What rules and the log may know of a session at one moment: it is put together when somebody asks.

use std::net::SocketAddr;

use super::{Context, GONE, Session};
use crate::config::model::{BackendId, FrontendId};
use crate::rules::{Payload, Served};
use crate::state::Situation;
use crate::tls::Facts;

impl Session {
    fn served(&self, context: &Context<'_>) -> Option<Served<'_>> {
        let server = self.server.as_ref()?;
        let at = self.pool(context).and_then(|pool| Some((pool, pool.view().position(server.key)?)));
        let ruling = self.ruling.as_deref();
        Some(Served {
            name: server.name(),
            id: at.map(|(pool, at)| pool.backend().servers[at].id),
            source: ruling.and_then(|ruling| ruling.server_source),
            address: ruling.and_then(|ruling| ruling.server_target),
            tls: ruling.and_then(|ruling| ruling.server_tls.as_deref()),
        })
    }

    /// Whether the log asks where the connection to the server comes from.
    pub fn wants_server_source(&self, context: &Context<'_>) -> bool {
        self.ruling.is_some() && self.frontend(context).is_some_and(|frontend| frontend.log.wants_server_ends)
    }

    /// For [`Session::wants_server_source`].
    pub fn note_server_source(&mut self, source: Option<SocketAddr>) {
        if let Some(ruling) = &mut self.ruling {
            ruling.server_source = source;
        }
    }

    /// What the handshake with its server told, where anybody may ask.
    pub fn note_server_handshake(&mut self, facts: Facts) {
        if let Some(ruling) = &mut self.ruling {
            ruling.server_tls = Some(Box::new(facts));
        }
    }

    /// What is true for this session now.
    pub(super) fn situation<'a>(&'a self, context: &Context<'a>) -> Situation<'a> {
        let ruling = self.ruling.as_deref();
        Situation {
            frontend: (self.frontend_at != GONE).then_some(FrontendId(self.frontend_at as usize)),
            backend: (self.backend_at != GONE).then_some(BackendId(self.backend_at as usize)),
            client: self.client,
            destination: ruling.and_then(|ruling| ruling.destination),
            connection: ruling.and_then(|ruling| ruling.connection),
            introduced: ruling.is_some_and(|ruling| ruling.introduced),
            captures: ruling.map(|ruling| ruling.captures.as_slice()).unwrap_or_default(),
            bind: ruling.map(|ruling| ruling.bind),
            served: self.served(context),
            tls: self.tls.as_deref(),
            payload: ruling
                .filter(|ruling| ruling.waits)
                .map(|ruling| Payload { bytes: &ruling.said, complete: ruling.complete }),
            tracked: ruling.map(|ruling| ruling.tracked.as_slice()).unwrap_or_default(),
            variables: ruling.map(|ruling| ruling.variables.as_slice()).unwrap_or_default(),
            ..Situation::of(context.snapshot, context.now)
        }
    }
}
