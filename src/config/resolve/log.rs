//! Log targets: addresses looked up, `log global` replaced by what it stands for.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Resolver;
use super::hosts::Found;
use crate::config::ast::{self, LogLine, Settings};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{LogAddress, LogTarget};
use crate::config::parser::address::{Address, Ports};
use crate::config::source::Span;

/// Syslog's port.
const SYSLOG: u16 = 514;

impl Resolver<'_, '_> {
    /// The targets of a proxy, each once.
    pub(super) fn log_targets(&mut self, settings: &Settings, user: Span) -> Vec<LogTarget> {
        let mut targets: Vec<LogTarget> = Vec::new();
        for line in settings.log.iter() {
            let cost = match line {
                LogLine::Global => self.global_log.len(),
                LogLine::Target(_) => 1,
            };
            if !self.context.inherit(cost * size_of::<LogTarget>(), user) {
                break;
            }
            match line {
                LogLine::Global => targets.extend(self.global_log.iter().cloned()),
                LogLine::Target(target) => targets.extend(self.log_target(target)),
            }
        }
        let mut seen = std::collections::HashSet::new();
        targets.retain(|target| seen.insert(target.clone()));
        targets
    }

    /// One target; `None` if it is wanted or, once reported, wrong.
    pub(super) fn log_target(&mut self, target: &ast::LogTarget) -> Option<LogTarget> {
        let address = match &target.address.value {
            ast::LogAddress::Stdout => LogAddress::Stdout,
            ast::LogAddress::Stderr => LogAddress::Stderr,
            ast::LogAddress::Address(address) => self.log_address(address, target.address.span)?,
        };
        Some(LogTarget {
            address,
            length: target.length,
            framing: target.framing,
            sampling: target.sampling.clone(),
            facility: target.facility,
            max_level: target.max_level,
            min_level: target.min_level,
        })
    }

    fn log_address(&mut self, address: &Address, span: Span) -> Option<LogAddress> {
        let (host, ports) = match address {
            Address::Unix(path) => return Some(LogAddress::Unix(PathBuf::from(path))),
            Address::Fd(fd) => return Some(LogAddress::Fd(*fd)),
            Address::Abstract(_) | Address::Sentinels(_) => return None,
            Address::Inet { host, ports } => (host, *ports),
        };
        let port = match ports {
            Ports::Missing => SYSLOG,
            Ports::Range { first, last } if first == last => first,
            Ports::Range { .. } | Ports::Offset(_) => {
                self.context.error(span, "log : port range not permitted here");
                return None;
            }
        };
        match self.host(host) {
            Found::At(ip) => Some(LogAddress::Udp(SocketAddr::new(ip, port))),
            Found::NotYet => None,
            Found::Nowhere => {
                let message = format!("log : invalid address: '{}' does not resolve", host.name());
                self.context
                    .report(Diagnostic::error(span, message).help("check the name, or write its IP address"));
                None
            }
        }
    }
}
