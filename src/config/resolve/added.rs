//! The server of an `add server`: as one of a file, but that nothing can be fetched for it any more.

use super::Resolver;
use crate::config::ast::{self, Proxy};
use crate::config::model::{Config, Server};
use crate::config::parser::context::Context;
use crate::config::source::Sources;

/// What a line makes.
#[derive(Debug)]
pub struct Added {
    pub server: Server,
    /// The files that the line names and the config does not.
    pub pems: Vec<String>,
    /// The hosts whose addresses would have to be looked up.
    pub hosts: Vec<String>,
}

/// The server that a line of `proxy`, a backend of `config`, makes, with that number.
pub fn added_server(
    config: &Config,
    (proxy, written, number): (&Proxy, &ast::Server, u32),
    sources: &Sources,
    context: &mut Context<'_>,
) -> Added {
    let mut resolver = Resolver::new(sources, context);
    resolver.tls = config.presets.tls.clone();
    let backend = config.backends.iter().find(|backend| backend.name == proxy.name.value);
    let check = backend.map(|backend| backend.check.clone()).unwrap_or_default();
    let mut server = resolver.server(proxy, written, number, &check);
    server.source = server.source.or_else(|| backend?.source);
    if let Some(check) = &mut server.check {
        // What clients get is nothing that checks would have without `check-send-proxy`, unlike in a file.
        check.send_proxy = check.send_proxy.filter(|_| written.settings.check_send_proxy);
    }
    let (pems, hosts) = (resolver.pems.into_iter().collect(), resolver.hosts.into_iter().collect());
    Added { server, pems, hosts }
}
