//! A driver without sockets, for tests: it runs sessions against the contract on a clock of its own, says what
//! they may not do, and shows what is left behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::assign;
use super::super::contract::{ConnectError, Event, Op, Side};
use super::{Context, Session, SessionOrigin, Stage};
use crate::config::Config;
use crate::config::model::{
    Backend, BackendId, Frontend, FrontendId, LogFormat, Server, ServerAddress, ServerPort, SessionLog,
};
use crate::state::{
    Admission, Command, Guarding, ServerKey, ServerLive, SessionRecord, SessionToken, Snapshot, Workers,
};
use crate::time::Tick;

/// What the model knows of one session.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Option<Session>,
    /// Where it connects, or is connected to.
    pub(crate) server: Option<ServerKey>,
    pub(crate) connecting: bool,
    pub(crate) relaying: bool,
    /// Bytes that the client sent, bytes of these that the server got, and whether the rest goes there.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    pub(crate) way: Way,
    pub(crate) ops: Vec<Op>,
    pub(crate) record: Option<SessionRecord>,
}

/// What becomes of bytes that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    Paused,
    Discarded,
}

impl Connection {
    pub(crate) fn is_over(&self) -> bool {
        self.session.is_none()
    }

    pub(crate) fn session(&self) -> &Session {
        self.session.as_ref().expect("the session is over")
    }

    pub(crate) fn session_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("the session is over")
    }

    /// The code of its log line.
    pub(crate) fn code(&self) -> String {
        self.record.as_ref().map(|record| record.termination.to_string()).unwrap_or_default()
    }
}

/// One worker, its sessions, and the snapshot they live in.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    pub(crate) workers: Workers,
    pub(crate) now: Tick,
    pub(crate) connections: BTreeMap<u32, Connection>,
    next: u32,
}

impl World {
    pub(crate) fn new(config: Config, guarding: Guarding) -> World {
        let now = Tick(1000);
        let snapshot = Snapshot::empty(1);
        let workers = Workers::new(1).unwrap();
        let mut world = World { snapshot, workers, now, connections: BTreeMap::new(), next: 0 };
        world.load(config, guarding);
        world
    }

    /// A world of one frontend that leads to one backend, after `change`.
    pub(crate) fn of(servers: usize, change: impl FnOnce(&mut Config)) -> World {
        let mut config = config(servers);
        change(&mut config);
        World::new(config, Guarding::None)
    }

    /// Loads another config, as a reload does.
    pub(crate) fn load(&mut self, config: Config, guarding: Guarding) {
        let guarding = vec![guarding; config.backends.len()];
        let listeners = config.frontends.iter().map(|_| Vec::new()).collect();
        self.snapshot = Snapshot::build(Arc::new(config), listeners, &guarding, &self.snapshot, self.now);
        self.feed_all(Event::Refreshed);
    }

    pub(crate) fn server(&self, at: usize) -> &Arc<ServerLive> {
        &self.snapshot.backends[0].servers[at]
    }

    /// Accepts a client; `None` if there is no room.
    pub(crate) fn open(&mut self) -> Option<u32> {
        let admission = Admission::reserve(&self.snapshot, FrontendId(0), self.now).ok()?;
        admission.count(&self.snapshot.config.frontends[0], self.now);
        let slot = self.next;
        self.next += 1;
        let origin = SessionOrigin {
            bind: 0,
            destination: None,
            token: SessionToken { worker: 0, slot, turn: 0 },
            frontend: FrontendId(0),
            port: 0,
            client: Some(([127, 0, 0, 1], 40000).into()),
            accepted: self.now,
            accepted_at: SystemTime::UNIX_EPOCH,
            announced: None,
            tls: None,
        };
        let mut session = Session::new(origin, admission, &self.context());
        let mut ops = Vec::new();
        session.start(&self.context(), &mut ops);
        let connection = Connection {
            session: Some(session),
            server: None,
            connecting: false,
            relaying: false,
            sent: 0,
            arrived: 0,
            way: Way::Open,
            ops: Vec::new(),
            record: None,
        };
        self.connections.insert(slot, connection);
        self.execute(slot, ops);
        Some(slot)
    }

    /// Accepts a client that finds a server at once, and connects it.
    pub(crate) fn open_relaying(&mut self) -> u32 {
        let id = self.open().unwrap();
        self.feed(id, Event::Connected);
        assert!(self.connections[&id].relaying);
        id
    }

    /// Tells one session, executes what it wants; returns that.
    pub(crate) fn feed(&mut self, id: u32, event: Event) -> Vec<Op> {
        let Some(mut session) = self.connections.get_mut(&id).and_then(|c| c.session.take()) else {
            if let Event::Granted(server) = event {
                assign::pass_on(&self.snapshot, server, &self.workers);
            }
            return Vec::new();
        };
        let mut ops = Vec::new();
        match event {
            Event::Connected => self.connection(id).connecting = false,
            Event::ConnectFailed(_) | Event::Failed(Side::Server, _) => {
                let connection = self.connection(id);
                (connection.server, connection.connecting, connection.relaying) = (None, false, false);
            }
            _ => {}
        }
        session.handle(event, &self.context(), &mut ops);
        self.connection(id).session = Some(session);
        self.execute(id, ops.clone());
        ops
    }

    /// The client sends so many bytes; they go as far as the operations let them.
    pub(crate) fn send(&mut self, id: u32, bytes: u64) {
        let connection = self.connection(id);
        connection.sent += bytes;
        if !connection.relaying {
            return;
        }
        let moved = match connection.way {
            Way::Open => connection.sent - connection.arrived,
            Way::Paused | Way::Discarded => 0,
        };
        connection.arrived += moved;
        if moved > 0 {
            self.feed(id, Event::Received(Side::Client, moved));
        }
    }

    /// A server is frozen, or no more, as the guard does it.
    pub(crate) fn freeze(&mut self, at: usize, until: Option<Tick>) {
        let server = Arc::clone(self.server(at));
        self.snapshot.backends[0].live.set_frozen_until(until);
        match until {
            Some(_) => server.freeze(),
            None => server.thaw(),
        }
        let command = || match until {
            Some(_) => Command::Freeze(server.key),
            None => Command::Thaw(server.key),
        };
        self.workers.broadcast(command);
        self.workers.broadcast(|| Command::Reconsider);
    }

    pub(crate) fn feed_all(&mut self, event: Event) {
        let ids: Vec<u32> = self.connections.keys().copied().collect();
        ids.into_iter().for_each(|id| drop(self.feed(id, event)));
    }

    fn feed_served_by(&mut self, server: ServerKey, event: Event) {
        let on = |c: &Connection| c.session.as_ref().is_some_and(|s| s.server() == Some(server));
        let found = self.connections.iter().filter(|(_, connection)| on(connection));
        let ids: Vec<u32> = found.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| drop(self.feed(id, event)));
    }

    /// Hands out what lies in the mailbox, until it is empty.
    pub(crate) fn deliver(&mut self) {
        loop {
            let mut commands = Vec::new();
            self.workers.mailbox(0).take(&mut commands);
            if commands.is_empty() {
                return;
            }
            for command in commands {
                match command {
                    Command::Granted(token, server) => drop(self.feed(token.slot, Event::Granted(server))),
                    Command::Reconsider => self.feed_all(Event::Reconsider),
                    Command::Cut(server, reason) => self.feed_served_by(server, Event::Cut(reason)),
                    Command::Freeze(server) => self.feed_served_by(server, Event::Freeze),
                    Command::Withhold(server) => self.feed_served_by(server, Event::Withhold),
                    Command::Thaw(server) => self.feed_served_by(server, Event::Thaw),
                    other => panic!("the model knows no {other:?}"),
                }
            }
        }
    }

    /// Lets time pass, with timers at their moments; attempts fail as `unreachable` says.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        for _ in 0..10_000 {
            self.deliver();
            let due = |c: &Connection| c.session.as_ref().and_then(Session::deadline);
            let next = self.connections.iter().filter_map(|(id, c)| Some((due(c)?, *id))).min();
            let Some((at, id)) = next.filter(|(at, _)| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = at.max(self.now);
            self.feed(id, Event::Timer);
        }
        panic!("timers fire without progress: {:?}", self.connections);
    }

    /// The attempt under way is refused, until it pauses, waits or ends.
    pub(crate) fn refuse(&mut self, id: u32) {
        self.feed(id, Event::ConnectFailed(ConnectError::Refused));
    }

    pub(crate) fn connection(&mut self, id: u32) -> &mut Connection {
        self.connections.get_mut(&id).unwrap()
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { snapshot: &self.snapshot, now: self.now, workers: &self.workers }
    }

    pub(super) fn execute(&mut self, id: u32, ops: Vec<Op>) {
        let (mut relayed, mut peeked) = (false, false);
        for op in ops {
            let live = !self.connection(id).is_over();
            assert!(live, "{op:?} after the end");
            match &op {
                Op::Connect(spec) => {
                    let connection = self.connection(id);
                    assert!(connection.server.is_none(), "a second connection: {:?}", connection.ops);
                    (connection.server, connection.connecting) = (Some(spec.server), true);
                }
                Op::DropServer => {
                    let connection = self.connection(id);
                    (connection.server, connection.connecting, connection.relaying) = (None, false, false);
                }
                Op::Relay => {
                    let connection = self.connection(id);
                    assert!(connection.server.is_some() && !connection.connecting && !connection.relaying);
                    connection.relaying = true;
                    relayed = true;
                }
                Op::Pause(Side::Client) => {
                    let connection = self.connection(id);
                    assert!(connection.relaying && connection.way == Way::Open, "{:?}", connection.ops);
                    connection.way = Way::Paused;
                }
                Op::Resume(Side::Client) => {
                    let connection = self.connection(id);
                    assert!(connection.relaying && connection.way == Way::Paused, "{:?}", connection.ops);
                    connection.way = Way::Open;
                    relayed = true;
                }
                Op::Discard(Side::Client) => self.connection(id).way = Way::Discarded,
                Op::Peek => peeked = true,
                Op::Log => {
                    let record = self.connections[&id].session().record(&self.context());
                    self.connection(id).record = Some(record);
                }
                Op::End | Op::Serve => self.connection(id).session = None,
                _ => {}
            }
            self.connection(id).ops.push(op);
        }
        if relayed && !self.connection(id).is_over() {
            self.flows_on(id);
        }
        if peeked && !self.connection(id).is_over() {
            self.show(id);
        }
    }

    /// What a driver does for [`Op::Peek`]; what rules hear is said by their tests.
    fn show(&mut self, id: u32) {
        let stage = self.connections[&id].session().stage;
        if matches!(stage, Stage::Inspecting { .. } | Stage::Greeting { .. }) {
            return;
        }
        let said = vec![b'x'; self.connections[&id].sent.min(100) as usize];
        self.say(id, &said, false);
    }

    /// The session is shown what its client has said.
    pub(crate) fn say(&mut self, id: u32, bytes: &[u8], ended: bool) {
        let Some(mut session) = self.connection(id).session.take() else { return };
        let mut ops = Vec::new();
        session.said(bytes, ended, &self.context(), &mut ops);
        self.connection(id).session = Some(session);
        self.execute(id, ops);
    }

    /// What waited in the kernel goes out.
    fn flows_on(&mut self, id: u32) {
        let connection = self.connection(id);
        let moved = connection.sent - connection.arrived;
        connection.arrived = connection.sent;
        if moved > 0 {
            self.feed(id, Event::Received(Side::Client, moved));
        }
    }

    /// Holds what must hold at every moment: gauges say what the sessions are.
    pub(crate) fn check(&self) {
        let sessions: Vec<&Session> = self.connections.values().filter_map(|c| c.session.as_ref()).collect();
        let count = sessions.len() as u32;
        assert_eq!(self.snapshot.process.connections.now(), count, "process");
        for frontend in &self.snapshot.frontends {
            assert_eq!(frontend.traffic.sessions.now(), count, "frontend");
        }
        let waiting = sessions.iter().filter(|session| session.is_waiting()).count() as u32;
        for view in &self.snapshot.backends {
            assert!(view.live.traffic.sessions.now() <= count, "backend");
            let queued: u32 = view.servers.iter().map(|server| server.queued.now()).sum();
            assert!(view.live.queue.length.now() + queued <= waiting, "queue");
            for server in view.servers.iter().filter(|server| server.is_frozen()) {
                let through = self.connections.values().filter(|c| {
                    c.session.is_some() && c.server == Some(server.key) && c.relaying && c.way == Way::Open
                });
                // After its server's FIN, or its own, nobody has anything to send.
                let open = through.filter(|c| c.session().eof == [false; 2]).count();
                assert_eq!(open, 0, "a way to {}, which is frozen", server.name());
            }
            for server in &view.servers {
                let seated = |session: &&&Session| session.server() == Some(server.key);
                let seats = sessions.iter().filter(seated).count() as u32;
                let now = server.traffic.sessions.now();
                assert!(now >= seats && now - seats <= waiting, "{}: {now} for {seats}", server.name());
            }
        }
    }

    /// Holds what must hold when everybody has gone.
    pub(crate) fn check_empty(&mut self) {
        self.deliver();
        let left: Vec<u32> =
            self.connections.iter().filter(|(_, c)| !c.is_over()).map(|(id, _)| *id).collect();
        assert_eq!(left, Vec::<u32>::new(), "sessions are left");
        let process = &self.snapshot.process;
        assert_eq!((process.connections.now(), process.held.now()), (0, 0));
        for frontend in &self.snapshot.frontends {
            assert_eq!((frontend.traffic.sessions.now(), frontend.held.now()), (0, 0));
        }
        for view in &self.snapshot.backends {
            assert_eq!((view.live.traffic.sessions.now(), view.live.queue.length.now()), (0, 0));
            assert!(!view.live.queue.anyone());
            for server in &view.servers {
                let left = (server.traffic.sessions.now(), server.queued.now(), server.arriving.now());
                assert_eq!(left, (0, 0, 0), "{}", server.name());
            }
        }
    }

    /// Serves those who wait, as whoever changed something does.
    pub(crate) fn wake(&mut self) {
        assign::wake(&self.snapshot, BackendId(0), &self.workers);
        self.deliver();
    }
}

/// A frontend `front` that leads to a backend `back` with servers `s0`, `s1` ...: connect 300 ms, client and
/// server 10 s.
pub(crate) fn config(servers: usize) -> Config {
    let backend = Backend {
        name: "back".into(),
        proxy_id: 3,
        servers: (0..servers).map(server).collect(),
        timeout_connect: Some(Duration::from_millis(300)),
        timeout_server: Some(Duration::from_secs(10)),
        ..Backend::default()
    };
    Config { frontends: vec![frontend()], backends: vec![backend], ..Config::default() }
}

fn frontend() -> Frontend {
    Frontend {
        name: "front".into(),
        proxy_id: 2,
        default_backend: Some(BackendId(0)),
        timeout_client: Some(Duration::from_secs(10)),
        log: SessionLog { format: LogFormat::Tcp, ..SessionLog::default() },
        ..Frontend::default()
    }
}

fn server(at: usize) -> Server {
    Server {
        name: format!("s{at}"),
        id: at as u32 + 1,
        address: Some(ServerAddress::Ip {
            ip: [127, 0, 0, 1].into(),
            port: ServerPort::Fixed(6379 + at as u16),
        }),
        ..Server::default()
    }
}
