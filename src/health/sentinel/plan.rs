//! What the watcher of one backend needs to know, taken out of a snapshot.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::model::{
    Backend, CheckAction, CheckConnect, CheckMethod, CheckTls, SentinelGroup, Server, ServerAddress,
    ServerPort, SlotTakes,
};
use crate::health::probe::Target;
use crate::health::tcp_check::login;
use crate::redis::command;
use crate::state::{BackendKey, BackendLive, BackendView, Guarding, ServerLive, Snapshot};

/// How long a connect to a server, and its answer, may take where no `timeout connect` says it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// One backend's.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) backend: BackendKey,
    pub(super) live: Arc<BackendLive>,
    pub(super) groups: Vec<SentinelGroup>,
    pub(super) servers: Vec<Seat>,
    /// Where to listen for Sentinels; empty if that is switched off.
    pub(super) listeners: Vec<ListenJob>,
    /// Sections whose Sentinels tell the addresses of servers.
    pub(super) slots_of: BTreeSet<String>,
    /// Those of them whose master gets a slot too.
    pub(super) masters_of: BTreeSet<String>,
}

/// A server, for telling whether a Sentinel means it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) live: Arc<ServerLive>,
    pub(super) address: Option<SocketAddr>,
    /// As written: `redis1.local:6379`.
    pub(super) written: String,
}

/// One server on whose `__sentinel__:hello` is listened.
#[derive(Debug, Clone)]
pub(super) struct ListenJob {
    pub(super) server: Arc<ServerLive>,
    pub(super) target: Target,
    /// The script's own `tcp-check connect`, or what is done without one.
    pub(super) connect: CheckConnect,
    /// What the server line says of TLS in checks: a login must not go out in the clear where they speak it.
    pub(super) tls: Option<CheckTls>,
    pub(super) login: Login,
    pub(super) timeout: Duration,
}

/// The check's login, verbatim, and how many replies it brings.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Login {
    bytes: Vec<u8>,
    pub(super) replies: u32,
}

impl Login {
    pub(super) fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

/// Without the password.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({} replies)", self.replies)
    }
}

impl ListenJob {
    /// Whether a task that does the one does the other.
    pub(super) fn same(&self, other: &ListenJob) -> bool {
        self.server.key == other.server.key
            && self.target == other.target
            && self.connect == other.connect
            && self.tls == other.tls
            && self.login == other.login
            && self.timeout == other.timeout
    }
}

/// The plans of a snapshot.
pub(super) fn plans(snapshot: &Snapshot) -> Vec<Plan> {
    let config = &snapshot.config;
    let backends = config.backends.iter().zip(&snapshot.backends);
    let watched = backends.filter(|(backend, _)| !backend.disabled);
    watched.filter_map(|(backend, view)| plan(backend, view, &config.sentinels)).collect()
}

fn guarded(view: &BackendView) -> bool {
    matches!(view.guarding, Guarding::Master | Guarding::Observe)
}

/// Backends with a guard that looks for one master, and others with slots, which need the Sentinels of these.
fn plan(backend: &Backend, view: &BackendView, groups: &[SentinelGroup]) -> Option<Plan> {
    let slots = || backend.servers.iter().filter_map(|server| server.slot.as_ref());
    let slots_of: BTreeSet<String> = slots().map(|slot| slot.section.clone()).collect();
    let every = slots().filter(|slot| slot.takes == SlotTakes::Every);
    let masters_of = every.map(|slot| slot.section.clone()).collect();
    let guarded = guarded(view);
    if !guarded && slots_of.is_empty() {
        return None;
    }
    let concerns = |group: &&SentinelGroup| guarded || slots_of.contains(&group.name);
    let servers = backend.servers.iter().zip(&view.servers);
    let seats = servers.clone().map(|(server, live)| Seat {
        live: Arc::clone(live),
        address: address(server),
        written: server.written_address.clone(),
    });
    let listeners = servers
        .filter(|_| guarded && backend.redis.discovery)
        .map(|(server, live)| listener(backend, server, live));
    Some(Plan {
        backend: view.live.key,
        live: Arc::clone(&view.live),
        groups: groups.iter().filter(concerns).cloned().collect(),
        servers: seats.collect(),
        listeners: listeners.collect(),
        slots_of,
        masters_of,
    })
}

fn listener(backend: &Backend, server: &Server, live: &Arc<ServerLive>) -> ListenJob {
    let bytes = login(&backend.check);
    let replies = command::count(&bytes).map_or(0, |commands| commands.complete);
    let rules: &[_] = if let CheckMethod::TcpCheck(rules) = &backend.check { rules } else { &[] };
    let connect = rules.iter().find_map(|rule| match &rule.action {
        CheckAction::Connect(connect) => Some(CheckConnect { linger: false, ..connect.clone() }),
        _ => None,
    });
    ListenJob {
        server: Arc::clone(live),
        target: Target::of(server),
        connect: connect.unwrap_or(CheckConnect::IMPLICIT),
        tls: server.check.as_ref().and_then(|check| check.tls.clone()),
        login: Login { bytes, replies },
        timeout: backend.timeout_connect.unwrap_or(TIMEOUT).max(TIMEOUT),
    }
}

fn address(server: &Server) -> Option<SocketAddr> {
    match server.address {
        Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(port) }) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
