//! The guard's reasons in words, for the page, `show redis` and the log. Pure: names, zone and time are
//! handed in.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::course::Cause;
use super::decide::{HeldReason, Reason};
use super::effect::{Answer, ManyMasters, Refusal};
use super::freeze::{Thaw, VAIN};
use super::lead::Leader;
use super::sentinels::Ballot;
use crate::state::{CutReason, SentinelId, ServerKey};
use crate::time::Tick;

/// Who knows the servers' names.
pub trait Names: std::fmt::Debug {
    /// A server's name; one that was removed has none.
    fn name(&self, key: ServerKey) -> Option<String>;

    /// What a Sentinel is called; one that is not watched any more has no name.
    fn sentinel(&self, id: SentinelId) -> Option<String>;
}

/// What one moment's sentences need.
#[derive(Debug)]
pub struct Words<'a> {
    pub names: &'a dyn Names,
    pub zone: &'a TimeZone,
    pub now: Tick,
}

impl Words<'_> {
    /// Why the master is who it is.
    pub fn reason(&self, reason: Reason) -> String {
        match reason {
            Reason::None => "nobody says role:master".to_owned(),
            Reason::First => "the best of those that say role:master".to_owned(),
            Reason::Stays => "unchanged".to_owned(),
            Reason::Selected(Leader::Operator) => "the operator asked for it".to_owned(),
            Reason::Selected(leader) => {
                format!("selected in the failover that {} leads", self.leader(leader))
            }
            Reason::Named(ballot) => self.ballot(ballot),
            Reason::Awaited(named) => {
                format!("the Sentinels name {}, which does not say role:master", self.server(named))
            }
            Reason::Succeeded(old) => format!("promoted out of the history of {}", self.server(old)),
            Reason::FurtherThan(old) => {
                format!("promoted out of the same history as {}, and further on", self.server(old))
            }
            Reason::FollowedBy(old) => format!("{} has become its replica", self.server(old)),
            Reason::InPlaceOf(old) if self.names.name(old).is_none() => {
                "the one before was removed and has no heir".to_owned()
            }
            Reason::InPlaceOf(old) => format!("{} is gone and has no heir", self.server(old)),
            Reason::Returned => "it was master before and says so again".to_owned(),
        }
    }

    /// Why a server that says it is master gets no clients.
    pub fn held(&self, reason: HeldReason) -> String {
        let why = match reason {
            HeldReason::Undecided => "first answers of other servers are awaited".to_owned(),
            HeldReason::SucceededBy(by, at) => {
                let time = clock(SystemTime::now(), self.now.since(at), self.zone);
                format!("{} succeeded it at {time}", self.server(by))
            }
            HeldReason::Restarted(master) => {
                format!("it was a replica in the line of {} and restarted as a master", self.server(master))
            }
            HeldReason::Another(master) => format!("{} is the master", self.server(master)),
            HeldReason::Unnamed(named) => format!("the Sentinels name {}", self.server(named)),
            HeldReason::Unusable => "it cannot serve now".to_owned(),
        };
        format!("role:master, but {why}")
    }

    /// Why sessions were ended.
    pub fn cut(&self, reason: CutReason, master: Option<ServerKey>) -> String {
        match (reason, master) {
            (CutReason::RoleChanged, _) => "it reports another role".to_owned(),
            (_, Some(master)) => format!("{} is the master", self.server(master)),
            _ => "it is not the master".to_owned(),
        }
    }

    /// The one alert about shards in one backend.
    pub fn rivals(&self, master: ServerKey, rival: ServerKey) -> String {
        let (master, rival) = (self.server(master), self.server(rival));
        format!(
            "{master} and {rival} both say role:master and both have replicas, but neither came out of the other: \
             only {master} gets clients; if they are shards, say 'no option redis-single-master'"
        )
    }

    /// Why the one master is not watched here.
    pub fn many_masters(&self, found: ManyMasters) -> String {
        let what = match found {
            ManyMasters::Cluster => "says redis_mode:cluster",
            ManyMasters::ActiveReplica => "says role:active-replica",
        };
        format!("{what}: several masters are normal there, so the rule of one master is off for this backend")
    }

    /// Who brought a failover about.
    pub fn cause(&self, cause: Cause, from: Option<ServerKey>) -> String {
        let from = from.map_or_else(|| "nobody".to_owned(), |key| self.server(key));
        match cause {
            Cause::Led(leader @ Leader::Sentinel(_)) => {
                format!("{} was elected to fail {from} over", self.leader(leader))
            }
            Cause::Led(Leader::Operator) => format!("the operator asked for another master than {from}"),
            Cause::Led(Leader::Majority(epoch)) => {
                format!("the Sentinels name another master than {from} since config epoch {epoch}")
            }
            Cause::Found(reason) => self.reason(reason),
        }
    }

    /// Why a server is frozen, and for how long.
    pub fn frozen(&self, by: Leader, until: Tick) -> String {
        let why = match by {
            Leader::Sentinel(_) => format!("{} was elected to fail it over", self.leader(by)),
            Leader::Operator => "the operator asked for another master".to_owned(),
            Leader::Majority(epoch) => {
                format!("the Sentinels name another master since config epoch {epoch}")
            }
        };
        format!("{why}; for {} ms at most", until.since(self.now).as_millis())
    }

    /// Why a freeze ended without a switch.
    pub fn thawed(&self, why: Thaw) -> String {
        match why {
            Thaw::Switched => "another server is master",
            Thaw::Aborted => "the failover was given up",
            Thaw::LeaderLost => "the Sentinel that led the failover does not answer any more, or is in TILT",
            Thaw::Expired => "the time for it has passed, and no other server says role:master",
            Thaw::Demoted => "it reports another role",
            Thaw::Removed => "it was removed",
            Thaw::Off => "the guard is off",
        }
        .to_owned()
    }

    /// Why a failover freezes nobody.
    pub fn not_frozen(&self) -> String {
        format!("{VAIN} freezes within a minute brought no other master, so there is none for a minute")
    }

    /// The Sentinels speak of a Redis that the backend does not have.
    pub fn stranger(&self, address: &str) -> String {
        format!(
            "the Sentinels name {address} as master, which is no server of this backend: they decide nothing here"
        )
    }

    /// What became of a hint.
    pub fn answer(&self, answer: Answer) -> String {
        match answer {
            Answer::Master(server) => format!("{} is master", self.server(server)),
            Answer::Refused(server, refusal) => {
                let why = match refusal {
                    Refusal::Unguarded => "the guard keeps no single master in this backend".to_owned(),
                    Refusal::Removed => "there is no such server any more".to_owned(),
                    Refusal::Stale(ballot) => {
                        format!("{} is {}", self.server(ballot.server), self.ballot(ballot))
                    }
                    Refusal::Succeeded(by) => format!(
                        "{} succeeded it, and it has not followed since; with a config epoch it is taken all the same",
                        self.server(by)
                    ),
                    Refusal::NotMaster => "it did not say role:master in time".to_owned(),
                    Refusal::Replaced => "another hint came meanwhile".to_owned(),
                };
                format!("{} does not become master: {why}", self.server(server))
            }
        }
    }

    fn ballot(&self, ballot: Ballot) -> String {
        let Ballot { epoch, votes, of, .. } = ballot;
        format!("named by {votes} of {of} Sentinels at config epoch {epoch}")
    }

    fn leader(&self, leader: Leader) -> String {
        match leader {
            Leader::Sentinel(id) => match self.names.sentinel(id) {
                Some(name) => format!("Sentinel {name}"),
                None => "a Sentinel".to_owned(),
            },
            Leader::Operator => "the operator".to_owned(),
            Leader::Majority(_) => "the majority of the Sentinels".to_owned(),
        }
    }

    /// What a server is called.
    pub fn server(&self, key: ServerKey) -> String {
        self.names.name(key).unwrap_or_else(|| "a server that was removed".to_owned())
    }
}

/// The wall clock, so long ago: `12:01:07`.
fn clock(now: SystemTime, ago: Duration, zone: &TimeZone) -> String {
    let then = now.checked_sub(ago).and_then(|then| Timestamp::try_from(then).ok()).unwrap_or_default();
    then.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Redis2;

    impl Names for Redis2 {
        fn name(&self, key: ServerKey) -> Option<String> {
            (key == ServerKey(2)).then(|| "redis2".to_owned())
        }

        fn sentinel(&self, id: SentinelId) -> Option<String> {
            (id == SentinelId(1)).then(|| "s1".to_owned())
        }
    }

    #[test]
    fn a_held_server_says_why() {
        let words = Words { names: &Redis2, zone: &TimeZone::UTC, now: Tick(5_000) };
        let succeeded = words.held(HeldReason::SucceededBy(ServerKey(2), Tick(2_000)));
        assert!(succeeded.starts_with("role:master, but redis2 succeeded it at "), "{succeeded}");
        assert_eq!(
            words.held(HeldReason::Another(ServerKey(9))),
            "role:master, but a server that was removed is the master"
        );
        assert!(words.rivals(ServerKey(2), ServerKey(3)).contains("'no option redis-single-master'"));
    }

    #[test]
    fn the_clock_is_the_walls_in_the_operators_zone() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600);
        assert_eq!(clock(noon, Duration::from_secs(53), &TimeZone::UTC), "11:59:07");
    }
}
