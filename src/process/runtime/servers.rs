//! What is done to servers: `set server`, `set weight`, `set redis guard`.
//!
//! Administrative states, weights and forced health are atomics of the live server, so new sessions obey at once and
//! a reload keeps them. An address or a limit is the config's: it changes with an edited config, and a reload reads
//! the files again.

use std::net::IpAddr;
use std::sync::Arc;

use super::maintenance::StateChange;
use crate::api::Reply;
use crate::api::request::{Address, Fault, Forced, ServerName, ServerOrder, State, Switch, Weight};
use crate::config::model::{
    Backend, BackendId, Balance, GuardMode, HashMethod, Server, ServerAddress, ServerPort,
};
use crate::process::control::Control;
use crate::state::event::{ServerChange, ServerEvent};
use crate::state::{BackendView, Command, Operation, ServerLive, Snapshot, admin, is_meant};
use crate::time::Tick;

/// Where a server stands in a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) backend: usize,
    pub(super) server: usize,
}

/// The server of that name or number, or HAProxy's complaint.
pub(super) fn find(snapshot: &Snapshot, name: &ServerName) -> Result<Place, Fault> {
    let BackendId(backend) = snapshot.backend(&name.backend).ok_or("No such backend.\n")?;
    let servers = &snapshot.config.backends[backend].servers;
    let meant = |server: &Server| is_meant(&name.server, &server.name, server.id);
    let server = servers.iter().position(meant).ok_or("No such server.\n")?;
    Ok(Place { backend, server })
}

/// `get weight`
pub(super) fn weight(snapshot: &Snapshot, name: &ServerName) -> String {
    match find(snapshot, name) {
        Ok(Place { backend, server }) => {
            let initial = snapshot.config.backends[backend].servers[server].weight;
            format!("{} (initial {initial})\n", snapshot.backends[backend].servers[server].weight())
        }
        Err(fault) => fault,
    }
}

/// Whatever is to become of a server.
pub(super) fn order(control: &mut Control, name: &ServerName, order: Result<ServerOrder, Fault>) -> Reply {
    let snapshot = control.published.load_full();
    let done = find(&snapshot, name).and_then(|place| {
        let order = order?;
        let subject = Subject::of(&snapshot, place);
        match order {
            ServerOrder::State(state) => subject.set_state(control, state),
            ServerOrder::Health(forced) => subject.force(control, forced),
            ServerOrder::Weight(weight) => {
                return subject.set_weight(control, weight).map(|()| String::new());
            }
            ServerOrder::Checks(switch) => return subject.switch_checks(control, switch),
            ServerOrder::Agent(change) => return super::agents::change(control, subject, change),
            ServerOrder::Fqdn(name) => return super::fqdn::rename(control, subject, &name),
            ServerOrder::Address(address) => return move_to(control, subject, &address),
            ServerOrder::Tls(switch) => return super::tls::switch(control, subject, switch),
            ServerOrder::CheckPort(port) => return subject.set_check(control, (None, Some(port))),
            ServerOrder::CheckAddress(ip, port) => return subject.set_check(control, (Some(ip), port)),
        }
        Ok(String::new())
    });
    Reply::Text(done.unwrap_or_else(|fault| fault))
}

/// `set maxconn server`
pub(super) fn set_maxconn(
    control: &mut Control,
    name: &ServerName,
    value: Result<u32, Fault>,
) -> Result<(), Fault> {
    let Place { backend, server } = find(&control.published.load(), name)?;
    let value = value?;
    control.edit(|config| config.backends[backend].servers[server].maxconn = value);
    control.workers.broadcast(|| Command::Reconsider);
    Ok(())
}

/// `set redis guard`: until the next reload.
pub(super) fn set_guard(control: &mut Control, name: &str, mode: Result<GuardMode, Fault>) -> String {
    let Some(BackendId(at)) = control.published.load().backend(name) else {
        return "No such backend.\n".to_owned();
    };
    match mode {
        Ok(mode) => {
            control.edit(|config| config.backends[at].redis.guard = mode);
            control.workers.broadcast(|| Command::Reconsider);
            String::new()
        }
        Err(fault) => fault,
    }
}

/// A server with everything around it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) place: Place,
    pub(super) backend: &'a Backend,
    pub(super) config: &'a Server,
    pub(super) view: &'a BackendView,
    pub(super) live: &'a Arc<ServerLive>,
}

impl<'a> Subject<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, place: Place) -> Subject<'a> {
        let (backend, view) = (&snapshot.config.backends[place.backend], &snapshot.backends[place.backend]);
        Subject {
            place,
            backend,
            config: &backend.servers[place.server],
            view,
            live: &view.servers[place.server],
        }
    }

    pub(super) fn admin(self) -> u8 {
        self.live.admin()
    }

    /// Whether that is not so yet.
    pub(super) fn would_change(self, state: State) -> bool {
        let was = self.live.admin();
        bits_after(was, state) != was
    }

    pub(super) fn set_state(self, control: &Control, state: State) {
        self.set_bits(control, bits_after(self.live.admin(), state));
    }

    /// What the operator wants of it, with all that follows.
    pub(super) fn set_bits(self, control: &Control, is: u8) {
        let was = self.live.admin();
        let has = |bits: u8, mask: u8| bits & mask != 0;
        match (has(was, admin::MAINT), has(is, admin::MAINT)) {
            (false, true) => self.enter_maintenance(control, is),
            (true, false) => self.leave_maintenance(control, is),
            (true, true) => {
                self.live.set_admin(is);
            }
            (false, false) => {
                let drains = has(is, admin::DRAIN);
                let change = if drains { StateChange::IntoDrain } else { StateChange::OutOfDrain };
                self.change(control, change, || {
                    self.live.set_admin(is);
                });
            }
        }
        self.changed(control);
    }

    /// Its next check starts from there.
    pub(super) fn force(self, control: &Control, forced: Forced) {
        let operation = match forced {
            Forced::Up => Operation::Running,
            Forced::Stopping => Operation::Stopping,
            Forced::Down => Operation::Stopped,
        };
        if self.live.admin() & admin::MAINT != 0 {
            return;
        }
        self.live.update_health(|health| {
            health.counter =
                if forced == Forced::Down { 0 } else { (health.rise + health.fall).saturating_sub(1) };
        });
        self.turn_by_hand(control, operation);
    }

    /// The operator has the server in that state, whatever checks and agents have found.
    pub(super) fn turn_by_hand(self, control: &Control, operation: Operation) {
        if self.live.admin() & admin::MAINT != 0 {
            return;
        }
        let now = Tick::now();
        let was = self.live.operation();
        if was == operation {
            return self.heeded(control);
        }
        self.live.update_health(|health| {
            if was == Operation::Stopped {
                health.downtime_ms += now.since(health.last_change).as_millis() as u64;
            }
            health.last_change = now;
            health.down_transitions += u64::from(operation == Operation::Stopped);
        });
        self.change(control, StateChange::Forced(operation), || self.live.set_operation(operation));
        // The next check comes when it is due: asked at once, it would undo what the operator wants.
        self.heeded(control);
    }

    pub(super) fn set_weight(self, control: &Control, weight: Weight) -> Result<(), Fault> {
        let initial = self.config.weight;
        let weight = match weight {
            Weight::Absolute(weight) => weight,
            Weight::Percent(percent) => {
                u32::try_from(u64::from(initial) * u64::from(percent) / 100).unwrap_or(u32::MAX).min(256)
            }
        };
        let is_static = match self.backend.balance {
            Balance::Source(hashing) => hashing.method == HashMethod::MapBased,
            balance => balance == Balance::StaticRr,
        };
        if is_static && weight != 0 && weight != initial {
            return Err(STATIC.to_owned());
        }
        if weight == self.live.weight() {
            return Ok(());
        }
        self.change(control, StateChange::Weight, || self.live.set_weight(weight));
        self.changed(control);
        Ok(())
    }

    pub(super) fn switch_checks(self, control: &Control, switch: Switch) -> Result<String, Fault> {
        match (switch, &self.config.check) {
            (Switch::On, None) => {
                return Err("Health check was not configured on this server, cannot enable.\n".to_owned());
            }
            (switch, _) => self.live.set_checks_off(switch == Switch::Off),
        }
        control.checks.ask_now(self.live.key);
        Ok(String::new())
    }

    /// Port 0 is the server's own.
    fn set_check(
        self,
        control: &mut Control,
        (ip, port): (Option<IpAddr>, Option<u16>),
    ) -> Result<String, Fault> {
        if self.config.check.is_none() {
            return Err("health checks are not enabled on this server".to_owned());
        }
        let Place { backend, server } = self.place;
        control.edit(|config| {
            if let Some(check) = &mut config.backends[backend].servers[server].check {
                check.addr = ip.or(check.addr);
                check.port = port.map_or(check.port, |port| Some(port).filter(|port| *port != 0));
            }
        });
        Ok(String::new())
    }

    /// What follows from every change of a state: the guard, the checks, those who wait.
    fn changed(self, control: &Control) {
        self.heeded(control);
        control.checks.ask_now(self.live.key);
    }

    fn heeded(self, control: &Control) {
        if self.view.guarding.is_guarded() {
            control.tell_guards();
        }
        control.workers.broadcast(|| Command::Reconsider);
    }

    pub(super) fn tell(self, control: &Control, what: ServerChange) {
        let event = ServerEvent {
            backend: self.backend.name.clone(),
            server: self.config.name.clone(),
            backup: self.config.backup,
            what,
        };
        control.logger.server(self.backend, &event);
    }
}

const NO_FAMILY: &str =
    "Update for the current server address family is only supported through configuration file";

const STATIC: &str = "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.\n";

fn bits_after(was: u8, state: State) -> u8 {
    match state {
        State::Ready => was & !(admin::FORCED_MAINT | admin::FORCED_DRAIN),
        State::Drain => (was | admin::FORCED_DRAIN) & !admin::FORCED_MAINT,
        State::Maintenance => (was | admin::FORCED_MAINT) & !admin::FORCED_DRAIN,
    }
}

/// `set server ... addr`
fn move_to(control: &mut Control, subject: Subject<'_>, wanted: &Address) -> Result<String, Fault> {
    let Change { address, text } = change(subject.config, wanted)?;
    if let Some((ip, port)) = address {
        let Place { backend, server } = subject.place;
        let written = std::net::SocketAddr::new(
            ip,
            match port {
                ServerPort::Fixed(port) => port,
                ServerPort::Mapped(_) => 0,
            },
        )
        .to_string();
        control.edit(|config| {
            let server = &mut config.backends[backend].servers[server];
            server.address = Some(ServerAddress::Ip { ip, port });
            server.written_address.clone_from(&written);
        });
        subject.tell(control, ServerChange::Moved { to: written });
    }
    Ok(text)
}

/// What a wish for an address comes to, and HAProxy's sentence about it.
#[derive(Debug, PartialEq)]
struct Change {
    address: Option<(IpAddr, ServerPort)>,
    text: String,
}

fn change(server: &Server, wanted: &Address) -> Result<Change, Fault> {
    const BY: &str = "by 'stats socket command'\n";
    if let Some(slot) = &server.slot {
        return Err(format!(
            "The address comes from Sentinels ('{}') and cannot be changed.\n",
            slot.written()
        ));
    }
    if server.lookup.is_some() && server.address.is_none() {
        return Err(format!("{NO_FAMILY} {BY}"));
    }
    let (old_ip, old_port) = match &server.address {
        Some(ServerAddress::Ip { ip, port }) => (Some(*ip), *port),
        None => (None, ServerPort::Fixed(0)),
        Some(ServerAddress::Unix(_) | ServerAddress::Abstract(_)) => {
            return Err("The address of a unix socket cannot be changed.\n".to_owned());
        }
    };
    let Ok(ip) = wanted.ip.parse::<IpAddr>() else {
        return Err(format!("Invalid addr '{}' {BY}", wanted.ip));
    };
    let addr = match old_ip {
        Some(old) if old == ip => "no need to change the addr".to_owned(),
        old => {
            let old = old.map_or_else(|| "(none)".to_owned(), |old| old.to_string());
            format!("IP changed from '{old}' to '{ip}'")
        }
    };
    let Some(text) = &wanted.port else {
        let address = (old_ip != Some(ip)).then_some((ip, old_port));
        return Ok(Change { address, text: format!("{addr} {BY}") });
    };
    if text.starts_with(['+', '-']) {
        let why = "can't change <port> to port map because it is incompatible with current health check port \
                   configuration (use 'port' statement from the 'server' directive.";
        return Ok(Change { address: None, text: format!("{addr}, {why} {BY}") });
    }
    let Ok(port) = text.parse::<u16>() else {
        return Ok(Change {
            address: None,
            text: format!("{addr}, problem converting port '{text}' to an int {BY}"),
        });
    };
    let port = ServerPort::Fixed(port);
    if port == old_port {
        let address = (old_ip != Some(ip)).then_some((ip, port));
        return Ok(Change { address, text: format!("{addr}, no need to change the port {BY}") });
    }
    let shown = |port: ServerPort| match port {
        ServerPort::Fixed(port) => port.to_string(),
        ServerPort::Mapped(offset) => format!("{offset:+}"),
    };
    let text = format!("{addr}, port changed from '{}' to '{}' {BY}", shown(old_port), shown(port));
    Ok(Change { address: Some((ip, port)), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(ip: &str, port: Option<&str>) -> (bool, String) {
        let ip_now: IpAddr = "127.0.0.1".parse().unwrap();
        let address = Some(ServerAddress::Ip { ip: ip_now, port: ServerPort::Fixed(17321) });
        let server = Server { address, ..Server::default() };
        match change(&server, &Address { ip: ip.into(), port: port.map(Into::into) }) {
            Ok(change) => (change.address.is_some(), change.text),
            Err(fault) => (false, fault),
        }
    }

    /// Recorded from HAProxy 2.6.12.
    #[test]
    fn changes_of_an_address_are_told_in_haproxys_words() {
        let by = "by 'stats socket command'\n";
        for (ip, port, moves, text) in [
            ("foo", None, false, "Invalid addr 'foo'"),
            ("127.0.0.2", None, true, "IP changed from '127.0.0.1' to '127.0.0.2'"),
            (
                "127.0.0.1",
                Some("17322"),
                true,
                "no need to change the addr, port changed from '17321' to '17322'",
            ),
            (
                "127.0.0.2",
                Some("17322"),
                true,
                "IP changed from '127.0.0.1' to '127.0.0.2', port changed from '17321' to '17322'",
            ),
            ("127.0.0.1", Some("17321"), false, "no need to change the addr, no need to change the port"),
            (
                "127.0.0.2",
                Some("17321"),
                true,
                "IP changed from '127.0.0.1' to '127.0.0.2', no need to change the port",
            ),
            (
                "127.0.0.1",
                Some(""),
                false,
                "no need to change the addr, problem converting port '' to an int",
            ),
            (
                "127.0.0.1",
                Some("abc"),
                false,
                "no need to change the addr, problem converting port 'abc' to an int",
            ),
            ("127.0.0.1", None, false, "no need to change the addr"),
            ("::1", None, true, "IP changed from '127.0.0.1' to '::1'"),
        ] {
            assert_eq!(said(ip, port), (moves, format!("{text} {by}")), "{ip} {port:?}");
        }
    }
}
