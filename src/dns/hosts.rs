//! Names that are not in the config: of Redis servers that Sentinels announce (`resolve-hostnames yes`), and of
//! Sentinels, whose addresses may change. A name goes in, the last good answer comes out at once; asking goes on
//! behind it, and never on a client's way.
//!
//! The system's resolver is asked first, as it is when a config is loaded; then the name servers of the section
//! `default` (`/etc/resolv.conf`), for below a `chroot` the system knows none. At most [`MOST_NAMES`] names are
//! kept, those that were wanted last.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::actor::ask_all;
use super::counters::Board;
use super::message::{Answer, Record, RecordType};
use super::resolution::Reply;
use super::transport::Question;
use crate::config::model::{DEFAULT_RESOLVERS, Resolvers};
use crate::time::Tick;

/// Names that are known at a time.
pub const MOST_NAMES: usize = 256;
/// An answer that is older is asked for again when it is wanted.
const FRESH: Duration = Duration::from_secs(5);
/// Names that are asked for at a time: the system's resolver takes a thread for each.
const AT_ONCE: usize = 4;
/// The system's resolver may take longer; its thread is left to itself then.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module. Cheap to clone; all clones share what they know.
#[derive(Debug, Clone)]
pub struct Hosts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: Mutex<BTreeMap<String, Known>>,
    board: Board,
    room: Arc<Semaphore>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Clone)]
struct Known {
    ip: Option<IpAddr>,
    wanted_at: Tick,
    /// `None` while it is asked for.
    asked_at: Option<Tick>,
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts::new(Board::default())
    }
}

impl Hosts {
    /// Knows no name; `board` has the name servers that are asked after the system.
    pub fn new(board: Board) -> Hosts {
        let (known, room) = (Mutex::default(), Arc::new(Semaphore::new(AT_ONCE)));
        Hosts(Arc::new(Shared { known, board, room, changes: watch::channel(0).0 }))
    }

    /// The address of a host as it was known last. One that is not known, or not freshly, is asked for, so that
    /// this has to be called inside the tokio runtime.
    pub fn ip(&self, name: &str, now: Tick) -> Option<IpAddr> {
        if let Ok(ip) = name.parse() {
            return Some(ip);
        }
        let name = name.to_ascii_lowercase();
        let mut known = self.known();
        if !known.contains_key(&name) {
            make_room(&mut known);
            known.insert(name.clone(), Known { ip: None, wanted_at: now, asked_at: Some(Tick(0)) });
        }
        let entry = known.get_mut(&name)?;
        entry.wanted_at = now;
        let is_fresh = entry.asked_at.is_none_or(|asked| asked > Tick(0) && now.since(asked) < FRESH);
        let ip = entry.ip;
        if !is_fresh {
            entry.asked_at = None;
            tokio::spawn(self.clone().find(name));
        }
        ip
    }

    /// Every name that is known to be that address.
    pub fn names_of(&self, ip: IpAddr) -> Vec<String> {
        let known = self.known();
        known.iter().filter(|(_, known)| known.ip == Some(ip)).map(|(name, _)| name.clone()).collect()
    }

    /// Whoever waits on this is told of every address that is another one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(self, name: String) {
        // It is never closed.
        let _place = Arc::clone(&self.0.room).acquire_owned().await;
        let mut found = by_system(name.clone()).await;
        if found.is_none() {
            found = self.by_name_servers(&name).await;
        }
        self.learn(&name, found, Tick::now());
    }

    /// What is known stays where nothing is found.
    fn learn(&self, name: &str, found: Option<IpAddr>, now: Tick) {
        let mut known = self.known();
        let Some(entry) = known.get_mut(name) else { return };
        entry.asked_at = Some(now.max(Tick(1)));
        if found.is_some() && entry.ip != found {
            entry.ip = found;
            self.0.changes.send_modify(|changes| *changes += 1);
        }
    }

    async fn by_name_servers(&self, name: &str) -> Option<IpAddr> {
        let sections = self.0.board.sections();
        let servers = sections.into_iter().find(|section| section.name == DEFAULT_RESOLVERS)?.nameservers;
        let settings = Resolvers::default();
        for asked in [RecordType::A, RecordType::Aaaa] {
            let question = Question {
                name: name.to_owned(),
                asked,
                payload_size: settings.payload_size,
                patience: settings.retry,
            };
            if let Reply::Answer { answer: Answer::Records(records), .. } = ask_all(&servers, &question).await
                && let Some(Record::Address(ip)) = records.first()
            {
                return Some(*ip);
            }
        }
        None
    }
}

/// IPv4 first, as when a config is loaded.
async fn by_system(name: String) -> Option<IpAddr> {
    let asking = tokio::task::spawn_blocking(move || {
        let found: Vec<IpAddr> =
            (name.as_str(), 0).to_socket_addrs().into_iter().flatten().map(|address| address.ip()).collect();
        found.iter().find(|ip| ip.is_ipv4()).or(found.first()).copied()
    });
    // A thread that hangs, or could not be had, found nothing.
    timeout(PATIENCE, asking).await.ok()?.ok()?
}

/// The one that was wanted longest ago goes.
fn make_room(known: &mut BTreeMap<String, Known>) {
    if known.len() < MOST_NAMES {
        return;
    }
    let oldest = known.iter().min_by_key(|(_, known)| known.wanted_at).map(|(name, _)| name.clone());
    if let Some(oldest) = oldest {
        known.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_known_once_it_was_found_and_stays_when_it_is_not() {
        let hosts = Hosts::default();
        let mut changes = hosts.changes();
        assert_eq!(hosts.ip("127.0.0.9", Tick(1)), Some([127, 0, 0, 9].into()));
        assert_eq!(hosts.ip("LocalHost", Tick(1)), None);
        timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
        let ip = hosts.ip("localhost", Tick::now()).expect("every machine knows it");
        assert!(ip.is_loopback());
        assert_eq!(hosts.names_of(ip), ["localhost"]);
        hosts.learn("localhost", None, Tick::now());
        assert_eq!(hosts.ip("localhost", Tick::now()), Some(ip));
        hosts.learn("localhost", Some([127, 0, 0, 2].into()), Tick::now());
        assert_eq!(hosts.ip("localhost", Tick::now()), Some([127, 0, 0, 2].into()));
    }

    #[tokio::test]
    async fn names_are_bounded() {
        let hosts = Hosts::default();
        for number in 0..2 * MOST_NAMES as u64 {
            hosts
                .known()
                .insert(format!("{number}"), Known { ip: None, wanted_at: Tick(number), asked_at: None });
            make_room(&mut hosts.known());
        }
        let known = hosts.known();
        assert!(known.len() <= MOST_NAMES && !known.contains_key("0") && known.contains_key("511"));
    }
}
