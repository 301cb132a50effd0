//! What one check task needs to know, taken out of a snapshot: plain data that two snapshots can be compared
//! by. A reload that leaves a server's job as it was leaves its task, its kept connection and its rhythm.

use std::sync::Arc;
use std::time::Duration;

use super::observe::Observed;
use super::probe::Target;
use super::tcp_check::{Asks, Engine, Mode, repeatable};
use super::timing::{Patience, Timeouts};
use crate::config::model::{Backend, CheckMethod, Global, ReplicaOptions, Server, ServerCheck};
use crate::state::{BackendKey, BackendView, Guarding, ServerKey, Snapshot};

/// Which server it is about, and what follows when its state changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub backend: BackendKey,
    pub backend_name: String,
    pub backend_is_listen: bool,
    pub server: ServerKey,
    pub server_name: String,
    pub backup: bool,
    pub log_checks: bool,
    pub cut_when_down: bool,
    /// Zero: at its full share at once.
    pub slowstart: Duration,
    /// `on-marked-up shutdown-backup-sessions`: whose sessions end when this server comes up.
    pub backups_to_cut: Vec<ServerKey>,
}

impl Subject {
    pub(super) fn of(backend: &Backend, view: &BackendView, at: usize) -> Subject {
        let server = &backend.servers[at];
        Subject {
            backend: view.live.key,
            backend_name: backend.name.clone(),
            backend_is_listen: backend.is_listen,
            server: view.servers[at].key,
            server_name: server.name.clone(),
            backup: server.backup,
            log_checks: backend.log_health_checks,
            cut_when_down: server.on_marked_down_shutdown_sessions,
            slowstart: server.slowstart,
            backups_to_cut: backups_to_cut(backend, view, server),
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub subject: Subject,
    pub guarding: Guarding,
    pub method: Arc<CheckMethod>,
    pub check: ServerCheck,
    pub target: Target,
    pub mode: Mode,
    pub patience: Patience,
    /// `option redis-replica`
    pub replica: Option<ReplicaOptions>,
    pub bufsize: usize,
    /// Percent.
    pub spread: u8,
    pub observed: Option<Observed>,
}

impl Job {
    fn of(
        global: &Global,
        backend: &Backend,
        view: &BackendView,
        method: &Arc<CheckMethod>,
        at: usize,
    ) -> Option<Job> {
        let server = &backend.servers[at];
        let check = server.check.clone()?;
        let mode = mode(backend, view.guarding);
        let timeouts = Timeouts { check: backend.timeout_check, connect: backend.timeout_connect };
        let patience = match mode {
            Mode::Once => Patience::once(check.inter, timeouts),
            Mode::Kept => Patience::kept(check.inter, timeouts),
        };
        Some(Job {
            subject: Subject::of(backend, view, at),
            guarding: view.guarding,
            method: Arc::clone(method),
            target: Target::of(server),
            mode,
            patience,
            replica: backend.redis.replica,
            bufsize: global.bufsize,
            spread: global.spread_checks,
            observed: Observed::of(server),
            check,
        })
    }

    /// The machine that carries its checks out.
    pub fn engine(&self) -> Engine<'_> {
        let asks = if self.replica.is_some() { Asks::Role } else { Asks::Script };
        Engine::new(&self.method, self.bufsize, self.mode).asking(asks)
    }

    /// Whether the first check goes out at once: before it no client may pass.
    pub fn is_urgent(&self) -> bool {
        self.guarding != Guarding::None
    }

    /// The interval that paces the start.
    pub fn inter(&self) -> Duration {
        self.check.inter
    }
}

/// The jobs of a snapshot, in the config's order.
pub fn jobs(snapshot: &Snapshot) -> Vec<Job> {
    let config = &snapshot.config;
    let enabled = config.backends.iter().zip(&snapshot.backends).filter(|(backend, _)| !backend.disabled);
    let mut jobs = Vec::new();
    for (backend, view) in enabled {
        let method = Arc::new(backend.check.clone());
        let servers = 0..backend.servers.len().min(view.servers.len());
        jobs.extend(servers.filter_map(|at| Job::of(&config.global, backend, view, &method, at)));
    }
    jobs
}

/// `option redis-probe`, and by itself where roles are checked.
fn mode(backend: &Backend, guarding: Guarding) -> Mode {
    let (check, reads) = (&backend.check, backend.redis.replica.is_some());
    let wanted = backend.redis.kept_probe.unwrap_or(guarding != Guarding::None || reads);
    // A bare connect leaves a connection on which only the role is asked.
    let can_be = repeatable(check) || (reads && *check == CheckMethod::Layer4);
    if wanted && can_be { Mode::Kept } else { Mode::Once }
}

fn backups_to_cut(backend: &Backend, view: &BackendView, server: &Server) -> Vec<ServerKey> {
    if !server.on_marked_up_shutdown_backup_sessions || server.backup {
        return Vec::new();
    }
    let pairs = backend.servers.iter().zip(&view.servers);
    pairs.filter(|(other, _)| other.backup).map(|(_, live)| live.key).collect()
}
