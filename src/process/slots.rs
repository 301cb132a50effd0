//! Puts what Sentinels know into the slots of servers (`sentinel@NAME`): rosters come in, one edit of the config goes
//! out for all that have gathered. Which node gets which slot is [`crate::state::slots`]' to say.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use tokio::sync::mpsc::UnboundedReceiver;

use super::control::Control;
use crate::config::model::{SentinelSlot, Server};
use crate::state::event::{ServerChange, ServerEvent};
use crate::state::slots::{Assignment, Roster, assign, place};
use crate::state::{BackendKey, Snapshot};

/// Where rosters arrive. A watcher sends one when it differs from the one before, and each is bounded.
#[derive(Debug)]
pub struct Slots {
    rosters: UnboundedReceiver<Roster>,
    /// Who found no slot, as it was said last.
    told: HashMap<(BackendKey, String), BTreeSet<String>>,
}

impl Slots {
    pub fn new(rosters: UnboundedReceiver<Roster>) -> Slots {
        Slots { rosters, told: HashMap::new() }
    }

    /// The next roster.
    pub async fn next(&mut self) -> Roster {
        match self.rosters.recv().await {
            Some(roster) => roster,
            // Nobody watches any more, which is no reason to wake up.
            None => std::future::pending().await,
        }
    }

    /// Gives the nodes of this roster, and of those that came with it, their slots.
    pub fn carry_out(&mut self, control: &mut Control, roster: Roster) {
        let snapshot = control.published.load_full();
        let mut config = (*snapshot.config).clone();
        let mut lines = Vec::new();
        let mut next = Some(roster);
        while let Some(roster) = next {
            let at = snapshot.backends.iter().position(|view| view.live.key == roster.backend);
            // A backend that a reload has taken away has no slots.
            if let Some(at) = at {
                let servers = &mut config.backends[at].servers;
                let Assignment { changes, homeless } = assign(servers, &roster);
                for (position, node) in changes {
                    let before = std::mem::take(&mut servers[position].written_address);
                    place(&mut servers[position], node);
                    lines.push((at, said(&servers[position], &before, &roster)));
                }
                lines.extend(self.overflow(&roster, homeless).map(|what| (at, what)));
            }
            next = self.rosters.try_recv().ok();
        }
        if config != *snapshot.config {
            control.edit(|edited| *edited = config);
        }
        lines.into_iter().for_each(|(at, what)| tell(control, &snapshot, at, what));
    }

    /// Those for whom there is no slot: said once.
    fn overflow(&mut self, roster: &Roster, homeless: BTreeSet<SocketAddr>) -> Option<ServerChange> {
        let names: BTreeSet<String> =
            homeless.iter().map(ToString::to_string).chain(roster.names.iter().cloned()).collect();
        let key = (roster.backend, roster.section.clone());
        let before = self.told.insert(key, names.clone()).unwrap_or_default();
        if names.is_subset(&before) {
            return None;
        }
        let list = names.into_iter().collect::<Vec<_>>().join(", ");
        let why = match homeless.is_empty() {
            true => "the host name has no address",
            false => "there are too few slots; 'server-template' makes more",
        };
        let text = format!("no server stands for {list} of sentinels '{}': {why}", roster.section);
        Some(ServerChange::SentinelTrouble { text })
    }
}

fn said(server: &Server, before: &str, roster: &Roster) -> ServerChange {
    let (name, slot) = (&server.name, server.slot.as_ref().map(SentinelSlot::written).unwrap_or_default());
    let is_master = roster.master.is_some_and(|master| master.to_string() == before);
    let text = match (&server.address, is_master) {
        (Some(_), _) => format!("server {name} is {} now ({slot})", server.written_address),
        (None, true) => format!("server {name} has no address any more: {before} is the master now ({slot})"),
        (None, false) => {
            format!("server {name} has no address any more: no Sentinel knows {before} ({slot})")
        }
    };
    ServerChange::Sentinel { text }
}

fn tell(control: &Control, snapshot: &Snapshot, at: usize, what: ServerChange) {
    let backend = &snapshot.config.backends[at];
    let event = ServerEvent { backend: backend.name.clone(), server: String::new(), backup: false, what };
    control.logger.server(backend, &event);
}
