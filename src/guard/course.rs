//! The course of a failover as it is told: one record from the moment in which it was decided, or first seen, to
//! its end. Pure: leads, freezes and switches go in, [`CourseStep`]s come out; [`super::record`] writes them down.
//!
//! A switch without a lead (a replica that was promoted by hand, a master that died unannounced) gets a record too,
//! which begins and ends with it. The first master of a backend is no failover.

use super::decide::Reason;
use super::freeze::{Thaw, Turn};
use super::lead::{Closing, Lead, Leader};
use crate::state::ServerKey;
use crate::state::failover::Ending;
use crate::time::Tick;

/// Who or what brought it about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Led(Leader),
    /// Nobody announced it; the rule by which the new master was chosen.
    Found(Reason),
}

/// One step of a failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CourseStep {
    Began { from: Option<ServerKey>, cause: Cause, since: Tick },
    Frozen,
    Selected(ServerKey),
    Switched(ServerKey),
    Ended(Ending),
}

/// What a step of the guard brought.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// The open failover of whoever was master last.
    pub lead: Option<&'a Lead>,
    /// How the lead ended that is no longer there.
    pub closing: Option<Closing>,
    pub turns: &'a [Turn],
    pub switch: Option<Switch>,
    /// Number of the newest lead.
    pub newest: u64,
    pub now: Tick,
}

/// Another server has become master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    pub from: ServerKey,
    pub to: ServerKey,
    pub reason: Reason,
    /// When the old one went, if it went before.
    pub since: Tick,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Course {
    open: Option<Open>,
    /// Leads up to that number have had their record.
    told: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Open {
    lead: u64,
    selected: Option<ServerKey>,
}

impl Course {
    /// Number of the lead whose record is open.
    pub fn lead(&self) -> Option<u64> {
        self.open.map(|open| open.lead)
    }

    /// Tells what came to pass, in the order of time.
    pub fn tell(&mut self, news: &News<'_>) -> Vec<CourseStep> {
        let mut steps = Vec::new();
        if let Some(lead) = news.lead.filter(|lead| self.open.is_none() && lead.number > self.told) {
            self.open = Some(Open { lead: lead.number, selected: None });
            let cause = Cause::Led(lead.leader);
            steps.push(CourseStep::Began { from: lead.master, cause, since: news.now });
        }
        if news.turns.iter().any(|turn| matches!(turn, Turn::Freeze { .. })) {
            steps.push(CourseStep::Frozen);
        }
        if let (Some(open), Some(selected)) = (&mut self.open, news.lead.and_then(Lead::selected))
            && open.selected.replace(selected) != Some(selected)
        {
            steps.push(CourseStep::Selected(selected));
        }
        match news.switch {
            Some(switch) => self.switch(switch, news.newest, &mut steps),
            None => self.end(news, &mut steps),
        }
        steps
    }

    fn switch(&mut self, switch: Switch, newest: u64, steps: &mut Vec<CourseStep>) {
        if self.open.take().is_none() {
            let Switch { from, reason, since, .. } = switch;
            let cause = match reason {
                Reason::Selected(leader) => Cause::Led(leader),
                reason => Cause::Found(reason),
            };
            steps.push(CourseStep::Began { from: Some(from), cause, since });
        }
        steps.extend([CourseStep::Switched(switch.to), CourseStep::Ended(Ending::Switched)]);
        self.told = newest;
    }

    fn end(&mut self, news: &News<'_>, steps: &mut Vec<CourseStep>) {
        let expired = news.turns.iter().any(|turn| matches!(turn, Turn::Thaw { why: Thaw::Expired, .. }));
        let Some(open) = self.open.filter(|_| expired || news.lead.is_none()) else { return };
        self.open = None;
        self.told = if expired { news.newest } else { open.lead };
        let aborted = news.closing == Some(Closing::Aborted);
        steps.push(CourseStep::Ended(if aborted { Ending::Aborted } else { Ending::Expired }));
    }
}
