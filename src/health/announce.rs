//! What a check may say of the server that it asks: its name and its backend's, `X-Haproxy-Server-State` of `http-check send-state`, and
//! whether the server serves, on which the meaning of a 404 depends (`http-check disable-on-404`).

use std::path::Path;

use super::job::Job;
use super::probe::Target;
use super::rise_fall::Counter;
use super::tcp_check::{Bystander, Named, Present};
use crate::state::{Health, Operation, ServerLive, Snapshot};

/// How the server of `job` stands in the published snapshot.
pub(super) fn bystander(job: &Job, live: &ServerLive, snapshot: &Snapshot) -> Bystander {
    let stopped = live.operation() == Operation::Stopped;
    let present = if stopped { Present::Stopped } else { Present::Serving };
    let at = snapshot.backends.iter().position(|view| view.live.key == job.subject.backend);
    // A reload is about to end this check.
    let Some(at) = at else { return Bystander { present, ..Bystander::default() } };
    let view = &snapshot.backends[at];
    let config = &snapshot.config.backends[at];
    let server = view.position(job.subject.server).and_then(|at| config.servers.get(at));
    let (address, port) = place(&job.target);
    let usable = view.servers.iter().filter(|server| server.unselectable(false).is_none());
    let total: u32 = usable.map(|server| server.weight()).sum();
    let node = snapshot.config.global.node.clone().unwrap_or_else(hostname);
    let announced = format!(
        "{}; address={address}; port={port}; name={}/{}; node={node}; weight={}/{total}; scur={}/{}; qcur={}",
        word(live.operation(), &live.health()),
        job.subject.backend_name,
        job.subject.server_name,
        live.weight(),
        live.traffic.sessions.now(),
        view.live.traffic.sessions.now(),
        live.queued.now(),
    );
    let backend = Named { name: job.subject.backend_name.clone(), id: config.proxy_id };
    let id = server.map_or(0, |server| server.id);
    let server = Named { name: job.subject.server_name.clone(), id };
    Bystander { backend, server, present, announced }
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
        Target::Unix { path, .. } => (Path::display(path).to_string(), "unix".to_owned()),
        Target::None => Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::config::model::{
        Backend, CheckMethod, Global, Server, ServerAddress, ServerCheck, ServerPort,
    };
    use crate::health::job::jobs;
    use crate::state::Guarding;
    use crate::time::Tick;

    #[test]
    fn a_server_is_described_as_haproxy_does() {
        let server = |name: &str| Server {
            name: name.to_owned(),
            address: Some(ServerAddress::Ip { ip: [127, 0, 0, 1].into(), port: ServerPort::Fixed(6379) }),
            check: Some(ServerCheck { rise: 2, fall: 3, ..ServerCheck::default() }),
            weight: 3,
            ..Server::default()
        };
        let backend = Backend {
            name: "b".to_owned(),
            servers: vec![server("s"), server("t")],
            check: CheckMethod::Builtin(Vec::new()),
            ..Backend::default()
        };
        let global = Global { node: Some("n1".to_owned()), ..Global::default() };
        let config = Arc::new(Config { global, backends: vec![backend], ..Config::default() });
        let snapshot =
            Snapshot::build(config, Vec::new(), &[Guarding::None], &Snapshot::empty(1), Tick::now());
        let job = &jobs(&snapshot)[0];
        let live = &snapshot.backends[0].servers[0];
        let rest = "address=127.0.0.1; port=6379; name=b/s; node=n1";
        for (operation, counter, total, expected, present) in [
            (Operation::Running, 2, 6, "UP 1/3", Present::Serving),
            (Operation::Running, 4, 6, "UP", Present::Serving),
            (Operation::Stopping, 3, 3, "NOLB 2/3", Present::Serving),
            (Operation::Stopped, 0, 3, "DOWN", Present::Stopped),
            (Operation::Stopped, 1, 3, "DOWN 1/2", Present::Stopped),
        ] {
            live.set_operation(operation);
            live.update_health(|health| health.counter = counter);
            let announced = format!("{expected}; {rest}; weight=3/{total}; scur=0/0; qcur=0");
            let found = bystander(job, live, &snapshot);
            assert_eq!((found.present, found.announced), (present, announced));
            assert_eq!((found.backend.name.as_str(), found.server.name.as_str()), ("b", "s"));
        }
    }
}
