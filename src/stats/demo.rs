//! A state of the world for tests: a guarded backend with a server in every plight, and a stats proxy.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use super::ProcessFacts;
use crate::config::Config;
use crate::config::model::{
    Backend, BackendId, Frontend, Global, Mode, Secret, Server, ServerAddress, ServerCheck, ServerPort,
    StatsPage, StatsUser,
};
use crate::redis::{Role, RoleReport};
use crate::state::failover::Ending;
use crate::state::sentinel::{Origin, SentinelStatus};
use crate::state::{
    BackendLive, CheckStatus, Failover, Guarding, MasterChange, Operation, SentinelId, ServerLive, Snapshot,
};
use crate::time::Tick;

const REPLID: &str = "8371445ee67d3a4c4a3a2f4b1b5f0c9d8e7f6a5b";

/// What a renderer needs.
#[derive(Debug)]
pub struct Demo {
    pub snapshot: Snapshot,
    pub facts: ProcessFacts,
    pub page: StatsPage,
    pub now: Tick,
    pub wall: SystemTime,
}

/// A guarded backend: `redis1` is master, `redis2` its replica, `redis3` says master too and is held,
/// `redis4` is down, `redis5` in maintenance, `redis6` has not proved itself yet.
pub fn demo() -> Demo {
    let now = Tick(754_000);
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_236_237);
    let config = Config {
        tables: Vec::new(),
        global: Global { node: Some("edge1".into()), maxconn: Some(4000), ..Global::default() },
        frontends: vec![
            frontend("redis", 2, BackendId(0)),
            Frontend { mode: Mode::Http, ..frontend("stats", 3, BackendId(1)) },
        ],
        backends: vec![backend("redis", 2, servers()), backend("stats", 3, Vec::new())],
        ..Config::default()
    };
    let empty = Snapshot::empty(2);
    let guarding = [Guarding::Master, Guarding::None];
    let listeners = vec![Vec::new(), Vec::new()];
    let snapshot = Snapshot::build(Arc::new(config), listeners, &guarding, &empty, Tick(4_000));
    live(&snapshot, wall);
    let facts = ProcessFacts {
        version: "0.1.0".into(),
        pid: 4242,
        threads: 2,
        hostname: "box".into(),
        started: Tick(0),
    };
    let page = StatsPage {
        uri: "/stats".into(),
        realm: "HAProxy Statistics".into(),
        users: vec![StatsUser { name: "admin".into(), password: Secret::new("pa:ss") }],
        refresh: Some(Duration::from_secs(5)),
        hide_version: false,
        show_legends: true,
        node: None,
        description: None,
        scope: Vec::new(),
        admin: Vec::new(),
        requests: Vec::new(),
    };
    Demo { snapshot, facts, page, now, wall }
}

fn servers() -> Vec<Server> {
    (1..=6)
        .map(|number| Server {
            backup: number == 6,
            maxconn: if number == 1 { 200 } else { 0 },
            disabled: number == 5,
            check: Some(ServerCheck::default()),
            ..server(&format!("redis{number}"), number)
        })
        .collect()
}

/// The front half of a `listen`.
pub fn frontend(name: &str, proxy_id: u32, leads_to: BackendId) -> Frontend {
    Frontend {
        name: name.into(),
        proxy_id,
        is_listen: true,
        maxconn: 500,
        default_backend: Some(leads_to),
        ..Frontend::default()
    }
}

/// The back half of a `listen`; without servers it speaks HTTP.
pub fn backend(name: &str, proxy_id: u32, servers: Vec<Server>) -> Backend {
    let mode = if servers.is_empty() { Mode::Http } else { Mode::Tcp };
    Backend { name: name.into(), proxy_id, is_listen: true, mode, servers, ..Backend::default() }
}

/// An unchecked server at 10.0.0.`id`:6379.
pub fn server(name: &str, id: u32) -> Server {
    let ip: IpAddr = Ipv4Addr::new(10, 0, 0, id as u8).into();
    Server {
        name: name.into(),
        id,
        address: Some(ServerAddress::Ip { ip, port: ServerPort::Fixed(6379) }),
        written_address: format!("{ip}:6379"),
        ..Server::default()
    }
}

/// Lets things have happened.
fn live(snapshot: &Snapshot, wall: SystemTime) {
    let view = &snapshot.backends[0];
    let [master, replica, held, down, _, fresh] = &view.servers[..] else { panic!("six servers") };
    passed(master);
    report(master, RoleReport { connected_replicas: Some(1), ..said(Role::Master, 7_340_032) });
    master.set_proven(true);
    let traffic = &master.traffic;
    for _ in 0..42 {
        traffic.sessions.enter();
    }
    traffic.total.add(1337);
    traffic.bytes_in.add(48_211_034);
    traffic.bytes_out.add(1_220_345_871);
    traffic.chosen.add(1337);
    traffic.connects.add(1337);
    traffic.last_session.store(753_001, Relaxed);

    replica.set_operation(Operation::Stopped);
    replica.update_health(|health| {
        (health.counter, health.status) = (0, CheckStatus::L7Response);
        health.other_role = true;
        (health.duration_ms, health.down_transitions) = (Some(1), 1);
        health.info = "TCPCHK did not match content 'role:master' at step 5".into();
    });
    let follows = RoleReport {
        link_up: Some(true),
        follows: Some(("10.0.0.1".into(), 6379)),
        ..said(Role::Replica, 7_339_008)
    };
    report(replica, follows);

    passed(held);
    held.set_proven(true);
    let other = RoleReport { replid: Some("ffffffff00000000".into()), ..said(Role::Master, 6_100_000) };
    report(held, other);
    held.update_redis(|redis| {
        redis.held = Some("role:master, but redis1 succeeded it at 04:41:07".into());
    });

    down.set_operation(Operation::Stopped);
    down.update_health(|health| {
        (health.counter, health.status) = (0, CheckStatus::L4Connection);
        (health.duration_ms, health.failed_checks, health.down_transitions) = (Some(0), 3, 1);
        health.info = "Connection refused at step 1 of tcp-check (connect)".into();
    });
    down.update_redis(|redis| redis.trouble = Some("connection refused".into()));
    fresh.update_health(|health| health.in_progress = true);

    let epoch = view.live.master.store(Some(master.key)).epoch;
    view.live.set_masterless_since(None);
    view.live.history.push(MasterChange {
        epoch,
        server: Some("redis1".into()),
        previous: Some("redis3".into()),
        reason: "was a replica of redis3 and now says role:master".into(),
        at: wall - Duration::from_secs(170),
        since: Tick(584_000),
    });
    tell(&view.live, wall);
    let front = &snapshot.frontends[0].traffic;
    for _ in 0..42 {
        front.sessions.enter();
    }
    front.total.add(1401);
    snapshot.frontends[1].intercepted.add(12);
}

/// A failover that Sentinel aborted, one that went well, and three Sentinels.
fn tell(live: &BackendLive, wall: SystemTime) {
    let cause = || "Sentinel s1 was elected to fail redis3 over".to_owned();
    let failover = |began: u64| Failover {
        at: Some(wall - Duration::from_millis(754_000 - began)),
        from: Some("redis3".into()),
        cause: cause(),
        began: Tick(began),
        frozen: Some(Tick(began + 1)),
        ..Failover::default()
    };
    live.failovers.begin(Failover {
        ended: Some(Tick(183_000)),
        ending: Ending::Aborted,
        ..failover(180_000)
    });
    live.failovers.begin(Failover {
        to: Some("redis1".into()),
        selected: Some(Tick(583_915)),
        promoted: Some(Tick(584_000)),
        cut: Some(Tick(584_001)),
        sessions_cut: 4,
        bytes_lost: Some(0),
        ended: Some(Tick(584_000)),
        ending: Ending::Switched,
        ..failover(583_844)
    });
    live.failovers.await_first_client();
    live.failovers.note_client(Tick(584_003));
    let sentinel = |number: u32| SentinelStatus {
        id: SentinelId(number),
        name: format!("s{number}"),
        address: ([10, 0, 1, number as u8], 26379).into(),
        origin: Origin::Configured,
        master_name: "mymaster".into(),
        run_id: Some("5e7aaa5ee67d3a4c4a3a2f4b1b5f0c9d8e7f6a5b".into()),
        names: Some("redis1".into()),
        config_epoch: Some(12),
        tilt: false,
        heard_at: Some(Tick(753_500)),
        trouble: None,
    };
    live.sentinels.show(vec![
        sentinel(1),
        SentinelStatus {
            names: None,
            config_epoch: None,
            heard_at: None,
            run_id: None,
            trouble: Some("NOAUTH Authentication required.".into()),
            ..sentinel(2)
        },
        SentinelStatus {
            name: "10.0.1.3:26379".into(),
            origin: Origin::Heard,
            config_epoch: Some(11),
            names: Some("redis3".into()),
            tilt: true,
            ..sentinel(3)
        },
    ]);
}

fn passed(server: &ServerLive) {
    server.update_health(|health| {
        (health.counter, health.status, health.code) = (4, CheckStatus::L7Ok, Some(0));
        (health.duration_ms, health.info) = (Some(0), "(tcp-check)".into());
    });
}

fn said(role: Role, offset: u64) -> RoleReport {
    RoleReport {
        offset: Some(offset),
        replid: Some(REPLID.into()),
        run_id: Some("c0ffee5ee67d3a4c4a3a2f4b1b5f0c9d8e7f6a5b".into()),
        version: Some("7.0.15".into()),
        ..RoleReport::of(role)
    }
}

fn report(server: &ServerLive, report: RoleReport) {
    server.update_redis(|redis| {
        redis.report = Some(report);
        redis.reported_at = Some(Tick(753_800));
    });
}
