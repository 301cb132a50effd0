//! Which frontends, backends and servers are shown, in HAProxy's order (a proxy's frontend, its servers, its
//! backend; proxies by id), each with what its columns need at hand. Pure over the live objects and `now`.

use super::status::Standing;
use crate::config::model::{Backend, BackendId, Frontend, FrontendId, Server};
use crate::redis::Role;
use crate::state::{
    AgentRecord, BackendView, FrontendLive, Health, Operation, Reception, RedisView, ServerLive, Snapshot,
    Unselectable,
};
use crate::time::Tick;

/// What the reader wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `stats scope`: only these proxies; none: all.
    pub scope: Vec<String>,
    /// `;scope=TEXT`: only proxies whose name contains it.
    pub filter: Option<String>,
    pub hide: Hide,
    pub details: Details,
}

/// `;up`, `;no-maint`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hide {
    #[default]
    Nothing,
    Maintenance,
    Down,
}

/// `stats show-legends`: whether addresses, cookies and algorithms are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Details {
    #[default]
    Plain,
    Legends,
}

/// One row.
#[derive(Debug)]
pub enum Row<'a> {
    Frontend(FrontendRow<'a>),
    Server(Box<ServerRow<'a>>),
    Backend(BackendRow<'a>),
}

#[derive(Debug)]
pub struct FrontendRow<'a> {
    pub config: &'a Frontend,
    pub live: &'a FrontendLive,
    /// Whether it has a socket: `OPEN`, else `STOP`.
    pub open: bool,
    pub limit: u32,
    pub now: Tick,
}

#[derive(Debug)]
pub struct BackendRow<'a> {
    pub config: &'a Backend,
    pub view: &'a BackendView,
    pub tally: Tally,
    pub fullconn: u32,
    pub details: Details,
    pub now: Tick,
}

#[derive(Debug)]
pub struct ServerRow<'a> {
    pub config: &'a Server,
    pub backend: &'a Backend,
    pub live: &'a ServerLive,
    pub health: Health,
    pub agent: AgentRecord,
    pub redis: RedisView,
    /// Why it gets no clients.
    pub excluded: Option<Unselectable>,
    pub standing: Standing,
    pub details: Details,
    pub now: Tick,
}

/// What a backend can offer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub active: u32,
    pub backup: u32,
    pub weight: u32,
}

/// The rows of a selection.
pub fn rows<'a>(snapshot: &'a Snapshot, selection: &Selection, now: Tick) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let maxconn = process_limit(snapshot);
    for half in halves(snapshot, selection) {
        match half {
            Half::Front(FrontendId(at)) => {
                rows.push(Row::Frontend(FrontendRow::new(snapshot, at, maxconn, now)));
            }
            Half::Back(id) => {
                let details = selection.details;
                let shown = servers(snapshot, id, details, now).filter(|row| selection.shows(row));
                rows.extend(shown.map(|row| Row::Server(Box::new(row))));
                rows.push(Row::Backend(BackendRow::new(snapshot, id, details, now)));
            }
        }
    }
    rows
}

/// The servers of a backend, none left out.
pub fn servers<'a>(
    snapshot: &'a Snapshot,
    BackendId(at): BackendId,
    details: Details,
    now: Tick,
) -> impl Iterator<Item = ServerRow<'a>> {
    let (backend, view) = (&snapshot.config.backends[at], &snapshot.backends[at]);
    let shown = backend.servers.iter().zip(&view.servers).filter(|(config, _)| config.is_shown());
    shown.map(move |(config, live)| {
        let (health, redis, excluded) = (live.health(), live.redis(), view.unselectable(live));
        // Its own record but for the counter, which is that of the server whose checks count for it.
        let counted = live.checked_leader().map(|leader| leader.health());
        let counted = counted.map(|Health { counter, rise, fall, .. }| Health {
            counter,
            rise,
            fall,
            ..health.clone()
        });
        let health = counted.unwrap_or(health);
        let agent = live.agent();
        // HAProxy words a state by the agent of the server whose checks count, too.
        let worded = live.checked_leader().map_or_else(|| agent.clone(), |leader| leader.agent());
        let standing = Standing::of(config, live, (&health, &worded), excluded);
        ServerRow { config, backend, live, health, agent, redis, excluded, standing, details, now }
    })
}

impl Selection {
    /// Whether a proxy of that name is shown.
    pub fn takes(&self, name: &str) -> bool {
        let in_scope = self.scope.is_empty() || self.scope.iter().any(|scope| scope == name);
        in_scope && self.filter.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    fn shows(&self, row: &ServerRow<'_>) -> bool {
        match self.hide {
            Hide::Nothing => true,
            Hide::Maintenance => !row.standing.is_maintenance(),
            Hide::Down => !row.standing.is_down(),
        }
    }
}

impl FrontendRow<'_> {
    /// HAProxy's word.
    pub fn status(&self) -> &'static str {
        match self.live.reception() {
            Reception::Paused | Reception::Suspended => "PAUSED",
            Reception::Open if self.open => "OPEN",
            Reception::Open | Reception::Stopped => "STOP",
        }
    }
}

impl<'a> FrontendRow<'a> {
    fn new(snapshot: &'a Snapshot, at: usize, maxconn: u32, now: Tick) -> FrontendRow<'a> {
        let (config, live) = (&snapshot.config.frontends[at], &*snapshot.frontends[at]);
        let sockets = snapshot.listeners.get(at).map_or(&[][..], Vec::as_slice);
        let open = config.binds.is_empty() || sockets.iter().any(Option::is_some);
        FrontendRow { config, live, open, limit: frontend_limit(config, maxconn), now }
    }
}

impl<'a> BackendRow<'a> {
    fn new(snapshot: &'a Snapshot, id: BackendId, details: Details, now: Tick) -> BackendRow<'a> {
        let (config, view) = (&snapshot.config.backends[id.0], &snapshot.backends[id.0]);
        let fullconn = snapshot.config.fullconn(id);
        BackendRow { config, view, tally: Tally::of(config, view), fullconn, details, now }
    }

    /// Up with a usable server, or without any server line.
    pub fn is_up(&self) -> bool {
        !self.has_servers() || self.tally.active + self.tally.backup > 0
    }

    /// Whether it has a server line.
    pub fn has_servers(&self) -> bool {
        self.config.servers.iter().any(Server::is_shown)
    }

    /// Milliseconds without a usable server, the present spell included.
    pub fn downtime_ms(&self) -> u64 {
        let past = self.view.live.downtime_ms.sum();
        let present = if self.is_up() { 0 } else { self.unchanged_ms() };
        past + present
    }

    /// Milliseconds since it last went up or down.
    pub fn unchanged_ms(&self) -> u64 {
        let since = self.view.live.last_change.load(std::sync::atomic::Ordering::Relaxed);
        self.now.0.saturating_sub(since)
    }
}

impl ServerRow<'_> {
    /// Its role check fails only because it says that it is a replica: it is well, and not what is asked for.
    pub fn stands_by(&self) -> bool {
        let says_replica = self.redis.report.as_ref().is_some_and(|report| report.role == Role::Replica);
        says_replica && self.health.other_role && self.standing == Standing::Down
    }

    /// Its state in a word.
    pub fn word(&self) -> String {
        match &self.config.track {
            Some(track) if self.standing == Standing::Inherited => format!("MAINT (via {})", track.name),
            _ => self.standing.word(&self.health),
        }
    }

    /// Whether checks run on it now.
    pub fn is_checked(&self) -> bool {
        self.config.check.is_some() && !self.standing.is_maintenance()
    }

    /// Milliseconds down, the present spell included.
    pub fn downtime_ms(&self) -> u64 {
        let down = self.live.operation() == Operation::Stopped;
        let present = if down { self.unchanged_ms() } else { 0 };
        self.health.downtime_ms + present
    }

    /// Milliseconds since it last went up or down.
    pub fn unchanged_ms(&self) -> u64 {
        self.now.0.saturating_sub(self.health.last_change.0)
    }

    /// `slowstart`, in percent of its weight; `None` when it is over or there is none.
    pub fn throttle(&self) -> Option<u32> {
        let starting = self.live.operation() == Operation::Starting && !self.config.slowstart.is_zero();
        starting.then(|| self.live.sixteenths() * 100 / 16)
    }
}

impl Tally {
    fn of(config: &Backend, view: &BackendView) -> Tally {
        let mut tally = Tally::default();
        let mut weights = (0, 0);
        let lines = config.servers.iter().zip(&view.servers).filter(|(server, _)| server.is_shown());
        for (server, live) in lines {
            let weight = live.effective_weight();
            if view.unselectable(live).is_some() || weight == 0 {
                continue;
            }
            if !server.backup {
                tally.active += 1;
                weights.0 += weight;
            } else {
                tally.backup += 1;
                // Without `allbackups` only the first backup is used.
                weights.1 =
                    if config.allbackups || tally.backup == 1 { weights.1 + weight } else { weights.1 };
            }
        }
        tally.weight = if tally.active > 0 { weights.0 } else { weights.1 };
        tally
    }
}

/// One half of a proxy.
#[derive(Debug, Clone, Copy)]
pub enum Half {
    Front(FrontendId),
    Back(BackendId),
}

impl Half {
    /// HAProxy's number of the proxy.
    pub fn proxy_id(self, snapshot: &Snapshot) -> u32 {
        match self {
            Half::Front(FrontendId(at)) => snapshot.config.frontends[at].proxy_id,
            Half::Back(BackendId(at)) => snapshot.config.backends[at].proxy_id,
        }
    }
}

/// Servers in one [`part`].
const PART: usize = 64;

/// The rows of a half, a part at a time: those after its first `skip` servers, and how many to skip for the next
/// part; `None`: that was the last.
pub fn part<'a>(
    snapshot: &'a Snapshot,
    half: Half,
    selection: &Selection,
    skip: usize,
    now: Tick,
) -> (Vec<Row<'a>>, Option<usize>) {
    let maxconn = process_limit(snapshot);
    let id = match half {
        Half::Front(FrontendId(at)) => {
            return (vec![Row::Frontend(FrontendRow::new(snapshot, at, maxconn, now))], None);
        }
        Half::Back(id) => id,
    };
    let details = selection.details;
    let shown = servers(snapshot, id, details, now).skip(skip).take(PART).filter(|row| selection.shows(row));
    let mut rows: Vec<Row<'a>> = shown.map(|row| Row::Server(Box::new(row))).collect();
    if skip + PART < snapshot.config.backends[id.0].servers.len() {
        return (rows, Some(skip + PART));
    }
    rows.push(Row::Backend(BackendRow::new(snapshot, id, details, now)));
    (rows, None)
}

/// The shown halves of proxies, in the order of the files, the frontend first.
pub fn halves(snapshot: &Snapshot, selection: &Selection) -> Vec<Half> {
    let config = &snapshot.config;
    let shown = |name: &str, disabled: bool| !disabled && selection.takes(name);
    let fronts = config.frontends.iter().enumerate().filter(|(_, proxy)| shown(&proxy.name, proxy.disabled));
    let backs = config.backends.iter().enumerate().filter(|(_, proxy)| shown(&proxy.name, proxy.disabled));
    let mut halves: Vec<((usize, u32), Half)> = fronts
        .map(|(at, proxy)| ((proxy.order, proxy.proxy_id), Half::Front(FrontendId(at))))
        .chain(backs.map(|(at, proxy)| ((proxy.order, proxy.proxy_id), Half::Back(BackendId(at)))))
        .collect();
    // A stable sort: with one place for both halves of a `listen`, the frontend stays first.
    halves.sort_by_key(|(place, _)| *place);
    halves.into_iter().map(|(_, half)| half).collect()
}

/// The global limit in force; a reload may have changed it.
pub fn process_limit(snapshot: &Snapshot) -> u32 {
    snapshot.config.global.maxconn.unwrap_or_default()
}

fn frontend_limit(config: &Frontend, maxconn: u32) -> u32 {
    if config.maxconn == 0 { maxconn } else { config.maxconn }
}
