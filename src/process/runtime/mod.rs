//! The runtime socket's half of the process: sockets and clients ([`socket`]), and the carrying out of what clients
//! ask for ([`Desk`]).
//!
//! ```text
//!  client task: session -> Ask --(channel)--> control thread: Desk::carry_out(&mut Control) -> Answer
//!       ^                                                                                      |
//!       +------------- parts of the reply, as fast as the client takes them <------------------+
//! ```
//!
//! Forms of stats pages come to the same desk ([`page`]), and are carried out by the same functions.
//!
//! A client asks for one thing at a time and waits for the answer, so the channel holds at most one question a
//! client, and clients are bounded by `stats maxconn`. The control thread owns the published snapshot: whatever
//! changes it is done there, between two other things it does, so that there is one writer.

mod agents;
mod clear;
mod dynamic;
mod fqdn;
mod frontends;
mod hint;
mod lists;
mod maintenance;
mod page;
mod process;
mod servers;
pub mod socket;
mod tables;
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::control::Control;
use crate::api::command::Level;
use crate::api::request::NO_SESSION;
use crate::api::show::{self, sessions};
use crate::api::{Reply, Request, redis};
use crate::guard::operator;
use crate::state::{Command, CutReason, NamedServer, SessionView, Snapshot, Survey, Workers};
use crate::stats::Details;
use crate::stats::action::Change;
use crate::time::Tick;

pub use agents::Agents;
pub use process::Known;
pub use socket::CommandSockets;

/// How long workers may take to describe their sessions; they do it between two of their turns.
const PATIENCE: Duration = Duration::from_secs(2);

/// One question of a client.
#[derive(Debug)]
pub struct Ask {
    pub request: Request,
    pub level: Level,
    pub answer: oneshot::Sender<Answer>,
}

/// What somebody wants: a client of the runtime socket, or who submitted a stats page's form.
#[derive(Debug)]
pub enum Wish {
    Ask(Ask),
    Change(Change),
}

/// What comes back.
pub enum Answer {
    Now(Reply),
    /// Others have to be asked first: to be waited for by the client's own task.
    Later(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Now(reply) => f.debug_tuple("Now").field(reply).finish(),
            Answer::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Answer {
        Answer::Now(reply)
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Answer {
        Answer::Now(Reply::Text(text))
    }
}

/// Where questions arrive, and what is known beside the running state.
#[derive(Debug)]
pub struct Desk {
    asks: UnboundedReceiver<Ask>,
    /// From stats pages.
    changes: UnboundedReceiver<Change>,
    known: Known,
    /// To the guards.
    hints: UnboundedSender<operator::Request>,
}

impl Desk {
    /// A desk that passes hints on to the guards, and where to put questions.
    pub fn new(
        known: Known,
        hints: UnboundedSender<operator::Request>,
    ) -> (Desk, UnboundedSender<Ask>, UnboundedSender<Change>) {
        let (put, asks) = unbounded_channel();
        // One a connection of a stats page, which waits for the answer.
        let (submit, changes) = unbounded_channel();
        (Desk { asks, changes, known, hints }, put, submit)
    }

    /// The next question or change.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            Some(ask) = self.asks.recv() => Wish::Ask(ask),
            Some(change) = self.changes.recv() => Wish::Change(change),
            // Nobody can ask any more, which is no reason to wake up.
            else => std::future::pending().await,
        }
    }

    /// Does what is asked, and answers.
    pub fn carry_out(&self, control: &mut Control, wish: Wish) {
        let ask = match wish {
            Wish::Ask(ask) => ask,
            Wish::Change(change) => return page::carry_out(control, change),
        };
        let answer = self.answer(control, ask.request, ask.level);
        // A client that went away meanwhile needs no answer.
        let _ = ask.answer.send(answer);
    }

    fn answer(&self, control: &mut Control, request: Request, level: Level) -> Answer {
        match request {
            Request::AddServer(name, options) => dynamic::add(control, &name, &options).into(),
            Request::DeleteServer(name) => dynamic::delete(control, &name).into(),
            Request::ClearCounters(which) => clear::counters(control, which).into(),
            Request::Frontend(name, order) => frontends::order(control, &name, order).into(),
            Request::GetWeight(name) => servers::weight(&control.published.load(), &name).into(),
            Request::Limit(limit, value) => frontends::limit(control, limit, value).into(),
            Request::Server(name, order) => servers::order(control, &name, order).into(),
            Request::SetGuard(name, mode) => servers::set_guard(control, &name, mode).into(),
            Request::SetMaster(name, epoch) => {
                hint::pass_on(&control.published.load(), &name, epoch, &self.hints)
            }
            Request::ShutdownSession(id) => {
                let asked = ask_workers(&control.workers);
                let workers = control.workers.clone();
                Answer::Later(Box::pin(async move { shutdown(id, asked.await, &workers) }))
            }
            Request::ShutdownSessions(name) => shutdown_at_server(control, &name).into(),
            Request::ShowSessions(which) => {
                let (asked, clock) = (ask_workers(&control.workers), self.known.clock.clone());
                Answer::Later(Box::pin(async move { sessions::answer(asked.await, which, clock) }))
            }
            shown => self.show(control, shown, level).into(),
        }
    }

    fn show(&self, control: &Control, request: Request, level: Level) -> Reply {
        let (snapshot, known, now) = (control.published.load_full(), &self.known, Tick::now());
        let clock = || known.clock.clone();
        match request {
            Request::ShowActivity => Reply::Text(show::activity(&snapshot)),
            Request::ShowBackends => Reply::Text(show::backends(&snapshot)),
            Request::ShowCliSockets => Reply::Text(process::cli_sockets(&snapshot)),
            Request::ShowEnv(name) => Reply::Text(show::environment(&known.environment, name.as_deref())),
            Request::ShowErrors(name) => Reply::Text(show::errors(&snapshot, name.as_deref(), &known.clock)),
            Request::ShowFailovers(name, shape) => {
                redis::failovers::show(&snapshot, name.as_deref(), shape, &known.clock)
            }
            Request::ShowInfo(shape, described) => {
                Reply::Text(crate::api::info::render(&known.info(control, &snapshot), shape, described))
            }
            Request::ShowPools => Reply::Text(show::pools(process::memory())),
            Request::ShowRedis(name, shape) => redis::show(snapshot, name.as_deref(), shape, (clock(), now)),
            Request::ShowResolvers(name) => {
                show::resolvers::answer(&control.names.board().sections(), name.as_deref())
            }
            Request::ShowSchema => Reply::say(show::SCHEMA),
            Request::ShowServers(list, name) => show::servers::answer(snapshot, list, name.as_deref(), now),
            // HAProxy ends them with a line feed, also where there are none.
            Request::ShowStartupLogs => Reply::Text(format!("{}\n", known.startup_logs)),
            Request::ShowStat(stat) => {
                // HAProxy shows addresses to operators.
                let details = if level >= Level::Operator { Details::Legends } else { Details::Plain };
                show::stat::answer(snapshot, &stat, details, now)
            }
            Request::Patterns(order) => lists::answer(&snapshot, &order),
            Request::Table(verb, words) => tables::answer(&snapshot, verb, &words, level),
            Request::ShowThreads => Reply::Text(show::threads(&snapshot)),
            Request::ShowVersion => Reply::Text(format!("{}\n", known.version)),
            // The master's, or done above.
            _ => Reply::done(),
        }
    }
}

/// Has every worker describe its sessions; what has come until the patience ends.
fn ask_workers(workers: &Workers) -> impl Future<Output = Vec<SessionView>> + Send + use<> {
    // One answer a worker.
    let (answers, mut came) = unbounded_channel();
    let survey = Survey::new(answers);
    workers.broadcast(|| Command::Survey(survey.clone()));
    drop(survey);
    async move {
        let mut all = Vec::new();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        // `None` when every worker has answered, and with that let go of its end.
        while let Ok(Some(some)) = tokio::time::timeout_at(deadline, came.recv()).await {
            all.extend(some);
        }
        all.sort_by_key(|session| std::cmp::Reverse(session.age));
        all
    }
}

fn shutdown(id: u64, all: Vec<SessionView>, workers: &Workers) -> Reply {
    let Some(found) = all.into_iter().find(|session| sessions::id(session.token) == id) else {
        return Reply::say(NO_SESSION);
    };
    workers.post(found.token.worker, Command::CutSession(found.token, CutReason::Admin));
    Reply::done()
}

fn shutdown_at_server(control: &Control, name: &crate::api::request::ServerName) -> Reply {
    let snapshot = control.published.load();
    match servers::find(&snapshot, name) {
        Ok(place) => cut_at_server(control, &snapshot, place),
        Err(fault) => return Reply::Text(fault),
    }
    Reply::done()
}

/// Ends the sessions of a server, those at its former addresses too.
fn cut_at_server(control: &Control, snapshot: &Snapshot, place: servers::Place) {
    let backend = snapshot.backends[place.backend].live.key;
    let server = snapshot.config.backends[place.backend].servers[place.server].name.clone();
    let target = Arc::new(NamedServer { backend, server });
    control.workers.broadcast(|| Command::CutNamed(Arc::clone(&target), CutReason::Admin));
}
