//! Servers: addresses looked up, names told apart, ports of checks found.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::Resolver;
use super::hosts::Found;
use super::ids::server_numbers;
use crate::config::ast::{self, AsIfFrom, InitAddr, Proxy, ProxyFlags, ServerSettings, Spanned, Speaks};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{
    AgentCheck, CheckAction, CheckMethod, DISPATCH, Impersonated, InitState, IpFamily, Leaves, Lookup,
    Origin, ProxyFields, RiseFall, Secret, SendProxy, Server, ServerAddress, ServerCheck, ServerPort,
};
use crate::config::parser::address::{Address, Family, Host, Ports};
use crate::config::source::Span;

impl Resolver<'_, '_> {
    /// The servers of a backend, numbered from 1.
    pub(super) fn servers(&mut self, proxy: &Proxy, check: &CheckMethod) -> Vec<Server> {
        if let Some(dispatch) = &proxy.dispatch {
            match (proxy.settings.balance, proxy.servers.first()) {
                (None, None) => return vec![self.server(proxy, dispatch, 1, check)],
                (None, Some(server)) => self.idle_servers(proxy, dispatch, server),
                (Some(_), _) => self.idle_dispatch(proxy, dispatch),
            }
        }
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut servers = Vec::new();
        self.reused_numbers(proxy);
        for (server, number) in proxy.servers.iter().zip(server_numbers(&proxy.servers)) {
            if let Some(first) = first.get(server.name.value.as_str()) {
                self.duplicate_server(proxy, server, *first);
            } else {
                first.insert(&server.name.value, server.name.span);
            }
            servers.push(self.server(proxy, server, number, check));
        }
        servers
    }

    fn idle_dispatch(&mut self, proxy: &Proxy, dispatch: &ast::Server) {
        let message =
            format!("dispatch address of backend '{}' will be ignored in balance mode.", proxy.name.value);
        let warning = Diagnostic::warning(dispatch.name.span, message).heading(Heading::Bare);
        self.context.report(warning.help("leave 'balance' out, or 'dispatch'"));
    }

    /// HAProxy takes this, and sends these servers nothing.
    fn idle_servers(&mut self, proxy: &Proxy, dispatch: &ast::Server, server: &ast::Server) {
        let name = &proxy.name.value;
        let message = format!("'dispatch' of backend '{name}' leaves its servers without clients");
        self.context.report(
            Diagnostic::error(dispatch.name.span, message)
                .label(server.name.span, "the first of its servers")
                .help("leave 'dispatch' out, or the servers, or add 'balance' to use the servers"),
        );
    }

    fn duplicate_server(&mut self, proxy: &Proxy, server: &ast::Server, first: Span) {
        let (_, line) = self.sources.place(first);
        let message = format!(
            "proxy '{}', another server named '{}' was already defined at line {line}, please use distinct names.",
            proxy.name.value, server.name.value
        );
        self.context.report(
            Diagnostic::error(server.name.span, message)
                .label(first, "first defined here")
                .help("give one of them another name"),
        );
    }

    pub(super) fn server(
        &mut self,
        proxy: &Proxy,
        server: &ast::Server,
        id: u32,
        check: &CheckMethod,
    ) -> Server {
        let (settings, defaults) = (&server.settings, Server::default());
        let source = settings.source.as_ref().or(proxy.settings.source.as_ref());
        let leaves = source.map(|source| self.leaves(source, proxy, server)).unwrap_or_default();
        let source = source.and_then(|source| self.ip(&source.address, proxy, server));
        let tls = self.server_tls(proxy, server, check);
        self.protocols(proxy, server);
        Server {
            name: server.name.value.clone(),
            id,
            origin: Origin::Config,
            has_own_id: settings.id.is_some(),
            is_referenced: false,
            address: self.server_address(proxy, server),
            written_address: server.written_address.clone(),
            slot: match &server.address.value {
                Address::Sentinels(slot) => Some(slot.clone()),
                _ => None,
            },
            fqdn: fqdn(server),
            lookup: lookup(server),
            check: settings
                .check
                .then(|| ServerCheck { tls: tls.checks, ..self.server_check(proxy, server, check) }),
            agent: settings.agent.check.then(|| self.agent(proxy, server)),
            unchecked: rise_fall(settings),
            track: None,
            weight: settings.weight.unwrap_or(defaults.weight),
            backup: settings.backup,
            maxconn: settings.maxconn,
            minconn: settings.minconn,
            maxqueue: settings.maxqueue,
            disabled: settings.disabled,
            // Without checks nothing would bring it up.
            init_state: if settings.check { settings.init_state } else { InitState::default() },
            on_marked_down_shutdown_sessions: settings.shutdown_sessions,
            on_marked_up_shutdown_backup_sessions: settings.shutdown_backup_sessions,
            observe_layer4: settings.observe_layer4,
            error_limit: settings.error_limit.unwrap_or(defaults.error_limit),
            on_error: settings.on_error,
            slowstart: settings.slowstart,
            source: source.filter(|ip| !ip.is_unspecified()),
            leaves,
            tcp_ut: settings.tcp_ut,
            tls: tls.traffic,
            tls_ready: tls.ready,
            tls_declined: settings.tls.traffic == Speaks::Plain,
            cookie: settings.cookie.clone(),
            send_proxy: send_proxy(settings),
            socks4: self.socks4(proxy, server),
            check_via_socks4: settings.check_via_socks4,
        }
    }

    fn server_address(&mut self, proxy: &Proxy, server: &ast::Server) -> Option<ServerAddress> {
        let (host, ports) = match &server.address.value {
            Address::Unix(path) => return Some(ServerAddress::Unix(PathBuf::from(path))),
            Address::Abstract(name) => return Some(ServerAddress::Abstract(name.clone())),
            Address::Fd(_) | Address::Sentinels(_) => return None,
            Address::Inet { host, ports } => (host, *ports),
        };
        let ip = self.initial_ip(host, proxy, server)?;
        Some(ServerAddress::Ip { ip, port: port(ports) })
    }

    /// The address of a server's host by the first method of `init-addr` that knows one (section 5.2).
    fn initial_ip(&mut self, host: &Host, proxy: &Proxy, server: &ast::Server) -> Option<IpAddr> {
        let Host::Name(name, _) = host else { return host.literal() };
        let asks_the_system = [InitAddr::Last, InitAddr::Libc, InitAddr::None];
        let methods = match server.settings.init_addr.as_slice() {
            // Who asks name servers later may do without an answer now (section 5.3).
            [] if server.settings.resolvers.is_some() => asks_the_system.as_slice(),
            [] => &asks_the_system[..2],
            methods => methods,
        };
        // Such a name stands for SRV records, which the system's resolver is not asked for.
        let service = is_service(name);
        if service && server.settings.resolvers.is_some() {
            return None;
        }
        let mut tried = false;
        for method in methods {
            match method {
                InitAddr::Libc if !service => match self.host(host) {
                    Found::At(ip) => return Some(ip),
                    Found::NotYet => return None,
                    Found::Nowhere => tried = true,
                },
                InitAddr::Last | InitAddr::Libc => {}
                InitAddr::None => {
                    if tried {
                        self.tell_unresolved(proxy, server, name, Fate::Disabled);
                    }
                    return None;
                }
                InitAddr::Ip(ip) => {
                    if tried {
                        self.tell_unresolved(proxy, server, name, Fate::FallsBack);
                    }
                    return Some(*ip);
                }
            }
        }
        let optional = proxy.settings.disabled || self.bundle.ignore_unresolved;
        let fate = match (optional, tried) {
            (true, _) => Fate::Disabled,
            (false, true) => Fate::Refused,
            (false, false) => Fate::NoMethod,
        };
        self.tell_unresolved(proxy, server, name, fate);
        None
    }

    fn tell_unresolved(&mut self, proxy: &Proxy, server: &ast::Server, host: &str, fate: Fate) {
        let subject = match server.name.value.as_str() {
            DISPATCH => "'dispatch'".to_owned(),
            name => format!("'server {}/{name}'", proxy.name.value),
        };
        let message = format!("{subject} : could not resolve address '{host}'");
        let span = server.address.span;
        let help = "check the name, write its IP address, or add 'init-addr last,libc,none'";
        let diagnostic = match fate {
            Fate::Disabled => Diagnostic::warning(span, format!("{message}, disabling server.")),
            Fate::FallsBack => {
                Diagnostic::warning(span, format!("{message}, falling back to configured address."))
            }
            Fate::Refused => Diagnostic::error(span, format!("{message}.")).help(help),
            Fate::NoMethod => {
                let message = format!("{subject} : no method found to resolve address '{host}'.");
                Diagnostic::error(span, message).help(help)
            }
        };
        self.context.report(diagnostic.heading(Heading::Place));
    }

    fn server_check(&mut self, proxy: &Proxy, server: &ast::Server, method: &CheckMethod) -> ServerCheck {
        let settings = &server.settings;
        let defaults = ServerCheck::default();
        let mapped =
            matches!(server.address.value, Address::Inet { ports: Ports::Missing | Ports::Offset(_), .. });
        // The records tell the port.
        let told = settings.resolvers.is_some();
        // Nobody can listen at any address there is: HAProxy lets such a line pass, and the check fails.
        let nowhere = matches!(
            &server.address.value,
            Address::Inet { host, .. } if host.literal().is_some_and(|ip| ip.is_unspecified())
        );
        if mapped
            && !told
            && !nowhere
            && !proxy.settings.disabled
            && settings.check_port.is_none()
            && !connects_to_a_port(method)
        {
            let message = format!(
                "proxy '{}': server '{}' has neither service port nor check port.",
                proxy.name.value, server.name.value
            );
            self.context.report(
                Diagnostic::error(server.address.span, message)
                    .heading(Heading::Bare)
                    .help("add a port to the address, for example ':6379', or 'port N' for the check"),
            );
        }
        ServerCheck {
            inter: settings.inter.unwrap_or(defaults.inter),
            fastinter: settings.fastinter,
            downinter: settings.downinter,
            rise: rise_fall(settings).rise,
            fall: rise_fall(settings).fall,
            addr: settings.check_addr.as_ref().and_then(|address| self.ip(address, proxy, server)),
            port: settings.check_port,
            send_proxy: check_header(settings),
            tls: None,
        }
    }

    /// `addr` and `port` are the agent's too where it has none of its own, as in HAProxy.
    fn agent(&mut self, proxy: &Proxy, server: &ast::Server) -> AgentCheck {
        let settings = &server.settings;
        let agent = &settings.agent;
        let addr = agent.addr.as_ref().or(settings.check_addr.as_ref());
        AgentCheck {
            inter: agent.inter.unwrap_or(ServerCheck::default().inter),
            addr: addr.and_then(|address| self.ip(address, proxy, server)),
            port: agent.port.or(settings.check_port).unwrap_or(0),
            send: agent.send.clone().unwrap_or_else(|| Secret::new([])),
        }
    }

    /// What `source` says besides the address.
    fn leaves(&mut self, source: &ast::Source, proxy: &Proxy, server: &ast::Server) -> Leaves {
        let as_if_from = match &source.as_if_from {
            None => None,
            Some(AsIfFrom::Client) => Some(Impersonated::Client),
            Some(AsIfFrom::ClientIp) => Some(Impersonated::ClientIp),
            Some(AsIfFrom::Address(address)) => self.ip(address, proxy, server).map(|ip| {
                let port = ports(&address.value).map_or(0, |(first, _)| first);
                Impersonated::Address((ip, port).into())
            }),
        };
        Leaves {
            ports: ports(&source.address.value),
            interface: source.interface.as_deref().map(Arc::from),
            as_if_from,
        }
    }

    fn socks4(&mut self, proxy: &Proxy, server: &ast::Server) -> Option<SocketAddr> {
        let address = server.settings.socks4.as_ref()?;
        let (port, _) = ports(&address.value)?;
        Some(SocketAddr::new(self.ip(address, proxy, server)?, port))
    }

    /// The address of an option that needs no port.
    fn ip(&mut self, address: &Spanned<Address>, proxy: &Proxy, server: &ast::Server) -> Option<IpAddr> {
        let Address::Inet { host, .. } = &address.value else { return None };
        match self.host(host) {
            Found::At(ip) => Some(ip),
            Found::NotYet => None,
            Found::Nowhere => {
                let message = format!(
                    "'server {}/{}' : could not resolve address '{}'.",
                    proxy.name.value,
                    server.name.value,
                    host.name()
                );
                self.context.report(Diagnostic::error(address.span, message).heading(Heading::Place));
                None
            }
        }
    }
}

fn rise_fall(settings: &ServerSettings) -> RiseFall {
    let defaults = RiseFall::default();
    RiseFall { rise: settings.rise.unwrap_or(defaults.rise), fall: settings.fall.unwrap_or(defaults.fall) }
}

/// Names that begin so are those of SRV records (RFC 2782).
fn is_service(name: &str) -> bool {
    name.starts_with('_')
}

fn host_name(server: &ast::Server) -> Option<(&str, Family, ServerPort)> {
    let Address::Inet { host: Host::Name(name, family), ports } = &server.address.value else { return None };
    Some((name, *family, port(*ports)))
}

fn fqdn(server: &ast::Server) -> Option<String> {
    host_name(server).map(|(name, ..)| name.to_owned()).filter(|name| !is_service(name))
}

/// What keeps its address up to date.
fn lookup(server: &ast::Server) -> Option<Lookup> {
    let settings = &server.settings;
    let resolvers = settings.resolvers.as_ref()?.value.clone();
    let (name, family, port) = host_name(server)?;
    Some(Lookup {
        resolvers,
        service: Some(name.to_owned()).filter(|name| is_service(name)),
        prefer: match family {
            Family::V4 => IpFamily::V4,
            Family::V6 => IpFamily::V6,
            Family::Either => settings.resolve_prefer,
        },
        duplicates: settings.duplicates,
        weights: settings.record_weights,
        networks: settings.resolve_net.clone(),
        // The record's, once it is known.
        port: if is_service(name) { ServerPort::Fixed(0) } else { port },
        told: false,
    })
}

/// The ports behind an address, if there are any.
fn ports(address: &Address) -> Option<(u16, u16)> {
    match address {
        Address::Inet { ports: Ports::Range { first, last }, .. } if *first > 0 => Some((*first, *last)),
        _ => None,
    }
}

fn port(ports: Ports) -> ServerPort {
    match ports {
        Ports::Range { first, .. } => ServerPort::Fixed(first),
        Ports::Offset(offset) => ServerPort::Mapped(offset),
        Ports::Missing => ServerPort::Mapped(0),
    }
}

/// Version 2 where both are asked for, as in HAProxy.
fn send_proxy(settings: &ServerSettings) -> Option<SendProxy> {
    match settings.send_proxy {
        ProxyFlags { v2: true, ssl, .. } => {
            let fields = settings.proxy_fields;
            Some(SendProxy::V2(ProxyFields { ssl: ssl || fields.ssl, ..fields }))
        }
        ProxyFlags { v1: true, .. } => Some(SendProxy::V1),
        _ => None,
    }
}

/// What a check begins with: what sessions begin with, unless it goes to a place of its own.
fn check_header(settings: &ServerSettings) -> Option<SendProxy> {
    let form = send_proxy(settings);
    let elsewhere = settings.check_port.is_some() || settings.check_addr.is_some();
    match settings.check_send_proxy {
        true => Some(form.unwrap_or(SendProxy::V1)),
        false => form.filter(|_| !elsewhere),
    }
}

/// What becomes of a server whose name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It stays in maintenance.
    Disabled,
    /// It gets the address that `init-addr` gives.
    FallsBack,
    Refused,
    /// `init-addr` leaves no way to look the name up.
    NoMethod,
}

/// Whether every check says itself which port it goes to.
fn connects_to_a_port(method: &CheckMethod) -> bool {
    let (CheckMethod::TcpCheck(rules) | CheckMethod::Builtin(rules)) = method else { return false };
    let mut connects = rules.iter().filter_map(|rule| match &rule.action {
        CheckAction::Connect(connect) => Some(connect.port.is_some()),
        _ => None,
    });
    connects.next().is_some_and(|first| first && connects.all(|port| port))
}
