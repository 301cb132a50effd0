//! What a check may say of the server that it asks: `X-Haproxy-Server-State` of `http-check send-state`, and
//! whether the server serves, on which the meaning of a 404 depends (`http-check disable-on-404`).

use std::path::Path;

use super::job::Job;
use super::probe::Target;
use super::rise_fall::Counter;
use super::tcp_check::{Bystander, Present};
use crate::state::{Health, Operation, ServerLive, Snapshot};

/// How the server of `job` stands in the published snapshot.
pub(super) fn bystander(job: &Job, live: &ServerLive, snapshot: &Snapshot) -> Bystander {
    let stopped = live.operation() == Operation::Stopped;
    let present = if stopped { Present::Stopped } else { Present::Serving };
    let Some(view) = snapshot.backends.iter().find(|view| view.live.key == job.backend) else {
        return Bystander { present, announced: String::new() };
    };
    let (address, port) = place(&job.target);
    let usable = view.servers.iter().filter(|server| server.unselectable(false).is_none());
    let total: u32 = usable.map(|server| server.weight()).sum();
    let node = snapshot.config.global.node.clone().unwrap_or_else(hostname);
    let announced = format!(
        "{}; address={address}; port={port}; name={}/{}; node={node}; weight={}/{total}; scur={}/{}; qcur={}",
        word(live.operation(), &live.health()),
        job.backend_name,
        job.server_name,
        live.weight(),
        live.traffic.sessions.now(),
        view.live.traffic.sessions.now(),
        live.queued.now(),
    );
    Bystander { present, announced }
}

/// A machine without a name is called so: the header says less then.
fn hostname() -> String {
    let name = nix::unistd::gethostname();
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `UP`, `UP 1/3`, `NOLB 2/3`, `DOWN 1/2`, `DOWN`
fn word(operation: Operation, health: &Health) -> String {
    let counter = Counter { value: health.counter, rise: health.rise, fall: health.fall };
    let name = match operation {
        Operation::Stopped => "DOWN",
        Operation::Stopping => "NOLB",
        Operation::Starting | Operation::Running => "UP",
    };
    if counter.value == 0 || counter.value == counter.top() {
        return name.to_owned();
    }
    let (at, of) = counter.shown();
    format!("{name} {at}/{of}")
}

fn place(target: &Target) -> (String, String) {
    match target {
        Target::Tcp { ip, port, .. } => {
            (ip.to_string(), port.map(|port| port.to_string()).unwrap_or_default())
        }
        Target::Unix(path) => (Path::display(path).to_string(), "unix".to_owned()),
        Target::None => Default::default(),
    }
}
