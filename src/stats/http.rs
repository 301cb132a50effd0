//! The shell that serves `mode http` proxies on the control side: connections that workers handed over, an
//! HTTP/1 server on each, and [`answer`](super::answer) for what is said.
//!
//! Bounds: [`MOST_CONNECTIONS`] at a time, 16 KiB of request head, 10 s to send it, 30 s of silence in either
//! direction (which also ends an idle kept connection). Of a request body no more is read than
//! [`LONGEST_FORM`], and only where `stats admin` allows changes. The control thread also
//! runs checks and guards, so a page is rendered in one go (a millisecond for hundreds of servers) and
//! written without blocking.

use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ProcessFacts;
use super::action::{Change, Code, LONGEST_FORM, Order, origin};
use super::answer::{Act, Answerer, Method, Outcome, Reply, Request, Then, World, answer};
use super::failed::Failed;
use super::metered::Metered;
use crate::config::model::{Backend, BackendId, Frontend, FrontendId};
use crate::log::{Clock, ConnectRecord, Logger, policy};
use crate::proxy::service::Served;
use crate::rules;
use crate::state::{
    Cause, Concurrency, Details, FrontendLive, Phase, Published, SessionRecord, Snapshot, Termination,
};
use crate::sys::socket::local_address;
use crate::time::Tick;

/// More than people and exporters open; the rest is closed at once.
const MOST_CONNECTIONS: usize = 256;
const HEAD_LIMIT: usize = 16 * 1024;

/// What every connection is served with.
#[derive(Debug, Clone)]
pub struct Service {
    pub published: Arc<Published>,
    pub facts: Arc<ProcessFacts>,
    pub logger: Logger,
    pub clock: Clock,
    /// Who carries out what forms ask for: at most one a connection.
    pub changes: UnboundedSender<Change>,
    pub limits: Limits,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a whole request head, and between two requests.
    pub head: Duration,
    /// Without a byte in either direction.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

/// Serves until the last worker has let go of its sender. To be spawned on the control runtime.
pub async fn serve_loop(mut served: UnboundedReceiver<Served>, service: Service) {
    let open = Arc::new(AtomicUsize::new(0));
    while let Some(Served { socket, client, service: asked, place }) = served.recv().await {
        if open.fetch_add(1, Relaxed) >= MOST_CONNECTIONS {
            open.fetch_sub(1, Relaxed);
            continue;
        }
        let visit = Visit {
            service: service.clone(),
            frontend: asked.frontend,
            backend: asked.backend.map(|backend| backend.name.clone()),
            client,
            local: local_address(&socket),
        };
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            // A client that goes away in the middle is normal; what was no request has been counted.
            let _ = visit.serve(socket, Vec::new()).await;
            open.fetch_sub(1, Relaxed);
            drop(place);
        });
    }
}

/// One connection.
#[derive(Debug)]
pub struct Visit {
    pub service: Service,
    pub frontend: Arc<FrontendLive>,
    /// The `mode http` backend that the frontend led to.
    pub backend: Option<String>,
    pub client: Option<SocketAddr>,
    /// Where it came to.
    pub local: Option<SocketAddr>,
}

impl Visit {
    /// Answers until one side closes. `already_read` was taken off the socket before.
    pub async fn serve(self, socket: OwnedFd, already_read: Vec<u8>) -> io::Result<()> {
        let traffic = Arc::clone(&self.frontend);
        let stream = Metered::new(socket, already_read, traffic, self.service.limits.silence)?;
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(self.service.limits.head)
            .max_buf_size(HEAD_LIMIT);
        // Who has said all that it will say (`nc -N`) still wants its answer.
        server.auto_date_header(false).half_close(true);
        let visit = Arc::new(self);
        let began = (Instant::now(), SystemTime::now());
        let answered = AtomicBool::new(false);
        let handler = service_fn(|request| {
            answered.store(true, Relaxed);
            let visit = Arc::clone(&visit);
            async move { Ok::<_, Infallible>(visit.respond(request).await) }
        });
        let ended = server.serve_connection(TokioIo::new(stream), handler).await;
        if let Some(failed) = Failed::of(&ended, answered.load(Relaxed)) {
            visit.fail(failed, began);
        }
        ended.map_err(io::Error::other)
    }

    /// Counts and logs what was no request.
    fn fail(&self, failed: Failed, began: (Instant, SystemTime)) {
        self.frontend.requests.add(1);
        self.frontend.request_errors.add(1);
        self.frontend.request_rate.hit(Tick::now());
        self.frontend.count_response(failed.status());
        let snapshot = self.service.published.load_full();
        let told = Told { timer: None, termination: failed.termination(), bytes: (failed.bytes_in(), 0) };
        self.log(&snapshot, &told, began);
    }

    async fn respond(&self, request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
        let began = (Instant::now(), SystemTime::now());
        let now = Tick::now();
        self.frontend.requests.add(1);
        self.frontend.request_rate.hit(now);
        let snapshot = self.service.published.load_full();
        self.log_request(&snapshot);
        let reply = match self.answer(&snapshot, &request, now) {
            Outcome::Reply(reply) => reply,
            Outcome::Act(act) => {
                let code = self.act(&act, request.into_body()).await;
                act.done(code)
            }
        };
        self.frontend.count_response(reply.status);
        if reply.by != Answerer::NoServer {
            self.frontend.intercepted.add(1);
        }
        if reply.by != Answerer::Monitor {
            self.log(&snapshot, &Told::of(&reply), began);
        }
        response(reply)
    }

    /// Has done what the form says.
    async fn act(&self, act: &Act, body: Incoming) -> Code {
        let read = timeout(self.service.limits.head, Limited::new(body, LONGEST_FORM).collect());
        let body = match read.await {
            Ok(Ok(body)) => body.to_bytes(),
            // Longer than is read, or not all of it came.
            Ok(Err(_)) | Err(_) => return Code::TooLong,
        };
        let order = match Order::read(&body) {
            Ok(order) => order,
            Err(code) => return code,
        };
        let (answer, answered) = oneshot::channel();
        let change = Change { order, scope: act.scope.clone(), answer };
        match self.service.changes.send(change) {
            Ok(()) => answered.await.unwrap_or(Code::Unknown),
            // The process is ending.
            Err(_) => Code::Unknown,
        }
    }

    fn answer(&self, snapshot: &Snapshot, request: &hyper::Request<Incoming>, now: Tick) -> Outcome {
        let Service { facts, clock, .. } = &self.service;
        let world = World { snapshot, facts, clock, now };
        let target = request.uri().to_string();
        let headers = self.headers(snapshot, request);
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let asked = Request {
            client: self.client,
            http: rules::Request {
                method: request.method().as_str(),
                target: &target,
                version: if request.version() == hyper::Version::HTTP_10 { "1.0" } else { "1.1" },
                headers: &headers,
            },
            method: match *request.method() {
                hyper::Method::GET | hyper::Method::HEAD => Method::Read,
                hyper::Method::POST => Method::Post,
                _ => Method::Other,
            },
            target: &target,
            authorization: header(AUTHORIZATION),
            origin: origin(header(HOST), header(ORIGIN), header(REFERER)),
        };
        answer(&world, self.place(snapshot), &nonce(), asked)
    }

    /// Copied only where conditions may ask for them.
    fn headers(&self, snapshot: &Snapshot, request: &hyper::Request<Incoming>) -> Vec<(String, Vec<u8>)> {
        let (FrontendId(at), backend) = self.place(snapshot);
        let config = &snapshot.config;
        let by_backend = backend.and_then(|BackendId(at)| config.backends.get(at));
        let asked = config.frontends.get(at).is_some_and(Frontend::asks_of_requests)
            || by_backend.is_some_and(Backend::asks_of_requests);
        let headers = request.headers().iter().filter(|_| asked);
        headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
    }

    /// Where the connection's proxies stand in this snapshot; names outlive reloads. A frontend that is gone
    /// has no position, and its clients no page.
    fn place(&self, snapshot: &Snapshot) -> (FrontendId, Option<BackendId>) {
        let frontend = snapshot.frontend(&self.frontend.name).unwrap_or(FrontendId(usize::MAX));
        (frontend, self.backend.as_deref().and_then(|name| snapshot.backend(name)))
    }

    /// `Connect from ...`, where there is no `option tcplog`.
    fn log_request(&self, snapshot: &Snapshot) {
        let (frontend, _) = self.place(snapshot);
        if policy::request(&snapshot.config, frontend).is_some() {
            let config = Arc::clone(&snapshot.config);
            let (client, local) = (self.client, self.local);
            self.service.logger.connect(ConnectRecord { config, frontend, client, local, refused: None });
        }
    }

    /// As HAProxy: one line a request, with `<STATS>` for a server.
    fn log(&self, snapshot: &Snapshot, told: &Told, (began, accepted): (Instant, SystemTime)) {
        let (FrontendId(at), backend) = self.place(snapshot);
        let backend = backend.or_else(|| snapshot.config.frontends.get(at)?.default_backend);
        let record = SessionRecord {
            config: Arc::clone(&snapshot.config),
            frontend_id: (at != usize::MAX).then_some(FrontendId(at)),
            frontend: Arc::clone(&self.frontend),
            backend: backend.and_then(|BackendId(at)| Some(Arc::clone(&snapshot.backends.get(at)?.live))),
            server: None,
            client: self.client,
            tls: None,
            accepted,
            wait: told.timer,
            connect: told.timer,
            total: began.elapsed(),
            bytes_in: told.bytes.0,
            bytes_out: told.bytes.1,
            termination: told.termination,
            concurrency: Concurrency {
                process: snapshot.process.connections.now(),
                frontend: self.frontend.traffic.sessions.now(),
                backend: 0,
                server: 0,
            },
            retries: 0,
            redispatched: false,
            server_queue: 0,
            backend_queue: 0,
            as_soon_as_possible: false,
            details: Details::default(),
        };
        self.service.logger.service(record, if told.timer.is_some() { "<STATS>" } else { "<NOSRV>" });
    }
}

/// What a line says of an answer.
struct Told {
    /// Of a page of ours, for which nobody waits.
    timer: Option<Duration>,
    termination: Termination,
    /// In and out.
    bytes: (u64, u64),
}

impl Told {
    fn of(reply: &Reply) -> Told {
        let termination = match reply.by {
            Answerer::Stats => Termination::new(Cause::Local, Phase::Request),
            Answerer::Rule => Termination::new(Cause::Proxy, Phase::Request),
            _ => Termination::new(Cause::ServerAbort, Phase::Connect),
        };
        let timer = (reply.by == Answerer::Stats).then_some(Duration::ZERO);
        Told { timer, termination, bytes: (1, reply.body.len() as u64) }
    }
}

fn response(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        hyper::StatusCode::from_u16(reply.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // A realm or an address with bytes that no header may hold goes without.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if reply.then == Then::Close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Unpredictable to whoever could plant text on the page: the standard library's hash keys come from the
/// kernel's random source, which `chroot` does not hide.
fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    let state = RandomState::new();
    format!("{:016x}{:016x}", state.hash_one((count, 0)), state.hash_one((count, 1)))
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
