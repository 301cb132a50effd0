//! The parent's half of a reload, and of the first start: gather on a thread, prepare, hand over, hear.
//!
//! One reload at a time ([`Turn`](super::Turn)); whatever is asked for meanwhile makes one more. The sockets
//! that are handed over are the worker's alone: the parent closes its copies, so that a listener that the
//! worker lets go of is closed.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::super::descriptors::raise_for_worker;
use super::super::frame::{Frame, Limits, Outgoing};
use super::super::gather::{Gathered, Lookup, gather};
use super::super::listeners::remove_files;
use super::super::message::{Answer, FromParent, Handover};
use super::super::prepare::{Prepared, Running, prepare};
use super::super::reload::{dropped_files, socket_names};
use super::super::report::LAST_WORDS;
use super::super::tell_predecessors;
use super::{Manner, Parent};
use crate::sys::process;

impl Parent {
    pub(super) fn ask_reload(&mut self) {
        if self.ending.is_none() && self.turn.ask() {
            self.begin_reload();
        }
    }

    fn begin_reload(&mut self) {
        self.begin.notify.reloading();
        self.begin.voice.notice("Reloading HAProxy");
        let (sender, receiver) = channel();
        let (settings, wake) = (Arc::clone(&self.begin.settings), Arc::clone(&self.wake));
        let work = move || {
            // Nobody listens any more if the process ends.
            let _ = sender.send(gather(&settings, Lookup::Threads));
            wake.ring();
        };
        match std::thread::Builder::new().name("gather".to_owned()).spawn(work) {
            Ok(_) => self.gathered = Some(receiver),
            Err(error) => self.reload_failed(&format!("cannot start a thread: {error}")),
        }
    }

    pub(super) fn hand_over(&mut self, gathered: Gathered) {
        let running = Running {
            global: Some(&self.config.global),
            taken: None,
            sockets: &self.sockets,
            settings: &self.begin.settings,
            default_maxconn: self.begin.default_maxconn,
        };
        let prepared = match prepare(gathered, running, &self.begin.voice) {
            Ok(prepared) => prepared,
            Err(unusable) => {
                self.logs = unusable.lines;
                if let Ok(frame) = FromParent::reload_failed(&unusable.reason) {
                    self.send(frame);
                }
                return self.reload_failed(&unusable.reason);
            }
        };
        let Prepared { config, bundle, opened, sinks, lines, .. } = prepared;
        self.logs = lines;
        raise_for_worker(&config, self.begin.worker);
        let handover = Handover { bundle, listeners: opened, logs: sinks.into_descriptors() };
        match handover.into_frame() {
            Ok(frame) => {
                self.next = Some(config);
                self.send(frame);
            }
            Err(error) => self.reload_failed(&error.to_string()),
        }
    }

    pub(super) fn send(&mut self, frame: Frame) {
        match Outgoing::new(frame, Limits::BUNDLE) {
            Ok(outgoing) => {
                self.outgoing.push(outgoing);
                self.flush();
            }
            Err(error) => self.reload_failed(&error.to_string()),
        }
    }

    fn flush(&mut self) {
        while let Some(first) = self.outgoing.first_mut() {
            match first.flush(&self.begin.link) {
                Ok(true) => drop(self.outgoing.remove(0)),
                Ok(false) => return,
                Err(_) => return self.hang_up(),
            }
        }
    }

    pub(super) fn speak_with_worker(&mut self) {
        if !self.link_is_up {
            return;
        }
        self.flush();
        loop {
            match self.incoming.read(&self.begin.link) {
                Ok(None) => return,
                Ok(Some(frame)) => match Answer::from_frame(&frame) {
                    Ok(answer) => self.hear(answer),
                    Err(_) => return self.hang_up(),
                },
                Err(_) => return self.hang_up(),
            }
        }
    }

    /// A worker that ends its side, or speaks nonsense, is not one any more.
    fn hang_up(&mut self) {
        self.link_is_up = false;
        self.outgoing.clear();
        if self.is_serving && self.ending.is_none() {
            self.pass_on(Signal::SIGTERM);
        }
    }

    fn hear(&mut self, answer: Answer) {
        let Some(next) = self.next.take() else { return };
        match answer {
            Answer::Applied => {
                self.sockets = socket_names(&next).into_all();
                remove_files(&dropped_files(&self.config.global, &next.global));
                self.config = next;
                self.applied = Instant::now();
                self.failed_since = 0;
                if self.is_serving {
                    self.reloads += 1;
                }
                self.serving();
                self.reload_ended();
            }
            Answer::Refused(reason) => {
                self.begin.voice.alert(&reason);
                self.reload_failed(&reason);
            }
        }
    }

    fn serving(&mut self) {
        let is_first = !std::mem::replace(&mut self.is_serving, true);
        if self.begin.manner == Manner::Master || !is_first {
            self.begin.voice.notice("Loading success.");
        }
        self.begin.notify.ready();
        if !is_first {
            return;
        }
        tell_predecessors(&self.begin.settings, &self.begin.voice);
        if let Some(release) = self.begin.release.take() {
            self.begin.voice.flush(LAST_WORDS);
            release.success();
            // From here on the worker's log is the only voice.
            let _ = process::detach_streams();
        }
    }

    fn reload_failed(&mut self, reason: &str) {
        self.next = None;
        self.failed += 1;
        self.failed_since += 1;
        self.begin.voice.warning("Loading failure!");
        self.begin.notify.reload_failed(reason);
        self.reload_ended();
    }

    fn reload_ended(&mut self) {
        if self.turn.done() && self.ending.is_none() {
            // Whoever asked meanwhile waits for the one that reads what is in the files now.
            return self.begin_reload();
        }
        if let Some(socket) = &mut self.begin.master_socket {
            socket.reload_ended();
        }
    }
}
