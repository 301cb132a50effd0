//! Listening sockets of the whole process: opening what a [`Plan`](super::reload::Plan) asks for, and laying
//! them out as a snapshot wants them.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use socket2::SockRef;

use super::gather::reason;
use super::reload::{SocketName, plan, socket_names};
use crate::config::Config;
use crate::state::Listener;
use crate::sys::listen::{self, ListenError};

/// Opens sockets; all or, with every reason, none.
pub fn open(
    config: &Config,
    wanted: &[(SocketName, usize, usize)],
) -> Result<Vec<(SocketName, OwnedFd)>, Vec<String>> {
    let (mut opened, mut failed) = (Vec::new(), Vec::new());
    for (name, frontend, bind) in wanted {
        let frontend = &config.frontends[*frontend];
        let bind = &frontend.binds[*bind];
        match listen::listen(bind, listen::backlog(bind, frontend)) {
            Ok(socket) => opened.push((name.clone(), socket)),
            Err(error) => {
                let kind = if frontend.is_listen { "proxy" } else { "frontend" };
                failed.push(explain(&error, kind, &frontend.name));
            }
        }
    }
    if failed.is_empty() { Ok(opened) } else { Err(failed) }
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
        missing.iter().all(|(name, ..)| opened.iter().any(|(given, _)| given == name))
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
        let find = |name: Option<SocketName>| name.and_then(|name| self.0.get(&name).cloned());
        let names = socket_names(config).into_iter();
        names.map(|binds| binds.into_iter().map(find).collect()).collect()
    }

    /// Refuses new clients, the sockets staying bound. A unix socket queues them: once shut down it could
    /// never listen again.
    pub fn pause(&self) {
        for listener in self.0.values() {
            let socket = SockRef::from(&listener.socket);
            if socket.local_addr().is_ok_and(|address| address.as_socket().is_some()) {
                let _ = socket.shutdown(Shutdown::Read);
            }
        }
    }

    /// Undoes [`Sockets::pause`].
    pub fn resume(&self, config: &Config) {
        for (frontend, names) in config.frontends.iter().zip(socket_names(config)) {
            for (bind, name) in frontend.binds.iter().zip(names) {
                let Some(listener) = name.and_then(|name| self.0.get(&name)) else { continue };
                let backlog = i32::try_from(listen::backlog(bind, frontend)).unwrap_or(i32::MAX);
                // It was listening before; nothing of it was given up.
                let _ = SockRef::from(&listener.socket).listen(backlog);
            }
        }
    }

    /// Lets go of all.
    pub fn close(&mut self) {
        self.0.clear();
    }
}
