//! The shape with a parent: goes to the background if that is asked for, forks the worker, and becomes the
//! parent. Everything that can be refused (pid file, master socket) is opened while whoever started this
//! still listens.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::daemon::{Detached, Release, detach, open_pidfile, write_pid};
use super::frame::{Incoming, Limits};
use super::handover;
use super::master_socket::MasterSocket;
use super::message::{FromParent, Handover};
use super::notify::Notify;
use super::parent::{Begin, Manner, Parent, ParentEnd, take_signals};
use super::prepare::Prepared;
use super::report::{LAST_WORDS, Voice};
use super::settings::{Ground, Master, Settings};
use super::worker::{Place, Start, serve};
use crate::config::model::Global;
use crate::sys::process::{self, Forked};

/// Why there are two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Separation {
    manner: Manner,
    ground: Ground,
}

impl Separation {
    /// `None` if one process does. The foreground of the command line wins over the config's `daemon`.
    pub(super) fn of(global: &Global, settings: &Settings) -> Option<Separation> {
        let manner = match settings.master {
            Master::AsConfigured if !global.master_worker => Manner::Plain,
            _ => Manner::Master,
        };
        let ground = match settings.ground {
            Ground::AsConfigured if global.daemon => Ground::Background,
            Ground::AsConfigured => Ground::Foreground,
            chosen => chosen,
        };
        let drops = global.chroot.is_some() || global.uid.is_some() || global.gid.is_some();
        let needed = manner == Manner::Master || ground == Ground::Background || drops;
        needed.then_some(Separation { manner, ground })
    }
}

/// What the two processes are made from.
struct Making {
    separation: Separation,
    settings: Arc<Settings>,
    voice: Voice,
    prepared: Prepared,
    default_maxconn: u32,
    master_socket: Option<MasterSocket>,
    release: Option<Release>,
}

/// Runs the parent, or the worker, to its end.
pub(super) fn separate(
    separation: Separation,
    settings: Arc<Settings>,
    voice: Voice,
    prepared: Prepared,
    default_maxconn: u32,
) -> Result<u8, String> {
    let program = settings.program.clone();
    let master_socket = match &settings.master_socket {
        Some(argument) if separation.manner == Manner::Master => Some(MasterSocket::open(argument)?),
        _ => None,
    };
    let wants_pidfile = separation.manner == Manner::Master || separation.ground == Ground::Background;
    let pidfile = match &prepared.config.global.pidfile {
        Some(path) if wants_pidfile => Some(open_pidfile(path).map_err(|error| {
            let reason = super::gather::reason(&error);
            format!("[{program}.main()] Cannot create pidfile {}\n   | {reason}", path.display())
        })?),
        _ => None,
    };
    let cannot = |error: io::Error| format!("[{program}.main()] Cannot fork: {error}");
    let mut release = None;
    if separation.ground == Ground::Background {
        match detach().map_err(cannot)? {
            Detached::Starter { is_serving: true } => return Ok(0),
            // The daemon has said why.
            Detached::Starter { is_serving: false } => return Err(String::new()),
            Detached::Daemon(to_starter) => release = Some(to_starter),
        }
    }
    if let Some(file) = pidfile {
        write_pid(file).map_err(cannot)?;
    }
    let making = Making { separation, settings, voice, prepared, default_maxconn, master_socket, release };
    fork(making).map_err(|error| if error.is_empty() { error } else { format!("[{program}.main()] {error}") })
}

fn fork(making: Making) -> Result<u8, String> {
    let text = |error: io::Error| error.to_string();
    let signals = take_signals().map_err(text)?;
    let (link, worker_link) = UnixStream::pair().map_err(text)?;
    let parent = std::process::id();
    match process::split().map_err(text)? {
        Forked::Child => {
            drop(link);
            drop(signals);
            be_worker(making, worker_link, parent)
        }
        Forked::Parent { child } => {
            drop(worker_link);
            let Making { separation, settings, voice, prepared, default_maxconn, master_socket, release } =
                making;
            // No fork follows: threads may begin. Whoever sleeps on standard error must not hold up a signal.
            let voice = voice.in_background().map_err(text)?;
            if separation.manner == Manner::Master {
                voice.notice(&format!("New worker ({child}) forked"));
            }
            let notify = match settings.master {
                Master::Notify => Notify::from_environment(),
                _ => Notify::default(),
            };
            let begin = Begin {
                settings,
                voice,
                manner: separation.manner,
                worker: child,
                link,
                signals,
                notify,
                master_socket,
                release,
                default_maxconn,
            };
            be_parent(begin, prepared).map_err(|error| error.to_string())
        }
    }
}

fn be_parent(begin: Begin, mut prepared: Prepared) -> io::Result<u8> {
    let (config, lines) = (prepared.config.clone(), std::mem::take(&mut prepared.lines));
    let voice = begin.voice.clone();
    let parent = Parent::new(begin, config, handover(prepared), lines).map_err(io::Error::other)?;
    let end = parent.run();
    voice.flush(LAST_WORDS);
    match end? {
        ParentEnd::Exit(code) => Ok(code),
        ParentEnd::DieOf(signal) => {
            process::die_of(signal)?;
            Ok(128 + signal as u8)
        }
    }
}

/// Waits for what the parent hands over, and serves. Everything inherited by the fork is let go of: the
/// worker has what it was given, and nothing else.
fn be_worker(making: Making, link: UnixStream, parent: u32) -> Result<u8, String> {
    let Making { separation, settings, voice, prepared, default_maxconn, master_socket, release } = making;
    // A copy of the starter's pipe, too, would hide the parent's end from the starter.
    drop((prepared, master_socket, release));
    // What the starter left open is not the worker's either: a directory would lead out of the chroot. Kernels
    // before 5.9 cannot do this; then it stays as it came.
    let _ = process::close_inherited(link.as_fd());
    let received = receive(&link).map_err(|error| format!("nothing came from the parent: {error}"))?;
    let nowhere = match separation.ground {
        Ground::Background => Some(open_nowhere().map_err(|error| error.to_string())?),
        Ground::AsConfigured | Ground::Foreground => None,
    };
    let place = Place::Below { parent, link, nowhere };
    let start = Start { settings, voice: voice.clone(), handover: received, place, default_maxconn };
    serve(start).map_err(|error| {
        voice.alert(&error.to_string());
        String::new()
    })
}

fn receive(link: &UnixStream) -> io::Result<Handover> {
    let mut incoming = Incoming::new(Limits::BUNDLE);
    let frame = incoming.read(link).map_err(io::Error::other)?;
    let frame = frame.ok_or(io::ErrorKind::WouldBlock)?;
    match FromParent::from_frame(frame).map_err(io::Error::other)? {
        FromParent::Handover(handover) => Ok(*handover),
        FromParent::ReloadFailed(reason) => Err(io::Error::other(reason)),
        FromParent::Client(..) => Err(io::Error::other("a client came before the config")),
    }
}

fn open_nowhere() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_only_where_something_asks_for_them() {
        let global = Global::default;
        let of = |global: Global, master, ground| {
            Separation::of(&global, &Settings { master, ground, ..Settings::default() })
                .map(|found| (found.manner, found.ground))
        };
        let daemon = || Global { daemon: true, ..global() };
        let user = || Global { uid: Some(1), ..global() };
        let front = Some((Manner::Plain, Ground::Foreground));
        let back = Some((Manner::Plain, Ground::Background));
        let table = [
            (of(global(), Master::AsConfigured, Ground::AsConfigured), None),
            (of(daemon(), Master::AsConfigured, Ground::Foreground), None),
            (of(user(), Master::AsConfigured, Ground::Foreground), front),
            (of(daemon(), Master::AsConfigured, Ground::AsConfigured), back),
            (of(global(), Master::AsConfigured, Ground::Background), back),
            (of(daemon(), Master::Notify, Ground::Foreground), Some((Manner::Master, Ground::Foreground))),
            (of(global(), Master::Worker, Ground::Background), Some((Manner::Master, Ground::Background))),
        ];
        for (at, (found, expected)) in table.into_iter().enumerate() {
            assert_eq!(found, expected, "case {at}");
        }
    }
}
