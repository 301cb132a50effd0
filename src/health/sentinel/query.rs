//! The connection on which a Sentinel is asked: once a second, and at once when somebody wants to know.
//!
//! A kept connection that ends is no answer: it is opened again and the question repeated, and only what happens
//! then counts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout_at};

use super::facts::{Answers, Fact, SentinelJob};
use super::link::{Link, Pauses};
use super::trouble::Trouble;
use crate::dns::hosts::Hosts;
use crate::redis::reply::{Reply, command};
use crate::redis::sentinel;
use crate::time::Tick;

/// How often a Sentinel is asked without being urged.
const PERIOD: Duration = Duration::from_secs(1);
/// The shortest time between two rounds, however often somebody urges.
const BREATH: Duration = Duration::from_millis(20);

/// A connection that has logged in, and who answers on it.
struct Session {
    link: Link,
    my_id: Option<String>,
}

/// Asks until it is aborted, or nobody listens any more.
pub(super) async fn run((job, hosts): (Arc<SentinelJob>, Hosts), hurry: Arc<Notify>, facts: Sender<Fact>) {
    let mut pauses = Pauses::new(job.longest_pause, u64::from(job.slot.0) + 1);
    let mut session = None;
    loop {
        let asked = Tick::now();
        let result = round((&job, &hosts), &mut session).await;
        let pause = if result.is_ok() {
            pauses.reset();
            PERIOD
        } else {
            pauses.take()
        };
        let fact = Fact::Polled { slot: job.slot, asked, result: result.map(Box::new) };
        if facts.send(fact).await.is_err() {
            return;
        }
        let due = Instant::now() + pause;
        sleep(BREATH).await;
        // Late or urged, it is asked either way.
        let _ = timeout_at(due, hurry.notified()).await;
    }
}

/// One round, on the kept connection if there is one that still works.
async fn round(
    (job, hosts): (&SentinelJob, &Hosts),
    session: &mut Option<Session>,
) -> Result<Answers, Trouble> {
    if let Some(mut kept) = session.take() {
        match ask(job, &mut kept).await {
            Ok(answers) => {
                *session = Some(kept);
                return Ok(answers);
            }
            Err(Trouble::Closed) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let (link, my_id) = connect(job, hosts).await?;
    let mut fresh = Session { link, my_id };
    let answers = ask(job, &mut fresh).await?;
    *session = Some(fresh);
    Ok(answers)
}

/// Opens a connection to a Sentinel, logs in and asks who it is.
pub(super) async fn connect(job: &SentinelJob, hosts: &Hosts) -> Result<(Link, Option<String>), Trouble> {
    let mut link = Link::to(job.dialled(hosts, Tick::now()), job.timeout).await?;
    let deadline = Instant::now() + job.timeout;
    let mut request = Vec::new();
    if let Some(auth) = &job.auth {
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(auth.user.as_ref().map(String::as_bytes));
        words.push(auth.pass.expose());
        request.extend(command(&words));
    }
    request.extend(command(&[b"SENTINEL", b"MYID"]));
    link.send(&request, deadline).await?;
    if job.auth.is_some()
        && let Some(error) = error(&link.reply(deadline).await?)
    {
        return Err(Trouble::refused(&error, &job.master_name));
    }
    let frame = link.reply(deadline).await?;
    if let Some(error) = error(&frame) {
        // SENTINEL MYID came with Redis 6.2; before it, the subcommand is unknown and the command is not.
        let unknown = error.to_ascii_lowercase().starts_with(b"err unknown sentinel subcommand");
        return if unknown { Ok((link, None)) } else { Err(Trouble::refused(&error, &job.master_name)) };
    }
    let id = Reply::parse(&frame).and_then(|reply| sentinel::run_id(reply.text()?));
    let id = id.ok_or(Trouble::Unreadable("SENTINEL MYID"))?;
    Ok((link, Some(id)))
}

fn error(frame: &[u8]) -> Option<Vec<u8>> {
    match Reply::parse(frame) {
        Some(Reply::Error(error)) => Some(error.to_vec()),
        _ => None,
    }
}

async fn ask(job: &SentinelJob, session: &mut Session) -> Result<Answers, Trouble> {
    let name = job.master_name.as_bytes();
    // In one packet, so that the answers are of one moment.
    let request = [
        command(&[b"SENTINEL", b"MASTER", name]),
        command(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name]),
        command(&[b"SENTINEL", b"REPLICAS", name]),
        command(&[b"SENTINEL", b"SENTINELS", name]),
        command(&[b"INFO", b"sentinel"]),
    ]
    .concat();
    let link = &mut session.link;
    let deadline = Instant::now() + job.timeout;
    link.send(&request, deadline).await?;
    let mut frames = Vec::new();
    for _ in 0..5 {
        frames.push(link.reply(deadline).await?);
    }
    let mut replies = Vec::new();
    for frame in &frames {
        replies.push(Reply::parse(frame).ok_or(Trouble::NotResp)?);
    }
    answers(&replies, session.my_id.clone(), &job.master_name)
}

/// Makes sense of the five replies.
fn answers(replies: &[Reply<'_>], my_id: Option<String>, name: &str) -> Result<Answers, Trouble> {
    let [master, current, replicas, peers, info] = replies else {
        return Err(Trouble::Unreadable("SENTINEL MASTER"));
    };
    if let Reply::Error(error) = master {
        return Err(Trouble::refused(error, name));
    }
    let complaint = [current, replicas, peers].into_iter().find_map(|reply| match reply {
        Reply::Error(error) => Some(Trouble::refused(error, name)),
        _ => None,
    });
    Ok(Answers {
        my_id,
        master: sentinel::master(master).ok_or(Trouble::Unreadable("SENTINEL MASTER"))?,
        current: sentinel::current_master(current),
        replicas: sentinel::replicas(replicas),
        peers: sentinel::peers(peers),
        tilt: sentinel::tilt(info),
        complaint,
    })
}
