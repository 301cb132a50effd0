//! The guard's reasons in words, for the page, `show redis` and the log. Pure: names and times are handed in.

use std::time::Duration;

use super::decide::{HeldReason, Reason};
use super::machine::ManyMasters;
use crate::state::ServerKey;
use crate::time::Tick;

/// Names and times of one moment.
pub struct Words<'a> {
    /// A server's name; one that was removed has none.
    pub name: &'a dyn Fn(ServerKey) -> Option<String>,
    /// The wall clock, so long ago: `12:01:07`.
    pub clock: &'a dyn Fn(Duration) -> String,
    pub now: Tick,
}

impl std::fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Words<'_> {
    /// Why the master is who it is.
    pub fn reason(&self, reason: Reason) -> String {
        match reason {
            Reason::None => "nobody says role:master".to_owned(),
            Reason::First => "the best of those that say role:master".to_owned(),
            Reason::Stays => "unchanged".to_owned(),
            Reason::Succeeded(old) => format!("promoted out of the history of {}", self.server(old)),
            Reason::FurtherThan(old) => {
                format!("promoted out of the same history as {}, and further on", self.server(old))
            }
            Reason::FollowedBy(old) => format!("{} has become its replica", self.server(old)),
            Reason::InPlaceOf(old) => format!("{} is gone and has no heir", self.server(old)),
            Reason::Returned => "it was master before and says so again".to_owned(),
        }
    }

    /// Why a server that says it is master gets no clients.
    pub fn held(&self, reason: HeldReason) -> String {
        let why = match reason {
            HeldReason::Undecided => "first answers of other servers are awaited".to_owned(),
            HeldReason::SucceededBy(by, at) => {
                format!("{} succeeded it at {}", self.server(by), (self.clock)(self.now.since(at)))
            }
            HeldReason::Restarted(master) => {
                format!("it was a replica in the line of {} and restarted as a master", self.server(master))
            }
            HeldReason::Another(master) => format!("{} is the master", self.server(master)),
            HeldReason::Unusable => "it cannot serve now".to_owned(),
        };
        format!("role:master, but {why}")
    }

    /// The one ALERT about shards in one backend.
    pub fn rivals(&self, master: ServerKey, rival: ServerKey) -> String {
        format!(
            "{} and {} both say role:master and both have replicas, but neither came out of the other: only {} \
             gets clients; if they are shards, say 'no option redis-single-master'",
            self.server(master),
            self.server(rival),
            self.server(master)
        )
    }

    /// Why the one master is not watched here.
    pub fn many_masters(&self, found: ManyMasters) -> String {
        let what = match found {
            ManyMasters::Cluster => "says redis_mode:cluster",
            ManyMasters::ActiveReplica => "says role:active-replica",
        };
        format!("{what}: several masters are normal here, so the rule of one master is off for this backend")
    }

    fn server(&self, key: ServerKey) -> String {
        (self.name)(key).unwrap_or_else(|| "a server that was removed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_server_says_who_succeeded_it_and_when() {
        let words = Words {
            name: &|key| (key == ServerKey(2)).then(|| "redis2".to_owned()),
            clock: &|ago| format!("12:01:{:02}", 10 - ago.as_secs()),
            now: Tick(5_000),
        };
        assert_eq!(
            words.held(HeldReason::SucceededBy(ServerKey(2), Tick(2_000))),
            "role:master, but redis2 succeeded it at 12:01:07"
        );
        assert_eq!(
            words.held(HeldReason::Another(ServerKey(9))),
            "role:master, but a server that was removed is the master"
        );
        assert!(words.rivals(ServerKey(2), ServerKey(3)).contains("'no option redis-single-master'"));
    }
}
