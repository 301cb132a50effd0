//! What a reload does, decided before anything is touched: which sockets are opened, which are kept, which
//! are closed, and what of the new config cannot take effect while the process lives. Pure.
//!
//! A listening socket is known by its [`SocketName`]: the address, and which of several lines with that
//! address. Options of a `bind` line belong to the socket only from its opening on.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::descriptors;
use super::settings::{Settings, Splicing};
use crate::config::Config;
use crate::config::model::{Bind, BindAddress, CommandSocket, Global};

/// Identity of a listening socket across reloads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SocketName {
    pub address: BindAddress,
    /// 0 for the first line with that address, 1 for the second, ...
    pub occurrence: u32,
}

/// What has to be done with the sockets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What is new.
    pub open: Vec<(SocketName, Line)>,
    pub close: Vec<SocketName>,
}

/// The line that a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// By position.
    Bind { frontend: usize, bind: usize },
    /// Position of a `stats socket`.
    Command(usize),
}

/// The sockets that a config listens on.
#[derive(Debug, Default)]
pub struct Names {
    /// `binds[i][j]` of bind `j` of frontend `i`; `None` of one that is not to listen.
    pub binds: Vec<Vec<Option<SocketName>>>,
    /// Of each `stats socket`.
    pub commands: Vec<SocketName>,
}

impl Names {
    /// Every one of them.
    pub fn into_all(self) -> Vec<SocketName> {
        self.binds.into_iter().flatten().flatten().chain(self.commands).collect()
    }

    fn into_lines(self) -> impl Iterator<Item = (SocketName, Line)> {
        let binds = self.binds.into_iter().enumerate().flat_map(|(frontend, names)| {
            let names = names.into_iter().enumerate();
            names.filter_map(move |(bind, name)| Some((name?, Line::Bind { frontend, bind })))
        });
        let commands = self.commands.into_iter().enumerate();
        binds.chain(commands.map(|(at, name)| (name, Line::Command(at))))
    }
}

/// The socket of every line that is to listen.
pub fn socket_names(config: &Config) -> Names {
    let mut seen: HashMap<&BindAddress, u32> = HashMap::new();
    let binds = config
        .frontends
        .iter()
        .map(|frontend| {
            let name = |bind| (!frontend.disabled).then(|| name_of(bind, &mut seen));
            frontend.binds.iter().map(name).collect()
        })
        .collect();
    let commands =
        config.global.stats_sockets.iter().map(|socket| name_of(&socket.bind, &mut seen)).collect();
    Names { binds, commands }
}

fn name_of<'a>(bind: &'a Bind, seen: &mut HashMap<&'a BindAddress, u32>) -> SocketName {
    let times = seen.entry(&bind.address).or_default();
    let name = SocketName { address: bind.address.clone(), occurrence: *times };
    *times += 1;
    name
}

/// The files of runtime sockets that `new` does not have any more.
pub fn dropped_files(old: &Global, new: &Global) -> Vec<PathBuf> {
    let file = |socket: &CommandSocket| match &socket.bind.address {
        BindAddress::Unix(path) => Some(path.clone()),
        _ => None,
    };
    let kept: Vec<PathBuf> = new.stats_sockets.iter().filter_map(file).collect();
    old.stats_sockets.iter().filter_map(file).filter(|path| !kept.contains(path)).collect()
}

/// What to open and close so that exactly the sockets of `config` are open, `have` being open now.
pub fn plan(config: &Config, have: &[SocketName]) -> Plan {
    let mut plan = Plan::default();
    let mut wanted = Vec::new();
    for (name, line) in socket_names(config).into_lines() {
        if !have.contains(&name) {
            plan.open.push((name.clone(), line));
        }
        wanted.push(name);
    }
    plan.close = have.iter().filter(|name| !wanted.contains(name)).cloned().collect();
    plan
}

/// Puts the command line's word over the config's.
pub fn override_config(config: &mut Config, settings: &Settings, default_maxconn: u32) {
    let default_maxconn = descriptors::derived_maxconn(config, default_maxconn);
    let global = &mut config.global;
    global.maxconn = settings.maxconn.or(global.maxconn).or(Some(default_maxconn));
    if settings.splicing == Splicing::Off {
        global.maxpipes = Some(0);
    }
    if settings.pidfile.is_some() {
        global.pidfile.clone_from(&settings.pidfile);
    }
    let Some(maxconn) = settings.frontend_maxconn else { return };
    for frontend in config.frontends.iter_mut().filter(|frontend| frontend.maxconn == 0) {
        frontend.maxconn = maxconn;
    }
}

/// Settings that only a new process can take: the old values go into `new`, and for each one that would
/// have changed, a sentence comes back.
pub fn keep_fixed(old: &Global, new: &mut Global) -> Vec<String> {
    let mut kept = Vec::new();
    keep("user", old.uid, &mut new.uid, &mut kept);
    keep("group", old.gid, &mut new.gid, &mut kept);
    keep("chroot", old.chroot.clone(), &mut new.chroot, &mut kept);
    keep("nbthread", old.nbthread, &mut new.nbthread, &mut kept);
    keep("tune.relay", old.relay, &mut new.relay, &mut kept);
    keep("cpu-map", old.cpu_map.clone(), &mut new.cpu_map, &mut kept);
    keep("daemon", old.daemon, &mut new.daemon, &mut kept);
    keep("master-worker", old.master_worker, &mut new.master_worker, &mut kept);
    keep("pidfile", old.pidfile.clone(), &mut new.pidfile, &mut kept);
    keep("ulimit-n", old.ulimit_n, &mut new.ulimit_n, &mut kept);
    kept
}

fn keep<T: PartialEq>(keyword: &str, old: T, new: &mut T, kept: &mut Vec<String>) {
    if *new != old {
        *new = old;
        kept.push(format!(
            "'{keyword}' cannot change in a reload, the old value stays; restart to change it"
        ));
    }
}

/// Whether a reload is under way, and whether another one was asked for meanwhile: however many signals
/// come during one reload, one more follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    #[default]
    Idle,
    Running,
    RunningAndAskedAgain,
}

impl Turn {
    /// A reload is asked for; whether to begin now.
    pub fn ask(&mut self) -> bool {
        let begin = *self == Turn::Idle;
        *self = if begin { Turn::Running } else { Turn::RunningAndAskedAgain };
        begin
    }

    /// The reload under way has ended; whether to begin another one now.
    pub fn done(&mut self) -> bool {
        let again = *self == Turn::RunningAndAskedAgain;
        *self = if again { Turn::Running } else { Turn::Idle };
        again
    }
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
