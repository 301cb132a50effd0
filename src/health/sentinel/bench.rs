//! What tests of the watcher stand on: a backend with servers, its words and log lines as they come.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::{AskSentinels, SentinelSinks, Watchers};
use crate::config::Config;
use crate::config::model::{
    Backend, CheckAction, CheckExpect, CheckMethod, CheckRule, ExpectPattern, RedisOptions, Secret,
    SentinelGroup, SentinelNode, Server, ServerAddress, ServerCheck, ServerPort,
};
use crate::health::Emitted;
use crate::state::event::ServerChange;
use crate::state::sentinel::SentinelStatus;
use crate::state::{BackendKey, Guarding, SentinelReport, SentinelWord, ServerLive, Snapshot};
use crate::time::Tick;

/// Patience of a test: Sentinels speak every two seconds, and elect in one or two.
const LIMIT: Duration = Duration::from_secs(90);

pub(super) struct Bench {
    watchers: Watchers,
    pub(super) asking: AskSentinels,
    pub(super) snapshot: Snapshot,
    words: UnboundedReceiver<SentinelReport>,
    events: UnboundedReceiver<Emitted>,
}

/// A backend whose check sends `login` first.
pub(super) fn backend(ports: &[u16], login: &str) -> Backend {
    let server = |(at, port): (usize, &u16)| Server {
        name: format!("redis{at}"),
        address: Some(ServerAddress::Ip { ip: Ipv4Addr::LOCALHOST.into(), port: ServerPort::Fixed(*port) }),
        written_address: format!("127.0.0.1:{port}"),
        check: Some(ServerCheck::default()),
        ..Server::default()
    };
    let rule = |action| CheckRule { action, comment: None };
    let expect = CheckExpect::of(ExpectPattern::String(b"role:master".to_vec()));
    let rules = vec![
        rule(CheckAction::Send(Secret::new(login))),
        rule(CheckAction::Send(Secret::new("INFO replication\r\n"))),
        rule(CheckAction::Expect(expect)),
    ];
    Backend {
        name: "redis".to_owned(),
        servers: ports.iter().enumerate().map(server).collect(),
        check: CheckMethod::TcpCheck(rules),
        ..Backend::default()
    }
}

/// The same without looking for Sentinels on the servers.
pub(super) fn undiscovering(ports: &[u16]) -> Backend {
    Backend { redis: RedisOptions { discovery: false, ..RedisOptions::default() }, ..backend(ports, "") }
}

/// A section that names those.
pub(super) fn section(addresses: &[SocketAddr]) -> SentinelGroup {
    let node = |(at, address): (usize, &SocketAddr)| SentinelNode {
        id: format!("s{at}"),
        address: *address,
        host: None,
        written_address: address.to_string(),
    };
    SentinelGroup {
        name: "group".to_owned(),
        master: "mymaster".to_owned(),
        sentinels: addresses.iter().enumerate().map(node).collect(),
        auth_user: None,
        auth_pass: None,
        timeout: Duration::from_millis(500),
    }
}

impl Bench {
    pub(super) fn new(backend: Backend, sentinels: Vec<SentinelGroup>) -> Bench {
        let ((words_in, words), (events_in, events)) = (unbounded_channel(), unbounded_channel());
        let asking = AskSentinels::default();
        let (rosters, _) = unbounded_channel();
        let sinks = SentinelSinks { words: words_in, events: events_in, rosters, hosts: Default::default() };
        let watchers = Watchers::new(sinks, asking.clone());
        let mut bench = Bench { watchers, asking, snapshot: Snapshot::empty(1), words, events };
        bench.load(backend, sentinels);
        bench
    }

    pub(super) fn load(&mut self, backend: Backend, sentinels: Vec<SentinelGroup>) {
        let config = Config { backends: vec![backend], sentinels, ..Config::default() };
        let guarding = [Guarding::Master];
        self.snapshot = Snapshot::build(Arc::new(config), Vec::new(), &guarding, &self.snapshot, Tick::now());
        self.watchers.apply(&self.snapshot);
    }

    pub(super) fn key(&self) -> BackendKey {
        self.snapshot.backends[0].live.key
    }

    pub(super) fn live(&self, at: usize) -> &Arc<ServerLive> {
        &self.snapshot.backends[0].servers[at]
    }

    pub(super) fn board(&self) -> Vec<SentinelStatus> {
        self.snapshot.backends[0].live.sentinels.statuses()
    }

    /// The next report, with the servers' keys as their positions.
    pub(super) async fn word(&mut self) -> (u32, String) {
        let report = timeout_at(Instant::now() + LIMIT, self.words.recv()).await.expect("a word").unwrap();
        let mut text = format!("{:?}", report.word);
        for (at, server) in self.snapshot.backends[0].servers.iter().enumerate() {
            text = text.replace(&format!("Server({:?})", server.key), &format!("redis{at}"));
        }
        (report.sentinel.0, text)
    }

    /// Words until one of them holds `wanted`; all of them but repeated views.
    pub(super) async fn words_until(&mut self, wanted: &str) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let mut found: Vec<String> = Vec::new();
        loop {
            assert!(Instant::now() < deadline, "no {wanted} in {found:?}");
            let (id, text) = self.word().await;
            let line = format!("{id} {text}");
            if !found.contains(&line) {
                found.push(line);
            }
            if text.contains(wanted) {
                return found;
            }
        }
    }

    /// The next log line that holds `wanted`.
    pub(super) async fn line(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        let mut others = Vec::new();
        loop {
            let Ok(Some(emitted)) = timeout_at(deadline, self.events.recv()).await else {
                panic!("no {wanted} in {others:?}");
            };
            match emitted.event.what {
                ServerChange::Sentinel { text } | ServerChange::SentinelTrouble { text }
                    if text.contains(wanted) =>
                {
                    return text;
                }
                other => others.push(other),
            }
        }
    }

    /// How many lines and words come in that time.
    pub(super) async fn count(&mut self, time: Duration) -> (usize, usize) {
        let deadline = Instant::now() + time;
        let (mut lines, mut words) = (0, 0);
        loop {
            tokio::select! {
                Some(_) = self.events.recv() => lines += 1,
                Some(report) = self.words.recv() => {
                    words += usize::from(matches!(report.word, SentinelWord::Names { .. }));
                }
                () = tokio::time::sleep_until(deadline) => return (lines, words),
            }
        }
    }
}
