//! When the master is frozen: no byte of a client reaches it any more, replies still come for a moment, and new clients
//! wait. So what it has taken can flow to the replica that is about to be promoted, and nothing is written that
//! would be thrown away. A pure state machine; the workers carry it out.
//!
//! # Shape
//!
//! The machine is not driven by messages but by what is true: after each of them the guard says who should be
//! frozen and for which [`Lead`](super::lead::Lead), or why nobody should ([`Wish`]), and [`Freezer::settle`]
//! goes there. Messages may be lost, late, doubled or in another order; what they leave behind is one of few facts.
//!
//! # States and transitions
//!
//! | state | what becomes true | transition |
//! |---|---|---|
//! | `Flowing` | a lead of the incumbent is open, newer than any that is spent | `Frozen` until now + its bound: [`Turn::Freeze`] |
//! | `Flowing` | the same, but the third within [`WITHIN`] brought no switch | stays; the lead is spent: [`Turn::Refused`], once for as long as none comes |
//! | `Flowing` | the lead is spent | stays |
//! | `Frozen` | the lead goes on, or a newer one takes its place | stays; the end does not move, but where the bound has grown, to beginning + that bound: [`Turn::Prolong`] |
//! | `Frozen` | another server got the word | `Flowing`; the count of vain freezes starts over: [`Thaw::Switched`] |
//! | `Frozen` | no lead is open: aborted, or its leader lost before a config epoch named the selected server | `Flowing`: [`Thaw::Aborted`], [`Thaw::LeaderLost`] |
//! | `Frozen` | the frozen server says that it is something else | `Flowing`; its sessions are cut: [`Thaw::Demoted`] |
//! | `Frozen` | it is gone from the config, or the guard is off | `Flowing`: [`Thaw::Removed`], [`Thaw::Off`] |
//! | `Frozen` | the end has come | `Flowing`; every lead so far is spent: [`Thaw::Expired`] |
//!
//! The bound is `timeout freeze`; of an operator's hint alone, which nothing has confirmed yet, no more than a second
//! ([`super::failover`]): whoever hints at a server that never says master stops clients for that long and not longer.
//! If a Sentinel leads the same failover meanwhile, the bound grows to the whole one.
//!
//! # Events, and what holds if one of them misses, or comes late, twice or in another order
//!
//! | event | in `Flowing` | in `Frozen` |
//! |---|---|---|
//! | `+elected-leader`, decided | lost: the next step freezes, 75 ms later; none at all: no freeze, and the switch is one by role or epoch. Late, after the failover: it names a master that is none now, and nothing happens; late, after an abort: one freeze too many, until its end | doubled: nothing |
//! | `+selected-slave`, selected | lost: every candidate is asked in haste instead of one, and who wins is told by a later step or epoch | doubled, or before decided: nothing |
//! | `role:master` of the selected server | lost: it is asked again in milliseconds | the word moves first, then all else; late: the end may come before, and the word then moves without a freeze |
//! | `+promoted-slave`, promoted | as selected | as selected |
//! | `-failover-abort-*` | nothing | lost: the end thaws, or the next word of that Sentinel; late: the same, late |
//! | end, `+switch-master`, names | a majority at a new epoch freezes for a server that has not said `role:master` yet | lost: polls repeat it |
//! | the leader is lost (it refuses, or misses two rounds of questions), or in TILT | nothing | thaws, but where another Sentinel names the selected server at a later epoch |
//! | its census, or another's TILT | nothing | nothing; a majority may come or go, and with it a lead of the majority |
//! | report of the frozen server | nothing | another role: thaws, cuts; silence: nothing |
//! | `set redis master`, a hint | a freeze of a second at most | alone: nothing; the asked server's `role:master` is what counts |
//! | reload, `set redis guard off` | nothing | server or guard gone: thaws |
//! | timer | nothing | the end |
//!
//! In every case: at most one server of a backend is frozen, and it is the one that has the word. A freeze ends at
//! the latest `timeout freeze` after it began, whatever else happens, and does not come again for the same lead.
//! Within a minute there are no more than [`VAIN`] that bring no switch, and then none for another minute: a
//! Sentinel that announces failovers without end costs at most that. While nothing is frozen nothing here matters
//! to who is master; a freeze never moves the word.

use std::time::Duration;

use crate::state::ServerKey;
use crate::time::Tick;

/// Freezes without a switch that may follow each other within [`WITHIN`].
pub const VAIN: usize = 3;
/// See [`VAIN`]; also how long none comes after them.
pub const WITHIN: Duration = Duration::from_secs(60);

/// What should be, as far as leads and roles say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// This server, for the lead of that number, and for no longer than that in all.
    Freeze(ServerKey, u64, Duration),
    /// Nobody, and why not whoever is frozen.
    Flow(Thaw),
}

/// Why a freeze ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thaw {
    Switched,
    Aborted,
    LeaderLost,
    Expired,
    Demoted,
    Removed,
    Off,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Freeze {
        server: ServerKey,
        until: Tick,
    },
    /// It stays frozen, for longer than was said.
    Prolong {
        server: ServerKey,
        until: Tick,
    },
    Thaw {
        server: ServerKey,
        why: Thaw,
    },
    /// Too many came to nothing.
    Refused(ServerKey),
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Freezer {
    frozen: Option<Frozen>,
    /// When the freezes without a switch began, the oldest first.
    vain: Vec<Tick>,
    barred_until: Option<Tick>,
    /// Leads up to that number freeze nobody any more.
    spent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Frozen {
    server: ServerKey,
    began: Tick,
    until: Tick,
}

impl Freezer {
    /// Who is frozen, and until when at the latest.
    pub fn frozen(&self) -> Option<(ServerKey, Tick)> {
        self.frozen.map(|frozen| (frozen.server, frozen.until))
    }

    /// When that began.
    pub fn began(&self) -> Option<Tick> {
        self.frozen.map(|frozen| frozen.began)
    }

    /// Goes where it should be. `newest` is the number of the newest lead.
    pub fn settle(&mut self, wish: Wish, newest: u64, now: Tick) -> Vec<Turn> {
        let mut turns = Vec::new();
        if let Wish::Freeze(server, _, bound) = wish {
            turns.extend(self.prolong(server, bound));
        }
        if let Some(frozen) = self.frozen {
            let why = match wish {
                _ if now >= frozen.until => Some(Thaw::Expired),
                Wish::Freeze(server, ..) if server == frozen.server => None,
                Wish::Freeze(..) => Some(Thaw::Switched),
                Wish::Flow(why) => Some(why),
            };
            let Some(why) = why else { return turns };
            self.thaw(why, newest);
            turns.push(Turn::Thaw { server: frozen.server, why });
        }
        if let Wish::Freeze(server, lead, bound) = wish {
            turns.extend(self.freeze(server, lead, bound, now));
        }
        turns
    }

    fn prolong(&mut self, server: ServerKey, bound: Duration) -> Option<Turn> {
        let frozen = self.frozen.as_mut().filter(|frozen| frozen.server == server)?;
        let until = frozen.began + bound;
        if until <= frozen.until {
            return None;
        }
        frozen.until = until;
        Some(Turn::Prolong { server, until })
    }

    fn freeze(&mut self, server: ServerKey, lead: u64, bound: Duration, now: Tick) -> Option<Turn> {
        if lead <= self.spent || bound.is_zero() {
            return None;
        }
        self.vain.retain(|began| now.since(*began) < WITHIN);
        let is_news = self.vain.len() >= VAIN && self.barred_until.is_none();
        if is_news {
            self.barred_until = Some(now + WITHIN);
        }
        if self.barred_until.is_some_and(|until| now < until) {
            self.spent = lead;
            // Who announces failovers without end shall not fill the log with them either.
            return is_news.then_some(Turn::Refused(server));
        }
        self.barred_until = None;
        self.vain.push(now);
        let until = now + bound;
        self.frozen = Some(Frozen { server, began: now, until });
        Some(Turn::Freeze { server, until })
    }

    fn thaw(&mut self, why: Thaw, newest: u64) {
        self.frozen = None;
        match why {
            Thaw::Switched => {
                self.vain.clear();
                self.barred_until = None;
            }
            Thaw::Expired => self.spent = newest,
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "freeze_tests.rs"]
mod tests;
