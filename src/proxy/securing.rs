//! Clients and servers that speak TLS: a session never sees that. Its client comes to it when the handshake is over,
//! as a plain socket and with what the handshake told; a connection to a server stands when that handshake is over.
//!
//! ```text
//! accept -> Bridge::accept -> (PROXY header, handshake: timeout client) -> Command::Adopt -> session
//! Op::Connect -> Bridge::dial -> Command::Dialed -> Engine::attach -> Connected | ConnectFailed
//! ```
//!
//! A client in its handshake has its place (`maxconn`) and counts as a session of the worker that will get it, so
//! that a stop waits for it. Rules come after the handshake, also those of `tcp-request connection`.

use std::sync::Arc;
use std::time::SystemTime;

use super::contract::{Announce, ConnectError, ConnectSpec, Event, Op, Side};
use super::driver::{Engine, Slot, begin_connect, connect_error};
use super::worker::Worker;
use crate::config::model::BindTls;
use crate::log::{ConnectRecord, Refused};
use crate::state::{Accepted, Arrival, Command, Dialed};
use crate::sys::socket;
use crate::time::Tick;
use crate::tls::acceptor::acceptor;
use crate::tls::connector::connector;
use crate::tls::{AcceptError, Client, Dial, DialError, Dialing, HandshakeError, Reached, Secured};

/// A dial of a session.
#[derive(Debug)]
pub(super) struct Dialling {
    number: u32,
    /// Gives it up when the session does.
    _dialing: Option<Dialing>,
}

impl Worker {
    /// How the clients of a bind line are secured, if they are.
    pub(super) fn securing(&self, accepted: &Accepted) -> Option<Arc<BindTls>> {
        let frontend = &accepted.snapshot.config.frontends[accepted.frontend.0];
        frontend.binds.get(accepted.bind)?.tls.clone()
    }

    /// Shakes hands before `chosen` gets the client.
    pub(super) fn secure(&self, accepted: Accepted, chosen: usize, tls: &BindTls) {
        let Accepted { socket, client, frontend, snapshot, bind, port, admission, .. } = accepted;
        let (began, began_at) = (self.now, SystemTime::now());
        snapshot.process.secured.client_came(began);
        let local = socket::local_address(&socket);
        let proxy = &snapshot.config.frontends[frontend.0];
        let patience = proxy.timeout_client;
        let header = proxy.binds[bind].accept_proxy.then_some(snapshot.config.global.bufsize);
        let shared = self.shared.clone();
        let done = move |shaken: Result<Secured, AcceptError>| match shaken {
            Ok(Secured { socket, facts, announced }) => {
                snapshot.process.secured.client_shook(&facts, Tick::now());
                let facts = Arc::new(facts);
                let arrival = Arrival { facts, announced, local, accepted: began, accepted_at: began_at };
                let arrival = Some(Box::new(arrival));
                let accepted =
                    Accepted { socket, client, frontend, snapshot, bind, port, admission, arrival };
                shared.workers.post(chosen, Command::Adopt(accepted));
            }
            Err(error) => {
                if let Some(load) = snapshot.process.load.get(chosen) {
                    load.leave();
                }
                let config = Arc::clone(&snapshot.config);
                let line = &config.frontends[frontend.0].binds[bind];
                let listener = line.name.clone().unwrap_or_else(|| line.id.to_string());
                let client = error.client().or(client);
                let refused = Some(Refused { listener, at: began_at, error: error.into() });
                (shared.connects)(ConnectRecord { config, frontend, client, local, refused });
                drop(admission);
                // Its place is free, and the worker may wait for its last client.
                shared.workers.post(chosen, Command::Admit);
            }
        };
        match acceptor(tls) {
            Ok(config) => self.shared.tls.accept(Client { socket, config, patience, header }, done),
            Err(_) => done(Err(HandshakeError::Refused.into())),
        }
    }

    /// Begins a connection to a server; one that speaks TLS is told of by [`Command::Dialed`].
    pub(super) fn connect(&mut self, slot: Slot, spec: &ConnectSpec, engine: &mut impl Engine) {
        let Some(secured) = &spec.secured else { return engine.connect(slot, spec) };
        let Some((token, number)) = self.sessions.next_dial(slot, self.index) else { return };
        let workers = self.shared.workers.clone();
        let done = move |result: Result<Reached, DialError>| {
            workers.post(token.worker, Command::Dialed(Dialed { token, number, result }));
        };
        let begun = begin_connect(spec).map_err(|error| {
            DialError::Connect(nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        });
        let config = connector(&secured.settings, None);
        let preface = spec.announce.as_ref().map(Announce::header).unwrap_or_default();
        let dialing = match (begun, config) {
            (Ok(socket), Ok(config)) => {
                let (request, sni) = (spec.request(), secured.sni.clone());
                let dial = Dial { socket, config, sni, request, preface };
                Some(self.shared.tls.dial(dial, done))
            }
            (Err(error), _) => {
                done(Err(error));
                None
            }
            (_, Err(_)) => {
                done(Err(HandshakeError::Refused.into()));
                None
            }
        };
        self.sessions.dials(slot, Dialling { number, _dialing: dialing });
    }

    /// How that went, if the session has not given it up.
    pub(super) fn dialed(&mut self, dialed: Dialed, engine: &mut impl Engine) {
        let Dialed { token, number, result } = dialed;
        let Some(slot) = self.sessions.find(token) else { return };
        if !self.sessions.ends_dial(slot, number) {
            return;
        }
        let event = match result {
            Ok(Reached { socket, facts }) => match engine.attach(slot, socket) {
                Ok(()) => {
                    self.snapshot.process.secured.server_shook(&facts, self.now);
                    self.sessions.with(slot, |session, _| session.note_server_handshake(facts));
                    Event::Connected
                }
                Err(_) => Event::ConnectFailed(ConnectError::Resources),
            },
            Err(DialError::Connect(errno)) => Event::ConnectFailed(connect_error(errno)),
            Err(DialError::Proxy(_)) => Event::ConnectFailed(ConnectError::Refused),
            Err(DialError::Handshake(HandshakeError::Resources)) => {
                Event::ConnectFailed(ConnectError::Resources)
            }
            Err(DialError::Handshake(_)) => Event::ConnectFailed(ConnectError::Other),
        };
        self.handle(slot, event, engine);
    }
}

/// Whether an operation gives up what is being dialed.
pub(super) fn gives_up(op: &Op) -> bool {
    matches!(op, Op::DropServer | Op::Close(Side::Server, _) | Op::End)
}

impl Dialling {
    pub(super) fn is(&self, number: u32) -> bool {
        self.number == number
    }
}
