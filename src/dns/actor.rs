//! The task that asks: takes plans, keeps one [`Resolution`] a name, and tells what became of it. No policy.
//!
//! Every name server of a section is asked at once; the first good answer counts, an error once all have answered
//! or the time is over. At most [`MOST_QUERIES`] questions are open at a time, whatever the config; the others
//! wait for their turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::counters::{Board, Count, Counted};
use super::message::{Answer, RecordType};
use super::plan::{Interest, Key, Occasion, Plan, plan};
use super::resolution::{Next, Outcome, Reply, Resolution};
use super::transport::{Question, ask};
use crate::config::Config;
use crate::config::model::Resolvers;
use crate::time::Tick;

/// Questions that are open at a time.
pub const MOST_QUERIES: usize = 256;

/// A name has another worth than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub key: Key,
    pub outcome: Outcome,
}

/// The running task. Dropping it stops it.
#[derive(Debug)]
pub struct Resolving {
    plans: UnboundedSender<Plan>,
    board: Board,
    task: JoinHandle<()>,
}

impl Drop for Resolving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Resolving {
    /// Starts it, inside the tokio runtime, without a name. News are at most one a name and resolution.
    pub fn start() -> (Resolving, UnboundedReceiver<News>) {
        // One plan a change of the config.
        let (plans, taken) = unbounded_channel();
        let (news, told) = unbounded_channel();
        let board = Board::default();
        let task = tokio::spawn(run(taken, news, board.clone()));
        (Resolving { plans, board, task }, told)
    }

    /// Resolves the names of that config from now on.
    pub fn apply(&self, config: &Config, occasion: Occasion) {
        self.board.arrange(&config.resolvers);
        // The task ends only when this is dropped.
        let _ = self.plans.send(plan(config, occasion));
    }

    /// What the name servers did.
    pub fn board(&self) -> &Board {
        &self.board
    }
}

struct Entry {
    resolution: Resolution,
    interest: Interest,
    told: Option<Outcome>,
}

struct Actor {
    sections: Vec<Resolvers>,
    names: BTreeMap<Key, Entry>,
    board: Board,
    news: UnboundedSender<News>,
    queries: JoinSet<(Key, Reply)>,
    room: Arc<Semaphore>,
}

async fn run(mut plans: UnboundedReceiver<Plan>, news: UnboundedSender<News>, board: Board) {
    let mut actor = Actor {
        sections: Vec::new(),
        names: BTreeMap::new(),
        board,
        news,
        queries: JoinSet::new(),
        room: Arc::new(Semaphore::new(MOST_QUERIES)),
    };
    loop {
        let wait = actor.next_due().map_or(Duration::from_secs(3600), |due| due.since(Tick::now()));
        tokio::select! {
            plan = plans.recv() => match plan {
                Some(plan) => actor.replan(plan, Tick::now()),
                None => return,
            },
            Some(done) = actor.queries.join_next() => match done {
                Ok((key, reply)) => actor.heard(&key, reply, Tick::now()),
                // A query that panicked is one without an answer; the name would never be asked for again.
                Err(_) => return,
            },
            () = sleep(wait) => {}
        }
        actor.begin(Tick::now());
    }
}

impl Actor {
    fn replan(&mut self, plan: Plan, now: Tick) {
        let Plan { occasion, sections, names } = plan;
        self.sections = sections;
        let mut before = std::mem::take(&mut self.names);
        for (key, interest) in names {
            let was = before.remove(&key);
            let is_new = was.as_ref().is_none_or(|was| was.interest.servers != interest.servers);
            let mut entry = was.unwrap_or_else(|| Entry {
                resolution: Resolution::new(key.kind, now),
                interest: Interest::default(),
                told: None,
            });
            entry.interest = interest;
            if is_new || occasion == Occasion::Load {
                entry.told = None;
                if let Some(outcome) = entry.resolution.standing() {
                    tell(&self.news, &key, &mut entry.told, outcome);
                }
            }
            self.names.insert(key, entry);
        }
    }

    fn section(&self, name: &str) -> Option<&Resolvers> {
        self.sections.iter().find(|section| section.name == name)
    }

    fn due(&self, key: &Key, entry: &Entry, now: Tick) -> Option<Tick> {
        let section = self.section(&key.resolvers)?;
        let interval = match entry.interest.checked {
            true => section.resolve.min(section.hold.valid.max(SHORTEST)),
            false => section.resolve,
        };
        entry.resolution.due(interval, now)
    }

    fn next_due(&self) -> Option<Tick> {
        let now = Tick::now();
        self.names.iter().filter_map(|(key, entry)| self.due(key, entry, now)).min()
    }

    /// Asks for what is due.
    fn begin(&mut self, now: Tick) {
        let is_due = |key: &Key, entry: &Entry| self.due(key, entry, now).is_some_and(|due| due <= now);
        let due = self.names.iter().filter(|(key, entry)| is_due(key, entry));
        let keys: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in keys {
            let Some(section) = self.section(&key.resolvers).cloned() else { continue };
            let Some(entry) = self.names.get_mut(&key) else { continue };
            let asked = entry.resolution.begin(&section);
            self.ask(key, asked, &section);
        }
    }

    fn ask(&mut self, key: Key, asked: RecordType, section: &Resolvers) {
        let question = Question {
            name: key.name.clone(),
            asked,
            payload_size: section.payload_size.max(SMALLEST_PAYLOAD),
            patience: section.retry,
        };
        let sections = self.board.sections();
        let servers = sections.into_iter().find(|counted| counted.name == section.name);
        let servers = servers.map(|counted| counted.nameservers).unwrap_or_default();
        let room = Arc::clone(&self.room);
        self.queries.spawn(async move {
            // It is never closed.
            let _place = room.acquire_owned().await;
            let reply = ask_all(&servers, &question).await;
            (key, reply)
        });
    }

    fn heard(&mut self, key: &Key, reply: Reply, now: Tick) {
        // A reload may have taken the section away, or the name.
        let Some(section) = self.section(&key.resolvers).cloned() else { return };
        let Some(entry) = self.names.get_mut(key) else { return };
        let before = entry.resolution.standing();
        match entry.resolution.heard(reply, &section, now) {
            Next::Ask(asked) => self.ask(key.clone(), asked, &section),
            Next::Settled(None) => {}
            Next::Settled(Some(outcome)) => {
                if let Outcome::Good { records, by } = &outcome
                    && !before.is_some_and(
                        |before| matches!(before, Outcome::Good { records: was, .. } if was == *records),
                    )
                {
                    count_update(&self.board, &section.name, by);
                }
                tell(&self.news, key, &mut entry.told, outcome);
            }
        }
    }
}

/// The least time between two questions for a name.
const SHORTEST: Duration = Duration::from_millis(50);
/// What every resolver takes (RFC 1035, section 4.2.1); less could not hold a single answer.
const SMALLEST_PAYLOAD: u16 = 512;

/// Tells of an outcome that is another one; who answered makes no difference.
fn tell(news: &UnboundedSender<News>, key: &Key, told: &mut Option<Outcome>, outcome: Outcome) {
    let same = match (&*told, &outcome) {
        (Some(Outcome::Good { records: was, .. }), Outcome::Good { records, .. }) => was == records,
        (was, outcome) => was.as_ref() == Some(outcome),
    };
    if same {
        return;
    }
    *told = Some(outcome.clone());
    // At the end of the process nobody is there to hear it.
    let _ = news.send(News { key: key.clone(), outcome });
}

fn count_update(board: &Board, section: &str, by: &str) {
    let sections = board.sections();
    let servers =
        sections.iter().filter(|counted| counted.name == section).flat_map(|counted| &counted.nameservers);
    servers
        .filter(|counted| counted.server.id == by)
        .for_each(|counted| counted.counters.count(Count::Update));
}

/// Asks all of them: the first good answer, else the most telling error.
pub(super) async fn ask_all(servers: &[Counted], question: &Question) -> Reply {
    let mut asking = JoinSet::new();
    for server in servers.iter().cloned() {
        let question = question.clone();
        asking.spawn(async move { (ask(&server, &question).await, server.server.id) });
    }
    if servers.is_empty() {
        // A section without name servers: as if they were silent, and not in a hurry.
        sleep(question.patience).await;
    }
    let mut worst: Option<(Answer, String)> = None;
    while let Some(Ok((answer, by))) = asking.join_next().await {
        match answer {
            Some(answer @ Answer::Records(_)) => return Reply::Answer { answer, by },
            Some(answer) if worst.as_ref().is_none_or(|(known, _)| rank(&answer) < rank(known)) => {
                worst = Some((answer, by));
            }
            _ => {}
        }
    }
    worst.map_or(Reply::Silence, |(answer, by)| Reply::Answer { answer, by })
}

/// What is known of the name goes before what is known of the server.
fn rank(answer: &Answer) -> u8 {
    match answer {
        Answer::Records(_) => 0,
        Answer::Nx => 1,
        Answer::Empty => 2,
        Answer::Refused => 3,
        Answer::Other | Answer::Truncated => 4,
    }
}
