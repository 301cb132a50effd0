//! One task an agent: asks, has its orders carried out, settles what it said of health, and waits `agent-inter`
//! (plus `spread-checks`), or less if somebody asks. It goes on while the
//! server is in maintenance: only so can the agent end that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::AgentOrder;
use super::ask::{Heard, ask};
use super::line::{self, Told};
use super::settle::{End, settle};
use crate::config::model::{Backend, Global, Secret, Server, ServerAddress};
use crate::health::job::Subject;
use crate::health::probe::{Greeting, Target};
use crate::health::tcp_check::bounded;
use crate::health::timing::{Dice, Patience, Timeouts, spread};
use crate::health::verdict::Sinks;
use crate::state::{BackendView, CheckStatus, ServerLive, Snapshot};
use crate::time::Tick;

/// What one agent's task needs to know: plain data that two snapshots can be compared by.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::health) struct AgentJob {
    pub(in crate::health) subject: Subject,
    pub(in crate::health) inter: Duration,
    target: Target,
    send: Secret,
    patience: Patience,
    bufsize: usize,
    /// Percent.
    spread: u8,
}

impl AgentJob {
    fn of(global: &Global, backend: &Backend, view: &BackendView, at: usize) -> Option<AgentJob> {
        let server = &backend.servers[at];
        let agent = server.agent.as_ref()?;
        let timeouts = Timeouts { check: backend.timeout_check, connect: backend.timeout_connect };
        Some(AgentJob {
            subject: Subject::of(backend, view, at),
            inter: agent.inter,
            target: target(server)?,
            send: agent.send.clone(),
            patience: Patience::once(agent.inter, timeouts),
            bufsize: global.bufsize,
            spread: global.spread_checks,
        })
    }
}

/// The agent's own place, or its port at the server's address.
fn target(server: &Server) -> Option<Target> {
    let agent = server.agent.as_ref()?;
    let own = match &server.address {
        Some(ServerAddress::Ip { ip, .. }) => Some(*ip),
        _ => None,
    };
    Some(match agent.addr.or(own) {
        Some(ip) => Target::Tcp {
            ip,
            port: Some(agent.port),
            source: server.source,
            interface: server.leaves.interface.clone(),
            greeting: Greeting::of_agent(server),
        },
        None => Target::None,
    })
}

/// The jobs of a snapshot, in the config's order.
pub(in crate::health) fn jobs(snapshot: &Snapshot) -> Vec<AgentJob> {
    let config = &snapshot.config;
    let enabled = config.backends.iter().zip(&snapshot.backends).filter(|(backend, _)| !backend.disabled);
    let mut jobs = Vec::new();
    for (backend, view) in enabled {
        let servers = 0..backend.servers.len().min(view.servers.len());
        jobs.extend(servers.filter_map(|at| AgentJob::of(&config.global, backend, view, at)));
    }
    jobs
}

/// The life of one task.
pub(in crate::health) async fn ask_again_and_again(
    job: Arc<AgentJob>,
    live: Arc<ServerLive>,
    sinks: Sinks,
    hurry: Arc<Notify>,
    delay: Duration,
) {
    // Another seed than the server's checks have.
    let mut dice = Dice::new(u64::from(job.subject.server.0) + 0x1_0000_0000);
    sleep(delay).await;
    loop {
        if live.agent().enabled() {
            ask_once(&job, &live, &sinks).await;
        }
        // Whichever comes first: the interval is over, or somebody asks.
        let _ = timeout(spread(job.inter, job.spread, dice.roll()), hurry.notified()).await;
    }
}

async fn ask_once(job: &AgentJob, live: &ServerLive, sinks: &Sinks) {
    live.update_agent(|agent| agent.in_progress = true);
    let started = Instant::now();
    let heard = ask(&job.target, job.send.expose(), job.patience, job.bufsize).await;
    let before = live.agent();
    if !before.enabled() {
        return live.update_agent(|agent| agent.in_progress = false);
    }
    let (status, info) = match heard {
        Heard::Failed(status, info) => (status, info),
        Heard::Incomplete => End::incomplete(before.status),
        Heard::Line(text) => {
            let told = line::read(&text);
            let warning = order(job, sinks, &told).await;
            (status(&told), bounded(told.words(warning.as_deref())))
        }
    };
    let duration_ms = started.elapsed().as_millis() as u64;
    settle(&job.subject, sinks, End { status, info, duration_ms }, Tick::now());
}

fn status(told: &Told) -> CheckStatus {
    match told.health.as_ref().map(|health| health.up) {
        Some(true) => CheckStatus::L7Ok,
        Some(false) => CheckStatus::L7Status,
        None => CheckStatus::Checked,
    }
}

/// Has carried out what the line says of administration; what was wrong with it.
async fn order(job: &AgentJob, sinks: &Sinks, told: &Told) -> Option<String> {
    if told.state.is_none() && told.weight.is_none() && told.maxconn.is_none() {
        return None;
    }
    let (warning, answer) = oneshot::channel();
    let order = AgentOrder {
        backend: job.subject.backend,
        server: job.subject.server,
        state: told.state,
        weight: told.weight.clone(),
        maxconn: told.maxconn.clone(),
        warning,
    };
    // Whoever carries it out ends only with the process.
    sinks.orders.send(order).ok()?;
    answer.await.ok()?
}
