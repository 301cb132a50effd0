//! The shell that serves `mode http` proxies on the control side: connections that workers handed over, an
//! HTTP/1 server on each, and [`answer`](super::answer) for what is said.
//!
//! Bounds: [`MOST_CONNECTIONS`] at a time, 16 KiB of request head, 10 s to send it (`timeout client`, if that is
//! shorter), 30 s of silence in either direction. Of a request body no more is read than [`LONGEST_FORM`], and only
//! where `stats admin` allows changes. The control thread also runs checks and guards, so a page is rendered in one
//! go (a millisecond for hundreds of servers) and written without blocking; logins, which take long where passwords
//! are crypted, are looked up by another thread, one at a time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::ProcessFacts;
use super::action::{Change, Code, LONGEST_FORM, Order, origin};
use super::answer::{Act, Method, Outcome, Request, Silence, World, answer};
use super::body::Page;
use super::failed::Failed;
use super::ledger::Ledger;
use super::login;
use super::metered::Metered;
use super::reply::{Answerer, Reply, Then};
use crate::config::model::{Backend, BackendId, FrontendId, UserlistId};
use crate::config::rule::status;
use crate::log::{Clock, ConnectRecord, Logger, policy};
use crate::proxy::service::Served;
use crate::rules;
use crate::state::{
    Cause, Concurrency, Details, FrontendLive, Phase, Published, SessionRecord, Snapshot, Termination,
};
use crate::sys::socket::{self, local_address};
use crate::time::Tick;
use crate::tls;

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
            backend: asked.backend.map(|backend| backend.name().to_string()),
            client,
            local: asked.destination.or_else(|| local_address(&socket)),
            bind: asked.bind,
            tls: asked.tls,
            state: Mutex::new(State { ledger: Ledger::new(asked.notes), served: 0 }),
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
    /// Where it came to, and by which of the frontend's listeners.
    pub local: Option<SocketAddr>,
    pub bind: Option<usize>,
    /// What its handshake told.
    pub tls: Option<Arc<tls::Facts>>,
    pub state: Mutex<State>,
}

/// What changes with each request. Requests of a connection come one after the other; nothing waits for the lock.
#[derive(Debug, Default)]
pub struct State {
    pub ledger: Ledger,
    /// Requests so far.
    pub served: u64,
}

/// A request that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rule ends the connection")]
struct Refused;

/// Logins are held against crypted passwords by one thread at a time, whoever else asks meanwhile.
static LOGINS: Semaphore = Semaphore::const_new(1);

impl Visit {
    /// Answers until one side closes. `already_read` was taken off the socket before.
    pub async fn serve(self, socket: OwnedFd, already_read: Vec<u8>) -> io::Result<()> {
        let traffic = Arc::clone(&self.frontend);
        // A client that is dropped without a word must not hear of it when the connection is closed.
        let other = Arc::new(socket.try_clone()?);
        let stream = Metered::new(socket, already_read, traffic, self.service.limits.silence)?;
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(self.patience()).max_buf_size(HEAD_LIMIT);
        // Who has said all that it will say (`nc -N`) still wants its answer.
        server.auto_date_header(false).half_close(true);
        let visit = Arc::new(self);
        let began = (Instant::now(), SystemTime::now());
        let answered = AtomicBool::new(false);
        let handler = service_fn(|request| {
            answered.store(true, Relaxed);
            let visit = Arc::clone(&visit);
            let other = Arc::clone(&other);
            async move {
                match visit.respond(request).await {
                    Ok(response) => Ok(response),
                    Err(silence) => {
                        if silence == Silence::Complete {
                            socket::hush(&*other);
                            socket::reset_on_close(&*other);
                        }
                        Err(Refused)
                    }
                }
            }
        });
        let ended = server.serve_connection(TokioIo::new(stream), handler).await;
        if let Some(failed) = Failed::of(&ended, answered.load(Relaxed)) {
            if let Some(answer) = failed.answer() {
                // A last word past hyper, which has given up. Who takes none has had its time.
                let _ = socket::send(&*other, answer.as_bytes());
            }
            visit.fail(failed, began);
        }
        ended.map_err(io::Error::other)
    }

    /// How long a request may take to come: no longer than `timeout client` says, either.
    fn patience(&self) -> Duration {
        let snapshot = self.service.published.load();
        let (FrontendId(at), _) = self.place(&snapshot);
        let limit = self.service.limits.head;
        let patience = snapshot.config.frontends.get(at).and_then(|frontend| frontend.timeout_client);
        patience.map_or(limit, |patience| limit.min(patience))
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

    async fn respond(&self, request: hyper::Request<Incoming>) -> Result<hyper::Response<Page>, Silence> {
        let began = (Instant::now(), SystemTime::now());
        let now = Tick::now();
        self.frontend.requests.add(1);
        self.frontend.request_rate.hit(now);
        let snapshot = self.service.published.load_full();
        self.log_request(&snapshot);
        let closes = is_last(&request);
        let lists = self.lists(&snapshot, &request).await;
        let mut reply = match self.answer(&snapshot, &request, &lists, now) {
            Outcome::Reply(reply) => reply,
            Outcome::Act(act) => {
                match timeout(self.patience(), Limited::new(request.into_body(), LONGEST_FORM).collect())
                    .await
                {
                    Ok(form) => act.done(self.act(&act, form.map(|form| form.to_bytes()).ok()).await),
                    Err(_) => self.late(),
                }
            }
            Outcome::Later(reply, wait) => {
                sleep(wait).await;
                reply
            }
            Outcome::Refuse(silence) => {
                self.count_refusal(Answerer::Rule);
                self.log(&snapshot, &Told::refused(), began);
                return Err(silence);
            }
        };
        if closes {
            reply.then = Then::Close;
        }
        self.frontend.count_response(reply.status);
        self.count_refusal(reply.by);
        if reply.by != Answerer::NoServer {
            self.frontend.intercepted.add(1);
        }
        if reply.by != Answerer::Monitor {
            self.log(&snapshot, &Told::of(&reply), began);
        }
        Ok(response(reply))
    }

    /// The userlists that know the login, if there is one and anything may ask.
    async fn lists(&self, snapshot: &Snapshot, request: &hyper::Request<Incoming>) -> Vec<UserlistId> {
        let config = Arc::clone(&snapshot.config);
        let header = request.headers().get(AUTHORIZATION).filter(|_| !config.userlists.is_empty());
        let Some(login) = header.and_then(|header| rules::login(header.as_bytes())) else {
            return Vec::new();
        };
        if !self.asks_of_requests(snapshot) {
            return Vec::new();
        }
        // It is never closed.
        let Ok(_turn) = LOGINS.acquire().await else { return Vec::new() };
        spawn_blocking(move || login::lists(&login, &config.userlists)).await.unwrap_or_default()
    }

    fn count_refusal(&self, by: Answerer) {
        if matches!(by, Answerer::Rule | Answerer::Tarpit) {
            self.frontend.traffic.denied.add(1);
        }
    }

    /// The form did not come in time.
    fn late(&self) -> Reply {
        self.frontend.request_errors.add(1);
        Reply { then: Then::Close, ..Reply::page(408, Answerer::Stats) }
    }

    /// Has done what the form says. `None`: it is longer than is read, or was cut off.
    async fn act(&self, act: &Act, form: Option<Bytes>) -> Code {
        let Some(body) = form else { return Code::TooLong };
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

    fn answer(
        &self,
        snapshot: &Snapshot,
        request: &hyper::Request<Incoming>,
        lists: &[UserlistId],
        now: Tick,
    ) -> Outcome {
        let Service { facts, clock, .. } = &self.service;
        let world = World { snapshot, facts, clock, now };
        let target = request.uri().to_string();
        let headers = self.headers(snapshot, request);
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.served += 1;
        let order = if state.served == 1 { rules::Order::First } else { rules::Order::Later };
        let asked = Request {
            client: self.client,
            local: self.local,
            bind: self.bind,
            tls: self.tls.as_deref(),
            http: rules::Request {
                method: request.method().as_str(),
                target: &target,
                version: if request.version() == hyper::Version::HTTP_10 { "1.0" } else { "1.1" },
                headers: &headers,
                order,
                lists,
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
        answer(&world, self.place(snapshot), &nonce(), asked, &mut state.ledger)
    }

    /// Copied only where conditions may ask for them.
    fn headers(&self, snapshot: &Snapshot, request: &hyper::Request<Incoming>) -> Vec<(String, Vec<u8>)> {
        let asked = self.asks_of_requests(snapshot);
        let headers = request.headers().iter().filter(|_| asked);
        headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
    }

    /// Whether conditions decide how requests are answered.
    fn asks_of_requests(&self, snapshot: &Snapshot) -> bool {
        let (FrontendId(at), backend) = self.place(snapshot);
        let config = &snapshot.config;
        let Some(frontend) = config.frontends.get(at) else { return false };
        // Another one may be chosen by the request.
        let leads_to =
            |(at, backend): (usize, &Backend)| frontend.leads_to(BackendId(at)) && backend.asks_of_requests();
        let by_backend = backend.and_then(|BackendId(at)| config.backends.get(at));
        frontend.asks_of_requests()
            || by_backend.is_some_and(Backend::asks_of_requests)
            || config.backends.iter().enumerate().any(leads_to)
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
            tls: self.tls.clone(),
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
    /// By a rule that gives no answer.
    fn refused() -> Told {
        Told { timer: None, termination: Termination::new(Cause::Proxy, Phase::Request), bytes: (1, 0) }
    }

    fn of(reply: &Reply) -> Told {
        let termination = match reply.by {
            Answerer::Stats | Answerer::Config => Termination::new(Cause::Local, Phase::Request),
            Answerer::Rule => Termination::new(Cause::Proxy, Phase::Request),
            Answerer::Tarpit => Termination::new(Cause::Proxy, Phase::Tarpit),
            _ => Termination::new(Cause::ServerAbort, Phase::Connect),
        };
        let timer = (reply.by == Answerer::Stats).then_some(Duration::ZERO);
        Told { timer, termination, bytes: (1, reply.body.len() as u64) }
    }
}

/// HAProxy says so where a client of HTTP/1.0 did not ask for more.
fn is_last(request: &hyper::Request<Incoming>) -> bool {
    let connection = request.headers().get(CONNECTION).map(HeaderValue::as_bytes).unwrap_or_default();
    request.version() == hyper::Version::HTTP_10 && !connection.eq_ignore_ascii_case(b"keep-alive")
}

fn response(reply: Reply) -> hyper::Response<Page> {
    let mut response = hyper::Response::new(Page::from(reply.body));
    *response.status_mut() =
        hyper::StatusCode::from_u16(reply.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(name) = status::name(reply.status) {
        response.extensions_mut().insert(ReasonPhrase::from_static(name.as_bytes()));
    }
    for (name, value) in reply.headers {
        // A realm or an address with bytes that no header may hold goes without.
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()));
        if let (Ok(name), Ok(value)) = pair {
            response.headers_mut().append(name, value);
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
