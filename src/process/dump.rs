//! SIGQUIT: what every server and proxy is at, to standard error and the logs, in the lines that HAProxy
//! writes at SIGHUP (which reloads here).

use super::control::Control;
use crate::log::event::{self, ProxyCounts};
use crate::state::{BackendView, Operation, ServerLive, Snapshot, admin};

/// Says it all.
pub fn states(control: &Control) {
    let snapshot = control.published.load_full();
    control.tell(&[], event::dump_begins(None));
    control.tell(&[], event::dump_engine(control.engine));
    for (at, backend) in snapshot.config.backends.iter().enumerate() {
        let view = &snapshot.backends[at];
        let lines = backend.servers.iter().zip(&view.servers).filter(|(line, _)| line.is_shown());
        for (_, server) in lines.clone() {
            let traffic = &server.traffic;
            let counts = (traffic.sessions.now(), server.queued.now(), traffic.total.sum());
            let sentence = event::dump_server(&backend.name, &server.name(), word(server), counts);
            control.tell(&backend.log, sentence);
        }
        let usable = lines.clone().next().is_some().then(|| usable(&snapshot, at, view));
        let counts = counts(&snapshot, &backend.name, view);
        control.tell(&backend.log, event::dump_proxy(&backend.name, usable, counts));
    }
}

fn word(server: &ServerLive) -> &'static str {
    let bits = server.admin();
    match server.operation() {
        _ if bits & admin::MAINT != 0 => "MAINT",
        Operation::Stopped => "DOWN",
        _ if bits & admin::DRAIN != 0 => "DRAIN",
        _ => "UP",
    }
}

fn usable(snapshot: &Snapshot, at: usize, view: &BackendView) -> (usize, usize) {
    let lines = snapshot.config.backends[at].servers.iter().zip(&view.servers);
    let count = |backup| {
        let fits =
            lines.clone().filter(|(line, live)| line.backup == backup && view.unselectable(live).is_none());
        fits.count()
    };
    (count(false), count(true))
}

fn counts(snapshot: &Snapshot, name: &str, view: &BackendView) -> ProxyCounts {
    let front = snapshot.frontend(name).map(|id| &snapshot.frontends[id.0].traffic);
    let queued = view.live.queue.length.now();
    ProxyCounts {
        frontend_now: front.map_or(0, |traffic| traffic.sessions.now()),
        backend_now: view.live.traffic.sessions.now(),
        queued,
        unassigned: queued,
        frontend_total: front.map_or(0, |traffic| traffic.total.sum()),
        backend_total: view.live.traffic.total.sum(),
    }
}
