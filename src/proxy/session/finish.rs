//! The end of a session: what it leaves in the counters and in the log.
//!
//! As in HAProxy a session has left its server and its backend when its log line is written, and is still in
//! its frontend and in the process.

use std::sync::Arc;
use std::time::Duration;

use super::super::contract::{Close, Op, Side};

use super::{Context, GONE, NONE, Session, Stage, index, millis};
use crate::config::model::{Frontend, FrontendId, LogFormat};
use crate::rules;
use crate::state::counters::Traffic;
use crate::state::{Cause, Concurrency, Details, Phase, SessionRecord, Termination};

impl Session {
    /// Ends the session with that code: everything it holds is given back, whoever waits for it is called.
    pub(super) fn end(&mut self, code: Termination, context: &Context<'_>, ops: &mut Vec<Op>) {
        self.drop_frozen_input(ops);
        self.linger_off(context, ops);
        self.leave_everything(context);
        // As in HAProxy, what broke it first.
        self.termination = if self.broken == Termination::NORMAL { code } else { self.broken };
        self.count_abort();
        self.count_times(context);
        self.flush();
        if !self.logged && self.wants_line(context) {
            ops.push(Op::Log);
        }
        ops.push(Op::End);
        self.stage = Stage::Over;
    }

    /// The process stops: no line, as in HAProxy.
    pub(super) fn stop(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        self.logged = true;
        self.end(Termination::NORMAL, context, ops);
    }

    /// `option logasap`, or a format whose every item is known then: the line goes out when the server has answered.
    pub(super) fn log_at_connect(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let asap = self.frontend(context).is_some_and(|Frontend { log, .. }| {
            log.as_soon_as_possible || log.template.as_ref().is_some_and(|template| template.at_connect)
        });
        if asap && self.wants_line(context) {
            self.logged = true;
            ops.push(Op::Log);
        }
    }

    /// Lets the byte counters of frontend, backend and server catch up; call it for every session about every
    /// five seconds. The end of a session does it too.
    pub fn flush(&mut self) {
        let new = [self.bytes[0] - self.flushed[0], self.bytes[1] - self.flushed[1]];
        if new == [0; 2] {
            return;
        }
        self.flushed = self.bytes;
        for traffic in self.traffics() {
            traffic.bytes_in.add(new[0]);
            traffic.bytes_out.add(new[1]);
        }
        if let Some(ruling) = &self.ruling {
            ruling.count_bytes(new);
        }
    }

    /// What the log needs; asked for by [`Op::Log`].
    pub fn record(&self, context: &Context<'_>) -> SessionRecord {
        let sessions = |traffic: Option<&Traffic>| traffic.map_or(0, |traffic| traffic.sessions.now());
        let member = self.backend.as_ref().map(|membership| &membership.live);
        let time = |millis: u32| (millis != NONE).then(|| Duration::from_millis(u64::from(millis)));
        SessionRecord {
            config: Arc::clone(&context.snapshot.config),
            frontend_id: (self.frontend_at != GONE).then_some(FrontendId(self.frontend_at as usize)),
            frontend: Arc::clone(self.admission.frontend()),
            backend: member.cloned(),
            server: self.server.clone(),
            client: self.client,
            tls: self.tls.clone(),
            accepted: self.accepted_at,
            wait: time(self.wait),
            connect: time(self.connect),
            total: context.now.since(self.accepted),
            bytes_in: self.bytes[0],
            bytes_out: self.bytes[1],
            termination: self.termination,
            concurrency: Concurrency {
                process: self.admission.process().connections.now(),
                frontend: self.admission.frontend().traffic.sessions.now(),
                backend: sessions(member.map(|live| &live.traffic)),
                server: sessions(self.server.as_ref().map(|live| &live.traffic)),
            },
            retries: self.retries,
            redispatched: self.redispatched,
            server_queue: self.server_queue,
            backend_queue: self.backend_queue,
            as_soon_as_possible: self.stage != Stage::Over,
            details: self.details(context),
        }
    }

    /// For formats of the config's own.
    fn details(&self, context: &Context<'_>) -> Details {
        let ruling = self.ruling.as_deref();
        let samples = self.frontend(context).map(|frontend| frontend.log.samples.as_slice());
        let samples = samples.filter(|samples| !samples.is_empty()).map(|samples| {
            let situation = self.situation(context);
            samples.iter().map(|sample| rules::sample(sample, &situation)).collect()
        });
        Details {
            destination: ruling.and_then(|ruling| ruling.destination),
            server_source: ruling.and_then(|ruling| ruling.server_source),
            server_target: ruling.and_then(|ruling| ruling.server_target),
            number: self.admission.arrival(),
            samples: samples.unwrap_or_default(),
            captures: self.captures(context),
            handshake: ruling.map(|ruling| ruling.handshake).unwrap_or_default(),
            level: ruling.and_then(|ruling| ruling.level),
        }
    }

    /// As many as there are rules that capture.
    fn captures(&self, context: &Context<'_>) -> Vec<Option<Vec<u8>>> {
        let count = self.frontend(context).map_or(0, |frontend| frontend.log.captures);
        let mut captures = self.ruling.as_ref().map(|ruling| ruling.captures.clone()).unwrap_or_default();
        captures.resize(count, None);
        captures
    }

    /// `option nolinger`: what the kernel still has for a side is dropped with the connection. A server that has
    /// closed gets a FIN all the same, as from HAProxy.
    fn linger_off(&self, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.seat.is_some()
            && self.was_connected()
            && !self.eof[index(Side::Server)]
            && self.pool(context).is_some_and(|p| p.backend().nolinger)
        {
            ops.push(Op::Close(Side::Server, Close::Reset));
        }
        if self.frontend(context).is_some_and(|frontend| frontend.nolinger) {
            ops.push(Op::Close(Side::Client, Close::Reset));
        }
    }

    fn leave_everything(&mut self, context: &Context<'_>) {
        if self.is_waiting() {
            self.leave_line(context);
        }
        self.leave_server(context);
        self.admission.release_hold();
        if let Some(membership) = &mut self.backend {
            membership.leave();
        }
    }

    /// `cli_abrt`, `srv_abrt` and, where a server breaks off, `eresp`: timeouts of a side count as its abort; failed connects, and clients that
    /// `option abortonclose` gives up, do not.
    fn count_abort(&self) {
        // Of those that never had a server only who said nothing in time, or left while rules waited for it.
        let counts = match self.termination.cause {
            Cause::ClientTimeout => true,
            Cause::ClientAbort => matches!(self.termination.phase, Phase::Data | Phase::Request),
            _ => self.termination.phase == Phase::Data,
        };
        if !counts {
            return;
        }
        if self.termination.cause == Cause::ServerAbort {
            let member = self.backend.as_ref().map(|membership| &membership.live.traffic);
            let server = self.server.as_ref().map(|server| &server.traffic);
            member.into_iter().chain(server).for_each(|traffic| traffic.response_errors.add(1));
        }
        for traffic in self.traffics() {
            match self.termination.cause {
                Cause::ClientAbort | Cause::ClientTimeout => traffic.client_aborts.add(1),
                Cause::ServerAbort | Cause::ServerTimeout => traffic.server_aborts.add(1),
                _ => {}
            }
        }
    }

    /// `qtime`, `ctime` and `ttime`, of sessions that reached a server.
    fn count_times(&self, context: &Context<'_>) {
        let (true, Some(member), Some(server)) = (self.was_connected(), &self.backend, &self.server) else {
            return;
        };
        for traffic in [&member.live.traffic, &server.traffic] {
            traffic.queue_time.add(self.wait);
            traffic.connect_time.add(self.connect);
            traffic.total_time.add(millis(context.now.since(self.accepted)));
        }
    }

    pub(super) fn traffics(&self) -> impl Iterator<Item = &Traffic> {
        let frontend = Some(&self.admission.frontend().traffic);
        let backend = self.backend.as_ref().map(|membership| &membership.live.traffic);
        let server = self.server.as_ref().map(|server| &server.traffic);
        [frontend, backend, server].into_iter().flatten()
    }

    fn wants_line(&self, context: &Context<'_>) -> bool {
        self.frontend(context).is_none_or(|frontend| frontend.log.format == LogFormat::Tcp)
    }
}
