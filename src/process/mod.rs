//! The process: what happens between `argv` and the last session.
//!
//! # The start
//!
//! ```text
//!  gather + load (files, names, users)      -c ends here, with HAProxy's verdict
//!      |
//!  bind every listening socket, open the log sockets; every error so far goes to whoever started this
//!      |
//!      +-- none of chroot, user, group, uid, gid, daemon, -W ------------------------> worker::serve
//!      |
//!  [-D: fork, setsid, fork; the first process waits for the outcome]
//!  pid file, signals blocked, fork
//!      |                                                |
//!  parent::Parent (root, one poll loop)             worker::serve: loads the same bundle, drops privileges
//!      |  --- bundle + sockets, as frames --->          |
//!      |  <-- applied / refused ---------------         |
//!  READY=1, -sf/-st, lets the starter go            control thread (tokio), workers, log thread
//! ```
//!
//! Both shapes hand the same [`message::Handover`] to the same [`worker::serve`]; without a parent there is
//! just no socket between. All forks happen before the first thread.
//!
//! With `-x SOCKET` the listening sockets of a predecessor are taken over before the others are bound ([`takeover`]).
//!
//! # A reload
//!
//! `gather` (off the main loop) -> `prepare` (judge, diff, open what is new; can fail, touches nothing) ->
//! `control::Control::apply` (one swap; cannot fail). [`reload`] holds the decisions. SIGHUP reloads, also
//! in plain mode, where HAProxy would only dump its state.
//!
//! # The end
//!
//! TERM and INT end the process at once, by the signal itself, once its log is written; as a master, with
//! HAProxy's codes. USR1 lets sessions end. Parent and worker end together: the worker by PR_SET_PDEATHSIG and
//! by the end of its socket, the parent by SIGCHLD.

pub mod control;
pub mod daemon;
pub mod descriptors;
pub mod dump;
pub mod duty;
pub mod frame;
pub mod gather;
pub mod link;
pub mod listeners;
pub mod master_socket;
pub mod message;
mod names;
pub mod notify;
pub mod parent;
mod pems;
pub mod prepare;
pub mod reload;
pub mod report;
pub mod runtime;
mod separate;
pub mod settings;
mod slots;
pub mod takeover;
pub mod verdict;
pub mod worker;

use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;

use self::gather::{Gathered, Lookup, gather};
use self::message::Handover;
use self::prepare::{Prepared, Running, prepare};
use self::report::Voice;
use self::separate::{Separation, separate};
use self::settings::{End, Master, Settings, Task, Verbosity};
use self::takeover::Taken;
use self::worker::{Place, Start, serve};
use crate::config::render;
use crate::explain;
use crate::sys::{limits, process};

/// What must not kill a process that is about to serve: it waits until somebody listens for it.
const EARLY_SIGNALS: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTTOU, Signal::SIGTTIN, Signal::SIGQUIT];

/// Runs the program to its end; the exit code.
pub fn run(settings: Settings) -> u8 {
    let voice = Voice::new(&settings);
    settings.warnings.iter().for_each(|text| voice.warning(text));
    start(Arc::new(settings), &voice).unwrap_or_else(|reason| {
        if !reason.is_empty() {
            voice.alert(&reason);
        }
        1
    })
}

/// An error is a sentence for standard error, or empty if all has been said.
/// A shell's background jobs and `nohup` start with signals ignored, which neither the kernel's own effect nor
/// a signalfd would ever see; as HAProxy, the program takes its signals however it was started.
fn heed_signals() -> std::io::Result<()> {
    EARLY_SIGNALS.into_iter().chain([Signal::SIGTERM, Signal::SIGINT]).try_for_each(process::restore)
}

fn start(settings: Arc<Settings>, voice: &Voice) -> Result<u8, String> {
    if settings.task == Task::Serve {
        // A name server can take seconds: who asks for a reload meanwhile gets one as soon as clients are served.
        process::block(&EARLY_SIGNALS).map_err(|error| error.to_string())?;
        heed_signals().map_err(|error| error.to_string())?;
    }
    if let Some(directory) = &settings.directory {
        std::env::set_current_dir(directory).map_err(|error| {
            let reason = gather::reason(&error);
            format!("Could not change to directory {} : {reason}", directory.display())
        })?;
    }
    let gathered = gather(&settings, Lookup::Here);
    match settings.task {
        Task::Serve => {}
        Task::Check => return Ok(check(gathered, &settings, voice)),
        Task::Explain => return Ok(explained(gathered, voice)),
    }
    let default_maxconn = descriptors::default_maxconn(limits::descriptors().ok());
    let taken = take_over(&settings, voice)?;
    let running =
        Running { global: None, sockets: &[], taken: taken.as_ref(), settings: &settings, default_maxconn };
    let prepared = prepare(gathered, running, voice).map_err(|unusable| match unusable.reason {
        reason if reason.starts_with("Binding") => {
            format!("[{}.main()] Some protocols failed to start their listeners! Exiting.", settings.program)
        }
        _ => String::new(),
    })?;
    descriptors::raise_at_start(&prepared.config, &settings.program)?;
    descriptors::shortage(&prepared.config).into_iter().for_each(|text| voice.warning(&text));
    let derived = descriptors::derived_maxconn(&prepared.config, default_maxconn);
    if settings.verbosity == Verbosity::Verbose && prepared.config.global.maxconn == Some(derived) {
        voice.raw(format!("Note: setting global.maxconn to {derived}.\n"));
    }
    let separation = Separation::of(&prepared.config.global, &settings);
    match separation {
        None => {
            let start = Start {
                voice: voice.clone(),
                handover: handover(prepared),
                place: Place::Alone,
                settings,
                default_maxconn,
            };
            serve(start).map_err(|error| error.to_string())
        }
        Some(separation) => separate(separation, settings, voice.clone(), prepared, default_maxconn),
    }
}

/// `-x`. A master goes on without, as HAProxy's; `/dev/null` is what scripts write for none.
fn take_over(settings: &Settings, voice: &Voice) -> Result<Option<Taken>, String> {
    let path = settings.old_socket.as_deref().filter(|path| *path != Path::new("/dev/null"));
    let Some(path) = path else { return Ok(None) };
    let error = match takeover::take(path) {
        Ok(taken) => return Ok(Some(taken)),
        Err(error) => error,
    };
    let reason = gather::reason(&error);
    voice.warning(&format!("Failed to get sockets from the old process at '{}' ({reason})", path.display()));
    let sentence = "Failed to get the sockets from the old process!";
    if settings.master == Master::AsConfigured {
        return Err(sentence.to_owned());
    }
    voice.alert(sentence);
    Ok(None)
}

fn handover(prepared: Prepared) -> Handover {
    let Prepared { bundle, opened, sinks, .. } = prepared;
    Handover { bundle, listeners: opened, logs: sinks.into_descriptors() }
}

/// `-c`.
fn check(gathered: Gathered, settings: &Settings, voice: &Voice) -> u8 {
    let loaded = match gathered {
        Ok((_, loaded)) => loaded,
        Err(error) => {
            voice.alert(&format!("config : {error}"));
            return 1;
        }
    };
    voice.diagnostics(&loaded);
    if let Some(refusal) = verdict::refusal(&loaded, settings) {
        voice.raw(refusal.text);
        return 1;
    }
    verdict::check(voice, &loaded, loaded.config.as_ref())
}

/// `explain`: the exit code is that of `-c`. What is wrong with a config is all that is said of one that has errors.
fn explained(gathered: Gathered, voice: &Voice) -> u8 {
    let loaded = match gathered {
        Ok((_, loaded)) => loaded,
        Err(error) => {
            voice.alert(&format!("config : {error}"));
            return 1;
        }
    };
    let Some(text) = explain::explain(&loaded) else {
        voice.diagnostics(&loaded);
        return 1;
    };
    // Nobody reads: nothing to do.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    render::verdict(&loaded.diagnostics, loaded.config.as_ref().is_some_and(verdict::listens)).status
}

/// `-sf`, `-st`: clients are served here now.
pub(crate) fn tell_predecessors(settings: &Settings, voice: &Voice) {
    let Some(predecessors) = &settings.predecessors else { return };
    let signal = match predecessors.end {
        End::Finish => Signal::SIGUSR1,
        End::Terminate => Signal::SIGTERM,
    };
    for pid in &predecessors.pids {
        // Process 0 would be the whole group. One that is gone already is what was wanted.
        if *pid > 1
            && let Err(error) = process::kill(*pid, signal)
            && error.raw_os_error() != Some(nix::errno::Errno::ESRCH as i32)
        {
            voice.warning(&format!("cannot signal process {pid}: {}", gather::reason(&error)));
        }
    }
}
