//! The kept subscription to a Sentinel: everything it publishes, as it publishes it.
//!
//! Silence is normal there, so that a PING shows that the other side lives. A subscription that ends has the
//! Sentinel asked at once: what was published meanwhile is not repeated.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use super::facts::{Fact, SentinelJob};
use super::link::{Link, Pauses};
use super::query;
use super::trouble::Trouble;
use crate::dns::hosts::Hosts;
use crate::redis::reply::{Reply, command};
use crate::redis::sentinel;

/// Silence after which the other side is asked for a sign of life.
const QUIET: Duration = Duration::from_secs(1);

/// Listens until it is aborted, or nobody listens to it any more.
pub(super) async fn run(
    (job, hosts): (Arc<SentinelJob>, Hosts),
    my_id: Option<String>,
    hurry: Arc<Notify>,
    facts: Sender<Fact>,
) {
    let mut pauses = Pauses::new(job.longest_pause, u64::from(job.slot.0) + 101);
    loop {
        let (link, trouble) = match subscribe((&job, &hosts), my_id.as_deref()).await {
            Ok(link) => (Some(link), None),
            Err(trouble) => (None, Some(trouble)),
        };
        if facts.send(Fact::Listening { slot: job.slot, trouble }).await.is_err() {
            return;
        }
        if let Some(mut link) = link {
            // Steps may have been published before: the poll finds them.
            hurry.notify_one();
            let began = Instant::now();
            if follow(&job, &mut link, &facts).await == Next::Stop {
                return;
            }
            hurry.notify_one();
            if began.elapsed() > QUIET {
                pauses.reset();
            }
        }
        sleep(pauses.take()).await;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Again,
    Stop,
}

async fn subscribe((job, hosts): (&SentinelJob, &Hosts), my_id: Option<&str>) -> Result<Link, Trouble> {
    let (mut link, id) = query::connect(job, hosts).await?;
    if id.as_deref() != my_id {
        return Err(Trouble::OtherId);
    }
    let deadline = Instant::now() + job.timeout;
    link.send(&command(&[b"PSUBSCRIBE", b"*"]), deadline).await?;
    let frame = link.reply(deadline).await?;
    match Reply::parse(&frame) {
        Some(Reply::Error(error)) => Err(Trouble::refused(error, &job.master_name)),
        Some(Reply::List(_)) => Ok(link),
        _ => Err(Trouble::Unreadable("PSUBSCRIBE")),
    }
}

/// Hands events on for as long as the other side shows life.
async fn follow(job: &SentinelJob, link: &mut Link, facts: &Sender<Fact>) -> Next {
    let mut asked_for_life = false;
    loop {
        let patience = if asked_for_life { job.timeout } else { QUIET };
        match link.reply(Instant::now() + patience).await {
            Ok(frame) => {
                asked_for_life = false;
                let Some(reply) = Reply::parse(&frame) else { return Next::Again };
                let event = sentinel::message(&reply).and_then(sentinel::event);
                if let Some(event) = event
                    && facts.send(Fact::Published { slot: job.slot, event }).await.is_err()
                {
                    return Next::Stop;
                }
            }
            Err(Trouble::Silent) if !asked_for_life => {
                asked_for_life = true;
                let deadline = Instant::now() + job.timeout;
                if link.send(&command(&[b"PING"]), deadline).await.is_err() {
                    return Next::Again;
                }
            }
            Err(_) => return Next::Again,
        }
    }
}
