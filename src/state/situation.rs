//! What is true for one client at one moment, as conditions ask for it: [`Facts`] over the live objects.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use super::backend::BackendView;
use super::lock;
use super::server::{Operation, ServerLive, admin};
use super::snapshot::Snapshot;
use crate::config::Config;
use crate::config::model::{
    Backend, BackendFact, BackendId, Change, Counter, End, FrontendFact, FrontendId, ListReader, Server,
    ServerFact, TableFact, TableId, Tracked, Value, VariableId,
};
use crate::rules::stick::Table;
use crate::rules::{Facts, Payload, Request, Served};
use crate::sys::socket;
use crate::time::Tick;
use crate::tls;

/// See the module.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    pub snapshot: &'a Snapshot,
    pub now: Tick,
    pub frontend: Option<FrontendId>,
    /// Once it is chosen.
    pub backend: Option<BackendId>,
    pub client: Option<SocketAddr>,
    /// Only asked of the kernel where a rule asks for it.
    pub destination: Option<SocketAddr>,
    /// The ends of the client's connection, if the session has others.
    pub connection: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    /// A PROXY header came.
    pub introduced: bool,
    /// What rules captured.
    pub captures: &'a [Option<Vec<u8>>],
    /// Position of the listener among the frontend's.
    pub bind: Option<usize>,
    pub payload: Option<Payload<'a>>,
    pub request: Option<Request<'a>>,
    pub variables: &'a [(VariableId, Value)],
    pub tracked: &'a [Option<TrackedEntry>],
    /// Once a server is chosen.
    pub served: Option<Served<'a>>,
    /// What the client's handshake told.
    pub tls: Option<&'a tls::Facts>,
}

/// What rules have kept of one client.
#[derive(Debug, Default)]
pub struct Notes {
    pub variables: Vec<(VariableId, Value)>,
    /// By slot.
    pub tracked: [Option<TrackedEntry>; 3],
}

/// An entry that a session tracks, for as long as this lives.
#[derive(Debug)]
pub struct TrackedEntry {
    table: Arc<Mutex<Table>>,
    key: Vec<u8>,
}

impl TrackedEntry {
    /// `None` if the table has no room, or no key like that.
    pub fn of(table: &Arc<Mutex<Table>>, key: &Value, now: Tick) -> Option<TrackedEntry> {
        let mut locked = lock(table);
        let key = locked.key(key)?;
        locked.track(&key, now).then(|| TrackedEntry { table: Arc::clone(table), key })
    }

    /// Adds to one of its counters.
    pub fn add(&self, counter: Counter, more: u64, now: Tick) {
        lock(&self.table).add(&self.key, counter, more, now);
    }

    /// Sets its tag.
    pub fn set(&self, counter: Counter, value: i64, now: Tick) {
        lock(&self.table).set(&self.key, counter, value, now);
    }
}

impl Drop for TrackedEntry {
    fn drop(&mut self) {
        lock(&self.table).untrack(&self.key, Tick::now());
    }
}

impl<'a> Situation<'a> {
    /// Nothing but the live objects.
    pub fn of(snapshot: &'a Snapshot, now: Tick) -> Situation<'a> {
        Situation {
            snapshot,
            now,
            frontend: None,
            backend: None,
            client: None,
            destination: None,
            connection: None,
            introduced: false,
            captures: &[],
            bind: None,
            payload: None,
            request: None,
            variables: &[],
            tracked: &[],
            served: None,
            tls: None,
        }
    }

    fn pool(&self, BackendId(at): BackendId) -> Option<(&'a Backend, &'a BackendView)> {
        Some((self.snapshot.config.backends.get(at)?, self.snapshot.backends.get(at)?))
    }
}

impl Facts for Situation<'_> {
    fn config(&self) -> &Config {
        &self.snapshot.config
    }

    fn served(&self) -> Option<Served<'_>> {
        self.served.clone()
    }

    fn client(&self) -> Option<SocketAddr> {
        self.client
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.destination
    }

    fn connection(&self, end: End) -> Option<SocketAddr> {
        let (source, destination) = self.connection.unwrap_or((self.client, self.destination));
        match end {
            End::Source => source,
            End::Destination => destination,
        }
    }

    fn is_introduced(&self) -> bool {
        self.introduced
    }

    fn captured(&self, slot: usize) -> Option<&[u8]> {
        self.captures.get(slot)?.as_deref()
    }

    fn frontend(&self) -> Option<FrontendId> {
        self.frontend
    }

    fn backend(&self) -> Option<BackendId> {
        self.backend
    }

    fn bind(&self) -> Option<usize> {
        self.bind
    }

    fn listener_connections(&self) -> Option<u32> {
        let listeners = self.snapshot.listeners.get(self.frontend?.0)?;
        listeners.get(self.bind?)?.as_ref().map(|listener| listener.connections.now())
    }

    fn workers(&self) -> usize {
        self.snapshot.process.load.len()
    }

    fn uptime_seconds(&self) -> u64 {
        self.now.0 / 1000
    }

    fn frontend_fact(&self, fact: FrontendFact, id: FrontendId) -> Option<i64> {
        let live = self.snapshot.frontends.get(id.0)?;
        Some(match fact {
            FrontendFact::Connections => live.traffic.sessions.now().into(),
            FrontendFact::SessionRate => whole(live.traffic.rate.now(self.now)),
            FrontendFact::RequestRate => whole(live.request_rate.now(self.now)),
        })
    }

    fn backend_fact(&self, fact: BackendFact, id: BackendId) -> Option<i64> {
        let (backend, view) = self.pool(id)?;
        Some(match fact {
            BackendFact::Usable => usable(backend, view),
            BackendFact::Connections => view.live.traffic.sessions.now().into(),
            BackendFact::SessionRate => whole(view.live.traffic.rate.now(self.now)),
            BackendFact::FreeConnections => free(backend, view, |_, _| Some(0)),
            BackendFact::Slots => free(backend, view, |server, live| {
                let limit = i64::from(server.maxqueue);
                (limit > 0).then(|| (limit - i64::from(live.queued.now())).max(0))
            }),
            BackendFact::Queue => queued(view),
            BackendFact::AverageQueue => match usable(backend, view) {
                0 => 2 * queued(view),
                servers => (queued(view) + servers - 1) / servers,
            },
        })
    }

    fn server_fact(&self, fact: ServerFact, id: BackendId, server: u32) -> Option<i64> {
        let (backend, view) = self.pool(id)?;
        let at = backend.position(server)?;
        let (config, live) = (backend.servers.get(at)?, view.servers.get(at)?);
        Some(match fact {
            ServerFact::IsUp => is_up(config, live, view).into(),
            ServerFact::Connections => live.traffic.sessions.now().into(),
            ServerFact::FreeConnections => match config.maxconn {
                0 => -1,
                limit => left(limit, live),
            },
            ServerFact::SessionRate => whole(live.traffic.rate.now(self.now)),
            ServerFact::Queue => live.queued.now().into(),
            ServerFact::Weight => live.effective_weight().into(),
            ServerFact::UserWeight => live.weight().into(),
            ServerFact::InitialWeight => config.weight.into(),
        })
    }

    /// What nobody has counted yet is 0; what the entry does not keep is not there, nor is what nobody tracks.
    fn counter(&self, whose: Tracked, counter: Counter, table: TableId) -> Option<i64> {
        let slot = match whose {
            Tracked::Source => {
                let table = lock(self.snapshot.tables.get(table.0)?);
                let key = table.key(&Value::Address(self.client?.ip()));
                let known = key.and_then(|key| table.get(&key, counter, self.now));
                return known.map_or(Some(0), |value| Some(value).filter(|_| table.keeps(counter)));
            }
            Tracked::Slot(slot) => self.tracked.get(usize::from(slot))?,
        };
        let Some(entry) = slot else { return (counter == Counter::Tracked).then_some(0) };
        let own = table.0 == usize::MAX;
        let table = if own { &entry.table } else { self.snapshot.tables.get(table.0)? };
        let table = lock(table);
        let known = table.get(&entry.key, counter, self.now);
        known.map_or(Some(0), |value| Some(value).filter(|_| table.keeps(counter)))
    }

    fn looked_up(&self, key: &Value, counter: Counter, table: TableId) -> Option<i64> {
        let table = lock(self.snapshot.tables.get(table.0)?);
        table.get(&table.key(key)?, counter, self.now)
    }

    /// A client that is not known yet gets an entry with the first increment.
    fn change(&self, whose: Tracked, counter: Counter, change: Change, table: TableId) -> Option<i64> {
        let changed = match whose {
            Tracked::Source => {
                let mut table = lock(self.snapshot.tables.get(table.0)?);
                let key = table.key(&Value::Address(self.client?.ip()))?;
                if change == Change::Increment && !table.put(&key, None, self.now) {
                    return Some(0);
                }
                table.change(&key, counter, change, self.now)
            }
            Tracked::Slot(slot) => {
                let entry = self.tracked.get(usize::from(slot))?.as_ref()?;
                let own = table.0 == usize::MAX;
                let table = if own { &entry.table } else { self.snapshot.tables.get(table.0)? };
                lock(table).change(&entry.key, counter, change, self.now)
            }
        };
        Some(changed.unwrap_or(0))
    }

    fn listed(&self, at: ListReader, value: &Value) -> Option<bool> {
        self.snapshot.lists.get(at.list.0)?.has(at.reader, value)
    }

    fn mapped(&self, at: ListReader, value: &Value) -> Option<Value> {
        self.snapshot.lists.get(at.list.0)?.map(at.reader, value)
    }

    fn table_fact(&self, fact: TableFact, table: TableId) -> Option<i64> {
        let mut table = lock(self.snapshot.tables.get(table.0)?);
        let used = table.used(self.now);
        let entries = match fact {
            TableFact::Used => used,
            TableFact::Available => table.config().size.saturating_sub(used),
        };
        i64::try_from(entries).ok()
    }

    fn variable(&self, id: VariableId) -> Option<Value> {
        let found = self.variables.iter().find(|(known, _)| *known == id)?;
        Some(found.1.clone())
    }

    fn payload(&self) -> Option<Payload<'_>> {
        self.payload
    }

    fn request(&self) -> Option<Request<'_>> {
        self.request
    }

    fn tls(&self) -> Option<&tls::Facts> {
        self.tls
    }

    fn is_local(&self, address: IpAddr) -> bool {
        socket::is_own_address(address)
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// HAProxy's count of usable servers: the active ones; while there is none, the backups that would serve. What
/// the guard holds back serves nobody and does not count.
fn usable(backend: &Backend, view: &BackendView) -> i64 {
    if backend.disabled {
        return 0;
    }
    let count = |backup: bool| {
        let servers = backend.servers.iter().zip(&view.servers);
        let serves = |live: &ServerLive| live.weight() > 0 && view.unselectable(live).is_none();
        servers.filter(|(config, live)| config.backup == backup && serves(live)).count() as i64
    };
    match (count(false), backend.allbackups) {
        (0, true) => count(true),
        (0, false) => count(true).min(1),
        (active, _) => active,
    }
}

/// Up by its checks, whether or not it gets clients. A server that has yet to prove its role is not: HAProxy
/// would have it up from the start.
fn is_up(config: &Server, live: &ServerLive, view: &BackendView) -> bool {
    let maintained = live.admin() & admin::MAINT != 0;
    let watched = config.check.is_some() || config.agent.is_some();
    let down = watched && live.operation() == Operation::Stopped;
    let unproven = view.in_force().needs_proof() && !live.proven();
    !(maintained || down || unproven)
}

/// Places left at servers that are not down, and what `more` adds for each; -1: without limit.
fn free(backend: &Backend, view: &BackendView, more: impl Fn(&Server, &ServerLive) -> Option<i64>) -> i64 {
    let mut sum = 0;
    for (config, live) in backend.servers.iter().zip(&view.servers) {
        if live.unselectable(false).is_some() {
            continue;
        }
        match more(config, live).filter(|_| config.maxconn > 0) {
            Some(more) => sum += left(config.maxconn, live) + more,
            None => return -1,
        }
    }
    sum
}

fn left(limit: u32, live: &ServerLive) -> i64 {
    (i64::from(limit) - i64::from(live.traffic.sessions.now()) - i64::from(live.queued.now())).max(0)
}

fn queued(view: &BackendView) -> i64 {
    let servers: u32 = view.servers.iter().map(|server| server.queued.now()).sum();
    i64::from(view.live.queue.length.now()) + i64::from(servers)
}
