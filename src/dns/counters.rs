//! What name servers did, in HAProxy's counters (`show resolvers`).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::model::{NameServer, Resolvers};

/// One counter, in the order in which HAProxy shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Sent,
    SendError,
    /// Answers with records.
    Valid,
    /// Answers after which a name had other records than before.
    Update,
    /// Not counted: CNAMEs are part of a valid answer.
    Cname,
    CnameError,
    /// Answers without such a record.
    AnyError,
    Nx,
    Timeout,
    Refused,
    Other,
    /// No DNS message, or none that answers the question.
    Invalid,
    TooBig,
    /// Asked for again over TCP.
    Truncated,
    /// Not counted: the socket of a query closes with it.
    Outdated,
}

const NAMES: [&str; 15] = [
    "sent",
    "snd_error",
    "valid",
    "update",
    "cname",
    "cname_error",
    "any_err",
    "nx",
    "timeout",
    "refused",
    "other",
    "invalid",
    "too_big",
    "truncated",
    "outdated",
];

/// Those of one name server.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; NAMES.len()]);

impl Counters {
    pub fn count(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Relaxed);
    }

    /// Names and values.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.0.iter().map(|counter| counter.load(Relaxed)))
    }
}

/// A name server and its counters.
#[derive(Debug, Clone)]
pub struct Counted {
    pub server: NameServer,
    pub counters: Arc<Counters>,
}

/// A section with the counters of its name servers.
#[derive(Debug, Clone)]
pub struct CountedSection {
    pub name: String,
    pub nameservers: Vec<Counted>,
}

/// Those of all sections; written by the resolving task, read by `show resolvers`. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Vec<CountedSection>>>);

impl Board {
    /// A copy, in the order of the config.
    pub fn sections(&self) -> Vec<CountedSection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sections of another config; a name server that was there before counts on.
    pub fn arrange(&self, sections: &[Resolvers]) {
        let before = self.sections();
        let counted = |section: &Resolvers, server: &NameServer| {
            let was = before.iter().find(|was| was.name == section.name);
            let was = was.and_then(|was| was.nameservers.iter().find(|was| was.server == *server));
            let counters = was.map(|was| Arc::clone(&was.counters)).unwrap_or_default();
            Counted { server: server.clone(), counters }
        };
        let arranged = sections.iter().map(|section| CountedSection {
            name: section.name.clone(),
            nameservers: section.nameservers.iter().map(|server| counted(section, server)).collect(),
        });
        let arranged = arranged.collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = arranged;
    }
}
