//! The one place where a config takes effect: builds the next snapshot and tells everybody who works with
//! it, in the order that keeps promises:
//!
//! 1. the snapshot is published;
//! 2. the guards get it, before any check of it can report;
//! 3. workers look again: new listeners are watched, removed ones let go, sessions obey the new config;
//! 4. checks start or stop, and so do the watchers of Sentinels.
//!
//! Whatever can fail (sockets, names, syntax) has been done by whoever calls; from here on nothing can.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::listeners::Sockets;
use super::names::carry_addresses;
use super::reload::SocketName;
use super::report::Voice;
use super::runtime::CommandSockets;
use crate::config::Config;
use crate::config::model::LogTarget;
use crate::dns::{Occasion, Resolving};
use crate::guard::classify::classify;
use crate::health::Checks;
use crate::health::sentinel::Watchers;
use crate::log::event::{self, ProxyKind, Sentence};
use crate::log::framing::Echo;
use crate::log::{Identity, Level, Logger, Sinks};
use crate::state::slots::carry;
use crate::state::{Command, Published, Reception, Snapshot, Workers, left};
use crate::time::Tick;

/// A config with all that it needs.
#[derive(Debug)]
pub struct Next {
    pub config: Config,
    pub opened: Vec<(SocketName, OwnedFd)>,
    pub sinks: Sinks,
}

/// What is told of every change.
#[derive(Debug)]
pub struct Control {
    pub published: Arc<Published>,
    pub workers: Workers,
    pub checks: Checks,
    pub sentinels: Watchers,
    pub names: Resolving,
    pub guards: UnboundedSender<Arc<Snapshot>>,
    pub logger: Logger,
    pub voice: Voice,
    pub sockets: Sockets,
    pub commands: CommandSockets,
    pub speaker: Speaker,
    /// What carries the sessions.
    pub engine: &'static str,
    /// `maxconn` of the config that was applied last: `set maxconn global` goes no further.
    pub hard_maxconn: u32,
    /// A soft stop has begun.
    pub is_stopping: bool,
}

/// Who the log lines speak as, whatever the config.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// The program's file name: the log tag unless the config has one.
    pub tag: String,
    pub echo: Echo,
}

impl Speaker {
    /// With what the config says.
    pub fn identity(&self, config: &Config) -> Identity {
        Identity {
            tag: config.global.log_tag.clone().unwrap_or_else(|| self.tag.clone()),
            pid: std::process::id(),
            sent_hostname: config.global.log_hostname.clone(),
            echo: self.echo,
        }
    }
}

impl Control {
    /// Puts a config in force.
    pub fn apply(&mut self, next: Next) {
        let Next { mut config, opened, sinks } = next;
        let targets = Sinks::targets(&config).cloned().collect();
        self.logger.reload(self.speaker.identity(&config), sinks, targets);
        let listeners = self.sockets.arrange(&config, opened);
        let bufsize = config.global.bufsize;
        let guarding: Vec<_> = config.backends.iter().map(|backend| classify(backend, bufsize)).collect();
        let old = self.published.load_full();
        let succession = old.succession(&config, &guarding);
        carry(&mut config, &old.config, &succession);
        carry_addresses(&mut config, &old.config, &succession);
        if old.frontends.iter().any(|live| live.reception() != Reception::Open) {
            // A reload opens what the operator had paused or shut down.
            old.frontends.iter().for_each(|live| live.set_reception(Reception::Open));
            self.sockets.resume(&config, |_| true);
        }
        self.hard_maxconn = config.global.maxconn.unwrap_or_default();
        self.commands.apply(&config.global, self.sockets.commands(&config));
        self.publish(Snapshot::build(Arc::new(config), listeners, &guarding, &old, Tick::now()));
        self.names.apply(&self.published.load().config, Occasion::Load);
        self.tell_unwatched(&old);
    }

    fn tell_unwatched(&self, old: &Snapshot) {
        for (backend, sessions) in left::unwatched(old, &self.published.load()) {
            let (noun, verb) = if sessions == 1 { ("session", "stays") } else { ("sessions", "stay") };
            let text = format!(
                "Backend {backend} is gone, and no role-checked backend has its servers: {sessions} {noun} {verb} \
                 there, unguarded; 'shutdown session' ends them."
            );
            self.voice.warning(&text);
            self.log_global(Level::Warning, &text);
        }
    }

    /// Changes the config in force, by the operator's word: until the next reload, which reads the files again.
    pub fn edit(&mut self, change: impl FnOnce(&mut Config)) {
        let old = self.published.load_full();
        let mut config = Config::clone(&old.config);
        change(&mut config);
        let bufsize = config.global.bufsize;
        let pairs = config.backends.iter().zip(old.config.backends.iter().zip(&old.backends));
        let guarding: Vec<_> = pairs
            .map(
                |(new, (old, view))| {
                    if new.redis == old.redis { view.guarding } else { classify(new, bufsize) }
                },
            )
            .collect();
        self.publish(old.edited(Arc::new(config), &guarding, Tick::now()));
        self.names.apply(&self.published.load().config, Occasion::Edit);
    }

    /// Makes a snapshot the one in force, and tells everybody.
    pub fn publish(&mut self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.published.store(Arc::clone(&snapshot));
        self.tell_guards();
        self.workers.broadcast(|| Command::Refresh);
        self.checks.apply(&snapshot);
        self.sentinels.apply(&snapshot);
    }

    /// The guards look at every server again.
    pub fn tell_guards(&self) {
        // The guards' task ends only with the process.
        let _ = self.guards.send(self.published.load_full());
    }

    /// What concerns the process: to the global log.
    pub fn log_global(&self, level: Level, text: &str) {
        let config = Arc::clone(&self.published.load().config);
        self.logger.line(&config.global.log, None, level, text);
    }

    /// Takes the listeners away, and lets workers end with their last session.
    pub fn soft_stop(&mut self) {
        let snapshot = self.published.load_full();
        for (at, frontend) in snapshot.config.frontends.iter().enumerate() {
            let front = snapshot.frontends[at].traffic.total.sum();
            let back = match frontend.is_listen {
                true => snapshot.backend(&frontend.name).map_or(0, |id| self.sessions_of(id.0)),
                false => 0,
            };
            self.tell(&frontend.log.targets, event::proxy_stopped(&frontend.name, front, back));
        }
        for (at, backend) in snapshot.config.backends.iter().enumerate().filter(|(_, b)| !b.is_listen) {
            self.tell(&backend.log, event::proxy_stopped(&backend.name, 0, self.sessions_of(at)));
        }
        self.is_stopping = true;
        self.commands.close();
        self.sockets.close();
        self.published.store(Arc::new(snapshot.without_listeners()));
        self.workers.broadcast(|| Command::SoftStop);
    }

    /// SIGTTOU: new clients are refused until [`Control::resume`].
    pub fn pause(&mut self) {
        self.workers.broadcast(|| Command::Pause);
        self.turn(Reception::Open, Reception::Suspended);
        let config = Arc::clone(&self.published.load().config);
        self.sockets.pause(&config, |_| true);
        if self.sockets.release_abstract(&config) {
            self.listen_anew();
        }
        self.tell_frontends(event::paused);
    }

    /// SIGTTIN.
    pub fn resume(&mut self) {
        self.turn(Reception::Suspended, Reception::Open);
        let config = Arc::clone(&self.published.load().config);
        match self.sockets.reopen_abstract(&config) {
            Ok(true) => self.listen_anew(),
            Ok(false) => {}
            Err(reasons) => reasons.iter().for_each(|reason| self.voice.alert(reason)),
        }
        let snapshot = self.published.load();
        let is_open = |at: usize| snapshot.frontends[at].reception() == Reception::Open;
        self.sockets.resume(&snapshot.config, is_open);
        self.workers.broadcast(|| Command::Resume);
        self.tell_frontends(event::resumed);
    }

    /// Has workers listen on the sockets that are open now.
    fn listen_anew(&mut self) {
        let snapshot = self.published.load_full();
        let mut listeners = self.sockets.laid_out(&snapshot.config);
        for (binds, live) in listeners.iter_mut().zip(&snapshot.frontends) {
            if matches!(live.reception(), Reception::Paused | Reception::Stopped) {
                binds.fill(None);
            }
        }
        self.publish(snapshot.with_listeners(listeners));
    }

    fn turn(&self, from: Reception, to: Reception) {
        let snapshot = self.published.load();
        let concerned = snapshot.frontends.iter().filter(|live| live.reception() == from);
        concerned.for_each(|live| live.set_reception(to));
    }

    fn tell_frontends(&self, say: fn(ProxyKind, &str) -> Sentence) {
        let config = Arc::clone(&self.published.load().config);
        for frontend in &config.frontends {
            let kind = if frontend.is_listen { ProxyKind::Proxy } else { ProxyKind::Frontend };
            self.tell(&frontend.log.targets, say(kind, &frontend.name));
        }
    }

    /// What concerns a proxy.
    pub fn tell(&self, targets: &[LogTarget], said: Sentence) {
        self.logger.proxy(targets, None, said);
    }

    fn sessions_of(&self, backend: usize) -> u64 {
        self.published.load().backends[backend].live.traffic.total.sum()
    }
}
