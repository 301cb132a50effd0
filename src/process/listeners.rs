//! Listening sockets of the whole process: opening what a [`Plan`](super::reload::Plan) asks for, and laying
//! them out as a snapshot wants them.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::SockRef;

use super::gather::reason;
use super::reload::{Line, SocketName, plan, socket_names};
use super::takeover::Taken;
use crate::config::Config;
use crate::config::model::BindAddress;
use crate::state::Listener;
use crate::sys::listen::{self, ListenError, NewFile, Opened};
use crate::sys::process;

/// How often, and how long after each other, it is tried to bind what a predecessor is asked to let go of; as HAProxy.
const TRIES: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(10);

/// Opens sockets, but for those that a predecessor has given; all or, with every reason, none. `predecessors` are
/// asked to let go of what is taken, and if that does not help to go on.
pub fn open(
    config: &Config,
    wanted: &[(SocketName, Line)],
    taken: Option<&Taken>,
    predecessors: &[u32],
) -> Result<Vec<(SocketName, OwnedFd)>, Vec<String>> {
    let mut opening = Opening { config, taken, sockets: Vec::new(), files: Vec::new() };
    let mut failed = opening.open(wanted.to_vec());
    let is_asked = failed.iter().any(|failure| failure.is_in_use) && tell(predecessors, Signal::SIGTTOU);
    for _ in 0..TRIES {
        if !is_asked || failed.is_empty() {
            break;
        }
        std::thread::sleep(BETWEEN);
        failed = opening.open(failed.into_iter().map(|failure| failure.wanted).collect());
    }
    let reasons = failed.into_iter().map(|failure| failure.reason).collect();
    let ended = opening.finish(reasons);
    if ended.is_err() && is_asked {
        tell(predecessors, Signal::SIGTTIN);
    }
    ended
}

/// Whether there is one that heard it. Process 0 would be the whole group.
fn tell(predecessors: &[u32], signal: Signal) -> bool {
    predecessors.iter().filter(|pid| **pid > 1 && process::kill(**pid, signal).is_ok()).count() > 0
}

/// What is open already, the files not yet under their names.
struct Opening<'a> {
    config: &'a Config,
    taken: Option<&'a Taken>,
    sockets: Vec<(SocketName, OwnedFd)>,
    files: Vec<(Line, NewFile)>,
}

struct Failure {
    wanted: (SocketName, Line),
    reason: String,
    is_in_use: bool,
}

impl Opening<'_> {
    fn open(&mut self, wanted: Vec<(SocketName, Line)>) -> Vec<Failure> {
        let mut failed = Vec::new();
        for (name, line) in wanted {
            match open_one(self.config, line, self.taken) {
                Ok(Opened { socket, file }) => {
                    self.sockets.push((name, socket));
                    if let Some(file) = file {
                        // Of two lines with one path the last has it, and both were made beside it by one name.
                        self.files.retain(|(_, other)| !other.is_for_same(&file));
                        self.files.push((line, file));
                    }
                }
                Err(error) => {
                    let is_in_use = error.error.kind() == ErrorKind::AddrInUse;
                    let reason = self.explain(line, &error);
                    failed.push(Failure { wanted: (name, line), reason, is_in_use });
                }
            }
        }
        failed
    }

    /// Puts the files in their places, if nothing stands against it.
    fn finish(mut self, mut reasons: Vec<String>) -> Result<Vec<(SocketName, OwnedFd)>, Vec<String>> {
        for (line, file) in std::mem::take(&mut self.files) {
            if !reasons.is_empty() {
                file.discard();
            } else if let Err(error) = file.put() {
                reasons.push(self.explain(line, &error));
            }
        }
        if reasons.is_empty() { Ok(self.sockets) } else { Err(reasons) }
    }

    fn explain(&self, line: Line, error: &ListenError) -> String {
        let (kind, name) = match line {
            Line::Bind { frontend, .. } => {
                let frontend = &self.config.frontends[frontend];
                (if frontend.is_listen { "proxy" } else { "frontend" }, frontend.name.as_str())
            }
            // What HAProxy calls the proxy behind a runtime socket.
            Line::Command(_) => ("frontend", "GLOBAL"),
        };
        explain(error, kind, name)
    }
}

fn open_one(config: &Config, line: Line, taken: Option<&Taken>) -> Result<Opened, ListenError> {
    match line {
        Line::Bind { frontend, bind } => {
            let frontend = &config.frontends[frontend];
            let bind = &frontend.binds[bind];
            let backlog = listen::backlog(bind, frontend);
            let given = taken.and_then(|taken| taken.claim(bind));
            // One that does not listen any more is opened anew.
            match given.and_then(|socket| listen::take_over(socket, backlog).ok()) {
                Some(socket) => Ok(Opened { socket, file: None }),
                None => listen::open(bind, backlog),
            }
        }
        Line::Command(at) => listen::command(&config.global.stats_sockets[at]),
    }
}

/// Removes the files of runtime sockets that a reload has dropped.
pub fn remove_files(paths: &[PathBuf]) {
    for path in paths {
        // Whatever else has taken the name meanwhile is not ours; one that is gone already is what was wanted.
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// HAProxy's sentence, and what to do.
fn explain(error: &ListenError, kind: &str, name: &str) -> String {
    let ListenError { file, line, step, address, error: cause } = error;
    let reason = reason(cause);
    let mut text =
        format!("Binding [{file}:{line}] for {kind} {name}: cannot {step} socket ({reason}) for [{address}]");
    if let Some(help) = error.help() {
        text.push_str(&format!("\n   | {help}"));
    }
    text
}

/// The sockets that are open.
#[derive(Debug, Default)]
pub struct Sockets(HashMap<SocketName, Arc<Listener>>);

impl Sockets {
    /// Their names, for the next plan.
    pub fn names(&self) -> Vec<SocketName> {
        self.0.keys().cloned().collect()
    }

    /// Whether `opened` and what is open already are all that `config` listens on.
    pub fn suffice(&self, config: &Config, opened: &[(SocketName, OwnedFd)]) -> bool {
        let missing = plan(config, &self.names()).open;
        missing.iter().all(|(name, _)| opened.iter().any(|(given, _)| given == name))
    }

    /// Takes new sockets in, lets go of those that `config` does not have, and returns the rest as
    /// `listeners[frontend][bind]`. A socket is closed when the last worker has let go of it too.
    pub fn arrange(
        &mut self,
        config: &Config,
        opened: Vec<(SocketName, OwnedFd)>,
    ) -> Vec<Vec<Option<Arc<Listener>>>> {
        for (name, socket) in opened {
            let listener = Listener::new(socket, name.address.clone());
            self.0.entry(name).or_insert_with(|| Arc::new(listener));
        }
        for name in plan(config, &self.names()).close {
            self.0.remove(&name);
        }
        self.laid_out(config)
    }

    /// The sockets of the `stats socket` lines, in their order.
    pub fn commands(&self, config: &Config) -> Vec<Arc<Listener>> {
        let names = socket_names(config).commands.into_iter();
        names.filter_map(|name| self.0.get(&name).cloned()).collect()
    }

    /// The process ends: nobody is let in from now on. Its end alone would not do, as a ring of io_uring goes on
    /// holding the sockets that it polls until the kernel has taken it down, some milliseconds later. A socket that
    /// was inherited stays as it is: it belongs to whoever handed it down; so does one that a successor has.
    pub fn refuse(&self) {
        let is_own =
            |listener: &Listener| !matches!(listener.address, BindAddress::Fd(_)) && !listener.is_shared();
        let own = self.0.values().filter(|listener| is_own(listener));
        for listener in own {
            // One that does not listen any more is what was wanted.
            let _ = SockRef::from(&listener.socket).shutdown(Shutdown::Both);
        }
    }

    /// Refuses new clients of the frontends of those positions, the sockets staying bound. A unix socket queues
    /// them: once shut down it could never listen again. One that a successor has goes on for that.
    pub fn pause(&self, config: &Config, chosen: impl Fn(usize) -> bool) {
        let binds = socket_names(config).binds.into_iter().enumerate();
        for name in binds.filter(|(at, _)| chosen(*at)).flat_map(|(_, names)| names).flatten() {
            let Some(listener) = self.0.get(&name).filter(|listener| !listener.is_shared()) else { continue };
            let socket = SockRef::from(&listener.socket);
            if socket.local_addr().is_ok_and(|address| address.as_socket().is_some()) {
                let _ = socket.shutdown(Shutdown::Read);
            }
        }
    }

    /// Undoes [`Sockets::pause`] for the frontends of those positions.
    pub fn resume(&self, config: &Config, chosen: impl Fn(usize) -> bool) {
        let frontends = config.frontends.iter().zip(socket_names(config).binds).enumerate();
        for (_, (frontend, names)) in frontends.filter(|(at, _)| chosen(*at)) {
            for (bind, name) in frontend.binds.iter().zip(names) {
                let Some(listener) = name.and_then(|name| self.0.get(&name)) else { continue };
                let backlog = i32::try_from(listen::backlog(bind, frontend)).unwrap_or(i32::MAX);
                // It was listening before; nothing of it was given up.
                let _ = SockRef::from(&listener.socket).listen(backlog);
            }
        }
    }

    /// The sockets of every frontend, as a snapshot wants them.
    pub fn laid_out(&self, config: &Config) -> Vec<Vec<Option<Arc<Listener>>>> {
        let find = |name: Option<SocketName>| name.and_then(|name| self.0.get(&name).cloned());
        let names = socket_names(config).binds.into_iter();
        names.map(|binds| binds.into_iter().map(find).collect()).collect()
    }

    /// Lets go of the abstract names of binds, which only one process can have: a successor may want them. Whether
    /// there were any.
    pub fn release_abstract(&mut self, config: &Config) -> bool {
        let before = self.0.len();
        let kept = socket_names(config).commands;
        let is_abstract = |name: &SocketName| matches!(name.address, BindAddress::Abstract(_));
        self.0.retain(|name, _| !is_abstract(name) || kept.contains(name));
        self.0.len() < before
    }

    /// Undoes [`Sockets::release_abstract`], if nobody has the names meanwhile. Whether there were any.
    pub fn reopen_abstract(&mut self, config: &Config) -> Result<bool, Vec<String>> {
        let mut missing = plan(config, &self.names()).open;
        missing.retain(|(name, _)| matches!(name.address, BindAddress::Abstract(_)));
        let opened = open(config, &missing, None, &[])?;
        self.arrange(config, opened);
        Ok(!missing.is_empty())
    }

    /// Lets go of all.
    pub fn close(&mut self) {
        self.0.clear();
    }
}
