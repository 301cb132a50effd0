//! Listening sockets of the whole process: opening what a [`Plan`](super::reload::Plan) asks for, and laying
//! them out as a snapshot wants them.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::SockRef;

use super::gather::reason;
use super::reload::{Line, SocketName, plan, socket_names};
use super::takeover::Taken;
use crate::config::Config;
use crate::config::model::BindAddress;
use crate::state::Listener;
use crate::sys::listen::{self, ListenError};

/// Opens sockets, but for those that a predecessor has given; all or, with every reason, none.
pub fn open(
    config: &Config,
    wanted: &[(SocketName, Line)],
    taken: Option<&Taken>,
) -> Result<Vec<(SocketName, OwnedFd)>, Vec<String>> {
    let (mut opened, mut failed) = (Vec::new(), Vec::new());
    for (name, line) in wanted {
        match open_one(config, *line, taken) {
            Ok(socket) => opened.push((name.clone(), socket)),
            Err(reason) => failed.push(reason),
        }
    }
    if failed.is_empty() { Ok(opened) } else { Err(failed) }
}

fn open_one(config: &Config, line: Line, taken: Option<&Taken>) -> Result<OwnedFd, String> {
    match line {
        Line::Bind { frontend, bind } => {
            let frontend = &config.frontends[frontend];
            let bind = &frontend.binds[bind];
            let kind = if frontend.is_listen { "proxy" } else { "frontend" };
            let backlog = listen::backlog(bind, frontend);
            let given = taken.and_then(|taken| taken.claim(bind));
            // One that does not listen any more is opened anew.
            if let Some(socket) = given.and_then(|socket| listen::take_over(socket, backlog).ok()) {
                return Ok(socket);
            }
            let opened = listen::listen(bind, backlog);
            opened.map_err(|error| explain(&error, kind, &frontend.name))
        }
        Line::Command(at) => {
            let socket = &config.global.stats_sockets[at];
            // What HAProxy calls the proxy behind it.
            listen::command(socket).map_err(|error| explain(&error, "frontend", "GLOBAL"))
        }
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

    /// Lets go of all.
    pub fn close(&mut self) {
        self.0.clear();
    }
}
