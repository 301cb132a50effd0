//! A bind line to the settings of its handshakes: which certificate a client gets, and which one it needs.

use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;

use super::protocols;
use crate::config::certificate::covers;
use crate::config::model::{BindTls, ClientVerify, Identity, PROVIDER, Tickets};

/// The settings of a line, made when its first client comes. A reload brings another line, with certificates that
/// were read anew.
pub fn acceptor(tls: &BindTls) -> Result<Arc<ServerConfig>, rustls::Error> {
    tls.made.or_make(|| make(tls))
}

fn make(tls: &BindTls) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(protocols(tls.versions))?;
    let roots = tls.authorities.as_ref().map(|authorities| Arc::clone(&authorities.roots));
    let clients = |roots| WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&PROVIDER));
    let unusable = |error: rustls::server::VerifierBuilderError| rustls::Error::General(error.to_string());
    let verifier = match (tls.verify, roots) {
        (ClientVerify::None, _) | (_, None) => Arc::new(NoClientAuth),
        (ClientVerify::Optional, Some(roots)) => {
            clients(roots).allow_unauthenticated().build().map_err(unusable)?
        }
        (ClientVerify::Required, Some(roots)) => clients(roots).build().map_err(unusable)?,
    };
    let choice = Choice { identities: tls.identities.clone(), strict: tls.strict_sni };
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(choice));
    config.alpn_protocols.clone_from(&tls.alpn);
    if tls.tickets == Tickets::NotGiven {
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(config)
}

/// The settings for one handshake, and the certificate that will have been chosen in it.
pub(super) fn watched(config: &ServerConfig) -> (ServerConfig, Arc<Watch>) {
    let watch = Arc::new(Watch { choice: Arc::clone(&config.cert_resolver), chosen: OnceLock::new() });
    let mut config = config.clone();
    config.cert_resolver = Arc::<Watch>::clone(&watch);
    (config, watch)
}

/// Keeps what was chosen; rustls tells nobody.
#[derive(Debug)]
pub(super) struct Watch {
    choice: Arc<dyn ResolvesServerCert>,
    chosen: OnceLock<CertificateDer<'static>>,
}

impl Watch {
    pub(super) fn chosen(&self) -> Option<CertificateDer<'static>> {
        self.chosen.get().cloned()
    }
}

impl ResolvesServerCert for Watch {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.choice.resolve(hello)?;
        if let Some(leaf) = key.cert.first() {
            // It is asked for once in a handshake.
            let _ = self.chosen.set(leaf.clone());
        }
        Some(key)
    }
}

/// Chooses by the name that a client asks for: an exact one, then one with a star, else the first certificate,
/// unless `strict-sni` forbids that.
#[derive(Debug)]
struct Choice {
    identities: Vec<Identity>,
    strict: bool,
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let named = |wanted: fn(&str) -> bool| {
            let host = hello.server_name()?;
            let fits =
                |identity: &&Identity| identity.names.iter().any(|name| wanted(name) && covers(name, host));
            // An RSA and an ECDSA certificate may carry the same name.
            let mut fitting = self.identities.iter().filter(fits).peekable();
            let first = fitting.peek().copied();
            fitting.find(|identity| identity.key.key.choose_scheme(schemes).is_some()).or(first)
        };
        let found = named(|name| !name.starts_with('*')).or_else(|| named(|name| name.starts_with('*')));
        let fallback = || self.identities.first().filter(|_| !self.strict);
        found.or_else(fallback).map(|identity| Arc::clone(&identity.key))
    }
}
