//! Listening for Sentinels on one server: the check's login, replayed verbatim, then SUBSCRIBE. Every Sentinel
//! that watches a Redis announces itself there about every two seconds.
//!
//! Whoever may PUBLISH can fill the channel, so that nothing here grows with it: hints that nobody takes in time
//! are dropped (the next ones come in two seconds), and a flood is read slowly.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use super::facts::{Fact, Hint};
use super::link::{Link, Pauses};
use super::plan::ListenJob;
use super::trouble::Trouble;
use crate::redis::reply::{Reply, command};
use crate::redis::sentinel::{self, HELLO_CHANNEL};
use crate::state::admin;

/// Silence after which the other side is asked for a sign of life; Sentinels speak every two seconds.
const QUIET: Duration = Duration::from_secs(5);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So many messages may come in a second before reading takes a rest.
const MOST_A_SECOND: u32 = 200;

/// Why there is no subscription.
#[derive(Debug)]
enum Deaf {
    /// Perhaps later. Why does not matter: checks tell of a server that cannot be reached or refuses the login.
    Now,
    /// The ACL user may not: only a change on the server helps, and after it a reload.
    Forbidden(String),
}

impl From<Trouble> for Deaf {
    fn from(_: Trouble) -> Deaf {
        Deaf::Now
    }
}

/// Listens until it is aborted, nobody listens to it any more, or the server forbids it.
pub(super) async fn run(job: ListenJob, hints: Sender<Hint>, facts: Sender<Fact>) {
    let mut pauses = Pauses::new(LONGEST_PAUSE, u64::from(job.server.key.0) + 1);
    loop {
        if job.server.admin() & admin::MAINT == 0 {
            match subscribe(&job).await {
                Ok(mut link) => {
                    let began = Instant::now();
                    follow(&job, &mut link, &hints).await;
                    if began.elapsed() > QUIET {
                        pauses.reset();
                    }
                }
                Err(Deaf::Forbidden(text)) => {
                    // At the end of the process nobody is there to hear it.
                    let _ = facts.send(Fact::Deaf { text }).await;
                    return;
                }
                Err(Deaf::Now) => {}
            }
        }
        if hints.is_closed() {
            return;
        }
        sleep(pauses.take()).await;
    }
}

async fn subscribe(job: &ListenJob) -> Result<Link, Deaf> {
    let mut link = Link::open(&job.target, &job.connect, job.tls.as_ref(), job.timeout).await?;
    let deadline = Instant::now() + job.timeout;
    let request = [job.login.expose(), &command(&[b"SUBSCRIBE", HELLO_CHANNEL.as_bytes()])].concat();
    link.send(&request, deadline).await?;
    for _ in 0..job.login.replies {
        let frame = link.reply(deadline).await?;
        if let Some(Reply::Error(_)) = Reply::parse(&frame) {
            return Err(Deaf::Now);
        }
    }
    let frame = link.reply(deadline).await?;
    match Reply::parse(&frame) {
        Some(Reply::Error(error)) if error.starts_with(b"NOPERM") => Err(Deaf::Forbidden(forbidden(job))),
        Some(Reply::List(_)) => Ok(link),
        _ => Err(Deaf::Now),
    }
}

fn forbidden(job: &ListenJob) -> String {
    format!(
        "cannot find Sentinels through server {}: NOPERM, the check's user lacks the ACL rules \
         '+subscribe &{HELLO_CHANNEL}'; grant them and reload, or name the Sentinels in a 'sentinels' section",
        job.server.name()
    )
}

/// Hands hints on for as long as the other side shows life.
async fn follow(job: &ListenJob, link: &mut Link, hints: &Sender<Hint>) {
    let mut asked_for_life = false;
    let (mut second, mut count) = (Instant::now(), 0);
    loop {
        let patience = if asked_for_life { job.timeout } else { QUIET };
        match link.reply(Instant::now() + patience).await {
            Ok(frame) => {
                asked_for_life = false;
                count += 1;
                if second.elapsed() >= Duration::from_secs(1) {
                    (second, count) = (Instant::now(), 0);
                } else if count > MOST_A_SECOND {
                    sleep(Duration::from_secs(1)).await;
                }
                let Some(reply) = Reply::parse(&frame) else { return };
                let hint = sentinel::message(&reply).and_then(|message| sentinel::hello(message.payload));
                if let Some(hint) = hint {
                    // A full queue drops it: another follows.
                    let _ = hints.try_send(hint);
                }
            }
            Err(Trouble::Silent) if !asked_for_life => {
                asked_for_life = true;
                let deadline = Instant::now() + job.timeout;
                if link.send(&command(&[b"PING"]), deadline).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
        if hints.is_closed() {
            return;
        }
    }
}
