//! Which server a session gets, and who is called when a place becomes free.
//!
//! A [`Pool`] is a backend as it is at one moment: it knows who may be chosen (truth table, proof, master
//! word, weight, active before backup) and how much each may take. [`Pool::choose`] is for a session that
//! arrives, [`wake`] for those that wait. Both choose and take the place under the balancer's lock, so that
//! what the algorithm counted on is still so when the place is taken.
//!
//! Everything that can make a place, or a master, has to be followed by [`wake`] (see `state::queue` for why
//! nothing is lost then): a session that leaves a server calls it; the guard that stored a master word, and
//! health that found a server up or proven, send [`Command::Reconsider`], and the workers call [`wake_all`].
//! A waiter that is served hears [`Command::Granted`] from its own worker.

use std::sync::Arc;

use crate::balance::{self, Candidate, Offer, Pick, Request};
use crate::config::model::{Backend, BackendId, Balance, Config, HashMethod, Hashing, Server};
use crate::state::{
    BackendView, Command, Guarding, Operation, ServerKey, ServerLive, Snapshot, Turn, Unselectable, Waiter,
    Workers, admin,
};

/// How many of those that waited connect to one server at a time. A master that appears is met by all who were
/// held, and whoever stood first shall have its answer before the last one has asked: with 128 at a time all of 320
/// went through their login in step, and the first write that was held came back after 41 to 53 ms; with 16 after 4 ms
/// (`cargo bench --bench failover -- --case killed`). The next is called as soon as one has connected, so that even
/// at a millisecond's distance 16,000 a second go through. It also spares a short listen queue (`net.core.somaxconn`
/// was 128 for long), whose overflow costs a second, and keeps the order: no worker runs further ahead of another.
const ARRIVING: u32 = if cfg!(test) { 3 } else { 16 };

/// One count in a server's session gauge, left when dropped. Whoever drops it calls [`wake`] next.
#[derive(Debug)]
pub struct Seat {
    server: Arc<ServerLive>,
    /// Called from the line, and not there yet.
    arriving: bool,
}

impl Seat {
    /// For a count that was entered before.
    fn entered(server: &Arc<ServerLive>) -> Seat {
        Seat { server: Arc::clone(server), arriving: false }
    }

    /// For the place that [`Command::Granted`] brings.
    pub fn granted(server: &Arc<ServerLive>) -> Seat {
        Seat { server: Arc::clone(server), arriving: true }
    }

    /// Where the place is.
    pub fn server(&self) -> &Arc<ServerLive> {
        &self.server
    }

    /// Whether it was called from the line, and has not arrived.
    pub fn is_called(&self) -> bool {
        self.arriving
    }

    /// The connection stands. Whether the next in line can be called now: by [`wake`].
    pub fn arrive(&mut self) -> bool {
        let arrived = std::mem::take(&mut self.arriving);
        if arrived {
            self.server.arriving.leave();
        }
        arrived
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.arrive();
        self.server.traffic.sessions.leave();
    }
}

/// What an arriving session finds.
#[derive(Debug)]
pub enum Choice {
    Seat(Seat),
    /// All have their fill: wait; for that server alone if there is one.
    Wait(Option<Arc<ServerLive>>),
    /// The one server that will do has `maxqueue` waiting already.
    QueueFull(Arc<ServerLive>),
    /// Nobody gets sessions.
    Nobody,
}

/// A backend at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    config: &'a Config,
    id: BackendId,
    backend: &'a Backend,
    view: &'a BackendView,
}

impl<'a> Pool<'a> {
    /// The backend of that position in the snapshot.
    pub fn of(snapshot: &'a Snapshot, id: BackendId) -> Option<Pool<'a>> {
        let (backend, view) = (snapshot.config.backends.get(id.0)?, snapshot.backends.get(id.0)?);
        Some(Pool { config: &snapshot.config, id, backend, view })
    }

    pub fn backend(&self) -> &'a Backend {
        self.backend
    }

    pub fn view(&self) -> &'a BackendView {
        self.view
    }

    /// A place for a session that arrives. It does not overtake those that wait.
    pub fn choose(&self, request: Request) -> Choice {
        if self.view.live.queue.length.now() > 0 {
            return if self.anybody() { Choice::Wait(None) } else { Choice::Nobody };
        }
        match self.pick(request, Overtaking::No) {
            Picked::Entered(at) => Choice::Seat(Seat::entered(&self.view.servers[at])),
            Picked::Pinned(at) => self.line_of(at),
            Picked::Full => Choice::Wait(None),
            Picked::Nobody => Choice::Nobody,
        }
    }

    /// A place at the very server that a rule names; `None` if the rule cannot be followed. As in HAProxy it may
    /// be a backup, or draining; what the guard does not admit it may never be.
    pub fn choose_named(&self, at: usize) -> Option<Choice> {
        let server = self.view.servers.get(at)?;
        let stopped = server.operation() == Operation::Stopped || server.admin() & admin::MAINT != 0;
        if stopped || !self.admits(server) {
            return None;
        }
        if self.room(at, Overtaking::No) && self.enter(at) {
            return Some(Choice::Seat(Seat::entered(server)));
        }
        Some(self.line_of(at))
    }

    /// Whether any server gets sessions, full or not.
    pub fn anybody(&self) -> bool {
        (0..self.view.servers.len()).any(|at| self.usable(at))
    }

    /// Whether some server would take one that waits.
    #[cfg(test)]
    pub(crate) fn has_room(&self) -> bool {
        let offers = self.offers(Overtaking::Yes).filter_map(|offer| offer.candidate);
        offers.into_iter().any(|candidate| !candidate.full)
    }

    /// How many active servers get sessions: HAProxy's `srv_act`.
    pub fn active(&self) -> usize {
        let active = |at: &usize| self.rank(*at) == Rank::Active && self.usable(*at);
        (0..self.view.servers.len()).filter(active).count()
    }

    /// Whether this very server gets sessions.
    pub fn usable_server(&self, key: ServerKey) -> bool {
        self.view.position(key).is_some_and(|at| self.usable(at))
    }

    /// Whether proof, master word and the freeze let a session go to the server; its other state apart.
    pub fn admits(&self, server: &ServerLive) -> bool {
        if server.is_frozen() {
            return false;
        }
        match self.view.in_force() {
            // One that tracks a server of a role-checked backend goes by the rules there.
            Guarding::None | Guarding::Observe => {
                let excluded = server.leader().and_then(|leader| leader.excluded());
                !matches!(excluded, Some(Unselectable::Unproven | Unselectable::Held))
            }
            Guarding::Replicas | Guarding::Masters => server.proven(),
            Guarding::Master => server.proven() && self.view.live.master.load().server == Some(server.key),
        }
    }

    /// `error-limit` of a server whose connects are observed.
    pub fn observed(&self, key: ServerKey) -> Option<u32> {
        let server = &self.backend.servers[self.view.position(key)?];
        server.observe_layer4.then_some(server.error_limit)
    }

    fn usable(&self, at: usize) -> bool {
        let server = &self.view.servers[at];
        server.weight() > 0 && self.view.unselectable(server).is_none()
    }

    fn line_of(&self, at: usize) -> Choice {
        let (server, config) = (&self.view.servers[at], &self.backend.servers[at]);
        if config.maxqueue > 0 && server.queued.now() >= config.maxqueue {
            return Choice::QueueFull(Arc::clone(server));
        }
        Choice::Wait(Some(Arc::clone(server)))
    }

    /// Chooses and takes the place.
    fn pick(&self, request: Request, overtaking: Overtaking) -> Picked {
        self.view.live.with_balancer(|balancer| {
            match balancer.pick(self.backend.balance, request, self.offers(overtaking)) {
                Pick::Nobody => Picked::Nobody,
                Pick::Full => Picked::Full,
                Pick::Server(at) if self.room(at, overtaking) && self.enter(at) => Picked::Entered(at),
                Pick::Server(at) => Picked::Pinned(at),
            }
        })
    }

    fn rank(&self, at: usize) -> Rank {
        match (self.backend.servers[at].backup, self.view.servers[at].stands_in()) {
            (true, _) => Rank::Backup,
            (false, true) => Rank::StandIn,
            (false, false) => Rank::Active,
        }
    }

    /// The servers as the balancer sees them. Backups count only while no active server is usable, and
    /// without `option allbackups` only the first of them; between the two comes a master that stands in.
    fn offers(&self, overtaking: Overtaking) -> impl Iterator<Item = Offer> {
        let best = (0..self.view.servers.len()).filter(|at| self.usable(*at)).map(|at| self.rank(at)).min();
        let mut backup_found = false;
        self.view.servers.iter().enumerate().map(move |(at, server)| {
            let rank = self.rank(at);
            let backup = rank == Rank::Backup;
            let turn = Some(rank) == best && (!backup || self.backend.allbackups || !backup_found);
            let usable = turn && self.usable(at);
            backup_found |= backup && usable;
            let candidate = usable.then(|| Candidate {
                weight: self.weight(server),
                load: server.traffic.sessions.now() + server.queued.now(),
                full: !self.room(at, overtaking),
            });
            Offer { key: server.key.0, candidate }
        })
    }

    /// In sixteenths, so that a starting server can have a part of the smallest weight. Algorithms that go by
    /// a table of weights, which would become sixteen times as long, know no slow start, as in HAProxy.
    fn weight(&self, server: &ServerLive) -> u32 {
        match self.backend.balance {
            Balance::StaticRr
            | Balance::Source(Hashing { method: HashMethod::MapBased, .. })
            | Balance::Hash(Hashing { method: HashMethod::MapBased, .. }) => server.weight(),
            _ => server.weight() * server.sixteenths(),
        }
    }

    /// Whether the server takes one more now.
    fn room(&self, at: usize, overtaking: Overtaking) -> bool {
        let server = &self.view.servers[at];
        let limit = self.limit(at);
        let below = limit == 0 || server.traffic.sessions.now() < limit;
        below
            && match overtaking {
                Overtaking::No => server.queued.now() == 0,
                Overtaking::Yes => server.arriving.now() < ARRIVING,
            }
    }

    fn enter(&self, at: usize) -> bool {
        self.view.servers[at].traffic.sessions.try_enter(self.limit(at))
    }

    /// What a server may take, less while it starts; 0: no limit.
    fn limit(&self, at: usize) -> u32 {
        match (self.full_limit(at), self.view.servers[at].share()) {
            (0, _) => 0,
            (limit, 100) => limit,
            (limit, share) => ((u64::from(limit) * u64::from(share) / 100) as u32).max(1),
        }
    }

    /// `maxconn` of a server, or what `minconn` and `fullconn` make of it under the present load; 0: none.
    fn full_limit(&self, at: usize) -> u32 {
        let Server { maxconn, minconn, .. } = self.backend.servers[at];
        if maxconn == 0 || minconn == 0 || minconn >= maxconn {
            return maxconn;
        }
        let full = u64::from(self.config.fullconn(self.id));
        let load = u64::from(self.view.live.traffic.sessions.now());
        if load >= full {
            return maxconn;
        }
        minconn.max((load * u64::from(maxconn) / full) as u32)
    }

    /// Takes a place for one that waits, if there is one.
    fn serve(&self, waiter: &Waiter) -> Result<ServerKey, Turn> {
        if let Some(server) = &waiter.pinned {
            let at = self.view.position(server.key).ok_or(Turn::Pass)?;
            let open = self.usable(at) && self.room(at, Overtaking::Yes) && self.enter(at);
            return if open { Ok(server.key) } else { Err(Turn::Pass) };
        }
        let request = Request { client: waiter.client, key: waiter.key, avoid: None };
        match self.pick(request, Overtaking::Yes) {
            Picked::Entered(at) => Ok(self.view.servers[at].key),
            Picked::Pinned(_) if balance::pins(self.backend.balance, request) => Err(Turn::Pass),
            // If nobody takes this one, then pinned ones find no place either.
            Picked::Pinned(_) | Picked::Full | Picked::Nobody => Err(Turn::Stop),
        }
    }
}

/// Whose turn it is: the next only while nobody of those before is usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Active,
    /// The master of a read backend.
    StandIn,
    Backup,
}

/// Whether those who wait for a server stand before the session in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overtaking {
    /// A newcomer: a server with a line of its own counts as full.
    No,
    /// A waiter, whose turn the line itself decides.
    Yes,
}

enum Picked {
    Entered(usize),
    Pinned(usize),
    Full,
    Nobody,
}

/// Serves those who wait in a backend, in order, as long as there are places: after a server came up, was
/// proven, was named master, or got room. Costs one load if nobody waits.
pub fn wake(snapshot: &Snapshot, backend: BackendId, workers: &Workers) {
    let Some(pool) = Pool::of(snapshot, backend) else { return };
    let queue = &pool.view.live.queue;
    if !queue.anyone() || !pool.anybody() {
        return;
    }
    queue.serve(|waiter| match pool.serve(waiter) {
        Ok(server) => {
            if let Some(at) = pool.view.position(server) {
                pool.view.servers[at].arriving.enter();
            }
            workers.post(waiter.token.worker, Command::Granted(waiter.token, server));
            Turn::Served
        }
        Err(turn) => turn,
    });
}

/// Serves those who wait in any backend: for a reload, and for whoever does not know which one changed.
pub fn wake_all(snapshot: &Snapshot, workers: &Workers) {
    (0..snapshot.backends.len()).for_each(|at| wake(snapshot, BackendId(at), workers));
}

/// A place that was granted to a session that is gone: passes it on. For a [`Command::Granted`] whose token
/// finds nobody. A server that a reload has removed since has no place to pass on.
pub fn pass_on(snapshot: &Snapshot, server: ServerKey, workers: &Workers) {
    let found = snapshot.backends.iter().enumerate().find_map(|(at, view)| {
        let position = view.position(server)?;
        Some((BackendId(at), &view.servers[position]))
    });
    if let Some((backend, live)) = found {
        drop(Seat::granted(live));
        wake(snapshot, backend, workers);
    }
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
