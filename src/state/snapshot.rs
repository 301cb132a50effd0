//! The one published snapshot, and how the next one is made from the last.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::backend::{BackendKey, BackendLive, BackendView, Guarding};
use super::frontend::FrontendLive;
use super::left;
use super::list::ListLive;
use super::lock;
use super::mailbox::Listener;
use super::server::{Health, Operation, ServerKey, ServerLive, admin};
use super::succession::{Predecessor, Side, Succession};
use super::track::linked;
use crate::config::Config;
use crate::config::model::{
    Backend, BackendId, Frontend, FrontendId, Origin, RiseFall, Server, ServerAddress, StickTable,
};
use crate::rules::stick::Table;
use crate::time::Tick;

/// The place where the snapshot is published: the only `ArcSwap` there is.
pub type Published = ArcSwap<Snapshot>;

/// A config and the live objects that belong to it; `frontends[i]` and `backends[i]` belong to the config's
/// frontend and backend `i`.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows with every swap.
    pub generation: u64,
    pub config: Arc<Config>,
    pub frontends: Vec<Arc<FrontendLive>>,
    pub backends: Vec<BackendView>,
    /// `listeners[i][j]` is the socket of bind `j` of frontend `i`; `None` if disabled.
    pub listeners: Vec<Vec<Option<Arc<Listener>>>>,
    /// `tables[i]` belongs to the config's table `i`.
    pub tables: Vec<Arc<Mutex<Table>>>,
    /// `lists[i]` belongs to the config's list `i`.
    pub lists: Vec<Arc<ListLive>>,
    /// Process-wide connections: global `maxconn` counts against this.
    pub process: Arc<ProcessLive>,
}

/// What belongs to no proxy.
#[derive(Debug, Default)]
pub struct ProcessLive {
    pub connections: super::counters::Gauge,
    pub total: super::counters::Counter,
    pub rate: super::counters::Rate,
    /// Sessions that wait for a first verdict or for a master.
    pub held: super::counters::Gauge,
    /// `set rate-limit connections global`, `... sessions global`: new clients a second; 0 is no limit.
    pub rate_limits: [AtomicU32; 2],
    /// Accepts that failed for want of descriptors or memory.
    pub accept_failures: super::counters::Counter,
    /// Numbers connections as they come.
    pub(super) arrivals: std::sync::atomic::AtomicU64,
    /// Who found no room: see `admission`.
    pub(super) turned_away: std::sync::atomic::AtomicU64,
    /// What is counted of TLS.
    pub secured: super::secured::SecuredLive,
    /// Sessions of each worker, by which accepted connections are spread.
    pub load: Vec<super::counters::Gauge>,
}

impl Snapshot {
    /// The snapshot for `config` after `old`: live objects are carried over as [`super::succession`] says. `guarding`
    /// says what applies to each backend, in the config's order.
    pub fn build(
        config: Arc<Config>,
        listeners: Vec<Vec<Option<Arc<Listener>>>>,
        guarding: &[Guarding],
        old: &Snapshot,
        now: Tick,
    ) -> Snapshot {
        let frontends = config.frontends.iter().map(|frontend| old.carry_frontend(&frontend.name)).collect();
        let succession = old.succession(&config, guarding);
        let view = |(at, (backend, guarding)): (usize, (&Backend, &Guarding))| match succession.of(at) {
            Some(from) => old.carry_backend(from, backend, *guarding, now),
            None => fresh_backend(backend, *guarding, now),
        };
        let backends = config.backends.iter().zip(guarding).enumerate().map(view).collect();
        let backends = linked(&config, backends);
        left::link(old, &config, &backends);
        let tables = config.tables.iter().map(|table| old.carry_table(table)).collect();
        // As the files are now: what the runtime socket had changed is gone, as in HAProxy.
        let lists = config.lists.iter().map(|list| Arc::new(ListLive::new(list))).collect();
        let process = Arc::clone(&old.process);
        let generation = old.generation + 1;
        Snapshot { generation, config, frontends, backends, listeners, tables, lists, process }
    }

    /// The snapshot after the operator changed something of the config: everything is carried over by name, and
    /// a server with another address goes on as its own successor. `guarding` as in [`Snapshot::build`].
    pub fn edited(&self, config: Arc<Config>, guarding: &[Guarding], now: Tick) -> Snapshot {
        let view = |(backend, guarding): (&Backend, &Guarding)| self.edit_backend(backend, *guarding, now);
        let backends = config.backends.iter().zip(guarding).map(view).collect::<Vec<_>>();
        Snapshot {
            generation: self.generation + 1,
            backends: linked(&config, backends),
            config,
            frontends: self.frontends.clone(),
            listeners: self.listeners.clone(),
            tables: self.tables.clone(),
            lists: self.lists.clone(),
            process: Arc::clone(&self.process),
        }
    }

    fn edit_backend(&self, backend: &Backend, guarding: Guarding, now: Tick) -> BackendView {
        let Some(BackendId(at)) = self.backend(&backend.name) else {
            return fresh_backend(backend, guarding, now);
        };
        let (old_backend, old_view) = (&self.config.backends[at], &self.backends[at]);
        let carry = |server: &Server| {
            let same = |old: &Server| old.name == server.name;
            let Some(position) = old_backend.servers.iter().position(same) else {
                return fresh_server(server, now);
            };
            let live = &old_view.servers[position];
            let old = &old_backend.servers[position];
            match place(old) == place(server) {
                true => Arc::clone(live),
                false => Arc::new(moved(live, (old, server), now)),
            }
        };
        let servers = backend.servers.iter().map(carry).collect();
        BackendView { live: Arc::clone(&old_view.live), servers, guarding }
    }

    /// The same with other listening sockets.
    pub fn with_listeners(&self, listeners: Vec<Vec<Option<Arc<Listener>>>>) -> Snapshot {
        Snapshot { listeners, ..self.without_listeners() }
    }

    /// The same without its listening sockets: a soft stop publishes it, so that they close.
    pub fn without_listeners(&self) -> Snapshot {
        let none = |frontend: &Frontend| vec![None; frontend.binds.len()];
        Snapshot {
            generation: self.generation + 1,
            config: Arc::clone(&self.config),
            frontends: self.frontends.clone(),
            backends: self.backends.clone(),
            listeners: self.config.frontends.iter().map(none).collect(),
            tables: self.tables.clone(),
            lists: self.lists.clone(),
            process: Arc::clone(&self.process),
        }
    }

    /// What there is before the first config.
    pub fn empty(workers: usize) -> Snapshot {
        let load = (0..workers).map(|_| super::counters::Gauge::default()).collect();
        Snapshot {
            generation: 0,
            config: Arc::default(),
            frontends: Vec::new(),
            backends: Vec::new(),
            listeners: Vec::new(),
            tables: Vec::new(),
            lists: Vec::new(),
            process: Arc::new(ProcessLive { load, ..ProcessLive::default() }),
        }
    }

    /// The frontend of that name, or number.
    pub fn frontend(&self, name: &str) -> Option<FrontendId> {
        let meant = |frontend: &Frontend| is_meant(name, &frontend.name, frontend.proxy_id);
        self.config.frontends.iter().position(meant).map(FrontendId)
    }

    /// The backend of that name, or number.
    pub fn backend(&self, name: &str) -> Option<BackendId> {
        let meant = |backend: &Backend| is_meant(name, &backend.name, backend.proxy_id);
        self.config.backends.iter().position(meant).map(BackendId)
    }

    fn carry_frontend(&self, name: &str) -> Arc<FrontendLive> {
        let kept = self.frontends.iter().find(|live| live.name == name).cloned();
        kept.unwrap_or_else(|| Arc::new(FrontendLive::new(name)))
    }

    /// What is remembered stays, unless it would be another thing.
    fn carry_table(&self, table: &StickTable) -> Arc<Mutex<Table>> {
        let kept = self.tables.iter().find(|live| lock(live).config() == table);
        kept.cloned().unwrap_or_else(|| Arc::new(Mutex::new(Table::new(table))))
    }

    /// What goes on from what in the next config.
    pub fn succession(&self, next: &Config, guarding: &[Guarding]) -> Succession {
        let own: Vec<Guarding> = self.backends.iter().map(|view| view.guarding).collect();
        let old = Side { config: &self.config, guarding: &own };
        Succession::between(old, Side { config: next, guarding })
    }

    fn carry_backend(
        &self,
        from: &Predecessor,
        backend: &Backend,
        guarding: Guarding,
        now: Tick,
    ) -> BackendView {
        let (old_backend, old_view) = (&self.config.backends[from.backend], &self.backends[from.backend]);
        let carry = |(server, was): (&Server, &Option<usize>)| {
            let same = |was: &usize| place(&old_backend.servers[*was]) == place(server);
            let Some(position) = was.filter(same) else { return fresh_server(server, now) };
            let live = Arc::clone(&old_view.servers[position]);
            live.rename(&server.name);
            adjust(&live, &old_backend.servers[position], server);
            live
        };
        let servers = backend.servers.iter().zip(&from.servers).map(carry).collect();
        old_view.live.rename(&backend.name);
        BackendView { live: Arc::clone(&old_view.live), servers, guarding }
    }
}

fn fresh_backend(backend: &Backend, guarding: Guarding, now: Tick) -> BackendView {
    let live = Arc::new(BackendLive::new(BackendKey(next_key()), &backend.name, now));
    let servers: Vec<_> = backend.servers.iter().map(|server| fresh_server(server, now)).collect();
    // HAProxy says that a backend went down when its last server turns out to have no address.
    let unresolved = backend.servers.iter().any(|server| server.address.is_none());
    if unresolved && servers.iter().all(|server| server.admin() & admin::MAINT != 0) {
        live.down_transitions.add(1);
    }
    BackendView { live, servers, guarding }
}

/// What makes it another server: behind another SOCKS4 proxy the same address may be another machine's.
fn place(server: &Server) -> (&Option<ServerAddress>, Option<SocketAddr>) {
    (&server.address, server.socks4)
}

/// A server that is kept takes over what its line changed.
fn adjust(live: &ServerLive, old: &Server, new: &Server) {
    if old.weight != new.weight {
        live.set_weight(new.weight);
    }
    if old.disabled != new.disabled {
        let bits = live.admin() & !admin::CONFIG_MAINT;
        live.set_admin(if new.disabled {
            bits | admin::CONFIG_MAINT | admin::FORCED_MAINT
        } else {
            bits & !admin::FORCED_MAINT
        });
    }
    if (old.origin, new.origin) == (Origin::RuntimeSocket, Origin::Config) {
        // From now on it is one of the config's, which starts it in service.
        live.set_checks_off(false);
        if !new.disabled {
            live.set_admin(live.admin() & !admin::FORCED_MAINT);
        }
    }
    live.update_agent(|agent| agent.configure(new.agent.is_some()));
    let vetoed = live.agent().vetoes();
    // A slow start of one that tracks another goes on.
    if new.check.is_none()
        && !vetoed
        && new.address.is_some()
        && (new.track.is_none() || new.slowstart.is_zero())
    {
        live.set_operation(Operation::Running);
    }
    let RiseFall { rise, fall } = new.rise_fall();
    live.update_health(|health| {
        let up = health.counter >= health.rise;
        if (health.rise, health.fall) != (rise, fall) {
            health.counter = match (up, &new.check) {
                (true, Some(_)) => rise + fall - 1,
                (true, None) => rise,
                (false, _) => 0,
            };
            (health.rise, health.fall) = (rise, fall);
        }
    });
}

/// A server at another address. One that had none, or whose slot another Redis takes, begins anew; one that has
/// none any more is out of service.
fn moved(live: &ServerLive, (old, new): (&Server, &Server), now: Tick) -> ServerLive {
    let successor = live.successor(ServerKey(next_key()));
    let begins_anew = old.address.is_none() || new.address.is_none() || new.slot.is_some();
    if !begins_anew {
        return successor;
    }
    let bits = successor.admin() & !admin::RESOLUTION_MAINT;
    let bits = if new.address.is_none() { bits | admin::RESOLUTION_MAINT } else { bits };
    successor.set_admin(bits);
    let is_out = bits & admin::MAINT != 0;
    let is_up = !is_out && new.init_state.is_up() && !successor.agent().vetoes();
    successor.set_operation(if is_up { Operation::Running } else { Operation::Stopped });
    successor.update_health(|health| {
        health.counter = if is_out { 0 } else { new.init_state.counter(new.rise_fall()) };
        health.status = match new.check {
            Some(_) => super::CheckStatus::Initializing,
            None => super::CheckStatus::Unknown,
        };
        health.last_change = now;
        (health.code, health.duration_ms) = (None, None);
        health.info.clear();
    });
    successor
}

fn fresh_server(server: &Server, now: Tick) -> Arc<ServerLive> {
    let RiseFall { rise, fall } = server.rise_fall();
    let health = Health {
        counter: server.init_state.counter(server.rise_fall()),
        rise,
        fall,
        status: if server.check.is_some() {
            super::CheckStatus::Initializing
        } else {
            super::CheckStatus::Unknown
        },
        code: None,
        info: String::new(),
        duration_ms: None,
        in_progress: false,
        other_role: false,
        failed_checks: 0,
        failed_analyses: 0,
        down_transitions: 0,
        last_change: now,
        downtime_ms: 0,
    };
    let live = ServerLive::new(ServerKey(next_key()), &server.name, server.weight, health);
    live.update_agent(|agent| agent.configure(server.agent.is_some()));
    if !server.init_state.is_up() {
        live.set_operation(Operation::Stopped);
    }
    let mut bits = 0;
    if server.disabled {
        bits |= match server.origin {
            Origin::Config => admin::FORCED_MAINT | admin::CONFIG_MAINT,
            Origin::RuntimeSocket => admin::FORCED_MAINT,
        };
    }
    if server.origin == Origin::RuntimeSocket {
        // `enable health` is another word.
        live.set_checks_off(server.check.is_some());
    }
    if server.address.is_none() {
        bits |= admin::RESOLUTION_MAINT;
    }
    if bits != 0 {
        live.set_admin(bits);
        // HAProxy counts it as one that went down, unless the config itself disabled it.
        let went_down = u64::from(!server.disabled && server.check.is_some());
        live.update_health(|health| (health.counter, health.down_transitions) = (0, went_down));
        live.set_operation(Operation::Stopped);
    }
    Arc::new(live)
}

fn next_key() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// Whether somebody who writes to the runtime socket means the proxy or server of that name and number: either its
/// name, or its number behind a `#` (management guide section 9.3), which no name has.
pub fn is_meant(written: &str, name: &str, number: u32) -> bool {
    match written.strip_prefix('#') {
        Some(digits) => number > 0 && digits.parse() == Ok(number),
        None => written == name,
    }
}
