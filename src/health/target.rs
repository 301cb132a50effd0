//! Where checks go: a server's line in, the place of its checks and what their connections begin with out.
//!
//! A line's `addr` and `port` come before the server's own address, a script's `connect addr` and `port` before
//! both. Whether there is a PROXY header, and whether a SOCKS4 proxy is on the way, is the line's word
//! (`check-send-proxy`, `check-via-socks4`) where a script does not say `connect send-proxy` or `via-socks4`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::probe::ProbeError;
use crate::config::model::{
    CheckConnect, CheckHeader, CheckWay, SendProxy, Server, ServerAddress, ServerPort,
};

/// Where a server is checked, before a script's own `connect port` and `addr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Tcp {
        ip: IpAddr,
        port: Option<u16>,
        source: Option<IpAddr>,
        interface: Option<Arc<str>>,
        greeting: Greeting,
    },
    /// A path, or an abstract name with a NUL in front.
    Unix {
        path: PathBuf,
        greeting: Greeting,
    },
    None,
}

/// What connections of checks begin with: a SOCKS4 proxy on the way, and a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// The header where the script leaves it to the server line.
    own: Option<SendProxy>,
    /// Where the script asks for one.
    asked: SendProxy,
    /// The proxy of the server line; `None`: it has none.
    proxy: Option<SocketAddr>,
    /// Whether checks go through it where the script leaves it to the server line.
    via: bool,
}

impl Greeting {
    /// None but where a script asks for one.
    pub const NONE: Greeting = Greeting { own: None, asked: SendProxy::V1, proxy: None, via: false };

    /// That of an agent: no header, whatever the server line says.
    pub fn of_agent(server: &Server) -> Greeting {
        Greeting { proxy: server.socks4, via: server.check_via_socks4, ..Greeting::NONE }
    }

    pub(super) fn proxy(self, way: CheckWay) -> Option<SocketAddr> {
        match way {
            CheckWay::Direct => None,
            CheckWay::AsServer => self.proxy.filter(|_| self.via),
            CheckWay::Socks4 => self.proxy,
        }
    }

    pub(super) fn form(self, header: CheckHeader) -> Option<SendProxy> {
        match header {
            CheckHeader::Never => None,
            CheckHeader::AsServer => self.own,
            CheckHeader::Always => Some(self.asked),
        }
    }
}

impl Target {
    /// The server's address, with `addr` and `port` of its line put over it.
    pub fn of(server: &Server) -> Target {
        let check = server.check.as_ref();
        let (addr, port) = check.map_or((None, None), |check| (check.addr, check.port));
        let greeting = Greeting {
            own: check.map_or(server.send_proxy, |check| check.send_proxy),
            asked: server.send_proxy.unwrap_or(SendProxy::V1),
            ..Greeting::of_agent(server)
        };
        match &server.address {
            Some(ServerAddress::Ip { ip, port: own }) => {
                let own = match own {
                    ServerPort::Fixed(port) => Some(*port),
                    ServerPort::Mapped(_) => None,
                };
                let (ip, port) = (addr.unwrap_or(*ip), port.or(own));
                Target::Tcp {
                    ip,
                    port,
                    source: server.source,
                    interface: server.leaves.interface.clone(),
                    greeting,
                }
            }
            Some(ServerAddress::Unix(path)) => Target::Unix { path: path.clone(), greeting },
            Some(ServerAddress::Abstract(name)) => {
                Target::Unix { path: PathBuf::from(format!("\0{name}")), greeting }
            }
            None => Target::None,
        }
    }

    /// Where a connection of the script is to end; `None` is a unix socket.
    pub(super) fn place(&self, how: &CheckConnect) -> Result<Option<SocketAddr>, ProbeError> {
        let Target::Tcp { ip, port, .. } = self else { return Ok(None) };
        let port = how.port.or(*port).ok_or(ProbeError::NoPort)?;
        Ok(Some(SocketAddr::new(how.addr.unwrap_or(*ip), port)))
    }

    pub(super) fn greeting(&self) -> Greeting {
        match self {
            Target::Tcp { greeting, .. } | Target::Unix { greeting, .. } => *greeting,
            Target::None => Greeting::NONE,
        }
    }
}
