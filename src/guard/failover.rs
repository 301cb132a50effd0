//! All that a guard knows of failovers beside roles: what the Sentinels say, which failovers are led, who is
//! frozen for them, whom to ask in haste, and the record that is told. One value, so that the machine asks it
//! twice a step: before the decision for what speaks for whom ([`Failovers::look`]), after it for what follows
//! ([`Failovers::settle`]).

use std::time::Duration;

use super::course::{Course, News, Switch};
use super::decide::{Fact, Says, Standing};
use super::effect::{Answer, Effect, Refusal};
use super::freeze::{Freezer, Thaw, Turn, Wish};
use super::lead::{Closing, Lead, Leader, Leads, Scene};
use super::sentinels::{Majority, Sentinels};
use crate::state::{SentinelId, SentinelWord, ServerKey};
use crate::time::Tick;

/// How long the old master is asked in haste after a switch, for what it had written in the end.
const LAST_WORD: Duration = Duration::from_millis(100);
/// How long the master is frozen on the word of an operator, or of a script, alone. A script of Sentinel's speaks after
/// the promotion, and a hand needs less from one command to the other; a hint at the wrong server costs no more.
const HINTED: Duration = Duration::from_secs(1);
/// How long replies go on in a freeze whose next master is not selected yet: those to what was on its way. Sentinel takes
/// 100 ms at least from the decision to the promotion, and a replica needs the rest of it to catch up.
const REPLIES: Duration = Duration::from_millis(20);
/// How long the next master is awaited, and asked in haste, though `timeout freeze` is shorter.
const AT_LEAST: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Failovers {
    sentinels: Sentinels,
    majority: Majority,
    leads: Leads,
    freezer: Freezer,
    course: Course,
    /// Who is frozen and has its replies held back.
    withheld: Option<ServerKey>,
    /// Who is asked in haste, and until when.
    hastened: Vec<(ServerKey, Tick)>,
    /// What the operator asked for and waits to hear of: the lead's number, the server.
    asked: Option<(u64, ServerKey)>,
    stranger: Option<String>,
}

/// What the decision left.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// `false`: the rule of one master is not in force here.
    pub is_on: bool,
    pub facts: &'a [Fact],
    pub master: Option<ServerKey>,
    /// Who was master last, be it now or not.
    pub head: Option<ServerKey>,
    pub switch: Option<Switch>,
    /// A server that says master began to be held.
    pub newly_held: bool,
    /// `timeout freeze`
    pub limit: Duration,
    pub now: Tick,
}

impl Failovers {
    /// Whom the majority names.
    pub fn majority(&self) -> &Majority {
        &self.majority
    }

    /// The failovers that are led, the oldest first.
    pub fn leads(&self) -> &[Lead] {
        self.leads.open()
    }

    /// Who is frozen.
    pub fn frozen(&self) -> Option<(ServerKey, Tick)> {
        self.freezer.frozen()
    }

    /// When time alone changes something.
    pub fn next_wake(&self) -> Option<Tick> {
        let freeze = self.freezer.frozen().map(|(_, until)| until);
        let replies = self.freezer.began().filter(|_| self.withheld.is_none()).map(|began| began + REPLIES);
        [self.leads.next_wake(), freeze, replies].into_iter().flatten().min()
    }

    /// A Sentinel said something.
    pub fn hear(&mut self, sentinel: SentinelId, word: &SentinelWord, now: Tick) {
        self.sentinels.hear(sentinel, word);
        match word {
            // What it was about to do before it lost its sense of time, and does not do before that is over.
            SentinelWord::Failover(step) if self.sentinels.is_in_tilt(sentinel) && !step.is_last() => {}
            SentinelWord::Failover(step) => self.leads.hear(sentinel, step, &self.majority, now),
            SentinelWord::Lost | SentinelWord::Forgotten | SentinelWord::Tilt(true) => {
                self.leads.lose(sentinel, &self.sentinels);
            }
            _ => {}
        }
    }

    /// The operator wants `to` to be master, knowing of config epoch `epoch`.
    pub fn ask(
        &mut self,
        (from, to): (Option<ServerKey>, ServerKey),
        epoch: Option<u64>,
        limit: Duration,
        now: Tick,
    ) -> Result<(), Refusal> {
        if let Majority::Server(ballot) = &self.majority
            && ballot.server != to
            && epoch.is_some_and(|epoch| ballot.epoch >= epoch)
        {
            return Err(Refusal::Stale(*ballot));
        }
        let Failovers { sentinels, majority, leads, .. } = self;
        let scene = Scene { sentinels, majority, incumbent: from, now };
        let number = leads.ask(from, to, &scene, now + limit.max(AT_LEAST));
        self.asked = Some((number, to));
        Ok(())
    }

    /// The server of the request whose outcome somebody waits for.
    pub fn asked_for(&self) -> Option<ServerKey> {
        self.asked.map(|(_, server)| server)
    }

    /// Before the decision: what is still open, and whom the majority names.
    pub fn look(&mut self, incumbent: Option<ServerKey>, now: Tick) {
        self.majority = self.sentinels.majority();
        let Failovers { sentinels, majority, leads, .. } = self;
        leads.settle(&Scene { sentinels, majority, incumbent, now });
    }

    /// After the decision: what follows from it, in this order.
    pub fn settle(&mut self, outcome: &Outcome<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let lead = self.lead_of(outcome.head, outcome.master).copied();
        let wish = self.wish(outcome, lead.as_ref());
        let turns = self.freezer.settle(wish, self.leads.newest(), outcome.now);
        effects.extend(turns.iter().map(|turn| self.effect_of(*turn, lead.as_ref())));
        effects.extend(self.withhold(&turns, lead.as_ref(), outcome.now).map(Effect::Withhold));
        self.hasten(outcome, lead.as_ref(), &mut effects);
        if outcome.is_on {
            let news = News {
                lead: lead.as_ref(),
                closing: self.course.lead().and_then(|number| self.leads.closing(number)),
                turns: &turns,
                switch: outcome.switch,
                newest: self.leads.newest(),
                now: outcome.now,
            };
            effects.extend(self.course.tell(&news).into_iter().map(Effect::Course));
            self.answer(outcome, &mut effects);
            self.wonder(outcome, &mut effects);
        }
        effects
    }

    /// The newest failover of whoever was master last, while it is still to come.
    fn lead_of(&self, head: Option<ServerKey>, master: Option<ServerKey>) -> Option<&Lead> {
        let concerns =
            |lead: &&Lead| lead.master == head && lead.selected().is_none_or(|to| Some(to) != master);
        self.leads.open().iter().rfind(concerns)
    }

    fn wish(&self, outcome: &Outcome<'_>, lead: Option<&Lead>) -> Wish {
        let frozen = self.freezer.frozen().map(|(server, _)| server);
        let fact = |key| outcome.facts.iter().find(|fact| fact.key == key);
        if let (true, Some(lead), Some(master)) = (outcome.is_on, lead, outcome.master)
            && lead.master == Some(master)
        {
            return Wish::Freeze(master, lead.number, self.bound(master, outcome.limit));
        }
        let why = match frozen.map(|frozen| (frozen, fact(frozen))) {
            _ if !outcome.is_on => Thaw::Off,
            Some((_, None)) => Thaw::Removed,
            Some((_, Some(fact))) if fact.says == Says::Other => Thaw::Demoted,
            Some((frozen, _)) if outcome.master.is_some_and(|master| master != frozen) => Thaw::Switched,
            _ if self.course.lead().and_then(|number| self.leads.closing(number)) == Some(Closing::Lost) => {
                Thaw::LeaderLost
            }
            _ => Thaw::Aborted,
        };
        Wish::Flow(why)
    }

    /// How long a freeze of `master` may last in all, on the best of those words that are open.
    fn bound(&self, master: ServerKey, limit: Duration) -> Duration {
        let open = self.leads.open().iter().filter(|lead| lead.master == Some(master));
        let to_another = open.filter(|lead| lead.selected() != Some(master));
        let mut leaders = to_another.map(|lead| lead.leader);
        if leaders.all(|leader| leader == Leader::Operator) { limit.min(HINTED) } else { limit }
    }

    fn effect_of(&self, turn: Turn, lead: Option<&Lead>) -> Effect {
        match turn {
            Turn::Freeze { server, until } => {
                Effect::Freeze { server, until, by: lead.map_or(Leader::Operator, |lead| lead.leader) }
            }
            Turn::Prolong { server, until } => Effect::Prolong { server, until },
            Turn::Thaw { server, why } => Effect::Thaw { server, why },
            Turn::Refused(server) => Effect::NotFrozen(server),
        }
    }

    /// Whose replies are to be held back from now on: of whoever is frozen, once it is known who comes after it, and
    /// soon in any case.
    fn withhold(&mut self, turns: &[Turn], lead: Option<&Lead>, now: Tick) -> Option<ServerKey> {
        let frozen = self.freezer.frozen().map(|(server, _)| server);
        if frozen.is_none() || turns.iter().any(|turn| matches!(turn, Turn::Freeze { .. })) {
            self.withheld = None;
        }
        let is_known = lead.and_then(Lead::selected).is_some_and(|next| Some(next) != frozen);
        let is_over = self.freezer.began().is_some_and(|began| now >= began + REPLIES);
        let news = frozen.filter(|_| (is_known || is_over) && self.withheld.is_none())?;
        self.withheld = Some(news);
        Some(news)
    }

    /// Whoever may say `role:master` next is asked every few milliseconds, for as long as the freeze lasts, or
    /// would last; whom an operator named, for as long as an answer is owed. After a switch the old one is asked once more.
    fn hasten(&mut self, outcome: &Outcome<'_>, lead: Option<&Lead>, effects: &mut Vec<Effect>) {
        let until = match (self.freezer.frozen(), lead) {
            (Some((_, until)), Some(lead)) if lead.leader == Leader::Operator => {
                Some(until.max(lead.expires()))
            }
            (Some((_, until)), Some(_)) => Some(until),
            // The master may be dead, or too many freezes came to nothing: the new one is awaited all the same.
            (None, Some(lead)) => self.hastened_for(lead, outcome),
            _ => None,
        };
        let is_asked = |fact: &&Fact| match lead.and_then(Lead::selected) {
            Some(selected) => fact.key == selected,
            None => Some(fact.key) != outcome.master && fact.standing != Standing::Out,
        };
        let wanted: Vec<(ServerKey, Tick)> = match until {
            Some(until) => outcome.facts.iter().filter(is_asked).map(|fact| (fact.key, until)).collect(),
            None => Vec::new(),
        };
        // Nearly always; among many candidates the comparison below is one of each with each.
        if self.hastened != wanted {
            self.ask_others(wanted, outcome.now, effects);
        }
        let is_alive = |key| outcome.facts.iter().any(|fact| fact.key == key && fact.passing);
        if let Some(switch) = outcome.switch.filter(|switch| is_alive(switch.from)) {
            effects.push(Effect::Hasten(switch.from, outcome.now + LAST_WORD));
        }
    }

    fn ask_others(&mut self, wanted: Vec<(ServerKey, Tick)>, now: Tick, effects: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.hastened, wanted);
        for (server, until) in self.hastened.iter().filter(|wanted| !before.contains(wanted)) {
            effects.push(Effect::Hasten(*server, *until));
        }
        for (server, _) in before.iter().filter(|(key, _)| self.hastened.iter().all(|(now, _)| now != key)) {
            effects.push(Effect::Hasten(*server, now));
        }
    }

    fn hastened_for(&self, lead: &Lead, outcome: &Outcome<'_>) -> Option<Tick> {
        let going_on = self.hastened.first().map(|(_, until)| *until);
        let until = going_on.unwrap_or(outcome.now + outcome.limit.max(AT_LEAST));
        let is_new = going_on.is_some() || self.course.lead() != Some(lead.number);
        (is_new && outcome.now < until).then_some(until)
    }

    fn answer(&mut self, outcome: &Outcome<'_>, effects: &mut Vec<Effect>) {
        let Some((number, server)) = self.asked else { return };
        let answer = if outcome.master == Some(server) {
            Answer::Master(server)
        } else if outcome.facts.iter().all(|fact| fact.key != server) {
            Answer::Refused(server, Refusal::Removed)
        } else if self.leads.open().iter().any(|lead| lead.number == number) {
            return;
        } else {
            Answer::Refused(server, Refusal::NotMaster)
        };
        self.asked = None;
        effects.push(Effect::Answer(answer));
    }

    /// What nothing explains is asked of the Sentinels; a majority that names a stranger is told once.
    fn wonder(&mut self, outcome: &Outcome<'_>, effects: &mut Vec<Effect>) {
        if outcome.newly_held && !self.sentinels.is_empty() {
            effects.push(Effect::AskSentinels);
        }
        let stranger = match &self.majority {
            Majority::Stranger(text) => Some(text),
            _ => None,
        };
        if stranger != self.stranger.as_ref() {
            self.stranger = stranger.cloned();
            effects.extend(self.stranger.clone().map(Effect::Stranger));
        }
    }
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
