//! Frontends and limits: `disable frontend`, `set maxconn`, `set rate-limit`.

use std::sync::atomic::Ordering::Relaxed;

use super::servers;
use crate::api::Reply;
use crate::api::request::{Fault, FrontendOrder, Limit};
use crate::config::model::FrontendId;
use crate::log::event::{self, ProxyKind};
use crate::process::control::Control;
use crate::state::{Command, Reception, Snapshot};

const NO_FRONTEND: &str = "No such frontend.\n";

/// `enable`, `disable` or `shutdown frontend`.
pub(super) fn order(control: &mut Control, name: &str, order: FrontendOrder) -> Reply {
    let snapshot = control.published.load_full();
    let Some(FrontendId(at)) = snapshot.frontend(name) else { return Reply::say(NO_FRONTEND) };
    let live = &snapshot.frontends[at];
    let wanted = match (live.reception(), order) {
        (Reception::Stopped, FrontendOrder::Enable) => {
            return Reply::say("Frontend was previously shut down, cannot enable.\n");
        }
        (Reception::Stopped, FrontendOrder::Disable) => {
            return Reply::say("Frontend was previously shut down, cannot disable.\n");
        }
        (Reception::Stopped, FrontendOrder::Shutdown) => {
            return Reply::say("Frontend was already shut down.\n");
        }
        (Reception::Open | Reception::Suspended, FrontendOrder::Enable) => {
            return Reply::say("All sockets are already enabled.\n");
        }
        (Reception::Paused, FrontendOrder::Disable) => {
            return Reply::say("All sockets are already disabled.\n");
        }
        (_, FrontendOrder::Enable) => Reception::Open,
        (_, FrontendOrder::Disable) => Reception::Paused,
        (_, FrontendOrder::Shutdown) => Reception::Stopped,
    };
    live.set_reception(wanted);
    match wanted {
        Reception::Open => control.sockets.resume(&snapshot.config, |frontend| frontend == at),
        Reception::Paused | Reception::Suspended | Reception::Stopped => {
            control.sockets.pause(&snapshot.config, |frontend| frontend == at);
        }
    }
    control.publish(snapshot.with_listeners(listeners(control, &snapshot)));
    tell(control, &snapshot, at, wanted);
    Reply::done()
}

/// The sockets of the frontends that are open; without one a worker lets go of it.
fn listeners(
    control: &Control,
    snapshot: &Snapshot,
) -> Vec<Vec<Option<std::sync::Arc<crate::state::Listener>>>> {
    let mut all = control.sockets.laid_out(&snapshot.config);
    for (binds, live) in all.iter_mut().zip(&snapshot.frontends) {
        if live.reception() != Reception::Open {
            binds.fill(None);
        }
    }
    all
}

fn tell(control: &Control, snapshot: &Snapshot, at: usize, reception: Reception) {
    let frontend = &snapshot.config.frontends[at];
    let kind = if frontend.is_listen { ProxyKind::Proxy } else { ProxyKind::Frontend };
    let said = match reception {
        Reception::Open => event::resumed(kind, &frontend.name),
        Reception::Paused | Reception::Suspended => event::paused(kind, &frontend.name),
        Reception::Stopped => {
            let total =
                |id: crate::config::model::BackendId| snapshot.backends[id.0].live.traffic.total.sum();
            let back = snapshot.backend(&frontend.name).filter(|_| frontend.is_listen).map_or(0, total);
            event::proxy_stopped(&frontend.name, snapshot.frontends[at].traffic.total.sum(), back)
        }
    };
    control.tell(&frontend.log.targets, said);
}

/// `set maxconn` and `set rate-limit`: in force until the next reload, but for the rates, which are no part of
/// any config.
pub(super) fn limit(control: &mut Control, limit: Limit, value: Result<u32, Fault>) -> Reply {
    let result = match limit {
        Limit::Frontend(name) => frontend(control, &name, value),
        Limit::Global => global(control, value),
        Limit::Server(name) => servers::set_maxconn(control, &name, value),
        Limit::ConnectionRate => rate(control, 0, value),
        Limit::SessionRate => rate(control, 1, value),
    };
    // Whoever waits for a place may find one now.
    control.workers.broadcast(|| Command::Admit);
    result.map_or_else(Reply::Text, |()| Reply::done())
}

fn frontend(control: &mut Control, name: &str, value: Result<u32, Fault>) -> Result<(), Fault> {
    let FrontendId(at) = control.published.load().frontend(name).ok_or(NO_FRONTEND)?;
    let value = value?;
    control.edit(|config| config.frontends[at].maxconn = value);
    Ok(())
}

/// 0 is the config's own.
fn global(control: &mut Control, value: Result<u32, Fault>) -> Result<(), Fault> {
    let hard = control.hard_maxconn;
    let value = match value? {
        0 => hard,
        value if value > hard => return Err("Value out of range.\n".to_owned()),
        value => value,
    };
    control.edit(|config| config.global.maxconn = Some(value));
    Ok(())
}

fn rate(control: &Control, which: usize, value: Result<u32, Fault>) -> Result<(), Fault> {
    control.published.load().process.rate_limits[which].store(value?, Relaxed);
    Ok(())
}
