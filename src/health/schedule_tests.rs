//! Whole check tasks: a config and played servers in, live state, events and reports out.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::watch;

use super::*;
use crate::config::model::{
    AgentCheck, Backend, CheckMethod, Config, InitState, OnError, Secret, Server, ServerAddress, ServerCheck,
    ServerPort,
};
use crate::health::tcp_check::application_tests::{AGENT, OLD_AGENT, method};
use crate::health::tcp_check::tests::{master, replica, script};
use crate::health::{AgentOrder, AgentState, Emitted, Report};
use crate::state::event::ServerChange;
use crate::state::{CheckStatus, Command, Guarding, Operation, Published, Workers};

fn server(name: &str, port: u16) -> Server {
    Server {
        name: name.to_owned(),
        address: Some(ServerAddress::Ip { ip: Ipv4Addr::LOCALHOST.into(), port: ServerPort::Fixed(port) }),
        check: Some(ServerCheck { inter: Duration::from_millis(20), ..ServerCheck::default() }),
        on_marked_down_shutdown_sessions: true,
        ..Server::default()
    }
}

fn backend(check: CheckMethod, servers: Vec<Server>) -> Backend {
    Backend { name: "be".to_owned(), proxy_id: 2, servers, check, ..Backend::default() }
}

/// A Redis whose INFO replication can be changed; an empty one closes every connection.
async fn redis(first: Vec<u8>) -> (u16, watch::Sender<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (say, says) = watch::channel(first);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let says = says.clone();
            tokio::spawn(async move {
                let mut space = [0; 512];
                while let Ok(1..) = stream.read(&mut space).await {
                    let reply = says.borrow().clone();
                    if reply.is_empty() || stream.write_all(&reply).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, say)
}

struct Bench {
    checks: Checks,
    workers: Workers,
    snapshot: Arc<Snapshot>,
    reports: mpsc::UnboundedReceiver<Report>,
    events: mpsc::UnboundedReceiver<Emitted>,
    orders: mpsc::UnboundedReceiver<AgentOrder>,
    published: Arc<Published>,
}

impl Bench {
    fn new() -> Bench {
        let (reports_in, reports) = mpsc::unbounded_channel();
        let (events_in, events) = mpsc::unbounded_channel();
        let (orders_in, orders) = mpsc::unbounded_channel();
        let workers = Workers::new(1).unwrap();
        let snapshot = Arc::new(Snapshot::empty(1));
        let published = Arc::new(Published::new(Arc::clone(&snapshot)));
        let sinks = Sinks {
            reports: reports_in,
            events: events_in,
            orders: orders_in,
            workers: workers.clone(),
            published: Arc::clone(&published),
        };
        Bench { checks: Checks::new(sinks), workers, snapshot, reports, events, orders, published }
    }

    fn load(&mut self, backend: Backend, guarding: Guarding) {
        let config = Arc::new(Config { backends: vec![backend], ..Config::default() });
        let snapshot = Snapshot::build(config, Vec::new(), &[guarding], &self.snapshot, Tick::now());
        self.snapshot = Arc::new(snapshot);
        self.published.store(Arc::clone(&self.snapshot));
        self.checks.apply(&self.snapshot);
    }

    fn live(&self, at: usize) -> &Arc<ServerLive> {
        &self.snapshot.backends[0].servers[at]
    }

    async fn event(&mut self) -> String {
        let emitted =
            tokio::time::timeout(Duration::from_secs(30), self.events.recv()).await.unwrap().unwrap();
        let event = emitted.event;
        match event.what {
            ServerChange::Down { reason, left } => {
                let status = reason.map_or("-", |check| check.status.name());
                format!("{} down {status} {}+{}", event.server, left.active, left.backup)
            }
            ServerChange::Up { left, .. } => format!("{} up {}+{}", event.server, left.active, left.backup),
            ServerChange::Checked { check, shown, up, .. } => {
                format!("{} checked {} {}/{} {up}", event.server, check.status.name(), shown.0, shown.1)
            }
            other => format!("{} {other:?}", event.server),
        }
    }

    /// What the next line of `option log-health-checks` quotes.
    async fn quoted(&mut self) -> String {
        loop {
            let emitted = tokio::time::timeout(Duration::from_secs(30), self.events.recv()).await;
            match emitted.unwrap().unwrap().event.what {
                ServerChange::Checked { check, .. } => return check.info,
                ServerChange::Up { reason, .. } => assert_eq!(reason.unwrap().info, ""),
                _ => {}
            }
        }
    }

    async fn report(&mut self) -> Report {
        tokio::time::timeout(Duration::from_secs(30), self.reports.recv()).await.unwrap().unwrap()
    }

    fn commands(&self) -> Vec<String> {
        let mut taken = Vec::new();
        self.workers.mailbox(0).take(&mut taken);
        taken
            .iter()
            .map(|command| match command {
                Command::Cut(_, reason) => format!("cut {reason:?}"),
                other => format!("{other:?}"),
            })
            .collect()
    }
}

fn role_check() -> CheckMethod {
    script(&["send INFO replication\\r\\n", "expect string role:master"])
}

#[tokio::test]
async fn a_replica_is_down_at_once_and_said_once() {
    let (port, say) = redis(master()).await;
    let mut bench = Bench::new();
    bench.load(backend(role_check(), vec![server("r1", port)]), Guarding::Master);
    let first = bench.report().await;
    assert!(first.passed && first.outcome.role.is_some());
    assert_eq!(bench.live(0).health().counter, 4);
    say.send(replica()).unwrap();
    assert_eq!(bench.event().await, "r1 down L7RSP 0+0");
    assert_eq!(bench.event().await, "r1 NoServerLeft { is_listen: false }");
    assert_eq!(bench.event().await, "r1 IsReplica");
    assert_eq!(bench.commands(), ["cut MarkedDown", "Reconsider"]);
    say.send(master()).unwrap();
    while !bench.report().await.passed {}
    assert_eq!(bench.live(0).health().counter, 4, "a promoted replica need not rise");
    assert_eq!(bench.event().await, "r1 up 1+0");
    let health = bench.live(0).health();
    assert_eq!((health.status, health.failed_checks, health.down_transitions), (CheckStatus::L7Ok, 1, 1));
    assert!(bench.events.try_recv().is_err());
}

#[tokio::test]
async fn troubles_are_named_once_and_count_towards_fall() {
    let (port, say) = redis(master()).await;
    let mut bench = Bench::new();
    bench.load(backend(role_check(), vec![server("r1", port)]), Guarding::Master);
    assert!(bench.report().await.passed);
    say.send(b"-LOADING Redis is loading\r\n".to_vec()).unwrap();
    assert_eq!(bench.event().await, "r1 Trouble { text: \"LOADING Redis is loading\" }");
    assert_eq!(bench.live(0).redis().trouble.as_deref(), Some("LOADING Redis is loading"));
    assert_eq!(bench.event().await, "r1 down L7RSP 0+0");
    assert_eq!(bench.live(0).health().failed_checks, 3);
}

#[tokio::test]
async fn plain_backends_tell_their_checks_as_haproxy() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let (port, _say) = redis(b"+PONG\r\n".to_vec()).await;
    let mut bench = Bench::new();
    let mut backup = server("b", closed);
    backup.backup = true;
    let mut plain = backend(CheckMethod::RedisCheck, vec![server("a", port), backup]);
    plain.log_health_checks = true;
    bench.load(plain, Guarding::None);
    let mut told = [bench.event().await, bench.event().await, bench.event().await];
    told.sort();
    assert_eq!(told, ["a checked L7OK 3/3 true", "b checked L4CON 0/2 false", "b down - 1+0"]);
    assert!(bench.reports.try_recv().is_err(), "no guard there");
}

#[tokio::test]
async fn what_is_said_in_passing_stands_in_the_line_of_a_new_status_alone() {
    let (port, say) = redis(AGENT.to_vec()).await;
    let mut bench = Bench::new();
    let mut agents = backend(method("option spop-check"), vec![server("a", port)]);
    agents.log_health_checks = true;
    bench.load(agents, Guarding::None);
    assert_eq!(bench.quoted().await, "SPOA server is ok");
    assert_eq!(bench.live(0).health().info, "");
    say.send(OLD_AGENT.to_vec()).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.quoted().await, "unsupported version");
    }
    assert_eq!(bench.live(0).health().info, "unsupported version");
    say.send(AGENT.to_vec()).unwrap();
    assert_eq!([bench.quoted().await, bench.quoted().await], ["SPOA server is ok", ""]);
}

#[tokio::test]
async fn a_reload_keeps_tasks_whose_job_is_the_same() {
    let (port, _say) = redis(master()).await;
    let mut bench = Bench::new();
    bench.load(backend(role_check(), vec![server("r1", port), server("r2", port)]), Guarding::Master);
    let before: Vec<_> = bench.checks.tasks.values().map(|task| task.handle.id()).collect();
    bench.load(backend(role_check(), vec![server("r2", port), server("r1", port)]), Guarding::Master);
    assert!(before.iter().all(|id| bench.checks.tasks.values().any(|task| task.handle.id() == *id)));
    let mut changed = server("r1", port);
    changed.check = Some(ServerCheck::default());
    bench.load(backend(role_check(), vec![changed]), Guarding::Master);
    assert_eq!(bench.checks.len(), 1);
    assert!(bench.checks.tasks.values().all(|task| !before.contains(&task.handle.id())));
    let mut unchecked = server("r1", port);
    unchecked.check = None;
    bench.load(backend(role_check(), vec![unchecked]), Guarding::Master);
    assert!(bench.checks.is_empty());
}

#[tokio::test]
async fn what_was_said_is_not_said_again_after_a_reload() {
    let (port, say) = redis(replica()).await;
    let mut bench = Bench::new();
    bench.load(backend(role_check(), vec![server("r1", port)]), Guarding::Master);
    bench.report().await;
    let mut changed = server("r1", port);
    let inter = Duration::from_millis(10);
    changed.check = Some(ServerCheck { inter, ..ServerCheck::default() });
    bench.load(backend(role_check(), vec![changed]), Guarding::Master);
    bench.report().await;
    bench.report().await;
    let mut said = 0;
    while let Ok(emitted) = bench.events.try_recv() {
        said += u32::from(emitted.event.what == ServerChange::IsReplica);
    }
    assert_eq!(said, 1);
    drop(say);
}

/// Sentinel ends every connection at a promotion: the next answer must not wait for the interval.
#[tokio::test]
async fn a_killed_connection_is_asked_again_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (promote, promoted) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut promoted = promoted.clone();
            tokio::spawn(async move {
                let mut space = [0; 512];
                loop {
                    let now = *promoted.borrow_and_update();
                    tokio::select! {
                        _ = promoted.changed() => return,
                        read = stream.read(&mut space) => {
                            let Ok(1..) = read else { return };
                            let reply = if now { master() } else { replica() };
                            if stream.write_all(&reply).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    let mut bench = Bench::new();
    let mut slow = server("r1", port);
    slow.check = Some(ServerCheck { inter: Duration::from_secs(3600), ..ServerCheck::default() });
    bench.load(backend(role_check(), vec![slow]), Guarding::Master);
    assert!(!bench.report().await.passed);
    promote.send(true).unwrap();
    assert!(bench.report().await.passed, "asked at once, and no failed check between");
}

#[tokio::test]
async fn a_server_in_maintenance_is_not_asked() {
    let (port, _say) = redis(master()).await;
    let mut bench = Bench::new();
    let mut out = server("r1", port);
    out.disabled = true;
    bench.load(backend(role_check(), vec![out]), Guarding::Master);
    assert!(tokio::time::timeout(Duration::from_millis(100), bench.reports.recv()).await.is_err());
    bench.live(0).set_admin(0);
    assert!(bench.report().await.passed);
    assert_eq!(bench.event().await, "r1 up 1+0");
}

#[tokio::test]
async fn whoever_asks_need_not_wait_for_the_interval() {
    let (port, say) = redis(replica()).await;
    let mut bench = Bench::new();
    let mut slow = server("r1", port);
    slow.check = Some(ServerCheck { inter: Duration::from_secs(3600), ..ServerCheck::default() });
    bench.load(backend(role_check(), vec![slow]), Guarding::Master);
    assert!(!bench.report().await.passed);
    say.send(master()).unwrap();
    let key = bench.live(0).key;
    bench.checks.ask_now(key);
    assert!(bench.report().await.passed);
}

/// A server whose connects are observed and that is checked so rarely that nothing else takes it down.
fn observed(port: u16, on_error: OnError) -> Server {
    let mut server = server("s", port);
    let rarely = Duration::from_secs(3600);
    server.check = Some(ServerCheck { inter: rarely, ..ServerCheck::default() });
    (server.observe_layer4, server.error_limit, server.on_error) = (true, 3, on_error);
    server
}

async fn until_checked(bench: &Bench) {
    while bench.live(0).health().counter != 4 {
        sleep(Duration::from_millis(1)).await;
    }
}

fn fail(bench: &Bench, times: u32) {
    (0..times).for_each(|_| bench.live(0).connect_failed(Some(3)));
}

#[tokio::test]
async fn connects_that_fail_take_a_server_down_as_on_error_says() {
    let (port, _say) = redis(b"+PONG\r\n".to_vec()).await;
    // How many times the limit has to be reached until the server is down.
    for (policy, times) in [(OnError::MarkDown, 1), (OnError::SuddenDeath, 2), (OnError::FailCheck, 3)] {
        let mut bench = Bench::new();
        bench.load(backend(CheckMethod::RedisCheck, vec![observed(port, policy)]), Guarding::None);
        until_checked(&bench).await;
        fail(&bench, 2);
        bench.live(0).connect_succeeded();
        for time in 1..=times {
            assert!(bench.events.try_recv().is_err(), "{policy:?}: down too early");
            fail(&bench, 3);
            while bench.live(0).health().failed_analyses < time {
                sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(bench.event().await, "s down HANA 0+0", "{policy:?}");
        let health = bench.live(0).health();
        let words = "Detected 3 consecutive errors, last one was: L4 unsuccessful connection";
        assert_eq!((health.info.as_str(), bench.live(0).operation()), (words, Operation::Stopped));
        assert_eq!(bench.commands(), ["cut MarkedDown", "Reconsider"]);
    }
}

/// Clients fail faster than the check task comes to it: what it says and counts is what acting at once would
/// have brought.
#[tokio::test]
async fn a_late_check_task_counts_each_limit_that_was_reached() {
    let (port, _say) = redis(b"+PONG\r\n".to_vec()).await;
    let mut bench = Bench::new();
    bench.load(backend(CheckMethod::RedisCheck, vec![observed(port, OnError::FailCheck)]), Guarding::None);
    until_checked(&bench).await;
    // Not a moment between these for another task of this thread.
    fail(&bench, 11);
    assert_eq!(bench.event().await, "s down HANA 0+0");
    let health = bench.live(0).health();
    assert_eq!(health.info, "Detected 3 consecutive errors, last one was: L4 unsuccessful connection");
    assert_eq!((health.failed_analyses, health.failed_checks), (3, 3));
    fail(&bench, 1);
    while bench.live(0).health().failed_analyses < 4 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn connects_that_fail_have_a_server_checked_sooner() {
    let (port, say) = redis(b"+PONG\r\n".to_vec()).await;
    let mut bench = Bench::new();
    let mut server = observed(port, OnError::Fastinter);
    let fast = Some(Duration::from_millis(20));
    server.check = server.check.map(|check| ServerCheck { fastinter: fast, ..check });
    bench.load(backend(CheckMethod::RedisCheck, vec![server]), Guarding::None);
    until_checked(&bench).await;
    say.send(b"-ERR no\r\n".to_vec()).unwrap();
    fail(&bench, 3);
    assert_eq!(bench.event().await, "s down L7STS 0+0");
}

/// A server that has been down and is up again, with that `slowstart`.
async fn coming_up(slowstart: Duration) -> (Bench, Arc<ServerLive>) {
    let (port, say) = redis(b"-ERR no\r\n".to_vec()).await;
    let mut bench = Bench::new();
    bench.load(
        backend(CheckMethod::RedisCheck, vec![Server { slowstart, ..server("s", port) }]),
        Guarding::None,
    );
    assert_eq!(bench.event().await, "s down L7STS 0+0");
    say.send(b"+PONG\r\n".to_vec()).unwrap();
    assert_eq!(bench.event().await, "s NoServerLeft { is_listen: false }");
    assert_eq!(bench.event().await, "s up 1+0");
    let live = Arc::clone(bench.live(0));
    (bench, live)
}

#[tokio::test]
async fn a_server_that_comes_up_starts_slowly() {
    // However busy the machine is, the first is not over when it is looked at.
    let (bench, live) = coming_up(Duration::from_secs(3600)).await;
    assert_eq!((live.operation(), live.share()), (Operation::Starting, 1));
    drop(bench);
    let (bench, live) = coming_up(Duration::from_millis(400)).await;
    let mut shares = vec![live.share()];
    while live.operation() == Operation::Starting {
        sleep(Duration::from_millis(1)).await;
        shares.push(live.share());
    }
    shares.dedup();
    assert!(shares.is_sorted() && shares.last() == Some(&100), "{shares:?}");
    let reconsidered = bench.commands().iter().filter(|command| *command == "Reconsider").count();
    assert!(reconsidered >= shares.len(), "those who wait hear of every step");
}

#[tokio::test]
async fn a_server_in_haste_is_asked_every_few_milliseconds_and_at_once() {
    let (port, _say) = redis(replica()).await;
    let mut bench = Bench::new();
    let mut slow = server("r1", port);
    let inter = Duration::from_secs(60);
    slow.check = Some(ServerCheck { inter, ..ServerCheck::default() });
    bench.load(backend(role_check(), vec![slow]), Guarding::Master);
    bench.report().await;
    // It comes at once, and then again and again, until it is told to stop.
    bench.live(0).hasten(Tick::now() + Duration::from_secs(60));
    for _ in 0..20 {
        bench.report().await;
    }
    bench.live(0).hasten(Tick::now());
    let mut more = 0;
    while tokio::time::timeout(Duration::from_millis(300), bench.reports.recv()).await.is_ok() {
        more += 1;
    }
    assert!(more <= 2, "{more} checks after the haste was over");
}

#[tokio::test]
async fn an_agent_takes_down_what_the_checks_have_up_and_takes_only_that_back() {
    let (port, _redis) = redis(master()).await;
    let (agent, say) = redis(b"maint 50% maxconn:9 down #by hand\n".to_vec()).await;
    let mut bench = Bench::new();
    let asked = AgentCheck {
        inter: Duration::from_millis(20),
        addr: None,
        port: agent,
        send: Secret::new(*b"how is it?\n"),
    };
    let server = Server { agent: Some(asked), ..server("a", port) };
    bench.load(backend(CheckMethod::Layer4, vec![server]), Guarding::None);
    let order = tokio::time::timeout(Duration::from_secs(30), bench.orders.recv()).await.unwrap().unwrap();
    assert_eq!(order.state, Some(AgentState::Maintenance));
    assert_eq!((order.weight.as_deref(), order.maxconn.as_deref()), (Some("50%"), Some("9")));
    // Nothing is said of health before that is carried out.
    assert!(!bench.live(0).agent().down);
    say.send_replace(b"down\n".to_vec());
    order.warning.send(None).unwrap();
    assert_eq!(bench.event().await, "a down L7STS 0+0");
    assert!(bench.event().await.starts_with("a NoServerLeft"));
    // The checks pass meanwhile.
    while bench.live(0).health().counter < 4 {
        sleep(Duration::from_millis(5)).await;
    }
    let agent = bench.live(0).agent();
    assert_eq!((bench.live(0).operation(), agent.status), (Operation::Stopped, CheckStatus::L7Status));
    assert!(agent.vetoes() && agent.info.starts_with("via agent : down"));
    say.send_replace(b"up\n".to_vec());
    assert_eq!(bench.event().await, "a up 1+0");
    assert_eq!(bench.live(0).health().down_transitions, 1);
    // An agent that cannot be understood, or is gone, changes nothing.
    for line in [&b"oops\n"[..], b"", b"down"] {
        say.send_replace(line.to_vec());
        let before = bench.live(0).agent().info;
        while bench.live(0).agent().info == before {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(bench.live(0).operation(), Operation::Running, "{}", line.escape_ascii());
    }
}

#[tokio::test]
async fn a_server_begins_as_its_line_says() {
    for (init_state, operation, counter) in [
        (InitState::FullyUp, Operation::Running, 4),
        (InitState::Up, Operation::Running, 2),
        (InitState::Down, Operation::Stopped, 1),
        (InitState::FullyDown, Operation::Stopped, 0),
    ] {
        let (port, _redis) = redis(master()).await;
        let mut bench = Bench::new();
        let server = Server { init_state, ..server("a", port) };
        bench.load(backend(CheckMethod::Layer4, vec![server]), Guarding::None);
        // No check has had its turn yet.
        assert_eq!((bench.live(0).operation(), bench.live(0).health().counter), (operation, counter));
        if operation == Operation::Stopped {
            assert_eq!(bench.event().await, "a up 1+0");
        }
    }
}
