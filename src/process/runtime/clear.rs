//! `clear counters`.

use crate::api::Reply;
use crate::api::request::Clear;
use crate::process::control::Control;
use crate::state::{BackendView, ServerLive};

/// Lets maxima, or everything that is counted, begin anew.
pub(super) fn counters(control: &Control, which: Clear) -> Reply {
    let snapshot = control.published.load();
    for live in &snapshot.frontends {
        match which {
            Clear::Maxima => live.forget_maxima(),
            Clear::All => live.clear(),
        }
    }
    snapshot.backends.iter().for_each(|view| backend(view, which));
    let process = &snapshot.process;
    process.connections.forget_max();
    process.rate.forget_max();
    if which == Clear::All {
        process.total.clear();
        process.accept_failures.clear();
    }
    Reply::done()
}

fn backend(view: &BackendView, which: Clear) {
    let live = &view.live;
    live.queue.length.forget_max();
    match which {
        Clear::Maxima => live.traffic.forget_maxima(),
        Clear::All => {
            live.traffic.clear();
            live.down_transitions.clear();
        }
    }
    view.servers.iter().for_each(|live| server(live, which));
}

fn server(live: &ServerLive, which: Clear) {
    live.queued.forget_max();
    match which {
        Clear::Maxima => live.traffic.forget_maxima(),
        Clear::All => {
            live.traffic.clear();
            live.update_health(|health| {
                (health.failed_checks, health.failed_analyses, health.down_transitions) = (0, 0, 0);
            });
        }
    }
}
