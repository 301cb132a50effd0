//! Which servers are checked: starts, keeps and stops one task a server as snapshots come and go.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::agent::{self, AgentJob};
use super::announce::bystander;
use super::job::{Job, Subject, jobs};
use super::kept::{Probe, Waited};
use super::timing::{Dice, first_delay, interval, pace, spread};
use super::verdict::{Said, Sinks, begin, conclude, count_errors};
use crate::state::{ServerKey, ServerLive, Snapshot, admin};
use crate::time::Tick;

/// Between two checks of a server that is expected to say `role:master` any moment: it shall not have been master
/// for longer than that when clients come to it.
const HASTE: Duration = Duration::from_millis(4);

/// All check tasks. Dropping it stops them.
#[derive(Debug)]
pub struct Checks {
    sinks: Sinks,
    tasks: HashMap<ServerKey, Task<Job>>,
    agents: HashMap<ServerKey, Task<AgentJob>>,
}

#[derive(Debug)]
struct Task<J> {
    job: Arc<J>,
    hurry: Arc<Notify>,
    handle: JoinHandle<()>,
}

impl<J> Drop for Task<J> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Checks {
    /// Checks nothing yet.
    pub fn new(sinks: Sinks) -> Checks {
        Checks { sinks, tasks: HashMap::new(), agents: HashMap::new() }
    }

    /// Makes the tasks those of `snapshot`, which is published already: called at start and after every
    /// reload, inside the tokio runtime. A task whose job is the same goes on undisturbed.
    pub fn apply(&mut self, snapshot: &Arc<Snapshot>) {
        let fresh = keep(&mut self.tasks, jobs(snapshot), |job| job.subject.server);
        let fresh_agents = keep(&mut self.agents, agent::jobs(snapshot), |job| job.subject.server);
        self.start(fresh, snapshot);
        self.start_agents(fresh_agents, snapshot);
    }

    /// Has a server asked now instead of at the end of its interval; no effect while it is being asked.
    pub fn ask_now(&self, server: ServerKey) {
        if let Some(task) = self.tasks.get(&server) {
            task.hurry.notify_one();
        }
    }

    /// The same of its agent.
    pub fn ask_agent_now(&self, server: ServerKey) {
        if let Some(task) = self.agents.get(&server) {
            task.hurry.notify_one();
        }
    }

    /// How many servers are checked.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing is checked.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn start(&mut self, fresh: Vec<Job>, snapshot: &Snapshot) {
        let pace = pace(fresh.iter().map(Job::inter));
        let cap = snapshot.config.global.max_spread_checks;
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        for (position, job) in (0..).zip(fresh) {
            let delay = match job.is_urgent() {
                true => Duration::ZERO,
                false => first_delay(pace, job.inter(), cap, position, count),
            };
            let Some(live) = live(snapshot, &job.subject) else { continue };
            let (job, hurry) = (Arc::new(job), Arc::new(Notify::new()));
            let task = check_server(Arc::clone(&job), live, self.sinks.clone(), Arc::clone(&hurry), delay);
            let handle = tokio::spawn(task);
            self.tasks.insert(job.subject.server, Task { job, hurry, handle });
        }
    }

    fn start_agents(&mut self, fresh: Vec<AgentJob>, snapshot: &Snapshot) {
        let pace = pace(fresh.iter().map(|job| job.inter));
        let cap = snapshot.config.global.max_spread_checks;
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        for (position, job) in (0..).zip(fresh) {
            let delay = first_delay(pace, job.inter, cap, position, count);
            let Some(live) = live(snapshot, &job.subject) else { continue };
            let (job, hurry) = (Arc::new(job), Arc::new(Notify::new()));
            let sinks = self.sinks.clone();
            let task = agent::ask_again_and_again(Arc::clone(&job), live, sinks, Arc::clone(&hurry), delay);
            let handle = tokio::spawn(task);
            self.agents.insert(job.subject.server, Task { job, hurry, handle });
        }
    }
}

/// Stops the tasks whose job is not among `jobs` any more; returns the jobs that have no task.
fn keep<J: PartialEq>(
    tasks: &mut HashMap<ServerKey, Task<J>>,
    jobs: Vec<J>,
    server: fn(&J) -> ServerKey,
) -> Vec<J> {
    let mut before = std::mem::take(tasks);
    let mut fresh = Vec::new();
    for job in jobs {
        match before.remove(&server(&job)) {
            Some(task) if *task.job == job => {
                tasks.insert(server(&job), task);
            }
            _ => fresh.push(job),
        }
    }
    fresh
}

fn live(snapshot: &Snapshot, subject: &Subject) -> Option<Arc<ServerLive>> {
    let view = snapshot.backends.iter().find(|view| view.live.key == subject.backend)?;
    view.servers.iter().find(|server| server.key == subject.server).cloned()
}

/// The life of one check task.
async fn check_server(
    job: Arc<Job>,
    live: Arc<ServerLive>,
    sinks: Sinks,
    hurry: Arc<Notify>,
    delay: Duration,
) {
    let mut dice = Dice::new(u64::from(job.subject.server.0) + 1);
    let mut said = Said::before(&live);
    let mut probe = Probe::new(job.engine(), &job.target, job.patience).securing(job.check.tls.as_ref());
    // A peer that hangs up every time is asked again at once only once an interval.
    let mut asked_again = false;
    sleep(delay).await;
    loop {
        let pause = if live.admin() & admin::MAINT == 0 && !live.checks_off() {
            begin(&live);
            if job.method.mentions_server() {
                probe.know(bystander(&job, &live, &sinks.published.load()));
            }
            let outcome = probe.check().await;
            match conclude(&job, &sinks, &mut said, outcome, Tick::now()) {
                Some(counter) => {
                    spread(interval(&job.check, counter, live.operation()), job.spread, dice.roll())
                }
                // Between two snapshots; `apply` decides whether this task goes on.
                None => job.inter(),
            }
        } else {
            probe.hang_up();
            job.inter()
        };
        let pause = if live.is_hastened(Tick::now()) { pause.min(HASTE) } else { pause };
        let mut due = Instant::now() + pause;
        let waited = loop {
            tokio::select! {
                waited = probe.wait(due) => break waited,
                () = hurry.notified() => break Waited::Due,
                // Rung at the end of the haste too: then the interval that runs is the shortest one anyway.
                () = live.haste.notified() => {
                    if live.is_hastened(Tick::now()) {
                        break Waited::Due;
                    }
                }
                () = live.distress.notified() => {
                    let counted = count_errors(&job, &sinks, &mut said, &live, Tick::now());
                    if let Some(soon) = job.check.fastinter.filter(|_| counted) {
                        due = due.min(Instant::now() + soon);
                    }
                }
            }
        };
        let lost = waited == Waited::Lost;
        if lost && asked_again {
            tokio::select! {
                () = sleep_until(due) => {}
                () = hurry.notified() => {}
            }
        }
        asked_again = lost && !asked_again;
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
