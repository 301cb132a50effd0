//! The control thread's life once everything runs: signals, reloads, the parent, the end.
//!
//! TERM and INT end the process at once: what is queued for the log is sent, and it dies of the signal, as
//! HAProxy's does. They are not left to the kernel, which spares the first process of a container. With a parent,
//! reloads are its affair: HUP and USR2 are ignored here, and configs come through the link, whose end means
//! that the parent is gone, and that this process ends too.

use std::io;
use std::sync::Arc;

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::control::{Control, Next};
use super::descriptors::fit_at_reload;
use super::dump;
use super::frame::Frame;
use super::gather::{Gathered, gather_in_background};
use super::link::{Link, next_frame};
use super::listeners::remove_files;
use super::message::{Answer, FromParent, Handover};
use super::names::Names;
use super::prepare::{Prepared, Running, prepare};
use super::reload::{Turn, dropped_files, keep_fixed, override_config};
use super::report::LAST_WORDS;
use super::runtime::{Agents, Desk};
use super::settings::Settings;
use super::slots::Slots;
use super::worker::Place;
use crate::config;
use crate::log::{Level, Sinks};
use crate::proxy::worker::WorkerHandles;
use crate::state::Command;
use crate::sys::process;

/// Said to a config that comes too late.
const STOPPING: &str = "the process is stopping; the new config is not taken";

/// See the module.
#[derive(Debug)]
pub struct Duty {
    control: Control,
    desk: Desk,
    ways: Ways,
    settings: Arc<Settings>,
    default_maxconn: u32,
    signals: Signals,
    link: Option<Link>,
    turn: Turn,
    gathering: Option<JoinHandle<Gathered>>,
    stop: Stop,
}

/// By which others than operators have servers changed.
#[derive(Debug)]
pub struct Ways {
    pub slots: Slots,
    pub names: Names,
    pub agents: Agents,
}

/// Where the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    NotYet,
    /// `grace`: listeners close then.
    Announced(Instant),
    /// Sessions end by themselves; by force then, if `hard-stop-after` says so.
    Draining(Option<Instant>),
    Forced,
}

impl Stop {
    fn due(self) -> Option<Instant> {
        match self {
            Stop::NotYet | Stop::Forced => None,
            Stop::Announced(at) => Some(at),
            Stop::Draining(at) => at,
        }
    }
}

/// How the process is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Exit(u8),
    Signal(Signal),
}

#[derive(Debug)]
struct Signals {
    reload: Option<(Stream, Stream)>,
    soft_stop: Stream,
    pause: Stream,
    resume: Stream,
    dump: Stream,
    terminate: Stream,
    interrupt: Stream,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Reload,
    SoftStop,
    Pause,
    Resume,
    Dump,
    End(Signal),
}

impl Duty {
    /// Takes the signals over. Until here they wait (with a parent) or have their usual effect.
    pub fn begin(
        (control, desk, ways): (Control, Desk, Ways),
        settings: Arc<Settings>,
        place: Place,
        default_maxconn: u32,
    ) -> io::Result<Duty> {
        let link = match place {
            Place::Alone => None,
            Place::Below { link, nowhere, .. } => {
                process::ignore(Signal::SIGHUP)?;
                process::ignore(Signal::SIGUSR2)?;
                Some(Link::new(link, nowhere)?)
            }
        };
        let signals = Signals::take(link.is_none())?;
        process::unblock_all()?;
        Ok(Duty {
            control,
            desk,
            ways,
            settings,
            default_maxconn,
            signals,
            link,
            turn: Turn::Idle,
            gathering: None,
            stop: Stop::NotYet,
        })
    }

    /// Why workers are not carried by io_uring though the first trial of it went well: in one line.
    pub fn tell_fallbacks(&self, reasons: &[String]) {
        let Some(reason) = reasons.first() else { return };
        let text = format!(
            "io_uring is not used by {} of the workers, whose sessions are carried by epoll: {reason}.",
            reasons.len()
        );
        self.control.voice.notice(&text);
        self.control.log_global(Level::Notice, &text);
    }

    /// Until the end; the exit code.
    pub async fn run(mut self, mut workers: WorkerHandles) -> u8 {
        self.started();
        let end = self.serve(&mut workers).await;
        self.control.logger.flush(LAST_WORDS);
        self.control.voice.flush(LAST_WORDS);
        match end {
            End::Exit(code) => code,
            End::Signal(signal) => {
                self.control.sockets.refuse();
                // Returns for process 1 only, which the kernel spares.
                let _ = process::die_of(signal);
                128 + signal as u8
            }
        }
    }

    async fn serve(&mut self, workers: &mut WorkerHandles) -> End {
        loop {
            tokio::select! {
                asked = self.signals.next() => if let Some(end) = self.obey(asked) {
                    return end;
                },
                gathered = finished(&mut self.gathering) => self.reload(gathered),
                frame = next_frame(&mut self.link) => match frame {
                    Ok(frame) => self.heed_parent(frame),
                    // Without its parent, and with it privileges and reloads, it must not go on.
                    Err(_) => return End::Exit(1),
                },
                wish = self.desk.next() => self.desk.carry_out(&mut self.control, wish),
                roster = self.ways.slots.next() => self.ways.slots.carry_out(&mut self.control, roster),
                news = self.ways.names.next() => self.ways.names.carry_out(&mut self.control, news),
                order = self.ways.agents.next() => self.ways.agents.carry_out(&mut self.control, order),
                end = workers.ended() => match end.map(|end| (end.worker, end.result)) {
                    Some((_, Ok(()))) => {}
                    Some((worker, Err(error))) => {
                        self.control.voice.alert(&format!("worker {worker} failed: {error}"));
                        return End::Exit(1);
                    }
                    None => return End::Exit(u8::from(self.stop == Stop::NotYet)),
                },
                () = sleep_until(self.stop.due()) => self.stop_further(),
            }
        }
    }

    fn started(&mut self) {
        if self.link.is_some() {
            self.answer(&Answer::Applied);
            if let Some(nowhere) = self.link.as_mut().and_then(Link::take_nowhere) {
                // What is said from here on is in the log only.
                let _ = process::redirect_streams(&nowhere);
            }
            return;
        }
        super::tell_predecessors(&self.settings, &self.control.voice);
    }

    fn obey(&mut self, asked: Asked) -> Option<End> {
        match asked {
            Asked::Reload => {
                if self.stop == Stop::NotYet && self.turn.ask() {
                    self.begin_reload();
                }
            }
            Asked::SoftStop => self.soft_stop(),
            Asked::Pause => self.control.pause(),
            Asked::Resume => self.control.resume(),
            Asked::Dump => dump::states(&self.control),
            Asked::End(signal) => return Some(End::Signal(signal)),
        }
        None
    }

    fn soft_stop(&mut self) {
        if self.stop == Stop::NotYet {
            let grace = self.control.published.load().config.global.grace;
            self.stop = Stop::Announced(Instant::now() + grace);
        }
    }

    fn stop_further(&mut self) {
        match self.stop {
            Stop::Announced(_) => {
                let limit = self.control.published.load().config.global.hard_stop_after;
                self.control.soft_stop();
                self.stop = Stop::Draining(limit.map(|limit| Instant::now() + limit));
            }
            Stop::Draining(_) => {
                self.control.voice.warning("soft-stop running for too long, performing a hard-stop.");
                self.control.workers.broadcast(|| Command::Stop);
                self.stop = Stop::Forced;
            }
            Stop::NotYet | Stop::Forced => {}
        }
    }

    fn begin_reload(&mut self) {
        self.control.voice.notice("Reloading HAProxy");
        self.gathering = Some(gather_in_background(Arc::clone(&self.settings)));
    }

    /// A gathered config, without a parent: open what is new and take it, or leave everything as it is.
    fn reload(&mut self, gathered: Gathered) {
        if self.stop != Stop::NotYet {
            // It would open again what the soft stop has closed.
            return self.control.voice.warning(STOPPING);
        }
        match self.prepare(gathered) {
            Ok(next) => {
                let old = Arc::clone(&self.control.published.load().config);
                let dropped = dropped_files(&old.global, &next.config.global);
                self.control.apply(next);
                remove_files(&dropped);
                self.control.voice.notice("Loading success.");
            }
            Err(reason) => {
                self.control.voice.warning("Loading failure!");
                self.say_failed(&reason);
            }
        }
        if self.turn.done() {
            self.begin_reload();
        }
    }

    fn prepare(&self, gathered: Gathered) -> Result<Next, String> {
        let running = Arc::clone(&self.control.published.load().config);
        let running = Running {
            global: Some(&running.global),
            sockets: &self.control.sockets.names(),
            taken: None,
            settings: &self.settings,
            default_maxconn: self.default_maxconn,
        };
        let prepared = prepare(gathered, running, &self.control.voice).map_err(|unusable| unusable.reason)?;
        let Prepared { mut config, opened, sinks, mut kept, .. } = prepared;
        kept.extend(fit_at_reload(&mut config));
        self.say_kept(&kept);
        Ok(Next { config, opened, sinks })
    }

    fn say_kept(&self, kept: &[String]) {
        for text in kept {
            self.control.voice.warning(&format!("config : {text}"));
            self.control.log_global(Level::Warning, text);
        }
    }

    fn say_failed(&self, reason: &str) {
        let text = format!("Reload failed, the old config stays: {}", reason.replace('\n', " "));
        self.control.log_global(Level::Alert, &text);
    }

    fn heed_parent(&mut self, frame: Frame) {
        match FromParent::from_frame(frame) {
            Ok(FromParent::Handover(handover)) => {
                let answer = self.take(*handover).map_or_else(Answer::Refused, |()| Answer::Applied);
                if let Answer::Refused(reason) = &answer {
                    self.say_failed(reason);
                }
                self.answer(&answer);
            }
            Ok(FromParent::ReloadFailed(reason)) => self.say_failed(&reason),
            Ok(FromParent::Client(client, level)) => self.control.commands.serve(client, level),
            Err(error) => self.answer(&Answer::Refused(error.to_string())),
        }
    }

    fn take(&mut self, handover: Handover) -> Result<(), String> {
        if self.stop != Stop::NotYet {
            return Err(STOPPING.to_owned());
        }
        let Handover { bundle, listeners, logs } = handover;
        let mut config = config::load(&bundle).config.ok_or("the bundle does not load")?;
        override_config(&mut config, &self.settings, self.default_maxconn);
        let running = Arc::clone(&self.control.published.load().config);
        let mut kept = keep_fixed(&running.global, &mut config.global);
        kept.extend(fit_at_reload(&mut config));
        self.say_kept(&kept);
        if !self.control.sockets.suffice(&config, &listeners) {
            return Err("a listening socket was not handed over".to_owned());
        }
        let sinks = Sinks::from_descriptors(logs);
        self.control.apply(Next { config, opened: listeners, sinks });
        Ok(())
    }

    fn answer(&self, answer: &Answer) {
        if let Some(link) = &self.link {
            link.answer(answer);
        }
    }
}

impl Signals {
    fn take(alone: bool) -> io::Result<Signals> {
        let reload = match alone {
            true => Some((signal(SignalKind::hangup())?, signal(SignalKind::user_defined2())?)),
            false => None,
        };
        Ok(Signals {
            reload,
            soft_stop: signal(SignalKind::user_defined1())?,
            pause: signal(SignalKind::from_raw(Signal::SIGTTOU as i32))?,
            resume: signal(SignalKind::from_raw(Signal::SIGTTIN as i32))?,
            dump: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        let reload = async {
            match &mut self.reload {
                Some((hangup, user)) => tokio::select! { _ = hangup.recv() => {}, _ = user.recv() => {} },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = reload => Asked::Reload,
            _ = self.soft_stop.recv() => Asked::SoftStop,
            _ = self.pause.recv() => Asked::Pause,
            _ = self.resume.recv() => Asked::Resume,
            _ = self.dump.recv() => Asked::Dump,
            _ = self.terminate.recv() => Asked::End(Signal::SIGTERM),
            _ = self.interrupt.recv() => Asked::End(Signal::SIGINT),
        }
    }
}

async fn finished(gathering: &mut Option<JoinHandle<Gathered>>) -> Gathered {
    let Some(task) = gathering else { return std::future::pending().await };
    let result = task.await;
    *gathering = None;
    result.unwrap_or_else(|error| Err(super::gather::GatherError::lost(&error)))
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
