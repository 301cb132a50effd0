//! `server ... ssl`, `check-ssl`, and the checks of a script that says `connect ssl` (manual section 5.2).

use std::sync::Arc;

use super::super::Resolver;
use super::Subject;
use crate::config::ast::{self, Proxy, ServerVerify, Speaks};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{CheckAction, CheckMethod, CheckTls, CheckTransport, Made, ServerTls, TlsChecks};

/// What a server line asks for.
#[derive(Debug, Default)]
pub(in super::super) struct Tls {
    pub(in super::super) traffic: Option<Arc<ServerTls>>,
    /// Whether it is spoken or not.
    pub(in super::super) ready: Option<Arc<ServerTls>>,
    pub(in super::super) checks: Option<CheckTls>,
}

impl Resolver<'_, '_> {
    /// Nothing where nobody speaks TLS, or where something is wanted or, once reported, wrong.
    pub(in super::super) fn server_tls(
        &mut self,
        proxy: &Proxy,
        server: &ast::Server,
        check: &CheckMethod,
    ) -> Tls {
        let written = &server.settings.tls;
        let subject = Subject {
            text: format!("'server {}/{}'", proxy.name.value, server.name.value),
            heading: Heading::Place,
        };
        let authorities = written.ca_file.as_ref().map(|file| self.authorities(&subject, file));
        let identity = written.crt.as_ref().map(|crt| self.identities(&subject, crt));
        let scripted = says_tls(check);
        let spoken = written.traffic == Speaks::Tls || written.checks == Speaks::Tls || scripted;
        let used = spoken || written.offered;
        if !used {
            return Tls::default();
        }
        let verify = written.verify.or(self.tls.server_verify).unwrap_or(ServerVerify::Required);
        if verify == ServerVerify::Required && authorities.is_none() {
            self.unverified(&subject, server);
            return Tls::default();
        }
        let preset = self.tls.server.versions.clone();
        let (file, number) = self.sources.place(server.name.span);
        let whose = format!("for server '{}' at [{file}:{number}]", server.name.value);
        let versions = self.versions(&written.versions, &preset, (&proxy.name.value, &whose));
        let settings = Arc::new(ServerTls {
            authorities: authorities.flatten().filter(|_| verify == ServerVerify::Required),
            identity: identity.unwrap_or_default().into_iter().next(),
            sni: written.sni.clone(),
            verifyhost: written.verifyhost.clone(),
            alpn: written.alpn.clone().unwrap_or_default(),
            versions,
            made: Made::default(),
        });
        let as_server = match written.checks {
            Speaks::Tls => true,
            Speaks::Plain => false,
            // A check that goes elsewhere speaks plainly unless told otherwise.
            Speaks::Unsaid => {
                let elsewhere = server.settings.check_port.is_some() || server.settings.check_addr.is_some();
                written.traffic == Speaks::Tls && !elsewhere
            }
        };
        let when = if as_server { TlsChecks::AsServer } else { TlsChecks::Scripted };
        let checks = (as_server || scripted).then(|| CheckTls {
            settings: Arc::clone(&settings),
            when,
            sni: written.check_sni.clone(),
            alpn: written.check_alpn.clone(),
        });
        let ready = Some(settings);
        Tls { traffic: ready.clone().filter(|_| written.traffic == Speaks::Tls), ready, checks }
    }

    fn unverified(&mut self, subject: &Subject, server: &ast::Server) {
        let message = format!(
            "{} : verify is enabled by default but no CA file specified. If you're running on a LAN where you're \
             certain to trust the server's certificate, please set an explicit 'verify none' statement on the \
             'server' line, or use 'ssl-server-verify none' in the global section to disable server-side \
             verifications by default.",
            subject.text
        );
        self.context.report(
            Diagnostic::error(server.name.span, message)
                .heading(Heading::Place)
                .help("add 'ca-file FILE', or 'ca-file @system-ca' for the authorities of this system"),
        );
    }
}

/// Whether a step of the script opens a TLS connection.
fn says_tls(check: &CheckMethod) -> bool {
    let (CheckMethod::TcpCheck(rules) | CheckMethod::Builtin(rules)) = check else { return false };
    rules.iter().any(|rule| {
        matches!(&rule.action, CheckAction::Connect(connect) if matches!(connect.transport, CheckTransport::Tls { .. }))
    })
}
