//! What servers are to be spoken to with (`proto`, `check-proto`): a line that names something else than is spoken
//! here enters, HAProxy's sentence leaves, or ours where HAProxy would speak it.

use super::Resolver;
use crate::config::ast::{CheckKind, Mux, Proxy, Server, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::Mode;

impl Resolver<'_, '_> {
    pub(super) fn protocols(&mut self, proxy: &Proxy, server: &Server) {
        let (file, line) = self.sources.place(server.name.span);
        let place = format!("[{file}:{line}]");
        let faults = [traffic(proxy, server, &place), checks(proxy, server)];
        for (proto, message) in faults.into_iter().flatten() {
            self.context.report(Diagnostic::error(proto.span, message).heading(Heading::Bare));
        }
    }
}

/// What is wrong with `proto`.
fn traffic(proxy: &Proxy, server: &Server, place: &str) -> Option<(Spanned<Mux>, String)> {
    let proto = server.settings.proto?;
    let (backend, name, mux) = (&proxy.name.value, &server.name.value, proto.value.name());
    let kind = proxy.kind.noun();
    let is_http = proxy.settings.mode.is_some_and(|mode| mode.value == Mode::Http);
    let message = match (is_http, proto.value) {
        (false, Mux::None) | (true, Mux::H1) => return None,
        (true, Mux::H2 | Mux::Fcgi) => {
            format!("'server {backend}/{name}' : 'proto {mux}' is not supported: rolecall forwards TCP only")
        }
        (true, Mux::None) | (false, _) => {
            format!("{kind} '{backend}' : MUX protocol '{mux}' is not usable for server '{name}' at {place}.")
        }
    };
    Some((proto, message))
}

/// What is wrong with `check-proto`.
fn checks(proxy: &Proxy, server: &Server) -> Option<(Spanned<Mux>, String)> {
    let proto = server.settings.check_proto.filter(|_| server.settings.check)?;
    let (backend, name, mux) = (&proxy.name.value, &server.name.value, proto.value.name());
    let kind = proxy.kind.noun();
    let is_http = proxy.settings.check.kind == CheckKind::HttpCheck;
    let message = match (is_http, proto.value) {
        (false, Mux::None) | (true, Mux::H1) => return None,
        (true, Mux::H2 | Mux::Fcgi) => {
            format!("'server {backend}/{name}' : 'check-proto {mux}' is not supported: checks speak HTTP/1")
        }
        (true, Mux::None) | (false, _) => format!(
            "config: {kind} '{backend}': server '{name}' uses an incompatible MUX protocol for the selected check type"
        ),
    };
    Some((proto, message))
}
