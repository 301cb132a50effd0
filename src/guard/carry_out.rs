//! Carries out what a guard says, in its order: the word, the flags of servers, commands for the workers, records,
//! lines for the log. In a backend that is only observed everything is said and nothing done. No policy here.

use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use super::actor::{Guards, Named, Watched};
use super::course::CourseStep;
use super::decide::{HeldReason, Reason};
use super::effect::{Answer, Effect};
use super::freeze::Thaw;
use super::lead::Leader;
use super::words::{Names as _, Words};
use crate::health::Emitted;
use crate::state::event::{ServerChange, ServerEvent};
use crate::state::history::MasterChange;
use crate::state::{Command, CutReason, Guarding, ServerKey, ServerLive};
use crate::time::Tick;

impl Guards {
    pub(super) fn execute(&self, watched: &mut Watched, effects: Vec<Effect>, now: Tick) {
        for effect in effects {
            match watched.view.guarding {
                Guarding::Observe => self.only_tell(watched, effect, now),
                _ => self.carry_out(watched, effect, now),
            }
        }
        self.finish_record(watched, now);
    }

    fn carry_out(&self, watched: &mut Watched, effect: Effect, now: Tick) {
        let live = &watched.view.live;
        match effect {
            Effect::Master { server, previous, reason } => {
                self.move_word(watched, (server, previous), reason, now);
            }
            Effect::ManyMasters(found) => {
                live.many_masters.store(found.is_some(), Relaxed);
                if let Some((server, found)) = found {
                    let text = self.words(watched, now).many_masters(found);
                    self.tell(watched, server, ServerChange::ManyMasters { text });
                }
            }
            Effect::Proven(server) => watched.with_server(server, |live| live.set_proven(true)),
            Effect::Disproven(server) => watched.with_server(server, |live| live.set_proven(false)),
            Effect::Held(server, reason) => {
                let text = reason.map(|reason| self.words(watched, now).held(reason));
                watched.with_server(server, |live| live.update_redis(|redis| redis.held.clone_from(&text)));
                self.tell_held(watched, server, reason, text);
            }
            Effect::StillHeld(server, reason) => {
                let text = Some(self.words(watched, now).held(reason));
                watched.with_server(server, |live| live.update_redis(|redis| redis.held.clone_from(&text)));
            }
            Effect::Masterless(since) => live.set_masterless_since(since),
            Effect::Cut(server, reason) => self.cut(watched, server, reason, now),
            Effect::Rivals(master, rival) => self.tell_rivals(watched, (master, rival), now),
            Effect::Judged(judged) => live.judged.store(judged, Relaxed),
            Effect::Freeze { server, until, by } => self.freeze(watched, (server, until), by, now),
            Effect::Prolong { until, .. } => live.set_frozen_until(Some(until)),
            Effect::Withhold(server) => self.workers.broadcast(|| Command::Withhold(server)),
            Effect::Thaw { server, why } => self.thaw(watched, server, why, now),
            Effect::NotFrozen(server) => {
                let text = self.words(watched, now).not_frozen();
                self.tell(watched, server, ServerChange::Thawed { text });
            }
            Effect::Hasten(server, until) => watched.with_server(server, |live| live.hasten(until)),
            Effect::Course(step) => self.record(watched, step, now),
            Effect::AskSentinels => self.asking.ask(live.key),
            Effect::Stranger(address) => self.tell_stranger(watched, &address),
            Effect::Answer(answer) => self.answer(watched, answer, now),
            Effect::Reconsider => self.workers.broadcast(|| Command::Reconsider),
        }
    }

    fn move_word(
        &self,
        watched: &Watched,
        (server, previous): (Option<ServerKey>, Option<ServerKey>),
        reason: Reason,
        now: Tick,
    ) {
        let live = &watched.view.live;
        if live.master.load().server == server {
            return;
        }
        let epoch = live.master.store(server).epoch;
        let words = self.words(watched, now);
        let reason = words.reason(reason);
        live.history.push(MasterChange {
            epoch,
            server: server.and_then(|key| watched.name(key)),
            previous: previous.map(|key| words.server(key)),
            reason: reason.clone(),
            at: SystemTime::now(),
            since: now,
        });
        self.tell_master(watched, (server, previous), reason, epoch);
    }

    /// The flag before the workers' round, so that no session that is just connecting slips past it; and the end of
    /// the freeze before the flag, so that whoever finds the master frozen knows that it is worth waiting.
    fn freeze(&self, watched: &Watched, (server, until): (ServerKey, Tick), by: Leader, now: Tick) {
        watched.view.live.set_frozen_until(Some(until));
        watched.with_server(server, ServerLive::freeze);
        self.workers.broadcast(|| Command::Freeze(server));
        // Who paused to try a dead master once more stands in line from now on, where it belongs by its arrival: at the
        // promotion it would come behind all who were sent to wait before.
        self.workers.broadcast(|| Command::Reconsider);
        let text = self.words(watched, now).frozen(by, until);
        self.tell(watched, server, ServerChange::Frozen { text });
    }

    /// Sessions of one that lost its clients are not let loose once more before they are cut.
    fn thaw(&self, watched: &Watched, server: ServerKey, why: Thaw, now: Tick) {
        watched.with_server(server, ServerLive::thaw);
        watched.view.live.set_frozen_until(None);
        if !matches!(why, Thaw::Switched | Thaw::Demoted) {
            self.workers.broadcast(|| Command::Thaw(server));
            self.workers.broadcast(|| Command::Reconsider);
            let text = self.words(watched, now).thawed(why);
            self.tell(watched, server, ServerChange::Thawed { text });
        }
        // Health kept it to itself while the next master was awaited. Another one that is there makes it void.
        if watched.view.live.went_down_unsaid.swap(false, Relaxed)
            && !watched.view.servers.iter().any(|server| server.counts_as_usable())
        {
            self.tell(watched, server, ServerChange::NoServerLeft { is_listen: watched.is_listen });
        }
    }

    fn record(&self, watched: &mut Watched, step: CourseStep, now: Tick) {
        let Watched { recorder, view, .. } = watched;
        let mut taken = std::mem::take(recorder);
        let words = Words { names: &Named(view), zone: &self.zone, now };
        taken.step(view, &words, step);
        watched.recorder = taken;
    }

    /// The cost of the last switch, once it is known.
    pub(super) fn finish_record(&self, watched: &mut Watched, now: Tick) {
        let Watched { recorder, view, .. } = watched;
        let words = Words { names: &Named(view), zone: &self.zone, now };
        if let Some(told) = recorder.finish(view, &words) {
            self.tell(watched, told.server, ServerChange::TookOver { text: told.text });
        }
    }

    fn answer(&self, watched: &mut Watched, answer: Answer, now: Tick) {
        let Some(asked) = watched.asked.take() else { return };
        let words = self.words(watched, now);
        let text = words.answer(answer);
        let text = if matches!(answer, Answer::Master(_)) { Ok(text) } else { Err(text) };
        for waiting in asked.waiting {
            // Whoever asked may have gone; what was asked for is done all the same.
            let _ = waiting.send(text.clone());
        }
    }

    /// `option redis-guard observe`: the log says what would be done.
    fn only_tell(&self, watched: &mut Watched, effect: Effect, now: Tick) {
        let words = self.words(watched, now);
        match effect {
            Effect::Master { server: Some(server), previous, reason } => {
                let after = previous.map(|key| format!(", after {}", words.server(key)));
                let text = format!("master{}, reason: {}", after.unwrap_or_default(), words.reason(reason));
                self.tell(watched, server, ServerChange::Observed { text });
            }
            Effect::Held(server, Some(reason)) if reason != HeldReason::Undecided => {
                let text = format!("held: {}", words.held(reason));
                self.tell(watched, server, ServerChange::Observed { text });
            }
            Effect::Freeze { server, until, by } => {
                let text = format!("frozen: {}", words.frozen(by, until));
                self.tell(watched, server, ServerChange::Observed { text });
            }
            Effect::Thaw { server, why } if why != Thaw::Switched => {
                let text = format!("thawed: {}", words.thawed(why));
                self.tell(watched, server, ServerChange::Observed { text });
            }
            Effect::Stranger(address) => self.tell_stranger(watched, &address),
            Effect::AskSentinels => self.asking.ask(watched.view.live.key),
            Effect::Answer(answer) => self.answer(watched, answer, now),
            Effect::Rivals(master, rival) => self.tell_rivals(watched, (master, rival), now),
            Effect::ManyMasters(Some((server, found))) => {
                let text = words.many_masters(found);
                self.tell(watched, server, ServerChange::ManyMasters { text });
            }
            _ => {}
        }
    }

    fn cut(&self, watched: &mut Watched, server: ServerKey, reason: CutReason, now: Tick) {
        let (mut sessions, mut was_held) = (0, false);
        watched.with_server(server, |live| {
            (sessions, was_held) = (live.traffic.sessions.now(), live.redis().held.is_some());
        });
        self.workers.broadcast(|| Command::Cut(server, reason));
        watched.recorder.cut(&watched.view, server, sessions, now);
        // A held server lost its clients before, and that was told; some may still be taking their replies.
        if sessions > 0 && !was_held {
            let reason = self.words(watched, now).cut(reason, watched.guard.master());
            self.tell(watched, server, ServerChange::Cut { sessions, reason });
        }
    }

    /// A backend that lost its master has its server told of by health; only a new one is news.
    fn tell_master(
        &self,
        watched: &Watched,
        (server, previous): (Option<ServerKey>, Option<ServerKey>),
        reason: String,
        epoch: u32,
    ) {
        let Some(server) = server else { return };
        let previous = previous.map(|key| self.words(watched, Tick(0)).server(key));
        self.tell(watched, server, ServerChange::Master { reason, previous, epoch });
    }

    /// While first answers are awaited, nothing is decided yet.
    fn tell_held(
        &self,
        watched: &Watched,
        server: ServerKey,
        reason: Option<HeldReason>,
        text: Option<String>,
    ) {
        if let Some(reason) = text.filter(|_| reason != Some(HeldReason::Undecided)) {
            self.tell(watched, server, ServerChange::Held { reason });
        }
    }

    fn tell_rivals(&self, watched: &Watched, (master, rival): (ServerKey, ServerKey), now: Tick) {
        let text = self.words(watched, now).rivals(master, rival);
        self.tell(watched, rival, ServerChange::Rivals { text });
    }

    /// Of the backend; an event has a server, though, and the first one stands in.
    fn tell_stranger(&self, watched: &Watched, address: &str) {
        let Some(first) = watched.view.servers.first() else { return };
        let text = self.words(watched, Tick(0)).stranger(address);
        self.tell(watched, first.key, ServerChange::SentinelTrouble { text });
    }

    fn tell(&self, watched: &Watched, server: ServerKey, what: ServerChange) {
        let Some(at) = watched.view.position(server) else { return };
        let event = ServerEvent {
            backend: watched.view.live.name().to_string(),
            server: watched.view.servers[at].name().to_string(),
            backup: watched.backups[at],
            what,
        };
        // Only at the end of the process is nobody there to log it.
        let _ = self.events.send(Emitted { backend: watched.view.live.key, event });
    }
}
