//! A PROXY header before everything else (`accept-proxy`, `expect-proxy layer4`).
//!
//! It stands between the rules for connections, which see who really connected, and those for sessions, which
//! see whom the header names, as in HAProxy. What the client has said is looked at where it lies; once the
//! header is whole exactly its bytes are taken, and the rest are the client's. A header that does not come
//! within `timeout client`, or is none, ends the connection before it became a session.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::super::contract::{Announce, Close, Op, Side};
use super::timers::after;
use super::{Context, GONE, Session, Stage};
use crate::config::model::{Frontend, FrontendId, ProxyFields, SendProxy};
use crate::log::Clock;
use crate::log::template::{self, Story};
use crate::proxy_protocol::{self, Addresses, Decoded, HeaderError};

/// The longest pause between two looks, in milliseconds. Who announces a client does so at once.
const LONGEST_PAUSE: u16 = 64;

/// A connection that was refused for its header.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Position of the listener among the frontend's.
    pub bind: usize,
    pub accepted_at: SystemTime,
    pub error: HeaderError,
}

impl Session {
    /// Whether it has to begin with a header. Behind a handshake there is none: it comes before that.
    pub(super) fn owes_header(&self, frontend: &Frontend) -> bool {
        self.tls.is_none()
            && self.ruling.as_ref().is_some_and(|ruling| {
                ruling.expects_header || frontend.binds.get(ruling.bind).is_some_and(|bind| bind.accept_proxy)
            })
    }

    pub(super) fn await_header(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let timeout = self.frontend(context).and_then(|frontend| frontend.timeout_client);
        self.stage = Stage::Greeting { until: after(context.now, timeout), look: context.now, pause: 0 };
        ops.push(Op::Peek);
    }

    /// Whether its header is still awaited.
    pub fn is_greeting(&self) -> bool {
        matches!(self.stage, Stage::Greeting { .. })
    }

    /// What the client has said so far; `ended` if it will say no more, or there is no room for more.
    pub(super) fn hear_header(
        &mut self,
        bytes: &[u8],
        ended: bool,
        context: &Context<'_>,
        ops: &mut Vec<Op>,
    ) {
        let Stage::Greeting { until, pause, .. } = self.stage else { return };
        let over = context.now >= until;
        match proxy_protocol::decode(bytes, context.snapshot.config.global.bufsize) {
            Ok(Decoded::Header { length, addresses }) => {
                ops.push(Op::Take(length));
                self.greeted(addresses, context, ops);
            }
            Ok(Decoded::Incomplete) if !ended && !over => {
                let pause = (pause * 2).clamp(1, LONGEST_PAUSE);
                let look = context.now + Duration::from_millis(pause.into());
                self.stage = Stage::Greeting { until, look, pause };
            }
            Ok(Decoded::Incomplete) => {
                let closed = ended || self.eof[0];
                let error = match (bytes.is_empty(), closed) {
                    (false, _) => HeaderError::Truncated,
                    (true, true) => HeaderError::Closed,
                    (true, false) => HeaderError::TimedOut,
                };
                self.refuse_header(error, ops);
            }
            Err(error) => self.refuse_header(error, ops),
        }
    }

    /// It closed: what there is has to do.
    pub(super) fn closed_greeting(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let Stage::Greeting { look, pause, .. } = self.stage else { return };
        self.eof[0] = true;
        self.stage = Stage::Greeting { until: context.now, look, pause };
        ops.push(Op::Peek);
    }

    pub(super) fn refuse_header(&mut self, error: HeaderError, ops: &mut Vec<Op>) {
        if !error.is_null() {
            // What it said is not read: closed like this by HAProxy, too.
            ops.push(Op::Close(Side::Client, Close::Reset));
        }
        if let Some(ruling) = &mut self.ruling {
            ruling.refused = Some(error);
        }
        self.turn_away(ops);
    }

    fn greeted(&mut self, addresses: Option<Addresses>, context: &Context<'_>, ops: &mut Vec<Op>) {
        self.stage = Stage::New;
        // The driver tells the FIN again once the relay begins.
        self.eof[0] = false;
        if let Some(ruling) = &mut self.ruling {
            ruling.handshake = context.now.since(self.accepted);
        }
        self.adopt_announced(addresses);
        let Some(frontend) = self.frontend(context) else {
            return self.refuse_header(HeaderError::Closed, ops);
        };
        if self.let_session_in(frontend, context, ops) {
            self.choose_backend(context, ops);
        }
    }

    /// From here on it is whom its header names.
    pub(super) fn adopt_announced(&mut self, addresses: Option<Addresses>) {
        if let Some(ruling) = &mut self.ruling {
            ruling.introduced = true;
        }
        let Some(Addresses { source, destination }) = addresses else { return };
        if let Some(ruling) = &mut self.ruling {
            ruling.keep_ends(self.client);
        }
        self.client = Some(source);
        self.port = destination.port();
        if let Some(ruling) = &mut self.ruling {
            ruling.destination = Some(destination);
        }
    }

    /// Why it was refused, if it was for its header.
    pub fn refusal(&self) -> Option<Refusal> {
        let ruling = self.ruling.as_ref()?;
        Some(Refusal { bind: ruling.bind, accepted_at: self.accepted_at, error: ruling.refused? })
    }

    /// Its frontend, unless a reload has removed it.
    pub fn frontend_id(&self) -> Option<FrontendId> {
        (self.frontend_at != GONE).then_some(FrontendId(self.frontend_at as usize))
    }

    /// Where it came to, as far as anybody asked or a header told.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.ruling.as_ref().and_then(|ruling| ruling.destination)
    }

    /// What a server has to be told before the client's bytes.
    pub(super) fn announce(&self, form: SendProxy, context: &Context<'_>) -> Announce {
        let identified = matches!(form, SendProxy::V2(ProxyFields { unique_id: true, .. }));
        Announce {
            form,
            source: self.client,
            destination: self.destination(),
            tls: self.tls.clone(),
            unique_id: identified.then(|| self.unique_id(context)).flatten(),
        }
    }

    /// `unique-id-format`
    pub(super) fn unique_id(&self, context: &Context<'_>) -> Option<String> {
        let log = &self.frontend(context)?.log;
        let (record, clock) = (self.record(context), Clock::utc());
        let story = Story { record: &record, log, service: None, clock: &clock, pid: std::process::id() };
        template::unique_id(story)
    }
}
