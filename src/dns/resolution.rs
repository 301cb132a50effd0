//! One name: what answers, silence and the clock make of it. Values and `now` in, values out.
//!
//! A resolution asks for addresses of the preferred family first, then of the other one, as HAProxy does every
//! time. Its end is an [`Outcome`]: a good answer, or the last good one that is still held, or none any more.
//! Before the first good answer the address that the server started with is held, from the beginning of the
//! resolution on.

use std::time::Duration;

use super::message::{Answer, MOST_RECORDS, Record, RecordType};
use crate::config::model::{Hold, IpFamily, Resolvers};
use crate::time::Tick;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Addresses, this family first.
    Host(Family),
    /// SRV records.
    Service,
}

/// [`IpFamily`], in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl From<IpFamily> for Family {
    fn from(family: IpFamily) -> Family {
        match family {
            IpFamily::V4 => Family::V4,
            IpFamily::V6 => Family::V6,
        }
    }
}

impl Kind {
    fn first(self) -> RecordType {
        match self {
            Kind::Host(Family::V4) => RecordType::A,
            Kind::Host(Family::V6) => RecordType::Aaaa,
            Kind::Service => RecordType::Srv,
        }
    }

    fn after(self, asked: RecordType) -> Option<RecordType> {
        let other = match self {
            Kind::Host(Family::V4) => RecordType::Aaaa,
            Kind::Host(Family::V6) => RecordType::A,
            Kind::Service => return None,
        };
        (asked == self.first()).then_some(other)
    }
}

/// What all name servers together say to one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `by` is the name server's id.
    Answer { answer: Answer, by: String },
    /// None of them, in time.
    Silence,
}

/// Why a name has no good answer; the words are HAProxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Nx,
    Timeout,
    Refused,
    Other,
}

impl Failure {
    /// As in `is going DOWN for maintenance (...)`.
    pub fn words(self) -> &'static str {
        match self {
            Failure::Nx => "DNS NX status",
            Failure::Timeout => "DNS timeout status",
            Failure::Refused => "DNS refused status",
            Failure::Other => "unspecified DNS error",
        }
    }

    fn held(self, hold: &Hold) -> Duration {
        match self {
            Failure::Nx => hold.nx,
            Failure::Timeout => hold.timeout,
            Failure::Refused => hold.refused,
            Failure::Other => hold.other,
        }
    }
}

/// What a name is worth now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Never empty; those that answers do not have any more are among them until they are obsolete.
    Good { records: Vec<Record>, by: String },
    /// No good answer, and the last one is too old.
    Lost(Failure),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Ask(RecordType),
    /// Over for now. `None`: nothing new, what was good still counts.
    Settled(Option<Outcome>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    record: Record,
    seen: Tick,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    kind: Kind,
    /// What is asked for, and how many times more.
    asking: Option<(RecordType, u32)>,
    kept: Vec<Kept>,
    by: String,
    last_good: Tick,
    ended: Option<Tick>,
}

impl Resolution {
    /// A name that was not asked for yet.
    pub fn new(kind: Kind, now: Tick) -> Resolution {
        Resolution { kind, asking: None, kept: Vec::new(), by: String::new(), last_good: now, ended: None }
    }

    /// When it is to be asked for again; `None` while it is.
    pub fn due(&self, interval: Duration, now: Tick) -> Option<Tick> {
        match (self.asking, self.ended) {
            (Some(_), _) => None,
            (None, None) => Some(now),
            (None, Some(ended)) => Some(ended + interval),
        }
    }

    /// Begins; what to ask for.
    pub fn begin(&mut self, settings: &Resolvers) -> RecordType {
        let first = self.kind.first();
        self.asking = Some((first, settings.retries));
        first
    }

    /// A query has come to its end.
    pub fn heard(&mut self, reply: Reply, settings: &Resolvers, now: Tick) -> Next {
        let Some((asked, tries)) = self.asking else { return Next::Settled(None) };
        let failure = match reply {
            Reply::Answer { answer: Answer::Records(records), by } => {
                return self.good(records, by, settings, now);
            }
            Reply::Silence if tries > 1 => {
                self.asking = Some((asked, tries - 1));
                return Next::Ask(asked);
            }
            Reply::Silence => Failure::Timeout,
            Reply::Answer { answer: Answer::Nx, .. } => Failure::Nx,
            Reply::Answer { answer: Answer::Refused, .. } => Failure::Refused,
            Reply::Answer { .. } => Failure::Other,
        };
        // Who does not answer for one family does not for the other either.
        if let Some(next) = self.kind.after(asked).filter(|_| failure != Failure::Timeout) {
            self.asking = Some((next, settings.retries));
            return Next::Ask(next);
        }
        self.end(now);
        let is_held = now.since(self.last_good) < failure.held(&settings.hold);
        if is_held {
            return Next::Settled(None);
        }
        self.kept.clear();
        Next::Settled(Some(Outcome::Lost(failure)))
    }

    /// The last good answer, for as long as it counts.
    pub fn standing(&self) -> Option<Outcome> {
        let records: Vec<Record> = self.kept.iter().map(|kept| kept.record.clone()).collect();
        (!records.is_empty()).then(|| Outcome::Good { records, by: self.by.clone() })
    }

    fn good(&mut self, records: Vec<Record>, by: String, settings: &Resolvers, now: Tick) -> Next {
        self.end(now);
        self.last_good = now;
        self.by = by;
        let obsolete = settings.hold.obsolete;
        let told_again = |kept: &Kept| records.iter().any(|record| is_same(&kept.record, record));
        self.kept.retain(|kept| told_again(kept) || now.since(kept.seen) < obsolete);
        for record in records {
            match self.kept.iter_mut().find(|kept| is_same(&kept.record, &record)) {
                Some(kept) => *kept = Kept { record, seen: now },
                None => self.kept.push(Kept { record, seen: now }),
            }
        }
        // Answers that always differ must not pile up: the latest stay.
        let surplus = self.kept.len().saturating_sub(MOST_RECORDS);
        self.kept.drain(..surplus);
        Next::Settled(self.standing())
    }

    fn end(&mut self, now: Tick) {
        self.asking = None;
        self.ended = Some(now);
    }
}

/// A service is known by its host and port: the rest of it may change.
fn is_same(one: &Record, other: &Record) -> bool {
    match (one, other) {
        (Record::Service(one), Record::Service(other)) => (&one.host, one.port) == (&other.host, other.port),
        (one, other) => one == other,
    }
}

#[cfg(test)]
#[path = "resolution_tests.rs"]
mod tests;
