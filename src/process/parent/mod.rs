//! The small privileged parent: one thread, one `poll`, no runtime. It reads configs, resolves names, binds
//! sockets and hands all of it to its worker; owns the pid file, systemd's notifications, the master socket
//! and the signals; and ends with its worker, so that a look at the process list tells the truth.
//!
//! | signal | what the parent does |
//! |---|---|
//! | HUP, USR2 | gathers on a thread, prepares, hands over; the worker swaps |
//! | USR1, TTOU, TTIN, QUIT | passes it on |
//! | TERM, INT | passes it on; ends as the worker has ended |
//! | CHLD | the worker has ended, and so does the parent |

mod reloading;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::daemon::Release;
use super::frame::{FrameError, Incoming, Limits, Outgoing};
use super::gather::Gathered;
use super::master_socket::{Asked, MasterSocket};
use super::message::{FromParent, Handover};
use super::notify::Notify;
use super::reload::{SocketName, Turn};
use super::report::Voice;
use super::settings::Settings;
use crate::api::{View, WorkerView};
use crate::config::Config;
use crate::sys::process::{self, Ended};
use crate::sys::wake::Wake;

/// The signals that a parent takes through its signalfd; blocked before the worker is forked.
pub const SIGNALS: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTTOU,
    Signal::SIGTTIN,
    Signal::SIGCHLD,
];

/// Whether it speaks as HAProxy's master does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// `-W`, `-Ws`: tells of its worker, exits 0 after SIGTERM.
    Master,
    /// As a plain process would: dies of the signal.
    Plain,
}

/// What a parent begins with.
#[derive(Debug)]
pub struct Begin {
    pub settings: Arc<Settings>,
    pub voice: Voice,
    pub manner: Manner,
    pub worker: u32,
    pub link: UnixStream,
    pub signals: SignalFd,
    pub notify: Notify,
    pub master_socket: Option<MasterSocket>,
    pub release: Option<Release>,
    pub default_maxconn: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Parent {
    begin: Begin,
    incoming: Incoming,
    outgoing: Vec<Outgoing>,
    turn: Turn,
    gathered: Option<Receiver<Gathered>>,
    wake: Arc<Wake>,
    /// In force; before the first answer, what shall be.
    config: Config,
    sockets: Vec<SocketName>,
    /// Handed over, not answered yet.
    next: Option<Config>,
    is_serving: bool,
    ending: Option<Signal>,
    link_is_up: bool,
    started: Instant,
    applied: Instant,
    reloads: u32,
    failed: u32,
    failed_since: u32,
    logs: String,
}

/// How the parent itself is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentEnd {
    Exit(u8),
    DieOf(Signal),
}

impl Parent {
    /// A parent whose worker waits for `handover`.
    pub fn new(
        begin: Begin,
        config: Config,
        handover: Handover,
        lines: String,
    ) -> Result<Parent, FrameError> {
        begin.link.set_nonblocking(true)?;
        let frame = handover.into_frame().map_err(io::Error::other)?;
        let now = Instant::now();
        Ok(Parent {
            begin,
            incoming: Incoming::new(Limits::ANSWER),
            outgoing: vec![Outgoing::new(frame, Limits::BUNDLE)?],
            turn: Turn::Running,
            gathered: None,
            wake: Arc::new(Wake::new()?),
            sockets: Vec::new(),
            next: Some(config.clone()),
            config,
            is_serving: false,
            ending: None,
            link_is_up: true,
            started: now,
            applied: now,
            reloads: 0,
            failed: 0,
            failed_since: 0,
            logs: lines,
        })
    }

    /// Until the worker has ended.
    pub fn run(mut self) -> io::Result<ParentEnd> {
        loop {
            self.wait()?;
            while let Some(signal) = self.next_signal()? {
                self.obey(signal);
            }
            if let Some(ended) = process::ended(self.begin.worker)? {
                return Ok(self.finish(ended));
            }
            self.speak_with_worker();
            self.wake.clear();
            if let Some(gathered) = self.gathered.as_ref().and_then(|gathered| gathered.try_recv().ok()) {
                self.gathered = None;
                self.hand_over(gathered);
            }
            self.serve_master_socket();
        }
    }

    fn wait(&self) -> io::Result<()> {
        let reads = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut waits = vec![reads(self.begin.signals.as_fd()), reads(self.wake.as_fd())];
        if self.link_is_up {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, !self.outgoing.is_empty());
            waits.push(PollFd::new(self.begin.link.as_fd(), flags));
        }
        let clients = self.begin.master_socket.iter().flat_map(MasterSocket::waits);
        waits.extend(clients.map(|(fd, flags)| PollFd::new(fd, flags)));
        let due = self.begin.master_socket.as_ref().and_then(MasterSocket::due);
        let patience = due.map_or(PollTimeout::NONE, |due| {
            // Rounded up, so that it is over when the wait is.
            let left = due.saturating_duration_since(Instant::now()).as_millis() + 1;
            PollTimeout::try_from(i32::try_from(left).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::NONE)
        });
        match poll(&mut waits, patience) {
            Err(nix::errno::Errno::EINTR) => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    fn next_signal(&self) -> io::Result<Option<Signal>> {
        let info = self.begin.signals.read_signal()?;
        Ok(info.and_then(|info| Signal::try_from(info.ssi_signo as i32).ok()))
    }

    fn obey(&mut self, signal: Signal) {
        match signal {
            Signal::SIGHUP | Signal::SIGUSR2 => self.ask_reload(),
            Signal::SIGCHLD => {}
            Signal::SIGTERM | Signal::SIGINT | Signal::SIGUSR1 => {
                if self.ending.is_none() {
                    self.begin.notify.stopping();
                    self.say_as_master(|voice| voice.warning("Exiting Master process..."));
                }
                self.ending = Some(signal);
                self.pass_on(signal);
            }
            other => self.pass_on(other),
        }
    }

    fn pass_on(&self, signal: Signal) {
        // It may have ended this moment; SIGCHLD tells.
        let _ = process::kill(self.begin.worker, signal);
    }

    fn serve_master_socket(&mut self) {
        let view = self.view();
        let Some(socket) = &mut self.begin.master_socket else { return };
        let Asked { reload, clients } = socket.serve(&view);
        for (client, level) in clients {
            // A worker that does not serve yet finds it behind its config. One that cannot be passed on is dropped,
            // which its client sees as an empty answer.
            if let Ok(frame) = FromParent::client(client, level) {
                self.send(frame);
            }
        }
        if reload {
            self.ask_reload();
        }
    }

    fn view(&self) -> View {
        let settings = &self.begin.settings;
        let worker =
            WorkerView { pid: self.begin.worker, reloads: self.failed_since, uptime: self.applied.elapsed() };
        View {
            version: settings.version.clone(),
            master: std::process::id(),
            uptime: self.started.elapsed(),
            reloads: self.reloads + self.failed,
            failed_reloads: self.failed,
            last_reload_failed: self.failed_since > 0,
            worker: Some(worker),
            startup_logs: self.logs.clone(),
        }
    }

    fn say_as_master(&self, say: impl FnOnce(&Voice)) {
        if self.begin.manner == Manner::Master {
            say(&self.begin.voice);
        }
    }

    fn finish(&self, ended: Ended) -> ParentEnd {
        let (pid, code) = (self.begin.worker, ended.code());
        let text = format!("Current worker ({pid}) exited with code {code} ({})", ended.word());
        self.say_as_master(|voice| match code {
            0..128 => voice.warning(&text),
            _ => voice.alert(&text),
        });
        let asked_to_end = ended == Ended::Signal(Signal::SIGTERM);
        let end = match (self.ending, self.begin.manner) {
            (Some(signal), Manner::Plain) if signal != Signal::SIGUSR1 => return ParentEnd::DieOf(signal),
            (Some(Signal::SIGINT), _) => 130,
            (Some(Signal::SIGTERM), _) => 0,
            // To HAProxy's master that is an end in peace.
            (None, Manner::Master) if asked_to_end => 0,
            _ => u8::try_from(code).unwrap_or(1),
        };
        if self.ending.is_none() && !asked_to_end {
            self.say_as_master(|voice| voice.alert("exit-on-failure: killing every processes with SIGTERM"));
        }
        self.say_as_master(|voice| voice.warning(&format!("All workers exited. Exiting... ({end})")));
        ParentEnd::Exit(end)
    }
}

/// A signalfd for [`SIGNALS`], which are blocked by it: the worker inherits that, and unblocks them when it
/// can take them.
pub fn take_signals() -> io::Result<SignalFd> {
    let set = process::block(&SIGNALS)?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}
