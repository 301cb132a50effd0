//! Gives servers the addresses of their host names: what became of a name comes in, one edit of the config goes
//! out for all that have gathered. Which server gets which address is [`crate::dns::assign`]'s to say.

use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc::UnboundedReceiver;

use super::control::Control;
use crate::config::Config;
use crate::config::model::{Backend, Server, ServerAddress};
use crate::dns::News;
use crate::dns::assign::{Change, What, apply, assign, carry};
use crate::state::event::{Left, ServerChange, ServerEvent};
use crate::state::succession::Succession;
use crate::state::{BackendView, Command, CutReason, Operation, ServerLive, Snapshot, admin};
use crate::time::Tick;

/// Where news arrive: at most one a name and resolution.
#[derive(Debug)]
pub struct Names {
    news: UnboundedReceiver<News>,
}

impl Names {
    pub fn new(news: UnboundedReceiver<News>) -> Names {
        Names { news }
    }

    /// The next name that has another worth.
    pub async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // Nobody resolves any more, which is no reason to wake up.
            None => std::future::pending().await,
        }
    }

    /// Carries out what this news, and those that came with it, mean for servers.
    pub fn carry_out(&mut self, control: &mut Control, news: News) {
        let before = control.published.load_full();
        let mut config = (*before.config).clone();
        let mut all: Vec<(usize, Change, Server)> = Vec::new();
        let mut next = Some(news);
        while let Some(news) = next {
            for (at, backend) in
                config.backends.iter_mut().enumerate().filter(|(_, backend)| !backend.disabled)
            {
                for change in assign(&backend.servers, &news.key, &news.outcome) {
                    let server = &mut backend.servers[change.server];
                    let was = server.clone();
                    apply(server, &change.what);
                    all.push((at, change, was));
                }
            }
            next = self.news.try_recv().ok();
        }
        if config != *before.config {
            control.edit(|edited| *edited = config);
        }
        let after = control.published.load_full();
        let mut at = 0;
        while let Some((backend, ..)) = all.get(at) {
            let same = all[at..].iter().take_while(|(other, ..)| other == backend).count();
            settle(control, (&before, &after), &all[at..at + same]);
            at += same;
        }
    }
}

/// A reload: servers keep the addresses that their names have given them.
pub(super) fn carry_addresses(config: &mut Config, old: &Config, succession: &Succession) {
    for (at, backend) in config.backends.iter_mut().enumerate() {
        let Some(from) = succession.of(at) else { continue };
        let pairs = backend.servers.iter_mut().zip(&from.servers);
        for (server, was) in pairs.filter(|(server, _)| server.lookup.is_some()) {
            if let Some(was) = *was {
                carry(server, &old.backends[from.backend].servers[was]);
            }
        }
    }
}

/// What follows from the changes of one backend: weights, sessions to be ended, lines of the log, whether the
/// backend has a server left.
fn settle(control: &Control, (before, after): (&Snapshot, &Snapshot), changes: &[(usize, Change, Server)]) {
    let Some((at, ..)) = changes.first() else { return };
    let (backend, old, new) = (&after.config.backends[*at], &before.backends[*at], &after.backends[*at]);
    let mut left = usable(backend, old);
    let was_usable = left != (0, 0);
    for (_, change, was) in changes {
        let (gone, live) = (&old.servers[change.server], &new.servers[change.server]);
        let telling = Telling { control, backend, server: &backend.servers[change.server] };
        match &change.what {
            What::Weighs(weight) => live.set_weight(*weight),
            What::Lost(why) => {
                let counted = if is_usable(gone) { count(&mut left, telling.server) } else { None };
                if let Some(counted) = counted {
                    *counted = counted.saturating_sub(1);
                }
                telling.lost(why, gone, left);
                cut(control, telling.server, gone);
            }
            What::Moved { ip, by } => {
                telling.moved(was, &ip.to_string(), by);
                telling.returned(was, live);
            }
            What::Serves(service) => {
                live.set_admin(live.admin() | admin::OTHER_NAME);
                if let Some(ip) = service.address {
                    telling.moved(was, &ip.to_string(), "DNS additional record");
                }
                telling.renamed(was, &service.host);
                if service.address.is_some() {
                    telling.returned(was, live);
                }
            }
        }
    }
    let is_usable = usable(backend, new) != (0, 0);
    if was_usable != is_usable {
        turn(control, backend, new, is_usable);
    }
    control.workers.broadcast(|| Command::Reconsider);
}

fn is_usable(live: &ServerLive) -> bool {
    live.weight() > 0 && live.unselectable(false).is_none()
}

/// Active and backup servers that HAProxy counts as usable.
fn usable(backend: &Backend, view: &BackendView) -> (usize, usize) {
    let pairs = backend.servers.iter().zip(&view.servers).filter(|(_, live)| is_usable(live));
    let (backup, active): (Vec<_>, Vec<_>) = pairs.partition(|(server, _)| server.backup);
    (active.len(), backup.len())
}

fn count<'a>(left: &'a mut (usize, usize), server: &Server) -> Option<&'a mut usize> {
    Some(if server.backup { &mut left.1 } else { &mut left.0 })
}

/// Sessions go on at the old address, unless the line says otherwise.
fn cut(control: &Control, server: &Server, gone: &ServerLive) {
    if server.on_marked_down_shutdown_sessions {
        let key = gone.key;
        control.workers.broadcast(|| Command::Cut(key, CutReason::MarkedDown));
    }
}

/// The backend lost its last server, or has one again.
fn turn(control: &Control, backend: &Backend, view: &BackendView, is_usable: bool) {
    let (live, now) = (&view.live, Tick::now());
    let since = Tick(live.last_change.swap(now.0, Relaxed));
    if is_usable {
        live.downtime_ms.add(now.since(since).as_millis() as u64);
        return;
    }
    live.down_transitions.add(1);
    let what = ServerChange::NoServerLeft { is_listen: backend.is_listen };
    let event = ServerEvent { backend: backend.name.clone(), server: String::new(), backup: false, what };
    control.logger.server(backend, &event);
}

/// Words for the log.
#[derive(Clone, Copy)]
struct Telling<'a> {
    control: &'a Control,
    backend: &'a Backend,
    server: &'a Server,
}

impl Telling<'_> {
    fn moved(self, was: &Server, to: &str, by: &str) {
        let from = match &was.address {
            Some(ServerAddress::Ip { ip, .. }) => ip.to_string(),
            _ => "(none)".to_owned(),
        };
        self.tell(ServerChange::Renamed { text: format!("changed its IP from {from} to {to} by {by}.") });
    }

    fn renamed(self, was: &Server, to: &str) {
        let from = was.fqdn.as_deref().unwrap_or("(null)");
        self.tell(ServerChange::Renamed {
            text: format!("changed its FQDN from {from} to {to} by 'SRV record'"),
        });
    }

    fn returned(self, was: &Server, live: &ServerLive) {
        if was.address.is_some() {
            return;
        }
        let fqdn = self.server.fqdn.clone().unwrap_or_default();
        let (up, draining) = (live.operation() != Operation::Stopped, live.admin() & admin::DRAIN != 0);
        self.tell(ServerChange::Resolves { fqdn, up, draining });
        self.tell(ServerChange::ReadyByDns);
    }

    fn lost(self, why: &str, gone: &ServerLive, (active, backup): (usize, usize)) {
        if gone.admin() & admin::MAINT != 0 {
            return;
        }
        let left = Left {
            active,
            backup,
            sessions_active: gone.traffic.sessions.now(),
            requeued: 0,
            queued: gone.queued.now(),
            was_leaving: gone.operation() == Operation::Stopping || gone.admin() & admin::DRAIN != 0,
        };
        let was_down = gone.operation() == Operation::Stopped;
        self.tell(ServerChange::Unresolved { why: why.to_owned(), was_down, left });
    }

    fn tell(self, what: ServerChange) {
        let event = ServerEvent {
            backend: self.backend.name.clone(),
            server: self.server.name.clone(),
            backup: self.server.backup,
            what,
        };
        self.control.logger.server(self.backend, &event);
    }
}
