//! The process that serves clients: sets everything up, then is the control thread until the end.
//!
//! Order of the start, each step of which may need what the next one gives up:
//!
//! 1. load the bundle (pure), look up the time zone;
//! 2. chroot, group, user; no new privileges; end with the parent (only with a parent);
//! 3. log thread and message thread, workers' letter boxes;
//! 4. the first snapshot, checks, guards, pages;
//! 5. worker threads; now clients are served, and whoever waits for that is told.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::control::{Control, Next, Speaker};
use super::duty::{Duty, Ways};
use super::gather::own_variables;
use super::listeners::Sockets;
use super::message::Handover;
use super::names::Names;
use super::reload::override_config;
use super::report::Voice;
use super::runtime::{Agents, CommandSockets, Desk, Known};
use super::settings::{Settings, Verbosity};
use super::slots::Slots;
use crate::config::{self, Config};
use crate::dns::Resolving;
use crate::dns::hosts::Hosts;
use crate::guard::actor::{Ears, Guards, run as run_guards};
use crate::health::sentinel::{AskSentinels, SentinelSinks, Watchers};
use crate::health::{Checks, Emitted, Sinks as CheckSinks};
use crate::log::framing::Echo;
use crate::log::{Clock, Level, Logger, Sinks};
use crate::proxy::driver::choice::{Choice, choose};
use crate::proxy::service::Served;
use crate::proxy::worker::{Shared, start_with as start_workers};
use crate::state::{Published, Snapshot, Workers};
use crate::stats::ProcessFacts;
use crate::stats::http::{Limits as PageLimits, Service, serve_loop};
use crate::sys::{affinity, limits, process};
use crate::time::Tick;
use crate::tls::Bridge;

/// What the start depends on.
#[derive(Debug)]
pub struct Start {
    pub settings: Arc<Settings>,
    pub voice: Voice,
    pub handover: Handover,
    pub place: Place,
    pub default_maxconn: u32,
}

/// Whether somebody with privileges stands behind this process.
#[derive(Debug)]
pub enum Place {
    /// This is the only process.
    Alone,
    Below {
        parent: u32,
        link: UnixStream,
        /// Open on `/dev/null`, if the streams are to be let go of once all is well.
        nowhere: Option<File>,
    },
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("config : the bundle does not load")]
    Bundle,
    #[error("config : a listening socket was not handed over")]
    Sockets,
    #[error("[{program}.main()] {error}{}", help(error))]
    Privileges { program: String, error: process::DropError },
    #[error("{0}")]
    Relay(io::Error),
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

fn help(error: &process::DropError) -> String {
    let (cause, remedy) = match error {
        process::DropError::Chroot(_, cause) => (cause, "create the directory, or start as root"),
        process::DropError::Group(_, cause) | process::DropError::User(_, cause) => {
            (cause, "start as root, or leave out 'user', 'group', 'uid' and 'gid'")
        }
        process::DropError::NoNew(cause) => (cause, "the kernel is too old"),
    };
    format!("\n   | {}: {remedy}", super::gather::reason(cause))
}

/// Serves until the end; the process's exit code.
pub fn serve(start: Start) -> Result<u8, StartError> {
    let loaded = config::load(&start.handover.bundle);
    let startup_logs = start.voice.lines(&loaded);
    let mut config = loaded.config.ok_or(StartError::Bundle)?;
    override_config(&mut config, &start.settings, start.default_maxconn);
    if !Sockets::default().suffice(&config, &start.handover.listeners) {
        return Err(StartError::Sockets);
    }
    let clock = Clock::system();
    let workers = Workers::new(threads(&config))?;
    // Unbounded, as the log has its bound: whoever takes from it runs on the thread of those who send, and never
    // waits.
    let (events, emitted) = unbounded_channel();
    let asking = AskSentinels::default();
    let guards = Guards::new(workers.clone(), events.clone(), asking.clone());
    if let Place::Below { parent, .. } = &start.place {
        give_up_privileges(&config, *parent, &start.settings.program)?;
    }
    let choice = choose(config.global.relay).map_err(StartError::Relay)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let parts = Parts { clock, workers, guards, asking, emitted, events, startup_logs, choice };
    let code = runtime.block_on(run(start, config, parts));
    // A reload may still hang in a name server; its thread ends with the process.
    runtime.shutdown_background();
    code
}

/// What was made before privileges were given up.
struct Parts {
    clock: Clock,
    workers: Workers,
    guards: Guards,
    asking: AskSentinels,
    emitted: UnboundedReceiver<Emitted>,
    events: tokio::sync::mpsc::UnboundedSender<Emitted>,
    /// What carries the sessions.
    choice: Choice,
    startup_logs: String,
}

async fn run(start: Start, config: Config, parts: Parts) -> Result<u8, StartError> {
    let Start { settings, voice, handover, place, default_maxconn } = start;
    let Parts { clock, workers, guards, asking, emitted, events, startup_logs, choice } = parts;
    let Handover { bundle, listeners, logs } = handover;
    let speaker = Speaker { tag: file_name(&settings.program), echo: echo(&settings, &place) };
    let identity = speaker.identity(&config);
    let logger = Logger::start(identity, clock.clone(), Sinks::default())?;
    let published = Arc::new(Published::from_pointee(Snapshot::empty(workers.count())));
    // Likewise; there is one report a check, and one snapshot a reload.
    let (reports, heard) = unbounded_channel();
    let (snapshots, taken) = unbounded_channel();
    // A word a second and Sentinel, and a dozen for a failover; one request a hint of the operator.
    let ((words, said), (hints, asked)) = (unbounded_channel(), unbounded_channel());
    let ears = Ears { snapshots: taken, reports: heard, sentinels: said, requests: asked };
    tokio::spawn(run_guards(guards, ears));
    // One a change of what a backend's Sentinels know.
    let (rosters, came) = unbounded_channel();
    let (names, news) = Resolving::start();
    let hosts = Hosts::new(names.board().clone());
    let sentinel_sinks = SentinelSinks { words, events: events.clone(), rosters, hosts };
    // One at a time from each agent.
    let (orders, ordered) = unbounded_channel();
    let sinks =
        CheckSinks { reports, events, orders, workers: workers.clone(), published: Arc::clone(&published) };
    let facts = ProcessFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        threads: workers.count(),
        hostname: bundle.hostname.clone(),
        started: Tick::now(),
    };
    let (desk, asks, changes) = Desk::new(known(&settings, &facts, &clock, startup_logs), hints);
    let mut control = Control {
        published: Arc::clone(&published),
        workers: workers.clone(),
        checks: Checks::new(sinks),
        sentinels: Watchers::new(sentinel_sinks, asking),
        names,
        guards: snapshots,
        logger: logger.clone(),
        voice: voice.in_background()?,
        sockets: Sockets::default(),
        commands: CommandSockets::new(asks, Arc::clone(&published), workers.clone()),
        speaker,
        engine: choice.name,
        hard_maxconn: 0,
        is_stopping: false,
    };
    control.apply(Next { config, opened: listeners, sinks: Sinks::from_descriptors(logs) });
    tell_refusal(&control, choice.refused.as_deref());
    tokio::spawn(tell_events(emitted, Arc::clone(&published), logger.clone()));
    let (services, served) = unbounded_channel::<Served>();
    let pages = Service {
        published: Arc::clone(&published),
        facts: Arc::new(facts),
        logger: logger.clone(),
        clock,
        changes,
        limits: PageLimits::default(),
    };
    tokio::spawn(serve_loop(served, pages));
    let connects = {
        let logger = logger.clone();
        Arc::new(move |record| logger.connect(record))
    };
    let complaints = {
        let logger = logger.clone();
        Arc::new(move |complaint| {
            logger.complain(&complaint, limits::descriptors().map_or(0, |limit| limit.soft));
        })
    };
    let records = Arc::new(move |record| logger.session(record));
    let ways = Ways { slots: Slots::new(came), names: Names::new(news), agents: Agents::new(ordered) };
    let duty = Duty::begin((control, desk, ways), settings, place, default_maxconn)?;
    let tls = bridge(&published, workers.count());
    let shared = Shared { published, workers, records, connects, complaints, services, tls };
    let handles = start_workers(choice.run, &shared)?;
    duty.tell_fallbacks(handles.fallbacks());
    Ok(duty.run(handles).await)
}

/// What commands tell of the process.
fn known(settings: &Settings, facts: &ProcessFacts, clock: &Clock, startup_logs: String) -> Known {
    Known {
        version: settings.version.clone(),
        release_date: settings.release_date.clone(),
        threads: facts.threads,
        hostname: facts.hostname.clone(),
        started: (facts.started, SystemTime::now()),
        clock: clock.clone(),
        environment: own_variables(settings),
        startup_logs,
    }
}

/// Who shakes hands; `show info` asks it how many speak TLS.
fn bridge(published: &Published, threads: usize) -> Bridge {
    let bridge = Bridge::new(threads);
    // Nobody set it before: workers start once.
    let _ = published.load().process.secured.bridge.set(bridge.clone());
    bridge
}

/// Why sessions are not carried by io_uring: once, on standard error and in the log.
fn tell_refusal(control: &Control, refused: Option<&str>) {
    let Some(reason) = refused else { return };
    let text = format!("io_uring is not used, sessions are carried by epoll: {reason}.");
    control.voice.notice(&text);
    control.log_global(Level::Notice, &text);
}

/// Events are shown while somebody looks: in the foreground, without `-q`.
fn echo(settings: &Settings, place: &Place) -> Echo {
    let background = matches!(place, Place::Below { nowhere: Some(_), .. });
    if background || settings.verbosity == Verbosity::Quiet { Echo::Off } else { Echo::Stderr }
}

/// One worker a core, unless `nbthread` says otherwise.
fn threads(config: &Config) -> usize {
    let cores = || affinity::cores().map_or(1, |cores| cores.len());
    config.global.nbthread.unwrap_or_else(cores).clamp(1, 64)
}

fn give_up_privileges(config: &Config, parent: u32, program: &str) -> Result<(), StartError> {
    let global = &config.global;
    process::drop_privileges(global.chroot.as_deref(), global.uid, global.gid)
        .map_err(|error| StartError::Privileges { program: program.to_owned(), error })?;
    Ok(process::end_with(parent)?)
}

/// What a program is called.
pub fn file_name(program: &str) -> String {
    let name = Path::new(program).file_name();
    name.map_or_else(|| "rolecall".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// State changes of servers, to the log of their backend.
async fn tell_events(mut emitted: UnboundedReceiver<Emitted>, published: Arc<Published>, logger: Logger) {
    while let Some(Emitted { backend, event }) = emitted.recv().await {
        let snapshot = published.load_full();
        // A backend that a reload has removed meanwhile has no log any more.
        if let Some(at) = snapshot.backends.iter().position(|view| view.live.key == backend) {
            logger.server(&snapshot.config.backends[at], &event);
        }
    }
}
