//! The one place where a config takes effect: builds the next snapshot and tells everybody who works with
//! it, in the order that keeps promises:
//!
//! 1. the snapshot is published;
//! 2. the guards get it, before any check of it can report;
//! 3. workers look again: new listeners are watched, removed ones let go, sessions obey the new config;
//! 4. checks start or stop.
//!
//! Whatever can fail (sockets, names, syntax) has been done by whoever calls; from here on nothing can.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::listeners::Sockets;
use super::reload::SocketName;
use super::report::Voice;
use crate::config::Config;
use crate::config::model::LogTarget;
use crate::guard::classify::classify;
use crate::health::Checks;
use crate::log::event::{self, ProxyKind, Sentence};
use crate::log::framing::Echo;
use crate::log::{Identity, Level, Logger, Sinks};
use crate::state::{Command, Published, Snapshot, Workers};
use crate::time::Tick;

/// A config with all that it needs.
#[derive(Debug)]
pub struct Next {
    pub config: Config,
    pub opened: Vec<(SocketName, OwnedFd)>,
    pub sinks: Sinks,
    pub hostname: String,
}

/// What is told of every change.
#[derive(Debug)]
pub struct Control {
    pub published: Arc<Published>,
    pub workers: Workers,
    pub checks: Checks,
    pub guards: UnboundedSender<Arc<Snapshot>>,
    pub logger: Logger,
    pub voice: Voice,
    pub sockets: Sockets,
    pub speaker: Speaker,
    /// What carries the sessions.
    pub engine: &'static str,
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
    pub fn identity(&self, config: &Config, hostname: &str) -> Identity {
        Identity {
            tag: config.global.log_tag.clone().unwrap_or_else(|| self.tag.clone()),
            pid: std::process::id(),
            hostname: hostname.to_owned(),
            sent_hostname: config.global.log_hostname.clone(),
            echo: self.echo,
        }
    }
}

impl Control {
    /// Puts a config in force.
    pub fn apply(&mut self, next: Next) {
        let Next { config, opened, sinks, hostname } = next;
        self.logger.reload(self.speaker.identity(&config, &hostname), sinks);
        let listeners = self.sockets.arrange(&config, opened);
        let bufsize = config.global.bufsize;
        let guarding: Vec<_> = config.backends.iter().map(|backend| classify(backend, bufsize)).collect();
        let old = self.published.load_full();
        let snapshot = Snapshot::build(Arc::new(config), listeners, &guarding, &old, Tick::now());
        let snapshot = Arc::new(snapshot);
        self.published.store(Arc::clone(&snapshot));
        // The guards' task ends only with the process.
        let _ = self.guards.send(Arc::clone(&snapshot));
        self.workers.broadcast(|| Command::Refresh);
        self.checks.apply(&snapshot);
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
        self.sockets.close();
        self.published.store(Arc::new(snapshot.without_listeners()));
        self.workers.broadcast(|| Command::SoftStop);
    }

    /// SIGTTOU: new clients are refused until [`Control::resume`].
    pub fn pause(&self) {
        self.workers.broadcast(|| Command::Pause);
        self.sockets.pause();
        self.tell_frontends(event::paused);
    }

    /// SIGTTIN.
    pub fn resume(&self) {
        self.sockets.resume(&self.published.load().config);
        self.workers.broadcast(|| Command::Resume);
        self.tell_frontends(event::resumed);
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
