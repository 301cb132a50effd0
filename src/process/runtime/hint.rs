//! `set redis master`: the hint goes to the guard of that backend, and the client waits for what the guard makes of it.
//!
//! The guard answers each hint once, within `timeout freeze`. The wait is the client's own: the control thread has
//! gone on meanwhile, and so have all other clients. A guard that is switched off by a reload meanwhile answers no
//! more, which is told as well.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::{Answer, servers};
use crate::api::Reply;
use crate::api::request::{Fault, ServerName};
use crate::guard::operator;
use crate::state::Snapshot;

/// What the guard is asked, and what it answers: nothing if that server is master, else a sentence.
pub(super) fn pass_on(
    snapshot: &Snapshot,
    name: &ServerName,
    epoch: Result<Option<u64>, Fault>,
    hints: &UnboundedSender<operator::Request>,
) -> Answer {
    let (place, epoch) = match (servers::find(snapshot, name), epoch) {
        (Err(fault), _) | (_, Err(fault)) => return fault.into(),
        (Ok(place), Ok(epoch)) => (place, epoch),
    };
    let view = &snapshot.backends[place.backend];
    let (answer, answered) = oneshot::channel();
    let request =
        operator::Request { backend: view.live.key, server: view.servers[place.server].key, epoch, answer };
    // Without guards, at the very end of the process, the answer's sender is dropped with the request.
    let _ = hints.send(request);
    Answer::Later(Box::pin(async move { reply(answered.await) }))
}

fn reply(answered: Result<Result<String, String>, oneshot::error::RecvError>) -> Reply {
    match answered {
        Ok(Ok(_)) => Reply::done(),
        Ok(Err(why)) => Reply::say(format!("{why}.\n")),
        Err(_) => Reply::say("The guard was switched off meanwhile.\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::config::Config;
    use crate::config::model::{Backend, Server};
    use crate::state::Guarding;
    use crate::time::Tick;

    fn snapshot() -> Snapshot {
        let server = |name: &str| Server { name: name.into(), ..Server::default() };
        let servers = vec![server("redis1"), server("redis2")];
        let backends = vec![Backend { name: "be".into(), servers, ..Backend::default() }];
        let config = Arc::new(Config { backends, ..Config::default() });
        Snapshot::build(config, Vec::new(), &[Guarding::Master], &Snapshot::empty(1), Tick(0))
    }

    async fn text(answer: Answer) -> String {
        match answer {
            Answer::Now(reply) => reply.into_text(),
            Answer::Later(reply) => reply.await.into_text(),
        }
    }

    fn name(server: &str) -> ServerName {
        ServerName { backend: "be".into(), server: server.into() }
    }

    #[tokio::test]
    async fn the_guards_answer_is_the_clients() {
        let snapshot = snapshot();
        for (said, want) in [
            (Some(Ok("redis2 is master".to_owned())), ""),
            (
                Some(Err("redis2 does not become master: why".to_owned())),
                "redis2 does not become master: why.\n",
            ),
            (None, "The guard was switched off meanwhile.\n"),
        ] {
            let (hints, mut heard) = unbounded_channel();
            let answer = pass_on(&snapshot, &name("redis2"), Ok(Some(7)), &hints);
            let request = heard.recv().await.unwrap();
            assert_eq!((request.server, request.epoch), (snapshot.backends[0].servers[1].key, Some(7)));
            match said {
                Some(said) => request.answer.send(said).unwrap(),
                None => drop(request),
            }
            assert_eq!(text(answer).await, want);
        }
    }

    #[tokio::test]
    async fn names_come_before_numbers_and_reach_no_guard() {
        let (hints, mut heard) = unbounded_channel();
        let snapshot = snapshot();
        let answer = pass_on(&snapshot, &name("redis9"), Err("no number\n".into()), &hints);
        assert_eq!(text(answer).await, "No such server.\n");
        let answer = pass_on(&snapshot, &name("redis1"), Err("no number\n".into()), &hints);
        assert_eq!(text(answer).await, "no number\n");
        assert!(heard.try_recv().is_err());
    }
}
