//! `show sess`: a line a session in HAProxy's form, or a block with what this program knows of it.
//!
//! A session is named by a number made of its worker, its turn and its slot, in the place of HAProxy's pointer.

use std::sync::Arc;
use std::time::Duration;

use super::Reply;
use crate::api::request::Sessions;
use crate::log::Clock;
use crate::state::{SessionToken, SessionView};

/// Sessions of one part.
const BATCH: usize = 64;

/// The number in `show sess` and `shutdown session`.
pub fn id(token: SessionToken) -> u64 {
    // Worker numbers are below 64; the first bit keeps the number from being zero.
    1 << 62
        | (token.worker as u64 & 0xff) << 54
        | u64::from(token.turn & 0x3f_ffff) << 32
        | u64::from(token.slot)
}

/// The answer, a batch at a time.
pub fn answer(sessions: Vec<SessionView>, which: Sessions, clock: Clock) -> Reply {
    let wanted: Vec<SessionView> = match which {
        Sessions::One(wanted) => sessions.into_iter().filter(|session| id(session.token) == wanted).collect(),
        Sessions::Lines | Sessions::Details => sessions,
    };
    if wanted.is_empty() && matches!(which, Sessions::One(_)) {
        return Reply::say("Session not found.\n");
    }
    let mut left = wanted.into_iter();
    Reply::Parts(Box::new(std::iter::from_fn(move || {
        let batch: Vec<_> = left.by_ref().take(BATCH).collect();
        let show = |session: &SessionView| match which {
            Sessions::Lines => line(session),
            Sessions::Details | Sessions::One(_) => block(session, &clock),
        };
        (!batch.is_empty()).then(|| batch.iter().map(show).collect())
    })))
}

fn line(session: &SessionView) -> String {
    let (client, frontend, backend, server) = names(session);
    let (idle, expires) = (seconds(Some(session.idle)), seconds(session.expires));
    format!(
        "{:#x}: proto={} src={client} fe={frontend} be={backend} srv={server} ts=00 epoch=0 age={} calls=0 rate=0 cpu=0 \
         lat=0 rq[f=0h,i=0,an=00h,rx={expires},wx=,ax=] rp[f=0h,i=0,an=00h,rx={expires},wx=,ax=] scf=[8,0h,fd=-1] \
         scb=[8,{}h,fd=-1] exp={expires} rc={} c_exp= idle={idle}\n",
        id(session.token),
        protocol(session),
        age(session.age),
        u8::from(session.server.is_some()),
        session.retries,
    )
}

fn block(session: &SessionView, clock: &Clock) -> String {
    let (client, frontend, backend, server) = names(session);
    format!(
        "{:#x}: [{}] proto={} source={client}\n  frontend={frontend} backend={backend} server={server}\n  state={} \
         worker={} age={} idle={} exp={} retries={}\n  from client={} from server={}\n",
        id(session.token),
        clock.tcplog(session.accepted),
        protocol(session),
        session.stage,
        session.token.worker + 1,
        age(session.age),
        seconds(Some(session.idle)),
        seconds(session.expires),
        session.retries,
        session.bytes[0],
        session.bytes[1],
    )
}

fn names(session: &SessionView) -> (String, &str, Arc<str>, Arc<str>) {
    let client = session.client.map_or_else(|| "unix:0".to_owned(), |client| client.to_string());
    let backend = session.backend.as_ref().map_or_else(|| "<NONE>".into(), |backend| backend.name());
    let server = session.server.as_ref().map_or_else(|| "<none>".into(), |server| server.name());
    (client, &session.frontend.name, backend, server)
}

fn protocol(session: &SessionView) -> &'static str {
    match session.client {
        Some(client) if client.is_ipv6() => "tcpv6",
        Some(_) => "tcpv4",
        None => "unix_stream",
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map(age).unwrap_or_default()
}

/// HAProxy's two largest units: `5s`, `2m3s`, `1h2m`, `3d4h`.
fn age(time: Duration) -> String {
    let all = time.as_secs();
    let (days, hours, minutes, seconds) = (all / 86400, all / 3600 % 24, all / 60 % 60, all % 60);
    match () {
        () if days > 0 => format!("{days}d{hours}h"),
        () if hours > 0 => format!("{hours}h{minutes}m"),
        () if minutes > 0 => format!("{minutes}m{seconds}s"),
        () => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::state::FrontendLive;

    fn session(slot: u32) -> SessionView {
        SessionView {
            token: SessionToken { worker: 1, slot, turn: 7 },
            frontend: Arc::new(FrontendLive::new("fe")),
            backend: None,
            server: None,
            client: Some("127.0.0.1:4711".parse().unwrap()),
            accepted: SystemTime::UNIX_EPOCH,
            age: Duration::from_secs(125),
            idle: Duration::from_secs(3),
            expires: Some(Duration::from_secs(57)),
            bytes: [5, 7],
            stage: "QUE",
            retries: 0,
        }
    }

    #[test]
    fn a_session_is_a_line_or_a_block() {
        let all = |which| answer(vec![session(0), session(1)], which, Clock::utc()).into_text();
        insta::assert_snapshot!(all(Sessions::Lines));
        insta::assert_snapshot!(all(Sessions::One(id(session(1).token))));
        assert_eq!(all(Sessions::One(3)), "Session not found.\n");
        assert_eq!(all(Sessions::Details).lines().count(), 8);
    }
}
